# SPDX-License-Identifier: GPL-2.0-only
#
# Lowest-address first fit on an endless address space, by linear search: reads a
# trace, prints "ID BASE" for each allocation. Shares nothing with the heap but the
# definition. The live spans are an array sorted by base, 1 to n.

$1 == "a" {
	base = 0
	for (at = 1; at <= n && start[at] - base < $3; at++)
		base = stop[at]
	for (i = n++; i >= at; i--) {
		start[i + 1] = start[i]
		stop[i + 1] = stop[i]
	}
	start[at] = base
	stop[at] = base + $3
	place[$2] = base
	print $2, base
}

$1 == "f" {
	for (at = 1; start[at] != place[$2]; at++)
		;
	for (n--; at <= n; at++) {
		start[at] = start[at + 1]
		stop[at] = stop[at + 1]
	}
}
