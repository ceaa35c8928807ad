#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# device.sh: the device tests in a virtual machine, with a disk for direct I/O; on x86-64
# as 64-bit and as 32-bit programs. Every device gets copies of the pages that it works on
# (swiotlb), so that the tests see when contents are carried over. Prints the guest's KTAP;
# succeeds only if the guest's script did and the log is clean.
#
#   SERIES=6.1   a name of kernel.sh   TIMEOUT=1800   seconds for the guest
#   MEM=MIB      its memory            PARAMETERS=NAME=VALUE,...   for the module

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SERIES=${SERIES:-6.1}
DISK_MIB=16
# Room for copies of two granules and more, in slots of 2 KiB; those of 16-KiB pages have 32 MiB.
SLOTS=8192
[[ $SERIES != *-16k ]] || SLOTS=65536

main() {
	local programs kos=() item
	prepare_guest
	# The importer is not there in a kernel without dma-bufs.
	while read -r item; do
		kos+=(--ko "$item")
	done < <(ko 'spanalloc(_importer)?')
	programs=(--add "$TOOLS/device_test:/bin/device_test")
	# The guest's script insists on it there.
	[[ $ARCH != x86_64 ]] ||
		programs+=(--add "$TOOLS/device_test32:/bin/device_test32")
	scratch_disk "$DISK_MIB"
	"$VM_DIR/boot.sh" --series "$SERIES" "${kos[@]}" "${programs[@]}" \
		--append "swiotlb=$SLOTS,force${PARAMETERS:+ device_parameters=$PARAMETERS}" \
		--init "$VM_DIR/guest-device.sh" --disk "$DISK" --quiet \
		${MEM:+--mem "$MEM"} --timeout "${TIMEOUT:-1800}" --log "$CACHE/device-$SERIES.log"
}

main "$@"
