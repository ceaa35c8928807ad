// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the heap costs: what can be counted, as tests; what must be timed, as a
 * table.
 *
 * span-cost            counts, in KTAP
 * span-cost --times    ns for a pair of free and alloc among F free spans
 */
#include <linux/err.h>
#include <linux/slab.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "heap.h"
#include "ktap.h"
#include "../kunit/nothing_backing.h"
#include "rng.h"

/* What the README promises. */
#define SPAN_BYTES_MAX		64
#define TABLE_PERMYRIAD_MAX	25

static struct span_heap *heap_of(unsigned int granule_order)
{
	const struct spanalloc_attr attr = {
		.name = "cost", .nid = -1, .granule_order = granule_order,
		.arena_pages = 1UL << 14, .retain_percent = SPANALLOC_RETAIN_ALL,
		.tree_seed = 1,
	};
	struct span_heap *heap = span_heap_create(&attr, &nothing_backing, NULL);

	if (IS_ERR(heap))
		exit(1);
	return heap;
}

static struct span *alloc(struct span_heap *heap, unsigned long npages)
{
	const struct span_request request = { .npages = npages, .gfp = GFP_KERNEL };
	struct span *span = span_heap_alloc(heap, &request);

	if (IS_ERR(span))
		exit(1);
	return span;
}

static unsigned long slots_set(struct span_heap *heap)
{
	unsigned long page, n = 0;

	for (page = 0; page < heap->arenas.npages; page++)
		n += !!*span_map_slot(&heap->arenas, page);
	return n;
}

/* 2^18 pages that are backed already: two ends, and each granule in between. */
static void large_spans_write_a_slot_a_granule(void)
{
	struct span_heap *heap = heap_of(9);
	struct span *span = alloc(heap, 1UL << 18);

	span_heap_free(heap, span);
	EXPECT_EQ(slots_set(heap), 2);
	span = alloc(heap, 1UL << 18);
	EXPECT_EQ(slots_set(heap), 2 + 511);
	EXPECT_EQ(heap->stat.backed, 512);
	span_heap_free(heap, span);
	EXPECT_EQ(span_heap_destroy(heap), 0);
}

static void metadata_stays_within_its_bounds(void)
{
	unsigned int order;

	EXPECT(sizeof(struct span) <= SPAN_BYTES_MAX, "%zu bytes a span", sizeof(struct span));
	for (order = 3; order <= 10; order++) {
		struct span_heap *heap = heap_of(order);
		struct spanalloc_stats stats;
		struct span *span = alloc(heap, 1UL << 18);

		span_heap_stats(heap, &stats);
		EXPECT(stats.metadata_bytes * 10000 <=
		       stats.address_pages * 4096 * TABLE_PERMYRIAD_MAX,
		       "order %u: %llu bytes for %llu pages", order,
		       (unsigned long long)stats.metadata_bytes,
		       (unsigned long long)stats.address_pages);
		span_heap_free(heap, span);
		span_heap_destroy(heap);
	}
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

/* Every other one of 2 F spans of 1 to 64 pages is free; then pairs at random. */
static double churn(unsigned long nfree, unsigned long npairs)
{
	struct span **spans = calloc(2 * nfree, sizeof(*spans));
	struct span_heap *heap = heap_of(9);
	struct rng rng;
	unsigned long i;
	double ns;

	rng_seed(&rng, 1);
	for (i = 0; i < 2 * nfree; i++)
		spans[i] = alloc(heap, rng_range(&rng, 1, 64));
	for (i = 0; i < 2 * nfree; i += 2)
		span_heap_free(heap, spans[i]);
	ns = now_ns();
	for (i = 0; i < npairs; i++) {
		unsigned long at = rng_below(&rng, nfree) * 2 + 1;

		span_heap_free(heap, spans[at]);
		spans[at] = alloc(heap, rng_range(&rng, 1, 64));
	}
	ns = (now_ns() - ns) / npairs;
	printf("%9lu %9lu %8.0f\n", nfree, heap->treap.nspans, ns);
	for (i = 1; i < 2 * nfree; i += 2)
		span_heap_free(heap, spans[i]);
	span_heap_destroy(heap);
	free(spans);
	return ns;
}

static int times(void)
{
	unsigned long nfree;

	printf("   F made    F left  ns a pair\n");
	for (nfree = 1000; nfree <= 1000000; nfree *= 10)
		churn(nfree, 300000);
	return 0;
}

static const struct ktap_case cases[] = {
	{ "a large span writes a slot a granule", large_spans_write_a_slot_a_granule },
	{ "metadata stays within its bounds", metadata_stays_within_its_bounds },
};

int main(int argc, char **argv)
{
	if (span_objects_init())
		return 1;
	if (argc == 2 && !strcmp(argv[1], "--times"))
		return times();
	if (argc > 1) {
		fprintf(stderr, "usage: %s [--times]\n", argv[0]);
		return 2;
	}
	return ktap_run(cases, ARRAY_SIZE(cases), 2, NULL, NULL);
}
