/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arenas: the span map and the granule table of a heap's address space. See
 * arena.c for how a page is looked up.
 */
#ifndef _SPANALLOC_ARENA_H
#define _SPANALLOC_ARENA_H

#include <linux/compiler.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/types.h>

#include "backing.h"
#include "span.h"

/**
 * struct span_granule - the memory behind one granule
 * @page: first page of the block; NULL while the granule is released
 * @pages: array of single pages, when @scattered
 * @zero_from: pages of the granule from this one on are zero: they were when the
 *             granule was backed, or last cleared, and have not been handed out since
 *             (contents.c)
 * @scattered: the granule is made of single pages
 *
 * Protected by the heap's lock; the pages of a granule cannot change while a
 * span in use or a claim that has seen it backed touches it.
 */
struct span_granule {
	union {
		struct page *page;
		struct page **pages;
	};
	u32 zero_from;
	bool scattered;
};

/**
 * struct span_arena - the tables of one arena
 * @list: links arenas that were made but not added yet
 * @map: one slot a page; see arena.c
 * @starts: one bit a page, set where a span in use or quarantined begins
 * @granules: the granule table
 */
struct span_arena {
	struct list_head list;
	struct span **map;
	unsigned long *starts;
	struct span_granule *granules;
};

/**
 * struct span_directory - the arenas by number
 * @older: the directory that this one took the place of, or NULL (invariant)
 * @size: slots (invariant)
 * @arena: the arenas; NULL where none is yet
 *
 * A directory that is full is replaced by one that is longer, and stays for those who are
 * reading it; all end with the heap. Since each is at least twice as long as the one
 * before, the older ones take less than the newest.
 */
struct span_directory {
	struct span_directory *older;
	unsigned long size;
	struct span_arena *arena[];
};

/**
 * struct span_arenas - all arenas of a heap
 * @dir: the newest directory, or NULL
 * @narenas: arenas added
 * @npages: end of the address space; the last arena may reach beyond it
 * @shift: log2 of the pages of an arena (invariant)
 * @granule_order: log2 of the pages of a granule (invariant)
 *
 * Changed under the heap's lock only, and read without it where arena.c says so.
 */
struct span_arenas {
	struct span_directory *dir;
	unsigned long narenas;
	unsigned long npages;
	unsigned int shift;
	unsigned int granule_order;
};

static inline struct span_arena *span_arena_of(const struct span_arenas *arenas,
					       unsigned long page)
{
	return READ_ONCE(arenas->dir)->arena[page >> arenas->shift];
}

static inline unsigned long span_arena_offset(const struct span_arenas *arenas,
					      unsigned long page)
{
	return page & ((1UL << arenas->shift) - 1);
}

/* The map's slot of a page below arenas->npages. */
static inline struct span **span_map_slot(const struct span_arenas *arenas,
					  unsigned long page)
{
	return &span_arena_of(arenas, page)->map[span_arena_offset(arenas, page)];
}

/* The entry of granule number @index; its pages lie below arenas->npages. */
static inline struct span_granule *
span_granule_at(const struct span_arenas *arenas, unsigned long index)
{
	unsigned long page = index << arenas->granule_order;

	return &span_arena_of(arenas, page)->granules[span_arena_offset(arenas, page) >>
						      arenas->granule_order];
}

static inline bool span_granule_backed(const struct span_granule *granule)
{
	return granule->page;
}

static inline struct page *span_granule_page(const struct span_granule *granule,
					     unsigned long index)
{
	return granule->scattered ? granule->pages[index] : granule->page + index;
}

void span_granule_install(struct span_granule *granule,
			  const struct span_block *block, unsigned int order);
void span_granule_detach(struct span_granule *granule, struct span_block *block);
void span_granule_block(const struct span_granule *granule,
			struct span_block *block);

static inline unsigned long span_arenas_room(const struct span_arenas *arenas)
{
	return arenas->dir ? arenas->dir->size : 0;
}

struct span_directory *span_directory_new(unsigned long size, gfp_t gfp);
void span_arenas_set_directory(struct span_arenas *arenas, struct span_directory *dir);
void span_arenas_add(struct span_arenas *arenas, struct span_arena *arena);
void span_arenas_set_end(struct span_arenas *arenas, unsigned long npages);
void span_arenas_delete(struct span_arenas *arenas);

struct span_arena *span_arena_new(const struct span_arenas *arenas, gfp_t gfp);
void span_arena_delete(struct span_arena *arena);
size_t span_arenas_bytes(const struct span_arenas *arenas);

void span_map_set_ends(struct span_arenas *arenas, struct span *span);
void span_map_hold(struct span_arenas *arenas, struct span *span);
void span_map_publish(struct span_arenas *arenas, struct span *span);
void span_map_retract(struct span_arenas *arenas, struct span *span);
void span_map_release(struct span_arenas *arenas, struct span *span);
void span_map_forget_ends(struct span_arenas *arenas, unsigned long base,
			  unsigned long npages);
struct span *span_map_before(const struct span_arenas *arenas, unsigned long page);
struct span *span_map_after(const struct span_arenas *arenas, unsigned long page);
bool span_map_start_in(const struct span_arenas *arenas, unsigned long page,
		       unsigned long end);
struct span *span_map_lookup(const struct span_arenas *arenas, unsigned long page);

/**
 * struct span_tally - what the granule table says of a run of pages
 * @nreleased: pages of the run in released granules
 * @ngranules_idle: backed granules that the run touches and that lie wholly in
 *                  the span given as bounds
 */
struct span_tally {
	unsigned long nreleased;
	unsigned long ngranules_idle;
};

struct span_tally span_tally_run(const struct span_arenas *arenas,
				 unsigned long base, unsigned long end,
				 unsigned long low, unsigned long high);

#endif /* _SPANALLOC_ARENA_H */
