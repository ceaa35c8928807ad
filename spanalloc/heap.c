// SPDX-License-Identifier: GPL-2.0-only
/*
 * The span heap: its life, freeing, splitting, looking up.
 */

/**
 * DOC: Span heap
 *
 * A heap is an address space of pages, cut into spans: runs of any length that
 * are free, claimed by an allocation on its way, in use, or quarantined. Free
 * spans are in a treap (treap.c); the span map leads from a page to its span and
 * the granule table tells what memory is behind it (arena.c); carving and
 * coalescing move the borders (space.c); allocation claims, backs and publishes
 * (claim.c); free pages may have to be zero or poisoned (contents.c); scavenging
 * takes memory away from free spans (scavenge.c), upkeep makes it better (upkeep.c);
 * statistics, walks and the check read all that (inspect.c). Small spans are mostly freed
 * to, and allocated from, per-CPU caches (cache.c), which all this knows as spans in use.
 *
 * The one rule: the tree, the span map, the granule table and the counters
 * change only under the heap's lock; only calls to the buddy allocator, zeroing
 * and making and deleting objects happen outside it.
 *
 * Locking: one spinlock for each heap, taken with interrupts off, so that
 * GFP_ATOMIC allocation and freeing are legal in hard interrupts, never in NMI.
 * On PREEMPT_RT a spinlock sleeps: there, task context only. Nothing is held
 * while it is taken but the mutex of who drains caches (cache.c), and what the callers
 * hold: mmap_lock, then the lock of an open file, then these.
 *
 * Complexity: allocating and freeing a span among F free ones is O(log F), plus
 * one step for each granule it touches, plus zeroing where that is asked for; with
 * an alignment or contiguity, O(log F) for each candidate that does not fit, too.
 *
 * Example::
 *
 *	heap = span_heap_create(&attr, &span_buddy_backing, NULL);
 *	span = span_heap_alloc(heap, &(struct span_request) {
 *		.npages = 17, .gfp = GFP_KERNEL });
 *	if (!IS_ERR(span))
 *		span_heap_free(heap, span);
 *	span_heap_destroy(heap);
 */

#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "cache.h"
#include "contents.h"
#include "space.h"

/* No table of an arena is longer than what kvmalloc() gives. */
#define ARENA_PAGES_MAX	(INT_MAX / sizeof(struct span_granule))

/* How many leaked spans destroying a heap names one by one. */
#define LEAKS_NAMED	16

/* Of which the marks are made. */
static atomic_t nheaps;

static int check_attr(const struct spanalloc_attr *attr)
{
	unsigned long granule;

	if (attr->granule_order >= BITS_PER_LONG / 2)
		return -EINVAL;
	granule = 1UL << attr->granule_order;
	if (!is_power_of_2(attr->arena_pages) || attr->arena_pages < granule ||
	    attr->arena_pages > ARENA_PAGES_MAX)
		return -EINVAL;
	if (attr->max_pages > SPAN_HEAP_PAGES_MAX ||
	    (attr->max_pages && attr->max_pages < granule))
		return -EINVAL;
	/* A cgroup that is short of memory could never get back what is kept idle. */
	if (attr->account && (attr->retain_percent || attr->window_ms))
		return -EINVAL;
	return 0;
}

static struct span_policy policy_of(const struct spanalloc_attr *attr)
{
	return (struct span_policy) {
		.retain_percent = attr->retain_percent,
		.window_ms = attr->window_ms,
		.pace_permille = attr->pace_permille ? : SPANALLOC_PACE_DEFAULT,
	};
}

/**
 * span_heap_create() - make a heap without address space
 * @attr: how it is to be; granule_order and arena_pages are taken as they are,
 *        a max_pages of 0 means SPAN_HEAP_PAGES_MAX
 * @backing: where granules come from
 * @backing_priv: handed to @backing
 *
 * Context: may sleep.
 * Return: the heap, or ERR_PTR(): -EINVAL for attributes that make no sense,
 * -ENOMEM.
 */
struct span_heap *span_heap_create(const struct spanalloc_attr *attr,
				   const struct span_backing_ops *backing,
				   void *backing_priv)
{
	struct span_policy policy = policy_of(attr);
	struct span_heap *heap;
	unsigned long limit;
	int err = check_attr(attr) ? : span_scavenger_check_policy(&policy);

	if (err)
		return ERR_PTR(err);
	heap = kzalloc(sizeof(*heap), GFP_KERNEL);
	if (!heap)
		return ERR_PTR(-ENOMEM);
	strscpy(heap->name, attr->name, sizeof(heap->name));
	heap->granule_order = attr->granule_order;
	heap->nid = attr->nid;
	limit = attr->max_pages ? : SPAN_HEAP_PAGES_MAX;
	heap->max_pages = round_down(limit, span_heap_granule_pages(heap));
	heap->account = attr->account;
	heap->policy = policy;
	heap->poison = attr->poison;
	heap->wipe = attr->wipe && !attr->poison;
	/* Where free pages are filled there is nothing to clear, and nobody to be woken for it. */
	heap->prezero = attr->prezero && !attr->wipe && !attr->poison;
	/* Not 0, which a span has that was in no heap yet. */
	heap->mark = 1 + (u32)atomic_inc_return(&nheaps) % U16_MAX;
	heap->backing = backing;
	heap->backing_priv = backing_priv;
	spin_lock_init(&heap->lock);
	mutex_init(&heap->cache_drain);
	seqcount_init(&heap->handover);
	span_treap_init(&heap->treap);
	heap->arenas.shift = ilog2(attr->arena_pages);
	heap->arenas.granule_order = attr->granule_order;
	prandom_seed_state(&heap->rnd, attr->tree_seed ? : get_random_u64());
	/*
	 * Where free memory has to be something, or nothing may be idle, nothing is parked; nor
	 * where the lock sleeps.
	 */
	if (attr->cache_pages && !heap->account && !heap->wipe && !heap->poison &&
	    !IS_ENABLED(CONFIG_PREEMPT_RT))
		err = span_cache_create(heap, attr->cache_pages);
	if (!err)
		return heap;
	kfree(heap);
	return ERR_PTR(err);
}

/* Report the spans that are left. */
static unsigned long report_leaks(struct span_heap *heap)
{
	unsigned long page, npages = 0, nspans = 0;
	struct span *span;

	for (page = 0; (span = span_map_after(&heap->arenas, page)); page = span_end(span)) {
		if (span->node.state == SPAN_FREE)
			continue;
		cond_resched();
		npages += span->node.npages;
		if (nspans++ < LEAKS_NAMED)
			pr_err("spanalloc: heap %s: leaked %lu pages at %lu, %s, by %pS\n",
			       heap->name, span->node.npages, span->node.base,
			       span_state_name(span->node.state), (void *)span->caller);
	}
	if (nspans)
		pr_err("spanalloc: heap %s destroyed with %lu spans of %lu pages in use; they are lost\n",
		       heap->name, nspans, npages);
	return npages;
}

/* Does any span but a free one touch the granule that begins at @page? */
static bool granule_is_held(struct span_heap *heap, struct span **at, unsigned long page)
{
	unsigned long end = page + span_heap_granule_pages(heap);
	bool held = false;

	while (*at && (*at)->node.base < end) {
		held |= (*at)->node.state != SPAN_FREE;
		if (span_end(*at) > end)
			break;
		*at = span_map_after(&heap->arenas, span_end(*at));
	}
	return held;
}

/* Give back every granule that no leaked span touches. */
static void give_unheld(struct span_heap *heap)
{
	struct span *at = span_map_after(&heap->arenas, 0);
	unsigned long page;

	for (page = 0; page < heap->arenas.npages; page += span_heap_granule_pages(heap)) {
		struct span_granule *granule =
			span_granule_at(&heap->arenas, page >> heap->granule_order);
		struct span_block block;

		if (granule_is_held(heap, &at, page) || !span_granule_backed(granule))
			continue;
		span_granule_detach(granule, &block);
		span_contents_verify(heap, &block, page);
		heap->backing->give(heap->backing_priv, &block, heap->granule_order);
		cond_resched();
	}
}

static void delete_tables(struct span_heap *heap)
{
	unsigned long page = 0;
	struct span *span;

	while ((span = span_map_after(&heap->arenas, page))) {
		page = span_end(span);
		span_delete(span);
		cond_resched();
	}
	span_arenas_delete(&heap->arenas);
}

/**
 * span_heap_destroy() - end a heap
 * @heap: the heap, which nobody else uses any more
 *
 * Spans that are still in use are reported, and the granules they touch are
 * lost rather than handed to somebody else. A damaged heap is lost as a whole.
 *
 * Context: may sleep.
 * Return: number of pages in spans that were not free.
 */
unsigned long span_heap_destroy(struct span_heap *heap)
{
	unsigned long leaked = 0;

	if (heap->damaged) {
		pr_err("spanalloc: heap %s is damaged; its memory is lost\n", heap->name);
		leaked = heap->in_use_pages + heap->claimed_pages + heap->quarantined_pages;
	} else {
		span_cache_destroy(heap);
		leaked = report_leaks(heap);
		give_unheld(heap);
		delete_tables(heap);
	}
	kfree(heap);
	return leaked;
}

/* Does the map lead to a span that somebody says is his? A stranger may claim any page. */
static bool owns(const struct span_heap *heap, const struct span *span)
{
	return span->node.base < heap->arenas.npages &&
	       *span_map_slot(&heap->arenas, span->node.base) == span;
}

/* Is this a span that its owner may free, split or give up? */
static int check_owned(struct span_heap *heap, const struct span *span, bool quarantined)
{
	if (heap->damaged)
		return -EIO;
	if (!owns(heap, span)) {
		WARN_ONCE(1, "spanalloc: heap %s: not a span of this heap\n", heap->name);
		return -EINVAL;
	}
	if (span_state(span) != SPAN_IN_USE &&
	    !(quarantined && span_state(span) == SPAN_QUARANTINED)) {
		WARN_ONCE(1, "spanalloc: heap %s: span at %lu is %s, not in use\n",
			  heap->name, span->node.base, span_state_name(span_state(span)));
		return -EINVAL;
	}
	if (span_end(span) > heap->arenas.npages ||
	    *span_map_slot(&heap->arenas, span_end(span) - 1) != span) {
		span_heap_damage(heap, "the map does not know a span in use");
		return -EIO;
	}
	return 0;
}

/* The same, for what would take pages away from a view of the span. */
static int check_unviewed(struct span_heap *heap, const struct span *span, bool quarantined)
{
	int err = check_owned(heap, span, quarantined);

	if (!err && span->views)
		err = -EBUSY;
	return err;
}

/* Take a span that its owner gives up out of the counter of its state. */
static void uncount(struct span_heap *heap, const struct span *span)
{
	if (span->node.state == SPAN_QUARANTINED) {
		heap->quarantined_pages -= span->node.npages;
		return;
	}
	heap->in_use_pages -= span->node.npages;
	heap->in_use_spans--;
}

/* The span is not its owner's any more, but its pages are not free yet. */
static void claim_back(struct span_heap *heap, struct span *span)
{
	heap->changes++;
	heap->claimed_pages += span->node.npages;
	if (heap->wipe)
		heap->stat.wiped_pages += span->node.npages;
	span->node.state = SPAN_CLAIMED;
	span_map_retract(&heap->arenas, span);
}

/* What no cache takes. Not inline: whoever finds room in a cache needs no such frame. */
static noinline int free_to_tree(struct span_heap *heap, struct span *span, bool may_sleep)
{
	struct span_spares unused = { };
	unsigned long irqflags, end = 0;
	int err;

	spin_lock_irqsave(&heap->lock, irqflags);
	err = check_unviewed(heap, span, true);
	if (!err) {
		end = span_end(span);
		uncount(heap, span);
		heap->stat.frees++;
	}
	if (!err && span_contents_matter(heap)) {
		claim_back(heap, span);
		spin_unlock_irqrestore(&heap->lock, irqflags);
		span_contents_leave(heap, span, ~0UL, may_sleep);
		spin_lock_irqsave(&heap->lock, irqflags);
		err = heap->damaged ? -EIO : 0;
		if (!err)
			heap->claimed_pages -= span->node.npages;
	}
	if (!err) {
		span_map_release(&heap->arenas, span);
		if (span_space_coalesce(heap, span, &unused))
			heap->stat.merges_in_place++;
	}
	span_heap_unlock(heap, irqflags);
	span_spares_drop(&unused);
	if (!err && heap->account)
		span_heap_release_idle(heap, end);
	return err;
}

/**
 * span_heap_give_up() - take a span from its owner, for a batch of them
 * @heap: the heap
 * @span: a span in use; to be released with span_batch_release() before the lock is dropped
 *
 * Context: any; the caller holds the heap's lock.
 * Return: 0; errors of span_heap_free(), also for a span that was given up already.
 */
int span_heap_give_up(struct span_heap *heap, struct span *span)
{
	int err = check_unviewed(heap, span, false);

	if (err)
		return err;
	span->node.state = SPAN_CLAIMED;
	heap->stat.frees++;
	return 0;
}

/**
 * span_heap_free() - give a span back
 * @heap: the heap
 * @span: a span in use or quarantined; gone after this call
 *
 * Never fails for want of memory. Freeing twice is a use after free: it is
 * noticed, reported once and left alone only while the object still exists, and if the
 * first has ended when the second begins. Takes the time to fill the pages where the heap
 * wipes or poisons, but not with the lock held.
 *
 * If the heap's memory is charged, the granules that are idle now go back before
 * this returns, which takes time for each of their pages.
 *
 * Context: any but NMI; without the heap's lock.
 * Return: 0; -EINVAL if the span is not in use or of another heap; -EBUSY if it has
 * views, and then it stays in use; -EIO if the heap is damaged, and then the span is
 * lost.
 */
int span_heap_free(struct span_heap *heap, struct span *span)
{
	return span_cache_free(heap, span) ? 0 : free_to_tree(heap, span, false);
}

/**
 * span_heap_free_slowly() - give a span back that may be long
 * @heap: the heap
 * @span: as for span_heap_free()
 *
 * The same where the call may sleep: while the pages are filled, others get the processor
 * now and then. To clear all that a program can hold takes seconds.
 *
 * Context: may sleep; without the heap's lock.
 * Return: as span_heap_free().
 */
int span_heap_free_slowly(struct span_heap *heap, struct span *span)
{
	might_sleep();
	return span_cache_free(heap, span) ? 0 : free_to_tree(heap, span, true);
}

/**
 * span_heap_split() - split a span in use in two
 * @heap: the heap
 * @span: a span in use; keeps its first @npages pages
 * @npages: where to split; more than 0 and less than the span's length
 * @gfp: says whether the call may sleep
 *
 * Context: any that @gfp allows but NMI; without the heap's lock.
 * Return: the upper part, a span in use of its own, or ERR_PTR(): -EINVAL,
 * -EBUSY if the span has views, -ENOMEM, -EIO if the heap is damaged; the span is
 * as it was then.
 */
struct span *span_heap_split(struct span_heap *heap, struct span *span,
			     unsigned long npages, gfp_t gfp)
{
	struct span *upper = span_new(gfp & SPAN_GFP_MASK);
	unsigned long irqflags;
	int err;

	if (!upper)
		return ERR_PTR(-ENOMEM);
	spin_lock_irqsave(&heap->lock, irqflags);
	err = check_unviewed(heap, span, false);
	if (!err && (!npages || npages >= span->node.npages))
		err = -EINVAL;
	if (!err) {
		heap->changes++;
		heap->stat.splits++;
		heap->in_use_spans++;
		upper->node.base = span->node.base + npages;
		upper->node.npages = span->node.npages - npages;
		upper->node.mark = heap->mark;
		upper->node.state = SPAN_IN_USE;
		upper->traits = span->traits;
		upper->owner = span->owner;
		upper->caller = span->caller;
		span->node.npages = npages;
		span_map_set_ends(&heap->arenas, span);
		span_map_set_ends(&heap->arenas, upper);
		span_map_hold(&heap->arenas, upper);
		span_map_publish(&heap->arenas, upper);
	}
	spin_unlock_irqrestore(&heap->lock, irqflags);
	if (!err)
		return upper;
	span_delete(upper);
	return ERR_PTR(err);
}

/**
 * span_heap_quarantine() - count a span as given up by its owner but not free
 * @heap: the heap
 * @span: a span in use; to be freed when nobody refers to its pages any more
 *
 * Context: any but NMI; without the heap's lock.
 * Return: 0; -EINVAL if the span is not in use; -EBUSY if it has views; -EIO if the
 * heap is damaged.
 */
int span_heap_quarantine(struct span_heap *heap, struct span *span)
{
	unsigned long irqflags;
	int err;

	spin_lock_irqsave(&heap->lock, irqflags);
	err = check_unviewed(heap, span, false);
	if (!err) {
		heap->changes++;
		uncount(heap, span);
		heap->quarantined_pages += span->node.npages;
		span->node.state = SPAN_QUARANTINED;
	}
	span_heap_unlock(heap, irqflags);
	return err;
}

/**
 * span_heap_view_begin() - keep a span from being freed and split
 * @heap: the heap
 * @span: a span in use
 *
 * For whatever leads to the span's pages and has to be undone before they go
 * elsewhere: a kernel mapping, a scatterlist.
 *
 * Context: any but NMI; without the heap's lock.
 * Return: 0; -EINVAL if the span is not in use; -EOVERFLOW if it has as many views as
 * can be counted; -EIO if the heap is damaged.
 */
int span_heap_view_begin(struct span_heap *heap, struct span *span)
{
	unsigned long irqflags;
	int err;

	spin_lock_irqsave(&heap->lock, irqflags);
	err = check_owned(heap, span, false);
	if (!err && span->views == U16_MAX)
		err = -EOVERFLOW;
	if (!err)
		span->views++;
	spin_unlock_irqrestore(&heap->lock, irqflags);
	return err;
}

/**
 * span_heap_view_end() - undo one span_heap_view_begin()
 * @heap: the heap
 * @span: the same span
 *
 * Context: any but NMI; without the heap's lock.
 * Return: 0; -EINVAL if the span has no view; -EIO if the heap is damaged.
 */
int span_heap_view_end(struct span_heap *heap, struct span *span)
{
	unsigned long irqflags;
	int err;

	spin_lock_irqsave(&heap->lock, irqflags);
	err = check_owned(heap, span, false);
	if (!err && !span->views) {
		WARN_ONCE(1, "spanalloc: heap %s: span at %lu has no view to end\n",
			  heap->name, span->node.base);
		err = -EINVAL;
	}
	if (!err)
		span->views--;
	spin_unlock_irqrestore(&heap->lock, irqflags);
	return err;
}

/**
 * span_heap_lookup() - the span in use that covers a page
 * @heap: the heap
 * @page: any page number
 *
 * Means something only to who owns the span: anybody else's may be gone when the
 * call returns. Claimed and quarantined spans are not found.
 *
 * Context: any; takes no lock. O(1).
 * Return: the span, or NULL.
 */
struct span *span_heap_lookup(struct span_heap *heap, unsigned long page)
{
	struct span *span;

	rcu_read_lock();
	span = span_map_lookup(&heap->arenas, page);
	if (span && span_state(span) != SPAN_IN_USE)
		span = NULL;
	rcu_read_unlock();
	return span;
}

/**
 * span_heap_run() - the memory behind a part of a span
 * @heap: the heap
 * @span: a span of the caller's
 * @index: a page of the span, counted from its first
 * @npages: out: pages from there on that are physically contiguous and part of
 *          the span; 0 if @index is beyond its end
 *
 * Runs are not followed across granules, even where two blocks happen to be
 * neighbours in memory. The memory stays while the caller has the span, and so does
 * what leads to it (arena.c).
 *
 * Context: any; takes no lock. O(1).
 * Return: the first page of the run, or NULL if @index is beyond the end or, in a heap
 * that is damaged, a page has no memory.
 */
struct page *span_heap_run(struct span_heap *heap, const struct span *span,
			   unsigned long index, unsigned long *npages)
{
	unsigned long step = span_heap_granule_pages(heap);
	unsigned long page = span->node.base + index;
	struct span_granule *granule;
	struct page *first = NULL;

	*npages = 0;
	if (index >= span->node.npages)
		return NULL;
	granule = span_granule_at(&heap->arenas, page >> heap->granule_order);
	if (span_granule_backed(granule)) {
		first = span_granule_page(granule, page & (step - 1));
		*npages = granule->scattered ? 1 :
			  min(round_up(page + 1, step), span_end(span)) - page;
	}
	return first;
}
