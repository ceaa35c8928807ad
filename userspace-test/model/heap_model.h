/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a span heap has to do, from an array with one entry a page, by linear
 * search. Shares nothing with the heap's sources but the numbers of the errors.
 */
#ifndef _MODEL_HEAP_MODEL_H
#define _MODEL_HEAP_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "policy.h"

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
 * @zero: pages are to be zero
 */
struct model_ask {
	unsigned long npages;
	unsigned long align;
	bool contig;
	bool nowait;
	bool zero;
};

/**
 * struct model_source - what the memory behind the model will do
 * @fail_in: the @fail_in-th block from now on is refused (1: the next); 0: none
 * @scatter_every: every so-many-th block is single pages; 0: none
 * @nblocks: blocks handed out so far
 * @dirty: zeroed pages are not to be had
 */
struct model_source {
	unsigned long fail_in;
	unsigned long scatter_every;
	unsigned long nblocks;
	bool dirty;
};

/**
 * struct model_counts - what the heap counts, see struct spanalloc_stats
 */
struct model_counts {
	unsigned long allocs, allocs_exact, allocs_placed, frees, splits;
	unsigned long fails_limit, fails_space, fails_memory, fails_again;
	unsigned long splits_in_place, merges_in_place, tree_inserts, tree_erases;
	unsigned long grows, backed, backed_scattered, scavenged_pages;
	unsigned long zeroed_pages, zero_saved_pages, wiped_pages;
	unsigned long prezeroed_pages, repaired, poison_broken;
	unsigned long scavenged_inline_pages, scavenged_reclaim_pages;
	unsigned long scavenge_steps, scavenge_ns, kept_reused_pages;
};

/**
 * struct model_keeper - the surroundings of the heap's scavenger
 * @exists: there is one
 * @now: the time in ns
 * @give_ns: time that it takes to give one granule back
 * @pace: thousandths of the time that a scavenger may work
 * @armed: a step is to come
 * @due: when
 */
struct model_keeper {
	bool exists;
	unsigned long long now;
	unsigned long long give_ns;
	unsigned int pace;
	bool armed;
	unsigned long long due;
};

/**
 * struct model_eager - a heap that keeps nothing but the share
 * @backed: granules that it has
 * @spare: idle granules that it may have
 * @taken: granules that ours had taken when this was counted last
 */
struct model_eager {
	unsigned long backed;
	unsigned long spare;
	unsigned long taken;
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
 * @account: nothing idle is kept, ever
 * @wipe: free pages are zero
 * @poison: free pages are full of poison
 * @policy: what it is to keep
 * @keeper: when it gives back
 * @eager: another heap
 * @space: where the address space ends now
 * @source: the memory
 * @in_use: pages in use
 * @claimed: pages of the allocation that is on its way
 * @quarantined: pages in quarantine
 * @count: what the heap counts
 * @owner: who has the page; MODEL_FREE or a number of the caller's
 * @touched: somebody had the page, or is said to have had it, since it was zero
 * @spoiled: the page was written to while it was free
 * @table: the granules
 */
struct model {
	unsigned long granule;
	unsigned long arena;
	unsigned long limit;
	bool account;
	bool wipe;
	bool poison;
	struct policy policy;
	struct model_keeper keeper;
	struct model_eager eager;
	unsigned long space;
	struct model_source source;
	unsigned long in_use;
	unsigned long claimed;
	unsigned long quarantined;
	struct model_counts count;
	unsigned int owner[MODEL_PAGES_MAX];
	bool touched[MODEL_PAGES_MAX];
	bool spoiled[MODEL_PAGES_MAX];
	struct model_granule table[MODEL_PAGES_MAX];
};

void model_init(struct model *m, unsigned long granule, unsigned long arena,
		unsigned long limit, int retain_percent);
/* It has a keeper from the beginning; a @pace of 0 means 10. */
void model_keep(struct model *m, unsigned long long now, unsigned long window_ms,
		unsigned int pace, unsigned long long give_ns);

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
unsigned long model_reclaim(struct model *m, unsigned long npages);
void model_before_take(struct model *m);
/* Return the granules cleared, and those made contiguous until a block was *@refused. */
unsigned long model_prezero(struct model *m, unsigned long ngranules);
unsigned long model_repair(struct model *m, unsigned long ngranules, bool *refused);

/* From this page of the granule on, counted from its first, all are known to be zero. */
unsigned long model_zero_from(const struct model *m, unsigned long granule);
/* Pages of free memory that were written to. */
unsigned long model_spoiled(const struct model *m);
bool model_is_idle(const struct model *m, unsigned long granule);

/**
 * struct model_goal - idle pages that the heap is to keep
 * @retain: as its share
 * @keep: all in all
 */
struct model_goal {
	unsigned long retain, keep;
};

/* Somebody looks at the clock, and asks for the goal. */
struct model_goal model_goal(struct model *m);
void model_set_policy(struct model *m, int percent, unsigned long window_ms,
		      unsigned int pace);
/* Idle pages that are kept, but not as the share. */
unsigned long model_kept(const struct model *m);
/* Time passes, with all steps that become due. */
void model_pass(struct model *m, unsigned long long ns);

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
