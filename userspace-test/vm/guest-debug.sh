#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# What a guest with a debug kernel does after its script, whatever that was: shows that the
# kernel was still looking for trouble at the end of it, for many a detector turns itself off
# once it has found something or has run out of memory; and that the modules, which must be
# unloaded by now, have left neither objects nor pages behind. Ends with status 0 only if all
# of that held, and names what did not.

DEBUGFS=/sys/kernel/debug
failed=0

fail() {
	failed=$((failed + 1))
	echo "FAILED: $*"
}

unloaded() {
	! grep . /proc/modules || fail "modules are still loaded"
}

# Its tables may have overflowed, or a report of any detector have turned it off. Why, the
# kernel has said, though perhaps not to the console.
lockdep_is_on() {
	grep -q '^ *debug_locks: *1$' /proc/lockdep_stats && return
	fail "lockdep is off"
	grep debug_locks /proc/lockdep_stats
	dmesg | grep -m 1 -A 60 -E 'BUG|WARNING|INFO: |Disabling lock debugging'
}

# It has no switch; that it reports, the planted bugs of debug.sh show.
kasan_is_there() {
	grep -q ' __asan_report_load8_noabort$' /proc/kallsyms || fail "KASAN is not built in"
}

# What was just freed may still be in a register or on a stack: only the second scan counts.
# Once kmemleak has turned itself off, it refuses to scan.
nothing_is_leaked() {
	echo scan >"$DEBUGFS/kmemleak" || fail "kmemleak is off"
	sleep 5
	echo scan >"$DEBUGFS/kmemleak" || fail "kmemleak is off"
	cat "$DEBUGFS/kmemleak" >/tmp/leaks || fail "kmemleak cannot be read"
	[ ! -s /tmp/leaks ] || fail "$(grep -c '^unreferenced' /tmp/leaks) objects are leaked"
	head -n 100 /tmp/leaks
}

# For each page that is allocated, page_owner has the backtrace. The first function of it that
# is not the page allocator's own has the page; if that has no name, its module is gone.
# shellcheck disable=SC2016 # awk's variables
ORPHANS='
/^Page allocated/ { records++; text = ""; owner = "" }
{ text = text $0 "\n" }
/alloc.*page|page.*alloc|post_alloc|folio_alloc|prep_new_page|get_(free_)?page/ { next }
/^ / && owner == "" {
	owner = $1
	if (owner ~ /^0x/)
		orphan = 1
}
/^$/ && orphan {
	if (++orphans <= 5)
		printf "%s", text
	orphan = 0
}
END { print "page_owner:", records + 0, "allocations,", orphans + 0, "of nobody" }'

no_page_is_left() {
	local said
	# A record must fit into what is read at once.
	# shellcheck disable=SC2002
	cat "$DEBUGFS/page_owner" | awk "$ORPHANS" >/tmp/orphans || fail "page_owner cannot be read"
	cat /tmp/orphans
	said=$(tail -n 1 /tmp/orphans)
	case $said in
	'page_owner: '[0-9][0-9][0-9]*' allocations, 0 of nobody') ;;
	*' of nobody') fail "pages are leaked, or few were seen: $said" ;;
	*) fail "page_owner is off" ;;
	esac
}

# The counters tell that accesses are really watched.
kcsan_is_on() {
	grep -q '^enabled: 1$' "$DEBUGFS/kcsan" || fail "KCSAN is off"
	grep -E '^(setup_watchpoints|data_races):' "$DEBUGFS/kcsan"
	grep -q '^setup_watchpoints: [1-9]' "$DEBUGFS/kcsan" || fail "KCSAN watches nothing"
}

# The script may have asked for fewer messages; kmemleak's are mere notices.
dmesg -n 8
unloaded
case $(uname -r) in
*-debug)
	lockdep_is_on
	kasan_is_there
	nothing_is_leaked
	no_page_is_left
	;;
*-kcsan)
	kcsan_is_on
	;;
*)
	fail "$(uname -r) is no debug kernel"
	;;
esac

echo "guest-debug: $failed failed"
[ "$failed" -eq 0 ]
