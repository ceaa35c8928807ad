#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# boot.sh: boots a kernel of kernel.sh under QEMU with an initramfs made here, runs a script
# in it, and reads its log. Succeeds only if the script did and the log is clean. In a debug
# kernel guest-debug.sh runs after the script, and has to succeed as well.
#
#   --series NAME     which kernel, by a name of kernel.sh (default $SERIES, else 6.1)
#   --ko FILE         a module, put into /lib/spanalloc (repeatable)
#   --driver NAME     a module of the kernel's own, loaded before the script (repeatable)
#   --add SRC:DEST    a file for the guest, executable if it is here (repeatable)
#   --program FILE    a program of this machine, with the libraries it needs, under the same
#                     path there (repeatable)
#   --init SCRIPT     what the guest runs (busybox sh); its exit status decides
#   --timeout SECONDS default 120
#   --log FILE        where the console goes, besides standard output
#   --mem MiB         default 1024, or 2048 where pages have 16 KiB
#   --cpus N          default 2
#   --numa MIB,MIB... nodes with so much memory and a processor each; instead of the two above
#   --append ARGS     for the kernel's command line
#   --disk FILE       a raw image, /dev/vda in the guest
#   --quiet           standard output starts where the script does; the log has everything
#   --interactive     a shell on the console after the script; no time limit, no log scan

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SERIES=${SERIES:-6.1}
TIMEOUT=120
MEM=''
CPUS=2
NUMA=()
KEPT_LOG=''
APPEND=''
DISK=''
SCRIPT=''
INTERACTIVE=''
QUIET=''
KOS=()
DRIVERS=()
ADDS=()
PROGRAMS=()

parse_options() {
	while [[ $# -gt 0 ]]; do
		case $1 in
		--interactive) INTERACTIVE=1; shift; continue ;;
		--quiet) QUIET=1; shift; continue ;;
		--*) need_value "$1" $# ;;
		esac
		case $1 in
		--series) SERIES=$2 ;;
		--ko) need_file "$2"; KOS+=("$2") ;;
		--driver) DRIVERS+=("$2") ;;
		--add) ADDS+=("$2") ;;
		--program) need_file "$2"; PROGRAMS+=("$2") ;;
		--init) need_file "$2"; SCRIPT=$2 ;;
		--timeout) TIMEOUT=$2 ;;
		--log) KEPT_LOG=$2 ;;
		--mem) MEM=$2 ;;
		--cpus) CPUS=$2 ;;
		--numa) set_nodes "$2" ;;
		--append) APPEND=$2 ;;
		--disk) need_file "$2"; DISK=$2 ;;
		*) die "unknown option '$1' (see the head of boot.sh)" ;;
		esac
		shift 2
	done
}

# set_nodes SIZES
set_nodes() {
	local size node=0
	MEM=0
	for size in ${1//,/ }; do
		NUMA+=(-object "memory-backend-ram,id=node$node,size=${size}M"
			-numa "node,nodeid=$node,cpus=$node,memdev=node$node")
		MEM=$((MEM + size))
		node=$((node + 1))
	done
	# A socket each: no two of a socket may be on different nodes.
	CPUS=$node,sockets=$node
}

# What the tests need is counted in pages.
default_mem() {
	[[ $SERIES = *-16k ]] && echo 2048 || echo 1024
}

# kernel_modules DIR NAME...: copies modules of the kernel itself and what they need, in the
# order of loading, unpacked. Those built in need nothing.
kernel_modules() {
	local dir=$1 root=$CACHE/kernels/$RELEASE module modules count=10
	shift
	[[ -e $root/lib/modules ]] || ln -s usr/lib "$root/lib"
	[[ -e $root/lib/modules/$RELEASE/modules.dep ]] || depmod -b "$root" "$RELEASE"
	modules=$(modprobe -d "$root" -S "$RELEASE" --show-depends -a "$@") ||
		die "Linux $RELEASE has not all of the modules $*"
	mkdir -p "$dir"
	while read -r module; do
		count=$((count + 1))
		case $module in
		*.xz) xz -dc "$module" >"$dir/$count.ko" ;;
		*.zst) zstd -qdc "$module" >"$dir/$count.ko" ;;
		*) cp "$module" "$dir/$count.ko" ;;
		esac
	done < <(sed -n 's/^insmod \([^ ]*\).*/\1/p' <<<"$modules" | awk '!seen[$0]++')
}

# A distribution's kernel has virtio disks as modules.
add_drivers() {
	local drivers=(${DRIVERS[@]+"${DRIVERS[@]}"})
	if [[ -n $DISK ]] && ! grep -qx CONFIG_VIRTIO_BLK=y "$KDIR/.config"; then
		drivers+=(virtio_pci virtio_blk)
	fi
	[[ ${#drivers[@]} -eq 0 ]] || kernel_modules "$1" "${drivers[@]}"
}

# files_of PROGRAM: itself, its libraries, and the loader.
files_of() {
	printf '%s\n' "$1"
	ldd "$1" | sed -nE 's/^\s*([^ ]+ => )?(\/[^ ]+) \(.*/\2/p'
}

# add_file STAGE SRC DEST
add_file() {
	[[ -e $2 ]] || die "no such file: $2"
	mkdir -p "$1/$(dirname "$3")"
	cp -RL --preserve=mode,timestamps "$2" "$1/$3"
}

# make_initramfs STAGE FILE
make_initramfs() {
	local stage=$1 item busybox
	busybox=$(command -v busybox)
	[[ $ARCH = x86_64 ]] || busybox=$CACHE/kernels/$RELEASE/bin/busybox
	add_file "$stage" "$busybox" /bin/busybox
	add_file "$stage" "$VM_DIR/guest-init.sh" /init
	for item in ${KOS[@]+"${KOS[@]}"}; do
		add_file "$stage" "$item" "/lib/spanalloc/$(basename "$item")"
	done
	for item in ${ADDS[@]+"${ADDS[@]}"}; do
		[[ $item = *:/* ]] || die "--add wants SRC:/DEST, not '$item'"
		add_file "$stage" "${item%%:/*}" "/${item#*:/}"
	done
	for item in ${PROGRAMS[@]+"${PROGRAMS[@]}"}; do
		files_of "$item"
	done | sort -u | while read -r item; do
		add_file "$stage" "$item" "$item"
	done
	[[ -z $SCRIPT ]] || add_file "$stage" "$SCRIPT" /guest/run
	if [[ $SERIES =~ -(debug|kcsan)$ && -z $INTERACTIVE ]]; then
		add_file "$stage" "$VM_DIR/guest-debug.sh" /guest/after
	fi
	add_drivers "$stage/lib/drivers"
	chmod 755 "$stage" "$stage/init" "$stage/bin/busybox"
	(cd "$stage" && find . | sort | cpio --quiet -o -H newc -R 0:0) >"$2"
}

# Sets QEMU, which starts such a machine, and CONSOLE, its first serial port.
choose_machine() {
	local accel
	accel=$("$VM_DIR/accel.sh" "$ARCH" "$IMAGE")
	case $ARCH in
	x86_64)
		QEMU=(qemu-system-x86_64)
		CONSOLE=ttyS0
		;;
	arm64)
		QEMU=(qemu-system-aarch64 -M 'virt,gic-version=3')
		CONSOLE=ttyAMA0
		;;
	esac
	# shellcheck disable=SC2206 # a list of options
	QEMU+=($accel)
}

# The console is the first serial port; QEMU writes its log itself, so that standard output
# may be a terminal with a shell on it.
run_qemu() {
	local append limit=() mux=off
	choose_machine
	# On a busy machine an emulated timer is late, which x86 takes for a broken one.
	append="console=$CONSOLE panic=-1 oops=panic mitigations=off no_timer_check $APPEND"
	# While Linux 7.2 identifies the processor, the bit that says whether page tables have
	# five levels is clear for a moment; with them, an interrupt then is a wild access to
	# KASAN, which turns lockdep off.
	[[ ! $SERIES =~ -(debug|kcsan)$ ]] || append+=' no5lvl'
	if [[ -n $INTERACTIVE ]]; then
		append+=' spanalloc.interactive'
		mux=on
	else
		# In the foreground, or Ctrl-C would not reach the guest.
		limit=(timeout --foreground --kill-after=5 "$TIMEOUT")
	fi
	${limit[@]+"${limit[@]}"} "${QEMU[@]}" -m "${MEM:-$(default_mem)}" -smp "$CPUS" \
		${NUMA[@]+"${NUMA[@]}"} \
		-nodefaults -no-user-config -display none -no-reboot \
		-chardev "stdio,id=console,mux=$mux,signal=off,logfile=$LOG" \
		-serial chardev:console ${INTERACTIVE:+-mon chardev=console} \
		${DISK:+-drive "file=$DISK,format=raw,if=virtio"} \
		-kernel "$IMAGE" -initrd "$TMP/initramfs" -append "$append"
}

# What the person at the terminal sees of it.
show() {
	if [[ -n $QUIET ]]; then
		sed -u -e '1,/^VM-START/d' -e '/^VM-EXIT/,$d'
	else
		cat
	fi
}

# The guest's exit status, as its last word; empty when it never said one.
guest_status() {
	tr -d '\r' <"$LOG" | sed -n 's/^VM-EXIT: \([0-9][0-9]*\)$/\1/p' | tail -n 1
}

# judge QEMU-STATUS SECONDS
judge() {
	local status failed=0
	status=$(guest_status)
	if [[ -z $status ]]; then
		note "last lines of the guest:"
		tail -n 30 "$LOG" | tr -d '\r' >&2
		if [[ $1 -eq 124 || $1 -eq 137 ]]; then
			note "guest timed out after $TIMEOUT s (no VM-EXIT line)"
		else
			note "guest died (no VM-EXIT line; QEMU ended with $1 after $2 s)"
		fi
		failed=1
	elif [[ $status -ne 0 ]]; then
		note "the guest's script failed with status $status"
		failed=1
	fi
	"$VM_DIR/scan-log.sh" "$LOG" || failed=1
	if [[ $failed -ne 0 && -z $KEPT_LOG ]]; then
		cp "$LOG" "$CACHE/failed-boot.log"
		note "the whole log: $CACHE/failed-boot.log"
	fi
	return "$failed"
}

clean_up() {
	[[ -z $KEPT_LOG || ! -s $TMP/console.log ]] || cp "$TMP/console.log" "$KEPT_LOG"
	rm -rf "$TMP"
}

main() {
	local kernel start=$SECONDS status=0
	parse_options "$@"
	# What is left of another run is no log of this one, however it ends.
	[[ -z $KEPT_LOG ]] || rm -f "$KEPT_LOG"
	TMP=$(mktemp -d)
	trap clean_up EXIT
	"$VM_DIR/deps.sh" vm
	kernel=$("$VM_DIR/kernel.sh" "$SERIES")
	eval "$kernel"
	[[ -n $IMAGE ]] || die "Linux $RELEASE is here as source only: there is no image to boot"
	# Of this run alone: another one may keep its log under the same name.
	LOG=$TMP/console.log
	: >"$LOG"
	mkdir "$TMP/stage"
	make_initramfs "$TMP/stage" "$TMP/initramfs"
	if [[ -n $INTERACTIVE ]]; then
		run_qemu
		return
	fi
	run_qemu </dev/null | show || status=$?
	judge "$status" "$((SECONDS - start))"
}

main "$@"
