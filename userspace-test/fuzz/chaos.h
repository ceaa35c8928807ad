/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A run of heap_chaos.c whose every decision comes from an input.
 */
#ifndef _FUZZ_CHAOS_H
#define _FUZZ_CHAOS_H

#include "fuzz.h"
#include "geometry.h"

static bool fuzz_chaos(const struct rng *tape, const struct geometry *geometry)
{
	shim_quiet = !fuzz_talk;
	hw.talk = fuzz_talk;
	if (fuzz_talk)
		fuzz_say_geometry(geometry);
	if (!EXPECT_EQ(span_objects_init(), 0) || !hw_create(geometry))
		return false;
	chaos_start(tape, true);
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

#endif /* _FUZZ_CHAOS_H */
