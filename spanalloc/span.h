/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The span object: a run of pages of a heap's address space and its state.
 */
#ifndef _SPANALLOC_SPAN_H
#define _SPANALLOC_SPAN_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/gfp.h>
#include <linux/stddef.h>
#include <linux/types.h>

#include "treap.h"

/**
 * enum span_state - what a span is at the moment
 * @SPAN_DEAD: in no heap; a freshly made or merged-away object
 * @SPAN_FREE: in the heap's treap
 * @SPAN_CLAIMED: taken out of the treap by an allocation that is still backing
 *                it; lookup, free and split do not see it
 * @SPAN_IN_USE: handed out; every granule it touches is backed
 * @SPAN_QUARANTINED: its owner is gone, but somebody still holds a reference
 *                    on a page of it
 * @SPAN_CACHED: in a per-CPU cache: in use, as far as the tree, the map and the
 *               heap's counters are concerned, but nobody's
 */
enum span_state {
	SPAN_DEAD,
	SPAN_FREE,
	SPAN_CLAIMED,
	SPAN_IN_USE,
	SPAN_QUARANTINED,
	SPAN_CACHED,
};

/* Traits of a span that is not free. */
#define SPAN_TRAIT_CONTIG	BIT(0)	/* its pages are known to be contiguous */
#define SPAN_TRAIT_ZERO		BIT(1)	/* its pages are zero: nobody has had them */

/**
 * struct span - a run of contiguous pages of a heap's address space
 * @node: base, length and, while free, the treap linkage; @node.state is an enum span_state,
 *        see span_state(), and @node.mark is that of the heap whose it was last, see struct
 *        span_heap
 * @caller: code address that asked for the span, 0 if nobody has
 * @owner: number that the allocator's caller knows its owner by: a process id
 *         for the device, 0 for kernel clients
 * @views: users that rely on the pages besides the owner: kernel mappings and
 *         scatterlists; while there is one, the span can be neither freed nor split
 * @traits: SPAN_TRAIT_*, for the per-CPU caches
 *
 * A span that is free has no owner, and one that is not has no children in a tree: so @caller to
 * @traits take the room of the links, and mean nothing while a span is free. So a span is a
 * cache line, from Linux 6.12 on, whose slabs can do without a link behind it (span.c).
 *
 * One object serves a span all its life; splitting takes one more, merging
 * gives one back. All fields are protected by the heap's lock, with two exceptions:
 * @node.base and @node.npages of a span in use are stable for its owner; and while it
 * is in use or cached, its state, @owner, @caller and @traits change from one to the other
 * without that lock (cache.c).
 */
struct span {
	union {
		struct span_treap_node node;
		struct {
			/* private: not the parent, which says that the node is in no tree */
			unsigned long parent_and_color;
			/* public: */
			unsigned long caller;
			u32 owner;
			u16 views;
			u8 traits;
		};
	};
};

static_assert(sizeof(struct span) == 64);
static_assert(offsetofend(struct span, traits) <= sizeof(struct rb_node));

static inline struct span *span_of(struct span_treap_node *node)
{
	return node ? container_of(node, struct span, node) : NULL;
}

/* The state, which between in use and cached changes without the heap's lock. */
static inline u8 span_state(const struct span *span)
{
	return READ_ONCE(span->node.state);
}

static inline unsigned long span_end(const struct span *span)
{
	return span->node.base + span->node.npages;
}

int span_objects_init(void);
void span_objects_exit(void);
struct span *span_new(gfp_t gfp);
void span_delete(struct span *span);
unsigned int span_new_many(gfp_t gfp, unsigned int n, struct span **span);
void span_delete_many(unsigned int n, struct span **span);
const char *span_state_name(u8 state);

#endif /* _SPANALLOC_SPAN_H */
