#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# debug-kernel.sh SERIES-FLAVOUR: a kernel for debugging, built from Debian's source of that
# series, into the cache. The flavours are the files of configs/ but base.config: debug (KASAN,
# lockdep, kmemleak, fault injection and more) and kcsan.
#
# The configuration is allnoconfig and two fragments, configs/base.config and the flavour's.
# Each line of theirs must be in the result: a symbol that silently did not take would make
# a kernel that finds nothing. It is built once for each source, configuration and compiler,
# which takes five to ten minutes on two processors.
#
# Prints what kernel.sh prints, which calls this for such names.
#
#   JOBS=   how many compilers at a time

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
KERNELS=$CACHE/debug-kernels
MARK=.complete

# fragment: the symbols asked for, with a name for the release.
fragment() {
	cat "$VM_DIR/configs/base.config" "$VM_DIR/configs/$FLAVOUR.config"
	printf 'CONFIG_LOCALVERSION="-%s"\n' "$FLAVOUR"
}

# wanted FILE: the lines of a fragment, as they have to be in a .config.
wanted() {
	grep -E '^CONFIG_' "$1"
}

# check_config OBJ: every symbol took.
check_config() {
	local line bad=0 count=0
	while read -r line; do
		count=$((count + 1))
		grep -qxF -e "$line" "$1/.config" && continue
		note "$line did not take: $(grep -E "[ _]${line%%=*}[ =]" "$1/.config" || echo 'no such symbol')"
		bad=1
	done < <(wanted "$1/fragment.config")
	[[ $bad -eq 0 && $count -gt 0 ]]
}

# make_kernel GOAL...
make_kernel() {
	make -C "$SRC" O="$DIR/obj" -j"${JOBS:-$(nproc)}" "$@" >>"$DIR/build.log" 2>&1 && return
	tail -n 20 "$DIR/build.log" >&2
	die "the kernel does not build (whole log: $DIR/build.log)"
}

# builds: the folders of this name, whole or not, the newest last.
builds() {
	find "$KERNELS" -mindepth 1 -maxdepth 1 -type d -name "$NAME-*" -printf '%T@ %p\n' |
		sort -n | cut -d ' ' -f 2-
}

# A build starts from what the last one has made, even if that was interrupted or was for
# another configuration: make knows what is to be made again.
build() {
	local start=$SECONDS last
	note "building Linux $(basename "$SRC") for $NAME, once"
	"$VM_DIR/deps.sh" src
	last=$(builds | tail -n 1)
	if [[ -n $last && $last != "$DIR" ]]; then
		rm -rf "$DIR"
		cp -a "$last" "$DIR"
		touch "$DIR"
		rm -f "$DIR/$MARK"
	fi
	mkdir -p "$DIR/obj"
	fragment >"$DIR/obj/fragment.config"
	make_kernel KCONFIG_ALLCONFIG="$DIR/obj/fragment.config" allnoconfig
	check_config "$DIR/obj" || die "the configuration is not what was asked for"
	# Module.symvers comes with "modules", even without any.
	make_kernel bzImage modules
	need_file "$DIR/obj/Module.symvers"
	ln -sfn "$SRC" "$DIR/src"
	touch "$DIR/$MARK"
	note "built in $((SECONDS - start)) s"
}

# prune: of each name the last two stay, for the last but one may be in use.
prune() {
	local dir
	while read -r dir; do
		rm -rf "$dir"
	done < <(builds | head -n -2)
}

print_kernel() {
	printf 'RELEASE=%q\nIMAGE=%q\nKDIR=%q\nSRC=%q\nARCH=x86_64\n' \
		"$(<"$DIR/obj/include/config/kernel.release")" \
		"$DIR/obj/arch/x86/boot/bzImage" "$DIR/obj" "$SRC"
}

main() {
	local kernel key
	[[ $# -eq 1 && $1 =~ ^[0-9]+\.[0-9]+-[a-z]+$ ]] || die "usage: debug-kernel.sh SERIES-FLAVOUR"
	NAME=$1
	FLAVOUR=${NAME#*-}
	need_file "$VM_DIR/configs/$FLAVOUR.config"
	kernel=$("$VM_DIR/kernel.sh" "${NAME%%-*}" --src)
	eval "$kernel"
	key=$({ basename "$SRC"; fragment; gcc --version; } | sha256sum | cut -c 1-12)
	DIR=$KERNELS/$NAME-$key
	mkdir -p "$KERNELS"
	# Two runs at a time must not build the same.
	exec 9>"$KERNELS/.lock-$NAME"
	flock 9
	forget_outer_make
	if [[ ! -f $DIR/$MARK ]]; then
		build
		prune
	fi
	print_kernel
}

main "$@"
