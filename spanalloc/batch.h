/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Many spans of one length in one hold of the heap's lock. Between heap.c, cache.c and
 * bulk.c; see batch.c.
 */
#ifndef _SPANALLOC_BATCH_H
#define _SPANALLOC_BATCH_H

#include <linux/types.h>

#include "heap.h"

/* Spans that one hold of the lock carves or frees at most. */
#define SPAN_BATCH	32U

/* Objects that freeing a batch can leave over: each of the spans, and its upper neighbour. */
#define SPAN_BATCH_UNUSED	(2 * SPAN_BATCH)

/**
 * struct span_batch - spans in hand
 * @span: the spans; the used slots come first
 * @n: how many
 */
struct span_batch {
	struct span *span[SPAN_BATCH];
	unsigned int n;
};

/**
 * struct span_leftovers - objects that are needed no more, to be deleted without the lock
 * @span: the objects; the used slots come first
 * @n: how many
 */
struct span_leftovers {
	struct span *span[SPAN_BATCH_UNUSED];
	unsigned int n;
};

unsigned int span_batch_carve(struct span_heap *heap, unsigned long npages, unsigned int want,
			      u8 state, struct span_batch *objects, struct span **out);
void span_batch_sort(struct span **span, unsigned int n);
void span_batch_release(struct span_heap *heap, struct span *const *span, unsigned int n,
			struct span_leftovers *unused);

#endif /* _SPANALLOC_BATCH_H */
