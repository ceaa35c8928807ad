// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocation: claim a run of pages, back it, publish it.
 */

/**
 * DOC: Allocation
 *
 * An allocation has three steps. Under the lock, the lowest run that fits is
 * taken out of the tree as a *claimed* span: nobody else can place anything
 * there, and nobody can look it up or free it. Without the lock, memory is taken
 * for each released granule that the span touches, and installed under the lock;
 * where two claims share a granule, the slower one gives its block back. Under
 * the lock again, the span is *published* as in use. If memory cannot be had,
 * the claim goes back to free space with whatever the granule table says, and as
 * much memory as was taken for it goes back to where it came from.
 *
 * If everything is backed and nothing has to be done to the pages, the three steps are
 * one critical section. A search with an alignment or contiguity to keep that has many
 * spans to try lets others have the lock now and then, and goes on where it was.
 *
 * What the pages have to contain when they are published, and what they are when they
 * are not, is said in contents.c.
 *
 * Where no run fits, the heap grows, if the allocation may sleep. Before it fails,
 * for want of address space or of memory, what holds pages out of the tree is
 * drained, once: the per-CPU caches, which are asked before all this (cache.c), and then
 * what its users hold back.
 *
 * Locking: takes the heap's lock; nothing is held while memory is asked for, zeroed or given back.
 */

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "cache.h"
#include "contents.h"
#include "space.h"

/* Spans that a search tries before it lets others have the lock. */
#define CLAIM_TRIES	1024

/**
 * struct claim - an allocation on its way
 * @heap: the heap
 * @request: what was asked for
 * @window: where it may lie
 * @gfp: the caller's flags, as far as they are taken over
 * @backed_only: take only granules that are backed already, since the system
 *               has no contiguous block
 * @exact: the run was a whole free span
 * @flushed: the per-CPU caches were drained
 * @drained: what else holds pages out of the tree was drained
 * @seen: changes of the heap when a run that had to fit was not found
 * @ninstalled: granules that were backed for this claim
 * @spares: span objects in hand
 * @span: the claimed span
 * @irqflags: of the lock
 * @opening: how far its pages are what they have to be
 */
struct claim {
	struct span_heap *heap;
	const struct span_request *request;
	struct span_treap_window window;
	gfp_t gfp;
	bool backed_only;
	bool exact;
	bool flushed;
	bool drained;
	u64 seen;
	unsigned long ninstalled;
	struct span_spares spares;
	struct span *span;
	unsigned long irqflags;
	struct span_opening opening;
};

static unsigned long first_granule(const struct claim *claim)
{
	return span_first_granule(claim->heap, claim->span);
}

static unsigned long last_granule(const struct claim *claim)
{
	return span_last_granule(claim->heap, claim->span);
}

static bool wants_zero(const struct claim *claim)
{
	return claim->request->flags & SPANALLOC_ZERO;
}

static bool may_sleep(const struct claim *claim)
{
	return gfpflags_allow_blocking(claim->gfp);
}

static void lock_claim(struct claim *claim)
	__acquires(&claim->heap->lock)
{
	spin_lock_irqsave(&claim->heap->lock, claim->irqflags);
}

static void unlock_claim(struct claim *claim)
	__releases(&claim->heap->lock)
{
	span_heap_unlock(claim->heap, claim->irqflags);
}

/**
 * span_request_check() - does a request make sense to a heap?
 * @heap: the heap
 * @request: the request
 *
 * Context: any.
 * Return: 0; -EINVAL, or -EDQUOT if the heap can never be so long.
 */
int span_request_check(const struct span_heap *heap, const struct span_request *request)
{
	if (!request->npages || (request->align && !is_power_of_2(request->align)) ||
	    (request->flags & ~(SPANALLOC_ZERO | SPANALLOC_CONTIG)))
		return -EINVAL;
	if ((request->flags & SPANALLOC_CONTIG) &&
	    request->npages > span_heap_granule_pages(heap))
		return -EINVAL;
	/* No sum of a length that passes and a page number can overflow. */
	return request->npages > heap->max_pages ? -EDQUOT : 0;
}

/* Does the granule of a run that asks for contiguity suit it? */
static bool granule_suits(const struct claim *claim, unsigned long base)
{
	const struct span_granule *granule =
		span_granule_at(&claim->heap->arenas, base >> claim->heap->granule_order);

	if (granule->scattered)
		return false;
	return !claim->backed_only || span_granule_backed(granule);
}

/*
 * Find the lowest run that fits. With contiguity, the tree knows runs that cross
 * no granule, and the granule table says which of these will do. Sets *again if
 * there is more to search, from where the window is then.
 */
static struct span *find_run(struct claim *claim, struct span_treap_window *window,
			     unsigned long *base, bool *again)
{
	struct span_heap *heap = claim->heap;
	struct span_treap_node *node;

	*again = false;
	if (window->align == 1 && !window->boundary) {
		node = span_treap_first_fit(&heap->treap, window->npages);
		*base = node ? node->base : 0;
		return span_of(node);
	}
	window->tries = CLAIM_TRIES;
	while ((node = span_treap_find(&heap->treap, window, base))) {
		if (!window->boundary || granule_suits(claim, *base))
			return span_of(node);
		window->from = round_down(*base, window->boundary) + window->boundary;
		if (window->tries && !--window->tries)
			break;
	}
	*again = !window->tries;
	return NULL;
}

/*
 * Find the lowest run that fits, with the lock dropped now and then; *changed says
 * that the heap was changed meanwhile, perhaps behind the search.
 */
static struct span *search(struct claim *claim, unsigned long *base, bool *changed)
	__must_hold(&claim->heap->lock)
{
	struct span_treap_window window = claim->window;
	u64 changes = claim->heap->changes;
	struct span *from;
	bool again;

	while (!(from = find_run(claim, &window, base, &again)) && again) {
		unlock_claim(claim);
		if (may_sleep(claim))
			cond_resched();
		lock_claim(claim);
		if (claim->heap->damaged)
			break;
	}
	*changed = claim->heap->changes != changes;
	return from;
}

/* Take the lowest run that fits. A search that may have missed one is repeated once. */
static bool take_run(struct claim *claim)
	__must_hold(&claim->heap->lock)
{
	struct span *from;
	unsigned long base;
	bool changed;

	from = search(claim, &base, &changed);
	if (!from && changed && !claim->heap->damaged)
		from = search(claim, &base, &changed);
	if (!from)
		return false;
	claim->exact = from->node.npages == claim->window.npages;
	claim->span = span_space_carve(claim->heap, from, base, claim->window.npages,
				       &claim->spares);
	claim->span->owner = claim->request->owner;
	claim->span->caller = claim->request->caller;
	return true;
}

static bool is_edge(const struct claim *claim, unsigned long index)
{
	return index == first_granule(claim) || index == last_granule(claim);
}

/*
 * Take memory for one granule. If the system has none, what the heap has idle
 * elsewhere will do; a contiguous run is better off with an idle block as it is,
 * which run_claim() looks for. Without sleeping there is one attempt, and none to zero a
 * whole granule: open_claim() does what is needed of it. What is going to be poisoned need
 * not be zero.
 */
static int take_granule(struct claim *claim, struct span_block *block)
{
	struct span_heap *heap = claim->heap;
	gfp_t gfp = claim->gfp | __GFP_NOWARN;
	unsigned int flags = 0;
	int err;

	if (claim->request->flags & SPANALLOC_CONTIG)
		flags |= SPAN_TAKE_CONTIG;
	if (!may_sleep(claim))
		return heap->backing->take(heap->backing_priv, block, heap->granule_order,
					   heap->nid, gfp, flags);
	if (fatal_signal_pending(current))
		return -EINTR;
	if (wants_zero(claim) && !heap->poison)
		flags |= SPAN_TAKE_ZERO;
	span_scavenger_before_take(heap);
	err = heap->backing->take(heap->backing_priv, block, heap->granule_order,
				  heap->nid, gfp, flags);
	if (err == -ENOMEM && !(flags & SPAN_TAKE_CONTIG) && span_heap_scavenge_some(heap))
		err = heap->backing->take(heap->backing_priv, block, heap->granule_order,
					  heap->nid, gfp, flags);
	return err;
}

/*
 * Back one released granule. The lock is dropped and taken again; another claim
 * may have installed the granule meanwhile, and then whatever became of our own
 * attempt does not matter.
 */
static int back_granule(struct claim *claim, unsigned long index)
	__must_hold(&claim->heap->lock)
{
	struct span_heap *heap = claim->heap;
	struct span_block block = { };
	unsigned long nwiped = 0;
	int err;

	unlock_claim(claim);
	err = take_granule(claim, &block);
	if (!err)
		nwiped = span_contents_fresh(heap, &block);
	lock_claim(claim);
	heap->stat.wiped_pages += nwiped;
	if (!span_granule_backed(span_granule_at(&heap->arenas, index))) {
		if (!err) {
			span_space_install(heap, claim->span, index, &block);
			claim->ninstalled++;
		}
		return err;
	}
	if (!err) {
		heap->stat.backing_races++;
		unlock_claim(claim);
		heap->backing->give(heap->backing_priv, &block, heap->granule_order);
		lock_claim(claim);
	}
	return 0;
}

/* Back every granule of the claim; the lock is held, but may be dropped between. */
static int back_claim(struct claim *claim)
	__must_hold(&claim->heap->lock)
{
	struct span_heap *heap = claim->heap;
	unsigned long index;
	int err;

	claim->opening = (struct span_opening) { .next = first_granule(claim) };
	for (index = first_granule(claim); index <= last_granule(claim); index++) {
		struct span_granule *granule = span_granule_at(&heap->arenas, index);

		if (!span_granule_backed(granule)) {
			err = back_granule(claim, index);
			if (err)
				return err;
		}
		if (claim->window.boundary && granule->scattered)
			return -EXDEV;
		if (is_edge(claim, index))
			span_contents_note(heap, claim->span, index, &claim->opening);
	}
	return 0;
}

/*
 * Make the pages what they have to be. The lock is held, but dropped where there is
 * something to do.
 */
static int open_claim(struct claim *claim)
	__must_hold(&claim->heap->lock)
{
	struct span_step step;

	while (span_contents_next(claim->heap, claim->span, wants_zero(claim),
				  &claim->opening, &step)) {
		unlock_claim(claim);
		span_contents_do(claim->heap, &step);
		if (may_sleep(claim))
			cond_resched();
		lock_claim(claim);
		if (may_sleep(claim) && fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

static void publish(struct claim *claim)
{
	struct span_heap *heap = claim->heap;
	struct span *span = claim->span;

	span_contents_publish(heap, span, wants_zero(claim), &claim->opening);
	span->traits = span_contents_contig(heap, span);
	span->node.mark = heap->mark;
	WRITE_ONCE(span->node.state, SPAN_IN_USE);
	span_map_publish(&heap->arenas, span);
	heap->changes++;
	heap->claimed_pages -= span->node.npages;
	heap->in_use_pages += span->node.npages;
	heap->in_use_spans++;
	heap->stat.allocs++;
	if (claim->exact)
		heap->stat.allocs_exact++;
	else
		heap->stat.splits_in_place++;
	if (claim->window.align > 1 || claim->window.boundary)
		heap->stat.allocs_placed++;
}

/*
 * The claim goes back to free space, and as much memory as was taken for it to
 * the system: what nobody got nobody shall pay for. The lock is held and dropped.
 */
static void abandon(struct claim *claim)
	__releases(&claim->heap->lock)
{
	struct span_heap *heap = claim->heap;
	unsigned long end = span_end(claim->span);
	struct span_spares unused = { };

	if (claim->opening.next > first_granule(claim) && span_contents_matter(heap)) {
		unlock_claim(claim);
		span_contents_leave(heap, claim->span, claim->opening.next, may_sleep(claim));
		lock_claim(claim);
	}
	heap->claimed_pages -= claim->span->node.npages;
	span_map_release(&heap->arenas, claim->span);
	span_space_coalesce(heap, claim->span, &unused);
	claim->span = NULL;
	unlock_claim(claim);
	span_spares_drop(&unused);
	if (heap->account)
		span_heap_release_idle(heap, end);
	else if (may_sleep(claim))
		span_heap_release(heap, claim->ninstalled << heap->granule_order, NULL);
	claim->ninstalled = 0;
}

/* Drain the caches; who may not sleep leaves those of other CPUs alone. */
static void drain_caches(const struct claim *claim)
{
	if (may_sleep(claim))
		span_cache_drain(claim->heap);
	else
		span_cache_drain_own(claim->heap);
}

/*
 * Drain what holds pages out of the tree, once for each allocation: what costs least first.
 * Returns false if there is nothing left to drain. If the caches are empty, it may have been
 * somebody else who drained them since nothing was found.
 */
static bool drain(struct claim *claim)
{
	struct span_heap *heap = claim->heap;

	if (!claim->flushed && heap->caches) {
		claim->flushed = true;
		drain_caches(claim);
		return true;
	}
	if (claim->drained || !may_sleep(claim) || !heap->drain)
		return false;
	claim->drained = true;
	heap->drain(heap->drain_priv);
	span_cache_drain(heap);
	return true;
}

/* Nothing fits. Drops the lock at times. Returns 0 if it is worth searching again. */
static int make_room(struct claim *claim)
	__must_hold(&claim->heap->lock)
{
	struct span_heap *heap = claim->heap;
	struct span_growth growth;
	int err;

	err = span_space_plan(heap, &claim->window, &growth);
	if (!err && growth.narenas && !may_sleep(claim))
		err = -EAGAIN;
	if (err) {
		unlock_claim(claim);
		if (drain(claim))
			err = 0;
		lock_claim(claim);
		return err;
	}
	if (!growth.narenas) {
		/* Nobody was faster: the tree hides it. */
		if (claim->seen == heap->changes)
			span_heap_damage(heap, "a free span is not found");
		claim->seen = heap->changes;
		return 0;
	}
	unlock_claim(claim);
	err = span_space_prepare(heap, &growth,
				 claim->gfp | __GFP_NOWARN | __GFP_RETRY_MAYFAIL);
	lock_claim(claim);
	if (!err && !heap->damaged)
		span_space_grow(heap, &growth);
	else if (err == -ENOMEM && heap->arenas.narenas != growth.seen)
		err = 0;
	unlock_claim(claim);
	span_space_discard(&growth);
	if (err == -ENOMEM && drain(claim))
		err = 0;
	lock_claim(claim);
	return err;
}

/* Find and carve a run. The lock is held on return in any case. */
static int claim_run(struct claim *claim)
	__acquires(&claim->heap->lock)
{
	unsigned int nspares = claim->window.align > 1 || claim->window.boundary ? 2 : 1;
	int err;

	for (;;) {
		err = span_spares_fill(&claim->spares, nspares, claim->gfp | __GFP_NOWARN);
		lock_claim(claim);
		if (err)
			return err;
		if (claim->heap->damaged)
			return -EIO;
		if (take_run(claim))
			return 0;
		if (claim->heap->damaged)
			return -EIO;
		/* An arena without a contiguous block behind it is of no use. */
		if (claim->backed_only)
			return -ENOMEM;
		err = make_room(claim);
		if (err)
			return err;
		unlock_claim(claim);
	}
}

/* Claim, back, zero and publish. */
static int run_claim(struct claim *claim)
{
	int err;

	for (;;) {
		err = claim_run(claim);
		if (err) {
			unlock_claim(claim);
			return err;
		}
		err = back_claim(claim);
		if (!err)
			err = open_claim(claim);
		if (!err)
			break;
		abandon(claim);
		if (err == -ENOMEM && drain(claim))
			continue;
		/*
		 * A contiguous run is still to be had where a granule is backed
		 * by a block already; or the granule got single pages from
		 * another claim, and then the next one is as good.
		 */
		if (err == -ENOMEM && claim->window.boundary && may_sleep(claim) &&
		    !claim->backed_only)
			claim->backed_only = true;
		else if (err != -EXDEV)
			return err;
	}
	publish(claim);
	unlock_claim(claim);
	return 0;
}

static void count_failure(struct span_heap *heap, int err)
{
	unsigned long irqflags;

	spin_lock_irqsave(&heap->lock, irqflags);
	if (err == -EDQUOT)
		heap->stat.fails_limit++;
	else if (err == -ENOSPC)
		heap->stat.fails_space++;
	else if (err == -EAGAIN)
		heap->stat.fails_again++;
	else if (err == -ENOMEM)
		heap->stat.fails_memory++;
	spin_unlock_irqrestore(&heap->lock, irqflags);
}

/* What no cache has. Not inline: whoever is served by a cache needs no such frame. */
static noinline struct span *alloc_from_tree(struct span_heap *heap,
					     const struct span_request *request)
{
	struct claim claim = {
		.heap = heap,
		.request = request,
		.gfp = request->gfp & SPAN_GFP_MASK,
		.seen = U64_MAX,
		.window = {
			.npages = request->npages,
			.align = request->align ? : 1,
		},
	};
	int err = span_request_check(heap, request);

	if (err)
		goto out_failed;
	if (request->flags & SPANALLOC_CONTIG)
		claim.window.boundary = span_heap_granule_pages(heap);
	err = run_claim(&claim);
	span_spares_drop(&claim.spares);
	if (!err)
		return claim.span;
	/* What other CPUs have parked could be had by who may wait for them. */
	if (!may_sleep(&claim) && (err == -ENOMEM || ((err == -EDQUOT || err == -ENOSPC) &&
						      span_cache_npages(heap))))
		err = -EAGAIN;
out_failed:
	count_failure(heap, err);
	return ERR_PTR(err);
}

/**
 * span_heap_alloc() - allocate a span
 * @heap: the heap
 * @request: what is asked for
 *
 * Placement is lowest-address first fit in an address space that grows at its
 * end, unless a per-CPU cache has what is asked for. A contiguous span may lie
 * higher: where the system refused a block for the lowest place, a place that has
 * one already is taken. An aligned or contiguous one may miss what others freed
 * while its search let them have the lock.
 *
 * Context: any that @request->gfp allows, hard interrupts with GFP_ATOMIC or
 * GFP_NOWAIT; not NMI; without the heap's lock. Where it may not sleep, it makes
 * one attempt for each granule that is not backed, never grows the address space,
 * and what was backed before it failed stays for the next, unless it is charged.
 * Return: a span in use, or ERR_PTR(): -EINVAL for a bad request, -EDQUOT if the
 * heap's limit leaves too few pages, -ENOSPC if it leaves enough but not in one
 * run, -ENOMEM if the system has no memory, -EAGAIN if the call may not sleep and
 * would have to, -EINTR if a fatal signal is pending, -EIO if the heap is damaged.
 */
struct span *span_heap_alloc(struct span_heap *heap,
			     const struct span_request *request)
{
	return span_cache_alloc(heap, request) ? : alloc_from_tree(heap, request);
}
