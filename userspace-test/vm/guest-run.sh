#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# What "make run" does inside the guest: loads the module and its sample client, replays the
# traces, gives memory back, has the heap check itself, unloads. Ends with status 0 only if
# every step held, and names each step that did not.

DEBUGFS=/sys/kernel/debug/spanalloc/default
steps=0
failed=0
traces=0

step() {
	steps=$((steps + 1))
	title=$*
	echo
	echo "== $steps. $title"
}

fail() {
	failed=$((failed + 1))
	echo "FAILED: step $steps ($title): $*"
}

# Without this step the rest would only repeat the failure.
give_up() {
	fail "$@"
	finish
}

finish() {
	echo
	echo "guest: $steps steps, $failed failed, $traces traces replayed"
	[ "$failed" -eq 0 ]
	exit
}

loaded() {
	grep -q "^$1 " /proc/modules
}

# The lines that one module has logged since the log was last cleared, without what the
# kernel itself says, in the module's name, of every module from outside its tree.
lines_of() {
	dmesg | sed 's/^\[[^]]*\] //' | grep "^$1: " | grep -vE 'taints kernel|tainting kernel'
}

load_module() {
	local count
	step "load spanalloc"
	dmesg -c >/dev/null
	insmod /lib/spanalloc/spanalloc.ko || give_up "insmod refused"
	lines_of spanalloc
	count=$(lines_of spanalloc | grep -c .)
	[ "$count" -eq 1 ] || fail "$count lines in the kernel log, where one is right"
	[ -c /dev/spanalloc ] || fail "no /dev/spanalloc"
	command -v spanctl >/dev/null || give_up "no spanctl in this guest"
}

sample_client() {
	step "load the sample client"
	if ! insmod /lib/spanalloc/spanalloc_ring.ko; then
		fail "insmod refused"
		return
	fi
	lines_of spanalloc_ring
	lines_of spanalloc_ring | grep -q '^spanalloc_ring: OK' || fail "it did not report OK"

	step "unloading spanalloc is refused while the client uses it"
	if rmmod spanalloc 2>/dev/null; then
		fail "rmmod went through"
	fi
	loaded spanalloc || give_up "the module is gone"

	step "unload the sample client"
	rmmod spanalloc_ring || fail "rmmod refused"
}

replay() {
	local trace name
	for trace in /traces/*.trace.gz; do
		name=$(basename "$trace" .gz)
		step "replay $name"
		if ! gunzip -c "$trace" >"/tmp/$name"; then
			fail "cannot unpack it"
			continue
		fi
		if spanctl replay --verify "/tmp/$name"; then
			traces=$((traces + 1))
		else
			fail "spanctl replay --verify: status $?"
		fi
		rm -f "/tmp/$name"
	done
	[ "$traces" -gt 0 ] || fail "no trace was replayed"
}

statistics() {
	step "statistics after the replays"
	spanctl stats || fail "spanctl stats: status $?"
}

# The first number of the line that tells of idle backed pages.
idle_pages() {
	spanctl stats | grep -iE 'idle.*back|back.*idle' | head -n 1 |
		grep -oE '[0-9]+' | head -n 1
}

scavenge() {
	local idle
	step "give idle memory back"
	spanctl scavenge all || fail "spanctl scavenge: status $?"
	spanctl stats || fail "spanctl stats: status $?"
	idle=$(idle_pages)
	[ -n "$idle" ] || fail "spanctl stats shows no line of idle backed pages"
	[ "${idle:-0}" -eq 0 ] || fail "$idle idle backed pages are left"
}

self_check() {
	local line
	step "the heap checks itself"
	line=$(head -n 1 "$DEBUGFS/check")
	echo "$line"
	[ "${line%% *}" = ok ] || fail "$DEBUGFS/check does not say ok"
	step "first spans"
	head -n 10 "$DEBUGFS/spans" || fail "$DEBUGFS/spans cannot be read"
}

unload() {
	step "unload spanalloc"
	rmmod spanalloc || fail "rmmod refused"
	! loaded spanalloc || fail "the module is still there"
	[ ! -e /dev/spanalloc ] || fail "/dev/spanalloc is still there"
	[ ! -e /sys/kernel/debug/spanalloc ] || fail "its debugfs folder is still there"
}

load_module
sample_client
replay
statistics
scavenge
self_check
unload
finish
