// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the heap's check: damage planted by hand has to be named, by the
 * number of the invariant (see treap.c and space.c), and a damaged heap has to
 * refuse work.
 */

/**
 * DOC: Damage and the kernel's log
 *
 * A heap that is found damaged makes the kernel warn, once. Two of these cases
 * want to see that; they keep the warning out of the log where KUnit can do so,
 * and are skipped where it cannot (before 7.2). All the others mark the heap as
 * damaged before they have it checked, and so nothing is said: no case of this
 * project leaves a warning in the log.
 *
 * A heap that is found damaged also keeps the module loaded, for its objects are
 * lost. The cases that damage one mend it, so that the module can be unloaded.
 */

#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/module.h>

#include "fixture.h"

/**
 * struct scene - spans in use and free ones, in turn
 * @used: [0,20), [25,55), [64,104)
 * @free: [20,25), [55,64), [104,128), the last one released; in the tree the
 *        second is the root, the others its children
 */
struct scene {
	struct span *used[3];
	struct span *free[3];
};

static struct scene set(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	static const u32 prio[] = { 1, 9, 2 };
	struct scene scene;
	unsigned int i;

	scene.used[0] = span_fixture_alloc_at(test, 0, 20);
	span_fixture_alloc_at(test, 20, 5);
	scene.used[1] = span_fixture_alloc_at(test, 25, 30);
	span_fixture_alloc_at(test, 55, 9);
	scene.used[2] = span_fixture_alloc_at(test, 64, 40);
	span_fixture_free_at(test, 20);
	span_fixture_free_at(test, 55);
	scene.free[0] = *span_map_slot(&heap->arenas, 20);
	scene.free[1] = *span_map_slot(&heap->arenas, 55);
	scene.free[2] = *span_map_slot(&heap->arenas, 104);
	for (i = 0; i < ARRAY_SIZE(prio); i++) {
		span_treap_erase(&heap->treap, &scene.free[i]->node);
		span_treap_insert(&heap->treap, &scene.free[i]->node, prio[i]);
	}
	span_fixture_check(test);
	return scene;
}

/* In one hold of the lock, and in batches as debugfs does it. */
static void expect_named(struct kunit *test, enum span_invariant invariant)
{
	struct span_heap *heap = span_fixture_heap(test);
	struct span_report report;
	unsigned int batch;

	/* As said above: or else there would be a warning. */
	heap->damaged = true;
	for (batch = 0; batch <= 64; batch += 64) {
		KUNIT_EXPECT_EQ(test, span_heap_check(heap, batch, &report), -EIO);
		KUNIT_EXPECT_EQ_MSG(test, report.invariant, invariant, "at page %lu, batch %u",
				    report.page, batch);
	}
	heap->damaged = false;
}

/* Overwrite @place with @value, have the damage named, and undo it. */
static void named_with(struct kunit *test, void *place, size_t size, const void *value,
		       enum span_invariant invariant)
{
	u8 was[sizeof(struct span_treap_node)];

	KUNIT_ASSERT_LE(test, size, sizeof(was));
	memcpy(was, place, size);
	memcpy(place, value, size);
	expect_named(test, invariant);
	memcpy(place, was, size);
	span_fixture_check(test);
}

#define EXPECT_NAMED_WITH(test, place, value, invariant)			\
	named_with(test, &(place), sizeof(place), &(typeof(place)) { value }, invariant)

static void invariant_1_order_is_named(struct kunit *test)
{
	struct span_treap_node *root = &set(test).free[1]->node;

	swap(root->rb.rb_left, root->rb.rb_right);
	expect_named(test, SPAN_INV_ORDER);
	swap(root->rb.rb_left, root->rb.rb_right);
}

static void invariant_2_heap_order_is_named(struct kunit *test)
{
	struct scene scene = set(test);

	EXPECT_NAMED_WITH(test, scene.free[0]->node.prio, 10, SPAN_INV_HEAP);
}

static void invariant_3_parent_link_is_named(struct kunit *test)
{
	struct scene scene = set(test);

	EXPECT_NAMED_WITH(test, scene.free[2]->node.rb.__rb_parent_color, 1, SPAN_INV_PARENT);
}

static void invariant_4_subtree_maximum_is_named(struct kunit *test)
{
	struct scene scene = set(test);

	EXPECT_NAMED_WITH(test, scene.free[1]->node.left_max, 23, SPAN_INV_MAX);
	EXPECT_NAMED_WITH(test, scene.free[1]->node.right_max, 25, SPAN_INV_MAX);
}

static void invariant_5_subtree_types_are_named(struct kunit *test)
{
	struct scene scene = set(test);
	struct span_treap_node *node = &scene.free[1]->node, wrong = *node;

	wrong.left_types = SPAN_FILTER_ALL;
	named_with(test, node, sizeof(wrong), &wrong, SPAN_INV_TYPES);
	wrong = *node;
	wrong.right_types = SPAN_FILTER_ALL;
	named_with(test, node, sizeof(wrong), &wrong, SPAN_INV_TYPES);
}

/* A span in use becomes free without merging; all the sums are right. */
static void invariant_6_free_neighbours_are_named(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	struct span *span = set(test).used[1], was = *span;
	struct span_tally tally = span_tally_run(&heap->arenas, 25, 55, 25, 55);

	__clear_bit(25, heap->arenas.dir->arena[0]->starts);
	*span_map_slot(&heap->arenas, 32) = NULL;
	*span_map_slot(&heap->arenas, 40) = NULL;
	*span_map_slot(&heap->arenas, 48) = NULL;
	span->node.nreleased = tally.nreleased;
	span->node.ngranules_idle = tally.ngranules_idle;
	span_treap_insert(&heap->treap, &span->node, 0);
	span->node.state = SPAN_FREE;
	heap->in_use_pages -= 30;
	heap->in_use_spans--;
	expect_named(test, SPAN_INV_COALESCED);

	span_treap_erase(&heap->treap, &span->node);
	*span = was;
	__set_bit(25, heap->arenas.dir->arena[0]->starts);
	*span_map_slot(&heap->arenas, 32) = span;
	*span_map_slot(&heap->arenas, 40) = span;
	*span_map_slot(&heap->arenas, 48) = span;
	heap->in_use_pages += 30;
	heap->in_use_spans++;
	span_fixture_check(test);
}

static void invariant_7_gaps_and_overlaps_are_named(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	struct scene scene = set(test);

	EXPECT_NAMED_WITH(test, scene.used[1]->node.base, 24, SPAN_INV_OVERLAP);
	EXPECT_NAMED_WITH(test, scene.used[1]->node.base, 26, SPAN_INV_OVERLAP);
	EXPECT_NAMED_WITH(test, scene.used[1]->node.npages, 0, SPAN_INV_OVERLAP);
	EXPECT_NAMED_WITH(test, scene.used[2]->node.npages, 65, SPAN_INV_OVERLAP);
	EXPECT_NAMED_WITH(test, *span_map_slot(&heap->arenas, 55), NULL, SPAN_INV_OVERLAP);
}

static void invariant_8_wrong_slots_are_named(struct kunit *test)
{
	struct span_arenas *arenas = &span_fixture_heap(test)->arenas;
	struct scene scene = set(test);

	EXPECT_NAMED_WITH(test, *span_map_slot(arenas, 54), NULL, SPAN_INV_MAP);
	EXPECT_NAMED_WITH(test, *span_map_slot(arenas, 72), scene.used[0], SPAN_INV_MAP);
	EXPECT_NAMED_WITH(test, *span_map_slot(arenas, 112), scene.free[2], SPAN_INV_MAP);
	EXPECT_NAMED_WITH(test, scene.used[1]->node.npages, 31, SPAN_INV_MAP);
	EXPECT_NAMED_WITH(test, scene.used[1]->node.state, SPAN_DEAD, SPAN_INV_MAP);
}

static void invariant_8_wrong_start_bits_are_named(struct kunit *test)
{
	struct span_arenas *arenas = &span_fixture_heap(test)->arenas;
	unsigned long *starts;

	set(test);
	starts = arenas->dir->arena[0]->starts;
	EXPECT_NAMED_WITH(test, *starts, *starts & ~BIT(25), SPAN_INV_MAP);
	EXPECT_NAMED_WITH(test, *starts, *starts | BIT(55), SPAN_INV_MAP);
	EXPECT_NAMED_WITH(test, *starts, *starts | BIT(30), SPAN_INV_MAP);
}

static void invariant_9_released_under_a_span_in_use_is_named(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	struct page *page;

	set(test);
	page = span_granule_at(&heap->arenas, 9)->page;
	span_granule_at(&heap->arenas, 9)->page = NULL;
	heap->backed_granules--;
	expect_named(test, SPAN_INV_RELEASED);
	span_granule_at(&heap->arenas, 9)->page = page;
	heap->backed_granules++;
}

/* The sums agree with the counts of the span, the granule table does not. */
static void invariant_9_wrong_counts_are_named(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	struct scene scene = set(test);

	heap->treap.nreleased--;
	scene.free[2]->node.nreleased--;
	expect_named(test, SPAN_INV_RELEASED);
	heap->treap.nreleased++;
	scene.free[2]->node.nreleased++;

	heap->treap.ngranules_idle++;
	scene.free[1]->node.ngranules_idle++;
	expect_named(test, SPAN_INV_RELEASED);
	heap->treap.ngranules_idle--;
	scene.free[1]->node.ngranules_idle--;
}

static void invariant_10_wrong_sums_are_named(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	unsigned long *sums[] = {
		&heap->in_use_pages, &heap->claimed_pages, &heap->quarantined_pages,
		&heap->in_use_spans, &heap->backed_granules, &heap->scattered_granules,
		&heap->treap.nspans, &heap->treap.npages, &heap->treap.nreleased,
		&heap->treap.ngranules_idle,
	};
	unsigned int i;

	set(test);
	for (i = 0; i < ARRAY_SIZE(sums); i++)
		EXPECT_NAMED_WITH(test, *sums[i], *sums[i] + 1, SPAN_INV_COUNTERS);
}

static void invariant_11_views_without_an_owner_are_named(struct kunit *test)
{
	struct scene scene = set(test);

	scene.used[1]->views = 1;
	EXPECT_NAMED_WITH(test, scene.used[1]->node.state, SPAN_CLAIMED, SPAN_INV_VIEWS);
	scene.used[1]->views = 0;
}

static void expect_refusal(struct kunit *test, struct span *span)
{
	struct span_heap *heap = span_fixture_heap(test);
	struct span *none = span_fixture_ask(test, 1, 0, 0, GFP_KERNEL);

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(none), -EIO);
	none = span_fixture_ask(test, 1, 0, 0, GFP_ATOMIC);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(none), -EIO);
	none = span_heap_split(heap, span, 3, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(none), -EIO);
	KUNIT_EXPECT_EQ(test, span_heap_free(heap, span), -EIO);
	KUNIT_EXPECT_EQ(test, span_heap_quarantine(heap, span), -EIO);
	KUNIT_EXPECT_EQ(test, span_heap_scavenge(heap, ~0UL), 0);
}

static void damaged_heap_refuses_work(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	struct spanalloc_stats was, is;
	struct scene scene = set(test);

	was = *span_fixture_stats(test);
	heap->damaged = true;
	expect_refusal(test, scene.used[0]);
	heap->damaged = false;
	is = *span_fixture_stats(test);
	KUNIT_EXPECT_EQ(test, memcmp(&was, &is, sizeof(was)), 0);
	KUNIT_EXPECT_PTR_EQ(test, span_heap_lookup(heap, 7), scene.used[0]);
}

/*
 * From here on, the kernel warns. Where the warning cannot be kept out of the
 * log, the case is skipped.
 */
#ifdef kunit_warning_suppress
static void *quiet(struct kunit *test)
{
	return kunit_start_suppress_warning(test);
}

static void loud(struct kunit *test, void *handle)
{
	kunit_end_suppress_warning(test, handle);
}
#else
static void *quiet(struct kunit *test)
{
	kunit_skip(test, "this kernel's KUnit cannot keep a warning out of the log");
	return NULL;
}

static void loud(struct kunit *test, void *handle)
{
}
#endif

static void mend(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);

	KUNIT_EXPECT_TRUE(test, heap->damaged);
	if (heap->damaged)
		symbol_put_addr(span_heap_check);
	heap->damaged = false;
}

static void failed_check_makes_the_heap_refuse(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	struct scene scene = set(test);
	struct span_report report;
	void *handle = quiet(test);

	heap->in_use_pages++;
	KUNIT_EXPECT_EQ(test, span_heap_check(heap, 0, &report), -EIO);
	loud(test, handle);
	heap->in_use_pages--;
	KUNIT_EXPECT_TRUE(test, heap->damaged);
	expect_refusal(test, scene.used[1]);
	mend(test);
}

static void second_free_is_refused(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	struct scene scene = set(test);
	void *handle = quiet(test);
	struct span *none;

	KUNIT_EXPECT_EQ(test, span_heap_free(heap, scene.free[0]), -EINVAL);
	KUNIT_EXPECT_EQ(test, span_heap_quarantine(heap, scene.free[1]), -EINVAL);
	none = span_heap_split(heap, scene.free[1], 2, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(none), -EINVAL);
	loud(test, handle);
	KUNIT_EXPECT_FALSE(test, heap->damaged);
	span_fixture_check(test);
}

static void free_notices_that_the_map_lies(struct kunit *test)
{
	struct span_heap *heap = span_fixture_heap(test);
	struct scene scene = set(test);
	void *handle = quiet(test);
	struct span **slot = span_map_slot(&heap->arenas, 54);

	*slot = scene.used[0];
	KUNIT_EXPECT_EQ(test, span_heap_free(heap, scene.used[1]), -EIO);
	loud(test, handle);
	*slot = scene.used[1];
	mend(test);
	span_fixture_check(test);
}

static struct kunit_case heap_check_cases[] = {
	KUNIT_CASE(invariant_1_order_is_named),
	KUNIT_CASE(invariant_2_heap_order_is_named),
	KUNIT_CASE(invariant_3_parent_link_is_named),
	KUNIT_CASE(invariant_4_subtree_maximum_is_named),
	KUNIT_CASE(invariant_5_subtree_types_are_named),
	KUNIT_CASE(invariant_6_free_neighbours_are_named),
	KUNIT_CASE(invariant_7_gaps_and_overlaps_are_named),
	KUNIT_CASE(invariant_8_wrong_slots_are_named),
	KUNIT_CASE(invariant_8_wrong_start_bits_are_named),
	KUNIT_CASE(invariant_9_released_under_a_span_in_use_is_named),
	KUNIT_CASE(invariant_9_wrong_counts_are_named),
	KUNIT_CASE(invariant_10_wrong_sums_are_named),
	KUNIT_CASE(invariant_11_views_without_an_owner_are_named),
	KUNIT_CASE(damaged_heap_refuses_work),
	KUNIT_CASE(failed_check_makes_the_heap_refuse),
	KUNIT_CASE(second_free_is_refused),
	KUNIT_CASE(free_notices_that_the_map_lies),
	{}
};

static struct kunit_suite heap_check_suite = {
	.name = "spanalloc_heap_check",
	.init = span_fixture_init,
	.exit = span_fixture_exit,
	.test_cases = heap_check_cases,
};

kunit_test_suite(heap_check_suite);
