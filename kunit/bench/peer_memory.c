// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers that have memory: the span heap as other modules see it, and the kernel's own. And
 * the span heap as a whole on no memory, with as many spans as one likes; and nothing at all,
 * which shows what measuring costs.
 */

#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spanalloc.h>
#include <linux/vmalloc.h>

#include "peers.h"
#include "../../spanalloc/compat.h"
#include "../../spanalloc/heap.h"
#include "../free_all.h"
#include "../nothing_backing.h"

static void *null_create(unsigned long npages)
{
	return kmalloc(1, GFP_KERNEL);
}

static void null_destroy(void *state)
{
	kfree(state);
}

static bool null_alloc(void *state, struct bench_span *span, unsigned long npages)
{
	span->base = 0;
	span->npages = npages;
	return true;
}

static void null_free(void *state, struct bench_span *span)
{
}

const struct bench_peer bench_null = {
	.name = "null",
	.create = null_create,
	.destroy = null_destroy,
	.alloc = null_alloc,
	.free = null_free,
};

static void *make_heap(unsigned long cache_pages)
{
	const struct spanalloc_attr attr = {
		.name = "bench",
		.nid = NUMA_NO_NODE,
		.granule_order = 9,
		.arena_pages = 1UL << 14,
		.retain_percent = SPANALLOC_RETAIN_ALL,
		.cache_pages = cache_pages,
		.tree_seed = 1,
	};
	struct span_heap *heap = span_heap_create(&attr, &nothing_backing, NULL);

	return IS_ERR(heap) ? NULL : heap;
}

static void *heap_create(unsigned long npages)
{
	return make_heap(0);
}

static void *heap_cached_create(unsigned long npages)
{
	return make_heap(SPANALLOC_CACHE_DEFAULT);
}

static void heap_destroy(void *state)
{
	span_free_all(state);
	span_heap_destroy(state);
}

static bool heap_alloc(void *state, struct bench_span *span, unsigned long npages)
{
	const struct span_request request = { .npages = npages, .gfp = GFP_KERNEL };
	struct span *got = span_heap_alloc(state, &request);

	if (IS_ERR(got))
		return false;
	span->cookie = got;
	span->base = got->node.base;
	span->npages = npages;
	return true;
}

static void heap_free(void *state, struct bench_span *span)
{
	span_heap_free(state, span->cookie);
}

const struct bench_peer bench_heap = {
	.name = "heap",
	.lowest = true,
	.create = heap_create,
	.destroy = heap_destroy,
	.alloc = heap_alloc,
	.free = heap_free,
};

/* Not the lowest address that fits, but the one that was freed last. */
const struct bench_peer bench_heap_cached = {
	.name = "heap-cached",
	.create = heap_cached_create,
	.destroy = heap_destroy,
	.alloc = heap_alloc,
	.free = heap_free,
};

static void *make_spanalloc(unsigned long cache_pages)
{
	static unsigned int number;
	char unique[32];
	const struct spanalloc_attr attr = {
		.name = unique,
		.nid = NUMA_NO_NODE,
		.granule_order = SPANALLOC_ORDER_DEFAULT,
		.retain_percent = SPANALLOC_RETAIN_ALL,
		.cache_pages = cache_pages,
		.tree_seed = 1,
	};
	struct span_heap *heap;

	/* Peers of one kind may be there at the same time. */
	snprintf(unique, sizeof(unique), "bench-%u", number++);
	heap = spanalloc_heap_create(&attr);
	return IS_ERR(heap) ? NULL : heap;
}

static void *spanalloc_create(unsigned long npages)
{
	return make_spanalloc(0);
}

static void *spanalloc_cached_create(unsigned long npages)
{
	return make_spanalloc(SPANALLOC_CACHE_DEFAULT);
}

static void spanalloc_destroy(void *state)
{
	span_free_all(state);
	spanalloc_heap_destroy(state);
}

static __always_inline bool alloc_with(void *state, struct bench_span *span,
				       unsigned long npages, unsigned int flags)
{
	struct span *got = spanalloc_alloc(state, npages, 0, flags, GFP_KERNEL);

	if (IS_ERR(got))
		return false;
	span->cookie = got;
	span->base = spanalloc_base(got);
	span->npages = npages;
	return true;
}

static bool spanalloc_peer_alloc(void *state, struct bench_span *span, unsigned long npages)
{
	return alloc_with(state, span, npages, 0);
}

static bool spanalloc_peer_alloc_zero(void *state, struct bench_span *span, unsigned long npages)
{
	return alloc_with(state, span, npages, SPANALLOC_ZERO);
}

static void spanalloc_peer_free(void *state, struct bench_span *span)
{
	spanalloc_free(state, span->cookie);
}

const struct bench_peer bench_spanalloc = {
	.name = "spanalloc",
	.lowest = true,
	.create = spanalloc_create,
	.destroy = spanalloc_destroy,
	.alloc = spanalloc_peer_alloc,
	.free = spanalloc_peer_free,
};

const struct bench_peer bench_spanalloc_cached = {
	.name = "spanalloc-cached",
	.create = spanalloc_cached_create,
	.destroy = spanalloc_destroy,
	.alloc = spanalloc_peer_alloc,
	.free = spanalloc_peer_free,
};

/* What others do with init_on_alloc=1, the heap does for who asks for it. */
const struct bench_peer bench_spanalloc_zero = {
	.name = "spanalloc-zero",
	.create = spanalloc_cached_create,
	.destroy = spanalloc_destroy,
	.alloc = spanalloc_peer_alloc_zero,
	.free = spanalloc_peer_free,
};

/* The next power of two. */
static bool pages_alloc(void *state, struct bench_span *span, unsigned long npages)
{
	span->npages = npages;
	span->cookie = alloc_pages(GFP_KERNEL, get_order(npages << PAGE_SHIFT));
	return span->cookie;
}

static void pages_free(void *state, struct bench_span *span)
{
	__free_pages(span->cookie, get_order(span->npages << PAGE_SHIFT));
}

const struct bench_peer bench_pages = {
	.name = "alloc_pages",
	.longest = 1UL << SPAN_BUDDY_ORDER_MAX,
	.create = null_create,
	.destroy = null_destroy,
	.alloc = pages_alloc,
	.free = pages_free,
};

static bool exact_alloc(void *state, struct bench_span *span, unsigned long npages)
{
	span->npages = npages;
	span->cookie = alloc_pages_exact(npages << PAGE_SHIFT, GFP_KERNEL);
	return span->cookie;
}

static void exact_free(void *state, struct bench_span *span)
{
	free_pages_exact(span->cookie, span->npages << PAGE_SHIFT);
}

const struct bench_peer bench_exact = {
	.name = "alloc_pages_exact",
	.longest = 1UL << SPAN_BUDDY_ORDER_MAX,
	.create = null_create,
	.destroy = null_destroy,
	.alloc = exact_alloc,
	.free = exact_free,
};

static bool vmalloc_alloc(void *state, struct bench_span *span, unsigned long npages)
{
	span->npages = npages;
	span->cookie = vmalloc(npages << PAGE_SHIFT);
	return span->cookie;
}

static void vmalloc_free(void *state, struct bench_span *span)
{
	vfree(span->cookie);
}

const struct bench_peer bench_vmalloc = {
	.name = "vmalloc",
	.sleeps = true,
	.create = null_create,
	.destroy = null_destroy,
	.alloc = vmalloc_alloc,
	.free = vmalloc_free,
};

/* One object, however many pages are asked for: the floor. */
#define KMEM_BYTES	64

static void *kmem_create(unsigned long npages)
{
	static unsigned int number;
	char unique[32];

	snprintf(unique, sizeof(unique), "bench_kmem-%u", number++);
	return kmem_cache_create(unique, KMEM_BYTES, 0, 0, NULL);
}

static void kmem_destroy(void *state)
{
	kmem_cache_destroy(state);
}

static bool kmem_alloc(void *state, struct bench_span *span, unsigned long npages)
{
	span->cookie = kmem_cache_alloc(state, GFP_KERNEL);
	return span->cookie;
}

static void kmem_free(void *state, struct bench_span *span)
{
	kmem_cache_free(state, span->cookie);
}

const struct bench_peer bench_kmem = {
	.name = "kmem_cache",
	.create = kmem_create,
	.destroy = kmem_destroy,
	.alloc = kmem_alloc,
	.free = kmem_free,
};
