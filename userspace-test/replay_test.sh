#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# replay_test.sh: the command line, the trace parser and the placements of span-replay.
# The sanitized build takes part in everything but the clock.
#
#   BUILD=build     where the programs are
#   TRACES=DIR      more *.trace.gz, for what holds for all traces

set -uo pipefail
cd "$(dirname "$0")" || exit 1
# shellcheck source=ktap.sh
. ./ktap.sh

BUILD=${BUILD:-build}
SANE=$BUILD/span-replay-test
FAST=$BUILD/span-replay
WORK=$(mktemp -d) || exit 1
trap 'rm -rf "$WORK"' EXIT

# run STATUS ARGUMENT...: standard input is the trace; output goes to $WORK/out and err.
run() {
	local expected=$1 got
	shift
	"$SANE" "$@" >"$WORK/out" 2>"$WORK/err"
	got=$?
	[[ $got -eq $expected ]] && return
	printf 'status %d, not %d; it said:\n' "$got" "$expected"
	head -20 "$WORK/err"
	return 1
}

# places TRACE PLACEMENTS: both as printf sees them.
places() {
	printf '%b' "$1" | run 0 --placements - || return
	diff <(printf '%b' "$2") "$WORK/out" && [[ ! -s $WORK/err ]]
}

# refuses LINE TRACE: malformed in that line.
refuses() {
	printf '%b' "$2" | run 2 --placements - || return
	grep -q "line $1:" "$WORK/err" && [[ ! -s $WORK/out ]] && return
	echo "no line $1, or output, with: $(cat "$WORK/err")"
	return 1
}

refuses_gz() {
	cp "$2" "$WORK/bad.trace.gz" || return
	run 2 --json "$WORK/bad.trace.gz" && grep -q "line $1" "$WORK/err"
}

usage_error() {
	run 2 "$@" </dev/null && grep -q 'usage:\|arena\|rate' "$WORK/err" && [[ ! -s $WORK/out ]]
}

same_places() {
	local file count=0
	for file in traces/*.trace.gz; do
		run 0 --placements "$file" || return
		gzip -dc "$file" | awk -f model/first_fit.awk | cmp - "$WORK/out" || return
		count=$((count + $(wc -l <"$WORK/out")))
	done
	[[ $count -gt 10000 ]]
}

# The same with other heaps: placement does not depend on granules, arenas, retention.
places_are_the_same() {
	local file=traces/phases.trace.gz options
	run 0 --placements "$file" && cp "$WORK/out" "$WORK/want" || return
	for options in '--granule-order 0 --arena-pages 1' '--granule-order 4 --arena-pages 64' \
			'--granule-order 3 --arena-pages 8 --retain-percent 0' \
			'--granule-order 16' '--retain-percent 10'; do
		# shellcheck disable=SC2086 # several words
		run 0 --placements $options "$file" && cmp "$WORK/out" "$WORK/want" || return
	done
}

# number KEY: of the JSON in $WORK/out.
number() {
	sed -n "s/.*\"$1\": \"\{0,1\}\([0-9a-z.]*\).*/\1/p" "$WORK/out"
}

has() {
	[[ $(number "$1") = "$2" ]] && return
	echo "$1 is $(number "$1"), not $2"
	return 1
}

json_of_a_small_trace() {
	printf 'a 1 3\na 2 600\na 3 5\nf 2\na 4 600\na 5 1\nf 5\n' |
		run 0 --json --granule-order 2 --arena-pages 64 - || return
	[[ $(wc -l <"$WORK/out") -eq 1 ]] && has events 7 && has allocs 5 &&
		has peak_live_pages 609 && has peak_extent_pages 609 &&
		has peak_backed_pages 612 && has peak_touched_pages 612 &&
		has max_free_spans 2 && has allocs_exact 1 && has splits_in_place 4 &&
		has merges_in_place 1 && has tree_inserts 2 && has tree_erases 1 &&
		has granule_pages 4 && has arena_pages 64 && has check ok
}

# By hand: granules of 4 pages, an event a second. Spans of [0,12), [12,17) and [17,18); the
# second goes, and with it the fourth granule is idle; [18,26) takes two more. Who retains
# nothing gives the fourth back in the background, who remembers it before the last is taken.
time_in_a_small_trace() {
	local trace='a 1 12\na 2 5\na 3 1\nf 2\na 4 8\n'
	local options=(--json --granule-order 2 --arena-pages 64 --rate 1 --give-ns 1000000)
	printf '%b' "$trace" | run 0 "${options[@]}" --retain-percent 0 - &&
		has peak_touched_pages 24 && has mean_touched_pages 18.4 &&
		has peak_backed_pages 24 && has mean_backed_pages 18.4 &&
		has granules_taken 7 && has granules_given 1 && has kept_reused_pages 0 &&
		has peak_kept_pages 0 && has scavenge_steps 2 && has scavenge_ms 1.000 &&
		has longest_excess_ms 0.000 || return
	printf '%b' "$trace" | run 0 "${options[@]}" --retain-percent 10 --window-ms 32000 - &&
		has peak_backed_pages 24 && has mean_backed_pages 19.2 && has granules_taken 7 &&
		has granules_given 1 && has peak_kept_pages 4 && has scavenge_steps 1 &&
		has scavenge_ms 0.000 || return
	printf '%b' "$trace" | run 0 "${options[@]}" - &&
		has mean_backed_pages 20.0 && has peak_backed_pages 28 && has granules_taken 7 &&
		has granules_given 0 && has scavenge_steps 0
}

text_is_the_json() {
	local options=(--rate 25 --retain-percent 10 --window-ms 8000 traces/tides.trace.gz)
	run 0 --json "${options[@]}" || return
	sed 's/[{}"]//g; s/, /\n/g; s/: / /g' "$WORK/out" | grep -v ns_per_event >"$WORK/want"
	run 0 --text "${options[@]}" || return
	tr -s ' ' <"$WORK/out" | grep -v ns_per_event | diff "$WORK/want" - &&
		[[ $(wc -l <"$WORK/want") -ge 20 ]]
}

# all_traces: those of this folder and those of TRACES.
all_traces() {
	ls traces/*.trace.gz ${TRACES:+"$TRACES"/*.trace.gz}
}

# Whatever the rate: a heap that retains nothing has nothing above the floor at the peak, but
# for one granule.
peak_is_the_floor() {
	local file rate count=0
	for file in $(all_traces); do
		for rate in '' '--rate 1' '--rate 25' '--rate 1000000'; do
			# shellcheck disable=SC2086 # several words
			run 0 --json --retain-percent 0 $rate "$file" && has check ok || return
			[[ $(number peak_backed_pages) -le $(($(number peak_touched_pages) + 512)) &&
				$(number peak_touched_pages) -gt 0 ]] || { cat "$WORK/out"; return 1; }
			count=$((count + 1))
		done
	done
	[[ $count -ge 16 ]]
}

# What is above floor and goal, but for one granule, goes when the epoch ends in which the
# goal came down, and in the time that the pace gives to the work. That is for all granules
# that may be idle; each takes 0 or 50 us, and a hundredth of the time is for that.
excess_is_short() {
	local file rate window us most count=0
	for file in $(all_traces); do
		for rate in 25 1000; do
			for window in 0 8000 32000; do
				for us in 0 50; do
					run 0 --json --retain-percent 10 --rate $rate --window-ms $window \
						--give-ns ${us}000 "$file" && has check ok || return
					most=$((window / 16 + us * $(number peak_touched_pages) / 512 / 10))
					awk -v is="$(number longest_excess_ms)" -v most=$most \
						'BEGIN { exit !(is <= most) }' || { cat "$WORK/out"; return 1; }
					count=$((count + 1))
				done
			done
		done
	done
	[[ $count -ge 48 ]]
}

# The floor from the placements of the model: granules that what lives touches.
floor_of_the_model() {
	local file=traces/tides.trace.gz
	run 0 --json --rate 25 "$file" || return
	has peak_touched_pages "$(gzip -dc "$file" | awk -f model/first_fit.awk | awk '
		NR == FNR { base[$1] = $2; next }
		$1 == "a" { size[$2] = $3; by = 1 }
		$1 == "f" { by = -1 }
		{
			last = int((base[$2] + size[$2] - 1) / 512)
			for (i = int(base[$2] / 512); i <= last; i++) {
				n -= touched[i] > 0
				touched[i] += by
				n += touched[i] > 0
			}
			if (n > most) most = n
		}
		END { print 512 * most }' - <(gzip -dc "$file"))"
}

# The trace that is made for it tells policies apart.
policies_differ() {
	./footprint.sh >"$WORK/out" || return
	awk '
		{ name = substr($0, 1, 24); sub(/ *$/, "", name); n++ }
		{ split(substr($0, 25), value, " ") }
		{ peak[name] = value[1]; mean[name] = value[2]; taken[name] = value[3] }
		END {
			all = "keep all"; none = "10 %, no window"; window = "10 %, 32 s"
			bad = n != 8
			for (name in peak)
				bad += name != "policy" && peak[name] != peak["needed"]
			bad += !(mean["0 %"] < mean[none] && mean[none] < mean["10 %, 8 s"])
			bad += !(mean["10 %, 8 s"] < mean[window] && mean[window] < mean["10 %, 120 s"])
			bad += !(taken[none] > 2 * taken["10 %, 8 s"] && taken["10 %, 8 s"] > taken[window])
			bad += !(taken[window] > taken["10 %, 120 s"] && taken["10 %, 120 s"] > taken[all])
			bad += !(3 * taken[window] <= taken[none] && 2 * mean[window] <= mean[all])
			exit bad > 0
		}' "$WORK/out" && return
	cat "$WORK/out"
	return 1
}

# The sums of the summary from the trace alone, and from the placements of the model.
json_of_the_traces() {
	local file
	for file in traces/*.trace.gz; do
		run 0 --json "$file" || return
		has check ok && has events "$(gzip -dc "$file" | wc -l)" &&
			has peak_live_pages "$(gzip -dc "$file" | awk '
				$1 == "a" { live += $3; size[$2] = $3; if (live > most) most = live }
				$1 == "f" { live -= size[$2] }
				END { print most }')" &&
			has peak_extent_pages "$(
				gzip -dc "$file" | awk -f model/first_fit.awk | awk '
				NR == FNR { if ($1 == "a") size[$2] = $3; next }
				$2 + size[$1] > most { most = $2 + size[$1] }
				END { print most }' <(gzip -dc "$file") -)" || return
	done
}

json_is_json() {
	run 0 --json traces/fleet.trace.gz || return
	command -v python3 >/dev/null || return 0
	python3 -m json.tool "$WORK/out" >/dev/null
}

empty_trace() {
	: | run 0 --placements - && [[ ! -s $WORK/out ]] && : | run 0 --json - &&
		has events 0 && has peak_backed_pages 0 && has check ok
}

half_a_gzip() {
	head -c 9000 traces/fleet.trace.gz >"$WORK/half"
	refuses_gz '[0-9]*' "$WORK/half"
}

not_a_gzip() {
	printf 'a 1 1\n' >"$WORK/plain"
	refuses_gz 1 "$WORK/plain"
}

plain_file() {
	printf 'a 1 1\n' >"$WORK/one.trace"
	run 0 --placements "$WORK/one.trace" && [[ $(cat "$WORK/out") = '1 0' ]]
}

unreadable() {
	run 1 --json "$WORK/absent.trace" && grep -q absent "$WORK/err" &&
		run 1 --json "$WORK/absent.trace.gz" && run 1 --json "$WORK" &&
		PATH=/nowhere run 1 --json traces/fleet.trace.gz && grep -q 'gzip: No such file' "$WORK/err"
}

too_long_for_the_heap() {
	printf 'a 1 5\na 2 1099511627776\n' | run 1 --placements - &&
		grep -q 'line 2:' "$WORK/err"
}

full_disk() {
	[[ -c /dev/full ]] || return 0
	"$SANE" --placements traces/fleet.trace.gz >/dev/full 2>"$WORK/err"
	[[ $? -eq 1 ]]
}

# Half a million events in less than six seconds of this program's own time, with
# everything around it. It takes about one; on a machine with many others at work a
# second of a processor does less, and has been seen to be two.
quick_enough() {
	local TIMEFORMAT='%U %S' user system elapsed
	awk 'BEGIN {
		srand(7)
		for (i = 0; i < 300000; i++) {
			print "a", i, 1 + int(rand() * rand() * 64)
			live[n++] = i
			if (n > 20000) { at = int(rand() * n); print "f", live[at]; live[at] = live[--n] }
		}
	}' | head -n 500000 >"$WORK/long.trace"
	[[ $(wc -l <"$WORK/long.trace") -eq 500000 ]] || return
	{ time "$FAST" --json "$WORK/long.trace" >"$WORK/out"; } 2>"$WORK/time" || return
	read -r user system <"$WORK/time"
	elapsed=$((10#${user/./} + 10#${system/./}))
	echo "$elapsed ms"
	has check ok && [[ $elapsed -lt 6000 ]]
}

ktap_plan 51

ktap 'placements of a small trace' places 'a 7 3\na 8 2\nf 7\na 9 2\na 10 2\n' \
	'7 0\n8 3\n9 0\n10 5\n'
ktap 'IDs are any 64-bit numbers' \
	places 'a 18446744073709551615 1\na 0 1\nf 18446744073709551615\n' \
	'18446744073709551615 0\n0 1\n'
ktap 'the last line may lack its end' places 'a 1 1\na 2 1' '1 0\n2 1\n'
ktap 'leading zeroes are of no account' places 'a 007 01\nf 7\n' '7 0\n'
ktap 'an empty trace is a trace' empty_trace
ktap 'a plain file' plain_file
ktap 'the shipped traces are placed as the model places them' same_places
ktap 'placement is the same with any granule, arena, retention' places_are_the_same

ktap 'refused: unknown operation' refuses 1 'x 1 1\n'
ktap 'refused: operation of two letters' refuses 2 'a 1 1\naa 2 1\n'
ktap 'refused: capital letter' refuses 1 'A 1 1\n'
ktap 'refused: empty line' refuses 2 'a 1 1\n\na 2 1\n'
ktap 'refused: comment' refuses 1 '# trace\na 1 1\n'
ktap 'refused: no ID' refuses 1 'a\n'
ktap 'refused: no length' refuses 2 'a 1 1\na 2\n'
ktap 'refused: blank for a length' refuses 1 'a 1 \n'
ktap 'refused: length on a free' refuses 2 'a 1 1\nf 1 1\n'
ktap 'refused: something behind' refuses 1 'a 1 1 x\n'
ktap 'refused: blank behind' refuses 1 'a 1 1 \n'
ktap 'refused: carriage return' refuses 1 'a 1 1\r\n'
ktap 'refused: two blanks' refuses 1 'a  1 1\n'
ktap 'refused: tab' refuses 1 'a\t1\t1\n'
ktap 'refused: sign' refuses 1 'a -1 1\n'
ktap 'refused: plus' refuses 1 'a 1 +1\n'
ktap 'refused: hexadecimal' refuses 1 'a 0x1 1\n'
ktap 'refused: ID of 2^64' refuses 1 'a 18446744073709551616 1\n'
ktap 'refused: length of 2^64' refuses 1 'a 1 18446744073709551616\n'
ktap 'refused: length 0' refuses 3 'a 1 1\nf 1\na 2 0\n'
ktap 'refused: length above 2^40' refuses 1 'a 1 1099511627777\n'
ktap 'refused: ID allocated twice' refuses 2 'a 1 1\na 1 2\n'
ktap 'refused: ID of a freed allocation' refuses 3 'a 1 1\nf 1\na 1 1\n'
ktap 'refused: free of an unknown ID' refuses 2 'a 1 1\nf 2\n'
ktap 'refused: free before anything' refuses 1 'f 0\n'
ktap 'refused: second free' refuses 3 'a 1 1\nf 1\nf 1\n'
ktap 'refused: zero byte' refuses 1 'a 1 1\0\n'
ktap 'refused: a packed trace that is cut off' half_a_gzip
ktap 'refused: a plain file called .gz' not_a_gzip

usage_errors() {
	usage_error && usage_error --json && usage_error - && usage_error --json --placements - &&
		usage_error --json - - && usage_error --what - && usage_error --json --granule-order - &&
		usage_error --json --granule-order 21 - && usage_error --json --granule-order x - &&
		usage_error --json --granule-order=-1 - && usage_error --json --arena-pages 100 - &&
		usage_error --json --arena-pages 0 - && usage_error --json --arena-pages 8 - &&
		usage_error --json --retain-percent 5x - && usage_error --json --retain-percent '' - &&
		usage_error --json --text - && usage_error --json --rate 0 - &&
		usage_error --json --rate 1.5 - && usage_error --json --rate 1 --pace-permille 0 - &&
		usage_error --json --rate 1 --pace-permille 1001 - &&
		usage_error --json --rate 1 --give-ns x - && usage_error --json --window-ms 5 - &&
		usage_error --json --pace-permille 5 - && usage_error --json --rate 1 --window-ms -1 -
}

ktap 'usage errors' usage_errors
ktap 'a file that cannot be read, a span that cannot be had: status 1' unreadable
ktap 'a span longer than the heap: status 1, with the line' too_long_for_the_heap
ktap 'output that cannot be written: status 1' full_disk
ktap 'the summary of a small trace, number by number' json_of_a_small_trace
ktap 'the summaries of the shipped traces' json_of_the_traces
ktap 'the summary is JSON' json_is_json
ktap 'time in a small trace, number by number' time_in_a_small_trace
ktap 'the summary as text' text_is_the_json
ktap 'the floor is that of the model' floor_of_the_model
ktap 'nothing is retained: the peak is the floor, or a granule more' peak_is_the_floor
ktap 'some is retained: what is above the goal goes in time' excess_is_short
ktap 'the tides tell policies apart' policies_differ
ktap 'half a million events in less than six seconds' quick_enough
ktap_end
