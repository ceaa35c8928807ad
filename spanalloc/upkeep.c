// SPDX-License-Identifier: GPL-2.0-only
/*
 * Upkeep: making idle memory better while nobody waits for it.
 */

/**
 * DOC: Upkeep
 *
 * Two things can be done about an idle granule in the background:
 *
 * - *prezero*: clear what is dirty of it, so that no allocation has to;
 * - *repair*: replace it, if it is made of single pages since the buddy allocator had no
 *   block at the time, by a block now that there are some again. Where a NUMA node is
 *   preferred, single pages of it are better than a block of another.
 *
 * Both go from the lowest address up, for first fit takes those next, and both have a mark
 * in the address space: no idle granule that begins below dirty_from is dirty, and none
 * that begins below scattered_from is scattered. A granule becomes idle only when a span
 * that touches it becomes free, and that lowers the marks to where the span begins
 * (space.c). A search begins at the mark and moves it: what was looked at and found good is
 * not looked at again until something there is freed, and where there is nothing to do
 * both end at once, however much is idle. Above the mark, the type mask of the tree leads
 * from one span with idle granules to the next. One hold of the lock looks at a bounded
 * number of granules; the marks are where the next goes on.
 *
 * While it is cleared, a granule is detached, as if it had been given back: nobody can
 * allocate from it, no state is needed for that, and what the tree counts is right. If a
 * claim has come to need it meanwhile, which then took memory of its own, the block is
 * given away. A repaired granule is exchanged in one hold of the lock.
 *
 * Locking: takes the heap's lock, a granule at a time.
 */

#include <linux/kernel.h>
#include <linux/sched.h>

#include "contents.h"
#include "space.h"

/* Granules that one hold of the lock looks at, at most. */
#define UPKEEP_LOOK	4096

typedef bool (*granule_test)(const struct span_granule *granule);

static bool is_dirty(const struct span_granule *granule)
{
	return granule->zero_from;
}

static bool is_scattered(const struct span_granule *granule)
{
	return granule->scattered;
}

/*
 * Find the lowest idle granule from *@mark on that needs something done. Moves the mark
 * there; to where the search has to go on, if it has looked at enough for one hold of the
 * lock; or to ~0UL if there is none. Returns the free span, or NULL.
 */
static struct span_treap_node *find_idle(struct span_heap *heap, unsigned long *mark,
					 granule_test needs)
	__must_hold(&heap->lock)
{
	u8 filter = span_treap_filter(SPAN_TYPE_IDLE, SPAN_TYPE_IDLE);
	unsigned long step = span_heap_granule_pages(heap), page = *mark;
	unsigned int look = UPKEEP_LOOK;
	struct span_treap_node *node;

	node = span_treap_first_above(&heap->treap, *mark, filter);
	for (; node; node = span_treap_next(node, filter)) {
		page = max(page, round_up(node->base, step));
		for (; page + step <= node->base + node->npages; page += step) {
			const struct span_granule *granule =
				span_granule_at(&heap->arenas, page >> heap->granule_order);

			*mark = page;
			if (!look--)
				return NULL;
			if (span_granule_backed(granule) && needs(granule))
				return node;
		}
	}
	*mark = ~0UL;
	return NULL;
}

/**
 * struct detached - a granule that is being cleared
 * @index: its number
 * @dirty: its pages below this one are to be cleared
 * @block: its pages
 */
struct detached {
	unsigned long index;
	u32 dirty;
	struct span_block block;
};

/* Detach the lowest idle granule that is dirty; false if there is none to be cleared. */
static bool detach_dirty(struct span_heap *heap, struct detached *granule)
{
	struct span_treap_node *node;
	unsigned long irqflags;
	bool may, again;

	do {
		spin_lock_irqsave(&heap->lock, irqflags);
		may = !heap->damaged && !heap->forgotten;
		node = may ? find_idle(heap, &heap->dirty_from, is_dirty) : NULL;
		again = may && !node && heap->dirty_from != ~0UL;
		if (node) {
			granule->index = heap->dirty_from >> heap->granule_order;
			granule->dirty = span_granule_at(&heap->arenas, granule->index)->zero_from;
			span_space_detach(heap, node, granule->index, &granule->block);
		}
		span_heap_unlock(heap, irqflags);
		cond_resched();
	} while (again);
	return node;
}

/* Put a granule back that is all zero now; if its place is taken, give it away. */
static bool put_back(struct span_heap *heap, struct detached *granule)
{
	unsigned long irqflags;
	bool kept;

	granule->block.zeroed = true;
	spin_lock_irqsave(&heap->lock, irqflags);
	kept = span_space_reinstall(heap, granule->index, &granule->block);
	if (kept)
		heap->stat.prezeroed_pages += granule->dirty;
	else
		heap->stat.scavenged_pages += span_heap_granule_pages(heap);
	span_heap_unlock(heap, irqflags);
	if (!kept)
		heap->backing->give(heap->backing_priv, &granule->block, heap->granule_order);
	return kept;
}

/**
 * span_heap_prezero() - clear idle granules, so that no allocation has to
 * @heap: the heap
 * @ngranules: granules to clear at most
 *
 * Does nothing where free pages are poisoned, and finds nothing to do where they are
 * wiped. An allocation that wants a granule while it is cleared takes memory of its own;
 * one that may not sleep may find that there is none.
 *
 * Context: may sleep; without the heap's lock. One at a time for each heap, or else one
 * may find nothing because of the other.
 * Return: granules cleared. Fewer than @ngranules mean that no other is dirty, or that
 * an allocation was faster.
 */
unsigned long span_heap_prezero(struct span_heap *heap, unsigned long ngranules)
{
	struct detached granule;
	unsigned long done = 0;

	might_sleep();
	if (READ_ONCE(heap->poison))
		return 0;
	while (ngranules-- && detach_dirty(heap, &granule)) {
		heap->backing->fill(heap->backing_priv, &granule.block, 0, granule.dirty, 0);
		done += put_back(heap, &granule);
	}
	return done;
}

/* Is there an idle granule of single pages? The mark is there, then. */
static bool find_scattered(struct span_heap *heap)
{
	unsigned long irqflags;
	bool found, again;

	do {
		spin_lock_irqsave(&heap->lock, irqflags);
		again = false;
		found = heap->scattered_granules && !heap->damaged;
		if (found) {
			found = find_idle(heap, &heap->scattered_from, is_scattered);
			again = !found && heap->scattered_from != ~0UL;
		}
		spin_unlock_irqrestore(&heap->lock, irqflags);
		cond_resched();
	} while (again);
	return found;
}

/*
 * Exchange the lowest idle granule that is scattered for @block, which becomes its pages,
 * and @page their place; false if there is none any more, or it is far.
 */
static bool exchange(struct span_heap *heap, struct span_block *block, unsigned long nwiped,
		     unsigned long *page)
{
	const struct span_block fresh = *block;
	struct span_granule *granule;
	unsigned long irqflags;
	bool found;

	spin_lock_irqsave(&heap->lock, irqflags);
	heap->stat.wiped_pages += nwiped;
	found = !heap->damaged && find_idle(heap, &heap->scattered_from, is_scattered);
	if (found) {
		*page = heap->scattered_from;
		granule = span_granule_at(&heap->arenas, *page >> heap->granule_order);
		span_granule_detach(granule, block);
		span_granule_install(granule, &fresh, heap->granule_order);
		heap->scattered_granules--;
		heap->dirty_from = min(heap->dirty_from, *page);
		heap->stat.repaired++;
		heap->changes++;
	}
	spin_unlock_irqrestore(&heap->lock, irqflags);
	return found;
}

/**
 * span_heap_repair() - make idle granules of single pages contiguous
 * @heap: the heap
 * @ngranules: granules to repair at most
 * @refused: out: it ended since the buddy allocator has no block, of the node that is
 *           preferred if there is one
 *
 * Nobody waits for a block to be made: it is there, or it is not.
 *
 * Context: may sleep; without the heap's lock.
 * Return: granules repaired.
 */
unsigned long span_heap_repair(struct span_heap *heap, unsigned long ngranules,
			       bool *refused)
{
	unsigned long done = 0, page, nwiped;
	struct span_block block = { };
	bool found = true;

	might_sleep();
	*refused = false;
	while (found && done < ngranules && find_scattered(heap)) {
		if (heap->backing->take(heap->backing_priv, &block, heap->granule_order, heap->nid,
					GFP_NOWAIT | __GFP_NOWARN,
					SPAN_TAKE_CONTIG | SPAN_TAKE_NEAR)) {
			*refused = true;
			break;
		}
		nwiped = span_contents_fresh(heap, &block);
		found = exchange(heap, &block, nwiped, &page);
		if (found)
			span_contents_verify(heap, &block, page);
		done += found;
		heap->backing->give(heap->backing_priv, &block, heap->granule_order);
	}
	return done;
}
