// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what free pages contain, and of the upkeep of idle granules: on fake
 * memory (see fixture.c), and, where real bytes matter, on real memory.
 */

#include <linux/err.h>
#include <linux/mm.h>
#include <linux/spanalloc.h>
#include <linux/string.h>

#include "contents.h"
#include "fixture.h"

static const struct spanalloc_attr wiping = {
	.nid = NUMA_NO_NODE, .granule_order = FIXTURE_ORDER, .arena_pages = FIXTURE_ARENA,
	.max_pages = FIXTURE_MAX, .retain_percent = SPANALLOC_RETAIN_ALL, .tree_seed = 1,
	.wipe = true,
};

/* Both are asked for; it is poison that counts. */
static const struct spanalloc_attr poisoning = {
	.nid = NUMA_NO_NODE, .granule_order = FIXTURE_ORDER, .arena_pages = FIXTURE_ARENA,
	.max_pages = FIXTURE_MAX, .retain_percent = SPANALLOC_RETAIN_ALL, .tree_seed = 1,
	.wipe = true, .poison = true,
};

static struct page *page_at(struct kunit *test, unsigned long page)
{
	const struct span_granule *granule =
		span_granule_at(&span_fixture_heap(test)->arenas, page / FIXTURE_GRANULE);

	KUNIT_ASSERT_TRUE_MSG(test, span_granule_backed(granule), "page %lu", page);
	return span_granule_page(granule, page % FIXTURE_GRANULE);
}

static void expect_all(struct kunit *test, unsigned long base, unsigned long end,
		       unsigned long value)
{
	for (; base < end; base++)
		KUNIT_EXPECT_EQ_MSG(test, page_private(page_at(test, base)), value,
				    "page %lu", base);
}

/* A span of @npages pages at @base that its owner writes to. */
static struct span *used(struct kunit *test, unsigned long base, unsigned long npages)
{
	struct span *span = span_fixture_alloc_at(test, base, npages);

	span_fixture_stamp(test, span);
	return span;
}

static void wiped_pages_are_zero_when_they_are_free(struct kunit *test)
{
	struct span_fake *fake = span_fixture_fake(test);
	struct span *span;

	span_fixture_remake(test, &wiping);
	used(test, 0, 5);
	span = used(test, 5, 14);
	KUNIT_EXPECT_EQ(test, fake->nzeroed, 24);
	span_fixture_free(test, span);
	expect_all(test, 5, 24, 0);
	KUNIT_EXPECT_EQ(test, fake->nzeroed, 24 + 14);
	span_fixture_place(test, 5, 19, 0, SPANALLOC_ZERO);
	KUNIT_EXPECT_EQ(test, fake->nzeroed, 24 + 14);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->wiped_pages, 24 + 14);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->zeroed_pages, 0);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->zero_saved_pages, 19);
	span_fixture_check(test);
}

static void refused_frees_wipe_nothing(struct kunit *test)
{
	struct span_heap *heap;
	struct span *span;

	span_fixture_remake(test, &wiping);
	heap = span_fixture_heap(test);
	span = used(test, 0, 3);
	KUNIT_EXPECT_EQ(test, span_heap_view_begin(heap, span), 0);
	KUNIT_EXPECT_EQ(test, span_heap_free(heap, span), -EBUSY);
	KUNIT_EXPECT_EQ(test, span_heap_view_end(heap, span), 0);
	expect_all(test, 2, 3, FIXTURE_STAMP + 2);
}

static void look_at_what_is_freed(void *arg)
{
	struct kunit *test = arg;
	struct span_info info = { };

	KUNIT_EXPECT_NULL(test, span_heap_lookup(span_fixture_heap(test), 5));
	KUNIT_EXPECT_TRUE(test, span_heap_next_span(span_fixture_heap(test), 5, &info));
	KUNIT_EXPECT_EQ(test, info.state, SPAN_CLAIMED);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->claimed_pages, 14);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->idle_pages, 0);
	span_fixture_check(test);
	span_fixture_alloc_at(test, 24, 1);
}

static void half_freed_is_nobodys_to_see(struct kunit *test)
{
	struct span_fake *fake = span_fixture_fake(test);
	struct span *span;

	span_fixture_remake(test, &wiping);
	used(test, 0, 5);
	span = used(test, 5, 14);
	used(test, 19, 5);
	fake->fill_hook = look_at_what_is_freed;
	fake->hook_arg = test;
	span_fixture_free(test, span);
	KUNIT_EXPECT_NULL(test, fake->fill_hook);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->claimed_pages, 0);
	span_fixture_alloc_at(test, 5, 14);
}

static void broken_pages_are_counted(struct kunit *test)
{
	unsigned long poison = span_fake_full_of(SPAN_POISON);
	struct span_fake *fake = span_fixture_fake(test);
	struct span *span;

	span_fixture_remake(test, &poisoning);
	span = used(test, 0, 3);
	expect_all(test, 3, 8, poison);
	used(test, 3, 21);
	span_fixture_free_at(test, 3);
	expect_all(test, 3, 24, poison);
	/* Handed out: two. Given back: one. In the end: one. */
	set_page_private(page_at(test, 4), 1);
	set_page_private(page_at(test, 5), poison ^ 1);
	set_page_private(page_at(test, 16), 0);
	set_page_private(page_at(test, 10), poison + 1);
	span = span_fixture_ask(test, 5, 0, SPANALLOC_ZERO, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(span));
	expect_all(test, 3, 8, 0);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->poison_broken, 2);
	KUNIT_EXPECT_EQ(test, span_heap_scavenge(span_fixture_heap(test), 1), 8);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->poison_broken, 3);
	span_fixture_free(test, span);
	expect_all(test, 3, 8, poison);
	KUNIT_EXPECT_EQ(test, fake->nbroken, 3);
	span_heap_scavenge(span_fixture_heap(test), ~0UL);
	KUNIT_EXPECT_EQ(test, fake->nbroken, 4);
}

/* Killed on its way, or without memory: nothing is found out too early, or twice. */
static void failed_allocations_leave_poison(struct kunit *test)
{
	unsigned long poison = span_fake_full_of(SPAN_POISON);

	span_fixture_remake(test, &poisoning);
	used(test, 0, 16);
	span_fixture_free_at(test, 0);
	set_page_private(page_at(test, 7), 0);
	span_fixture_fake(test)->fail_nowait = true;
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 17, 0, 0, GFP_ATOMIC), -EAGAIN);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->poison_broken, 0);
	expect_all(test, 0, 7, poison);
	expect_all(test, 7, 8, 0);
	expect_all(test, 8, 16, poison);
	KUNIT_EXPECT_EQ(test, span_fixture_error(test, 16, 0, 0, GFP_ATOMIC), 0);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->poison_broken, 1);
}

/* Idle: granules 1, 2 and 4, all dirty. */
static void idle_scene(struct kunit *test)
{
	used(test, 0, 3);
	used(test, 3, 21);
	used(test, 24, 8);
	used(test, 32, 8);
	span_fixture_free_at(test, 3);
	span_fixture_free_at(test, 32);
}

static u32 zero_from(struct kunit *test, unsigned long index)
{
	return span_granule_at(&span_fixture_heap(test)->arenas, index)->zero_from;
}

static void idle_granules_are_cleared_from_below(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);

	idle_scene(test);
	KUNIT_EXPECT_EQ(test, span_heap_prezero(heap, 1), 1);
	KUNIT_EXPECT_EQ(test, zero_from(test, 1), 0);
	KUNIT_EXPECT_EQ(test, zero_from(test, 2), FIXTURE_GRANULE);
	span_fixture_check(test);
	KUNIT_EXPECT_EQ(test, span_heap_prezero(heap, 5), 2);
	KUNIT_EXPECT_EQ(test, span_heap_prezero(heap, 5), 0);
	expect_all(test, 8, 24, 0);
	expect_all(test, 32, 40, 0);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->prezeroed_pages, 24);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->idle_pages, 24);
	span_fixture_check(test);
	span_fixture_place(test, 3, 21, 0, SPANALLOC_ZERO);
	expect_all(test, 3, 24, 0);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->zeroed_pages, 5);
	/* What is freed is looked at again. */
	span_fixture_stamp(test, span_heap_lookup(heap, 3));
	span_fixture_free_at(test, 3);
	KUNIT_EXPECT_EQ(test, span_heap_prezero(heap, 5), 2);
	expect_all(test, 8, 24, 0);
}

static void allocate_what_is_cleared(void *arg)
{
	span_fixture_check(arg);
	used(arg, 3, 21);
}

static void scavenge_what_is_idle(void *arg)
{
	struct kunit *test = arg;

	KUNIT_EXPECT_EQ(test, span_heap_scavenge(span_fixture_heap(test), ~0UL), 16);
}

static void granule_is_wanted_while_it_is_cleared(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	struct span_fake *fake = span_fixture_fake(test);

	idle_scene(test);
	fake->hook_arg = test;
	fake->fill_hook = scavenge_what_is_idle;
	KUNIT_EXPECT_EQ(test, span_heap_prezero(heap, 1), 1);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->idle_pages, 8);
	span_fixture_check(test);
	/* It is the only one that is idle now; make it dirty. */
	used(test, 3, 13);
	span_fixture_free_at(test, 3);
	fake->fill_hook = allocate_what_is_cleared;
	KUNIT_EXPECT_EQ(test, span_heap_prezero(heap, 1), 0);
	expect_all(test, 23, 24, FIXTURE_STAMP + 23);
	expect_all(test, 8, 9, FIXTURE_STAMP + 8);
	KUNIT_EXPECT_EQ(test, fake->ntaken - fake->ngiven,
			span_fixture_stats(test)->backed_pages / FIXTURE_GRANULE);
	span_fixture_check(test);
}

static void scattered_granules_are_repaired(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	struct span_fake *fake = span_fixture_fake(test);
	bool refused;

	fake->scatter_every = 1;
	idle_scene(test);
	fake->scatter_every = 0;
	fake->fail_in = 2;
	KUNIT_EXPECT_EQ(test, span_heap_repair(heap, 5, &refused), 1);
	KUNIT_EXPECT_TRUE(test, refused);
	KUNIT_EXPECT_EQ(test, heap->scattered_granules, 4);
	span_fixture_check(test);
	span_fixture_place(test, 8, 8, 0, SPANALLOC_CONTIG | SPANALLOC_ZERO);
	expect_all(test, 8, 16, 0);
	KUNIT_EXPECT_EQ(test, span_heap_repair(heap, 5, &refused), 2);
	KUNIT_EXPECT_FALSE(test, refused);
	KUNIT_EXPECT_EQ(test, span_heap_repair(heap, 5, &refused), 0);
	KUNIT_EXPECT_FALSE(test, refused);
	KUNIT_EXPECT_EQ(test, span_fixture_stats(test)->repaired, 3);
	KUNIT_EXPECT_EQ(test, heap->scattered_granules, 2);
	KUNIT_EXPECT_EQ(test, fake->ngiven, 3);
	span_fixture_check(test);
}

static struct span_heap *real_heap(struct kunit *test, bool wipe, bool poison)
{
	const struct spanalloc_attr attr = {
		.name = "kunit_contents", .nid = NUMA_NO_NODE, .granule_order = FIXTURE_ORDER,
		.arena_pages = FIXTURE_ARENA, .max_pages = FIXTURE_MAX,
		.retain_percent = SPANALLOC_RETAIN_ALL, .wipe = wipe, .poison = poison,
	};
	struct span_heap *heap = spanalloc_heap_create(&attr);

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(heap));
	return heap;
}

/*
 * Fill @npages pages of a heap that has nothing else with ones, and free them. Returns the
 * one in the middle.
 */
static struct page *freed_page(struct kunit *test, struct span_heap *heap, unsigned long npages)
{
	struct span *span = spanalloc_alloc(heap, npages, 1, 0, GFP_KERNEL);
	struct page *page;
	unsigned long i;

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(span));
	for (i = 0; i < npages; i++)
		memset(page_address(spanalloc_page(heap, span, i)), 0xff, PAGE_SIZE);
	page = spanalloc_page(heap, span, npages / 2);
	spanalloc_free(heap, span);
	return page;
}

static void real_pages_are_wiped(struct kunit *test)
{
	struct span_heap *heap = real_heap(test, true, false);
	struct page *page = freed_page(test, heap, 20);

	KUNIT_EXPECT_NULL(test, memchr_inv(page_address(page), 0, PAGE_SIZE));
	spanalloc_heap_destroy(heap);
}

static void real_writes_to_free_pages_are_found(struct kunit *test)
{
	struct span_heap *heap = real_heap(test, false, true);
	struct page *page = freed_page(test, heap, 20);
	struct spanalloc_stats stats;
	struct span *span;

	KUNIT_EXPECT_NULL(test, memchr_inv(page_address(page), SPAN_POISON, PAGE_SIZE));
	((u8 *)page_address(page))[100] = 0;
	((u8 *)page_address(page))[PAGE_SIZE - 1] = 'x';
	span = spanalloc_alloc(heap, 20, 1, SPANALLOC_ZERO, GFP_KERNEL);
	KUNIT_EXPECT_NULL(test, memchr_inv(page_address(page), 0, PAGE_SIZE));
	spanalloc_free(heap, span);
	spanalloc_get_stats(heap, &stats);
	KUNIT_EXPECT_EQ(test, stats.poison_broken, 1);
	KUNIT_EXPECT_EQ(test, stats.zeroed_pages, 20);
	spanalloc_heap_destroy(heap);
}

static void real_granules_are_cleared(struct kunit *test)
{
	struct span_heap *heap = real_heap(test, false, false);
	struct page *page = freed_page(test, heap, 24);

	KUNIT_EXPECT_EQ(test, span_heap_prezero(heap, 9), heap->wipe ? 0 : 3);
	KUNIT_EXPECT_NULL(test, memchr_inv(page_address(page), 0, PAGE_SIZE));
	spanalloc_heap_destroy(heap);
}

static struct kunit_case contents_cases[] = {
	KUNIT_CASE(wiped_pages_are_zero_when_they_are_free),
	KUNIT_CASE(refused_frees_wipe_nothing),
	KUNIT_CASE(half_freed_is_nobodys_to_see),
	KUNIT_CASE(broken_pages_are_counted),
	KUNIT_CASE(failed_allocations_leave_poison),
	KUNIT_CASE(idle_granules_are_cleared_from_below),
	KUNIT_CASE(granule_is_wanted_while_it_is_cleared),
	KUNIT_CASE(scattered_granules_are_repaired),
	KUNIT_CASE(real_pages_are_wiped),
	KUNIT_CASE(real_writes_to_free_pages_are_found),
	KUNIT_CASE(real_granules_are_cleared),
	{}
};

static struct kunit_suite contents_suite = {
	.name = "spanalloc_contents",
	.init = span_fixture_init,
	.exit = span_fixture_exit,
	.test_cases = contents_cases,
};

kunit_test_suite(contents_suite);
