/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the torture test holds, and whose it is: pages are stamped by their owner, all of
 * them, so that a page with two owners is noticed by one of them.
 */
#ifndef _SPANALLOC_TORTURE_HOLDING_H
#define _SPANALLOC_TORTURE_HOLDING_H

#include <linux/atomic.h>
#include <linux/mm.h>
#include <linux/spanalloc.h>
#include <linux/string.h>

/* Complaints that are printed; all are counted. */
#define COMPLAINTS_MAX	10

static atomic_t complaints = ATOMIC_INIT(0);

#define complain(format, ...) do {						\
	if (atomic_inc_return(&complaints) <= COMPLAINTS_MAX)			\
		pr_err("spanalloc_torture: # " format "\n", ##__VA_ARGS__);	\
} while (0)

/**
 * struct holding - a span and what its pages contain
 * @span: NULL if there is none
 * @tag: of its owner; differs for all allocations
 * @first: number of its first page, which a split makes more than 0
 */
struct holding {
	struct span *span;
	u64 tag;
	unsigned long first;
};

static inline u64 *holding_words(struct span_heap *heap, const struct holding *holding,
				 unsigned long index)
{
	return page_address(spanalloc_page(heap, holding->span, index));
}

/* The first and the last word of each page tell whose it is. */
static inline void holding_stamp(struct span_heap *heap, const struct holding *holding)
{
	unsigned long index;

	for (index = 0; index < spanalloc_npages(holding->span); index++) {
		u64 *word = holding_words(heap, holding, index);
		u64 value = holding->tag + holding->first + index;

		word[0] = value;
		word[PAGE_SIZE / sizeof(u64) - 1] = ~value;
	}
}

/* All pages; returns how many there are. */
static inline unsigned long holding_verify(struct span_heap *heap, const struct holding *holding)
{
	unsigned long npages = spanalloc_npages(holding->span), index;

	for (index = 0; index < npages; index++) {
		const u64 *word = holding_words(heap, holding, index);
		u64 value = holding->tag + holding->first + index;

		if (word[0] != value || word[PAGE_SIZE / sizeof(u64) - 1] != ~value) {
			complain("page %lu of %lu at %lu: expected %#llx, found %#llx",
				 index, npages, spanalloc_base(holding->span), value, word[0]);
			break;
		}
	}
	return npages;
}

static inline void holding_verify_zero(struct span_heap *heap, const struct holding *holding)
{
	unsigned long index;

	for (index = 0; index < spanalloc_npages(holding->span); index++) {
		if (!memchr_inv(holding_words(heap, holding, index), 0, PAGE_SIZE))
			continue;
		complain("page %lu at %lu is not zero", index, spanalloc_base(holding->span));
		return;
	}
}

#endif /* _SPANALLOC_TORTURE_HOLDING_H */
