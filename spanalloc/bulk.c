// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocating and freeing many spans at once.
 */

/**
 * DOC: Bulk operations
 *
 * Who needs many spans of one length, or has many to free, saves most of the cost of the
 * lock and of the tree: spans are carved side by side, and merge as they come back
 * (batch.c). One hold of the lock is good for SPAN_BATCH spans of BATCH_PAGES together, so that
 * nobody else waits for long, however many they are. Longer spans come and go one by one:
 * what is saved is nothing beside the time that their pages take.
 *
 * What is backed is carved in batches; where nothing is, one span is allocated as usual, which
 * backs a granule for those that follow. So is every span with something to keep or to find in
 * its pages: contiguity, poison. Batches neither ask the per-CPU caches nor fill them.
 *
 * Locking: takes the heap's lock, a batch at a time.
 */

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/sched.h>

#include "batch.h"
#include "contents.h"
#include "space.h"

/* Pages of the spans of one batch: those of a few granules, as a rule. */
#define BATCH_PAGES	2048UL

/* Hand out what was carved as the request says. */
static void open_batch(struct span_heap *heap, const struct span_request *request,
		       struct span **span, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (request->flags & SPANALLOC_ZERO && !(span[i]->traits & SPAN_TRAIT_ZERO))
			span_contents_clear(heap, span[i]);
}

/* How many spans of a length make one batch; 0 if they are too long. */
static unsigned int batch_of(unsigned long npages)
{
	return min_t(unsigned long, BATCH_PAGES / npages, SPAN_BATCH);
}

/* With the lock held: account for what was carved. */
static void count_batch(struct span_heap *heap, const struct span_request *request,
			struct span **span, unsigned int n)
{
	unsigned int i;

	heap->stat.allocs += n;
	for (i = 0; i < n; i++) {
		span[i]->owner = request->owner;
		span[i]->caller = request->caller;
		if (!(request->flags & SPANALLOC_ZERO))
			continue;
		if (span[i]->traits & SPAN_TRAIT_ZERO)
			heap->stat.zero_saved_pages += request->npages;
		else
			heap->stat.zeroed_pages += request->npages;
	}
}

/* Carve one batch from what is backed. Returns the number of spans, which may be 0. */
static unsigned int alloc_batch(struct span_heap *heap, const struct span_request *request,
				unsigned int want, struct span **span)
{
	struct span_batch objects;
	unsigned long irqflags;
	unsigned int n = 0;

	objects.n = span_new_many((request->gfp & SPAN_GFP_MASK) | __GFP_NOWARN, want,
				  objects.span);
	if (!objects.n)
		return 0;
	spin_lock_irqsave(&heap->lock, irqflags);
	if (!heap->damaged)
		n = span_batch_carve(heap, request->npages, objects.n, SPAN_IN_USE, &objects,
				     span);
	count_batch(heap, request, span, n);
	span_heap_unlock(heap, irqflags);
	span_delete_many(objects.n, objects.span);
	open_batch(heap, request, span, n);
	return n;
}

/**
 * span_heap_alloc_bulk() - allocate many spans of one length
 * @heap: the heap
 * @request: what each is to be
 * @n: how many
 * @span: out: the spans
 *
 * Context: as span_heap_alloc().
 * Return: how many were allocated: @n, or fewer if the next failed; 0 or a negative error code
 * if the first did, which is that of span_heap_alloc().
 */
long span_heap_alloc_bulk(struct span_heap *heap, const struct span_request *request,
			  unsigned long n, struct span **span)
{
	bool batches = !span_contents_matter(heap) && request->align <= 1 &&
		       !(request->flags & ~SPANALLOC_ZERO);
	int err = span_request_check(heap, request);
	unsigned long done = 0, most;
	struct span *next;

	if (err)
		return err;
	most = batches ? batch_of(request->npages) : 0;
	while (done < n) {
		unsigned int got = 0;

		if (most)
			got = alloc_batch(heap, request, min(n - done, most), span + done);
		done += got;
		if (got) {
			if (gfpflags_allow_blocking(request->gfp))
				cond_resched();
			continue;
		}
		next = span_heap_alloc(heap, request);
		if (IS_ERR(next))
			return done ? (long)done : PTR_ERR(next);
		span[done++] = next;
	}
	return done;
}

/* How many spans, up to @n, are freed in one hold of the lock: one at least. */
static unsigned int part_of(unsigned long n, struct span **span)
{
	unsigned long npages = 0;
	unsigned int i;

	for (i = 0; i < min_t(unsigned long, n, SPAN_BATCH); i++) {
		npages += IS_ERR_OR_NULL(span[i]) ? 0 : span[i]->node.npages;
		if (npages > BATCH_PAGES)
			return i ? : 1;
	}
	return i;
}

/* Free one batch. Returns the first error of a span that could not be freed. */
static int free_batch(struct span_heap *heap, unsigned int n, struct span **span)
{
	struct span *mine[SPAN_BATCH];
	struct span_leftovers unused;
	unsigned long irqflags;
	unsigned int i, good = 0;
	int err, first = 0;

	unused.n = 0;
	spin_lock_irqsave(&heap->lock, irqflags);
	for (i = 0; i < n; i++) {
		if (IS_ERR_OR_NULL(span[i]))
			continue;
		err = span_heap_give_up(heap, span[i]);
		if (!err)
			mine[good++] = span[i];
		else if (!first)
			first = err;
	}
	/* The last of them may have been found to be what damages the heap. */
	if (!heap->damaged) {
		span_batch_sort(mine, good);
		span_batch_release(heap, mine, good, &unused);
	}
	span_heap_unlock(heap, irqflags);
	span_delete_many(unused.n, unused.span);
	return first;
}

/**
 * span_heap_free_bulk() - free many spans
 * @heap: the heap
 * @n: how many
 * @span: spans in use, in any order, each once; NULL and error pointers are passed by
 *
 * All that can be freed are, whatever becomes of the others.
 *
 * Context: as span_heap_free().
 * Return: 0, or the first error, which is that of span_heap_free().
 */
int span_heap_free_bulk(struct span_heap *heap, unsigned long n, struct span **span)
{
	bool batches = !span_contents_matter(heap) && !heap->account;
	unsigned long done, part;
	int err, first = 0;

	for (done = 0; done < n; done += part) {
		part = batches ? part_of(n - done, span + done) : 1;
		err = 0;
		if (batches)
			err = free_batch(heap, part, span + done);
		else if (!IS_ERR_OR_NULL(span[done]))
			err = span_heap_free(heap, span[done]);
		if (!first)
			first = err;
	}
	return first;
}
