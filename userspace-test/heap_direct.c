// SPDX-License-Identifier: GPL-2.0-only
/*
 * Directed tests of a heap: one rule each, on a scene small enough to be drawn.
 */
#include "heap_world.h"

static const struct geometry eight = {
	.order = 3, .arena = 64, .limit = 1000, .retain = -1,
};

static const struct geometry dirty_eight = {
	.order = 3, .arena = 64, .limit = 1000, .retain = -1, .dirty = true,
};

/* Allocate and expect a place. */
static bool alloc_at(unsigned long base, unsigned long npages, unsigned long align,
		     unsigned int flags)
{
	return hw_alloc(npages, align, flags, GFP_KERNEL) &&
	       EXPECT_EQ(hw.live[hw.nlive - 1].span->node.base, base);
}

static bool free_at(unsigned long base)
{
	return hw_free(hw_at(base));
}

static long error_of(unsigned long npages, unsigned long align, unsigned int flags)
{
	return PTR_ERR_OR_ZERO(hw_request(npages, align, flags, GFP_KERNEL, 1));
}

void bad_requests(void)
{
	REQUIRE(hw_create(&eight), "no heap");
	REQUIRE(alloc_at(0, 5, 0, 0), "scene");
	EXPECT_EQ(error_of(0, 0, 0), -EINVAL);
	EXPECT_EQ(error_of(0, 1, SPANALLOC_ZERO), -EINVAL);
	EXPECT_EQ(error_of(1, 3, 0), -EINVAL);
	EXPECT_EQ(error_of(1, 6, 0), -EINVAL);
	EXPECT_EQ(error_of(1, ~0UL, 0), -EINVAL);
	EXPECT_EQ(error_of(1, 0, 4), -EINVAL);
	EXPECT_EQ(error_of(1, 0, ~0U), -EINVAL);
	EXPECT_EQ(error_of(9, 0, SPANALLOC_CONTIG), -EINVAL);
	EXPECT_EQ(error_of(1, 0, SPANALLOC_CONTIG | 1U << 31), -EINVAL);
	EXPECT_EQ(error_of(~0UL, 0, SPANALLOC_CONTIG), -EINVAL);
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

/* However long: more than the limit is over the limit, and no sum overflows. */
void absurd_lengths(void)
{
	static const unsigned long lengths[] = {
		1001, SPAN_HEAP_PAGES_MAX, SPAN_HEAP_PAGES_MAX + 1, 1UL << 62, 1UL << 63,
		~0UL - 1000, ~0UL - 64, ~0UL - 5, ~0UL - 4, ~0UL,
	};
	unsigned long i;

	REQUIRE(hw_create(&eight), "no heap");
	REQUIRE(alloc_at(0, 5, 0, 0), "scene");
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		EXPECT_EQ(error_of(lengths[i], 0, 0), -EDQUOT);
		EXPECT_EQ(error_of(lengths[i], 64, SPANALLOC_ZERO), -EDQUOT);
		EXPECT_EQ(PTR_ERR_OR_ZERO(hw_request(lengths[i], 0, 0, GFP_ATOMIC, 1)), -EDQUOT);
		hw.model.count.fails_limit += 3;
	}
	/* An alignment beyond the limit is legal, and hopeless above page 0. */
	EXPECT_EQ(error_of(1, 1UL << 63, 0), -ENOSPC);
	hw.model.count.fails_space++;
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

static long create_error(const struct spanalloc_attr *attr)
{
	struct span_heap *heap = span_heap_create(attr, &fake_backing_ops, NULL);

	if (!IS_ERR(heap))
		EXPECT_EQ(span_heap_destroy(heap), 0);
	return PTR_ERR_OR_ZERO(heap);
}

void bad_attributes(void)
{
	const struct spanalloc_attr good = {
		.name = "test", .nid = -1, .granule_order = 3, .arena_pages = 64,
		.retain_percent = -1,
	};
	struct spanalloc_attr attr;

#define WITH(field, value)	(attr = good, attr.field = (value), create_error(&attr))
	EXPECT_EQ(create_error(&good), 0);
	EXPECT_EQ(WITH(granule_order, 32), -EINVAL);
	EXPECT_EQ(WITH(granule_order, ~0U), -EINVAL);
	EXPECT_EQ(WITH(granule_order, 6), 0);
	EXPECT_EQ(WITH(granule_order, 7), -EINVAL);
	EXPECT_EQ(WITH(granule_order, 0), 0);
	EXPECT_EQ(WITH(arena_pages, 0), -EINVAL);
	EXPECT_EQ(WITH(arena_pages, 4), -EINVAL);
	EXPECT_EQ(WITH(arena_pages, 8), 0);
	EXPECT_EQ(WITH(arena_pages, 96), -EINVAL);
	EXPECT_EQ(WITH(arena_pages, BIT(26)), 0);
	EXPECT_EQ(WITH(arena_pages, BIT(27)), -EINVAL);
	EXPECT_EQ(WITH(max_pages, SPAN_HEAP_PAGES_MAX), 0);
	EXPECT_EQ(WITH(max_pages, SPAN_HEAP_PAGES_MAX + 1), -EINVAL);
	EXPECT_EQ(WITH(max_pages, 7), -EINVAL);
	EXPECT_EQ(WITH(max_pages, 8), 0);
	EXPECT_EQ(WITH(retain_percent, -2), -EINVAL);
	EXPECT_EQ(WITH(retain_percent, 0), 0);
	EXPECT_EQ(WITH(retain_percent, 1000001), -EINVAL);
	EXPECT_EQ(WITH(account, true), -EINVAL);
#undef WITH
	for (attr = good, attr.account = true; attr.retain_percent < 3; attr.retain_percent++)
		EXPECT_EQ(create_error(&attr), attr.retain_percent ? -EINVAL : 0);
	attr.retain_percent = 0;
	attr.window_ms = 1;
	EXPECT_EQ(create_error(&attr), -EINVAL);
	EXPECT_EQ(shim_live().blocks, 0);
}

/* The limit is whole granules, and the last arena may be cut by it. */
void limit_is_rounded(void)
{
	struct geometry geometry = eight;
	unsigned long limit;

	for (limit = 8; limit < 140; limit++) {
		unsigned long all = limit / 8 * 8;

		geometry.limit = limit;
		REQUIRE(hw_create(&geometry), "no heap");
		EXPECT(alloc_at(0, all, 0, SPANALLOC_ZERO) && hw_verify_all(), "limit %lu", limit);
		EXPECT_EQ(error_of(1, 0, 0), -EDQUOT);
		hw.model.count.fails_limit++;
		hw_destroy();
	}
}

void empty_heap(void)
{
	REQUIRE(hw_create(&eight), "no heap");
	EXPECT(hw_verify_all(), "empty");
	EXPECT(hw_scavenge(~0UL), "nothing to scavenge");
	EXPECT(hw_scavenge(0), "nothing asked for");
	EXPECT_EQ(hw.model.space, 0);
	hw_destroy();
}

void first_fit_positions(void)
{
	REQUIRE(hw_create(&eight), "no heap");
	REQUIRE(alloc_at(0, 17, 0, 0) && alloc_at(17, 3, 0, 0) && alloc_at(20, 1, 0, 0) &&
		alloc_at(21, 30, 0, 0) && alloc_at(51, 2, 0, 0), "carved from the front");
	/* Holes: [17,20) and [21,51). */
	REQUIRE(free_at(17) && free_at(21), "free");
	REQUIRE(alloc_at(21, 4, 0, 0), "too long for the first hole");
	REQUIRE(alloc_at(17, 2, 0, 0) && alloc_at(19, 1, 0, 0), "fits the first hole");
	REQUIRE(alloc_at(25, 26, 0, 0), "exactly the second");
	/* Over the seam of two arenas, and over several at once. */
	REQUIRE(alloc_at(53, 30, 0, 0) && alloc_at(83, 400, 0, 0), "beyond the end");
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

/* Allocation changes the free span where it stands: no insert, no erase. */
void carve_in_place(void)
{
	unsigned int i;

	REQUIRE(hw_create(&eight), "no heap");
	for (i = 0; i < 63; i++)
		REQUIRE(alloc_at(i, 1, 0, 0), "page %u", i);
	EXPECT_EQ(hw.heap->treap.ninserts, 1);
	EXPECT_EQ(hw.heap->treap.nerases, 0);
	EXPECT_EQ(hw.heap->stat.splits_in_place, 63);
	REQUIRE(alloc_at(63, 1, 0, 0), "the last");
	EXPECT_EQ(hw.heap->treap.nerases, 1);
	EXPECT_EQ(hw.heap->stat.allocs_exact, 1);
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

/* A freed span grows a free neighbour where it stands, below before above. */
void coalesce_in_place(void)
{
	unsigned int i;

	REQUIRE(hw_create(&eight), "no heap");
	for (i = 0; i < 64; i++)
		REQUIRE(alloc_at(i, 1, 0, 0), "page %u", i);
	for (i = 64; i-- > 32;)
		REQUIRE(free_at(i) && hw_check(0), "page %u", i);
	EXPECT_EQ(hw.heap->treap.ninserts, 2);
	EXPECT_EQ(hw.heap->stat.merges_in_place, 31);
	/* Page 10 alone, then 12, then 11: three become one. */
	REQUIRE(free_at(10) && free_at(12) && hw_verify_all(), "10 and 12");
	EXPECT_EQ(hw.heap->treap.nspans, 3);
	EXPECT_EQ(hw.heap->treap.nerases, 1);
	REQUIRE(free_at(11) && hw_verify_all(), "11");
	EXPECT_EQ(hw.heap->treap.nspans, 2);
	EXPECT_EQ(hw.heap->treap.nerases, 2);
	EXPECT_EQ(hw.heap->stat.merges_in_place, 32);
	hw_destroy();
}

void align_and_boundary(void)
{
	REQUIRE(hw_create(&eight), "no heap");
	REQUIRE(alloc_at(0, 1, 0, 0) && alloc_at(16, 3, 16, 0), "middle of a free span");
	REQUIRE(alloc_at(1, 15, 0, 0), "the part below is free");
	REQUIRE(alloc_at(19, 5, 0, SPANALLOC_CONTIG), "ends at a granule's end");
	REQUIRE(alloc_at(24, 6, 0, SPANALLOC_CONTIG), "in a new granule");
	REQUIRE(alloc_at(32, 3, 0, SPANALLOC_CONTIG), "would cross");
	REQUIRE(alloc_at(30, 2, 0, SPANALLOC_CONTIG), "fits below");
	REQUIRE(alloc_at(40, 8, 0, SPANALLOC_CONTIG), "a whole granule");
	REQUIRE(alloc_at(128, 1, 128, 0), "an arena further");
	REQUIRE(alloc_at(36, 2, 4, SPANALLOC_CONTIG), "both");
	REQUIRE(alloc_at(48, 70, 2, 0), "no longer than what is left below 128");
	REQUIRE(alloc_at(256, 8, 256, SPANALLOC_CONTIG), "both, further");
	EXPECT(hw_verify_all(), "after");
	EXPECT_EQ(hw.heap->stat.allocs_placed, 10);
	hw_destroy();
}

/*
 * The leak test: what a granule holds when it is backed, and what its users
 * leave in it, must not be read by who asks for zeroed pages, however the
 * lengths fall.
 */
void zero_after_dirt(void)
{
	const struct geometry *geometries[] = { &eight, &dirty_eight };
	unsigned long a, b, cases = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(geometries); i++)
		for (a = 1; a <= 17; a++)
			for (b = 1; b <= 17; b++, cases++) {
				REQUIRE(hw_create(geometries[i]), "no heap");
				/* First without, then with zeroing, side by side. */
				REQUIRE(alloc_at(0, a, 0, 0) &&
					alloc_at(a, b, 0, SPANALLOC_ZERO), "%lu+%lu", a, b);
				REQUIRE(free_at(0) && free_at(a), "free");
				/* Dirty now; the same memory in other cuts. */
				REQUIRE(alloc_at(0, b, 0, SPANALLOC_ZERO) &&
					alloc_at(b, a, 0, SPANALLOC_ZERO), "%lu+%lu", b, a);
				hw_destroy();
			}
	EXPECT_EQ(cases, 578);
}

/* What comes zeroed is not zeroed again, nor is what nobody has had since. */
void nothing_is_zeroed_twice(void)
{
	REQUIRE(hw_create(&eight), "no heap");
	REQUIRE(alloc_at(0, 3, 0, SPANALLOC_ZERO) && alloc_at(3, 20, 0, SPANALLOC_ZERO) &&
		alloc_at(23, 1, 0, SPANALLOC_ZERO), "fresh");
	EXPECT_EQ(hw.fake.nzeroed, 0);
	/* Pages 0 to 2 have been used, 24 and 25 have not. */
	REQUIRE(free_at(0) && alloc_at(0, 3, 0, SPANALLOC_ZERO), "used");
	EXPECT_EQ(hw.fake.nzeroed, 3);
	REQUIRE(alloc_at(24, 2, 0, SPANALLOC_ZERO) && free_at(24) &&
		alloc_at(24, 8, 0, SPANALLOC_ZERO), "used in part");
	EXPECT_EQ(hw.fake.nzeroed, 5);
	/* Gone and come again: the memory is new. */
	REQUIRE(free_at(24) && hw_scavenge(~0UL) && alloc_at(24, 8, 0, SPANALLOC_ZERO), "new");
	EXPECT_EQ(hw.fake.nzeroed, 5);
	/* Not asked for: nothing is zeroed, nor known to be zero. */
	REQUIRE(alloc_at(32, 4, 0, 0) && alloc_at(36, 4, 0, SPANALLOC_ZERO), "mixed");
	EXPECT_EQ(hw.fake.nzeroed, 9);
	hw_destroy();
}

void limits_have_their_errors(void)
{
	struct geometry geometry = eight;

	geometry.limit = 96;
	REQUIRE(hw_create(&geometry), "no heap");
	REQUIRE(hw_alloc(97, 0, 0, GFP_KERNEL) && !hw.nlive, "EDQUOT");
	EXPECT_EQ(hw.heap->stat.fails_limit, 1);
	REQUIRE(alloc_at(0, 40, 0, 0) && alloc_at(40, 10, 0, 0) && alloc_at(50, 46, 0, 0),
		"all of it");
	EXPECT_EQ(error_of(1, 0, 0), -EDQUOT);
	hw.model.count.fails_limit++;
	/* [0,40) and [50,96) are free: 86 pages, 46 in one run. */
	REQUIRE(free_at(0) && free_at(50), "free");
	EXPECT_EQ(error_of(87, 0, 0), -EDQUOT);
	EXPECT_EQ(error_of(86, 0, 0), -ENOSPC);
	EXPECT_EQ(error_of(47, 0, 0), -ENOSPC);
	EXPECT_EQ(error_of(41, 64, 0), -ENOSPC);
	hw.model.count.fails_limit++;
	hw.model.count.fails_space += 3;
	EXPECT_EQ(hw.heap->stat.fails_space, 3);
	EXPECT_EQ(hw.heap->stat.fails_limit, 3);
	REQUIRE(alloc_at(0, 40, 0, 0) && alloc_at(64, 32, 64, 0), "to the last page");
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

void nowait_never_grows(void)
{
	struct geometry geometry = eight;

	geometry.limit = 64;
	REQUIRE(hw_create(&geometry), "no heap");
	REQUIRE(hw_alloc(1, 0, 0, GFP_ATOMIC) && !hw.nlive, "from nothing");
	EXPECT_EQ(hw.heap->stat.fails_again, 1);
	EXPECT_EQ(hw.heap->arenas.npages, 0);
	REQUIRE(hw_alloc(65, 0, 0, GFP_NOWAIT) && !hw.nlive, "beyond the limit");
	EXPECT_EQ(hw.heap->stat.fails_limit, 1);
	REQUIRE(alloc_at(0, 40, 0, 0), "grown");
	REQUIRE(hw_alloc(8, 0, SPANALLOC_ZERO, GFP_ATOMIC), "within");
	EXPECT_EQ(hw.nlive, 2);
	REQUIRE(free_at(0), "free");
	REQUIRE(hw_alloc(57, 0, 0, GFP_ATOMIC) && hw.nlive == 1, "EDQUOT");
	EXPECT_EQ(hw.heap->stat.fails_limit, 2);
	REQUIRE(hw_alloc(41, 0, 0, GFP_ATOMIC) && hw.nlive == 1, "ENOSPC");
	EXPECT_EQ(hw.heap->stat.fails_space, 1);
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

/* What is backed needs no memory; what is not gets one attempt a granule. */
void nowait_takes_once(void)
{
	REQUIRE(hw_create(&eight), "no heap");
	REQUIRE(alloc_at(0, 16, 0, 0) && free_at(0), "two granules backed");
	hw.fake.fail_nowait = true;
	REQUIRE(hw_alloc(16, 0, SPANALLOC_ZERO, GFP_ATOMIC) && hw.nlive == 1, "backed");
	EXPECT_EQ(hw.fake.nrefused, 0);
	EXPECT_EQ(PTR_ERR_OR_ZERO(hw_request(16, 0, 0, GFP_NOWAIT, 1)), -EAGAIN);
	EXPECT_EQ(hw.fake.nrefused, 1);
	EXPECT_EQ(hw.heap->stat.fails_again, 1);
	EXPECT_EQ(hw.heap->stat.fails_memory, 0);
	hw.fake.fail_nowait = false;
	hw.model.count.fails_again++;
	EXPECT(hw_verify_all(), "after");
	/* What was taken before a refusal stays for the next. */
	hw_fail_block(2);
	REQUIRE(hw_alloc(16, 0, 0, GFP_NOWAIT) && hw.nlive == 1, "one of two");
	EXPECT_EQ(hw.fake.ntaken, 3);
	REQUIRE(hw_verify_all() && hw_alloc(16, 0, 0, GFP_NOWAIT) && hw.nlive == 2, "both");
	EXPECT_EQ(hw.fake.ntaken, 4);
	hw_destroy();
}

/* Zones and zeroing are the heap's business; the backing complains of the bits. */
void caller_flags_are_masked(void)
{
	REQUIRE(hw_create(&dirty_eight), "no heap");
	hw_alloc(20, 0, 0, GFP_HIGHUSER | __GFP_ZERO | __GFP_MOVABLE | __GFP_DMA32);
	hw_alloc(10, 0, 0, GFP_ATOMIC | __GFP_ZERO | __GFP_HIGHMEM);
	EXPECT_EQ(hw.nlive, 2);
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

void contig_avoids_scattered(void)
{
	struct geometry geometry = eight;

	geometry.scatter_every = 2;
	REQUIRE(hw_create(&geometry), "no heap");
	/* Granules 1, 3 and 5 become scattered. */
	REQUIRE(alloc_at(0, 48, 0, 0) && free_at(0), "scene");
	REQUIRE(alloc_at(0, 5, 0, SPANALLOC_CONTIG) && alloc_at(16, 5, 0, SPANALLOC_CONTIG) &&
		alloc_at(32, 5, 0, SPANALLOC_CONTIG), "every other one");
	REQUIRE(alloc_at(48, 5, 0, SPANALLOC_CONTIG), "never scattered on request");
	REQUIRE(alloc_at(5, 3, 0, SPANALLOC_CONTIG), "what is left of a good one");
	REQUIRE(alloc_at(8, 8, 0, 0), "the others serve who does not care");
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

void scavenge_from_above(void)
{
	unsigned long i;

	REQUIRE(hw_create(&eight), "no heap");
	/* Used: [0,8) [40,44); free and backed: [8,40) [44,104). */
	REQUIRE(alloc_at(0, 8, 0, 0) && alloc_at(8, 32, 0, 0) && alloc_at(40, 4, 0, 0) &&
		alloc_at(44, 60, 0, 0) && free_at(44) && free_at(8), "scene");
	REQUIRE(hw_scavenge(0) && hw_scavenge(1), "one granule for one page");
	for (i = 96; i < 104; i++)
		EXPECT_EQ(hw.model.table[i / 8].backed, false);
	REQUIRE(hw_verify_all() && hw_scavenge(9), "two granules for nine pages");
	REQUIRE(hw_verify_all() && hw_scavenge(48), "across the span in use");
	EXPECT_EQ(hw.heap->backed_granules, 1 + 2 + 1);
	REQUIRE(hw_verify_all() && hw_scavenge(~0UL), "the rest");
	EXPECT_EQ(hw.heap->backed_granules, 1 + 1);
	REQUIRE(alloc_at(8, 20, 0, SPANALLOC_ZERO), "the addresses stayed");
	EXPECT_EQ(hw.heap->treap.nspans, 2);
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

/*
 * One idle granule below ten thousand released ones, and forty in a row: more than
 * the lock is held for at a time.
 */
void scavenge_in_batches(void)
{
	struct geometry geometry = { .order = 0, .arena = 4096, .limit = 20000, .retain = -1 };

	REQUIRE(hw_create(&geometry), "no heap");
	REQUIRE(alloc_at(0, 10000, 0, 0) && alloc_at(10000, 1, 0, 0) && free_at(0), "scene");
	REQUIRE(hw_scavenge(40) && hw_verify(), "forty");
	REQUIRE(hw_scavenge(9959) && hw_verify(), "all but one");
	EXPECT_EQ(hw.heap->treap.ngranules_idle, 1);
	REQUIRE(hw_scavenge(1) && hw_verify(), "the last");
	EXPECT_EQ(hw.heap->treap.ngranules_idle, 0);
	REQUIRE(hw_scavenge(1) && hw_verify(), "none is left");
	hw_destroy();
}

/* More idle than the share allows goes back before more is taken, not otherwise. */
void retention(void)
{
	struct geometry geometry = eight;

	geometry.retain = 50;
	geometry.arena = 256;
	REQUIRE(hw_create(&geometry), "no heap");
	REQUIRE(alloc_at(0, 80, 0, 0) && alloc_at(80, 8, 0, 0) && free_at(0), "scene");
	EXPECT_EQ(hw.heap->backed_granules, 11);
	REQUIRE(alloc_at(0, 8, 0, 0), "backed already: nothing goes back");
	EXPECT_EQ(hw.heap->backed_granules, 11);
	REQUIRE(hw_alloc(8, 128, 0, GFP_ATOMIC), "may not sleep: nothing goes back");
	EXPECT_EQ(hw.heap->backed_granules, 12);
	REQUIRE(free_at(128) && hw_verify_all(), "scene");
	/* 16 in use, 100 claimed: 58 of the 72 idle pages may stay. */
	REQUIRE(alloc_at(88, 100, 0, 0) && hw_verify_all(), "goes back");
	EXPECT_EQ(hw.heap->stat.scavenged_pages, 16);
	EXPECT_EQ(hw.heap->backed_granules, 12 - 2 + 12);
	hw_destroy();
}

void split_in_use(void)
{
	unsigned long n;

	for (n = 1; n < 30; n++) {
		REQUIRE(hw_create(&eight), "no heap");
		REQUIRE(alloc_at(0, 5, 0, 0) && alloc_at(5, 30, 0, 0) && alloc_at(35, 4, 0, 0),
			"scene");
		REQUIRE(hw_split(1, 0) && hw_split(1, 30) && hw_split(1, 31) &&
			hw_split(1, ~0UL), "no split there");
		EXPECT_EQ(hw.nlive, 3);
		REQUIRE(hw_split(1, n) && hw_verify_all(), "at %lu", n);
		EXPECT_EQ(hw.nlive, 4);
		/* The parts go one by one, in both orders. */
		REQUIRE(free_at(n % 2 ? 5 : 5 + n) && hw_verify_all(), "one part");
		hw_destroy();
	}
}

void quarantine(void)
{
	REQUIRE(hw_create(&eight), "no heap");
	REQUIRE(alloc_at(0, 10, 0, 0) && alloc_at(10, 12, 0, 0), "scene");
	REQUIRE(hw_quarantine(0) && hw_verify_all(), "in quarantine");
	EXPECT(!span_heap_lookup(hw.heap, 5), "a quarantined span was found");
	EXPECT_EQ(hw.heap->quarantined_pages, 10);
	REQUIRE(hw_scavenge(~0UL) && hw_verify_all(), "its memory stays");
	shim_quiet = true;
	REQUIRE(hw_quarantine(0) && hw_split(0, 3), "no more than once");
	shim_quiet = false;
	REQUIRE(alloc_at(22, 3, 0, 0), "its pages are not handed out");
	REQUIRE(free_at(0) && hw_verify_all(), "free");
	REQUIRE(alloc_at(0, 10, 0, SPANALLOC_ZERO), "its pages are zeroed");
	hw_destroy();
}

static unsigned int ndrains;
static bool drain_frees;

static void drain_one(void *priv)
{
	EXPECT(priv == &ndrains, "priv");
	EXPECT_EQ(shim_live().locks, 0);
	ndrains++;
	if (drain_frees)
		hw_free(0);
}

void drain_before_failing(void)
{
	struct geometry geometry = eight;

	geometry.limit = 64;
	ndrains = 0;
	REQUIRE(hw_create(&geometry), "no heap");
	hw.heap->drain = drain_one;
	hw.heap->drain_priv = &ndrains;
	REQUIRE(alloc_at(0, 30, 0, 0) && alloc_at(30, 34, 0, 0), "scene");
	EXPECT_EQ(ndrains, 0);
	drain_frees = false;
	EXPECT_EQ(error_of(1, 0, 0), -EDQUOT);
	EXPECT_EQ(ndrains, 1);
	EXPECT_EQ(PTR_ERR_OR_ZERO(hw_request(1, 0, 0, GFP_ATOMIC, 1)), -EDQUOT);
	EXPECT_EQ(ndrains, 1);
	drain_frees = true;
	hw.model.count.fails_limit += 2;
	/* Frees [0,30): enough for this one, not for the next. */
	REQUIRE(!error_of(20, 0, 0), "after draining");
	EXPECT_EQ(ndrains, 2);
	EXPECT_EQ(error_of(20, 0, 0), 0);
	EXPECT_EQ(ndrains, 3);
	EXPECT_EQ(hw.nlive, 0);
	EXPECT_EQ(span_heap_free(hw.heap, span_heap_lookup(hw.heap, 0)), 0);
	EXPECT_EQ(span_heap_free(hw.heap, span_heap_lookup(hw.heap, 20)), 0);
	EXPECT_EQ(hw.heap->treap.nspans, 1);
	EXPECT_EQ(span_heap_destroy(hw.heap), 0);
	EXPECT_EQ(fake_backing_exit(&hw.fake), 0);
}

/* What is in use is reported and lost with its granules; the rest goes back. */
void destroy_with_leaks(void)
{
	unsigned int n;

	REQUIRE(hw_create(&eight), "no heap");
	REQUIRE(alloc_at(0, 10, 0, 0) && alloc_at(10, 30, 0, 0) && alloc_at(40, 3, 0, 0) &&
		alloc_at(43, 50, 0, 0) && hw_quarantine(hw_at(40)) && free_at(43) && free_at(10),
		"scene");
	EXPECT_EQ(hw.fake.ntaken, 12);
	shim_quiet = true;
	EXPECT_EQ(span_heap_destroy(hw.heap), 13);
	shim_quiet = false;
	/* Granules 0, 1 (leaked) and 5 (quarantined). */
	EXPECT_EQ(hw.fake.ngiven, 12 - 3);
	EXPECT_EQ(fake_backing_exit(&hw.fake), 3);
	EXPECT_EQ(shim_live().blocks, 0);
	EXPECT_EQ(shim_live().objects, 0);
	EXPECT_EQ(shim_take_warnings(), 0);

	/* More than are named one by one. */
	REQUIRE(hw_create(&eight), "no heap");
	for (n = 0; n < 40; n++)
		hw_alloc(2, 0, 0, GFP_KERNEL);
	shim_quiet = true;
	EXPECT_EQ(span_heap_destroy(hw.heap), 80);
	shim_quiet = false;
	EXPECT_EQ(fake_backing_exit(&hw.fake), 10);
}

void fragmentation(void)
{
	struct spanalloc_stats stats = { 0 };

	EXPECT_EQ(spanalloc_fragmentation(&stats), 0);
	stats.free_pages = 100;
	stats.largest_free_pages = 100;
	EXPECT_EQ(spanalloc_fragmentation(&stats), 0);
	stats.largest_free_pages = 25;
	EXPECT_EQ(spanalloc_fragmentation(&stats), 750);
	stats.free_pages = SPAN_HEAP_PAGES_MAX - 1;
	stats.largest_free_pages = stats.free_pages / 2;
	EXPECT_EQ(spanalloc_fragmentation(&stats), 500);
}

/* No limit: the address space is nearly 2^32 pages, and growing to it is refused politely. */
void large_address_space(void)
{
	struct geometry geometry = { .order = 9, .arena = 1UL << 14, .retain = -1 };

	hw.model.limit = 0;
	REQUIRE(hw_create(&geometry), "no heap");
	EXPECT_EQ(hw.heap->max_pages, round_down(SPAN_HEAP_PAGES_MAX, 512));
	EXPECT_EQ(error_of(hw.heap->max_pages + 1, 0, 0), -EDQUOT);
	/* Room enough, but the tables of so many arenas cannot be had. */
	shim_fail_nth(3);
	EXPECT_EQ(error_of(hw.heap->max_pages, 0, 0), -ENOMEM);
	shim_fail_nth(0);
	EXPECT_EQ(hw.heap->arenas.npages, 0);
	EXPECT_EQ(shim_live().objects, 0);
	EXPECT_EQ(shim_live().blocks, 1);
	EXPECT_EQ(span_heap_destroy(hw.heap), 0);
	EXPECT_EQ(fake_backing_exit(&hw.fake), 0);
}
