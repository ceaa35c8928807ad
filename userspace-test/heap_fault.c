// SPDX-License-Identifier: GPL-2.0-only
/*
 * What goes wrong half way: every metadata allocation and every block refused in
 * turn.
 */
#include "heap_world.h"

static const struct geometry eight = {
	.order = 3, .arena = 64, .limit = 1000, .retain = -1, .dirty = true,
};

/**
 * struct ask - an allocation that is made to fail
 */
struct ask {
	unsigned long npages;
	unsigned long align;
	unsigned int flags;
	gfp_t gfp;
};

/* On a heap with holes: [0,5) used, [5,8) free, [8,20) used, 44 more free. */
static bool start(void)
{
	return hw_create(&eight) && hw_alloc(5, 0, 0, GFP_KERNEL) &&
	       hw_alloc(3, 0, 0, GFP_KERNEL) && hw_alloc(12, 0, 0, GFP_KERNEL) && hw_free(hw_at(5));
}

/* Refuse the n-th allocation, for every n until it needs no more than n - 1. */
static unsigned int refuse_each(const struct ask *ask, void (*refuse)(unsigned long nth),
				bool again)
{
	unsigned int n;
	size_t had;

	for (n = 1; n < 100; n++) {
		if (!start())
			break;
		had = hw.nlive;
		refuse(n);
		if (!hw_alloc(ask->npages, ask->align, ask->flags, ask->gfp) ||
		    !hw_verify_all())
			break;
		if (hw.nlive > had) {
			hw_destroy();
			return n - 1;
		}
		/* Nothing is lost: the same once more, without a failure. */
		if (again && (!hw_alloc(ask->npages, ask->align, ask->flags, ask->gfp) ||
			      !EXPECT_EQ(hw.nlive, had + 1) || !hw_verify_all()))
			break;
		hw_destroy();
	}
	EXPECT(false, "refusal %u", n);
	return 0;
}

void metadata_failures(void)
{
	static const struct {
		struct ask ask;
		unsigned int expected;
	} cases[] = {
		/* One span object; growth: one more, and the tables of each arena. */
		{ { 3, 0, 0, GFP_KERNEL }, 1 },
		{ { 3, 0, 0, GFP_ATOMIC }, 1 },
		{ { 20, 8, SPANALLOC_ZERO, GFP_KERNEL }, 2 },
		{ { 8, 0, SPANALLOC_CONTIG, GFP_KERNEL }, 2 },
		{ { 64, 0, 0, GFP_KERNEL }, 1 + 1 + 4 + 1 },
		{ { 200, 0, SPANALLOC_ZERO, GFP_KERNEL }, 1 + 1 + 3 * 4 + 1 },
		{ { 100, 64, 0, GFP_KERNEL }, 2 + 1 + 2 * 4 + 1 },
	};
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		n = refuse_each(&cases[i].ask, hw_fail_metadata, true);
		EXPECT(n == cases[i].expected, "case %u: %u allocations", i, n);
	}
}

void backing_failures(void)
{
	static const struct {
		struct ask ask;
		unsigned int expected;	/* blocks that it takes */
	} cases[] = {
		{ { 3, 0, SPANALLOC_ZERO, GFP_KERNEL }, 0 },
		{ { 4, 0, 0, GFP_KERNEL }, 0 },
		{ { 5, 0, SPANALLOC_ZERO, GFP_ATOMIC }, 1 },
		{ { 44, 0, SPANALLOC_ZERO, GFP_KERNEL }, 5 },
		{ { 44, 0, SPANALLOC_ZERO, GFP_ATOMIC }, 5 },
		{ { 16, 16, 0, GFP_KERNEL }, 2 },
		{ { 100, 0, SPANALLOC_ZERO, GFP_KERNEL }, 12 },
		/* One refusal is not the end: a granule that is backed may do. */
		{ { 4, 0, SPANALLOC_CONTIG, GFP_KERNEL }, 0 },
		{ { 7, 0, SPANALLOC_CONTIG | SPANALLOC_ZERO, GFP_KERNEL }, 1 },
	};
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		n = refuse_each(&cases[i].ask, hw_fail_block, true);
		EXPECT(n == cases[i].expected, "case %u: %u blocks", i, n);
	}
}

/* Without contiguous blocks a backed granule higher up serves, and no arena is added. */
void contig_without_blocks(void)
{
	REQUIRE(hw_create(&eight), "no heap");
	/* Used [0,8) and [21,24); free [8,21), of which [8,16) is released. */
	REQUIRE(hw_alloc(8, 0, 0, GFP_KERNEL) && hw_alloc(13, 0, 0, GFP_KERNEL) &&
		hw_alloc(3, 0, 0, GFP_KERNEL) && hw_free(hw_at(8)) && hw_scavenge(~0UL),
		"scene");
	hw_fail_block(1);
	REQUIRE(hw_alloc(5, 0, SPANALLOC_CONTIG, GFP_ATOMIC) && hw.nlive == 2,
		"not without sleeping");
	hw_fail_block(1);
	REQUIRE(hw_alloc(5, 0, SPANALLOC_CONTIG, GFP_KERNEL) && hw.nlive == 3, "served");
	EXPECT_EQ(hw.live[2].base, 16);
	hw_fail_block(1);
	REQUIRE(hw_alloc(5, 0, SPANALLOC_CONTIG, GFP_KERNEL) && hw.nlive == 3, "no other");
	EXPECT_EQ(hw.heap->stat.fails_memory, 1);
	EXPECT_EQ(hw.heap->stat.fails_again, 1);
	EXPECT_EQ(hw.heap->arenas.npages, 64);
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

/* Where the system has nothing left, an idle granule of the heap's own will do. */
void idle_memory_helps_out(void)
{
	REQUIRE(hw_create(&eight), "no heap");
	/* Used [0,8); free [8,48), of which [8,40) is released and [40,48) idle. */
	REQUIRE(hw_alloc(8, 0, 0, GFP_KERNEL) && hw_alloc(32, 0, 0, GFP_KERNEL) &&
		hw_alloc(8, 0, 0, GFP_KERNEL) && hw_free(hw_at(8)) && hw_scavenge(~0UL) &&
		hw_free(hw_at(40)) && hw_verify_all(), "scene");
	EXPECT_EQ(hw.heap->treap.ngranules_idle, 1);
	hw_fail_block(1);
	REQUIRE(hw_alloc(8, 0, 0, GFP_ATOMIC) && hw.nlive == 1, "not without sleeping");
	hw_fail_block(1);
	REQUIRE(hw_alloc(8, 0, SPANALLOC_ZERO, GFP_KERNEL) && hw.nlive == 2, "served");
	EXPECT_EQ(hw.live[1].base, 8);
	EXPECT_EQ(hw.fake.nrefused, 2);
	EXPECT_EQ(hw.heap->stat.scavenged_pages, 32 + 8);
	EXPECT_EQ(hw.heap->treap.ngranules_idle, 0);
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

/* What has to be in one block is served in the idle one, which is not given up for another. */
void contig_keeps_the_idle_block(void)
{
	REQUIRE(hw_create(&eight), "no heap");
	/* As above: free [8,48), of which [40,48) is idle. */
	REQUIRE(hw_alloc(8, 0, 0, GFP_KERNEL) && hw_alloc(32, 0, 0, GFP_KERNEL) &&
		hw_alloc(8, 0, 0, GFP_KERNEL) && hw_free(hw_at(8)) && hw_scavenge(~0UL) &&
		hw_free(hw_at(40)) && hw_verify_all(), "scene");
	hw_fail_block(1);
	REQUIRE(hw_alloc(5, 0, SPANALLOC_CONTIG, GFP_KERNEL) && hw.nlive == 2, "served");
	EXPECT_EQ(hw.live[1].base, 40);
	EXPECT_EQ(hw.fake.nrefused, 1);
	EXPECT_EQ(hw.heap->stat.scavenged_pages, 32);
	EXPECT(hw_verify_all(), "after");
	hw_destroy();
}

void split_failures(void)
{
	REQUIRE(start(), "no heap");
	hw_fail_metadata(1);
	REQUIRE(hw_split(1, 5) && hw_verify_all(), "refused");
	REQUIRE(hw_split(1, 5) && hw_verify_all(), "not refused");
	EXPECT_EQ(hw.nlive, 3);
	hw_destroy();
}

void create_failures(void)
{
	const struct spanalloc_attr attr = {
		.name = "test", .nid = -1, .granule_order = 3, .arena_pages = 64,
		.retain_percent = -1,
	};
	struct span_heap *heap;

	shim_fail_nth(1);
	heap = span_heap_create(&attr, &fake_backing_ops, NULL);
	EXPECT_EQ(PTR_ERR_OR_ZERO(heap), -ENOMEM);
	span_objects_exit();
	shim_fail_nth(1);
	EXPECT_EQ(span_objects_init(), -ENOMEM);
	shim_fail_nth(0);
	EXPECT_EQ(span_objects_init(), 0);
	EXPECT_EQ(shim_live().blocks, 0);
}

/* A process that is being killed gets no more memory, and loses nothing. */
void fatal_signal(void)
{
	struct spanalloc_stats stats;

	REQUIRE(start(), "no heap");
	shim_signal_pending = true;
	EXPECT_EQ(PTR_ERR(hw_request(30, 0, 0, GFP_KERNEL, 1)), -EINTR);
	EXPECT_EQ(PTR_ERR(hw_request(300, 0, 0, GFP_KERNEL, 1)), -EINTR);
	shim_signal_pending = false;
	span_heap_stats(hw.heap, &stats);
	EXPECT_EQ(stats.address_pages, 64);
	EXPECT_EQ(stats.backed_pages, 24);
	EXPECT_EQ(stats.claimed_pages, 0);
	EXPECT_EQ(stats.free_spans, 2);
	EXPECT_EQ(shim_live().objects, 4);
	EXPECT(hw_verify_all(), "after");
	hw_alloc(30, 0, SPANALLOC_ZERO, GFP_KERNEL);
	hw_destroy();
}

/* The same while pages are being zeroed: what is dirty stays known as dirty. */
void fatal_signal_while_zeroing(void)
{
	REQUIRE(hw_create(&eight) && hw_alloc(40, 0, 0, GFP_KERNEL) && hw_free(0), "scene");
	shim_signal_pending = true;
	EXPECT_EQ(PTR_ERR(hw_request(37, 0, SPANALLOC_ZERO, GFP_KERNEL, 1)), -EINTR);
	EXPECT_EQ(PTR_ERR_OR_ZERO(hw_request(0, 0, 0, GFP_KERNEL, 1)), -EINVAL);
	EXPECT(hw.fake.nzeroed > 0 && hw.fake.nzeroed < 37, "%lu pages zeroed",
	       hw.fake.nzeroed);
	hw.model.count.zeroed_pages += hw.fake.nzeroed;
	shim_signal_pending = false;
	EXPECT(hw_verify_all(), "after");
	hw_alloc(3, 0, SPANALLOC_ZERO, GFP_KERNEL);
	hw_alloc(34, 0, SPANALLOC_ZERO, GFP_KERNEL);
	hw_destroy();
}

static unsigned int ndrained;

static void drain_last(void *unused)
{
	ndrained++;
	EXPECT_EQ(shim_live().locks, 0);
	hw_free(hw.nlive - 1);
}

/* Before memory is reported missing, what can be drained is. */
void drain_before_no_memory(void)
{
	struct span *span;

	REQUIRE(hw_create(&eight) && hw_alloc(5, 0, 0, GFP_KERNEL) &&
		hw_alloc(20, 0, 0, GFP_KERNEL), "scene");
	hw.heap->drain = drain_last;
	hw.fake.fail_in = 1;
	span = hw_request(60, 0, 0, GFP_ATOMIC, 9);
	EXPECT_EQ(PTR_ERR_OR_ZERO(span), -EAGAIN);
	EXPECT_EQ(ndrained, 0);
	hw.fake.fail_in = 1;
	span = hw_request(30, 0, 0, GFP_KERNEL, 9);
	REQUIRE(!IS_ERR(span), "%ld", PTR_ERR(span));
	EXPECT_EQ(ndrained, 1);
	EXPECT_EQ(hw.nlive, 1);
	/* The search began anew: the place is that of the drained span. */
	EXPECT_EQ(span->node.base, 5);
	EXPECT_EQ(span_heap_free(hw.heap, span), 0);
	EXPECT(hw_check(0), "after");
	EXPECT_EQ(span_heap_free(hw.heap, hw.live[0].span), 0);
	EXPECT_EQ(hw.heap->claimed_pages, 0);
	EXPECT_EQ(span_heap_destroy(hw.heap), 0);
	EXPECT_EQ(fake_backing_exit(&hw.fake), 0);
}

/* The same where it is tables for a larger address space that cannot be had. */
void drain_before_no_tables(void)
{
	struct span *span = ERR_PTR(-ENOMEM);
	unsigned int n;

	/* Used [0,5) and [5,25); free [25,64), one page too short. */
	REQUIRE(hw_create(&eight) && hw_alloc(5, 0, 0, GFP_KERNEL) &&
		hw_alloc(20, 0, 0, GFP_KERNEL), "scene");
	hw.heap->drain = drain_last;
	/* The first are span objects, without which nothing is searched for. */
	for (n = 1; PTR_ERR_OR_ZERO(span) == -ENOMEM; n++) {
		EXPECT_EQ(ndrained, 0);
		shim_fail_nth(n);
		span = hw_request(40, 0, 0, GFP_KERNEL, 9);
	}
	shim_fail_nth(0);
	REQUIRE(!IS_ERR(span), "%ld", PTR_ERR(span));
	EXPECT(n > 2, "no object was refused");
	EXPECT_EQ(ndrained, 1);
	EXPECT_EQ(span->node.base, 5);
	EXPECT_EQ(hw.heap->arenas.npages, 64);
	EXPECT_EQ(span_heap_free(hw.heap, span), 0);
	EXPECT(hw_check(0), "after");
	EXPECT_EQ(span_heap_free(hw.heap, hw.live[0].span), 0);
	EXPECT_EQ(span_heap_destroy(hw.heap), 0);
	EXPECT_EQ(fake_backing_exit(&hw.fake), 0);
}
