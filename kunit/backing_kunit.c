// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the backing that takes granules from the buddy allocator: real
 * pages, no heap.
 */

#include <kunit/test.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmstat.h>

#include "backing.h"
#include "compat.h"

#define ORDER		3
#define NPAGES		8UL
/* More than the buddy allocator can have in one block. */
#define TOO_LARGE	(SPAN_BUDDY_ORDER_MAX + 1)

static struct page *page_of(const struct span_block *block, unsigned long index)
{
	return block->scattered ? block->pages[index] : block->page + index;
}

static int take(struct span_block *block, unsigned int order, gfp_t gfp,
		unsigned int flags)
{
	return span_buddy_backing.take(NULL, block, order, NUMA_NO_NODE, gfp, flags);
}

static void give(struct span_block *block, unsigned int order)
{
	span_buddy_backing.give(NULL, block, order);
}

/* What gets a block for a case that is not about getting one. */
static struct span_block taken(struct kunit *test, unsigned int order, unsigned int flags)
{
	struct span_block block = { };

	KUNIT_ASSERT_EQ(test, take(&block, order, GFP_KERNEL, flags), 0);
	return block;
}

static void fill(const struct span_block *block, unsigned long npages, u8 value)
{
	unsigned long i;

	for (i = 0; i < npages; i++)
		memset(page_address(page_of(block, i)), value, PAGE_SIZE);
}

static bool is_all(const struct span_block *block, unsigned long index, u8 value)
{
	return !memchr_inv(page_address(page_of(block, index)), value, PAGE_SIZE);
}

static void expect_single_pages(struct kunit *test, const struct span_block *block,
				unsigned long npages)
{
	unsigned long i, wrong = 0;

	for (i = 0; i < npages; i++) {
		struct page *page = page_of(block, i);

		wrong += page_count(page) != 1 || PageCompound(page);
	}
	KUNIT_EXPECT_EQ_MSG(test, wrong, 0, "of %lu pages", npages);
}

static void block_is_split_into_single_pages(struct kunit *test)
{
	unsigned int order;

	for (order = 0; order <= SPAN_BUDDY_ORDER_MAX - 2; order++) {
		struct span_block block = taken(test, order, SPAN_TAKE_CONTIG);

		KUNIT_EXPECT_FALSE(test, block.scattered);
		expect_single_pages(test, &block, 1UL << order);
		give(&block, order);
	}
}

static void zeroed_block_is_zero_and_says_so(struct kunit *test)
{
	struct span_block block = taken(test, ORDER, 0);
	unsigned long i;

	/* Where the allocator zeroes all it hands out, or gets back, that is known as well. */
	KUNIT_EXPECT_EQ(test, block.zeroed, want_init_on_alloc(GFP_KERNEL) || want_init_on_free());
	for (i = 0; block.zeroed && i < NPAGES; i++)
		KUNIT_EXPECT_TRUE_MSG(test, is_all(&block, i, 0), "page %lu", i);
	fill(&block, NPAGES, 0x5a);
	give(&block, ORDER);
	block = taken(test, ORDER, SPAN_TAKE_ZERO);
	KUNIT_EXPECT_TRUE(test, block.zeroed);
	for (i = 0; i < NPAGES; i++)
		KUNIT_EXPECT_TRUE_MSG(test, is_all(&block, i, 0), "page %lu", i);
	give(&block, ORDER);
}

/* Does only this one of its pages hold what was asked for? */
static void expect_verified(struct kunit *test, struct span_block *block, unsigned int index)
{
	struct span_flaw flaw = { };

	KUNIT_EXPECT_TRUE(test, span_buddy_backing.verify(NULL, block, index, 1, 0x5b, &flaw));
	KUNIT_EXPECT_FALSE(test, span_buddy_backing.verify(NULL, block, index, 2, 0x5b, &flaw));
	KUNIT_EXPECT_EQ(test, flaw.index, index + 1);
	KUNIT_EXPECT_FALSE(test, span_buddy_backing.verify(NULL, block, 0, NPAGES, 0x5b, &flaw));
	KUNIT_EXPECT_EQ(test, flaw.index, 0);
}

static void expect_range_is_filled(struct kunit *test, struct span_block *block)
{
	unsigned long i;

	fill(block, NPAGES, 0x5a);
	span_buddy_backing.fill(NULL, block, 2, 3, 0);
	for (i = 0; i < NPAGES; i++)
		KUNIT_EXPECT_TRUE_MSG(test, is_all(block, i, i >= 2 && i < 5 ? 0 : 0x5a),
				      "page %lu", i);
	span_buddy_backing.fill(NULL, block, 4, 1, 0x5b);
	for (i = 0; i < NPAGES; i++)
		KUNIT_EXPECT_TRUE_MSG(test, is_all(block, i, i == 4 ? 0x5b :
						   i >= 2 && i < 4 ? 0 : 0x5a), "page %lu", i);
	expect_verified(test, block, 4);
	span_buddy_backing.fill(NULL, block, 0, NPAGES, 0);
	for (i = 0; i < NPAGES; i++)
		KUNIT_EXPECT_TRUE_MSG(test, is_all(block, i, 0), "page %lu", i);
}

static void fill_keeps_to_its_range_of_a_block(struct kunit *test)
{
	struct span_block block = taken(test, ORDER, 0);

	expect_range_is_filled(test, &block);
	give(&block, ORDER);
}

/* Wrong from byte @first to @last of one page, and how that is told. */
static void expect_flaw(struct kunit *test, struct span_block *block, unsigned int first,
			unsigned int last)
{
	u8 *bytes = page_address(page_of(block, 3));
	struct span_flaw flaw = { };

	bytes[first] = 1;
	bytes[last] = 2;
	KUNIT_EXPECT_FALSE(test, span_buddy_backing.verify(NULL, block, 0, NPAGES, 0xe7, &flaw));
	KUNIT_EXPECT_EQ(test, flaw.index, 3);
	KUNIT_EXPECT_EQ(test, flaw.pfn, page_to_pfn(page_of(block, 3)));
	KUNIT_EXPECT_EQ(test, flaw.first, first);
	KUNIT_EXPECT_EQ(test, flaw.last, last);
	KUNIT_EXPECT_EQ(test, flaw.nbytes, min_t(unsigned int, SPAN_FLAW_BYTES, PAGE_SIZE - first));
	KUNIT_EXPECT_EQ(test, memcmp(flaw.bytes, bytes + first, flaw.nbytes), 0);
	bytes[first] = 0xe7;
	bytes[last] = 0xe7;
}

static void verify_tells_where_a_page_is_wrong(struct kunit *test)
{
	struct span_block block = taken(test, ORDER, 0);
	struct span_flaw flaw = { };

	span_buddy_backing.fill(NULL, &block, 0, NPAGES, 0xe7);
	expect_flaw(test, &block, 0, 0);
	expect_flaw(test, &block, 0, PAGE_SIZE - 1);
	expect_flaw(test, &block, 77, 1000);
	expect_flaw(test, &block, PAGE_SIZE - 1, PAGE_SIZE - 1);
	expect_flaw(test, &block, PAGE_SIZE - 5, PAGE_SIZE - 2);
	KUNIT_EXPECT_TRUE(test, span_buddy_backing.verify(NULL, &block, 0, NPAGES, 0xe7, &flaw));
	give(&block, ORDER);
}

/* To read what had a memory error may be the end, where the kernel knows of such a thing. */
static void verify_does_not_read_broken_memory(struct kunit *test)
{
	struct span_block block = taken(test, ORDER, SPAN_TAKE_ZERO);
	struct page *page = page_of(&block, 2);
	struct span_flaw flaw = { };

	memset(page_address(page), 0x5a, PAGE_SIZE);
	SetPageHWPoison(page);
	KUNIT_EXPECT_EQ(test, span_buddy_backing.verify(NULL, &block, 0, NPAGES, 0, &flaw),
			PageHWPoison(page));
	ClearPageHWPoison(page);
	KUNIT_EXPECT_FALSE(test, span_buddy_backing.verify(NULL, &block, 0, NPAGES, 0, &flaw));
	give(&block, ORDER);
}

static void large_granule_is_made_of_single_pages(struct kunit *test)
{
	struct span_block block = taken(test, TOO_LARGE, SPAN_TAKE_ZERO);
	unsigned long i, dirty = 0;

	KUNIT_EXPECT_TRUE(test, block.scattered);
	KUNIT_EXPECT_TRUE(test, block.zeroed);
	expect_single_pages(test, &block, 1UL << TOO_LARGE);
	for (i = 0; i < 1UL << TOO_LARGE; i++)
		dirty += !is_all(&block, i, 0);
	KUNIT_EXPECT_EQ(test, dirty, 0);
	expect_range_is_filled(test, &block);
	give(&block, TOO_LARGE);
}

static void contiguity_is_not_given_up(struct kunit *test)
{
	struct span_block block = { };

	KUNIT_EXPECT_EQ(test, take(&block, TOO_LARGE, GFP_KERNEL, SPAN_TAKE_CONTIG), -ENOMEM);
}

/* A thousand single pages are not for somebody who may not sleep. */
static void nowait_takes_a_block_or_nothing(struct kunit *test)
{
	struct span_block block = { };

	KUNIT_EXPECT_EQ(test, take(&block, TOO_LARGE, GFP_NOWAIT, 0), -ENOMEM);
	KUNIT_EXPECT_EQ(test, take(&block, TOO_LARGE, GFP_ATOMIC, 0), -ENOMEM);
	KUNIT_ASSERT_EQ(test, take(&block, 0, GFP_ATOMIC, SPAN_TAKE_ZERO), 0);
	KUNIT_EXPECT_TRUE(test, is_all(&block, 0, 0));
	give(&block, 0);
}

static void node_of_the_memory_can_be_chosen(struct kunit *test)
{
	struct span_block block = { };
	unsigned int flags;
	unsigned long i;
	int nid;

	for_each_online_node(nid) {
		for (flags = 0; flags <= SPAN_TAKE_NEAR; flags += SPAN_TAKE_NEAR) {
			gfp_t gfp = GFP_KERNEL | (flags ? 0 : __GFP_THISNODE);

			KUNIT_ASSERT_EQ(test, span_buddy_backing.take(NULL, &block, ORDER, nid,
								      gfp, flags), 0);
			for (i = 0; i < NPAGES; i++)
				KUNIT_EXPECT_EQ(test, page_to_nid(page_of(&block, i)), nid);
			give(&block, ORDER);
		}
	}
}

/* A reference of our own to each page shows that exactly one was dropped. */
static void give_drops_one_reference_of_each_page(struct kunit *test)
{
	static const unsigned int order[] = { 0, ORDER, TOO_LARGE };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(order); i++) {
		unsigned long n, npages = 1UL << order[i], wrong = 0;
		struct span_block block = taken(test, order[i], 0);
		struct page **page = kvcalloc(npages, sizeof(*page), GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, page);
		for (n = 0; n < npages; n++) {
			page[n] = page_of(&block, n);
			get_page(page[n]);
		}
		give(&block, order[i]);
		for (n = 0; n < npages; n++) {
			wrong += page_count(page[n]) != 1;
			put_page(page[n]);
		}
		KUNIT_EXPECT_EQ_MSG(test, wrong, 0, "order %u", order[i]);
		kvfree(page);
	}
}

static void pinned_page_outlives_its_block(struct kunit *test)
{
	struct span_block block = taken(test, ORDER, 0);
	struct page *pinned = block.page + 5;

	memset(page_address(pinned), 0xc3, PAGE_SIZE);
	get_page(pinned);
	give(&block, ORDER);
	block = taken(test, ORDER, 0);
	fill(&block, NPAGES, 0);
	KUNIT_EXPECT_EQ(test, page_count(pinned), 1);
	KUNIT_EXPECT_NULL(test, memchr_inv(page_address(pinned), 0xc3, PAGE_SIZE));
	put_page(pinned);
	give(&block, ORDER);
}

/*
 * The pages themselves are counted one by one above. The array of pointers of a
 * scattered block is several pages as well, and there is a statistic of those
 * that is not blurred by what the allocator keeps for each processor.
 */
static void arrays_of_scattered_blocks_are_freed(struct kunit *test)
{
	unsigned long before = global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B);
	unsigned long array = (sizeof(void *) << TOO_LARGE) >> PAGE_SHIFT, round;
	struct span_block block;

	for (round = 0; round < 128; round++) {
		block = taken(test, TOO_LARGE, 0);
		give(&block, TOO_LARGE);
	}
	KUNIT_EXPECT_LT(test, global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B),
			before + round * array / 2);
}

static struct kunit_case backing_cases[] = {
	KUNIT_CASE(block_is_split_into_single_pages),
	KUNIT_CASE(zeroed_block_is_zero_and_says_so),
	KUNIT_CASE(fill_keeps_to_its_range_of_a_block),
	KUNIT_CASE(verify_tells_where_a_page_is_wrong),
	KUNIT_CASE(verify_does_not_read_broken_memory),
	KUNIT_CASE(large_granule_is_made_of_single_pages),
	KUNIT_CASE(contiguity_is_not_given_up),
	KUNIT_CASE(nowait_takes_a_block_or_nothing),
	KUNIT_CASE(node_of_the_memory_can_be_chosen),
	KUNIT_CASE(give_drops_one_reference_of_each_page),
	KUNIT_CASE(pinned_page_outlives_its_block),
	KUNIT_CASE(arrays_of_scattered_blocks_are_freed),
	{}
};

static struct kunit_suite backing_suite = {
	.name = "spanalloc_backing",
	.test_cases = backing_cases,
};

kunit_test_suite(backing_suite);
