#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# spanctl inside a guest, on a real device: every command as text and as JSON, the exit
# status of each, what is refused, and that a holder leaves nothing. Prints KTAP; ends with
# status 0 only if all cases passed and as many ran as were planned.

MODULE=/lib/spanalloc/spanalloc.ko
PLANNED=58

# shellcheck source=guest-spanctl-lib.sh
. /guest/spanctl-lib.sh

# What the module is.

info_text() {
	run 0 info && says '^version +[0-9]+\.[0-9]+\.[0-9]+$' "^page size +$PAGE bytes" \
		"^granule +$(heap granule_pages) pages" '^features +contig split mmap' \
		'^flags of alloc +contig populate report$'
}

info_json() {
	run 0 info --json && json -q "page_size=$PAGE" -q "granule_pages=$(heap granule_pages)" &&
		says '"contig"' '"split"' '"mmap"' '"populate"' '"report"'
}

version_text() {
	run 0 version && says '^spanctl [0-9.]+$' '^spanalloc [0-9.]+$' && cp "$OUT" /tmp/was &&
		run 0 --version && cmp "$OUT" /tmp/was
}

version_json() {
	run 0 version --json && json && says '"spanctl": "[0-9.]+"' '"spanalloc": "[0-9.]+"'
}

# What it holds.

stats_text() {
	run 0 stats && says "^  limit +$(heap max_pages) pages" '^  in use +0 pages' \
		'^  fragmentation +[0-9.]+ %' '^  allocations +[0-9]+$' '^  charged +0 pages'
}

stats_json() {
	local field
	run 0 stats --json && json || return
	for field in max_pages in_use_pages free_pages released_pages backed_pages free_spans \
			allocs frees scavenged_pages fragmentation_permille; do
		json -q "$field=$(heap $field)" || return
	done
	says '"device_pages": 0' '"device_limit_pages": '
}

watch_text() {
	run 0 watch --count 3 0.1 && [ "$(grep -c '^fragmentation' "$OUT")" -eq 3 ] &&
		[ "$(grep -c 'a second' "$OUT")" -eq 2 ] && says '^allocations +[0-9]+ +\+0\.0$'
}

watch_json() {
	run 0 watch --json --count 3 0.1 && [ "$(wc -l <"$OUT")" -eq 3 ] && json_check --lines <"$OUT" &&
		[ "$(grep -c per_second "$OUT")" -eq 2 ]
}

# Allocations go on until a round has seen one.
watch_rates() {
	local watcher i=0
	: >"$OUT"
	spanctl watch --json 0.5 >"$OUT" 2>"$ERR" &
	watcher=$!
	until grep -qE '"per_second": \{.*"allocs": [1-9][0-9]*\.' "$OUT" || [ "$i" -gt 100 ]; do
		i=$((i + 1))
		spanctl alloc 3 --hold 0.1 >/tmp/said2
	done
	kill $watcher
	reap $watcher && [ "$i" -le 100 ]
}

watch_ends() {
	local got=0
	: >"$OUT"
	spanctl "$1" 0.2 >"$OUT" 2>"$ERR" &
	appears "$OUT" || return
	kill "-$2" $!
	reap $! || got=$?
	[ "$got" -eq 0 ] && [ ! -s "$ERR" ]
}

top_text() {
	hold 1041 && run 0 top && says "^ *$holder +[0-9]+ +1041 .* spanctl$" && ends TERM 0 && empty &&
		run 0 top && ! says "^ *$holder "
}

top_json() {
	hold 17 && run 0 top --json && json -q "pid=$holder" -q pages=17 -q handles=1 -q quarantined=0 \
		-q allocs=1 -q 'command="spanctl"' && ends TERM 0 && empty
}

top_rounds() {
	run 0 top 0.1 --count 3 && [ "$(grep -c PID "$OUT")" -eq 3 ] &&
		run 0 top 0.1 --count 3 --json && json_check --lines <"$OUT" && [ "$(wc -l <"$OUT")" -eq 3 ]
}

# The program of the README, as it stands there.
readme_example() {
	command readme_example >"$OUT" && says 'io_uring and sockets' && empty
}

# Holding.

alloc_text() {
	hold 17 && says "^pid +$holder$" '^handle +[1-9]' '^length +17 pages' '^offset +0x[0-9a-f]+$' \
		'^base +[0-9]+$' '^mapped +no$' '^runs +[1-9]' '^  page +0 +[0-9]+ pages' &&
		[ "$(heap in_use_pages)" -eq 17 ] && ends TERM 0 && empty
}

# The runs are all there, one behind the other, and add up.
alloc_json() {
	hold 1300 --json && json -q "pid=$holder" -q npages=1300 -q mapped=false &&
		[ "$(sed -n '/"runs"/,$s/.*"npages": \([0-9]*\).*/\1/p' "$OUT" | awk '{ n += $1 } END { print n }')" \
		-eq 1300 ] && ends TERM 0 && empty
}

alloc_aligned() {
	hold 3 && first=$holder && hold 5 --align 64 --json && json && [ $(($(number base) % 64)) -eq 0 ] &&
		ends INT 0 && holder=$first && ends HUP 0 && empty
}

alloc_contig() {
	hold 16 --contig --json && json -q contiguous=true -q nruns=1 && ends TERM 0 && empty
}

alloc_mapped() {
	hold 300 --map --touch --json && json -q mapped=true &&
		[ "$(awk '/spanalloc/ { on = 1 } on && /^Rss/ { print $2; exit }' "/proc/$holder/smaps")" -eq \
		$((300 * PAGE / 1024)) ] && ends TERM 0 && empty
}

# Nothing touches them, but there they are.
alloc_populated() {
	hold 300 --populate --json && json -q mapped=true &&
		[ "$(awk '/spanalloc/ { on = 1 } on && /^Rss/ { print $2; exit }' "/proc/$holder/smaps")" -eq \
		$((300 * PAGE / 1024)) ] && ends TERM 0 && empty
}

alloc_ends_by_itself() {
	run 0 alloc 5 --hold 0.1 --json && json && empty && run 0 alloc 5 --hold 0 && says '^length +5 pages' &&
		empty
}

alloc_too_long() {
	run 1 alloc "$(($(heap max_pages) + 1))" --hold 0 && complains 'cannot allocate' &&
		run 1 alloc 5 --align 3 --hold 0 && complains 'Invalid argument' && empty
}

# Something is in the way: what would do is told, and does.
alloc_reports() {
	local most
	hold 1 --align $(($(heap max_pages) / 4 + 1 > 1024 ? 1024 : 1)) || return
	run 1 alloc "$(heap max_pages)" --hold 0 && complains 'would do now' || return
	most=$(sed -n 's/.*(\([0-9]*\) would do now).*/\1/p' "$ERR")
	ends TERM 0 && [ "$most" -gt 0 ] && [ "$most" -lt "$(heap max_pages)" ] && empty
}

# Pinned pages wait in quarantine, and come back.
alloc_pinned() {
	hold 9 --pin 4 --hold 0.1 && settles quarantined_pages 9 && ends none 0 && empty
}

alloc_pin_ends_early() {
	hold 9 --pin 100 --hold 0.1 && settles quarantined_pages 9 && ends TERM 0 && empty
}

# Whoever ends the hold does not end the pin with it.
alloc_pin_after_a_signal() {
	hold 9 --pin 4 && kill -TERM "$holder" && settles quarantined_pages 9 && ends none 0 && empty
}

killed() {
	hold 700 "$@" && [ "$(heap in_use_pages)" -eq 700 ] && ends KILL 137 && empty
}

# Ten at once, all killed: nothing is left.
ten_killed() {
	local pids='' i
	for i in 1 2 3 4 5 6 7 8 9 10; do
		hold $((i * 10)) --map --touch || return
		pids="$pids $holder"
		: >"$OUT"
	done
	[ "$(heap in_use_pages)" -eq 550 ] || return
	# shellcheck disable=SC2086 # several words
	kill -KILL $pids
	# shellcheck disable=SC2086
	wait $pids
	empty
}

# Giving back.

idle_memory() {
	run 0 alloc 2000 --hold 0 && empty && [ "$(heap idle_pages)" -gt 0 ]
}

trim_some() {
	local before
	idle_memory || return
	before=$(heap idle_pages)
	run 0 trim 1 && says "^returned $(heap granule_pages) pages" &&
		[ "$(heap idle_pages)" -eq $((before - $(heap granule_pages))) ]
}

trim_all() {
	local idle
	idle_memory || return
	idle=$(heap idle_pages)
	run 0 trim && says "^returned $idle pages" && [ "$(heap idle_pages)" -eq 0 ] && run 0 trim all &&
		says '^returned 0 pages' && run 0 scavenge all
}

trim_json() {
	idle_memory && run 0 trim --json && json -q "page_size=$PAGE" && [ "$(number released_pages)" -gt 0 ]
}

trim_drains() {
	idle_memory && run 0 trim 0 --drain && says '^returned 0 pages' && [ "$(heap idle_pages)" -gt 0 ] &&
		run 0 trim all --drain --json && json && [ "$(heap idle_pages)" -eq 0 ]
}

# Who may open the device may not do everything with it.
as_nobody() {
	local got=0
	chmod 666 /dev/spanalloc
	su nobody -s /bin/sh -c "spanctl $1" >"$OUT" 2>"$ERR" || got=$?
	chmod 600 /dev/spanalloc
	[ "$got" -eq "$2" ] && return
	echo "spanctl $1: status $got, not $2"
	return 1
}

nobody_allocates() {
	as_nobody 'alloc 4 --map --touch --hold 0' 0 && ! grep -q ' at 0x' "$OUT" && empty
}

nobody_may_not() {
	as_nobody 'trim' 1 && complains 'not permitted' && as_nobody 'check' 3 && complains 'ermission denied' &&
		as_nobody 'map' 3
}

mode_keeps_out() {
	local got=0
	su nobody -s /bin/sh -c 'spanctl info' >"$OUT" 2>"$ERR" || got=$?
	[ "$got" -eq 3 ] && complains 'cannot open /dev/spanalloc: Permission denied'
}

# Checking and drawing.

check_text() {
	run 0 check && says '^default: ok ' && run 0 check default && says '^default: ok '
}

check_json() {
	run 0 check --json && json -q 'name="default"' -q sound=true
}

check_of_nothing() {
	run 3 check nosuch && complains 'nosuch/check' && run 3 check default nosuch && says '^default: ok' &&
		run 3 check --debugfs /nowhere && complains nowhere && run 3 check --debugfs /tmp/none
}

# A heap that says it is damaged, as far as spanctl knows.
check_of_damage() {
	mkdir -p /tmp/heaps/bad /tmp/heaps/good
	echo 'invariant 7 broken at page 1041' >/tmp/heaps/bad/check
	echo 'ok 3 spans, 1 free, 1 granules, sums compared' >/tmp/heaps/good/check
	run_damaged check && says '^bad: invariant 7' '^good: ok' && run_damaged check --json &&
		json -q sound=false -q sound=true && run 0 check good --debugfs /tmp/heaps
}

# A heap that is broken is no complaint of spanctl's: it is what it found.
run_damaged() {
	local got=0
	spanctl "$@" --debugfs /tmp/heaps >"$OUT" 2>"$ERR" || got=$?
	[ "$got" -eq 1 ] && [ ! -s "$ERR" ]
}

# sum STATE COLUMN: of the spans file.
sum() {
	awk -v state="$1" -v column="$2" '$3 == state { n += $column } END { print n + 0 }' \
		"$DEBUGFS/default/spans"
}

map_text() {
	hold 700 && first=$holder && hold 33 && run 0 map && says '^heap default: ' '\|$' \
		'^  # in use +733 pages' "^  \. free, with memory +$(($(sum free 2) - $(sum free 4))) pages" \
		"^  _ free, without +$(sum free 4) pages" && ! grep -q '[^ -~]' "$OUT" &&
		ends TERM 0 && holder=$first && ends TERM 0 && empty
}

map_wide() {
	run 0 map --width 120 default && [ "$(awk '{ print length($0) }' "$OUT" | sort -n | tail -n 1)" -gt 80 ] &&
		run 0 map --width 40 --ascii && ! grep -q '[^ -~]' "$OUT"
}

map_json() {
	hold 700 && run 0 map --json && json -q 'heap="default"' -q "owner=\"pid $holder\"" -q pages=700 \
		-q 'state="in-use"' && [ "$(grep -c '"base"' "$OUT")" -eq \
		$(($(wc -l <"$DEBUGFS/default/spans") - 1)) ] && ends TERM 0 && empty
}

map_svg() {
	hold 700 && run 0 map --svg /tmp/map.svg && [ ! -s "$OUT" ] && run 0 map --svg - &&
		cmp "$OUT" /tmp/map.svg && [ "$(head -c 4 "$OUT")" = '<svg' ] && [ "$(tail -n 1 "$OUT")" = '</svg>' ] &&
		says "<title>pages 0 to 699 \(700\): in-use, pid $holder</title>" &&
		[ "$(grep -c '<rect' "$OUT")" -eq "$(grep -cE '</rect>|/>' "$OUT")" ] && ends TERM 0 && empty
}

map_of_nothing() {
	run 3 map nosuch && complains nosuch && run 2 map ../default && run 1 map --svg /nowhere/x &&
		complains '/nowhere/x' && run 2 map --svg x --json && run 2 map a b
}

# Replaying.

replay_text() {
	printf 'a 1 3\na 2 600\nf 1\na 3 70\nf 2\n' >/tmp/t.trace
	run 0 replay /tmp/t.trace && says '^t.trace: 5 events, 3 spans, peak 670 pages' && empty &&
		run 0 replay --verify --sample 5 - </tmp/t.trace && says '^standard input: .* pages verified' && empty &&
		gzip -c /tmp/t.trace >/tmp/t.trace.gz && run 0 replay /tmp/t.trace.gz /tmp/t.trace &&
		[ "$(wc -l <"$OUT")" -eq 2 ]
}

replay_json() {
	run 0 replay --json --verify /tmp/t.trace /tmp/t.trace && [ "$(wc -l <"$OUT")" -eq 2 ] &&
		json_check --lines -q events=5 -q spans=3 -q peak_pages=670 -q 'trace="t.trace"' <"$OUT"
}

replay_of_nothing() {
	printf 'a 1 3\nx\n' >/tmp/bad.trace
	run 2 replay && run 2 replay /tmp/bad.trace && complains 'line 2' && run 1 replay /tmp/absent &&
		complains absent && printf 'a 1 1000000000\n' | run 1 replay - && complains 'line 1' && empty
}

# What is refused.

no_device() {
	local command
	for command in info stats watch 'alloc 1' trim 'replay /tmp/t.trace'; do
		# shellcheck disable=SC2086 # several words
		run 3 $command --device /dev/absent && complains '/dev/absent.*No such file' || return
	done
	run 0 version --device /dev/absent && ! says '^spanalloc '
}

not_a_device() {
	local command what
	mkfifo /tmp/fifo
	for what in /dev/null /dev/zero /tmp /tmp/t.trace /tmp/fifo; do
		for command in info stats watch 'alloc 1' trim 'replay /tmp/t.trace'; do
			# shellcheck disable=SC2086 # several words
			run 3 $command --device $what && complains "$what is not a spanalloc device" || return
		done
	done
}

usage_errors() {
	local line
	while read -r line; do
		# shellcheck disable=SC2086 # several words
		run 2 $line </dev/null || return
	done <<-END
		nosuch
		--nosuch
		info extra
		info --count 3
		info --json=1
		stats --align 2
		watch 0
		watch x
		watch -- -1
		watch --count 0
		watch --count x
		top 1x
		alloc
		alloc 0
		alloc 1.5
		alloc -- -1
		alloc 1 2
		alloc 1 --align 0
		alloc 1 --hold x
		alloc 1 --pin -1
		alloc 99999999999999999999
		trim 0
		trim some
		trim 1 2
		trim --device
		map --width 5
		replay --sample 0 x
	END
	run 2 && run 2 alloc ''
}

full_disk() {
	local command
	for command in info stats 'watch --count 1' top 'alloc 1 --hold 0' trim check map 'map --svg -' \
			'replay /tmp/t.trace' version --help; do
		# shellcheck disable=SC2086 # several words
		spanctl $command >/dev/full 2>"$ERR"
		if [ $? -ne 1 ] || ! complains 'cannot write'; then
			echo "spanctl $command"
			return 1
		fi
	done
	empty
}

help_of_each() {
	local command
	run 0 --help && says '^usage: spanctl ' '^Exit status: 0 ' || return
	for command in info stats watch top alloc trim scavenge check map replay version; do
		run 0 --help && says "^  $command +" && run 0 $command --help && says "^usage: spanctl $command" \
			'^  --help' || return
	done
}

# Memory taken page by page is in many runs: all of them, one behind the other.
alloc_scattered() {
	local runs
	rmmod spanalloc && insmod "$MODULE" cache_pages=0 granule_order=0 && hold 3000 --json && json || return
	runs=$(number nruns)
	sed -n 's/.*"\(index\|npages\)": \([0-9]*\),*$/\1 \2/p' "$OUT" | awk -v runs="$runs" '
		BEGIN { next_page = 0 }
		NR == 1 { whole = $2; next }
		$1 == "index" { if ($2 != next_page) exit 1; n++ }
		$1 == "npages" { next_page += $2 }
		END { exit !(n == runs && runs > 16 && next_page == whole) }' || return
	ends TERM 0 && hold 3000 && says '^runs +[0-9]+$' '^  and [0-9]+ runs more$' &&
		[ "$(grep -c '^  page ' "$OUT")" -eq 16 ] && ends TERM 0 && empty
}

without_module() {
	rmmod spanalloc && run 3 info && complains 'is the module loaded' && run 3 check &&
		complains 'is the module loaded' && run 3 map && run 0 top && run 0 version --json &&
		json -q spanalloc=null
}

echo 'KTAP version 1'
echo "1..$PLANNED"
# Without caches, an allocation is where these cases expect it.
insmod "$MODULE" cache_pages=0 || echo "# insmod refused"
echo nobody:x:65534:65534:nobody:/:/bin/sh >>/etc/passwd
mkdir -p /tmp/none
PAGE=$(sed -n 's/^KernelPageSize: *\([0-9]*\) kB/\1/p' /proc/self/smaps | head -n 1)
PAGE=$((PAGE * 1024))

case_ 'info as text' info_text
case_ 'info as JSON' info_json
case_ 'version as text' version_text
case_ 'version as JSON' version_json
case_ 'stats as text' stats_text
case_ 'stats as JSON agree with the heap' stats_json
case_ 'watch as text' watch_text
case_ 'watch as JSON' watch_json
case_ 'watch tells rates' watch_rates
case_ 'watch ends on Ctrl-C' watch_ends watch INT
case_ 'watch ends when told' watch_ends watch TERM
case_ 'top ends on Ctrl-C' watch_ends top INT
case_ 'top as text' top_text
case_ 'top as JSON' top_json
case_ 'top in rounds' top_rounds
case_ 'the program of the README' readme_example
case_ 'alloc as text' alloc_text
case_ 'alloc as JSON, with all runs' alloc_json
case_ 'alloc --align' alloc_aligned
case_ 'alloc --contig' alloc_contig
case_ 'alloc --map --touch' alloc_mapped
case_ 'alloc --populate' alloc_populated
case_ 'alloc --hold' alloc_ends_by_itself
case_ 'alloc of what cannot be' alloc_too_long
case_ 'alloc tells what would do' alloc_reports
case_ 'alloc --pin' alloc_pinned
case_ 'alloc --pin ends when told' alloc_pin_ends_early
case_ 'alloc --pin of a hold that was ended' alloc_pin_after_a_signal
case_ 'a killed holder leaves nothing' killed
case_ 'a killed holder leaves nothing that was mapped' killed --map --touch
case_ 'a killed holder leaves nothing that was pinned' killed --pin 100
case_ 'ten killed holders leave nothing' ten_killed
case_ 'trim of some' trim_some
case_ 'trim of all' trim_all
case_ 'trim as JSON' trim_json
case_ 'trim --drain' trim_drains
case_ 'a user allocates' nobody_allocates
case_ 'a user may not do everything' nobody_may_not
case_ 'the mode of the device keeps users out' mode_keeps_out
case_ 'check as text' check_text
case_ 'check as JSON' check_json
case_ 'check of no heap' check_of_nothing
case_ 'check of a damaged heap' check_of_damage
case_ 'map as text' map_text
case_ 'map of any width' map_wide
case_ 'map as JSON' map_json
case_ 'map as SVG' map_svg
case_ 'map of nothing' map_of_nothing
case_ 'replay as text' replay_text
case_ 'replay as JSON' replay_json
case_ 'replay of nothing' replay_of_nothing
case_ 'no device' no_device
case_ 'not a device' not_a_device
case_ 'usage errors' usage_errors
case_ 'a full disk' full_disk
case_ 'help of each command' help_of_each
case_ 'alloc of scattered memory' alloc_scattered
case_ 'without the module' without_module

if [ "$ncases" -ne "$PLANNED" ]; then
	echo "not ok $((ncases + 1)) - $PLANNED cases were planned"
	nfailed=$((nfailed + 1))
fi
echo "# guest-spanctl: $ncases cases, $nfailed failed"
[ "$nfailed" -eq 0 ]
