#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# hostile.sh: programs that mean no good (span_hostile) in a virtual machine whose kernel
# looks for misuse of memory and of locks. Prints the guest's KTAP; succeeds only if the
# guest's script did and the log is clean.
#
#   HOSTILE_SECONDS=60   how long               SERIES=6.1-debug   a name of kernel.sh
#   SEED=N               of the first process   ONE=N              repeats process N alone
#   MEM=1024             MiB of memory          TIMEOUT=           seconds for the guest
#
# A slow machine takes longer: so much has to be done before it is over.

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SERIES=${SERIES:-6.1-debug}
SECONDS_OF_IT=${HOSTILE_SECONDS:-60}
DISK_MIB=16

main() {
	local append
	[[ $SECONDS_OF_IT =~ ^[1-9][0-9]*$ ]] ||
		die "HOSTILE_SECONDS is a number, not '$SECONDS_OF_IT'"
	prepare_guest
	scratch_disk "$DISK_MIB"
	append="hostile_seconds=$SECONDS_OF_IT hostile_seed=${SEED:-$RANDOM$RANDOM}"
	"$VM_DIR/boot.sh" --series "$SERIES" --ko "$(ko spanalloc)" \
		--add "$TOOLS/span_hostile:/bin/span_hostile" \
		--init "$VM_DIR/guest-hostile.sh" --disk "$DISK" --quiet --mem "${MEM:-1024}" \
		--append "$append${ONE:+ hostile_one=$ONE}" \
		--timeout "${TIMEOUT:-$((SECONDS_OF_IT * 12 + 600))}" --log "$CACHE/hostile-$SERIES.log"
}

main "$@"
