// SPDX-License-Identifier: GPL-2.0-only
/*
 * A treap and its model side by side: the operations, done to both, and the
 * questions, asked of both.
 */
#include <stdlib.h>

#include "treap_world.h"

struct world world;

static u32 choose_prio(struct world *w, unsigned long base)
{
	switch (w->mode) {
	case PRIO_FEW:
		return rng_below(&w->rng, 3);
	case PRIO_EQUAL:
		return 7;
	case PRIO_BY_BASE:
		return base;
	case PRIO_BY_BASE_DOWN:
		return U32_MAX - base;
	case PRIO_RISING:
		return w->ninserts;
	case PRIO_FALLING:
		return U32_MAX - w->ninserts;
	default:
		return rng_below(&w->rng, 1ULL << 32);
	}
}

void world_init(struct world *w, enum prio_mode mode, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	span_treap_init(&w->treap);
	rng_seed(&w->rng, seed);
	w->mode = mode;
}

static void world_say(const struct world *w, const char *what,
		      const struct linear_span *span, u32 prio)
{
	if (w->talk)
		ktap_note("  %s %lu pages at %lu, %lu released, %lu idle, priority %u", what,
			  span->npages, span->base, span->nreleased, span->nidle, prio);
}

void add(struct world *w, const struct linear_span *span)
{
	struct span_treap_node *node = calloc(1, sizeof(*node));
	struct linear_span copy = *span;
	u32 prio;

	node->base = span->base;
	node->npages = span->npages;
	node->nreleased = span->nreleased;
	node->ngranules_idle = span->nidle;
	RB_CLEAR_NODE(&node->rb);
	copy.object = node;
	linear_insert(&w->model, &copy);
	prio = choose_prio(w, span->base);
	world_say(w, "insert", span, prio);
	span_treap_insert(&w->treap, node, prio);
	EXPECT_EQ(node->prio, prio);
	w->ninserts++;
}

void drop(struct world *w, size_t at)
{
	struct span_treap_node *node = w->model.span[at].object;

	world_say(w, "erase", &w->model.span[at], node->prio);
	span_treap_erase(&w->treap, node);
	EXPECT(RB_EMPTY_NODE(&node->rb), "an erased node is not cleared");
	linear_erase(&w->model, at);
	free(node);
	w->nerases++;
}

void world_exit(struct world *w)
{
	while (w->model.n)
		drop(w, rng_below(&w->rng, w->model.n));
	EXPECT(RB_EMPTY_ROOT(&w->treap.root), "nodes are left");
	EXPECT_EQ(span_treap_check(&w->treap, NULL), SPAN_INV_NONE);
}

/* A random span in the gap above model span @at - 1, or false. */
bool random_span(struct world *w, size_t at, struct linear_span *span)
{
	unsigned long low = 0, high = WORLD;

	if (at)
		low = w->model.span[at - 1].base + w->model.span[at - 1].npages;
	if (at < w->model.n)
		high = w->model.span[at].base;
	if (low >= high)
		return false;
	span->base = rng_range(&w->rng, low, high - 1);
	span->npages = rng_range(&w->rng, 1, min(high - span->base, 40UL));
	span->nreleased = rng_once_in(&w->rng, 2) ? rng_range(&w->rng, 0, span->npages) : 0;
	span->nidle = rng_once_in(&w->rng, 2) ? rng_range(&w->rng, 0, 9) : 0;
	return true;
}

static void become(struct span_treap_node *node, void *arg)
{
	const struct linear_span *to = arg;

	node->base = to->base;
	node->npages = to->npages;
	node->nreleased = to->nreleased;
	node->ngranules_idle = to->nidle;
}

void change(struct world *w, size_t at, const struct linear_span *to)
{
	struct linear_span *span = &w->model.span[at];
	struct span_treap_node *node = span->object;

	world_say(w, "change", span, node->prio);
	*span = *to;
	span->object = node;
	world_say(w, "    to", span, node->prio);
	span_treap_mutate(&w->treap, node, become, span);
	w->nmutates++;
}

/* Front or back, in or out, the type, or all at once. */
void change_randomly(struct world *w, size_t at)
{
	struct linear_span *span = &w->model.span[at], to = *span;
	unsigned long low = 0, high = WORLD, end = to.base + to.npages;

	if (at)
		low = span[-1].base + span[-1].npages;
	if (at + 1 < w->model.n)
		high = span[1].base;
	switch (rng_below(&w->rng, 6)) {
	case 0:
		to.base = rng_range(&w->rng, to.base, end - 1);
		break;
	case 1:
		end = rng_range(&w->rng, to.base + 1, end);
		break;
	case 2:
		to.base = rng_range(&w->rng, low, to.base);
		break;
	case 3:
		end = rng_range(&w->rng, end, high);
		break;
	case 4:
		to.nreleased = rng_once_in(&w->rng, 2) ? 0 : rng_range(&w->rng, 1, 50);
		to.nidle = rng_once_in(&w->rng, 2) ? 0 : rng_range(&w->rng, 1, 9);
		break;
	default:
		to.base = rng_range(&w->rng, low, high - 1);
		end = rng_range(&w->rng, to.base + 1, high);
		to.nreleased = rng_below(&w->rng, 3);
		to.nidle = rng_below(&w->rng, 3);
	}
	to.npages = end - to.base;
	change(w, at, &to);
}

/* The tree's own check, the order of the nodes, and every counter. */
bool verify(const struct world *w)
{
	unsigned long npages = 0, nreleased = 0, nidle = 0;
	struct rb_node *rb = rb_first(&w->treap.root);
	const struct span_treap_node *where = NULL;
	size_t i;

	if (!EXPECT(!span_treap_check(&w->treap, &where), "invariant %d at base %lu",
		    span_treap_check(&w->treap, NULL), where ? where->base : 0))
		return false;
	for (i = 0; i < w->model.n; i++, rb = rb_next(rb)) {
		const struct linear_span *span = &w->model.span[i];

		npages += span->npages;
		nreleased += span->nreleased;
		nidle += span->nidle;
		if (!EXPECT(rb && rb_entry(rb, struct span_treap_node, rb) == span->object,
			    "another node in place %zu", i))
			return false;
	}
	return EXPECT(!rb, "more than %zu nodes", w->model.n) &&
	       EXPECT_EQ(w->treap.nspans, w->model.n) &&
	       EXPECT_EQ(w->treap.npages, npages) &&
	       EXPECT_EQ(w->treap.nreleased, nreleased) &&
	       EXPECT_EQ(w->treap.ngranules_idle, nidle) &&
	       EXPECT_EQ(w->treap.ninserts, w->ninserts) &&
	       EXPECT_EQ(w->treap.nerases, w->nerases) &&
	       EXPECT_EQ(w->treap.nmutates, w->nmutates);
}

static void *object_at(const struct world *w, size_t at)
{
	return at < w->model.n ? w->model.span[at].object : NULL;
}

/* Walks under @filter from both ends, and from every node whether it matches or not. */
bool verify_filter(const struct world *w, u8 filter)
{
	const struct linear *model = &w->model;
	size_t i, none = model->n;
	bool good;

	good = span_treap_start(&w->treap, filter) ==
	       object_at(w, none ? linear_up(model, 0, filter) : none) &&
	       span_treap_end(&w->treap, filter) ==
	       object_at(w, none ? linear_down(model, none - 1, filter) : none);
	for (i = 0; i < model->n && good; i++) {
		good = span_treap_next(object_at(w, i), filter) ==
		       object_at(w, linear_up(model, i + 1, filter)) &&
		       span_treap_prev(object_at(w, i), filter) ==
		       object_at(w, i ? linear_down(model, i - 1, filter) : none);
	}
	return EXPECT(good, "filter %x, near node %zu of %zu", filter, i, model->n);
}

static bool verify_last_below(const struct world *w, u8 filter, unsigned long page)
{
	size_t at = w->model.n, n = 0;

	while (n < w->model.n && w->model.span[n].base < page)
		n++;
	if (n)
		at = linear_down(&w->model, n - 1, filter);
	return EXPECT(span_treap_last_below(&w->treap, page, filter) == object_at(w, at),
		      "page %lu, filter %x", page, filter);
}

static bool verify_first_above(const struct world *w, u8 filter, unsigned long page)
{
	size_t n = 0;

	while (n < w->model.n && w->model.span[n].base + w->model.span[n].npages <= page)
		n++;
	return EXPECT(span_treap_first_above(&w->treap, page, filter) ==
		      object_at(w, linear_up(&w->model, n, filter)), "page %lu, filter %x", page,
		      filter);
}

bool verify_walks(struct world *w)
{
	unsigned int filter, i;

	for (filter = 0; filter <= SPAN_FILTER_ALL; filter++) {
		if (!verify_filter(w, filter))
			return false;
		for (i = 0; i < 4; i++)
			if (!verify_last_below(w, filter, rng_below(&w->rng, WORLD + 50)) ||
			    !verify_first_above(w, filter, rng_below(&w->rng, WORLD + 50)))
				return false;
	}
	return true;
}

static bool verify_window(const struct world *w, const struct span_treap_window *window)
{
	struct span_treap_window at_once = *window, in_steps = *window;
	unsigned long base = 0, found = 0, step = 0;
	struct span_treap_node *node = span_treap_find(&w->treap, &at_once, &found);
	struct span_treap_node *other;
	size_t at = linear_place(&w->model, window->npages, window->align,
				 window->boundary, window->from, &base);

	/* One try at a time, from where the last ended, leads to the same place. */
	do {
		in_steps.tries = 1;
		other = span_treap_find(&w->treap, &in_steps, &step);
	} while (!other && !in_steps.tries);
	if (!EXPECT(other == node && (!node || step == found), "in steps: %lu, not %lu",
		    step, found))
		return false;
	return EXPECT(node == object_at(w, at) && (!node || found == base),
		      "%lu pages, align %lu, boundary %lu, from %lu: %lu, not %lu",
		      window->npages, window->align, window->boundary, window->from,
		      node ? found : ~0UL, at < w->model.n ? base : ~0UL);
}

/* A search with an alignment and a boundary to keep. */
static bool verify_random_window(struct world *w)
{
	struct span_treap_window window = {
		.npages = rng_range(&w->rng, 1, 20),
		.align = 1UL << rng_below(&w->rng, 7),
		.from = rng_once_in(&w->rng, 2) ? rng_below(&w->rng, WORLD) : 0,
	};

	if (rng_once_in(&w->rng, 2)) {
		window.boundary = 1UL << rng_below(&w->rng, 7);
		window.npages = rng_range(&w->rng, 1, window.boundary);
	}
	if (w->talk)
		ktap_note("  find %lu pages, align %lu, boundary %lu, from %lu", window.npages,
			  window.align, window.boundary, window.from);
	return verify_window(w, &window);
}

bool verify_fits(struct world *w)
{
	unsigned long npages, base;
	size_t at;
	int i;

	for (npages = 1; npages <= 45; npages++) {
		at = linear_place(&w->model, npages, 1, 0, 0, &base);
		if (!EXPECT(span_treap_first_fit(&w->treap, npages) == object_at(w, at),
			    "first fit of %lu pages", npages))
			return false;
	}
	for (i = 0; i < 24; i++)
		if (!verify_random_window(w))
			return false;
	return true;
}

bool world_step(struct world *w, size_t most)
{
	struct linear_span span;
	size_t n = w->model.n;

	switch (rng_below(&w->rng, n > most ? 6 : 9)) {
	case 0:
	case 1:
		if (n)
			change_randomly(w, rng_below(&w->rng, n));
		break;
	case 2:
	case 3:
	case 4:
		if (n)
			drop(w, rng_below(&w->rng, n));
		break;
	case 5:
		return verify_random_window(w);
	default:
		if (random_span(w, rng_below(&w->rng, n + 1), &span))
			add(w, &span);
	}
	return verify(w);
}
