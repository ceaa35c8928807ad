// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of one heap under several threads and interrupts, on real memory.
 */

/**
 * DOC: Stress suite
 *
 * Each thread has some spans of its own, allocates, splits, frees and scavenges
 * at random for a bounded time, and marks each page that it has with a number
 * of its own at both ends: a page that two spans share, or that is zeroed or
 * given away under its owner, is found when the owner looks again. A page
 * allocated with zeroing has to be zero. In the end, the heap has to be empty
 * and to pass the check.
 *
 * Granules are small, so that threads meet in them, and the limit is low, so
 * that they run into it. Threads never fail a case themselves: what they find
 * wrong is counted, and judged when all have stopped.
 */

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/spanalloc.h>
#include <linux/string.h>

#include "heap.h"

#define NTHREADS	4
#define NSPANS		24
#define NPAGES_MAX	40
/* What each thread has to get before it may end, and how long it is waited for, in jiffies. */
#define NALLOCS_MIN	100
#define PATIENCE	(60 * HZ)

static uint stress_ms = 1500;
module_param(stress_ms, uint, 0444);
MODULE_PARM_DESC(stress_ms, "how long threads work on one heap, in milliseconds");

/**
 * struct worker - a thread and what it found
 * @heap: the heap that all share
 * @task: the thread
 * @rnd: what it does next
 * @mark: of its latest page; each page it marks gets a number of its own
 * @span: spans it has, or NULL
 * @first: mark of the first page of span[i]; the next has one more
 * @nallocs: spans it got
 * @nrefused: spans it was refused, for reasons that are legal
 * @nwrong: pages that did not hold what they had to
 * @err: an error that is never legal, or 0
 */
struct worker {
	struct span_heap *heap;
	struct task_struct *task;
	struct rnd_state rnd;
	u64 mark;
	struct span *span[NSPANS];
	u64 first[NSPANS];
	unsigned long nallocs;
	unsigned long nrefused;
	unsigned long nwrong;
	int err;
};

static u32 below(struct worker *worker, u32 limit)
{
	return prandom_u32_state(&worker->rnd) % limit;
}

/* The marks of a page: its first and its last eight bytes. */
static u64 *mark_of(struct worker *worker, const struct span *span, unsigned long index,
		    bool last)
{
	u64 *words = page_address(spanalloc_page(worker->heap, span, index));

	return last ? words + PAGE_SIZE / sizeof(u64) - 1 : words;
}

static void put_marks(struct worker *worker, unsigned int i)
{
	unsigned long page, npages = spanalloc_npages(worker->span[i]);

	worker->first[i] = worker->mark;
	worker->mark += npages;
	for (page = 0; page < npages; page++) {
		*mark_of(worker, worker->span[i], page, false) = worker->first[i] + page;
		*mark_of(worker, worker->span[i], page, true) = worker->first[i] + page;
	}
}

static void check_marks(struct worker *worker, unsigned int i)
{
	unsigned long page, npages = spanalloc_npages(worker->span[i]);

	for (page = 0; page < npages; page++) {
		u64 mark = worker->first[i] + page;

		worker->nwrong += *mark_of(worker, worker->span[i], page, false) != mark ||
				  *mark_of(worker, worker->span[i], page, true) != mark;
	}
}

static void check_zero(struct worker *worker, const struct span *span)
{
	unsigned long page;

	for (page = 0; page < spanalloc_npages(span); page++)
		worker->nwrong += !!memchr_inv(mark_of(worker, span, page, false), 0, PAGE_SIZE);
}

static void work_alloc(struct worker *worker, unsigned int i)
{
	unsigned long npages = 1 + below(worker, below(worker, 4) ? 8 : NPAGES_MAX);
	unsigned int flags = below(worker, 4) ? 0 : SPANALLOC_ZERO;
	gfp_t gfp = below(worker, 4) ? GFP_KERNEL : GFP_NOWAIT;
	struct span *span;

	if (npages <= 16 && below(worker, 8) == 0)
		flags |= SPANALLOC_CONTIG;
	span = spanalloc_alloc(worker->heap, npages, 1UL << below(worker, 3), flags, gfp);
	if (IS_ERR(span)) {
		int err = PTR_ERR(span);

		worker->nrefused++;
		if (err != -EDQUOT && err != -ENOSPC && !(err == -EAGAIN && gfp == GFP_NOWAIT))
			worker->err = err;
		return;
	}
	WRITE_ONCE(worker->nallocs, worker->nallocs + 1);
	worker->span[i] = span;
	if (flags & SPANALLOC_ZERO)
		check_zero(worker, span);
	put_marks(worker, i);
	if (spanalloc_lookup(worker->heap, spanalloc_base(span) + npages - 1) != span)
		worker->nwrong++;
}

static void work_free(struct worker *worker, unsigned int i)
{
	check_marks(worker, i);
	spanalloc_free(worker->heap, worker->span[i]);
	worker->span[i] = NULL;
}

static void work_split(struct worker *worker, unsigned int i, unsigned int to)
{
	unsigned long npages = spanalloc_npages(worker->span[i]), at;
	struct span *upper;

	if (worker->span[to] || npages < 2)
		return;
	at = 1 + below(worker, npages - 1);
	upper = spanalloc_split(worker->heap, worker->span[i], at, GFP_KERNEL);
	if (IS_ERR(upper)) {
		worker->err = PTR_ERR(upper);
		return;
	}
	worker->span[to] = upper;
	worker->first[to] = worker->first[i] + at;
	check_marks(worker, to);
}

static int work(void *arg)
{
	struct worker *worker = arg;
	unsigned int i;

	while (!kthread_should_stop()) {
		if (kthread_should_park()) {
			kthread_parkme();
			continue;
		}
		i = below(worker, NSPANS);
		if (below(worker, 64) == 0)
			spanalloc_scavenge(worker->heap, 1 + below(worker, 64));
		else if (!worker->span[i])
			work_alloc(worker, i);
		else if (below(worker, 4))
			work_free(worker, i);
		else
			work_split(worker, i, below(worker, NSPANS));
		cond_resched();
	}
	for (i = 0; i < NSPANS; i++)
		if (worker->span[i])
			work_free(worker, i);
	return 0;
}

static int make_heap(struct kunit *test, unsigned long cache_pages)
{
	const struct spanalloc_attr attr = {
		.name = "stress",
		.nid = NUMA_NO_NODE,
		.granule_order = 4,
		.arena_pages = 128,
		.max_pages = 768,
		.retain_percent = 20,
		.cache_pages = cache_pages,
	};
	struct span_heap *heap = spanalloc_heap_create(&attr);

	if (IS_ERR(heap))
		return PTR_ERR(heap);
	test->priv = heap;
	return 0;
}

static int stress_init(struct kunit *test)
{
	return make_heap(test, 0);
}

/* The same again, on a heap with per-CPU caches. */
static void remake_with_caches(struct kunit *test)
{
	spanalloc_heap_destroy(test->priv);
	test->priv = NULL;
	KUNIT_ASSERT_EQ(test, make_heap(test, 64), 0);
}

static void stress_exit(struct kunit *test)
{
	struct spanalloc_stats stats;
	struct span_report report;

	if (IS_ERR_OR_NULL(test->priv))
		return;
	span_cache_drain(test->priv);
	spanalloc_get_stats(test->priv, &stats);
	KUNIT_EXPECT_EQ(test, stats.in_use_pages, 0);
	KUNIT_EXPECT_EQ(test, stats.cached_pages, 0);
	KUNIT_EXPECT_EQ(test, stats.claimed_pages, 0);
	KUNIT_EXPECT_LE(test, stats.free_spans, 1);
	KUNIT_EXPECT_EQ_MSG(test, span_heap_check(test->priv, 0, &report), 0,
			    "invariant %d at page %lu", report.invariant, report.page);
	spanalloc_scavenge(test->priv, ~0UL);
	spanalloc_get_stats(test->priv, &stats);
	KUNIT_EXPECT_EQ(test, stats.backed_pages, 0);
	spanalloc_heap_destroy(test->priv);
}

static struct worker *start(struct kunit *test)
{
	struct worker *worker = kunit_kcalloc(test, NTHREADS, sizeof(*worker), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, worker);
	for (i = 0; i < NTHREADS; i++) {
		worker[i].heap = test->priv;
		worker[i].mark = (u64)(i + 1) << 48;
		prandom_seed_state(&worker[i].rnd, 1 + i);
		worker[i].task = kthread_create(work, &worker[i], "spanalloc_stress/%u", i);
		if (IS_ERR(worker[i].task))
			break;
	}
	/* All or none: a thread that never ran does not have to be stopped. */
	for (; i < NTHREADS && i--;)
		kthread_stop(worker[i].task);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(worker[NTHREADS - 1].task));
	for (i = 0; i < NTHREADS; i++)
		wake_up_process(worker[i].task);
	return worker;
}

/* Nobody works from here on until stop(); they keep what they have. */
static void hold_still(struct kunit *test, struct worker *worker)
{
	unsigned int i;

	for (i = 0; i < NTHREADS; i++)
		KUNIT_EXPECT_EQ(test, kthread_park(worker[i].task), 0);
}

/*
 * Is the time up, and have all threads worked, and @all the others? On a machine that is busy
 * with something else, one thread may not have run at all by then.
 */
static bool enough(const struct worker *worker, unsigned long end, bool all)
{
	unsigned int i;

	if (time_before(jiffies, end))
		return false;
	for (i = 0; i < NTHREADS; i++)
		all &= READ_ONCE(worker[i].nallocs) >= NALLOCS_MIN;
	if (all || time_after(jiffies, end + PATIENCE))
		return true;
	usleep_range(200, 400);
	return false;
}

static void stop(struct kunit *test, struct worker *worker)
{
	unsigned long nallocs = 0, nrefused = 0;
	unsigned int i;

	for (i = 0; i < NTHREADS; i++) {
		KUNIT_EXPECT_EQ(test, kthread_stop(worker[i].task), 0);
		KUNIT_EXPECT_EQ(test, worker[i].nwrong, 0);
		KUNIT_EXPECT_EQ(test, worker[i].err, 0);
		KUNIT_EXPECT_GE(test, worker[i].nallocs, NALLOCS_MIN);
		nallocs += worker[i].nallocs;
		nrefused += worker[i].nrefused;
	}
	kunit_info(test, "%u threads on %u processors: %lu allocated, %lu refused", NTHREADS,
		   num_online_cpus(), nallocs, nrefused);
}

/**
 * struct looker - who checks the heap in batches, as debugfs does it
 * @heap: the heap
 * @broken: checks that found something
 * @compared: checks in which the heap did not change, so that its sums were compared
 */
struct looker {
	struct span_heap *heap;
	unsigned int broken;
	unsigned int compared;
};

static void look(struct looker *looker)
{
	struct span_report report;

	looker->broken += !!span_heap_check(looker->heap, 16, &report);
	looker->compared += report.sums_compared;
}

static void threads_share_a_heap(struct kunit *test)
{
	unsigned long end = jiffies + msecs_to_jiffies(stress_ms);
	struct looker looker = { .heap = test->priv };
	struct worker *worker = start(test);
	unsigned int meanwhile, n;

	while (!enough(worker, end, true)) {
		look(&looker);
		usleep_range(200, 400);
	}
	/* In the middle of it all, once without them; the scavenger may still be at work. */
	hold_still(test, worker);
	meanwhile = looker.compared;
	for (n = 0; n < 1000 && looker.compared == meanwhile; n++) {
		look(&looker);
		usleep_range(200, 400);
	}
	KUNIT_EXPECT_GT(test, looker.compared, meanwhile);
	stop(test, worker);
	KUNIT_EXPECT_EQ(test, looker.broken, 0);
	kunit_info(test, "%u checks compared the sums meanwhile", meanwhile);
}

/**
 * struct interrupt - a hard interrupt that uses the heap
 * @work: brings us there
 * @heap: the heap
 * @nallocs: spans it got
 * @nwrong: answers that are never legal
 */
struct interrupt {
	struct irq_work work;
	struct span_heap *heap;
	unsigned int nallocs;
	unsigned int nwrong;
};

static void use_once(struct interrupt *irq)
{
	struct span *span = spanalloc_alloc(irq->heap, 3, 1, SPANALLOC_ZERO, GFP_ATOMIC);
	unsigned long i;

	if (IS_ERR(span)) {
		irq->nwrong += PTR_ERR(span) != -EAGAIN && PTR_ERR(span) != -EDQUOT &&
			       PTR_ERR(span) != -ENOSPC;
		return;
	}
	irq->nallocs++;
	for (i = 0; i < 3; i++) {
		void *page = page_address(spanalloc_page(irq->heap, span, i));

		irq->nwrong += !!memchr_inv(page, 0, PAGE_SIZE);
		memset(page, 0xff, PAGE_SIZE);
	}
	spanalloc_free(irq->heap, span);
}

/* Where interrupts come with the timer's tick, there are few of them. */
static void use_in_interrupt(struct irq_work *work)
{
	struct interrupt *irq = container_of(work, struct interrupt, work);
	unsigned int i;

	for (i = 0; i < 16; i++)
		use_once(irq);
}

static void interrupts_and_threads_share_a_heap(struct kunit *test)
{
	unsigned long end = jiffies + msecs_to_jiffies(stress_ms / 3);
	struct interrupt irq = { .heap = test->priv };
	struct worker *worker;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "task context only on PREEMPT_RT");
	worker = start(test);
	irq.work = IRQ_WORK_INIT(use_in_interrupt);
	while (!enough(worker, end, irq.nallocs)) {
		irq_work_queue(&irq.work);
		irq_work_sync(&irq.work);
		cond_resched();
	}
	stop(test, worker);
	KUNIT_EXPECT_EQ(test, irq.nwrong, 0);
	KUNIT_EXPECT_GT(test, irq.nallocs, 0);
	kunit_info(test, "%u spans in interrupts", irq.nallocs);
}

static void expect_served_by_caches(struct kunit *test)
{
	struct spanalloc_stats stats;

	spanalloc_get_stats(test->priv, &stats);
	KUNIT_EXPECT_GT(test, stats.cache_allocs, 0);
	KUNIT_EXPECT_GT(test, stats.cache_frees, 0);
}

static void threads_share_a_heap_with_caches(struct kunit *test)
{
	remake_with_caches(test);
	threads_share_a_heap(test);
	expect_served_by_caches(test);
}

static void interrupts_and_threads_share_a_heap_with_caches(struct kunit *test)
{
	remake_with_caches(test);
	interrupts_and_threads_share_a_heap(test);
	expect_served_by_caches(test);
}

static struct kunit_case stress_cases[] = {
	KUNIT_CASE(threads_share_a_heap),
	KUNIT_CASE(interrupts_and_threads_share_a_heap),
	KUNIT_CASE(threads_share_a_heap_with_caches),
	KUNIT_CASE(interrupts_and_threads_share_a_heap_with_caches),
	{}
};

static struct kunit_suite stress_suite = {
	.name = "spanalloc_stress",
	.init = stress_init,
	.exit = stress_exit,
	.test_cases = stress_cases,
};

kunit_test_suite(stress_suite);
