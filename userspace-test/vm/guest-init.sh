#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Process 1 of a test guest: mounts what a program expects, prints "VM-START", runs
# /guest/run and then /guest/after as its children, prints "VM-EXIT: <status>" and powers
# off. The host goes by that last line alone. With spanalloc.interactive on the kernel's
# command line, a shell follows the scripts.

export PATH=/bin:/sbin:/usr/bin:/usr/sbin

prepare() {
	/bin/busybox mkdir -p /bin /sbin /usr/bin /usr/sbin /dev /proc /sys /tmp /run /root /etc
	/bin/busybox --install -s /bin
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t devtmpfs devtmpfs /dev 2>/dev/null
	mkdir -p /dev/pts /dev/shm
	mount -t devpts devpts /dev/pts
	mount -t tmpfs tmpfs /dev/shm
	mount -t tmpfs tmpfs /tmp
	mount -t tmpfs tmpfs /run
	mount -t debugfs debugfs /sys/kernel/debug
	mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
	ip link set lo up
	hostname spanalloc-test
	echo root:x:0:0:root:/root:/bin/sh >/etc/passwd
}

load_drivers() {
	local module
	for module in /lib/drivers/*.ko; do
		[ ! -e "$module" ] || insmod "$module" || echo "guest: cannot load $module"
	done
}

# Kernel messages share the console, and one of them in the middle of the last line would
# hide it. They are held back while that line is printed; all are in the log before it.
finish() {
	sync
	sleep 0.2
	dmesg -n 1
	printf '\nVM-EXIT: %s\n' "$1"
	dmesg -n 8
	poweroff -f
	sleep 60
}

interactive() {
	cat /etc/motd 2>/dev/null
	# A shell with job control needs a terminal of its own.
	setsid cttyhack sh -l
}

prepare
cd /root || exit 1
load_drivers
status=0
# At the begin of a line, whatever the kernel is saying.
dmesg -n 1
printf '\nVM-START\n'
dmesg -n 8
if [ -e /guest/run ]; then
	/bin/busybox sh /guest/run </dev/null
	status=$?
fi
if [ -e /guest/after ]; then
	/bin/busybox sh /guest/after </dev/null || [ "$status" -ne 0 ] || status=1
fi
if grep -q spanalloc.interactive /proc/cmdline; then
	interactive
fi
finish "$status"
