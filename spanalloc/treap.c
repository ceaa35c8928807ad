// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address-ordered treap of free spans, on the kernel's augmented rbtree nodes.
 */

/**
 * DOC: Treap
 *
 * A treap is a search tree by key and a heap by a random priority: its shape is
 * that of a search tree into which the keys were inserted in random order, so
 * its expected depth is O(log n) whatever order they really came in (C. Aragon
 * and R. Seidel, "Randomized Search Trees", 1989). The key here is a span's
 * base. Each node knows the longest span and the span types of both its children's
 * subtrees, so that a search passes over those that hold nothing of use. (An rbtree
 * augmented by the kernel's macros has the sum of a subtree in its root.) So a search
 * looks at no node beside its path, and a change on its way up at no sibling. Down a path,
 * both children are fetched ahead, since which is next is a branch nobody can predict.
 *
 * The nodes are struct rb_node, so that rb_first(), rb_next() and the postorder
 * walk work on the tree. Only the balancing differs: colours are not used
 * (every node is black), and rotations restore the heap order of the priorities.
 *
 * Invariants, by the numbers that the check (treap_check.c) reports:
 *
 * 1. an in-order walk meets the spans by ascending base;
 * 2. no node's priority is above that of its parent;
 * 3. each child's parent link points to the node whose child it is;
 * 4. left_max and right_max are the maxima of @npages over the children's subtrees;
 * 5. left_types and right_types are the unions of the types over these.
 *
 * Complexity: insert, erase, first fit, the start, end, next and previous of a
 * filtered walk: expected O(log n). Mutate: O(1) to O(log n). An aligned or
 * bounded find: O(k log n), where k is the number of spans that are long enough
 * but hold no run that fits.
 *
 * Locking: none; the owner of the tree has a lock. Nothing here allocates.
 * Erasing never moves a node's payload into another node, so pointers to other
 * nodes stay good.
 *
 * Two rules matter. A rotation leaves the sum of the whole as it is, so that must be right
 * before: an insertion propagates first. propagate() stops where it is no news, so one node
 * may have changed at a time: who merges with both neighbours erases one, then grows the other.
 *
 * Example::
 *
 *	node = span_treap_first_fit(&treap, npages);
 *	if (node && node->npages == npages)
 *		span_treap_erase(&treap, node);
 *	else if (node)
 *		span_treap_mutate(&treap, node, take_front, &npages);
 */

#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/prefetch.h>
#include <linux/rbtree_augmented.h>

#include "treap.h"

static inline struct span_treap_node *node_of(struct rb_node *rb)
{
	return rb ? rb_entry(rb, struct span_treap_node, rb) : NULL;
}

static inline struct span_treap_node *left_of(const struct span_treap_node *node)
{
	return node_of(node->rb.rb_left);
}

static inline struct span_treap_node *right_of(const struct span_treap_node *node)
{
	return node_of(node->rb.rb_right);
}

/* Never NULL, whose page some processors look for each time. */
static inline void fetch_children(const struct rb_node *rb)
{
	prefetch(rb->rb_left ? : rb);
	prefetch(rb->rb_right ? : rb);
}

static inline u8 own_type(const struct span_treap_node *node)
{
	unsigned int type = 0;

	if (node->ngranules_idle)
		type |= SPAN_TYPE_IDLE;
	if (node->nreleased)
		type |= SPAN_TYPE_RELEASED;
	return BIT(type);
}

static_assert(SPAN_FILTER_ALL == 0xf);

static inline u8 subtree_types(const struct span_treap_node *node)
{
	return own_type(node) | node->left_types | node->right_types;
}

/* Tell a node the longest span below its child. Returns false if that is no news. */
static inline bool tell_max(struct span_treap_node *node, const struct rb_node *child, u32 longest)
{
	u32 *known = node->rb.rb_left == child ? &node->left_max : &node->right_max;
	bool news = *known != longest;

	*known = longest;
	return news;
}

static inline bool tell_types(struct span_treap_node *node, const struct rb_node *child, u8 types)
{
	bool news;

	if (node->rb.rb_left == child) {
		news = node->left_types != types;
		node->left_types = types;
	} else {
		news = node->right_types != types;
		node->right_types = types;
	}
	return news;
}

/* A node has changed, or what is below it: tell those above. Types are seldom news. */
static void propagate(struct span_treap_node *node)
{
	struct rb_node *rb = &node->rb, *parent;

	while ((parent = rb_parent(rb)) &&
	       tell_max(node_of(parent), rb, span_treap_longest(node_of(rb))))
		rb = parent;
	rb = &node->rb;
	while ((parent = rb_parent(rb)) &&
	       tell_types(node_of(parent), rb, subtree_types(node_of(rb))))
		rb = parent;
}

/* The benchmark compiles this with another balance, to compare with (kunit/bench). */
#ifndef SPAN_TREAP_AS_RBTREE
/*
 * Rotate @rb above its parent:
 *
 *	  (p)            (rb)             (p)          (rb)
 *	  / \            /  \             / \          /  \
 *	(rb) c    ->    a   (p)          a  (rb)  ->  (p)  c
 *	/  \                / \             /  \      / \
 *     a    b              b   c           b    c    a   b
 */
static void rotate_up(struct span_treap *treap, struct rb_node *rb)
{
	struct rb_node *parent = rb_parent(rb), *grand = rb_parent(parent), *inner;

	if (parent->rb_left == rb) {
		inner = rb->rb_right;
		WRITE_ONCE(parent->rb_left, inner);
		WRITE_ONCE(rb->rb_right, parent);
		node_of(parent)->left_max = node_of(rb)->right_max;
		node_of(parent)->left_types = node_of(rb)->right_types;
	} else {
		inner = rb->rb_left;
		WRITE_ONCE(parent->rb_right, inner);
		WRITE_ONCE(rb->rb_left, parent);
		node_of(parent)->right_max = node_of(rb)->left_max;
		node_of(parent)->right_types = node_of(rb)->left_types;
	}
	if (inner)
		rb_set_parent_color(inner, parent, RB_BLACK);
	rb_set_parent_color(parent, rb, RB_BLACK);
	rb_set_parent_color(rb, grand, RB_BLACK);
	__rb_change_child(parent, rb, grand, &treap->root);
	tell_max(node_of(rb), parent, span_treap_longest(node_of(parent)));
	tell_types(node_of(rb), parent, subtree_types(node_of(parent)));
}

/* Bring a node that has just been linked to where its priority belongs. */
static void balance(struct span_treap *treap, struct span_treap_node *node)
{
	struct rb_node *rb = &node->rb, *parent;

	rb_set_parent_color(rb, rb_parent(rb), RB_BLACK);
	while ((parent = rb_parent(rb)) && node_of(parent)->prio < node->prio)
		rotate_up(treap, rb);
}

static void take_out(struct span_treap *treap, struct span_treap_node *node)
{
	struct rb_node *rb = &node->rb, *parent, *child;

	while (rb->rb_left && rb->rb_right) {
		if (left_of(node)->prio > right_of(node)->prio)
			rotate_up(treap, rb->rb_left);
		else
			rotate_up(treap, rb->rb_right);
	}
	child = rb->rb_left ? : rb->rb_right;
	parent = rb_parent(rb);
	if (parent) {
		tell_max(node_of(parent), rb, max(node->left_max, node->right_max));
		tell_types(node_of(parent), rb, node->left_types | node->right_types);
	}
	__rb_change_child(rb, child, parent, &treap->root);
	if (child)
		rb_set_parent_color(child, parent, RB_BLACK);
	if (parent)
		propagate(node_of(parent));
}
#else
#include SPAN_TREAP_AS_RBTREE
#endif

/**
 * span_treap_init() - make an empty tree
 * @treap: the tree
 *
 * Context: any.
 */
void span_treap_init(struct span_treap *treap)
{
	*treap = (struct span_treap) { .root = RB_ROOT };
}

/**
 * span_treap_insert() - add a span
 * @treap: the tree
 * @node: base, npages and the counts are set; in no tree
 * @prio: heap priority. Balance rests on it being random and fresh at each
 *        insertion: taken from the node's address it would follow the order in
 *        which the slab hands objects out, and the tree could become a list
 *
 * The span must not overlap one that is in the tree.
 *
 * Context: any; the caller holds the tree's lock.
 */
void span_treap_insert(struct span_treap *treap, struct span_treap_node *node,
		       u32 prio)
{
	struct rb_node **link = &treap->root.rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		fetch_children(parent);
		if (node->base < node_of(parent)->base)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&node->rb, parent, link);
	node->prio = prio;
	node->left_max = 0;
	node->left_types = 0;
	node->right_max = 0;
	node->right_types = 0;
	propagate(node);
	balance(treap, node);
	treap->nspans++;
	treap->npages += node->npages;
	treap->nreleased += node->nreleased;
	treap->ngranules_idle += node->ngranules_idle;
	treap->ninserts++;
}

/**
 * span_treap_erase() - take a span out
 * @treap: the tree
 * @node: a node of this tree
 *
 * Rotates the node down, the child of higher priority up, until it has at most
 * one child, and puts that child in its place. No other node's payload moves.
 *
 * Context: any; the caller holds the tree's lock.
 */
void span_treap_erase(struct span_treap *treap, struct span_treap_node *node)
{
	take_out(treap, node);
	RB_CLEAR_NODE(&node->rb);
	treap->nspans--;
	treap->npages -= node->npages;
	treap->nreleased -= node->nreleased;
	treap->ngranules_idle -= node->ngranules_idle;
	treap->nerases++;
}

/**
 * __span_treap_mutated() - take note of what a callback changed in a node
 * @treap: the tree
 * @node: the node
 * @was: its counts before
 *
 * Context: any; the caller holds the tree's lock. See span_treap_mutate().
 */
void __span_treap_mutated(struct span_treap *treap, struct span_treap_node *node,
			  const struct span_treap_counts *was)
{
	treap->npages += node->npages - was->npages;
	treap->nreleased += node->nreleased - was->nreleased;
	treap->ngranules_idle += node->ngranules_idle - was->ngranules_idle;
	treap->nmutates++;
	propagate(node);
}

/* Lowest node of at least @npages below @node, which has one. */
static struct span_treap_node *lowest_fit(struct span_treap_node *node,
					  unsigned long npages)
{
	while (node) {
		fetch_children(&node->rb);
		if (node->left_max >= npages) {
			node = left_of(node);
			continue;
		}
		if (node->npages >= npages)
			break;
		node = right_of(node);
	}
	return node;
}

/* Next node of at least @npages after @node in address order. */
static struct span_treap_node *next_fit(struct span_treap_node *node,
					unsigned long npages)
{
	struct rb_node *rb = &node->rb, *parent;

	if (node->right_max >= npages)
		return lowest_fit(right_of(node), npages);
	while ((parent = rb_parent(rb))) {
		if (parent->rb_left == rb) {
			node = node_of(parent);
			if (node->npages >= npages)
				return node;
			if (node->right_max >= npages)
				return lowest_fit(right_of(node), npages);
		}
		rb = parent;
	}
	return NULL;
}

/**
 * span_treap_first_fit() - the lowest span that is long enough
 * @treap: the tree
 * @npages: pages wanted, at least 1
 *
 * Context: any; the caller holds the tree's lock. O(depth).
 * Return: the node, or NULL.
 */
struct span_treap_node *span_treap_first_fit(const struct span_treap *treap,
					     unsigned long npages)
{
	struct span_treap_node *root = node_of(treap->root.rb_node);

	if (!root || span_treap_longest(root) < npages)
		return NULL;
	return lowest_fit(root, npages);
}

/* Lowest node that reaches above @page. */
static struct span_treap_node *first_above(const struct span_treap *treap,
					   unsigned long page)
{
	struct span_treap_node *node = node_of(treap->root.rb_node), *found = NULL;

	while (node) {
		if (node->base + node->npages > page) {
			found = node;
			node = left_of(node);
		} else {
			node = right_of(node);
		}
	}
	return found;
}

/* Lowest place for a run in one span, in *@base; false if there is none. */
static bool place_in_span(const struct span_treap_node *node,
			  const struct span_treap_window *window,
			  unsigned long *base)
{
	unsigned long end = node->base + node->npages;
	unsigned long at = max(node->base, window->from);

	at = ALIGN(at, window->align);
	/*
	 * A run that would cross a boundary begins at that boundary instead. It
	 * is aligned unless the alignment is the larger of the two powers, and
	 * then an aligned place is at a boundary already.
	 */
	if (window->boundary &&
	    ALIGN_DOWN(at, window->boundary) !=
	    ALIGN_DOWN(at + window->npages - 1, window->boundary))
		at = ALIGN(at, window->boundary);
	if (at < node->base || at >= end || end - at < window->npages)
		return false;
	*base = at;
	return true;
}

/**
 * span_treap_find() - the lowest run of pages that fits into a window
 * @treap: the tree
 * @window: length, alignment, boundary and lower limit of the run
 * @base: out: the run's first page
 *
 * Exact: tries each span that is long enough in address order, and does not
 * ask for length plus alignment as searches that prune by an inflated length do.
 * Since that can be many spans, @window->tries bounds them: when so many have
 * been tried in vain and there are more, the result is NULL, @window->tries is 0,
 * and @window->from has moved to where the search is to go on.
 *
 * Context: any; the caller holds the tree's lock. O(k log n) for k spans that
 * are long enough but hold no such run.
 * Return: the node that contains the run, or NULL.
 */
struct span_treap_node *span_treap_find(const struct span_treap *treap,
					struct span_treap_window *window,
					unsigned long *base)
{
	struct span_treap_node *node;

	if (window->from)
		node = first_above(treap, window->from);
	else
		node = span_treap_first_fit(treap, window->npages);
	if (node && node->npages < window->npages)
		node = next_fit(node, window->npages);
	while (node && !place_in_span(node, window, base)) {
		node = next_fit(node, window->npages);
		if (node && window->tries && !--window->tries) {
			window->from = node->base;
			return NULL;
		}
	}
	return node;
}

static inline bool matches(const struct span_treap_node *node, u8 filter)
{
	return own_type(node) & filter;
}

/* Lowest node of the types in @filter in the subtree of @node, which has one. */
static struct span_treap_node *lowest_match(struct span_treap_node *node, u8 filter)
{
	while (node && (node->left_types & filter || !matches(node, filter)))
		node = node->left_types & filter ? left_of(node) : right_of(node);
	return node;
}

/* Highest node of the types in @filter in the subtree of @node, which has one. */
static struct span_treap_node *highest_match(struct span_treap_node *node, u8 filter)
{
	while (node && (node->right_types & filter || !matches(node, filter)))
		node = node->right_types & filter ? right_of(node) : left_of(node);
	return node;
}

/**
 * span_treap_start() - the lowest span of the types in a filter
 * @treap: the tree
 * @filter: set of types
 *
 * Context: any; the caller holds the tree's lock. O(depth).
 * Return: the node, or NULL.
 */
struct span_treap_node *span_treap_start(const struct span_treap *treap, u8 filter)
{
	struct span_treap_node *root = node_of(treap->root.rb_node);

	return root && subtree_types(root) & filter ? lowest_match(root, filter) : NULL;
}

/**
 * span_treap_end() - the highest span of the types in a filter
 * @treap: the tree
 * @filter: set of types
 *
 * Context: any; the caller holds the tree's lock. O(depth).
 * Return: the node, or NULL.
 */
struct span_treap_node *span_treap_end(const struct span_treap *treap, u8 filter)
{
	struct span_treap_node *root = node_of(treap->root.rb_node);

	return root && subtree_types(root) & filter ? highest_match(root, filter) : NULL;
}

/**
 * span_treap_next() - the next higher span of the types in a filter
 * @node: a node of a tree; need not match itself
 * @filter: set of types
 *
 * Context: any; the caller holds the tree's lock. O(depth); never enters a
 * subtree without a match.
 * Return: the node, or NULL.
 */
struct span_treap_node *span_treap_next(const struct span_treap_node *node, u8 filter)
{
	struct rb_node *rb, *parent;

	while (!(node->right_types & filter)) {
		rb = (struct rb_node *)&node->rb;
		while ((parent = rb_parent(rb)) && parent->rb_right == rb)
			rb = parent;
		if (!parent)
			return NULL;
		if (matches(node_of(parent), filter))
			return node_of(parent);
		node = node_of(parent);
	}
	return lowest_match(right_of(node), filter);
}

/**
 * span_treap_prev() - the next lower span of the types in a filter
 * @node: a node of a tree; need not match itself
 * @filter: set of types
 *
 * Context: any; the caller holds the tree's lock. O(depth); never enters a
 * subtree without a match.
 * Return: the node, or NULL.
 */
struct span_treap_node *span_treap_prev(const struct span_treap_node *node, u8 filter)
{
	struct rb_node *rb, *parent;

	while (!(node->left_types & filter)) {
		rb = (struct rb_node *)&node->rb;
		while ((parent = rb_parent(rb)) && parent->rb_left == rb)
			rb = parent;
		if (!parent)
			return NULL;
		if (matches(node_of(parent), filter))
			return node_of(parent);
		node = node_of(parent);
	}
	return highest_match(left_of(node), filter);
}

/**
 * span_treap_last_below() - the highest matching span that begins below a page
 * @treap: the tree
 * @page: the limit
 * @filter: set of types
 *
 * Where a walk downwards goes on after the lock was dropped: by address, since
 * no node may be held across that.
 *
 * Context: any; the caller holds the tree's lock. O(depth).
 * Return: the node, or NULL.
 */
struct span_treap_node *span_treap_last_below(const struct span_treap *treap,
					      unsigned long page, u8 filter)
{
	struct span_treap_node *node = node_of(treap->root.rb_node), *found = NULL;

	while (node) {
		if (node->base < page) {
			found = node;
			node = right_of(node);
		} else {
			node = left_of(node);
		}
	}
	if (!found || matches(found, filter))
		return found;
	return span_treap_prev(found, filter);
}

/**
 * span_treap_first_above() - the lowest matching span that ends above a page
 * @treap: the tree
 * @page: the limit
 * @filter: set of types
 *
 * The same for a walk upwards.
 *
 * Context: any; the caller holds the tree's lock. O(depth).
 * Return: the node, or NULL.
 */
struct span_treap_node *span_treap_first_above(const struct span_treap *treap,
					       unsigned long page, u8 filter)
{
	struct span_treap_node *node = first_above(treap, page);

	if (!node || matches(node, filter))
		return node;
	return span_treap_next(node, filter);
}
