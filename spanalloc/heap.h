/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The span heap: allocation, freeing and splitting of page spans. See heap.c
 * for the model and the locking.
 */
#ifndef _SPANALLOC_HEAP_H
#define _SPANALLOC_HEAP_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/prandom.h>
#include <linux/seqlock.h>
#include <linux/spanalloc.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "arena.h"
#include "backing.h"
#include "demand.h"
#include "span.h"
#include "treap.h"

struct dentry;
struct span_cache;

/* What is taken over from a caller's flags: no zone, zeroing or accounting bits. */
#define SPAN_GFP_MASK	(GFP_KERNEL | GFP_ATOMIC | __GFP_NORETRY | \
			 __GFP_RETRY_MAYFAIL | __GFP_NOMEMALLOC)

/*
 * The largest address space of any heap, since all of it may be one free span: 16 TiB with pages
 * of 4 KiB. Sums and shifts are far from overflow.
 */
#define SPAN_HEAP_PAGES_MAX	SPAN_TREAP_PAGES_MAX

/**
 * struct span_policy - how much idle memory a heap keeps; see struct spanalloc_attr
 * @retain_percent: share of the recent peak of pages in use
 * @window_ms: what counts as recent
 * @pace_permille: share of a CPU for giving back; not 0
 */
struct span_policy {
	int retain_percent;
	unsigned int window_ms;
	unsigned int pace_permille;
};

/**
 * struct span_keeper_ops - what a heap's scavenger needs of its surroundings
 * @now: a clock in ns that never goes back. Called with or without the heap's lock
 * @wake: have span_scavenger_step() called in @delay ns, or sooner if that was agreed
 *        upon before. Called without the heap's lock, though perhaps with preemption off,
 *        wherever the heap's users may free
 * @idle: the heap's idle pages went up by @npages, or down. Called with the
 *        heap's lock held
 *
 * @priv is the heap's keeper_priv.
 */
struct span_keeper_ops {
	u64 (*now)(void *priv);
	void (*wake)(void *priv, u64 delay);
	void (*idle)(void *priv, long npages);
};

/**
 * struct span_heap - an address space of pages and who holds which of them
 * @name: unique name (invariant after create)
 * @granule_order: log2 of the pages of a granule (invariant after create)
 * @nid: NUMA node to prefer for memory (invariant after create)
 * @max_pages: the address space ends here, a multiple of a granule (invariant
 *             after create)
 * @account: see struct spanalloc_attr: nothing idle is kept (invariant after
 *           create)
 * @wipe: free pages are zero at all times (invariant after create, until
 *        span_heap_forget_contents())
 * @poison: free pages are full of SPAN_POISON at all times, and verified; not
 *          together with @wipe (as that)
 * @prezero: idle granules are to be cleared in the background; not together with @wipe or
 *           @poison (invariant after create)
 * @poison_broken: pages that were found written to while they were free; has no lock,
 *                 for they are found where none may be waited for
 * @keeper: the scavenger's surroundings; NULL: there is no scavenger, and no
 *          clock (set once, before the heap is used)
 * @keeper_priv: handed to @keeper
 * @backing: where granules come from (invariant after create)
 * @backing_priv: handed to @backing (invariant after create)
 * @drain: if set, called without locks before an allocation that may sleep
 *         fails: frees spans that are held back (set once, before the heap is
 *         used)
 * @drain_priv: handed to @drain
 * @list: for the registry of heaps (registry's lock)
 * @debugfs: directory of the heap (set once, before the heap is used)
 * @caches: per-CPU caches, or NULL (invariant after create). This and what follows up to @lock
 *          is what cached allocation and freeing and lookups read: seldom changed, and in a
 *          cache line that nobody writes who takes @lock
 * @cache_pages: pages that each CPU may park in its cache, or more where much is in use
 *               (invariant after create)
 * @mark: what its spans are marked with. 65535 heaps later there is another one with the same:
 *        it tells a stranger at first sight, and most probably (invariant after create)
 * @caches_watched: the scavenger looks at the caches, or need not: no cache has been filled
 *                  since they were all empty (with the lock; readable without it)
 * @damaged: an invariant was found broken; the heap refuses further work (set once, with the
 *           lock; readable without it)
 * @arenas: span map and granule table (with the lock; readable without it where arena.c says
 *          so)
 * @lock: protects everything below, where nothing else is said. Taken with interrupts off:
 *        allocation with GFP_ATOMIC and freeing are legal in hard interrupts
 * @treap: the free spans
 * @rnd: generator of tree priorities
 * @in_use_pages: pages of spans in use and cached
 * @claimed_pages: pages of claimed spans
 * @quarantined_pages: pages of quarantined spans
 * @in_use_spans: number of spans in use and cached
 * @backed_granules: granules that are backed
 * @scattered_granules: of these, those made of single pages
 * @policy: how much idle memory is kept
 * @demand: what was needed lately
 * @dirty_from: no idle granule that begins below this page is dirty
 * @scattered_from: no idle granule that begins below this page is scattered
 * @spare_granules: idle granules that the share comes to, when that was asked for last
 * @eager_granules: granules that would be backed if what is idle were these at most, and
 *                  all else were given back at once
 * @eager_taken: granules that had been taken when that was counted last
 * @idle_told: idle granules that @keeper was told of last; readable without the lock
 * @armed: the scavenger is awake, or will be woken
 * @tend: idle memory may need what upkeep.c does, and nobody has looked yet
 * @changes: goes up with every change, so that a check in batches can tell
 *           whether its sums mean anything
 * @forgotten: what free pages contain is not the heap's to change any more
 * @cache_drain: held by who drains caches, and has spans in hand that are in none and not in
 *               the tree. In reclaim, it is only tried. Nests outside @lock
 * @cache_drains: how often all of them were; written by who holds @cache_drain
 * @handover: counts up when a CPU hands spans over to who drains
 * @handed_spans: spans that were handed over and are not in the tree; written by one of these,
 *                or by who holds @cache_drain and @lock
 * @handed_pages: their pages
 * @caches_look: when the scavenger looks at the caches next
 * @caches_recheck: it looks once more though they were all empty
 * @stat: operation counts for the snapshot; only the counts in it are used
 */
struct span_heap {
	char name[SPANALLOC_NAME_MAX + 1];
	unsigned int granule_order;
	int nid;
	unsigned long max_pages;
	bool account;
	bool wipe;
	bool poison;
	bool prezero;
	atomic_long_t poison_broken;
	const struct span_keeper_ops *keeper;
	void *keeper_priv;
	const struct span_backing_ops *backing;
	void *backing_priv;
	void (*drain)(void *priv);
	void *drain_priv;
	struct list_head list;
	struct dentry *debugfs;

	struct span_cache __percpu *caches ____cacheline_aligned_in_smp;
	unsigned long cache_pages;
	u16 mark;
	bool caches_watched;
	bool damaged;
	struct span_arenas arenas;

	spinlock_t lock ____cacheline_aligned_in_smp;	/* protects what follows */
	struct span_treap treap;
	struct rnd_state rnd;
	unsigned long in_use_pages;
	unsigned long claimed_pages;
	unsigned long quarantined_pages;
	unsigned long in_use_spans;
	unsigned long backed_granules;
	unsigned long scattered_granules;
	struct span_policy policy;
	struct span_demand demand;
	unsigned long dirty_from;
	unsigned long scattered_from;
	unsigned long spare_granules;
	unsigned long eager_granules;
	u64 eager_taken;
	unsigned long idle_told;
	bool armed;
	bool tend;
	u64 changes;
	bool forgotten;
	struct mutex cache_drain;	/* held by who drains caches */
	unsigned int cache_drains;
	seqcount_t handover;
	unsigned int handed_spans;
	unsigned long handed_pages;
	u64 caches_look;
	bool caches_recheck;
	struct spanalloc_stats stat;
};

/**
 * struct span_request - what an allocation asks for
 * @npages: pages, at least 1
 * @align: base is a multiple of this power of two; 0 and 1 mean any
 * @flags: SPANALLOC_ZERO, SPANALLOC_CONTIG
 * @gfp: says whether the call may sleep; zone and zeroing bits are ignored
 * @caller: code address to remember
 * @owner: number to remember, see struct span
 */
struct span_request {
	unsigned long npages;
	unsigned long align;
	unsigned int flags;
	gfp_t gfp;
	unsigned long caller;
	u32 owner;
};

/**
 * struct span_info - one span, as seen by a walk over the address space
 * @base: first page
 * @npages: length in pages
 * @nreleased: pages of it that lie in released granules
 * @state: an enum span_state
 * @views: see struct span
 * @owner: see struct span
 * @caller: see struct span
 */
struct span_info {
	unsigned long base;
	unsigned long npages;
	unsigned long nreleased;
	u8 state;
	u16 views;
	u32 owner;
	unsigned long caller;
};

/**
 * struct span_report - what a check found
 * @invariant: the first broken invariant, or SPAN_INV_NONE
 * @page: where in the address space
 * @spans: spans visited
 * @free_spans: of these, free ones
 * @granules: granules visited
 * @sums_compared: false if the heap changed between two batches, so that the
 *                 counters could not be compared with the sums
 */
struct span_report {
	enum span_invariant invariant;
	unsigned long page;
	unsigned long spans;
	unsigned long free_spans;
	unsigned long granules;
	bool sums_compared;
};

static inline unsigned long span_heap_granule_pages(const struct span_heap *heap)
{
	return 1UL << heap->granule_order;
}

/* Granules that are backed and not idle. */
static inline unsigned long span_heap_needed(const struct span_heap *heap)
{
	return heap->backed_granules - heap->treap.ngranules_idle;
}

/* Pages that somebody has or is about to have. */
static inline unsigned long span_heap_used(const struct span_heap *heap)
{
	return heap->in_use_pages + heap->claimed_pages;
}

static inline unsigned long span_heap_idle_pages(const struct span_heap *heap)
{
	return heap->treap.ngranules_idle << heap->granule_order;
}

/* heap.c: life of a heap, freeing, splitting, looking up; claim.c: allocation */
struct span_heap *span_heap_create(const struct spanalloc_attr *attr,
				   const struct span_backing_ops *backing,
				   void *backing_priv);
unsigned long span_heap_destroy(struct span_heap *heap);
int span_request_check(const struct span_heap *heap, const struct span_request *request);
struct span *span_heap_alloc(struct span_heap *heap,
			     const struct span_request *request);
int span_heap_free(struct span_heap *heap, struct span *span);
int span_heap_free_slowly(struct span_heap *heap, struct span *span);
struct span *span_heap_split(struct span_heap *heap, struct span *span,
			     unsigned long npages, gfp_t gfp);
int span_heap_quarantine(struct span_heap *heap, struct span *span);
int span_heap_view_begin(struct span_heap *heap, struct span *span);
int span_heap_view_end(struct span_heap *heap, struct span *span);
struct span *span_heap_lookup(struct span_heap *heap, unsigned long page);
struct page *span_heap_run(struct span_heap *heap, const struct span *span,
			   unsigned long index, unsigned long *npages);

/* bulk.c: many spans at once */
long span_heap_alloc_bulk(struct span_heap *heap, const struct span_request *request,
			  unsigned long n, struct span **span);
int span_heap_free_bulk(struct span_heap *heap, unsigned long n, struct span **span);

/* cache.c: what is parked for a CPU */
unsigned long span_cache_npages(const struct span_heap *heap);
unsigned long span_cache_drain(struct span_heap *heap);
unsigned long span_cache_drain_unused(struct span_heap *heap, int cpu);

/* contents.c: what free pages contain */
void span_heap_forget_contents(struct span_heap *heap);

/* scavenge.c: giving memory back */
unsigned long span_heap_scavenge(struct span_heap *heap, unsigned long npages);
unsigned long span_heap_scavenge_some(struct span_heap *heap);
void span_heap_release_idle(struct span_heap *heap, unsigned long end);

/* upkeep.c: making idle memory better */
unsigned long span_heap_prezero(struct span_heap *heap, unsigned long ngranules);
unsigned long span_heap_repair(struct span_heap *heap, unsigned long ngranules,
			       bool *refused);

/* scavenger.c: when to do so */
#define SPAN_SCAVENGER_REST	U64_MAX

void span_scavenger_attach(struct span_heap *heap, const struct span_keeper_ops *keeper,
			   void *priv);
void span_scavenger_detach(struct span_heap *heap);
int span_scavenger_check_policy(const struct span_policy *policy);
void span_scavenger_set_policy(struct span_heap *heap, const struct span_policy *policy);
u64 span_scavenger_step(struct span_heap *heap);
void span_scavenger_before_take(struct span_heap *heap);
void span_scavenger_watch_caches(struct span_heap *heap);
unsigned long span_scavenger_reclaim(struct span_heap *heap, unsigned long npages);
unsigned long span_scavenger_purge(struct span_heap *heap);

/* inspect.c: statistics, walk, check */
void span_heap_stats(struct span_heap *heap, struct spanalloc_stats *stats);
bool span_heap_next_span(struct span_heap *heap, unsigned long page,
			 struct span_info *info);
int span_heap_check(struct span_heap *heap, unsigned int batch,
		    struct span_report *report);

#endif /* _SPANALLOC_HEAP_H */
