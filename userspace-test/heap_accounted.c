// SPDX-License-Identifier: GPL-2.0-only
/*
 * A heap that somebody pays for: nothing of it is ever idle.
 */
#include "heap_world.h"

static const struct geometry eight = {
	.order = 3, .arena = 64, .limit = 1000, .account = true, .dirty = true,
};

static bool alloc_at(unsigned long base, unsigned long npages)
{
	return hw_alloc(npages, 0, 0, GFP_KERNEL) &&
	       EXPECT_EQ(hw.live[hw.nlive - 1].span->node.base, base);
}

static bool free_at(unsigned long base)
{
	return hw_free(hw_at(base));
}

/* hw_free() is in atomic context. */
void accounted_keeps_nothing(void)
{
	REQUIRE(hw_create(&eight), "no heap");
	REQUIRE(alloc_at(0, 3) && alloc_at(3, 20) && alloc_at(23, 9) &&
		alloc_at(32, 100), "scene");
	EXPECT_EQ(hw.heap->backed_granules, 17);
	/* Granule 1 is free as a whole, 0 and 2 are not. */
	REQUIRE(free_at(3) && hw_verify_all(), "the middle");
	EXPECT_EQ(hw.heap->backed_granules, 16);
	/* With the neighbour's part of it, granule 0. */
	REQUIRE(free_at(0) && hw_verify_all(), "the front");
	EXPECT_EQ(hw.heap->backed_granules, 15);
	REQUIRE(free_at(32) && hw_verify_all(), "thirteen at once");
	EXPECT_EQ(hw.heap->backed_granules, 2);
	REQUIRE(hw_quarantine(hw_at(23)) && hw_verify_all(), "in quarantine it stays");
	EXPECT_EQ(hw.heap->backed_granules, 2);
	REQUIRE(free_at(23) && hw_verify_all(), "the last");
	EXPECT_EQ(hw.heap->backed_granules, 0);
	EXPECT_EQ(hw.heap->stat.scavenged_pages, 17 * 8);
	REQUIRE(hw_scavenge(~0UL) && hw_alloc(40, 0, SPANALLOC_ZERO, GFP_KERNEL), "again");
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

/* More than a batch goes back, and what others have is not even looked at. */
void accounted_looks_at_what_is_freed(void)
{
	struct geometry geometry = { .order = 0, .arena = 16384, .limit = 16384, .account = true };
	unsigned long locks;

	REQUIRE(hw_create(&geometry), "no heap");
	REQUIRE(alloc_at(0, 100) && alloc_at(100, 1) && alloc_at(101, 1) &&
		alloc_at(102, 6000), "scene");
	REQUIRE(free_at(102) && hw_verify(), "more than one batch");
	EXPECT_EQ(hw.heap->backed_granules, 102);
	/* Below 16282 granules that are released, each of which would be looked at. */
	locks = shim_nlocks();
	REQUIRE(free_at(101), "below a long free span");
	EXPECT_EQ(hw.heap->backed_granules, 101);
	/* To free it, and to give its memory back. */
	EXPECT_EQ(shim_nlocks() - locks, 2);
	hw_destroy();
}

/*
 * Where memory is charged, an allocation that fails gives back what it has taken also
 * where it may not sleep, and the next one has to take it again.
 */
void accounted_failures(void)
{
	unsigned int nth;

	for (nth = 1; nth <= 3; nth++) {
		REQUIRE(hw_create(&eight) && hw_alloc(5, 0, 0, GFP_KERNEL), "scene");
		hw_fail_block(nth);
		REQUIRE(hw_alloc(27, 0, SPANALLOC_ZERO, nth % 2 ? GFP_NOWAIT : GFP_ATOMIC) &&
			hw_verify_all(), "refused");
		EXPECT_EQ(hw.nlive, 1);
		EXPECT_EQ(hw.heap->backed_granules, 1);
		EXPECT_EQ(hw.fake.ngiven, nth - 1);
		hw_fail_block(nth);
		REQUIRE(hw_alloc(27, 0, 0, GFP_KERNEL) && hw_verify_all(), "by sleeping, too");
		EXPECT_EQ(hw.nlive, 1);
		EXPECT_EQ(hw.heap->backed_granules, 1);
		REQUIRE(hw_alloc(27, 0, SPANALLOC_ZERO, GFP_ATOMIC) && hw_verify_all(), "granted");
		EXPECT_EQ(hw.nlive, 2);
		hw_destroy();
	}
}
