// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the span heap, on fake memory: one rule each, on a scene small
 * enough to be drawn. See fixture.c for the heap.
 */

#include <linux/err.h>

#include "fixture.h"

static void new_heap_has_no_address_space(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	struct span_info info;

	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->address_pages, 0);
	KUNIT_EXPECT_NULL(test, span_heap_lookup(heap, 0));
	KUNIT_EXPECT_FALSE(test, span_heap_next_span(heap, 0, &info));
	KUNIT_EXPECT_EQ(test, span_heap_scavenge(heap, ~0UL), 0);
	span_fixture_check(test);
}

static void create_refuses_attributes_without_sense(struct kunit *test)
{
	static const struct spanalloc_attr bad[] = {
		{ .granule_order = 32, .arena_pages = 64, .retain_percent = -1 },
		{ .granule_order = 7, .arena_pages = 64, .retain_percent = -1 },
		{ .granule_order = 3, .arena_pages = 0, .retain_percent = -1 },
		{ .granule_order = 3, .arena_pages = 96, .retain_percent = -1 },
		{ .granule_order = 3, .arena_pages = 1UL << 41, .retain_percent = -1 },
		{ .granule_order = 3, .arena_pages = 64, .max_pages = 7, .retain_percent = -1 },
		{ .granule_order = 3, .arena_pages = 64, .max_pages = (1UL << 40) + 1 },
		{ .granule_order = 3, .arena_pages = 64, .retain_percent = -2 },
		{ .granule_order = 3, .arena_pages = 64, .retain_percent = 1000001 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct spanalloc_attr attr = bad[i];
		struct span_heap *heap;

		attr.name = "bad";
		heap = span_heap_create(&attr, &span_fake_backing, span_fixture_fake(test));
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(heap), -EINVAL, "attributes %u", i);
		if (!IS_ERR(heap))
			span_heap_destroy(heap);
	}
}

static void alloc_refuses_requests_without_sense(struct kunit *test)
{
	span_fixture_alloc_at(test, 0, 5);
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 0, 0, 0, GFP_KERNEL), -EINVAL);
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 1, 3, 0, GFP_KERNEL), -EINVAL);
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 1, ~0UL, 0, GFP_KERNEL), -EINVAL);
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 1, 0, 4, GFP_KERNEL), -EINVAL);
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 9, 0, SPANALLOC_CONTIG, GFP_KERNEL),
			-EINVAL);
}

/* The fake backing counts it as a mistake if one of them comes through. */
static void alloc_takes_over_no_zone_flags(struct kunit *test)
{
	gfp_t gfp = GFP_HIGHUSER_MOVABLE | __GFP_ZERO | __GFP_ACCOUNT | __GFP_DMA32;
	struct span *span = span_fixture_ask(test, 9, 0, 0, gfp), *upper;

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(span));
	upper = span_heap_split(span_fixture_heap(test), span, 4, gfp);
	KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(upper));
}

static void alloc_takes_the_lowest_run(struct kunit *test)
{
	span_fixture_alloc_at(test, 0, 17);
	span_fixture_alloc_at(test, 17, 3);
	span_fixture_alloc_at(test, 20, 1);
	span_fixture_alloc_at(test, 21, 30);
	span_fixture_alloc_at(test, 51, 2);
	span_fixture_free_at(test, 17);
	span_fixture_free_at(test, 21);
	/* Holes: [17,20) and [21,51). */
	span_fixture_alloc_at(test, 21, 4);
	span_fixture_alloc_at(test, 17, 2);
	span_fixture_alloc_at(test, 19, 1);
	span_fixture_alloc_at(test, 25, 26);
	span_fixture_alloc_at(test, 53, 1);
}

/* The free span is changed where it stands: no insert, no erase. */
static void alloc_changes_the_free_span_in_place(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < FIXTURE_ARENA - 1; i++)
		span_fixture_alloc_at(test, i, 1);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->tree_inserts, 1);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->tree_erases, 0);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->splits_in_place, FIXTURE_ARENA - 1);
	span_fixture_alloc_at(test, FIXTURE_ARENA - 1, 1);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->tree_erases, 1);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->free_spans, 0);
}

static void alloc_crosses_arenas(struct kunit *test)
{
	struct span *span;
	unsigned long page;

	span_fixture_alloc_at(test, 0, 50);
	span = span_fixture_alloc_at(test, 50, 150);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->address_pages, FIXTURE_MAX);
	for (page = 50; page < 200; page++)
		KUNIT_EXPECT_PTR_EQ(test, span_heap_lookup(span_fixture_heap(test), page), span);
	span_fixture_check(test);
}

static void alloc_keeps_alignment(struct kunit *test)
{
	span_fixture_place(test, 0, 1, 0, 0);
	span_fixture_place(test, 16, 3, 16, 0);
	span_fixture_place(test, 1, 15, 0, 0);
	span_fixture_place(test, 19, 1, 1, 0);
	span_fixture_place(test, 128, 1, 128, 0);
	span_fixture_place(test, 20, 2, 2, 0);
	span_fixture_check(test);
}

static void contig_stays_in_one_granule(struct kunit *test)
{
	span_fixture_place(test, 0, 1, 0, 0);
	span_fixture_place(test, 8, 8, 0, SPANALLOC_CONTIG);
	span_fixture_place(test, 1, 6, 0, SPANALLOC_CONTIG);
	span_fixture_place(test, 16, 2, 0, SPANALLOC_CONTIG);
	span_fixture_place(test, 7, 1, 0, SPANALLOC_CONTIG);
	span_fixture_place(test, 20, 2, 4, SPANALLOC_CONTIG);
	span_fixture_check(test);
}

static void full_heap_tells_limit_from_fragmentation(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, FIXTURE_MAX + 1, 0, 0, GFP_KERNEL), -EDQUOT);
	span_fixture_alloc_at(test, 0, 40);
	span_fixture_alloc_at(test, 40, 10);
	span_fixture_alloc_at(test, 50, FIXTURE_MAX - 50);
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 1, 0, 0, GFP_KERNEL), -EDQUOT);
	span_fixture_free_at(test, 0);
	span_fixture_free_at(test, 50);
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 247, 0, 0, GFP_KERNEL), -EDQUOT);
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 246, 0, 0, GFP_KERNEL), -ENOSPC);
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 207, 0, 0, GFP_KERNEL), -ENOSPC);
	span_fixture_alloc_at(test, 50, 206);
	span_fixture_alloc_at(test, 0, 40);
}

static void nowait_never_grows(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 1, 0, 0, GFP_ATOMIC), -EAGAIN);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->address_pages, 0);
	span_fixture_alloc_at(test, 0, 60);
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 5, 0, 0, GFP_NOWAIT), -EAGAIN);
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 4, 0, 0, GFP_NOWAIT), 0);
}

static void free_grows_a_free_neighbour(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < FIXTURE_ARENA; i++)
		span_fixture_alloc_at(test, i, 1);
	span_fixture_free_at(test, 10);
	span_fixture_free_at(test, 11);
	span_fixture_free_at(test, 9);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->merges_in_place, 2);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->tree_inserts, 2);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->largest_free_pages, 3);
	span_fixture_free_at(test, 13);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->free_spans, 2);
	/* Three become one, in the lowest one's node. */
	span_fixture_free_at(test, 12);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->free_spans, 1);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->largest_free_pages, 5);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->tree_erases, 2);
	span_fixture_alloc_at(test, 9, 5);
}

static void split_leaves_pages_and_contents(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	struct span *low = span_fixture_alloc_at(test, 0, 20), *high;
	unsigned long i;

	span_fixture_stamp(test, low);
	high = span_heap_split(heap, low, 13, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(high));
	KUNIT_EXPECT_EQ(test, low->node.npages, 13);
	KUNIT_EXPECT_EQ(test, high->node.base, 13);
	KUNIT_EXPECT_EQ(test, high->node.npages, 7);
	for (i = 0; i < 20; i++)
		KUNIT_EXPECT_PTR_EQ(test, span_heap_lookup(heap, i), i < 13 ? low : high);
	for (i = 0; i < 7; i++)
		KUNIT_EXPECT_EQ(test, span_fixture_read(test, high, i), FIXTURE_STAMP + 13 + i);
	span_fixture_check(test);
	span_fixture_free(test, low);
	for (i = 0; i < 7; i++)
		KUNIT_EXPECT_EQ(test, span_fixture_read(test, high, i), FIXTURE_STAMP + 13 + i);
	KUNIT_EXPECT_NULL(test, span_heap_lookup(heap, 12));
	KUNIT_EXPECT_PTR_EQ(test, span_heap_lookup(heap, 13), high);
}

static void split_refuses_ends_and_beyond(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	struct span *span = span_fixture_alloc_at(test, 0, 3);
	static const unsigned long at[] = { 0, 3, 4, ~0UL };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(at); i++)
		KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(span_heap_split(heap, span, at[i],
								      GFP_KERNEL)), -EINVAL);
	KUNIT_EXPECT_EQ(test, span->node.npages, 3);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->splits, 0);
}

static void lookup_knows_spans_in_use_alone(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	struct span *low = span_fixture_alloc_at(test, 0, 3);
	struct span *mid = span_fixture_alloc_at(test, 3, 30);
	struct span *high = span_fixture_alloc_at(test, 33, 1);
	unsigned long page;

	for (page = 0; page < 70; page++)
		KUNIT_EXPECT_PTR_EQ_MSG(test, span_heap_lookup(heap, page),
					page < 3 ? low : page < 33 ? mid :
					page < 34 ? high : NULL, "page %lu", page);
	span_fixture_free(test, mid);
	for (page = 0; page < 70; page++)
		KUNIT_EXPECT_PTR_EQ_MSG(test, span_heap_lookup(heap, page), page < 3 ? low :
					page == 33 ? high : NULL, "page %lu", page);
	KUNIT_EXPECT_NULL(test, span_heap_lookup(heap, ~0UL));
}

static void quarantined_span_is_held_but_not_found(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	struct span *span = span_fixture_alloc_at(test, 0, 9);

	KUNIT_EXPECT_EQ(test, span_heap_quarantine(heap, span), 0);
	KUNIT_EXPECT_NULL(test, span_heap_lookup(heap, 4));
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->quarantined_pages, 9);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->in_use_pages, 0);
	span_fixture_check(test);
	span_fixture_alloc_at(test, 9, 1);
	span_fixture_free(test, span);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->quarantined_pages, 0);
	span_fixture_alloc_at(test, 0, 9);
}

static void free_the_first(void *priv)
{
	struct kunit *test = priv;

	span_fixture_free_at(test, 0);
}

static void full_heap_is_drained_before_it_fails(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);

	span_fixture_alloc_at(test, 0, 100);
	span_fixture_alloc_at(test, 100, FIXTURE_MAX - 100);
	heap->drain = free_the_first;
	heap->drain_priv = test;
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 7, 0, 0, GFP_ATOMIC), -EDQUOT);
	span_fixture_alloc_at(test, 0, 7);
	heap->drain = NULL;
}

static void walk_meets_every_page_once(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	struct span_info info = { };
	unsigned long page, nspans = 0;

	span_fixture_alloc_at(test, 0, 3);
	span_fixture_alloc_at(test, 3, 24);
	span_fixture_alloc_at(test, 27, 3);
	span_fixture_free_at(test, 3);
	for (page = 0; span_heap_next_span(heap, page, &info); page += info.npages) {
		KUNIT_EXPECT_EQ(test, info.base, page);
		KUNIT_EXPECT_EQ(test, info.state, nspans % 2 ? SPAN_FREE : SPAN_IN_USE);
		nspans++;
	}
	KUNIT_EXPECT_EQ(test, page, FIXTURE_ARENA);
	KUNIT_EXPECT_EQ(test, nspans, 4);
	/* From the middle of a span, its beginning is found. */
	for (page = 3; page < 27; page++) {
		KUNIT_EXPECT_TRUE(test, span_heap_next_span(heap, page, &info));
		KUNIT_EXPECT_EQ(test, info.base, 3);
	}
}

/* Two granules are held by the span that is leaked, the others come back. */
static void destroy_counts_what_is_leaked(struct kunit *test)
{
	struct span_fixture *fixture = test->priv;

	span_fixture_alloc_at(test, 0, 5);
	span_fixture_alloc_at(test, 5, 5);
	span_fixture_alloc_at(test, 10, 30);
	span_fixture_free_at(test, 0);
	span_fixture_free_at(test, 10);
	KUNIT_EXPECT_EQ(test, span_heap_destroy(fixture->heap), 5);
	fixture->heap = NULL;
	KUNIT_EXPECT_EQ(test, fixture->fake.ntaken, 5);
	KUNIT_EXPECT_EQ(test, fixture->fake.ngiven, 3);
	KUNIT_EXPECT_EQ(test, fixture->fake.nmistakes, 0);
	KUNIT_EXPECT_EQ(test, span_fake_exit(&fixture->fake), 2);
}

static struct kunit_case heap_cases[] = {
	KUNIT_CASE(new_heap_has_no_address_space),
	KUNIT_CASE(create_refuses_attributes_without_sense),
	KUNIT_CASE(alloc_refuses_requests_without_sense),
	KUNIT_CASE(alloc_takes_over_no_zone_flags),
	KUNIT_CASE(alloc_takes_the_lowest_run),
	KUNIT_CASE(alloc_changes_the_free_span_in_place),
	KUNIT_CASE(alloc_crosses_arenas),
	KUNIT_CASE(alloc_keeps_alignment),
	KUNIT_CASE(contig_stays_in_one_granule),
	KUNIT_CASE(full_heap_tells_limit_from_fragmentation),
	KUNIT_CASE(nowait_never_grows),
	KUNIT_CASE(free_grows_a_free_neighbour),
	KUNIT_CASE(split_leaves_pages_and_contents),
	KUNIT_CASE(split_refuses_ends_and_beyond),
	KUNIT_CASE(lookup_knows_spans_in_use_alone),
	KUNIT_CASE(quarantined_span_is_held_but_not_found),
	KUNIT_CASE(full_heap_is_drained_before_it_fails),
	KUNIT_CASE(walk_meets_every_page_once),
	KUNIT_CASE(destroy_counts_what_is_leaked),
	{}
};

static struct kunit_suite heap_suite = {
	.name = "spanalloc_heap",
	.init = span_fixture_init,
	.exit = span_fixture_exit,
	.test_cases = heap_cases,
};

kunit_test_suite(heap_suite);
