#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kunit-verdict-selftest.sh: gives kunit-verdict.sh a good log and one with each kind of
# trouble that a test run could pass over in silence. Ends with "N passed, N failed".

# Single quotes hold scripts for sed.
# shellcheck disable=SC2016
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

VERDICT=$VM_DIR/kunit-verdict.sh
PASSED=0
FAILED=0

# source_file SUITE CASE...: a source as small as can be.
source_file() {
	local suite=$1 case
	shift
	printf 'static struct kunit_case %s_cases[] = {\n' "$suite"
	for case; do
		printf '\tKUNIT_CASE(%s),\n' "$case"
	done
	printf '\t{}\n};\n\nstatic struct kunit_suite %s_suite = {\n' "$suite"
	printf '\t.name = "%s",\n\t.test_cases = %s_cases,\n};\n' "$suite" "$suite"
}

good_log() {
	cat <<-'END'
		Linux version 7.2.13 (gcc (Debian 12.2.0)) #3 SMP PREEMPT
		KTAP version 1
		1..2
		    KTAP version 1
		    # Subtest: one
		    # module: both_kunit
		    1..3
		    ok 1 first
		    # second: seed 1, 4000 operations
		    ok 2 second
		    ok 3 third
		# one: pass:3 fail:0 skip:0 total:3
		# Totals: pass:3 fail:0 skip:0 total:3
		ok 1 one
		    KTAP version 1
		    # Subtest: two
		    1..1
		spanalloc: heap two: leaked 5 pages at 5, in-use, by 0x0
		    ok 1 fourth
		# Totals: pass:1 fail:0 skip:0 total:1
		ok 2 two
		reboot: System halted
	END
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

# expect_good NAME [SED-SCRIPT]: of the good log, as changed. Seven lines, all ok.
expect_good() {
	local said status=1
	good_log | sed "${2:-}" >"$TMP/log"
	if said=$("$VERDICT" "$TMP/log" "$TMP/kunit" 2>&1) &&
		[[ $(grep -c '^ok - ' <<<"$said") -eq 7 && $(wc -l <<<"$said") -eq 7 ]]; then
		status=0
	fi
	verdict "$1" "$status"
}

# expect_bad NAME LINE [SED-SCRIPT]: the verdict on the log so changed has this line.
expect_bad() {
	local said status=1
	good_log | sed "${3:-}" >"$TMP/log"
	if ! said=$("$VERDICT" "$TMP/log" "$TMP/kunit" 2>&1) && grep -qxF -e "$2" <<<"$said"; then
		status=0
	fi
	verdict "$1: $2" "$status"
}

test_good_logs() {
	local status=0
	expect_good "a good log"
	expect_good "from a serial console" 's/$/\r/'
	expect_good "with times" 's/^/[    5.123456] /'
	expect_good "with an empty plan at boot" '1s/$/\nKTAP version 1\n1..0/'
	expect_bad "without a plan of all" "not ok - 2 suites planned (no plan)" 3d
	sed -i 's/ok 2 second/& # SKIP too old/' "$TMP/log"
	OLD_KERNEL=yes "$VERDICT" "$TMP/log" "$TMP/kunit" >/dev/null 2>&1 || status=1
	verdict "an old kernel's log, without a plan of all and with a case skipped" "$status"
}

test_cases() {
	expect_bad "a case failed" "not ok - one: second" 's/ok 2 second/not &/'
	expect_bad "and what was logged before" "#       # second: seed 1, 4000 operations" \
		's/ok 2 second/not &/'
	expect_bad "a case is missing" "not ok - one: second (did not run)" '/ok 2 second/d'
	expect_bad "a case was skipped" "not ok - one: second (skipped)" \
		's/ok 2 second/& # SKIP no reason/'
	expect_bad "a case is unknown" "not ok - one: other (not in the sources)" \
		's/ok 2 second/ok 2 other/'
	expect_bad "a case ran twice" "not ok - one: second (a second time)" \
		's/ok 3 third/ok 3 second/'
	expect_bad "a case of another suite" "not ok - two: fourth (did not run)" \
		's/ok 1 fourth/ok 1 first/'
}

test_plans() {
	local suite='not ok - one: 3 cases planned and done'
	expect_bad "a wrong plan" "$suite (a plan of 2, ok)" 's/^    1\.\.3/    1..2/'
	expect_bad "no plan" "$suite (no plan, ok)" '/^    1\.\.3/d'
	expect_bad "a suite cut short" "$suite (a plan of 3, no result)" '/^ok 1 one/d'
	expect_bad "a suite failed" "$suite (a plan of 3, not ok)" 's/^ok 1 one/not &/'
	expect_bad "a wrong plan of all" "not ok - 2 suites planned (1 plans, the last of 3)" \
		's/^1\.\.2/1..3/'
	expect_bad "two plans of all" "not ok - 2 suites planned (2 plans, the last of 2)" \
		'$s/$/\n1..2/'
}

test_silent_passes() {
	expect_bad "KUnit is disabled" "not ok - two: fourth (did not run)" \
		'4,$d; s/^1\.\.2/&\nkunit: disabled/'
	expect_bad "a suite was filtered out" "not ok - two: fourth (did not run)" \
		'15,$d; s/^1\.\.2/1..1/'
	expect_bad "the kernel died" "not ok - one: second (did not run)" '9,$d'
	expect_bad "an empty log" "not ok - one: first (did not run)" d
	expect_bad "suites inside another one" "not ok - 2 suites planned (no plan)" 's/^/    /'
}

test_sources() {
	local status=0
	"$VERDICT" "$TMP/none" "$TMP/kunit" >/dev/null 2>&1 && status=1
	verdict "no log" "$status"
	status=0
	mkdir "$TMP/empty"
	good_log >"$TMP/log"
	"$VERDICT" "$TMP/log" "$TMP/empty" >/dev/null 2>&1 && status=1
	verdict "no sources" "$status"
	status=0
	source_file three >"$TMP/kunit/three_kunit.c"
	"$VERDICT" "$TMP/log" "$TMP/kunit" >/dev/null 2>&1 && status=1
	verdict "a suite without cases in the sources" "$status"
}

main() {
	TMP=$(mktemp -d)
	trap 'rm -rf "$TMP"' EXIT
	mkdir "$TMP/kunit"
	source_file one first second third >"$TMP/kunit/one_kunit.c"
	source_file two fourth >"$TMP/kunit/two_kunit.c"
	test_good_logs
	test_cases
	test_plans
	test_silent_passes
	test_sources
	printf '%s passed, %s failed\n' "$PASSED" "$FAILED"
	[[ $FAILED -eq 0 ]]
}

main "$@"
