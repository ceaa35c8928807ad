#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# readme_example.sh README: prints the program in it, which begins with "#include <fcntl.h>"
# behind a fence; fails if there is none, or if it is no short example any more.

set -euo pipefail

program=$(awk '/^```c$/ { fence = 1; next }
	/^```$/ { fence = on = 0 }
	fence && /^#include <fcntl.h>/ { on = 1 }
	{ fence = 0 }
	on' "$1")
lines=$(wc -l <<<"$program")
if [[ $lines -lt 5 || $lines -gt 20 ]]; then
	echo "$1: an example of $lines lines, where 5 to 20 are right" >&2
	exit 1
fi
printf '%s\n' "$program"
