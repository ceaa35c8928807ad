// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the treap of free spans.
 */

/**
 * DOC: Treap suite
 *
 * Node i of a world lies in pages [100 i, 100 i + 100), so that the order of the
 * nodes is that of their numbers, whatever is done to them. What a search has to
 * answer is found by looking at every node in turn.
 */

#include <kunit/test.h>
#include <linux/log2.h>
#include <linux/prandom.h>
#include <linux/rbtree.h>

#include "treap.h"

#define NNODES		48
#define SLOT		100UL
#define LENGTH_MAX	40U
#define NROUNDS		3000

/**
 * struct world - a tree and what is in it
 * @treap: the tree
 * @node: the nodes, by address
 * @in: which of them are in the tree
 * @rnd: for random tests
 */
struct world {
	struct span_treap treap;
	struct span_treap_node node[NNODES];
	bool in[NNODES];
	struct rnd_state rnd;
};

static int world_init(struct kunit *test)
{
	struct world *world = kunit_kzalloc(test, sizeof(*world), GFP_KERNEL);
	unsigned int i;

	if (!world)
		return -ENOMEM;
	span_treap_init(&world->treap);
	for (i = 0; i < NNODES; i++)
		RB_CLEAR_NODE(&world->node[i].rb);
	prandom_seed_state(&world->rnd, 20190907);
	test->priv = world;
	return 0;
}

static u32 below(struct world *world, u32 limit)
{
	return prandom_u32_state(&world->rnd) % limit;
}

static void add(struct world *world, unsigned int i, unsigned long offset,
		unsigned long npages, u32 prio)
{
	world->node[i].base = i * SLOT + offset;
	world->node[i].npages = npages;
	span_treap_insert(&world->treap, &world->node[i], prio);
	world->in[i] = true;
}

static void drop(struct world *world, unsigned int i)
{
	span_treap_erase(&world->treap, &world->node[i]);
	world->in[i] = false;
}

/* Nodes 0 to 6 as a full tree: 3 is the root, 1 and 5 are its children. */
static void plant_seven(struct world *world)
{
	static const u32 prio[] = { 1, 5, 2, 9, 3, 6, 4 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(prio); i++)
		add(world, i, 0, 10 + i, prio[i]);
}

static void expect_good(struct kunit *test)
{
	struct world *world = test->priv;
	unsigned long nspans = 0, npages = 0, nreleased = 0, nidle = 0;
	const struct span_treap_node *where = NULL;
	unsigned int i;

	KUNIT_EXPECT_EQ(test, span_treap_check(&world->treap, &where), SPAN_INV_NONE);
	KUNIT_EXPECT_NULL(test, where);
	for (i = 0; i < NNODES; i++) {
		if (!world->in[i])
			continue;
		nspans++;
		npages += world->node[i].npages;
		nreleased += world->node[i].nreleased;
		nidle += world->node[i].ngranules_idle;
	}
	KUNIT_EXPECT_EQ(test, world->treap.nspans, nspans);
	KUNIT_EXPECT_EQ(test, world->treap.npages, npages);
	KUNIT_EXPECT_EQ(test, world->treap.nreleased, nreleased);
	KUNIT_EXPECT_EQ(test, world->treap.ngranules_idle, nidle);
}

static struct span_treap_node *child(struct rb_node *rb)
{
	return rb_entry_safe(rb, struct span_treap_node, rb);
}

static void insert_orders_by_priority(struct kunit *test)
{
	struct world *world = test->priv;
	struct span_treap_node *node = world->node;

	plant_seven(world);
	expect_good(test);
	KUNIT_EXPECT_PTR_EQ(test, child(world->treap.root.rb_node), &node[3]);
	KUNIT_EXPECT_PTR_EQ(test, child(node[3].rb.rb_left), &node[1]);
	KUNIT_EXPECT_PTR_EQ(test, child(node[3].rb.rb_right), &node[5]);
	KUNIT_EXPECT_PTR_EQ(test, child(node[5].rb.rb_left), &node[4]);
	KUNIT_EXPECT_EQ(test, world->treap.ninserts, 7);
}

static void insert_in_any_order_gives_one_shape(struct kunit *test)
{
	struct world *world = test->priv;
	static const u32 prio[] = { 1, 5, 2, 9, 3, 6, 4 };
	unsigned int first, step;

	for (first = 0; first < 7; first++)
		for (step = 1; step < 7; step++) {
			unsigned int i, n;

			for (n = 0, i = first; n < 7; n++, i = (i + step) % 7)
				add(world, i, 0, 10 + i, prio[i]);
			expect_good(test);
			KUNIT_EXPECT_PTR_EQ(test, child(world->treap.root.rb_node),
					    &world->node[3]);
			for (i = 0; i < 7; i++)
				drop(world, i);
			KUNIT_EXPECT_NULL(test, world->treap.root.rb_node);
		}
}

static void erase_root_with_two_children(struct kunit *test)
{
	struct world *world = test->priv;
	struct span_treap_node was[7];

	plant_seven(world);
	memcpy(was, world->node, sizeof(was));
	drop(world, 3);
	expect_good(test);
	/* The child of higher priority comes up, and nobody's payload moves. */
	KUNIT_EXPECT_PTR_EQ(test, child(world->treap.root.rb_node), &world->node[5]);
	KUNIT_EXPECT_EQ(test, world->node[5].base, was[5].base);
	KUNIT_EXPECT_EQ(test, world->node[5].npages, was[5].npages);
	KUNIT_EXPECT_EQ(test, world->node[5].prio, was[5].prio);
	KUNIT_EXPECT_TRUE(test, RB_EMPTY_NODE(&world->node[3].rb));
	KUNIT_EXPECT_EQ(test, world->treap.nerases, 1);
}

static void erase_every_node_in_turn(struct kunit *test)
{
	struct world *world = test->priv;
	unsigned int i;

	for (i = 0; i < 7; i++) {
		unsigned int j;

		plant_seven(world);
		drop(world, i);
		expect_good(test);
		for (j = 0; j < 7; j++)
			if (j != i)
				drop(world, j);
		expect_good(test);
		KUNIT_EXPECT_NULL(test, world->treap.root.rb_node);
	}
}

/* With rising or falling priorities, the tree is a list. */
static void degenerate_shapes_answer_right(struct kunit *test)
{
	struct world *world = test->priv;
	unsigned int falling, i;

	for (falling = 0; falling < 2; falling++) {
		for (i = 0; i < NNODES; i++)
			add(world, i, 0, i + 1, falling ? NNODES - i : i);
		expect_good(test);
		for (i = 0; i < NNODES; i++)
			KUNIT_EXPECT_PTR_EQ(test, span_treap_first_fit(&world->treap, i + 1),
					    &world->node[i]);
		for (i = 0; i < NNODES; i += 2)
			drop(world, i);
		expect_good(test);
		for (i = 1; i < NNODES; i += 2)
			drop(world, i);
	}
}

static void kernel_walks_see_every_node(struct kunit *test)
{
	struct world *world = test->priv;
	struct span_treap_node *node, *next;
	unsigned int n = 0, seen = 0;
	struct rb_node *rb;

	plant_seven(world);
	for (rb = rb_first(&world->treap.root); rb; rb = rb_next(rb))
		KUNIT_EXPECT_PTR_EQ(test, child(rb), &world->node[n++]);
	KUNIT_EXPECT_EQ(test, n, 7);
	for (rb = rb_last(&world->treap.root); rb; rb = rb_prev(rb))
		KUNIT_EXPECT_PTR_EQ(test, child(rb), &world->node[--n]);
	KUNIT_EXPECT_EQ(test, n, 0);
	rbtree_postorder_for_each_entry_safe(node, next, &world->treap.root, rb)
		seen |= BIT(node - world->node);
	KUNIT_EXPECT_EQ(test, seen, 127);
}

static void first_fit_is_the_lowest(struct kunit *test)
{
	struct world *world = test->priv;

	KUNIT_EXPECT_NULL(test, span_treap_first_fit(&world->treap, 1));
	add(world, 0, 0, 3, 10);
	add(world, 1, 0, 9, 30);
	add(world, 2, 0, 9, 20);
	add(world, 3, 0, 12, 40);
	KUNIT_EXPECT_PTR_EQ(test, span_treap_first_fit(&world->treap, 1), &world->node[0]);
	KUNIT_EXPECT_PTR_EQ(test, span_treap_first_fit(&world->treap, 3), &world->node[0]);
	KUNIT_EXPECT_PTR_EQ(test, span_treap_first_fit(&world->treap, 4), &world->node[1]);
	KUNIT_EXPECT_PTR_EQ(test, span_treap_first_fit(&world->treap, 9), &world->node[1]);
	KUNIT_EXPECT_PTR_EQ(test, span_treap_first_fit(&world->treap, 10), &world->node[3]);
	KUNIT_EXPECT_NULL(test, span_treap_first_fit(&world->treap, 13));
}

static void expect_place(struct kunit *test, struct span_treap_window *window,
			 long node, unsigned long base)
{
	struct world *world = test->priv;
	unsigned long at = ~0UL;
	struct span_treap_node *found = span_treap_find(&world->treap, window, &at);

	if (node < 0) {
		KUNIT_EXPECT_NULL(test, found);
		return;
	}
	KUNIT_EXPECT_PTR_EQ(test, found, &world->node[node]);
	KUNIT_EXPECT_EQ(test, at, base);
}

#define WINDOW(...)	(&(struct span_treap_window) { __VA_ARGS__ })

/* Free: [10,30) and [103,140) and [200,240). */
static void plant_three(struct world *world)
{
	add(world, 0, 10, 20, 1);
	add(world, 1, 3, 37, 3);
	add(world, 2, 0, 40, 2);
}

static void find_keeps_alignment(struct kunit *test)
{
	plant_three(test->priv);
	expect_place(test, WINDOW(.npages = 14, .align = 16), 0, 16);
	expect_place(test, WINDOW(.npages = 15, .align = 16), 1, 112);
	expect_place(test, WINDOW(.npages = 12, .align = 128), 1, 128);
	expect_place(test, WINDOW(.npages = 13, .align = 128), -1, 0);
	expect_place(test, WINDOW(.npages = 1, .align = 1UL << 63), -1, 0);
}

static void find_keeps_inside_boundary(struct kunit *test)
{
	plant_three(test->priv);
	expect_place(test, WINDOW(.npages = 6, .align = 1, .boundary = 16), 0, 10);
	expect_place(test, WINDOW(.npages = 7, .align = 1, .boundary = 16), 0, 16);
	expect_place(test, WINDOW(.npages = 15, .align = 1, .boundary = 16), 1, 112);
	expect_place(test, WINDOW(.npages = 32, .align = 1, .boundary = 32), -1, 0);
	expect_place(test, WINDOW(.npages = 4, .align = 8, .boundary = 4), 0, 16);
}

static void find_starts_from_page(struct kunit *test)
{
	plant_three(test->priv);
	expect_place(test, WINDOW(.npages = 5, .align = 1, .from = 12), 0, 12);
	expect_place(test, WINDOW(.npages = 5, .align = 1, .from = 25), 0, 25);
	expect_place(test, WINDOW(.npages = 5, .align = 1, .from = 26), 1, 103);
	expect_place(test, WINDOW(.npages = 38, .align = 1, .from = 1), 2, 200);
	expect_place(test, WINDOW(.npages = 1, .align = 1, .from = 239), 2, 239);
	expect_place(test, WINDOW(.npages = 1, .align = 1, .from = 240), -1, 0);
}

/* No node holds an aligned run, until the last: after two, the search pauses. */
static void find_pauses_after_so_many_tries(struct kunit *test)
{
	struct span_treap_window window = { .npages = 20, .align = 64, .tries = 2 };
	struct world *world = test->priv;
	unsigned long at = 0;
	unsigned int i;

	for (i = 0; i < 5; i++)
		add(world, i, 1, 27, i);
	add(world, 5, 76, 20, 3);
	KUNIT_EXPECT_NULL(test, span_treap_find(&world->treap, &window, &at));
	KUNIT_EXPECT_EQ(test, window.tries, 0);
	KUNIT_EXPECT_EQ(test, window.from, world->node[2].base);
	window.tries = 4;
	KUNIT_EXPECT_PTR_EQ(test, span_treap_find(&world->treap, &window, &at),
			    &world->node[5]);
	KUNIT_EXPECT_EQ(test, at, 576);
	/* Nothing more to search is not a pause. */
	window = (struct span_treap_window) { .npages = 21, .align = 64, .tries = 9 };
	KUNIT_EXPECT_NULL(test, span_treap_find(&world->treap, &window, &at));
	KUNIT_EXPECT_GT(test, window.tries, 0);
}

static void filter_holds_types_that_match(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, span_treap_filter(0, 0), SPAN_FILTER_ALL);
	KUNIT_EXPECT_EQ(test, span_treap_filter(SPAN_TYPE_IDLE, SPAN_TYPE_IDLE), 0xa);
	KUNIT_EXPECT_EQ(test, span_treap_filter(SPAN_TYPE_IDLE, 0), 0x5);
	KUNIT_EXPECT_EQ(test, span_treap_filter(SPAN_TYPE_RELEASED, SPAN_TYPE_RELEASED), 0xc);
	KUNIT_EXPECT_EQ(test, span_treap_filter(3, 0), 0x1);
	KUNIT_EXPECT_EQ(test, span_treap_filter(0, SPAN_TYPE_IDLE), 0);
}

static bool has_type(const struct span_treap_node *node, unsigned int filter)
{
	return filter & BIT((node->ngranules_idle ? 1 : 0) + (node->nreleased ? 2 : 0));
}

/* The nearest node of a type at or above @i, or at or below, by looking. */
static struct span_treap_node *look_up(struct world *world, long i, unsigned int filter)
{
	for (; i < NNODES; i++)
		if (world->in[i] && has_type(&world->node[i], filter))
			return &world->node[i];
	return NULL;
}

static struct span_treap_node *look_down(struct world *world, long i, unsigned int filter)
{
	for (; i >= 0; i--)
		if (world->in[i] && has_type(&world->node[i], filter))
			return &world->node[i];
	return NULL;
}

static void expect_walks(struct kunit *test, unsigned int filter)
{
	struct world *world = test->priv;
	struct span_treap *treap = &world->treap;
	unsigned int i;

	KUNIT_EXPECT_PTR_EQ(test, span_treap_start(treap, filter), look_up(world, 0, filter));
	KUNIT_EXPECT_PTR_EQ(test, span_treap_end(treap, filter),
			    look_down(world, NNODES - 1, filter));
	for (i = 0; i < NNODES; i++) {
		struct span_treap_node *node = &world->node[i];

		/* From a page no node begins at, and from the first page of one. */
		KUNIT_EXPECT_PTR_EQ(test, span_treap_last_below(treap, i * SLOT + 99, filter),
				    look_down(world, i, filter));
		KUNIT_EXPECT_PTR_EQ(test, span_treap_first_above(treap, i * SLOT + 99, filter),
				    look_up(world, i + 1, filter));
		if (!world->in[i])
			continue;
		KUNIT_EXPECT_PTR_EQ(test, span_treap_first_above(treap, node->base, filter),
				    look_up(world, i, filter));
		KUNIT_EXPECT_PTR_EQ(test, span_treap_last_below(treap, node->base, filter),
				    look_down(world, (long)i - 1, filter));
		KUNIT_EXPECT_PTR_EQ(test, span_treap_next(node, filter),
				    look_up(world, i + 1, filter));
		KUNIT_EXPECT_PTR_EQ(test, span_treap_prev(node, filter),
				    look_down(world, (long)i - 1, filter));
	}
}

static void set_counts(struct span_treap_node *node, void *arg)
{
	const unsigned int *types = arg;

	node->ngranules_idle = *types & 1 ? 2 : 0;
	node->nreleased = *types & 2 ? 3 : 0;
}

static void walks_follow_every_filter(struct kunit *test)
{
	struct world *world = test->priv;
	unsigned int round, filter, i;

	for (round = 0; round < 20; round++) {
		for (i = 0; i < NNODES; i++) {
			unsigned int types = below(world, 4);

			/* Types are rare in some rounds, so that subtrees lack them. */
			if (below(world, round + 1))
				types = 0;
			set_counts(&world->node[i], &types);
			add(world, i, below(world, 20), 1, prandom_u32_state(&world->rnd));
		}
		for (filter = 0; filter <= SPAN_FILTER_ALL; filter++)
			expect_walks(test, filter);
		for (i = 0; i < NNODES; i++)
			drop(world, i);
	}
}

static void set_npages(struct span_treap_node *node, void *arg)
{
	const unsigned long *npages = arg;

	node->npages = *npages;
}

static void take_front(struct span_treap_node *node, void *arg)
{
	const unsigned long *npages = arg;

	node->base += *npages;
	node->npages -= *npages;
}

static void mutate_front_keeps_the_node(struct kunit *test)
{
	struct world *world = test->priv;
	unsigned long npages = 15;

	plant_seven(world);
	span_treap_mutate(&world->treap, &world->node[6], take_front, &npages);
	expect_good(test);
	KUNIT_EXPECT_EQ(test, world->node[6].base, 615);
	KUNIT_EXPECT_EQ(test, world->node[6].npages, 1);
	KUNIT_EXPECT_EQ(test, world->node[6].prio, 4);
	/* It was the longest; now 5 is. */
	KUNIT_EXPECT_EQ(test, world->node[3].right_max, 15);
	KUNIT_EXPECT_EQ(test, world->treap.nmutates, 1);
	KUNIT_EXPECT_EQ(test, world->treap.ninserts, 7);
	KUNIT_EXPECT_EQ(test, world->treap.nerases, 0);
}

static void mutate_moves_the_maximum_both_ways(struct kunit *test)
{
	struct world *world = test->priv;
	unsigned long longest = 90, shorter = 14;

	plant_seven(world);
	span_treap_mutate(&world->treap, &world->node[0], set_npages, &longest);
	expect_good(test);
	KUNIT_EXPECT_PTR_EQ(test, span_treap_first_fit(&world->treap, 17), &world->node[0]);
	span_treap_mutate(&world->treap, &world->node[0], set_npages, &shorter);
	expect_good(test);
	KUNIT_EXPECT_NULL(test, span_treap_first_fit(&world->treap, 17));
}

static void mutate_moves_the_types_both_ways(struct kunit *test)
{
	struct world *world = test->priv;
	unsigned int both = 3, none = 0;

	plant_seven(world);
	KUNIT_EXPECT_NULL(test, span_treap_start(&world->treap, 0xe));
	span_treap_mutate(&world->treap, &world->node[2], set_counts, &both);
	expect_good(test);
	KUNIT_EXPECT_PTR_EQ(test, span_treap_start(&world->treap, 0xe), &world->node[2]);
	KUNIT_EXPECT_EQ(test, world->treap.nreleased, 3);
	KUNIT_EXPECT_EQ(test, world->treap.ngranules_idle, 2);
	span_treap_mutate(&world->treap, &world->node[2], set_counts, &none);
	expect_good(test);
	KUNIT_EXPECT_NULL(test, span_treap_start(&world->treap, 0xe));
}

static struct span_treap_node *look_for_place(struct world *world,
					      const struct span_treap_window *window,
					      unsigned long *base)
{
	unsigned int i;

	for (i = 0; i < NNODES; i++) {
		const struct span_treap_node *node = &world->node[i];
		unsigned long at;

		if (!world->in[i])
			continue;
		for (at = node->base; at + window->npages <= node->base + node->npages; at++) {
			*base = at;
			if (at >= window->from && at % window->align == 0 &&
			    (!window->boundary || at / window->boundary ==
			     (at + window->npages - 1) / window->boundary))
				return &world->node[i];
		}
	}
	return NULL;
}

static void random_operation(struct world *world)
{
	unsigned int i = below(world, NNODES), types = below(world, 4);
	unsigned long npages = 1 + below(world, LENGTH_MAX);

	if (!world->in[i]) {
		set_counts(&world->node[i], &types);
		add(world, i, below(world, SLOT - LENGTH_MAX), npages,
		    below(world, 4) ? prandom_u32_state(&world->rnd) : 7);
	} else if (below(world, 3) == 0) {
		drop(world, i);
	} else if (below(world, 2)) {
		span_treap_mutate(&world->treap, &world->node[i], set_npages, &npages);
	} else {
		span_treap_mutate(&world->treap, &world->node[i], set_counts, &types);
	}
}

static void random_operations_match_a_search(struct kunit *test)
{
	struct world *world = test->priv;
	unsigned int round;

	for (round = 0; round < NROUNDS; round++) {
		struct span_treap_window window = {
			.npages = 1 + below(world, LENGTH_MAX),
			.align = 1UL << below(world, 6),
			.from = below(world, 2) ? below(world, NNODES * SLOT) : 0,
		};
		struct span_treap_node *expected;
		unsigned long base = 0, at = 0;

		if (below(world, 2))
			window.boundary = roundup_pow_of_two(window.npages) << below(world, 3);
		random_operation(world);
		expect_good(test);
		expected = look_for_place(world, &window, &base);
		KUNIT_EXPECT_PTR_EQ(test, span_treap_find(&world->treap, &window, &at), expected);
		if (expected)
			KUNIT_EXPECT_EQ(test, at, base);
		expected = look_for_place(world, WINDOW(.npages = window.npages, .align = 1),
					  &base);
		KUNIT_EXPECT_PTR_EQ(test, span_treap_first_fit(&world->treap, window.npages),
				    expected);
	}
}

static struct kunit_case treap_cases[] = {
	KUNIT_CASE(insert_orders_by_priority),
	KUNIT_CASE(insert_in_any_order_gives_one_shape),
	KUNIT_CASE(erase_root_with_two_children),
	KUNIT_CASE(erase_every_node_in_turn),
	KUNIT_CASE(degenerate_shapes_answer_right),
	KUNIT_CASE(kernel_walks_see_every_node),
	KUNIT_CASE(first_fit_is_the_lowest),
	KUNIT_CASE(find_keeps_alignment),
	KUNIT_CASE(find_keeps_inside_boundary),
	KUNIT_CASE(find_starts_from_page),
	KUNIT_CASE(find_pauses_after_so_many_tries),
	KUNIT_CASE(filter_holds_types_that_match),
	KUNIT_CASE(walks_follow_every_filter),
	KUNIT_CASE(mutate_front_keeps_the_node),
	KUNIT_CASE(mutate_moves_the_maximum_both_ways),
	KUNIT_CASE(mutate_moves_the_types_both_ways),
	KUNIT_CASE(random_operations_match_a_search),
	{}
};

static struct kunit_suite treap_suite = {
	.name = "spanalloc_treap",
	.init = world_init,
	.test_cases = treap_cases,
};

kunit_test_suite(treap_suite);
