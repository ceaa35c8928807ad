// SPDX-License-Identifier: GPL-2.0-only
/*
 * A heap and its model side by side: the operations, done to both.
 */
#include <stdlib.h>

#include "contents.h"

#include "heap_world.h"

#define STAMP	0x57a3000000000000ULL

/* What is written to a page that is full of poison. */
#define SPOILED	(fake_full_of(SPAN_POISON) ^ 0x11000000ULL)

/* What is done, before it is done; and how it ended. */
#define say(format, args...) do {			\
	if (hw.talk)					\
		ktap_note("  " format, ##args);		\
} while (0)

struct heap_world hw;

bool hw_create(const struct geometry *geometry)
{
	struct spanalloc_attr attr = {
		.name = "test",
		.nid = -1,
		.granule_order = geometry->order,
		.arena_pages = geometry->arena,
		.max_pages = geometry->limit,
		.retain_percent = geometry->retain,
		.account = geometry->account,
		.wipe = geometry->wipe,
		.poison = geometry->poison,
		.prezero = geometry->prezero,
		.window_ms = geometry->window_ms,
		.pace_permille = geometry->pace,
		.cache_pages = geometry->cache,
		.tree_seed = 1,
	};

	hw.geometry = *geometry;
	hw.nlive = 0;
	hw.last_owner = 0;
	hw.last_stamp = 0;
	fake_backing_init(&hw.fake);
	hw.fake.scatter_every = geometry->scatter_every;
	hw.fake.dirty = geometry->dirty;
	model_init(&hw.model, 1UL << geometry->order, geometry->arena, geometry->limit,
		   geometry->retain);
	hw.model.source.scatter_every = geometry->scatter_every;
	hw.model.account = geometry->account;
	hw.model.source.dirty = geometry->dirty;
	hw.model.poison = geometry->poison;
	hw.model.wipe = geometry->wipe && !geometry->poison;
	hw.heap = span_heap_create(&attr, &fake_backing_ops, &hw.fake);
	if (!EXPECT(!IS_ERR(hw.heap), "create: %ld", PTR_ERR(hw.heap)))
		return false;
	hw.keeper.heap = NULL;
	if (!geometry->keeper)
		return true;
	fake_keeper_add(&hw.keeper, hw.heap);
	hw.fake.clock = &hw.keeper.now;
	hw.fake.give_ns = geometry->give_ns;
	model_keep(&hw.model, hw.keeper.now, geometry->window_ms, geometry->pace,
		   geometry->give_ns);
	return true;
}

void hw_end(void)
{
	if (hw.keeper.heap) {
		fake_keeper_agrees(&hw.keeper);
		fake_keeper_remove(&hw.keeper);
		EXPECT_EQ(hw.keeper.nerrors, 0);
		hw.fake.clock = NULL;
	}
	EXPECT_EQ(span_heap_destroy(hw.heap), 0);
	hw.heap = NULL;
	EXPECT_EQ(fake_backing_exit(&hw.fake), 0);
	EXPECT_EQ(shim_live().objects, 0);
	EXPECT_EQ(shim_live().blocks, 0);
}

void hw_destroy(void)
{
	while (hw.nlive)
		if (!hw_free(hw.nlive - 1))
			return;
	hw_verify();
	/* What was not found out before is then. */
	hw_end();
	EXPECT_EQ(hw.fake.nbroken, hw.model.count.poison_broken + model_spoiled(&hw.model));
	EXPECT_EQ(hw.fake.ntaken, hw.fake.ngiven);
}

struct span *hw_request(unsigned long npages, unsigned long align, unsigned int flags,
			gfp_t gfp, unsigned int owner)
{
	const struct span_request request = {
		.npages = npages,
		.align = align,
		.flags = flags,
		.gfp = gfp,
		.caller = 0x1000 + owner,
		.owner = owner,
	};
	struct span *span;

	if (!gfpflags_allow_blocking(gfp))
		shim_enter_atomic();
	span = span_heap_alloc(hw.heap, &request);
	if (!gfpflags_allow_blocking(gfp))
		shim_leave_atomic();
	return span;
}

void hw_fail_block(unsigned long nth)
{
	hw.fake.fail_in = nth;
	hw.model.source.fail_in = nth;
}

void hw_fail_metadata(unsigned long nth)
{
	shim_fail_nth(nth);
}

/* Page @index of a span. */
struct page *hw_page(const struct live *live, unsigned long index)
{
	unsigned long npages;

	return span_heap_run(hw.heap, live->span, index, &npages);
}

void hw_stamp(const struct live *live)
{
	unsigned long i;

	for (i = 0; i < live->npages; i++)
		hw_page(live, i)->content = live->stamp + i;
}

bool hw_stamps_are_good(const struct live *live)
{
	unsigned long i;

	for (i = 0; i < live->npages; i++) {
		const struct page *page = hw_page(live, i);

		if (!EXPECT(page->content == live->stamp + i,
			    "page %lu of span %u at %lu holds %llx, not %llx", i,
			    live->owner, live->base, (long long)page->content,
			    (long long)(live->stamp + i)) ||
		    !EXPECT(page->refcount == 1, "%d references", page->refcount))
			return false;
	}
	return true;
}

/* Contiguous runs end where granules do, and after each page of a scattered one. */
static bool runs_are_right(const struct live *live)
{
	unsigned long index = 0, npages, expected, page;
	struct page *first;

	for (; index < live->npages; index++) {
		page = live->base + index;
		expected = min(hw.model.granule - page % hw.model.granule,
			       live->npages - index);
		if (hw.model.table[page / hw.model.granule].scattered)
			expected = 1;
		first = span_heap_run(hw.heap, live->span, index, &npages);
		if (!EXPECT(first && npages == expected, "run of %lu pages, not %lu, at %lu",
			    npages, expected, page))
			return false;
		if (npages > 1 && !EXPECT(hw_page(live, index + 1) == first + 1,
					  "pages at %lu are not neighbours", page))
			return false;
	}
	first = span_heap_run(hw.heap, live->span, live->npages, &npages);
	return EXPECT(!first && !npages, "a run beyond the span's end");
}

bool hw_is_zero(const struct live *live)
{
	unsigned long i;

	for (i = 0; i < live->npages; i++)
		if (!EXPECT(!hw_page(live, i)->content, "page %lu of %lu at %lu holds %llx",
			    i, live->npages, live->base,
			    (long long)hw_page(live, i)->content))
			return false;
	return true;
}

bool hw_is_as_left(const struct live *live)
{
	u64 left = fake_full_of(hw.model.poison ? SPAN_POISON : 0), content;
	unsigned long i;

	if (!hw.model.poison && !hw.model.wipe)
		return true;
	for (i = 0; i < live->npages; i++) {
		content = hw_page(live, i)->content;
		if (!EXPECT(content == left || (hw.model.poison && content == SPOILED),
			    "page %lu of %lu at %lu holds %llx", i, live->npages, live->base,
			    (long long)content))
			return false;
	}
	return true;
}

void hw_spoil(unsigned long nth)
{
	unsigned long page, nfree = 0, target;

	for (page = 0; page < hw.model.space; page++)
		nfree += hw.model.owner[page] == MODEL_FREE &&
			 hw.model.table[page / hw.model.granule].backed;
	if (!hw.model.poison || !nfree)
		return;
	target = nth % nfree;
	for (page = 0; page < hw.model.space; page++)
		if (hw.model.owner[page] == MODEL_FREE &&
		    hw.model.table[page / hw.model.granule].backed && !target--)
			break;
	say("write to free page %lu", page);
	span_granule_page(span_granule_at(&hw.heap->arenas, page / hw.model.granule),
			  page % hw.model.granule)->content = SPOILED;
	hw.model.spoiled[page] = true;
}

void hw_keep(struct live *live, struct span *span)
{
	*live = (struct live) {
		.span = span, .base = span->node.base, .npages = span->node.npages,
		.owner = span->owner, .stamp = (0x100ULL + span->owner) << 32,
	};
}

static bool take_over(struct span *span, unsigned long base, unsigned long npages,
		      unsigned int flags)
{
	struct live *live = &hw.live[hw.nlive++];

	*live = (struct live) {
		.span = span, .base = base, .npages = npages, .owner = hw.last_owner,
		.stamp = STAMP + hw.last_stamp,
	};
	hw.last_stamp += npages;
	if (!EXPECT(span->node.base == base && span->node.npages == npages,
		    "%lu pages at %lu instead of %lu at %lu", span->node.npages,
		    span->node.base, npages, base) ||
	    !EXPECT_EQ(span->node.state, SPAN_IN_USE) || !runs_are_right(live))
		return false;
	if (flags & SPANALLOC_ZERO ? !hw_is_zero(live) : !hw_is_as_left(live))
		return false;
	hw_stamp(live);
	return true;
}

static int model_says(const struct model_ask *ask, unsigned long *base)
{
	if (!shim_has_failed())
		return model_alloc(&hw.model, ask, hw.last_owner, base);
	/* Refused for want of metadata: nothing has changed. */
	*(ask->nowait ? &hw.model.count.fails_again : &hw.model.count.fails_memory) += 1;
	return ask->nowait ? -EAGAIN : -ENOMEM;
}

bool hw_alloc(unsigned long npages, unsigned long align, unsigned int flags, gfp_t gfp)
{
	const struct model_ask ask = {
		.npages = npages, .align = align ? align : 1,
		.contig = flags & SPANALLOC_CONTIG, .nowait = !gfpflags_allow_blocking(gfp),
		.zero = flags & SPANALLOC_ZERO,
	};
	unsigned long base = 0;
	struct span *span;
	int expected, got;

	say("alloc %lu align %lu%s%s%s", npages, align, flags & SPANALLOC_ZERO ? " zero" : "",
	    ask.contig ? " contig" : "", ask.nowait ? " nowait" : "");
	span = hw_request(npages, align, flags, gfp, ++hw.last_owner);
	got = PTR_ERR_OR_ZERO(span);
	expected = model_says(&ask, &base);
	hw_fail_block(0);
	shim_fail_nth(0);
	say("= %d at %lu", got, got ? 0 : span->node.base);
	if (!EXPECT(got == expected, "alloc of %lu pages, align %lu, flags %x: %d, not %d",
		    npages, align, flags, got, expected))
		return false;
	return got || take_over(span, base, npages, flags);
}

bool hw_free(size_t at)
{
	struct live live = hw.live[at];
	int err;

	if (!hw_stamps_are_good(&live))
		return false;
	say("free %lu pages at %lu", live.npages, live.base);
	shim_enter_atomic();
	err = span_heap_free(hw.heap, live.span);
	shim_leave_atomic();
	model_free(&hw.model, live.base, live.npages, live.quarantined);
	hw.live[at] = hw.live[--hw.nlive];
	return EXPECT_EQ(err, 0);
}

size_t hw_at(unsigned long base)
{
	size_t at = 0;

	while (hw.live[at].base != base)
		if (++at >= hw.nlive)
			abort();
	return at;
}

bool hw_split(size_t at, unsigned long npages)
{
	struct live *lower = &hw.live[at], *upper = &hw.live[hw.nlive];
	bool legal = npages && npages < lower->npages && !lower->quarantined;
	struct span *span;
	int expected;

	say("split %lu pages at %lu after %lu", lower->npages, lower->base, npages);
	span = span_heap_split(hw.heap, lower->span, npages, GFP_KERNEL);
	expected = shim_has_failed() ? -ENOMEM : legal ? 0 : -EINVAL;
	say("= %d", PTR_ERR_OR_ZERO(span));
	shim_fail_nth(0);
	if (lower->quarantined)	/* no mistake of a user's: the heap warns */
		EXPECT_EQ(shim_take_warnings(), expected == -EINVAL);
	if (!EXPECT_EQ(PTR_ERR_OR_ZERO(span), expected) || expected)
		return !ktap_failures;
	*upper = *lower;
	upper->span = span;
	upper->base += npages;
	upper->npages -= npages;
	upper->stamp += npages;
	lower->npages = npages;
	/* In the model every span has a number of its own. */
	upper->owner = ++hw.last_owner;
	model_split(&hw.model, lower->base, npages, upper->owner);
	hw.nlive++;
	if (!EXPECT(span->owner == lower->span->owner && span->caller == lower->span->caller,
		    "owner and caller of the upper part"))
		return false;
	span->owner = upper->owner;
	span->caller = 0x1000 + upper->owner;
	return EXPECT_EQ(span->node.base, upper->base) &&
	       EXPECT_EQ(span->node.npages, upper->npages) &&
	       EXPECT_EQ(lower->span->node.npages, npages) && runs_are_right(upper);
}

bool hw_quarantine(size_t at)
{
	struct live *live = &hw.live[at];
	int err;

	say("quarantine %lu pages at %lu", live->npages, live->base);
	err = span_heap_quarantine(hw.heap, live->span);
	if (live->quarantined)
		return EXPECT_EQ(err, -EINVAL) && EXPECT_EQ(shim_take_warnings(), 1);
	live->quarantined = true;
	model_quarantine(&hw.model, live->npages);
	return EXPECT_EQ(err, 0);
}

bool hw_before_take(void)
{
	say("release what is idle above the share");
	span_scavenger_before_take(hw.heap);
	model_before_take(&hw.model);
	return true;
}

bool hw_reclaim(unsigned long npages)
{
	unsigned long got;

	say("reclaim %lu", npages);
	got = span_scavenger_reclaim(hw.heap, npages);
	say("= %lu", got);
	return EXPECT_EQ(got, model_reclaim(&hw.model, npages));
}

bool hw_set_policy(int percent, unsigned int window_ms, unsigned int pace)
{
	const struct span_policy policy = {
		.retain_percent = percent, .window_ms = window_ms, .pace_permille = pace,
	};

	say("from here on, retain %d percent, window %u ms, pace %u permille", percent, window_ms,
	    pace);
	hw.geometry.window_ms = window_ms;
	fake_keeper_set_policy(&hw.keeper, &policy);
	model_set_policy(&hw.model, percent, window_ms, pace);
	return true;
}

bool hw_pass(u64 ns)
{
	say("%llu us pass", (unsigned long long)ns / 1000);
	fake_keeper_run(&hw.keeper, hw.keeper.now + ns);
	model_pass(&hw.model, ns);
	return EXPECT_EQ(hw.keeper.now, hw.model.keeper.now);
}

bool hw_scavenge(unsigned long npages)
{
	unsigned long got;

	say("scavenge %lu", npages);
	got = span_heap_scavenge(hw.heap, npages);
	say("= %lu", got);
	return EXPECT_EQ(got, model_scavenge(&hw.model, npages));
}

bool hw_prezero(unsigned long ngranules)
{
	unsigned long got;

	say("prezero %lu", ngranules);
	got = span_heap_prezero(hw.heap, ngranules);
	say("= %lu", got);
	return EXPECT_EQ(got, model_prezero(&hw.model, ngranules));
}

bool hw_repair(unsigned long ngranules)
{
	bool refused, expected;
	unsigned long got;

	say("repair %lu", ngranules);
	got = span_heap_repair(hw.heap, ngranules, &refused);
	say("= %lu%s", got, refused ? ", refused" : "");
	return EXPECT_EQ(got, model_repair(&hw.model, ngranules, &expected)) &&
	       EXPECT_EQ(refused, expected);
}
