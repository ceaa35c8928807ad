// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the targets race and cache share: a run of heap_chaos.c. The input is first the geometry,
 * then what the target makes of that, then every decision.
 */
#include "heap_world.h"

#include "chaos.h"
#include "fuzz.h"
#include "geometry.h"

bool fuzz_input(const uint8_t *data, size_t size)
{
	struct geometry geometry;
	struct rng tape;

	rng_play(&tape, data, size);
	geometry = fuzz_geometry(&tape);
	fuzz_adjust(&geometry, &tape);
	shim_quiet = !fuzz_talk;
	hw.talk = fuzz_talk;
	if (fuzz_talk)
		fuzz_say_geometry(&geometry);
	if (!EXPECT_EQ(span_objects_init(), 0) || !hw_create(&geometry))
		return false;
	chaos_start(&tape, true);
	while (!chaos_at_end() && !ktap_failures)
		chaos_step();
	chaos_calm();
	hw.fake.ngiven -= fuzz_lie;
	if (!ktap_failures)
		chaos_finish();
	if (!ktap_failures)
		span_objects_exit();
	return !ktap_failures && EXPECT_EQ(shim_take_warnings(), 0);
}
