#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# What free pages contain, inside a guest. Arguments of the kernel's command line:
# contents_mode=wipe, of a kernel with init_on_free=1, or contents_mode=poison;
# contents_cases=PATTERN, of device tests. Status 0 only if every result is good.

MODULES=/lib/spanalloc
STATS=/sys/kernel/debug/spanalloc/default/stats
number=0
failed=0

word() {
	sed -n "s/.*$1=\([^ ]*\).*/\1/p" /proc/cmdline
}

# result GOOD NAME
result() {
	number=$((number + 1))
	if [ "$1" -ne 0 ]; then
		echo "ok $number - $mode: $2"
	else
		echo "not ok $number - $mode: $2"
		failed=$((failed + 1))
	fi
}

# load PARAMETER...
load() {
	[ "$mode" = wipe ] || set -- "$@" poison=1
	insmod $MODULES/spanalloc.ko "$@" || exit 1
}

stat() {
	sed -n "s/^$1 *//p" $STATS
}

# What the module expects the heap to say, and what it says: without the bytes themselves.
expected() {
	dmesg | sed -n 's/^.*spanalloc_contents: expect: \(page .*\)$/\1/p' | sort
}

reported() {
	dmesg | sed -n 's/^.*spanalloc: heap [a-z]*: \(page .* was written .* bytes [0-9]* to [0-9]*\), beginning with [0-9a-f ]*$/\1/p' | sort
}

# Of the first run: insmod loads once more what could not be loaded.
lines() {
	dmesg | sed -n 's/^.*spanalloc_contents: \(.*\)$/\1/p' |
		awk '/^1\.\./ { runs++ } runs == 1 && /^(not )?ok |^# |^1\.\./'
}

# Its loading is the test.
look() {
	local said planned
	load retain_percent=-1
	if [ "$mode" = wipe ]; then
		insmod $MODULES/spanalloc_contents.ko expect=zero
	else
		insmod $MODULES/spanalloc_contents.ko expect=poison
	fi
	result $(($? == 0)) 'the module that looks at free pages is content'
	said=$(lines)
	echo "$said" | grep -v '^1\.\.' | sed 's/^/# /'
	planned=$(echo "$said" | sed -n 's/^1\.\.//p')
	result $(($(echo "$said" | grep -c '^ok ') == ${planned:-0} && ${planned:-0} > 0)) \
		"all of its ${planned:-no} cases are good"
	expected >/tmp/expected
	reported >/tmp/reported
	diff /tmp/expected /tmp/reported | sed 's/^/# /'
	if [ "$mode" = wipe ]; then
		result $(($(wc -l </tmp/reported) == 0)) 'no page is reported'
		result $(($(stat wiped_pages) > 0 && $(stat zeroed_pages) == 0)) \
			'freed pages were wiped, and none zeroed later'
	else
		cmp -s /tmp/expected /tmp/reported
		result $(($? == 0 && $(wc -l </tmp/expected) == 16)) 'each broken page is reported once, up to 16'
		result $(($(stat poison_broken) == 52)) 'all are counted'
	fi
	rmmod spanalloc_contents
	rmmod spanalloc
	result $(($? == 0)) 'unloaded'
	dmesg -c >/dev/null
}

# What programs do, with memory that comes and goes.
use() {
	local status
	load
	# shellcheck disable=SC2086 # a list of patterns
	device_test $cases
	status=$?
	result $((status == 0)) "device tests, status $status"
	if [ "$mode" = wipe ]; then
		result $(($(stat wiped_pages) > 1000 && $(stat zeroed_pages) == 0)) \
			"$(stat wiped_pages) pages wiped, $(stat zeroed_pages) zeroed, $(stat zero_saved_pages) saved"
	else
		result $(($(stat poison_broken) == 0 && $(stat zeroed_pages) > 1000)) \
			"$(stat poison_broken) pages broken, $(stat zeroed_pages) zeroed"
	fi
	torture
}

# On a heap of its own, from threads and hard interrupts.
torture() {
	local option=''
	[ "$mode" = wipe ] || option=poison=1
	insmod $MODULES/spanalloc_torture.ko seconds=$seconds threads=3 $option
	result $(($? == 0)) 'torture'
	dmesg | sed -n 's/^.*spanalloc_torture: \(not ok .*\)$/# \1/p'
	result $(($(dmesg | grep -c 'spanalloc_torture: ok ') > 20 &&
		$(dmesg | grep -c 'spanalloc_torture: not ok ') == 0)) 'torture: all is good'
	rmmod spanalloc_torture
}

# A page that had a memory error is not touched any more.
unload_with_an_error() {
	device_test --memory-error
	result $(($? == 0)) 'a page with a memory error'
	rmmod spanalloc
	result $(($? == 0)) 'unloaded with it'
}

# What is pinned when the module goes belongs to who pinned it.
unload_with_a_pin() {
	local held intact
	trap '' PIPE
	mkfifo /tmp/to /tmp/from
	device_test --hold-pin </tmp/to >/tmp/from &
	exec 3>/tmp/to 4</tmp/from
	read -r held <&4
	rmmod spanalloc
	result $(($? == 0)) 'unloaded while a page is pinned'
	echo go >&3
	read -r intact <&4
	[ "$held $intact" = 'held intact' ]
	result $(($? == 0)) "the pinned page is intact: $held, $intact"
	exec 3>&- 4<&-
	wait
	result $(($(reported | wc -l) == 0)) 'nobody has written to a free page'
}

mode=$(word contents_mode)
cases=$(word contents_cases)
[ -n "$cases" ] || cases='alloc_* fresh_* map_* remap_* split_* pin_* free_* close_* trim_*'
set -f
# How long the torture takes until it has met everything.
seconds=3
case $(uname -r) in
*-debug | *-kcsan)
	export SPANALLOC_TEST_PATIENCE=20
	seconds=20
	;;
esac

look
use
unload_with_an_error
load
unload_with_a_pin
echo "guest-contents: $failed failed"
[ "$failed" -eq 0 ]
