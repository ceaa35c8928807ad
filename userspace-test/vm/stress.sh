#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# stress.sh: everything at once (span_stress, and kunit/torture beside it) in a virtual machine
# that is short of memory, with a disk for direct I/O. Prints the guest's KTAP; succeeds only if the guest's script did
# and the log is clean.
#
#   STRESS_SECONDS=60   how long      SERIES=6.1   kernel series      MEM=512   MiB of memory

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SERIES=${SERIES:-6.1}
SECONDS_OF_LOAD=${STRESS_SECONDS:-60}
# More than the guest has memory, so that reading it takes all there is.
DISK_MIB=1024

# A kernel for debugging needs more for itself.
default_mem() {
	case $SERIES in
	*-debug | *-kcsan) echo 1024 ;;
	*) echo 512 ;;
	esac
}

main() {
	[[ $SECONDS_OF_LOAD =~ ^[1-9][0-9]*$ ]] || die "STRESS_SECONDS is a number, not '$SECONDS_OF_LOAD'"
	prepare_guest
	scratch_disk "$DISK_MIB"
	"$VM_DIR/boot.sh" --series "$SERIES" --ko "$(ko spanalloc)" \
		--ko "$(ko spanalloc_torture)" \
		--add "$TOOLS/span_stress:/bin/span_stress" \
		--init "$VM_DIR/guest-stress.sh" --disk "$DISK" --quiet \
		--mem "${MEM:-$(default_mem)}" --append "stress_seconds=$SECONDS_OF_LOAD" \
		--timeout "${TIMEOUT:-$((SECONDS_OF_LOAD + 900))}" --log "$CACHE/stress-$SERIES.log"
}

main "$@"
