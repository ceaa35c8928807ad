// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that tests control.
 */

/**
 * DOC: Fake backing
 *
 * Blocks of struct page without memory behind them: what a page holds is one
 * number, page_private(). 0 is a zeroed page; a page that nobody zeroed holds
 * rubbish. Requests can be refused, be answered with single pages, or run a hook
 * first, in which a test does what another processor might do at that moment.
 *
 * Whatever the heap must not do is counted as a mistake: calling with a lock
 * held, giving back what is not out, filling what is not out.
 */

#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "fake_backing.h"

/* What an untouched page holds that nobody zeroed. */
#define RUBBISH		0xdead0000UL

/**
 * struct fake_block - a block that is out
 * @list: links the blocks that are out
 * @order: log2 of its pages
 * @page: its pages
 * @array: pointers to them in another order, if it is scattered
 */
struct fake_block {
	struct list_head list;
	unsigned int order;
	struct page *page;
	struct page **array;
};

static void mistake(struct span_fake *fake, const char *what)
{
	fake->nmistakes++;
	pr_err("span_fake: %s\n", what);
}

static void must_be_unlocked(struct span_fake *fake)
{
	if (IS_ENABLED(CONFIG_PREEMPT_COUNT) && !preemptible())
		mistake(fake, "called with a lock held");
}

static void block_free(struct fake_block *block)
{
	if (block) {
		kfree(block->array);
		kfree(block->page);
	}
	kfree(block);
}

static struct fake_block *block_new(unsigned int order, gfp_t gfp, bool scattered)
{
	struct fake_block *block = kzalloc(sizeof(*block), gfp);
	unsigned int i, npages = 1U << order;

	if (!block)
		return NULL;
	block->order = order;
	block->page = kcalloc(npages, sizeof(*block->page), gfp);
	if (scattered)
		block->array = kcalloc(npages, sizeof(*block->array), gfp);
	if (!block->page || (scattered && !block->array)) {
		block_free(block);
		return NULL;
	}
	for (i = 0; scattered && i < npages; i++)
		block->array[i] = &block->page[npages - 1 - i];
	return block;
}

static void run_hook(struct span_fake *fake, void (**slot)(void *arg))
{
	void (*hook)(void *arg) = *slot;

	*slot = NULL;
	if (hook)
		hook(fake->hook_arg);
}

static bool refuses(struct span_fake *fake, gfp_t gfp)
{
	if (fake->fail_in && --fake->fail_in == 0)
		return true;
	return fake->fail_nowait && !gfpflags_allow_blocking(gfp);
}

static int fake_take(void *priv, struct span_block *to, unsigned int order, int nid,
		     gfp_t gfp, unsigned int flags)
{
	struct span_fake *fake = priv;
	struct fake_block *block = NULL;
	bool zero, scattered;
	unsigned int i;

	must_be_unlocked(fake);
	if (gfp & (GFP_ZONEMASK | __GFP_ZERO | __GFP_ACCOUNT))
		mistake(fake, "asked for with flags of the caller's");
	run_hook(fake, &fake->hook);
	spin_lock(&fake->lock);
	zero = (flags & SPAN_TAKE_ZERO) && !fake->dirty;
	scattered = !(flags & SPAN_TAKE_CONTIG) && fake->scatter_every &&
		    (fake->ntaken + 1) % fake->scatter_every == 0;
	if (!refuses(fake, gfp))
		block = block_new(order, GFP_ATOMIC, scattered);
	if (block) {
		for (i = 0; !zero && i < 1U << order; i++)
			set_page_private(&block->page[i], RUBBISH | i);
		list_add(&block->list, &fake->blocks);
		fake->ntaken++;
	} else {
		fake->nrefused++;
	}
	spin_unlock(&fake->lock);
	if (!block)
		return -ENOMEM;
	*to = (struct span_block) { .scattered = scattered, .zeroed = zero };
	if (scattered)
		to->pages = block->array;
	else
		to->page = block->page;
	return 0;
}

static struct fake_block *find(struct span_fake *fake, const struct span_block *out)
{
	struct fake_block *block;

	list_for_each_entry(block, &fake->blocks, list)
		if (out->scattered ? block->array == out->pages :
				     !block->array && block->page == out->page)
			return block;
	return NULL;
}

static void fake_give(void *priv, struct span_block *from, unsigned int order)
{
	struct span_fake *fake = priv;
	struct fake_block *block;

	must_be_unlocked(fake);
	spin_lock(&fake->lock);
	block = find(fake, from);
	if (!block || block->order != order) {
		mistake(fake, "a block was given back that is not out");
	} else {
		list_del(&block->list);
		block_free(block);
		fake->ngiven++;
	}
	spin_unlock(&fake->lock);
}

/* The block, if it is out and has these pages. */
static struct fake_block *check_range(struct span_fake *fake, const struct span_block *out,
				      unsigned int first, unsigned int npages)
{
	struct fake_block *block = find(fake, out);

	if (block && npages && first + npages <= 1U << block->order)
		return block;
	mistake(fake, "pages are to be filled or verified that are not out");
	return NULL;
}

static struct page *page_of(const struct fake_block *block, unsigned int index)
{
	return block->array ? block->array[index] : &block->page[index];
}

static void fake_fill(void *priv, const struct span_block *out, unsigned int first,
		      unsigned int npages, u8 byte)
{
	struct span_fake *fake = priv;
	struct fake_block *block;
	unsigned int i;

	must_be_unlocked(fake);
	run_hook(fake, &fake->fill_hook);
	spin_lock(&fake->lock);
	block = check_range(fake, out, first, npages);
	for (i = first; block && i < first + npages; i++)
		set_page_private(page_of(block, i), span_fake_full_of(byte));
	if (byte)
		fake->nfilled += npages;
	else
		fake->nzeroed += npages;
	spin_unlock(&fake->lock);
}

/* A page that holds one number is wrong from its first byte on. */
static bool fake_verify(void *priv, const struct span_block *out, unsigned int first,
			unsigned int npages, u8 byte, struct span_flaw *flaw)
{
	struct span_fake *fake = priv;
	struct fake_block *block;
	unsigned int i;
	bool good = true;

	must_be_unlocked(fake);
	spin_lock(&fake->lock);
	block = check_range(fake, out, first, npages);
	for (i = first; block && good && i < first + npages; i++) {
		unsigned long content = page_private(page_of(block, i));

		if (content == span_fake_full_of(byte))
			continue;
		*flaw = (struct span_flaw) {
			.index = i, .last = sizeof(content) - 1, .nbytes = sizeof(content),
		};
		memcpy(flaw->bytes, &content, sizeof(content));
		fake->nbroken++;
		good = false;
	}
	spin_unlock(&fake->lock);
	return good;
}

const struct span_backing_ops span_fake_backing = {
	.take = fake_take,
	.give = fake_give,
	.fill = fake_fill,
	.verify = fake_verify,
};

/**
 * span_fake_init() - make a source of fake pages
 * @fake: the source
 *
 * Context: any.
 */
void span_fake_init(struct span_fake *fake)
{
	*fake = (struct span_fake) { };
	INIT_LIST_HEAD(&fake->blocks);
	spin_lock_init(&fake->lock);
}

/**
 * span_fake_exit() - free what is still out
 * @fake: the source, whose heap is gone
 *
 * Context: any.
 * Return: number of blocks that were out.
 */
unsigned long span_fake_exit(struct span_fake *fake)
{
	struct fake_block *block, *next;
	unsigned long n = 0;

	list_for_each_entry_safe(block, next, &fake->blocks, list) {
		list_del(&block->list);
		block_free(block);
		n++;
	}
	return n;
}
