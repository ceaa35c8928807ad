/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kind of heap, from the first bytes of an input.
 */
#ifndef _FUZZ_GEOMETRY_H
#define _FUZZ_GEOMETRY_H

#include "heap_world.h"

/* Small enough to be verified after every step. */
static struct geometry fuzz_geometry(struct rng *tape)
{
	static const unsigned int orders[] = { 0, 1, 3, 9 };
	static const int retains[] = { -1, -1, 0, 10, 33, 250 };
	struct geometry geometry = {
		.order = orders[rng_below(tape, ARRAY_SIZE(orders))],
		.retain = retains[rng_below(tape, ARRAY_SIZE(retains))],
		.scatter_every = rng_below(tape, 5),
		.dirty = rng_below(tape, 2),
	};
	unsigned long granule = 1UL << geometry.order;

	geometry.arena = granule << rng_below(tape, geometry.order == 9 ? 3 : 8);
	geometry.limit = max(granule, 4UL) +
			 rng_below(tape, geometry.order == 9 ? 16 * granule : 1000);
	return geometry;
}

static void fuzz_say_geometry(const struct geometry *geometry)
{
	ktap_note("granules of %u pages, arenas of %lu, limit %lu, retain %d, scatter %lu, dirty %d",
		  1U << geometry->order, geometry->arena, geometry->limit, geometry->retain,
		  geometry->scatter_every, geometry->dirty);
}

#endif /* _FUZZ_GEOMETRY_H */
