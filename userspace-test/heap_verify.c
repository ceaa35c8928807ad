// SPDX-License-Identifier: GPL-2.0-only
/*
 * A heap and its model side by side: every question, asked of both.
 */
#include "contents.h"

#include "heap_world.h"

static unsigned int differ(const char *what, u64 got, u64 expected)
{
	return !EXPECT(got == expected, "%s is %llu, not %llu", what,
		       (unsigned long long)got, (unsigned long long)expected);
}

static bool state_is_right(const struct spanalloc_stats *stats)
{
	const struct model *m = &hw.model;
	struct model_sums sums = model_sums(m);
	size_t i, in_use = 0;

	for (i = 0; i < hw.nlive; i++)
		in_use += !hw.live[i].quarantined;
#define SAME(field, expected) differ(#field, stats->field, expected)
	return !(SAME(address_pages, m->space) |
		 SAME(backed_pages, sums.backed_pages) |
		 SAME(in_use_pages, m->in_use) |
		 SAME(claimed_pages, 0) |
		 SAME(quarantined_pages, m->quarantined) |
		 SAME(free_pages, sums.free_pages) |
		 SAME(released_pages, m->space - sums.backed_pages) |
		 SAME(idle_pages, hw.geometry.account ? 0 : sums.idle_pages) |
		 SAME(largest_free_pages, sums.largest_free) |
		 SAME(free_spans, sums.free_spans) |
		 SAME(in_use_spans, in_use) |
		 SAME(granule_pages, m->granule) |
		 SAME(arena_pages, m->arena) |
		 SAME(max_pages, m->limit));
}

static bool counts_are_right(const struct spanalloc_stats *stats)
{
	const struct model_counts *count = &hw.model.count;

#define SAME_COUNT(field) differ(#field, stats->field, count->field)
	return !(SAME_COUNT(allocs) | SAME_COUNT(allocs_exact) |
		 SAME_COUNT(allocs_placed) | SAME_COUNT(frees) | SAME_COUNT(splits) |
		 SAME_COUNT(fails_limit) | SAME_COUNT(fails_space) |
		 SAME_COUNT(fails_memory) | SAME_COUNT(fails_again) |
		 SAME_COUNT(splits_in_place) | SAME_COUNT(merges_in_place) |
		 SAME_COUNT(tree_inserts) | SAME_COUNT(tree_erases) |
		 SAME_COUNT(grows) | SAME_COUNT(backed) | SAME_COUNT(backed_scattered) |
		 SAME_COUNT(scavenged_pages) | SAME(backing_races, 0) |
		 SAME_COUNT(zeroed_pages) | SAME_COUNT(zero_saved_pages) |
		 SAME_COUNT(wiped_pages) | SAME_COUNT(prezeroed_pages) |
		 SAME_COUNT(repaired) | SAME_COUNT(poison_broken));
}

/* What it is to keep; what its keeper was told; and when that is to call again. */
static bool policy_is_right(const struct spanalloc_stats *stats)
{
	struct model *m = &hw.model;
	unsigned long keep = model_goal(m).keep;
	const struct model_counts *count = &m->count;

	return !(SAME(goal_pages, min(keep, m->limit)) |
		 SAME(demand_pages, policy_demand(&m->policy) * m->granule) |
		 SAME(kept_pages, model_kept(m)) |
		 SAME_COUNT(kept_reused_pages) | SAME_COUNT(scavenged_inline_pages) |
		 SAME_COUNT(scavenged_reclaim_pages) | SAME_COUNT(scavenge_steps) |
		 SAME_COUNT(scavenge_ns)) &&
	       (!hw.keeper.heap ||
		(EXPECT(fake_keeper_agrees(&hw.keeper), "the keeper") &&
		 EXPECT_EQ(hw.keeper.now, m->keeper.now) &&
		 EXPECT_EQ(hw.keeper.pending, m->keeper.armed) &&
		 (!m->keeper.armed || EXPECT_EQ(hw.keeper.due, m->keeper.due)))) &&
	       /* Without a window there is no reason but the share. */
	       (m->policy.epoch_ns || EXPECT_EQ(stats->kept_pages, 0));
}

/* One object a span, and nothing else that nobody accounts for. */
static bool metadata_is_right(const struct spanalloc_stats *stats)
{
	unsigned long narenas = (hw.model.space + hw.model.arena - 1) / hw.model.arena;
	struct shim_live live = shim_live();
	unsigned long ndirs = 0;
	const struct span_directory *dir;

	/* Each as long as all before together, or longer. */
	for (dir = hw.heap->arenas.dir; dir && (!dir->older || 2 * dir->older->size <= dir->size);
	     dir = dir->older)
		ndirs++;

	return EXPECT_EQ(live.objects, stats->free_spans + hw.nlive) &&
	       EXPECT(!dir, "directories grow slowly") &&
	       EXPECT_EQ(live.blocks, 1 + !!hw.heap->caches + 4 * narenas + ndirs) &&
	       EXPECT_EQ(live.locks, 0) &&
	       EXPECT(stats->metadata_bytes >= 8 * narenas * hw.model.arena,
		      "%llu bytes", (unsigned long long)stats->metadata_bytes) &&
	       EXPECT_EQ(hw.fake.ntaken - hw.fake.ngiven,
			 stats->backed_pages / hw.model.granule);
}

bool hw_check(unsigned int batch)
{
	struct model_sums sums = model_sums(&hw.model);
	struct span_report report;
	int err = span_heap_check(hw.heap, batch, &report);

	return EXPECT(!err && !report.invariant, "check(%u): %d, invariant %d at page %lu",
		      batch, err, report.invariant, report.page) &&
	       EXPECT_EQ(report.spans, sums.free_spans + hw.nlive) &&
	       EXPECT_EQ(report.free_spans, sums.free_spans) &&
	       EXPECT_EQ(report.granules, hw.model.space / hw.model.granule) &&
	       EXPECT(report.sums_compared, "the sums were not compared");
}

bool hw_verify(void)
{
	struct spanalloc_stats stats;

	span_heap_stats(hw.heap, &stats);
	return state_is_right(&stats) && counts_are_right(&stats) &&
	       policy_is_right(&stats) && metadata_is_right(&stats) && hw_check(0) &&
	       EXPECT_EQ(hw.fake.nerrors, 0) &&
	       EXPECT(!shim_warnings, "%lu warnings", shim_warnings);
}

static const struct live *live_of(unsigned int owner)
{
	size_t i;

	for (i = 0; i < hw.nlive; i++)
		if (hw.live[i].owner == owner)
			return &hw.live[i];
	return NULL;
}

/* What a walk says of the span that covers @page; *@end is where it ends. */
static bool info_is_right(unsigned long page, unsigned long *end)
{
	const struct live *live = live_of(hw.model.owner[page]);
	struct span_info info = { 0 }, expected;
	unsigned long base;

	model_run(&hw.model, page, &base, end);
	expected = (struct span_info) {
		.base = base,
		.npages = *end - base,
		.nreleased = model_released_in(&hw.model, base, *end),
		.state = SPAN_FREE,
	};
	if (live) {
		expected.state = live->quarantined ? SPAN_QUARANTINED : SPAN_IN_USE;
		expected.owner = live->owner;
		expected.caller = 0x1000 + live->owner;
	}
	return EXPECT(span_heap_next_span(hw.heap, page, &info), "no span at %lu", page) &&
	       EXPECT_EQ(info.base, expected.base) && EXPECT_EQ(info.npages, expected.npages) &&
	       EXPECT_EQ(info.nreleased, expected.nreleased) &&
	       EXPECT_EQ(info.state, expected.state) && EXPECT_EQ(info.owner, expected.owner) &&
	       EXPECT_EQ(info.caller, expected.caller);
}

static bool walk_is_right(void)
{
	unsigned long page = 0, end;
	struct span_info info;

	while (page < hw.model.space) {
		if (!info_is_right(page, &end) || !info_is_right((page + end) / 2, &end))
			return false;
		page = end;
	}
	return EXPECT(!span_heap_next_span(hw.heap, page, &info), "a span at the end") &&
	       EXPECT(!span_heap_next_span(hw.heap, ~0UL, &info), "a span beyond");
}

static bool lookups_are_right(void)
{
	unsigned long page;
	size_t i;

	for (i = 0; i < hw.nlive; i++) {
		const struct live *live = &hw.live[i];
		struct span *expected = live->quarantined ? NULL : live->span;

		for (page = live->base; page < live->base + live->npages; page++)
			if (!EXPECT(span_heap_lookup(hw.heap, page) == expected,
				    "lookup of page %lu", page))
				return false;
	}
	for (page = 0; page < hw.model.space + 2; page++)
		if (page >= hw.model.space || hw.model.owner[page] == MODEL_FREE)
			if (!EXPECT(!span_heap_lookup(hw.heap, page),
				    "lookup of free page %lu", page))
				return false;
	return EXPECT(!span_heap_lookup(hw.heap, ~0UL), "lookup of the last page");
}

/* What a free page holds that has memory, and what the granule's mark says of it. */
static bool free_page_is_right(unsigned long page)
{
	unsigned long index = page / hw.model.granule, at = page % hw.model.granule;
	const struct span_granule *granule = span_granule_at(&hw.heap->arenas, index);
	u64 content = span_granule_page(granule, at)->content;

	if (hw.model.poison)
		return hw.model.spoiled[page] || content == fake_full_of(SPAN_POISON);
	return !content || (!hw.model.wipe && at < granule->zero_from);
}

/* Of one that is to be done, the marks of the upkeep may not be above it. */
static bool granule_is_right(unsigned long index)
{
	const struct span_granule *granule = span_granule_at(&hw.heap->arenas, index);
	unsigned long page = index * hw.model.granule, i;

	for (i = page; i < page + hw.model.granule; i++)
		if (hw.model.owner[i] == MODEL_FREE &&
		    !EXPECT(free_page_is_right(i), "contents of free page %lu", i))
			return false;
	if (!EXPECT_EQ(granule->zero_from, model_zero_from(&hw.model, index)))
		return false;
	if (!model_is_idle(&hw.model, index))
		return true;
	return EXPECT(!granule->zero_from || page >= hw.heap->dirty_from || hw.model.poison,
		      "dirty below %lu", hw.heap->dirty_from) &&
	       EXPECT(!granule->scattered || page >= hw.heap->scattered_from,
		      "scattered below %lu", hw.heap->scattered_from);
}

static bool contents_are_right(void)
{
	unsigned long index;

	for (index = 0; index < hw.model.space / hw.model.granule; index++)
		if (hw.model.table[index].backed && !granule_is_right(index))
			return false;
	return true;
}

bool hw_verify_all(void)
{
	size_t i;

	for (i = 0; i < hw.nlive; i++)
		if (!hw_stamps_are_good(&hw.live[i]))
			return false;
	return hw_verify() && contents_are_right() && walk_is_right() &&
	       lookups_are_right() && hw_check(1) && hw_check(2) && hw_check(5);
}
