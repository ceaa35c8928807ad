// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the per-CPU caches and of bulk operations, on real memory and real CPUs.
 */

#include <kunit/test.h>
#include <linux/cpu.h>
#include <linux/err.h>
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/spanalloc.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "heap.h"

#define NPAGES	5UL

static int cache_init(struct kunit *test)
{
	static const struct spanalloc_attr attr = {
		.name = "kunit-cache",
		.nid = NUMA_NO_NODE,
		.granule_order = 4,
		.arena_pages = 64,
		.max_pages = 256,
		.retain_percent = SPANALLOC_RETAIN_ALL,
		.cache_pages = 64,
	};
	struct span_heap *heap;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "no caches on PREEMPT_RT");
	heap = spanalloc_heap_create(&attr);
	if (IS_ERR(heap))
		return PTR_ERR(heap);
	test->priv = heap;
	return 0;
}

static struct spanalloc_stats *stats_of(struct kunit *test)
{
	struct spanalloc_stats *stats = kunit_kzalloc(test, sizeof(*stats), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, stats);
	spanalloc_get_stats(test->priv, stats);
	return stats;
}

static void cache_exit(struct kunit *test)
{
	struct span_report report;

	if (IS_ERR_OR_NULL(test->priv))
		return;
	KUNIT_EXPECT_EQ(test, stats_of(test)->in_use_pages, 0);
	KUNIT_EXPECT_EQ(test, span_heap_check(test->priv, 0, &report), 0);
	span_cache_drain(test->priv);
	KUNIT_EXPECT_EQ(test, stats_of(test)->cached_pages, 0);
	KUNIT_EXPECT_LE(test, stats_of(test)->free_spans, 1);
	KUNIT_EXPECT_EQ(test, span_heap_check(test->priv, 0, &report), 0);
	spanalloc_heap_destroy(test->priv);
}

static struct span *get(struct kunit *test, unsigned int flags)
{
	struct span *span = spanalloc_alloc(test->priv, NPAGES, 1, flags, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(span));
	return span;
}

/* The task may be moved to another CPU meanwhile, which then has nothing parked. */
static void pairs_leave_the_tree_alone(struct kunit *test)
{
	const struct spanalloc_stats *before, *after;
	unsigned int i;

	spanalloc_free(test->priv, get(test, 0));
	spanalloc_free(test->priv, get(test, 0));
	before = stats_of(test);
	migrate_disable();
	for (i = 0; i < 100; i++)
		spanalloc_free(test->priv, spanalloc_alloc(test->priv, NPAGES, 1, 0, GFP_KERNEL));
	migrate_enable();
	after = stats_of(test);
	KUNIT_EXPECT_GE(test, after->cache_allocs, before->cache_allocs + 99);
	KUNIT_EXPECT_EQ(test, after->cache_frees, before->cache_frees + 100);
	KUNIT_EXPECT_LE(test, after->splits_in_place, before->splits_in_place + 1);
	KUNIT_EXPECT_EQ(test, after->allocs, 102);
	KUNIT_EXPECT_EQ(test, after->frees, 102);
}

static void parked_pages_are_cleared_for_who_wants_zero(struct kunit *test)
{
	unsigned int round;
	unsigned long i;

	for (round = 0; round < 8; round++) {
		struct span *span = get(test, SPANALLOC_ZERO);

		for (i = 0; i < NPAGES; i++) {
			void *page = page_address(spanalloc_page(test->priv, span, i));

			KUNIT_EXPECT_NULL(test, memchr_inv(page, 0, PAGE_SIZE));
			memset(page, 0x5a + round, PAGE_SIZE);
		}
		spanalloc_free(test->priv, span);
	}
	KUNIT_EXPECT_GT(test, stats_of(test)->cache_allocs, 0);
}

static long free_there(void *arg)
{
	void **args = arg;

	spanalloc_free(args[0], args[1]);
	return 0;
}

/*
 * What another CPU has parked is drained before an allocation here fails. All spans are there
 * before the first is parked: one that is parked here could serve the next.
 */
static void other_cpus_caches_are_drained_before_failing(struct kunit *test)
{
	unsigned int cpu, n = 0, parked = 0;
	struct span *span[8];

	while (n < ARRAY_SIZE(span))
		span[n++] = get(test, 0);
	cpus_read_lock();
	for_each_online_cpu(cpu) {
		void *args[] = { test->priv, n ? span[--n] : NULL };

		if (!args[1])
			break;
		work_on_cpu(cpu, free_there, args);
		parked++;
	}
	cpus_read_unlock();
	while (n)
		spanalloc_free(test->priv, span[--n]);
	KUNIT_EXPECT_GT(test, parked, 0);
	KUNIT_EXPECT_GE(test, stats_of(test)->cached_pages, parked * NPAGES);
	span[0] = spanalloc_alloc(test->priv, 256, 1, 0, GFP_KERNEL);
	KUNIT_EXPECT_FALSE(test, IS_ERR(span[0]));
	KUNIT_EXPECT_EQ(test, stats_of(test)->cached_pages, 0);
	spanalloc_free(test->priv, span[0]);
}

/**
 * struct interrupt - pairs in a hard interrupt
 * @work: brings us there
 * @heap: the heap
 * @hard: it was one
 * @nallocs: allocations there
 */
struct interrupt {
	struct irq_work work;
	struct span_heap *heap;
	bool hard;
	unsigned int nallocs;
};

static void use_in_interrupt(struct irq_work *work)
{
	struct interrupt *irq = container_of(work, struct interrupt, work);
	unsigned int i;

	irq->hard = in_hardirq();
	for (i = 0; i < 20; i++) {
		struct span *span = spanalloc_alloc(irq->heap, NPAGES, 1, 0, GFP_ATOMIC);

		if (IS_ERR(span))
			return;
		irq->nallocs++;
		spanalloc_free(irq->heap, span);
	}
}

static void hard_interrupts_may_use_caches(struct kunit *test)
{
	struct interrupt irq = { .heap = test->priv };
	u64 served;

	spanalloc_free(test->priv, get(test, 0));
	served = stats_of(test)->cache_allocs;
	irq.work = IRQ_WORK_INIT(use_in_interrupt);
	KUNIT_EXPECT_TRUE(test, irq_work_queue(&irq.work));
	irq_work_sync(&irq.work);
	KUNIT_EXPECT_TRUE(test, irq.hard);
	KUNIT_EXPECT_EQ(test, irq.nallocs, 20);
	KUNIT_EXPECT_GE(test, stats_of(test)->cache_allocs, served + 19);
}

static void reclaim_leaves_nothing_parked(struct kunit *test)
{
	struct span *span[4];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(span); i++)
		span[i] = get(test, 0);
	for (i = 0; i < ARRAY_SIZE(span); i++)
		spanalloc_free(test->priv, span[i]);
	KUNIT_EXPECT_GT(test, span_cache_npages(test->priv), 0);
	KUNIT_EXPECT_GT(test, span_scavenger_reclaim(test->priv, 1), 0);
	KUNIT_EXPECT_EQ(test, span_cache_npages(test->priv), 0);
}

/*
 * What a CPU has parked goes back to the tree when it is dead. None dies for this: while nobody
 * uses the heap, each of them may be buried.
 */
static void dead_cpus_leave_nothing_parked(struct kunit *test)
{
	unsigned long parked, drained = 0;
	struct span *span[4];
	unsigned int i, cpu;

	for (i = 0; i < ARRAY_SIZE(span); i++)
		span[i] = get(test, 0);
	cpus_read_lock();
	for_each_online_cpu(cpu) {
		void *args[] = { test->priv, i ? span[--i] : NULL };

		if (!args[1])
			break;
		work_on_cpu(cpu, free_there, args);
	}
	cpus_read_unlock();
	while (i)
		spanalloc_free(test->priv, span[--i]);
	parked = span_cache_npages(test->priv);
	KUNIT_EXPECT_GE(test, parked, ARRAY_SIZE(span) * NPAGES);
	for_each_possible_cpu(cpu) {
		drained += span_cache_drain_unused(test->priv, cpu);
		KUNIT_EXPECT_EQ(test, span_cache_npages(test->priv), parked - drained);
	}
	KUNIT_EXPECT_EQ(test, drained, parked);
	KUNIT_EXPECT_EQ(test, stats_of(test)->free_spans, 1);
}

static void many_at_once_come_and_go(struct kunit *test)
{
	struct span **span = kunit_kcalloc(test, 60, sizeof(*span), GFP_KERNEL);
	long n, i;

	KUNIT_ASSERT_NOT_NULL(test, span);
	n = spanalloc_alloc_bulk(test->priv, NPAGES, SPANALLOC_ZERO, GFP_KERNEL, 60, span);
	KUNIT_EXPECT_EQ(test, n, 256 / NPAGES);
	KUNIT_EXPECT_EQ(test, spanalloc_alloc_bulk(test->priv, NPAGES, 0, GFP_KERNEL, 60,
						   span + n), -EDQUOT);
	for (i = 0; i < n; i++) {
		void *page = page_address(spanalloc_page(test->priv, span[i], NPAGES - 1));

		KUNIT_EXPECT_EQ(test, spanalloc_npages(span[i]), NPAGES);
		KUNIT_EXPECT_PTR_EQ(test, spanalloc_lookup(test->priv, spanalloc_base(span[i])),
				    span[i]);
		KUNIT_EXPECT_NULL(test, memchr_inv(page, 0, PAGE_SIZE));
		memset(page, 1, PAGE_SIZE);
	}
	spanalloc_free_bulk(test->priv, n, span);
	KUNIT_EXPECT_EQ(test, stats_of(test)->frees, n);
	KUNIT_EXPECT_EQ(test, stats_of(test)->free_spans, 1);
}

static struct kunit_case cache_cases[] = {
	KUNIT_CASE(pairs_leave_the_tree_alone),
	KUNIT_CASE(parked_pages_are_cleared_for_who_wants_zero),
	KUNIT_CASE(other_cpus_caches_are_drained_before_failing),
	KUNIT_CASE(hard_interrupts_may_use_caches),
	KUNIT_CASE(reclaim_leaves_nothing_parked),
	KUNIT_CASE(dead_cpus_leave_nothing_parked),
	KUNIT_CASE(many_at_once_come_and_go),
	{}
};

static struct kunit_suite cache_suite = {
	.name = "spanalloc_cache",
	.init = cache_init,
	.exit = cache_exit,
	.test_cases = cache_cases,
};

kunit_test_suite(cache_suite);
