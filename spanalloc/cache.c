// SPDX-License-Identifier: GPL-2.0-only
/*
 * Per-CPU caches of free spans.
 */

/**
 * DOC: Caches
 *
 * A small span that is freed is likely to be allocated again soon, on the same CPU. So it is
 * parked there as it is: a complete span object, in the map, backed, out of the tree. The
 * next allocation of that length takes it again without the heap's lock and without a look at
 * the tree. (Bonwick and Adams, "Magazines and Vmem", 2001, is where this comes from.)
 *
 * Each CPU has shelves, each for spans of one length: one for every length up to
 * SPAN_SHELF_EXACT pages, and a few more for longer spans, which a length shares with those
 * that come to the same number. Such a shelf belongs to one of them, until another one is
 * freed twice with none of its own between. A shelf is a stack, so what is warm is taken
 * first.
 *
 * - An allocation that finds its shelf empty carves a batch (batch.c) from memory that is
 *   backed already, takes one span of it, and parks the rest. Long spans come one by one.
 * - A free that finds its shelf full gives the older half of it back to the tree, in the
 *   order of addresses. If the CPU has parked as many pages as it may, what comes goes to the
 *   tree, too; but where that was so a few times with one length, whole shelves make room for
 *   it, in turn.
 *
 * To the heap's counters and to the scavenger, a parked span is in use: its granules are not
 * idle. How many pages that may be is bounded for each CPU (span_cache_adjust()), and that
 * they are not parked for ever is seen to:
 *
 * - the scavenger looks at the caches each CACHES_LOOK_NS, and drains those shelves that
 *   nothing was put on since. It need not look while all are empty: the first span that is
 *   parked after that wakes it (look_at_caches() in scavenger.c);
 * - an allocation that would fail drains all caches first, if it may sleep, or else that of
 *   its CPU, and tries once more;
 * - so do reclaim, trim, and the end of the heap; and a CPU that goes away takes nothing with
 *   it (keeper.c).
 *
 * An allocation with an alignment has to go to the tree; so has everything where it matters
 * what free pages contain, where memory is charged, and where there are no caches. Without
 * caches, placement is exact first fit; with them, only what comes from the tree is.
 *
 * A span leaves the cache with a trait if it is known to be zero: it was carved from memory
 * that was, and nobody has had it since.
 *
 * Locking: none. A cache belongs to its CPU: whoever allocates or frees there keeps that CPU
 * by turning preemption off, and says that he is at work (span_cache_enter()). An interrupt
 * that finds it so lets the heap serve. So neither an atomic instruction nor an interrupt
 * turned off is paid for, as in the caches of kmem_cache and unlike in those of the page
 * allocator. The price is paid by who drains: he interrupts the CPUs that have something
 * parked, which hand it to him, shelf by shelf, and gives it back to the tree himself. That is
 * for tasks with interrupts on; others can drain no cache but that of their CPU. A CPU that
 * is dead has its cache emptied by whoever buried it.
 *
 * The heap's lock nests inside, so that what is carved or flushed is in a cache or in the tree
 * for whoever has that lock. What is drained is neither for a moment; who drains after that
 * waits (@cache_drain in struct span_heap): nobody who may sleep fails for want of what is on
 * its way.
 *
 * On PREEMPT_RT, where the heap's lock cannot be taken with preemption off, there are no
 * caches.
 *
 * The state of a span changes between in use and cached without the heap's lock. It is read
 * with READ_ONCE() for that reason. The map says the same of both.
 */

#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/percpu.h>
#include <linux/sched/mm.h>
#include <linux/spinlock.h>

#include "batch.h"
#include "cache.h"
#include "contents.h"
#include "space.h"

/* The longest span that is parked, in pages. */
#define SPAN_CACHED_MAX		512

/* Pages that are carved besides what was asked for. */
#define REFILL_PAGES		32UL

/* How many spans of a length are refused before others have to make room for it. */
#define PATIENCE		4

/* The shelf of a length, which may be that of another at the moment. */
static struct span_shelf *shelf_of(struct span_cache *cache, unsigned long npages)
{
	if (likely(npages <= SPAN_SHELF_EXACT))
		return &cache->shelf[npages - 1];
	return &cache->shelf[SPAN_SHELF_EXACT + (npages ^ npages >> 3 ^ npages >> 6) %
			     SPAN_SHELF_SHARED];
}

static bool is_cached_length(const struct span_heap *heap, unsigned long npages)
{
	return npages - 1 < SPAN_CACHED_MAX && npages <= heap->cache_pages;
}

static void shelf_push(struct span_cache *cache, struct span_shelf *shelf, struct span *span)
{
	shelf->span[shelf->n] = span;
	WRITE_ONCE(shelf->n, shelf->n + 1);
	WRITE_ONCE(shelf->puts, shelf->puts + 1);
	WRITE_ONCE(cache->npages, cache->npages + shelf->npages);
	WRITE_ONCE(cache->nspans, cache->nspans + 1);
}

static bool has_room(const struct span_cache *cache, const struct span_shelf *shelf,
		     unsigned long npages)
{
	return shelf->npages == npages && shelf->n < shelf->room &&
	       cache->npages + npages <= cache->limit;
}

/* Make room on a shelf for one more span of a length. Returns false if there can be none. */
static bool make_room(struct span_heap *heap, struct span_cache *cache,
		      struct span_shelf *shelf, unsigned long npages)
{
	unsigned int turns = SPAN_SHELVES;

	if (shelf->npages != npages) {
		if (shelf->n && shelf->rival != npages) {
			shelf->rival = npages;
			return false;
		}
		span_cache_flush(heap, cache, shelf, shelf->n);
		/* A damaged heap keeps its spans. */
		if (!shelf->n)
			span_shelf_label(shelf, npages, cache->limit);
	}
	if (shelf->n >= shelf->room)
		span_cache_flush(heap, cache, shelf, DIV_ROUND_UP(shelf->n, 2));
	/* Where lengths are many and come at random, what is there is as good as what comes. */
	if (cache->npages + npages > cache->limit && ++shelf->refused < PATIENCE)
		return false;
	while (cache->npages + npages > cache->limit && turns--) {
		struct span_shelf *victim = &cache->shelf[cache->hand];

		cache->hand = (cache->hand + 1) % SPAN_SHELVES;
		span_cache_flush(heap, cache, victim, victim->n);
	}
	return has_room(cache, shelf, npages);
}

/* Somebody has to see to it that what is parked does not stay for ever. */
static void have_watched(struct span_heap *heap)
{
	if (unlikely(!READ_ONCE(heap->caches_watched)))
		span_scavenger_watch_caches(heap);
}

/* Park a span that its owner gives up, and nobody else knows of. */
static bool park_freed(struct span_heap *heap, struct span_cache *cache, struct span *span)
{
	unsigned long npages = span->node.npages;
	struct span_shelf *shelf = shelf_of(cache, npages);

	if (unlikely(!has_room(cache, shelf, npages)) &&
	    !make_room(heap, cache, shelf, npages))
		return false;
	shelf->rival = 0;
	shelf->refused = 0;
	span->traits &= ~SPAN_TRAIT_ZERO;
	WRITE_ONCE(span->caller, 0);
	WRITE_ONCE(span->owner, 0);
	WRITE_ONCE(span->node.state, SPAN_CACHED);
	shelf_push(cache, shelf, span);
	WRITE_ONCE(cache->frees, cache->frees + 1);
	return true;
}

/**
 * span_cache_free() - park a span that is freed
 * @heap: the heap
 * @span: a span of the caller's
 *
 * A span of another heap, or that is free already, is left to the heap to complain of. To look
 * it up in the map would be surer than its mark, and take a third of the time of all this.
 *
 * Context: any but NMI; without the heap's lock.
 * Return: false if it cannot be parked: nothing has happened then.
 */
bool span_cache_free(struct span_heap *heap, struct span *span)
{
	struct span_cache *cache;
	bool parked;

	if (!heap->caches || !is_cached_length(heap, span->node.npages) ||
	    READ_ONCE(heap->damaged) || span->node.mark != heap->mark ||
	    span_state(span) != SPAN_IN_USE || span->views)
		return false;
	cache = span_cache_enter(heap->caches);
	if (!cache)
		return false;
	parked = park_freed(heap, cache, span);
	span_cache_leave(cache);
	if (parked)
		have_watched(heap);
	return parked;
}

static bool is_cacheable(const struct span_heap *heap, const struct span_request *request)
{
	return heap->caches && request->align <= 1 &&
	       !(request->flags & ~(SPANALLOC_ZERO | SPANALLOC_CONTIG)) &&
	       is_cached_length(heap, request->npages) && !READ_ONCE(heap->damaged);
}

static bool has_traits(const struct span *span, const struct span_request *request)
{
	return !(request->flags & SPANALLOC_CONTIG) || span->traits & SPAN_TRAIT_CONTIG;
}

/* Hand a span out that nobody else knows of. */
static void hand_out(struct span_cache *cache, struct span *span,
		     const struct span_request *request)
{
	WRITE_ONCE(span->owner, request->owner);
	WRITE_ONCE(span->caller, request->caller);
	WRITE_ONCE(span->node.state, SPAN_IN_USE);
	WRITE_ONCE(cache->allocs, cache->allocs + 1);
	if (!(request->flags & SPANALLOC_ZERO))
		return;
	if (span->traits & SPAN_TRAIT_ZERO)
		WRITE_ONCE(cache->zero_saved_pages, cache->zero_saved_pages + span->node.npages);
	else
		WRITE_ONCE(cache->zeroed_pages, cache->zeroed_pages + span->node.npages);
}

/*
 * How many spans to carve besides the one that is wanted where none is parked: of not too many
 * pages together, and no more than may be parked. Long ones come one by one, as the heap has
 * them.
 */
static unsigned int refill_of(const struct span_cache *cache, unsigned long npages)
{
	unsigned long room = cache->limit - min(cache->npages, cache->limit);

	return min(min(room, REFILL_PAGES) / npages, SPAN_SHELF_SPANS - 1UL);
}

/*
 * Take the warmest span, if that suits. If none of that length is parked, sets *@more to how
 * many there might be after this.
 */
static struct span *take(struct span_heap *heap, const struct span_request *request,
			 unsigned int *more)
{
	struct span_cache *cache = span_cache_enter(heap->caches);
	struct span_shelf *shelf;
	struct span *span = NULL;

	*more = 0;
	if (!cache)
		return NULL;
	shelf = shelf_of(cache, request->npages);
	if (!shelf->n || shelf->npages != request->npages) {
		*more = refill_of(cache, request->npages);
	} else if (has_traits(shelf->span[shelf->n - 1], request)) {
		span = shelf->span[shelf->n - 1];
		span_shelf_shrunk(cache, shelf, 1);
		hand_out(cache, span, request);
	}
	span_cache_leave(cache);
	return span;
}

/*
 * Park what was carved for a shelf, the lowest on top of the others. What finds no place goes
 * back to the tree at once.
 */
static void park(struct span_heap *heap, struct span_cache *cache, struct span *const *span,
		 unsigned int n, struct span_leftovers *unused)
	__must_hold(&heap->lock)
{
	while (n) {
		unsigned long npages = span[n - 1]->node.npages;
		struct span_shelf *shelf = shelf_of(cache, npages);

		if (!has_room(cache, shelf, npages))
			break;
		shelf_push(cache, shelf, span[--n]);
	}
	span_batch_release(heap, span, n, unused);
}

/*
 * Carve a batch, take its first, and park the rest; nothing of that if the cache is in use.
 * Sets *@parked if the cache is not empty then. The CPU may be another than the one whose
 * shelf was empty.
 */
static struct span *carve_and_park(struct span_heap *heap, const struct span_request *request,
				   struct span_batch *objects, struct span_leftovers *unused,
				   bool *parked)
{
	struct span_cache *cache = span_cache_enter(heap->caches);
	struct span *span[SPAN_BATCH], *first = NULL;
	unsigned long irqflags;
	unsigned int n = 0;

	if (!cache)
		return NULL;
	spin_lock_irqsave(&heap->lock, irqflags);
	span_cache_adjust(heap, cache);
	if (!heap->damaged)
		n = span_batch_carve(heap, request->npages, objects->n, SPAN_CACHED, objects,
				     span);
	if (n) {
		WRITE_ONCE(cache->refills, cache->refills + 1);
		if (has_traits(span[0], request)) {
			first = span[0];
			hand_out(cache, first, request);
		}
		park(heap, cache, span + !!first, n - !!first, unused);
	}
	span_heap_unlock(heap, irqflags);
	*parked = cache->nspans;
	span_cache_leave(cache);
	return first;
}

/* Fill a shelf that is empty: with @more spans, besides the one that is taken at once. */
static struct span *refill(struct span_heap *heap, const struct span_request *request,
			   unsigned int more)
{
	struct span_leftovers unused;
	struct span_batch objects;
	bool parked = false;
	struct span *span;

	unused.n = 0;
	objects.n = span_new_many((request->gfp & SPAN_GFP_MASK) | __GFP_NOWARN,
				  1 + more, objects.span);
	if (!objects.n)
		return NULL;
	span = carve_and_park(heap, request, &objects, &unused, &parked);
	if (parked)
		have_watched(heap);
	span_delete_many(objects.n, objects.span);
	span_delete_many(unused.n, unused.span);
	return span;
}

/**
 * span_cache_alloc() - allocate a span without a look at the tree, or with others
 * @heap: the heap
 * @request: what is asked for; it need not make sense
 *
 * Context: any that @request->gfp allows; without the heap's lock.
 * Return: a span in use; NULL if there are no caches, or no memory that is backed already, or
 * the request is none for a cache: the heap itself has to serve it then.
 */
struct span *span_cache_alloc(struct span_heap *heap, const struct span_request *request)
{
	unsigned int more;
	struct span *span;

	if (!is_cacheable(heap, request))
		return NULL;
	/* A hit asks no slab, which would look. Where nobody looks, this is a third of its time. */
	if (IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP) || IS_ENABLED(CONFIG_LOCKDEP))
		might_alloc(request->gfp);
	span = take(heap, request, &more);
	if (more)
		span = refill(heap, request, more);
	if (span && request->flags & SPANALLOC_ZERO && !(span->traits & SPAN_TRAIT_ZERO))
		span_contents_clear(heap, span);
	return span;
}

