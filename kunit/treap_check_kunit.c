// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the treap's check: damage planted by hand has to be named, by
 * the number of the invariant (see treap.c) and the node where it shows.
 */

#include <kunit/test.h>
#include <linux/rbtree.h>

#include "treap.h"

#define NNODES	7

/**
 * struct world - seven spans as a full tree
 * @treap: the tree
 * @node: the nodes by address: 3 is the root, 1 and 5 are its children
 */
struct world {
	struct span_treap treap;
	struct span_treap_node node[NNODES];
};

static int world_init(struct kunit *test)
{
	static const u32 prio[NNODES] = { 1, 5, 2, 9, 3, 6, 4 };
	struct world *world = kunit_kzalloc(test, sizeof(*world), GFP_KERNEL);
	unsigned int i;

	if (!world)
		return -ENOMEM;
	span_treap_init(&world->treap);
	for (i = 0; i < NNODES; i++) {
		world->node[i].base = 100 * i;
		world->node[i].npages = 10 + i;
		span_treap_insert(&world->treap, &world->node[i], prio[i]);
	}
	test->priv = world;
	return 0;
}

static void expect_named(struct kunit *test, enum span_invariant invariant,
			 const struct span_treap_node *at)
{
	struct world *world = test->priv;
	const struct span_treap_node *where = &world->node[NNODES - 1];

	KUNIT_EXPECT_EQ(test, span_treap_check(&world->treap, &where), invariant);
	KUNIT_EXPECT_PTR_EQ(test, where, at);
	KUNIT_EXPECT_EQ(test, span_treap_check(&world->treap, NULL), invariant);
}

static void whole_tree_passes(struct kunit *test)
{
	expect_named(test, SPAN_INV_NONE, NULL);
}

static void invariant_1_order_is_named(struct kunit *test)
{
	struct world *world = test->priv;

	world->node[1].base = world->node[3].base + 1;
	expect_named(test, SPAN_INV_ORDER, &world->node[1]);
}

static void invariant_1_empty_span_is_named(struct kunit *test)
{
	struct world *world = test->priv;

	/* Before its parent, which would miss it. */
	world->node[4].npages = 0;
	expect_named(test, SPAN_INV_ORDER, &world->node[4]);
}

static void invariant_2_heap_order_is_named(struct kunit *test)
{
	struct world *world = test->priv;

	world->node[0].prio = 6;
	expect_named(test, SPAN_INV_HEAP, &world->node[1]);
	world->node[0].prio = 1;
	world->node[6].prio = 7;
	expect_named(test, SPAN_INV_HEAP, &world->node[5]);
}

static void invariant_3_parent_link_is_named(struct kunit *test)
{
	struct world *world = test->priv;

	/* An inner node without a parent, its colour kept. */
	world->node[1].rb.__rb_parent_color &= 3;
	expect_named(test, SPAN_INV_PARENT, &world->node[1]);
}

static void invariant_4_subtree_maximum_is_named(struct kunit *test)
{
	struct world *world = test->priv;

	world->node[5].left_max--;
	expect_named(test, SPAN_INV_MAX, &world->node[5]);
	world->node[5].left_max += 2;
	expect_named(test, SPAN_INV_MAX, &world->node[5]);
	world->node[5].left_max--;
	world->node[0].right_max = 9;
	expect_named(test, SPAN_INV_MAX, &world->node[0]);
}

static void invariant_5_subtree_types_are_named(struct kunit *test)
{
	struct world *world = test->priv;

	world->node[4].left_types |= 2;
	expect_named(test, SPAN_INV_TYPES, &world->node[4]);
	world->node[4].left_types &= ~2;
	world->node[5].right_types = 0;
	expect_named(test, SPAN_INV_TYPES, &world->node[5]);
}

static void invariant_10_counters_are_named(struct kunit *test)
{
	struct world *world = test->priv;
	struct span_treap *treap = &world->treap;
	unsigned long *counter[] = {
		&treap->nspans, &treap->npages, &treap->nreleased, &treap->ngranules_idle,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counter); i++) {
		++*counter[i];
		expect_named(test, SPAN_INV_COUNTERS, NULL);
		--*counter[i];
	}
	expect_named(test, SPAN_INV_NONE, NULL);
}

/* More nodes than are counted, as in a tree that leads in a circle. */
static void check_ends_after_the_nodes_counted(struct kunit *test)
{
	struct world *world = test->priv;

	world->treap.nspans = 4;
	expect_named(test, SPAN_INV_COUNTERS, &world->node[4]);
}

static struct kunit_case treap_check_cases[] = {
	KUNIT_CASE(whole_tree_passes),
	KUNIT_CASE(invariant_1_order_is_named),
	KUNIT_CASE(invariant_1_empty_span_is_named),
	KUNIT_CASE(invariant_2_heap_order_is_named),
	KUNIT_CASE(invariant_3_parent_link_is_named),
	KUNIT_CASE(invariant_4_subtree_maximum_is_named),
	KUNIT_CASE(invariant_5_subtree_types_are_named),
	KUNIT_CASE(invariant_10_counters_are_named),
	KUNIT_CASE(check_ends_after_the_nodes_counted),
	{}
};

static struct kunit_suite treap_check_suite = {
	.name = "spanalloc_treap_check",
	.init = world_init,
	.test_cases = treap_check_cases,
};

kunit_test_suite(treap_check_suite);
