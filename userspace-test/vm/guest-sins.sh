#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Commits each sin that the kernel has to notice, once. The worst come last: a report of
# lockdep, or of KASAN, turns lockdep off.

failed=0

case $(uname -r) in
*-kcsan) sins='race_on_data' ;;
*) sins='leak leak_page corrupt_list shift_too_far sleep_in_atomic invert_locks
	use_after_free use_page_after_free' ;;
esac

for sin in $sins; do
	insmod /lib/spanalloc/sins.ko sin="$sin" || failed=1
	rmmod sins || failed=1
done
[ "$failed" -eq 0 ]
