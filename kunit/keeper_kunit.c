// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what a heap's shrinker answers when the system reclaims memory: the two
 * functions are called as the kernel calls them.
 */

#include <kunit/test.h>
#include <linux/cpu.h>
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/processor.h>
#include <linux/shrinker.h>
#include <linux/spanalloc.h>
#include <linux/workqueue.h>

#include "heap.h"
#include "keeper.h"

#define GRANULE	16UL
#define NPAGES	5UL

static struct span_heap *make(struct kunit *test, unsigned int cache_pages)
{
	const struct spanalloc_attr attr = {
		.name = "kunit-keeper",
		.nid = NUMA_NO_NODE,
		.granule_order = ilog2(GRANULE),
		.arena_pages = 8 * GRANULE,
		.max_pages = 16 * GRANULE,
		.retain_percent = SPANALLOC_RETAIN_ALL,
		.cache_pages = cache_pages,
	};

	test->priv = spanalloc_heap_create(&attr);
	KUNIT_ASSERT_FALSE(test, IS_ERR(test->priv));
	return test->priv;
}

static void keeper_exit(struct kunit *test)
{
	if (!IS_ERR_OR_NULL(test->priv))
		spanalloc_heap_destroy(test->priv);
}

static unsigned long count(struct span_heap *heap)
{
	struct span_keeper *keeper = heap->keeper_priv;
	struct shrink_control sc = { .gfp_mask = GFP_KERNEL };

	return keeper->shrinker->count_objects(keeper->shrinker, &sc);
}

/* Asks for @want pages; how many were looked at is to be @looked. */
static unsigned long scan(struct kunit *test, struct span_heap *heap, unsigned long want,
			  unsigned long looked)
{
	struct span_keeper *keeper = heap->keeper_priv;
	struct shrink_control sc = {
		.gfp_mask = GFP_KERNEL, .nr_to_scan = want, .nr_scanned = want,
	};
	unsigned long done = keeper->shrinker->scan_objects(keeper->shrinker, &sc);

	KUNIT_EXPECT_EQ(test, sc.nr_scanned, looked);
	return done;
}

static void make_idle(struct kunit *test, struct span_heap *heap, unsigned long npages)
{
	struct span *span = spanalloc_alloc(heap, npages, 1, 0, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(span));
	spanalloc_free(heap, span);
}

/* "Empty" says that there is nothing, and "stop" that asking again now is in vain. */
static void nothing_idle_is_empty(struct kunit *test)
{
	struct span_heap *heap = make(test, 0);
	struct span *span;

	KUNIT_EXPECT_EQ(test, count(heap), SHRINK_EMPTY);
	span = spanalloc_alloc(heap, GRANULE + 1, 1, 0, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(span));
	KUNIT_EXPECT_EQ(test, count(heap), SHRINK_EMPTY);
	KUNIT_EXPECT_EQ(test, scan(test, heap, 128, 128), SHRINK_STOP);
	spanalloc_free(heap, span);
	KUNIT_EXPECT_EQ(test, count(heap), 2 * GRANULE);
}

static void idle_granules_are_counted_and_given_back(struct kunit *test)
{
	struct span_heap *heap = make(test, 0);

	make_idle(test, heap, 4 * GRANULE);
	KUNIT_EXPECT_EQ(test, count(heap), 4 * GRANULE);
	/* A page means a granule. */
	KUNIT_EXPECT_EQ(test, scan(test, heap, 1, GRANULE), GRANULE);
	KUNIT_EXPECT_EQ(test, count(heap), 3 * GRANULE);
	KUNIT_EXPECT_EQ(test, scan(test, heap, 2 * GRANULE, 2 * GRANULE), 2 * GRANULE);
	/* There are not so many any more: the rest counts as looked at. */
	KUNIT_EXPECT_EQ(test, scan(test, heap, 100 * GRANULE, 100 * GRANULE), GRANULE);
	KUNIT_EXPECT_EQ(test, count(heap), SHRINK_EMPTY);
	KUNIT_EXPECT_EQ(test, scan(test, heap, 1, 1), SHRINK_STOP);
}

static void parked_pages_are_counted_and_given_back(struct kunit *test)
{
	struct span_heap *heap;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "no caches on PREEMPT_RT");
	heap = make(test, 64);
	make_idle(test, heap, NPAGES);
	KUNIT_EXPECT_EQ(test, span_heap_idle_pages(heap), 0);
	KUNIT_EXPECT_GE(test, count(heap), NPAGES);
	KUNIT_EXPECT_EQ(test, count(heap), span_cache_npages(heap));
	KUNIT_EXPECT_EQ(test, scan(test, heap, 1, GRANULE), GRANULE);
	KUNIT_EXPECT_EQ(test, span_cache_npages(heap), 0);
}

static void damaged_heap_is_left_alone(struct kunit *test)
{
	struct span_heap *heap = make(test, 0);

	make_idle(test, heap, 2 * GRANULE);
	heap->damaged = true;
	KUNIT_EXPECT_EQ(test, count(heap), SHRINK_EMPTY);
	KUNIT_EXPECT_EQ(test, scan(test, heap, 128, 128), SHRINK_STOP);
	heap->damaged = false;
	KUNIT_EXPECT_EQ(test, count(heap), 2 * GRANULE);
}

/**
 * struct holder - who has the heap's lock, on another CPU
 * @work: brings him there
 * @heap: the heap
 * @has: he has it
 * @end: he is to let go of it, which he does after a while in any case
 */
struct holder {
	struct work_struct work;
	struct span_heap *heap;
	bool has;	/* written by him, with release semantics */
	bool end;	/* written by who wants him to end, with release semantics */
};

static void hold_lock(struct work_struct *work)
{
	struct holder *holder = container_of(work, struct holder, work);
	u64 deadline = ktime_get_ns() + 10 * (u64)NSEC_PER_SEC;
	unsigned long irqflags;

	spin_lock_irqsave(&holder->heap->lock, irqflags);
	/* Who sees that finds the lock taken. */
	smp_store_release(&holder->has, true);
	/* What was done with the lock taken is done. */
	while (!smp_load_acquire(&holder->end) && ktime_get_ns() < deadline)
		cpu_relax();
	spin_unlock_irqrestore(&holder->heap->lock, irqflags);
}

/* Who has the lock may wait for memory of ours to come back. */
static void lock_that_is_taken_is_not_waited_for(struct kunit *test)
{
	struct span_heap *heap = make(test, 0);
	struct holder holder = { .heap = heap };
	unsigned long done = 0;
	unsigned int cpu;

	make_idle(test, heap, 2 * GRANULE);
	INIT_WORK_ONSTACK(&holder.work, hold_lock);
	migrate_disable();
	cpu = cpumask_any_but(cpu_online_mask, smp_processor_id());
	if (cpu < nr_cpu_ids) {
		schedule_work_on(cpu, &holder.work);
		/* From here on the lock is taken. */
		while (!smp_load_acquire(&holder.has))
			cpu_relax();
		done = scan(test, heap, 128, 128);
		/* Until here it was. */
		smp_store_release(&holder.end, true);
		flush_work(&holder.work);
	}
	migrate_enable();
	destroy_work_on_stack(&holder.work);
	if (cpu >= nr_cpu_ids)
		kunit_skip(test, "one processor only");
	KUNIT_EXPECT_EQ(test, done, SHRINK_STOP);
	KUNIT_EXPECT_EQ(test, count(heap), 2 * GRANULE);
	KUNIT_EXPECT_EQ(test, scan(test, heap, 128, 128), 2 * GRANULE);
}

static struct kunit_case keeper_cases[] = {
	KUNIT_CASE(nothing_idle_is_empty),
	KUNIT_CASE(idle_granules_are_counted_and_given_back),
	KUNIT_CASE(parked_pages_are_counted_and_given_back),
	KUNIT_CASE(damaged_heap_is_left_alone),
	KUNIT_CASE(lock_that_is_taken_is_not_waited_for),
	{}
};

static struct kunit_suite keeper_suite = {
	.name = "spanalloc_keeper",
	.exit = keeper_exit,
	.test_cases = keeper_cases,
};

kunit_test_suite(keeper_suite);
