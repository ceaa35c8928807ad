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
 * If everything is backed and nothing has to be zeroed, the three steps are one
 * critical section. A search with an alignment or contiguity to keep that has many
 * spans to try lets others have the lock now and then, and goes on where it was.
 *
 * Zeroing follows the granules' water marks. Inside the span a granule belongs
 * to the claim alone and its mark does not move; the first and the last granule
 * may be shared, so what has to be zeroed of them is noted, and their marks moved,
 * as soon as they are seen backed.
 *
 * Where no run fits, the heap grows, if the allocation may sleep. Before it fails,
 * for want of address space or of memory, what holds pages out of the tree is
 * drained, once.
 *
 * Locking: takes the heap's lock; nothing is held while memory is asked for,
 * zeroed or given back.
 */

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

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
 * @drained: what holds pages out of the tree was drained
 * @ninstalled: granules that were backed for this claim
 * @spares: span objects in hand
 * @span: the claimed span
 * @irqflags: of the lock
 * @dirty_first: in the span's first granule, pages below this one are not zero
 * @dirty_last: the same for its last granule
 */
struct claim {
	struct span_heap *heap;
	const struct span_request *request;
	struct span_treap_window window;
	gfp_t gfp;
	bool backed_only;
	bool exact;
	bool drained;
	unsigned long ninstalled;
	struct span_spares spares;
	struct span *span;
	unsigned long irqflags;
	u32 dirty_first;
	u32 dirty_last;
};

static unsigned long first_granule(const struct claim *claim)
{
	return claim->span->node.base >> claim->heap->granule_order;
}

static unsigned long last_granule(const struct claim *claim)
{
	return (span_end(claim->span) - 1) >> claim->heap->granule_order;
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
	bool wake = span_heap_settle(claim->heap);

	spin_unlock_irqrestore(&claim->heap->lock, claim->irqflags);
	if (wake)
		span_heap_wake(claim->heap);
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

/*
 * Note what has to be zeroed of a shared granule that is backed now, and that
 * its pages up to the claim's end are handed out.
 */
static void note_edge(struct claim *claim, unsigned long index)
{
	struct span_granule *granule = span_granule_at(&claim->heap->arenas, index);
	unsigned long step = span_heap_granule_pages(claim->heap);
	unsigned long page = index << claim->heap->granule_order;
	u32 end = min(span_end(claim->span), page + step) - page;

	if (index == first_granule(claim))
		claim->dirty_first = granule->zero_from;
	if (index == last_granule(claim))
		claim->dirty_last = granule->zero_from;
	granule->zero_from = max(granule->zero_from, end);
}

static bool is_edge(const struct claim *claim, unsigned long index)
{
	return index == first_granule(claim) || index == last_granule(claim);
}

/*
 * Take memory for one granule. If the system has none, what the heap has idle
 * elsewhere will do; a contiguous run is better off with an idle block as it is,
 * which run_claim() looks for. Without sleeping there is one attempt, and none to zero a
 * whole granule: zero_claim() does what is needed of it.
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
	if (claim->request->flags & SPANALLOC_ZERO)
		flags |= SPAN_TAKE_ZERO;
	span_scavenger_before_take(heap);
	err = heap->backing->take(heap->backing_priv, block, heap->granule_order,
				  heap->nid, gfp, flags);
	if (err == -ENOMEM && !(flags & SPAN_TAKE_CONTIG) && span_heap_scavenge(heap, 1))
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
	int err;

	unlock_claim(claim);
	err = take_granule(claim, &block);
	lock_claim(claim);
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
			note_edge(claim, index);
	}
	return 0;
}

/* Pages of granule @index that the claim has to zero: [*@from, *@to). */
static bool dirty_part(const struct claim *claim, unsigned long index,
		       u32 *from, u32 *to)
{
	const struct span_heap *heap = claim->heap;
	unsigned long step = span_heap_granule_pages(heap);
	unsigned long page = index << heap->granule_order;
	u32 dirty;

	if (index == first_granule(claim))
		dirty = claim->dirty_first;
	else if (index == last_granule(claim))
		dirty = claim->dirty_last;
	else
		dirty = span_granule_at(&heap->arenas, index)->zero_from;
	*from = max(claim->span->node.base, page) - page;
	*to = min_t(unsigned long, dirty, min(span_end(claim->span), page + step) - page);
	return *from < *to;
}

/*
 * Zero what lacks zero state. The lock is held, but dropped while zeroing: the
 * pages are backed and belong to the claim alone; only finding them needs it,
 * since the directory of arenas moves when the heap grows.
 */
static int zero_claim(struct claim *claim)
	__must_hold(&claim->heap->lock)
{
	struct span_heap *heap = claim->heap;
	struct span_block block;
	unsigned long index;
	u32 from, to;

	for (index = first_granule(claim); index <= last_granule(claim); index++) {
		if (!dirty_part(claim, index, &from, &to))
			continue;
		span_granule_block(span_granule_at(&heap->arenas, index), &block);
		unlock_claim(claim);
		heap->backing->zero(heap->backing_priv, &block, from, to - from);
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
	unsigned long index;

	for (index = first_granule(claim) + 1; index < last_granule(claim); index++)
		span_granule_at(&heap->arenas, index)->zero_from =
			span_heap_granule_pages(heap);
	span->state = SPAN_IN_USE;
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
	struct span_spares unused = { };

	claim->heap->claimed_pages -= claim->span->node.npages;
	span_map_release(&claim->heap->arenas, claim->span);
	span_space_coalesce(claim->heap, claim->span, &unused);
	claim->span = NULL;
	unlock_claim(claim);
	span_spares_drop(&unused);
	if (may_sleep(claim) && claim->ninstalled) {
		span_heap_scavenge(claim->heap,
				   claim->ninstalled << claim->heap->granule_order);
		claim->ninstalled = 0;
	}
}

/* Is there something left to drain? Once for each allocation. */
static bool may_drain(struct claim *claim)
{
	if (claim->drained || !may_sleep(claim) || !claim->heap->drain)
		return false;
	claim->drained = true;
	return true;
}

/*
 * Nothing fits. The lock is held, but may be dropped. Returns 0 if it is worth
 * searching again.
 */
static int make_room(struct claim *claim)
	__must_hold(&claim->heap->lock)
{
	struct span_heap *heap = claim->heap;
	struct span_growth growth;
	int err;

	err = span_space_plan(heap, &claim->window, &growth);
	if (err) {
		if (!may_drain(claim))
			return err;
		/* What somebody else drained meanwhile is worth a search as well. */
		unlock_claim(claim);
		heap->drain(heap->drain_priv);
		lock_claim(claim);
		return 0;
	}
	if (!growth.narenas)
		return 0;
	if (!may_sleep(claim))
		return -EAGAIN;
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
	if (err == -ENOMEM && may_drain(claim)) {
		heap->drain(heap->drain_priv);
		err = 0;
	}
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
		if (!err && (claim->request->flags & SPANALLOC_ZERO))
			err = zero_claim(claim);
		if (!err)
			break;
		abandon(claim);
		if (err == -ENOMEM && may_drain(claim)) {
			claim->heap->drain(claim->heap->drain_priv);
			continue;
		}
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

/**
 * span_heap_alloc() - allocate a span
 * @heap: the heap
 * @request: what is asked for
 *
 * Placement is lowest-address first fit in an address space that grows at its
 * end. A contiguous span may lie higher: where the system refused a block for the
 * lowest place, a place that has one already is taken. An aligned or contiguous one
 * may miss what others freed while its search let them have the lock.
 *
 * Context: any that @request->gfp allows, hard interrupts with GFP_ATOMIC or
 * GFP_NOWAIT; not NMI; without the heap's lock. Where it may not sleep, it makes
 * one attempt for each granule that is not backed, never grows the address space,
 * and what was backed before it failed stays for the next attempt.
 * Return: a span in use, or ERR_PTR(): -EINVAL for a bad request, -EDQUOT if the
 * heap's limit leaves too few pages, -ENOSPC if it leaves enough but not in one
 * run, -ENOMEM if the system has no memory, -EAGAIN if the call may not sleep and
 * would have to, -EINTR if a fatal signal is pending, -EIO if the heap is damaged.
 */
struct span *span_heap_alloc(struct span_heap *heap,
			     const struct span_request *request)
{
	struct claim claim = {
		.heap = heap,
		.request = request,
		.gfp = request->gfp & SPAN_GFP_MASK,
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
	if (err == -ENOMEM && !may_sleep(&claim))
		err = -EAGAIN;
out_failed:
	count_failure(heap, err);
	return ERR_PTR(err);
}
