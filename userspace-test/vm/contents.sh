#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# contents.sh: what free pages contain, in virtual machines: one with a kernel that was told
# to clear what is freed (init_on_free=1), and one with a module that was told to poison it
# (poison=1). In both, a module looks at pages that it has freed, and the device tests of
# memory and the torture test run. Prints the guests' KTAP; succeeds only if the scripts of
# both did and both logs are clean.
#
#   SERIES=6.1   a name of kernel.sh   TIMEOUT=900   seconds for each guest
#   CASES=       a pattern of device tests, instead of those of memory

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SERIES=${SERIES:-6.1}

# guest MODE APPEND
guest() {
	"$VM_DIR/boot.sh" --series "$SERIES" "${OPTIONS[@]}" --append "contents_mode=$1 $2" \
		--init "$VM_DIR/guest-contents.sh" --quiet --mem "${MEM:-1024}" \
		--timeout "${TIMEOUT:-900}" --log "$CACHE/contents-$1-$SERIES.log"
}

main() {
	local item status=0 cases=${CASES:+contents_cases=$CASES}
	prepare_guest
	OPTIONS=(--add "$TOOLS/device_test:/bin/device_test")
	for item in spanalloc spanalloc_contents spanalloc_torture; do
		OPTIONS+=(--ko "$(ko "$item")")
	done
	# Where freed pages are poisoned by the kernel, it does not clear them.
	guest wipe "page_poison=off init_on_alloc=0 init_on_free=1 $cases" || status=1
	guest poison "$cases" || status=1
	return "$status"
}

main "$@"
