/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The address space of a heap: carving spans out of free ones, coalescing,
 * growing; how much idle memory is kept. Between heap.c, claim.c, scavenge.c,
 * scavenger.c and inspect.c; see space.c and scavenger.c.
 */
#ifndef _SPANALLOC_SPACE_H
#define _SPANALLOC_SPACE_H

#include <linux/list.h>
#include <linux/types.h>

#include "heap.h"

/* Carving needs at most this many span objects, merging sets free at most this many. */
#define SPAN_CARVE_OBJECTS	2

/**
 * struct span_spares - span objects in hand
 * @span: the objects; the used slots come first
 * @n: how many
 */
struct span_spares {
	struct span *span[SPAN_CARVE_OBJECTS];
	unsigned int n;
};

int span_spares_fill(struct span_spares *spares, unsigned int n, gfp_t gfp);
void span_spares_drop(struct span_spares *spares);

/**
 * struct span_growth - address space that was made and not added yet
 * @arenas: list of struct span_arena
 * @narenas: how many arenas to add
 * @ndir: slots of the longer directory that is needed, or 0
 * @dir: that directory, or NULL
 * @spare: span object for the new space if the last span is not free
 * @seen: arenas that the heap had when this was planned
 */
struct span_growth {
	struct list_head arenas;
	unsigned long narenas;
	unsigned long ndir;
	struct span_directory *dir;
	struct span_spares spare;
	unsigned long seen;
};

struct span *span_space_carve(struct span_heap *heap, struct span *from,
			      unsigned long base, unsigned long npages,
			      struct span_spares *spares);
bool span_space_coalesce(struct span_heap *heap, struct span *span,
			 struct span_spares *unused);
void span_space_install(struct span_heap *heap, struct span *claim,
			unsigned long index, const struct span_block *block);
void span_space_detach(struct span_heap *heap, struct span_treap_node *node,
		       unsigned long index, struct span_block *block);
bool span_space_reinstall(struct span_heap *heap, unsigned long index,
			  const struct span_block *block);
int span_space_plan(struct span_heap *heap, const struct span_treap_window *window,
		    struct span_growth *growth);
int span_space_prepare(struct span_heap *heap, struct span_growth *growth, gfp_t gfp);
bool span_space_grow(struct span_heap *heap, struct span_growth *growth);
void span_space_discard(struct span_growth *growth);

/**
 * struct span_goal - how much idle memory a heap is to keep
 * @retain: idle pages that make up the share that it retains in any case
 * @keep: idle pages that it keeps, for the share and for the demand
 */
struct span_goal {
	unsigned long retain;
	unsigned long keep;
};

unsigned long span_heap_release(struct span_heap *heap, unsigned long npages,
				u64 *counter);
bool span_heap_try_release(struct span_heap *heap, unsigned long npages, u64 *counter,
			   unsigned long *done);

struct span_goal span_heap_goal(struct span_heap *heap);
void span_heap_unlock(struct span_heap *heap, unsigned long irqflags)
	__releases(&heap->lock);

int span_heap_give_up(struct span_heap *heap, struct span *span);
void span_heap_damage(struct span_heap *heap, const char *what);

#endif /* _SPANALLOC_SPACE_H */
