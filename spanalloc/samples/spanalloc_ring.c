// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sample client of spanalloc: a ring of buffers of odd sizes.
 *
 * It makes a heap of its own, fills a ring of buffers with a pattern, splits
 * every third, frees them in odd order while new ones come, verifies every
 * buffer before it goes, and says in one line whether all was well. Loading it
 * runs it; it stays loaded to show that spanalloc cannot be unloaded meanwhile.
 */

#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/spanalloc.h>

#include "../compat.h"

#define RING_SLOTS	64
#define RING_ROUNDS	20

static struct span_heap *heap;
static struct span *ring[RING_SLOTS];
static unsigned long tag[RING_SLOTS];
static unsigned long next_tag;
static unsigned long npages_seen;

static unsigned long pattern(unsigned long of, unsigned long index)
{
	return of * 0x9e3779b97f4a7c15UL + index;
}

/* Write or verify the first and the last word of each page from @first on. */
static bool stamp(const struct span *span, unsigned long of, unsigned long first, bool verify)
{
	size_t last = PAGE_SIZE / sizeof(long) - 1;
	unsigned long index, value;
	bool good = true;

	for (index = 0; index < spanalloc_npages(span); index++) {
		unsigned long *word = kmap_local_page(spanalloc_page(heap, span, index));

		value = pattern(of, first + index);
		if (!verify) {
			word[0] = value;
			word[last] = ~value;
		} else if (word[0] != value || word[last] != ~value) {
			good = false;
		}
		kunmap_local(word);
	}
	npages_seen += verify ? spanalloc_npages(span) : 0;
	return good;
}

static int fill_slot(unsigned int slot)
{
	/* Odd sizes from 1 to 117 pages. */
	unsigned long npages = 1 + (next_tag * 29) % 117 / 2 * 2;
	struct span *span = spanalloc_alloc(heap, npages, 1, 0, GFP_KERNEL);

	if (IS_ERR(span))
		return PTR_ERR(span);
	ring[slot] = span;
	tag[slot] = ++next_tag;
	stamp(span, tag[slot], 0, false);
	return 0;
}

/* Verify and free; every third buffer is split first and freed back to front. */
static int empty_slot(unsigned int slot)
{
	struct span *span = ring[slot], *upper = NULL;
	unsigned long cut = spanalloc_npages(span) / 2;
	bool good = true;

	ring[slot] = NULL;
	if (slot % 3 == 0 && cut) {
		upper = spanalloc_split(heap, span, cut, GFP_KERNEL);
		if (IS_ERR(upper)) {
			spanalloc_free(heap, span);
			return PTR_ERR(upper);
		}
		good = spanalloc_lookup(heap, spanalloc_base(upper)) == upper &&
		       stamp(upper, tag[slot], cut, true);
		spanalloc_free(heap, upper);
	}
	good = stamp(span, tag[slot], 0, true) && good;
	spanalloc_free(heap, span);
	return good ? 0 : -EILSEQ;
}

/* A contiguous span has an address of its own and arrives zeroed. */
static int try_contiguous(void)
{
	struct span *span = spanalloc_alloc(heap, 3, 1, SPANALLOC_CONTIG | SPANALLOC_ZERO,
					    GFP_KERNEL);
	int err = 0;
	u8 *address;

	if (IS_ERR(span))
		return PTR_ERR(span);
	address = spanalloc_address(heap, span);
	if (!address || memchr_inv(address, 0, 3 * PAGE_SIZE))
		err = -EILSEQ;
	spanalloc_free(heap, span);
	return err;
}

static int run_ring(void)
{
	unsigned int round, step, slot;
	int err = 0;

	for (round = 0; round < RING_ROUNDS && !err; round++) {
		/* 27 and 64 have no common divisor: all slots, in odd order. */
		for (step = 0; step < RING_SLOTS && !err; step++) {
			slot = step * 27 % RING_SLOTS;
			if (ring[slot])
				err = empty_slot(slot);
			if (!err)
				err = fill_slot(slot);
		}
		if (!err)
			err = try_contiguous();
		cond_resched();
	}
	for (slot = 0; slot < RING_SLOTS; slot++) {
		int this = ring[slot] ? empty_slot(slot) : 0;

		err = err ? : this;
	}
	return err;
}

static int __init ring_init(void)
{
	const struct spanalloc_attr attr = {
		.name = "ring",
		.nid = NUMA_NO_NODE,
		.granule_order = SPANALLOC_ORDER_DEFAULT,
		.retain_percent = SPANALLOC_RETAIN_ALL,
	};
	struct spanalloc_stats stats;
	unsigned long released;
	int err;

	heap = spanalloc_heap_create(&attr);
	if (IS_ERR(heap))
		return PTR_ERR(heap);
	err = run_ring();
	spanalloc_get_stats(heap, &stats);
	if (!err && (stats.in_use_pages || stats.free_spans != 1))
		err = -EILSEQ;
	if (err) {
		pr_err("spanalloc_ring: failed: %d\n", err);
		spanalloc_heap_destroy(heap);
		return err;
	}
	released = spanalloc_scavenge(heap, ~0UL);
	pr_info("spanalloc_ring: OK, %lu buffers, %lu pages verified, %llu splits and %llu merges in place, %lu pages given back\n",
		next_tag, npages_seen, stats.splits_in_place, stats.merges_in_place, released);
	return 0;
}

static void __exit ring_exit(void)
{
	spanalloc_heap_destroy(heap);
}

module_init(ring_init);
module_exit(ring_exit);

/* A client for one kernel says MODULE_IMPORT_NS() itself. */
SPAN_IMPORT();
MODULE_AUTHOR("The spanalloc authors");
MODULE_DESCRIPTION("Sample client of spanalloc: a ring of odd-sized buffers");
MODULE_LICENSE("GPL");
