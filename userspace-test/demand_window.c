// SPDX-License-Identifier: GPL-2.0-only
/*
 * The demand window alone: what it remembers for how long, and what it makes of it.
 */
#include "heap_world.h"

#define EPOCH	1000ULL
#define START	77777ULL

static struct span_demand demand;

static void start(unsigned long in_use, unsigned long needed)
{
	span_demand_start(&demand, START, EPOCH, in_use, needed);
}

/* The clock shows so many epochs and a bit, since the start. */
static bool at(unsigned long epochs, unsigned long bit)
{
	return span_demand_advance(&demand, START + epochs * EPOCH + bit);
}

static void note(unsigned long needed)
{
	span_demand_note(&demand, 10 * needed, needed);
}

static void is(unsigned long granules, unsigned long peak)
{
	EXPECT_EQ(span_demand_granules(&demand), granules);
	EXPECT_EQ(span_demand_peak(&demand), 10 * peak);
}

void window_is_absent(void)
{
	span_demand_start(&demand, START, 0, 50, 5);
	is(5, 5);
	note(9);
	is(9, 9);
	EXPECT(!span_demand_advance(&demand, START + 5), "an epoch of no length");
	note(2);
	is(2, 2);
	EXPECT(!span_demand_advance(&demand, ~0ULL), "an epoch of no length");
	is(2, 2);
}

/* To the nanosecond, with a look at each epoch. */
void window_forgets(void)
{
	unsigned int i;

	start(0, 0);
	is(0, 0);
	EXPECT(!at(0, EPOCH - 1), "too early");
	EXPECT(at(1, 0), "too late");
	/* All of an epoch long: that is a trend. */
	note(100);
	for (i = 2; i < 6; i++)
		EXPECT(at(i, 3) && !at(i, EPOCH - 1), "epoch %u", i);
	note(0);
	for (i = 6; i < 5 + 16; i++) {
		EXPECT(at(i, 0), "epoch %u", i);
		/* The trend ended with the fourth epoch, the peak with the fifth. */
		is(i < 4 + 16 ? 100 : 0, 100);
		EXPECT(!at(i, EPOCH - 1), "epoch %u", i);
		is(i < 4 + 16 ? 100 : 0, 100);
	}
	EXPECT(at(5 + 16, 0), "the last");
	is(0, 0);
}

/* Notes @needed in epoch @i. */
static void epoch_of(unsigned long i, unsigned long needed)
{
	at(i, 0);
	note(needed);
}

void window_by_shape(void)
{
	unsigned int i;

	/* A spike: the short part keeps it, for four epochs with its own. */
	start(100, 10);
	epoch_of(20, 50);
	epoch_of(20, 10);
	for (i = 20; i < 24; i++) {
		EXPECT(i == 20 || at(i, 0), "epoch %u", i);
		is(50, 50);
	}
	EXPECT(at(24, 0), "epoch 24");
	is(10, 50);
	/* A swing from 10 to 50 on top of a trend of 30 is what it was at most. */
	start(300, 30);
	for (i = 1; i < 8; i++) {
		epoch_of(i, 50);
		epoch_of(i, 10);
		is(50, 50);
	}
	epoch_of(8, 60);
	epoch_of(8, 30);
	is(60, 60);
	/* What swings between 40 and 45 after a peak of 90 is 5 more than the trend. */
	start(400, 40);
	epoch_of(1, 90);
	epoch_of(1, 40);
	for (i = 2; i < 9; i++) {
		epoch_of(i, 45);
		epoch_of(i, 40);
		is(i < 5 ? 90 : 45, 90);
	}
	/* A slow rise is followed at once, a slow fall after a window. */
	start(0, 0);
	for (i = 1; i < 30; i++) {
		epoch_of(i, i);
		is(i, i);
	}
	for (; i < 60; i++) {
		epoch_of(i, 60 - i);
		is(min(30U, 60 - i + 16), min(30U, 60 - i + 16));
	}
}

/* Nobody looked for some epochs: the most may have been in each of them, the least not. */
void window_unseen(void)
{
	unsigned int gap, i;

	for (gap = 1; gap < 40; gap++) {
		start(0, 0);
		note(80);
		note(20);
		note(60);
		EXPECT(at(gap, EPOCH / 2), "gap %u", gap);
		/* 60 is taken to have lasted, if there was an epoch for it. */
		is(80, 80);
		note(0);
		for (i = gap + 1; i < gap + 15; i++)
			EXPECT(at(i, 0), "epoch %u", i);
		is(gap > 1 ? 60 : 0, 80);
		EXPECT(at(i, 0), "epoch %u", i);
		is(0, 60);
		EXPECT(at(i + 1, 0), "epoch %u", i);
		is(0, 0);
	}
}

/* Days asleep, or a window of months: nothing overflows, and nothing takes long. */
void window_far_ahead(void)
{
	unsigned int i;

	start(0, 0);
	note(7);
	for (i = 1; i < 60; i++) {
		EXPECT(span_demand_advance(&demand, START + (EPOCH << i)), "bit %u", i);
		EXPECT(START + (EPOCH << i) - demand.began < EPOCH, "bit %u", i);
		is(7, 7);
	}
	/* The longest there is: 49 days. */
	span_demand_start(&demand, 1ULL << 63, 0xffffffffULL * 1000000 / 16, ~0UL, 1UL << 40);
	EXPECT(!span_demand_advance(&demand, (1ULL << 63) + 268435455000000ULL), "too early");
	EXPECT(span_demand_advance(&demand, ~0ULL), "too late");
	EXPECT_EQ(span_demand_granules(&demand), 1UL << 40);
	EXPECT_EQ(span_demand_peak(&demand), ~0UL);
}

static struct policy list;
static uint64_t list_now;

static bool start_window(const void *unused)
{
	start(0, 0);
	list_now = START;
	policy_init(&list, 100, 16 * EPOCH, START);
	return true;
}

static void look_at_both(void)
{
	bool passed = span_demand_advance(&demand, list_now);

	if (trial_talk)
		ktap_note("  look at %llu", (unsigned long long)list_now);
	EXPECT_EQ(passed, policy_look(&list, list_now));
}

static void note_in_both(unsigned long needed)
{
	if (trial_talk)
		ktap_note("  need %lu", needed);
	span_demand_note(&demand, 2 * needed, needed);
	policy_note(&list, 2 * needed, needed);
}

static bool do_window(const void *unused, size_t number, size_t at)
{
	unsigned long needed;
	struct rng rng;

	rng_seed_nth(&rng, opt_seed + 9, number);
	needed = rng_below(&rng, number / 100 % 2 ? 1000 : 30);
	if (rng_once_in(&rng, 3)) {
		list_now += rng_below(&rng, number / 50 % 3 ? EPOCH / 4 : 3 * EPOCH);
		if (rng_once_in(&rng, 100))
			list_now += rng_below(&rng, 40 * EPOCH);
		look_at_both();
	}
	if (rng_once_in(&rng, 2))
		note_in_both(needed);
	EXPECT_EQ(span_demand_peak(&demand), policy_retain(&list));
	EXPECT_EQ(span_demand_granules(&demand), policy_demand(&list));
	EXPECT_EQ(span_demand_is_steady(&demand), policy_is_steady(&list));
	return !ktap_failures;
}

static bool finish_window(const void *unused, bool whole)
{
	return true;
}

/* Loads and looks of all kinds, against samples in a list. */
void window_at_random(void)
{
	const struct trial trial = {
		.name = "the demand window", .start = start_window, .step = do_window,
		.finish = finish_window, .nsteps = 20 * opt_ops,
	};

	trial_run(&trial);
}
