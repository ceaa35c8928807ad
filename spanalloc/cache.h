/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Per-CPU caches of free spans. Between heap.c, claim.c, scavenge.c, scavenger.c and
 * inspect.c; see cache.c.
 */
#ifndef _SPANALLOC_CACHE_H
#define _SPANALLOC_CACHE_H

#include <linux/kernel.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "batch.h"
#include "heap.h"

/* Lengths in pages that have shelves of their own, and shelves for longer spans. */
#define SPAN_SHELF_EXACT	16
#define SPAN_SHELF_SHARED	8
#define SPAN_SHELVES		(SPAN_SHELF_EXACT + SPAN_SHELF_SHARED)

/* What a shelf holds: spans of so many pages together, but not more or fewer spans than that. */
#define SPAN_SHELF_PAGES	64
#define SPAN_SHELF_MIN		2
#define SPAN_SHELF_SPANS	SPAN_BATCH

/**
 * struct span_shelf - spans of one length
 * @npages: that length; of a shared shelf, the last one's
 * @room: how many spans of that length it may hold
 * @n: how many it holds
 * @span: the spans; the one freed last comes last
 */
struct span_shelf {
	u32 npages;
	u16 room;
	u16 n;
	struct span *span[SPAN_SHELF_SPANS];
};

/**
 * struct span_cache - what one CPU has parked
 * @lock: protects all that follows; counters are also read without it
 * @npages: pages of the spans on the shelves
 * @nspans: spans on the shelves
 * @hand: the shelf that is emptied next where there are too many pages
 * @seen: @allocs and @frees when the scavenger looked last
 * @allocs: allocations served
 * @frees: spans taken in
 * @refills: batches carved
 * @flushes: batches that went to the tree
 * @zeroed_pages: pages cleared for allocations
 * @zero_saved_pages: pages that were zero already when they had to be
 * @shelf: the shelves
 */
struct span_cache {
	spinlock_t lock;	/* protects all that follows */
	u32 npages;
	u32 nspans;
	u32 hand;
	u64 seen;
	u64 allocs;
	u64 frees;
	u64 refills;
	u64 flushes;
	u64 zeroed_pages;
	u64 zero_saved_pages;
	struct span_shelf shelf[SPAN_SHELVES];
} ____cacheline_aligned_in_smp;

/* Where trying for a spinlock always succeeds, it does not keep interrupts out. */
static inline unsigned long span_cache_keep_interrupts_out(void)
{
	unsigned long irqflags = 0;

	if (!IS_ENABLED(CONFIG_SMP) && !IS_ENABLED(CONFIG_PREEMPT_RT))
		local_irq_save(irqflags);
	return irqflags;
}

static inline void span_cache_let_interrupts_in(unsigned long irqflags)
{
	if (!IS_ENABLED(CONFIG_SMP) && !IS_ENABLED(CONFIG_PREEMPT_RT))
		local_irq_restore(irqflags);
}

/* The upper @n spans have left a shelf, or the lower. */
static inline void span_shelf_shrunk(struct span_cache *cache, struct span_shelf *shelf,
				     unsigned int n)
{
	shelf->n -= n;
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

unsigned long span_cache_try_drain(struct span_heap *heap, bool try);
void span_cache_flush(struct span_heap *heap, struct span_cache *cache,
		      struct span_shelf *shelf, unsigned int n, bool try);
void span_shelf_label(struct span_shelf *shelf, unsigned long npages, unsigned long limit);
bool span_cache_age(struct span_heap *heap);
size_t span_cache_bytes(const struct span_heap *heap);
void span_cache_sum(const struct span_heap *heap, struct span_cache_sums *sums);

#endif /* _SPANALLOC_CACHE_H */
