// SPDX-License-Identifier: GPL-2.0-only
/*
 * A neighbour eats memory until what is idle in the heap has to come back.
 */
#include "pressure.h"

#include <stdio.h>

/* So much of what the machine has is left to itself where nobody is to be killed. */
#define MARGIN	(24 * MIB)

/* What the kernel calls so; then counting changes nothing. */
#define NOTIFY_OK	1

#define CHURN_PAGES	256
#define NWORKERS	3

/* A heap of which most is idle, and what there was before anybody needed it. */
static struct holder holder;
static uint64_t idle, backed, kills;

static void make_idle(void)
{
	uint64_t nbytes = fill_bytes();

	read_disk(32 * MIB);
	holder_fill(&holder, nbytes);
	holder_thin_out(&holder);
	idle = heap_bytes("idle_pages");
	backed = heap_bytes("backed_pages");
	kills = vm_stat("oom_kill");
	CHECK(idle >= nbytes / 2);
	CHECK(idle < backed);
	test_note("%llu MiB idle of %llu, %llu MiB free, %llu MiB in the page cache",
		  (unsigned long long)(idle / MIB), (unsigned long long)(backed / MIB),
		  (unsigned long long)(meminfo_bytes("MemFree") / MIB),
		  (unsigned long long)(cache_bytes() / MIB));
}

static void nobody_was_killed(void)
{
	CHECK_EQ(vm_stat("oom_kill"), kills);
}

static void check_whole(void)
{
	holder_verify(&holder);
	CHECK(dev_heap_is_sound());
}

/* More than is free and cached, by half of what is idle: the heap has to make up for it. */
static uint64_t too_much(void)
{
	return meminfo_bytes("MemFree") + cache_bytes() + idle / 2;
}

static void squeeze(void)
{
	uint64_t reclaimed = heap_bytes("scavenged_reclaim_pages"), now;

	eater_start(too_much());
	if (!eater_reaches())
		FAIL("the eater was killed, with %llu MiB idle in the heap",
		     (unsigned long long)(heap_bytes("idle_pages") / MIB));
	nobody_was_killed();
	reclaimed = heap_bytes("scavenged_reclaim_pages") - reclaimed;
	now = heap_bytes("backed_pages");
	test_note("%llu MiB came back, %llu MiB are idle still",
		  (unsigned long long)(reclaimed / MIB),
		  (unsigned long long)(heap_bytes("idle_pages") / MIB));
	CHECK(reclaimed >= idle / 4);
	CHECK(backed - now >= idle / 4);
	CHECK(backed - now <= reclaimed);
}

/* While others allocate, too, in granules that are not idle. The shrinker suffices. */
static void squeeze_with_users(void)
{
	uint64_t allocated;

	mute_load("spanalloc:keeper_oom", NOTIFY_OK);
	worker_start(CHURN_PAGES);
	squeeze();
	CHECK_EQ(mute_count(), 0);
	CHECK_OK(mute_try_unload());
	allocated = workers_allocated();
	sleep_ms(is_short ? 100 : 1000);
	workers_stop();
	CHECK(workers_allocated() > allocated);
	nobody_was_killed();
	eater_end();
	check_whole();
	holder_end(&holder);
}

/* Nothing but the system's need takes memory from this heap. */
static void idle_comes_back_to_a_neighbour(void)
{
	module_load("retain_percent=-1");
	make_idle();
	squeeze_with_users();
	CHECK_EQ(heap_stat("scavenged_pages"), heap_stat("scavenged_reclaim_pages"));
	module_unload();
}

/* The heap has a reason to keep it: it was needed a moment ago. */
static void kept_memory_comes_back_too(void)
{
	module_load("window_ms=3600000");
	make_idle();
	CHECK(heap_bytes("goal_pages") >= idle);
	CHECK_EQ(heap_stat("scavenged_pages"), 0);
	squeeze_with_users();
	module_unload();
}

/* What is parked for processors is given up when the system reclaims, after what is idle. */
static void parked_memory_comes_back_too(void)
{
	int i;

	module_load("retain_percent=-1 cache_pages=512");
	make_idle();
	CHECK(heap_stat("cached_pages") > 0);
	squeeze();
	eater_end();
	/* That was more than what is idle, or not. What is little is not asked for each time. */
	for (i = 0; i < 20 && heap_stat("cached_pages"); i++)
		tell("/proc/sys/vm/drop_caches", "2");
	CHECK_EQ(heap_stat("cached_pages"), 0);
	check_whole();
	holder_end(&holder);
	module_unload();
}

/* The shrinker says that there is nothing: what is idle comes back before anybody is killed. */
static void notifier_is_the_last_resort(void)
{
	uint64_t muted;

	module_load("retain_percent=-1");
	make_idle();
	mute_load("spanalloc:keeper_count", 0);
	muted = mute_count();
	squeeze();
	CHECK(mute_count() > muted);
	/* All at once, as only the notifier does. */
	CHECK_EQ(heap_stat("idle_pages"), 0);
	CHECK_EQ(heap_bytes("scavenged_reclaim_pages"), idle);
	CHECK_OK(mute_try_unload());
	eater_end();
	check_whole();
	holder_end(&holder);
	module_unload();
}

/* What the OOM killer's report says of idle pages, counted before anyone was killed. */
static void report_says_nothing_is_idle(void)
{
	static const char name[] = "kernel_misc_reclaimable:";
	unsigned long long n = ~0ULL;
	char line[512], *at;
	bool killed = false;

	while (!killed && log_line(line, sizeof(line))) {
		at = strstr(line, name);
		if (at)
			CHECK_EQ(sscanf(at + strlen(name), "%llu", &n), 1);
		killed = strstr(line, "Out of memory: Killed process");
	}
	CHECK(killed);
	CHECK(n < granule_bytes() / page_size);
}

static void eat_until_killed(void)
{
	eater_start(4 * meminfo_bytes("MemTotal"));
	CHECK(!eater_reaches());
}

/* When somebody has to be killed at last, nothing is idle any more. */
static void killing_begins_where_idle_ends(void)
{
	module_load("retain_percent=-1");
	make_idle();
	console_quiet();
	log_mark();
	eat_until_killed();
	CHECK_EQ(heap_stat("idle_pages"), 0);
	CHECK_EQ(vm_stat("oom_kill"), kills + 1);
	report_says_nothing_is_idle();
	CHECK(heap_bytes("scavenged_reclaim_pages") >= idle);
	check_whole();
	/* And the heap goes on. */
	holder_fill(&holder, holder.npages * page_size + 16 * MIB);
	check_whole();
	holder_end(&holder);
	module_unload();
}

/* The neighbour has nearly everything, and the heap wants the rest. */
static void users_see_nothing_but_enomem(void)
{
	uint64_t had;

	module_load("max_pages=%llu",
		    (unsigned long long)(2 * meminfo_bytes("MemTotal") / page_size));
	make_idle();
	console_quiet();
	eater_start(meminfo_bytes("MemFree") + idle - MARGIN);
	CHECK(eater_reaches());
	nobody_was_killed();
	had = holder.npages;
	while (holder_try_add(&holder, 256))
		;
	CHECK_EQ(errno, ENOMEM);
	CHECK(heap_stat("fails_memory") > 0);
	test_note("%llu pages more, then ENOMEM", (unsigned long long)(holder.npages - had));
	check_whole();
	CHECK_EQ(heap_stat("in_use_pages"), holder.npages);
	CHECK_EQ(heap_stat("claimed_pages"), 0);
	holder_end(&holder);
	/* Or he was killed, since somebody needed a page at the wrong moment. */
	eater_end();
	module_unload();
}

/* One who fills the heap and leaves it, then one who needs what was left. */
static void come_and_go(uint64_t fills, uint64_t eats)
{
	holder_fill(&holder, fills);
	holder_verify(&holder);
	holder_end(&holder);
	eater_start(eats);
	if (!eater_reaches())
		FAIL("the eater was killed, with %llu MiB idle in the heap",
		     (unsigned long long)(heap_bytes("idle_pages") / MIB));
	eater_end();
	nobody_was_killed();
	CHECK(dev_heap_is_sound());
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Everybody comes and goes: nobody is killed, and all contents are right. */
static void everybody_comes_and_goes(void)
{
	double end = seconds_now() + (is_short ? 3 : 30);
	uint64_t limit, there, fills, eats, reclaimed;
	unsigned int rounds;
	int i;

	kills = vm_stat("oom_kill");
	there = meminfo_bytes("MemFree") + cache_bytes();
	fills = there / 3;
	limit = least(16 * MIB, there / 24) / page_size;
	/* Less what the workers have at most, with what is lost between spans. */
	eats = there - NWORKERS * limit * page_size * 3 / 2 - least(MARGIN, there / 12);
	/* However slow the machine is, the window does not pass before the system asks. */
	module_load("window_ms=3600000 max_pages=%llu",
		    (unsigned long long)(2 * meminfo_bytes("MemTotal") / page_size));
	for (i = 0; i < NWORKERS; i++)
		worker_start(limit);
	for (rounds = 0; rounds < 2 || seconds_now() < end; rounds++)
		come_and_go(fills, eats);
	workers_stop();
	reclaimed = heap_bytes("scavenged_reclaim_pages");
	test_note("%u rounds, %llu spans of others, %llu MiB were taken back", rounds,
		  (unsigned long long)workers_allocated(), (unsigned long long)(reclaimed / MIB));
	CHECK(workers_allocated() >= 20);
	CHECK(reclaimed >= rounds * fills / 4);
	nobody_was_killed();
	CHECK_EQ(heap_stat("in_use_pages"), 0);
	CHECK(dev_heap_is_sound());
	module_unload();
}

static const struct test_case cases[] = {
	CASE(idle_comes_back_to_a_neighbour),
	CASE(kept_memory_comes_back_too),
	CASE(parked_memory_comes_back_too),
	CASE(notifier_is_the_last_resort),
	CASE(killing_begins_where_idle_ends),
	CASE(users_see_nothing_but_enomem),
	CASE(everybody_comes_and_goes),
};

const struct test_suite squeeze_suite = SUITE(cases);
