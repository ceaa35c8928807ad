// SPDX-License-Identifier: GPL-2.0-only
/*
 * When a heap gives memory back, by a clock that the test has in its hand: how far, how
 * fast, and when not at all.
 */
#include <linux/time64.h>

#include "heap_world.h"

#define SECOND	((u64)NSEC_PER_SEC)
#define MS	((u64)NSEC_PER_MSEC)

static unsigned long granule(void)
{
	return hw.model.granule;
}

static unsigned long idle_pages(void)
{
	return span_heap_idle_pages(hw.heap);
}

static unsigned long backed_pages(void)
{
	return hw.heap->backed_granules << hw.heap->granule_order;
}

static u64 epoch(void)
{
	return hw.heap->demand.epoch_ns;
}

/* A span of so many granules. */
static bool take(unsigned long ngranules)
{
	return hw_alloc(ngranules * granule(), 0, 0, GFP_KERNEL);
}

/* The last one goes. */
static bool drop(void)
{
	return hw_free(hw.nlive - 1);
}

/* A heap that needed @base granules and @load more for long, and since now @base alone. */
static bool load_ends(const struct geometry *geometry, unsigned long base, unsigned long load)
{
	return hw_create(geometry) && take(base) && take(load) &&
	       hw_pass(2 * MS * geometry->window_ms + MS) && drop();
}

/* All steps up to where the scavenger rests; returns when it gave back last. */
static u64 run_to_rest(void)
{
	unsigned long was = hw.heap->backed_granules;
	u64 last = hw.keeper.now;

	while (hw.keeper.pending && !ktap_failures) {
		EXPECT(hw_pass(max(hw.keeper.due, hw.keeper.now) - hw.keeper.now), "time");
		if (hw.heap->backed_granules != was)
			last = hw.keeper.now;
		was = hw.heap->backed_granules;
	}
	return last;
}

/* For a minute and an hour after it came to rest: nobody steps, and nobody is woken. */
static void sleeps(void)
{
	unsigned long nsteps = hw.keeper.nsteps, nwakes = hw.keeper.nwakes;

	EXPECT(hw_pass(60 * SECOND) && hw_pass(3600 * SECOND), "time");
	EXPECT_EQ(hw.keeper.nsteps, nsteps);
	EXPECT_EQ(hw.keeper.nwakes, nwakes);
	EXPECT_EQ(hw.heap->stat.scavenge_steps, nsteps);
}

/* Of the granules above the first @base, the lowest are backed, and no others. */
static void highest_went(unsigned long base)
{
	unsigned long i, n = hw.heap->arenas.npages / granule(), nbacked = hw.heap->backed_granules;

	for (i = 0; i < n; i++) {
		bool expected = i < nbacked;

		if (!EXPECT(span_granule_backed(span_granule_at(&hw.heap->arenas, i)) == expected,
			    "granule %lu of %lu backed ones", i, nbacked))
			return;
	}
	EXPECT(nbacked >= base, "%lu", nbacked);
}

/*
 * One load's end. Nothing goes while the window remembers the load; then what is above the
 * share goes within the time that the pace gives to the work, and not a granule more.
 */
static void one_fall(const struct geometry *geometry)
{
	const unsigned long base = 5, load = 40;
	unsigned long share, ngone;
	u64 start, window, work;

	if (!EXPECT(load_ends(geometry, base, load), "scene"))
		return;
	start = hw.keeper.now;
	window = geometry->retain ? geometry->window_ms * MS : 0;
	share = base * granule() * geometry->retain / 100;
	ngone = load - min(load, share / granule());
	work = ngone * geometry->give_ns * 1000 / geometry->pace;
	if (window) {
		EXPECT(hw_pass(window / 16 * 14), "time");
		EXPECT_EQ(idle_pages(), load * granule());
	}
	EXPECT(hw_pass(start + window + work + geometry->give_ns - hw.keeper.now), "time");
	EXPECT_EQ(idle_pages(), (load - ngone) * granule());
	EXPECT_EQ(hw.heap->stat.scavenge_ns, ngone * geometry->give_ns);
	EXPECT_EQ(hw.heap->stat.scavenged_pages, ngone * granule());
	highest_went(base);
	run_to_rest();
	EXPECT(hw.keeper.now <= start + window + work + 16 * geometry->give_ns * 1000 /
	       geometry->pace + epoch(), "it rests late");
	sleeps();
	EXPECT_EQ(idle_pages(), (load - ngone) * granule());
	hw_destroy();
}

void load_falls_to_the_goal(void)
{
	static const unsigned int windows[] = { 0, 1, 100, 32000 }, paces[] = { 1, 10, 1000 };
	static const unsigned int orders[] = { 0, 3, 9 };
	static const int retains[] = { 0, 10, 50, 250 };
	static const u64 costs[] = { 1, 40000, 3000000 };
	unsigned int i, ncases = 4 * 3 * 3 * 4 * 3;

	for (i = 0; i < ncases && !ktap_failures; i++) {
		const struct geometry geometry = {
			.keeper = true, .window_ms = windows[i % 4], .pace = paces[i / 4 % 3],
			.order = orders[i / 12 % 3], .retain = retains[i / 36 % 4],
			.give_ns = costs[i / 144], .arena = 1UL << orders[i / 12 % 3] << 5,
			.limit = 64UL << orders[i / 12 % 3],
		};

		one_fall(&geometry);
		if (ktap_failures)
			ktap_note("window %u, pace %u, order %u, retain %d, cost %llu",
				  geometry.window_ms, geometry.pace, geometry.order,
				  geometry.retain, (unsigned long long)geometry.give_ns);
	}
	EXPECT_EQ(i, 432);
}

/* Its own time is the share of all time that it may be, and not much less than that. */
void work_keeps_the_pace(void)
{
	static const unsigned int paces[] = { 1, 10, 100, 500, 999, 1000 };
	static const u64 costs[] = { 500, 50000, 6000000 };
	struct geometry geometry = {
		.order = 0, .arena = 1024, .limit = 1000, .retain = 0, .keeper = true,
	};
	u64 start, elapsed, spent, batch;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(paces) * ARRAY_SIZE(costs) && !ktap_failures; i++) {
		geometry.pace = paces[i % ARRAY_SIZE(paces)];
		geometry.give_ns = costs[i / ARRAY_SIZE(paces)];
		REQUIRE(load_ends(&geometry, 1, 640), "scene");
		start = hw.keeper.now;
		elapsed = run_to_rest() - start;
		spent = hw.heap->stat.scavenge_ns;
		batch = 16 * geometry.give_ns;
		EXPECT_EQ(spent, 640 * geometry.give_ns);
		EXPECT((spent - batch) * 1000 <= elapsed * geometry.pace &&
		       spent * 2000 >= elapsed * geometry.pace,
		       "pace %u, cost %llu: %llu ns of %llu", geometry.pace,
		       (unsigned long long)geometry.give_ns, (unsigned long long)spent,
		       (unsigned long long)elapsed);
		/* A batch and its pause, forty times, and a look at the end. */
		EXPECT_EQ(hw.keeper.nsteps, 41);
		hw_destroy();
	}
	EXPECT_EQ(i, 18);
}

/* What took a second was somebody else's second. */
void preempted_batch(void)
{
	const struct geometry geometry = {
		.order = 0, .arena = 1024, .limit = 1000, .retain = 0, .keeper = true,
		.pace = 10, .give_ns = SECOND,
	};

	REQUIRE(load_ends(&geometry, 1, 20), "scene");
	EXPECT(hw_pass(0), "a step");
	EXPECT_EQ(hw.heap->stat.scavenged_pages, 16);
	EXPECT_EQ(hw.keeper.due - hw.keeper.now, 100 * MS * 99);
	hw_destroy();
}

/* A heap that has nothing above its share wakes nobody; a free that makes it so does, once. */
void free_wakes_once(void)
{
	const struct geometry geometry = {
		.order = 3, .arena = 64, .limit = 1000, .retain = 10, .keeper = true,
		.window_ms = 32000, .give_ns = 1000,
	};
	unsigned int i;

	REQUIRE(hw_create(&geometry), "no heap");
	sleeps();
	for (i = 0; i < 24; i++)
		REQUIRE(take(1), "scene");
	sleeps();
	/* 23 granules and then 22 are in use: 2.3 and 2.2 may be idle. */
	REQUIRE(drop() && drop(), "scene");
	EXPECT_EQ(hw.keeper.nwakes, 0);
	sleeps();
	REQUIRE(drop(), "the third is too much");
	EXPECT_EQ(hw.keeper.nwakes, 1);
	EXPECT_EQ(hw.keeper.due - hw.keeper.now, 2 * SECOND);
	while (hw.nlive > 3)
		REQUIRE(drop(), "scene");
	EXPECT_EQ(hw.keeper.nwakes, 1);
	EXPECT(hw_verify_all(), "after");
	run_to_rest();
	EXPECT_EQ(idle_pages(), 0);
	sleeps();
	/* All that was to be had is taken by others: nothing left to do. */
	REQUIRE(take(8) && hw_pass(40 * SECOND) && drop(), "scene");
	EXPECT_EQ(hw.keeper.nwakes, 2);
	REQUIRE(take(8) && hw_pass(2 * SECOND), "taken again");
	run_to_rest();
	EXPECT_EQ(hw.heap->stat.scavenged_pages, (24 - 3) * 8);
	sleeps();
	hw_destroy();
}

/* The share falls with what is in use, also where no page becomes free. */
void quarantine_wakes(void)
{
	const struct geometry geometry = {
		.order = 3, .arena = 64, .limit = 1000, .retain = 10, .keeper = true,
	};

	REQUIRE(hw_create(&geometry) && take(20) && take(2) && drop() && hw_pass(SECOND), "scene");
	EXPECT_EQ(hw.keeper.nsteps, 0);
	EXPECT_EQ(idle_pages(), 16);
	REQUIRE(hw_quarantine(0), "scene");
	EXPECT_EQ(hw.keeper.nwakes, 1);
	run_to_rest();
	EXPECT_EQ(idle_pages(), 0);
	hw_destroy();
}

/**
 * struct wave - a load that comes and goes
 * @on: how long it is there
 * @off: how long it is not
 * @n: how often
 */
struct wave {
	u64 on;
	u64 off;
	unsigned int n;
};

/* Granules that were taken from the second time on. */
static unsigned long taken_in(const struct geometry *geometry, const struct wave *wave)
{
	unsigned long before = 0;
	unsigned int i;

	if (!EXPECT(hw_create(geometry) && take(10) && hw_pass(100 * SECOND), "scene"))
		return 0;
	for (i = 0; i < wave->n && !ktap_failures; i++) {
		EXPECT(take(30) && take(10) && hw_pass(wave->on) && drop() && drop() &&
		       hw_pass(wave->off), "time %u", i);
		if (!i)
			before = hw.heap->stat.backed;
	}
	EXPECT(take(40) && hw_pass(5 * SECOND) && hw_verify_all(), "the last time");
	return hw.heap->stat.backed - before;
}

static const struct geometry windowed = {
	.order = 3, .arena = 512, .limit = 1000, .retain = 10, .keeper = true,
	.window_ms = 32000, .give_ns = 20000, .pace = 10,
};

/* The same load on a heap with a window and one without: what is saved is what is said. */
void waves_are_kept(void)
{
	static const struct wave waves[] = {
		{ 350 * MS, 400 * MS, 90 }, { 2 * SECOND, 2 * SECOND, 40 },
		{ 4 * SECOND, 4 * SECOND, 20 }, { 10 * SECOND, 10 * SECOND, 15 },
		{ 5 * SECOND, 25 * SECOND, 10 },
	};
	struct geometry windowless = windowed;
	unsigned long taken, reused;
	unsigned int i;

	windowless.window_ms = 0;
	for (i = 0; i < ARRAY_SIZE(waves) && !ktap_failures; i++) {
		EXPECT_EQ(taken_in(&windowed, &waves[i]), 0);
		EXPECT_EQ(hw.heap->stat.scavenged_pages, 0);
		reused = hw.heap->stat.kept_reused_pages / granule();
		hw_destroy();
		taken = taken_in(&windowless, &waves[i]);
		/* One of the 40 stays as the share of the ten in use. */
		EXPECT_EQ(taken, 39 * waves[i].n);
		EXPECT_EQ(hw.heap->stat.kept_reused_pages, 0);
		hw_destroy();
		/* Of the peak of fifty it would be five. */
		EXPECT_EQ(reused, 35 * waves[i].n);
	}
}

/* What does not come back within the window was kept in vain, and goes. */
void rare_waves_go(void)
{
	const struct wave rare = { 10 * SECOND, 40 * SECOND, 6 };

	EXPECT_EQ(taken_in(&windowed, &rare), 39 * 6);
	EXPECT_EQ(hw.heap->stat.kept_reused_pages, 0);
	hw_destroy();
}

/* A spike goes when the short part of the window has passed; its share, with the window. */
void spike_goes(void)
{
	REQUIRE(hw_create(&windowed) && take(10) && hw_pass(100 * SECOND), "scene");
	REQUIRE(take(90) && hw_pass(SECOND / 2) && drop(), "spike");
	EXPECT(hw_pass(6 * SECOND), "time");
	EXPECT_EQ(backed_pages(), 100 * 8);
	EXPECT(hw_pass(3 * SECOND), "time");
	/* A tenth of 100 granules stays idle. */
	EXPECT_EQ(backed_pages(), (10 + 10) * 8);
	EXPECT(hw_pass(20 * SECOND), "time");
	EXPECT_EQ(backed_pages(), (10 + 10) * 8);
	EXPECT(hw_pass(5 * SECOND), "time");
	EXPECT_EQ(backed_pages(), (10 + 1) * 8);
	sleeps();
	hw_destroy();
}

/* Memory follows a load that falls step by step, a window behind at most. */
void slow_decline(void)
{
	unsigned int i, second;

	REQUIRE(hw_create(&windowed), "no heap");
	for (i = 0; i < 100; i++)
		REQUIRE(take(1), "scene");
	for (second = 0; second < 320 && !ktap_failures; second += 4) {
		unsigned long before = min(100 - second / 4 + 8 + 1, 100U);

		REQUIRE(drop() && hw_pass(4 * SECOND), "decline");
		EXPECT(backed_pages() / 8 <= max(before, hw.nlive + (before + 9) / 10),
		       "at %u s, %lu granules are backed, %zu are in use", second,
		       backed_pages() / 8, hw.nlive);
	}
	EXPECT_EQ(hw.heap->stat.backed, 100);
	EXPECT(hw.heap->stat.scavenged_pages >= 70 * 8, "%llu pages",
	       (unsigned long long)hw.heap->stat.scavenged_pages);
	hw_destroy();
}

/* Who retains nothing waits for nothing, whatever its window. */
void nothing_is_retained(void)
{
	struct geometry geometry = windowed;

	geometry.retain = 0;
	REQUIRE(load_ends(&geometry, 10, 20), "scene");
	EXPECT_EQ(hw.keeper.due, hw.keeper.now);
	EXPECT(hw_pass(20 * 20000 * 100) && hw_verify_all(), "time");
	EXPECT_EQ(idle_pages(), 0);
	run_to_rest();
	sleeps();
	hw_destroy();
}

/* Who retains all gives back what is asked for. */
void all_is_retained(void)
{
	struct geometry geometry = windowed;

	geometry.retain = -1;
	REQUIRE(load_ends(&geometry, 10, 20) && hw_pass(100 * SECOND), "scene");
	EXPECT_EQ(hw.keeper.nwakes, 0);
	EXPECT_EQ(idle_pages(), 20 * 8);
	REQUIRE(hw_alloc(8, 512, 0, GFP_KERNEL), "takes more");
	EXPECT_EQ(hw.heap->stat.scavenged_pages, 0);
	REQUIRE(hw_scavenge(5 * 8) && hw_reclaim(3 * 8 - 1) && hw_verify_all(), "requests");
	EXPECT_EQ(idle_pages(), 12 * 8);
	REQUIRE(drop() && hw_reclaim(~0UL) && hw_verify_all(), "all of it");
	EXPECT_EQ(idle_pages(), 0);
	EXPECT_EQ(hw.keeper.nwakes, 0);
	hw_destroy();
}

/* An allocation that takes a granule gives back two at most, and nothing below the goal. */
void taking_gives_back_two(void)
{
	struct geometry geometry = windowed;

	geometry.retain = 20;
	geometry.window_ms = 0;
	/* The clock stands still, so that no step is made. 10 granules, 20 idle ones, 2. */
	REQUIRE(hw_create(&geometry) && take(10) && take(20) && take(2) && hw_free(1), "scene");
	REQUIRE(hw_alloc(8, 512, 0, GFP_KERNEL), "takes one");
	EXPECT_EQ(idle_pages(), 18 * 8);
	REQUIRE(hw_alloc(8, 256, 0, GFP_KERNEL), "takes one");
	EXPECT_EQ(idle_pages(), 16 * 8);
	REQUIRE(hw_alloc(8, 128, 0, GFP_KERNEL) && drop(), "finds one");
	EXPECT_EQ(idle_pages(), 16 * 8);
	EXPECT_EQ(hw.heap->stat.scavenged_inline_pages, 4 * 8);
	/* Takes 21. With 35 in use, 7 may be idle. */
	REQUIRE(take(21) && hw_verify_all(), "takes many");
	EXPECT_EQ(idle_pages(), 7 * 8);
	EXPECT_EQ(hw.heap->stat.scavenged_inline_pages, 13 * 8);
	REQUIRE(hw_alloc(8, 64, 0, GFP_ATOMIC) && hw_verify_all(), "may not sleep");
	EXPECT_EQ(hw.heap->stat.scavenged_inline_pages, 13 * 8);
	EXPECT_EQ(hw.keeper.nsteps, 0);
	hw_destroy();
}

/* Another policy holds at once, also for a scavenger that waits by the old one. */
void policies_change(void)
{
	/* Two days of window: the next look would be in hours. */
	REQUIRE(hw_create(&windowed) && take(10) && hw_set_policy(10, 200000000, 10) &&
		take(40) && hw_pass(SECOND) && drop() && hw_verify_all(), "patience");
	EXPECT(hw.keeper.due > hw.keeper.now + 3600 * SECOND, "impatience");
	/* Of the same window another pace is no reason to forget what it remembers. */
	REQUIRE(hw_set_policy(10, 200000000, 1000) && hw_pass(SECOND) && hw_verify_all(),
		"haste");
	EXPECT_EQ(hw.heap->stat.scavenged_pages, 0);
	EXPECT_EQ(idle_pages(), 40 * 8);
	REQUIRE(hw_set_policy(50, 0, 10) && hw_pass(0), "none");
	EXPECT_EQ(hw.heap->stat.scavenged_pages, 16 * 8);
	run_to_rest();
	EXPECT_EQ(idle_pages(), 5 * 8);
	sleeps();
	REQUIRE(hw_set_policy(-1, 0, 10) && hw_verify_all(), "keeps all");
	sleeps();
	REQUIRE(take(40) && drop(), "scene");
	sleeps();
	/* Nothing was freed, but there is something to do now. */
	REQUIRE(hw_set_policy(0, 32000, 1000) && hw_verify_all(), "keeps nothing");
	EXPECT_EQ(hw.keeper.due, hw.keeper.now);
	run_to_rest();
	EXPECT_EQ(idle_pages(), 0);
	sleeps();
	hw_destroy();
}
