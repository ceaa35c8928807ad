#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# accel.sh ARCH IMAGE: prints the QEMU options for the fastest accelerator that really works.
# There is none for another machine's instructions.
#
# /dev/kvm alone proves nothing: on some machines it can be opened and yet no guest ever
# prints a line. So this kernel itself is started under KVM once, with a time limit, and
# the answer is kept until the machine boots again.

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

KVM_ARGS='-accel kvm -cpu host'
TCG_ARGS='-accel tcg,thread=multi -cpu max'
PROBE_SECONDS=6

# panicked FILE: without a file system a guest ends in a panic: it then came all the way,
# on all its processors. A mere first line might be followed by silence.
panicked() {
	grep -qa 'Kernel panic' "$1"
}

# probe IMAGE: a guest under KVM runs.
probe() {
	local out pid tries status=0
	[[ -r /dev/kvm && -w /dev/kvm ]] || return 1
	out=$(mktemp)
	# shellcheck disable=SC2086 # a list of options
	timeout --kill-after=1 "$PROBE_SECONDS" qemu-system-x86_64 $KVM_ARGS -m 256 -smp 2 \
		-nodefaults -no-user-config -display none -no-reboot -serial file:"$out" \
		-kernel "$1" -append 'console=ttyS0 earlyprintk=serial panic=-1' \
		</dev/null >/dev/null 2>&1 &
	pid=$!
	for ((tries = PROBE_SECONDS * 5; tries > 0; tries--)); do
		! panicked "$out" || break
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.2
	done
	kill "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	panicked "$out" || status=1
	rm -f "$out"
	return "$status"
}

main() {
	local boot answer
	[[ $# -eq 2 ]] || die "usage: accel.sh ARCH IMAGE"
	need_file "$2"
	if [[ $1 = arm64 ]]; then
		# The architecture's own pointer signing would cost half of the time.
		printf '%s,pauth-impdef=on\n' "$TCG_ARGS"
		return
	fi
	mkdir -p "$CACHE"
	# Who probes at the same time may find the other in his way.
	exec 9>"$CACHE/.lock-accel"
	flock 9
	boot=$(cat /proc/sys/kernel/random/boot_id)
	if [[ -f $CACHE/accel ]] && read -r answer <"$CACHE/accel" &&
		[[ $answer = "$boot "* ]]; then
		printf '%s\n' "${answer#* }"
		return
	fi
	# QEMU may abort; the shell would say so.
	if probe "$2" 2>/dev/null; then
		answer=$KVM_ARGS
	else
		answer=$TCG_ARGS
	fi
	printf '%s %s\n' "$boot" "$answer" >"$CACHE/accel.$$"
	mv "$CACHE/accel.$$" "$CACHE/accel"
	printf '%s\n' "$answer"
}

main "$@"
