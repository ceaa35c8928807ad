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
 * A heap whose memory is charged to a memory cgroup keeps nothing idle. Only what
 * is freed becomes idle, so whoever frees gives back what he touched, at once and
 * wherever he is; nothing else is looked at, and it costs O(log n) for each granule,
 * however long the free span has become.
 *
 * Locking: takes the heap's lock, a batch at a time.
 */

#include <linux/kernel.h>
#include <linux/sched.h>

#include "cache.h"
#include "contents.h"
#include "space.h"

/* Granules that one batch detaches, and granules that it looks at, at most. */
#define SCAVENGE_DETACH	16
#define SCAVENGE_LOOK	4096

/**
 * struct batch - what one hold of the lock detached
 * @below: only granules that end at or below this page are looked at; moves down
 * @wanted: granules to detach, still
 * @counter: counts the pages as well, or NULL
 * @try: do not wait for the lock
 * @busy: somebody else had the lock
 * @n: granules detached
 * @page: the first page of each
 * @block: their pages
 */
struct batch {
	unsigned long below;
	unsigned long wanted;
	u64 *counter;
	bool try;
	bool busy;
	unsigned int n;
	unsigned long page[SCAVENGE_DETACH];
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
		batch->page[batch->n] = page;
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
	if (batch->counter)
		*batch->counter += lost.nreleased;
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
	if (!batch->try) {
		spin_lock_irqsave(&heap->lock, irqflags);
	} else if (!spin_trylock_irqsave(&heap->lock, irqflags)) {
		batch->busy = true;
		return false;
	}
	while (!heap->damaged && look && batch->wanted && batch->n < SCAVENGE_DETACH) {
		node = span_treap_last_below(&heap->treap, batch->below, filter);
		if (!node)
			break;
		look--;
		if (look)
			detach_from(heap, node, batch, &look);
	}
	span_heap_unlock(heap, irqflags);
	return node && batch->wanted;
}

/* Give back, without the lock, what a batch has detached. Returns the pages. */
static unsigned long give_batch(struct span_heap *heap, struct batch *batch)
{
	unsigned int i;

	for (i = 0; i < batch->n; i++) {
		span_contents_verify(heap, &batch->block[i], batch->page[i]);
		heap->backing->give(heap->backing_priv, &batch->block[i],
				    heap->granule_order);
	}
	return (unsigned long)batch->n << heap->granule_order;
}

/* Detach and give back, a batch at a time. Returns the number of pages. */
static unsigned long release(struct span_heap *heap, struct batch *batch)
{
	unsigned long done = 0;
	bool more;

	do {
		more = detach_batch(heap, batch);
		done += give_batch(heap, batch);
		cond_resched();
	} while (more);
	return done;
}

static unsigned long granules_of(const struct span_heap *heap, unsigned long npages)
{
	unsigned long step = span_heap_granule_pages(heap);

	return npages / step + !!(npages % step);
}

/**
 * span_heap_release() - give idle memory back to where it came from
 * @heap: the heap
 * @npages: pages to give back at least, if so many are idle; rounded up to whole
 *          granules; ~0UL gives back all
 * @counter: a statistic that counts these pages, besides scavenged_pages; or NULL
 *
 * Placement is not disturbed: the free spans stay what and where they are. What
 * becomes idle above the position of a release that is under way waits for the
 * next.
 *
 * Context: may sleep; without the heap's lock.
 * Return: number of pages given back.
 */
unsigned long span_heap_release(struct span_heap *heap, unsigned long npages,
				u64 *counter)
{
	struct batch batch = {
		.below = ~0UL, .wanted = granules_of(heap, npages), .counter = counter,
	};

	might_sleep();
	return npages ? release(heap, &batch) : 0;
}

/**
 * span_heap_try_release() - the same, without waiting for the heap's lock
 * @heap: the heap
 * @npages: pages to give back at least, if so many are idle
 * @counter: a statistic that counts these pages, besides scavenged_pages; or NULL
 * @done: out: number of pages given back
 *
 * For the system's reclaim, which any allocation of memory can enter.
 *
 * Context: may sleep.
 * Return: false if somebody else had the lock, so that there may be more.
 */
bool span_heap_try_release(struct span_heap *heap, unsigned long npages, u64 *counter,
			   unsigned long *done)
{
	struct batch batch = {
		.below = ~0UL, .wanted = granules_of(heap, npages), .counter = counter,
		.try = true,
	};

	*done = npages ? release(heap, &batch) : 0;
	return !batch.busy;
}

/**
 * span_heap_scavenge_some() - give back one idle granule
 * @heap: the heap
 *
 * The per-CPU caches are drained only if there is none.
 *
 * Context: may sleep; without the heap's lock.
 * Return: number of pages given back.
 */
unsigned long span_heap_scavenge_some(struct span_heap *heap)
{
	return span_heap_release(heap, 1, NULL) ? : span_heap_scavenge(heap, 1);
}

/**
 * span_heap_scavenge() - give idle memory back because somebody says so
 * @heap: the heap
 * @npages: see span_heap_release()
 *
 * The per-CPU caches are drained before.
 *
 * Context: may sleep; without the heap's lock.
 * Return: number of pages given back.
 */
unsigned long span_heap_scavenge(struct span_heap *heap, unsigned long npages)
{
	if (npages)
		span_cache_drain(heap);
	return span_heap_release(heap, npages, NULL);
}

/**
 * span_heap_release_idle() - give back all that is idle up to a page
 * @heap: the heap, which keeps nothing idle
 * @end: end of the span that was freed a moment ago
 *
 * Nothing idle is above the last granule that the span touches, but what somebody
 * else has just freed, who gives it back himself.
 *
 * Context: any but NMI; without the heap's lock.
 */
void span_heap_release_idle(struct span_heap *heap, unsigned long end)
{
	struct batch batch = {
		.below = round_up(end, span_heap_granule_pages(heap)),
		.wanted = ~0UL,
	};
	bool more;

	do {
		more = detach_batch(heap, &batch);
		give_batch(heap, &batch);
	} while (more);
}
