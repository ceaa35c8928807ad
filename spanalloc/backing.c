// SPDX-License-Identifier: GPL-2.0-only
/*
 * Granules from the buddy allocator.
 */

/**
 * DOC: Backing
 *
 * A granule is one block of the buddy allocator, split into single pages at
 * once, so that each carries a reference of its own: whoever maps or pins a page
 * holds on to that page and not to the block, and dropping our references frees
 * what nobody else holds. Where the allocator has no block, which it is not
 * pressed for, the granule is made of single pages; that way a machine whose
 * memory is fragmented is served as well.
 *
 * No allocation here invokes the OOM killer: buffers can be refused.
 *
 * Locking: none.
 */

#include <linux/highmem.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "backing.h"

static void free_pages_of(struct page **pages, unsigned long npages)
{
	while (npages)
		__free_page(pages[--npages]);
	kvfree(pages);
}

static struct page *take_page(int nid, gfp_t gfp, unsigned int order)
{
	if (nid == NUMA_NO_NODE)
		return alloc_pages(gfp, order);
	return alloc_pages_node(nid, gfp, order);
}

static int take_block(struct span_block *block, unsigned int order, int nid, gfp_t gfp)
{
	struct page *page = take_page(nid, gfp, order);

	if (!page)
		return -ENOMEM;
	if (order)
		split_page(page, order);
	block->page = page;
	block->scattered = false;
	return 0;
}

static int take_scattered(struct span_block *block, unsigned int order, int nid, gfp_t gfp)
{
	unsigned long npages = 1UL << order, i;
	struct page **pages;

	pages = kvmalloc_array(npages, sizeof(*pages), gfp & ~__GFP_ZERO);
	if (!pages)
		return -ENOMEM;
	for (i = 0; i < npages; i++) {
		pages[i] = fatal_signal_pending(current) ? NULL : take_page(nid, gfp, 0);
		if (!pages[i]) {
			free_pages_of(pages, i);
			return fatal_signal_pending(current) ? -EINTR : -ENOMEM;
		}
		cond_resched();
	}
	block->pages = pages;
	block->scattered = true;
	return 0;
}

/*
 * Contiguity on demand is worth an effort, a better granule is not. Both give
 * up rather than kill.
 */
static gfp_t block_gfp(gfp_t gfp, unsigned int order, bool contig)
{
	gfp |= __GFP_NOWARN;
	if (!gfpflags_allow_blocking(gfp))
		return gfp;
	gfp &= ~(__GFP_NORETRY | __GFP_RETRY_MAYFAIL);
	return gfp | (contig || !order ? __GFP_RETRY_MAYFAIL : __GFP_NORETRY);
}

static int buddy_take(void *priv, struct span_block *block, unsigned int order,
		      int nid, gfp_t gfp, unsigned int flags)
{
	bool contig = flags & SPAN_TAKE_CONTIG;
	int err;

	if (flags & SPAN_TAKE_ZERO)
		gfp |= __GFP_ZERO;
	block->zeroed = want_init_on_alloc(gfp);
	err = take_block(block, order, nid, block_gfp(gfp, order, contig));
	if (!err || contig || !order || !gfpflags_allow_blocking(gfp))
		return err;
	return take_scattered(block, order, nid, block_gfp(gfp, 0, false));
}

static void buddy_give(void *priv, struct span_block *block, unsigned int order)
{
	unsigned long i;

	if (block->scattered) {
		free_pages_of(block->pages, 1UL << order);
		return;
	}
	for (i = 0; i < 1UL << order; i++)
		__free_page(block->page + i);
}

static void buddy_zero(void *priv, const struct span_block *block,
		       unsigned int first, unsigned int npages)
{
	unsigned int i;

	for (i = first; i < first + npages; i++)
		clear_highpage(block->scattered ? block->pages[i] : block->page + i);
}

const struct span_backing_ops span_buddy_backing = {
	.take = buddy_take,
	.give = buddy_give,
	.zero = buddy_zero,
};
