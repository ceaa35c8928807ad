// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: operations inside of operations, where an allocation has dropped the
 * lock. The input is first the geometry, then every decision of heap_chaos.c.
 */
#include "heap_world.h"

#include "chaos.h"

const char fuzz_target[] = "race";

bool fuzz_input(const uint8_t *data, size_t size)
{
	struct geometry geometry;
	struct rng tape;

	rng_play(&tape, data, size);
	geometry = fuzz_geometry(&tape);
	return fuzz_chaos(&tape, &geometry);
}
