#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# device.sh: the device tests in a virtual machine, with a disk for direct I/O; on x86-64
# as 64-bit and as 32-bit programs. Every device gets copies of the pages that it works on
# (swiotlb), so that the tests see when contents are carried over. Prints the guest's KTAP;
# succeeds only if the guest's script did and the log is clean.
#
#   SERIES=6.1   a name of kernel.sh   TIMEOUT=1800   seconds for the guest
#   MEM=MIB      its memory

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SERIES=${SERIES:-6.1}
DISK_MIB=16

main() {
	local spanctl tools built kernel disk programs kos=() ko
	"$VM_DIR/deps.sh" build user vm || die "tools are missing"
	kernel=$("$VM_DIR/kernel.sh" "$SERIES") || die "no kernel $SERIES"
	eval "$kernel"
	spanctl=$(build_spanctl "$ARCH") || die "the tools for the guest do not build"
	built=$(TORTURE=1 "$VM_DIR/build-module.sh" "$SERIES") || die "the module does not build"
	# The importer is not there in a kernel without dma-bufs.
	while read -r ko; do
		kos+=(--ko "$ko")
	done < <(grep -E '/spanalloc(_importer)?\.ko$' <<<"$built")
	tools=$(dirname "$spanctl")
	programs=(--add "$tools/device_test:/bin/device_test")
	# The guest's script insists on it there.
	[[ $ARCH != x86_64 ]] ||
		programs+=(--add "$tools/device_test32:/bin/device_test32")
	disk=$(mktemp)
	# shellcheck disable=SC2064 # the name is known now
	trap "rm -f '$disk'" EXIT
	truncate -s "${DISK_MIB}M" "$disk"
	"$VM_DIR/boot.sh" --series "$SERIES" "${kos[@]}" "${programs[@]}" \
		--append swiotlb=8192,force --init "$VM_DIR/guest-device.sh" --disk "$disk" --quiet \
		${MEM:+--mem "$MEM"} --timeout "${TIMEOUT:-1800}" --log "$CACHE/device-$SERIES.log"
}

main "$@"
