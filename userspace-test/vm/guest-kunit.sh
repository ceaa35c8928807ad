#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# The KUnit suites as modules, inside a guest: loads spanalloc and the module with the
# suites, which runs them, and compares what debugfs says of them with what was expected.
# The host reads the results from the kernel's log. Status 0 only if every step held.
#
# The kernel's command line may have spanalloc_kunit.NAME=VALUE: a parameter of the module.

RESULTS=/sys/kernel/debug/kunit
failed=0

fail() {
	failed=$((failed + 1))
	echo "FAILED: $*"
}

parameters() {
	tr ' ' '\n' </proc/cmdline | sed -n 's/^spanalloc_kunit\.//p'
}

# Each suite says in debugfs how it ended. What is there to be seen must be of this run.
results() {
	local suite count=0
	for suite in "$RESULTS"/spanalloc_*; do
		[ -e "$suite/results" ] || continue
		count=$((count + 1))
		grep -q "^ok [0-9]* ${suite##*/}\$" "$suite/results" ||
			fail "$suite/results does not end with ok"
	done
	echo "guest-kunit: $count suites in debugfs"
	[ "$count" -gt 0 ] || fail "no suite in $RESULTS"
}

insmod /lib/spanalloc/spanalloc.ko || fail "spanalloc.ko cannot be loaded"
# shellcheck disable=SC2046 # a list of parameters
insmod /lib/spanalloc/spanalloc_kunit.ko $(parameters) || fail "spanalloc_kunit.ko cannot be loaded"
results
rmmod spanalloc_kunit || fail "spanalloc_kunit cannot be unloaded"
[ ! -e "$RESULTS/spanalloc_heap" ] || fail "its results are still there"
# If the suites have left an object behind, the kernel says so now.
rmmod spanalloc || fail "spanalloc cannot be unloaded"
[ ! -e /sys/kernel/debug/spanalloc ] || fail "its debugfs folder is still there"

echo "guest-kunit: $failed failed"
[ "$failed" -eq 0 ]
