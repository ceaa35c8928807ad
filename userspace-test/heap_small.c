// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small world, exhaustively: every sequence of so many steps on an address space of six
 * pages, in granules and arenas of two. In each state there is a choice of steps: some
 * allocations, whether they fit or not; giving memory back; freeing any span; and splitting any
 * span anywhere. After each step everything is compared with the model, once:
 * sequences come in order, and a step that the one before had done from the same state is
 * only repeated.
 *
 * Choices are kept where the parent of the process that works sees them, also if that crashes.
 */
#include <sys/mman.h>

#include "heap_world.h"

#define STEPS_MAX	6

static const struct geometry six_pages = {
	.order = 1, .arena = 2, .limit = 6, .retain = -1, .dirty = true,
};

/**
 * struct small_alloc - a request
 * @npages: see struct span_request
 * @align: see struct span_request
 * @flags: see struct span_request
 */
struct small_alloc {
	unsigned long npages;
	unsigned long align;
	unsigned int flags;
};

/**
 * struct small_world - sequences of one length
 * @alloc: the requests there are
 * @nallocs: how many
 * @nscavenge: pages to give back, if that is the choice
 * @nsteps: length of a sequence
 */
struct small_world {
	const struct small_alloc *alloc;
	unsigned int nallocs;
	unsigned long nscavenge;
	unsigned int nsteps;
};

/**
 * struct small_state - how far it got
 * @choice: the sequence: which of the steps that there were
 * @nchoices: how many there were
 * @nsequences: sequences so far
 * @ncompared: steps that were compared
 */
struct small_state {
	unsigned int choice[STEPS_MAX];
	unsigned int nchoices[STEPS_MAX];
	unsigned long nsequences;
	unsigned long ncompared;
};

static const struct small_world *small;
static struct small_state *state;

static unsigned int count_choices(void)
{
	unsigned int n = small->nallocs + 1;
	size_t i;

	/* To free it, and to split it behind each of its pages but the last. */
	for (i = 0; i < hw.nlive; i++)
		n += hw.live[i].npages;
	return n;
}

static bool small_step(unsigned int choice)
{
	size_t i;

	if (choice < small->nallocs) {
		const struct small_alloc *alloc = &small->alloc[choice];

		return hw_alloc(alloc->npages, alloc->align, alloc->flags, GFP_KERNEL);
	}
	choice -= small->nallocs;
	if (!choice--)
		return hw_scavenge(small->nscavenge);
	for (i = 0; choice >= hw.live[i].npages; i++)
		choice -= hw.live[i].npages;
	return choice ? hw_split(i, choice) : hw_free(i);
}

/* One sequence, of which the first steps have been compared before. */
static bool do_sequence(unsigned int nknown)
{
	unsigned int i;

	if (!hw_create(&six_pages))
		return false;
	for (i = 0; i < small->nsteps; i++) {
		state->nchoices[i] = count_choices();
		if (!small_step(state->choice[i]))
			return false;
		if (i < nknown)
			continue;
		if (!hw_verify_all())
			return false;
		state->ncompared++;
	}
	hw_destroy();
	state->nsequences++;
	return !ktap_failures;
}

/* The sequence that comes next begins with so many steps of this one; or it was the last. */
static int next_sequence(void)
{
	int i = small->nsteps - 1;

	while (i >= 0 && state->choice[i] + 1 == state->nchoices[i])
		state->choice[i--] = 0;
	if (i >= 0)
		state->choice[i]++;
	return i;
}

static bool do_all(void *unused)
{
	int nknown = 0;

	do {
		if (!do_sequence(nknown))
			return false;
		nknown = next_sequence();
	} while (nknown >= 0);
	return true;
}

static bool start_again(const void *unused)
{
	hw.talk = trial_talk;
	return hw_create(&six_pages);
}

static bool do_again(const void *unused, size_t number, size_t at)
{
	return state->choice[number] >= count_choices() ||
	       (small_step(state->choice[number]) && hw_verify_all());
}

static bool finish_again(const void *unused, bool whole)
{
	hw_destroy();
	return !ktap_failures;
}

static void every_sequence(const struct small_world *world, unsigned long nsequences,
			   unsigned long ncompared)
{
	const struct trial again = {
		.name = "the last sequence", .start = start_again, .step = do_again,
		.finish = finish_again, .nsteps = world->nsteps,
	};

	small = world;
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	REQUIRE(state != MAP_FAILED, "no memory");
	if (!EXPECT(trial_in_child(do_all, NULL, ktap_seconds()), "after %lu sequences",
		    state->nsequences)) {
		trial_run(&again);
		return;
	}
	EXPECT_EQ(state->nsequences, nsequences);
	EXPECT_EQ(state->ncompared, ncompared);
	munmap(state, sizeof(*state));
}

void every_sequence_of_six(void)
{
	static const struct small_alloc alloc[] = {
		{ 1, 0, SPANALLOC_ZERO }, { 2, 0, SPANALLOC_ZERO }, { 3, 0, SPANALLOC_ZERO },
		{ 2, 2, 0 },
	};
	static const struct small_world world = {
		.alloc = alloc, .nallocs = ARRAY_SIZE(alloc), .nscavenge = ~0UL, .nsteps = 6,
	};

	every_sequence(&world, 181653, 5 + 33 + 255 + 2176 + 19603 + 181653);
}

/* Of every length; and granules are given back one by one. */
void every_sequence_of_five(void)
{
	static const struct small_alloc alloc[] = {
		{ 1, 0, SPANALLOC_ZERO }, { 2, 0, SPANALLOC_ZERO }, { 3, 0, 0 },
		{ 4, 0, SPANALLOC_ZERO }, { 5, 0, 0 }, { 6, 0, SPANALLOC_ZERO }, { 2, 2, 0 },
	};
	static const struct small_world world = {
		.alloc = alloc, .nallocs = ARRAY_SIZE(alloc), .nscavenge = 1, .nsteps = 5,
	};

	every_sequence(&world, 160007, 8 + 87 + 1030 + 12715 + 160007);
}
