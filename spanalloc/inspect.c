// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looking at a heap: statistics, a walk over its spans, the check.
 */

/**
 * DOC: Inspection
 *
 * The statistics are exact: one hold of the lock, and everything is a counter. What is in
 * per-CPU caches is summed up while they are in use: a span that moves from one to another
 * meanwhile is counted twice, or as in use.
 *
 * Walks go by address. On a heap at work the lock is dropped after a bounded
 * number of spans, and the walk goes on at the address where it stopped,
 * whatever span covers that by then.
 *
 * The check verifies every numbered invariant (1 to 5 in treap.c, 6 to 11 in
 * space.c) from the span map and the granule table up: it visits every span by
 * address, verifies the tree's conditions at each free one, which are local and
 * together make the global ones, recounts what each free span counts, and reads
 * the map. The counters are compared with the sums if the heap did not
 * change between the first batch and the last.
 *
 * Locking: takes the heap's lock, a batch at a time.
 */

#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/sched.h>

#include "cache.h"
#include "space.h"

/**
 * span_heap_stats() - take a snapshot of a heap's statistics
 * @heap: the heap
 * @stats: out: the snapshot, consistent in itself
 *
 * Context: any but NMI; without the heap's lock.
 */
void span_heap_stats(struct span_heap *heap, struct spanalloc_stats *stats)
{
	const struct span_treap_node *root;
	unsigned long irqflags, idle;
	struct span_cache_sums cached;
	struct span_goal goal;

	spin_lock_irqsave(&heap->lock, irqflags);
	span_cache_sum(heap, &cached);
	goal = span_heap_goal(heap);
	idle = span_heap_idle_pages(heap);
	*stats = heap->stat;
	root = rb_entry_safe(heap->treap.root.rb_node, struct span_treap_node, rb);
	stats->address_pages = heap->arenas.npages;
	stats->backed_pages = heap->backed_granules << heap->granule_order;
	cached.npages = min(cached.npages, heap->in_use_pages);
	cached.nspans = min(cached.nspans, heap->in_use_spans);
	stats->in_use_pages = heap->in_use_pages - cached.npages;
	stats->cached_pages = cached.npages;
	stats->claimed_pages = heap->claimed_pages;
	stats->quarantined_pages = heap->quarantined_pages;
	stats->free_pages = heap->treap.npages;
	stats->released_pages = stats->address_pages - stats->backed_pages;
	stats->idle_pages = idle;
	stats->largest_free_pages = root ? span_treap_longest(root) : 0;
	stats->free_spans = heap->treap.nspans;
	stats->in_use_spans = heap->in_use_spans - cached.nspans;
	stats->cached_spans = cached.nspans;
	stats->allocs += cached.allocs;
	stats->frees += cached.frees;
	stats->cache_allocs = cached.allocs;
	stats->cache_frees = cached.frees;
	stats->cache_refills = cached.refills;
	stats->cache_flushes = cached.flushes;
	stats->zeroed_pages += cached.zeroed_pages;
	stats->zero_saved_pages += cached.zero_saved_pages;
	stats->metadata_bytes = sizeof(*heap) + span_arenas_bytes(&heap->arenas) +
				span_cache_bytes(heap) +
				(heap->scattered_granules << heap->granule_order) *
				sizeof(struct page *);
	stats->goal_pages = min(goal.keep, heap->max_pages);
	stats->demand_pages = span_demand_granules(&heap->demand) << heap->granule_order;
	stats->kept_pages = round_up(min(idle, goal.keep) - min(idle, goal.retain),
				     span_heap_granule_pages(heap));
	stats->poison_broken = atomic_long_read(&heap->poison_broken);
	stats->tree_inserts = heap->treap.ninserts;
	stats->tree_erases = heap->treap.nerases;
	spin_unlock_irqrestore(&heap->lock, irqflags);
	stats->granule_pages = span_heap_granule_pages(heap);
	stats->arena_pages = 1UL << heap->arenas.shift;
	stats->max_pages = heap->max_pages;
}

/* The span that a slot leads to, if that covers @page. A span in a slot is alive. */
static struct span *covers(struct span *span, unsigned long page)
{
	return span && span->node.base <= page && page < span_end(span) ? span : NULL;
}

/*
 * The span that covers @page. Inside a claim no bit leads to its base, but the
 * beginning of the next granule, or its end before that, does.
 */
static struct span *seek(struct span_heap *heap, unsigned long page)
{
	unsigned long step = span_heap_granule_pages(heap), at = page, end;
	struct span_treap_node *node;
	struct span *span;

	if (page >= heap->arenas.npages)
		return NULL;
	span = covers(*span_map_slot(&heap->arenas, page), page) ? :
	       span_map_lookup(&heap->arenas, page);
	if (span)
		return span;
	node = span_treap_last_below(&heap->treap, page, SPAN_FILTER_ALL);
	if (covers(span_of(node), page))
		return span_of(node);
	end = min(round_up(page + 1, step) + 1, heap->arenas.npages);
	while (!span && ++at < end)
		span = covers(*span_map_slot(&heap->arenas, at), page);
	return span;
}

/**
 * span_heap_next_span() - the span at an address
 * @heap: the heap
 * @page: any page number
 * @info: out: the span that covers @page
 *
 * Context: any but NMI; without the heap's lock.
 * Return: false at the end of the address space.
 */
bool span_heap_next_span(struct span_heap *heap, unsigned long page,
			 struct span_info *info)
{
	unsigned long irqflags;
	struct span *span;

	spin_lock_irqsave(&heap->lock, irqflags);
	span = seek(heap, page);
	if (span) {
		*info = (struct span_info) {
			.base = span->node.base,
			.npages = span->node.npages,
			.nreleased = span_tally_run(&heap->arenas, span->node.base,
						    span_end(span), 0, 0).nreleased,
			.state = span_state(span),
		};
	}
	if (span && info->state != SPAN_FREE) {
		info->views = span->views;
		info->owner = READ_ONCE(span->owner);
		info->caller = READ_ONCE(span->caller);
	}
	spin_unlock_irqrestore(&heap->lock, irqflags);
	return span;
}

/**
 * struct walk - a check under way
 * @heap: the heap
 * @report: what was found so far
 * @page: where the next batch begins
 * @changes: the heap's at the end of the last batch
 * @same: the heap did not change between batches
 * @every_slot: read the slots of all pages
 * @before: the span below the one that is visited
 * @claimed: pages of claimed spans
 * @in_use: pages of spans in use and cached
 * @quarantined: pages of quarantined spans
 * @free: pages of free spans
 * @released: released pages that free spans count
 * @idle: idle granules that free spans count
 * @in_use_spans: spans in use and cached
 * @backed: backed granules
 * @scattered: of these, those made of single pages
 */
struct walk {
	struct span_heap *heap;
	struct span_report *report;
	unsigned long page;
	u64 changes;
	bool same;
	bool every_slot;
	struct span *before;
	unsigned long claimed;
	unsigned long in_use;
	unsigned long quarantined;
	unsigned long free;
	unsigned long released;
	unsigned long idle;
	unsigned long in_use_spans;
	unsigned long backed;
	unsigned long scattered;
};

static enum span_invariant check_free(struct walk *walk, struct span *span)
{
	struct span_heap *heap = walk->heap;
	struct span_tally tally = span_tally_run(&heap->arenas, span->node.base,
						 span_end(span), span->node.base,
						 span_end(span));

	walk->report->free_spans++;
	walk->free += span->node.npages;
	walk->released += span->node.nreleased;
	walk->idle += span->node.ngranules_idle;
	if (walk->before && span_state(walk->before) == SPAN_FREE)
		return SPAN_INV_COALESCED;
	if (tally.nreleased != span->node.nreleased ||
	    tally.ngranules_idle != span->node.ngranules_idle)
		return SPAN_INV_RELEASED;
	return span_treap_check_node(&heap->treap, &span->node);
}

static enum span_invariant check_held(struct walk *walk, struct span *span)
{
	struct span_tally tally;
	u8 state = span_state(span);

	if (state == SPAN_CLAIMED) {
		walk->claimed += span->node.npages;
		return SPAN_INV_NONE;
	}
	if (state == SPAN_IN_USE || state == SPAN_CACHED) {
		walk->in_use += span->node.npages;
		walk->in_use_spans++;
	} else if (state == SPAN_QUARANTINED) {
		walk->quarantined += span->node.npages;
	} else {
		return SPAN_INV_MAP;
	}
	tally = span_tally_run(&walk->heap->arenas, span->node.base, span_end(span), 0, 0);
	return tally.nreleased ? SPAN_INV_RELEASED : SPAN_INV_NONE;
}

/* Are the slot and the bit of one page of @span what arena.c says they are? */
static bool slot_is_right(struct walk *walk, struct span *span, unsigned long page)
{
	struct span_arenas *arenas = &walk->heap->arenas;
	unsigned long step = span_heap_granule_pages(walk->heap);
	bool held = span_state(span) != SPAN_FREE;
	bool started = held && span_state(span) != SPAN_CLAIMED;
	bool first = page == span->node.base, last = page == span_end(span) - 1;
	bool slot = first || last || (held && !(page & (step - 1)));

	return *span_map_slot(arenas, page) == (slot ? span : NULL) &&
	       test_bit(span_arena_offset(arenas, page),
			span_arena_of(arenas, page)->starts) == (started && first);
}

static void count_granule(struct walk *walk, unsigned long page)
{
	struct span_arenas *arenas = &walk->heap->arenas;
	struct span_granule *granule = span_granule_at(arenas, page >> arenas->granule_order);

	walk->report->granules++;
	walk->backed += span_granule_backed(granule);
	walk->scattered += granule->scattered;
}

/*
 * In one hold, every slot is read. In batches, all bits, but only the slots at the
 * ends and at the beginnings of granules, which are those that lookups rely on:
 * reading a slot for each page of a long span would hold the lock for too long.
 */
static enum span_invariant check_map(struct walk *walk, struct span *span)
{
	struct span_arenas *arenas = &walk->heap->arenas;
	unsigned long step = span_heap_granule_pages(walk->heap);
	unsigned long page = span->node.base;

	if (!slot_is_right(walk, span, span_end(span) - 1) ||
	    span_map_start_in(arenas, page + 1, span_end(span)))
		return SPAN_INV_MAP;
	while (page < span_end(span)) {
		if (!slot_is_right(walk, span, page))
			return SPAN_INV_MAP;
		if (!(page & (step - 1)))
			count_granule(walk, page);
		page = walk->every_slot ? page + 1 : round_up(page + 1, step);
	}
	return SPAN_INV_NONE;
}

static enum span_invariant check_span(struct walk *walk, struct span *span)
{
	enum span_invariant broken;

	walk->report->spans++;
	if (!span->node.npages || span_end(span) > walk->heap->arenas.npages ||
	    span->node.base != walk->page)
		return SPAN_INV_OVERLAP;
	if (span_state(span) != SPAN_IN_USE && span_state(span) != SPAN_FREE && span->views)
		return SPAN_INV_VIEWS;
	broken = check_map(walk, span);
	if (broken)
		return broken;
	return span_state(span) == SPAN_FREE ? check_free(walk, span) : check_held(walk, span);
}

static bool sums_differ(const struct walk *walk)
{
	const struct span_heap *heap = walk->heap;

	return walk->claimed != heap->claimed_pages ||
	       walk->in_use != heap->in_use_pages ||
	       walk->in_use_spans != heap->in_use_spans ||
	       walk->quarantined != heap->quarantined_pages ||
	       walk->free != heap->treap.npages ||
	       walk->released != heap->treap.nreleased ||
	       walk->idle != heap->treap.ngranules_idle ||
	       walk->report->free_spans != heap->treap.nspans ||
	       walk->backed != heap->backed_granules ||
	       walk->scattered != heap->scattered_granules;
}

/* One hold of the lock, over at most @batch spans. Returns true when done. */
static bool check_batch(struct walk *walk, unsigned int batch)
{
	struct span_heap *heap = walk->heap;
	struct span_report *report = walk->report;
	unsigned long work = report->spans + report->granules;
	struct span *span = seek(heap, walk->page);

	if (walk->changes != heap->changes) {
		/* Only at the start of a batch can the position be off. */
		walk->same = false;
		walk->page = span ? span->node.base : heap->arenas.npages;
	}
	walk->before = span ? span_map_before(&heap->arenas, span->node.base) : NULL;
	for (; span; span = span_map_after(&heap->arenas, walk->page)) {
		report->page = walk->page;
		report->invariant = check_span(walk, span);
		if (report->invariant)
			return true;
		walk->page = span_end(span);
		walk->before = span;
		if (batch && report->spans + report->granules - work >= batch)
			break;
	}
	walk->changes = heap->changes;
	if (walk->page < heap->arenas.npages) {
		if (!span)
			report->invariant = SPAN_INV_OVERLAP;
		return !span;
	}
	report->sums_compared = walk->same;
	if (walk->same && sums_differ(walk))
		report->invariant = SPAN_INV_COUNTERS;
	return true;
}

/**
 * span_heap_check() - verify every invariant of a heap and recount its counters
 * @heap: the heap
 * @batch: spans and granules to visit, at least, before the lock is dropped
 *         between two spans; 0 visits all, and reads every slot of the map, in one
 *         hold, for tests
 * @report: out: what was found
 *
 * A heap that is found damaged refuses further work from here on.
 *
 * Context: may sleep; without the heap's lock. O(pages of the address space) in
 * one hold, O(spans + granules) in batches.
 * Return: 0, or -EIO if an invariant is broken; @report says which and where.
 */
int span_heap_check(struct span_heap *heap, unsigned int batch,
		    struct span_report *report)
{
	struct walk walk = {
		.heap = heap,
		.report = report,
		.same = true,
		.every_slot = !batch,
	};
	unsigned long irqflags;
	bool done;

	*report = (struct span_report) { };
	spin_lock_irqsave(&heap->lock, irqflags);
	walk.changes = heap->changes;
	for (;;) {
		done = check_batch(&walk, batch);
		if (report->invariant)
			span_heap_damage(heap, "an invariant is broken, see check");
		spin_unlock_irqrestore(&heap->lock, irqflags);
		if (done)
			break;
		cond_resched();
		spin_lock_irqsave(&heap->lock, irqflags);
	}
	return report->invariant ? -EIO : 0;
}
