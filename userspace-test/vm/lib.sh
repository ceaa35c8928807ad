# SPDX-License-Identifier: GPL-2.0-only
# What the scripts of this folder share. Sourced, never run.
# shellcheck shell=bash

VM_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # used by the scripts that source this
PROJECT=$(cd "$VM_DIR/../.." && pwd)
# Absolute, for scripts change folders.
# shellcheck disable=SC2034
CACHE=$(realpath -m "${SPANALLOC_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/spanalloc}")

# Where depmod and modprobe are, which are not only for root.
PATH=$PATH:/usr/sbin:/sbin

note() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
	note "$*"
	exit 1
}

# need_value OPTION COUNT: an option's value must be there.
need_value() {
	[[ $2 -ge 2 ]] || die "$1 needs a value"
}

need_file() {
	[[ -f $1 ]] || die "no such file: $1"
}

# An outer make hands its flags and its job server down. The makes started here are
# for another project (a kernel), so they start fresh; V=1 is passed on by name.
forget_outer_make() {
	unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES GNUMAKEFLAGS
}

# build_spanctl ARCH: makes the static programs that guests run, and prints spanctl's path.
build_spanctl() {
	local dir=$PROJECT/userspace-test build=build
	[[ $1 = x86_64 ]] || build=build/$1
	if [[ ! -f $dir/Makefile ]]; then
		note "no userspace-test/Makefile: spanctl cannot be built"
		return 1
	fi
	mkdir -p "$dir/$build"
	(
		# Two runs at a time must not build the same.
		flock 8
		forget_outer_make
		[[ $1 != x86_64 ]] || "$VM_DIR/deps.sh" user32 || exit 1
		make --no-print-directory -C "$dir" ARCH="$1" ${V:+"V=$V"} vm-tools >&2
	) 8>"$dir/$build/.lock" || return 1
	if [[ ! -x $dir/$build/spanctl ]]; then
		note "make -C userspace-test vm-tools made no userspace-test/$build/spanctl"
		return 1
	fi
	printf '%s\n' "$dir/$build/spanctl"
}

# prepare_guest: everything that a guest of the kernel $SERIES is made of. Sets what kernel.sh
# tells (RELEASE, IMAGE, ARCH and so on), TOOLS, the folder of the static programs, and BUILT,
# the paths of the modules, those of kunit/torture too.
prepare_guest() {
	local kernel spanctl
	"$VM_DIR/deps.sh" build user vm || die "tools are missing"
	kernel=$("$VM_DIR/kernel.sh" "$SERIES") || die "no kernel $SERIES"
	eval "$kernel"
	spanctl=$(build_spanctl "$ARCH") || die "the tools for the guest do not build"
	# shellcheck disable=SC2034
	TOOLS=$(dirname "$spanctl")
	BUILT=$(TORTURE=1 "$VM_DIR/build-module.sh" "$SERIES") || die "the module does not build"
}

# ko NAMES: the path of a module in BUILT, or of those that the expression means; fails if
# there is none.
ko() {
	grep -E "/($1)\.ko\$" <<<"$BUILT"
}

# scratch_disk MIB: sets DISK, an empty image that is gone when the script ends.
scratch_disk() {
	DISK=$(mktemp)
	trap 'rm -f "$DISK"' EXIT
	truncate -s "${1}M" "$DISK"
}
