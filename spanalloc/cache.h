/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Per-CPU caches of free spans. Between heap.c, claim.c, scavenge.c, scavenger.c and
 * inspect.c; see cache.c.
 */
#ifndef _SPANALLOC_CACHE_H
#define _SPANALLOC_CACHE_H

#include <linux/compiler.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/types.h>

#include "batch.h"
#include "heap.h"

/* Lengths in pages that have shelves of their own, and shelves for longer spans. */
#define SPAN_SHELF_EXACT	64
#define SPAN_SHELF_SHARED	8
#define SPAN_SHELVES		(SPAN_SHELF_EXACT + SPAN_SHELF_SHARED)

/*
 * What a shelf holds: spans of so many pages together, or of this part of all that the CPU may
 * park where that is more; but not more or fewer spans than that.
 */
#define SPAN_SHELF_PAGES	64
#define SPAN_SHELF_SHARE	16
#define SPAN_SHELF_MIN		2
#define SPAN_SHELF_SPANS	SPAN_BATCH

/* What all CPUs may park together where that is more: this part of the pages in use. */
#define SPAN_CACHED_SHARE	8

/**
 * struct span_shelf - spans of one length
 * @npages: that length
 * @rival: of a shared shelf, another length that was freed once since a span of @npages was
 * @room: how many spans of @npages it may hold
 * @n: how many it holds
 * @refused: spans that the cache was too full for since one was parked here
 * @puts: counts spans put here, modulo 256; who ages the cache sees whether it moves, and at
 *        worst drains a shelf too early
 * @span: the spans; the one freed last comes last
 */
struct span_shelf {
	u16 npages;
	u16 rival;
	u8 room;
	u8 n;
	u8 refused;
	u8 puts;
	struct span *span[SPAN_SHELF_SPANS];
};

/**
 * struct span_cache - what one CPU has parked
 * @busy: that CPU is at work on it
 * @limit: pages that it may park
 * @npages: pages of the spans on the shelves
 * @nspans: spans on the shelves
 * @hand: the shelf that is emptied next where there are too many pages
 * @allocs: allocations served
 * @frees: spans taken in
 * @refills: batches carved
 * @flushes: batches that went to the tree
 * @zeroed_pages: pages cleared for allocations
 * @zero_saved_pages: pages that were zero already when they had to be
 * @shelf: the shelves
 * @seen: what each shelf's puts were when the scavenger looked last; its own
 *
 * All but @seen is only written by its CPU, between span_cache_enter() and span_cache_leave();
 * others may read the counters.
 */
struct span_cache {
	bool busy;
	u32 limit;
	u32 npages;
	u32 nspans;
	u32 hand;
	u64 allocs;
	u64 frees;
	u64 refills;
	u64 flushes;
	u64 zeroed_pages;
	u64 zero_saved_pages;
	struct span_shelf shelf[SPAN_SHELVES];
	u8 seen[SPAN_SHELVES];
} ____cacheline_aligned_in_smp;

/**
 * span_cache_enter() - begin to work on this CPU's cache
 * @caches: the caches of all CPUs
 *
 * Context: any but NMI. Nothing may sleep until span_cache_leave().
 * Return: the cache; NULL if what was interrupted here is at work on it, and then nothing
 * has begun.
 */
static inline struct span_cache *span_cache_enter(struct span_cache __percpu *caches)
{
	struct span_cache *cache;

	preempt_disable();
	cache = this_cpu_ptr(caches);
	if (unlikely(READ_ONCE(cache->busy))) {
		preempt_enable();
		return NULL;
	}
	/* An interrupt after this sees it; one before that has left by now. */
	WRITE_ONCE(cache->busy, true);
	barrier();
	return cache;
}

/**
 * span_cache_leave() - end work on this CPU's cache
 * @cache: what span_cache_enter() returned
 *
 * Context: as after that.
 */
static inline void span_cache_leave(struct span_cache *cache)
{
	barrier();
	WRITE_ONCE(cache->busy, false);
	preempt_enable();
}

/* The upper @n spans have left a shelf, or the lower. */
static inline void span_shelf_shrunk(struct span_cache *cache, struct span_shelf *shelf,
				     unsigned int n)
{
	WRITE_ONCE(shelf->n, shelf->n - n);
	WRITE_ONCE(cache->npages, cache->npages - n * shelf->npages);
	WRITE_ONCE(cache->nspans, cache->nspans - n);
}

/**
 * struct span_cache_sums - what the caches of all CPUs hold, and have done
 * @npages: pages of the spans in them
 * @nspans: spans in them
 * @allocs: allocations served
 * @frees: spans taken in
 * @refills: batches carved for them
 * @flushes: batches that went from them to the tree
 * @zeroed_pages: pages cleared for allocations
 * @zero_saved_pages: pages that were zero already when they had to be
 */
struct span_cache_sums {
	unsigned long npages;
	unsigned long nspans;
	u64 allocs;
	u64 frees;
	u64 refills;
	u64 flushes;
	u64 zeroed_pages;
	u64 zero_saved_pages;
};

int span_cache_create(struct span_heap *heap, unsigned long npages);
void span_cache_destroy(struct span_heap *heap);

struct span *span_cache_alloc(struct span_heap *heap, const struct span_request *request);
bool span_cache_free(struct span_heap *heap, struct span *span);

unsigned long span_cache_try_drain(struct span_heap *heap);
unsigned long span_cache_drain_own(struct span_heap *heap);
void span_cache_flush(struct span_heap *heap, struct span_cache *cache,
		      struct span_shelf *shelf, unsigned int n);
void span_shelf_label(struct span_shelf *shelf, unsigned long npages, unsigned long limit);
void span_cache_adjust(const struct span_heap *heap, struct span_cache *cache);
bool span_cache_age(struct span_heap *heap);
size_t span_cache_bytes(const struct span_heap *heap);
void span_cache_sum(const struct span_heap *heap, struct span_cache_sums *sums);

#endif /* _SPANALLOC_CACHE_H */
