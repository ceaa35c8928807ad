#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# fuzz.sh [--keep]: what "make fuzz" does. libFuzzer looks for inputs on which the core and
# its model differ, or that a sanitizer objects to: operations on a heap (heap), operations
# inside of operations (race), the same with caches (cache), operations on a treap (treap),
# texts of traces (trace).
#
# The inputs in corpus/TARGET and those of earlier runs in the cache are where it starts.
# A finding is made small, shown in words, and kept in the cache. The last line is
# "N passed, N failed"; the status is 1 if there was a finding.
#
#   --keep            does not look for inputs, but adds to corpus/ those of the cache that
#                     reach what nothing in corpus/ reaches
#
#   FUZZ_SECONDS=60   time, divided over the targets
#   FUZZ_TARGETS=...  which ones (heap race cache treap trace)
#   BUILD=build       where the programs are

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=../vm/lib.sh
. vm/lib.sh

BUILD=$(realpath -m "${BUILD:-build}")
SECONDS_ALL=${FUZZ_SECONDS:-60}
read -ra TARGETS <<<"${FUZZ_TARGETS:-heap race cache treap trace}"
STORE=$CACHE/fuzz
MINIMISE_SECONDS=30

WORK=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$WORK"' EXIT

build() {
	vm/deps.sh user fuzz
	forget_outer_make
	make --no-print-directory -s -j2 "BUILD=$BUILD" fuzzers \
		"${TARGETS[@]/#/$BUILD/replay-}"
}

# size_max TARGET: no input is longer.
size_max() {
	case $1 in
	trace) echo 16384 ;;
	*) echo 2048 ;;
	esac
}

# fuzzer TARGET ARGUMENT...: what it says goes to $WORK/TARGET.log.
fuzzer() {
	local target=$1 words=()
	shift
	[[ ! -e fuzz/$target.dict ]] || words=("-dict=fuzz/$target.dict")
	# Inputs that take long are chosen less often.
	nice "$BUILD/fuzz-$target" -max_len="$(size_max "$target")" -entropic_scale_per_exec_time=1 \
		-timeout=20 -rss_limit_mb=2048 "${words[@]}" \
		-artifact_prefix="$STORE/found/$target-" "$@" >"$WORK/$target.log" 2>&1
}

# A fuzzer that cannot fail is none: the model lies, and the first input has to notice.
notices_a_lie() {
	! FUZZ_LIE=1 fuzzer "$1" -runs=1 -artifact_prefix="$WORK/lie-" &&
		grep -q 'Test unit written to' "$WORK/$1.log"
}

# look TARGET SECONDS: leaves the status in $WORK/TARGET.status.
look() {
	local status=0
	notices_a_lie "$1" || echo lie >"$WORK/$1.lie"
	fuzzer "$1" -max_total_time="$2" -print_final_stats=1 "$STORE/$1" "fuzz/corpus/$1" ||
		status=$?
	echo "$status" >"$WORK/$1.status"
}

# As many targets at a time as there are processors.
look_everywhere() {
	local target lanes share
	lanes=$(nproc)
	[[ $lanes -lt ${#TARGETS[@]} ]] || lanes=${#TARGETS[@]}
	share=$(((SECONDS_ALL * lanes + ${#TARGETS[@]} - 1) / ${#TARGETS[@]}))
	for target in "${TARGETS[@]}"; do
		while [[ $(jobs -rp | wc -l) -ge $lanes ]]; do
			wait -n || true
		done
		look "$target" "$share" &
	done
	wait
}

# final TARGET NAME: a number of libFuzzer's final statistics, or 0.
final() {
	sed -n "s/^stat::$2: *//p" "$WORK/$1.log" | tail -n 1 | grep . || echo 0
}

edges() {
	sed -n 's/^#.* cov: \([0-9]*\) .*/\1/p' "$WORK/$1.log" | tail -n 1 | grep . || echo 0
}

edges_in_all() {
	sed -n 's/.*Loaded [0-9]* PC tables (\([0-9]*\) PCs).*/\1/p' "$WORK/$1.log" | head -n 1
}

# Makes a finding small; prints where it is.
minimised() {
	local small=$2.small
	rm -f "$small"
	timeout $((2 * MINIMISE_SECONDS)) "$BUILD/fuzz-$1" -minimize_crash=1 \
		-max_total_time="$MINIMISE_SECONDS" -exact_artifact_path="$small" "$2" \
		>"$WORK/minimise.log" 2>&1 || true
	if [[ -s $small ]]; then
		printf '%s\n' "$small"
	else
		printf '%s\n' "$2"
	fi
}

# tell TARGET: what was found, in words.
tell() {
	local target=$1 found
	found=$(sed -n 's/.*Test unit written to //p' "$WORK/$target.log" | head -n 1)
	if [[ -z $found ]]; then
		tail -n 20 "$WORK/$target.log" | sed 's/^/# /'
		return
	fi
	grep -aE -m 5 'not true|ERROR:|runtime error|WARNING' "$WORK/$target.log" | sed 's/^[# ]*/# /' || true
	found=$(minimised "$target" "$found")
	"$BUILD/replay-$target" --print "$found" 2>&1 | sed 's/^# *//; s/^/#   /' || true
	echo "# again:         $BUILD/replay-$target --print $found"
	echo "# as regression: cp $found userspace-test/fuzz/corpus/$target/$(sha1sum <"$found" | cut -c 1-40)"
}

# judge TARGET: it ended well, did more than to run what was there, and noticed the lie.
judge() {
	local runs inputs
	runs=$(final "$1" number_of_executed_units)
	inputs=$(find "$STORE/$1" "fuzz/corpus/$1" -type f | wc -l)
	printf '# %s: %d runs, %d a second, %d of %d edges, %d new inputs\n' "$1" "$runs" \
		"$(final "$1" average_exec_per_sec)" "$(edges "$1")" "$(edges_in_all "$1")" \
		"$(final "$1" new_units_added)"
	if [[ -e $WORK/$1.lie ]]; then
		echo "# it does not notice when the model lies"
		return 1
	fi
	if [[ $(cat "$WORK/$1.status") != 0 ]]; then
		tell "$1"
		return 1
	fi
	[[ $runs -gt $inputs ]] || echo "# no more runs than the $inputs inputs that there were"
	[[ $runs -gt $inputs ]]
}

# A few inputs of the cache that together reach all that corpus/ does not.
keep() {
	local target
	for target in "${TARGETS[@]}"; do
		fuzzer "$target" -set_cover_merge=1 -use_counters=0 "fuzz/corpus/$target" "$STORE/$target" ||
			die "$(tail -n 20 "$WORK/$target.log")"
		printf '%s: %d inputs, %d bytes\n' "$target" \
			"$(find "fuzz/corpus/$target" -type f | wc -l)" \
			"$(cat "fuzz/corpus/$target"/* | wc -c)"
	done
}

main() {
	local target passed=0 failed=0
	build
	mkdir -p "$STORE/found" "${TARGETS[@]/#/$STORE/}"
	if [[ ${1:-} == --keep ]]; then
		keep
		return
	fi
	[[ $# -eq 0 ]] || die 'usage: fuzz.sh [--keep]'
	look_everywhere
	for target in "${TARGETS[@]}"; do
		if judge "$target"; then
			passed=$((passed + 1))
			echo "ok $((passed + failed)) - fuzz $target"
		else
			failed=$((failed + 1))
			echo "not ok $((passed + failed)) - fuzz $target"
		fi
	done
	printf '%d passed, %d failed\n' "$passed" "$failed"
	[[ $failed -eq 0 && $passed -eq ${#TARGETS[@]} && $passed -gt 0 ]]
}

main "$@"
