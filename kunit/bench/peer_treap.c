// SPDX-License-Identifier: GPL-2.0-only
/*
 * The heap's tree of free spans alone, as a peer; and the same where an allocation takes the
 * free span out of the tree and puts back what is left. Compiled twice, see peer_treap_rb.c.
 */

#include <linux/prandom.h>
#include <linux/prefetch.h>
#include <linux/slab.h>

#include "peers.h"
#include "../../spanalloc/treap.h"

#ifndef BENCH_TREE
#define BENCH_TREE		bench_treap
#define BENCH_TREE_NAME		"treap"
#define BENCH_TREE_REINSERT	bench_treap_reinsert
#endif

struct treap_peer {
	struct span_treap treap;
	struct bench_pool nodes;
	struct rnd_state rnd;
};

struct extent {
	unsigned long base;
	unsigned long npages;
};

static void set_extent(struct span_treap_node *node, void *arg)
{
	const struct extent *to = arg;

	node->base = to->base;
	node->npages = to->npages;
}

static bool insert(struct treap_peer *peer, unsigned long base, unsigned long npages)
{
	struct span_treap_node *node = bench_pool_get(&peer->nodes);

	if (!node)
		return false;
	*node = (struct span_treap_node) { .base = base, .npages = npages };
	span_treap_insert(&peer->treap, node, prandom_u32_state(&peer->rnd));
	return true;
}

static void erase(struct treap_peer *peer, struct span_treap_node *node)
{
	span_treap_erase(&peer->treap, node);
	bench_pool_put(&peer->nodes, node);
}

static void treap_destroy(void *state)
{
	struct treap_peer *peer = state;
	struct span_treap_node *node, *next;

	rbtree_postorder_for_each_entry_safe(node, next, &peer->treap.root, rb)
		bench_pool_put(&peer->nodes, node);
	bench_pool_exit(&peer->nodes);
	kfree(peer);
}

static void *treap_create(unsigned long npages)
{
	struct treap_peer *peer = kzalloc(sizeof(*peer), GFP_KERNEL);

	if (!peer)
		return NULL;
	span_treap_init(&peer->treap);
	prandom_seed_state(&peer->rnd, 1);
	if (!bench_pool_init(&peer->nodes, "bench_treap", sizeof(struct span_treap_node))) {
		kfree(peer);
		return NULL;
	}
	if (insert(peer, 0, npages))
		return peer;
	treap_destroy(peer);
	return NULL;
}

/* In place, or by taking the span out and putting back what is left. */
static __always_inline bool alloc_lowest(struct treap_peer *peer, struct bench_span *span,
					 unsigned long npages, bool reinsert)
{
	struct span_treap_node *node = span_treap_first_fit(&peer->treap, npages);
	struct extent rest;

	if (!node)
		return false;
	span->base = node->base;
	span->npages = npages;
	if (node->npages == npages) {
		erase(peer, node);
		return true;
	}
	rest = (struct extent) { node->base + npages, node->npages - npages };
	if (reinsert) {
		span_treap_erase(&peer->treap, node);
		set_extent(node, &rest);
		span_treap_insert(&peer->treap, node, prandom_u32_state(&peer->rnd));
	} else {
		span_treap_mutate(&peer->treap, node, set_extent, &rest);
	}
	return true;
}

static bool treap_alloc(void *state, struct bench_span *span, unsigned long npages)
{
	return alloc_lowest(state, span, npages, false);
}

#ifdef BENCH_TREE_REINSERT
static bool treap_alloc_reinsert(void *state, struct bench_span *span, unsigned long npages)
{
	return alloc_lowest(state, span, npages, true);
}
#endif

/* The free spans below and above a page that is in none, in one descent. */
static void find_neighbours(const struct treap_peer *peer, unsigned long page,
			    struct span_treap_node **below, struct span_treap_node **above)
{
	const struct rb_node *rb = peer->treap.root.rb_node;

	*below = NULL;
	*above = NULL;
	while (rb) {
		struct span_treap_node *node = rb_entry(rb, struct span_treap_node, rb);

		prefetch(rb->rb_left ? : rb);
		prefetch(rb->rb_right ? : rb);
		if (page < node->base) {
			*above = node;
			rb = rb->rb_left;
		} else {
			*below = node;
			rb = rb->rb_right;
		}
	}
}

static void treap_free(void *state, struct bench_span *span)
{
	struct treap_peer *peer = state;
	struct span_treap_node *below, *above;
	struct extent whole = { span->base, span->npages };

	find_neighbours(peer, span->base, &below, &above);
	if (below && below->base + below->npages != span->base)
		below = NULL;
	if (above && above->base != span->base + span->npages)
		above = NULL;
	if (above)
		whole.npages += above->npages;
	if (below) {
		whole.base = below->base;
		whole.npages += below->npages;
		if (above)
			erase(peer, above);
		span_treap_mutate(&peer->treap, below, set_extent, &whole);
	} else if (above) {
		span_treap_mutate(&peer->treap, above, set_extent, &whole);
	} else {
		/* A node that was there before is in the pool, or else memory is short. */
		WARN_ON_ONCE(!insert(peer, span->base, span->npages));
	}
}

const struct bench_peer BENCH_TREE = {
	.name = BENCH_TREE_NAME,
	.lowest = true,
	.create = treap_create,
	.destroy = treap_destroy,
	.alloc = treap_alloc,
	.free = treap_free,
};

#ifdef BENCH_TREE_REINSERT
const struct bench_peer BENCH_TREE_REINSERT = {
	.name = "treap-reinsert",
	.lowest = true,
	.create = treap_create,
	.destroy = treap_destroy,
	.alloc = treap_alloc_reinsert,
	.free = treap_free,
};
#endif
