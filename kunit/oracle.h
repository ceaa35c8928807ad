/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a heap has to answer, from one number a page, by linear search: too simple
 * to be wrong. Shares nothing with the heap but the numbers of the errors.
 */
#ifndef _SPANALLOC_KUNIT_ORACLE_H
#define _SPANALLOC_KUNIT_ORACLE_H

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math.h>
#include <linux/types.h>

#define ORACLE_PAGES	512

/**
 * struct oracle - a heap, page by page
 * @granule: pages of a granule
 * @arena: pages by which the address space grows
 * @limit: where the address space has to end
 * @space: where it ends now
 * @owner: who has a page; 0: nobody
 * @backed: is there memory behind a page?
 */
struct oracle {
	unsigned long granule;
	unsigned long arena;
	unsigned long limit;
	unsigned long space;
	unsigned int owner[ORACLE_PAGES];
	bool backed[ORACLE_PAGES];
};

/* Does nobody have any page of [@base, @base + @npages)? */
static inline bool oracle_is_free(const struct oracle *oracle, unsigned long base,
				  unsigned long npages)
{
	unsigned long page;

	for (page = base; page < base + npages; page++)
		if (page >= oracle->space || oracle->owner[page])
			return false;
	return true;
}

static inline unsigned long oracle_free_pages(const struct oracle *oracle)
{
	unsigned long page, n = 0;

	for (page = 0; page < oracle->space; page++)
		n += !oracle->owner[page];
	return n;
}

/* Where the free end of the address space begins. */
static inline unsigned long oracle_tail(const struct oracle *oracle)
{
	unsigned long page = oracle->space;

	while (page && !oracle->owner[page - 1])
		page--;
	return page;
}

/* Returns the first page, or a negative error. */
static inline long oracle_alloc(struct oracle *oracle, unsigned int owner,
				unsigned long npages, unsigned long align)
{
	unsigned long base, end, page, taken;

	for (base = 0; base < oracle->space; base += align)
		if (oracle_is_free(oracle, base, npages))
			break;
	if (base >= oracle->space) {
		taken = oracle->space - oracle_free_pages(oracle);
		base = roundup(oracle_tail(oracle), align);
		end = base + npages;
		if (end > oracle->limit)
			return npages > oracle->limit - taken ? -EDQUOT : -ENOSPC;
		oracle->space = min(roundup(end, oracle->arena), oracle->limit);
	}
	for (page = base; page < base + npages; page++)
		oracle->owner[page] = owner;
	for (page = rounddown(base, oracle->granule);
	     page < roundup(base + npages, oracle->granule); page++)
		oracle->backed[page] = true;
	return base;
}

/* From page @base on, as long as they are @owner's, the pages become @now's. */
static inline void oracle_hand_over(struct oracle *oracle, unsigned long base,
				    unsigned int owner, unsigned int now)
{
	for (; base < oracle->space && oracle->owner[base] == owner; base++)
		oracle->owner[base] = now;
}

/* Is the granule that begins at @page backed, and nobody's? */
static inline bool oracle_is_idle(const struct oracle *oracle, unsigned long page)
{
	return oracle->backed[page] && oracle_is_free(oracle, page, oracle->granule);
}

/* Returns how many pages were given back. */
static inline unsigned long oracle_scavenge(struct oracle *oracle, unsigned long npages)
{
	unsigned long page = oracle->space, done = 0, i;

	while (page && done < npages) {
		page -= oracle->granule;
		if (!oracle_is_idle(oracle, page))
			continue;
		for (i = 0; i < oracle->granule; i++)
			oracle->backed[page + i] = false;
		done += oracle->granule;
	}
	return done;
}

/**
 * struct oracle_sums - what can be counted
 * @in_use: pages that somebody has
 * @backed: pages with memory behind them
 * @idle: pages of granules that are backed and nobody's
 * @free_spans: runs of pages that nobody has
 * @largest: length of the longest of these
 */
struct oracle_sums {
	unsigned long in_use;
	unsigned long backed;
	unsigned long idle;
	unsigned long free_spans;
	unsigned long largest;
};

static inline struct oracle_sums oracle_sums(const struct oracle *oracle)
{
	struct oracle_sums sums = { };
	unsigned long page, run = 0;

	for (page = 0; page < oracle->space; page++) {
		sums.in_use += !!oracle->owner[page];
		sums.backed += oracle->backed[page];
		if (page % oracle->granule == 0 && oracle_is_idle(oracle, page))
			sums.idle += oracle->granule;
		run = oracle->owner[page] ? 0 : run + 1;
		sums.free_spans += run == 1;
		sums.largest = max(sums.largest, run);
	}
	return sums;
}

#endif /* _SPANALLOC_KUNIT_ORACLE_H */
