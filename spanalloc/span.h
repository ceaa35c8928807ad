/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The span object: a run of pages of a heap's address space and its state.
 */
#ifndef _SPANALLOC_SPAN_H
#define _SPANALLOC_SPAN_H

#include <linux/gfp.h>
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
 */
enum span_state {
	SPAN_DEAD,
	SPAN_FREE,
	SPAN_CLAIMED,
	SPAN_IN_USE,
	SPAN_QUARANTINED,
};

/**
 * struct span - a run of contiguous pages of a heap's address space
 * @node: base, length and, while free, the treap linkage
 * @state: an enum span_state
 * @views: users that rely on the pages besides the owner: kernel mappings and
 *         scatterlists; while there is one, the span can be neither freed nor split
 * @owner: number that the allocator's caller knows its owner by: a process id
 *         for the device, 0 for kernel clients
 * @caller: code address that asked for the span; 0 while it is free
 *
 * One object serves a span all its life; splitting takes one more, merging
 * gives one back. All fields are protected by the heap's lock; @node.base and
 * @node.npages of a span in use are stable for its owner.
 */
struct span {
	struct span_treap_node node;
	u8 state;
	u16 views;
	u32 owner;
	unsigned long caller;
};

static inline struct span *span_of(struct span_treap_node *node)
{
	return node ? container_of(node, struct span, node) : NULL;
}

static inline unsigned long span_end(const struct span *span)
{
	return span->node.base + span->node.npages;
}

int span_cache_init(void);
void span_cache_exit(void);
struct span *span_new(gfp_t gfp);
void span_delete(struct span *span);
const char *span_state_name(u8 state);

#endif /* _SPANALLOC_SPAN_H */
