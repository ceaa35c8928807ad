#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# races.sh: forced races (span_race) in a virtual machine. Prints the guest's KTAP; succeeds
# only if the guest's script did and the log is clean.
#
#   SERIES=6.1   a name of kernel.sh   TIMEOUT=900   seconds for the guest
#   CASES=       a pattern             MEM=1024      its memory in MiB

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SERIES=${SERIES:-6.1}

main() {
	local options=()
	prepare_guest
	options+=(--ko "$(ko spanalloc)" --ko "$(ko spanalloc_rendezvous)")
	[[ -z ${CASES:-} ]] || options+=(--append "race_cases=$CASES")
	"$VM_DIR/boot.sh" --series "$SERIES" "${options[@]}" \
		--add "$TOOLS/span_race:/bin/span_race" \
		--init "$VM_DIR/guest-races.sh" --quiet --mem "${MEM:-1024}" \
		--timeout "${TIMEOUT:-900}" --log "$CACHE/races-$SERIES.log"
}

main "$@"
