// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the memory behind a heap's spans, on fake memory: when it is
 * taken and given back, who wins and who loses, and what it holds. See fixture.c
 * for the heap.
 */

#include <linux/err.h>

#include "fixture.h"

static void contig_avoids_scattered_granules(struct kunit *test)
{
	span_fixture_fake(test)->scatter_every = 1;
	span_fixture_place(test, 0, 9, 0, 0);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->backed_scattered, 2);
	span_fixture_place(test, 16, 3, 0, SPANALLOC_CONTIG);
	span_fixture_place(test, 9, 3, 0, 0);
	span_fixture_check(test);
}

static void nowait_needs_no_memory_where_backed(struct kunit *test)
{
	struct span_fake *fake = span_fixture_fake(test);

	span_fixture_alloc_at(test, 0, 16);
	span_fixture_free_at(test, 0);
	fake->fail_nowait = true;
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 16, 0, SPANALLOC_ZERO, GFP_ATOMIC), 0);
	KUNIT_EXPECT_EQ(test, fake->nrefused, 0);
	/* The next place is not backed: one attempt, and only one. */
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 16, 0, 0, GFP_NOWAIT), -EAGAIN);
	KUNIT_EXPECT_EQ(test, fake->nrefused, 1);
}

/* The n-th block is refused, for each n: what was taken before goes back. */
static void refused_memory_loses_nothing(struct kunit *test)
{
	struct span_fake *fake = span_fixture_fake(test);
	unsigned long n;

	for (n = 1; n <= 4; n++) {
		fake->fail_in = n;
		KUNIT_EXPECT_EQ(test, span_fixture_error(test, 30, 0, 0, GFP_KERNEL), -ENOMEM);
		KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->claimed_pages, 0);
		KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->in_use_pages, 0);
		KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->backed_pages, 0);
		KUNIT_EXPECT_EQ(test, fake->ngiven, fake->ntaken);
		span_fixture_check(test);
	}
	fake->fail_in = 5;
	span_fixture_alloc_at(test, 0, 30);
	fake->fail_in = 0;
}

/* The heap gives up a granule that it has idle elsewhere, and asks once more. */
static void idle_memory_helps_where_the_system_has_none(struct kunit *test)
{
	span_fixture_alloc_at(test, 0, 8);
	span_fixture_alloc_at(test, 8, 8);
	span_fixture_free_at(test, 0);
	span_fixture_fake(test)->fail_in = 1;
	span_fixture_alloc_at(test, 16, 9);
	KUNIT_EXPECT_EQ(test, span_fixture_fake(test)->nrefused, 1);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->scavenged_pages, 8);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->idle_pages, 0);
	span_fixture_check(test);
}

/* The lowest place has no memory, a higher one has a block: better than nothing. */
static void contig_takes_an_idle_block_where_the_system_has_none(struct kunit *test)
{
	span_fixture_place(test, 0, 8, 0, 0);
	span_fixture_place(test, 16, 8, 16, 0);
	span_fixture_free_at(test, 16);
	span_fixture_fake(test)->fail_in = 1;
	span_fixture_place(test, 16, 3, 0, SPANALLOC_CONTIG);
	KUNIT_EXPECT_EQ(test, span_fixture_fake(test)->nrefused, 1);
	span_fixture_place(test, 8, 3, 0, SPANALLOC_CONTIG);
	span_fixture_check(test);
}

/* Another processor's allocation, while ours is asking for memory. */
static void alloc_two_pages(void *arg)
{
	span_fixture_alloc_at(arg, 4, 2);
}

static void slower_claim_gives_its_block_back(struct kunit *test)
{
	struct span_fake *fake = span_fixture_fake(test);

	fake->hook = alloc_two_pages;
	fake->hook_arg = test;
	span_fixture_alloc_at(test, 0, 4);
	KUNIT_EXPECT_EQ(test, fake->ntaken, 2);
	KUNIT_EXPECT_EQ(test, fake->ngiven, 1);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->backing_races, 1);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->backed_pages, FIXTURE_GRANULE);
	span_fixture_check(test);
}

static void refusal_is_no_matter_once_backed_by_another(struct kunit *test)
{
	struct span_fake *fake = span_fixture_fake(test);

	fake->hook = alloc_two_pages;
	fake->hook_arg = test;
	fake->fail_in = 2;
	span_fixture_alloc_at(test, 0, 4);
	KUNIT_EXPECT_EQ(test, fake->nrefused, 1);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->backed_pages, FIXTURE_GRANULE);
	span_fixture_check(test);
}

static void look_at_the_claim(void *arg)
{
	struct kunit *test = arg;
	struct span_info info = { };

	KUNIT_EXPECT_NULL(test, span_heap_lookup(span_fixture_heap(test), 0));
	KUNIT_EXPECT_TRUE(test, span_heap_next_span(span_fixture_heap(test), 0, &info));
	KUNIT_EXPECT_EQ(test, info.state, SPAN_CLAIMED);
	KUNIT_EXPECT_EQ(test, info.npages, 12);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->claimed_pages, 12);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->in_use_pages, 0);
	span_fixture_check(test);
	span_fixture_alloc_at(test, 12, 1);
}

static void claim_is_nobodys_to_see(struct kunit *test)
{
	span_fixture_fake(test)->hook = look_at_the_claim;
	span_fixture_fake(test)->hook_arg = test;
	span_fixture_alloc_at(test, 0, 12);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->claimed_pages, 0);
}

static void expect_zero(struct kunit *test, const struct span *span)
{
	unsigned long i;

	for (i = 0; i < span->node.npages; i++)
		KUNIT_EXPECT_EQ_MSG(test, span_fixture_read(test, span, i), 0,
				    "page %lu of %lu at %lu", i, span->node.npages,
				    span->node.base);
}

static struct span *alloc_zeroed(struct kunit *test, unsigned long npages)
{
	struct span *span = span_fixture_ask(test, npages, 0, SPANALLOC_ZERO, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(span));
	expect_zero(test, span);
	return span;
}

/* Lengths a and b side by side, first not, then zeroed, then in other cuts. */
static void zeroed_pages_never_show_old_data(struct kunit *test)
{
	unsigned long a, b;

	for (a = 1; a <= 10; a++)
		for (b = 1; b <= 10; b++) {
			struct span *low, *high;

			span_fixture_fake(test)->dirty = (a + b) % 2;
			low = span_fixture_alloc(test, a);
			high = alloc_zeroed(test, b);
			span_fixture_stamp(test, low);
			expect_zero(test, high);
			span_fixture_stamp(test, high);
			span_fixture_free(test, low);
			span_fixture_free(test, high);
			low = alloc_zeroed(test, b);
			span_fixture_stamp(test, low);
			high = alloc_zeroed(test, a);
			span_fixture_free(test, low);
			span_fixture_free(test, high);
			span_heap_scavenge(span_fixture_heap(test), ~0UL);
		}
}

/* Pages that are zero already are not cleared again. */
static void zeroed_memory_is_not_cleared_again(struct kunit *test)
{
	span_fixture_free(test, alloc_zeroed(test, 5));
	KUNIT_EXPECT_EQ(test, span_fixture_fake(test)->nzeroed, 0);
	alloc_zeroed(test, 7);
	KUNIT_EXPECT_EQ(test, span_fixture_fake(test)->nzeroed, 5);
}

/* Idle granules: 1, 2 and 4; 0 and 3 are touched by spans in use. */
static void scavenge_takes_idle_granules_from_the_top(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);

	span_fixture_alloc_at(test, 0, 3);
	span_fixture_alloc_at(test, 3, 24);
	span_fixture_alloc_at(test, 27, 3);
	span_fixture_alloc_at(test, 30, 10);
	span_fixture_free_at(test, 3);
	span_fixture_free_at(test, 30);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->idle_pages, 24);
	KUNIT_EXPECT_EQ(test, span_heap_scavenge(heap, 0), 0);
	KUNIT_EXPECT_EQ(test, span_heap_scavenge(heap, 9), 16);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->idle_pages, 8);
	span_fixture_check(test);
	/* Granule 1 is the one that is left, and no address has moved. */
	span_fixture_fake(test)->fail_in = 1;
	span_fixture_alloc_at(test, 3, 13);
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 11, 0, 0, GFP_KERNEL), -ENOMEM);
	span_fixture_alloc_at(test, 16, 11);
	KUNIT_EXPECT_EQ(test, span_heap_scavenge(heap, ~0UL), 0);
}

static void retained_share_is_kept(struct kunit *test)
{
	static const struct spanalloc_attr attr = {
		.nid = NUMA_NO_NODE, .granule_order = 3, .arena_pages = 64,
		.max_pages = 256, .retain_percent = 25, .tree_seed = 1,
	};

	span_fixture_remake(test, &attr);
	span_fixture_alloc_at(test, 0, 32);
	span_fixture_alloc_at(test, 32, 32);
	span_fixture_free_at(test, 0);
	/* 32 pages are idle, of which 18 are a quarter of the 72 to be in use. */
	span_fixture_alloc_at(test, 64, 40);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->scavenged_pages, 16);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->idle_pages, 16);
}

/* Somebody pays for it: what nobody has goes back at once, wherever that is noticed. */
static void charged_memory_is_never_idle(struct kunit *test)
{
	static const struct spanalloc_attr attr = {
		.nid = NUMA_NO_NODE, .granule_order = 3, .arena_pages = 64,
		.max_pages = 256, .account = true, .tree_seed = 1,
	};

	span_fixture_remake(test, &attr);
	span_fixture_alloc_at(test, 0, 3);
	span_fixture_alloc_at(test, 3, 20);
	span_fixture_free_at(test, 3);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->idle_pages, 0);
	KUNIT_EXPECT_EQ(test, span_fixture_fake(test)->ngiven, 2);
	span_fixture_fake(test)->fail_in = 2;
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 20, 0, 0, GFP_ATOMIC), -EAGAIN);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->idle_pages, 0);
	KUNIT_EXPECT_EQ(test, span_fixture_fake(test)->ngiven, 3);
	span_fixture_check(test);
	span_fixture_free_at(test, 0);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->backed_pages, 0);
}

static void run_ends_at_granules(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	unsigned long npages = 0;
	struct span *span;

	span_fixture_alloc_at(test, 0, 3);
	span = span_fixture_alloc_at(test, 3, 20);
	KUNIT_EXPECT_NOT_NULL(test, span_heap_run(heap, span, 0, &npages));
	KUNIT_EXPECT_EQ(test, npages, 5);
	KUNIT_EXPECT_PTR_EQ(test, span_heap_run(heap, span, 4, &npages),
			    span_heap_run(heap, span, 0, &npages) + 4);
	span_heap_run(heap, span, 5, &npages);
	KUNIT_EXPECT_EQ(test, npages, 8);
	span_heap_run(heap, span, 13, &npages);
	KUNIT_EXPECT_EQ(test, npages, 7);
	KUNIT_EXPECT_NULL(test, span_heap_run(heap, span, 20, &npages));
	KUNIT_EXPECT_EQ(test, npages, 0);
}

static struct kunit_case memory_cases[] = {
	KUNIT_CASE(contig_avoids_scattered_granules),
	KUNIT_CASE(nowait_needs_no_memory_where_backed),
	KUNIT_CASE(refused_memory_loses_nothing),
	KUNIT_CASE(idle_memory_helps_where_the_system_has_none),
	KUNIT_CASE(contig_takes_an_idle_block_where_the_system_has_none),
	KUNIT_CASE(slower_claim_gives_its_block_back),
	KUNIT_CASE(refusal_is_no_matter_once_backed_by_another),
	KUNIT_CASE(claim_is_nobodys_to_see),
	KUNIT_CASE(zeroed_pages_never_show_old_data),
	KUNIT_CASE(zeroed_memory_is_not_cleared_again),
	KUNIT_CASE(scavenge_takes_idle_granules_from_the_top),
	KUNIT_CASE(retained_share_is_kept),
	KUNIT_CASE(charged_memory_is_never_idle),
	KUNIT_CASE(run_ends_at_granules),
	{}
};

static struct kunit_suite memory_suite = {
	.name = "spanalloc_memory",
	.init = span_fixture_init,
	.exit = span_fixture_exit,
	.test_cases = memory_cases,
};

kunit_test_suite(memory_suite);
