#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# test.sh [PART]...: what "make test" does. The parts, all of them by default:
#
#   static   rules about the sources (static.sh), and what tools say (static-tools.sh)
#   build    the module, warnings being errors, for each kernel of BUILD_SERIES
#   user     the heap in user space, under sanitizers (make check)
#   kunit    the KUnit suites, in User-Mode Linux, and a quick look at the benchmark
#   vm       the module in virtual machines, for each kernel of RUN_SERIES, all at the same
#            time: traces are replayed, the device is tested, races are forced
#
# Only when they are named:
#
#   pressure memory given back, to a machine that is short of it or that changes, on the
#            kernel SERIES (vm/pressure.sh)
#   stress   everything at once, for STRESS_SECONDS, on the kernel SERIES (vm/stress.sh)
#   hostile  programs that mean no good, for HOSTILE_SECONDS, on the kernel SERIES
#            (vm/hostile.sh)
#   arm64    as vm, on two arm64 kernels, with pages of 4 and of 16 KiB
#   apps     programs of others, in buffers that they map from the device, for each of
#            APPS_SERIES
#   debug    planted bugs, the KUnit suites, the device tests, forced races, failing
#            allocations, contents of free pages, everything at once and memory given back, on
#            kernels with KASAN, lockdep, kmemleak and more, for each of DEBUG_KERNELS
#   kcsan    a planted race, the KUnit suites with longer stress, and everything at once, on
#            kernels that report data races, for each of KCSAN_KERNELS
#
# Everything says what it says; the last line is "N passed, N failed". What counts is each
# "ok" and "not ok" of the KTAP streams, each build, and each run of a virtual machine; what a
# kernel cannot do is skipped, and named with the reason before the last line. The
# status is 0 if nothing failed and as many checks ran as there have to be: a loop over
# nothing must not pass.
#
#   BUILD_SERIES, RUN_SERIES       kernel series, separated by blanks
#   APPS_SERIES                    names of kernel.sh, of kernels with all drivers
#   DEBUG_KERNELS, KCSAN_KERNELS   names of debug-kernel.sh
#   SEED=N OPS=N                   of the random tests

set -uo pipefail
cd "$(dirname "$0")" || exit 1

BUILD_SERIES=${BUILD_SERIES:-6.1 6.12 7.2}
RUN_SERIES=${RUN_SERIES:-6.1 6.12}
APPS_SERIES=${APPS_SERIES:-6.1-amd64 6.12-amd64}
DEBUG_KERNELS=${DEBUG_KERNELS:-6.1-debug 7.2-debug}
KCSAN_KERNELS=${KCSAN_KERNELS:-6.1-kcsan}

passed=0
failed=0
failures=()
skips=()
complete=
tmp=$(mktemp -d) || exit 1
log=$tmp/log
# Those who work at the same time, each a process group.
lanes=()

last_line() {
	local name
	rm -rf "$tmp"
	for name in "${skips[@]}"; do
		printf 'skipped: %s\n' "$name"
	done
	for name in "${failures[@]}"; do
		printf 'failed: %s\n' "$name"
	done
	if [[ -z $complete ]]; then
		echo 'failed: the tests did not get to their end'
		failed=$((failed + 1))
	fi
	printf '%d passed, %d failed\n' "$passed" "$failed"
	[[ $failed -eq 0 ]] || exit 1
}

stop() {
	local pid
	for pid in "${lanes[@]}"; do
		kill -TERM -- "-$pid" 2>/dev/null
	done
	exit 130
}

trap last_line EXIT
trap stop INT TERM

headline() {
	printf '\n=== %s\n' "$*"
}

fail() {
	failed=$((failed + 1))
	failures+=("$*")
}

# shown COMMAND...: runs it, shows and keeps what it says.
shown() {
	"$@" 2>&1 </dev/null | tee "$log"
	return "${PIPESTATUS[0]}"
}

# results: counts the results in the log; prints "GOOD BAD".
results() {
	tr -d '\r' <"$log" | awk '
		/^[[:space:]]*ok ([0-9]+|-)/ && !/# SKIP/ { good++ }
		/^[[:space:]]*not ok ([0-9]+|-)/ { bad++ }
		END { print good + 0, bad + 0 }'
}

# took NAME SINCE: where the time of a run goes; what takes none is not worth a line.
took() {
	local seconds=$((SECONDS - $2))
	[[ $seconds -lt 5 ]] || printf '# %s: %d s\n' "$1" "$seconds"
}

# stream LEAST NAME COMMAND...: a command that prints KTAP, with at least so many good cases.
stream() {
	local least=$1 name=$2 status=0 good bad line since=$SECONDS
	shift 2
	headline "$name"
	shown "$@" || status=$?
	took "$name" "$since"
	read -r good bad < <(results)
	passed=$((passed + good))
	while read -r line; do
		fail "$name: ${line#*not ok }"
	done < <(tr -d '\r' <"$log" | grep -E '^[[:space:]]*not ok ([0-9]+|-)')
	while read -r line; do
		skips+=("$name: $line")
	done < <(tr -d '\r' <"$log" | sed -nE 's/^[[:space:]]*ok ([0-9]+|-)( -)? (.*) # SKIP/\3:/p')
	[[ $status -eq 0 || $bad -gt 0 ]] || fail "$name: status $status"
	[[ $good -ge $least || $bad -gt 0 ]] || fail "$name: only $good of $least cases ran"
}

# step NAME COMMAND...: a command that says by its status how it went.
step() {
	local name=$1 status=0 since=$SECONDS
	shift
	headline "$name"
	shown "$@" || status=$?
	took "$name" "$since"
	if [[ $status -eq 0 ]]; then
		passed=$((passed + 1))
	else
		fail "$name: status $status"
	fi
}

# lane COMMAND...: runs it with counts of its own, which it prints at its end.
lane() {
	passed=0
	failed=0
	failures=()
	skips=()
	log=$log.$BASHPID
	"$@"
	printf '%d %d\n' "$passed" "$failed" >&3
	[[ $failed -eq 0 ]] || printf 'failed %s\n' "${failures[@]}" >&3
	[[ ${#skips[@]} -eq 0 ]] || printf 'skipped %s\n' "${skips[@]}" >&3
}

# add_lane NAME FILE: what a lane has printed. One that was ended has printed nothing.
add_lane() {
	local good bad kind line before=$failed
	if ! read -r good bad; then
		fail "$1: it did not get to its end"
		return
	fi
	passed=$((passed + good))
	while read -r kind line; do
		case $kind in
		failed) fail "$line" ;;
		skipped) skips+=("$line") ;;
		esac
	done
	[[ $((failed - before)) -eq $bad ]] || fail "$1: its failures are not $bad"
} <"$2"

# side_by_side COMMAND WORD...: the command for each of the words, all at the same time: a
# guest keeps little more than one processor busy. What they say is shown one after the other.
side_by_side() {
	local command=$1 word i
	shift
	lanes=()
	# With process groups of their own, so that they can be stopped with all they started.
	set -m
	for word; do
		lane "$command" "$word" >"$tmp/$word.said" 2>&1 3>"$tmp/$word.results" &
		lanes+=($!)
	done
	set +m
	headline "at the same time: $*"
	for ((i = 1; i <= $#; i++)); do
		wait "${lanes[i - 1]}"
		cat "$tmp/${!i}.said"
		add_lane "$command ${!i}" "$tmp/${!i}.results"
	done
	lanes=()
}

# What all parts need, before several of them go to work at the same time. One who works in
# the background cannot ask for a password.
tools() {
	vm/deps.sh build user vm src static && vm/deps.sh user32
}

programs() {
	make --no-print-directory -j "$(nproc)" all vm-tools
}

part_static() {
	stream 34 'rules about the sources' ./static.sh
	stream 23 'tools about the sources' ./static-tools.sh
}

part_build() {
	local series
	for series in $BUILD_SERIES; do
		step "build for Linux $series" env TORTURE=1 vm/build-module.sh "$series"
	done
}

part_user() {
	step 'what programs are built with' vm/deps.sh user
	step 'build in user space' make --no-print-directory all
	stream 240 'user-space tests' make --no-print-directory check
}

part_kunit() {
	step 'the verdict on KUnit logs finds what it has to' vm/kunit-verdict-selftest.sh
	stream 365 'KUnit' vm/kunit.sh
	stream 1 'a quick look at the benchmark' vm/bench.sh --smoke
}

# in_guests SERIES
in_guests() {
	step "replay in a virtual machine, Linux $1" env SERIES="$1" vm/run.sh
	stream 600 "device tests, Linux $1" env SERIES="$1" vm/device.sh
	stream 58 "spanctl, Linux $1" env SERIES="$1" vm/spanctl.sh
	stream 40 "forced races, Linux $1" env SERIES="$1" vm/races.sh
	stream 59 "torture, Linux $1" env SERIES="$1" vm/torture.sh
	stream 24 "cgroups and nodes, Linux $1" env SERIES="$1" vm/cgroup.sh
	[[ $1 != 6.1 ]] ||
		stream 10 "memory given back, Linux $1" env SERIES="$1" vm/pressure.sh short
}

part_vm() {
	step 'the scan of kernel logs finds what it has to' vm/scan-log-selftest.sh
	step 'what guests are made with' tools
	# shellcheck disable=SC2086 # a list
	side_by_side in_guests $RUN_SERIES
}

part_pressure() {
	stream 24 "memory given back, Linux ${SERIES:-6.1}" vm/pressure.sh small large
}

part_stress() {
	stream 32 "stress, Linux ${SERIES:-6.1}" vm/stress.sh
}

part_hostile() {
	stream 72 "hostile programs, Linux ${SERIES:-6.1-debug}" vm/hostile.sh
}

# on_arm64 KERNEL PAGE-BYTES LEAST: the page size is what these kernels are for; one that has
# another proves nothing, and is a failure.
on_arm64() {
	step "replay in a virtual machine, Linux $1" env SERIES="$1" vm/run.sh
	stream "$3" "device tests, Linux $1" env SERIES="$1" vm/device.sh
	grep -q "^# pages of $2 bytes" "$log" || fail "Linux $1 has no pages of $2 bytes"
}

part_arm64() {
	on_arm64 6.1-arm64 4096 224
	on_arm64 6.12-arm64-16k 16384 226
}

part_apps() {
	local name
	for name in $APPS_SERIES; do
		stream 56 "programs of others, Linux $name" env SERIES="$name" vm/apps.sh
	done
}

# in_debug KERNEL, which is built
in_debug() {
	stream 11 "planted bugs, Linux $1" vm/debug.sh "$1" sins
	stream 171 "KUnit as modules, Linux $1" vm/debug.sh "$1" kunit
	stream 600 "device tests, Linux $1" env SERIES="$1" TIMEOUT=3600 MEM=640 vm/device.sh
	stream 40 "forced races, Linux $1" env SERIES="$1" TIMEOUT=3600 vm/races.sh
	stream 21 "cgroups, Linux $1" env SERIES="$1" vm/cgroup.sh
	stream 67 "failing allocations, Linux $1" env SERIES="$1" vm/failnth.sh
	stream 210 "contents of free pages, Linux $1" env SERIES="$1" TIMEOUT=3600 vm/contents.sh
	stream 32 "stress, Linux $1" env SERIES="$1" TIMEOUT=3600 vm/stress.sh
	stream 23 "memory given back, Linux $1" env SERIES="$1" TIMEOUT=3600 vm/pressure.sh small large
}

part_debug() {
	local name
	step 'what guests are made with' tools
	step 'programs' programs
	for name in $DEBUG_KERNELS; do
		step "kernel and module, Linux $name" vm/build-module.sh "$name"
	done
	# shellcheck disable=SC2086 # a list
	side_by_side in_debug $DEBUG_KERNELS
}

part_kcsan() {
	local name
	for name in $KCSAN_KERNELS; do
		stream 3 "planted race, Linux $name" vm/debug.sh "$name" sins
		stream 171 "KUnit as modules, Linux $name" env STRESS_MS=20000 vm/debug.sh "$name" kunit
		stream 59 "torture, Linux $name" env SERIES="$name" SECONDS_LONG=20 vm/torture.sh
		stream 32 "stress, Linux $name" env SERIES="$name" TIMEOUT=3600 vm/stress.sh
	done
}

# in_turn WORD: what is one lane of a whole run: "sources", or a kernel series.
in_turn() {
	local part
	if [[ $1 != sources ]]; then
		in_guests "$1"
		return
	fi
	for part in static build user kunit; do
		run_part "$part"
	done
	step 'the scan of kernel logs finds what it has to' vm/scan-log-selftest.sh
}

# The default parts. Guests and the rest at the same time: together they keep two processors
# busy, one after the other they do not.
whole_run() {
	step 'what all this needs' tools
	step 'programs' programs
	# shellcheck disable=SC2086 # a list
	side_by_side in_turn sources $RUN_SERIES
	[[ $((passed + failed)) -ge $CHECKS_MIN ]] ||
		fail "only $((passed + failed)) of at least $CHECKS_MIN checks ran"
}

# run_part NAME: a part without a single check is no part.
run_part() {
	local before=$((passed + failed))
	"part_$1"
	[[ $((passed + failed)) -gt $before ]] || fail "nothing was checked: $1"
}

# The least number of checks of a whole run.
CHECKS_MIN=2250

main() {
	local part
	[[ $# -gt 0 ]] || whole_run
	for part; do
		case $part in
		static | build | user | kunit | vm | pressure | stress | hostile | arm64 | apps | debug | kcsan)
			run_part "$part"
			;;
		*)
			echo "usage: test.sh [static|build|user|kunit|vm|pressure|stress|hostile|arm64|apps|debug|kcsan]..." >&2
			exit 2
			;;
		esac
	done
	complete=1
	headline "$SECONDS seconds"
}

main "$@"
