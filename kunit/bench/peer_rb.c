// SPDX-License-Identifier: GPL-2.0-only
/*
 * First fit with an augmented red-black tree, as the kernel's own vmalloc does it: each node
 * knows the longest span of its subtree, neighbours are linked by a list, and what is cut off
 * the front of a span changes it in its node. Written for this comparison.
 */

#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/rbtree_augmented.h>
#include <linux/slab.h>

#include "peers.h"

struct rb_span {
	struct rb_node rb;
	struct list_head list;
	unsigned long base;
	unsigned long npages;
	unsigned long longest;
};

struct rb_peer {
	struct rb_root root;
	struct list_head list;
	struct bench_pool nodes;
};

static inline unsigned long length_of(struct rb_span *span)
{
	return span->npages;
}

RB_DECLARE_CALLBACKS_MAX(static, longest_callbacks, struct rb_span, rb, unsigned long, longest,
			 length_of)

static inline unsigned long longest_of(struct rb_node *rb)
{
	return rb ? rb_entry(rb, struct rb_span, rb)->longest : 0;
}

/* The node after which @base lies, NULL for the front, and where a new node would hang. */
static struct rb_span *find_place(struct rb_peer *peer, unsigned long base,
				  struct rb_node ***link, struct rb_node **parent)
{
	struct rb_span *below = NULL;

	*link = &peer->root.rb_node;
	*parent = NULL;
	while (**link) {
		struct rb_span *at = rb_entry(**link, struct rb_span, rb);

		*parent = **link;
		if (base < at->base) {
			*link = &(*parent)->rb_left;
		} else {
			below = at;
			*link = &(*parent)->rb_right;
		}
	}
	return below;
}

static void link_node(struct rb_peer *peer, struct rb_span *span, struct rb_span *below,
		      struct rb_node **link, struct rb_node *parent)
{
	span->longest = span->npages;
	rb_link_node(&span->rb, parent, link);
	longest_callbacks_propagate(parent, NULL);
	rb_insert_augmented(&span->rb, &peer->root, &longest_callbacks);
	list_add(&span->list, below ? &below->list : &peer->list);
}

static void unlink_node(struct rb_peer *peer, struct rb_span *span)
{
	rb_erase_augmented(&span->rb, &peer->root, &longest_callbacks);
	list_del(&span->list);
}

static void erase(struct rb_peer *peer, struct rb_span *span)
{
	unlink_node(peer, span);
	bench_pool_put(&peer->nodes, span);
}

static bool insert(struct rb_peer *peer, unsigned long base, unsigned long npages,
		   struct rb_span *below, struct rb_node **link, struct rb_node *parent)
{
	struct rb_span *span = bench_pool_get(&peer->nodes);

	if (!span)
		return false;
	span->base = base;
	span->npages = npages;
	link_node(peer, span, below, link, parent);
	return true;
}

static void rb_destroy(void *state)
{
	struct rb_peer *peer = state;
	struct rb_span *span, *next;

	rbtree_postorder_for_each_entry_safe(span, next, &peer->root, rb)
		bench_pool_put(&peer->nodes, span);
	bench_pool_exit(&peer->nodes);
	kfree(peer);
}

static void *rb_create(unsigned long npages)
{
	struct rb_peer *peer = kzalloc(sizeof(*peer), GFP_KERNEL);

	if (!peer)
		return NULL;
	peer->root = RB_ROOT;
	INIT_LIST_HEAD(&peer->list);
	if (!bench_pool_init(&peer->nodes, "bench_rb", sizeof(struct rb_span))) {
		kfree(peer);
		return NULL;
	}
	if (insert(peer, 0, npages, NULL, &peer->root.rb_node, NULL))
		return peer;
	rb_destroy(peer);
	return NULL;
}

static struct rb_span *lowest_fit(struct rb_peer *peer, unsigned long npages)
{
	struct rb_node *rb = peer->root.rb_node;

	if (longest_of(rb) < npages)
		return NULL;
	for (;;) {
		struct rb_span *span = rb_entry(rb, struct rb_span, rb);

		if (longest_of(rb->rb_left) >= npages) {
			rb = rb->rb_left;
			continue;
		}
		if (span->npages >= npages)
			return span;
		rb = rb->rb_right;
	}
}

/* In place, or by taking the span out and putting back what is left. */
static __always_inline bool alloc_lowest(struct rb_peer *peer, struct bench_span *span,
					 unsigned long npages, bool reinsert)
{
	struct rb_span *from = lowest_fit(peer, npages), *below;
	struct rb_node **link, *parent;

	if (!from)
		return false;
	span->base = from->base;
	span->npages = npages;
	if (from->npages == npages) {
		erase(peer, from);
		return true;
	}
	if (reinsert)
		unlink_node(peer, from);
	from->base += npages;
	from->npages -= npages;
	if (reinsert) {
		below = find_place(peer, from->base, &link, &parent);
		link_node(peer, from, below, link, parent);
	} else {
		longest_callbacks_propagate(&from->rb, NULL);
	}
	return true;
}

static bool rb_alloc(void *state, struct bench_span *span, unsigned long npages)
{
	return alloc_lowest(state, span, npages, false);
}

static bool rb_alloc_reinsert(void *state, struct bench_span *span, unsigned long npages)
{
	return alloc_lowest(state, span, npages, true);
}

/* Where both neighbours are free, the upper one goes first: one node may be stale, not two. */
static void rb_free(void *state, struct bench_span *span)
{
	struct rb_peer *peer = state;
	struct rb_node **link, *parent;
	struct rb_span *below = find_place(peer, span->base, &link, &parent), *above;
	struct list_head *next = below ? below->list.next : peer->list.next;
	bool grows = below && below->base + below->npages == span->base;
	unsigned long npages = span->npages;

	above = next == &peer->list ? NULL : list_entry(next, struct rb_span, list);
	if (above && above->base != span->base + span->npages)
		above = NULL;
	if (grows) {
		if (above) {
			npages += above->npages;
			erase(peer, above);
		}
		below->npages += npages;
		longest_callbacks_propagate(&below->rb, NULL);
	} else if (above) {
		above->base = span->base;
		above->npages += npages;
		longest_callbacks_propagate(&above->rb, NULL);
	} else {
		WARN_ON_ONCE(!insert(peer, span->base, npages, below, link, parent));
	}
}

const struct bench_peer bench_rb = {
	.name = "rb-vmalloc",
	.lowest = true,
	.create = rb_create,
	.destroy = rb_destroy,
	.alloc = rb_alloc,
	.free = rb_free,
};

const struct bench_peer bench_rb_reinsert = {
	.name = "rb-reinsert",
	.lowest = true,
	.create = rb_create,
	.destroy = rb_destroy,
	.alloc = rb_alloc_reinsert,
	.free = rb_free,
};
