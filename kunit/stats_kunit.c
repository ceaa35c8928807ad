// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the statistics: what is counted when, the arithmetic of
 * fragmentation, and snapshots of a heap at work.
 */

#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/sched.h>

#include "fixture.h"

/* Snapshots to take, while so many allocations are done. */
#define NSNAPSHOTS	20000
#define NALLOCS		200

/* What holds in every snapshot, of whatever heap at whatever moment. */
static bool adds_up(const struct spanalloc_stats *stats)
{
	return stats->address_pages == stats->in_use_pages + stats->claimed_pages +
				       stats->quarantined_pages + stats->free_pages &&
	       stats->address_pages == stats->backed_pages + stats->released_pages &&
	       stats->address_pages <= stats->max_pages &&
	       stats->idle_pages <= stats->backed_pages &&
	       stats->idle_pages <= stats->free_pages &&
	       stats->in_use_pages <= stats->backed_pages &&
	       stats->largest_free_pages <= stats->free_pages &&
	       stats->free_spans <= stats->free_pages &&
	       !stats->free_spans == !stats->free_pages &&
	       !stats->in_use_spans == !stats->in_use_pages &&
	       stats->allocs + stats->splits - stats->frees >= stats->in_use_spans &&
	       stats->allocs_exact <= stats->allocs &&
	       stats->tree_inserts - stats->tree_erases == stats->free_spans &&
	       stats->backed * stats->granule_pages - stats->scavenged_pages ==
	       stats->backed_pages;
}

static struct spanalloc_stats snapshot(struct kunit *test)
{
	struct spanalloc_stats stats = *span_fixture_stats(test);

	KUNIT_EXPECT_TRUE(test, adds_up(&stats));
	return stats;
}

static void new_heap_counts_nothing(struct kunit *test)
{
	struct spanalloc_stats stats = snapshot(test), none = { };

	KUNIT_EXPECT_EQ(test, stats.granule_pages, FIXTURE_GRANULE);
	KUNIT_EXPECT_EQ(test, stats.arena_pages, FIXTURE_ARENA);
	KUNIT_EXPECT_EQ(test, stats.max_pages, FIXTURE_MAX);
	KUNIT_EXPECT_EQ(test, stats.metadata_bytes, sizeof(struct span_heap));
	none.granule_pages = stats.granule_pages;
	none.arena_pages = stats.arena_pages;
	none.max_pages = stats.max_pages;
	none.metadata_bytes = stats.metadata_bytes;
	/* All that is idle is kept. */
	none.goal_pages = stats.max_pages;
	KUNIT_EXPECT_EQ(test, memcmp(&stats, &none, sizeof(none)), 0);
}

static void pages_are_counted_by_state(struct kunit *test)
{
	struct span *span = span_fixture_alloc_at(test, 0, 13);
	struct spanalloc_stats stats = snapshot(test);

	KUNIT_EXPECT_EQ(test, stats.address_pages, FIXTURE_ARENA);
	KUNIT_EXPECT_EQ(test, stats.in_use_pages, 13);
	KUNIT_EXPECT_EQ(test, stats.in_use_spans, 1);
	KUNIT_EXPECT_EQ(test, stats.free_pages, FIXTURE_ARENA - 13);
	KUNIT_EXPECT_EQ(test, stats.free_spans, 1);
	KUNIT_EXPECT_EQ(test, stats.largest_free_pages, FIXTURE_ARENA - 13);
	KUNIT_EXPECT_EQ(test, stats.backed_pages, 16);
	KUNIT_EXPECT_EQ(test, stats.released_pages, FIXTURE_ARENA - 16);
	KUNIT_EXPECT_EQ(test, stats.idle_pages, 0);

	KUNIT_EXPECT_EQ(test, span_heap_quarantine(span_fixture_heap(test), span), 0);
	stats = snapshot(test);
	KUNIT_EXPECT_EQ(test, stats.in_use_pages, 0);
	KUNIT_EXPECT_EQ(test, stats.in_use_spans, 0);
	KUNIT_EXPECT_EQ(test, stats.quarantined_pages, 13);

	span_fixture_free(test, span);
	stats = snapshot(test);
	KUNIT_EXPECT_EQ(test, stats.quarantined_pages, 0);
	KUNIT_EXPECT_EQ(test, stats.free_pages, FIXTURE_ARENA);
	KUNIT_EXPECT_EQ(test, stats.idle_pages, 16);

	KUNIT_EXPECT_EQ(test, span_heap_scavenge(span_fixture_heap(test), 1), 8);
	stats = snapshot(test);
	KUNIT_EXPECT_EQ(test, stats.scavenged_pages, 8);
	KUNIT_EXPECT_EQ(test, stats.idle_pages, 8);
	KUNIT_EXPECT_EQ(test, stats.backed_pages, 8);
}

static void look_at_claimed_pages(void *arg)
{
	struct kunit *test = arg;

	KUNIT_EXPECT_EQ(test, snapshot(test).claimed_pages, 13);
}

static void pages_being_backed_are_claimed(struct kunit *test)
{
	span_fixture_fake(test)->hook = look_at_claimed_pages;
	span_fixture_fake(test)->hook_arg = test;
	span_fixture_alloc_at(test, 0, 13);
	KUNIT_EXPECT_EQ(test, snapshot(test).claimed_pages, 0);
}

static void operations_are_counted(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	struct spanalloc_stats stats;
	struct span *span;

	span_fixture_alloc_at(test, 0, 20);
	span = span_fixture_ask(test, 4, 32, SPANALLOC_CONTIG, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(span));
	span_fixture_alloc_at(test, 20, 12);
	span = span_heap_split(heap, span, 3, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(span));
	span_fixture_free(test, span);
	span_fixture_free_at(test, 0);
	stats = snapshot(test);
	KUNIT_EXPECT_EQ(test, stats.allocs, 3);
	KUNIT_EXPECT_EQ(test, stats.allocs_exact, 1);
	KUNIT_EXPECT_EQ(test, stats.allocs_placed, 1);
	KUNIT_EXPECT_EQ(test, stats.frees, 2);
	KUNIT_EXPECT_EQ(test, stats.splits, 1);
	KUNIT_EXPECT_EQ(test, stats.grows, 1);
	/* Carved: the front of the arena, then a middle; [20,32) was exact. */
	KUNIT_EXPECT_EQ(test, stats.splits_in_place, 2);
	/* Page 35 joins what is above; [0,20) has no free neighbour. */
	KUNIT_EXPECT_EQ(test, stats.merges_in_place, 1);
	KUNIT_EXPECT_EQ(test, stats.backed, 5);
	KUNIT_EXPECT_EQ(test, stats.backed_scattered, 0);
}

static void failures_are_counted_by_reason(struct kunit *test)
{
	struct spanalloc_stats stats;

	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 1, 0, 0, GFP_ATOMIC), -EAGAIN);
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, FIXTURE_MAX + 1, 0, 0, GFP_KERNEL), -EDQUOT);
	span_fixture_alloc_at(test, 0, 100);
	span_fixture_alloc_at(test, 100, 10);
	span_fixture_free_at(test, 0);
	/* Or else idle memory would help where the system has none. */
	span_heap_scavenge(span_fixture_heap(test), ~0UL);
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 150, 0, 0, GFP_KERNEL), -ENOSPC);
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 151, 0, 0, GFP_ATOMIC), -ENOSPC);
	span_fixture_fake(test)->fail_in = 1;
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 110, 0, 0, GFP_KERNEL), -ENOMEM);
	/* Without sleeping, memory that is short now may be there later. */
	span_fixture_fake(test)->fail_nowait = true;
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 110, 0, 0, GFP_ATOMIC), -EAGAIN);
	/* What makes no sense is not counted. */
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 0, 0, 0, GFP_KERNEL), -EINVAL);
	stats = snapshot(test);
	KUNIT_EXPECT_EQ(test, stats.fails_again, 2);
	KUNIT_EXPECT_EQ(test, stats.fails_limit, 1);
	KUNIT_EXPECT_EQ(test, stats.fails_space, 2);
	KUNIT_EXPECT_EQ(test, stats.fails_memory, 1);
	KUNIT_EXPECT_EQ(test, stats.allocs, 2);
}

static void scattered_granules_are_counted(struct kunit *test)
{
	span_fixture_fake(test)->scatter_every = 2;
	span_fixture_alloc_at(test, 0, 40);
	KUNIT_EXPECT_EQ(test, snapshot(test).backed, 5);
	KUNIT_EXPECT_EQ(test, snapshot(test).backed_scattered, 2);
}

static void metadata_follows_the_arenas(struct kunit *test)
{
	u64 none = snapshot(test).metadata_bytes, one, four;

	span_fixture_alloc_at(test, 0, 1);
	one = snapshot(test).metadata_bytes;
	span_fixture_alloc_at(test, 1, FIXTURE_MAX - 1);
	four = snapshot(test).metadata_bytes;
	/* A slot and a bit for each page, an entry for each granule. */
	KUNIT_EXPECT_GE(test, one - none, FIXTURE_ARENA * 8 + FIXTURE_ARENA / 8);
	KUNIT_EXPECT_GE(test, four - none, 4 * (FIXTURE_ARENA * 8 + FIXTURE_ARENA / 8));
	KUNIT_EXPECT_LE(test, four - none, 4 * (one - none) + 4 * sizeof(void *));
}

static unsigned int permille(u64 largest, u64 all)
{
	return spanalloc_fragmentation(&(struct spanalloc_stats) {
		.largest_free_pages = largest, .free_pages = all,
	});
}

static void fragmentation_is_the_share_outside_the_longest(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, permille(0, 0), 0);
	KUNIT_EXPECT_EQ(test, permille(7, 7), 0);
	KUNIT_EXPECT_EQ(test, permille(1, 2), 500);
	KUNIT_EXPECT_EQ(test, permille(3, 4), 250);
	KUNIT_EXPECT_EQ(test, permille(1, 1000), 999);
	KUNIT_EXPECT_EQ(test, permille(1, 1000000), 1000);
	/* As many pages as a heap may have. */
	KUNIT_EXPECT_EQ(test, permille(SPAN_HEAP_PAGES_MAX, SPAN_HEAP_PAGES_MAX), 0);
	KUNIT_EXPECT_EQ(test, permille(SPAN_HEAP_PAGES_MAX / 4, SPAN_HEAP_PAGES_MAX / 4 * 4), 750);
}

static void fragmentation_of_a_heap(struct kunit *test)
{
	struct spanalloc_stats stats;

	span_fixture_alloc_at(test, 0, 16);
	span_fixture_alloc_at(test, 16, 16);
	stats = snapshot(test);
	KUNIT_EXPECT_EQ(test, spanalloc_fragmentation(&stats), 0);
	span_fixture_free_at(test, 0);
	stats = snapshot(test);
	/* Free: 16 pages and 32 pages. */
	KUNIT_EXPECT_EQ(test, spanalloc_fragmentation(&stats), 1000 - 666);
}

/* Changes the heap in every way there is, until it is told to stop. */
static int disturb(void *arg)
{
	struct span_heap *heap = arg;
	unsigned long npages = 1;
	int err = 0;

	while (!kthread_should_stop()) {
		struct span_request request = { .npages = npages, .gfp = GFP_KERNEL };
		struct span *low = span_heap_alloc(heap, &request), *high;

		cond_resched();
		if (IS_ERR(low)) {
			err = PTR_ERR(low);
			continue;
		}
		high = span_heap_split(heap, low, npages / 2, GFP_KERNEL);
		span_heap_free(heap, low);
		if (!IS_ERR(high))
			span_heap_free(heap, high);
		span_heap_scavenge(heap, npages % 16);
		npages = npages % 100 + 1;
	}
	return err;
}

static void snapshots_of_a_heap_at_work_add_up(struct kunit *test)
{
	unsigned long end = jiffies + 10 * HZ;
	unsigned int n = 0, wrong = 0;
	struct task_struct *thread;
	u64 allocs = 0;

	thread = kthread_run(disturb, span_fixture_heap(test), "spanalloc_stats");
	KUNIT_ASSERT_FALSE(test, IS_ERR(thread));
	/* Both have to have worked for this to mean anything. */
	while (n < NSNAPSHOTS || (allocs < NALLOCS && time_before(jiffies, end))) {
		struct spanalloc_stats stats = *span_fixture_stats(test);

		wrong += !adds_up(&stats);
		allocs = stats.allocs;
		if (++n % 64 == 0 && n > NSNAPSHOTS)
			schedule_timeout_uninterruptible(1);
		cond_resched();
	}
	KUNIT_EXPECT_EQ(test, kthread_stop(thread), 0);
	KUNIT_EXPECT_EQ_MSG(test, wrong, 0, "of %u snapshots", n);
	KUNIT_EXPECT_GE(test, allocs, NALLOCS);
}

static struct kunit_case stats_cases[] = {
	KUNIT_CASE(new_heap_counts_nothing),
	KUNIT_CASE(pages_are_counted_by_state),
	KUNIT_CASE(pages_being_backed_are_claimed),
	KUNIT_CASE(operations_are_counted),
	KUNIT_CASE(failures_are_counted_by_reason),
	KUNIT_CASE(scattered_granules_are_counted),
	KUNIT_CASE(metadata_follows_the_arenas),
	KUNIT_CASE(fragmentation_is_the_share_outside_the_longest),
	KUNIT_CASE(fragmentation_of_a_heap),
	KUNIT_CASE(snapshots_of_a_heap_at_work_add_up),
	{}
};

static struct kunit_suite stats_suite = {
	.name = "spanalloc_stats",
	.init = span_fixture_init,
	.exit = span_fixture_exit,
	.test_cases = stats_cases,
};

kunit_test_suite(stats_suite);
