// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long spanalloc_alloc() takes at worst while a heap gives memory back, and while it does
 * not: percentiles, measured while the module is loaded.
 */

/**
 * DOC: Tail
 *
 * There are two heaps. One keeps all idle memory; the other has the policy that the module's
 * parameters say, by default the most eager there is: everything idle is given back at once,
 * all the time. On both a thread makes whole granules idle and wants them again, without a
 * pause, so that the second heap's scavenger always has work. Meanwhile spans of 1 to 64 pages
 * are allocated and freed, and each allocation is timed. Whoever does that goes before other
 * tasks: waiting for the heap is measured, not for a processor that others want as well. The
 * heaps take turns, in rounds, so that a machine that gets busy spoils both.
 *
 * What is timed finds room in the first granules, each of which holds one page more, so that
 * it never becomes idle: with "anchors" of 0 that is left out, and those times tell of taking
 * granules back from the system as well. With "cached", both heaps have caches, which serve
 * most of these allocations; without them, each meets the scavenger at the heap's lock.
 *
 * The nanoseconds are in the parameters "ns_keeps" and "ns_gives": the median, the 99th
 * percentile, that of 999 in 1000, and the longest. "given" is how many pages the scavenger
 * of the second heap gave back.
 */

#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/spanalloc.h>

#include "../../spanalloc/compat.h"

#define SPANS		64
#define LENGTH_MAX	64
#define ANCHORS_MAX	32
/* What the thread makes idle, and in spans of how many granules. */
#define IDLE_SPANS	4
#define IDLE_GRANULES	2
#define NUMBERS		4

static unsigned int rounds = 10;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "how often each heap has its turn");

static unsigned int allocs = 5000;
module_param(allocs, uint, 0444);
MODULE_PARM_DESC(allocs, "allocations that are timed in a turn");

static unsigned int anchors = 12;
module_param(anchors, uint, 0444);
MODULE_PARM_DESC(anchors, "granules that stay in use, at most 32 (default: 12)");

static int retain_percent;
module_param(retain_percent, int, 0444);
MODULE_PARM_DESC(retain_percent, "of the heap that gives memory back (default: 0)");

static unsigned int window_ms;
module_param(window_ms, uint, 0444);
MODULE_PARM_DESC(window_ms, "of the heap that gives memory back (default: 0)");

static unsigned int pace_permille = 1000;
module_param(pace_permille, uint, 0444);
MODULE_PARM_DESC(pace_permille, "of the heap that gives memory back (default: 1000)");

static bool cached;
module_param(cached, bool, 0444);
MODULE_PARM_DESC(cached, "both heaps have caches of each CPU, of the default size");

static unsigned long ns_keeps[NUMBERS];
module_param_array(ns_keeps, ulong, NULL, 0444);
MODULE_PARM_DESC(ns_keeps, "out: nanoseconds of an allocation where nothing is given back");

static unsigned long ns_gives[NUMBERS];
module_param_array(ns_gives, ulong, NULL, 0444);
MODULE_PARM_DESC(ns_gives, "out: the same where idle memory is given back");

static unsigned long given;
module_param(given, ulong, 0444);
MODULE_PARM_DESC(given, "out: pages that were given back");

/**
 * struct side - one of the heaps
 * @heap: the heap
 * @anchor: what keeps the first granules in use
 * @span: what is held of it besides
 * @ns: times of all allocations
 * @n: how many there are
 */
struct side {
	struct span_heap *heap;
	struct span *anchor[ANCHORS_MAX];
	struct span *span[SPANS];
	u32 *ns;
	unsigned int n;
};

static void drop(struct span_heap *heap, struct span **span, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (!IS_ERR_OR_NULL(span[i]))
			spanalloc_free(heap, span[i]);
		span[i] = NULL;
	}
}

/* Makes granules idle and wants them again, without a pause. */
static int make_idle(void *arg)
{
	struct span_heap *heap = arg;
	struct span *span[IDLE_SPANS] = { };
	struct spanalloc_stats stats;
	unsigned int i;

	spanalloc_get_stats(heap, &stats);
	while (!kthread_should_stop()) {
		for (i = 0; i < IDLE_SPANS; i++) {
			span[i] = spanalloc_alloc(heap, stats.granule_pages * IDLE_GRANULES, 1,
						  0, GFP_KERNEL);
			cond_resched();
		}
		drop(heap, span, IDLE_SPANS);
		cond_resched();
	}
	return 0;
}

/* First fit finds the first page of each granule. */
static int cast_anchors(struct side *side)
{
	struct spanalloc_stats stats;
	unsigned int i;

	spanalloc_get_stats(side->heap, &stats);
	for (i = 0; i < anchors; i++) {
		side->anchor[i] = spanalloc_alloc(side->heap, 1, stats.granule_pages, 0,
						  GFP_KERNEL);
		if (IS_ERR(side->anchor[i]))
			return PTR_ERR(side->anchor[i]);
	}
	return 0;
}

static int time_allocs(struct side *side, struct rnd_state *rnd)
{
	unsigned int i;

	for (i = 0; i < allocs; i++) {
		unsigned int at = prandom_u32_state(rnd) % SPANS;
		unsigned long npages = 1 + prandom_u32_state(rnd) % LENGTH_MAX;
		struct span *span;
		u64 start;

		if (side->span[at])
			spanalloc_free(side->heap, side->span[at]);
		side->span[at] = NULL;
		start = ktime_get_ns();
		span = spanalloc_alloc(side->heap, npages, 1, 0, GFP_KERNEL);
		side->ns[side->n++] = min_t(u64, ktime_get_ns() - start, U32_MAX);
		if (IS_ERR(span))
			return PTR_ERR(span);
		side->span[at] = span;
		cond_resched();
	}
	return 0;
}

static int take_turn(struct side *side, struct rnd_state *rnd)
{
	struct task_struct *task = kthread_run(make_idle, side->heap, "spanalloc_tail");
	int err;

	if (IS_ERR(task))
		return PTR_ERR(task);
	sched_set_fifo_low(current);
	err = time_allocs(side, rnd);
	sched_set_normal(current, 0);
	kthread_stop(task);
	return err;
}

static int side_init(struct side *side, const struct spanalloc_attr *attr)
{
	side->ns = kvmalloc_array(rounds, array_size(allocs, sizeof(*side->ns)), GFP_KERNEL);
	if (!side->ns)
		return -ENOMEM;
	side->heap = spanalloc_heap_create(attr);
	return IS_ERR(side->heap) ? PTR_ERR(side->heap) : cast_anchors(side);
}

static void side_exit(struct side *side)
{
	if (!IS_ERR_OR_NULL(side->heap)) {
		drop(side->heap, side->span, SPANS);
		drop(side->heap, side->anchor, ANCHORS_MAX);
		spanalloc_heap_destroy(side->heap);
	}
	kvfree(side->ns);
}

static int by_value(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

static void read_off(struct side *side, unsigned long *ns)
{
	sort(side->ns, side->n, sizeof(*side->ns), by_value, NULL);
	ns[0] = side->ns[side->n / 2];
	ns[1] = side->ns[side->n - 1 - side->n / 100];
	ns[2] = side->ns[side->n - 1 - side->n / 1000];
	ns[3] = side->ns[side->n - 1];
}

static int measure(struct side *keeps, struct side *gives)
{
	struct spanalloc_stats stats;
	struct rnd_state rnd;
	unsigned int i;
	int err = 0;

	prandom_seed_state(&rnd, 1);
	for (i = 0; i < rounds && !err; i++) {
		err = take_turn(keeps, &rnd);
		if (!err)
			err = take_turn(gives, &rnd);
	}
	if (err)
		return err;
	spanalloc_get_stats(gives->heap, &stats);
	given = stats.scavenged_pages;
	read_off(keeps, ns_keeps);
	read_off(gives, ns_gives);
	return 0;
}

static int __init tail_init(void)
{
	struct spanalloc_attr attr = {
		.name = "tail-keeps",
		.nid = NUMA_NO_NODE,
		.granule_order = SPANALLOC_ORDER_DEFAULT,
		.retain_percent = SPANALLOC_RETAIN_ALL,
		.cache_pages = cached ? SPANALLOC_CACHE_DEFAULT : 0,
	};
	/* Too large for a stack, and more so in a kernel that watches it. */
	static struct side keeps, gives;
	int err;

	if (!rounds || !allocs || anchors > ANCHORS_MAX)
		return -EINVAL;
	err = side_init(&keeps, &attr);
	if (err)
		goto exit_keeps;
	attr.name = "tail-gives";
	attr.retain_percent = retain_percent;
	attr.window_ms = window_ms;
	attr.pace_permille = pace_permille;
	err = side_init(&gives, &attr);
	if (!err)
		err = measure(&keeps, &gives);
	side_exit(&gives);
exit_keeps:
	side_exit(&keeps);
	return err;
}

static void __exit tail_exit(void)
{
}

module_init(tail_init);
module_exit(tail_exit);

SPAN_IMPORT();
MODULE_AUTHOR("The spanalloc authors");
MODULE_DESCRIPTION("How long an allocation takes while its heap gives memory back");
MODULE_LICENSE("GPL");
