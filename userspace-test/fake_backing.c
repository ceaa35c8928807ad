// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that tests control.
 */
#include <stdlib.h>

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "fake_backing.h"
#include "shim.h"

/* What an untouched page holds that nobody zeroed. */
#define RUBBISH		0xdead000000000000ULL

/**
 * struct fake_block - a block that is out
 * @next: links the blocks that are out
 * @array: the pages one by one, if it is scattered
 * @order: log2 of its pages
 * @page: its pages
 */
struct fake_block {
	struct fake_block *next;
	struct page **array;
	unsigned int order;
	struct page page[];
};

static u64 last_id;

static void complain(struct fake_backing *fake, const char *what)
{
	fake->nerrors++;
	shim_warn("backing: %s", what);
}

static void must_be_unlocked(struct fake_backing *fake)
{
	if (shim_live().locks)
		complain(fake, "called with a lock held");
}

static bool refuses(struct fake_backing *fake, gfp_t gfp, unsigned int flags)
{
	if (fake->fail_in && --fake->fail_in == 0)
		return true;
	if (fake->fail_nowait && !gfpflags_allow_blocking(gfp))
		return true;
	return (fake->fail_contig && (flags & SPAN_TAKE_CONTIG)) ||
	       (fake->far && (flags & SPAN_TAKE_NEAR));
}

static struct fake_block *make(struct fake_backing *fake, unsigned int order, bool zero)
{
	unsigned int i, npages = 1U << order;
	struct fake_block *block = calloc(1, sizeof(*block) + npages * sizeof(struct page));

	if (!block)
		abort();
	block->order = order;
	for (i = 0; i < npages; i++) {
		block->page[i].id = ++last_id;
		block->page[i].refcount = 1;
		block->page[i].content = zero ? 0 : RUBBISH | last_id;
	}
	block->next = fake->blocks;
	fake->blocks = block;
	return block;
}

/* Single pages: of the same memory, but in another order. */
static void scatter(struct fake_block *block)
{
	unsigned int i, npages = 1U << block->order;

	block->array = malloc(npages * sizeof(*block->array));
	if (!block->array)
		abort();
	for (i = 0; i < npages; i++)
		block->array[i] = &block->page[npages - 1 - i];
}

static void run_hook(struct fake_backing *fake, void (**slot)(void *arg))
{
	void (*hook)(void *arg) = *slot;
	long context;

	if (!hook)
		return;
	*slot = NULL;
	context = shim_be_another_thread();
	hook(fake->hook_arg);
	shim_be_this_thread(context);
	if (!*slot)
		*slot = hook;
}

static int fake_take(void *priv, struct span_block *to, unsigned int order, int nid,
		     gfp_t gfp, unsigned int flags)
{
	struct fake_backing *fake = priv;
	struct fake_block *block;
	bool zero = (flags & SPAN_TAKE_ZERO) && !fake->dirty;

	must_be_unlocked(fake);
	if (gfpflags_allow_blocking(gfp))
		shim_might_sleep("take");
	if (gfp & (GFP_ZONEMASK | __GFP_ZERO))
		complain(fake, "zone or zeroing bits from the caller");
	run_hook(fake, &fake->hook);
	pthread_mutex_lock(&fake->mutex);
	if (refuses(fake, gfp, flags)) {
		fake->nrefused++;
		pthread_mutex_unlock(&fake->mutex);
		return -ENOMEM;
	}
	fake->ntaken++;
	block = make(fake, order, zero);
	if (!(flags & SPAN_TAKE_CONTIG) && fake->scatter_every &&
	    fake->ntaken % fake->scatter_every == 0)
		scatter(block);
	pthread_mutex_unlock(&fake->mutex);
	*to = (struct span_block) { .scattered = block->array, .zeroed = zero };
	if (block->array)
		to->pages = block->array;
	else
		to->page = block->page;
	return 0;
}

/* The link to the block that is out, or to the end of the list. */
static struct fake_block **find(struct fake_backing *fake, const struct span_block *block)
{
	struct fake_block **at = &fake->blocks;

	while (*at && (block->scattered ? (*at)->array != block->pages :
					  (*at)->array || (*at)->page != block->page))
		at = &(*at)->next;
	return at;
}

static void fake_give(void *priv, struct span_block *from, unsigned int order)
{
	struct fake_backing *fake = priv;
	struct fake_block **at, *block;
	unsigned int i;

	must_be_unlocked(fake);
	run_hook(fake, &fake->give_hook);
	if (fake->clock)
		__atomic_fetch_add(fake->clock, fake->give_ns, __ATOMIC_RELAXED);
	pthread_mutex_lock(&fake->mutex);
	at = find(fake, from);
	block = *at;
	if (!block || block->order != order) {
		complain(fake, "a block was given back that is not out");
	} else {
		*at = block->next;
		for (i = 0; i < 1U << order; i++)
			if (--block->page[i].refcount)
				complain(fake, "a page was given back that is referenced");
		fake->ngiven++;
		free(block->array);
		free(block);
	}
	pthread_mutex_unlock(&fake->mutex);
}

/* The block, if it is out and has these pages. */
static struct fake_block *check_range(struct fake_backing *fake, const struct span_block *block,
				      unsigned int first, unsigned int npages)
{
	struct fake_block *out = *find(fake, block);

	if (out && npages && first + npages <= 1U << out->order)
		return out;
	complain(fake, "pages are to be filled or verified that are not out");
	return NULL;
}

static struct page *page_of(struct fake_block *out, unsigned int index)
{
	return out->array ? out->array[index] : &out->page[index];
}

static void fake_fill(void *priv, const struct span_block *block, unsigned int first,
		      unsigned int npages, u8 byte)
{
	struct fake_backing *fake = priv;
	struct fake_block *out;
	unsigned int i;

	must_be_unlocked(fake);
	run_hook(fake, &fake->fill_hook);
	pthread_mutex_lock(&fake->mutex);
	out = check_range(fake, block, first, npages);
	if (out) {
		for (i = first; i < first + npages; i++)
			page_of(out, i)->content = fake_full_of(byte);
		*(byte ? &fake->nfilled : &fake->nzeroed) += npages;
	}
	pthread_mutex_unlock(&fake->mutex);
}

/* The first and the last byte of a page that differ. */
static void tell(const struct page *page, u8 byte, struct span_flaw *flaw)
{
	const u8 *bytes = (const u8 *)&page->content;

	*flaw = (struct span_flaw) { .pfn = page->id, .last = sizeof(page->content) - 1 };
	while (bytes[flaw->first] == byte)
		flaw->first++;
	while (bytes[flaw->last] == byte)
		flaw->last--;
	flaw->nbytes = sizeof(page->content) - flaw->first;
	memcpy(flaw->bytes, bytes + flaw->first, flaw->nbytes);
}

static bool fake_verify(void *priv, const struct span_block *block, unsigned int first,
			unsigned int npages, u8 byte, struct span_flaw *flaw)
{
	struct fake_backing *fake = priv;
	struct fake_block *out;
	unsigned int i = first;

	must_be_unlocked(fake);
	run_hook(fake, &fake->verify_hook);
	pthread_mutex_lock(&fake->mutex);
	out = check_range(fake, block, first, npages);
	while (out && i < first + npages && page_of(out, i)->content == fake_full_of(byte))
		i++;
	fake->nverified += i - first;
	if (out && i < first + npages) {
		tell(page_of(out, i), byte, flaw);
		flaw->index = i;
		fake->nverified++;
		fake->nbroken++;
		out = NULL;
	}
	pthread_mutex_unlock(&fake->mutex);
	return out;
}

const struct span_backing_ops fake_backing_ops = {
	.take = fake_take,
	.give = fake_give,
	.fill = fake_fill,
	.verify = fake_verify,
};

void fake_backing_init(struct fake_backing *fake)
{
	*fake = (struct fake_backing) { 0 };
	pthread_mutex_init(&fake->mutex, NULL);
}

unsigned long fake_backing_exit(struct fake_backing *fake)
{
	unsigned long n = 0;

	for (; fake->blocks; n++) {
		struct fake_block *block = fake->blocks;

		fake->blocks = block->next;
		free(block->array);
		free(block);
	}
	pthread_mutex_destroy(&fake->mutex);
	return n;
}
