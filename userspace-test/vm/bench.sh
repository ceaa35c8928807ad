#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bench.sh [--smoke] [TRACE]...: the span heap and its peers at the same work, in one kernel
# for User-Mode Linux: prints a table, writes userspace-test/build/bench.json and draws the
# plots in Documentation. The traces are those of userspace-test/traces, and what is named.
#
# Nothing is judged but that all peers were measured, and that those who have to agree on
# addresses do: the rest is the machine's, and figures of one that has other things to do are
# of little use.
#
#   --smoke       everything once and in small, in the kernel of the KUnit suites (kunit.sh):
#                 in seconds, to see that it works. Prints one line, "ok" or "not ok", and
#                 leaves neither table nor plots
#   ROUNDS=41     how often everything is measured
#   MEM=12G       memory of the guest, of which the host needs what is touched: about 4 GiB
#   MEM_HUGE=272G the same where there are 10^5 and 10^6 free spans with memory, which nobody
#                 touches: about 5 GiB, most of it for what the kernel knows of each page
#   JOBS= V=1     as for kunit.sh

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=um.sh
. "$VM_DIR/um.sh"

# Nothing is to be left beside the sources.
export PYTHONDONTWRITEBYTECODE=1
PEERS=$PROJECT/userspace-test/peers
OUT=$PROJECT/userspace-test/build
TIMEOUT=3600
CONFIG=drivers/spanalloc/kunit/bench/bench.config

TMP=''
PLAN=full
TRACES=()

cleanup() {
	[[ -z $TMP ]] || rm -rf "$TMP"
}

make_bench() {
	make -C "$TREE" ARCH=um O="$OBJ" -j"${JOBS:-$(nproc)}" "$@"
}

# What the configuration asks for must come out of it.
build_bench() {
	local line
	mkdir -p "$OBJ"
	if ! cmp -s "$TREE/$CONFIG" "$OBJ/.made-of"; then
		cp "$TREE/$CONFIG" "$OBJ/.config"
		make_bench olddefconfig || return 1
		while read -r line; do
			[[ $line = CONFIG_* || $line = '# CONFIG_'* ]] || continue
			grep -qxF "$line" "$OBJ/.config" && continue
			[[ $line = *' is not set' ]] && ! grep -q "^${line:2:-11}=" "$OBJ/.config" && continue
			printf '%s: not so in .config\n' "$line"
			return 1
		done <"$TREE/$CONFIG"
		cp "$TREE/$CONFIG" "$OBJ/.made-of"
	fi
	make_bench all
}

# build: sets OBJ. Others may have the tree when this is done, and what is run is a copy.
build() {
	local command=build_bench name=bench log
	[[ $PLAN != smoke ]] || command=build_kernel name=kunit
	prepare_um "$name"
	OBJ=$DIR/obj
	if [[ $PLAN != smoke && ! -f $OBJ/linux ]]; then
		note "building Linux $SERIES for User-Mode Linux, to measure in"
	fi
	log=$DIR/bench-build.log
	quietly "$log" "$command" || { show "$log" 60 >&2; die "the kernel does not build"; }
	cp "$OBJ/linux" "$OBJ/drivers/spanalloc/kunit/torture/spanalloc_tail.ko" "$TMP/"
	exec 9>&-
}

# guest PLAN LOG ARGUMENT...: fails unless the guest did all of the plan.
guest() {
	local plan=$1 log=$2 trace name events=()
	shift 2
	for trace in "${TRACES[@]}"; do
		name=$(basename "$trace")
		events+=("$TMP/${name%%.*}.events")
		python3 "$PEERS/pack_trace.py" "$trace" "$TMP/${name%%.*}.events"
	done
	python3 "$PEERS/plan.py" "$plan" "${TRACES[@]}" >"$TMP/plan"
	make_initramfs "$TMP/initramfs" "$VM_DIR/guest-peers.sh" "$TMP/plan" \
		"$TMP/spanalloc_tail.ko" "${events[@]}"
	boot_um "$TMP/linux" "$TMP/initramfs" "$log" "$@"
	tr -d '\r' <"$log" | grep -qx 'VM-EXIT: 0'
}

measure() {
	local plan zero memory logs=()
	for plan in full init huge; do
		zero=0 memory=${MEM:-12G}
		[[ $plan != init ]] || zero=1
		[[ $plan != huge ]] || memory=${MEM_HUGE:-272G}
		note "measuring, with init_on_alloc=$zero, in $memory of memory"
		logs+=("$plan=$CACHE/bench-$plan.log")
		guest "$plan" "$CACHE/bench-$plan.log" mem="$memory" init_on_alloc=$zero \
			"spanalloc_peers.rounds=${ROUNDS:-41}" spanalloc_peers.irqs_off=1 ||
			die "the guest did not do all: see $CACHE/bench-$plan.log"
	done
	python3 "$PEERS/report.py" --json "$OUT/bench.json" --plots "$PROJECT/Documentation" \
		"${logs[@]}" "${TRACES[@]}"
	printf '# userspace-test/build/bench.json, Documentation/bench-*.svg\n'
}

smoke() {
	local log=$CACHE/bench-smoke.log json=$TMP/bench.json
	guest smoke "$log" mem=1G spanalloc_peers.rounds=1 spanalloc_peers.percent=3 \
		spanalloc_tail.rounds=3 spanalloc_tail.allocs=5000 kunit.enable=0 init_on_alloc=0 &&
		python3 "$PEERS/report.py" --json "$json" "smoke=$log" "${TRACES[@]}" >"$TMP/report" &&
		python3 "$PEERS/report.py" --expect "$json" smoke "${TRACES[@]}" &&
		! tr -d '\r' <"$log" | grep -E 'FAILED:|BUG:|WARNING:' && return
	[[ ! -f $TMP/report ]] || show "$TMP/report"
	show "$log"
	return 1
}

# Or the results could not be told apart.
need_unlike_names() {
	[[ -z $(printf '%s\n' "${@%%.*}" | sort | uniq -d) ]] || die "two traces have the same name"
}

main() {
	local status=0
	while [[ $# -gt 0 ]]; do
		case $1 in
		--smoke) PLAN=smoke ;;
		-*) die "usage: bench.sh [--smoke] [TRACE]..." ;;
		*) need_file "$1" && TRACES+=("$1") ;;
		esac
		shift
	done
	TRACES=("$PROJECT"/userspace-test/traces/*.trace.gz "${TRACES[@]}")
	need_unlike_names "${TRACES[@]##*/}"
	forget_outer_make
	trap cleanup EXIT
	TMP=$(mktemp -d)
	mkdir -p "$OUT"
	build
	if [[ $PLAN != smoke ]]; then
		measure
		return
	fi
	smoke >"$TMP/said" 2>&1 || status=1
	[[ $status -eq 0 ]] || cat "$TMP/said"
	[[ $status -eq 0 ]] && printf 'ok' || printf 'not ok'
	printf ' 1 - all peers are measured, and agree on addresses\n'
	return $status
}

main "$@"
