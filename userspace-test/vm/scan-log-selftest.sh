#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# scan-log-selftest.sh: plants one line of each kind of trouble in a clean log and sees
# scan-log.sh find it. Ends with "N passed, N failed".

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SCAN=$VM_DIR/scan-log.sh
PASSED=0
FAILED=0

# Lines as kernels print them, cut where the rest would trip a second pattern.
PLANTED=(
	'[    5.1] WARNING: CPU: 0 PID: 61 at spanalloc/heap.c:12 f+0x1/0x2 [spanalloc]'
	'[    5.1] BUG: kernel NULL pointer dereference, address: 0000000000000008'
	'[    5.1] kernel BUG at lib/list_debug.c:59!'
	'[    5.1] BUG kmalloc-64 (Tainted: G    B   OE     ): Poison overwritten'
	'[    5.1] Oops: 0002 [#1] PREEMPT SMP NOPTI'
	'[    5.1] Call Trace:'
	'[    5.1] Kernel panic - not syncing: Fatal exception'
	'[    5.1] Unable to handle kernel paging request at virtual address 0000000000000008'
	'[    5.1] unable to handle page fault for address: ffffa00000000000'
	'[    5.1] general protection fault, probably for non-canonical address 0xdead'
	'[    5.1] double fault: 0000 [#1]'
	'[    5.1] traps: spanctl[77] trap invalid opcode ip:401000 sp:7ffc0 error:0'
	'[    5.1] watchdog: soft lockup - CPU#0 stuck for 22s! [insmod:61]'
	'[    5.1] NMI watchdog: Watchdog detected hard LOCKUP on cpu 1'
	'[    5.1] INFO: task rmmod:62 blocked for more than 120 seconds.'
	'[    5.1] rcu: INFO: rcu_preempt self-detected stall on CPU'
	'[    5.1] rcu: INFO: rcu_sched detected stalls on CPUs/tasks:'
	'[    5.1] Bad page state in process spanctl  pfn:1234'
	'[    5.1] bad page map in process spanctl  pte:8000000000000001'
	'[    5.1] page dumped because: nonzero _refcount'
	'[    5.1] refcount_t: underflow; use-after-free.'
	'[    5.1] list_del corruption. prev->next should be ffff8880, but was dead0000'
	'[    5.1] spanctl[77]: segfault at 8 ip 0000000000401000 sp 00007ffc error 4'
	'[    5.1] possible recursive locking detected'
	'[    5.1] possible circular locking dependency detected'
	'[    5.1] possible irq lock inversion dependency detected'
	'[    5.1] inconsistent lock state'
	'[    5.1] suspicious RCU usage'
	'[    5.1] sleeping function called from invalid context at mm/page_alloc.c:5000'
	'[    5.1] scheduling while atomic: insmod/61/0x00000002'
	'[    5.1] INFO: lockdep is turned off.'
	'[    5.1] KASAN: slab-use-after-free in span_free+0x1/0x2 [spanalloc]'
	'[    5.1] KCSAN: data-race in span_alloc / span_free'
	'[    5.1] KFENCE: out-of-bounds read in span_alloc+0x1/0x2'
	'[    5.1] UBSAN: array-index-out-of-bounds in spanalloc/heap.c:12:3'
	'[    5.1] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)'
	'unreferenced object 0xffff888003a0c000 (size 64):'
	'[    5.1] ODEBUG: free active (active state 0) object: work_struct'
	'[    5.1] DEBUG_LOCKS_WARN_ON(1)'
	'[    5.1] Out of memory: Killed process 77 (spanctl)'
	'[    5.1] insmod: page allocation failure: order:9, mode:0x40cc0(GFP_KERNEL)'
	'[    5.1] spanalloc: heap ring destroyed with 1 spans of 8 pages in use; they are lost'
	'[    5.1] spanalloc_torture: not ok 3 - pages verified'
)

clean_log() {
	cat <<-'END'
		[    0.000000] Linux version 6.1.0 (gcc-12 (Debian 12.2.0)) #1 SMP
		[    0.000000] Command line: console=ttyS0 panic=-1 oops=panic mitigations=off
		[    0.100000] rcu: RCU event tracing is enabled.
		[    0.100000] rcu: 	RCU lockdep checking is enabled.
		[    0.100000] Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar
		[    0.100000] kasan: KernelAddressSanitizer initialized
		[    0.100000] ODEBUG: selftest passed
		[    0.100000] kcsan: enabled early
		[    0.100000] kmemleak: Kernel memory leak detector initialized (mem pool available: 15000)
		[    2.300000] spanalloc: loading out-of-tree module taints kernel.
		[    2.300000] spanalloc: module verification failed: signature and/or required key missing - tainting kernel
		[    2.400000] spanalloc: 1 heap, granules of 512 pages
		VM-EXIT: 0
		[    2.900000] reboot: Power down
	END
}

# report FRAME [END [BY]]: a report of KCSAN with this function in one of its backtraces, of an
# access by a task or by who is named.
report() {
	printf '[    5.1] %s\n' "${2-$(printf '=%.0s' {1..66})}" \
		'BUG: KCSAN: data-race in next_uptodate_page / next_uptodate_page' '' \
		"read-write to 0xffffea0000123456 of 8 bytes by ${3:-task 77} on cpu 1:" \
		' next_uptodate_page+0x1/0x2' " $1" '' \
		'Reported by Kernel Concurrency Sanitizer on:' \
		'CPU: 1 PID: 77 Comm: device_test Tainted: G           O       6.1.0 #1' \
		"${2-$(printf '=%.0s' {1..66})}"
}

# verdict NAME CONDITION-STATUS
verdict() {
	if [[ $2 -eq 0 ]]; then
		PASSED=$((PASSED + 1))
	else
		FAILED=$((FAILED + 1))
		printf 'FAILED: %s\n' "$1"
	fi
}

# expect_clean NAME / expect_found NAME LINE: both judge the log in $LOG.
expect_clean() {
	local status=0
	"$SCAN" "$LOG" || status=$?
	verdict "$1" "$status"
}

expect_found() {
	local said status=1
	if ! said=$("$SCAN" "$LOG" 2>&1) && [[ $said = *"$2"* ]]; then
		status=0
	fi
	verdict "$1" "$status"
}

# Each planted line alone is found, and shown, in the midst of a clean log.
test_planted_lines() {
	local line
	for line in "${PLANTED[@]}"; do
		{ clean_log | head -n 10; printf '%s\n' "$line"; clean_log | tail -n 2; } >"$LOG"
		expect_found "planted and not found: $line" "$line"
	done
}

test_data_races() {
	local end ours='span_free+0x1/0x2 [spanalloc]'
	local entry='asm_sysvec_apic_timer_interrupt+0x1b/0x20'
	end=$(printf '=%.0s' {1..66})
	{ clean_log; report 'filemap_map_pages+0x1/0x2'; } >"$LOG"
	expect_clean "a data race of the kernel's own"
	{ clean_log; report 'span_free+0x1/0x2 [spanalloc]'; } >"$LOG"
	expect_found "a data race with a frame of ours" "KCSAN: data-race"
	{ clean_log; report "$(printf '%s\n ' "$entry" "$ours")" "$end" interrupt; } >"$LOG"
	expect_clean "a data race in an interrupt that came while we were at work"
	{ clean_log; report "$(printf '%s\n ' "$ours" "$entry")" "$end" interrupt; } >"$LOG"
	expect_found "a data race of ours in an interrupt" "KCSAN: data-race"
	{ clean_log; report "$(printf '%s\n ' "$entry" "$ours")"; } >"$LOG"
	expect_found "a data race of ours in a task" "KCSAN: data-race"
	{ clean_log; report 'filemap_map_pages+0x1/0x2' ''; } >"$LOG"
	expect_found "a report on a data race without an end" "KCSAN: data-race"
	{ report 'filemap_map_pages+0x1/0x2'; printf '%s\n' "${PLANTED[0]}"; } >"$LOG"
	expect_found "a warning after a data race of the kernel's own" "heap.c:12"
}

# Each pattern has a planted line of its own, which no other pattern would find: so a
# pattern that is spelt wrong cannot hide behind its neighbours.
test_every_pattern() {
	local pattern line status other
	while IFS= read -r pattern; do
		status=1
		other=$("$SCAN" --patterns | grep -vxF -e "$pattern")
		for line in "${PLANTED[@]}"; do
			if grep -qE -e "$pattern" <<<"$line" && ! grep -qE -f <(printf '%s\n' "$other") <<<"$line"; then
				status=0
			fi
		done
		verdict "no line of its own is planted for: $pattern" "$status"
	done < <("$SCAN" --patterns)
}

main() {
	LOG=$(mktemp)
	trap 'rm -f "$LOG"' EXIT
	clean_log >"$LOG"
	expect_clean "a clean log"
	clean_log | sed 's/$/\r/' >"$LOG"
	expect_clean "a clean log from a serial console"
	{ clean_log; printf '%s\r\n' "${PLANTED[0]}"; } >"$LOG"
	expect_found "a warning on a serial console, after the last word" "heap.c:12"
	: >"$LOG"
	expect_found "an empty log is not a clean one" "is empty"
	rm "$LOG"
	expect_found "a log that is not there is not a clean one" "no such file"
	test_planted_lines
	test_data_races
	test_every_pattern
	printf '%s passed, %s failed\n' "$PASSED" "$FAILED"
	[[ $FAILED -eq 0 ]]
}

main "$@"
