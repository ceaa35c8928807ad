// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arenas: the span map and the granule table of a heap's address space.
 */

/**
 * DOC: Span map and granule table
 *
 * Address space comes in arenas, each with tables of its own, so that nothing
 * has to be copied when a heap grows. For each page there is a pointer slot and
 * a bit, for each granule an entry of the granule table:
 *
 * - the slots of the first and of the last page of every span, in whatever
 *   state, point to it: this is how a freed span finds its neighbours;
 * - the slot of the first page of every granule that begins inside a span that
 *   is not free points to that span;
 * - every other slot is NULL, so that no slot ever points to a deleted object;
 * - the bit of the first page of every span in use or quarantined is set.
 *
 * The span in use that covers a page is therefore found in constant time: the
 * nearest set bit at or below the page, within its granule, leads to the slot of
 * a span's first page; if there is no such bit, the slot of the granule's first
 * page has it. An allocation of n pages writes two slots, one bit, and one slot
 * a granule, not n.
 *
 * The cost is 8 bytes and a bit for each page and 16 bytes for each granule:
 * 0.2 per cent at the default granule of 512 pages. (With granules of one page
 * it is 0.59 per cent, and the slots written are those of all pages.)
 *
 * A granule is backed or released. Its zero state is a water mark: allocation
 * is from low addresses up, so the pages that have never been handed out since
 * the granule was backed with zeroed memory are mostly its highest.
 *
 * Locking: everything here is called with the heap's lock held, except for making and
 * deleting, and for span_map_lookup() and what reads the granule table for the owner of a
 * span, which need no lock:
 *
 * - tables stay where they are until the heap ends. A directory that is full is replaced,
 *   but the old one stays as well, and what it says goes on being true;
 * - the end of the address space is moved after everything below it was set up, by a
 *   release that is paired with the acquire of a lookup of any page. Who has a span has got
 *   it after that;
 * - slots and words of bits are written as a whole. Where a span in use is concerned they
 *   do not change while it is in use, whatever becomes of its neighbours; so its owner
 *   finds it, and finds what is behind it;
 * - somebody else's span may end at any time. Its object stays a span, if not the same,
 *   for an RCU grace period (span.c), so it can be looked at; whether it is what was looked
 *   for is decided by what it says then.
 */

#include <linux/bitops.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "arena.h"

/**
 * span_granule_install() - put memory behind a released granule
 * @granule: the granule
 * @block: its pages, which belong to the granule from here on
 * @order: log2 of the number of pages
 *
 * Context: the heap's lock is held.
 */
void span_granule_install(struct span_granule *granule,
			  const struct span_block *block, unsigned int order)
{
	if (block->scattered)
		granule->pages = block->pages;
	else
		granule->page = block->page;
	granule->scattered = block->scattered;
	granule->zero_from = block->zeroed ? 0 : 1U << order;
}

/**
 * span_granule_block() - describe the memory behind a backed granule
 * @granule: the granule
 * @block: out: its pages; nothing is said of their contents
 *
 * Context: the heap's lock is held.
 */
void span_granule_block(const struct span_granule *granule,
			struct span_block *block)
{
	*block = (struct span_block) { .scattered = granule->scattered };
	if (granule->scattered)
		block->pages = granule->pages;
	else
		block->page = granule->page;
}

/**
 * span_granule_detach() - take the memory from behind a backed granule
 * @granule: the granule
 * @block: out: its pages, which belong to the caller from here on
 *
 * Context: the heap's lock is held.
 */
void span_granule_detach(struct span_granule *granule, struct span_block *block)
{
	span_granule_block(granule, block);
	*granule = (struct span_granule) { };
}

/**
 * span_directory_new() - make a directory
 * @size: slots
 * @gfp: must allow to sleep
 *
 * Context: may sleep.
 * Return: an empty directory, or NULL.
 */
struct span_directory *span_directory_new(unsigned long size, gfp_t gfp)
{
	struct span_directory *dir = kvzalloc(struct_size(dir, arena, size), gfp);

	if (dir)
		dir->size = size;
	return dir;
}

/**
 * span_arenas_set_directory() - replace the directory by a longer one
 * @arenas: the arenas
 * @dir: the new directory, empty; belongs to @arenas from here on
 *
 * Context: the heap's lock is held. O(arenas).
 */
void span_arenas_set_directory(struct span_arenas *arenas, struct span_directory *dir)
{
	dir->older = arenas->dir;
	if (arenas->narenas)
		memcpy(dir->arena, arenas->dir->arena, arenas->narenas * sizeof(dir->arena[0]));
	/* Pairs with the address dependency in span_arena_of(). */
	smp_store_release(&arenas->dir, dir);
}

/**
 * span_arenas_add() - add an arena at the end
 * @arenas: the arenas, with room for one more
 * @arena: the arena
 *
 * Context: the heap's lock is held.
 */
void span_arenas_add(struct span_arenas *arenas, struct span_arena *arena)
{
	arenas->dir->arena[arenas->narenas++] = arena;
}

/**
 * span_arenas_set_end() - let everybody see the arenas that were added
 * @arenas: the arenas
 * @npages: where the address space ends from here on
 *
 * Context: the heap's lock is held.
 */
void span_arenas_set_end(struct span_arenas *arenas, unsigned long npages)
{
	/* Pairs with span_map_lookup(). */
	smp_store_release(&arenas->npages, npages);
}

/**
 * span_arenas_delete() - free all tables
 * @arenas: the arenas, which nobody uses any more
 *
 * Context: may sleep.
 */
void span_arenas_delete(struct span_arenas *arenas)
{
	struct span_directory *dir = arenas->dir, *older;
	unsigned long i;

	for (i = 0; i < arenas->narenas; i++)
		span_arena_delete(dir->arena[i]);
	for (; dir; dir = older) {
		older = dir->older;
		kvfree(dir);
	}
}

/**
 * span_arena_new() - make the tables of one more arena
 * @arenas: says how large an arena and a granule are
 * @gfp: must allow to sleep
 *
 * Three tables rather than one: the map's length is a power of two, and one
 * allocation for all would be rounded up to twice that.
 *
 * Context: may sleep.
 * Return: an arena of released pages without spans, or NULL.
 */
struct span_arena *span_arena_new(const struct span_arenas *arenas, gfp_t gfp)
{
	unsigned long npages = 1UL << arenas->shift;
	struct span_arena *arena;

	arena = kzalloc(sizeof(*arena), gfp);
	if (!arena)
		return NULL;
	INIT_LIST_HEAD(&arena->list);
	arena->map = kvcalloc(npages, sizeof(*arena->map), gfp);
	arena->starts = kvcalloc(BITS_TO_LONGS(npages), sizeof(long), gfp);
	arena->granules = kvcalloc(npages >> arenas->granule_order,
				   sizeof(*arena->granules), gfp);
	if (arena->map && arena->starts && arena->granules)
		return arena;
	span_arena_delete(arena);
	return NULL;
}

/**
 * span_arena_delete() - free the tables of an arena, but not its memory
 * @arena: the arena, in no heap any more
 *
 * Context: may sleep.
 */
void span_arena_delete(struct span_arena *arena)
{
	kvfree(arena->granules);
	kvfree(arena->starts);
	kvfree(arena->map);
	kfree(arena);
}

/**
 * span_arenas_bytes() - size of all tables
 * @arenas: the arenas
 *
 * Context: the heap's lock is held.
 * Return: bytes.
 */
size_t span_arenas_bytes(const struct span_arenas *arenas)
{
	unsigned long npages = 1UL << arenas->shift;
	size_t each = sizeof(struct span_arena) + npages * sizeof(struct span *) +
		      BITS_TO_LONGS(npages) * sizeof(long) +
		      (npages >> arenas->granule_order) * sizeof(struct span_granule);
	const struct span_directory *dir;
	size_t bytes = arenas->narenas * each;

	for (dir = arenas->dir; dir; dir = dir->older)
		bytes += struct_size(dir, arena, dir->size);
	return bytes;
}

static void set_slot(struct span_arenas *arenas, unsigned long page, struct span *span)
{
	WRITE_ONCE(*span_map_slot(arenas, page), span);
}

/* Say whether a span in use or quarantined begins at @page. */
static void set_start(struct span_arenas *arenas, unsigned long page, bool starts)
{
	unsigned long at = span_arena_offset(arenas, page);
	unsigned long *word = &span_arena_of(arenas, page)->starts[BIT_WORD(at)];

	WRITE_ONCE(*word, starts ? *word | BIT_MASK(at) : *word & ~BIT_MASK(at));
}

/**
 * span_map_set_ends() - make a span known to its neighbours
 * @arenas: the map
 * @span: a span whose base and length are set
 *
 * Context: the heap's lock is held.
 */
void span_map_set_ends(struct span_arenas *arenas, struct span *span)
{
	set_slot(arenas, span->node.base, span);
	set_slot(arenas, span_end(span) - 1, span);
}

/**
 * span_map_forget_ends() - clear the slots at both ends of a run
 * @arenas: the map
 * @base: first page of the run
 * @npages: length of the run
 *
 * For ends that become the inside of a merged span, whose object goes away.
 *
 * Context: the heap's lock is held.
 */
void span_map_forget_ends(struct span_arenas *arenas, unsigned long base,
			  unsigned long npages)
{
	set_slot(arenas, base, NULL);
	set_slot(arenas, base + npages - 1, NULL);
}

/* Write the slots of the granules that begin inside @span, its ends left alone. */
static void set_inner_slots(struct span_arenas *arenas, const struct span *span,
			    struct span *value)
{
	unsigned long step = 1UL << arenas->granule_order;
	unsigned long page = round_up(span->node.base + 1, step);

	for (; page < span_end(span) - 1; page += step)
		set_slot(arenas, page, value);
}

/**
 * span_map_hold() - make the granules inside a span lead to it
 * @arenas: the map
 * @span: a span that is claimed from here on; its ends are set
 *
 * Context: the heap's lock is held. O(granules).
 */
void span_map_hold(struct span_arenas *arenas, struct span *span)
{
	set_inner_slots(arenas, span, span);
}

/**
 * span_map_publish() - make every page of a span lead to it
 * @arenas: the map
 * @span: a span that is in use from here on; it is held
 *
 * Context: the heap's lock is held. O(1).
 */
void span_map_publish(struct span_arenas *arenas, struct span *span)
{
	set_start(arenas, span->node.base, true);
}

/**
 * span_map_retract() - undo span_map_publish()
 * @arenas: the map
 * @span: a span that is claimed from here on, by who frees it; it stays held
 *
 * Context: the heap's lock is held. O(1).
 */
void span_map_retract(struct span_arenas *arenas, struct span *span)
{
	set_start(arenas, span->node.base, false);
}

/**
 * span_map_release() - undo span_map_publish() and span_map_hold()
 * @arenas: the map
 * @span: a span that is about to be free; its ends stay set
 *
 * Context: the heap's lock is held. O(granules).
 */
void span_map_release(struct span_arenas *arenas, struct span *span)
{
	span_map_retract(arenas, span);
	set_inner_slots(arenas, span, NULL);
}

/**
 * span_map_before() - the span that ends where a page begins
 * @arenas: the map
 * @page: first page of a span, or the end of the address space
 *
 * Context: the heap's lock is held.
 * Return: the span, or NULL at the beginning of the address space.
 */
struct span *span_map_before(const struct span_arenas *arenas, unsigned long page)
{
	return page ? *span_map_slot(arenas, page - 1) : NULL;
}

/**
 * span_map_after() - the span that begins at a page
 * @arenas: the map
 * @page: end of a span, or the beginning of the address space
 *
 * Context: the heap's lock is held.
 * Return: the span, or NULL at the end of the address space.
 */
struct span *span_map_after(const struct span_arenas *arenas, unsigned long page)
{
	return page < arenas->npages ? *span_map_slot(arenas, page) : NULL;
}

/**
 * span_map_start_in() - is a span in use said to begin in a run of pages?
 * @arenas: the map
 * @page: first page of the run
 * @end: page after the run's last
 *
 * Context: the heap's lock is held.
 * Return: true if a bit is set.
 */
bool span_map_start_in(const struct span_arenas *arenas, unsigned long page,
		       unsigned long end)
{
	unsigned long size = 1UL << arenas->shift, from, to;

	for (; page < end; page += to - from) {
		from = span_arena_offset(arenas, page);
		to = min(size, from + end - page);
		if (find_next_bit(span_arena_of(arenas, page)->starts, to, from) < to)
			return true;
	}
	return false;
}

/* The highest set bit of @map in [@low, @high], or -1. */
static long last_bit_between(const unsigned long *map, unsigned long low,
			     unsigned long high)
{
	unsigned long word = high / BITS_PER_LONG;
	unsigned long bits = READ_ONCE(map[word]) & GENMASK(high % BITS_PER_LONG, 0);

	while (!bits && word > low / BITS_PER_LONG)
		bits = READ_ONCE(map[--word]);
	if (word == low / BITS_PER_LONG)
		bits &= ~0UL << (low % BITS_PER_LONG);
	return bits ? (long)(word * BITS_PER_LONG + __fls(bits)) : -1;
}

/**
 * span_map_lookup() - the span in use or quarantined that covers a page
 * @arenas: the map
 * @page: any page number
 *
 * Context: the heap's lock is held, or an RCU read lock; with that, the span that is
 * returned means something only to its owner. O(1): reads at most 2^granule_order bits.
 * Return: the span, or NULL.
 */
struct span *span_map_lookup(const struct span_arenas *arenas, unsigned long page)
{
	unsigned long at, first, base;
	struct span_arena *arena;
	struct span *span;
	long start;
	u8 state;

	/* Pairs with span_arenas_set_end(). */
	if (page >= smp_load_acquire(&arenas->npages))
		return NULL;
	arena = span_arena_of(arenas, page);
	at = span_arena_offset(arenas, page);
	first = round_down(at, 1UL << arenas->granule_order);
	start = last_bit_between(arena->starts, first, at);
	span = READ_ONCE(arena->map[start >= 0 ? (unsigned long)start : first]);
	if (!span)
		return NULL;
	state = READ_ONCE(span->node.state);
	if (state != SPAN_IN_USE && state != SPAN_QUARANTINED)
		return NULL;
	base = READ_ONCE(span->node.base);
	return page >= base && page - base < READ_ONCE(span->node.npages) ? span : NULL;
}

/**
 * span_tally_run() - count released pages and idle granules of a run
 * @arenas: the granule table
 * @base: first page of the run
 * @end: page after the run's last
 * @low: first page of the span that contains the run
 * @high: page after that span's last
 *
 * Context: the heap's lock is held. O(granules that the run touches).
 * Return: the counts.
 */
struct span_tally span_tally_run(const struct span_arenas *arenas,
				 unsigned long base, unsigned long end,
				 unsigned long low, unsigned long high)
{
	unsigned long step = 1UL << arenas->granule_order;
	unsigned long page = round_down(base, step);
	struct span_tally tally = { };

	for (; page < end; page += step) {
		if (!span_granule_backed(span_granule_at(arenas, page >> arenas->granule_order)))
			tally.nreleased += min(end, page + step) - max(base, page);
		else if (page >= low && page + step <= high)
			tally.ngranules_idle++;
	}
	return tally;
}
