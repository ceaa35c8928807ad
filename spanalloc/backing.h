/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a heap's pages come from: one operations table, so that the heap can be
 * run on memory that tests control.
 */
#ifndef _SPANALLOC_BACKING_H
#define _SPANALLOC_BACKING_H

#include <linux/bits.h>
#include <linux/gfp.h>
#include <linux/types.h>

struct mem_cgroup;
struct page;

/**
 * struct span_block - the pages behind one granule
 * @page: first of 2^order physically contiguous pages, when !@scattered
 * @pages: array of 2^order single pages, when @scattered
 * @scattered: the buddy allocator had no block; single pages were taken
 * @zeroed: every page is known to be zero
 *
 * Each page carries one reference of its own (split_page()), which belongs to
 * the heap.
 */
struct span_block {
	union {
		struct page *page;
		struct page **pages;
	};
	bool scattered;
	bool zeroed;
};

#define SPAN_TAKE_ZERO		BIT(0)
#define SPAN_TAKE_CONTIG	BIT(1)
#define SPAN_TAKE_NEAR		BIT(2)

/* How many bytes of a page that is not as it was left are told. */
#define SPAN_FLAW_BYTES		16

/**
 * struct span_flaw - a page that does not hold what it was filled with
 * @index: which page of the block
 * @pfn: its page frame
 * @first: offset of the first byte that is wrong
 * @last: offset of the last one
 * @nbytes: length of @bytes: what is left of the page, at most SPAN_FLAW_BYTES
 * @bytes: what the page holds from @first on
 */
struct span_flaw {
	unsigned int index;
	unsigned long pfn;
	unsigned int first;
	unsigned int last;
	unsigned int nbytes;
	u8 bytes[SPAN_FLAW_BYTES];
};

/**
 * struct span_backing_ops - source and sink of granules
 * @take: fill @block with 2^@order pages, of NUMA node @nid rather than of others
 *        if that is not NUMA_NO_NODE. @gfp says whether it may sleep; @flags are
 *        SPAN_TAKE_ZERO for zeroed pages, SPAN_TAKE_CONTIG to refuse scattered
 *        ones and SPAN_TAKE_NEAR to refuse those of other nodes than @nid.
 *        Returns 0, -ENOMEM or -EINTR. Called without locks held.
 * @give: return the pages of @block, by dropping one reference of each.
 *        Called without locks held; legal wherever the heap's users may free.
 * @fill: fill @npages pages of @block from the @first on with @byte. Called
 *        without locks held; legal wherever the heap's users may free.
 * @verify: look for the first of these pages that holds anything but @byte.
 *          Returns true if there is none, else fills in @flaw. Called as @fill.
 *
 * @priv is what the heap was created with.
 */
struct span_backing_ops {
	int (*take)(void *priv, struct span_block *block, unsigned int order,
		    int nid, gfp_t gfp, unsigned int flags);
	void (*give)(void *priv, struct span_block *block, unsigned int order);
	void (*fill)(void *priv, const struct span_block *block,
		     unsigned int first, unsigned int npages, u8 byte);
	bool (*verify)(void *priv, const struct span_block *block,
		       unsigned int first, unsigned int npages, u8 byte,
		       struct span_flaw *flaw);
};

/* @priv: the memory cgroup that is charged, or NULL. */
extern const struct span_backing_ops span_buddy_backing;

struct mem_cgroup *span_buddy_payer(void);
void span_buddy_payer_put(struct mem_cgroup *payer);

#endif /* _SPANALLOC_BACKING_H */
