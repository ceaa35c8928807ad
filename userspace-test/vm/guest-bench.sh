#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# The measurements inside a guest, on the default heap of a module that was just loaded.

# What is said of a module that comes and goes would stand between the numbers.
dmesg -n 5
insmod /lib/spanalloc/spanalloc.ko || exit 1
device_bench /lib/spanalloc/spanalloc_bench.ko /lib/spanalloc/spanalloc_tail.ko
status=$?
rmmod spanalloc || status=1
exit $status
