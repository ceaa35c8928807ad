/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * spanalloc: runs of pages of any length, from heaps that stay warm.
 *
 * The interface for other kernel modules. Symbols are exported GPL-only in the
 * namespace SPANALLOC; a client says MODULE_IMPORT_NS(SPANALLOC), with a string
 * literal from 6.13 on.
 */
#ifndef _LINUX_SPANALLOC_H
#define _LINUX_SPANALLOC_H

#include <linux/bits.h>
#include <linux/gfp.h>
#include <linux/sizes.h>
#include <linux/types.h>

struct page;
struct sg_table;
struct span;
struct span_heap;

/* The longest name of a heap, without the terminating zero. */
#define SPANALLOC_NAME_MAX	31

/* No limit on the address space of a heap but the pages of the machine. */
#define SPANALLOC_NO_LIMIT	0
/* Keep all idle memory until somebody asks for it. */
#define SPANALLOC_RETAIN_ALL	(-1)
/* What suits most: the share kept, the window in ms, and the scavenger's pace. */
#define SPANALLOC_RETAIN_DEFAULT	10
#define SPANALLOC_WINDOW_DEFAULT	32000
#define SPANALLOC_PACE_DEFAULT		10
/*
 * What suits most: pages that each CPU parks. Where they have 4 KiB, that is room for nearly two
 * spans of each length up to 64.
 */
#define SPANALLOC_CACHE_DEFAULT		(SZ_16M >> PAGE_SHIFT)
/* The granule order that fits this machine: that of a PMD, if the buddy allocator has it. */
#define SPANALLOC_ORDER_DEFAULT	(~0U)

/**
 * struct spanalloc_attr - how a heap is to be
 * @name: unique among the heaps; letters, digits, '.', '_' and '-', not
 *        beginning with '.', at most SPANALLOC_NAME_MAX characters
 * @nid: NUMA node to prefer for memory, or NUMA_NO_NODE: what the policy of the
 *       task says that allocates
 * @granule_order: memory is taken from and returned to the buddy allocator in
 *                 granules of 2^@granule_order pages; SPANALLOC_ORDER_DEFAULT
 *                 chooses
 * @arena_pages: address space is added in steps of this many pages, a power of
 *               two not smaller than a granule; 0 means 64 MiB, or a granule if
 *               that is more
 * @max_pages: address space ends here, below 2^32 pages; rounded down to whole granules;
 *             SPANALLOC_NO_LIMIT means as many pages as the machine has
 * @retain_percent: idle memory up to this share of the recent peak of the pages
 *                  in use is kept; what is above it is given back in the
 *                  background, and some of it before an allocation that may sleep
 *                  backs a further granule. 0 keeps nothing, window or not;
 *                  SPANALLOC_RETAIN_ALL keeps everything
 * @window_ms: memory that was needed within this time is kept as well, if it is
 *             likely to be needed again; 0: only the present counts
 * @pace_permille: the share of one CPU that giving back in the background may
 *                 take, in thousandths, at most 1000; 0 means SPANALLOC_PACE_DEFAULT
 * @account: memory is charged to the memory cgroup of the task that creates the
 *           heap, whoever allocates; see "Memory cgroups and NUMA nodes" in
 *           Documentation/design.rst. Such a heap keeps nothing idle, so
 *           @retain_percent and @window_ms have to be 0
 * @wipe: pages are cleared when they are freed, so that free memory is zero at all
 *        times; always so where the kernel was booted with init_on_free
 * @poison: pages are filled with a pattern when they are freed, which is verified when
 *          they are allocated or given back, to find who writes to pages that are not his
 *          any more. For debugging, since each page is written and read once more; takes
 *          the place of @wipe, for what was in a page is gone as well
 * @prezero: idle memory is cleared in the background, so that allocations with
 *           SPANALLOC_ZERO need not; of no effect with @wipe or @poison
 * @cache_pages: small spans that are freed are parked for their CPU, so that allocations of
 *               the same length get them without a look at the heap, up to so many pages for
 *               each CPU, or about an eighth of the pages in use for all CPUs, if that is more,
 *               but no more than half of @max_pages together;
 *               SPANALLOC_CACHE_DEFAULT suits most. 0: none, and placement is exact first fit.
 *               There are none either with @account, @wipe or @poison, nor on PREEMPT_RT
 * @tree_seed: seed of the tree's priorities, for tests; 0 draws a random one
 */
struct spanalloc_attr {
	const char *name;
	int nid;
	unsigned int granule_order;
	unsigned long arena_pages;
	unsigned long max_pages;
	int retain_percent;
	unsigned int window_ms;
	unsigned int pace_permille;
	bool account;
	bool wipe;
	bool poison;
	bool prezero;
	unsigned long cache_pages;
	u64 tree_seed;
};

/* Flags of spanalloc_alloc(). */
#define SPANALLOC_ZERO		BIT(0)	/* every page reads as zero */
#define SPANALLOC_CONTIG	BIT(1)	/* physically contiguous; at most one granule */

/**
 * struct spanalloc_stats - what a heap held at one moment
 * @address_pages: pages of address space, in all states
 * @backed_pages: pages taken from the buddy allocator
 * @in_use_pages: pages of spans in use
 * @claimed_pages: pages of spans that allocations are still backing
 * @cached_pages: pages of freed spans that are parked for allocations of the same length
 * @quarantined_pages: pages of freed spans that are still referenced elsewhere
 * @free_pages: pages of free spans
 * @released_pages: pages of granules that are not backed
 * @idle_pages: pages of backed granules that lie wholly in one free span: what
 *              scavenging could return
 * @largest_free_pages: length of the longest free span
 * @free_spans: number of free spans
 * @in_use_spans: number of spans in use
 * @cached_spans: number of spans that are parked
 * @metadata_bytes: bytes of the heap's tables and caches; span objects come on top
 * @granule_pages: pages of a granule
 * @arena_pages: pages of an arena
 * @max_pages: limit of the address space, in pages
 * @allocs: successful allocations
 * @allocs_exact: of these, those that took a whole free span
 * @allocs_placed: of these, those with an alignment or contiguity to keep
 * @frees: spans freed
 * @splits: spans in use split in two
 * @cache_allocs: allocations that were served by per-CPU caches
 * @cache_frees: frees that parked the span there
 * @cache_refills: batches that were carved for them
 * @cache_flushes: batches that went from them back to the tree
 * @fails_limit: allocations refused because the limit leaves too few pages
 * @fails_space: allocations refused because no free run is long enough
 * @fails_memory: allocations refused because the system had no memory
 * @fails_again: allocations refused because they might not sleep
 * @splits_in_place: allocations that changed a free span in its tree node
 * @merges_in_place: frees that grew a neighbour in its tree node
 * @tree_inserts: insertions into the tree
 * @tree_erases: erasures from the tree
 * @grows: times that address space was added
 * @backed: granules taken from the buddy allocator
 * @backed_scattered: of these, those made of single pages
 * @backing_races: granules taken but given back, another claim was faster
 * @scavenged_pages: pages returned to the buddy allocator
 * @scavenged_inline_pages: of these, those that an allocation gave back before it
 *                          backed a granule
 * @scavenged_reclaim_pages: of these, those that the system asked for
 * @scavenge_steps: times that the background scavenger looked at the heap
 * @scavenge_ns: time that it spent giving back
 * @goal_pages: idle pages that the heap keeps from it at the moment
 * @demand_pages: pages of granules that are likely to be needed again soon
 * @kept_pages: idle pages that are kept for that reason alone, above the share
 * @kept_reused_pages: idle pages above the share that were needed again, and so neither
 *                     given back nor taken
 * @zeroed_pages: pages that the heap zeroed while somebody waited for an allocation
 * @zero_saved_pages: pages handed out with SPANALLOC_ZERO that needed no zeroing, for they
 *                    came so from the buddy allocator, or were cleared before
 * @wiped_pages: pages cleared because free memory has to be zero: when they were freed, or
 *               when they were taken
 * @prezeroed_pages: pages of idle granules cleared in the background
 * @repaired: granules of single pages that were replaced by one block
 * @poison_broken: pages found written to while they were free
 */
struct spanalloc_stats {
	u64 address_pages;
	u64 backed_pages;
	u64 in_use_pages;
	u64 claimed_pages;
	u64 cached_pages;
	u64 quarantined_pages;
	u64 free_pages;
	u64 released_pages;
	u64 idle_pages;
	u64 largest_free_pages;
	u64 free_spans;
	u64 in_use_spans;
	u64 cached_spans;
	u64 metadata_bytes;
	u64 granule_pages;
	u64 arena_pages;
	u64 max_pages;
	u64 allocs;
	u64 allocs_exact;
	u64 allocs_placed;
	u64 frees;
	u64 splits;
	u64 cache_allocs;
	u64 cache_frees;
	u64 cache_refills;
	u64 cache_flushes;
	u64 fails_limit;
	u64 fails_space;
	u64 fails_memory;
	u64 fails_again;
	u64 splits_in_place;
	u64 merges_in_place;
	u64 tree_inserts;
	u64 tree_erases;
	u64 grows;
	u64 backed;
	u64 backed_scattered;
	u64 backing_races;
	u64 scavenged_pages;
	u64 scavenged_inline_pages;
	u64 scavenged_reclaim_pages;
	u64 scavenge_steps;
	u64 scavenge_ns;
	u64 goal_pages;
	u64 demand_pages;
	u64 kept_pages;
	u64 kept_reused_pages;
	u64 zeroed_pages;
	u64 zero_saved_pages;
	u64 wiped_pages;
	u64 prezeroed_pages;
	u64 repaired;
	u64 poison_broken;
};

/**
 * spanalloc_fragmentation() - share of the free pages outside the longest run
 * @stats: a snapshot
 *
 * Return: 0 (one run holds all free pages, or there are none) to 1000, in
 * thousandths.
 */
static inline unsigned int
spanalloc_fragmentation(const struct spanalloc_stats *stats)
{
	if (!stats->free_pages)
		return 0;
	return 1000 - stats->largest_free_pages * 1000 / stats->free_pages;
}

struct span_heap *spanalloc_heap_create(const struct spanalloc_attr *attr);
void spanalloc_heap_destroy(struct span_heap *heap);
struct span_heap *spanalloc_default_heap(void);

struct span *spanalloc_alloc(struct span_heap *heap, unsigned long npages,
			     unsigned long align, unsigned int flags, gfp_t gfp);
void spanalloc_free(struct span_heap *heap, struct span *span);
long spanalloc_alloc_bulk(struct span_heap *heap, unsigned long npages, unsigned int flags,
			  gfp_t gfp, unsigned long n, struct span **spans);
void spanalloc_free_bulk(struct span_heap *heap, unsigned long n, struct span **spans);
struct span *spanalloc_split(struct span_heap *heap, struct span *span,
			     unsigned long npages, gfp_t gfp);
struct span *spanalloc_lookup(struct span_heap *heap, unsigned long page);

unsigned long spanalloc_base(const struct span *span);
unsigned long spanalloc_npages(const struct span *span);
struct page *spanalloc_page(struct span_heap *heap, const struct span *span,
			    unsigned long index);
unsigned long spanalloc_pfn(struct span_heap *heap, const struct span *span,
			    unsigned long index);
unsigned long spanalloc_contig_pages(struct span_heap *heap,
				     const struct span *span,
				     unsigned long index);
void *spanalloc_address(struct span_heap *heap, const struct span *span);

void *spanalloc_vmap(struct span_heap *heap, struct span *span);
void spanalloc_vunmap(struct span_heap *heap, struct span *span, void *address);
int spanalloc_sg_alloc(struct span_heap *heap, struct span *span, struct sg_table *sgt,
		       unsigned int max_segment, gfp_t gfp);
void spanalloc_sg_free(struct span_heap *heap, struct span *span, struct sg_table *sgt);

void spanalloc_get_stats(struct span_heap *heap, struct spanalloc_stats *stats);
unsigned long spanalloc_scavenge(struct span_heap *heap, unsigned long npages);

#endif /* _LINUX_SPANALLOC_H */
