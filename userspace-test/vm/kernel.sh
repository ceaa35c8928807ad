#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kernel.sh NAME [--src]: a kernel to test with, from the Debian archive, into the cache.
#
# NAME is a series, 6.1, 6.12, 7.2 and so on, for x86-64; or one followed by -amd64, for the
# image with all drivers; or by -arm64 or -arm64-16k, for that machine, with pages of 4 or 16
# KiB. What is fetched is the newest image of that series (that for clouds, which is small,
# where NAME is a series alone), and what building modules for it takes; with --src, the
# source alone, prepared for building modules under a general configuration (so, too, for a
# series that the archive has as source only). Nothing is installed. A kernel in the cache
# needs no network; the archive is asked for a newer one once a day.
#
# Names that end with -debug or -kcsan are for debug-kernel.sh, which builds them.
#
# On stdout, for a shell to read, and nothing else:
#   ARCH=     x86_64 or arm64
#   RELEASE=  the kernel's release
#   IMAGE=    its boot image (empty for source alone)
#   KDIR=     what to give to make -C
#   SRC=      its source, kept clean (empty unless a source package was needed)
#   MODPOST_WARN=1   no list of exported symbols (source alone): pass KBUILD_MODPOST_WARN=1

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
KERNELS=$CACHE/kernels
# shellcheck source=apt.sh
. "$VM_DIR/apt.sh"
# shellcheck source=kernel-find.sh
. "$VM_DIR/kernel-find.sh"
# shellcheck source=kernel-fetch.sh
. "$VM_DIR/kernel-fetch.sh"

# is_of_series NAME: 6.1.0-56 is of 6.1, 6.12.9 is not. A source is of every flavour, and
# that of clouds ends like the one that is not.
is_of_series() {
	[[ $1 =~ ^${SERIES//./\\.}[^0-9] ]] || return 1
	[[ $1 = *-src || ($1 = *-"$FLAVOUR" && $1 != *-cloud-"$FLAVOUR") ]]
}

# cached_names image|source: the whole kernels of this series with an image, or the sources
# alone; the newest last.
cached_names() {
	local dir name
	for dir in "$KERNELS"/*/; do
		name=$(basename "$dir")
		[[ $name = *-src ]] && [[ $1 = image ]] && continue
		[[ $name != *-src ]] && [[ $1 = source ]] && continue
		if is_of_series "$name" && is_complete "$dir"; then
			printf '%s\n' "$name"
		fi
	done | sort -V
}

# fall_back REASON: what the cache has must do, with a note. The archive is asked again in
# an hour, not at every run: a network that swallows packets costs half a minute.
fall_back() {
	CHOSEN=''
	[[ -n $WANT_SOURCE ]] || CHOSEN=$(cached_names image | tail -n 1)
	[[ -n $CHOSEN || ${KINDS[*]} != *source* ]] || CHOSEN=$(cached_names source | tail -n 1)
	[[ -n $CHOSEN ]] || explain "$1"
	if [[ $1 -eq 1 ]]; then
		note "Linux $NAME is gone from the Debian archive: using the cached $CHOSEN"
	else
		note "the Debian archive cannot be reached: using the cached $CHOSEN"
	fi
	printf '%s\n' "$CHOSEN" >"$INDEX"
	touch -d '23 hours ago' "$INDEX"
}

# explain REASON: no kernel of this series; says what there is instead.
explain() {
	local series newest
	[[ $1 -eq 1 ]] || die "the Debian archive cannot be reached, and no Linux $NAME is cached"
	series=$(available_series)
	newest=$(awk '{ print $NF }' <<<"$series")
	die "Linux $NAME is gone from the Debian archive (or never was there)." \
		"There are: ${series% }. The newest is ${newest:-none}."
}

# Sets CHOSEN, the name of the kernel to use, fetching it when needed.
choose() {
	local words reason=0
	CHOSEN=$(cat "$INDEX" 2>/dev/null || true)
	if [[ -n $CHOSEN && -n $(find "$INDEX" -mmin -1440) ]] && is_complete "$KERNELS/$CHOSEN"; then
		return
	fi
	discover || reason=$?
	if [[ $reason -eq 0 ]]; then
		read -ra words <<<"$FOUND"
		fetch "${words[@]}" || reason=2
	fi
	if [[ $reason -ne 0 ]]; then
		fall_back "$reason"
		return
	fi
	# Read again: a fetch that failed once may have found a newer one.
	read -ra words <<<"$FOUND"
	CHOSEN=${words[2]}
	printf '%s\n' "$CHOSEN" >"$INDEX"
}

print_kernel() {
	local dir=$KERNELS/$1 release=$1 image='' kdir=$KERNELS/$1/obj src=''
	[[ ! -L $dir/src ]] || src=$(readlink "$dir/src")
	[[ -d $kdir ]] || kdir=$dir/usr/src/linux-headers-$1
	if [[ $1 = *-src ]]; then
		release=$(cat "$kdir/include/config/kernel.release")
	else
		image=$(image_of "$dir" "$1")
	fi
	printf 'ARCH=%q\nRELEASE=%q\nIMAGE=%q\nKDIR=%q\nSRC=%q\n' \
		"$ARCH" "$release" "$image" "$kdir" "$src"
	[[ -f $kdir/Module.symvers ]] || printf 'MODPOST_WARN=1\n'
}

# Sets what follows from NAME; fails if that is none.
# shellcheck disable=SC2034 # CROSS_COMPILE is for kernel-find.sh
parse_name() {
	[[ $NAME =~ ^([0-9]+\.[0-9]+)(-(amd64|arm64(-16k)?))?$ ]] || return 1
	SERIES=${BASH_REMATCH[1]} FLAVOUR=${BASH_REMATCH[3]:-cloud-amd64}
	ARCH=x86_64 CROSS_COMPILE=''
	[[ $FLAVOUR = arm64* ]] || return 0
	ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- KINDS=(binary)
	APT_SCOPES=("${APT_SCOPES[@]/%/-arm64}")
}

main() {
	[[ ! ${1:-} =~ -(debug|kcsan)$ ]] || exec "$VM_DIR/debug-kernel.sh" "$@"
	local usage="usage: kernel.sh NAME [--src] (NAME is 6.1, 6.12, 7.2, 6.1-amd64, 6.1-arm64 and so on)"
	NAME='' WANT_SOURCE='' KINDS=(binary rebuilt source)
	while [[ $# -gt 0 ]]; do
		case $1 in
		--src) WANT_SOURCE=1 KINDS=(source) ;;
		[0-9]*) NAME=$1 ;;
		*) die "$usage" ;;
		esac
		shift
	done
	parse_name || die "$usage"
	command -v apt-get >/dev/null ||
		die "no apt-get here: kernels are taken from the Debian archive"
	[[ $ARCH = x86_64 ]] || "$VM_DIR/deps.sh" arm64
	mkdir -p "$KERNELS"
	INDEX=$KERNELS/.newest-$NAME${WANT_SOURCE:+-src}
	# Two runs at a time must not fetch the same kernel into the same place.
	exec 9>"$KERNELS/.lock"
	flock 9
	choose
	print_kernel "$CHOSEN"
}

main "$@"
