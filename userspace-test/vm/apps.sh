#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# apps.sh: programs that nobody here wrote, as Debian packages them, work in buffers that
# they map from /dev/spanalloc, in a virtual machine: fio with direct I/O on a disk, and
# perftest with RDMA, over a network card in software. Prints the guest's KTAP; succeeds
# only if the guest's script did and the log is clean.
#
#   SERIES=6.1-amd64   a name of kernel.sh, of a kernel with rdma_rxe, as is each of Debian's
#                      but those for clouds
#   TIMEOUT=1800       seconds for the guest     MEM=MIB   its memory

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SERIES=${SERIES:-6.1-amd64}
DISK_MIB=64
PROGRAMS=(fio ib_write_lat ib_write_bw ib_read_bw ib_send_bw rdma)
# rdma_rxe looks crc32 up by name, and would like a network card to stand on.
DRIVERS=(rdma_rxe ib_uverbs crc32_generic dummy)

# verbs_driver: the part of libibverbs that speaks to rdma_rxe; opened by name, so that ldd
# does not tell of it.
verbs_driver() {
	dpkg -L ibverbs-providers | grep '/librxe-.*\.so$'
}

main() {
	local built kernel options=() item
	"$VM_DIR/deps.sh" build user vm apps || die "tools are missing"
	kernel=$("$VM_DIR/kernel.sh" "$SERIES") || die "no kernel $SERIES"
	eval "$kernel"
	built=$("$VM_DIR/build-module.sh" "$SERIES") || die "the module does not build"
	for item in "${PROGRAMS[@]}"; do
		options+=(--program "$(command -v "$item")")
	done
	options+=(--program "$(verbs_driver)" --add /etc/libibverbs.d/rxe.driver:/etc/libibverbs.d/rxe.driver)
	for item in "${DRIVERS[@]}"; do
		options+=(--driver "$item")
	done
	scratch_disk "$DISK_MIB"
	"$VM_DIR/boot.sh" --series "$SERIES" --ko "$(head -n 1 <<<"$built")" "${options[@]}" \
		--init "$VM_DIR/guest-apps.sh" --disk "$DISK" --quiet ${MEM:+--mem "$MEM"} \
		--timeout "${TIMEOUT:-1800}" --log "$CACHE/apps-$SERIES.log"
}

main "$@"
