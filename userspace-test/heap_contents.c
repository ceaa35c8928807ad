// SPDX-License-Identifier: GPL-2.0-only
/*
 * What free pages contain, where that matters: wiped and poisoned heaps, on scenes small
 * enough to be drawn, and what others may do while pages are filled.
 */
#include "contents.h"

#include "heap_world.h"

static const struct geometry wiping = {
	.order = 3, .arena = 64, .limit = 1000, .retain = -1, .wipe = true,
};

static const struct geometry poisoning = {
	.order = 3, .arena = 64, .limit = 1000, .retain = -1, .poison = true,
};

/* What page @page of the heap holds, which is backed. */
static u64 *content(unsigned long page)
{
	unsigned long granule = hw.model.granule;

	return &span_granule_page(span_granule_at(&hw.heap->arenas, page / granule),
				  page % granule)->content;
}

/* Do the pages [@base, @end) all hold @expected? */
static bool all_hold(unsigned long base, unsigned long end, u64 expected)
{
	for (; base < end; base++)
		if (!EXPECT(*content(base) == expected, "page %lu holds %llx, not %llx", base,
			    (long long)*content(base), (long long)expected))
			return false;
	return true;
}

static bool alloc_at(unsigned long base, unsigned long npages, unsigned int flags)
{
	return hw_alloc(npages, 0, flags, GFP_KERNEL) &&
	       EXPECT_EQ(hw.live[hw.nlive - 1].span->node.base, base);
}

/* Used [0,5), [5,19) and [19,24). */
static bool scene(const struct geometry *geometry)
{
	return hw_create(geometry) && alloc_at(0, 5, 0) && alloc_at(5, 14, 0) &&
	       alloc_at(19, 5, 0);
}

/* Zero from the moment it is free, in part of a granule or all; nothing is left to do later. */
void freed_pages_are_wiped(void)
{
	struct geometry geometry = wiping;
	struct spanalloc_stats stats;
	unsigned int dirty;

	for (dirty = 0; dirty < 2; dirty++) {
		geometry.dirty = dirty;
		REQUIRE(scene(&geometry), "scene");
		/* Memory that did not come zeroed was cleared as a whole. */
		EXPECT_EQ(hw.fake.nzeroed, 24);
		REQUIRE(hw_free(hw_at(5)) && hw_verify_all(), "free");
		all_hold(5, 19, 0);
		EXPECT_EQ(hw.fake.nzeroed, 24 + 14);
		REQUIRE(alloc_at(5, 3, SPANALLOC_ZERO) && alloc_at(8, 11, SPANALLOC_ZERO) &&
			hw_quarantine(hw_at(8)) && hw_free(hw_at(8)) && hw_verify_all(), "again");
		span_heap_stats(hw.heap, &stats);
		EXPECT_EQ(hw.fake.nzeroed, 24 + 14 + 11);
		EXPECT_EQ(stats.wiped_pages, 24 + 14 + 11);
		EXPECT_EQ(stats.zeroed_pages, 0);
		EXPECT_EQ(stats.zero_saved_pages, 14);
		/* What comes zeroed is not cleared again. */
		REQUIRE(alloc_at(8, 11, 0) && alloc_at(24, 8, SPANALLOC_ZERO), "more");
		EXPECT_EQ(hw.fake.nzeroed, 24 + 14 + 11 + (dirty ? 8 : 0));
		hw_destroy();
	}
}

/* A span that is refused stays as it is: it is somebody's. */
void refused_frees_fill_nothing(void)
{
	const struct geometry *geometries[] = { &wiping, &poisoning };
	struct span *span, stranger = { .node.state = SPAN_IN_USE };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(geometries); i++) {
		unsigned long nfilled;

		REQUIRE(scene(geometries[i]), "scene");
		span = span_heap_lookup(hw.heap, 5);
		nfilled = hw.fake.nzeroed + hw.fake.nfilled;
		EXPECT_EQ(span_heap_view_begin(hw.heap, span), 0);
		EXPECT_EQ(span_heap_free(hw.heap, span), -EBUSY);
		EXPECT_EQ(span_heap_view_end(hw.heap, span), 0);
		shim_quiet = true;
		stranger.node.base = 5;
		stranger.node.npages = 14;
		EXPECT_EQ(span_heap_free(hw.heap, &stranger), -EINVAL);
		EXPECT_EQ(shim_take_warnings(), 1);
		shim_quiet = false;
		hw.heap->damaged = true;
		EXPECT_EQ(span_heap_free(hw.heap, span), -EIO);
		hw.heap->damaged = false;
		EXPECT_EQ(hw.fake.nzeroed + hw.fake.nfilled, nfilled);
		EXPECT(hw_verify_all(), "after");
		hw_destroy();
	}
}

static struct span *freed;
static unsigned int nlooks;

/* Everything that could be done to a span that is being freed; and to others. */
static void look_while_filling(void *unused)
{
	struct spanalloc_stats stats;
	struct span_report report;
	struct span_info info;
	struct span *other;
	unsigned long page;

	nlooks++;
	for (page = 5; page < 19; page++)
		EXPECT(!span_heap_lookup(hw.heap, page), "page %lu is found", page);
	EXPECT(span_heap_next_span(hw.heap, 12, &info) && info.state == SPAN_CLAIMED &&
	       info.base == 5 && info.npages == 14, "shown as %u", info.state);
	shim_quiet = true;
	EXPECT_EQ(span_heap_free(hw.heap, freed), -EINVAL);
	EXPECT_EQ(span_heap_quarantine(hw.heap, freed), -EINVAL);
	EXPECT_EQ(span_heap_view_begin(hw.heap, freed), -EINVAL);
	EXPECT_EQ(PTR_ERR_OR_ZERO(span_heap_split(hw.heap, freed, 3, GFP_KERNEL)), -EINVAL);
	EXPECT_EQ(shim_take_warnings(), 4);
	shim_quiet = false;
	span_heap_stats(hw.heap, &stats);
	EXPECT_EQ(stats.claimed_pages, 14);
	EXPECT_EQ(stats.in_use_pages, 10);
	EXPECT_EQ(stats.idle_pages, 0);
	EXPECT_EQ(span_heap_scavenge(hw.heap, ~0UL), 0);
	/* The pages are nobody's yet, and their neighbours can come and go. */
	other = hw_request(3, 0, 0, GFP_KERNEL, 99);
	REQUIRE(!IS_ERR(other), "%ld", PTR_ERR(other));
	EXPECT_EQ(other->node.base, 24);
	hw.fake.fill_hook = NULL;
	EXPECT_EQ(span_heap_free(hw.heap, other), 0);
	hw.fake.fill_hook = look_while_filling;
	for (page = 0; page < 3; page++)
		EXPECT(!span_heap_check(hw.heap, page, &report), "check(%lu): %d at %lu",
		       page, report.invariant, report.page);
	EXPECT_EQ(span_heap_scavenge(hw.heap, ~0UL), 8);
}

void half_freed_is_nobodys(void)
{
	const struct geometry *geometries[] = { &wiping, &poisoning };
	struct span_report report;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(geometries); i++) {
		REQUIRE(scene(geometries[i]), "scene");
		freed = span_heap_lookup(hw.heap, 5);
		nlooks = 0;
		hw.fake.fill_hook = look_while_filling;
		EXPECT_EQ(span_heap_free(hw.heap, freed), 0);
		hw.fake.fill_hook = NULL;
		/* [5,19) touches three granules. */
		EXPECT_EQ(nlooks, 3);
		all_hold(5, 19, geometries[i]->poison ? fake_full_of(SPAN_POISON) : 0);
		EXPECT_EQ(hw.heap->claimed_pages, 0);
		EXPECT_EQ(hw.heap->stat.frees, 4);
		EXPECT(!span_heap_check(hw.heap, 0, &report), "%d", report.invariant);
		EXPECT_EQ(span_heap_free(hw.heap, hw.live[0].span), 0);
		EXPECT_EQ(span_heap_free(hw.heap, hw.live[2].span), 0);
		EXPECT_EQ(hw.heap->treap.nspans, 1);
		EXPECT_EQ(span_heap_destroy(hw.heap), 0);
		EXPECT_EQ(hw.fake.nbroken, 0);
		EXPECT_EQ(fake_backing_exit(&hw.fake), 0);
		EXPECT_EQ(shim_live().objects, 0);
	}
}

static unsigned int nresched;

static void count_resched(void)
{
	nresched++;
}

/* Who may sleep lets others have the processor after each granule; who may not, does not. */
void long_frees_let_others_work(void)
{
	const struct geometry *geometries[] = { &wiping, &poisoning };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(geometries); i++) {
		REQUIRE(scene(geometries[i]), "scene");
		nresched = 0;
		shim_resched_hook = count_resched;
		shim_enter_atomic();
		EXPECT_EQ(span_heap_free(hw.heap, hw.live[0].span), 0);
		shim_leave_atomic();
		EXPECT_EQ(nresched, 0);
		EXPECT_EQ(span_heap_free_slowly(hw.heap, hw.live[1].span), 0);
		/* [5,19) touches three granules. */
		EXPECT_EQ(nresched, 3);
		shim_resched_hook = NULL;
		all_hold(0, 19, geometries[i]->poison ? fake_full_of(SPAN_POISON) : 0);
		EXPECT_EQ(span_heap_free_slowly(hw.heap, hw.live[2].span), 0);
		hw_end();
	}
}

static void damage_it(void *unused)
{
	hw.heap->damaged = true;
}

/* A heap that is found damaged meanwhile does not take the pages back. */
void damaged_while_wiping(void)
{
	struct span_info info;

	REQUIRE(scene(&wiping), "scene");
	freed = span_heap_lookup(hw.heap, 5);
	hw.fake.fill_hook = damage_it;
	EXPECT_EQ(span_heap_free(hw.heap, freed), -EIO);
	hw.fake.fill_hook = NULL;
	EXPECT_EQ(hw.heap->claimed_pages, 14);
	EXPECT(span_heap_next_span(hw.heap, 5, &info) && info.state == SPAN_CLAIMED, "lost");
	hw.heap->damaged = false;
	shim_quiet = true;
	EXPECT_EQ(span_heap_destroy(hw.heap), 24);
	shim_quiet = false;
	EXPECT_EQ(fake_backing_exit(&hw.fake), 3);
}

/* Full of poison whenever free; read as it is, or zeroed, when it is somebody's. */
void freed_pages_are_poisoned(void)
{
	struct geometry geometry = poisoning;
	struct spanalloc_stats stats;

	/* Where both are asked for, this is what is done. */
	geometry.wipe = true;
	REQUIRE(hw_create(&geometry) && alloc_at(0, 3, 0), "scene");
	all_hold(3, 8, fake_full_of(SPAN_POISON));
	REQUIRE(alloc_at(3, 9, SPANALLOC_ZERO) && hw_verify_all(), "zeroed");
	REQUIRE(hw_free(hw_at(3)) && hw_verify_all(), "free");
	all_hold(3, 16, fake_full_of(SPAN_POISON));
	span_heap_stats(hw.heap, &stats);
	EXPECT_EQ(stats.zeroed_pages, 9);
	EXPECT_EQ(stats.zero_saved_pages, 0);
	EXPECT_EQ(stats.wiped_pages, 0);
	/* Every page that is handed out is looked at, and none else. */
	EXPECT_EQ(hw.fake.nverified, 3 + 9);
	REQUIRE(hw_scavenge(~0UL), "scavenge");
	EXPECT_EQ(hw.fake.nverified, 3 + 9 + 8);
	EXPECT_EQ(hw.fake.nbroken, 0);
	hw_destroy();
}

/* Free and backed: [0,24), all of it. */
static bool poisoned_scene(void)
{
	shim_prints = 0;
	return scene(&poisoning) && hw_free(2) && hw_free(1) && hw_free(0) && hw_verify_all();
}

static bool told(unsigned long page, unsigned int first, unsigned int last)
{
	char text[160];
	int end = 0;

	snprintf(text, sizeof(text), "spanalloc: heap test: page %lu (pfn %%*x) was written after it was freed: bytes %u to %u, beginning with 0x%%n",
		 page, first, last);
	sscanf(shim_last_print, text, &end);
	return EXPECT(end, "'%s', not '%s'", shim_last_print, text);
}

/* Each is told once, and nobody is refused anything. */
void broken_pages_are_told(void)
{
	struct spanalloc_stats stats;

	REQUIRE(poisoned_scene(), "scene");
	shim_quiet = true;
	hw_spoil(2);
	hw_spoil(7);
	hw_spoil(9);
	REQUIRE(alloc_at(0, 8, 0) && hw_verify_all(), "as they are");
	EXPECT_EQ(shim_prints, 2);
	told(7, 3, 3);
	REQUIRE(alloc_at(8, 8, SPANALLOC_ZERO) && hw_verify_all(), "zeroed");
	EXPECT_EQ(shim_prints, 3);
	told(9, 3, 3);
	/* A page that is all zero, from its first byte to the last of these fake ones. */
	*content(20) = 0;
	hw.model.spoiled[20] = true;
	REQUIRE(alloc_at(16, 8, SPANALLOC_ZERO) && hw_verify_all(), "the last");
	told(20, 0, 7);
	span_heap_stats(hw.heap, &stats);
	EXPECT_EQ(stats.poison_broken, 4);
	/* Filled again when they are freed. */
	REQUIRE(hw_free(hw_at(0)) && alloc_at(0, 8, 0) && hw_verify_all(), "again");
	EXPECT_EQ(shim_prints, 4);
	EXPECT_EQ(shim_take_warnings(), 0);
	shim_quiet = false;
	hw_destroy();
}

/* All are counted, but the log is not filled. */
void few_broken_pages_are_told(void)
{
	unsigned long page;

	REQUIRE(poisoned_scene(), "scene");
	shim_quiet = true;
	for (page = 0; page < 20; page++)
		hw_spoil(page);
	REQUIRE(alloc_at(0, 24, 0) && hw_verify_all(), "all");
	EXPECT_EQ(shim_prints, 16);
	told(15, 3, 3);
	EXPECT_EQ(atomic_long_read(&hw.heap->poison_broken), 20);
	shim_quiet = false;
	hw_destroy();
}

/* What leaves the heap was looked at before, on whatever way. */
void broken_pages_do_not_get_away(void)
{
	struct geometry geometry = poisoning;

	shim_quiet = true;
	geometry.scatter_every = 1;
	REQUIRE(hw_create(&geometry) && alloc_at(0, 24, 0) && alloc_at(24, 3, 0) && hw_free(0),
		"scene");
	/* Free: [0,24), and [27,32) beside a span in use. */
	hw_spoil(1);
	hw_spoil(22);
	hw_spoil(8);
	hw_spoil(26);
	hw_spoil(25);
	REQUIRE(hw_scavenge(8) && hw_verify_all(), "scavenge");
	EXPECT_EQ(atomic_long_read(&hw.heap->poison_broken), 1);
	hw.fake.scatter_every = 0;
	hw.model.source.scatter_every = 0;
	REQUIRE(hw_repair(1) && hw_verify_all(), "repair");
	EXPECT_EQ(atomic_long_read(&hw.heap->poison_broken), 2);
	told(1, 3, 3);
	REQUIRE(hw_free(0), "free");
	/* Of granule 1 one page is left, of granule 3 two. */
	EXPECT_EQ(span_heap_destroy(hw.heap), 0);
	EXPECT_EQ(hw.fake.nbroken, 2 + 3);
	told(29, 3, 3);
	shim_quiet = false;
	EXPECT_EQ(fake_backing_exit(&hw.fake), 0);
}

/* An allocation that fails changes nothing that could be found out later. */
void failures_leave_poison_as_it_is(void)
{
	REQUIRE(poisoned_scene(), "scene");
	shim_quiet = true;
	hw_spoil(2);
	hw_spoil(20);
	/* It is not its turn to find out: memory is missing. */
	hw_fail_block(1);
	REQUIRE(hw_alloc(25, 0, SPANALLOC_ZERO, GFP_ATOMIC) && !hw.nlive && hw_verify_all(),
		"refused");
	EXPECT_EQ(shim_prints, 0);
	/* Killed after the first granule, which was verified and zeroed by then. */
	shim_signal_pending = true;
	EXPECT_EQ(PTR_ERR(hw_request(24, 0, SPANALLOC_ZERO, GFP_KERNEL, 1)), -EINTR);
	shim_signal_pending = false;
	EXPECT_EQ(shim_prints, 1);
	told(2, 3, 3);
	hw.model.spoiled[2] = false;
	hw.model.count.poison_broken++;
	hw.model.count.zeroed_pages += 8;
	REQUIRE(hw_verify_all(), "killed");
	REQUIRE(alloc_at(0, 24, 0) && hw_verify_all(), "not refused");
	EXPECT_EQ(shim_prints, 2);
	told(20, 3, 3);
	shim_quiet = false;
	hw_destroy();
}

/* Before a heap ends, pages may go that somebody still writes to. */
void contents_are_forgotten_in_the_end(void)
{
	const struct geometry plain = { .order = 3, .arena = 64, .limit = 1000, .retain = -1 };
	const struct geometry *geometries[] = { &wiping, &poisoning, &plain };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(geometries); i++) {
		unsigned long nfilled;

		REQUIRE(scene(geometries[i]) && alloc_at(24, 16, 0) && hw_free(hw_at(24)),
			"scene");
		shim_quiet = true;
		/* The last page of an idle granule, if anything. */
		hw_spoil(15);
		span_heap_forget_contents(hw.heap);
		EXPECT_EQ(hw.fake.nbroken, geometries[i]->poison);
		EXPECT_EQ(hw.fake.ngiven, 2);
		shim_quiet = false;
		nfilled = hw.fake.nzeroed + hw.fake.nfilled;
		EXPECT_EQ(span_heap_free(hw.heap, hw.live[1].span), 0);
		EXPECT_EQ(*content(5), hw.live[1].stamp);
		/* Pages that are idle now are not the scavenger's to clear. */
		EXPECT_EQ(span_heap_prezero(hw.heap, 9), 0);
		EXPECT_EQ(*content(8), hw.live[1].stamp + 3);
		EXPECT_EQ(span_heap_free(hw.heap, hw.live[0].span), 0);
		EXPECT_EQ(span_heap_free(hw.heap, hw.live[2].span), 0);
		EXPECT_EQ(span_heap_destroy(hw.heap), 0);
		EXPECT_EQ(hw.fake.nzeroed + hw.fake.nfilled, nfilled);
		EXPECT_EQ(hw.fake.nbroken, geometries[i]->poison);
		EXPECT_EQ(fake_backing_exit(&hw.fake), 0);
	}
}
