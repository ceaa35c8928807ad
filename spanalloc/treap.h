/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address-ordered treap of free spans. See treap.c for the model.
 */
#ifndef _SPANALLOC_TREAP_H
#define _SPANALLOC_TREAP_H

#include <linux/bits.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/rbtree.h>
#include <linux/types.h>

/**
 * struct span_treap_node - what the tree knows of one span
 * @rb: linkage; while the node is in no tree, that is all that the parent's link says
 *      (RB_CLEAR_NODE), and those to children are the owner's to use
 * @base: first page of the span, in pages of the heap's address space
 * @npages: length of the span in pages, at least 1
 * @left_max: largest @npages in the left child's subtree, 0 without a left child
 * @right_max: the same of the right child
 * @prio: heap priority, drawn afresh at each insertion; parent >= child
 * @left_types: set of the span types in the left child's subtree
 * @right_types: the same of the right child
 * @state: where there is room for it; the tree has nothing to do with it, see struct span
 * @mark: likewise
 * @nreleased: pages of the span that lie in released granules
 * @ngranules_idle: whole backed granules inside the span
 *
 * A cache line, if the nodes are aligned to one; the part that a descent reads is in its first
 * 48 bytes. No span is longer than SPAN_TREAP_PAGES_MAX, so that the children's sums fit.
 *
 * All fields but @state and @mark are protected by whatever protects the tree; while a node is
 * in a tree only span_treap_mutate() may change @base, @npages, @nreleased and
 * @ngranules_idle.
 */
struct span_treap_node {
	struct rb_node rb;
	unsigned long base;
	unsigned long npages;
	u32 left_max;
	u32 right_max;
	u32 prio;
	u8 left_types : 4;
	u8 right_types : 4;
	u8 state;
	u16 mark;
	u32 nreleased;
	u32 ngranules_idle;
};

/* The longest span that a tree can hold, in pages. */
#define SPAN_TREAP_PAGES_MAX	((unsigned long)U32_MAX)

/**
 * struct span_treap - a treap and the sums over its nodes
 * @root: the tree. Whoever has a treap has no struct rb_root at hand, so the
 *        colour rebalancing functions cannot be called on it by mistake
 * @nspans: nodes in the tree
 * @npages: sum of the nodes' npages
 * @nreleased: sum of the nodes' nreleased
 * @ngranules_idle: sum of the nodes' ngranules_idle
 * @ninserts: insertions since the tree was made
 * @nerases: erasures since the tree was made
 * @nmutates: in-place changes since the tree was made
 *
 * All fields are protected by the lock of the tree's owner.
 */
struct span_treap {
	struct rb_root root;
	unsigned long nspans;
	unsigned long npages;
	unsigned long nreleased;
	unsigned long ngranules_idle;
	u64 ninserts;
	u64 nerases;
	u64 nmutates;
};

/*
 * A span's type is a number of SPAN_TYPE_BITS bits, derived from its counts. A
 * filter is a set of types: bit t stands for type t.
 */
#define SPAN_TYPE_IDLE		BIT(0)	/* holds a granule that scavenging could return */
#define SPAN_TYPE_RELEASED	BIT(1)	/* holds a page of a released granule */
#define SPAN_TYPE_BITS		2
#define SPAN_FILTER_ALL		GENMASK((1 << SPAN_TYPE_BITS) - 1, 0)

/**
 * span_treap_filter() - set of the types that agree with @match under @mask
 * @mask: type bits that matter
 * @match: what those bits shall be
 *
 * Return: the filter; empty when @match has a bit outside @mask.
 */
static inline u8 span_treap_filter(unsigned int mask, unsigned int match)
{
	unsigned int type;
	u8 filter = 0;

	for (type = 0; type < (1U << SPAN_TYPE_BITS); type++)
		if ((type & mask) == match)
			filter |= BIT(type);
	return filter;
}

/**
 * struct span_treap_window - where a run of pages may lie
 * @npages: length of the run, at least 1
 * @align: the run's first page is a multiple of this power of two (1: any)
 * @boundary: the run crosses no multiple of this power of two (0: any); not
 *            smaller than @npages
 * @from: the run's first page is not below this one
 * @tries: spans to try at most, 0 for all; see span_treap_find()
 */
struct span_treap_window {
	unsigned long npages;
	unsigned long align;
	unsigned long boundary;
	unsigned long from;
	unsigned long tries;
};

/* Numbers of the invariants that span_treap_check_node() verifies; see treap.c. */
enum span_invariant {
	SPAN_INV_NONE = 0,
	SPAN_INV_ORDER = 1,
	SPAN_INV_HEAP = 2,
	SPAN_INV_PARENT = 3,
	SPAN_INV_MAX = 4,
	SPAN_INV_TYPES = 5,
	SPAN_INV_COALESCED = 6,
	SPAN_INV_OVERLAP = 7,
	SPAN_INV_MAP = 8,
	SPAN_INV_RELEASED = 9,
	SPAN_INV_COUNTERS = 10,
	SPAN_INV_VIEWS = 11,
};

/* The length of the longest span in the subtree rooted at @node. */
static inline unsigned long span_treap_longest(const struct span_treap_node *node)
{
	return max3(node->npages, (unsigned long)node->left_max,
		    (unsigned long)node->right_max);
}

void span_treap_init(struct span_treap *treap);
void span_treap_insert(struct span_treap *treap, struct span_treap_node *node,
		       u32 prio);
void span_treap_erase(struct span_treap *treap, struct span_treap_node *node);

struct span_treap_node *span_treap_first_fit(const struct span_treap *treap,
					     unsigned long npages);
struct span_treap_node *span_treap_find(const struct span_treap *treap,
					struct span_treap_window *window,
					unsigned long *base);

struct span_treap_node *span_treap_start(const struct span_treap *treap, u8 filter);
struct span_treap_node *span_treap_end(const struct span_treap *treap, u8 filter);
struct span_treap_node *span_treap_next(const struct span_treap_node *node, u8 filter);
struct span_treap_node *span_treap_prev(const struct span_treap_node *node, u8 filter);
struct span_treap_node *span_treap_last_below(const struct span_treap *treap,
					      unsigned long page, u8 filter);
struct span_treap_node *span_treap_first_above(const struct span_treap *treap,
					       unsigned long page, u8 filter);

enum span_invariant span_treap_check_node(const struct span_treap *treap,
					  const struct span_treap_node *node);
enum span_invariant span_treap_check(const struct span_treap *treap,
				     const struct span_treap_node **where);

/* private: the two halves of span_treap_mutate() */
struct span_treap_counts {
	unsigned long npages;
	unsigned long nreleased;
	unsigned long ngranules_idle;
};

void __span_treap_mutated(struct span_treap *treap, struct span_treap_node *node,
			  const struct span_treap_counts *was);

/**
 * span_treap_mutate() - change a span in place, in its tree node
 * @treap: the tree that holds @node
 * @node: the node to change
 * @fn: changes base, npages, nreleased or ngranules_idle of the node; it must
 *      leave the node's order relative to its neighbours as it is and must not
 *      touch the tree
 * @arg: handed to @fn
 *
 * What the tree counts of the node is recorded before @fn runs, the difference
 * is applied to the tree's own counters, and the sums are propagated
 * upwards until nothing changes: O(1) when the subtree's maximum and types stay
 * as they were, O(depth) at worst. Inline, so that a constant @fn costs no
 * indirect call.
 *
 * Context: any; the caller holds the tree's lock.
 */
static __always_inline void
span_treap_mutate(struct span_treap *treap, struct span_treap_node *node,
		  void (*fn)(struct span_treap_node *node, void *arg), void *arg)
{
	const struct span_treap_counts was = {
		.npages = node->npages,
		.nreleased = node->nreleased,
		.ngranules_idle = node->ngranules_idle,
	};

	fn(node, arg);
	__span_treap_mutated(treap, node, &was);
}

#endif /* _SPANALLOC_TREAP_H */
