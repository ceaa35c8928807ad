/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A backing without memory, for measuring: it costs nothing, and the heap never
 * looks into the pages that it is given.
 */
#ifndef _SPANALLOC_KUNIT_NOTHING_BACKING_H
#define _SPANALLOC_KUNIT_NOTHING_BACKING_H

#include "backing.h"

static struct page no_page;

static int nothing_take(void *priv, struct span_block *block, unsigned int order,
			int nid, gfp_t gfp, unsigned int flags)
{
	*block = (struct span_block) { .page = &no_page, .zeroed = true };
	return 0;
}

static void nothing_give(void *priv, struct span_block *block, unsigned int order)
{
}

static void nothing_fill(void *priv, const struct span_block *block,
			 unsigned int first, unsigned int npages, u8 byte)
{
}

static bool nothing_verify(void *priv, const struct span_block *block,
			   unsigned int first, unsigned int npages, u8 byte,
			   struct span_flaw *flaw)
{
	return true;
}

static const struct span_backing_ops nothing_backing = {
	.take = nothing_take,
	.give = nothing_give,
	.fill = nothing_fill,
	.verify = nothing_verify,
};

#endif /* _SPANALLOC_KUNIT_NOTHING_BACKING_H */
