#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Allocation failures inside a guest: fail_nth over loading and unloading the module, then
# over what the device does. Ends with status 0 only if every step held. That no object and
# no page is left that nobody owns is for guest-debug.sh to see.
#
# Where the kernel's own functions fail, some of them dump the stack whatever the caller
# does: kmem_cache_create(), vmalloc(). To the scan of the log that would look like trouble.
# So the console keeps quiet during the tests, and then is given the whole log, in which
# explain-log.awk has renamed those dumps, and nothing else.
#
# failnth_cases=PATTERN on the kernel's command line restricts the runs to such cases, which
# begin with load_ or inject_.

MODULE=/lib/spanalloc/spanalloc.ko
MARK="guest-failnth: from here on allocations fail"
failed=0
names=0

fail() {
	failed=$((failed + 1))
	echo "FAILED: $*"
}

pattern=$(sed -n 's/.*failnth_cases=\([^ ]*\).*/\1/p' /proc/cmdline)

# run PROGRAM [ARGUMENT]...
run() {
	local start end
	start=$(cut -d . -f 1 /proc/uptime)
	echo "== $*"
	"$@" || fail "$*: status $?"
	end=$(cut -d . -f 1 /proc/uptime)
	echo "== $*: $((end - start)) s"
}

hold_console() {
	echo "$MARK" >/dev/kmsg
	dmesg -n 1
}

# The log must reach back to where the console fell silent, or something was lost.
release_console() {
	# First the console: what is said in between is heard twice, rather than not at all.
	dmesg -n 8
	dmesg >/tmp/log
	grep -q "$MARK" /tmp/log || fail "the kernel's log is too short"
	sed "1,/$MARK/d" /tmp/log | awk -v names="$names" -f /lib/spanalloc/explain-log.awk
}

# Where kmem_cache_create() fails late, Linux 6.1 itself loses the name that sysfs_slab_add()
# made. If nothing else was lost, that is forgotten; else guest-debug.sh shall see it all.
forget_names_of_caches() {
	local leaks=/sys/kernel/debug/kmemleak others
	echo scan >$leaks
	sleep 6
	echo scan >$leaks
	# A record must fit into what is read at once.
	# shellcheck disable=SC2002
	cat $leaks | awk '
		/^unreferenced/ { objects++; ours = 1 }
		/ sysfs_slab_add\+/ && ours { names++; ours = 0 }
		END { print names + 0, objects - names }' >/tmp/leaks
	read -r names others </tmp/leaks
	echo "guest-failnth: the kernel lost $names names of slab caches; $others other objects are lost"
	if [ "$others" -eq 0 ]; then
		echo clear >$leaks
	else
		names=0
	fi
}

# on_device [PARAMETER]: without caches, each operation needs what it needs. With them one that
# finds something parked makes an allocation less, which is all that cases ask for then.
on_device() {
	local served
	insmod "$MODULE" "$@" || fail "insmod refused"
	# shellcheck disable=SC2086 # a pattern, or nothing
	run fail_nth $pattern
	served=$(sed -n 's/^cache_allocs  *//p' /sys/kernel/debug/spanalloc/default/stats)
	echo "guest-failnth: $served allocations were served from caches"
	[ $((${served:-0} > 0)) -eq $(($# == 0)) ] || fail "that is not what was to be expected"
	rmmod spanalloc || fail "rmmod refused"
}

if [ "$(cat /sys/kernel/slab/kmalloc-64/failslab)" != 1 ] ||
	[ "$(cat /sys/kernel/slab/kmemleak_object/failslab)" != 0 ]; then
	fail "kmemleak is not spared: a walk would step over what it is to meet"
fi
# Hundreds of steps a case, on kernels that are slow.
export SPANALLOC_TEST_PATIENCE=20
hold_console
# shellcheck disable=SC2086 # a pattern, or nothing
case ${pattern:-load_} in
load_*)
	run fail_nth --load "$MODULE" $pattern
	forget_names_of_caches
	;;
esac
# shellcheck disable=SC2086
case ${pattern:-inject_} in
inject_*)
	on_device cache_pages=0
	on_device
	;;
esac
release_console

echo "guest-failnth: $failed failed"
[ "$failed" -eq 0 ]
