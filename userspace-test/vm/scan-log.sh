#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# scan-log.sh LOG: fails, showing the lines, if a guest's log tells of trouble that the
# guest itself survived: warnings, lock reports, sanitizer reports, leaks, crashed programs.
# There is no list of exceptions; that a module from outside the tree taints the kernel is
# said in other words than these.
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
)

main() {
	local pattern all='' lines
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
	lines=$(tr -d '\r' <"$1" | grep -naE -e "$all" || true)
	[[ -n $lines ]] || return 0
	note "trouble in the log (line: text):"
	head -n 40 <<<"$lines" >&2
	return 1
}

main "$@"
