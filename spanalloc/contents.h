/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the pages of a claim and of free memory contain. Between heap.c, claim.c,
 * scavenge.c and upkeep.c; see contents.c.
 */
#ifndef _SPANALLOC_CONTENTS_H
#define _SPANALLOC_CONTENTS_H

#include <linux/types.h>

#include "heap.h"

/*
 * What fills free pages in a heap that poisons. None of the bytes of <linux/poison.h>, and
 * not that of page_poison (0xaa) above all: who meets it in a dump or a register knows that
 * the page was free in a span heap, not in the buddy allocator. As a pointer it is not
 * canonical, as a length it is absurd, and as a character it is not ASCII.
 */
#define SPAN_POISON	0xe7

/**
 * struct span_opening - a claim whose pages are made what they have to be
 * @dirty_first: in the claim's first granule, pages below this one are not zero
 * @dirty_last: the same for its last granule
 * @next: number of the granule that comes next
 * @nzeroed: pages zeroed so far
 */
struct span_opening {
	u32 dirty_first;
	u32 dirty_last;
	unsigned long next;
	unsigned long nzeroed;
};

/**
 * struct span_step - what is to be done in one granule of a claim
 * @block: its pages
 * @page: number of the granule's first page
 * @from: in the granule, the claim's first page
 * @to: the page after its last
 * @zero_to: of these, the pages below this one are to be zeroed
 */
struct span_step {
	struct span_block block;
	unsigned long page;
	u32 from;
	u32 to;
	u32 zero_to;
};

static inline unsigned long span_first_granule(const struct span_heap *heap,
					       const struct span *span)
{
	return span->node.base >> heap->granule_order;
}

static inline unsigned long span_last_granule(const struct span_heap *heap,
					      const struct span *span)
{
	return (span_end(span) - 1) >> heap->granule_order;
}

unsigned long span_contents_fresh(struct span_heap *heap, struct span_block *block);
void span_contents_note(struct span_heap *heap, const struct span *claim,
			unsigned long index, struct span_opening *opening);
bool span_contents_next(struct span_heap *heap, const struct span *claim, bool zero,
			struct span_opening *opening, struct span_step *step);
void span_contents_do(struct span_heap *heap, const struct span_step *step);
void span_contents_publish(struct span_heap *heap, const struct span *claim, bool zero,
			   const struct span_opening *opening);
u8 span_contents_contig(const struct span_heap *heap, const struct span *span);
u8 span_contents_traits(const struct span_heap *heap, const struct span *span);
void span_contents_hand_out(struct span_heap *heap, unsigned long base, unsigned long end);
void span_contents_clear(struct span_heap *heap, const struct span *span);
bool span_contents_matter(const struct span_heap *heap);
void span_contents_leave(struct span_heap *heap, const struct span *claim,
			 unsigned long end, bool may_sleep);
void span_contents_verify(struct span_heap *heap, const struct span_block *block,
			  unsigned long page);

#endif /* _SPANALLOC_CONTENTS_H */
