// SPDX-License-Identifier: GPL-2.0-only
/*
 * A heap on fake memory, as most suites use it.
 */

/**
 * DOC: Fixture
 *
 * span_fixture_init() and span_fixture_exit() are the init and exit of a suite.
 * Each case gets a heap of its own, of granules of 8 pages, arenas of 64 and at
 * most 256 pages, with the seed of its tree fixed. Whatever a case leaves allocated
 * is freed at its end; then the heap has to pass the check, has to be one free
 * span, and has to have given back every block.
 */

#include <linux/err.h>
#include <linux/mm.h>

#include "fixture.h"
#include "free_all.h"

static const struct spanalloc_attr standard = {
	.name = "kunit_fixture",
	.nid = NUMA_NO_NODE,
	.granule_order = FIXTURE_ORDER,
	.arena_pages = FIXTURE_ARENA,
	.max_pages = FIXTURE_MAX,
	.retain_percent = SPANALLOC_RETAIN_ALL,
	.tree_seed = 1,
};

static int make(struct kunit *test, const struct spanalloc_attr *attr)
{
	struct span_fixture *fixture = test->priv;

	span_fake_init(&fixture->fake);
	fixture->heap = span_heap_create(attr, &span_fake_backing, &fixture->fake);
	return PTR_ERR_OR_ZERO(fixture->heap);
}

static void unmake(struct kunit *test)
{
	struct span_fixture *fixture = test->priv;
	struct spanalloc_stats stats;

	if (IS_ERR_OR_NULL(fixture->heap))
		return;
	span_free_all(fixture->heap);
	span_fixture_check(test);
	stats = *span_fixture_stats(test);
	KUNIT_EXPECT_EQ(test, stats.free_pages, stats.address_pages);
	KUNIT_EXPECT_LE(test, stats.free_spans, 1);
	KUNIT_EXPECT_EQ(test, span_heap_destroy(fixture->heap), 0);
	fixture->heap = NULL;
	KUNIT_EXPECT_EQ(test, fixture->fake.nmistakes, 0);
	KUNIT_EXPECT_EQ(test, fixture->fake.ngiven, fixture->fake.ntaken);
	KUNIT_EXPECT_EQ(test, span_fake_exit(&fixture->fake), 0);
}

/**
 * span_fixture_init() - give a case its heap
 * @test: the case
 *
 * Return: 0 or -ENOMEM.
 */
int span_fixture_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct span_fixture), GFP_KERNEL);
	return test->priv ? make(test, &standard) : -ENOMEM;
}

/**
 * span_fixture_exit() - end a case's heap, and see that nothing is lost
 * @test: the case
 */
void span_fixture_exit(struct kunit *test)
{
	if (test->priv)
		unmake(test);
}

/**
 * span_fixture_remake() - give a case another heap
 * @test: the case
 * @attr: how it is to be; without a name
 */
void span_fixture_remake(struct kunit *test, const struct spanalloc_attr *attr)
{
	struct spanalloc_attr named = *attr;

	unmake(test);
	named.name = standard.name;
	KUNIT_ASSERT_EQ(test, make(test, &named), 0);
}

/**
 * span_fixture_ask() - ask for a span
 * @test: the case
 * @npages: its length
 * @align: of its base
 * @flags: SPANALLOC_ZERO, SPANALLOC_CONTIG
 * @gfp: may it sleep?
 *
 * Return: the span or an error pointer.
 */
struct span *span_fixture_ask(struct kunit *test, unsigned long npages,
			      unsigned long align, unsigned int flags, gfp_t gfp)
{
	return span_heap_alloc(span_fixture_heap(test), &(struct span_request) {
		.npages = npages, .align = align, .flags = flags, .gfp = gfp,
	});
}

/**
 * span_fixture_error() - how a request ends
 * @test: the case
 * @npages: its length
 * @align: of its base
 * @flags: SPANALLOC_ZERO, SPANALLOC_CONTIG
 * @gfp: may it sleep?
 *
 * Return: 0, and the span stays allocated, or the error.
 */
long span_fixture_error(struct kunit *test, unsigned long npages, unsigned long align,
			unsigned int flags, gfp_t gfp)
{
	return PTR_ERR_OR_ZERO(span_fixture_ask(test, npages, align, flags, gfp));
}

/**
 * span_fixture_place() - ask for a span, and know where it has to be
 * @test: the case, which ends if there is none
 * @base: the first page it has to have
 * @npages: its length
 * @align: of its base
 * @flags: SPANALLOC_ZERO, SPANALLOC_CONTIG
 */
void span_fixture_place(struct kunit *test, unsigned long base, unsigned long npages,
			unsigned long align, unsigned int flags)
{
	struct span *span = span_fixture_ask(test, npages, align, flags, GFP_KERNEL);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_OR_NULL(span), "%lu pages at %lu: %pe", npages,
			       base, span);
	KUNIT_EXPECT_EQ_MSG(test, span->node.base, base, "%lu pages", npages);
}

/**
 * span_fixture_alloc() - allocate a span, wherever
 * @test: the case, which ends if there is none
 * @npages: its length
 *
 * Return: the span.
 */
struct span *span_fixture_alloc(struct kunit *test, unsigned long npages)
{
	struct span *span = span_fixture_ask(test, npages, 0, 0, GFP_KERNEL);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_OR_NULL(span), "no span of %lu pages: %pe",
			       npages, span);
	KUNIT_EXPECT_EQ(test, span->node.npages, npages);
	return span;
}

/**
 * span_fixture_alloc_at() - allocate a span, and know where it has to be
 * @test: the case
 * @base: the first page it has to have
 * @npages: its length
 *
 * Return: the span.
 */
struct span *span_fixture_alloc_at(struct kunit *test, unsigned long base,
				   unsigned long npages)
{
	struct span *span = span_fixture_alloc(test, npages);

	KUNIT_EXPECT_EQ_MSG(test, span->node.base, base, "%lu pages", npages);
	return span;
}

/**
 * span_fixture_free() - free a span
 * @test: the case
 * @span: the span
 */
void span_fixture_free(struct kunit *test, struct span *span)
{
	KUNIT_EXPECT_EQ(test, span_heap_free(span_fixture_heap(test), span), 0);
}

/**
 * span_fixture_free_at() - free the span that begins at a page
 * @test: the case
 * @base: the page
 */
void span_fixture_free_at(struct kunit *test, unsigned long base)
{
	struct span *span = span_heap_lookup(span_fixture_heap(test), base);

	KUNIT_ASSERT_NOT_NULL_MSG(test, span, "page %lu", base);
	KUNIT_EXPECT_EQ(test, span->node.base, base);
	span_fixture_free(test, span);
}

/**
 * span_fixture_check() - see that every invariant holds
 * @test: the case
 */
void span_fixture_check(struct kunit *test)
{
	struct span_report report;
	int err = span_heap_check(span_fixture_heap(test), 0, &report);

	KUNIT_EXPECT_EQ_MSG(test, err, 0, "invariant %d is broken at page %lu",
			    report.invariant, report.page);
	KUNIT_EXPECT_TRUE(test, report.sums_compared || err);
}

/**
 * span_fixture_stats() - a snapshot of the heap
 * @test: the case
 *
 * Not by value: a case that asks often would need a large stack.
 *
 * Return: the snapshot, until the next call.
 */
const struct spanalloc_stats *span_fixture_stats(struct kunit *test)
{
	struct span_fixture *fixture = test->priv;

	span_heap_stats(span_fixture_heap(test), &fixture->stats);
	return &fixture->stats;
}

static struct page *page_at(struct kunit *test, const struct span *span,
			    unsigned long index)
{
	unsigned long npages;
	struct page *page = span_heap_run(span_fixture_heap(test), span, index, &npages);

	KUNIT_ASSERT_NOT_NULL_MSG(test, page, "page %lu of the span at %lu", index,
				  span->node.base);
	return page;
}

/**
 * span_fixture_read() - what a page of a span holds
 * @test: the case
 * @span: the span
 * @index: counted from its first page
 *
 * Return: 0 for a zeroed page, else what was written, or rubbish.
 */
unsigned long span_fixture_read(struct kunit *test, const struct span *span,
				unsigned long index)
{
	return page_private(page_at(test, span, index));
}

/**
 * span_fixture_write() - fill a page of a span
 * @test: the case
 * @span: the span
 * @index: counted from its first page
 * @value: what it is to hold
 */
void span_fixture_write(struct kunit *test, const struct span *span,
			unsigned long index, unsigned long value)
{
	set_page_private(page_at(test, span, index), value);
}

/**
 * span_fixture_stamp() - fill the pages of a span, each in its own way
 * @test: the case
 * @span: the span
 */
void span_fixture_stamp(struct kunit *test, const struct span *span)
{
	unsigned long i;

	for (i = 0; i < span->node.npages; i++)
		span_fixture_write(test, span, i, FIXTURE_STAMP + span->node.base + i);
}
