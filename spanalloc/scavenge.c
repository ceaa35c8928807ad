// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scavenging: giving idle memory back while the addresses stay.
 */

/**
 * DOC: Scavenging
 *
 * A granule is idle if it is backed and lies wholly in one free span. Scavenging
 * detaches idle granules from the granule table, from the highest address down:
 * first fit works at the low end, so the highest are the last to be wanted
 * again. The free span stays where it is in the tree, with other counts; nothing
 * is split, and no object is needed. The type mask of the tree leads to the next
 * span that holds an idle granule.
 *
 * Detaching happens in batches, and a batch looks at a bounded number of
 * granules, so that the lock is never held for long. Between two batches the
 * position is an address: a span may be merged away meanwhile. The blocks are
 * given back to the buddy allocator without the lock.
 *
 * Locking: takes the heap's lock, a batch at a time.
 */

#include <linux/kernel.h>
#include <linux/sched.h>

#include "space.h"

/* Granules that one batch detaches, and granules that it looks at, at most. */
#define SCAVENGE_DETACH	16
#define SCAVENGE_LOOK	4096

/**
 * struct batch - what one hold of the lock detached
 * @below: only granules that end at or below this page are looked at; moves down
 * @wanted: granules to detach, still
 * @n: granules detached
 * @block: their pages
 */
struct batch {
	unsigned long below;
	unsigned long wanted;
	unsigned int n;
	struct span_block block[SCAVENGE_DETACH];
};

static void lose_granules(struct span_treap_node *node, void *arg)
{
	const struct span_tally *lost = arg;

	node->nreleased += lost->nreleased;
	node->ngranules_idle -= lost->ngranules_idle;
}

/* Detach idle granules of one span from its upper end down. */
static void detach_from(struct span_heap *heap, struct span_treap_node *node,
			struct batch *batch, unsigned int *look)
{
	unsigned long step = span_heap_granule_pages(heap);
	unsigned long low = round_up(node->base, step);
	unsigned long page = round_down(min(node->base + node->npages, batch->below), step);
	struct span_tally lost = { };

	while (page > low && *look && batch->wanted && batch->n < SCAVENGE_DETACH &&
	       lost.ngranules_idle < node->ngranules_idle) {
		struct span_granule *granule;

		page -= step;
		--*look;
		granule = span_granule_at(&heap->arenas, page >> heap->granule_order);
		if (!span_granule_backed(granule))
			continue;
		heap->scattered_granules -= granule->scattered;
		span_granule_detach(granule, &batch->block[batch->n++]);
		lost.ngranules_idle++;
		lost.nreleased += step;
		batch->wanted--;
	}
	batch->below = page;
	if (page <= low || lost.ngranules_idle == node->ngranules_idle)
		batch->below = node->base;
	if (!lost.ngranules_idle)
		return;
	span_treap_mutate(&heap->treap, node, lose_granules, &lost);
	heap->backed_granules -= lost.ngranules_idle;
	heap->stat.scavenged_pages += lost.nreleased;
	heap->changes++;
}

/* One hold of the lock. Returns false when nothing idle is left below. */
static bool detach_batch(struct span_heap *heap, struct batch *batch)
{
	u8 filter = span_treap_filter(SPAN_TYPE_IDLE, SPAN_TYPE_IDLE);
	struct span_treap_node *node = NULL;
	unsigned int look = SCAVENGE_LOOK;
	unsigned long irqflags;

	batch->n = 0;
	spin_lock_irqsave(&heap->lock, irqflags);
	while (!heap->damaged && look && batch->wanted && batch->n < SCAVENGE_DETACH) {
		node = span_treap_last_below(&heap->treap, batch->below, filter);
		if (!node)
			break;
		look--;
		if (look)
			detach_from(heap, node, batch, &look);
	}
	spin_unlock_irqrestore(&heap->lock, irqflags);
	return node && batch->wanted;
}

/**
 * span_heap_scavenge() - give idle memory back to where it came from
 * @heap: the heap
 * @npages: pages to give back at least, if so many are idle; rounded up to whole
 *          granules; ~0UL gives back all
 *
 * Placement is not disturbed: the free spans stay what and where they are. What
 * becomes idle above the position of a scavenge that is under way waits for the
 * next.
 *
 * Context: may sleep; without the heap's lock.
 * Return: number of pages given back.
 */
unsigned long span_heap_scavenge(struct span_heap *heap, unsigned long npages)
{
	unsigned long step = span_heap_granule_pages(heap), done = 0;
	struct batch batch = {
		.below = ~0UL,
		.wanted = npages / step + !!(npages % step),
	};
	unsigned int i;
	bool more;

	might_sleep();
	if (!npages)
		return 0;
	do {
		more = detach_batch(heap, &batch);
		for (i = 0; i < batch.n; i++)
			heap->backing->give(heap->backing_priv, &batch.block[i],
					    heap->granule_order);
		done += batch.n * step;
		cond_resched();
	} while (more);
	return done;
}

/**
 * span_heap_release_excess() - give back what is idle above the heap's share
 * @heap: the heap
 *
 * To be called before more memory is taken. What is claimed counts as in use: its
 * granules are about to be.
 *
 * Context: may sleep; without the heap's lock.
 */
void span_heap_release_excess(struct span_heap *heap)
{
	unsigned long idle, keep, used, irqflags;

	if (heap->retain_percent < 0)
		return;
	spin_lock_irqsave(&heap->lock, irqflags);
	idle = heap->treap.ngranules_idle << heap->granule_order;
	used = heap->in_use_pages + heap->claimed_pages;
	spin_unlock_irqrestore(&heap->lock, irqflags);
	keep = used / 100 * heap->retain_percent +
	       used % 100 * heap->retain_percent / 100;
	if (idle > keep)
		span_heap_scavenge(heap, idle - keep);
}
