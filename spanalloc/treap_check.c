// SPDX-License-Identifier: GPL-2.0-only
/*
 * The check of a treap, apart from the code that it checks.
 */

/**
 * DOC: Check of a treap
 *
 * Verifies the invariants 1 to 5 that treap.c lists, by nothing but the nodes: it
 * shares no code with what keeps them. Each is verified at a node against its
 * parent, its children and its neighbours in address order; verified at every
 * node, these local conditions make the global ones, so a heap at work can be
 * checked bit by bit.
 *
 * Complexity: O(1) amortised for a node in a walk, O(n) for a tree.
 *
 * Locking: the caller holds the lock of the tree.
 *
 * Example::
 *
 *	broken = span_treap_check(&treap, &where);
 *	if (broken)
 *		pr_err("invariant %d at page %lu\n", broken, where ? where->base : 0);
 */

#include <linux/kernel.h>
#include <linux/minmax.h>

#include "treap.h"

static inline struct span_treap_node *node_of(struct rb_node *rb)
{
	return rb ? rb_entry(rb, struct span_treap_node, rb) : NULL;
}

/* What the node above is to know of a subtree. */
static unsigned long max_of(const struct span_treap_node *node)
{
	return node ? max3(node->npages, (unsigned long)node->left_max,
			   (unsigned long)node->right_max) : 0;
}

static u8 types_of(const struct span_treap_node *node)
{
	if (!node)
		return 0;
	return node->left_types | node->right_types |
	       span_treap_filter(SPAN_TYPE_IDLE | SPAN_TYPE_RELEASED,
				 (node->ngranules_idle ? SPAN_TYPE_IDLE : 0) |
				 (node->nreleased ? SPAN_TYPE_RELEASED : 0));
}

/* By base alone: whether spans overlap is the heap's to verify. */
static bool in_order(const struct span_treap_node *low,
		     const struct span_treap_node *high)
{
	return !low || !high || low->base < high->base;
}

/**
 * span_treap_check_node() - verify the invariants at one node
 * @treap: the tree
 * @node: a node of the tree
 *
 * Verified at every node, these local conditions make the global invariants.
 *
 * Context: any; the caller holds the tree's lock.
 * Return: the number of the first broken invariant, or SPAN_INV_NONE.
 */
enum span_invariant span_treap_check_node(const struct span_treap *treap,
					  const struct span_treap_node *node)
{
	const struct span_treap_node *left = node_of(node->rb.rb_left);
	const struct span_treap_node *right = node_of(node->rb.rb_right);
	struct rb_node *parent = rb_parent(&node->rb);

	if (parent ? parent->rb_left != &node->rb && parent->rb_right != &node->rb :
		     treap->root.rb_node != &node->rb)
		return SPAN_INV_PARENT;
	if ((left && rb_parent(&left->rb) != &node->rb) ||
	    (right && rb_parent(&right->rb) != &node->rb))
		return SPAN_INV_PARENT;
	if (!node->npages || !in_order(left, node) || !in_order(node, right) ||
	    !in_order(node_of(rb_prev(&node->rb)), node) ||
	    !in_order(node, node_of(rb_next(&node->rb))))
		return SPAN_INV_ORDER;
	if ((left && left->prio > node->prio) || (right && right->prio > node->prio))
		return SPAN_INV_HEAP;
	if (node->left_max != max_of(left) || node->right_max != max_of(right))
		return SPAN_INV_MAX;
	if (node->left_types != types_of(left) || node->right_types != types_of(right))
		return SPAN_INV_TYPES;
	return SPAN_INV_NONE;
}

/**
 * span_treap_check() - verify every invariant of a tree
 * @treap: the tree
 * @where: out, if not NULL: the node at which one is broken, or NULL
 *
 * Walks in address order and stops, with SPAN_INV_COUNTERS, when it has met
 * more nodes than the tree counts, so it ends on a damaged tree as well.
 *
 * Context: any; the caller holds the tree's lock. O(n).
 * Return: the number of the first broken invariant, or SPAN_INV_NONE.
 */
enum span_invariant span_treap_check(const struct span_treap *treap,
				     const struct span_treap_node **where)
{
	unsigned long nspans = 0, npages = 0, nreleased = 0, ngranules_idle = 0;
	struct span_treap_node *node = node_of(rb_first(&treap->root));
	enum span_invariant broken;

	for (; node; node = node_of(rb_next(&node->rb))) {
		if (where)
			*where = node;
		if (++nspans > treap->nspans)
			return SPAN_INV_COUNTERS;
		broken = span_treap_check_node(treap, node);
		if (broken)
			return broken;
		npages += node->npages;
		nreleased += node->nreleased;
		ngranules_idle += node->ngranules_idle;
	}
	if (where)
		*where = NULL;
	if (nspans != treap->nspans || npages != treap->npages ||
	    nreleased != treap->nreleased || ngranules_idle != treap->ngranules_idle)
		return SPAN_INV_COUNTERS;
	return SPAN_INV_NONE;
}
