// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random sequences of operations on a heap and its model, in heaps of many kinds.
 */
#include "heap_world.h"

/**
 * struct plan - a sequence
 * @geometry: the heap
 * @all_every: verify everything after so many steps
 */
struct plan {
	const struct geometry *geometry;
	unsigned int all_every;
};

static bool start_plan(const void *arg)
{
	const struct plan *plan = arg;

	hw.talk = trial_talk;
	/* Some steps are to be warned of. */
	shim_quiet = !trial_talk;
	return hw_create(plan->geometry);
}

static bool do_plan(const void *arg, size_t number, size_t at)
{
	const struct plan *plan = arg;
	struct hw_op op;
	struct rng rng;

	rng_seed_nth(&rng, opt_seed, number);
	/* Now the heap fills up, now it empties. */
	op = hw_random_op(&rng, number / 150 % 3 == 2);
	return hw_step(&op, trial_talk || at % plan->all_every == 0);
}

static bool finish_plan(const void *arg, bool whole)
{
	return hw_finish();
}

static void random_run(const struct geometry *geometry, unsigned int all_every,
		       size_t nops)
{
	const struct plan plan = { .geometry = geometry, .all_every = all_every };
	char name[200];
	const struct trial trial = {
		.name = name, .start = start_plan, .step = do_plan, .finish = finish_plan,
		.arg = &plan, .nsteps = nops,
	};

	snprintf(name, sizeof(name),
		 "order %u, arena %lu, limit %lu, retain %d, account %d, scatter %lu, dirty %d, wipe %d, poison %d, window %d",
		 geometry->order, geometry->arena, geometry->limit, geometry->retain,
		 geometry->account, geometry->scatter_every, geometry->dirty, geometry->wipe,
		 geometry->poison, geometry->keeper ? (int)geometry->window_ms : -1);
	trial_run(&trial);
}

void random_small_granules(void)
{
	static const struct geometry geometries[] = {
		{ .order = 0, .arena = 1, .limit = 64, .retain = -1 },
		{ .order = 0, .arena = 16, .limit = 203, .retain = -1, .dirty = true },
		{ .order = 1, .arena = 2, .limit = 129, .retain = -1 },
		{ .order = 1, .arena = 128, .limit = 1024, .retain = -1, .dirty = true },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(geometries) && !ktap_failures; i++)
		random_run(&geometries[i], 5, opt_ops);
}

void random_granules_of_eight(void)
{
	static const struct geometry geometries[] = {
		{ .order = 3, .arena = 8, .limit = 512, .retain = -1 },
		{ .order = 3, .arena = 64, .limit = 1003, .retain = -1, .dirty = true },
		{ .order = 3, .arena = 1024, .limit = 1024, .retain = -1 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(geometries) && !ktap_failures; i++)
		random_run(&geometries[i], 10, opt_ops);
}

void random_large_granules(void)
{
	static const struct geometry geometries[] = {
		{ .order = 9, .arena = 512, .limit = 6000, .retain = -1 },
		{ .order = 9, .arena = 4096, .limit = 20000, .retain = -1, .dirty = true },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(geometries) && !ktap_failures; i++)
		random_run(&geometries[i], 50, opt_ops / 4);
}

void random_retention(void)
{
	static const struct geometry geometries[] = {
		{ .order = 0, .arena = 64, .limit = 600, .retain = 10 },
		{ .order = 3, .arena = 64, .limit = 1024, .retain = 0, .dirty = true },
		{ .order = 3, .arena = 64, .limit = 1024, .retain = 33 },
		{ .order = 3, .arena = 64, .limit = 1024, .retain = 250 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(geometries) && !ktap_failures; i++)
		random_run(&geometries[i], 20, opt_ops);
}

/* With a keeper: time passes, and the scavenger works. */
void random_time(void)
{
	static const struct geometry geometries[] = {
		{ .order = 0, .arena = 64, .limit = 600, .retain = 10, .keeper = true,
		  .window_ms = 32000, .give_ns = 50000 },
		{ .order = 3, .arena = 64, .limit = 1024, .retain = 0, .keeper = true,
		  .window_ms = 32000, .pace = 1, .give_ns = 3000000 },
		{ .order = 3, .arena = 64, .limit = 1024, .retain = 33, .keeper = true,
		  .window_ms = 1, .pace = 1000, .give_ns = 1 },
		{ .order = 3, .arena = 64, .limit = 1024, .retain = 10, .keeper = true,
		  .window_ms = 0, .pace = 10, .give_ns = 20000000 },
		{ .order = 3, .arena = 64, .limit = 1024, .retain = 250, .keeper = true,
		  .window_ms = 8000, .pace = 500, .give_ns = 400 },
		{ .order = 3, .arena = 64, .limit = 1024, .retain = -1, .keeper = true,
		  .window_ms = 100, .give_ns = 100 },
		{ .order = 2, .arena = 128, .limit = 3000, .retain = 5, .keeper = true,
		  .window_ms = 1000, .give_ns = 100000 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(geometries) && !ktap_failures; i++)
		random_run(&geometries[i], 20, opt_ops);
}

void random_scattered(void)
{
	static const struct geometry geometries[] = {
		{ .order = 1, .arena = 16, .limit = 200, .retain = -1, .scatter_every = 2 },
		{ .order = 3, .arena = 64, .limit = 1024, .retain = -1, .scatter_every = 3,
		  .dirty = true },
		{ .order = 3, .arena = 32, .limit = 800, .retain = 20, .scatter_every = 1 },
		{ .order = 3, .arena = 32, .limit = 800, .retain = 50, .scatter_every = 4 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(geometries) && !ktap_failures; i++)
		random_run(&geometries[i], 20, opt_ops);
}

void random_accounted(void)
{
	static const struct geometry geometries[] = {
		{ .order = 0, .arena = 64, .limit = 600, .account = true },
		{ .order = 3, .arena = 64, .limit = 1003, .account = true, .dirty = true },
		{ .order = 3, .arena = 32, .limit = 800, .account = true, .scatter_every = 3 },
		{ .order = 9, .arena = 4096, .limit = 20000, .account = true },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(geometries) && !ktap_failures; i++)
		random_run(&geometries[i], 20, opt_ops / (i == 3 ? 4 : 1));
}

/* Free pages are zero or poisoned, whatever comes from the backing. */
void random_contents(void)
{
	static const struct geometry geometries[] = {
		{ .order = 0, .arena = 64, .limit = 300, .retain = -1, .wipe = true },
		{ .order = 3, .arena = 64, .limit = 1024, .retain = 20, .scatter_every = 3,
		  .dirty = true, .wipe = true },
		{ .order = 3, .arena = 64, .limit = 1024, .retain = 50, .scatter_every = 2,
		  .poison = true },
		{ .order = 4, .arena = 32, .limit = 800, .retain = -1, .dirty = true,
		  .wipe = true, .poison = true },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(geometries) && !ktap_failures; i++)
		random_run(&geometries[i], 10, opt_ops);
}
