/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a span heap has to do, from an array with one entry a page, by linear
 * search. Shares nothing with the heap's sources but the numbers of the errors.
 */
#ifndef _MODEL_HEAP_MODEL_H
#define _MODEL_HEAP_MODEL_H

#include <stdbool.h>
#include <stddef.h>

/* Address space of any model, in pages, and granules of any. */
#define MODEL_PAGES_MAX	(1UL << 17)

/* owner[] of a page of nobody's. */
#define MODEL_FREE	0U

/**
 * struct model_ask - an allocation
 * @npages: pages
 * @align: the first page is a multiple of this; at least 1
 * @contig: inside one granule that is one block
 * @nowait: may neither sleep nor grow
 */
struct model_ask {
	unsigned long npages;
	unsigned long align;
	bool contig;
	bool nowait;
};

/**
 * struct model_source - what the memory behind the model will do
 * @fail_in: the @fail_in-th block from now on is refused (1: the next); 0: none
 * @scatter_every: every so-many-th block is single pages; 0: none
 * @nblocks: blocks handed out so far
 */
struct model_source {
	unsigned long fail_in;
	unsigned long scatter_every;
	unsigned long nblocks;
};

/**
 * struct model_counts - what the heap counts, see struct spanalloc_stats
 */
struct model_counts {
	unsigned long allocs, allocs_exact, allocs_placed, frees, splits;
	unsigned long fails_limit, fails_space, fails_memory, fails_again;
	unsigned long splits_in_place, merges_in_place, tree_inserts, tree_erases;
	unsigned long grows, backed, backed_scattered, scavenged_pages;
};

/**
 * struct model_granule - memory behind a granule
 * @backed: there is some
 * @scattered: in single pages
 */
struct model_granule {
	bool backed;
	bool scattered;
};

/**
 * struct model - a heap
 * @granule: pages of a granule
 * @arena: pages by which the address space grows
 * @limit: where the address space must end
 * @retain_percent: idle memory kept when more is taken; negative: all
 * @space: where the address space ends now
 * @source: the memory
 * @in_use: pages in use
 * @quarantined: pages in quarantine
 * @count: what the heap counts
 * @owner: who has the page; MODEL_FREE or a number of the caller's
 * @table: the granules
 */
struct model {
	unsigned long granule;
	unsigned long arena;
	unsigned long limit;
	int retain_percent;
	unsigned long space;
	struct model_source source;
	unsigned long in_use;
	unsigned long quarantined;
	struct model_counts count;
	unsigned int owner[MODEL_PAGES_MAX];
	struct model_granule table[MODEL_PAGES_MAX];
};

void model_init(struct model *m, unsigned long granule, unsigned long arena,
		unsigned long limit, int retain_percent);

/* 0 and the first page in *@base, or what the heap has to return, negative. */
int model_alloc(struct model *m, const struct model_ask *ask, unsigned int owner,
		unsigned long *base);
void model_free(struct model *m, unsigned long base, unsigned long npages,
		bool quarantined);
void model_split(struct model *m, unsigned long base, unsigned long npages,
		 unsigned int upper);
void model_quarantine(struct model *m, unsigned long npages);
/* Returns the pages given back. */
unsigned long model_scavenge(struct model *m, unsigned long npages);
void model_before_take(struct model *m);

/* The maximal free run, or the owner's run, that covers @page: [*@base, *@end). */
void model_run(const struct model *m, unsigned long page, unsigned long *base,
	       unsigned long *end);
unsigned long model_released_in(const struct model *m, unsigned long base,
				unsigned long end);

/**
 * struct model_sums - what can be counted at one moment
 */
struct model_sums {
	unsigned long backed_pages, idle_pages, free_pages, free_spans, largest_free;
};

struct model_sums model_sums(const struct model *m);

#endif /* _MODEL_HEAP_MODEL_H */
