// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: the same as race.c on a heap with caches: on all CPUs, with interrupts while
 * one is at work on its cache, and drains. The input is first the geometry, then what each CPU
 * may park, then every decision of heap_chaos.c.
 */
#include "heap_world.h"

#include "chaos.h"

const char fuzz_target[] = "cache";

bool fuzz_input(const uint8_t *data, size_t size)
{
	struct geometry geometry;
	struct rng tape;

	rng_play(&tape, data, size);
	geometry = fuzz_geometry(&tape);
	/* With these there are none. */
	geometry.wipe = false;
	geometry.poison = false;
	geometry.account = false;
	geometry.cache = 1 + rng_below(&tape, 200);
	return fuzz_chaos(&tape, &geometry);
}
