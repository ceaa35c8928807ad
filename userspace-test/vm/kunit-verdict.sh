#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kunit-verdict.sh LOG [SOURCES]: what the KUnit suites of SOURCES (default: kunit/ of this
# project) did, by a kernel's log: one "ok - suite: case" or "not ok - ..." for each case
# that the sources have, and one more for each suite's plan and for the plan of all.
#
# The sources say what there has to be, not the log: a suite that was not built in, was
# filtered out, disabled or cut short, or a case that was skipped, is a failure, and so is
# what the sources do not have. Succeeds only if every line is "ok".
#
# With OLD_KERNEL=yes in the environment, for one as old as 6.1, the plan of all is not
# asked for, since none is printed when the suites are loaded as a module; and a case may be
# skipped, since some need newer KUnit.
#
# kunit-verdict.sh --expected [SOURCES] prints "suite case" for each case of the sources.

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# expected DIR: each file has one suite.
expected() {
	local file suite cases total=0
	for file in "$1"/*_kunit.c; do
		need_file "$file"
		suite=$(sed -n '/^static struct kunit_suite/,/^};/s/^\t\.name = "\([a-z0-9_]*\)",$/\1/p' "$file")
		cases=$(sed -n 's/^\tKUNIT_CASE[A-Z_]*(\([a-z0-9_]*\)[,)].*/\1/p' "$file")
		[[ $suite =~ ^[a-z0-9_]+$ ]] || die "$file: not one suite, but '$suite'"
		[[ -n $cases ]] || die "$file: a suite without cases"
		printf '%s\n' "$cases" | sed "s/^/$suite /"
		total=$((total + 1))
	done
	[[ $total -gt 0 ]]
}

# Kernels put a time before each line, consoles a carriage return after it.
plain() {
	tr -d '\r' <"$1" | sed -E 's/^(<[0-9]+>)?\[ *[0-9]+\.[0-9]+(\]|@)( )?//'
}

# judge EXPECTED-FILE: reads a plain log.
# shellcheck disable=SC2016 # awk's variables
JUDGE='
function say(good, what) {
	print (good ? "ok - " : "not ok - ") what
	bad += !good
}
# What was logged since the last result belongs to this one.
function say_with_log(good, what,   i) {
	say(good, what)
	for (i = 1; !good && i <= nlines && i <= 25; i++)
		print "#   " lines[i]
	nlines = 0
}
function number(text) {
	sub(/^ *1\.\./, "", text)
	return text + 0
}
NR == FNR {
	if (!($1 in ncases))
		suites[++nsuites] = $1
	ncases[$1]++
	wanted[$1 " " $2] = 1
	order[++nwanted] = $1 " " $2
	next
}
# A kernel with KUnit but without suites of its own plans none, at boot.
/^1\.\.[1-9][0-9]*$/ {
	nplans++
	plan = number($0)
	next
}
/^    # Subtest: / {
	suite = $3
	nlines = 0
	next
}
/^    1\.\.[0-9]+$/ {
	planned[suite] = number($0)
	next
}
/^    (not )?ok [0-9]+ / {
	good = $1 == "ok"
	name = suite " " $(good ? 3 : 4)
	title = suite ": " $(good ? 3 : 4)
	if (!(name in wanted))
		say(0, title " (not in the sources)")
	else if (name in seen)
		say(0, title " (a second time)")
	else if (!good)
		say_with_log(0, title)
	else if (/# SKIP/)
		say(old_kernel == "yes", title (old_kernel == "yes" ? " # SKIP" : " (skipped)"))
	else
		say(1, title)
	seen[name] = 1
	nlines = 0
	next
}
/^(not )?ok [0-9]+ / {
	good = $1 == "ok"
	ended[$(good ? 3 : 4)] = good ? "ok" : "not ok"
	suite = ""
	next
}
suite != "" && !/^    KTAP version 1$/ { lines[++nlines] = $0 }
END {
	for (i = 1; i <= nwanted; i++) {
		split(order[i], part, " ")
		if (!(order[i] in seen))
			say(0, part[1] ": " part[2] " (did not run)")
	}
	for (i = 1; i <= nsuites; i++) {
		suite = suites[i]
		is = planned[suite] == "" ? "no plan" : "a plan of " planned[suite]
		end = ended[suite] == "" ? "no result" : ended[suite]
		good = planned[suite] == ncases[suite] && end == "ok"
		say(good, suite ": " ncases[suite] " cases planned and done" \
		    (good ? "" : " (" is ", " end ")"))
	}
	good = nplans == 1 && plan == nsuites
	if (old_kernel != "yes")
		say(good, nsuites " suites planned" \
		    (good ? "" : nplans ? " (" nplans " plans, the last of " plan ")" : " (no plan)"))
	exit bad != 0
}'

main() {
	local list sources=${2:-$PROJECT/kunit} status=0
	[[ $# -ge 1 && $# -le 2 ]] || die "usage: kunit-verdict.sh LOG|--expected [SOURCES]"
	list=$(expected "$sources") || die "no suites in $sources"
	if [[ $1 = --expected ]]; then
		printf '%s\n' "$list"
		return
	fi
	need_file "$1"
	awk -v old_kernel="${OLD_KERNEL:-}" "$JUDGE" <(printf '%s\n' "$list") <(plain "$1") || status=1
	return "$status"
}

main "$@"
