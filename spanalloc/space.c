// SPDX-License-Identifier: GPL-2.0-only
/*
 * The address space of a heap: carving spans out of free ones, coalescing,
 * growing.
 */

/**
 * DOC: Address space
 *
 * Every page of the address space belongs to exactly one span. Three things
 * move the borders between spans, and they are all here: carving takes a run of
 * pages out of a free span, coalescing gives one back, growing adds released
 * pages at the end.
 *
 * Carving meets one of four cases (F is the free span, n the new one):
 *
 *	whole    |nnnnnnnn|     F leaves the tree and becomes the new span
 *	front    |nnn|FFFF|     F begins later: changed in place
 *	back     |FFFFF|nn|     F ends earlier: changed in place
 *	middle   |FF|nnn|ff|    F ends earlier: changed in place; a second new
 *	                        span f holds what is above and enters the tree
 *
 * Plain first fit only ever meets the first two. Coalescing meets the reverse:
 * a free neighbour below grows, else one above grows downwards, both in place;
 * only where there is neither does the span itself enter the tree.
 *
 * The invariants that the heap adds to those of the treap:
 *
 * 6. no two neighbouring spans are both free;
 * 7. spans follow one another without gap and without overlap;
 * 8. the span map leads to the right span from both ends of every span, and
 *    from every page of a span in use; its other slots are as arena.c says;
 * 9. every granule that a span in use touches is backed, and the counts of
 *    released pages and idle granules of each free span are those of the table;
 * 10. the heap's counters are the sums over spans and granules;
 * 11. only a span in use has views (heap.c).
 *
 * Locking: with the heap's lock held, except where noted. Nothing here
 * allocates while the lock is held: objects come in from the caller, and what
 * merging leaves over goes out to it.
 */

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "space.h"

/**
 * span_heap_damage() - refuse further work on a heap
 * @heap: the heap
 * @what: what was found
 *
 * A broken invariant means that somebody's pages may be handed out twice: the
 * one safe thing is to stop, and to leak rather than to free. The module cannot
 * be unloaded any more, since its objects are lost.
 *
 * Context: any; the caller holds the heap's lock.
 */
void span_heap_damage(struct span_heap *heap, const char *what)
{
	if (heap->damaged)
		return;
	WRITE_ONCE(heap->damaged, true);
	__module_get(THIS_MODULE);
	pr_err("spanalloc: heap %s is damaged: %s\n", heap->name, what);
	WARN_ONCE(1, "spanalloc: a heap is damaged\n");
}

/**
 * span_spares_fill() - have span objects in hand
 * @spares: the objects in hand
 * @n: how many there shall be, at most SPAN_CARVE_OBJECTS
 * @gfp: says whether the call may sleep
 *
 * Context: any that @gfp allows; without the heap's lock.
 * Return: 0, or -ENOMEM, which leaves those that could be had.
 */
int span_spares_fill(struct span_spares *spares, unsigned int n, gfp_t gfp)
{
	while (spares->n < n) {
		struct span *span = span_new(gfp);

		if (!span)
			return -ENOMEM;
		spares->span[spares->n++] = span;
	}
	return 0;
}

/**
 * span_spares_drop() - delete the span objects in hand
 * @spares: the objects in hand
 *
 * Context: any; without the heap's lock.
 */
void span_spares_drop(struct span_spares *spares)
{
	while (spares->n)
		span_delete(spares->span[--spares->n]);
}

static void spares_put(struct span_spares *spares, struct span *span)
{
	span->node.state = SPAN_DEAD;
	spares->span[spares->n++] = span;
}

/* A span that was free, or in no heap, and whose links are gone. */
static void become_claimed(struct span *span)
{
	span->node.state = SPAN_CLAIMED;
	span->caller = 0;
	span->owner = 0;
	span->views = 0;
	span->traits = 0;
}

static void tree_insert(struct span_heap *heap, struct span *span)
{
	span->node.state = SPAN_FREE;
	span_treap_insert(&heap->treap, &span->node, prandom_u32_state(&heap->rnd));
}

/**
 * struct extent - where a span lies and what it counts
 * @base: its first page
 * @npages: its length
 * @tally: its counts
 */
struct extent {
	unsigned long base;
	unsigned long npages;
	struct span_tally tally;
};

static void set_extent(struct span_treap_node *node, void *arg)
{
	const struct extent *to = arg;

	node->base = to->base;
	node->npages = to->npages;
	node->nreleased = to->tally.nreleased;
	node->ngranules_idle = to->tally.ngranules_idle;
}

/* Give @span, which is in no tree, the place and the counts of @extent. */
static void set_shape(struct span_heap *heap, struct span *span,
		      const struct extent *extent)
{
	set_extent(&span->node, (void *)extent);
	span_map_set_ends(&heap->arenas, span);
}

/*
 * What is left of @from on both sides when the run [@base, @end) is taken out.
 * Only the shorter side is counted: the longer follows by subtraction, so the
 * cost is in the pages that the caller asked for or skipped, never in the
 * length of the free span.
 */
static void tally_sides(struct span_heap *heap, const struct span *from,
			unsigned long base, unsigned long end,
			struct extent *below, struct extent *above)
{
	struct span_tally run = span_tally_run(&heap->arenas, base, end,
					       from->node.base, span_end(from));
	unsigned long nreleased = from->node.nreleased - run.nreleased;
	unsigned long nidle = from->node.ngranules_idle - run.ngranules_idle;
	struct extent *shorter, *longer;

	*below = (struct extent) { .base = from->node.base, .npages = base - from->node.base };
	*above = (struct extent) { .base = end, .npages = span_end(from) - end };
	shorter = below->npages < above->npages ? below : above;
	longer = shorter == below ? above : below;
	if (shorter->npages) {
		unsigned long limit = shorter->base + shorter->npages;

		shorter->tally = span_tally_run(&heap->arenas, shorter->base, limit,
						shorter->base, limit);
	}
	longer->tally.nreleased = nreleased - shorter->tally.nreleased;
	longer->tally.ngranules_idle = nidle - shorter->tally.ngranules_idle;
}

/**
 * span_space_carve() - take a run of pages out of a free span
 * @heap: the heap
 * @from: a free span that contains the run
 * @base: first page of the run
 * @npages: length of the run
 * @spares: objects in hand: none needed for a whole span, one for its front or
 *          back, two for its middle; those used are taken from it
 *
 * Context: any; the caller holds the heap's lock.
 * Return: the run as a claimed span, in no tree.
 */
struct span *span_space_carve(struct span_heap *heap, struct span *from,
			      unsigned long base, unsigned long npages,
			      struct span_spares *spares)
{
	struct extent below, above, run = { .base = base, .npages = npages };
	struct span *span;

	heap->changes++;
	heap->claimed_pages += npages;
	if (from->node.npages == npages) {
		span_treap_erase(&heap->treap, &from->node);
		from->node.nreleased = 0;
		from->node.ngranules_idle = 0;
		become_claimed(from);
		span_map_hold(&heap->arenas, from);
		return from;
	}

	tally_sides(heap, from, base, base + npages, &below, &above);
	span = spares->span[--spares->n];
	become_claimed(span);
	/* The tree holds no free span over the run by the time the run has a map entry. */
	span_treap_mutate(&heap->treap, &from->node, set_extent,
			  below.npages ? &below : &above);
	span_map_set_ends(&heap->arenas, from);
	set_shape(heap, span, &run);
	span_map_hold(&heap->arenas, span);
	if (below.npages && above.npages) {
		struct span *rest = spares->span[--spares->n];

		set_shape(heap, rest, &above);
		tree_insert(heap, rest);
	}
	return span;
}

static struct span *if_free(struct span *span)
{
	return span && span_state(span) == SPAN_FREE ? span : NULL;
}

/* Add a free neighbour to @whole, which it touches. */
static void take_in(struct extent *whole, const struct span *neighbour)
{
	whole->base = min(whole->base, neighbour->node.base);
	whole->npages += neighbour->node.npages;
	whole->tally.nreleased += neighbour->node.nreleased;
	whole->tally.ngranules_idle += neighbour->node.ngranules_idle;
}

/* The upkeep of idle granules (upkeep.c) is to look again from @page on. */
static void upkeep_from(struct span_heap *heap, unsigned long page)
{
	heap->dirty_from = min(heap->dirty_from, page);
	heap->scattered_from = min(heap->scattered_from, page);
	heap->tend |= heap->scattered_granules || heap->prezero;
}

/**
 * span_space_coalesce() - make a span free and merge it with its neighbours
 * @heap: the heap
 * @span: a span in no tree, whose ends are in the map; the caller has taken it
 *        out of the counter of its state
 * @unused: out: objects that are needed no more, to be deleted without the lock
 *
 * The counts of the free span come from the granule table, whatever it says: a
 * claim that failed half way has some granules backed and others not. Where
 * both neighbours are free, the upper one leaves the tree before the lower one
 * grows, since only one node may have changed while that propagates.
 *
 * Context: any; the caller holds the heap's lock. O(log n) and O(granules of
 * @span). Never fails.
 * Return: true if a neighbour grew, in place.
 */
bool span_space_coalesce(struct span_heap *heap, struct span *span,
			 struct span_spares *unused)
{
	unsigned long base = span->node.base, end = span_end(span);
	struct span *below = if_free(span_map_before(&heap->arenas, base));
	struct span *above = if_free(span_map_after(&heap->arenas, end));
	struct span *kept = below ? : above;
	struct extent whole = { .base = base, .npages = span->node.npages };
	struct span_tally run;

	heap->changes++;
	/* Granules that become idle by this begin no lower than the one that @span begins in. */
	upkeep_from(heap, round_down(base, span_heap_granule_pages(heap)));
	if (below)
		take_in(&whole, below);
	if (above)
		take_in(&whole, above);
	run = span_tally_run(&heap->arenas, base, end, whole.base,
			     whole.base + whole.npages);
	whole.tally.nreleased += run.nreleased;
	whole.tally.ngranules_idle += run.ngranules_idle;
	if (!kept) {
		set_shape(heap, span, &whole);
		tree_insert(heap, span);
		return false;
	}
	if (below && above) {
		span_treap_erase(&heap->treap, &above->node);
		span_map_forget_ends(&heap->arenas, end, above->node.npages);
		spares_put(unused, above);
	}
	span_map_forget_ends(&heap->arenas, base, span->node.npages);
	spares_put(unused, span);
	span_map_forget_ends(&heap->arenas, kept->node.base, kept->node.npages);
	span_treap_mutate(&heap->treap, &kept->node, set_extent, &whole);
	span_map_set_ends(&heap->arenas, kept);
	return true;
}

static void lose_released(struct span_treap_node *node, void *arg)
{
	node->nreleased -= *(unsigned long *)arg;
}

/* Take @npages, backed a moment ago, out of what @span counts as released. */
static void backed_under(struct span_heap *heap, struct span *span,
			 unsigned long npages)
{
	if (span_state(span) == SPAN_FREE)
		span_treap_mutate(&heap->treap, &span->node, lose_released, &npages);
}

/**
 * span_space_install() - back a granule that a claim touches
 * @heap: the heap
 * @claim: a claimed span that touches the granule
 * @index: number of the granule, which is released
 * @block: its pages, which belong to the heap from here on
 *
 * Other spans may touch the granule as well: free ones count fewer released
 * pages from here on.
 *
 * Context: any; the caller holds the heap's lock. O(spans in the granule x
 * log n).
 */
void span_space_install(struct span_heap *heap, struct span *claim,
			unsigned long index, const struct span_block *block)
{
	unsigned long page = index << heap->granule_order;
	unsigned long end = page + span_heap_granule_pages(heap);
	struct span *span = claim;

	heap->changes++;
	heap->backed_granules++;
	heap->stat.backed++;
	if (block->scattered) {
		heap->stat.backed_scattered++;
		heap->scattered_granules++;
	}
	span_granule_install(span_granule_at(&heap->arenas, index), block,
			     heap->granule_order);

	while (span->node.base > page)
		span = span_map_before(&heap->arenas, span->node.base);
	for (; span && span->node.base < end;
	     span = span_map_after(&heap->arenas, span_end(span)))
		backed_under(heap, span,
			     min(end, span_end(span)) - max(page, span->node.base));
}

static void lose_idle(struct span_treap_node *node, void *arg)
{
	node->ngranules_idle--;
	node->nreleased += *(unsigned long *)arg;
}

/**
 * span_space_detach() - take the memory from behind an idle granule
 * @heap: the heap
 * @node: the free span that the granule lies in
 * @index: number of the granule, which is backed and lies wholly in there
 * @block: out: its pages, which belong to the caller from here on
 *
 * Context: any; the caller holds the heap's lock. O(log n).
 */
void span_space_detach(struct span_heap *heap, struct span_treap_node *node,
		       unsigned long index, struct span_block *block)
{
	unsigned long step = span_heap_granule_pages(heap);

	heap->changes++;
	heap->backed_granules--;
	span_granule_detach(span_granule_at(&heap->arenas, index), block);
	heap->scattered_granules -= block->scattered;
	span_treap_mutate(&heap->treap, node, lose_idle, &step);
}

static void regain_idle(struct span_treap_node *node, void *arg)
{
	node->ngranules_idle++;
	node->nreleased -= *(unsigned long *)arg;
}

/**
 * span_space_reinstall() - put memory back behind a granule
 * @heap: the heap
 * @index: number of the granule
 * @block: what span_space_detach() gave, a while ago
 *
 * The granule may have got other memory meanwhile, or a claim may be about to see to
 * that.
 *
 * Context: any; the caller holds the heap's lock. O(log n).
 * Return: false if the granule is not released any more, or not wholly in one free span;
 * the block still is the caller's then.
 */
bool span_space_reinstall(struct span_heap *heap, unsigned long index,
			  const struct span_block *block)
{
	struct span_granule *granule = span_granule_at(&heap->arenas, index);
	unsigned long step = span_heap_granule_pages(heap);
	unsigned long page = index << heap->granule_order;
	struct span_treap_node *node;

	if (heap->damaged || span_granule_backed(granule))
		return false;
	node = span_treap_last_below(&heap->treap, page + 1, SPAN_FILTER_ALL);
	if (!node || node->base + node->npages < page + step)
		return false;
	heap->changes++;
	heap->backed_granules++;
	heap->scattered_granules += block->scattered;
	span_granule_install(granule, block, heap->granule_order);
	span_treap_mutate(&heap->treap, node, regain_idle, &step);
	return true;
}

/**
 * span_space_plan() - see how many arenas an allocation needs that fits nowhere
 * @heap: the heap
 * @window: what the allocation asks for
 * @growth: out: the plan
 *
 * The run will begin in the last span if that is free, so that placement is
 * that of one address space without seams. Not so under a boundary: the free
 * end was searched, and the end of the address space is a boundary itself.
 *
 * Context: any; the caller holds the heap's lock.
 * Return: 0, with no arenas to add if the run would fit by now; -EDQUOT if the
 * limit leaves fewer pages than are asked for; -ENOSPC if it leaves enough, but not
 * in one run.
 */
int span_space_plan(struct span_heap *heap, const struct span_treap_window *window,
		    struct span_growth *growth)
{
	struct span_arenas *arenas = &heap->arenas;
	struct span *last = span_map_before(arenas, arenas->npages);
	unsigned long taken = heap->in_use_pages + heap->claimed_pages +
			      heap->quarantined_pages;
	unsigned long base = arenas->npages, end;

	*growth = (struct span_growth) { .seen = arenas->narenas };
	INIT_LIST_HEAD(&growth->arenas);
	if (last && span_state(last) == SPAN_FREE && !window->boundary)
		base = last->node.base;
	end = ALIGN(base, window->align) + window->npages;
	if (end > heap->max_pages)
		return window->npages > heap->max_pages - taken ? -EDQUOT : -ENOSPC;
	/* A search that let others have the lock may have missed what they freed. */
	if (end <= arenas->npages)
		return 0;
	growth->narenas = DIV_ROUND_UP(end, 1UL << arenas->shift) - arenas->narenas;
	if (arenas->narenas + growth->narenas > span_arenas_room(arenas))
		growth->ndir = roundup_pow_of_two(arenas->narenas + growth->narenas);
	return 0;
}

/**
 * span_space_prepare() - make the tables for a planned growth
 * @heap: the heap
 * @growth: the plan
 * @gfp: must allow to sleep
 *
 * Context: may sleep; without the heap's lock.
 * Return: 0, -ENOMEM or -EINTR; span_space_discard() is to be called in any case.
 */
int span_space_prepare(struct span_heap *heap, struct span_growth *growth, gfp_t gfp)
{
	unsigned long i;

	if (span_spares_fill(&growth->spare, 1, gfp))
		return -ENOMEM;
	if (growth->ndir) {
		growth->dir = span_directory_new(growth->ndir, gfp);
		if (!growth->dir)
			return -ENOMEM;
	}
	for (i = 0; i < growth->narenas; i++) {
		struct span_arena *arena = span_arena_new(&heap->arenas, gfp);

		if (!arena)
			return -ENOMEM;
		list_add_tail(&arena->list, &growth->arenas);
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

/**
 * span_space_grow() - add prepared arenas at the end of the address space
 * @heap: the heap
 * @growth: the prepared plan; what is left in it is to be discarded
 *
 * Context: any; the caller holds the heap's lock.
 * Return: false if the heap has grown since the plan was made; nothing is
 * changed then, and the caller searches again.
 */
bool span_space_grow(struct span_heap *heap, struct span_growth *growth)
{
	struct span_arenas *arenas = &heap->arenas;
	unsigned long was = arenas->npages;
	struct span_arena *arena, *next;
	struct span *span;

	if (arenas->narenas != growth->seen)
		return false;
	if (growth->dir) {
		span_arenas_set_directory(arenas, growth->dir);
		growth->dir = NULL;
	}
	list_for_each_entry_safe(arena, next, &growth->arenas, list) {
		list_del_init(&arena->list);
		span_arenas_add(arenas, arena);
	}
	span_arenas_set_end(arenas, min(arenas->narenas << arenas->shift, heap->max_pages));
	heap->stat.grows++;

	span = growth->spare.span[--growth->spare.n];
	span->node.base = was;
	span->node.npages = arenas->npages - was;
	span_map_set_ends(arenas, span);
	span_space_coalesce(heap, span, &growth->spare);
	return true;
}

/**
 * span_space_discard() - free what a growth did not use
 * @growth: a plan, prepared or not, used or not
 *
 * Context: may sleep; without the heap's lock.
 */
void span_space_discard(struct span_growth *growth)
{
	struct span_arena *arena, *next;

	list_for_each_entry_safe(arena, next, &growth->arenas, list) {
		list_del(&arena->list);
		span_arena_delete(arena);
	}
	kvfree(growth->dir);
	span_spares_drop(&growth->spare);
}
