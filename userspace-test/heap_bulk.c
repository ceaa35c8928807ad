// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many spans at once: where they lie, what they cost, and what becomes of the rest if some
 * fail. The model, which knows first fit only, plays no part.
 */
#include "batch.h"

#include "cache_world.h"

static long get_many(unsigned long npages, unsigned int flags, gfp_t gfp, unsigned long n,
		     struct span **span)
{
	const struct span_request request = {
		.npages = npages, .flags = flags, .gfp = gfp, .owner = 7, .caller = 0x1007,
	};

	return span_heap_alloc_bulk(hw.heap, &request, n, span);
}

void bulk_is_carved_and_merged(void)
{
	struct geometry geometry = cw_geometry;
	struct span *span[100];
	unsigned long locks;
	struct live live;
	long i;

	geometry.cache = 0;
	REQUIRE(hw_create(&geometry), "heap");
	EXPECT_EQ(get_many(3, 0, GFP_KERNEL, 0, span), 0);
	EXPECT_EQ(get_many(3, SPANALLOC_ZERO, GFP_KERNEL, 100, span), 100);
	for (i = 0; i < 100; i++) {
		EXPECT_EQ(span[i]->node.base, 3 * i);
		EXPECT_EQ(span[i]->owner, 7);
		hw_keep(&live, span[i]);
		EXPECT(hw_is_zero(&live), "span %ld is not zero", i);
		hw_stamp(&live);
	}
	EXPECT(cw_sound(0), "check");
	EXPECT_EQ(cw_stats().allocs, 100);
	EXPECT_EQ(cw_stats().in_use_pages, 300);
	EXPECT_EQ(cw_stats().zero_saved_pages, 300);
	/* From the wrong end, and each once: seven holds of the lock, and one free span. */
	for (i = 0; i < 50; i++)
		swap(span[i], span[99 - i]);
	locks = shim_nlocks();
	EXPECT_EQ(span_heap_free_bulk(hw.heap, 100, span), 0);
	EXPECT_EQ(shim_nlocks() - locks, DIV_ROUND_UP(100, SPAN_BATCH));
	EXPECT_EQ(hw.heap->treap.nspans, 1);
	EXPECT_EQ(cw_stats().frees, 100);
	/* What is dirty now is zeroed, for all is backed: seven holds again. */
	locks = shim_nlocks();
	EXPECT_EQ(get_many(3, SPANALLOC_ZERO, GFP_KERNEL, 100, span), 100);
	EXPECT_EQ(shim_nlocks() - locks, DIV_ROUND_UP(100, SPAN_BATCH));
	EXPECT_EQ(cw_stats().zeroed_pages, 300);
	for (i = 0; i < 100; i++) {
		hw_keep(&live, span[i]);
		EXPECT(hw_is_zero(&live), "span %ld is not zero", i);
	}
	EXPECT_EQ(span_heap_free_bulk(hw.heap, 100, span), 0);
	cw_end();
}

void bulk_fails_in_part(void)
{
	struct geometry geometry = cw_geometry;
	struct span *span[20], *other;
	long n;

	geometry.limit = 64;
	REQUIRE(hw_create(&geometry), "heap");
	EXPECT_EQ(get_many(0, 0, GFP_KERNEL, 20, span), -EINVAL);
	EXPECT_EQ(get_many(65, 0, GFP_KERNEL, 20, span), -EDQUOT);
	EXPECT_EQ(get_many(9, SPANALLOC_CONTIG, GFP_KERNEL, 20, span), -EINVAL);
	EXPECT_EQ(get_many(4, 0, GFP_NOWAIT, 20, span), -EAGAIN);
	other = cw_get(8);
	cw_put(other);
	/* What is parked is had, too. */
	n = get_many(5, 0, GFP_KERNEL, 20, span);
	EXPECT_EQ(n, 12);
	EXPECT_EQ(get_many(5, 0, GFP_KERNEL, 20, span + n), -EDQUOT);
	EXPECT_EQ(span_heap_free_bulk(hw.heap, n, span), 0);
	n = get_many(3, SPANALLOC_CONTIG, GFP_ATOMIC, 16, span);
	EXPECT_EQ(n, 16);
	while (n--)
		EXPECT(span[n]->traits & SPAN_TRAIT_CONTIG, "not contiguous");
	EXPECT_EQ(span_heap_free_bulk(hw.heap, 16, span), 0);
	hw_fail_metadata(1);
	EXPECT_EQ(get_many(2, 0, GFP_KERNEL, 3, span), 3);
	EXPECT(shim_has_failed(), "it did not fail");
	hw_fail_metadata(0);
	/* One that is in use otherwise stays; one that comes twice is freed once. */
	EXPECT_EQ(span_heap_view_begin(hw.heap, span[1]), 0);
	shim_quiet = true;
	span[3] = span[0];
	EXPECT_EQ(span_heap_free_bulk(hw.heap, 4, span), -EBUSY);
	EXPECT(shim_take_warnings(), "no warning");
	shim_quiet = false;
	EXPECT_EQ(cw_stats().in_use_spans, 1);
	EXPECT_EQ(span_heap_view_end(hw.heap, span[1]), 0);
	cw_put(span[1]);
	cw_end();
}

/* A batch is short, in spans and in pages; and some of the spans may be none. */
void bulk_of_long_spans(void)
{
	struct geometry geometry = cw_geometry;
	struct span *span[4];
	unsigned long locks;
	long i;

	geometry.limit = 8000;
	geometry.cache = 0;
	REQUIRE(hw_create(&geometry), "heap");
	EXPECT_EQ(get_many(1500, 0, GFP_KERNEL, 4, span), 4);
	swap(span[0], span[2]);
	locks = shim_nlocks();
	EXPECT_EQ(span_heap_free_bulk(hw.heap, 4, span), 0);
	EXPECT_EQ(shim_nlocks() - locks, 4);
	locks = shim_nlocks();
	EXPECT_EQ(get_many(1500, 0, GFP_KERNEL, 4, span), 4);
	EXPECT_EQ(shim_nlocks() - locks, 4);
	EXPECT_EQ(span_heap_free_bulk(hw.heap, 4, span), 0);
	EXPECT_EQ(get_many(2500, 0, GFP_KERNEL, 3, span), 3);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(span[i]->node.base, 2500 * i);
	span[3] = span[2];
	span[2] = ERR_PTR(-ENOMEM);
	cw_put(span[1]);
	span[1] = NULL;
	EXPECT_EQ(span_heap_free_bulk(hw.heap, 4, span), 0);
	cw_end();
}

/* One of a batch shows that the heap is damaged: nothing is freed from there on. */
void bulk_finds_damage(void)
{
	struct span *span[3], **slot;
	unsigned long npages;

	REQUIRE(hw_create(&cw_geometry), "heap");
	EXPECT_EQ(get_many(3, 0, GFP_KERNEL, 3, span), 3);
	npages = hw.heap->treap.npages;
	slot = span_map_slot(&hw.heap->arenas, span_end(span[1]) - 1);
	*slot = NULL;
	shim_quiet = true;
	EXPECT_EQ(span_heap_free_bulk(hw.heap, 3, span), -EIO);
	EXPECT(shim_take_warnings(), "no warning");
	shim_quiet = false;
	EXPECT_EQ(hw.heap->treap.npages, npages);
	EXPECT_EQ(hw.heap->in_use_pages, 9);
	*slot = span[1];
	hw.heap->damaged = false;
	span[0]->node.state = SPAN_IN_USE;
	EXPECT_EQ(span_heap_free_bulk(hw.heap, 3, span), 0);
	cw_end();
}

/* Where pages have to be something, or nothing may be idle, one by one. */
void bulk_is_for_all_heaps(void)
{
	struct span *span[20];
	unsigned long nverified;
	struct live live;
	unsigned int i, j;

	for (i = 0; i < 3; i++) {
		struct geometry geometry = cw_geometry;

		geometry.account = i == 0;
		geometry.retain = i == 0 ? 0 : -1;
		geometry.wipe = i == 1;
		geometry.poison = i == 2;
		geometry.dirty = true;
		REQUIRE(hw_create(&geometry), "heap");
		EXPECT_EQ(get_many(3, SPANALLOC_ZERO, GFP_KERNEL, 20, span), 20);
		for (j = 0; j < 20; j++) {
			hw_keep(&live, span[j]);
			EXPECT(hw_is_zero(&live), "not zero");
			hw_stamp(&live);
		}
		EXPECT_EQ(span_heap_free_bulk(hw.heap, 20, span), 0);
		if (i == 0)
			EXPECT_EQ(hw.heap->backed_granules, 0);
		/* What has memory by now could come in batches, but poison is looked at. */
		nverified = hw.fake.nverified;
		EXPECT_EQ(get_many(3, 0, GFP_KERNEL, 20, span), 20);
		EXPECT_EQ(hw.fake.nverified - nverified, i == 2 ? 20 * 3 : 0);
		EXPECT_EQ(span_heap_free_bulk(hw.heap, 20, span), 0);
		EXPECT_EQ(hw.fake.nbroken, 0);
		cw_end();
	}
}
