// SPDX-License-Identifier: GPL-2.0-only
/*
 * Damage planted by hand, which the treap's check has to name; and poison, which
 * shows that searches stay out of subtrees that hold nothing for them.
 */
#include <sys/wait.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#include "treap_world.h"

/**
 * struct damage - one way to break a node
 * @invariant: what the check has to say
 * @plant: breaks @node; false if this node cannot be broken so
 */
struct damage {
	enum span_invariant invariant;
	bool (*plant)(struct span_treap *treap, struct span_treap_node *node);
};

static struct span_treap_node *parent_of(struct span_treap_node *node)
{
	return rb_entry_safe(rb_parent(&node->rb), struct span_treap_node, rb);
}

static bool plant_base_high(struct span_treap *treap, struct span_treap_node *node)
{
	struct rb_node *next = rb_next(&node->rb);

	if (!next)
		return false;
	node->base = rb_entry(next, struct span_treap_node, rb)->base;
	return true;
}

static bool plant_base_low(struct span_treap *treap, struct span_treap_node *node)
{
	struct rb_node *prev = rb_prev(&node->rb);

	if (!prev)
		return false;
	node->base = rb_entry(prev, struct span_treap_node, rb)->base;
	return true;
}

static bool plant_empty(struct span_treap *treap, struct span_treap_node *node)
{
	const struct span_treap_node *parent = parent_of(node);

	/* A parent that comes before it would miss the longest span below. */
	if (parent && parent->rb.rb_right == &node->rb &&
	    node->npages > max(node->left_max, node->right_max))
		return false;
	node->npages = 0;
	return true;
}

static bool plant_prio(struct span_treap *treap, struct span_treap_node *node)
{
	if (!parent_of(node))
		return false;
	node->prio = parent_of(node)->prio + 1;
	return true;
}

static bool plant_parent_null(struct span_treap *treap, struct span_treap_node *node)
{
	if (!parent_of(node))
		return false;
	rb_set_parent_color(&node->rb, NULL, RB_BLACK);
	return true;
}

static bool plant_parent_other(struct span_treap *treap, struct span_treap_node *node)
{
	struct span_treap_node *last = rb_entry(rb_last(&treap->root),
						struct span_treap_node, rb);

	/* From the lowest node of a left subtree the way back would be wrong as well. */
	if (last == node || last == parent_of(node) || node->rb.rb_left)
		return false;
	rb_set_parent_color(&node->rb, &last->rb, RB_BLACK);
	return true;
}

static bool plant_max_high(struct span_treap *treap, struct span_treap_node *node)
{
	node->left_max++;
	return true;
}

static bool plant_max_low(struct span_treap *treap, struct span_treap_node *node)
{
	if (node->right_max)
		node->right_max--;
	else
		node->left_max--;
	return true;
}

static bool plant_type_more(struct span_treap *treap, struct span_treap_node *node)
{
	if (node->left_types == SPAN_FILTER_ALL)
		return false;
	node->left_types |= node->left_types + 1;
	return true;
}

static bool plant_type_less(struct span_treap *treap, struct span_treap_node *node)
{
	if (!node->right_types)
		return false;
	node->right_types &= node->right_types - 1;
	return true;
}

static bool plant_count(struct span_treap *treap, struct span_treap_node *node)
{
	/* Of the same type as before: only the sum shows it. */
	node->nreleased += node->nreleased ? 1 : 0;
	return node->nreleased;
}

static const struct damage damages[] = {
	{ SPAN_INV_ORDER, plant_base_high },
	{ SPAN_INV_ORDER, plant_base_low },
	{ SPAN_INV_ORDER, plant_empty },
	{ SPAN_INV_HEAP, plant_prio },
	{ SPAN_INV_PARENT, plant_parent_null },
	{ SPAN_INV_PARENT, plant_parent_other },
	{ SPAN_INV_MAX, plant_max_high },
	{ SPAN_INV_MAX, plant_max_low },
	{ SPAN_INV_TYPES, plant_type_more },
	{ SPAN_INV_TYPES, plant_type_less },
	{ SPAN_INV_COUNTERS, plant_count },
};

static unsigned int plant(const struct damage *damage, size_t at)
{
	struct span_treap_node *node = world.model.span[at].object, was = *node;
	const struct span_treap_node *where = NULL;
	enum span_invariant said;

	if (!damage->plant(&world.treap, node))
		return 0;
	said = span_treap_check(&world.treap, &where);
	EXPECT(said == damage->invariant, "node %zu: the check says %d, not %d", at, said,
	       damage->invariant);
	EXPECT(!where == (said == SPAN_INV_COUNTERS), "node %zu: where", at);
	*node = was;
	return 1;
}

void damage_is_named(void)
{
	unsigned int planted[ARRAY_SIZE(damages)] = { 0 }, round, i;
	struct linear_span span;
	size_t at;

	for (round = 0; round < 20; round++) {
		world_init(&world, PRIO_RANDOM, round + 100);
		while (world.model.n < 25)
			if (random_span(&world, rng_below(&world.rng, world.model.n + 1), &span))
				add(&world, &span);
		for (i = 0; i < ARRAY_SIZE(damages); i++)
			for (at = 0; at < world.model.n; at++)
				planted[i] += plant(&damages[i], at);
		REQUIRE(verify(&world), "the damage was not undone");
		world_exit(&world);
	}
	for (i = 0; i < ARRAY_SIZE(damages); i++)
		EXPECT(planted[i] > 50, "damage %u planted %u times only", i, planted[i]);
}

void damaged_counters_are_named(void)
{
	unsigned long *counter;
	size_t i;

	world_init(&world, PRIO_RANDOM, 5);
	for (i = 0; i < 9; i++)
		add(&world, &(struct linear_span) { .base = 8 * i, .npages = 3 });
	for (counter = &world.treap.nspans; counter <= &world.treap.ngranules_idle; counter++) {
		(*counter)++;
		EXPECT_EQ(span_treap_check(&world.treap, NULL), SPAN_INV_COUNTERS);
		*counter -= 2;
		EXPECT_EQ(span_treap_check(&world.treap, NULL), SPAN_INV_COUNTERS);
		(*counter)++;
	}
	EXPECT_EQ(span_treap_check(&world.treap, NULL), SPAN_INV_NONE);
	world_exit(&world);
}

/* Subtrees without a match are never entered: poison makes sure. */

#ifdef __SANITIZE_ADDRESS__
/* Poison every node below a subtree root that says it has nothing. */
static unsigned int poison(bool (*has)(const struct span_treap_node *root, unsigned long arg),
			   unsigned long arg)
{
	unsigned int n = 0;
	bool hide[LINEAR_MAX];
	size_t i;

	for (i = 0; i < world.model.n; i++) {
		struct span_treap_node *node = world.model.span[i].object;

		hide[i] = false;
		while ((node = parent_of(node)))
			hide[i] |= !has(node, arg);
	}
	for (i = 0; i < world.model.n; i++) {
		if (hide[i])
			__asan_poison_memory_region(world.model.span[i].object,
						    sizeof(struct span_treap_node));
		n += hide[i];
	}
	return n;
}

static void heal(void)
{
	size_t i;

	for (i = 0; i < world.model.n; i++)
		__asan_unpoison_memory_region(world.model.span[i].object,
					      sizeof(struct span_treap_node));
}

static bool has_type(const struct span_treap_node *root, unsigned long filter)
{
	const struct span_treap_node *up = parent_of((struct span_treap_node *)root);

	return !up || (up->rb.rb_left == &root->rb ? up->left_types : up->right_types) & filter;
}

static bool has_room(const struct span_treap_node *root, unsigned long npages)
{
	return span_treap_longest(root) >= npages;
}

/* Every search there is, on a tree whose uninteresting parts are poisoned. */
static unsigned int search_poisoned(void)
{
	unsigned int filter, hidden = 0;
	struct span_treap_node *node;
	unsigned long npages, base;

	for (filter = 1; filter <= SPAN_FILTER_ALL; filter++) {
		hidden += poison(has_type, filter);
		for (node = span_treap_start(&world.treap, filter); node;
		     node = span_treap_next(node, filter))
			;
		for (node = span_treap_end(&world.treap, filter); node;
		     node = span_treap_prev(node, filter))
			;
		heal();
	}
	for (npages = 1; npages < 42; npages++) {
		struct span_treap_window window = {
			.npages = npages, .align = 64, .boundary = 64,
		};

		hidden += poison(has_room, npages);
		span_treap_first_fit(&world.treap, npages);
		span_treap_find(&world.treap, &window, &base);
		heal();
	}
	return hidden;
}

static int poisoned_child(void)
{
	unsigned int round, hidden = 0;
	struct linear_span span;

	for (round = 0; round < 50; round++) {
		world_init(&world, PRIO_RANDOM, round + 500);
		while (world.model.n < 60 &&
		       random_span(&world, rng_below(&world.rng, world.model.n + 1), &span)) {
			span.nreleased = rng_once_in(&world.rng, 12);
			span.nidle = rng_once_in(&world.rng, 12);
			add(&world, &span);
		}
		hidden += search_poisoned();
		world_exit(&world);
	}
	return hidden > 10000 ? 0 : 3;
}
#endif

void searches_stay_out(void)
{
#ifdef __SANITIZE_ADDRESS__
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	REQUIRE(pid >= 0, "no child");
	if (!pid)
		_exit(poisoned_child());
	waitpid(pid, &status, 0);
	EXPECT(status == 0, "a search entered a subtree without a match: status %x", status);
#else
	ktap_note("not built with the address sanitizer: nothing shown");
#endif
}
