// SPDX-License-Identifier: GPL-2.0-only
/*
 * The scavenger on the kernel's own clock: it comes to the goal in time, and then rests.
 */
#include "pressure.h"

#include <stdio.h>

#define WINDOW_MS	2000
#define PACE_PERMILLE	100

/* How long nothing may happen. */
#define REST_SECONDS	(is_short ? 5 : 60)

/* No step for so long is rest: more than the window, and than two looks at the caches. */
#define QUIET_MS	5000

/* Each step is a work item that has to be woken by a timer, on a machine that is busy. */
#define STEP_MS		50

/* Nothing is above the share that is kept of what is in use, which time does not change. */
static bool is_at_rest(void)
{
	return heap_stat("idle_pages") <= heap_stat("in_use_pages") / 10;
}

/* The window, the work at its pace, and twice that for a machine that has others to serve. */
static double seconds_allowed(void)
{
	double work = heap_stat("scavenge_ns") / 1e9 * 1000 / PACE_PERMILLE;
	double steps = heap_stat("scavenge_steps") * STEP_MS / 1000.0;

	return 2 * patience() * (WINDOW_MS / 1000.0 * 5 / 4 + work + steps);
}

static void memory_is_kept_for_the_window_and_no_longer(void)
{
	struct holder holder = { 0 };
	double start, took;
	uint64_t idle;

	module_load("window_ms=%d pace_permille=%d", WINDOW_MS, PACE_PERMILLE);
	holder_fill(&holder, fill_bytes());
	start = seconds_now();
	holder_thin_out(&holder);
	idle = heap_stat("idle_pages");
	CHECK(idle > heap_stat("backed_pages") / 2);
	/* It was all needed within the first eighth of the window. */
	if (seconds_now() < start + WINDOW_MS / 1000.0 / 8)
		CHECK(heap_stat("goal_pages") >= idle);
	while (!is_at_rest()) {
		if (seconds_now() - start > 10 + seconds_allowed())
			FAIL("%llu pages are idle after %.1f s, goal %llu",
			     (unsigned long long)heap_stat("idle_pages"),
			     seconds_now() - start, (unsigned long long)heap_stat("goal_pages"));
		sleep_ms(20);
	}
	took = seconds_now() - start;
	test_note("%.1f s to the goal, %.1f allowed; %llu steps, %llu ms of work", took,
		  seconds_allowed(), (unsigned long long)heap_stat("scavenge_steps"),
		  (unsigned long long)heap_stat("scavenge_ns") / 1000000);
	CHECK(took <= seconds_allowed());
	CHECK(heap_stat("scavenged_pages") >= idle - holder.npages);
	CHECK_EQ(heap_stat("scavenged_reclaim_pages"), 0);
	holder_verify(&holder);
	holder_end(&holder);
	module_unload();
}

/* Once nothing is left to do, nothing is done; statistics may be read all the time. */
static void rest_is_not_disturbed(void)
{
	double deadline;
	uint64_t steps;

	steps = heap_stat("scavenge_steps");
	deadline = seconds_now() + REST_SECONDS;
	while (seconds_now() < deadline) {
		sleep_ms(1000);
		CHECK_EQ(heap_stat("scavenge_steps"), steps);
	}
}

/* The goal is reached, and all that was parked is back, when for a while no step is made. */
static uint64_t wait_for_rest(void)
{
	double deadline = seconds_now() + 60 * patience();
	uint64_t last;

	do {
		CHECK(seconds_now() < deadline);
		last = heap_stat("scavenge_steps");
		sleep_ms(QUIET_MS * patience());
	} while (heap_stat("scavenge_steps") != last || heap_stat("cached_pages"));
	return last;
}

/* It wakes again when there is something to do, with nothing kept of nothing in use. */
static void wait_for_nothing(uint64_t last)
{
	double deadline = seconds_now() + 30 * patience();

	wait_above("scavenge_steps", last);
	while (heap_stat("idle_pages") || heap_stat("cached_pages")) {
		CHECK(seconds_now() < deadline);
		sleep_ms(50);
	}
}

static void heap_is_not_woken(uint64_t cache_pages)
{
	struct holder holder = { 0 };
	uint64_t last;

	module_load("window_ms=800 pace_permille=1000 cache_pages=%llu",
		    (unsigned long long)cache_pages);
	/* A heap that nobody has used. */
	CHECK_EQ(heap_stat("scavenge_steps"), 0);
	holder_fill(&holder, 16 * MIB);
	holder_thin_out(&holder);
	CHECK_EQ(heap_stat("cached_pages") > 0, cache_pages > 0);
	wait_above("scavenge_steps", 0);
	last = wait_for_rest();
	CHECK(is_at_rest());
	rest_is_not_disturbed();
	holder_end(&holder);
	wait_for_nothing(last);
	module_unload();
}

static void idle_heap_is_not_woken(void)
{
	heap_is_not_woken(0);
}

/* With what a heap has by default (SPANALLOC_CACHE_DEFAULT). */
static void idle_heap_with_caches_is_not_woken(void)
{
	heap_is_not_woken(16 * MIB / page_size);
}

static const struct test_case cases[] = {
	CASE(memory_is_kept_for_the_window_and_no_longer),
	CASE(idle_heap_is_not_woken),
	CASE(idle_heap_with_caches_is_not_woken),
};

const struct test_suite rest_suite = SUITE(cases);
