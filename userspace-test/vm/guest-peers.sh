#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# The measurements inside a guest whose kernel has spanalloc and spanalloc_peers built in: does
# what the lines of /lib/spanalloc/plan say. The results are in the kernel's log, and in lines
# of the same form. Status 0 if all of it was done.
#
# The kernel's command line may have spanalloc_tail.NAME=VALUE: a parameter of that module.

DIR=/lib/spanalloc
RUN=/sys/module/spanalloc_peers/parameters/run
TAIL=/sys/module/spanalloc_tail/parameters
# The longest times are of few allocations, so they are taken from several runs.
TAIL_RUNS=3
failed=0

fail() {
	failed=$((failed + 1))
	echo "FAILED: $*"
}

parameters() {
	tr ' ' '\n' </proc/cmdline | sed -n 's/^spanalloc_tail\.//p'
}

# column SIDE NUMBER: one of the numbers of all runs, in picoseconds.
column() {
	cut -d , -f "$2" "/tmp/$1" | sed 's/$/000/' | tr '\n' ' '
}

# latency [cached]
latency() {
	local run=0 given=0 side number name cached=${1:+cached=1}
	rm -f /tmp/keeps /tmp/gives
	# In a run that is short, the scavenger may not come to do anything.
	while [ "$run" -lt "$TAIL_RUNS" ] || { [ "$given" -eq 0 ] && [ "$run" -lt 20 ]; }; do
		# shellcheck disable=SC2046,SC2086 # lists of parameters
		insmod "$DIR/spanalloc_tail.ko" $(parameters) $cached || return
		for side in keeps gives; do
			cat "$TAIL/ns_$side" >>"/tmp/$side"
		done
		given=$((given + $(cat "$TAIL/given")))
		rmmod spanalloc_tail || return
		run=$((run + 1))
	done
	# Or the two sides did the same.
	[ "$given" -gt 0 ] || return
	for side in keeps gives; do
		number=0
		for name in p50 p99 p99.9 longest; do
			number=$((number + 1))
			echo "spanalloc_peers: result latency $side${1:+-$1} $name ps $(column "$side" "$number")"
		done
	done
}

while read -r line; do
	echo "# $line"
	case $line in
	latency) latency || fail "$line" ;;
	latency\ *) latency "${line#* }" || fail "$line" ;;
	*) echo "$line" >"$RUN" || fail "$line" ;;
	esac
done <"$DIR/plan"
[ "$failed" -eq 0 ]
