// SPDX-License-Identifier: GPL-2.0-only
/*
 * Per-CPU caches: what they serve, and what they hold. The model, which knows first fit only,
 * plays no part.
 */
#include <linux/percpu.h>

#include "batch.h"
#include "cache.h"

#include "cache_world.h"

void cache_serves_pairs(void)
{
	struct span *span, *other;
	unsigned long locks;
	u64 inserts, i;

	REQUIRE(hw_create(&cw_geometry), "heap");
	EXPECT_EQ(cw_stats().metadata_bytes,
		  sizeof(*hw.heap) + SHIM_CPUS * sizeof(struct span_cache));
	/* The first granule has to be backed; the second allocation finds it so. */
	span = cw_get_at(0, 3);
	cw_put(span);
	EXPECT_EQ(cw_stats().cached_pages, 3);
	EXPECT_EQ(cw_stats().cached_spans, 1);
	EXPECT_EQ(cw_stats().in_use_pages, 0);
	EXPECT_EQ(span_heap_lookup(hw.heap, 1), NULL);
	inserts = cw_stats().tree_inserts;
	for (i = 0; i < 100; i++) {
		locks = shim_nlocks();
		other = cw_get_at(0, 3);
		cw_put(other);
		EXPECT_EQ(other, span);
		EXPECT_EQ(shim_nlocks(), locks);
	}
	EXPECT_EQ(cw_stats().tree_inserts, inserts);
	EXPECT_EQ(cw_stats().cache_allocs, 100);
	EXPECT_EQ(cw_stats().cache_frees, 101);
	EXPECT_EQ(cw_stats().allocs, 101);
	EXPECT_EQ(cw_stats().frees, 101);
	cw_end();
}

/* What is carved for a shelf is handed out from below. */
void cache_refills_from_below(void)
{
	struct span *span[8];
	u64 erases, mutates;
	unsigned int i;

	REQUIRE(hw_create(&cw_geometry), "heap");
	span[0] = cw_get_at(0, 1);
	erases = cw_stats().tree_erases;
	mutates = hw.heap->treap.nmutates;
	for (i = 1; i < 8; i++)
		span[i] = cw_get_at(i, 1);
	EXPECT_EQ(cw_stats().tree_erases, erases);
	/* One change in place for all. */
	EXPECT_EQ(hw.heap->treap.nmutates, mutates + 1);
	EXPECT_EQ(cw_stats().cache_refills, 1);
	EXPECT_EQ(cw_stats().cached_pages, 0);
	EXPECT_EQ(hw.heap->backed_granules, 1);
	for (i = 0; i < 8; i++)
		cw_put(span[i]);
	cw_end();
}

/* A batch takes no memory that nobody asked for, and finds room in several places. */
void cache_refills_from_holes(void)
{
	struct span *span[SPAN_BATCH], *taken[3];
	unsigned int i;

	REQUIRE(hw_create(&cw_geometry), "heap");
	for (i = 0; i < SPAN_BATCH; i++)
		span[i] = hw_request(1, 2, 0, GFP_KERNEL, 0);
	EXPECT_EQ(hw.heap->backed_granules, 2 * SPAN_BATCH / 8);
	EXPECT_EQ(cw_stats().cache_refills, 0);
	span_heap_free(hw.heap, hw_request(8, 8, 0, GFP_KERNEL, 0));
	span_cache_drain(hw.heap);
	/* Holes at all odd pages below 64, and one granule that is backed above. */
	taken[0] = cw_get_at(1, 1);
	EXPECT_EQ(cw_stats().cache_refills, 1);
	EXPECT_EQ(cw_stats().cached_pages, SPAN_BATCH - 1);
	taken[1] = cw_get_at(3, 1);
	taken[2] = cw_get_at(2 * SPAN_BATCH, 2);
	EXPECT_EQ(hw.heap->backed_granules, 2 * SPAN_BATCH / 8 + 1);
	EXPECT(cw_sound(0), "check");
	for (i = 0; i < SPAN_BATCH; i++)
		cw_put(span[i]);
	for (i = 0; i < 3; i++)
		cw_put(taken[i]);
	cw_end();
}

void cache_full_shelf_flushes_half(void)
{
	struct span *span[16];
	unsigned int i;
	u64 inserts;

	REQUIRE(hw_create(&cw_geometry), "heap");
	for (i = 0; i < 10; i++)
		span[i] = hw_request(8, 8, 0, GFP_KERNEL, 0);
	for (i = 0; i < 8; i++)
		cw_put(span[i ^ 1]);
	EXPECT_EQ(cw_stats().cached_pages, 64);
	EXPECT_EQ(cw_stats().cache_flushes, 0);
	EXPECT_EQ(hw.heap->treap.nspans, 1);
	/* The older half goes, in one pass: one enters the tree, and the others make it grow. */
	inserts = cw_stats().tree_inserts;
	cw_put(span[8]);
	EXPECT_EQ(cw_stats().tree_inserts, inserts + 1);
	EXPECT_EQ(cw_stats().cache_flushes, 1);
	EXPECT_EQ(cw_stats().cached_pages, 40);
	EXPECT_EQ(hw.heap->treap.nspans, 2);
	EXPECT(cw_sound(0), "check");
	/* What was freed last is warm. */
	EXPECT_EQ(cw_get(8), span[8]);
	EXPECT_EQ(cw_get(8), span[6]);
	EXPECT_EQ(cw_get(8), span[7]);
	EXPECT_EQ(cw_get(8), span[4]);
	EXPECT_EQ(cw_get(8), span[5]);
	cw_put(cw_get_at(0, 8));
	for (i = 4; i < 10; i++)
		cw_put(span[i]);
	cw_end();
}

/* No CPU parks more than it may, whatever is freed. */
void cache_is_bounded(void)
{
	struct rng rng;
	unsigned int i, n = 0;
	struct span *span[40];

	REQUIRE(hw_create(&cw_geometry), "heap");
	rng_seed(&rng, opt_seed);
	for (i = 0; i < 4000; i++) {
		if (n && (n == 40 || rng_once_in(&rng, 2))) {
			unsigned int at = rng_below(&rng, n);

			cw_put(span[at]);
			span[at] = span[--n];
		} else {
			span[n] = hw_request(rng_range(&rng, 1, rng_once_in(&rng, 4) ? 70 : 17), 0,
					     0, GFP_KERNEL, 7);
			n += !IS_ERR(span[n]);
		}
		if (!EXPECT(cw_stats().cached_pages <= CW_CACHE_PAGES, "step %u: %llu pages", i,
			    (unsigned long long)cw_stats().cached_pages) ||
		    !EXPECT(cw_sound(0), "step %u", i))
			break;
	}
	EXPECT(cw_stats().cache_allocs > 500, "%llu allocations", cw_stats().cache_allocs);
	EXPECT(cw_stats().cache_flushes > 100, "%llu flushes", cw_stats().cache_flushes);
	while (n)
		cw_put(span[--n]);
	cw_end();
}

/* Where all is full, what comes goes to the tree, unless it comes again and again. */
void cache_is_patient(void)
{
	struct span *full[8], *span[5];
	unsigned int i;

	REQUIRE(hw_create(&cw_geometry), "heap");
	for (i = 0; i < 8; i++)
		full[i] = hw_request(8, 8, 0, GFP_KERNEL, 0);
	for (i = 0; i < 5; i++)
		span[i] = hw_request(3, 4, 0, GFP_KERNEL, 0);
	for (i = 0; i < 8; i++)
		cw_put(full[i]);
	EXPECT_EQ(cw_stats().cached_spans, 8);
	for (i = 0; i < 3; i++)
		cw_put(span[i]);
	EXPECT_EQ(cw_stats().cached_spans, 8);
	EXPECT_EQ(cw_stats().cache_flushes, 0);
	cw_put(span[3]);
	EXPECT_EQ(cw_stats().cached_spans, 1);
	EXPECT_EQ(cw_stats().cached_pages, 3);
	cw_put(span[4]);
	EXPECT_EQ(cw_stats().cached_spans, 2);
	cw_end();
}

/* A heap with much in use parks more; one that had much in use does so no longer. */
void cache_grows_with_the_heap(void)
{
	struct geometry geometry = cw_geometry;
	struct span *big[40], *span[16];
	unsigned int i, round;

	geometry.limit = 30000;
	REQUIRE(hw_create(&geometry), "heap");
	for (i = 0; i < 40; i++)
		big[i] = cw_get(520);
	for (round = 0; round < 2; round++) {
		/* The first flush finds out. */
		for (i = 0; i < 16; i++)
			span[i] = hw_request(16, 16, 0, GFP_KERNEL, 0);
		for (i = 0; i < 16; i++)
			cw_put(span[i]);
		for (i = 0; i < 16; i++)
			span[i] = hw_request(12, 16, 0, GFP_KERNEL, 0);
		for (i = 0; i < 16; i++)
			cw_put(span[i]);
		EXPECT((cw_stats().cached_pages > CW_CACHE_PAGES) == !round,
		       "round %u: %llu pages", round, cw_stats().cached_pages);
		EXPECT(cw_stats().cached_pages <= 40 * 520 / 8 / SHIM_CPUS, "%llu pages",
		       cw_stats().cached_pages);
		/* A part of an eighth for each CPU, give or take a fourth. */
		EXPECT(round || per_cpu_ptr(hw.heap->caches, 0)->limit >
				40 * 520 / 8 / SHIM_CPUS * 3 / 4,
		       "%u pages", per_cpu_ptr(hw.heap->caches, 0)->limit);
		EXPECT(per_cpu_ptr(hw.heap->caches, 0)->limit < 22000 / 8 / SHIM_CPUS,
		       "%u pages", per_cpu_ptr(hw.heap->caches, 0)->limit);
		for (i = 0; !round && i < 40; i++)
			cw_put(big[i]);
	}
	cw_end();
}

/* A shelf for long spans belongs to one length, until another was freed twice in a row. */
void cache_long_spans_share(void)
{
	struct geometry geometry = cw_geometry;
	struct span *span, *other;

	geometry.cache = 600;
	geometry.limit = 2 * 600 * SHIM_CPUS;
	REQUIRE(hw_create(&geometry), "heap");
	span = cw_get_at(0, 100);
	other = cw_get_at(100, 109);
	cw_put(span);
	EXPECT_EQ(cw_get(100), span);
	cw_put(span);
	cw_put(other);
	EXPECT_EQ(cw_stats().cached_pages, 100);
	EXPECT_EQ(cw_get(100), span);
	other = cw_get_at(100, 109);
	/* Its own length came between. */
	cw_put(span);
	cw_put(other);
	EXPECT_EQ(cw_stats().cached_pages, 100);
	other = cw_get_at(100, 109);
	cw_put(other);
	EXPECT_EQ(cw_stats().cached_pages, 109);
	EXPECT_EQ(cw_stats().cached_spans, 1);
	EXPECT_EQ(cw_get(109), other);
	/* An empty shelf is anybody's. */
	span = cw_get_at(0, 100);
	cw_put(span);
	EXPECT_EQ(cw_get(100), span);
	cw_put(span);
	cw_put(other);
	/* Longer than any shelf is for. */
	cw_put(cw_get(513));
	EXPECT(cw_stats().cached_pages < 513, "%llu pages", cw_stats().cached_pages);
	cw_end();
}

static struct span *get_zero(unsigned long npages)
{
	struct span *span = hw_request(npages, 0, SPANALLOC_ZERO, GFP_KERNEL, 0);
	struct live live;

	hw_keep(&live, span);
	EXPECT(hw_is_zero(&live), "not zero");
	hw_stamp(&live);
	return span;
}

void cache_zeroes_what_is_dirty(void)
{
	struct span *span[3];

	REQUIRE(hw_create(&cw_geometry), "heap");
	span[0] = get_zero(2);
	EXPECT_EQ(cw_stats().zeroed_pages, 0);
	/* Carved from memory that came zeroed. */
	span[1] = get_zero(2);
	EXPECT_EQ(cw_stats().cache_allocs, 1);
	EXPECT_EQ(cw_stats().zeroed_pages, 0);
	EXPECT_EQ(cw_stats().zero_saved_pages, 4);
	EXPECT_EQ(hw.fake.nzeroed, 0);
	/* Somebody has had it; and then it crosses granules. */
	cw_put(span[1]);
	span[1] = get_zero(2);
	EXPECT_EQ(cw_stats().zeroed_pages, 2);
	EXPECT_EQ(hw.fake.nzeroed, 2);
	cw_put(span[1]);
	cw_put(span[0]);
	cw_put(get_zero(2));
	cw_put(get_zero(2));
	span_cache_drain(hw.heap);
	span[0] = get_zero(5);
	cw_put(span[0]);
	span[0] = get_zero(5);
	span[1] = get_zero(5);
	span[2] = get_zero(12);
	EXPECT(cw_sound(0), "check");
	cw_put(span[0]);
	cw_put(span[1]);
	cw_put(span[2]);
	cw_put(get_zero(12));
	cw_end();
}

void cache_contiguous_only_if_it_is(void)
{
	struct geometry geometry = cw_geometry;
	struct span *span[3], *contig;

	geometry.scatter_every = 2;
	REQUIRE(hw_create(&geometry), "heap");
	span[0] = cw_get_at(0, 5);
	span[1] = cw_get_at(5, 5);		/* crosses a granule */
	span[2] = cw_get_at(10, 5);	/* scattered */
	cw_put(span[0]);
	cw_put(span[1]);
	contig = hw_request(5, 0, SPANALLOC_CONTIG, GFP_KERNEL, 0);
	EXPECT(!IS_ERR(contig) && contig != span[1] && contig != span[0], "not the warmest");
	cw_put(contig);
	EXPECT_EQ(hw_request(5, 0, SPANALLOC_CONTIG, GFP_KERNEL, 0), contig);
	cw_put(contig);
	cw_put(span[2]);
	contig = hw_request(5, 0, SPANALLOC_CONTIG, GFP_KERNEL, 0);
	EXPECT(!IS_ERR(contig) && contig != span[2], "scattered");
	cw_put(contig);
	cw_end();
}

/* What is freed twice, or elsewhere, is still noticed. */
void cache_refuses_what_is_parked(void)
{
	struct span *span, stranger = { .node.state = SPAN_IN_USE };
	u64 parked;

	REQUIRE(hw_create(&cw_geometry), "heap");
	span = cw_get(4);
	cw_put(span);
	shim_quiet = true;
	EXPECT_EQ(span_heap_free(hw.heap, span), -EINVAL);
	EXPECT_EQ(span_heap_split(hw.heap, span, 1, GFP_KERNEL), ERR_PTR(-EINVAL));
	EXPECT_EQ(span_heap_quarantine(hw.heap, span), -EINVAL);
	EXPECT_EQ(span_heap_view_begin(hw.heap, span), -EINVAL);
	stranger.node.npages = 4;
	EXPECT_EQ(span_heap_free(hw.heap, &stranger), -EINVAL);
	EXPECT(shim_take_warnings() >= 2, "no warning");
	shim_quiet = false;
	EXPECT_EQ(cw_stats().cached_spans, 1);
	/* A view keeps a span from being parked. */
	span = cw_get(4);
	EXPECT(span->node.mark && span->node.mark == hw.heap->mark, "mark %u", span->node.mark);
	EXPECT_EQ(span_heap_view_begin(hw.heap, span), 0);
	EXPECT_EQ(span_heap_free(hw.heap, span), -EBUSY);
	EXPECT_EQ(span_heap_view_end(hw.heap, span), 0);
	cw_put(span);
	/* So does the mark of another heap: whose it is, the map has to say. */
	span = cw_get(4);
	span->node.mark++;
	cw_put(span);
	EXPECT_EQ(cw_stats().cached_spans, 0);
	/* Both parts of a span are its heap's. */
	span = cw_get(4);
	parked = cw_stats().cached_spans;
	cw_put(span_heap_split(hw.heap, span, 1, GFP_KERNEL));
	cw_put(span);
	EXPECT_EQ(cw_stats().cached_spans, parked + 2);
	cw_end();
}

/* No two heaps have one mark, but after many. */
void cache_tells_heaps_apart(void)
{
	u16 mark;

	REQUIRE(hw_create(&cw_geometry), "heap");
	mark = hw.heap->mark;
	cw_end();
	REQUIRE(hw_create(&cw_geometry), "heap");
	EXPECT(hw.heap->mark != mark, "%u twice", mark);
	cw_end();
}

/* A failure to make objects costs the batch, not the allocation. */
void cache_without_objects(void)
{
	struct span *span[4];
	unsigned int nth;

	REQUIRE(hw_create(&cw_geometry), "heap");
	span[0] = cw_get_at(0, 1);
	for (nth = 1; nth <= 3; nth++) {
		hw_fail_metadata(nth);
		span[nth] = cw_get_at(nth, 1);
		EXPECT(shim_has_failed(), "the %u-th does not fail", nth);
		EXPECT_EQ(cw_stats().cached_pages, 0);
	}
	hw_fail_metadata(0);
	for (nth = 0; nth < 4; nth++)
		cw_put(span[nth]);
	cw_end();
}

/* In an interrupt, objects are not made or deleted in bulk: that would turn interrupts on. */
void cache_in_an_interrupt(void)
{
	struct span *span[9];
	unsigned int i;
	long n;

	REQUIRE(hw_create(&cw_geometry), "heap");
	span[0] = cw_get_at(0, 1);
	shim_irqs_off = true;
	hw_fail_metadata(3);
	span[1] = hw_request(1, 0, 0, GFP_ATOMIC, 0);
	hw_fail_metadata(0);
	/* A batch of two, for the third object could not be made. */
	EXPECT_EQ(span[1]->node.base, 1);
	EXPECT_EQ(cw_stats().cache_refills, 1);
	EXPECT_EQ(cw_stats().cached_pages, 1);
	cw_put(span[0]);
	cw_put(span[1]);
	EXPECT_EQ(span_cache_drain_own(hw.heap), 3);
	n = span_heap_alloc_bulk(hw.heap, &(struct span_request) {
		.npages = 1, .gfp = GFP_ATOMIC }, 8, span);
	EXPECT_EQ(n, 8);
	EXPECT_EQ(span_heap_free_bulk(hw.heap, 8, span), 0);
	shim_irqs_off = false;
	/* A shelf that overflows there. */
	for (i = 0; i < 9; i++)
		span[i] = hw_request(8, 8, 0, GFP_KERNEL, 0);
	shim_irqs_off = true;
	for (i = 0; i < 9; i++)
		cw_put(span[i]);
	EXPECT_EQ(cw_stats().cache_flushes, 2);
	shim_irqs_off = false;
	EXPECT(!shim_take_warnings(), "in bulk");
	cw_end();
}

void cache_is_not_for_all_heaps(void)
{
	struct geometry geometry = cw_geometry;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		geometry = cw_geometry;
		geometry.account = i == 0;
		geometry.retain = i == 0 ? 0 : -1;
		geometry.wipe = i == 1;
		geometry.poison = i == 2;
		geometry.cache = i == 3 ? 0 : CW_CACHE_PAGES;
		REQUIRE(hw_create(&geometry), "heap");
		EXPECT(!hw.heap->caches, "kind %u has caches", i);
		EXPECT_EQ(span_cache_bytes(hw.heap), 0);
		cw_put(cw_get(3));
		EXPECT_EQ(cw_stats().cached_pages, 0);
		EXPECT_EQ(span_cache_drain(hw.heap) + span_cache_drain_unused(hw.heap, 0) +
			  span_cache_try_drain(hw.heap) + span_cache_drain_own(hw.heap) +
			  span_cache_age(hw.heap), 0);
		cw_end();
	}
	/* No memory for caches: no heap. */
	hw_fail_metadata(2);
	shim_quiet = true;
	EXPECT(IS_ERR(span_heap_create(&(struct spanalloc_attr) {
		.name = "test", .granule_order = 3, .arena_pages = 64, .cache_pages = 8,
		.retain_percent = -1,
	}, &fake_backing_ops, &hw.fake)), "made of nothing");
	shim_quiet = false;
	EXPECT(shim_has_failed(), "it did not fail");
	hw_fail_metadata(0);
	EXPECT_EQ(shim_live().blocks, 0);
}

void cache_of_a_damaged_heap(void)
{
	struct span *span;

	REQUIRE(hw_create(&cw_geometry), "heap");
	span = cw_get(4);
	cw_put(cw_get(2));
	shim_quiet = true;
	hw.heap->damaged = true;
	EXPECT_EQ(PTR_ERR(hw_request(2, 0, 0, GFP_KERNEL, 0)), -EIO);
	EXPECT_EQ(span_heap_free(hw.heap, span), -EIO);
	EXPECT_EQ(span_cache_drain(hw.heap), 0);
	EXPECT_EQ(cw_stats().cached_pages, 8 - 4);
	hw.heap->damaged = false;
	shim_quiet = false;
	cw_put(span);
	cw_end();
}
