// SPDX-License-Identifier: GPL-2.0-only
/*
 * Views: kernel mappings and scatterlists of spans.
 */

/**
 * DOC: Views
 *
 * A span is contiguous in its heap's address space, its memory only inside a
 * granule. A kernel mapping makes it contiguous for the processor, and a scatterlist
 * tells a device of its physically contiguous runs. Runs are followed across granules
 * here: two blocks that happen to follow each other in memory are one entry.
 *
 * Both lead to pages that go to somebody else when the span is freed, so the span
 * counts them (span_heap_view_begin()), and is neither freed nor split before they
 * are gone. A client that frees such a span has a bug, which is reported; the span is
 * lost then, since a leak harms nobody else.
 *
 * The functions on parts of a span build the same things without counting them:
 * exports of programs' buffers hold a reference on the buffer (export.c).
 *
 * Locking: the heap's lock, inside span_heap_view_begin() and span_heap_view_end(), never
 * over an allocation. Who calls may hold whatever allows what his gfp flags say.
 */

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/spanalloc.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "heap.h"
#include "view.h"

/*
 * Is a page the @n-th after another one, in memory and among the struct pages? Without a
 * virtual memory map, the latter end at a section, and users of a list count on them.
 */
static bool follows(const struct page *next, const struct page *page, unsigned long n)
{
	return page_to_pfn(next) == page_to_pfn(page) + n && next == page + n;
}

/**
 * span_part_run() - the physically contiguous run that begins with a page
 * @part: the part
 * @index: the page, counted from the part's first
 * @max: where to stop at the latest, in pages from there, at least 1
 * @page: set to the page
 *
 * Neighbouring blocks that happen to follow each other in memory are one run.
 *
 * Context: any but NMI; without the heap's lock. O(1) for each block.
 * Return: number of pages; 0 if one has no memory, as in a heap that is damaged.
 */
unsigned long span_part_run(const struct span_part *part, unsigned long index,
			    unsigned long max, struct page **page)
{
	unsigned long length = 0, npages;
	struct page *next;

	max = min(max, part->npages - index);
	while (length < max) {
		next = span_heap_run(part->heap, part->span, part->first + index + length,
				     &npages);
		if (!next)
			return 0;
		if (!length)
			*page = next;
		else if (!follows(next, *page, length))
			break;
		length = min(length + npages, max);
	}
	return length;
}

/**
 * span_part_vmap() - map a part of a span into the kernel
 * @part: the part
 *
 * Context: may sleep.
 * Return: the address, for vunmap(), or ERR_PTR(): -EINVAL if the part is longer than
 * the kernel can map, -EIO if a page of it has no memory, -ENOMEM.
 */
void *span_part_vmap(const struct span_part *part)
{
	unsigned long index = 0, run, i;
	struct page **pages;
	void *address;

	if (part->npages > SPAN_VMAP_PAGES_MAX)
		return ERR_PTR(-EINVAL);
	pages = kvmalloc_array(part->npages, sizeof(*pages), GFP_KERNEL | __GFP_NOWARN);
	if (!pages)
		return ERR_PTR(-ENOMEM);
	while (index < part->npages) {
		struct page *page = span_heap_run(part->heap, part->span,
						  part->first + index, &run);

		if (!page) {
			kvfree(pages);
			return ERR_PTR(-EIO);
		}
		run = min(run, part->npages - index);
		for (i = 0; i < run; i++)
			pages[index++] = page + i;
		cond_resched();
	}
	address = vmap(pages, part->npages, VM_MAP, PAGE_KERNEL);
	kvfree(pages);
	return address ? : ERR_PTR(-ENOMEM);
}

/*
 * Walk over the runs of a part, none longer than @max pages, and fill the list at @sg
 * unless that is NULL. Returns how many there are, or 0 if a page has no memory.
 */
static unsigned long walk_runs(const struct span_part *part, unsigned long max,
			       struct scatterlist *sg, bool may_sleep)
{
	unsigned long index, nruns = 0, len;
	struct page *page;

	for (index = 0; index < part->npages; index += len) {
		len = span_part_run(part, index, max, &page);
		if (!len)
			return 0;
		if (sg) {
			sg_set_page(sg, page, len << PAGE_SHIFT, 0);
			sg = sg_next(sg);
		}
		nruns++;
		if (may_sleep)
			cond_resched();
	}
	return nruns;
}

/**
 * span_part_sg() - make a scatterlist of a part of a span
 * @part: the part
 * @sgt: out: the table, for sg_free_table(); not mapped for a device
 * @max_segment: no entry is longer than this many bytes, rounded down to pages; at
 *               least a page
 * @gfp: says whether the call may sleep
 *
 * Context: any that @gfp allows but NMI; without the heap's lock.
 * Return: 0, -EINVAL if there would be too many entries, -EIO if a page has no
 * memory, -ENOMEM.
 */
int span_part_sg(const struct span_part *part, struct sg_table *sgt,
		 unsigned int max_segment, gfp_t gfp)
{
	unsigned long max = max_segment >> PAGE_SHIFT, nruns;
	bool may_sleep = gfpflags_allow_blocking(gfp);
	int err;

	if (!max)
		return -EINVAL;
	nruns = walk_runs(part, max, NULL, may_sleep);
	if (!nruns)
		return -EIO;
	if (nruns > INT_MAX)
		return -EINVAL;
	err = sg_alloc_table(sgt, nruns, (gfp & SPAN_GFP_MASK) | __GFP_NOWARN);
	if (!err)
		walk_runs(part, max, sgt->sgl, may_sleep);
	return err;
}

/**
 * spanalloc_vmap() - map a span into the kernel, as contiguous memory
 * @heap: the heap it came from
 * @span: a span of the caller's
 *
 * The mapping is cached and can be written. While there is one, the span can be
 * neither freed nor split. A contiguous span has an address without it, see
 * spanalloc_address().
 *
 * Context: may sleep.
 * Return: the address of the span's first byte, or ERR_PTR(), never NULL: -ENOMEM;
 * -EINVAL if the span is not in use, or longer than the kernel can map; -EOVERFLOW if
 * it has 65535 mappings and scatterlists; -EIO if the heap is damaged.
 */
void *spanalloc_vmap(struct span_heap *heap, struct span *span)
{
	struct span_part whole = { .heap = heap, .span = span };
	void *address;
	int err;

	might_sleep();
	err = span_heap_view_begin(heap, span);
	if (err)
		return ERR_PTR(err);
	/* From here on nobody splits it. */
	whole.npages = span->node.npages;
	address = span_part_vmap(&whole);
	if (IS_ERR(address))
		span_heap_view_end(heap, span);
	return address;
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_vmap);

/**
 * spanalloc_vunmap() - undo spanalloc_vmap()
 * @heap: the heap
 * @span: the span that was mapped
 * @address: what spanalloc_vmap() returned; NULL and error pointers are ignored
 *
 * Context: may sleep.
 */
void spanalloc_vunmap(struct span_heap *heap, struct span *span, void *address)
{
	might_sleep();
	if (IS_ERR_OR_NULL(address))
		return;
	vunmap(address);
	span_heap_view_end(heap, span);
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_vunmap);

/**
 * spanalloc_sg_alloc() - make a scatterlist of a span
 * @heap: the heap it came from
 * @span: a span of the caller's
 * @sgt: out: the table; its entries are the span's physically contiguous runs, in
 *       order, and not mapped for a device
 * @max_segment: no entry is longer than this many bytes, rounded down to pages; 0
 *               means as long as an entry can be. dma_get_max_seg_size() of a device
 *               says what it can take
 * @gfp: says whether the call may sleep
 *
 * While there is a scatterlist of it, the span can be neither freed nor split.
 *
 * Context: any that @gfp allows but NMI; on PREEMPT_RT task context only.
 * Return: 0; -EINVAL if the span is not in use, or @max_segment is less than a page;
 * -ENOMEM; -EOVERFLOW as spanalloc_vmap(); -EIO if the heap is damaged.
 */
int spanalloc_sg_alloc(struct span_heap *heap, struct span *span, struct sg_table *sgt,
		       unsigned int max_segment, gfp_t gfp)
{
	struct span_part whole = { .heap = heap, .span = span };
	int err = span_heap_view_begin(heap, span);

	if (err)
		return err;
	/* From here on nobody splits it. */
	whole.npages = span->node.npages;
	err = span_part_sg(&whole, sgt, max_segment ? : UINT_MAX, gfp);
	if (err)
		span_heap_view_end(heap, span);
	return err;
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_sg_alloc);

/**
 * spanalloc_sg_free() - undo spanalloc_sg_alloc()
 * @heap: the heap
 * @span: the span that the table is of
 * @sgt: the table, not mapped for a device any more
 *
 * Context: any but NMI; on PREEMPT_RT task context only.
 */
void spanalloc_sg_free(struct span_heap *heap, struct span *span, struct sg_table *sgt)
{
	sg_free_table(sgt);
	span_heap_view_end(heap, span);
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_sg_free);
