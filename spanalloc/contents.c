// SPDX-License-Identifier: GPL-2.0-only
/*
 * What pages contain: zero, rubbish or poison.
 */

/**
 * DOC: Contents
 *
 * Who asks for zeroed pages gets them, whoever had them before; nobody else is promised
 * anything. How that is met depends on the heap:
 *
 * - As a rule, each granule has a water mark: pages from there on are known to be zero,
 *   for they were when the granule was backed, or last cleared (upkeep.c), and have not
 *   been handed out since. What a claim gets of the pages below the mark is zeroed before
 *   it is published. Inside the claim a granule belongs to that alone and its mark does
 *   not move; the first and the last granule may be shared, so what has to be zeroed of
 *   them is noted, and their marks moved, as soon as they are seen backed.
 *
 * - In a heap that *wipes*, all free memory is zero at all times: pages are cleared when
 *   they are freed, as the page allocator does it with init_on_free, and memory that does
 *   not come zeroed is cleared when it is taken. All marks are 0, and allocations have
 *   nothing to zero.
 *
 * - In a heap that *poisons*, all free memory is full of SPAN_POISON at all times. A claim's
 *   pages are verified before it is published, and a granule's before it is given back. A
 *   page that is not as it was left was written to by somebody who does not have it: that
 *   is counted, reported with what stands there, and no reason to stop. KASAN cannot see
 *   such writes, for to the page allocator all pages of a heap are in use. Nothing is
 *   known to be zero. Where both are asked for, this comes before wiping, as page_poison
 *   does before init_on_free: what was in a page is gone just as well.
 *
 * Freed pages are wiped or poisoned while the span is a claim, of which nobody knows but who
 * frees it: without the lock, and not before it is certain that it may be freed. An
 * allocation that fails leaves its pages as it found them, or makes them so again.
 *
 * Contents are forgotten when the heap is about to end (span_heap_forget_contents()): some
 * pages may then have to be freed that others still hold on to.
 *
 * Locking: marks change under the heap's lock; pages are filled and read without it, by who
 * has them claimed. The number of broken pages is atomic, since memory is given back where
 * the lock may only be tried.
 */

#include <linux/kernel.h>
#include <linux/sched.h>

#include "contents.h"

/* Broken pages of a heap that are reported; all are counted. */
#define REPORTS_MAX	16

static bool poisons(const struct span_heap *heap)
{
	return READ_ONCE(heap->poison);
}

/**
 * span_contents_matter() - is it of interest what a heap's free pages contain?
 * @heap: the heap
 *
 * Context: any.
 * Return: true if they are filled when they are freed.
 */
bool span_contents_matter(const struct span_heap *heap)
{
	return READ_ONCE(heap->wipe) || poisons(heap);
}

static void fill(struct span_heap *heap, const struct span_block *block, u32 from, u32 to,
		 u8 byte)
{
	heap->backing->fill(heap->backing_priv, block, from, to - from, byte);
}

/* Fill pages with what free pages hold. */
static void fill_free(struct span_heap *heap, const struct span_block *block, u32 from, u32 to)
{
	fill(heap, block, from, to, poisons(heap) ? SPAN_POISON : 0);
}

static void report(struct span_heap *heap, unsigned long page, const struct span_flaw *flaw)
{
	if (atomic_long_inc_return(&heap->poison_broken) > REPORTS_MAX)
		return;
	pr_err("spanalloc: heap %s: page %lu (pfn %#lx) was written after it was freed: bytes %u to %u, beginning with %*ph\n",
	       heap->name, page, flaw->pfn, flaw->first, flaw->last, (int)flaw->nbytes,
	       flaw->bytes);
}

/* Verify pages [@from, @to) of the granule that begins at page @page. */
static void verify(struct span_heap *heap, const struct span_block *block, unsigned long page,
		   u32 from, u32 to)
{
	struct span_flaw flaw;

	while (from < to && !heap->backing->verify(heap->backing_priv, block, from, to - from,
						   SPAN_POISON, &flaw)) {
		report(heap, page + flaw.index, &flaw);
		from = flaw.index + 1;
	}
}

/**
 * span_contents_verify() - see whether a free granule is as it was left
 * @heap: the heap
 * @block: its pages, which were free a moment ago and are nobody's now
 * @page: number of its first page
 *
 * To be called before the pages are given back.
 *
 * Context: any but NMI; without the heap's lock.
 */
void span_contents_verify(struct span_heap *heap, const struct span_block *block,
			  unsigned long page)
{
	if (poisons(heap))
		verify(heap, block, page, 0, span_heap_granule_pages(heap));
}

/**
 * span_contents_fresh() - make pages that were just taken what free pages have to be
 * @heap: the heap
 * @block: the pages, in no granule yet
 *
 * Context: any but NMI; without the heap's lock.
 * Return: pages cleared.
 */
unsigned long span_contents_fresh(struct span_heap *heap, struct span_block *block)
{
	unsigned long npages = span_heap_granule_pages(heap);
	bool poison = poisons(heap);

	if (!span_contents_matter(heap) || (!poison && block->zeroed))
		return 0;
	fill_free(heap, block, 0, npages);
	block->zeroed = !poison;
	return poison ? 0 : npages;
}

/**
 * span_contents_note() - note what has to be zeroed of a granule that may be shared
 * @heap: the heap
 * @claim: a claim
 * @index: number of its first or last granule, which is backed
 * @opening: in and out: of that claim
 *
 * The granule's pages up to the claim's end count as handed out from here on.
 *
 * Context: any; the caller holds the heap's lock.
 */
void span_contents_note(struct span_heap *heap, const struct span *claim,
			unsigned long index, struct span_opening *opening)
{
	struct span_granule *granule = span_granule_at(&heap->arenas, index);
	unsigned long page = index << heap->granule_order;
	u32 end = min(span_end(claim), page + span_heap_granule_pages(heap)) - page;

	if (index == span_first_granule(heap, claim))
		opening->dirty_first = granule->zero_from;
	if (index == span_last_granule(heap, claim))
		opening->dirty_last = granule->zero_from;
	if (!heap->wipe)
		granule->zero_from = max(granule->zero_from, end);
}

/* What is to be done in granule @index; false if nothing. */
static bool make_step(struct span_heap *heap, const struct span *claim, unsigned long index,
		      bool zero, const struct span_opening *opening, struct span_step *step)
{
	const struct span_granule *granule = span_granule_at(&heap->arenas, index);
	u32 dirty = granule->zero_from;

	if (index == span_first_granule(heap, claim))
		dirty = opening->dirty_first;
	else if (index == span_last_granule(heap, claim))
		dirty = opening->dirty_last;
	step->page = index << heap->granule_order;
	step->from = max(claim->node.base, step->page) - step->page;
	step->to = min(span_end(claim), step->page + span_heap_granule_pages(heap)) - step->page;
	step->zero_to = zero ? clamp(dirty, step->from, step->to) : step->from;
	span_granule_block(granule, &step->block);
	return poisons(heap) || step->zero_to > step->from;
}

/**
 * span_contents_next() - find the next granule of a claim where something is to be done
 * @heap: the heap
 * @claim: a claim whose granules are all backed
 * @zero: its pages have to be zero in the end
 * @opening: in and out: of that claim; @next was set to its first granule
 * @step: out: what is to be done there
 *
 * The granules' pages belong to the claim alone; the lock is for the statistics, and for
 * the marks.
 *
 * Context: any; the caller holds the heap's lock. O(granules passed by).
 * Return: true, and span_contents_do() is to be called; or false if all is done.
 */
bool span_contents_next(struct span_heap *heap, const struct span *claim, bool zero,
			struct span_opening *opening, struct span_step *step)
{
	if (!zero && !poisons(heap))
		return false;
	while (opening->next <= span_last_granule(heap, claim)) {
		if (!make_step(heap, claim, opening->next++, zero, opening, step))
			continue;
		opening->nzeroed += step->zero_to - step->from;
		heap->stat.zeroed_pages += step->zero_to - step->from;
		return true;
	}
	return false;
}

/**
 * span_contents_do() - verify and zero what span_contents_next() found
 * @heap: the heap
 * @step: what is to be done
 *
 * Context: any but NMI; without the heap's lock.
 */
void span_contents_do(struct span_heap *heap, const struct span_step *step)
{
	if (poisons(heap))
		verify(heap, &step->block, step->page, step->from, step->to);
	if (step->zero_to > step->from)
		fill(heap, &step->block, step->from, step->zero_to, 0);
}

/**
 * span_contents_publish() - take note that a claim is handed out
 * @heap: the heap
 * @claim: the claim, whose first and last granules were noted
 * @zero: its pages were asked for as zero
 * @opening: of that claim
 *
 * Context: any; the caller holds the heap's lock. O(granules).
 */
void span_contents_publish(struct span_heap *heap, const struct span *claim, bool zero,
			   const struct span_opening *opening)
{
	unsigned long last = span_last_granule(heap, claim), index;

	if (zero)
		heap->stat.zero_saved_pages += claim->node.npages - opening->nzeroed;
	if (heap->wipe)
		return;
	for (index = span_first_granule(heap, claim) + 1; index < last; index++)
		span_granule_at(&heap->arenas, index)->zero_from =
			span_heap_granule_pages(heap);
}

/**
 * span_contents_contig() - are the pages of a span known to be contiguous?
 * @heap: the heap
 * @span: a span all of which is backed
 *
 * Context: any; the caller holds the heap's lock. O(1).
 * Return: SPAN_TRAIT_CONTIG or 0.
 */
u8 span_contents_contig(const struct span_heap *heap, const struct span *span)
{
	unsigned long first = span_first_granule(heap, span);

	return first == span_last_granule(heap, span) &&
	       !span_granule_at(&heap->arenas, first)->scattered ? SPAN_TRAIT_CONTIG : 0;
}

/**
 * span_contents_traits() - what is known of the pages of a span
 * @heap: the heap
 * @span: a span that was carved, all of it backed, and not handed out yet
 *
 * Context: any; the caller holds the heap's lock. O(granules).
 * Return: SPAN_TRAIT_*.
 */
u8 span_contents_traits(const struct span_heap *heap, const struct span *span)
{
	unsigned long first = span_first_granule(heap, span);
	unsigned long last = span_last_granule(heap, span), index;
	u8 traits = SPAN_TRAIT_ZERO;

	for (index = first; index <= last; index++) {
		unsigned long page = index << heap->granule_order;
		u32 from = max(span->node.base, page) - page;

		if (from < span_granule_at(&heap->arenas, index)->zero_from)
			traits = 0;
	}
	return traits | span_contents_contig(heap, span);
}

/**
 * span_contents_hand_out() - take note that pages are handed out
 * @heap: a heap that does not wipe
 * @base: first page of a run that was carved
 * @end: page after its last
 *
 * Context: any; the caller holds the heap's lock. O(granules).
 */
void span_contents_hand_out(struct span_heap *heap, unsigned long base, unsigned long end)
{
	unsigned long step = span_heap_granule_pages(heap);
	unsigned long page = round_down(base, step);

	for (; page < end; page += step) {
		struct span_granule *granule =
			span_granule_at(&heap->arenas, page >> heap->granule_order);
		u32 to = min(end - page, step);

		granule->zero_from = max(granule->zero_from, to);
	}
}

/**
 * span_contents_clear() - zero all pages of a span
 * @heap: the heap
 * @span: a span of the caller's
 *
 * Context: any but NMI; without the heap's lock, for what leads to the owner of a span to
 * its pages does not change (arena.c).
 */
void span_contents_clear(struct span_heap *heap, const struct span *span)
{
	unsigned long last = span_last_granule(heap, span), index;

	for (index = span_first_granule(heap, span); index <= last; index++) {
		unsigned long page = index << heap->granule_order;
		u32 from = max(span->node.base, page) - page;
		u32 to = min(span_end(span) - page, span_heap_granule_pages(heap));
		struct span_block block;

		span_granule_block(span_granule_at(&heap->arenas, index), &block);
		fill(heap, &block, from, to, 0);
	}
}

/**
 * span_contents_leave() - make pages that become free what free pages have to be
 * @heap: the heap
 * @claim: a claim of the caller's
 * @end: only its granules below this number, all of which are backed
 * @may_sleep: let others have the processor after each granule; else nobody gets it, unless
 *             the kernel takes it
 *
 * Context: any but NMI, as @may_sleep says; without the heap's lock.
 */
void span_contents_leave(struct span_heap *heap, const struct span *claim,
			 unsigned long end, bool may_sleep)
{
	struct span_opening opening = { };
	unsigned long index, irqflags;
	struct span_step step;

	end = min(end, span_last_granule(heap, claim) + 1);
	for (index = span_first_granule(heap, claim); index < end; index++) {
		spin_lock_irqsave(&heap->lock, irqflags);
		make_step(heap, claim, index, false, &opening, &step);
		spin_unlock_irqrestore(&heap->lock, irqflags);
		fill_free(heap, &step.block, step.from, step.to);
		if (may_sleep)
			cond_resched();
	}
}

/**
 * span_heap_forget_contents() - have free pages left as they are from here on
 * @heap: a heap that is about to end, of which nobody allocates any more
 *
 * For pages that have to go although somebody still uses them: each lives on, outside of
 * the heap, until it is let go of, and is what its user has made it. So nothing that is
 * freed from here on is cleared in the background either. Whatever else is free by now is
 * verified once more as far as it is idle.
 *
 * Context: may sleep; without the heap's lock.
 */
void span_heap_forget_contents(struct span_heap *heap)
{
	unsigned long irqflags;

	span_heap_scavenge(heap, ~0UL);
	spin_lock_irqsave(&heap->lock, irqflags);
	heap->forgotten = true;
	WRITE_ONCE(heap->wipe, false);
	WRITE_ONCE(heap->poison, false);
	spin_unlock_irqrestore(&heap->lock, irqflags);
}
