/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * To end a heap in which spans may be left: no heap is destroyed with spans in use.
 */
#ifndef _SPANALLOC_KUNIT_FREE_ALL_H
#define _SPANALLOC_KUNIT_FREE_ALL_H

#include <linux/sched.h>

#include "heap.h"

/* Nobody else uses the heap; may sleep. */
static inline void span_free_all(struct span_heap *heap)
{
	struct span_info info = { };
	unsigned long page;

	for (page = 0; span_heap_next_span(heap, page, &info); page = info.base + info.npages) {
		struct span *span = span_heap_lookup(heap, info.base);

		if (span)
			span_heap_free(heap, span);
		cond_resched();
	}
}

#endif /* _SPANALLOC_KUNIT_FREE_ALL_H */
