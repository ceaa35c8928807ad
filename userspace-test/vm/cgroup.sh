#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# cgroup.sh: who pays for a heap's memory, and which NUMA node that comes from, in a virtual
# machine with two nodes. Prints the guest's KTAP; succeeds only if the guest's script did
# and the log is clean.
#
#   SERIES=6.1     a name of kernel.sh   TIMEOUT=900   seconds for the guest
#   NUMA=768,256   MiB of the nodes

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SERIES=${SERIES:-6.1}

main() {
	local nodes=1
	prepare_guest
	# A kernel that has no nodes takes the machine for one.
	! grep -qx CONFIG_NUMA=y "$KDIR/.config" || nodes=2
	"$VM_DIR/boot.sh" --series "$SERIES" --ko "$(ko spanalloc)" --ko "$(ko spanalloc_cgroup)" \
		--numa "${NUMA:-768,256}" --append "span_nodes=$nodes" \
		--init "$VM_DIR/guest-cgroup.sh" --quiet --timeout "${TIMEOUT:-900}" \
		--log "$CACHE/cgroup-$SERIES.log"
}

main "$@"
