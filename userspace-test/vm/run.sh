#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh: builds the module and spanctl, boots a Debian kernel under QEMU, and has the guest
# go through guest-run.sh. The last line says "run: OK (...)" or "run: FAILED: ...".
#
#   SERIES=6.1      a name of kernel.sh       TRACES=DIR   *.trace.gz to replay
#   TIMEOUT=900     seconds for the guest     MEM=MIB      the guest's memory
#   CPUS=2          the guest's processors    V=1          show compiler commands

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SERIES=${SERIES:-6.1}
TRACES=${TRACES:-$PROJECT/userspace-test/traces}
VERDICT='FAILED: interrupted, or a command failed that should not'

# However this script ends, its last line tells how.
last_line() {
	printf 'run: %s\n' "$VERDICT"
}

failed() {
	VERDICT="FAILED: $*"
	exit 1
}

collect_traces() {
	shopt -s nullglob
	traces=("$TRACES"/*.trace.gz)
	[[ ${#traces[@]} -gt 0 ]] || failed "no *.trace.gz in $TRACES"
	events=$(gzip -dc "${traces[@]}" | grep -cE '^[af] ') || failed "no events in $TRACES/*.trace.gz"
}

boot() {
	local options=(--series "$SERIES" --quiet --timeout "${TIMEOUT:-900}" --log "$log"
		${MEM:+--mem "$MEM"} --cpus "${CPUS:-2}" --init "$VM_DIR/guest-run.sh"
		--add "$spanctl:/bin/spanctl") item
	for item in "${kos[@]}"; do
		options+=(--ko "$item")
	done
	for item in "${traces[@]}"; do
		options+=(--add "$item:/traces/$(basename "$item")")
	done
	"$VM_DIR/boot.sh" "${options[@]}" ||
		failed "the guest did not get through (whole log: $log)"
}

# The guest's word for what it did: a script that ended early must not pass.
confirm() {
	local said
	said=$(tr -d '\r' <"$log" | sed -n 's/^guest: .* 0 failed, \([0-9]*\) traces replayed$/\1/p')
	[[ $said = "${#traces[@]}" ]] ||
		failed "the guest replayed ${said:-no} of ${#traces[@]} traces (whole log: $log)"
}

main() {
	local kernel built
	"$VM_DIR/deps.sh" build user vm || failed "tools are missing"
	collect_traces
	kernel=$("$VM_DIR/kernel.sh" "$SERIES") || failed "no kernel $SERIES"
	eval "$kernel"
	built=$("$VM_DIR/build-module.sh" "$SERIES") || failed "the module does not build"
	mapfile -t kos <<<"$built"
	spanctl=$(build_spanctl "$ARCH") ||
		failed "spanctl does not build (make -C userspace-test vm-tools)"
	log=$CACHE/run-$RELEASE.log
	printf 'run: booting Linux %s, %s\n' "$RELEASE" "$("$VM_DIR/accel.sh" "$ARCH" "$IMAGE")"
	boot
	confirm
	VERDICT="OK ($RELEASE, ${#traces[@]} traces, $events events, $SECONDS s)"
}

trap last_line EXIT
main "$@"
