// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: a heap and its model, operation by operation. The input is first the
 * geometry, then the steps that heap_steps.c makes of the rest, failures of blocks and
 * of metadata among them.
 */
#include "heap_world.h"

#include "fuzz.h"
#include "geometry.h"

const char fuzz_target[] = "heap";

static bool run(struct rng *tape, const struct geometry *geometry, unsigned int all_every)
{
	unsigned int i;

	if (!hw_create(geometry))
		return false;
	for (i = 1; !rng_at_end(tape); i++) {
		struct hw_op op = hw_random_op(tape, false);

		if (!hw_step(&op, i % all_every == 0)) {
			ktap_note("  step %u", i);
			return false;
		}
	}
	hw.model.count.frees += fuzz_lie;
	return hw_finish();
}

bool fuzz_input(const uint8_t *data, size_t size)
{
	struct geometry geometry;
	unsigned int all_every;
	struct rng tape;
	bool good;

	rng_play(&tape, data, size);
	geometry = fuzz_geometry(&tape);
	all_every = 1 + rng_below(&tape, 16);
	shim_quiet = !fuzz_talk;
	hw.talk = fuzz_talk;
	if (fuzz_talk)
		fuzz_say_geometry(&geometry);
	good = EXPECT_EQ(span_objects_init(), 0) && run(&tape, &geometry, all_every);
	if (good)
		span_objects_exit();
	return good && EXPECT_EQ(shim_take_warnings(), 0);
}
