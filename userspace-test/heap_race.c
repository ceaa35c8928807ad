// SPDX-License-Identifier: GPL-2.0-only
/*
 * Races, forced: what another thread might do while an allocation has dropped
 * the lock is done from a hook in the middle of it.
 */
#include "heap_world.h"

static const struct geometry eight = {
	.order = 3, .arena = 64, .limit = 1000, .retain = -1, .dirty = true,
};

/* Spans that hooks allocate. */
static struct live other[2];
static unsigned int nothers;

/* Allocates as another thread would; keeps the span, stamped. */
static int steal(unsigned long npages, unsigned int flags)
{
	struct span *span = hw_request(npages, 0, flags, GFP_KERNEL, 50 + nothers);
	struct live *live = &other[nothers];

	if (IS_ERR(span))
		return PTR_ERR(span);
	hw_keep(live, span);
	nothers++;
	if (flags & SPANALLOC_ZERO)
		hw_is_zero(live);
	hw_stamp(live);
	return 0;
}

static void settle(struct live *mine)
{
	struct span_report report;

	EXPECT(!span_heap_check(hw.heap, 0, &report), "invariant %d at %lu",
	       report.invariant, report.page);
	if (mine) {
		hw_stamps_are_good(mine);
		EXPECT_EQ(span_heap_free(hw.heap, mine->span), 0);
	}
	while (nothers) {
		hw_stamps_are_good(&other[--nothers]);
		EXPECT_EQ(span_heap_free(hw.heap, other[nothers].span), 0);
	}
	EXPECT(!span_heap_check(hw.heap, 1, &report), "invariant %d at %lu",
	       report.invariant, report.page);
	EXPECT_EQ(hw.fake.nerrors, 0);
	EXPECT_EQ(hw.heap->treap.nspans, 1);
	EXPECT_EQ(hw.heap->claimed_pages, 0);
	EXPECT_EQ(shim_live().objects, 1);
	EXPECT_EQ(span_heap_destroy(hw.heap), 0);
	EXPECT_EQ(fake_backing_exit(&hw.fake), 0);
	EXPECT_EQ(shim_live().blocks, 0);
}

static void steal_three(void *unused)
{
	if (!nothers)
		EXPECT_EQ(steal(3, SPANALLOC_ZERO), 0);
}

/* Two claims in one granule: the slower one's block goes back. */
void race_for_a_granule(void)
{
	struct live mine;
	struct span *span;

	REQUIRE(hw_create(&eight), "no heap");
	hw.fake.hook = steal_three;
	span = hw_request(3, 0, SPANALLOC_ZERO, GFP_KERNEL, 1);
	hw.fake.hook = NULL;
	REQUIRE(!IS_ERR(span), "%ld", PTR_ERR(span));
	hw_keep(&mine, span);
	hw_is_zero(&mine);
	hw_stamp(&mine);
	EXPECT_EQ(nothers, 1);
	EXPECT_EQ(mine.base, 0);
	EXPECT_EQ(other[0].base, 3);
	EXPECT_EQ(hw.heap->stat.backing_races, 1);
	EXPECT_EQ(hw.heap->stat.backed, 1);
	EXPECT_EQ(hw.fake.ntaken, 2);
	EXPECT_EQ(hw.fake.ngiven, 1);
	settle(&mine);
}

/* Our own request is refused, but the other claim has backed the granule. */
void race_won_before_failure(void)
{
	struct live mine;
	struct span *span;

	REQUIRE(hw_create(&eight), "no heap");
	hw.fake.hook = steal_three;
	hw.fake.fail_in = 2;
	span = hw_request(3, 0, SPANALLOC_ZERO, GFP_KERNEL, 1);
	hw.fake.hook = NULL;
	EXPECT_EQ(hw.fake.nrefused, 1);
	REQUIRE(!IS_ERR(span), "%ld, although the granule is backed", PTR_ERR(span));
	hw_keep(&mine, span);
	hw_is_zero(&mine);
	hw_stamp(&mine);
	EXPECT_EQ(hw.heap->stat.backing_races, 0);
	EXPECT_EQ(hw.heap->stat.fails_memory, 0);
	settle(&mine);
}

static void fail_to_steal(void *unused)
{
	hw.fake.fail_in = 1;
	EXPECT_EQ(steal(12, 0), -ENOMEM);
}

/* The other claim fails half way and merges back around ours. */
void race_lost_by_failure(void)
{
	struct live mine;
	struct span *span;

	REQUIRE(hw_create(&eight), "no heap");
	hw.fake.hook = fail_to_steal;
	span = hw_request(3, 0, SPANALLOC_ZERO, GFP_KERNEL, 1);
	hw.fake.hook = NULL;
	REQUIRE(!IS_ERR(span), "%ld", PTR_ERR(span));
	hw_keep(&mine, span);
	hw_is_zero(&mine);
	hw_stamp(&mine);
	EXPECT_EQ(hw.heap->stat.fails_memory, 1);
	settle(&mine);
}

/* Nobody sees a claim but the walk and the check, which know claims. */
static void look_at_claim(void *unused)
{
	struct spanalloc_stats stats;
	struct span_report report;
	struct span_info info;
	unsigned long page;

	for (page = 0; page < 20; page++) {
		EXPECT(!span_heap_lookup(hw.heap, page), "claimed page %lu found", page);
		EXPECT(span_heap_next_span(hw.heap, page, &info), "no span at %lu", page);
		EXPECT(info.base == 0 && info.npages == 20 && info.state == SPAN_CLAIMED &&
		       info.owner == 1, "page %lu: state %u at %lu", page, info.state,
		       info.base);
	}
	span_heap_stats(hw.heap, &stats);
	EXPECT_EQ(stats.claimed_pages, 20);
	EXPECT_EQ(stats.in_use_pages, 0);
	EXPECT_EQ(stats.free_pages, 44);
	for (page = 0; page < 3; page++)
		EXPECT(!span_heap_check(hw.heap, page, &report), "check(%lu): %d at %lu",
		       page, report.invariant, report.page);
	/* All that is idle or free may go; the claim may not. */
	EXPECT_EQ(span_heap_scavenge(hw.heap, ~0UL), 0);
}

void claims_are_invisible(void)
{
	struct live mine;
	struct span *span;

	REQUIRE(hw_create(&eight), "no heap");
	hw.fake.hook = look_at_claim;
	span = hw_request(20, 0, 0, GFP_KERNEL, 1);
	hw.fake.hook = NULL;
	REQUIRE(!IS_ERR(span), "%ld", PTR_ERR(span));
	hw_keep(&mine, span);
	hw_stamp(&mine);
	settle(&mine);
}

static unsigned int countdown;

static void grow_in_between(void)
{
	if (countdown && !--countdown)
		EXPECT_EQ(steal(40, 0), 0);
}

/* Another thread grows the heap while we make tables: at each of our allocations. */
void race_of_two_growths(void)
{
	struct live mine;
	struct span *span;
	unsigned int n;

	for (n = 1; n < 9; n++) {
		REQUIRE(hw_create(&eight), "no heap");
		countdown = n;
		shim_alloc_hook = grow_in_between;
		span = hw_request(40, 0, SPANALLOC_ZERO, GFP_KERNEL, 1);
		shim_alloc_hook = NULL;
		REQUIRE(!IS_ERR(span), "%ld", PTR_ERR(span));
		REQUIRE(!countdown || n > 7, "the hook ran too late, n %u", n);
		hw_keep(&mine, span);
		hw_is_zero(&mine);
		hw_stamp(&mine);
		if (!countdown) {
			EXPECT_EQ(other[0].base, 0);
			EXPECT_EQ(mine.base, 40);
			EXPECT_EQ(hw.heap->arenas.narenas, 2);
			EXPECT_EQ(hw.heap->stat.grows, 2);
		}
		countdown = 0;
		settle(&mine);
	}
}

static void grow_and_fail(void)
{
	if (countdown && !--countdown) {
		EXPECT_EQ(steal(40, 0), 0);
		shim_fail_nth(1);
	}
}

/* No memory for our tables, but somebody else has grown the heap: not a failure. */
void race_won_before_growth_fails(void)
{
	struct live mine;
	struct span *span;
	unsigned int n;

	/* The first allocation is that of the span object. */
	for (n = 2; n <= 7; n++) {
		REQUIRE(hw_create(&eight), "no heap");
		countdown = n;
		shim_alloc_hook = grow_and_fail;
		span = hw_request(20, 0, SPANALLOC_ZERO, GFP_KERNEL, 1);
		shim_alloc_hook = NULL;
		EXPECT(shim_has_failed(), "nothing failed");
		shim_fail_nth(0);
		REQUIRE(!IS_ERR(span), "n %u: %ld", n, PTR_ERR(span));
		hw_keep(&mine, span);
		hw_stamp(&mine);
		EXPECT_EQ(mine.base, 40);
		EXPECT_EQ(hw.heap->stat.fails_memory, 0);
		settle(&mine);
	}
}

static unsigned int nresched;

static void count_resched(void)
{
	nresched++;
}

/* A search with thousands of candidates that do not fit lets others have the lock. */
void long_searches(void)
{
	const struct geometry geometry = {
		.order = 3, .arena = 1024, .limit = 60000, .retain = -1, .scatter_every = 1,
	};
	unsigned int i;

	/* Three thousand scattered granules in one free span. */
	REQUIRE(hw_create(&geometry) && hw_alloc(24000, 0, 0, GFP_KERNEL) && hw_free(0),
		"scene");
	shim_resched_hook = count_resched;
	nresched = 0;
	REQUIRE(hw_alloc(4, 0, SPANALLOC_CONTIG, GFP_KERNEL), "contiguous");
	EXPECT_EQ(hw.live[0].base, 24000);
	EXPECT(nresched >= 2, "%u times", nresched);
	REQUIRE(hw_alloc(4, 0, SPANALLOC_CONTIG, GFP_ATOMIC), "without sleeping");
	shim_resched_hook = NULL;
	/* Three thousand holes [16n + 1, 16n + 8): long enough, but not aligned. */
	REQUIRE(hw_free(hw_at(24000)), "scene");
	while (hw.nlive)
		REQUIRE(hw_free(0), "scene");
	for (i = 0; i < 3000; i++)
		REQUIRE(hw_alloc(1, 0, 0, GFP_KERNEL) && hw_alloc(7, 0, 0, GFP_KERNEL) &&
			hw_alloc(8, 0, 0, GFP_KERNEL), "scene");
	for (i = 0; i < 3000; i++)
		REQUIRE(hw_free(hw_at(16 * i + 1)), "scene");
	shim_resched_hook = count_resched;
	nresched = 0;
	REQUIRE(hw_alloc(5, 8, 0, GFP_KERNEL), "aligned");
	EXPECT_EQ(hw.live[hw.nlive - 1].base, 48000);
	EXPECT(nresched >= 2, "%u times", nresched);
	REQUIRE(hw_alloc(7, 0, 0, GFP_KERNEL), "any");
	EXPECT_EQ(hw.live[hw.nlive - 1].base, 1);
	shim_resched_hook = NULL;
	EXPECT(hw_verify(), "after");
	hw_destroy();
}

/* 1025 holes [16n + 1, 16n + 8), none aligned; the address space ends with the last. */
static bool holes(void)
{
	const struct geometry geometry = {
		.order = 3, .arena = 8, .limit = 60000, .retain = -1,
	};
	unsigned int i;

	if (!hw_create(&geometry))
		return false;
	for (i = 0; i < 1025; i++)
		if ((i && !hw_alloc(8, 0, 0, GFP_KERNEL)) ||
		    !hw_alloc(1, 0, 0, GFP_KERNEL) || !hw_alloc(7, 0, 0, GFP_KERNEL))
			return false;
	for (i = 0; i < 1025; i++)
		if (!hw_free(hw_at(16 * i + 1)))
			return false;
	nresched = 0;
	return hw.heap->arenas.npages == 16392;
}

/* In which search it happens; before, the heap is only changed. */
static unsigned int free_in_search;

static void free_behind(void)
{
	nresched++;
	if (nresched < free_in_search)
		EXPECT(hw_quarantine(hw_at(8)), "which frees nothing");
	else if (nresched == free_in_search)
		EXPECT(hw_free(hw_at(16384)) && hw_free(hw_at(16376)), "before the last hole");
}

/*
 * While a search lets others have the lock, the last span becomes long enough, but
 * begins behind the search: the heap must search again, and not grow by nothing.
 * After the second search it is the plan to grow that finds out.
 */
void freed_behind_a_search(void)
{
	for (free_in_search = 1; free_in_search <= 2; free_in_search++) {
		REQUIRE(holes(), "scene");
		shim_resched_hook = free_behind;
		REQUIRE(hw_alloc(5, 8, 0, GFP_KERNEL), "aligned");
		shim_resched_hook = NULL;
		EXPECT(nresched >= free_in_search, "%u searches let go", nresched);
		EXPECT_EQ(hw.live[hw.nlive - 1].base, 16376);
		EXPECT_EQ(hw.heap->arenas.npages, 16392);
		EXPECT(hw_verify_all(), "after");
		hw_destroy();
	}
}

static void damage_it(void)
{
	nresched++;
	hw.heap->damaged = true;
}

/* A search that gets the lock back on a damaged heap goes no further, and nothing grows. */
void damaged_behind_a_search(void)
{
	struct span *span;

	REQUIRE(holes(), "scene");
	shim_resched_hook = damage_it;
	span = hw_request(5, 8, 0, GFP_KERNEL, 1);
	shim_resched_hook = NULL;
	EXPECT_EQ(PTR_ERR_OR_ZERO(span), -EIO);
	EXPECT_EQ(nresched, 1);
	EXPECT_EQ(hw.heap->arenas.npages, 16392);
	hw.heap->damaged = false;
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

static void steal_scattered(void *unused)
{
	if (!nothers) {
		hw.fake.scatter_every = 1;
		EXPECT_EQ(steal(3, 0), 0);
		hw.fake.scatter_every = 0;
	}
}

/* Another claim puts single pages behind the granule: the next one is as good. */
void race_contig_scattered(void)
{
	unsigned long npages;
	struct live mine;
	struct span *span;

	REQUIRE(hw_create(&eight), "no heap");
	hw.fake.hook = steal_scattered;
	span = hw_request(4, 0, SPANALLOC_CONTIG | SPANALLOC_ZERO, GFP_KERNEL, 1);
	hw.fake.hook = NULL;
	REQUIRE(!IS_ERR(span), "%ld", PTR_ERR(span));
	hw_keep(&mine, span);
	hw_is_zero(&mine);
	hw_stamp(&mine);
	EXPECT_EQ(other[0].base, 4);
	EXPECT_EQ(mine.base, 8);
	span_heap_run(hw.heap, span, 0, &npages);
	EXPECT_EQ(npages, 4);
	EXPECT_EQ(hw.heap->stat.backing_races, 1);
	settle(&mine);
}

static bool start_chaos(const void *geometry)
{
	struct rng rng;

	rng_seed(&rng, 0);
	hw.talk = trial_talk;
	if (!hw_create(geometry))
		return false;
	chaos_start(&rng, true);
	return true;
}

static bool do_chaos(const void *geometry, size_t number, size_t at)
{
	chaos_seed(opt_seed + 77, number);
	chaos_step();
	if (at % 8 == 0)
		chaos_look();
	return !ktap_failures;
}

/* Was there enough of what this is for? */
static void look_at_chaos(const struct geometry *geometry)
{
	struct spanalloc_stats stats;

	span_heap_stats(hw.heap, &stats);
	EXPECT(chaos_nested() > opt_ops / 2, "%lu steps in hooks", chaos_nested());
	EXPECT(chaos_in_bulk() > opt_ops / 2, "%lu spans in bulk", chaos_in_bulk());
	EXPECT(stats.backing_races > 0, "no races");
	EXPECT(stats.repaired > 0 || geometry->account, "none repaired");
	EXPECT(stats.prezeroed_pages > 0 || geometry->wipe || geometry->poison ||
	       geometry->account, "none cleared");
	EXPECT(!geometry->cache || (stats.cache_allocs > opt_ops / 20 && stats.cache_flushes > 10),
	       "%llu allocations from caches, %llu flushes",
	       (unsigned long long)stats.cache_allocs, (unsigned long long)stats.cache_flushes);
	EXPECT(!geometry->keeper || stats.scavenge_steps > opt_ops / 30, "%llu steps",
	       (unsigned long long)stats.scavenge_steps);
}

static bool finish_chaos(const void *arg, bool whole)
{
	const struct geometry *geometry = arg;

	chaos_calm();
	if (whole)
		look_at_chaos(geometry);
	/* Whoever is in the middle of something when others free has no excuse. */
	EXPECT(!geometry->account || !hw.heap->treap.ngranules_idle, "%lu granules are idle",
	       hw.heap->treap.ngranules_idle);
	chaos_finish();
	return !ktap_failures;
}

static void everything_in_the_hook(const struct geometry *geometry)
{
	const struct trial trial = {
		.name = "operations inside of operations", .start = start_chaos, .step = do_chaos,
		.finish = finish_chaos, .arg = geometry, .nsteps = 2 * opt_ops,
	};

	if (!ktap_failures)
		trial_run(&trial);
}

/* Everything at once: each hook may do any operation, hooks in hooks included. */
void race_everything_in_the_hook(void)
{
	struct geometry geometry = eight;

	geometry.scatter_every = 3;
	geometry.retain = 30;
	everything_in_the_hook(&geometry);
	geometry.wipe = true;
	everything_in_the_hook(&geometry);
	geometry.poison = true;
	everything_in_the_hook(&geometry);
}

void race_everything_accounted(void)
{
	struct geometry geometry = eight;

	geometry.scatter_every = 3;
	geometry.retain = 0;
	geometry.account = true;
	everything_in_the_hook(&geometry);
}

/* The same, and the scavenger and the system's reclaim. */
void race_with_a_keeper(void)
{
	struct geometry geometry = eight;

	geometry.scatter_every = 5;
	geometry.retain = 1;
	geometry.keeper = true;
	geometry.window_ms = 100;
	geometry.give_ns = 100000;
	everything_in_the_hook(&geometry);
}

/* With caches: on all CPUs, drained in between, and interrupted while they are at work. */
void race_with_caches(void)
{
	struct geometry geometry = eight;

	geometry.scatter_every = 3;
	geometry.retain = 30;
	geometry.cache = 64;
	everything_in_the_hook(&geometry);
}

/* The heap changes between the batches of a check. */
static void change_between_batches(void)
{
	chaos_step();
}

static unsigned int nuncompared;

static bool start_changing(const void *unused)
{
	struct rng rng;

	rng_seed(&rng, 0);
	nuncompared = 0;
	hw.talk = trial_talk;
	if (!hw_create(&eight))
		return false;
	chaos_start(&rng, false);
	return true;
}

static bool check_while_changing(const void *unused, size_t number, size_t at)
{
	struct span_report report;

	chaos_seed(opt_seed + 78, number);
	chaos_step();
	shim_resched_hook = change_between_batches;
	EXPECT(!span_heap_check(hw.heap, 1 + number % 5, &report), "check: %d at %lu",
	       report.invariant, report.page);
	shim_resched_hook = NULL;
	nuncompared += !report.sums_compared;
	return !ktap_failures;
}

static bool finish_changing(const void *unused, bool whole)
{
	EXPECT(!whole || nuncompared > 100, "the heap changed during %u checks only",
	       nuncompared);
	chaos_calm();
	chaos_finish();
	return !ktap_failures;
}

void check_in_batches_of_a_changing_heap(void)
{
	const struct trial trial = {
		.name = "a check while steps are done", .start = start_changing,
		.step = check_while_changing, .finish = finish_changing, .nsteps = 600,
	};

	trial_run(&trial);
}
