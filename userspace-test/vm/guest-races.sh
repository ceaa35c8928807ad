#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# The forced races inside a guest. Arguments of the kernel's command line:
# race_cases=PATTERN restricts them.

pattern=$(sed -n 's/.*race_cases=\([^ ]*\).*/\1/p' /proc/cmdline)

# Opening a device whose module is on its way out would ask for another module, and wait.
echo >/proc/sys/kernel/modprobe
# Unbound work runs where tasks are held, so that holding it does not hold the test.
echo 2 >/sys/devices/virtual/workqueue/cpumask

# A kernel that looks at each of its accesses to memory takes its time.
case $(uname -r) in
*-debug | *-kcsan) export SPANALLOC_TEST_PATIENCE=5 ;;
esac

# No greeting of a module that is loaded again in the middle of a result; warnings pass.
dmesg -n 5

# What is freed has to go to the heap, where these races are.
insmod /lib/spanalloc/spanalloc.ko cache_pages=0 || exit 1
insmod /lib/spanalloc/spanalloc_rendezvous.ko || exit 1
span_race ${pattern:+"$pattern"}
status=$?
rmmod spanalloc_rendezvous || status=1
rmmod spanalloc || status=1
exit $status
