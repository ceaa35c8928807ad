// SPDX-License-Identifier: GPL-2.0-only
/*
 * Giving memory back while others are at work: the system that wants it, steps inside of
 * allocations and allocations inside of steps; and what it costs, and leaves alone.
 */
#define _GNU_SOURCE	/* pthread_timedjoin_np() */
#include <limits.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/smp.h>
#include <linux/time64.h>

#include "cache.h"

#include "cache_world.h"

#define SECOND	((u64)NSEC_PER_SEC)
/* A thread that is not ready by then waits. */
#define WAIT_SECONDS	30

static const struct geometry windowed = {
	.order = 3, .arena = 512, .limit = 1000, .retain = 10, .keeper = true,
	.window_ms = 32000, .give_ns = 20000, .pace = 10,
};

static struct span *in_use;

static unsigned long idle_pages(void)
{
	return span_heap_idle_pages(hw.heap);
}

/* 10 granules in use and 40 idle, which the window keeps. */
static bool scene(void)
{
	return hw_create(&windowed) && hw_alloc(80, 0, 0, GFP_KERNEL) &&
	       hw_alloc(320, 0, 0, GFP_KERNEL) && hw_pass(64 * SECOND) && hw_free(1) &&
	       EXPECT_EQ(idle_pages(), 320);
}

/* The system gets what it wants, goal or not; and the scavenger finds nothing, and rests. */
void reclaim_knows_no_goal(void)
{
	REQUIRE(scene(), "scene");
	REQUIRE(hw_reclaim(0) && hw_reclaim(1) && hw_reclaim(17), "some");
	EXPECT_EQ(idle_pages(), 320 - 8 - 24);
	REQUIRE(hw_reclaim(~0UL) && hw_verify_all(), "all");
	EXPECT_EQ(idle_pages(), 0);
	EXPECT_EQ(hw.heap->stat.scavenged_reclaim_pages, 320);
	REQUIRE(hw_pass(2 * SECOND) && hw_verify_all(), "a step");
	EXPECT_EQ(hw.heap->stat.scavenge_steps, 1);
	REQUIRE(hw_reclaim(~0UL) && hw_pass(64 * SECOND), "nothing is left");
	EXPECT(!hw.keeper.pending, "it does not rest");
	/* A purge is the same, and waits for the lock. */
	REQUIRE(hw_alloc(320, 0, 0, GFP_KERNEL) && hw_free(1), "again");
	EXPECT_EQ(span_scavenger_purge(hw.heap), 320);
	EXPECT_EQ(model_reclaim(&hw.model, ~0UL), 320);
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

/* As another thread of the machine. */
static void *reclaim_some(void *npages)
{
	return (void *)span_scavenger_reclaim(hw.heap, (unsigned long)npages);
}

static unsigned long reclaim_elsewhere(unsigned long npages)
{
	struct timespec until;
	pthread_t thread;
	void *got;

	pthread_create(&thread, NULL, reclaim_some, (void *)npages);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_SECONDS;
	/* What it waits for would never come. */
	if (!EXPECT(!pthread_timedjoin_np(thread, &got, &until), "it waits"))
		_exit(1);
	return (unsigned long)got;
}

/* It is not known how much there is when somebody else has the lock. */
void reclaim_does_not_wait(void)
{
	unsigned long got;

	REQUIRE(scene(), "scene");
	spin_lock(&hw.heap->lock);
	got = reclaim_elsewhere(8);
	EXPECT_EQ(reclaim_elsewhere(0), 0);
	spin_unlock(&hw.heap->lock);
	EXPECT(got == ULONG_MAX, "%lu", got);
	EXPECT_EQ(idle_pages(), 320);
	EXPECT_EQ(reclaim_elsewhere(8), 8);
	EXPECT_EQ(model_reclaim(&hw.model, 8), 8);
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

static unsigned int ncalls;

static void count_call(int cpu)
{
	ncalls++;
}

/* A span in use, 40 idle granules, and something parked on CPU 0: pages of that. */
static unsigned long parked_scene(void)
{
	struct span *idle, *span[2];

	if (!EXPECT(hw_create(&cw_geometry), "heap"))
		return 0;
	span[0] = cw_get(8);
	span[1] = cw_get(8);
	idle = cw_get(320);
	cw_put(idle);
	in_use = span[0];
	cw_put(span[1]);
	EXPECT_EQ(idle_pages(), 320);
	EXPECT(cw_stats().cached_pages >= 8, "nothing is parked");
	ncalls = 0;
	return cw_stats().cached_pages;
}

/* What reclaim by another thread gives while we have the lock. */
static unsigned long reclaim_beside_the_lock(unsigned long npages)
{
	unsigned long got;

	spin_lock(&hw.heap->lock);
	got = reclaim_elsewhere(npages);
	spin_unlock(&hw.heap->lock);
	return got;
}

/* Nor for somebody who drains, for a CPU that is at work, or where enough is idle. */
void reclaim_does_not_wait_for_caches(void)
{
	unsigned long parked = parked_scene();

	REQUIRE(parked, "scene");
	shim_call_hook = count_call;
	mutex_lock(&hw.heap->cache_drain);
	EXPECT(reclaim_beside_the_lock(8) == ULONG_MAX, "it had the lock");
	EXPECT_EQ(reclaim_elsewhere(160), 160);
	EXPECT_EQ(reclaim_elsewhere(~0UL), 160);
	EXPECT_EQ(reclaim_elsewhere(8), 0);
	mutex_unlock(&hw.heap->cache_drain);
	EXPECT_EQ(ncalls, 0);
	EXPECT_EQ(cw_stats().cached_pages, parked);

	/* Asked once, and left alone. */
	per_cpu_ptr(hw.heap->caches, 0)->busy = true;
	EXPECT(reclaim_beside_the_lock(8) == ULONG_MAX, "it had the lock");
	EXPECT_EQ(ncalls, 0);
	EXPECT_EQ(reclaim_elsewhere(8), 0);
	per_cpu_ptr(hw.heap->caches, 0)->busy = false;
	EXPECT_EQ(ncalls, 1);
	EXPECT_EQ(cw_stats().cached_pages, parked);
	EXPECT_EQ(cw_stats().scavenged_reclaim_pages, 320);
	shim_call_hook = NULL;
	cw_put(in_use);
	cw_end();
}

static sem_t handed_over, lock_taken;

/* Before what is handed over goes to the tree. */
static void let_lock_be_taken_first(int cpu)
{
	sem_post(&handed_over);
	sem_wait(&lock_taken);
}

/*
 * With spans in hand that a CPU has handed over, it waits: they are neither lost nor anybody
 * else's, and go back as soon as the lock is let go of.
 */
void reclaim_waits_with_spans_in_hand(void)
{
	unsigned long parked = parked_scene(), nfree;
	pthread_t thread;
	void *got;

	REQUIRE(parked, "scene");
	sem_init(&handed_over, 0, 0);
	sem_init(&lock_taken, 0, 0);
	shim_called_hook = let_lock_be_taken_first;
	nfree = hw.heap->treap.npages;
	pthread_create(&thread, NULL, reclaim_some, (void *)~0UL);
	sem_wait(&handed_over);
	spin_lock(&hw.heap->lock);
	sem_post(&lock_taken);
	EXPECT_EQ(span_cache_npages(hw.heap), parked);
	EXPECT_EQ(READ_ONCE(hw.heap->handed_pages), parked);
	EXPECT_EQ(hw.heap->treap.npages, nfree);
	spin_unlock(&hw.heap->lock);
	pthread_join(thread, &got);
	shim_called_hook = NULL;
	EXPECT_EQ(cw_stats().cached_pages, 0);
	EXPECT_EQ(hw.heap->treap.npages, nfree + parked);
	EXPECT_EQ((unsigned long)got, 320 + 8);
	EXPECT_EQ(hw.heap->backed_granules, 1);
	cw_put(in_use);
	cw_end();
}

static sem_t after_batch;
static bool first_batch;

static void let_lock_be_taken(void)
{
	if (!first_batch)
		return;
	first_batch = false;
	sem_post(&after_batch);
	sem_wait(&lock_taken);
}

/* What was given back before somebody else took the lock counts. */
void reclaim_ends_at_a_lock(void)
{
	pthread_t thread;
	void *got;

	REQUIRE(scene(), "scene");
	sem_init(&after_batch, 0, 0);
	sem_init(&lock_taken, 0, 0);
	first_batch = true;
	shim_resched_hook = let_lock_be_taken;
	pthread_create(&thread, NULL, reclaim_some, (void *)~0UL);
	sem_wait(&after_batch);
	spin_lock(&hw.heap->lock);
	sem_post(&lock_taken);
	pthread_join(thread, &got);
	spin_unlock(&hw.heap->lock);
	shim_resched_hook = NULL;
	EXPECT_EQ((unsigned long)got, 16 * 8);
	EXPECT_EQ(model_reclaim(&hw.model, 16 * 8), 16 * 8);
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

/* In the middle of something, all the time that the scavenger wants; then reclaim. */
static void scavenge_and_reclaim(void *unused)
{
	fake_keeper_run(&hw.keeper, hw.keeper.now + 100 * SECOND);
	span_scavenger_reclaim(hw.heap, ~0UL);
	EXPECT_EQ(idle_pages(), 0);
}

/* Everything idle goes away under an allocation that was about to use it, or not. */
void steps_inside_an_allocation(void)
{
	struct live mine;
	struct span *span;

	REQUIRE(scene(), "scene");
	hw.fake.hook = scavenge_and_reclaim;
	span = hw_request(60 * 8, 0, SPANALLOC_ZERO, GFP_KERNEL, 7);
	hw.fake.hook = NULL;
	REQUIRE(!IS_ERR(span), "%ld", PTR_ERR(span));
	hw_keep(&mine, span);
	hw_is_zero(&mine);
	EXPECT_EQ(mine.base, 80);
	EXPECT_EQ(hw.heap->backed_granules, 70);
	EXPECT(hw_stamps_are_good(&hw.live[0]) && fake_keeper_agrees(&hw.keeper), "after");
	EXPECT_EQ(span_heap_free(hw.heap, span), 0);
	fake_keeper_run(&hw.keeper, hw.keeper.now + 100 * SECOND);
	EXPECT_EQ(hw.heap->backed_granules, 11);
	EXPECT(fake_keeper_agrees(&hw.keeper), "after");
	EXPECT_EQ(span_heap_free(hw.heap, hw.live[0].span), 0);
	hw_end();
}

static unsigned int nnested;

/* In the middle of a batch: others take what is idle, free, trim and reclaim. */
static void work_inside_a_step(void *unused)
{
	struct span *span = hw_request(300, 0, SPANALLOC_ZERO, GFP_KERNEL, 7);
	struct spanalloc_stats stats;

	nnested++;
	EXPECT(!fake_keeper_step(&hw.keeper), "two steps at a time");
	EXPECT_EQ(PTR_ERR_OR_ZERO(span), 0);
	span_scavenger_reclaim(hw.heap, 8);
	span_heap_scavenge(hw.heap, 8);
	if (!IS_ERR(span))
		EXPECT_EQ(span_heap_free(hw.heap, span), 0);
	span_heap_stats(hw.heap, &stats);
	EXPECT(stats.idle_pages + stats.in_use_pages <= stats.backed_pages, "statistics");
}

void work_inside_of_steps(void)
{
	struct span_report report;

	REQUIRE(scene(), "scene");
	hw.fake.give_hook = work_inside_a_step;
	fake_keeper_run(&hw.keeper, hw.keeper.now + 1000 * SECOND);
	hw.fake.give_hook = NULL;
	EXPECT(nnested > 10, "%u", nnested);
	fake_keeper_run(&hw.keeper, hw.keeper.now + 100 * SECOND);
	EXPECT_EQ(hw.heap->backed_granules, 11);
	EXPECT(fake_keeper_agrees(&hw.keeper) && hw_stamps_are_good(&hw.live[0]), "after");
	EXPECT(!span_heap_check(hw.heap, 0, &report), "%d", report.invariant);
	EXPECT_EQ(span_heap_free(hw.heap, hw.live[0].span), 0);
	hw_end();
}

/* A damaged heap gives nothing back, to nobody; its scavenger goes to rest. */
void damaged_heap_keeps_all(void)
{
	REQUIRE(scene(), "scene");
	hw.heap->damaged = true;
	fake_keeper_run(&hw.keeper, hw.keeper.now + 100 * SECOND);
	EXPECT(fake_keeper_agrees(&hw.keeper) && !hw.keeper.pending, "it does not rest");
	EXPECT(hw.keeper.nsteps < 3, "%lu steps", hw.keeper.nsteps);
	/* Not even one that is woken all the same has anything to do. */
	EXPECT_EQ(span_scavenger_step(hw.heap), SPAN_SCAVENGER_REST);
	EXPECT_EQ(span_scavenger_reclaim(hw.heap, ~0UL), 0);
	EXPECT_EQ(span_scavenger_purge(hw.heap), 0);
	EXPECT_EQ(hw.heap->stat.scavenged_pages, 0);
	EXPECT_EQ(idle_pages(), 320);
	hw.heap->damaged = false;
	EXPECT_EQ(span_heap_free(hw.heap, hw.live[0].span), 0);
	hw_end();
}

/* Free and allocate, with a scavenger or without: a sum over all places. */
static uint64_t places(const struct geometry *geometry)
{
	uint64_t sum = 0;
	struct rng rng;
	unsigned int i;

	if (!EXPECT(hw_create(geometry), "no heap"))
		return 0;
	rng_seed(&rng, opt_seed + 5);
	for (i = 0; i < 1500 && !ktap_failures; i++) {
		uint64_t ms = rng_below(&rng, 4000);

		if (hw.nlive && rng_below(&rng, 100) < (i / 200 % 2 ? 70 : 40))
			EXPECT(hw_free(rng_below(&rng, hw.nlive)), "free");
		else if (hw_alloc(rng_range(&rng, 1, 40), 0, 0, GFP_KERNEL) && hw.nlive)
			sum = sum * 31 + hw.live[hw.nlive - 1].base;
		if (geometry->keeper)
			EXPECT(hw_pass(ms * NSEC_PER_MSEC), "time");
	}
	if (geometry->keeper)
		EXPECT(hw.heap->stat.scavenge_steps > 20 && hw.heap->stat.scavenged_pages > 2000,
		       "%llu pages in %llu steps", (long long)hw.heap->stat.scavenged_pages,
		       (long long)hw.heap->stat.scavenge_steps);
	hw_destroy();
	return sum;
}

void places_stay_the_same(void)
{
	struct geometry geometry = windowed;
	uint64_t sum, without;

	geometry.limit = 4000;
	geometry.keeper = false;
	geometry.retain = -1;
	without = places(&geometry);
	geometry.keeper = true;
	geometry.retain = 10;
	sum = places(&geometry);
	EXPECT(sum == without, "other places with a window");
	geometry.retain = 0;
	sum = places(&geometry);
	EXPECT(sum == without, "other places with nothing retained");
}

static u64 cpu_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec * SECOND + time.tv_nsec;
}

#define NIDLE	1024UL

/*
 * A heap with so many free spans that hold no idle granule, and below them idle granules,
 * given back one at a time: ns of that.
 */
static u64 time_below(unsigned long nspans)
{
	struct geometry geometry = windowed;
	struct span **span = calloc(nspans + 1, sizeof(*span)), *low[2];
	unsigned long i;
	u64 start;

	geometry.keeper = false;
	geometry.retain = -1;
	geometry.limit = MODEL_PAGES_MAX;
	if (!EXPECT(hw_create(&geometry), "no heap"))
		return 0;
	low[0] = hw_request(NIDLE * 8, 0, 0, GFP_KERNEL, 1);
	low[1] = hw_request(1, 0, 0, GFP_KERNEL, 1);
	for (i = 0; i <= nspans; i++)
		span[i] = hw_request(2, 0, 0, GFP_KERNEL, 1);
	for (i = 0; i < nspans; i += 2)
		span_heap_free(hw.heap, span[i]);
	span_heap_free(hw.heap, low[0]);
	EXPECT_EQ(hw.heap->treap.ngranules_idle, NIDLE);
	EXPECT_EQ(hw.heap->treap.nspans, 1 + nspans / 2 + 1);
	start = cpu_ns();
	for (i = 0; i < NIDLE; i++)
		span_heap_scavenge(hw.heap, 1);
	start = cpu_ns() - start;
	EXPECT_EQ(hw.heap->stat.scavenged_pages, NIDLE * 8);
	for (i = 1; i <= nspans; i += 2)
		span_heap_free(hw.heap, span[i]);
	span_heap_free(hw.heap, span[nspans]);
	span_heap_free(hw.heap, low[1]);
	free(span);
	hw_end();
	return start;
}

/* What has nothing to give costs nothing: the way there is as long as the tree is deep. */
void spans_with_nothing_cost_nothing(void)
{
	u64 few = time_below(2), many = time_below(60000);

	EXPECT(many < 10 * few + 100 * NSEC_PER_MSEC,
	       "%llu us with 30000 free spans, %llu us with one", (long long)many / 1000,
	       (long long)few / 1000);
}
