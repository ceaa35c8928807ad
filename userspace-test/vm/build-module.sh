#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# build-module.sh [NAME [OUTDIR]]: builds the module for a kernel of kernel.sh, in a copy
# of its sources below OUTDIR/<release>, so that the checkout stays clean and several
# kernels can be built side by side. Warnings are errors. Prints the paths of the modules;
# for a kernel with KUnit, the one with the suites is the third.
#
# What was built already, of the same sources and in the same way, is not built again: make
# takes seconds to find that out, and a run of the tests asks twenty times.
#
# JOBS= how many compilers at a time; V=1 shows their command lines; TORTURE=1 builds the
# modules of kunit/torture as well, whose paths come last.

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# What the build sees of the project.
PARTS=(Kbuild spanalloc kunit)
PRODUCTS=(spanalloc/spanalloc.ko spanalloc/samples/spanalloc_ring.ko)
# The configuration under test.
MAKE_VARS=(W=1 KCFLAGS=-Werror CONFIG_SPANALLOC=m CONFIG_SPANALLOC_SAMPLES=m
	CONFIG_SECTION_MISMATCH_WARN_ONLY=)
# A frame that a kernel with KASAN, which makes it half as large again, still allows. In kernels
# with that or with KCSAN, their own limit holds.
FRAME_MAX=1280
# Products of a build, in the checkout or in the copy: neither copied nor deleted.
BUILD_PRODUCTS=('*.o' '*.ko' '*.mod' '*.mod.c' '.*.cmd' '*.symvers' 'modules.order'
	'.tmp_*' '.module-common*' '*.a' 'Makefile.m')

default_outdir() {
	# One build folder for each checkout on this machine.
	printf '%s/build/%s\n' "$CACHE" "$(sha256sum <<<"$PROJECT" | cut -c 1-12)"
}

# copy_sources DIR: makes DIR's sources those of the project, byte for byte. Unchanged files
# are not touched, changed ones become new, whatever their age in the checkout: make then
# rebuilds what it must and nothing else. An object without a source would do for make.
copy_sources() {
	local part parts=() excludes=() changed
	for part in "${BUILD_PRODUCTS[@]}"; do
		excludes+=(--exclude="$part")
	done
	for part in "${PARTS[@]}"; do
		[[ ! -e $PROJECT/$part ]] || parts+=("$PROJECT/$part")
	done
	[[ -f $PROJECT/Kbuild ]] || die "no Kbuild in $PROJECT: there is no module to build"
	mkdir -p "$1"
	for part in "${PARTS[@]}"; do
		[[ -e $PROJECT/$part ]] || rm -rf "${1:?}/$part"
	done
	changed=$(rsync -rlp --checksum --delete --itemize-changes "${excludes[@]}" "${parts[@]}" "$1/")
	[[ $changed != *deleting* ]] || find "$1" -name '*.o' -delete
}

# build DIR
build() {
	local vars=("${MAKE_VARS[@]}")
	[[ -z ${MODPOST_WARN:-} ]] || vars+=(KBUILD_MODPOST_WARN=1)
	[[ $ARCH = x86_64 ]] || vars+=("ARCH=$ARCH" CROSS_COMPILE=aarch64-linux-gnu-)
	[[ -z ${V:-} ]] || vars+=("V=$V")
	forget_outer_make
	make --no-print-directory -C "$KDIR" M="$1" "${vars[@]}" -j"${JOBS:-$(nproc)}" modules >&2 ||
		die "the module does not build for Linux $RELEASE"
}

# made_by_build DIR PRODUCT: a file may be left from an older build; the list of modules is
# written by each. Kernels list them as .ko or as .o, with or without their folder.
made_by_build() {
	[[ -f $1/$2 ]] && grep -qE "(^|/)${2%.ko}\.k?o\$" "$1/modules.order"
}

# made_from DIR: all that a build comes from: the sources, the kernel, the compilers, and what
# make is told or takes from the environment.
made_from() {
	local name names=()
	for name in "${BUILD_PRODUCTS[@]}"; do
		names+=(! -name "$name")
	done
	find "$1" -type f "${names[@]}" ! -name .built -print0 | sort -z | xargs -0 sha256sum
	printf '%s\n' "$KDIR" "$ARCH" "${MAKE_VARS[@]}" "${MODPOST_WARN:-}" "${PRODUCTS[@]}"
	find "$KDIR/" -maxdepth 1 -type f -printf '%p %T@ %s\n' | sort
	stat -L -c '%n %Y %s' "$(dirname "$(command -v gcc)")"/*gcc*
	env | sed -nE '/^(LLVM|CC|LD|K[A-Z_]*FLAGS|KBUILD_[A-Z_]*|CONFIG_[A-Z_]*)=/p' | sort
}

# is_built DIR SUM: nothing is to be done.
is_built() {
	local product
	[[ -f $1/.built && $(<"$1/.built") = "$2" ]] || return 1
	for product in "${PRODUCTS[@]}"; do
		made_by_build "$1" "$product" || return 1
	done
}

main() {
	local series=${1:-${SERIES:-6.1}} outdir kernel dir sum product
	[[ $# -le 2 ]] || die "usage: build-module.sh [NAME [OUTDIR]]"
	outdir=$(realpath -m "${2:-$(default_outdir)}")
	"$VM_DIR/deps.sh" build
	kernel=$("$VM_DIR/kernel.sh" "$series")
	eval "$kernel"
	if grep -qx CONFIG_KUNIT=y "$KDIR/.config"; then
		# UBSAN of older kernels looks only at what asks for it.
		MAKE_VARS+=(CONFIG_SPANALLOC_KUNIT_TEST=m UBSAN_SANITIZE=y)
		PRODUCTS+=(kunit/spanalloc_kunit.ko)
	fi
	grep -qxE 'CONFIG_K(A|C)SAN=y' "$KDIR/.config" ||
		MAKE_VARS+=("KCFLAGS=-Werror -Wframe-larger-than=$FRAME_MAX")
	if [[ -n ${TORTURE:-} ]]; then
		MAKE_VARS+=(CONFIG_SPANALLOC_TORTURE=m)
		! grep -qx CONFIG_DMA_SHARED_BUFFER=y "$KDIR/.config" ||
			PRODUCTS+=(kunit/torture/spanalloc_importer.ko)
		for product in bench tail torture rendezvous mute cgroup contents; do
			PRODUCTS+=("kunit/torture/spanalloc_$product.ko")
		done
	fi
	dir=$outdir/$RELEASE
	mkdir -p "$outdir"
	exec 9>"$dir.lock"
	flock 9
	copy_sources "$dir"
	sum=$(made_from "$dir" | sha256sum)
	if ! is_built "$dir" "$sum"; then
		rm -f "$dir/.built"
		build "$dir"
		printf '%s\n' "$sum" >"$dir/.built"
	fi
	for product in "${PRODUCTS[@]}"; do
		made_by_build "$dir" "$product" || die "the build made no $product"
		printf '%s\n' "$dir/$product"
	done
}

main "$@"
