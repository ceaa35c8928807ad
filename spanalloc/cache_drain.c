// SPDX-License-Identifier: GPL-2.0-only
/*
 * Per-CPU caches of free spans: their life, and how they are emptied. See cache.c.
 */

#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/percpu.h>
#include <linux/processor.h>
#include <linux/smp.h>
#include <linux/string.h>

#include "batch.h"
#include "cache.h"
#include "space.h"

/**
 * span_shelf_label() - say which length a shelf is for
 * @shelf: an empty shelf
 * @npages: the length
 * @limit: pages that the whole cache may hold
 *
 * Context: at work on its cache, or nobody uses that yet.
 */
void span_shelf_label(struct span_shelf *shelf, unsigned long npages, unsigned long limit)
{
	unsigned long room = clamp_t(unsigned long, SPAN_SHELF_PAGES / npages, SPAN_SHELF_MIN,
				     SPAN_SHELF_SPANS);

	shelf->npages = npages;
	shelf->room = min(room, limit / npages);
}

static void init_cache(struct span_cache *cache, unsigned long limit)
{
	unsigned int i;

	for (i = 0; i < SPAN_SHELF_EXACT; i++)
		span_shelf_label(&cache->shelf[i], i + 1, limit);
}

/**
 * span_cache_create() - give a heap caches
 * @heap: a heap that nobody uses yet
 * @npages: pages that each CPU may park
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int span_cache_create(struct span_heap *heap, unsigned long npages)
{
	struct span_cache __percpu *caches = alloc_percpu(struct span_cache);
	int cpu;

	if (!caches)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		init_cache(per_cpu_ptr(caches, cpu), npages);
	heap->cache_pages = npages;
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

/**
 * span_cache_flush() - give spans back to the tree
 * @heap: the heap
 * @cache: one of its caches
 * @shelf: a shelf of that
 * @n: how many spans, those that have been there for longest
 * @try: do nothing if the heap's lock is taken
 *
 * A heap that is damaged keeps its spans.
 *
 * Context: any but NMI; at work on the cache.
 */
void span_cache_flush(struct span_heap *heap, struct span_cache *cache,
		      struct span_shelf *shelf, unsigned int n, bool try)
{
	struct span_leftovers unused;
	unsigned long irqflags;

	unused.n = 0;
	if (!n)
		return;
	if (!try)
		spin_lock_irqsave(&heap->lock, irqflags);
	else if (!spin_trylock_irqsave(&heap->lock, irqflags))
		return;
	if (!heap->damaged) {
		span_batch_sort(shelf->span, n);
		span_batch_release(heap, shelf->span, n, &unused);
		span_shelf_shrunk(cache, shelf, n);
		memmove(shelf->span, shelf->span + n, shelf->n * sizeof(shelf->span[0]));
		WRITE_ONCE(cache->flushes, cache->flushes + 1);
	}
	span_heap_unlock(heap, irqflags);
	span_delete_many(unused.n, unused.span);
}

static unsigned long flush_all(struct span_heap *heap, struct span_cache *cache, bool try)
{
	unsigned long before = cache->npages;
	unsigned int i;

	for (i = 0; i < SPAN_SHELVES && cache->nspans; i++)
		span_cache_flush(heap, cache, &cache->shelf[i], cache->shelf[i].n, try);
	return before - cache->npages;
}

/**
 * struct drain_call - a drain by another CPU
 * @heap: the heap
 * @try: do not wait for its lock
 * @busy: out: the CPU was at work on its cache: nothing was done
 * @npages: out: pages that went to the tree
 */
struct drain_call {
	struct span_heap *heap;
	bool try;
	bool busy;
	unsigned long npages;
};

/* Drain the cache of this CPU. */
static void drain_here(void *arg)
{
	struct drain_call *call = arg;
	struct span_cache *cache = span_cache_enter(call->heap->caches);

	call->busy = !cache;
	if (!cache)
		return;
	call->npages = flush_all(call->heap, cache, call->try);
	span_cache_leave(cache);
}

/*
 * Have a CPU drain its cache. It is at work there for moments only, and needs nothing of ours
 * to get on. If it is offline, its cache is empty, or will be (keeper.c).
 */
static unsigned long drain_cpu(struct span_heap *heap, int cpu, bool try)
{
	struct drain_call call = { .heap = heap, .try = try };

	while (READ_ONCE(per_cpu_ptr(heap->caches, cpu)->nspans) &&
	       !smp_call_function_single(cpu, drain_here, &call, 1) && call.busy)
		cpu_relax();
	return call.npages;
}

static unsigned long drain_all(struct span_heap *heap, bool try)
{
	unsigned long done = 0;
	int cpu;

	if (heap->caches)
		for_each_possible_cpu(cpu)
			done += drain_cpu(heap, cpu, try);
	return done;
}

/**
 * span_cache_drain() - give back to the tree what all CPUs have parked
 * @heap: the heap
 *
 * Context: a task, with interrupts and preemption on; without the heap's lock.
 * Return: pages that went to the tree.
 */
unsigned long span_cache_drain(struct span_heap *heap)
{
	return drain_all(heap, false);
}

/**
 * span_cache_try_drain() - the same, without waiting for the heap's lock
 * @heap: the heap
 *
 * Context: as span_cache_drain(); from inside any allocation of memory that may sleep.
 * Return: pages that went to the tree.
 */
unsigned long span_cache_try_drain(struct span_heap *heap)
{
	return drain_all(heap, true);
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
	struct drain_call call = { .heap = heap };

	if (heap->caches)
		drain_here(&call);
	return call.npages;
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
	return heap->caches ? flush_all(heap, per_cpu_ptr(heap->caches, cpu), false) : 0;
}

/**
 * span_cache_age() - drain the caches that were not used since this was called last
 * @heap: the heap
 *
 * A CPU is interrupted once for that, and not again until it has parked something.
 *
 * Context: as span_cache_drain(). One at a time for each heap.
 * Return: true if a cache is not empty.
 */
bool span_cache_age(struct span_heap *heap)
{
	bool any = false;
	int cpu;

	if (!heap->caches)
		return false;
	for_each_possible_cpu(cpu) {
		struct span_cache *cache = per_cpu_ptr(heap->caches, cpu);
		u64 used = READ_ONCE(cache->allocs) + READ_ONCE(cache->frees);

		if (cache->seen == used)
			drain_cpu(heap, cpu, false);
		cache->seen = used;
		any |= READ_ONCE(cache->nspans);
	}
	return any;
}

/**
 * span_cache_sum() - add up what the caches of all CPUs hold, and have done
 * @heap: the heap
 * @sums: out: the sums. Exact if nobody uses the caches meanwhile; a span that is taken from
 *        one and put into another then can be counted twice, or not at all
 *
 * Context: any but NMI.
 */
void span_cache_sum(const struct span_heap *heap, struct span_cache_sums *sums)
{
	int cpu;

	*sums = (struct span_cache_sums) { };
	if (!heap->caches)
		return;
	for_each_possible_cpu(cpu) {
		const struct span_cache *cache = per_cpu_ptr(heap->caches, cpu);

		sums->npages += READ_ONCE(cache->npages);
		sums->nspans += READ_ONCE(cache->nspans);
		sums->allocs += READ_ONCE(cache->allocs);
		sums->frees += READ_ONCE(cache->frees);
		sums->refills += READ_ONCE(cache->refills);
		sums->flushes += READ_ONCE(cache->flushes);
		sums->zeroed_pages += READ_ONCE(cache->zeroed_pages);
		sums->zero_saved_pages += READ_ONCE(cache->zero_saved_pages);
	}
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
	unsigned long npages = 0;
	int cpu;

	if (heap->caches)
		for_each_possible_cpu(cpu)
			npages += READ_ONCE(per_cpu_ptr(heap->caches, cpu)->npages);
	return npages;
}
