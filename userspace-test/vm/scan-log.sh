#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# scan-log.sh LOG: fails, showing the lines, if a guest's log tells of trouble that the
# guest itself survived: warnings, lock reports, sanitizer reports, leaks, crashed programs.
# There is no list of exceptions; that a module from outside the tree taints the kernel is
# said in other words than these.
#
# Data races that KCSAN reports between functions of the kernel itself, with no module in any
# of the backtraces, are shown, but are no failure: every kernel has some. What an interrupt has
# interrupted has no part in what it does.
#
# scan-log.sh --patterns prints what is looked for.

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Extended regular expressions, matched with case. scan-log-selftest.sh has a line for each.
PATTERNS=(
	'WARNING:'
	'(^|[^E])BUG:'	# not DEBUG:
	'kernel BUG at'
	'BUG [a-z][^ ]* .*: '	# slab reports: "BUG kmalloc-64 (Tainted: ...): Poison overwritten"
	'Oops'
	'Call Trace'
	'Kernel panic'
	'[Uu]nable to handle'
	'general protection'
	'double fault'
	'invalid opcode'
	'soft lockup'
	'hard LOCKUP'
	'blocked for more than'
	'(self-)?detected stalls?'
	'[Bb]ad page'
	'page dumped'
	'refcount_t:'
	'list_(add|del) corruption'
	'segfault'
	'possible recursive locking'
	'possible circular locking'
	'possible irq lock inversion'
	'inconsistent lock state'
	'suspicious RCU usage'
	'sleeping function called'
	'scheduling while atomic'
	'lockdep is turned off'
	'KASAN: '
	'KCSAN: '
	'KFENCE: '
	'UBSAN: '
	'kmemleak: [0-9]+ new'
	'unreferenced object'
	'ODEBUG: (activate|deactivate|assert|init|free|destroy)'
	'DEBUG_LOCKS_WARN_ON'
	'Out of memory'
	'page allocation failure'
	# What the module says of itself. The suites provoke it, with heaps of other names.
	'spanalloc: heap (default|ring|torture)( destroyed with|: leaked| is damaged)'
	'spanalloc_torture: not ok'
)

# The log without KCSAN's reports on the kernel itself, whose lines become empty. A report is
# what stands between two lines of "="; one without an end stays. The frames of a module end
# with its name in brackets. Where an access was made in an interrupt, a frame asm_... is its
# entry, and what comes after that was interrupted.
# shellcheck disable=SC2016 # awk's variables
OURS='
function forget(   i) {
	for (i = 1; i <= n; i++)
		line[from + i - 1] = ""
	print "not ours: " title >"/dev/stderr"
}
{ line[NR] = $0 }
/BUG: KCSAN: / { title = $0; from = NR; n = 0; ours = 0 }
title != "" {
	n++
	if (/ on cpu [0-9]+:$/) {
		interrupt = / by interrupt on cpu /
		interrupted = 0
	}
	ours += !interrupted && / \[[a-z0-9_]+\]$/
	interrupted = interrupted || interrupt && / asm_[a-z_]+\+0x/
	if (/==========$/) {
		if (!ours)
			forget()
		title = ""
	}
}
END {
	for (i = 1; i <= NR; i++)
		print line[i]
}'

main() {
	local pattern all='' log lines
	if [[ ${1:-} = --patterns ]]; then
		printf '%s\n' "${PATTERNS[@]}"
		return
	fi
	[[ $# -eq 1 ]] || die "usage: scan-log.sh LOG"
	need_file "$1"
	[[ -s $1 ]] || die "$1 is empty: nothing was logged"
	for pattern in "${PATTERNS[@]}"; do
		all+="${all:+|}($pattern)"
	done
	log=$(tr -d '\r\0' <"$1" | awk "$OURS") || die "$1 cannot be read"
	lines=$(grep -naE -e "$all" <<<"$log") || [[ $? -eq 1 ]] || die "$1 cannot be searched"
	[[ -n $lines ]] || return 0
	note "trouble in the log (line: text):"
	head -n 40 <<<"$lines" >&2
	return 1
}

main "$@"
