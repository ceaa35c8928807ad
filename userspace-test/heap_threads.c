// SPDX-License-Identifier: GPL-2.0-only
/*
 * Real threads on one heap: each with spans of its own, which nobody else may
 * touch, beside one that looks, scavenges and tends to what is idle, and one that lets
 * time pass, steps the scavenger and is the system in need of memory. Built with the
 * address sanitizer for the heap's tests, and with the thread sanitizer as well.
 */
#include <pthread.h>

#include <linux/percpu.h>
#include <linux/time64.h>

#include "cache.h"

#include "heap_world.h"

#define NTHREADS	4
#define LIVE_EACH	40
#define BULK_MAX	20

/**
 * struct worker - a thread
 * @thread: the thread
 * @rng: its own
 * @live: its spans
 * @n: how many
 * @nbulk: spans that came or went with others
 * @bad: what went wrong, if anything
 */
struct worker {
	pthread_t thread;
	struct rng rng;
	struct live live[LIVE_EACH];
	size_t n;
	unsigned long nbulk;
	const char *bad;
};

static struct worker workers[NTHREADS];
static bool all_done;

/* A span that was asked for as this is ours; is it what it has to be? */
static void take(struct worker *w, struct span *span, unsigned long npages, unsigned int flags)
{
	struct live *live = &w->live[w->n];
	unsigned long i;

	*live = (struct live) {
		.span = span, .base = span->node.base, .npages = npages, .owner = w - workers,
		.stamp = rng_next(&w->rng) | 1,
	};
	for (i = 0; i < npages; i++)
		if ((flags & SPANALLOC_ZERO) && hw_page(live, i)->content)
			w->bad = "a page is not zero";
	if (!(flags & SPANALLOC_ZERO) && !hw_is_as_left(live))
		w->bad = "a free page was not as it was left";
	hw_stamp(live);
	w->n++;
}

static void work_alloc(struct worker *w)
{
	unsigned int flags = rng_below(&w->rng, 4), owner = w - workers;
	unsigned long npages = rng_range(&w->rng, 1, flags & SPANALLOC_CONTIG ? 8 : 25);
	gfp_t gfp = rng_once_in(&w->rng, 4) ? GFP_ATOMIC : GFP_KERNEL;
	struct span *span = hw_request(npages, 0, flags, gfp, owner);

	if (!IS_ERR(span))
		take(w, span, npages, flags);
}

static void work_alloc_bulk(struct worker *w)
{
	const struct span_request request = {
		.npages = rng_range(&w->rng, 1, 8), .flags = rng_below(&w->rng, 4),
		.gfp = rng_once_in(&w->rng, 4) ? GFP_ATOMIC : GFP_KERNEL, .owner = w - workers,
	};
	unsigned long n = rng_range(&w->rng, 1, min(BULK_MAX, LIVE_EACH - (int)w->n));
	struct span *span[BULK_MAX];
	long got = span_heap_alloc_bulk(hw.heap, &request, n, span), i;

	if (got > (long)n)
		w->bad = "more than it asked for";
	for (i = 0; i < got; i++)
		take(w, span[i], request.npages, request.flags);
	w->nbulk += max(got, 0L);
}

/* Out of the table. */
static struct span *give_up(struct worker *w)
{
	struct live *live = &w->live[rng_below(&w->rng, w->n)];
	struct span *span = live->span;
	unsigned long i;

	for (i = 0; i < live->npages; i++)
		if (hw_page(live, i)->content != live->stamp + i)
			w->bad = "somebody else wrote to a page";
	if (span_heap_lookup(hw.heap, live->base + live->npages / 2) != span)
		w->bad = "lookup of an own span";
	*live = w->live[--w->n];
	return span;
}

static void work_free(struct worker *w)
{
	struct span *span = give_up(w);

	if (rng_once_in(&w->rng, 2) ? span_heap_free_slowly(hw.heap, span) :
				      span_heap_free(hw.heap, span))
		w->bad = "free";
}

static void work_free_bulk(struct worker *w)
{
	unsigned long n = rng_range(&w->rng, 1, min_t(size_t, BULK_MAX, w->n)), i;
	struct span *span[BULK_MAX];

	for (i = 0; i < n; i++)
		span[i] = give_up(w);
	if (span_heap_free_bulk(hw.heap, n, span))
		w->bad = "free in bulk";
	w->nbulk += n;
}

static void work_split(struct worker *w)
{
	struct live *lower = &w->live[rng_below(&w->rng, w->n)], *upper = &w->live[w->n];
	struct span *span;
	unsigned long n;

	if (lower->npages < 2)
		return;
	n = rng_range(&w->rng, 1, lower->npages - 1);
	span = span_heap_split(hw.heap, lower->span, n, GFP_KERNEL);
	if (IS_ERR(span)) {
		w->bad = "split";
		return;
	}
	*upper = *lower;
	upper->span = span;
	upper->base += n;
	upper->npages -= n;
	upper->stamp += n;
	lower->npages = n;
	w->n++;
}

/* An interrupt, while this thread is at work on a cache: a pair of its own. */
static void pair_in_interrupt(void)
{
	const struct span_request request = { .npages = 2, .gfp = GFP_ATOMIC };
	struct span *span = span_heap_alloc(hw.heap, &request);

	if (!IS_ERR(span))
		span_heap_free(hw.heap, span);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t i;

	shim_irq_hook = pair_in_interrupt;
	/* Two on each of two CPUs, where caches meet. */
	shim_cpu = (w - workers) % 2;
	for (i = 0; i < opt_ops && !w->bad; i++) {
		unsigned int roll = rng_below(&w->rng, 100);

		/* Now and then the task is moved to another CPU. */
		if (rng_once_in(&w->rng, 50))
			shim_cpu = rng_below(&w->rng, SHIM_CPUS);
		if (w->n && (roll < 3 || (roll < 12 && w->n > LIVE_EACH / 2)))
			work_free_bulk(w);
		else if (w->n && (roll < 42 || w->n == LIVE_EACH))
			work_free(w);
		else if (w->n && roll < 52)
			work_split(w);
		else if (roll < 57)
			work_alloc_bulk(w);
		else
			work_alloc(w);
	}
	while (w->n)
		work_free(w);
	shim_irq_hook = NULL;
	return NULL;
}

/* Looks, checks, scavenges, clears and repairs until the others are done. */
static void *watch(void *arg)
{
	struct worker *w = arg;
	struct spanalloc_stats stats;
	struct span_report report;
	struct span_info info;
	bool refused;

	while (!__atomic_load_n(&all_done, __ATOMIC_ACQUIRE) && !w->bad) {
		if (span_heap_check(hw.heap, rng_below(&w->rng, 4), &report))
			w->bad = "check";
		span_heap_stats(hw.heap, &stats);
		if (stats.in_use_pages + stats.cached_pages + stats.claimed_pages +
		    stats.free_pages != stats.address_pages)
			w->bad = "the statistics are not of one moment";
		span_heap_next_span(hw.heap, rng_below(&w->rng, 1000), &info);
		span_heap_scavenge(hw.heap, rng_below(&w->rng, 60));
		span_heap_prezero(hw.heap, rng_below(&w->rng, 4));
		span_heap_repair(hw.heap, rng_below(&w->rng, 4), &refused);
	}
	return NULL;
}

/* Lets time pass, and does what has to be done then; now and then memory is short. */
static void *keep(void *arg)
{
	static const struct span_policy policies[] = {
		{ .retain_percent = 5, .window_ms = 100, .pace_permille = 10 },
		{ .retain_percent = 0, .window_ms = 100, .pace_permille = 1000 },
		{ .retain_percent = 1, .window_ms = 0, .pace_permille = 500 },
	};
	struct worker *w = arg;

	while (!__atomic_load_n(&all_done, __ATOMIC_ACQUIRE)) {
		unsigned int roll = rng_below(&w->rng, 400);

		__atomic_fetch_add(&hw.keeper.now, rng_below(&w->rng, 50 * NSEC_PER_MSEC),
				   __ATOMIC_RELAXED);
		fake_keeper_step(&hw.keeper);
		if (roll < ARRAY_SIZE(policies))
			fake_keeper_set_policy(&hw.keeper, &policies[roll]);
		else if (roll < 20)
			span_scavenger_reclaim(hw.heap, rng_below(&w->rng, 40));
		else if (roll == 20)
			span_scavenger_purge(hw.heap);
	}
	return NULL;
}

/* Nobody is at work any more. */
static void keep_to_the_end(void)
{
	fake_keeper_run(&hw.keeper, hw.keeper.now + 3600 * (u64)NSEC_PER_SEC);
	EXPECT(fake_keeper_agrees(&hw.keeper), "the keeper");
	EXPECT(!hw.keeper.pending, "the scavenger does not rest");
	EXPECT_EQ(hw.heap->backed_granules, 0);
	EXPECT(hw.heap->stat.scavenge_steps > 0, "no steps");
}

static void at_work(const struct geometry *geometry)
{
	struct worker watcher = { .bad = NULL }, keeper = { .bad = NULL };
	unsigned int i;

	REQUIRE(hw_create(geometry), "no heap");
	hw.keeper.crowded = true;
	all_done = false;
	rng_seed(&watcher.rng, opt_seed);
	for (i = 0; i < NTHREADS; i++) {
		workers[i] = (struct worker) { .n = 0 };
		rng_seed(&workers[i].rng, opt_seed + 1 + i);
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	pthread_create(&watcher.thread, NULL, watch, &watcher);
	rng_seed(&keeper.rng, opt_seed + 99);
	if (geometry->keeper)
		pthread_create(&keeper.thread, NULL, keep, &keeper);
	for (i = 0; i < NTHREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		EXPECT(!workers[i].bad, "thread %u: %s", i, workers[i].bad);
		EXPECT(workers[i].nbulk > opt_ops / 10, "thread %u: %lu spans in bulk", i,
		       workers[i].nbulk);
	}
	__atomic_store_n(&all_done, true, __ATOMIC_RELEASE);
	pthread_join(watcher.thread, NULL);
	if (geometry->keeper)
		pthread_join(keeper.thread, NULL);
	EXPECT(!watcher.bad, "watcher: %s", watcher.bad);
	if (geometry->cache) {
		struct spanalloc_stats stats;

		span_heap_stats(hw.heap, &stats);
		EXPECT(stats.cache_allocs > opt_ops / 2, "%llu allocations from caches",
		       (unsigned long long)stats.cache_allocs);
		EXPECT_EQ(stats.in_use_pages, 0);
		EXPECT_EQ(stats.allocs + stats.splits, stats.frees);
		span_cache_drain(hw.heap);
	}
	EXPECT_EQ(hw.heap->treap.nspans, 1);
	EXPECT_EQ(hw.heap->in_use_pages + hw.heap->claimed_pages, 0);
	EXPECT(geometry->cache || hw.heap->stat.allocs > opt_ops, "%llu allocations",
	       (unsigned long long)hw.heap->stat.allocs);
	if (geometry->keeper)
		keep_to_the_end();
	EXPECT_EQ(hw.fake.nerrors, 0);
	if (geometry->account)
		EXPECT_EQ(hw.heap->backed_granules, 0);
	EXPECT_EQ(hw.fake.nbroken, 0);
	hw_end();
}

void threads_at_work(void)
{
	struct geometry geometry = {
		.order = 3, .arena = 64, .limit = 2000, .retain = 0, .scatter_every = 5,
		.dirty = true, .keeper = true, .window_ms = 100, .give_ns = 1000,
	};

	at_work(&geometry);
	geometry.wipe = true;
	at_work(&geometry);
	geometry.poison = true;
	at_work(&geometry);
}

void threads_on_an_accounted_heap(void)
{
	static const struct geometry geometry = {
		.order = 3, .arena = 64, .limit = 2000, .account = true, .dirty = true,
	};

	at_work(&geometry);
}

void threads_with_caches(void)
{
	struct geometry geometry = {
		.order = 3, .arena = 64, .limit = 2000, .retain = 0, .scatter_every = 5,
		.keeper = true, .window_ms = 100, .give_ns = 1000, .cache = 64,
	};

	at_work(&geometry);
	/* Little room: allocations fail unless caches are drained. */
	geometry.limit = 500;
	geometry.keeper = false;
	at_work(&geometry);
}
