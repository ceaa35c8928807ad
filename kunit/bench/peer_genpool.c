// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pool of <linux/genalloc.h>: a bitmap, first fit.
 */

#include <linux/bits.h>
#include <linux/genalloc.h>
#include <linux/kconfig.h>
#include <linux/numa.h>

#if !IS_ENABLED(CONFIG_GENERIC_ALLOCATOR) && defined(BENCH_HAS_SOURCE)
/* Nothing else in a small kernel has one. */
#include "lib/genalloc.c"
#endif

#include "peers.h"

/* An address of 0 would be a failure. */
#define GENPOOL_BASE	BIT(40)

static void *genpool_create(unsigned long npages)
{
	struct gen_pool *pool = gen_pool_create(0, NUMA_NO_NODE);

	if (pool && gen_pool_add(pool, GENPOOL_BASE, npages, NUMA_NO_NODE)) {
		gen_pool_destroy(pool);
		pool = NULL;
	}
	return pool;
}

/* A pool must be empty when it is destroyed. */
static void genpool_clear(struct gen_pool *pool, struct gen_pool_chunk *chunk, void *data)
{
	unsigned long npages = chunk->end_addr - chunk->start_addr + 1;

	bitmap_zero(chunk->bits, npages);
	atomic_long_set(&chunk->avail, npages);
}

static void genpool_destroy(void *state)
{
	gen_pool_for_each_chunk(state, genpool_clear, NULL);
	gen_pool_destroy(state);
}

static bool genpool_alloc(void *state, struct bench_span *span, unsigned long npages)
{
	unsigned long at = gen_pool_alloc(state, npages);

	span->base = at - GENPOOL_BASE;
	span->npages = npages;
	return at;
}

static void genpool_free(void *state, struct bench_span *span)
{
	gen_pool_free(state, GENPOOL_BASE + span->base, span->npages);
}

const struct bench_peer bench_genpool = {
	.name = "genalloc",
	.lowest = true,
	.spans_max = 10000,
	.create = genpool_create,
	.destroy = genpool_destroy,
	.alloc = genpool_alloc,
	.free = genpool_free,
};
