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
 * Where a NUMA node is preferred, single pages that are free there are better than a
 * block of another node, unless contiguity is demanded; where that node has nothing
 * free, a block of the others is asked for before anything else. A node that went offline
 * since the heap was made is no preference any more.
 *
 * A heap may have a payer, a memory cgroup to which all of its pages are charged. The
 * charge is the allocator's own (__GFP_ACCOUNT), split with the block, and taken back
 * with each page when that is freed, so whoever still holds on to a page of a cgroup
 * is the reason that it is still charged. The array of a scattered block is not.
 *
 * No allocation here invokes the OOM killer, be it the system's or the cgroup's:
 * buffers can be refused. Both leave alone who says __GFP_NORETRY or
 * __GFP_RETRY_MAYFAIL, or may not sleep.
 *
 * Pages come zeroed if that is asked for, if the kernel zeroes whatever it hands out
 * (init_on_alloc), and if it zeroes whatever is freed (init_on_free).
 *
 * Locking: none.
 */

#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/kernel.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/page-flags.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "backing.h"

/**
 * span_buddy_payer() - who pays for what the current task makes
 *
 * As for anything the kernel allocates with __GFP_ACCOUNT: the cgroup that is set for
 * the task at the moment (set_active_memcg()), else that of its memory, else nobody,
 * which is the root cgroup.
 *
 * Context: any but NMI.
 * Return: the cgroup, to be put by span_buddy_payer_put(), or ERR_PTR(-EOPNOTSUPP)
 * where there are no memory cgroups.
 */
struct mem_cgroup *span_buddy_payer(void)
{
	return get_mem_cgroup_from_mm(NULL) ? : ERR_PTR(-EOPNOTSUPP);
}

/**
 * span_buddy_payer_put() - let go of a payer
 * @payer: the cgroup, or NULL
 *
 * Context: any but NMI.
 */
void span_buddy_payer_put(struct mem_cgroup *payer)
{
	mem_cgroup_put(payer);
}

static void free_pages_of(struct page **pages, unsigned long npages)
{
	while (npages)
		__free_page(pages[--npages]);
	kfree(pages);
}

static struct page *alloc_from(int nid, gfp_t gfp, unsigned int order)
{
	if (nid == NUMA_NO_NODE)
		return alloc_pages(gfp, order);
	return alloc_pages_node(nid, gfp, order);
}

/**
 * struct wish - what is asked of the buddy allocator
 * @payer: who pays, or NULL
 * @order: log2 of the pages of a granule
 * @nid: the node to prefer
 */
struct wish {
	struct mem_cgroup *payer;
	unsigned int order;
	int nid;
};

static struct page *take_page(const struct wish *wish, gfp_t gfp, unsigned int order)
{
	struct mem_cgroup *before;
	struct page *page;

	if (!wish->payer)
		return alloc_from(wish->nid, gfp, order);
	before = set_active_memcg(wish->payer);
	page = alloc_from(wish->nid, gfp | __GFP_ACCOUNT, order);
	set_active_memcg(before);
	return page;
}

static int take_block(const struct wish *wish, struct span_block *block, gfp_t gfp)
{
	struct page *page = take_page(wish, gfp, wish->order);

	if (!page)
		return -ENOMEM;
	if (wish->order)
		split_page(page, wish->order);
	block->page = page;
	block->scattered = false;
	return 0;
}

/*
 * The array is at most two pages, for no granule is larger than a block. It has to be
 * freed where vfree() would sleep.
 */
static int take_scattered(const struct wish *wish, struct span_block *block, gfp_t gfp)
{
	unsigned long npages = 1UL << wish->order, i;
	struct page **pages;

	pages = kmalloc_array(npages, sizeof(*pages), gfp & ~(__GFP_ZERO | __GFP_THISNODE));
	if (!pages)
		return -ENOMEM;
	for (i = 0; i < npages; i++) {
		pages[i] = fatal_signal_pending(current) ? NULL : take_page(wish, gfp, 0);
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

/* What the preferred node has free. The caller may sleep, but nothing is reclaimed. */
static int take_near(const struct wish *wish, struct span_block *block, gfp_t gfp)
{
	int err;

	gfp = (gfp & ~__GFP_DIRECT_RECLAIM) | __GFP_THISNODE | __GFP_NOWARN;
	err = take_block(wish, block, gfp);
	if (err)
		err = take_scattered(wish, block, gfp);
	return err;
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
	const struct wish wish = { .payer = priv, .order = order, .nid = nid };
	bool contig = flags & SPAN_TAKE_CONTIG;
	bool may_scatter = !contig && order && gfpflags_allow_blocking(gfp);
	/* To ask for this node alone is a warning in the log if it is gone. */
	bool has_node = nid != NUMA_NO_NODE && node_online(nid);
	int err;

	if (flags & SPAN_TAKE_ZERO)
		gfp |= __GFP_ZERO;
	if ((flags & SPAN_TAKE_NEAR) && has_node)
		gfp |= __GFP_THISNODE;
	block->zeroed = want_init_on_alloc(gfp) || want_init_on_free();
	if (may_scatter && has_node && !take_near(&wish, block, gfp))
		return 0;
	err = take_block(&wish, block, block_gfp(gfp, order, contig));
	if (err && may_scatter)
		err = take_scattered(&wish, block, block_gfp(gfp, 0, false));
	return err;
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

static struct page *page_of(const struct span_block *block, unsigned int index)
{
	return block->scattered ? block->pages[index] : block->page + index;
}

static void buddy_fill(void *priv, const struct span_block *block, unsigned int first,
		       unsigned int npages, u8 byte)
{
	unsigned int i;

	for (i = first; i < first + npages; i++) {
		if (byte)
			memset_page(page_of(block, i), 0, byte, PAGE_SIZE);
		else
			clear_highpage(page_of(block, i));
	}
}

/* Does a page hold anything but @byte? Where, if so. */
static bool find_flaw(struct page *page, u8 byte, struct span_flaw *flaw)
{
	const u8 *bytes = kmap_local_page(page);
	const u8 *first = memchr_inv(bytes, byte, PAGE_SIZE);

	if (first) {
		flaw->pfn = page_to_pfn(page);
		flaw->first = first - bytes;
		flaw->last = PAGE_SIZE - 1;
		while (flaw->last > flaw->first && bytes[flaw->last] == byte)
			flaw->last--;
		flaw->nbytes = min_t(unsigned int, PAGE_SIZE - flaw->first, SPAN_FLAW_BYTES);
		memcpy(flaw->bytes, first, flaw->nbytes);
	}
	kunmap_local(bytes);
	return first;
}

/* A page that had a memory error is not read. */
static bool buddy_verify(void *priv, const struct span_block *block, unsigned int first,
			 unsigned int npages, u8 byte, struct span_flaw *flaw)
{
	unsigned int i;

	for (i = first; i < first + npages; i++) {
		if (PageHWPoison(page_of(block, i)) || !find_flaw(page_of(block, i), byte, flaw))
			continue;
		flaw->index = i;
		return false;
	}
	return true;
}

const struct span_backing_ops span_buddy_backing = {
	.take = buddy_take,
	.give = buddy_give,
	.fill = buddy_fill,
	.verify = buddy_verify,
};
