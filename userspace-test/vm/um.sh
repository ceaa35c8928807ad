# SPDX-License-Identifier: GPL-2.0-only
#
# Linux for User-Mode Linux with this project in it. Sourced by kunit.sh and bench.sh, after
# lib.sh; they set TMP, a folder, and TIMEOUT, in seconds.
# shellcheck shell=bash

SERIES=7.2
# What the kernel sees of the project.
PARTS=(Kbuild spanalloc kunit)
PRODUCTS=('*.o' '*.ko' '*.mod' '*.mod.c' '.*.cmd' '*.symvers' 'modules.order' '.tmp_*'
	'.module-common*' '*.a')
# User-Mode Linux has two processors only with seccomp=on.
UML_ARGS=(seccomp=on ncpus=2)

# show FILE: the end of what a tool said, as a comment.
show() {
	tail -n "${2:-40}" "$1" | tr -d '\r' | sed 's/^/# /'
}

# quietly LOG COMMAND...
quietly() {
	local log=$1
	shift
	if [[ -n ${V:-} ]]; then
		"$@" 2>&1 </dev/null | tee "$log" >&2
	else
		"$@" >"$log" 2>&1 </dev/null
	fi
}

# make_tree: the kernel's source with a place for the project. A hard link that is written
# to by sed -i becomes a file of its own, so the source stays as it was.
make_tree() {
	local tmp=$DIR/.new-tree
	rm -rf "$tmp" "$TREE"
	note "copying the source of Linux $SERIES (hard links)"
	cp -al "$SRC" "$tmp"
	mkdir "$tmp/drivers/spanalloc"
	# shellcheck disable=SC2016 # sed's last line
	sed -i '$a obj-y += spanalloc/' "$tmp/drivers/Makefile"
	sed -i 's|^endmenu$|source "drivers/spanalloc/Kconfig"\n\n&|' "$tmp/drivers/Kconfig"
	if ! grep -q spanalloc "$tmp/drivers/Makefile" || ! grep -q spanalloc "$tmp/drivers/Kconfig"; then
		die "the source of Linux $SERIES has no place for drivers/spanalloc"
	fi
	mv "$tmp" "$TREE"
}

# copy_project DIR: as in build-module.sh, what has changed becomes new, the rest stays.
copy_project() {
	local part excludes=(--exclude=/Kconfig)
	for part in "${PRODUCTS[@]}"; do
		excludes+=(--exclude="$part")
	done
	mkdir -p "$1"
	rsync -rlp --checksum --delete "${excludes[@]}" "${PARTS[@]/#/$PROJECT/}" "$1/"
}

# The top of the project has no Kconfig, for it is no part of a kernel.
stage() {
	local name
	copy_project "$TREE/drivers/spanalloc"
	for name in spanalloc kunit kunit/bench; do
		printf 'source "drivers/spanalloc/%s/Kconfig"\n' "$name"
	done >"$TREE/drivers/spanalloc/.Kconfig.new"
	if ! cmp -s "$TREE/drivers/spanalloc/.Kconfig.new" "$TREE/drivers/spanalloc/Kconfig"; then
		mv "$TREE/drivers/spanalloc/.Kconfig.new" "$TREE/drivers/spanalloc/Kconfig"
	fi
	rm -f "$TREE/drivers/spanalloc/.Kconfig.new"
}

# kunit_py COMMAND [OPTION...]: in the folder OBJ.
kunit_py() {
	local command=$1
	shift
	(
		cd "$TREE" || exit
		python3 tools/testing/kunit/kunit.py "$command" --build_dir="$OBJ" "$@"
	)
}

# build_kernel: that of the suites, in OBJ.
build_kernel() {
	[[ -f $OBJ/linux ]] || note "building Linux $SERIES for User-Mode Linux"
	kunit_py build --jobs="${JOBS:-$(nproc)}" --kunitconfig=drivers/spanalloc/kunit
}

# make_initramfs FILE SCRIPT [FILE]...: a guest that runs SCRIPT, with these modules or other
# files in /lib/spanalloc.
make_initramfs() {
	local to=$1 script=$2 stage=$TMP/initramfs.d
	shift 2
	rm -rf "$stage"
	mkdir -p "$stage/bin" "$stage/guest" "$stage/lib/spanalloc"
	cp "$(command -v busybox)" "$stage/bin/busybox"
	cp "$VM_DIR/guest-init.sh" "$stage/init"
	cp "$script" "$stage/guest/run"
	cp "$@" "$stage/lib/spanalloc/"
	chmod 755 "$stage" "$stage/init" "$stage/bin/busybox"
	(cd "$stage" && find . | sort | cpio --quiet -o -H newc -R 0:0) >"$to"
}

# boot_um LINUX INITRAMFS LOG ARGUMENT...: whatever becomes of it is in the log.
boot_um() {
	local linux=$1 initramfs=$2 log=$3
	shift 3
	timeout --kill-after=5 "$TIMEOUT" "$linux" initrd="$initramfs" \
		con0=null,fd:1 con=null console=tty uml_dir="$TMP/uml/" "${UML_ARGS[@]}" "$@" \
		</dev/null >"$log" 2>&1 || true
}

# prune FOLDER: a tree of another version of the source is of no use any more.
prune() {
	local dir
	for dir in "$1"/*/; do
		[[ ${dir%/} = "$DIR" || ! -d $dir ]] || rm -rf "$dir"
	done
}

# prepare_um NAME: the source with the project in it, for nobody else of that name until
# descriptor 9 is closed. Sets DIR, where what is built goes, and TREE.
prepare_um() {
	local name=$1 kernel
	"$VM_DIR/deps.sh" src vm
	kernel=$("$VM_DIR/kernel.sh" "$SERIES")
	eval "$kernel"
	if [[ -z $SRC ]]; then
		kernel=$("$VM_DIR/kernel.sh" "$SERIES" --src)
		eval "$kernel"
	fi
	[[ -n $SRC ]] || die "no source of Linux $SERIES"
	DIR=$CACHE/$name/$(basename "$SRC")
	TREE=$DIR/tree
	mkdir -p "$DIR"
	exec 9>"$CACHE/$name/.lock"
	flock 9
	prune "$CACHE/$name"
	[[ -d $TREE ]] || make_tree
	stage
}
