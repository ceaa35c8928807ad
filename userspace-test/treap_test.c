// SPDX-License-Identifier: GPL-2.0-only
/*
 * The treap against a sorted array: every operation, at random and exhaustively
 * in a small world, on trees of every shape.
 *
 * treap-test [--seed N] [--ops N] [--no-shrink] [CASE]
 */
#include "treap_world.h"
#include "trial.h"

static const char * const prio_names[] = {
	"random priorities", "few priorities", "equal priorities", "priorities by base",
	"priorities by base, down", "rising priorities", "falling priorities",
};

static bool start_tree(const void *mode)
{
	world_init(&world, *(const enum prio_mode *)mode, 0);
	return true;
}

/* Every walk and many searches, some of them at random; nobody hears of them. */
static bool verify_all(void)
{
	bool good;

	world.talk = false;
	good = verify_walks(&world) && verify_fits(&world);
	world.talk = trial_talk;
	return good;
}

static bool do_step(const void *mode, size_t number, size_t at)
{
	rng_seed_nth(&world.rng, opt_seed * NR_PRIO_MODES + *(const enum prio_mode *)mode,
		     number);
	world.talk = trial_talk;
	return world_step(&world, 60) &&
	       ((world.model.n >= 4 && !rng_once_in(&world.rng, 16)) || verify_all());
}

static bool finish_tree(const void *mode, bool whole)
{
	world_exit(&world);
	return !ktap_failures;
}

static void random_mode(enum prio_mode mode, unsigned long ops)
{
	const struct trial trial = {
		.name = prio_names[mode], .start = start_tree, .step = do_step,
		.finish = finish_tree, .arg = &mode, .nsteps = ops,
	};

	trial_run(&trial);
}

static void random_by_base(void)
{
	random_mode(PRIO_BY_BASE, opt_ops / 2);
	random_mode(PRIO_BY_BASE_DOWN, opt_ops / 2);
}

static void random_by_age(void)
{
	random_mode(PRIO_RISING, opt_ops / 2);
	random_mode(PRIO_FALLING, opt_ops / 2);
}

static void random_equal(void)
{
	random_mode(PRIO_EQUAL, opt_ops / 2);
	random_mode(PRIO_FEW, opt_ops / 2);
}

static void random_random(void)
{
	random_mode(PRIO_RANDOM, opt_ops);
}

/* The shapes that priorities force, and that no operation needs recursion. */
static void degenerate_shapes(void)
{
	const unsigned int n = 2000;
	enum prio_mode mode;
	unsigned int i;

	for (mode = PRIO_BY_BASE; mode <= PRIO_BY_BASE_DOWN; mode++) {
		struct rb_node *rb;

		world_init(&world, mode, 1);
		for (i = 0; i < n; i++)
			add(&world, &(struct linear_span) { .base = 3 * i, .npages = 1 + i % 2 });
		rb = world.treap.root.rb_node;
		for (i = 0; rb; i++) {
			EXPECT(!(mode == PRIO_BY_BASE ? rb->rb_right : rb->rb_left),
			       "not a list at depth %u", i);
			rb = mode == PRIO_BY_BASE ? rb->rb_left : rb->rb_right;
		}
		EXPECT_EQ(i, n);
		verify(&world);
		verify_filter(&world, SPAN_FILTER_ALL);
		world_exit(&world);
	}
}

/* Random priorities keep the depth near 2 ln n whatever the order of insertion. */
static void depth_is_logarithmic(void)
{
	unsigned int i, depth, sum = 0, deepest = 0;
	const unsigned int n = LINEAR_MAX;

	world_init(&world, PRIO_RANDOM, opt_seed);
	for (i = 0; i < n; i++)
		add(&world, &(struct linear_span) { .base = 2 * i, .npages = 1 });
	for (i = 0; i < n; i++) {
		struct span_treap_node *node = world.model.span[i].object;
		struct rb_node *rb = &node->rb;

		for (depth = 0; rb_parent(rb); depth++)
			rb = rb_parent(rb);
		sum += depth;
		deepest = max(deepest, depth);
	}
	/* Expected 13.6 for 4096; a list would have 2048. */
	EXPECT(sum / n < 20, "mean depth %u", sum / n);
	EXPECT(deepest < 60, "depth %u", deepest);
	world_exit(&world);
}

/* The @k-th order of 0 to @n - 1. */
static void nth_order(unsigned int k, unsigned int n, unsigned int *order)
{
	unsigned int i, j, used = 0;

	for (i = 0; i < n; i++) {
		unsigned int left = k % (n - i);

		k /= n - i;
		for (j = 0; used >> j & 1 || left--; j++)
			;
		order[i] = j;
		used |= 1U << j;
	}
}

/* Four nodes: all orders of insertion, of priority, of erasure. */
static void small_world(void)
{
	enum { N = 4, ORDERS = 24 };
	unsigned int in[N], prio[N], out[N], i, j, ncases = 0;
	struct span_treap_node node[N];
	struct span_treap treap;

	for (i = 0; i < ORDERS * ORDERS * ORDERS; i++, ncases++) {
		enum span_invariant broken = SPAN_INV_NONE;

		nth_order(i % ORDERS, N, in);
		nth_order(i / ORDERS % ORDERS, N, prio);
		nth_order(i / ORDERS / ORDERS, N, out);
		span_treap_init(&treap);
		for (j = 0; j < N; j++) {
			struct span_treap_node *new = &node[in[j]];

			*new = (struct span_treap_node) {
				.base = 10 * in[j], .npages = 1 + (i + in[j]) % 5,
				.nreleased = in[j] & 1, .ngranules_idle = in[j] >> 1,
			};
			span_treap_insert(&treap, new, prio[j]);
			broken = broken ? : span_treap_check(&treap, NULL);
		}
		for (j = 0; j < N; j++) {
			span_treap_erase(&treap, &node[out[j]]);
			broken = broken ? : span_treap_check(&treap, NULL);
		}
		REQUIRE(!broken, "case %u: invariant %d", i, broken);
		REQUIRE(!treap.nspans && !treap.npages, "case %u: counters", i);
	}
	EXPECT_EQ(ncases, 13824);
}

static void empty_tree(void)
{
	struct span_treap_window window = { .npages = 1, .align = 1 };
	unsigned int filter;
	unsigned long base;

	world_init(&world, PRIO_RANDOM, 1);
	verify(&world);
	for (filter = 0; filter <= SPAN_FILTER_ALL; filter++)
		verify_filter(&world, filter);
	EXPECT(!span_treap_first_fit(&world.treap, 1), "a fit in nothing");
	EXPECT(!span_treap_find(&world.treap, &window, &base), "a run in nothing");
	window.from = 5;
	EXPECT(!span_treap_find(&world.treap, &window, &base), "a run in nothing");
	EXPECT(!span_treap_last_below(&world.treap, ~0UL, SPAN_FILTER_ALL), "a span");
	EXPECT(!span_treap_first_above(&world.treap, 0, SPAN_FILTER_ALL), "a span");
}

/* The table of filters: which types agree with match under mask. */
static void filter_table(void)
{
	static const u8 table[4][4] = {
		{ 0xf, 0, 0, 0 }, { 0x5, 0xa, 0, 0 }, { 0x3, 0, 0xc, 0 }, { 1, 2, 4, 8 },
	};
	unsigned int mask, match;

	for (mask = 0; mask < 4; mask++)
		for (match = 0; match < 4; match++)
			EXPECT(span_treap_filter(mask, match) == table[mask][match],
			       "mask %u, match %u: %x", mask, match,
			       span_treap_filter(mask, match));
	EXPECT_EQ(SPAN_FILTER_ALL, 0xf);
}

/* Carve a span down page by page from the front, and grow it back from below. */
static void mutate_in_place(void)
{
	struct linear_span *span = &world.model.span[1];
	unsigned int i;

	world_init(&world, PRIO_RANDOM, 3);
	add(&world, &(struct linear_span) { .base = 0, .npages = 5 });
	add(&world, &(struct linear_span) { .base = 10, .npages = 900, .nreleased = 3 });
	add(&world, &(struct linear_span) { .base = 1000, .npages = 7, .nidle = 1 });
	for (i = 1; i < 900; i++) {
		struct linear_span to = *span;

		to.base++;
		to.npages--;
		change(&world, 1, &to);
		REQUIRE(verify(&world) && verify_fits(&world), "shrunk by %u", i);
	}
	while (span->base > 5) {
		struct linear_span to = *span;

		to.base--;
		to.npages++;
		change(&world, 1, &to);
		REQUIRE(verify(&world) && verify_fits(&world), "grown to %lu", to.base);
	}
	EXPECT_EQ(world.treap.ninserts, 3);
	EXPECT_EQ(world.treap.nerases, 0);
	EXPECT_EQ(world.treap.nmutates, 899 + 904);
	world_exit(&world);
}

/* Erasing must not move payloads: pointers to all other nodes stay good. */
static void erase_moves_nothing(void)
{
	struct linear_span span;
	unsigned int round;
	size_t i;

	for (round = 0; round < 200; round++) {
		world_init(&world, PRIO_RANDOM, round);
		while (world.model.n < 15)
			if (random_span(&world, world.model.n, &span))
				add(&world, &span);
			else
				break;
		while (world.model.n) {
			drop(&world, rng_below(&world.rng, world.model.n));
			for (i = 0; i < world.model.n; i++) {
				struct span_treap_node *node = world.model.span[i].object;

				REQUIRE(node->base == world.model.span[i].base &&
					node->npages == world.model.span[i].npages,
					"round %u: node %zu changed", round, i);
			}
		}
	}
}

static const struct ktap_case cases[] = {
	{ "filters follow the table of masks and matches", filter_table },
	{ "an empty tree answers every question", empty_tree },
	{ "all 13824 small worlds of four nodes", small_world },
	{ "a span shrinks and grows in its node, without insert or erase", mutate_in_place },
	{ "erasing moves no payload", erase_moves_nothing },
	{ "chosen priorities make lists, which work", degenerate_shapes },
	{ "random priorities make shallow trees", depth_is_logarithmic },
	{ "random operations, random priorities", random_random },
	{ "random operations, few and equal priorities", random_equal },
	{ "random operations, priorities by base", random_by_base },
	{ "random operations, priorities by age", random_by_age },
	{ "planted damage of a node is named", damage_is_named },
	{ "planted damage of a counter is named", damaged_counters_are_named },
	{ "searches stay out of subtrees without a match", searches_stay_out },
};

static void after(void)
{
	EXPECT_EQ(shim_take_warnings(), 0);
}

int main(int argc, char **argv)
{
	opt_ops = 20000;
	if (!trial_options(argc, argv))
		return 2;
	return ktap_run(cases, ARRAY_SIZE(cases), 14, NULL, after);
}
