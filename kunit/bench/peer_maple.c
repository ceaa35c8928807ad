// SPDX-License-Identifier: GPL-2.0-only
/*
 * The maple tree, which knows the ranges in use and the gaps between them.
 */

#include <linux/maple_tree.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "peers.h"

struct maple_peer {
	struct maple_tree tree;
	unsigned long npages;
};

static void *maple_create(unsigned long npages)
{
	struct maple_peer *peer = kzalloc(sizeof(*peer), GFP_KERNEL);

	if (!peer)
		return NULL;
	mt_init_flags(&peer->tree, MT_FLAGS_ALLOC_RANGE);
	peer->npages = npages;
	return peer;
}

static void maple_destroy(void *state)
{
	struct maple_peer *peer = state;

	mtree_destroy(&peer->tree);
	kfree(peer);
}

static bool maple_alloc(void *state, struct bench_span *span, unsigned long npages)
{
	struct maple_peer *peer = state;

	span->npages = npages;
	return !mtree_alloc_range(&peer->tree, &span->base, xa_mk_value(1), npages, 0,
				  peer->npages - 1, GFP_KERNEL);
}

static void maple_free(void *state, struct bench_span *span)
{
	struct maple_peer *peer = state;

	mtree_erase(&peer->tree, span->base);
}

const struct bench_peer bench_maple = {
	.name = "maple",
	.lowest = true,
	.create = maple_create,
	.destroy = maple_destroy,
	.alloc = maple_alloc,
	.free = maple_free,
};
