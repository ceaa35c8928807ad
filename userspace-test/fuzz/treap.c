// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: a treap and its model. The input is first how priorities are chosen, then
 * every decision of treap_world.c.
 */
#include "treap_world.h"

#include "fuzz.h"

const char fuzz_target[] = "treap";

/* Spans above which there are no insertions. */
#define MOST	60

/* Every walk and many searches: these do not use up the tape. */
static bool verify_all(struct world *w)
{
	struct rng tape = w->rng;
	bool good;

	rng_seed(&w->rng, w->ninserts + w->nerases);
	w->talk = false;
	good = verify_walks(w) && verify_fits(w);
	w->talk = fuzz_talk;
	w->rng = tape;
	return good;
}

bool fuzz_input(const uint8_t *data, size_t size)
{
	enum prio_mode mode;
	struct rng tape;
	unsigned int i;

	rng_play(&tape, data, size);
	mode = rng_below(&tape, NR_PRIO_MODES);
	world_init(&world, mode, 0);
	world.rng = tape;
	shim_quiet = !fuzz_talk;
	world.talk = fuzz_talk;
	if (fuzz_talk)
		ktap_note("priorities: %d", mode);
	for (i = 1; !rng_at_end(&world.rng); i++)
		if (!world_step(&world, MOST) || (i % 16 == 0 && !verify_all(&world)))
			return false;
	world.nmutates += fuzz_lie;
	if (!verify(&world) || !verify_all(&world))
		return false;
	world_exit(&world);
	return !ktap_failures && EXPECT_EQ(shim_take_warnings(), 0);
}
