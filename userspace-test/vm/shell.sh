#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# shell.sh: a guest with the module loaded, spanctl in its PATH, and a shell on the console.
# SERIES=, TRACES=, MEM= and CPUS= as for run.sh. Ctrl-A X ends it.

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SERIES=${SERIES:-6.1}
TRACES=${TRACES:-$PROJECT/userspace-test/traces}

main() {
	local options kernel kos item built spanctl
	"$VM_DIR/deps.sh" build user vm
	kernel=$("$VM_DIR/kernel.sh" "$SERIES")
	eval "$kernel"
	built=$("$VM_DIR/build-module.sh" "$SERIES")
	spanctl=$(build_spanctl "$ARCH") || die "spanctl does not build (make -C userspace-test vm-tools)"
	options=(--series "$SERIES" --interactive ${MEM:+--mem "$MEM"} --cpus "${CPUS:-2}"
		--init "$VM_DIR/guest-shell.sh" --append loglevel=4 --add "$spanctl:/bin/spanctl")
	mapfile -t kos <<<"$built"
	for item in "${kos[@]}"; do
		options+=(--ko "$item")
	done
	for item in "$TRACES"/*.trace.gz; do
		[[ ! -e $item ]] || options+=(--add "$item:/traces/$(basename "$item")")
	done
	note "Ctrl-A X ends the guest"
	exec "$VM_DIR/boot.sh" "${options[@]}"
}

main "$@"
