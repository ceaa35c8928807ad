// SPDX-License-Identifier: GPL-2.0-only
/*
 * A treap whose nodes hold several free spans each, neighbours by address: fewer levels, and a
 * node is two cache lines. What the heap's tree, of a span in each node, could win if that were
 * built so; Documentation/design.rst says why it is not.
 *
 * It does less than the heap's tree: addresses and lengths, of 32 bits, are all it knows, there
 * are no types and no counters, and a node is linked where the search for its neighbours ended.
 */

#include <linux/bug.h>
#include <linux/build_bug.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/prandom.h>
#include <linux/prefetch.h>
#include <linux/rbtree_augmented.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "peers.h"

#define WIDE_SPANS	10
/* A node left with so few joins a neighbour, if that makes no more than the other number. */
#define WIDE_FEW	3
#define WIDE_JOINED	8

struct wide_span {
	u32 base;
	u32 npages;
};

/* left_max and right_max are of the children's subtrees, own_max is of the node's spans. */
struct wide_node {
	struct rb_node rb;
	u32 left_max;
	u32 right_max;
	u32 own_max;
	u32 prio;
	u32 n;
	struct wide_span span[WIDE_SPANS];
};

static_assert(BITS_PER_LONG == 32 || sizeof(struct wide_node) == 128);

struct wide_peer {
	struct rb_root root;
	struct bench_pool nodes;
	struct rnd_state rnd;
};

static inline struct wide_node *node_of(const struct rb_node *rb)
{
	return rb_entry_safe(rb, struct wide_node, rb);
}

static inline u32 longest(const struct wide_node *node)
{
	return max3(node->own_max, node->left_max, node->right_max);
}

static inline void fetch_children(const struct rb_node *rb)
{
	prefetch(rb->rb_left ? : rb);
	prefetch(rb->rb_right ? : rb);
}

/* The other cache line of a node. */
static inline void fetch_rest(const struct wide_node *node)
{
	prefetch(&node->span[WIDE_SPANS - 1]);
}

static inline bool tell(struct wide_node *node, const struct rb_node *child, u32 length)
{
	u32 *known = node->rb.rb_left == child ? &node->left_max : &node->right_max;
	bool news = *known != length;

	*known = length;
	return news;
}

static void propagate(struct rb_node *rb)
{
	struct rb_node *parent;

	while ((parent = rb_parent(rb)) && tell(node_of(parent), rb, longest(node_of(rb))))
		rb = parent;
}

static void measure(struct wide_node *node)
{
	u32 most = 0;
	unsigned int i;

	for (i = 0; i < node->n; i++)
		most = max(most, node->span[i].npages);
	if (node->own_max == most)
		return;
	node->own_max = most;
	propagate(&node->rb);
}

static void rotate_up(struct wide_peer *peer, struct rb_node *rb)
{
	struct rb_node *parent = rb_parent(rb), *grand = rb_parent(parent), *inner;

	if (parent->rb_left == rb) {
		inner = rb->rb_right;
		parent->rb_left = inner;
		rb->rb_right = parent;
		node_of(parent)->left_max = node_of(rb)->right_max;
		node_of(rb)->right_max = longest(node_of(parent));
	} else {
		inner = rb->rb_left;
		parent->rb_right = inner;
		rb->rb_left = parent;
		node_of(parent)->right_max = node_of(rb)->left_max;
		node_of(rb)->left_max = longest(node_of(parent));
	}
	if (inner)
		rb_set_parent_color(inner, parent, RB_BLACK);
	rb_set_parent_color(parent, rb, RB_BLACK);
	rb_set_parent_color(rb, grand, RB_BLACK);
	__rb_change_child(parent, rb, grand, &peer->root);
}

/* Right above @after by address, or into an empty tree. */
static void link_after(struct wide_peer *peer, struct wide_node *node, struct wide_node *after)
{
	struct rb_node **link = &peer->root.rb_node, *parent = NULL;

	if (after) {
		parent = &after->rb;
		for (link = &parent->rb_right; *link; link = &parent->rb_left)
			parent = *link;
	}
	rb_link_node(&node->rb, parent, link);
	rb_set_parent_color(&node->rb, parent, RB_BLACK);
	node->left_max = 0;
	node->right_max = 0;
	node->prio = prandom_u32_state(&peer->rnd);
	propagate(&node->rb);
	while ((parent = rb_parent(&node->rb)) && node_of(parent)->prio < node->prio)
		rotate_up(peer, &node->rb);
}

/* The spans of @node are gone, or somewhere else. */
static void erase(struct wide_peer *peer, struct wide_node *node)
{
	struct rb_node *rb = &node->rb, *parent, *child;

	while (rb->rb_left && rb->rb_right)
		rotate_up(peer, node_of(rb->rb_left)->prio > node_of(rb->rb_right)->prio ?
			  rb->rb_left : rb->rb_right);
	child = rb->rb_left ? : rb->rb_right;
	parent = rb_parent(rb);
	if (parent)
		tell(node_of(parent), rb, max(node->left_max, node->right_max));
	__rb_change_child(rb, child, parent, &peer->root);
	if (child)
		rb_set_parent_color(child, parent, RB_BLACK);
	if (parent)
		propagate(parent);
	bench_pool_put(&peer->nodes, node);
}

/* All of @from, which lies right above @node, goes to the end of that. */
static void join(struct wide_peer *peer, struct wide_node *node, struct wide_node *from)
{
	memcpy(&node->span[node->n], from->span, from->n * sizeof(from->span[0]));
	node->n += from->n;
	measure(node);
	erase(peer, from);
}

static void remove(struct wide_peer *peer, struct wide_node *node, unsigned int at)
{
	struct wide_node *other;

	node->n--;
	if (!node->n) {
		erase(peer, node);
		return;
	}
	memmove(&node->span[at], &node->span[at + 1], (node->n - at) * sizeof(node->span[0]));
	measure(node);
	if (node->n > WIDE_FEW)
		return;
	other = node_of(rb_next(&node->rb));
	if (other && node->n + other->n <= WIDE_JOINED) {
		join(peer, node, other);
		return;
	}
	other = node_of(rb_prev(&node->rb));
	if (other && node->n + other->n <= WIDE_JOINED)
		join(peer, other, node);
}

/*
 * Make room in @node, which is full, or for the first span of all: the node that is to have the
 * span at *@at, or NULL if there is no memory. Above all of them it begins another node.
 */
static struct wide_node *make_room(struct wide_peer *peer, struct wide_node *node,
				   unsigned int *at)
{
	struct wide_node *upper = bench_pool_get(&peer->nodes);

	if (!upper)
		return NULL;
	upper->n = 0;
	upper->own_max = 0;
	link_after(peer, upper, node);
	if (!node || *at == WIDE_SPANS) {
		*at = 0;
		return upper;
	}
	upper->n = WIDE_SPANS / 2;
	node->n -= upper->n;
	memcpy(upper->span, &node->span[node->n], upper->n * sizeof(upper->span[0]));
	measure(upper);
	measure(node);
	if (*at <= node->n)
		return node;
	*at -= node->n;
	return upper;
}

/* At @at in @node. False, and nothing has happened, if memory is short. */
static bool insert(struct wide_peer *peer, struct wide_node *node, unsigned int at,
		   struct wide_span span)
{
	if (!node || node->n == WIDE_SPANS)
		node = make_room(peer, node, &at);
	if (!node)
		return false;
	memmove(&node->span[at + 1], &node->span[at], (node->n - at) * sizeof(node->span[0]));
	node->span[at] = span;
	node->n++;
	measure(node);
	return true;
}

static void wide_destroy(void *state)
{
	struct wide_peer *peer = state;
	struct wide_node *node, *next;

	rbtree_postorder_for_each_entry_safe(node, next, &peer->root, rb)
		bench_pool_put(&peer->nodes, node);
	bench_pool_exit(&peer->nodes);
	kfree(peer);
}

static void *wide_create(unsigned long npages)
{
	struct wide_peer *peer;

	if (npages > U32_MAX)
		return NULL;
	peer = kzalloc(sizeof(*peer), GFP_KERNEL);
	if (!peer)
		return NULL;
	peer->root = RB_ROOT;
	prandom_seed_state(&peer->rnd, 1);
	if (!bench_pool_init(&peer->nodes, "bench_wide", sizeof(struct wide_node))) {
		kfree(peer);
		return NULL;
	}
	if (insert(peer, NULL, 0, (struct wide_span) { 0, npages }))
		return peer;
	wide_destroy(peer);
	return NULL;
}

static bool wide_alloc(void *state, struct bench_span *span, unsigned long npages)
{
	struct wide_peer *peer = state;
	struct wide_node *node = node_of(peer->root.rb_node);
	struct wide_span *from;
	bool most;

	if (!node || longest(node) < npages)
		return false;
	for (;;) {
		fetch_children(&node->rb);
		if (node->left_max >= npages) {
			node = node_of(node->rb.rb_left);
			continue;
		}
		if (node->own_max >= npages)
			break;
		node = node_of(node->rb.rb_right);
	}
	fetch_rest(node);
	from = node->span;
	while (from->npages < npages)
		from++;
	span->base = from->base;
	span->npages = npages;
	if (from->npages == npages) {
		remove(peer, node, from - node->span);
		return true;
	}
	most = from->npages == node->own_max;
	from->base += npages;
	from->npages -= npages;
	if (most)
		measure(node);
	return true;
}

static void grow(struct wide_node *node, struct wide_span *span, u32 npages)
{
	span->npages += npages;
	if (span->npages > node->own_max) {
		node->own_max = span->npages;
		propagate(&node->rb);
	}
}

/* Where both neighbours are free, the upper one goes last: its node may go with it. */
static void wide_free(void *state, struct bench_span *span)
{
	struct wide_peer *peer = state;
	struct wide_node *node = NULL, *next = NULL, *at = node_of(peer->root.rb_node);
	struct wide_span *below, *above;
	u32 end = span->base + span->npages;
	unsigned int i = 0;

	while (at) {
		fetch_children(&at->rb);
		if (span->base < at->span[0].base) {
			next = at;
			at = node_of(at->rb.rb_left);
		} else {
			node = at;
			at = node_of(at->rb.rb_right);
		}
	}
	if (!node) {
		node = next;
		next = NULL;
	}
	if (node)
		fetch_rest(node);
	while (node && i < node->n && node->span[i].base < span->base)
		i++;
	below = i ? &node->span[i - 1] : NULL;
	if (below && below->base + below->npages != span->base)
		below = NULL;
	if (node && i < node->n) {
		above = &node->span[i];
		next = node;
	} else {
		above = next ? &next->span[0] : NULL;
	}
	if (above && above->base != end)
		above = NULL;
	if (below) {
		grow(node, below, span->npages + (above ? above->npages : 0));
		if (above)
			remove(peer, next, above - next->span);
	} else if (above) {
		above->base = span->base;
		grow(next, above, span->npages);
	} else {
		struct wide_span fresh = { span->base, span->npages };

		/* Above a full node, and the next one has room: it goes there. */
		if (i == WIDE_SPANS && next && next->n < WIDE_SPANS) {
			node = next;
			i = 0;
		}
		WARN_ON_ONCE(!insert(peer, node, i, fresh));
	}
}

const struct bench_peer bench_wide = {
	.name = "treap-wide",
	.lowest = true,
	.create = wide_create,
	.destroy = wide_destroy,
	.alloc = wide_alloc,
	.free = wide_free,
};
