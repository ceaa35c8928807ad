#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# failnth.sh: every operation of the module with each of its allocations failing in turn, in
# a virtual machine whose kernel can do that. Prints the guest's KTAP; succeeds only if the
# guest's script did and the log is clean.
#
#   SERIES=6.1-debug   a debug kernel      TIMEOUT=7200   seconds for the guest
#   CASES=PATTERN      only such cases             MEM=2048       MiB: with less, the memory
#                      of the guest is in pieces soon, and granules are of single pages

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SERIES=${SERIES:-6.1-debug}
# Which slab caches may fail: all (A) but one. See walk.c.
FAILING='slub_debug=A;-,kmemleak_object'
CASES=${CASES:-}

main() {
	prepare_guest
	"$VM_DIR/boot.sh" --series "$SERIES" --ko "$(ko spanalloc)" \
		--add "$TOOLS/fail_nth:/bin/fail_nth" \
		--add "$VM_DIR/explain-log.awk:/lib/spanalloc/explain-log.awk" \
		--init "$VM_DIR/guest-failnth.sh" --quiet \
		--append "log_buf_len=16M $FAILING${CASES:+ failnth_cases=$CASES}" \
		--mem "${MEM:-2048}" --timeout "${TIMEOUT:-7200}" \
		--log "$CACHE/failnth-$SERIES.log"
}

main "$@"
