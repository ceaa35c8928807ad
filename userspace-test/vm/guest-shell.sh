#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# What "make shell" does in the guest before the shell: loads the module, says what is here.

insmod /lib/spanalloc/spanalloc.ko || exit 1
{
	echo
	echo "spanalloc is loaded. Try: spanctl info; spanctl stats; ls /sys/kernel/debug/spanalloc/default"
	echo "The sample client: insmod /lib/spanalloc/spanalloc_ring.ko; traces are in /traces."
	echo "\"exit\" powers off; Ctrl-A X ends the guest at once."
	echo
} >/etc/motd
