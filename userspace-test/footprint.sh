#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# footprint.sh [TRACE [EVENTS-PER-SECOND]]: what policies of keeping idle memory come to, on a
# trace of which the events come so quickly (tides, 25 a second). Peak and mean of the backed
# pages, and how many granules were taken from the system. The first line is the floor: pages
# in granules that live spans touch. "make footprint" builds and calls this.
#
#   BUILD=build     where the programs are

set -euo pipefail
cd "$(dirname "$0")"

BUILD=${BUILD:-build}
TRACE=${1:-traces/tides.trace.gz}
RATE=${2:-25}

# run OPTION...: the summary, a line for each number.
run() {
	"$BUILD/span-replay" --text --rate "$RATE" "$@" "$TRACE"
}

# row NAME PEAK MEAN TAKEN: the values of these, from the summary.
row() {
	awk -v name="$1" -v peak="$2" -v mean="$3" -v taken="$4" '
		{ value[$1] = $2 }
		END { printf "%-24s %11d %12.0f %8s\n", name, value[peak], value[mean],
			taken == "" ? "" : value[taken] }'
}

# policy NAME OPTION...
policy() {
	local name=$1
	shift
	run "$@" | row "$name" peak_backed_pages mean_backed_pages granules_taken
}

printf '%-24s %11s %12s %8s\n' policy 'peak, pages' 'mean, pages' granules
run | row 'needed' peak_touched_pages mean_touched_pages ''
policy 'keep all'
policy '0 %' --retain-percent 0
policy '10 %, no window' --retain-percent 10
policy '10 %, 8 s' --retain-percent 10 --window-ms 8000
policy '10 %, 32 s' --retain-percent 10 --window-ms 32000
policy '10 %, 120 s' --retain-percent 10 --window-ms 120000
