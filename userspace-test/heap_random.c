// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random sequences of operations on a heap and its model. A sequence is made
 * before it is run and its steps mean something in any state, so that a failing
 * one can be shrunk: steps are left out as long as what remains still fails.
 * Every run is a child process, so that crashes and endless loops are failures
 * like others.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "heap_world.h"

/* Seconds of a processor for one run; seconds of the clock for all runs of shrinking. */
#define RUN_SECONDS	60
#define SHRINK_SECONDS	20

/**
 * struct plan - a sequence
 * @geometry: the heap
 * @all_every: verify everything after so many steps
 * @nops: number of steps
 * @op: the steps
 */
struct plan {
	const struct geometry *geometry;
	unsigned int all_every;
	size_t nops;
	struct hw_op *op;
};

static void make_plan(struct plan *plan, uint64_t seed, size_t nops)
{
	struct rng rng;
	size_t i;

	rng_seed(&rng, seed);
	plan->nops = nops;
	plan->op = calloc(nops, sizeof(*plan->op));
	for (i = 0; i < nops; i++)
		/* Now the heap fills up, now it empties. */
		plan->op[i] = hw_random_op(&rng, i / 150 % 3 == 2);
}

/* Run a sequence in a fresh heap. */
static bool run_plan(const struct plan *plan)
{
	size_t i;

	if (!hw_create(plan->geometry))
		return false;
	for (i = 0; i < plan->nops; i++)
		if (!hw_step(&plan->op[i], i % plan->all_every == 0)) {
			ktap_note("  step %zu of %zu", i, plan->nops);
			return false;
		}
	return hw_finish();
}

/* Run a sequence in a child; true if that ends well. */
static bool child_is_fine(const struct plan *plan, bool talk)
{
	int status = -1, null;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return EXPECT(false, "no child");
	if (pid)
		return waitpid(pid, &status, 0) == pid && !status;
	null = open("/dev/null", O_WRONLY);
	if (!talk && null >= 0) {
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	hw.talk = talk;
	ktap_failures = 0;
	ktap_limit(RUN_SECONDS);
	_exit(run_plan(plan) && !fflush(stdout) ? 0 : 1);
}

/* Leave out as many steps as possible. */
static void shrink(struct plan *plan)
{
	struct hw_op *kept = malloc(plan->nops * sizeof(*kept));
	time_t end = time(NULL) + SHRINK_SECONDS;
	size_t chunk, at;

	for (chunk = (plan->nops + 1) / 2; chunk; chunk /= 2) {
		for (at = 0; at < plan->nops && time(NULL) < end;) {
			struct plan less = *plan;
			size_t gone = min(chunk, plan->nops - at);

			less.op = kept;
			less.nops = plan->nops - gone;
			memcpy(kept, plan->op, at * sizeof(*kept));
			memcpy(kept + at, plan->op + at + gone,
			       (less.nops - at) * sizeof(*kept));
			if (child_is_fine(&less, false)) {
				at += chunk;
			} else {
				memcpy(plan->op, kept, less.nops * sizeof(*kept));
				plan->nops = less.nops;
			}
		}
	}
	free(kept);
}

static void random_run(const struct geometry *geometry, unsigned int all_every,
		       size_t nops)
{
	struct plan plan = { .geometry = geometry, .all_every = all_every };

	make_plan(&plan, opt_seed, nops);
	if (!child_is_fine(&plan, false)) {
		EXPECT(false, "order %u, arena %lu, limit %lu, retain %d, account %d, scatter %lu, dirty %d, wipe %d, poison %d, window %d: --seed %llu --ops %llu fails",
		       geometry->order, geometry->arena, geometry->limit, geometry->retain,
		       geometry->account, geometry->scatter_every, geometry->dirty,
		       geometry->wipe, geometry->poison,
		       geometry->keeper ? (int)geometry->window_ms : -1,
		       (unsigned long long)opt_seed, (unsigned long long)opt_ops);
		if (opt_shrink) {
			shrink(&plan);
			plan.all_every = 1;
			ktap_note("shrunk to %zu steps of %zu:", plan.nops, nops);
			child_is_fine(&plan, true);
		}
	}
	free(plan.op);
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

/* Steps of the small world: allocate 1, 2 or 3 pages, free the first, second, last. */
static bool small_step(unsigned int step)
{
	switch (step) {
	case 0:
	case 1:
	case 2:
		return hw_alloc(step + 1, 0, SPANALLOC_ZERO, GFP_KERNEL);
	case 3:
		return hw_alloc(2, 2, 0, GFP_KERNEL);
	case 4:
		return !hw.nlive || hw_free(0);
	case 5:
		return hw.nlive < 2 || hw_free(1);
	case 6:
		return !hw.nlive || hw_split(hw.nlive - 1, 1);
	default:
		return hw_scavenge(~0UL);
	}
}

/* All sequences of six steps, on an address space of six pages. */
void every_short_sequence(void)
{
	static const struct geometry geometry = {
		.order = 1, .arena = 2, .limit = 6, .retain = -1, .dirty = true,
	};
	const unsigned int nsteps = 6, nkinds = 8;
	unsigned int sequence, step, rest, ncases = 0;

	for (sequence = 0; sequence < 262144; sequence += ktap_failures ? 262144 : 1) {
		if (!hw_create(&geometry))
			return;
		for (step = 0, rest = sequence; step < nsteps; step++, rest /= nkinds)
			if (!small_step(rest % nkinds) || !hw_check(0)) {
				ktap_note("sequence %o (octal, last step first)", sequence);
				return;
			}
		hw_destroy();
		ncases++;
	}
	EXPECT_EQ(ncases, 262144);
}
