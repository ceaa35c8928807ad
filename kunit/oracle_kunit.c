// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the span heap: random operations, against the oracle.
 */

/**
 * DOC: Oracle suite
 *
 * Each operation is done to the heap and to the oracle, and whatever can be
 * compared is compared: the answer, the place, the counters, who covers each
 * page, what the pages hold. Then the heap has to pass its check.
 *
 * The seed is a parameter of the module, spanalloc_kunit.seed; it is printed, so
 * that what failed can be repeated. spanalloc_kunit.operations says how many.
 */

#include <linux/err.h>
#include <linux/module.h>
#include <linux/prandom.h>

#include "fixture.h"
#include "oracle.h"

#define NSPANS	64

static ulong seed = 20190907;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "seed of the random operations");

static uint operations = 4000;
module_param(operations, uint, 0444);
MODULE_PARM_DESC(operations, "how many random operations a case does");

/**
 * struct play - a heap, its oracle, and the spans that are out
 * @test: the case
 * @oracle: the oracle
 * @rnd: what comes next
 * @span: the spans; the owner of span[i] is i + 1. NULL: not out
 * @stamp: what the first page of span[i] holds; the next holds one more
 * @last_stamp: the last number given to a page
 */
struct play {
	struct kunit *test;
	struct oracle oracle;
	struct rnd_state rnd;
	struct span *span[NSPANS];
	unsigned long stamp[NSPANS];
	unsigned long last_stamp;
};

static u32 below(struct play *play, u32 limit)
{
	return prandom_u32_state(&play->rnd) % limit;
}

static void put_stamps(struct play *play, unsigned int i)
{
	unsigned long page, npages = play->span[i]->node.npages;

	play->stamp[i] = play->last_stamp + 1;
	play->last_stamp += npages;
	for (page = 0; page < npages; page++)
		span_fixture_write(play->test, play->span[i], page, play->stamp[i] + page);
}

static void compare_stamps(struct play *play, unsigned int i)
{
	unsigned long page;

	for (page = 0; page < play->span[i]->node.npages; page++)
		KUNIT_EXPECT_EQ(play->test,
				span_fixture_read(play->test, play->span[i], page),
				play->stamp[i] + page);
}

static void play_alloc(struct play *play, unsigned int i)
{
	unsigned long npages = 1 + below(play, below(play, 8) ? 12 : 60);
	unsigned long align = below(play, 4) ? 1 : 1UL << below(play, 6);
	unsigned int flags = below(play, 2) ? SPANALLOC_ZERO : 0;
	struct span *span = span_fixture_ask(play->test, npages, align, flags, GFP_KERNEL);
	long base = oracle_alloc(&play->oracle, i + 1, npages, align);
	unsigned long page;

	if (base < 0) {
		KUNIT_EXPECT_EQ(play->test, PTR_ERR_OR_ZERO(span), base);
		return;
	}
	KUNIT_ASSERT_FALSE_MSG(play->test, IS_ERR(span), "%lu pages: %pe", npages, span);
	KUNIT_EXPECT_EQ(play->test, span->node.base, base);
	KUNIT_EXPECT_EQ(play->test, span->node.npages, npages);
	for (page = 0; flags && page < npages; page++)
		KUNIT_EXPECT_EQ(play->test, span_fixture_read(play->test, span, page), 0);
	play->span[i] = span;
	put_stamps(play, i);
}

static void play_free(struct play *play, unsigned int i)
{
	compare_stamps(play, i);
	oracle_hand_over(&play->oracle, play->span[i]->node.base, i + 1, 0);
	span_fixture_free(play->test, play->span[i]);
	play->span[i] = NULL;
}

static void play_split(struct play *play, unsigned int i, unsigned int to)
{
	struct span *span = play->span[i], *upper;
	unsigned long at;

	if (play->span[to] || span->node.npages < 2)
		return;
	at = 1 + below(play, span->node.npages - 1);
	upper = span_heap_split(span_fixture_heap(play->test), span, at, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(play->test, IS_ERR_OR_NULL(upper));
	KUNIT_EXPECT_EQ(play->test, upper->node.base, span->node.base + at);
	oracle_hand_over(&play->oracle, upper->node.base, i + 1, to + 1);
	play->span[to] = upper;
	play->stamp[to] = play->stamp[i] + at;
	compare_stamps(play, to);
}

static void play_scavenge(struct play *play)
{
	unsigned long npages = below(play, 4) ? below(play, 40) : ~0UL;
	unsigned long expected = oracle_scavenge(&play->oracle, npages);

	KUNIT_EXPECT_EQ(play->test, span_heap_scavenge(span_fixture_heap(play->test), npages),
			expected);
}

static void compare_counters(struct play *play)
{
	struct oracle_sums sums = oracle_sums(&play->oracle);
	struct spanalloc_stats stats = *span_fixture_stats(play->test);

	KUNIT_EXPECT_EQ(play->test, stats.address_pages, play->oracle.space);
	KUNIT_EXPECT_EQ(play->test, stats.in_use_pages, sums.in_use);
	KUNIT_EXPECT_EQ(play->test, stats.backed_pages, sums.backed);
	KUNIT_EXPECT_EQ(play->test, stats.idle_pages, sums.idle);
	KUNIT_EXPECT_EQ(play->test, stats.free_spans, sums.free_spans);
	KUNIT_EXPECT_EQ(play->test, stats.largest_free_pages, sums.largest);
}

static void compare_pages(struct play *play)
{
	unsigned long page;

	for (page = 0; page < ORACLE_PAGES; page++) {
		unsigned int owner = page < play->oracle.space ? play->oracle.owner[page] : 0;

		KUNIT_EXPECT_PTR_EQ_MSG(play->test,
					span_heap_lookup(span_fixture_heap(play->test), page),
					owner ? play->span[owner - 1] : NULL, "page %lu", page);
	}
}

static void play_one(struct play *play)
{
	unsigned int i = below(play, NSPANS);

	if (below(play, 12) == 0)
		play_scavenge(play);
	else if (!play->span[i])
		play_alloc(play, i);
	else if (below(play, 3))
		play_free(play, i);
	else
		play_split(play, i, below(play, NSPANS));
}

static void play_all(struct kunit *test, unsigned int order, unsigned long arena,
		     unsigned long limit)
{
	const struct spanalloc_attr attr = {
		.nid = NUMA_NO_NODE, .granule_order = order, .arena_pages = arena,
		.max_pages = limit, .retain_percent = SPANALLOC_RETAIN_ALL, .tree_seed = seed,
	};
	struct play *play = kunit_kzalloc(test, sizeof(*play), GFP_KERNEL);
	unsigned int n;

	KUNIT_ASSERT_NOT_NULL(test, play);
	kunit_info(test, "seed %lu, %u operations", seed, operations);
	play->test = test;
	play->oracle = (struct oracle) {
		.granule = 1UL << order, .arena = arena, .limit = limit,
	};
	prandom_seed_state(&play->rnd, seed);
	span_fixture_remake(test, &attr);
	/* The first thing that differs says more than all that follows from it. */
	for (n = 0; n < operations && test->status != KUNIT_FAILURE; n++) {
		play_one(play);
		compare_counters(play);
		if (n % 16 == 0)
			compare_pages(play);
		span_fixture_check(test);
	}
	KUNIT_EXPECT_EQ_MSG(test, n, operations, "seed %lu, operation %u", seed, n);
}

static void granules_of_one_page_match_the_oracle(struct kunit *test)
{
	play_all(test, 0, 32, 300);
}

static void granules_of_two_pages_match_the_oracle(struct kunit *test)
{
	play_all(test, 1, 64, 300);
}

static void granules_of_eight_pages_match_the_oracle(struct kunit *test)
{
	play_all(test, 3, 64, 512);
}

static void granules_as_large_as_arenas_match_the_oracle(struct kunit *test)
{
	play_all(test, 5, 32, 384);
}

/* Almost always full, so that most answers are errors. */
static void tight_limit_matches_the_oracle(struct kunit *test)
{
	play_all(test, 2, 16, 100);
}

static struct kunit_case oracle_cases[] = {
	KUNIT_CASE(granules_of_one_page_match_the_oracle),
	KUNIT_CASE(granules_of_two_pages_match_the_oracle),
	KUNIT_CASE(granules_of_eight_pages_match_the_oracle),
	KUNIT_CASE(granules_as_large_as_arenas_match_the_oracle),
	KUNIT_CASE(tight_limit_matches_the_oracle),
	{}
};

static struct kunit_suite oracle_suite = {
	.name = "spanalloc_oracle",
	.init = span_fixture_init,
	.exit = span_fixture_exit,
	.test_cases = oracle_cases,
};

kunit_test_suite(oracle_suite);
