// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interface for other kernel modules: exported functions, and the registry
 * of heaps.
 */

/**
 * DOC: Kernel clients
 *
 * A client includes <linux/spanalloc.h>, imports the namespace SPANALLOC, and
 * uses the default heap or makes one of its own. A module that uses one of these
 * symbols keeps spanalloc loaded.
 *
 * Example::
 *
 *	struct span_heap *heap = spanalloc_default_heap();
 *	struct span *span = spanalloc_alloc(heap, 17, 1, SPANALLOC_ZERO, GFP_KERNEL);
 *
 *	if (IS_ERR(span))
 *		return PTR_ERR(span);
 *	fill(spanalloc_page(heap, span, 16));
 *	spanalloc_free(heap, span);
 *
 * Locking: the registry has a mutex, held only while a heap is added to it or
 * taken out; everything else locks as heap.c says.
 */

#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/instruction_pointer.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "compat.h"
#include "heap.h"
#include "internal.h"
#include "keeper.h"

/* Address space is added in steps of this many bytes, unless told otherwise. */
#define ARENA_BYTES_DEFAULT	(64UL << 20)

static DEFINE_MUTEX(registry_lock);
static LIST_HEAD(registry);
static struct span_heap *default_heap;

/* A name becomes the name of a directory. */
static bool name_is_good(const char *name)
{
	size_t i, len = name ? strnlen(name, SPANALLOC_NAME_MAX + 1) : 0;

	if (!len || len > SPANALLOC_NAME_MAX || name[0] == '.')
		return false;
	for (i = 0; i < len; i++)
		if (!isascii(name[i]) || (!isalnum(name[i]) && !strchr("._-", name[i])))
			return false;
	return true;
}

/* Put numbers where the attributes leave the choice to us. */
static int resolve(struct spanalloc_attr *attr)
{
	unsigned int order = attr->granule_order;

	if (!name_is_good(attr->name))
		return -EINVAL;
	if (attr->nid != NUMA_NO_NODE &&
	    (attr->nid < 0 || attr->nid >= MAX_NUMNODES || !node_online(attr->nid)))
		return -EINVAL;
	if (order == SPANALLOC_ORDER_DEFAULT)
		order = min_t(unsigned int, PMD_SHIFT - PAGE_SHIFT, SPAN_BUDDY_ORDER_MAX);
	if (order > SPAN_BUDDY_ORDER_MAX)
		return -EINVAL;
	attr->granule_order = order;
	attr->wipe |= want_init_on_free();
	if (!attr->arena_pages)
		attr->arena_pages = max(ARENA_BYTES_DEFAULT >> PAGE_SHIFT, 1UL << order);
	if (attr->max_pages == SPANALLOC_NO_LIMIT)
		attr->max_pages = clamp(totalram_pages(), 1UL << order, SPAN_HEAP_PAGES_MAX);
	return 0;
}

static int registry_add(struct span_heap *heap)
{
	struct span_heap *other;
	int err = 0;

	mutex_lock(&registry_lock);
	list_for_each_entry(other, &registry, list)
		if (!strcmp(other->name, heap->name))
			err = -EEXIST;
	if (!err) {
		list_add_tail(&heap->list, &registry);
		span_debugfs_add(heap);
	}
	mutex_unlock(&registry_lock);
	return err;
}

static void registry_remove(struct span_heap *heap)
{
	mutex_lock(&registry_lock);
	span_debugfs_remove(heap);
	list_del(&heap->list);
	mutex_unlock(&registry_lock);
}

/* The heap knows nothing of who pays for its memory. */
static void unmake(struct span_heap *heap)
{
	struct mem_cgroup *payer = heap->backing_priv;

	span_heap_destroy(heap);
	span_buddy_payer_put(payer);
}

/**
 * spanalloc_heap_create() - make a heap
 * @attr: how it is to be
 *
 * With @attr->account, the current task's memory cgroup pays for the heap's memory,
 * whoever allocates, and is held until the heap is destroyed.
 *
 * Context: may sleep; not from a CPU hotplug callback.
 * Return: the heap, without memory or address space yet, or ERR_PTR(): -EINVAL
 * for attributes that make no sense, -EEXIST if there is a heap of that name,
 * -EOPNOTSUPP if its memory is to be charged and there are no memory cgroups,
 * -ENOMEM.
 */
struct span_heap *spanalloc_heap_create(const struct spanalloc_attr *attr)
{
	struct spanalloc_attr resolved = *attr;
	struct mem_cgroup *payer = NULL;
	struct span_heap *heap;
	int err;

	might_sleep();
	err = resolve(&resolved);
	if (err)
		return ERR_PTR(err);
	if (resolved.account)
		payer = span_buddy_payer();
	if (IS_ERR(payer))
		return ERR_CAST(payer);
	heap = span_heap_create(&resolved, &span_buddy_backing, payer);
	if (IS_ERR(heap)) {
		span_buddy_payer_put(payer);
		return heap;
	}
	err = span_keeper_add(heap);
	if (err)
		goto unmake_heap;
	err = registry_add(heap);
	if (err)
		goto remove_keeper;
	return heap;

remove_keeper:
	span_keeper_remove(heap);
unmake_heap:
	unmake(heap);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_heap_create);

/**
 * spanalloc_heap_destroy() - end a heap
 * @heap: a heap of the caller's; NULL and error pointers are ignored
 *
 * Spans that are still in use are reported in the log, with who allocated them;
 * the granules they touch are lost, rather than handed to somebody else. Pointers
 * to these spans are dead from here on.
 *
 * Context: may sleep; not from a CPU hotplug callback.
 */
void spanalloc_heap_destroy(struct span_heap *heap)
{
	might_sleep();
	if (IS_ERR_OR_NULL(heap))
		return;
	if (heap == default_heap) {
		pr_err_once("spanalloc: %pS tried to destroy the default heap\n",
			    (void *)_RET_IP_);
		return;
	}
	registry_remove(heap);
	span_keeper_remove(heap);
	unmake(heap);
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_heap_destroy);

/**
 * spanalloc_default_heap() - the heap that everybody shares
 *
 * Description: The device's users share it, too, and can exhaust it. A client that
 * must not be refused makes a heap of its own.
 *
 * Context: any.
 * Return: the heap; never NULL while the module is loaded.
 */
struct span_heap *spanalloc_default_heap(void)
{
	return default_heap;
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_default_heap);

/**
 * spanalloc_alloc() - allocate a span
 * @heap: the heap
 * @npages: its length in pages, at least 1
 * @align: its base is a multiple of this power of two of pages; 0 and 1 mean any
 * @flags: SPANALLOC_ZERO, SPANALLOC_CONTIG
 * @gfp: GFP_KERNEL, GFP_ATOMIC, GFP_NOWAIT and the like; __GFP_ZERO means
 *       SPANALLOC_ZERO; zone and accounting bits are ignored, for who pays is an
 *       attribute of the heap
 *
 * @align is about the heap's address space. Up to a granule it holds for the
 * physical address as well, if the span is contiguous.
 *
 * Context: any that @gfp allows, hard interrupts included (on PREEMPT_RT task
 * context only), but not NMI.
 * Return: the span, or ERR_PTR(): -EINVAL for arguments that make no sense, a
 * contiguous length above a granule among them; -EDQUOT if the heap's limit
 * leaves too few pages; -ENOSPC if it leaves enough but not in one run; -ENOMEM if
 * the system has no memory, or the cgroup that pays may have no more; -EAGAIN if
 * @gfp does not allow to sleep and the place is not backed, the heap would have to grow,
 * or what is missing is parked for other CPUs; -EINTR if a fatal signal is pending; -EIO if
 * the heap is damaged.
 */
struct span *spanalloc_alloc(struct span_heap *heap, unsigned long npages,
			     unsigned long align, unsigned int flags, gfp_t gfp)
{
	const struct span_request request = {
		.npages = npages,
		.align = align,
		.flags = flags | (gfp & __GFP_ZERO ? SPANALLOC_ZERO : 0),
		.gfp = gfp,
		.caller = _RET_IP_,
	};

	return span_heap_alloc(heap, &request);
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_alloc);

/**
 * spanalloc_free() - give a span back
 * @heap: the heap it came from
 * @span: the span; NULL and error pointers are ignored
 *
 * Nobody may refer to its pages any more. Never needs memory. Freeing twice is a
 * use after free, which is noticed only by luck. A span that has a mapping or a
 * scatterlist still (spanalloc_vmap(), spanalloc_sg_alloc()) is not freed: that is
 * reported once, and unless it is freed again later, the span is lost. Where free
 * pages are cleared or poisoned, the call takes the time for that.
 *
 * A heap whose memory is charged gives back at once what is idle now, which takes
 * time for each page.
 *
 * Context: any but NMI; on PREEMPT_RT task context only.
 */
void spanalloc_free(struct span_heap *heap, struct span *span)
{
	if (IS_ERR_OR_NULL(span))
		return;
	if (span_heap_free(heap, span) == -EBUSY)
		pr_err_once("spanalloc: heap %s: %pS frees a span that is mapped or in a scatterlist; it is lost\n",
			    heap->name, (void *)_RET_IP_);
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_free);

/**
 * spanalloc_alloc_bulk() - allocate many spans of one length
 * @heap: the heap
 * @npages: length of each in pages, at least 1
 * @flags: SPANALLOC_ZERO, SPANALLOC_CONTIG
 * @gfp: as for spanalloc_alloc(), for each of them
 * @n: how many
 * @spans: out: the spans, @n slots; those that were not allocated are left as they were
 *
 * For one that fails, those before stay allocated. As far as they come from memory that is
 * backed, neighbours in @spans are mostly neighbours in the heap, the lowest first, but
 * nothing is promised of that. A batch of up to 32 costs little more than one span.
 *
 * Context: as spanalloc_alloc().
 * Return: how many were allocated, @n or fewer; if it is none, why, as spanalloc_alloc()
 * says it; 0 if @n is 0.
 */
long spanalloc_alloc_bulk(struct span_heap *heap, unsigned long npages, unsigned int flags,
			  gfp_t gfp, unsigned long n, struct span **spans)
{
	const struct span_request request = {
		.npages = npages,
		.flags = flags | (gfp & __GFP_ZERO ? SPANALLOC_ZERO : 0),
		.gfp = gfp,
		.caller = _RET_IP_,
	};

	return span_heap_alloc_bulk(heap, &request, n, spans);
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_alloc_bulk);

/**
 * spanalloc_free_bulk() - give many spans back
 * @heap: the heap they came from
 * @n: how many
 * @spans: the spans, of any lengths, in any order, each once
 *
 * Each as spanalloc_free() would; one that cannot be freed stays, and does not keep the
 * others.
 *
 * Context: any but NMI; on PREEMPT_RT task context only.
 */
void spanalloc_free_bulk(struct span_heap *heap, unsigned long n, struct span **spans)
{
	if (span_heap_free_bulk(heap, n, spans) == -EBUSY)
		pr_err_once("spanalloc: heap %s: %pS frees spans that are mapped or in a scatterlist; they are lost\n",
			    heap->name, (void *)_RET_IP_);
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_free_bulk);

/**
 * spanalloc_split() - split a span in two
 * @heap: the heap it came from
 * @span: the span; keeps its first @npages pages
 * @npages: more than 0 and less than the span's length
 * @gfp: says whether the call may sleep
 *
 * The two are freed on their own, in any order.
 *
 * Context: any that @gfp allows, but not NMI.
 * Return: the upper part, or ERR_PTR(): -EINVAL, -ENOMEM, -EIO, or -EBUSY if the
 * span has a mapping or a scatterlist; then the span is as it was.
 */
struct span *spanalloc_split(struct span_heap *heap, struct span *span,
			     unsigned long npages, gfp_t gfp)
{
	return span_heap_split(heap, span, npages, gfp);
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_split);

/**
 * spanalloc_lookup() - the span that covers a page of the address space
 * @heap: the heap
 * @page: any page number
 *
 * Means something only to the owner of the span.
 *
 * Context: any but NMI. O(1).
 * Return: the span, or NULL.
 */
struct span *spanalloc_lookup(struct span_heap *heap, unsigned long page)
{
	return span_heap_lookup(heap, page);
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_lookup);

/**
 * spanalloc_base() - first page of a span in the heap's address space
 * @span: a span of the caller's
 *
 * Context: any.
 * Return: the page number.
 */
unsigned long spanalloc_base(const struct span *span)
{
	return span->node.base;
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_base);

/**
 * spanalloc_npages() - length of a span
 * @span: a span of the caller's
 *
 * Context: any.
 * Return: number of pages.
 */
unsigned long spanalloc_npages(const struct span *span)
{
	return span->node.npages;
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_npages);

/**
 * spanalloc_page() - the struct page behind a page of a span
 * @heap: the heap it came from
 * @span: a span of the caller's
 * @index: counted from the span's first page
 *
 * Each page is a page of its own, with a reference count of its own (not part of
 * a compound page). Whoever takes references of it has to drop them before the
 * span is freed.
 *
 * Context: any but NMI. O(1).
 * Return: the page, or NULL if @index is beyond the end.
 */
struct page *spanalloc_page(struct span_heap *heap, const struct span *span,
			    unsigned long index)
{
	unsigned long npages;

	return span_heap_run(heap, span, index, &npages);
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_page);

/**
 * spanalloc_pfn() - the page frame behind a page of a span
 * @heap: the heap it came from
 * @span: a span of the caller's
 * @index: counted from the span's first page; must be below its length
 *
 * Context: any but NMI. O(1).
 * Return: the page frame number, or 0 if @index is beyond the end.
 */
unsigned long spanalloc_pfn(struct span_heap *heap, const struct span *span,
			    unsigned long index)
{
	struct page *page = spanalloc_page(heap, span, index);

	return page ? page_to_pfn(page) : 0;
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_pfn);

/**
 * spanalloc_contig_pages() - how far a span is physically contiguous
 * @heap: the heap it came from
 * @span: a span of the caller's
 * @index: counted from the span's first page
 *
 * Context: any but NMI. O(1).
 * Return: number of pages from the @index-th on that are known to be contiguous;
 * 0 if @index is beyond the end.
 */
unsigned long spanalloc_contig_pages(struct span_heap *heap,
				     const struct span *span, unsigned long index)
{
	unsigned long npages;

	span_heap_run(heap, span, index, &npages);
	return npages;
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_contig_pages);

/**
 * spanalloc_address() - kernel address of a physically contiguous span
 * @heap: the heap it came from
 * @span: a span of the caller's
 *
 * A span allocated with SPANALLOC_CONTIG always has one; another has one if it
 * happens to lie in one block.
 *
 * Context: any but NMI. O(1).
 * Return: the address in the kernel's direct map, or NULL if the span is not
 * contiguous.
 */
void *spanalloc_address(struct span_heap *heap, const struct span *span)
{
	unsigned long npages;
	struct page *page = span_heap_run(heap, span, 0, &npages);

	return npages == span->node.npages ? page_address(page) : NULL;
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_address);

/**
 * spanalloc_get_stats() - take a snapshot of a heap's statistics
 * @heap: the heap
 * @stats: out: the snapshot, consistent in itself
 *
 * Context: any but NMI.
 */
void spanalloc_get_stats(struct span_heap *heap, struct spanalloc_stats *stats)
{
	span_heap_stats(heap, stats);
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_get_stats);

/**
 * spanalloc_scavenge() - give idle memory back to the system
 * @heap: the heap
 * @npages: pages to give back at least, if so many are idle, rounded up to whole
 *          granules, from the highest address down; ~0UL gives back all
 *
 * Free spans keep their addresses and get memory again when they are allocated.
 *
 * Context: may sleep.
 * Return: number of pages given back.
 */
unsigned long spanalloc_scavenge(struct span_heap *heap, unsigned long npages)
{
	return span_heap_scavenge(heap, npages);
}
EXPORT_SYMBOL_SPANALLOC(spanalloc_scavenge);

/**
 * span_client_init() - make the default heap
 * @attr: how it is to be
 *
 * Context: may sleep.
 * Return: 0, -EINVAL or -ENOMEM.
 */
int span_client_init(const struct spanalloc_attr *attr)
{
	struct span_heap *heap = spanalloc_heap_create(attr);

	if (IS_ERR(heap))
		return PTR_ERR(heap);
	default_heap = heap;
	return 0;
}

/**
 * span_client_exit() - end the default heap
 *
 * Context: may sleep; nobody uses a heap any more.
 */
void span_client_exit(void)
{
	struct span_heap *heap = default_heap;

	default_heap = NULL;
	spanalloc_heap_destroy(heap);
}
