#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Hostile programs inside a guest, for hostile_seconds=N of the kernel's command line, on a
# heap that is smaller than what they ask for, with limits that they reach. Ends with status 0
# only if all went well and the module could be unloaded after them. That nothing is leaked
# and that lockdep has come to the end is for guest-debug.sh to see.

failed=0

fail() {
	failed=$((failed + 1))
	echo "FAILED: $*"
}

# argument NAME: of the kernel's command line.
argument() {
	sed -n "s/.*hostile_$1=\([0-9]*\).*/\1/p" /proc/cmdline
}

# A kernel that looks at each of its accesses to memory takes its time.
case $(uname -r) in
*-debug | *-kcsan) export SPANALLOC_TEST_PATIENCE=5 ;;
esac
one=$(argument one)

insmod /lib/spanalloc/spanalloc.ko max_pages=8192 arena_pages=1024 retain_percent=50 \
	file_max_pages=3000 device_max_pages=6000 || fail "insmod refused"
# Everybody may use them.
chmod 666 /dev/spanalloc /dev/vda
# Who gets a fault on purpose has a handler for it; who is killed in it has none.
echo 0 >/proc/sys/debug/exception-trace
# Those who do nothing must be found out.
span_hostile 2 /dev/vda --lazy >/tmp/lazy && fail "doing nothing is enough"
grep -q '^not ok .*alloc' /tmp/lazy || fail "the lazy were not found out"
if [ -n "$one" ]; then
	span_hostile "$(argument seconds)" /dev/vda --one "$one" || fail "span_hostile: status $?"
else
	span_hostile "$(argument seconds)" /dev/vda --seed "$(argument seed)" ||
		fail "span_hostile: status $?"
fi
sed 's/^/# /' /sys/kernel/debug/spanalloc/default/stats
rmmod spanalloc || fail "rmmod refused"

echo "guest-hostile: $failed failed"
[ "$failed" -eq 0 ]
