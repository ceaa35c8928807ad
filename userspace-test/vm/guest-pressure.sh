#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Memory given back, inside a guest: span_pressure loads and unloads the module as it wants.
# Arguments of the kernel's command line: pressure=SET says which cases, and
# pressure_cases=PATTERN restricts them.

# argument NAME
argument() {
	sed -n "s/.*\<$1=\([^ ]*\).*/\1/p" /proc/cmdline
}

# A kernel that looks at each of its accesses to memory takes its time.
case $(uname -r) in
*-debug | *-kcsan) export SPANALLOC_TEST_PATIENCE=5 ;;
esac

# Processors keep few free pages each: what they keep is neither free nor available.
echo 100000 >/proc/sys/vm/percpu_pagelist_high_fraction

# What the kernel keeps for itself is free, too, but nobody else's to eat: little, however much
# it would like for huge pages, and as much until memory comes or goes.
echo 4096 >/proc/sys/vm/min_free_kbytes
echo 0 >/proc/sys/vm/watermark_boost_factor

# No greeting of a module that is loaded again in the middle of a result; warnings pass.
dmesg -n 5
pattern=$(argument pressure_cases)
span_pressure "$(argument pressure)" ${pattern:+"$pattern"}
