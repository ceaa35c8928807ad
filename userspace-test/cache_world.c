// SPDX-License-Identifier: GPL-2.0-only
/*
 * A heap whose spans lie where no model says: see cache_world.h.
 */
#include "cache_world.h"

const struct geometry cw_geometry = {
	.order = 3, .arena = 64, .limit = 1000, .retain = -1, .cache = CW_CACHE_PAGES,
};

struct spanalloc_stats cw_stats(void)
{
	struct spanalloc_stats stats;

	span_heap_stats(hw.heap, &stats);
	return stats;
}

struct span *cw_get(unsigned long npages)
{
	struct span *span = hw_request(npages, 0, 0, GFP_KERNEL, 7);

	EXPECT(!IS_ERR(span), "%lu pages: %ld", npages, PTR_ERR(span));
	return span;
}

struct span *cw_get_at(unsigned long base, unsigned long npages)
{
	struct span *span = cw_get(npages);

	EXPECT_EQ(span->node.base, base);
	EXPECT_EQ(span->node.npages, npages);
	EXPECT_EQ(span->owner, 7);
	EXPECT_EQ(span_heap_lookup(hw.heap, base), span);
	return span;
}

void cw_put(struct span *span)
{
	EXPECT_EQ(span_heap_free(hw.heap, span), 0);
}

/* The check, in one hold or in batches; it knows what is parked. */
bool cw_sound(unsigned int batch)
{
	struct span_report report;

	return EXPECT_EQ(span_heap_check(hw.heap, batch, &report), 0) &&
	       EXPECT(report.sums_compared, "no sums");
}

/* Everything is free again, and goes away. */
void cw_end(void)
{
	EXPECT(cw_sound(0) && cw_sound(3), "check");
	EXPECT_EQ(cw_stats().in_use_pages, 0);
	span_cache_drain(hw.heap);
	EXPECT_EQ(cw_stats().cached_pages, 0);
	EXPECT_EQ(hw.heap->in_use_pages + hw.heap->in_use_spans, 0);
	EXPECT(hw.heap->treap.nspans <= 1, "%lu free spans", hw.heap->treap.nspans);
	hw_end();
}
