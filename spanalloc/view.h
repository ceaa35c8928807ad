/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Views: what leads to the pages of a span, for kernel code. See view.c.
 */
#ifndef _SPANALLOC_VIEW_H
#define _SPANALLOC_VIEW_H

#include <linux/gfp.h>
#include <linux/limits.h>
#include <linux/types.h>

struct page;
struct sg_table;
struct span;
struct span_heap;

/* No kernel mapping is longer: the array of its pages is not to be had. */
#define SPAN_VMAP_PAGES_MAX	(INT_MAX / sizeof(struct page *))

/**
 * struct span_part - pages of a span, as many as a view shows
 * @heap: the heap
 * @span: the span, which stays as it is as long as the view is there
 * @first: the first page, counted from the span's first
 * @npages: how many, at least 1, inside the span
 */
struct span_part {
	struct span_heap *heap;
	const struct span *span;
	unsigned long first;
	unsigned long npages;
};

unsigned long span_part_run(const struct span_part *part, unsigned long index,
			    unsigned long max, struct page **page);
void *span_part_vmap(const struct span_part *part);
int span_part_sg(const struct span_part *part, struct sg_table *sgt,
		 unsigned int max_segment, gfp_t gfp);

#endif /* _SPANALLOC_VIEW_H */
