# SPDX-License-Identifier: GPL-2.0-only
# What guest-spanctl.sh is made of: cases, spanctl and what it said, the heap, holders.
# Sourced, never run.
# shellcheck shell=dash

DEBUGFS=/sys/kernel/debug/spanalloc
OUT=/tmp/out
ERR=/tmp/err
ncases=0
nfailed=0
holders=''

# case_ NAME COMMAND...
case_() {
	local name=$1
	shift
	ncases=$((ncases + 1))
	if "$@" >/tmp/said 2>&1; then
		echo "ok $ncases - $name"
		return
	fi
	sed 's/^/# /' /tmp/said
	sed 's/^/# out: /' "$OUT" | head -n 40
	sed 's/^/# err: /' "$ERR" | head -n 10
	echo "not ok $ncases - $name"
	nfailed=$((nfailed + 1))
	dismiss
}

# What a case that failed has left is no matter of the next.
dismiss() {
	# shellcheck disable=SC2086 # several words
	kill -KILL $holders 2>/dev/null
	# shellcheck disable=SC2086
	wait $holders 2>/dev/null
	holders=''
}

# run STATUS ARGUMENT...: what spanctl says goes to $OUT and $ERR. A complaint belongs to a
# failure, and nothing else does.
run() {
	local expected=$1 got
	shift
	spanctl "$@" >"$OUT" 2>"$ERR"
	got=$?
	if [ "$got" -ne "$expected" ]; then
		echo "spanctl $*: status $got, not $expected"
		return 1
	fi
	if [ "$expected" -eq 0 ] && [ -s "$ERR" ]; then
		echo "spanctl $*: a complaint, though all is well"
		return 1
	fi
	if [ "$expected" -ne 0 ] && ! [ -s "$ERR" ]; then
		echo "spanctl $*: status $expected without a word"
		return 1
	fi
}

says() {
	local pattern
	for pattern; do
		grep -qE -- "$pattern" "$OUT" && continue
		echo "it does not say: $pattern"
		return 1
	done
}

complains() {
	grep -qE -- "$1" "$ERR" && return
	echo "it does not complain of: $1"
	return 1
}

# json [-q KEY=VALUE]...: what was said is JSON and has these members.
json() {
	json_check "$@" <"$OUT"
}

# number KEY: of the JSON that was said.
number() {
	sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" "$OUT" | head -n 1
}

# heap FIELD: the heap's own number.
heap() {
	sed -n "s/^$1  *//p" "$DEBUGFS/default/stats"
}

# settles FIELD VALUE: the heap gets there within a while.
settles() {
	local i=0
	while [ "$(heap "$1")" != "$2" ]; do
		i=$((i + 1))
		if [ "$i" -gt 150 ]; then
			echo "$1 stays at $(heap "$1"), not $2"
			return 1
		fi
		sleep 0.1
	done
}

# appears FILE: something is in it within a while.
appears() {
	local i=0
	while ! [ -s "$1" ]; do
		i=$((i + 1))
		if [ "$i" -gt 300 ]; then
			echo "nothing appears in $1"
			return 1
		fi
		sleep 0.1
	done
}

# hold ARGUMENT...: a holder in the background, once it has said what it holds.
hold() {
	local i=0 size=0
	: >"$OUT"
	spanctl alloc "$@" >"$OUT" 2>"$ERR" &
	holder=$!
	holders="$holders $holder"
	# Something, and no more of it.
	while ! [ -s "$OUT" ] || [ "$(wc -c <"$OUT")" -ne "$size" ]; do
		size=$(wc -c <"$OUT")
		i=$((i + 1))
		if [ "$i" -gt 300 ] || ! kill -0 "$holder" 2>/dev/null; then
			echo "spanctl alloc $*: says nothing"
			return 1
		fi
		sleep 0.1
	done
}

# reap PID: its exit status. It has a minute to end.
reap() {
	local got=0 killer
	(sleep 60 && kill -KILL "$1") 2>/dev/null &
	killer=$!
	wait "$1" || got=$?
	kill "$killer"
	return $got
}

# ends SIGNAL STATUS: the holder does, by that signal.
ends() {
	local got=0
	[ "$1" = none ] || kill "-$1" "$holder"
	reap "$holder" || got=$?
	[ "$got" -eq "$2" ] && return
	echo "the holder ended with $got, not $2"
	return 1
}

empty() {
	settles in_use_pages 0 && settles quarantined_pages 0 && settles in_use_spans 0
}
