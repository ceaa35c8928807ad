#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# torture.sh: the torture test of kunit/torture in a virtual machine, with caches and without.
# Prints the guest's KTAP; succeeds only if the guest's script did and the log is clean.
#
#   SERIES=6.1   kernel of kernel.sh        SECONDS_LONG=5   each of them
#   THREADS=4    how many threads           SEED=1           of the random operations
#   MEM=1024     the guest's memory, MiB    TIMEOUT=         seconds for the guest

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SERIES=${SERIES:-6.1}
SECONDS_LONG=${SECONDS_LONG:-5}

main() {
	local built options=() ko
	"$VM_DIR/deps.sh" build vm || die "tools are missing"
	built=$(TORTURE=1 "$VM_DIR/build-module.sh" "$SERIES") || die "the module does not build"
	for ko in spanalloc spanalloc_torture; do
		options+=(--ko "$(grep "/$ko\.ko\$" <<<"$built")")
	done
	options+=(--append "spanalloc_torture.seconds=$SECONDS_LONG
		spanalloc_torture.threads=${THREADS:-4} spanalloc_torture.seed=${SEED:-1}")
	"$VM_DIR/boot.sh" --series "$SERIES" "${options[@]}" --init "$VM_DIR/guest-torture.sh" \
		--mem "${MEM:-1024}" --quiet --timeout "${TIMEOUT:-$((SECONDS_LONG * 4 + 900))}" \
		--log "$CACHE/torture-$SERIES.log"
}

main "$@"
