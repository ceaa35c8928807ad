// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module is unloaded while its scavenger works, waits or is called for.
 */
#include "pressure.h"

#include <stdio.h>

/* What may be missing after many rounds, for reasons that are not the module's. */
#define NOISE	(8 * MIB)

/* Unloading waits for a batch, not for all the work that there is. */
#define UNLOAD_SECONDS	2

static void leave_idle_memory(uint64_t nbytes)
{
	struct holder holder = { 0 };

	holder_fill(&holder, nbytes);
	holder_end(&holder);
	CHECK(heap_stat("in_use_pages") == 0);
}

static void unload_in_time(void)
{
	double start = seconds_now();

	module_unload();
	if (seconds_now() - start > UNLOAD_SECONDS * patience())
		FAIL("unloading took %.1f s", seconds_now() - start);
	CHECK_EQ(vm_stat("nr_kernel_misc_reclaimable"), 0);
}

/* What is freed comes to the free lists at its own pace. */
static void check_memory_is_back(uint64_t before)
{
	double deadline = seconds_now() + 10 * patience();

	while (meminfo_bytes("MemFree") + NOISE < before) {
		if (seconds_now() > deadline)
			FAIL("%llu KiB are missing",
			     (unsigned long long)(before - meminfo_bytes("MemFree")) >> 10);
		sleep_ms(100);
	}
}

/* The next step is far away, or there is none. */
static void unload_while_scavenger_waits(void)
{
	static const char *const parameters[] = {
		"retain_percent=0 window_ms=0 pace_permille=1",
		"window_ms=3600000",
		"window_ms=8000",
		"retain_percent=-1",
	};
	uint64_t before = meminfo_bytes("MemFree");
	int rounds = is_short ? 4 : 20, i;

	for (i = 0; i < rounds; i++) {
		module_load("%s", parameters[i % ARRAY_SIZE(parameters)]);
		leave_idle_memory(fill_bytes() / 2);
		if (i % ARRAY_SIZE(parameters) == 0)
			wait_above("scavenge_steps", 0);
		CHECK(heap_stat("idle_pages") > 0);
		unload_in_time();
	}
	check_memory_is_back(before);
}

/* In the midst of a batch: granules of a page make many of them. */
static void unload_while_scavenger_works(void)
{
	uint64_t before = meminfo_bytes("MemFree"), idle, interrupted = 0;
	int rounds = is_short ? 10 : 100, i;
	struct rng rng;

	rng_seed(&rng, 1);
	for (i = 0; i < rounds; i++) {
		module_load("retain_percent=0 window_ms=0 pace_permille=%d granule_order=0",
			    i % 2 ? 1000 : 50);
		leave_idle_memory(fill_bytes() / 16);
		sleep_ms(rng_below(&rng, 8));
		idle = heap_stat("idle_pages");
		interrupted += idle > 0 && heap_stat("scavenge_steps") > 0;
		module_unload();
	}
	test_note("%llu of %d times there was work left", (unsigned long long)interrupted,
		  rounds);
	CHECK(interrupted > 0);
	check_memory_is_back(before);
}

/* While the system takes memory from the heap, by all ways that it has. */
static void unload_under_pressure(void)
{
	uint64_t before = meminfo_bytes("MemFree"), kills = vm_stat("oom_kill"), reclaimed = 0;
	int rounds = is_short ? 2 : 10, i;

	for (i = 0; i < rounds; i++) {
		module_load("retain_percent=-1");
		leave_idle_memory(fill_bytes());
		eater_start(meminfo_bytes("MemFree") + cache_bytes() +
			    heap_bytes("idle_pages") / 2);
		while (!heap_stat("scavenged_reclaim_pages"))
			sleep_ms(1);
		reclaimed += heap_stat("scavenged_reclaim_pages");
		module_unload();
		CHECK(eater_reaches());
		eater_end();
	}
	test_note("%llu MiB had been taken when it was unloaded",
		  (unsigned long long)(reclaimed * page_size / MIB));
	CHECK_EQ(vm_stat("oom_kill"), kills);
	check_memory_is_back(before);
}

static const struct test_case cases[] = {
	CASE(unload_while_scavenger_waits),
	CASE(unload_while_scavenger_works),
	CASE(unload_under_pressure),
};

const struct test_suite unload_suite = SUITE(cases);
