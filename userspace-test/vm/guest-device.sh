#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# The device tests inside a guest: most of them on the default heap, those that
# fill a heap on a small one, the one that exhausts the machine on a heap as large as
# it, some while free memory is cleared, and unloading while a page is pinned. Ends with
# status 0 only if every step held.
#
# Direct I/O is tested on the disk. On x86-64 the whole set runs once more as a
# 32-bit program, /bin/device_test32. Arguments of the kernel's command line:
# device_cases=PATTERN restricts the main runs; device_parameters=NAME=VALUE,...
# are for the module whenever it is loaded.

MODULE=/lib/spanalloc/spanalloc.ko
IMPORTER=/lib/spanalloc/spanalloc_importer.ko
failed=0

fail() {
	failed=$((failed + 1))
	echo "FAILED: $*"
}

parameters=$(sed -n 's/.*device_parameters=\([^ ]*\).*/\1/p' /proc/cmdline | tr , ' ')

load() {
	# shellcheck disable=SC2086 # a list
	set -- $parameters "$@"
	echo "== insmod spanalloc.ko $*"
	insmod "$MODULE" "$@" || fail "insmod refused ($*)"
}

unload() {
	rmmod spanalloc || fail "rmmod refused"
}

# importer load|unload: the module that imports dma-bufs, where the kernel has any.
importer() {
	[ -e "$IMPORTER" ] || return 0
	case $1 in
	load) insmod "$IMPORTER" || fail "insmod refused the importer" ;;
	unload) rmmod spanalloc_importer || fail "rmmod refused the importer" ;;
	esac
}

# run PROGRAM [PATTERN]...
run() {
	local start end
	start=$(cut -d . -f 1 /proc/uptime)
	echo "== $*"
	"$@" || fail "$*: status $?"
	end=$(cut -d . -f 1 /proc/uptime)
	echo "== $*: $((end - start)) s"
}

# both PATTERN...: as a 64-bit and as a 32-bit program
both() {
	run device_test "$@"
	[ "$(uname -m)" != x86_64 ] || run device_test32 "$@"
}

# What is about a heap's limit needs a heap of its own.
main_runs() {
	local pattern
	pattern=$(sed -n 's/.*device_cases=\([^ ]*\).*/\1/p' /proc/cmdline)
	both "${pattern:-!limit_*}"
}

# The pinned page must outlive the module, whose unloading must not wait for it.
unload_with_a_pin() {
	local said
	# Writing to a program that has failed must not end this one.
	trap '' PIPE
	echo "== unload with a pinned page"
	mkfifo /tmp/to /tmp/from
	device_test --hold-pin </tmp/to >/tmp/from &
	exec 3>/tmp/to 4</tmp/from
	read -r said <&4
	[ "$said" = held ] || fail "the pin is not held: $said"
	unload
	echo go >&3
	read -r said <&4
	[ "$said" = intact ] || fail "the pinned page has changed: $said"
	exec 3>&- 4<&-
	wait
	rm -f /tmp/to /tmp/from
}

# What is freed is cleared at once, in small granules, while other cases go on: none of them
# may see what was there before.
cleared_meanwhile() {
	local pages
	load cache_pages=0 granule_order=2 prezero=1 retain_percent=-1 window_ms=0 pace_permille=1000
	run device_test 'alloc_*' 'map_*' 'split_*'
	pages=$(sed -n 's/^prezeroed_pages  *//p' /sys/kernel/debug/spanalloc/default/stats)
	echo "== $pages pages were cleared in the background"
	[ "${pages:-0}" -gt 0 ] || fail "nothing was cleared in the background"
	unload
}

[ -b /dev/vda ] || fail "there is no disk"
export SPANALLOC_TEST_DISK=/dev/vda
# A kernel that looks at each of its accesses to memory takes its time.
case $(uname -r) in
*-debug | *-kcsan) export SPANALLOC_TEST_PATIENCE=20 ;;
esac

importer load
load
main_runs
unload

load max_pages=8192
both 'limit_*' '!limit_more_than_*' '!limit_report_counts_*'
unload

# One that has to grow to its limit. An arena is a granule at least, of 2048 pages of 16 KiB.
page_kib=$(sed -n 's/^KernelPageSize: *\([0-9]*\) kB/\1/p' /proc/self/smaps | head -n 1)
arena_pages=1024
[ "$page_kib" -le 4 ] || arena_pages=2048
load max_pages=8192 arena_pages=$arena_pages
run device_test 'limit_report_counts_what_can_grow'
unload

# As many pages as the machine has, and some.
memory_kib=$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)
load max_pages=$((memory_kib * 4 / 3 / page_kib))
SPANALLOC_TEST_EXHAUST=1 run device_test 'limit_more_than_*'
unload

# A granule of one page: every boundary there is. No caches: what is freed is gone at once.
load granule_order=0 cache_pages=0
run device_test 'alloc_*' 'map_*' 'split_*' 'pin_*' 'trim_*' 'export_*' 'import_*'
unload
importer unload

cleared_meanwhile

load
run device_test --memory-error
unload

load
unload_with_a_pin

echo "guest-device: $failed failed"
[ "$failed" -eq 0 ]
