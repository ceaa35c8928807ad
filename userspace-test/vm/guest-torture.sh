#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# The torture test inside a guest: loads spanalloc and then spanalloc_torture, whose loading
# is the test, with the parameters that the kernel's command line has as
# spanalloc_torture.NAME=VALUE, once with caches and once without; reads the heap's
# statistics, spans and check all the time meanwhile. Prints the module's results of each
# run, and some of its own. Status 0 only if every one is good.

HEAP=/sys/kernel/debug/spanalloc/torture
MODULES=/lib/spanalloc
number=0
failed=0

parameters() {
	tr ' ' '\n' </proc/cmdline | sed -n 's/^spanalloc_torture\.//p'
}

# result GOOD NAME
result() {
	number=$((number + 1))
	if [ "$1" -ne 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		failed=$((failed + 1))
	fi
}

# The folder is gone when the test is about to end.
look() {
	local line
	cat "$HEAP/spans" "$HEAP/stats" >/dev/null 2>&1
	line=$(cat "$HEAP/check" 2>/dev/null)
	case $line in
	'ok '*) checks=$((checks + 1)) ;;
	'') ;;
	*)
		bad_checks=$((bad_checks + 1))
		echo "# check: $line"
		;;
	esac
}

# Waits for the end of process $1.
look_until_end() {
	while [ -d "/proc/$1" ]; do
		look
		sleep 0.05
	done
}

# Of the first run: insmod loads once more what could not be loaded.
lines() {
	dmesg | sed -n 's/^.*spanalloc_torture: \(.*\)$/\1/p' |
		awk '/^# [0-9]+ s, / { runs++ } runs == 1 && /^(not )?ok |^# |^1\.\./'
}

# run NAME PARAMETER...: one run.
run() {
	local name=$1 status said results planned
	shift
	checks=0
	bad_checks=0
	dmesg -c >/dev/null
	# The results are printed from here. Of what the kernel says, warnings still reach the log.
	dmesg -n 5
	# shellcheck disable=SC2046 # a list of parameters
	insmod "$MODULES/spanalloc_torture.ko" $(parameters) "$@" &
	look_until_end $!
	wait $!
	status=$?
	dmesg -n 8

	said=$(lines)
	results=$(echo "$said" | grep -cE '^(not )?ok ')
	planned=$(echo "$said" | sed -n 's/^1\.\.//p')
	echo "$said" | renumber "$name"
	number=$((number + results))
	failed=$((failed + $(echo "$said" | grep -c '^not ok ')))
	result $((status == 0 && results == ${planned:-0} && results > 0)) \
		"$name: all $results results are there"
	result $((checks > 0 && bad_checks == 0)) "$name: $checks checks of the heap under way"
	rmmod spanalloc_torture
	result $(($? == 0)) "$name: unloaded"
}

# renumber NAME: results go on from those that were printed.
renumber() {
	awk -v before="$number" -v name="$1" '
		/^1\.\./ { next }
		match($0, /^(not )?ok [0-9]+ - /) {
			sub(/ok [0-9]+ - /, "ok " ++before " - " name ": ")
		}
		{ print }'
}

insmod "$MODULES/spanalloc.ko" || exit 1
echo "KTAP version 1"
run 'with caches'
run 'without caches' cache_pages=0
rmmod spanalloc
result $(($? == 0)) "unloaded"
echo "1..$number"
echo "guest-torture: $failed failed"
[ "$failed" -eq 0 ]
