/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kind of heap, from the first bytes of an input.
 */
#ifndef _FUZZ_GEOMETRY_H
#define _FUZZ_GEOMETRY_H

#include <linux/time64.h>

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
	};
	/* Whether pages come dirty, and what the heap makes of free ones, if anything. */
	unsigned int contents = rng_below(tape, 8);
	unsigned long granule = 1UL << geometry.order;
	unsigned int kind = rng_below(tape, 8);

	/* The model's keeper does not see to scattered granules. */
	geometry.keeper = kind > 1 && !geometry.scatter_every;
	geometry.window_ms = kind > 5 ? 32000 : kind > 3 ? 100 : 0;
	geometry.give_ns = kind > 5 ? 5 * NSEC_PER_MSEC : 1000;

	geometry.dirty = contents % 2;
	geometry.wipe = contents / 2 == 1;
	geometry.poison = contents / 2 == 2;
	/* Of those that may be; no byte of the input, or all older ones would change. */
	geometry.account = !geometry.retain && geometry.scatter_every % 2 && !geometry.window_ms;

	geometry.arena = granule << rng_below(tape, geometry.order == 9 ? 3 : 8);
	geometry.limit = max(granule, 4UL) +
			 rng_below(tape, geometry.order == 9 ? 16 * granule : 1000);
	return geometry;
}

static void fuzz_say_geometry(const struct geometry *geometry)
{
	ktap_note("granules of %u pages, arenas of %lu, limit %lu, retain %d%s, scatter %lu, dirty %d, wipe %d, poison %d",
		  1U << geometry->order, geometry->arena, geometry->limit, geometry->retain,
		  geometry->account ? ", accounted" : "", geometry->scatter_every,
		  geometry->dirty, geometry->wipe, geometry->poison);
	if (geometry->keeper)
		ktap_note("a keeper, window %u ms, %llu ns to give a granule back",
			  geometry->window_ms, (unsigned long long)geometry->give_ns);
}

#endif /* _FUZZ_GEOMETRY_H */
