// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: the same as race.c on a heap with caches: on all CPUs, with interrupts while
 * one is at work on its cache, and drains.
 */
#include "chaos.h"
#include "fuzz.h"

const char fuzz_target[] = "cache";

void fuzz_adjust(struct geometry *geometry, struct rng *tape)
{
	/* With these there are none. */
	geometry->wipe = false;
	geometry->poison = false;
	geometry->account = false;
	geometry->cache = 1 + rng_below(tape, 200);
}
