// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the interface for other modules, <linux/spanalloc.h>, on real
 * memory.
 */

#include <kunit/test.h>
#include <linux/err.h>
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/spanalloc.h>
#include <linux/string.h>

#include "compat.h"
#include "heap.h"

#define ORDER		3
#define GRANULE		8UL
#define ARENA		64UL
#define MAX_PAGES	256UL

static const struct spanalloc_attr good = {
	.name = "kunit",
	.nid = NUMA_NO_NODE,
	.granule_order = ORDER,
	.arena_pages = ARENA,
	.max_pages = MAX_PAGES,
	.retain_percent = SPANALLOC_RETAIN_ALL,
};

static int client_init(struct kunit *test)
{
	struct span_heap *heap = spanalloc_heap_create(&good);

	if (IS_ERR(heap))
		return PTR_ERR(heap);
	test->priv = heap;
	return 0;
}

/* Cases free what they allocate; the check has the last word. */
static void client_exit(struct kunit *test)
{
	struct spanalloc_stats stats;
	struct span_report report;

	if (IS_ERR_OR_NULL(test->priv))
		return;
	KUNIT_EXPECT_EQ(test, span_heap_check(test->priv, 0, &report), 0);
	spanalloc_get_stats(test->priv, &stats);
	KUNIT_EXPECT_EQ(test, stats.in_use_pages, 0);
	KUNIT_EXPECT_EQ(test, stats.claimed_pages, 0);
	spanalloc_heap_destroy(test->priv);
}

static struct span *alloc(struct kunit *test, unsigned long npages, unsigned int flags)
{
	struct span *span = spanalloc_alloc(test->priv, npages, 1, flags, GFP_KERNEL);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_OR_NULL(span), "%lu pages: %pe", npages, span);
	KUNIT_EXPECT_EQ(test, spanalloc_npages(span), npages);
	return span;
}

static long error_of(struct kunit *test, unsigned long npages, unsigned long align,
		     unsigned int flags, gfp_t gfp)
{
	struct span *span = spanalloc_alloc(test->priv, npages, align, flags, gfp);

	if (IS_ERR(span))
		return PTR_ERR(span);
	spanalloc_free(test->priv, span);
	return 0;
}

static u8 *bytes_of(struct kunit *test, const struct span *span, unsigned long index)
{
	return page_address(spanalloc_page(test->priv, span, index));
}

static void fill(struct kunit *test, const struct span *span, u8 value)
{
	unsigned long i;

	for (i = 0; i < spanalloc_npages(span); i++)
		memset(bytes_of(test, span, i), value + i, PAGE_SIZE);
}

/* Pages that do not hold @value, @value + @step and so on. */
static unsigned long wrong_pages(struct kunit *test, const struct span *span, u8 value,
				 u8 step)
{
	unsigned long i, wrong = 0;

	for (i = 0; i < spanalloc_npages(span); i++)
		wrong += !!memchr_inv(bytes_of(test, span, i), (u8)(value + i * step),
				      PAGE_SIZE);
	return wrong;
}

static long create_error(const char *name, const struct spanalloc_attr *like)
{
	struct spanalloc_attr attr = *like;
	struct span_heap *heap;

	attr.name = name;
	heap = spanalloc_heap_create(&attr);
	if (IS_ERR(heap))
		return PTR_ERR(heap);
	spanalloc_heap_destroy(heap);
	return 0;
}

static void create_refuses_bad_names(struct kunit *test)
{
	static const char * const bad[] = {
		NULL, "", ".", "..", ".hidden", "a/b", "../a", "a b", "a\n", "h\xc3\xa4lf",
		"of_thirty-two_characters.______x",
	};
	static const char * const fine[] = {
		"a", "A-z_0.9", "-", "of_thirty-one_characters._____x",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ_MSG(test, create_error(bad[i], &good), -EINVAL, "name %u", i);
	for (i = 0; i < ARRAY_SIZE(fine); i++)
		KUNIT_EXPECT_EQ_MSG(test, create_error(fine[i], &good), 0, "name %u", i);
}

static void create_refuses_a_name_in_use(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, create_error("kunit", &good), -EEXIST);
	KUNIT_EXPECT_EQ(test, create_error("default", &good), -EEXIST);
	/* The same name twice, but one after the other. */
	KUNIT_EXPECT_EQ(test, create_error("kunit2", &good), 0);
	KUNIT_EXPECT_EQ(test, create_error("kunit2", &good), 0);
}

static void create_refuses_attributes_without_sense(struct kunit *test)
{
	struct spanalloc_attr attr;

#define ERROR_WITH(field, value)	\
	(attr = good, attr.field = (value), create_error("bad", &attr))
	KUNIT_EXPECT_EQ(test, ERROR_WITH(nid, -2), -EINVAL);
	KUNIT_EXPECT_EQ(test, ERROR_WITH(nid, MAX_NUMNODES), -EINVAL);
	KUNIT_EXPECT_EQ(test, ERROR_WITH(nid, numa_node_id()), 0);
	KUNIT_EXPECT_EQ(test, ERROR_WITH(granule_order, SPAN_BUDDY_ORDER_MAX + 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, ERROR_WITH(granule_order, 0), 0);
	KUNIT_EXPECT_EQ(test, ERROR_WITH(arena_pages, 4), -EINVAL);
	KUNIT_EXPECT_EQ(test, ERROR_WITH(arena_pages, 65), -EINVAL);
	KUNIT_EXPECT_EQ(test, ERROR_WITH(max_pages, GRANULE - 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, ERROR_WITH(retain_percent, -2), -EINVAL);
	/* What is charged cannot be retained, and where nobody can be charged nothing is. */
	KUNIT_EXPECT_EQ(test, ERROR_WITH(account, true),
			IS_ENABLED(CONFIG_MEMCG) ? -EINVAL : -EOPNOTSUPP);
#undef ERROR_WITH
}

static void create_fills_in_what_is_left_open(struct kunit *test)
{
	static const struct spanalloc_attr open = {
		.name = "open", .nid = NUMA_NO_NODE,
		.granule_order = SPANALLOC_ORDER_DEFAULT,
	};
	struct span_heap *heap = spanalloc_heap_create(&open);
	struct spanalloc_stats stats;

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(heap));
	spanalloc_get_stats(heap, &stats);
	KUNIT_EXPECT_EQ(test, stats.granule_pages,
			min(PMD_SIZE / PAGE_SIZE, 1UL << SPAN_BUDDY_ORDER_MAX));
	KUNIT_EXPECT_EQ(test, stats.arena_pages,
			max(64UL << 20 >> PAGE_SHIFT, (unsigned long)stats.granule_pages));
	KUNIT_EXPECT_GT(test, stats.max_pages, 0);
	KUNIT_EXPECT_LE(test, stats.max_pages, totalram_pages());
	spanalloc_heap_destroy(heap);
}

static void default_heap_cannot_be_destroyed(struct kunit *test)
{
	struct span_heap *heap = spanalloc_default_heap();
	struct span *span;

	KUNIT_ASSERT_NOT_NULL(test, heap);
	spanalloc_heap_destroy(heap);
	KUNIT_EXPECT_PTR_EQ(test, spanalloc_default_heap(), heap);
	span = spanalloc_alloc(heap, 3, 1, SPANALLOC_ZERO, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(span));
	spanalloc_free(heap, span);
	KUNIT_EXPECT_EQ(test, create_error("default", &good), -EEXIST);
}

static void nothing_can_be_freed_and_destroyed(struct kunit *test)
{
	spanalloc_free(test->priv, NULL);
	spanalloc_free(test->priv, ERR_PTR(-ENOMEM));
	spanalloc_heap_destroy(NULL);
	spanalloc_heap_destroy(ERR_PTR(-EEXIST));
}

static void alloc_refuses_arguments_without_sense(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, error_of(test, 0, 1, 0, GFP_KERNEL), -EINVAL);
	KUNIT_EXPECT_EQ(test, error_of(test, 1, 3, 0, GFP_KERNEL), -EINVAL);
	KUNIT_EXPECT_EQ(test, error_of(test, 1, 1, BIT(2), GFP_KERNEL), -EINVAL);
	KUNIT_EXPECT_EQ(test, error_of(test, GRANULE + 1, 1, SPANALLOC_CONTIG, GFP_KERNEL),
			-EINVAL);
}

static void full_heap_tells_limit_from_fragmentation(struct kunit *test)
{
	struct span *low = alloc(test, 100, 0), *mid = alloc(test, 10, 0);

	KUNIT_EXPECT_EQ(test, error_of(test, MAX_PAGES + 1, 1, 0, GFP_KERNEL), -EDQUOT);
	spanalloc_free(test->priv, low);
	KUNIT_EXPECT_EQ(test, error_of(test, MAX_PAGES - 10, 1, 0, GFP_KERNEL), -ENOSPC);
	KUNIT_EXPECT_EQ(test, error_of(test, MAX_PAGES - 110, 1, 0, GFP_KERNEL), 0);
	spanalloc_free(test->priv, mid);
}

static void pages_are_single_and_all_different(struct kunit *test)
{
	struct span *span = alloc(test, 29, 0);
	unsigned long i;

	for (i = 0; i < 29; i++) {
		struct page *page = spanalloc_page(test->priv, span, i);

		KUNIT_ASSERT_NOT_NULL(test, page);
		KUNIT_EXPECT_EQ(test, page_count(page), 1);
		KUNIT_EXPECT_FALSE(test, PageCompound(page));
		KUNIT_EXPECT_EQ(test, spanalloc_pfn(test->priv, span, i), page_to_pfn(page));
	}
	KUNIT_EXPECT_NULL(test, spanalloc_page(test->priv, span, 29));
	KUNIT_EXPECT_EQ(test, spanalloc_pfn(test->priv, span, 29), 0);
	fill(test, span, 1);
	KUNIT_EXPECT_EQ(test, wrong_pages(test, span, 1, 1), 0);
	spanalloc_free(test->priv, span);
}

static void contig_span_has_an_address(struct kunit *test)
{
	struct span *first = alloc(test, 3, 0), *span = alloc(test, GRANULE, SPANALLOC_CONTIG);
	u8 *address = spanalloc_address(test->priv, span);
	unsigned long i;

	KUNIT_ASSERT_NOT_NULL(test, address);
	for (i = 0; i < GRANULE; i++) {
		KUNIT_EXPECT_PTR_EQ(test, bytes_of(test, span, i), address + i * PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, spanalloc_contig_pages(test->priv, span, i), GRANULE - i);
	}
	KUNIT_EXPECT_EQ(test, spanalloc_contig_pages(test->priv, span, GRANULE), 0);
	spanalloc_free(test->priv, first);
	spanalloc_free(test->priv, span);
}

static void span_over_a_seam_has_no_address(struct kunit *test)
{
	struct span *span = alloc(test, GRANULE + 1, 0);

	KUNIT_EXPECT_NULL(test, spanalloc_address(test->priv, span));
	KUNIT_EXPECT_EQ(test, spanalloc_contig_pages(test->priv, span, GRANULE), 1);
	spanalloc_free(test->priv, span);
}

static void alignment_is_that_of_the_address_space(struct kunit *test)
{
	struct span *first = alloc(test, 1, 0);
	struct span *span = spanalloc_alloc(test->priv, 3, 4, SPANALLOC_CONTIG, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(span));
	KUNIT_EXPECT_EQ(test, spanalloc_base(span), 4);
	/* Up to a granule, also that of the memory. */
	KUNIT_EXPECT_EQ(test, spanalloc_pfn(test->priv, span, 0) % 4, 0);
	spanalloc_free(test->priv, first);
	spanalloc_free(test->priv, span);
}

static void zeroed_span_shows_no_old_data(struct kunit *test)
{
	static const gfp_t gfp[] = { GFP_KERNEL, GFP_KERNEL | __GFP_ZERO };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(gfp); i++) {
		struct span *low = alloc(test, 11, 0), *high = alloc(test, 9, 0);

		fill(test, low, 1);
		fill(test, high, 101);
		spanalloc_free(test->priv, low);
		low = spanalloc_alloc(test->priv, 7, 1, i ? 0 : SPANALLOC_ZERO, gfp[i]);
		KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(low));
		KUNIT_EXPECT_EQ(test, spanalloc_base(low), 0);
		KUNIT_EXPECT_EQ(test, wrong_pages(test, low, 0, 0), 0);
		KUNIT_EXPECT_EQ(test, wrong_pages(test, high, 101, 1), 0);
		spanalloc_free(test->priv, low);
		spanalloc_free(test->priv, high);
	}
}

static void halves_of_a_split_span_live_on_their_own(struct kunit *test)
{
	struct span *low = alloc(test, 21, 0), *high;

	fill(test, low, 1);
	high = spanalloc_split(test->priv, low, 13, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(high));
	KUNIT_EXPECT_EQ(test, spanalloc_npages(low), 13);
	KUNIT_EXPECT_EQ(test, spanalloc_npages(high), 8);
	KUNIT_EXPECT_EQ(test, spanalloc_base(high), spanalloc_base(low) + 13);
	KUNIT_EXPECT_EQ(test, wrong_pages(test, low, 1, 1), 0);
	KUNIT_EXPECT_EQ(test, wrong_pages(test, high, 14, 1), 0);
	spanalloc_free(test->priv, low);
	spanalloc_scavenge(test->priv, ~0UL);
	KUNIT_EXPECT_EQ(test, wrong_pages(test, high, 14, 1), 0);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(spanalloc_split(test->priv, high, 8, GFP_KERNEL)),
			-EINVAL);
	spanalloc_free(test->priv, high);
}

static void lookup_finds_the_span_of_a_page(struct kunit *test)
{
	struct span *low = alloc(test, 3, 0), *high = alloc(test, 19, 0);
	unsigned long page;

	for (page = 0; page < 30; page++)
		KUNIT_EXPECT_PTR_EQ_MSG(test, spanalloc_lookup(test->priv, page),
					page < 3 ? low : page < 22 ? high : NULL,
					"page %lu", page);
	KUNIT_EXPECT_NULL(test, spanalloc_lookup(test->priv, MAX_PAGES));
	KUNIT_EXPECT_NULL(test, spanalloc_lookup(test->priv, ~0UL));
	spanalloc_free(test->priv, low);
	spanalloc_free(test->priv, high);
}

static void scavenged_memory_comes_back_when_wanted(struct kunit *test)
{
	struct span *span = alloc(test, 5 * GRANULE, 0);
	struct spanalloc_stats stats;

	spanalloc_free(test->priv, span);
	KUNIT_EXPECT_EQ(test, spanalloc_scavenge(test->priv, GRANULE + 1), 2 * GRANULE);
	KUNIT_EXPECT_EQ(test, spanalloc_scavenge(test->priv, ~0UL), 3 * GRANULE);
	KUNIT_EXPECT_EQ(test, spanalloc_scavenge(test->priv, ~0UL), 0);
	spanalloc_get_stats(test->priv, &stats);
	KUNIT_EXPECT_EQ(test, stats.backed_pages, 0);
	KUNIT_EXPECT_EQ(test, stats.address_pages, ARENA);
	span = alloc(test, 5 * GRANULE, 0);
	KUNIT_EXPECT_EQ(test, spanalloc_base(span), 0);
	fill(test, span, 1);
	KUNIT_EXPECT_EQ(test, wrong_pages(test, span, 1, 1), 0);
	spanalloc_free(test->priv, span);
}

/* Who is charged how much, and when, is for a guest with cgroups to see. */
static void charged_heap_returns_what_is_freed(struct kunit *test)
{
	struct spanalloc_attr attr = good;
	struct spanalloc_stats stats;
	struct span_heap *heap;
	struct span *span;

	attr.name = "kunit_charged";
	attr.retain_percent = 0;
	attr.account = true;
	heap = spanalloc_heap_create(&attr);
	if (!IS_ENABLED(CONFIG_MEMCG)) {
		KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(heap), -EOPNOTSUPP);
		return;
	}
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(heap));
	span = spanalloc_alloc(heap, 2 * GRANULE + 1, 1, SPANALLOC_ZERO, GFP_KERNEL);
	KUNIT_EXPECT_FALSE(test, IS_ERR(span));
	spanalloc_get_stats(heap, &stats);
	KUNIT_EXPECT_EQ(test, stats.backed_pages, 3 * GRANULE);
	spanalloc_free(heap, span);
	spanalloc_get_stats(heap, &stats);
	KUNIT_EXPECT_EQ(test, stats.backed_pages, 0);
	spanalloc_heap_destroy(heap);
}

static void nowait_works_on_warm_memory_alone(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, error_of(test, 4, 1, 0, GFP_NOWAIT), -EAGAIN);
	KUNIT_EXPECT_EQ(test, error_of(test, 40, 1, 0, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, error_of(test, 40, 1, SPANALLOC_ZERO, GFP_NOWAIT), 0);
	KUNIT_EXPECT_EQ(test, error_of(test, 40, 1, 0, GFP_ATOMIC), 0);
	KUNIT_EXPECT_EQ(test, error_of(test, ARENA + 1, 1, 0, GFP_ATOMIC), -EAGAIN);
}

/**
 * struct interrupt - what is done in a hard interrupt
 * @work: brings us there
 * @heap: a heap with warm memory
 * @hard: it was one
 * @low: what was allocated there, or the error
 * @high: its upper half, or the error
 * @dirty: pages that were not zero
 */
struct interrupt {
	struct irq_work work;
	struct span_heap *heap;
	bool hard;
	struct span *low;
	struct span *high;
	unsigned int dirty;
};

static void use_in_interrupt(struct irq_work *work)
{
	struct interrupt *irq = container_of(work, struct interrupt, work);
	struct span *other;
	unsigned long i;

	irq->hard = in_hardirq();
	irq->low = spanalloc_alloc(irq->heap, 6, 1, SPANALLOC_ZERO, GFP_ATOMIC);
	if (IS_ERR(irq->low))
		return;
	for (i = 0; i < 6; i++)
		irq->dirty += !!memchr_inv(page_address(spanalloc_page(irq->heap, irq->low, i)),
					   0, PAGE_SIZE);
	irq->high = spanalloc_split(irq->heap, irq->low, 2, GFP_ATOMIC);
	other = spanalloc_alloc(irq->heap, 9, 1, 0, GFP_NOWAIT);
	spanalloc_free(irq->heap, other);
}

static void hard_interrupts_may_use_a_heap(struct kunit *test)
{
	struct interrupt irq = { .heap = test->priv };
	struct spanalloc_stats stats;
	struct span *span;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "task context only on PREEMPT_RT");
	span = alloc(test, 40, 0);
	fill(test, span, 1);
	spanalloc_free(test->priv, span);
	irq.work = IRQ_WORK_INIT(use_in_interrupt);
	KUNIT_EXPECT_TRUE(test, irq_work_queue(&irq.work));
	irq_work_sync(&irq.work);
	KUNIT_EXPECT_TRUE(test, irq.hard);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(irq.low));
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(irq.high));
	KUNIT_EXPECT_EQ(test, irq.dirty, 0);
	spanalloc_get_stats(test->priv, &stats);
	KUNIT_EXPECT_EQ(test, stats.allocs, 3);
	KUNIT_EXPECT_EQ(test, stats.frees, 2);
	spanalloc_free(test->priv, irq.low);
	spanalloc_free(test->priv, irq.high);
}

/* Reported in the log, which is not a warning; the pages stay their owner's. */
static void spans_outlive_a_heap_that_is_destroyed(struct kunit *test)
{
	struct page *page[GRANULE];
	struct span_heap *heap;
	struct span *span;
	unsigned long i;

	span = alloc(test, GRANULE, 0);
	fill(test, span, 1);
	for (i = 0; i < GRANULE; i++)
		page[i] = spanalloc_page(test->priv, span, i);
	spanalloc_heap_destroy(test->priv);
	test->priv = NULL;
	heap = spanalloc_heap_create(&good);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(heap));
	test->priv = heap;
	span = alloc(test, 5 * GRANULE, SPANALLOC_ZERO);
	for (i = 0; i < GRANULE; i++) {
		KUNIT_EXPECT_EQ(test, page_count(page[i]), 1);
		KUNIT_EXPECT_NULL(test, memchr_inv(page_address(page[i]), 1 + i, PAGE_SIZE));
		__free_page(page[i]);
	}
	spanalloc_free(heap, span);
}

static struct kunit_case client_cases[] = {
	KUNIT_CASE(create_refuses_bad_names),
	KUNIT_CASE(create_refuses_a_name_in_use),
	KUNIT_CASE(create_refuses_attributes_without_sense),
	KUNIT_CASE(create_fills_in_what_is_left_open),
	KUNIT_CASE(default_heap_cannot_be_destroyed),
	KUNIT_CASE(nothing_can_be_freed_and_destroyed),
	KUNIT_CASE(alloc_refuses_arguments_without_sense),
	KUNIT_CASE(full_heap_tells_limit_from_fragmentation),
	KUNIT_CASE(pages_are_single_and_all_different),
	KUNIT_CASE(contig_span_has_an_address),
	KUNIT_CASE(span_over_a_seam_has_no_address),
	KUNIT_CASE(alignment_is_that_of_the_address_space),
	KUNIT_CASE(zeroed_span_shows_no_old_data),
	KUNIT_CASE(halves_of_a_split_span_live_on_their_own),
	KUNIT_CASE(lookup_finds_the_span_of_a_page),
	KUNIT_CASE(scavenged_memory_comes_back_when_wanted),
	KUNIT_CASE(charged_heap_returns_what_is_freed),
	KUNIT_CASE(nowait_works_on_warm_memory_alone),
	KUNIT_CASE(hard_interrupts_may_use_a_heap),
	KUNIT_CASE(spans_outlive_a_heap_that_is_destroyed),
	{}
};

static struct kunit_suite client_suite = {
	.name = "spanalloc_client",
	.init = client_init,
	.exit = client_exit,
	.test_cases = client_cases,
};

kunit_test_suite(client_suite);

MODULE_DESCRIPTION("KUnit tests of the span heap");
MODULE_LICENSE("GPL");
SPAN_IMPORT();
