// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of views: kernel mappings and scatterlists of spans, on real memory.
 */

#include <kunit/test.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/spanalloc.h>
#include <linux/string.h>

#include "heap.h"

#define ORDER		3
#define GRANULE		8UL

/* Memory in an order that a case chooses: a block of pages, as granules of two. */
#define POOL_ORDER	4
#define POOL_GRANULES	8

/**
 * struct pool - where the granules of a heap come from
 * @block: physically contiguous pages
 * @next: granules that were taken
 * @order: which granule is taken first, and so on
 * @reversed: a granule is two single pages, the second one first
 */
struct pool {
	struct page *block;
	unsigned int next;
	unsigned int order[POOL_GRANULES];
	bool reversed;
};

static int pool_take(void *priv, struct span_block *to, unsigned int order, int nid,
		     gfp_t gfp, unsigned int flags)
{
	struct pool *pool = priv;
	struct page *page;

	if (pool->next == POOL_GRANULES)
		return -ENOMEM;
	page = pool->block + pool->order[pool->next++] * 2;
	*to = (struct span_block) { .page = page };
	if (!pool->reversed)
		return 0;
	to->pages = kmalloc_array(2, sizeof(*to->pages), GFP_KERNEL);
	if (!to->pages)
		return -ENOMEM;
	to->pages[0] = page + 1;
	to->pages[1] = page;
	to->scattered = true;
	return 0;
}

static void pool_give(void *priv, struct span_block *block, unsigned int order)
{
	if (block->scattered)
		kfree(block->pages);
}

static void pool_fill(void *priv, const struct span_block *block, unsigned int first,
		      unsigned int npages, u8 byte)
{
}

static const struct span_backing_ops pool_ops = {
	.take = pool_take,
	.give = pool_give,
	.fill = pool_fill,
};

static struct span_heap *pool_heap(struct kunit *test, struct pool *pool)
{
	static const struct spanalloc_attr attr = {
		.name = "kunit_pool", .nid = NUMA_NO_NODE, .granule_order = 1,
		.arena_pages = 16, .max_pages = 16,
		.retain_percent = SPANALLOC_RETAIN_ALL, .tree_seed = 1,
	};
	struct span_heap *heap;

	pool->block = alloc_pages(GFP_KERNEL, POOL_ORDER);
	KUNIT_ASSERT_NOT_NULL(test, pool->block);
	heap = span_heap_create(&attr, &pool_ops, pool);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(heap));
	return heap;
}

static void pool_end(struct kunit *test, struct pool *pool, struct span_heap *heap)
{
	KUNIT_EXPECT_EQ(test, span_heap_destroy(heap), 0);
	__free_pages(pool->block, POOL_ORDER);
}

static int remake(struct kunit *test, unsigned int granule_order)
{
	const struct spanalloc_attr attr = {
		.name = "kunit", .nid = NUMA_NO_NODE, .granule_order = granule_order,
		.arena_pages = 64, .max_pages = 256,
		.retain_percent = SPANALLOC_RETAIN_ALL,
	};

	spanalloc_heap_destroy(test->priv);
	test->priv = spanalloc_heap_create(&attr);
	return PTR_ERR_OR_ZERO(test->priv);
}

static int view_init(struct kunit *test)
{
	test->priv = NULL;
	return remake(test, ORDER);
}

/* Cases end their views and free what they allocate. */
static void view_exit(struct kunit *test)
{
	struct spanalloc_stats stats;
	struct span_report report;

	if (IS_ERR_OR_NULL(test->priv))
		return;
	KUNIT_EXPECT_EQ(test, span_heap_check(test->priv, 0, &report), 0);
	spanalloc_get_stats(test->priv, &stats);
	KUNIT_EXPECT_EQ(test, stats.in_use_pages, 0);
	spanalloc_heap_destroy(test->priv);
}

static struct span *alloc(struct kunit *test, struct span_heap *heap, unsigned long npages)
{
	struct span *span = spanalloc_alloc(heap, npages, 1, 0, GFP_KERNEL);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_OR_NULL(span), "%lu pages: %pe", npages, span);
	return span;
}

/* The only span of a heap of two that does not begin where a granule does. */
static struct span *alloc_off_border(struct kunit *test, unsigned long npages,
				     struct span **below)
{
	*below = alloc(test, test->priv, 3);
	return alloc(test, test->priv, npages);
}

static u8 *map(struct kunit *test, struct span *span)
{
	u8 *address = spanalloc_vmap(test->priv, span);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_OR_NULL(address), "%pe", address);
	return address;
}

static void mapping_shows_the_pages(struct kunit *test)
{
	struct span *below, *span = alloc_off_border(test, 21, &below);
	u8 *address = map(test, span);
	unsigned long i;

	KUNIT_EXPECT_TRUE(test, is_vmalloc_addr(address));
	for (i = 0; i < 21; i++) {
		u8 *page = page_address(spanalloc_page(test->priv, span, i));

		memset(address + i * PAGE_SIZE, 1 + i, PAGE_SIZE);
		KUNIT_EXPECT_NULL(test, memchr_inv(page, 1 + i, PAGE_SIZE));
		page[PAGE_SIZE - 1] = 100 + i;
		KUNIT_EXPECT_EQ(test, address[(i + 1) * PAGE_SIZE - 1], 100 + i);
	}
	spanalloc_vunmap(test->priv, span, address);
	spanalloc_free(test->priv, span);
	spanalloc_free(test->priv, below);
}

static void mapping_of_single_pages(struct kunit *test)
{
	struct span *span;
	unsigned long i;
	u8 *address;

	KUNIT_ASSERT_EQ(test, remake(test, 0), 0);
	span = alloc(test, test->priv, 37);
	address = map(test, span);
	for (i = 0; i < 37; i++)
		KUNIT_EXPECT_PTR_EQ(test, vmalloc_to_page(address + i * PAGE_SIZE),
				    spanalloc_page(test->priv, span, i));
	spanalloc_vunmap(test->priv, span, address);
	spanalloc_free(test->priv, span);
}

static void nothing_can_be_unmapped(struct kunit *test)
{
	struct span *span = alloc(test, test->priv, 3);

	spanalloc_vunmap(test->priv, span, NULL);
	spanalloc_vunmap(test->priv, span, ERR_PTR(-ENOMEM));
	spanalloc_free(test->priv, span);
}

/*
 * Every page of the span is there once, in order; where an entry goes on where the last
 * one ended, that was as long as it may be. Returns the number of entries.
 */
static unsigned int verify_sg(struct kunit *test, struct span_heap *heap,
			      const struct span *span, struct sg_table *sgt,
			      unsigned long max)
{
	unsigned long index = 0, i, n = 0;
	struct page *after = NULL;
	struct scatterlist *sg;
	unsigned int at;

	for_each_sgtable_sg(sgt, sg, at) {
		if (sg_page(sg) == after)
			KUNIT_EXPECT_EQ_MSG(test, n, max, "entry %u goes on", at);
		n = sg->length >> PAGE_SHIFT;
		KUNIT_EXPECT_EQ(test, sg->offset, 0);
		KUNIT_EXPECT_EQ(test, sg->length, n << PAGE_SHIFT);
		KUNIT_EXPECT_GT(test, n, 0);
		KUNIT_EXPECT_LE(test, n, max);
		for (i = 0; i < n; i++)
			KUNIT_EXPECT_PTR_EQ(test, sg_page(sg) + i,
					    spanalloc_page(heap, span, index + i));
		index += n;
		after = sg_page(sg) + n;
	}
	KUNIT_EXPECT_EQ(test, index, spanalloc_npages(span));
	KUNIT_EXPECT_EQ(test, at, sgt->nents);
	return at;
}

static void list_on_blocks(struct kunit *test)
{
	struct span *below, *span = alloc_off_border(test, 43, &below);
	struct sg_table sgt;

	KUNIT_ASSERT_EQ(test, spanalloc_sg_alloc(test->priv, span, &sgt, 0, GFP_KERNEL), 0);
	/* At most one entry for each granule it touches. */
	KUNIT_EXPECT_LE(test, verify_sg(test, test->priv, span, &sgt, ~0UL), 6);
	spanalloc_sg_free(test->priv, span, &sgt);
	spanalloc_free(test->priv, span);
	spanalloc_free(test->priv, below);
}

static void list_on_single_pages(struct kunit *test)
{
	struct sg_table sgt;
	struct span *span;

	KUNIT_ASSERT_EQ(test, remake(test, 0), 0);
	span = alloc(test, test->priv, 200);
	KUNIT_ASSERT_EQ(test, spanalloc_sg_alloc(test->priv, span, &sgt, 0, GFP_KERNEL), 0);
	verify_sg(test, test->priv, span, &sgt, ~0UL);
	spanalloc_sg_free(test->priv, span, &sgt);
	spanalloc_free(test->priv, span);
}

/* Lengths of entries, as many as there are, then 0. */
static void expect_lengths(struct kunit *test, struct pool *pool, unsigned int max,
			   const unsigned int *lengths)
{
	struct span_heap *heap = pool_heap(test, pool);
	struct span *below = alloc(test, heap, 1), *span = alloc(test, heap, 11);
	struct scatterlist *sg;
	struct sg_table sgt;
	unsigned int at;

	KUNIT_ASSERT_EQ(test, spanalloc_sg_alloc(heap, span, &sgt, max * PAGE_SIZE, GFP_KERNEL),
			0);
	verify_sg(test, heap, span, &sgt, max ? : ~0UL);
	for_each_sgtable_sg(&sgt, sg, at)
		KUNIT_EXPECT_EQ_MSG(test, sg->length >> PAGE_SHIFT, *lengths++, "entry %u", at);
	KUNIT_EXPECT_EQ(test, *lengths, 0);
	spanalloc_sg_free(heap, span, &sgt);
	spanalloc_free(heap, span);
	spanalloc_free(heap, below);
	pool_end(test, pool, heap);
}

#define EXPECT_LENGTHS(test, pool, max, ...)					\
	expect_lengths(test, &(pool), max, (const unsigned int[]) { __VA_ARGS__, 0 })

static void list_joins_neighbouring_granules(struct kunit *test)
{
	struct pool apart = { .order = { 0, 2, 4, 6, 1, 3 } };
	struct pool joined = { .order = { 0, 1, 2, 3, 4, 5 } };
	struct pool mixed = { .order = { 6, 7, 5, 4, 2, 3 } };

	EXPECT_LENGTHS(test, apart, 0, 1, 2, 2, 2, 2, 2);
	EXPECT_LENGTHS(test, joined, 0, 11);
	EXPECT_LENGTHS(test, mixed, 0, 3, 2, 2, 4);
}

/* Pages 1 0, 3 2 and so on: those of a granule are single, and follow no other. */
static void list_of_a_scattered_span(struct kunit *test)
{
	struct pool single = { .order = { 0, 1, 2, 3, 4, 5 }, .reversed = true };
	struct pool crossed = { .order = { 5, 6, 4, 3, 2, 1 }, .reversed = true };

	EXPECT_LENGTHS(test, single, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
	EXPECT_LENGTHS(test, crossed, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
}

static void list_keeps_the_longest_segment(struct kunit *test)
{
	struct pool joined = { .order = { 0, 1, 2, 3, 4, 5 } };
	struct pool mixed = { .order = { 6, 7, 5, 4, 2, 3 } };

	EXPECT_LENGTHS(test, joined, 4, 4, 4, 3);
	joined.next = 0;
	EXPECT_LENGTHS(test, joined, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
	joined.next = 0;
	EXPECT_LENGTHS(test, joined, 11, 11);
	EXPECT_LENGTHS(test, mixed, 3, 3, 2, 2, 3, 1);
}

static void segment_shorter_than_a_page_is_refused(struct kunit *test)
{
	struct span *span = alloc(test, test->priv, 5);
	struct sg_table sgt;

	KUNIT_EXPECT_EQ(test, spanalloc_sg_alloc(test->priv, span, &sgt, PAGE_SIZE - 1, GFP_KERNEL),
			-EINVAL);
	/* Which leaves no view. */
	KUNIT_ASSERT_EQ(test, spanalloc_sg_alloc(test->priv, span, &sgt, 2 * PAGE_SIZE - 1,
						 GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, verify_sg(test, test->priv, span, &sgt, 1), 5);
	spanalloc_sg_free(test->priv, span, &sgt);
	spanalloc_free(test->priv, span);
}

static void list_is_made_without_sleeping(struct kunit *test)
{
	struct span *span = alloc(test, test->priv, 60);
	struct sg_table sgt;
	int err;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "task context only on PREEMPT_RT");
	preempt_disable();
	err = spanalloc_sg_alloc(test->priv, span, &sgt, PAGE_SIZE, GFP_ATOMIC);
	if (!err)
		spanalloc_sg_free(test->priv, span, &sgt);
	preempt_enable();
	KUNIT_EXPECT_EQ(test, err, 0);
	spanalloc_free(test->priv, span);
}

static void expect_kept(struct kunit *test, struct span *span)
{
	struct span *none = spanalloc_split(test->priv, span, 2, GFP_KERNEL);
	struct spanalloc_stats stats;

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(none), -EBUSY);
	spanalloc_free(test->priv, span);
	KUNIT_EXPECT_PTR_EQ(test, spanalloc_lookup(test->priv, spanalloc_base(span)), span);
	spanalloc_get_stats(test->priv, &stats);
	KUNIT_EXPECT_EQ(test, stats.in_use_spans, 1);
	KUNIT_EXPECT_EQ(test, stats.splits, 0);
	KUNIT_EXPECT_EQ(test, stats.frees, 0);
}

/* Reported in the log, which is not a warning. */
static void span_with_views_is_neither_freed_nor_split(struct kunit *test)
{
	struct span *span = alloc(test, test->priv, 12), *upper;
	struct sg_table sgt;
	u8 *first, *second;

	first = map(test, span);
	expect_kept(test, span);
	second = map(test, span);
	KUNIT_EXPECT_PTR_NE(test, first, second);
	KUNIT_ASSERT_EQ(test, spanalloc_sg_alloc(test->priv, span, &sgt, 0, GFP_KERNEL), 0);
	spanalloc_vunmap(test->priv, span, first);
	expect_kept(test, span);
	memset(second, 7, 12 * PAGE_SIZE);
	spanalloc_vunmap(test->priv, span, second);
	expect_kept(test, span);
	verify_sg(test, test->priv, span, &sgt, ~0UL);
	spanalloc_sg_free(test->priv, span, &sgt);
	upper = spanalloc_split(test->priv, span, 5, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(upper));
	/* Each part has views of its own. */
	first = map(test, upper);
	KUNIT_EXPECT_NULL(test, memchr_inv(first, 7, 7 * PAGE_SIZE));
	spanalloc_free(test->priv, span);
	spanalloc_vunmap(test->priv, upper, first);
	spanalloc_free(test->priv, upper);
}

/* A freed span that comes back has no views left over. */
static void views_end_with_their_span(struct kunit *test)
{
	unsigned int round;
	struct span *span;
	u8 *address;

	for (round = 0; round < 50; round++) {
		span = alloc(test, test->priv, 1 + round % 20);
		address = map(test, span);
		address[0] = round;
		spanalloc_vunmap(test->priv, span, address);
		spanalloc_free(test->priv, span);
	}
}

static struct kunit_case view_cases[] = {
	KUNIT_CASE(mapping_shows_the_pages),
	KUNIT_CASE(mapping_of_single_pages),
	KUNIT_CASE(nothing_can_be_unmapped),
	KUNIT_CASE(list_on_blocks),
	KUNIT_CASE(list_on_single_pages),
	KUNIT_CASE(list_joins_neighbouring_granules),
	KUNIT_CASE(list_of_a_scattered_span),
	KUNIT_CASE(list_keeps_the_longest_segment),
	KUNIT_CASE(segment_shorter_than_a_page_is_refused),
	KUNIT_CASE(list_is_made_without_sleeping),
	KUNIT_CASE(span_with_views_is_neither_freed_nor_split),
	KUNIT_CASE(views_end_with_their_span),
	{}
};

static struct kunit_suite view_suite = {
	.name = "spanalloc_view",
	.init = view_init,
	.exit = view_exit,
	.test_cases = view_cases,
};

kunit_test_suite(view_suite);
