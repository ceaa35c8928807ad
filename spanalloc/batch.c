// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many spans of one length in one hold of the heap's lock.
 */

/**
 * DOC: Batches
 *
 * Carving: the lowest free span that fits is asked for as many spans as it has room for,
 * and these are cut from its front in one piece: one descent of the tree and one change in
 * place, however many they are. Where a free span has room for one only, the next is found
 * as by an allocation of its own. A batch takes only memory that is backed already: nobody
 * has asked for more than the first of it, and the first is better backed by claim.c.
 *
 * Freeing: in the order of addresses, so that neighbours merge as they come, each into the
 * one before.
 *
 * Where free pages have to be zero or poisoned (contents.c) there are no batches.
 *
 * Complexity: O(log F) among F free spans for each run of spans that lie side by side, plus
 * one step for each span and each granule.
 *
 * Locking: the caller holds the heap's lock, except where noted.
 */

#include <linux/kernel.h>

#include "batch.h"
#include "contents.h"
#include "space.h"

/* How many of @npages pages from @base on are backed, up to the first that is not. */
static unsigned long backed_front(const struct span_heap *heap, unsigned long base,
				  unsigned long npages)
{
	unsigned long end = base + npages, page = base;

	while (page < end &&
	       span_granule_backed(span_granule_at(&heap->arenas, page >> heap->granule_order)))
		page = round_up(page + 1, span_heap_granule_pages(heap));
	return min(page, end) - base;
}

/* Make a piece of a carved run a span of its own, which is not free. */
static void publish_piece(struct span_heap *heap, struct span *span, u8 state)
{
	span->node.mark = heap->mark;
	span->node.state = state;
	span->owner = 0;
	span->caller = 0;
	span->views = 0;
	span->traits = span_contents_traits(heap, span);
	span_map_set_ends(&heap->arenas, span);
	span_map_hold(&heap->arenas, span);
	span_map_publish(&heap->arenas, span);
}

/* Cut @run, which was carved, into spans of @npages; @out gets them in the order of addresses. */
static void cut(struct span_heap *heap, struct span *run, unsigned long npages, u8 state,
		struct span_batch *objects, struct span **out)
{
	unsigned long base = run->node.base, end = span_end(run), page;

	heap->claimed_pages -= end - base;
	heap->in_use_pages += end - base;
	run->node.npages = npages;
	for (page = base; page < end; page += npages) {
		struct span *span = page == base ? run : objects->span[--objects->n];

		span->node.base = page;
		span->node.npages = npages;
		publish_piece(heap, span, state);
		heap->in_use_spans++;
		*out++ = span;
	}
	span_contents_hand_out(heap, base, end);
}

/* Carve from the lowest free span that fits. Returns the number of spans. */
static unsigned int carve_front(struct span_heap *heap, unsigned long npages, unsigned int want,
				u8 state, struct span_batch *objects, struct span **out)
{
	struct span_treap_node *node = span_treap_first_fit(&heap->treap, npages);
	struct span_spares spares = { };
	unsigned long n, base;
	struct span *run;

	if (!node)
		return 0;
	base = node->base;
	n = min_t(unsigned long, want, node->npages / npages);
	n = backed_front(heap, base, n * npages) / npages;
	if (!n)
		return 0;
	if (node->npages != n * npages) {
		spares.span[spares.n++] = objects->span[--objects->n];
		heap->stat.splits_in_place++;
	}
	run = span_space_carve(heap, span_of(node), base, n * npages, &spares);
	cut(heap, run, npages, state, objects, out);
	return n;
}

/**
 * span_batch_carve() - carve spans of one length from memory that is backed
 * @heap: a heap in which it does not matter what free pages contain
 * @npages: length of each, at least 1
 * @want: how many, at most SPAN_BATCH
 * @state: what they are to be: SPAN_IN_USE or SPAN_CACHED
 * @objects: at least @want objects; those used are taken from it
 * @out: out: the spans, in use as far as the heap's counters are concerned
 *
 * Context: any; the caller holds the heap's lock.
 * Return: the number of spans, which may be 0.
 */
unsigned int span_batch_carve(struct span_heap *heap, unsigned long npages, unsigned int want,
			      u8 state, struct span_batch *objects, struct span **out)
{
	unsigned int done = 0, n;

	do {
		n = carve_front(heap, npages, want - done, state, objects, out + done);
		done += n;
	} while (n && done < want);
	return done;
}

/**
 * span_batch_sort() - put spans in the order of addresses
 * @span: the spans
 * @n: how many, at most SPAN_BATCH
 *
 * By insertion: they are few, and often in order.
 *
 * Context: any.
 */
void span_batch_sort(struct span **span, unsigned int n)
{
	unsigned int i, at;

	for (i = 1; i < n; i++) {
		struct span *moved = span[i];

		for (at = i; at && span[at - 1]->node.base > moved->node.base; at--)
			span[at] = span[at - 1];
		span[at] = moved;
	}
}

/**
 * span_batch_release() - make spans free
 * @heap: a heap in which it does not matter what free pages contain
 * @span: spans in use or cached, which nobody has any more
 * @n: how many, at most SPAN_BATCH
 * @unused: in and out: objects to be deleted without the lock; empty before
 *
 * Context: any; the caller holds the heap's lock. Never fails.
 */
void span_batch_release(struct span_heap *heap, struct span *const *span, unsigned int n,
			struct span_leftovers *unused)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct span_spares merged = { };

		heap->in_use_pages -= span[i]->node.npages;
		heap->in_use_spans--;
		span_map_release(&heap->arenas, span[i]);
		if (span_space_coalesce(heap, span[i], &merged))
			heap->stat.merges_in_place++;
		while (merged.n)
			unused->span[unused->n++] = merged.span[--merged.n];
	}
}
