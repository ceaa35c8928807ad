#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# pressure.sh SET...: memory given back (span_pressure), each set of cases in a virtual machine
# of its own: small, one that runs out of memory; large, one whose processors and memory come
# and go, and which is suspended; short, what matters most of the first. Prints the guests'
# KTAP; succeeds only if their scripts did and their logs are clean.
#
#   SERIES=6.1   a name of kernel.sh   TIMEOUT=900   seconds for each guest
#   CASES=       a pattern             MEM=          MiB of memory

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SERIES=${SERIES:-6.1}
# What the page cache is filled with.
DISK_MIB=64

# mem SET: what a kernel for debugging takes for itself leaves little, and each page takes it a
# millisecond.
mem() {
	case $1-$SERIES in
	large-*) echo 1024 ;;
	*-debug | *-kcsan) echo 384 ;;
	*) echo 512 ;;
	esac
}

# guest SET
guest() {
	local append="pressure=$1"
	[[ -z ${CASES:-} ]] || append+=" pressure_cases=$CASES"
	# What lies in blocks of its own, with nothing that cannot be moved, can be taken away.
	[[ $1 != large ]] || append+=' movablecore=50%'
	"$VM_DIR/boot.sh" --series "$SERIES" --ko "$(ko spanalloc)" --ko "$(ko spanalloc_mute)" \
		--add "$TOOLS/span_pressure:/bin/span_pressure" \
		--init "$VM_DIR/guest-pressure.sh" --disk "$DISK" --quiet \
		--mem "${MEM:-$(mem "$1")}" --append "$append" \
		--timeout "${TIMEOUT:-900}" --log "$CACHE/pressure-$SERIES-$1.log"
}

main() {
	local set status=0
	[[ $# -gt 0 ]] || die "usage: pressure.sh small|large|short..."
	prepare_guest
	scratch_disk "$DISK_MIB"
	for set; do
		guest "$set" || status=1
	done
	return $status
}

main "$@"
