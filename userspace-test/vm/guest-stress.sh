#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# The stress load inside a guest, for stress_seconds=N of the kernel's command line, on a heap
# that is a good deal smaller than what the load would like to have, in small steps of address
# space; and the torture test beside it, on a heap of its own. Ends with status 0 only if both
# went well and the modules could be unloaded after them.

failed=0

fail() {
	failed=$((failed + 1))
	echo "FAILED: $*"
}

# A kernel that looks at each of its accesses to memory takes its time.
case $(uname -r) in
*-debug | *-kcsan) export SPANALLOC_TEST_PATIENCE=5 ;;
esac
seconds=$(sed -n 's/.*stress_seconds=\([0-9]*\).*/\1/p' /proc/cmdline)

insmod /lib/spanalloc/spanalloc.ko max_pages=8192 arena_pages=1024 retain_percent=50 ||
	fail "insmod refused"
insmod /lib/spanalloc/spanalloc_torture.ko seconds="$seconds" &
span_stress "$seconds" /dev/vda || fail "span_stress: status $?"
wait $! || fail "torture: status $?"
sed 's/^/# /' /sys/kernel/debug/spanalloc/default/stats
rmmod spanalloc_torture || fail "rmmod of torture refused"
rmmod spanalloc || fail "rmmod refused"

echo "guest-stress: $failed failed"
[ "$failed" -eq 0 ]
