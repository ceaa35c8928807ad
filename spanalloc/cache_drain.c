// SPDX-License-Identifier: GPL-2.0-only
/*
 * Per-CPU caches of free spans: their life, and how they are emptied. See cache.c.
 */

#include <linux/bitmap.h>
#include <linux/bits.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/seqlock.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "batch.h"
#include "cache.h"
#include "space.h"

/* More than all shelves can hold. */
#define LIMIT_MAX	BIT(20)

/**
 * span_shelf_label() - say which length a shelf is for
 * @shelf: a shelf that is empty, or of that length already
 * @npages: the length
 * @limit: pages that the whole cache may hold
 *
 * Context: at work on its cache, or nobody uses that yet.
 */
void span_shelf_label(struct span_shelf *shelf, unsigned long npages, unsigned long limit)
{
	unsigned long pages = max_t(unsigned long, limit / SPAN_SHELF_SHARE, SPAN_SHELF_PAGES);
	unsigned long room = clamp_t(unsigned long, pages / npages, SPAN_SHELF_MIN,
				     SPAN_SHELF_SPANS);

	shelf->npages = npages;
	shelf->room = min(room, limit / npages);
}

static void set_limit(struct span_cache *cache, unsigned long limit)
{
	unsigned int i;

	cache->limit = limit;
	for (i = 0; i < SPAN_SHELVES; i++) {
		struct span_shelf *shelf = &cache->shelf[i];

		if (shelf->npages)
			span_shelf_label(shelf, shelf->npages, limit);
	}
}

static void init_cache(struct span_cache *cache, unsigned long limit)
{
	unsigned int i;

	for (i = 0; i < SPAN_SHELF_EXACT; i++)
		cache->shelf[i].npages = i + 1;
	set_limit(cache, limit);
}

/* Pages that each CPU may park now. The heap's lock is held. */
static unsigned long limit_of(const struct span_heap *heap)
{
	unsigned long share = heap->in_use_pages / SPAN_CACHED_SHARE / num_possible_cpus();

	return min(max(share, heap->cache_pages), LIMIT_MAX);
}

/* Let a CPU park that much from now on. Small changes do not matter. */
static void adjust(struct span_cache *cache, unsigned long limit)
{
	unsigned long was = cache->limit;

	if (limit > was + was / 4 || limit < was - was / 4)
		set_limit(cache, limit);
}

/**
 * span_cache_adjust() - let a CPU park as much as the heap's size allows
 * @heap: the heap
 * @cache: one of its caches
 *
 * Among many spans of many lengths, few of each are of little use, and little to keep.
 *
 * Context: any; at work on the cache; the caller holds the heap's lock.
 */
void span_cache_adjust(const struct span_heap *heap, struct span_cache *cache)
{
	adjust(cache, limit_of(heap));
}

/**
 * span_cache_create() - give a heap caches
 * @heap: a heap that nobody uses yet
 * @npages: pages that each CPU may park, or as many as all may if they share half of the heap
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int span_cache_create(struct span_heap *heap, unsigned long npages)
{
	struct span_cache __percpu *caches = alloc_percpu(struct span_cache);
	unsigned long most = heap->max_pages / 2 / num_possible_cpus();
	int cpu;

	if (!caches)
		return -ENOMEM;
	/* Half of the address space is always there for others. */
	heap->cache_pages = min3(npages, LIMIT_MAX, max(most, 1UL));
	for_each_possible_cpu(cpu)
		init_cache(per_cpu_ptr(caches, cpu), heap->cache_pages);
	heap->caches = caches;
	return 0;
}

/**
 * span_cache_destroy() - take a heap's caches away
 * @heap: a heap that nobody uses any more
 *
 * Context: may sleep.
 */
void span_cache_destroy(struct span_heap *heap)
{
	int cpu;

	if (!heap->caches)
		return;
	for_each_possible_cpu(cpu)
		span_cache_drain_unused(heap, cpu);
	free_percpu(heap->caches);
	heap->caches = NULL;
}

/* What is in nobody's cache and not in the tree. */
static void note_handed(struct span_heap *heap, unsigned int nspans, unsigned long npages)
{
	WRITE_ONCE(heap->handed_spans, nspans);
	WRITE_ONCE(heap->handed_pages, npages);
}

/* The @n that have been there for longest have left a shelf. */
static void forget(struct span_cache *cache, struct span_shelf *shelf, unsigned int n)
{
	span_shelf_shrunk(cache, shelf, n);
	memmove(shelf->span, shelf->span + n, shelf->n * sizeof(shelf->span[0]));
	WRITE_ONCE(cache->flushes, cache->flushes + 1);
}

/*
 * Give spans back to the tree: the first of a shelf of @cache; or, without a cache, what was
 * handed over. In one hold of the lock, they are neither parked nor handed over any more, for
 * the statistics. Returns false if the heap is damaged, and keeps its spans.
 */
static bool give_back(struct span_heap *heap, struct span_cache *cache,
		      struct span_shelf *shelf, struct span **span, unsigned int n)
{
	struct span_leftovers unused;
	unsigned long irqflags;
	bool good;

	unused.n = 0;
	spin_lock_irqsave(&heap->lock, irqflags);
	good = !heap->damaged;
	if (good) {
		span_batch_sort(span, n);
		span_batch_release(heap, span, n, &unused);
		if (cache) {
			forget(cache, shelf, n);
			span_cache_adjust(heap, cache);
		} else {
			note_handed(heap, 0, 0);
		}
	}
	span_heap_unlock(heap, irqflags);
	span_delete_many(unused.n, unused.span);
	return good;
}

/**
 * span_cache_flush() - give spans back to the tree
 * @heap: the heap
 * @cache: one of its caches
 * @shelf: a shelf of that
 * @n: how many spans, those that have been there for longest
 *
 * A heap that is damaged keeps its spans.
 *
 * Context: any but NMI; at work on the cache.
 */
void span_cache_flush(struct span_heap *heap, struct span_cache *cache,
		      struct span_shelf *shelf, unsigned int n)
{
	if (n)
		give_back(heap, cache, shelf, shelf->span, n);
}

static unsigned long flush_all(struct span_heap *heap, struct span_cache *cache)
{
	unsigned long before = cache->npages;
	unsigned int i;

	for (i = 0; i < SPAN_SHELVES && cache->nspans; i++)
		span_cache_flush(heap, cache, &cache->shelf[i], cache->shelf[i].n);
	return before - cache->npages;
}

/**
 * struct handover - what a CPU hands to who drains
 * @heap: the heap
 * @limit: pages that it may park from now on; 0: as before
 * @only: the shelves to hand over; NULL: all
 * @busy: the CPU is at work on its cache, and hands nothing over
 * @npages: length of the spans that it hands over
 * @n: how many these are
 * @next: the first shelf that has not been looked at
 * @span: these spans
 */
struct handover {
	struct span_heap *heap;
	unsigned long limit;
	const unsigned long *only;
	bool busy;
	unsigned long npages;
	unsigned int n;
	unsigned int next;
	struct span *span[SPAN_SHELF_SPANS];
};

/*
 * Hand the next shelf over. This is an interrupt, so it is not for us to give it back to the
 * tree.
 */
static void hand_over(void *arg)
{
	struct handover *handover = arg;
	struct span_cache *cache = span_cache_enter(handover->heap->caches);

	handover->n = 0;
	handover->busy = !cache;
	if (!cache)
		return;
	while (!handover->n && handover->next < SPAN_SHELVES) {
		unsigned int number = handover->next++;
		struct span_shelf *shelf = &cache->shelf[number];

		if (!shelf->n || (handover->only && !test_bit(number, handover->only)))
			continue;
		handover->npages = shelf->npages;
		handover->n = shelf->n;
		memcpy(handover->span, shelf->span, shelf->n * sizeof(shelf->span[0]));
		/* To the statistics, a span is in one of both at any time. */
		write_seqcount_begin(&handover->heap->handover);
		note_handed(handover->heap, shelf->n, shelf->n * shelf->npages);
		forget(cache, shelf, shelf->n);
		write_seqcount_end(&handover->heap->handover);
	}
	if (handover->limit)
		adjust(cache, handover->limit);
	span_cache_leave(cache);
}

/*
 * Drain the cache of a CPU. It is at work there for moments only, and needs nothing of ours to
 * get on; who only tries does not wait for that. If it is offline, its cache is empty or will
 * be (keeper.c). What it parks meanwhile may stay: each shelf is handed over once.
 */
static unsigned long drain_cpu(int cpu, struct handover *handover, bool try)
{
	struct span_heap *heap = handover->heap;
	const struct span_cache *cache = per_cpu_ptr(heap->caches, cpu);
	unsigned long done = 0;

	/* What is in hand when the heap is found damaged is lost: that and no more. */
	while (handover->next < SPAN_SHELVES && READ_ONCE(cache->nspans) &&
	       !READ_ONCE(heap->damaged) &&
	       !smp_call_function_single(cpu, hand_over, handover, 1)) {
		if (handover->busy && try)
			break;
		/* An interrupt that waited for the heap's lock to be let go of finds it busy. */
		if (handover->busy)
			usleep_range(20, 100);
		if (handover->n && give_back(heap, NULL, NULL, handover->span, handover->n))
			done += handover->n * handover->npages;
		cond_resched();
	}
	return done;
}

static unsigned long drain_all(struct span_heap *heap, bool try)
{
	unsigned long done = 0;
	int cpu;

	for_each_possible_cpu(cpu) {
		struct handover handover = { .heap = heap };

		done += drain_cpu(cpu, &handover, try);
	}
	return done;
}

/**
 * span_cache_drain() - give back to the tree what all CPUs have parked
 * @heap: the heap
 *
 * Waits for who is draining already, and he for no memory. If many wait, one of them drains
 * for all (as in lru_add_drain_all(), mm/swap.c).
 *
 * Context: a task that may sleep; without the heap's lock.
 * Return: pages that this call brought to the tree.
 */
unsigned long span_cache_drain(struct span_heap *heap)
{
	unsigned long done = 0;
	unsigned int asked;

	if (!heap->caches || READ_ONCE(heap->damaged))
		return 0;
	/* (A) What we did not find was parked before this: pairs with (B). */
	smp_mb();
	asked = READ_ONCE(heap->cache_drains);
	mutex_lock(&heap->cache_drain);
	/* Has another one begun since? He began after what we want had been parked. */
	if (asked == heap->cache_drains) {
		WRITE_ONCE(heap->cache_drains, asked + 1);
		/* (B) Who read the old number at (A): what he missed is seen from here on. */
		smp_mb();
		done = drain_all(heap, false);
	}
	mutex_unlock(&heap->cache_drain);
	return done;
}

/**
 * span_cache_try_drain() - the same, for those who are not to wait
 * @heap: the heap
 *
 * Does nothing if somebody drains, and leaves out a CPU that is at work. What has been handed
 * over waits for the heap's lock, which nobody holds for long or while he asks for memory.
 *
 * Context: a task that may sleep; without the heap's lock. From inside any allocation of
 * memory that may sleep.
 * Return: pages that went to the tree.
 */
unsigned long span_cache_try_drain(struct span_heap *heap)
{
	unsigned long done;

	if (!heap->caches || READ_ONCE(heap->damaged) || !mutex_trylock(&heap->cache_drain))
		return 0;
	done = drain_all(heap, true);
	mutex_unlock(&heap->cache_drain);
	return done;
}

/**
 * span_cache_drain_own() - give back to the tree what this CPU has parked
 * @heap: the heap
 *
 * For those who cannot ask others.
 *
 * Context: any but NMI; without the heap's lock.
 * Return: pages that went to the tree.
 */
unsigned long span_cache_drain_own(struct span_heap *heap)
{
	struct span_cache *cache = heap->caches ? span_cache_enter(heap->caches) : NULL;
	unsigned long done;

	if (!cache)
		return 0;
	done = flush_all(heap, cache);
	span_cache_leave(cache);
	return done;
}

/**
 * span_cache_drain_unused() - give back to the tree what a CPU has parked that uses it no more
 * @heap: the heap
 * @cpu: the CPU: it is offline, or nobody uses the heap
 *
 * Context: may sleep; without the heap's lock.
 * Return: pages that went to the tree.
 */
unsigned long span_cache_drain_unused(struct span_heap *heap, int cpu)
{
	return heap->caches ? flush_all(heap, per_cpu_ptr(heap->caches, cpu)) : 0;
}

/*
 * Drain the shelves of a CPU that it has put nothing on since it was looked at last, or all if
 * that is too much: who only takes and parks one span does not see that the heap got smaller.
 */
static void age_cpu(struct span_heap *heap, int cpu, unsigned long limit)
{
	struct span_cache *cache = per_cpu_ptr(heap->caches, cpu);
	struct handover handover = { .heap = heap, .limit = limit };
	DECLARE_BITMAP(cold, SPAN_SHELVES) = { };
	unsigned int i;

	for (i = 0; i < SPAN_SHELVES; i++) {
		u8 puts = READ_ONCE(cache->shelf[i].puts);

		if (cache->seen[i] == puts && READ_ONCE(cache->shelf[i].n))
			__set_bit(i, cold);
		cache->seen[i] = puts;
	}
	if (READ_ONCE(cache->npages) <= 2 * limit)
		handover.only = cold;
	if (!handover.only || !bitmap_empty(cold, SPAN_SHELVES))
		drain_cpu(cpu, &handover, false);
}

/**
 * span_cache_age() - drain what was not used since this was called last, or is too much
 * @heap: the heap
 *
 * That is, shelves: a CPU that is at work with spans of one length need not keep those of
 * others. No CPU is interrupted but for that.
 *
 * Context: as span_cache_drain(). One at a time for each heap.
 * Return: true if a cache is not empty.
 */
bool span_cache_age(struct span_heap *heap)
{
	unsigned long limit, irqflags;
	bool any = false;
	int cpu;

	if (!heap->caches || READ_ONCE(heap->damaged))
		return false;
	spin_lock_irqsave(&heap->lock, irqflags);
	limit = limit_of(heap);
	spin_unlock_irqrestore(&heap->lock, irqflags);
	mutex_lock(&heap->cache_drain);
	for_each_possible_cpu(cpu) {
		age_cpu(heap, cpu, limit);
		any |= READ_ONCE(per_cpu_ptr(heap->caches, cpu)->nspans);
	}
	mutex_unlock(&heap->cache_drain);
	return any;
}

static void add_sums(struct span_cache_sums *sums, const struct span_cache *cache)
{
	sums->npages += READ_ONCE(cache->npages);
	sums->nspans += READ_ONCE(cache->nspans);
	sums->allocs += READ_ONCE(cache->allocs);
	sums->frees += READ_ONCE(cache->frees);
	sums->refills += READ_ONCE(cache->refills);
	sums->flushes += READ_ONCE(cache->flushes);
	sums->zeroed_pages += READ_ONCE(cache->zeroed_pages);
	sums->zero_saved_pages += READ_ONCE(cache->zero_saved_pages);
}

/**
 * span_cache_sum() - add up what the caches of all CPUs hold, and have done
 * @heap: the heap
 * @sums: out: the sums. Exact if nobody allocates or frees meanwhile, though somebody drains; a
 *        span that is taken from one cache and put into another then can be counted twice, or
 *        not at all
 *
 * Context: any but NMI; the caller holds the heap's lock.
 */
void span_cache_sum(const struct span_heap *heap, struct span_cache_sums *sums)
{
	unsigned int seq;
	int cpu;

	*sums = (struct span_cache_sums) { };
	if (!heap->caches)
		return;
	do {
		seq = read_seqcount_begin(&heap->handover);
		*sums = (struct span_cache_sums) {
			.nspans = READ_ONCE(heap->handed_spans),
			.npages = READ_ONCE(heap->handed_pages),
		};
		for_each_possible_cpu(cpu)
			add_sums(sums, per_cpu_ptr(heap->caches, cpu));
	} while (read_seqcount_retry(&heap->handover, seq));
}

/**
 * span_cache_bytes() - how much memory the caches themselves take
 * @heap: the heap
 *
 * Context: any.
 * Return: bytes, without the spans that are parked; 0 if there are no caches.
 */
size_t span_cache_bytes(const struct span_heap *heap)
{
	return heap->caches ? num_possible_cpus() * sizeof(struct span_cache) : 0;
}

/**
 * span_cache_npages() - how many pages are parked
 * @heap: the heap
 *
 * Context: any.
 * Return: pages in the caches of all CPUs, see span_cache_sum().
 */
unsigned long span_cache_npages(const struct span_heap *heap)
{
	unsigned long npages = READ_ONCE(heap->handed_pages);
	int cpu;

	if (heap->caches)
		for_each_possible_cpu(cpu)
			npages += READ_ONCE(per_cpu_ptr(heap->caches, cpu)->npages);
	return npages;
}
