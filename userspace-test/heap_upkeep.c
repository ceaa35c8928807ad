// SPDX-License-Identifier: GPL-2.0-only
/*
 * Idle memory made better: cleared, and made contiguous; and what others may do in the
 * middle of that.
 */
#include "contents.h"
#include "space.h"

#include <linux/time64.h>

#include "heap_world.h"

static const struct geometry eight = {
	.order = 3, .arena = 64, .limit = 1000, .retain = -1,
};

static const struct geometry scattered_eight = {
	.order = 3, .arena = 64, .limit = 1000, .retain = -1, .scatter_every = 1,
};

static bool alloc_at(unsigned long base, unsigned long npages, unsigned int flags)
{
	return hw_alloc(npages, 0, flags, GFP_KERNEL) &&
	       EXPECT_EQ(hw.live[hw.nlive - 1].span->node.base, base);
}

static u32 zero_from(unsigned long index)
{
	return span_granule_at(&hw.heap->arenas, index)->zero_from;
}

static bool backed(unsigned long index)
{
	return span_granule_backed(span_granule_at(&hw.heap->arenas, index));
}

/* Idle: granules 1, 2, 4 and 5, all dirty; used: [0,3), [24,32). */
static bool scene(const struct geometry *geometry)
{
	return hw_create(geometry) && alloc_at(0, 3, 0) && alloc_at(3, 21, 0) &&
	       alloc_at(24, 8, 0) && alloc_at(32, 16, 0) && hw_free(hw_at(3)) &&
	       hw_free(hw_at(32)) && hw_verify_all();
}

/* No more sources of single pages. */
static void defragment(void)
{
	hw.fake.scatter_every = 0;
	hw.model.source.scatter_every = 0;
}

void clearing_goes_from_below(void)
{
	struct spanalloc_stats stats;

	REQUIRE(scene(&eight), "scene");
	REQUIRE(hw_prezero(1) && hw_verify_all(), "one");
	EXPECT(!zero_from(1) && zero_from(2) == 8, "the lowest one first");
	REQUIRE(hw_prezero(2) && hw_verify_all(), "two");
	EXPECT(!zero_from(2) && !zero_from(4) && zero_from(5) == 8, "the next two");
	REQUIRE(hw_prezero(7) && hw_verify_all(), "the last");
	span_heap_stats(hw.heap, &stats);
	EXPECT_EQ(stats.prezeroed_pages, 32);
	EXPECT_EQ(stats.idle_pages, 32);
	EXPECT_EQ(stats.scavenged_pages, 0);
	EXPECT_EQ(hw.fake.nzeroed, 32);
	EXPECT_EQ(hw.fake.ntaken, 6);
	EXPECT_EQ(hw.fake.ngiven, 0);
	/* What is cleared is so once, for whoever comes. */
	REQUIRE(alloc_at(3, 21, SPANALLOC_ZERO), "of a granule that is shared, all is zeroed");
	EXPECT_EQ(hw.fake.nzeroed, 32 + 5);
	span_heap_stats(hw.heap, &stats);
	EXPECT_EQ(stats.zeroed_pages, 5);
	EXPECT_EQ(stats.zero_saved_pages, 16);
	hw_destroy();
}

/* Of a granule that was used in part, as much is cleared. */
void clearing_stops_at_the_mark(void)
{
	/* Memory that comes zeroed. */
	REQUIRE(hw_create(&eight) && alloc_at(0, 3, SPANALLOC_ZERO) && hw_free(0), "scene");
	EXPECT_EQ(zero_from(0), 3);
	REQUIRE(hw_prezero(9) && hw_verify_all(), "cleared");
	EXPECT_EQ(zero_from(0), 0);
	EXPECT_EQ(hw.fake.nzeroed, 3);
	EXPECT_EQ(hw.heap->stat.prezeroed_pages, 3);
	hw_destroy();
}

/* Where nothing is to be done nothing is looked at, until something is freed. */
void upkeep_rests(void)
{
	bool refused;

	REQUIRE(scene(&scattered_eight), "scene");
	defragment();
	REQUIRE(hw_repair(~0UL) && hw_prezero(~0UL) && hw_verify_all(), "all");
	EXPECT_EQ(hw.heap->scattered_granules, 2);
	EXPECT_EQ(hw.fake.ntaken, 6 + 4);
	EXPECT_EQ(hw.heap->dirty_from, ~0UL);
	EXPECT_EQ(span_heap_repair(hw.heap, ~0UL, &refused), 0);
	EXPECT(!refused, "refused");
	EXPECT_EQ(hw.heap->scattered_from, ~0UL);
	/* No block was asked for to find that out. */
	EXPECT_EQ(hw.fake.ntaken, 6 + 4);
	/* A span that is freed brings the search back to where it begins, and no lower. */
	REQUIRE(hw_free(hw_at(24)), "free");
	EXPECT_EQ(hw.heap->dirty_from, 24);
	EXPECT_EQ(hw.heap->scattered_from, 24);
	REQUIRE(hw_repair(1) && hw_prezero(1) && hw_verify_all(), "that one");
	EXPECT_EQ(hw.heap->scattered_granules, 1);
	REQUIRE(hw_free(hw_at(0)), "free");
	EXPECT_EQ(hw.heap->dirty_from, 0);
	REQUIRE(hw_repair(9) && hw_prezero(9) && hw_verify_all(), "the last");
	EXPECT_EQ(hw.heap->scattered_granules, 0);
	EXPECT_EQ(hw.heap->stat.repaired, 6);
	hw_destroy();
}

/* A granule becomes idle by a span that begins in its middle: there is what is to be done. */
void upkeep_comes_back(void)
{
	REQUIRE(hw_create(&scattered_eight) && alloc_at(0, 11, 0) && alloc_at(11, 13, 0), "scene");
	REQUIRE(hw_free(hw_at(0)) && hw_prezero(9) && hw_verify_all(), "granule 0");
	EXPECT_EQ(hw.heap->dirty_from, ~0UL);
	REQUIRE(hw_free(hw_at(11)) && hw_verify_all(), "granules 1 and 2");
	EXPECT_EQ(hw.heap->dirty_from, 8);
	EXPECT_EQ(hw.heap->scattered_from, 0);
	REQUIRE(hw_prezero(9) && hw_verify_all(), "cleared");
	EXPECT_EQ(hw.heap->stat.prezeroed_pages, 24);
	hw_destroy();
}

/* The block that a clean granule gets instead of its single pages is to be cleared again. */
void repair_brings_dirt(void)
{
	REQUIRE(scene(&scattered_eight) && hw_prezero(9) && hw_verify_all(), "all is clean");
	EXPECT_EQ(hw.heap->dirty_from, ~0UL);
	defragment();
	REQUIRE(hw_repair(1) && hw_verify_all(), "one");
	EXPECT_EQ(zero_from(1), 8);
	EXPECT_EQ(hw.heap->dirty_from, 8);
	REQUIRE(hw_prezero(9) && hw_verify_all(), "cleared");
	EXPECT_EQ(hw.heap->stat.prezeroed_pages, 32 + 8);
	hw_destroy();
}

static unsigned int nresched;

static void count_resched(void)
{
	nresched++;
}

/* More granules than the lock is held for: one that is dirty above ten thousand others. */
void long_upkeep(void)
{
	struct geometry geometry = { .order = 0, .arena = 16384, .limit = 20000, .retain = -1 };
	unsigned long index;
	bool refused;

	REQUIRE(hw_create(&geometry) && alloc_at(0, 10001, 0) && hw_free(0), "scene");
	for (index = 0; index < 10000; index++)
		span_granule_at(&hw.heap->arenas, index)->zero_from = 0;
	nresched = 0;
	shim_resched_hook = count_resched;
	EXPECT_EQ(span_heap_prezero(hw.heap, 1), 1);
	shim_resched_hook = NULL;
	EXPECT(nresched >= 3, "%u times", nresched);
	EXPECT_EQ(hw.fake.nzeroed, 1);
	EXPECT_EQ(span_granule_at(&hw.heap->arenas, 10000)->zero_from, 0);
	hw.heap->dirty_from = 0;
	/* The same for one that is scattered. */
	hw.fake.scatter_every = 1;
	hw.model.source.scatter_every = 1;
	REQUIRE(alloc_at(0, 10002, 0) && hw_free(0), "scene");
	defragment();
	nresched = 0;
	shim_resched_hook = count_resched;
	EXPECT_EQ(span_heap_repair(hw.heap, 1, &refused), 1);
	shim_resched_hook = NULL;
	EXPECT(nresched >= 3, "%u times", nresched);
	EXPECT_EQ(hw.heap->scattered_granules, 0);
	EXPECT_EQ(span_heap_destroy(hw.heap), 0);
	EXPECT_EQ(fake_backing_exit(&hw.fake), 0);
}

/* Wiped memory needs none of it, and poison must stay. */
void clearing_is_for_dirt(void)
{
	struct geometry geometry = eight;

	geometry.poison = true;
	REQUIRE(scene(&geometry) && hw_prezero(9) && hw_verify_all(), "poisoned");
	EXPECT_EQ(hw.fake.nzeroed, 0);
	hw_destroy();
	geometry.poison = false;
	geometry.wipe = true;
	REQUIRE(scene(&geometry), "scene");
	REQUIRE(hw_prezero(9) && hw_verify_all(), "wiped");
	EXPECT_EQ(hw.heap->stat.prezeroed_pages, 0);
	hw_destroy();
}

void repair_goes_from_below(void)
{
	struct spanalloc_stats stats;
	u64 metadata;

	REQUIRE(scene(&scattered_eight), "scene");
	span_heap_stats(hw.heap, &stats);
	metadata = stats.metadata_bytes;
	/* Blocks are still not to be had: at the first refusal it ends. */
	hw_fail_block(1);
	REQUIRE(hw_repair(4) && hw_verify_all(), "refused");
	EXPECT_EQ(hw.fake.nrefused, 1);
	hw_fail_block(3);
	REQUIRE(hw_repair(4) && hw_verify_all(), "refused after two");
	hw_fail_block(0);
	EXPECT(!span_granule_at(&hw.heap->arenas, 1)->scattered &&
	       !span_granule_at(&hw.heap->arenas, 2)->scattered &&
	       span_granule_at(&hw.heap->arenas, 4)->scattered, "the lowest ones first");
	span_heap_stats(hw.heap, &stats);
	EXPECT_EQ(stats.repaired, 2);
	EXPECT_EQ(stats.metadata_bytes, metadata - 2 * 8 * sizeof(struct page *));
	EXPECT_EQ(stats.backed, 6);
	EXPECT_EQ(stats.scavenged_pages, 0);
	/* The single pages went, and whoever wants a run finds one. */
	EXPECT_EQ(hw.fake.ngiven, 2);
	REQUIRE(alloc_at(8, 5, SPANALLOC_CONTIG | SPANALLOC_ZERO), "contiguous");
	hw_destroy();
}

/* Single pages that are near are better than a block that is far; a block on demand is not. */
void repair_goes_nowhere_else(void)
{
	bool refused;

	REQUIRE(scene(&scattered_eight), "scene");
	defragment();
	hw.fake.far = true;
	EXPECT_EQ(span_heap_repair(hw.heap, 4, &refused), 0);
	EXPECT(refused, "a block of another node");
	EXPECT_EQ(hw.fake.nrefused, 1);
	REQUIRE(alloc_at(48, 5, SPANALLOC_CONTIG) && hw_verify_all(), "on demand");
	hw.fake.far = false;
	REQUIRE(hw_repair(4) && hw_verify_all(), "a block of this one");
	EXPECT_EQ(hw.heap->stat.repaired, 4);
	hw_destroy();
}

/* Free 16 pages of two granules in single pages, or dirty ones, and let a second pass. */
static void free_and_wait(void)
{
	struct span *span = hw_request(16, 0, 0, GFP_KERNEL, 1);

	REQUIRE(!IS_ERR(span), "scene");
	EXPECT_EQ(span_heap_free(hw.heap, span), 0);
	fake_keeper_run(&hw.keeper, hw.keeper.now + NSEC_PER_SEC);
	EXPECT(!hw.keeper.pending, "the scavenger does not rest");
}

/* The scavenger sees to what is idle, once after each free that gave it something to see. */
void scavenger_tends(void)
{
	struct geometry geometry = scattered_eight;

	geometry.keeper = true;
	REQUIRE(hw_create(&geometry), "no heap");
	hw.fake.fail_contig = true;
	free_and_wait();
	EXPECT_EQ(hw.heap->stat.repaired, 0);
	EXPECT_EQ(hw.fake.nrefused, 1);
	hw.fake.fail_contig = false;
	fake_keeper_run(&hw.keeper, hw.keeper.now + NSEC_PER_SEC);
	EXPECT_EQ(hw.heap->stat.repaired, 0);
	free_and_wait();
	EXPECT_EQ(hw.heap->stat.repaired, 2);
	EXPECT_EQ(hw.heap->stat.prezeroed_pages, 0);
	hw.heap->prezero = true;
	free_and_wait();
	EXPECT_EQ(hw.heap->stat.prezeroed_pages, 16);
	EXPECT_EQ(hw.heap->stat.scavenged_pages, 0);
	hw_end();
}

/* Where there can be nothing to clear, nobody is woken to look; elsewhere once a free. */
void prezero_wakes_where_it_clears(void)
{
	struct geometry geometry = eight;
	unsigned int i;

	geometry.keeper = true;
	geometry.prezero = true;
	for (i = 0; i < 4; i++) {
		geometry.wipe = i & 1;
		geometry.poison = i & 2;
		REQUIRE(hw_create(&geometry), "no heap");
		free_and_wait();
		EXPECT_EQ(hw.keeper.nwakes, !i);
		EXPECT_EQ(hw.heap->stat.prezeroed_pages, i ? 0 : 16);
		hw_end();
	}
}

/* What a hook does while granule 1 is cleared, and whether that can be put back then. */
struct meanwhile {
	void (*act)(void);
	bool put_back;
};

static void allocate_it(void)
{
	EXPECT(!backed(1), "still there");
	EXPECT_EQ(hw.heap->backed_granules, 5);
	EXPECT(alloc_at(3, 21, SPANALLOC_ZERO), "all of it");
	EXPECT(hw_check(0), "check");
}

static void allocate_and_free_it(void)
{
	EXPECT(alloc_at(3, 6, 0) && hw_free(hw.nlive - 1), "and free");
}

static void allocate_below_it(void)
{
	EXPECT(alloc_at(3, 5, 0), "the rest of granule 0");
}

static void free_around_it(void)
{
	EXPECT(hw_free(hw_at(24)) && hw_free(hw_at(0)), "merge");
}

static void scavenge_all(void)
{
	EXPECT_EQ(span_heap_scavenge(hw.heap, ~0UL), 24);
	hw.model.table[1].backed = false;
	EXPECT_EQ(model_scavenge(&hw.model, ~0UL), 24);
	hw.model.table[1].backed = true;
}

static void clear_others(void)
{
	EXPECT_EQ(span_heap_prezero(hw.heap, 9), 3);
	hw.model.table[1].backed = false;
	EXPECT_EQ(model_prezero(&hw.model, 9), 3);
	hw.model.table[1].backed = true;
}

static void grow(void)
{
	EXPECT(alloc_at(32, 100, 0) && hw_free(hw.nlive - 1), "two arenas more");
}

static const struct meanwhile *now;

/* To the model granule 1 is released meanwhile. */
static void act(void *unused)
{
	hw.fake.fill_hook = NULL;
	hw.model.table[1].backed = false;
	now->act();
	if (now->put_back)
		hw.model.table[1].backed = true;
	else
		hw.model.count.scavenged_pages += 8;
}

void races_for_a_granule_that_is_cleared(void)
{
	static const struct meanwhile cases[] = {
		{ allocate_it, false },
		{ allocate_and_free_it, false },
		{ allocate_below_it, true },
		{ free_around_it, true },
		{ scavenge_all, true },
		{ clear_others, true },
		{ grow, true },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		bool put_back = cases[i].put_back;

		REQUIRE(scene(&eight), "scene");
		now = &cases[i];
		hw.fake.fill_hook = act;
		EXPECT_EQ(span_heap_prezero(hw.heap, 1), put_back);
		if (put_back) {
			hw.model.count.prezeroed_pages += 8;
			memset(hw.model.touched + 8, 0, 8 * sizeof(bool));
		}
		EXPECT(hw_verify_all(), "case %u", i);
		hw_destroy();
		REQUIRE(!ktap_failures, "case %u", i);
	}
}

static struct span_block held;
static bool reinstalled;

static void reinstall_under_claim(void *unused)
{
	hw.fake.hook = NULL;
	EXPECT_EQ(hw.heap->claimed_pages, 3);
	spin_lock(&hw.heap->lock);
	reinstalled = span_space_reinstall(hw.heap, 1, &held);
	spin_unlock(&hw.heap->lock);
}

/* A claim that is about to back a granule does that itself, although it is not there yet. */
void claims_are_not_given_a_cleared_granule(void)
{
	struct span_treap_node *node;

	REQUIRE(scene(&eight) && alloc_at(3, 5, 0), "scene");
	spin_lock(&hw.heap->lock);
	node = span_treap_first_above(&hw.heap->treap, 8, SPAN_FILTER_ALL);
	span_space_detach(hw.heap, node, 1, &held);
	spin_unlock(&hw.heap->lock);
	EXPECT(hw_check(0), "detached");
	hw.model.table[1].backed = false;
	reinstalled = true;
	hw.fake.hook = reinstall_under_claim;
	REQUIRE(alloc_at(8, 3, SPANALLOC_ZERO), "a part of the granule");
	EXPECT(!reinstalled, "reinstalled under a claim");
	hw.fake.hook = NULL;
	/* Nor is one that has other memory by now. */
	REQUIRE(hw_free(hw_at(8)), "idle");
	spin_lock(&hw.heap->lock);
	EXPECT(!span_space_reinstall(hw.heap, 1, &held), "reinstalled over other memory");
	hw.heap->damaged = true;
	EXPECT(!span_space_reinstall(hw.heap, 3, &held), "reinstalled in a damaged heap");
	hw.heap->damaged = false;
	spin_unlock(&hw.heap->lock);
	fake_backing_ops.give(&hw.fake, &held, 3);
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

static void take_all(void *unused)
{
	hw.fake.hook = NULL;
	EXPECT(alloc_at(3, 21, 0) && alloc_at(32, 16, 0), "all that is idle");
}

static void take_lowest(void *unused)
{
	hw.fake.hook = NULL;
	EXPECT(alloc_at(3, 21, 0), "granules 1 and 2");
}

static void damage_it(void *unused)
{
	hw.heap->damaged = true;
}

/* The block that was taken for a granule finds that not idle any more. */
void races_for_a_granule_that_is_repaired(void)
{
	bool refused;

	REQUIRE(scene(&scattered_eight), "scene");
	defragment();
	hw.fake.hook = take_all;
	EXPECT_EQ(span_heap_repair(hw.heap, 2, &refused), 0);
	EXPECT(!refused, "refused");
	EXPECT_EQ(hw.fake.ngiven, 1);
	EXPECT(hw_verify_all(), "nothing is left");
	hw_destroy();

	/* The next one serves as well. */
	REQUIRE(scene(&scattered_eight), "scene");
	defragment();
	hw.fake.hook = take_lowest;
	EXPECT_EQ(span_heap_repair(hw.heap, 1, &refused), 1);
	EXPECT_EQ(model_repair(&hw.model, 1, &refused), 1);
	EXPECT(hw_verify_all() && !span_granule_at(&hw.heap->arenas, 4)->scattered, "the next");
	hw_destroy();

	REQUIRE(scene(&scattered_eight), "scene");
	defragment();
	hw.fake.hook = damage_it;
	EXPECT_EQ(span_heap_repair(hw.heap, 2, &refused), 0);
	hw.fake.hook = NULL;
	EXPECT_EQ(span_heap_repair(hw.heap, 2, &refused), 0);
	EXPECT_EQ(span_heap_prezero(hw.heap, 2), 0);
	EXPECT_EQ(hw.fake.ntaken, 7);
	EXPECT_EQ(hw.fake.ngiven, 1);
	hw.heap->damaged = false;
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}
