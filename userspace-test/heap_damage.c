// SPDX-License-Identifier: GPL-2.0-only
/*
 * Damage planted by hand: each numbered invariant is broken, the check has to
 * name it, the heap has to refuse work, and then the damage is undone.
 */
#include <linux/bitops.h>
#include <linux/rbtree_augmented.h>
#include <linux/slab.h>

#include "heap_world.h"
#include "space.h"

#define POKES_MAX	16

static const struct geometry eight = {
	.order = 3, .arena = 64, .limit = 1000, .retain = -1,
};

/* Bytes that were overwritten, to be put back. */
static struct poke {
	void *at;
	size_t size;
	unsigned char was[sizeof(struct span_treap_node)];
} pokes[POKES_MAX];
static unsigned int npokes;

static void save(void *at, size_t size)
{
	struct poke *poke = &pokes[npokes++];

	if (npokes > POKES_MAX || size > sizeof(poke->was))
		abort();
	poke->at = at;
	poke->size = size;
	memcpy(poke->was, at, size);
}

#define POKE(place, value)	(save(&(place), sizeof(place)), (place) = (value))

static void unpoke(void)
{
	while (npokes) {
		npokes--;
		memcpy(pokes[npokes].at, pokes[npokes].was, pokes[npokes].size);
	}
}

/*
 * The scene: used [0,20), free [20,25), used [25,55), free [55,64), used
 * [64,104), free [104,128), of which [104,128) is released. In the tree the
 * middle one is the root.
 */
static struct span *used(unsigned int i)
{
	static const unsigned long base[] = { 0, 25, 64 };

	return *span_map_slot(&hw.heap->arenas, base[i]);
}

static struct span *unused(unsigned int i)
{
	static const unsigned long base[] = { 20, 55, 104 };

	return *span_map_slot(&hw.heap->arenas, base[i]);
}

static struct span_granule *granule(unsigned long index)
{
	return span_granule_at(&hw.heap->arenas, index);
}

static bool scene(void)
{
	static const u32 prio[] = { 1, 9, 2 };
	unsigned int i;

	if (!hw_create(&eight) || !hw_alloc(20, 0, 0, GFP_KERNEL) ||
	    !hw_alloc(5, 0, 0, GFP_KERNEL) || !hw_alloc(30, 0, 0, GFP_KERNEL) ||
	    !hw_alloc(9, 0, 0, GFP_KERNEL) || !hw_alloc(40, 0, 0, GFP_KERNEL))
		return false;
	if (!hw_free(hw_at(55)) || !hw_free(hw_at(20)) || !hw_verify_all())
		return false;
	for (i = 0; i < 3; i++) {
		struct span *span = unused(i);

		span_treap_erase(&hw.heap->treap, &span->node);
		span_treap_insert(&hw.heap->treap, &span->node, prio[i]);
		hw.model.count.tree_inserts++;
		hw.model.count.tree_erases++;
	}
	return hw_verify_all();
}

static void order(void)
{
	struct rb_node *root = hw.heap->treap.root.rb_node, *left = root->rb_left;

	POKE(root->rb_left, root->rb_right);
	POKE(root->rb_right, left);
}

static void heap_order(void)
{
	POKE(unused(0)->node.prio, 10);
}

static void parent(void)
{
	POKE(unused(2)->node.rb.__rb_parent_color, RB_BLACK);
}

static void subtree_max(void)
{
	POKE(unused(1)->node.left_max, 25);
}

static void subtree_types(void)
{
	struct span_treap_node *node = &unused(1)->node, damaged = *node;

	damaged.right_types = SPAN_FILTER_ALL;
	POKE(*node, damaged);
}

/* A span in use becomes free without merging; all the sums are right. */
static struct span before;

static void not_coalesced(void)
{
	struct span *span = used(1);
	struct span_tally tally = span_tally_run(&hw.heap->arenas, 25, 55, 25, 55);

	before = *span;
	span_map_release(&hw.heap->arenas, span);
	span->node.nreleased = tally.nreleased;
	span->node.ngranules_idle = tally.ngranules_idle;
	span_treap_insert(&hw.heap->treap, &span->node, 0);
	span->node.state = SPAN_FREE;
	hw.heap->in_use_pages -= 30;
	hw.heap->in_use_spans--;
}

static void coalesced_again(void)
{
	struct span *span = used(1);

	span_treap_erase(&hw.heap->treap, &span->node);
	*span = before;
	span_map_hold(&hw.heap->arenas, span);
	span_map_publish(&hw.heap->arenas, span);
	hw.heap->in_use_pages += 30;
	hw.heap->in_use_spans++;
	hw.model.count.tree_inserts++;
	hw.model.count.tree_erases++;
}

static void overlap_base(void)
{
	POKE(used(1)->node.base, 24);
}

static void gap_base(void)
{
	POKE(used(1)->node.base, 26);
}

static void overlap_empty(void)
{
	POKE(used(1)->node.npages, 0);
}

static void overlap_beyond(void)
{
	POKE(used(2)->node.npages, 65);
}

static void gap_hole(void)
{
	POKE(*span_map_slot(&hw.heap->arenas, 55), NULL);
}

static void map_last(void)
{
	POKE(*span_map_slot(&hw.heap->arenas, 54), NULL);
}

static void map_longer(void)
{
	POKE(used(1)->node.npages, 31);
}

static void map_granule(void)
{
	POKE(*span_map_slot(&hw.heap->arenas, 72), used(0));
}

static void map_inner(void)
{
	POKE(*span_map_slot(&hw.heap->arenas, 73), used(2));
}

static void map_free_granule(void)
{
	POKE(*span_map_slot(&hw.heap->arenas, 112), unused(2));
}

static unsigned long *starts(unsigned int arena)
{
	return hw.heap->arenas.dir->arena[arena]->starts;
}

static void map_start_lost(void)
{
	POKE(starts(0)[0], starts(0)[0] & ~BIT(25));
}

static void map_start_stray(void)
{
	POKE(starts(1)[0], starts(1)[0] | BIT(5));
}

static void map_start_free(void)
{
	POKE(starts(0)[0], starts(0)[0] | BIT(55));
}

static void map_state(void)
{
	POKE(used(1)->node.state, SPAN_DEAD);
}

static void released_used(void)
{
	POKE(granule(9)->page, NULL);
	POKE(hw.heap->backed_granules, hw.heap->backed_granules - 1);
}

static void released_count(void)
{
	POKE(unused(2)->node.nreleased, 23);
	POKE(hw.heap->treap.nreleased, hw.heap->treap.nreleased - 1);
}

static void idle_count(void)
{
	POKE(unused(1)->node.ngranules_idle, 2);
	POKE(hw.heap->treap.ngranules_idle, hw.heap->treap.ngranules_idle + 1);
}

static void views_of_claimed(void)
{
	POKE(used(1)->views, 1);
	POKE(used(1)->node.state, SPAN_CLAIMED);
}

#define COUNTER(field)					\
	static void count_##field(void)			\
	{						\
		POKE(hw.heap->field, hw.heap->field + 1);	\
	}
#define TREE_COUNTER(field)				\
	static void tree_##field(void)			\
	{						\
		POKE(hw.heap->treap.field, hw.heap->treap.field + 1);	\
	}

COUNTER(in_use_pages)
COUNTER(claimed_pages)
COUNTER(quarantined_pages)
COUNTER(in_use_spans)
COUNTER(backed_granules)
COUNTER(scattered_granules)
TREE_COUNTER(nspans)
TREE_COUNTER(npages)
TREE_COUNTER(nreleased)
TREE_COUNTER(ngranules_idle)

/**
 * struct damage - one way to break a heap
 * @name: what it is
 * @invariant: what the check has to say
 * @plant: does it
 * @undo: undoes what POKE() did not do
 * @one_hold: only a check in one hold reads that far
 */
static const struct damage {
	const char *name;
	enum span_invariant invariant;
	void (*plant)(void);
	void (*undo)(void);
	bool one_hold;
} damages[] = {
	{ "tree order", SPAN_INV_ORDER, order },
	{ "heap order", SPAN_INV_HEAP, heap_order },
	{ "parent link", SPAN_INV_PARENT, parent },
	{ "subtree maximum", SPAN_INV_MAX, subtree_max },
	{ "subtree types", SPAN_INV_TYPES, subtree_types },
	{ "free neighbours", SPAN_INV_COALESCED, not_coalesced, coalesced_again },
	{ "base too low", SPAN_INV_OVERLAP, overlap_base },
	{ "base too high", SPAN_INV_OVERLAP, gap_base },
	{ "empty span", SPAN_INV_OVERLAP, overlap_empty },
	{ "span beyond the end", SPAN_INV_OVERLAP, overlap_beyond },
	{ "hole", SPAN_INV_OVERLAP, gap_hole },
	{ "last slot lost", SPAN_INV_MAP, map_last },
	{ "span too long", SPAN_INV_MAP, map_longer },
	{ "slot of a granule wrong", SPAN_INV_MAP, map_granule },
	{ "stray slot", SPAN_INV_MAP, map_inner, .one_hold = true },
	{ "stray slot in a free span", SPAN_INV_MAP, map_free_granule },
	{ "start bit lost", SPAN_INV_MAP, map_start_lost },
	{ "stray start bit", SPAN_INV_MAP, map_start_stray },
	{ "start bit of a free span", SPAN_INV_MAP, map_start_free },
	{ "dead span in the map", SPAN_INV_MAP, map_state },
	{ "released under a span in use", SPAN_INV_RELEASED, released_used },
	{ "released pages miscounted", SPAN_INV_RELEASED, released_count },
	{ "idle granules miscounted", SPAN_INV_RELEASED, idle_count },
	{ "pages in use", SPAN_INV_COUNTERS, count_in_use_pages },
	{ "claimed pages", SPAN_INV_COUNTERS, count_claimed_pages },
	{ "quarantined pages", SPAN_INV_COUNTERS, count_quarantined_pages },
	{ "spans in use", SPAN_INV_COUNTERS, count_in_use_spans },
	{ "backed granules", SPAN_INV_COUNTERS, count_backed_granules },
	{ "scattered granules", SPAN_INV_COUNTERS, count_scattered_granules },
	{ "free spans", SPAN_INV_COUNTERS, tree_nspans },
	{ "free pages", SPAN_INV_COUNTERS, tree_npages },
	{ "released pages", SPAN_INV_COUNTERS, tree_nreleased },
	{ "idle granules", SPAN_INV_COUNTERS, tree_ngranules_idle },
	{ "views of a claimed span", SPAN_INV_VIEWS, views_of_claimed },
};

static void break_and_check(const struct damage *damage, unsigned int batch)
{
	struct span_report report;
	int err;

	damage->plant();
	shim_quiet = true;
	err = span_heap_check(hw.heap, batch, &report);
	shim_quiet = false;
	EXPECT(err == -EIO && report.invariant == damage->invariant,
	       "%s, check(%u): %d, invariant %d, not %d, page %lu", damage->name, batch, err,
	       report.invariant, damage->invariant, report.page);
	EXPECT(hw.heap->damaged == !!err && shim_take_warnings() == !!err,
	       "%s, check(%u): the heap is not marked damaged, or nothing was said",
	       damage->name, batch);
	if (damage->undo)
		damage->undo();
	unpoke();
	hw.heap->damaged = false;
	EXPECT(hw_verify_all(), "%s was not undone", damage->name);
}

void damage_is_named(void)
{
	unsigned int i, batch, named[SPAN_INV_VIEWS + 1] = { 0 };

	REQUIRE(scene(), "no scene");
	for (i = 0; i < ARRAY_SIZE(damages); i++) {
		for (batch = 0; batch <= 3; batch++)
			if (!batch || !damages[i].one_hold)
				break_and_check(&damages[i], batch);
		named[damages[i].invariant]++;
	}
	for (i = SPAN_INV_ORDER; i <= SPAN_INV_VIEWS; i++)
		EXPECT(named[i], "invariant %u was not broken", i);
	hw_destroy();
}

/* No work on a damaged heap; what it has is lost on purpose. */
void damaged_heap_refuses(void)
{
	struct spanalloc_stats was, is;
	struct span_heap *copy;
	struct span *span;

	REQUIRE(scene(), "no scene");
	span_heap_stats(hw.heap, &was);
	hw.heap->damaged = true;
	/* It is said once. */
	span_heap_damage(hw.heap, "again");
	EXPECT_EQ(shim_take_warnings(), 0);
	EXPECT_EQ(PTR_ERR_OR_ZERO(hw_request(1, 0, 0, GFP_KERNEL, 1)), -EIO);
	EXPECT_EQ(PTR_ERR_OR_ZERO(hw_request(1, 0, 0, GFP_ATOMIC, 1)), -EIO);
	EXPECT_EQ(span_heap_free(hw.heap, used(0)), -EIO);
	EXPECT_EQ(span_heap_quarantine(hw.heap, used(0)), -EIO);
	span = span_heap_split(hw.heap, used(0), 3, GFP_KERNEL);
	EXPECT_EQ(PTR_ERR_OR_ZERO(span), -EIO);
	EXPECT_EQ(span_heap_scavenge(hw.heap, ~0UL), 0);
	span_heap_stats(hw.heap, &is);
	EXPECT(!memcmp(&was, &is, sizeof(was)), "the heap has changed");
	EXPECT_EQ(shim_live().objects, 6);

	/* Destroy it, and see that everything stays: a copy still leads there. */
	copy = kmemdup(hw.heap, sizeof(*copy), GFP_KERNEL);
	shim_quiet = true;
	EXPECT_EQ(span_heap_destroy(hw.heap), 90);
	shim_quiet = false;
	EXPECT_EQ(hw.fake.ngiven, 0);
	EXPECT_EQ(shim_live().objects, 6);
	hw.heap = copy;
	hw.heap->damaged = false;
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

static void refused(struct span *span, int expected, bool damaged)
{
	shim_quiet = true;
	EXPECT_EQ(span_heap_free(hw.heap, span), expected);
	EXPECT_EQ(shim_take_warnings(), 1);
	EXPECT_EQ(hw.heap->damaged, damaged);
	hw.heap->damaged = false;
	EXPECT_EQ(span_heap_quarantine(hw.heap, span), expected);
	EXPECT_EQ(shim_take_warnings(), 1);
	EXPECT_EQ(hw.heap->damaged, damaged);
	shim_quiet = false;
	hw.heap->damaged = false;
}

/* Sums that hide a free span from who looks for one: he fails, rather than look for ever. */
void hidden_span_is_noticed(void)
{
	unsigned int i;

	REQUIRE(scene(), "no scene");
	for (i = 0; i < 4; i++) {
		gfp_t gfp = i & 1 ? GFP_ATOMIC : GFP_KERNEL;

		if (i & 2)
			POKE(unused(1)->node.right_max, 0);
		else
			POKE(unused(1)->node.left_max, 100);
		shim_quiet = true;
		EXPECT_EQ(PTR_ERR(hw_request(24, 0, 0, gfp, 0)), -EIO);
		EXPECT_EQ(shim_take_warnings(), 1);
		shim_quiet = false;
		EXPECT(hw.heap->damaged, "not noticed");
		unpoke();
		hw.heap->damaged = false;
	}
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

/* A span that the map does not know at its base, or at its end alone. */
void lies_of_the_map_are_noticed(void)
{
	struct span stranger = { .node.state = SPAN_IN_USE };
	struct span *span;

	REQUIRE(scene(), "no scene");
	span = used(1);
	POKE(*span_map_slot(&hw.heap->arenas, 25), used(0));
	refused(span, -EINVAL, false);
	unpoke();
	POKE(*span_map_slot(&hw.heap->arenas, 54), used(0));
	refused(span, -EIO, true);
	unpoke();
	/* Spans of other heaps, whatever their address. */
	for (stranger.node.base = 0; stranger.node.base < 130; stranger.node.base++) {
		stranger.node.npages = 1;
		refused(&stranger, -EINVAL, false);
	}
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

/* A span that is free already: refused and reported, the heap is as it was. */
void second_free_is_refused(void)
{
	struct span *span;

	REQUIRE(scene(), "no scene");
	shim_quiet = true;
	for (span = unused(0); span; span = span == unused(0) ? unused(1) : NULL) {
		EXPECT_EQ(span_heap_free(hw.heap, span), -EINVAL);
		EXPECT_EQ(shim_take_warnings(), 1);
		EXPECT_EQ(PTR_ERR_OR_ZERO(span_heap_split(hw.heap, span, 1, GFP_KERNEL)),
			  -EINVAL);
		EXPECT_EQ(shim_take_warnings(), 1);
		EXPECT_EQ(span_heap_quarantine(hw.heap, span), -EINVAL);
		EXPECT_EQ(shim_take_warnings(), 1);
	}
	shim_quiet = false;
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}
