#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# check.sh: runs every user-space suite, one after the other. Each is a KTAP stream of its
# own; the status tells whether all were good. "make check" builds and calls this.
#
#   BUILD=build     where the programs are
#   SEED=N OPS=N    of the random tests; without a SEED it is another one each time, which is
#                   printed, and again when a suite fails

set -uo pipefail
cd "$(dirname "$0")" || exit 1

export BUILD=${BUILD:-build}
SEED=${SEED:-$SRANDOM}
random=(--seed "$SEED")
[[ -z ${OPS:-} ]] || random+=(--ops "$OPS")
status=0

suite() {
	printf '# suite: %s\n' "${*##*/}"
	"$@" && return
	status=1
	printf '# failed with SEED=%s; again: SEED=%s OPS=%s make check\n' "$SEED" "$SEED" "${OPS:-}"
}

printf '# SEED=%s\n' "$SEED"

suite "$BUILD/treap-test" "${random[@]}"
suite "$BUILD/heap-test" "${random[@]}"
suite "$BUILD/heap-race-test" "${random[@]}" 'threads at work'
suite "$BUILD/span-cost"
suite ./replay_test.sh
suite "$BUILD/tools-test"
suite ./tools_test.sh
suite "$BUILD/replay-heap" --least 50 fuzz/corpus/heap
suite "$BUILD/replay-race" --least 40 fuzz/corpus/race
suite "$BUILD/replay-cache" --least 30 fuzz/corpus/cache
suite "$BUILD/replay-treap" --least 25 fuzz/corpus/treap
suite "$BUILD/replay-trace" --least 50 fuzz/corpus/trace
exit $status
