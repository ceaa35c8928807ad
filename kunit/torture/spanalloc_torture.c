// SPDX-License-Identifier: GPL-2.0-only
/*
 * Torture: threads and hard interrupts at once on one heap, through the exported
 * interface, for a stated time.
 */

/**
 * DOC: Torture
 *
 * Each thread owns some spans, and does to them at random what the interface offers:
 * allocates with all flags, sleeping and not, one by one and many at once, splits, looks
 * up, verifies, frees, and scavenges and reads the statistics in between. A timer of each
 * thread allocates, verifies and frees in hard interrupts, sometimes many at once, too.
 * Pages are stamped by their owner (holding.h).
 *
 * Loading the module runs it, and fails if the test did. The results are in the log, as
 * KTAP behind the module's name: one case for each kind of operation, which has to have
 * happened, and some about what is left in the end.
 */

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spanalloc.h>
#include <linux/string.h>

#include "../../spanalloc/compat.h"
#include "holding.h"

#define THREADS_MAX	64
#define SLOTS		48
#define IRQ_SLOTS	32
#define LENGTH_MAX	700
#define IRQ_LENGTH_MAX	300
/* An interrupt has room for so many spans on its stack. */
#define IRQ_BULK	8
/* Less than what all slots could hold, so that some allocations are refused. */
#define HEAP_PAGES	(64UL << (20 - PAGE_SHIFT))
/* A timer pauses no longer than this, whatever has held an interrupt up. */
#define PAUSE_MAX_NS	(50 * NSEC_PER_MSEC)

static unsigned int seconds = 5;
module_param(seconds, uint, 0444);
MODULE_PARM_DESC(seconds, "how long");

static unsigned int threads = 4;
module_param(threads, uint, 0444);
MODULE_PARM_DESC(threads, "how many threads, each with a timer");

static ulong seed = 1;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "of the random operations");

static uint cache_pages = 256;
module_param(cache_pages, uint, 0444);
MODULE_PARM_DESC(cache_pages, "of each CPU; 0: no caches");

static uint irq_us = 200;
module_param(irq_us, uint, 0444);
MODULE_PARM_DESC(irq_us, "microseconds between two interrupts of a timer, at least");

static bool poison;
module_param(poison, bool, 0444);
MODULE_PARM_DESC(poison, "free pages are poisoned");

enum kind {
	KIND_ALLOC, KIND_ATOMIC, KIND_ZERO, KIND_CONTIG, KIND_ALIGN, KIND_REFUSED,
	KIND_SPLIT, KIND_LOOKUP, KIND_VERIFY, KIND_FREE, KIND_BULK, KIND_BULK_FREE,
	KIND_SCAVENGE, KIND_STATS, KIND_IRQ_ALLOC, KIND_IRQ_REFUSED, KIND_IRQ_FREE,
	KIND_IRQ_BULK, KINDS
};

static const char * const kind_names[KINDS] = {
	[KIND_ALLOC] = "allocations",
	[KIND_ATOMIC] = "allocations without sleeping",
	[KIND_ZERO] = "zeroed allocations verified",
	[KIND_CONTIG] = "contiguous allocations verified",
	[KIND_ALIGN] = "aligned allocations verified",
	[KIND_REFUSED] = "refused allocations",
	[KIND_SPLIT] = "splits",
	[KIND_LOOKUP] = "spans looked up by page",
	[KIND_VERIFY] = "pages verified",
	[KIND_FREE] = "frees",
	[KIND_BULK] = "spans allocated many at once",
	[KIND_BULK_FREE] = "spans freed many at once",
	[KIND_SCAVENGE] = "pages scavenged",
	[KIND_STATS] = "statistics that add up",
	[KIND_IRQ_ALLOC] = "allocations in hard interrupts",
	[KIND_IRQ_REFUSED] = "refused allocations in hard interrupts",
	[KIND_IRQ_FREE] = "frees in hard interrupts",
	[KIND_IRQ_BULK] = "of these, many at once",
};

/**
 * struct worker - a thread and its timer
 * @task: the thread
 * @id: in the upper bits of its tags
 * @rnd: of the thread
 * @ntags: tags given by the thread
 * @slots: what the thread holds
 * @timer: interrupts the CPU that the thread started it on
 * @irq_rnd: of the timer
 * @irq_ntags: tags given by the timer
 * @irq_slots: what the timer holds
 * @did: how often; the thread and the timer count different kinds, but for pages
 *       verified, which only the thread counts
 */
struct worker {
	struct task_struct *task;
	u64 id;
	struct rnd_state rnd;
	u64 ntags;
	struct holding slots[SLOTS];
	struct hrtimer timer;
	struct rnd_state irq_rnd;
	u64 irq_ntags;
	struct holding irq_slots[IRQ_SLOTS];
	u64 did[KINDS];
};

static struct span_heap *heap;
static struct worker *workers;

static u32 below(struct rnd_state *rnd, u32 limit)
{
	return prandom_u32_state(rnd) % limit;
}

static void check_refusal(int err, bool atomic)
{
	if (err != -ENOSPC && err != -EDQUOT && err != -ENOMEM && !(atomic && err == -EAGAIN))
		complain("allocation refused with %d", err);
}

/* Half of the lengths are small: the others would fill the heap at once. */
static unsigned long draw_length(struct worker *worker, bool contig)
{
	if (contig)
		return 1 + below(&worker->rnd, 64);
	return 1 + below(&worker->rnd, below(&worker->rnd, 2) ? 24 : LENGTH_MAX);
}

static void check_placement(struct worker *worker, const struct holding *holding,
			    unsigned long align, unsigned int flags)
{
	if (flags & SPANALLOC_ZERO) {
		holding_verify_zero(heap, holding);
		worker->did[KIND_ZERO]++;
	}
	if (flags & SPANALLOC_CONTIG) {
		if (!spanalloc_address(heap, holding->span))
			complain("contiguous, but without an address");
		worker->did[KIND_CONTIG]++;
	}
	if (align > 1) {
		if (spanalloc_base(holding->span) % align)
			complain("base %lu is not aligned to %lu",
				 spanalloc_base(holding->span), align);
		worker->did[KIND_ALIGN]++;
	}
}

static struct holding hold(struct worker *worker, struct span *span)
{
	return (struct holding) { span, worker->id << 56 | ++worker->ntags << 16 };
}

static void do_alloc(struct worker *worker, struct holding *holding)
{
	unsigned int flags = below(&worker->rnd, 4) ? 0 : SPANALLOC_ZERO;
	bool contig = !below(&worker->rnd, 4), atomic = !below(&worker->rnd, 4);
	unsigned long align = 1UL << (below(&worker->rnd, 3) ? 0 : below(&worker->rnd, 8));
	struct span *span;

	flags |= contig ? SPANALLOC_CONTIG : 0;
	span = spanalloc_alloc(heap, draw_length(worker, contig), align, flags,
			       atomic ? GFP_ATOMIC : GFP_KERNEL);
	if (IS_ERR(span)) {
		check_refusal(PTR_ERR(span), atomic);
		worker->did[KIND_REFUSED]++;
		return;
	}
	*holding = hold(worker, span);
	check_placement(worker, holding, align, flags);
	holding_stamp(heap, holding);
	worker->did[atomic ? KIND_ATOMIC : KIND_ALLOC]++;
}

static void do_free(struct worker *worker, struct holding *holding)
{
	worker->did[KIND_VERIFY] += holding_verify(heap, holding);
	spanalloc_free(heap, holding->span);
	holding->span = NULL;
	worker->did[KIND_FREE]++;
}

static struct holding *empty_slot(struct worker *worker)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		if (!worker->slots[i].span)
			return &worker->slots[i];
	return NULL;
}

/* One for each slot that is empty: more than a batch, if most are. */
static void do_bulk(struct worker *worker)
{
	unsigned int flags = below(&worker->rnd, 2) ? SPANALLOC_ZERO : 0, i, nslots = 0;
	gfp_t gfp = below(&worker->rnd, 2) ? GFP_ATOMIC : GFP_KERNEL;
	unsigned long npages = 1 + below(&worker->rnd, 64);
	struct span *span[SLOTS];
	long n;

	for (i = 0; i < SLOTS; i++)
		nslots += !worker->slots[i].span;
	n = spanalloc_alloc_bulk(heap, npages, flags, gfp, nslots, span);
	if (n < 0)
		check_refusal(n, gfp == GFP_ATOMIC);
	for (; n > 0; n--) {
		struct holding *holding = empty_slot(worker);

		*holding = hold(worker, span[n - 1]);
		if (spanalloc_npages(holding->span) != npages)
			complain("one of many is not %lu pages long", npages);
		check_placement(worker, holding, 1, flags);
		holding_stamp(heap, holding);
		worker->did[KIND_BULK]++;
	}
}

/* About half of all, and what is no span in between. */
static void do_bulk_free(struct worker *worker)
{
	struct span *span[SLOTS] = { };
	unsigned int i;

	for (i = 0; i < SLOTS; i++) {
		struct holding *holding = &worker->slots[i];

		if (!holding->span || below(&worker->rnd, 2))
			continue;
		worker->did[KIND_VERIFY] += holding_verify(heap, holding);
		span[i] = holding->span;
		holding->span = NULL;
		worker->did[KIND_BULK_FREE]++;
	}
	spanalloc_free_bulk(heap, SLOTS, span);
}

static void do_split(struct worker *worker, struct holding *holding)
{
	unsigned long npages = spanalloc_npages(holding->span), keep;
	struct holding *upper = empty_slot(worker);
	struct span *span;

	if (!upper || npages < 2)
		return;
	keep = 1 + below(&worker->rnd, npages - 1);
	span = spanalloc_split(heap, holding->span, keep, GFP_KERNEL);
	if (IS_ERR(span)) {
		complain("split refused with %ld", PTR_ERR(span));
		return;
	}
	*upper = (struct holding) { span, holding->tag, holding->first + keep };
	if (spanalloc_npages(holding->span) != keep || spanalloc_npages(span) != npages - keep ||
	    spanalloc_base(span) != spanalloc_base(holding->span) + keep)
		complain("split %lu at %lu made other lengths", npages, keep);
	worker->did[KIND_SPLIT]++;
}

static void do_lookup(struct worker *worker, const struct holding *holding)
{
	unsigned long page = spanalloc_base(holding->span) +
			     below(&worker->rnd, spanalloc_npages(holding->span));

	if (spanalloc_lookup(heap, page) != holding->span)
		complain("page %lu leads to another span", page);
	/* Anybody's, who may be just freeing it. */
	spanalloc_lookup(heap, below(&worker->rnd, HEAP_PAGES));
	worker->did[KIND_LOOKUP]++;
}

static void do_stats(struct worker *worker)
{
	struct spanalloc_stats stats;

	spanalloc_get_stats(heap, &stats);
	if (stats.in_use_pages + stats.cached_pages + stats.claimed_pages +
	    stats.quarantined_pages + stats.free_pages != stats.address_pages)
		complain("the spans are not the address space");
	if (stats.backed_pages + stats.released_pages != stats.address_pages)
		complain("the granules are not the address space");
	if (stats.in_use_pages > stats.backed_pages)
		complain("more pages in use than backed");
	/* The counts of caches are not of one moment. */
	if (!cache_pages && stats.allocs + stats.splits - stats.frees != stats.in_use_spans)
		complain("the counts are not the spans");
	worker->did[KIND_STATS]++;
}

static void step(struct worker *worker)
{
	struct holding *holding = &worker->slots[below(&worker->rnd, SLOTS)];
	u32 what = below(&worker->rnd, 100);

	if (what < 2)
		worker->did[KIND_SCAVENGE] +=
			spanalloc_scavenge(heap, below(&worker->rnd, HEAP_PAGES));
	else if (what < 6)
		do_stats(worker);
	else if (what < 7)
		do_bulk(worker);
	else if (what < 8)
		do_bulk_free(worker);
	else if (!holding->span)
		do_alloc(worker, holding);
	else if (what < 20)
		do_split(worker, holding);
	else if (what < 40)
		do_lookup(worker, holding);
	else
		do_free(worker, holding);
}

/* Most are small; one is more than there is, to be refused. */
static unsigned long draw_irq_length(struct worker *worker)
{
	switch (below(&worker->irq_rnd, 32)) {
	case 0:
		return HEAP_PAGES;
	case 1:
		return 1 + below(&worker->irq_rnd, IRQ_LENGTH_MAX);
	default:
		return 1 + below(&worker->irq_rnd, 8);
	}
}

static struct holding irq_hold(struct worker *worker, struct span *span)
{
	return (struct holding) { span, (worker->id | 0x80) << 56 | ++worker->irq_ntags << 16 };
}

/* Spans of a few pages, which come and go at once. */
static void irq_bulk(struct worker *worker)
{
	struct holding holding[IRQ_BULK];
	struct span *span[IRQ_BULK];
	long n = spanalloc_alloc_bulk(heap, 1 + below(&worker->irq_rnd, 8), 0, GFP_ATOMIC,
				      IRQ_BULK, span), i;

	if (n <= 0) {
		check_refusal(n, true);
		worker->did[KIND_IRQ_REFUSED]++;
		return;
	}
	for (i = 0; i < n; i++) {
		holding[i] = irq_hold(worker, span[i]);
		holding_stamp(heap, &holding[i]);
	}
	for (i = 0; i < n; i++)
		holding_verify(heap, &holding[i]);
	spanalloc_free_bulk(heap, n, span);
	worker->did[KIND_IRQ_ALLOC] += n;
	worker->did[KIND_IRQ_FREE] += n;
	worker->did[KIND_IRQ_BULK] += n;
}

/* In a hard interrupt. */
static void irq_step(struct worker *worker)
{
	struct holding *holding = &worker->irq_slots[below(&worker->irq_rnd, IRQ_SLOTS)];
	unsigned int flags = below(&worker->irq_rnd, 2) ? SPANALLOC_ZERO : 0;
	struct span *span;

	if (!below(&worker->irq_rnd, 16))
		irq_bulk(worker);
	if (holding->span) {
		holding_verify(heap, holding);
		spanalloc_free(heap, holding->span);
		holding->span = NULL;
		worker->did[KIND_IRQ_FREE]++;
		return;
	}
	span = spanalloc_alloc(heap, draw_irq_length(worker), 1, flags, GFP_ATOMIC);
	if (IS_ERR(span)) {
		check_refusal(PTR_ERR(span), true);
		worker->did[KIND_IRQ_REFUSED]++;
		return;
	}
	*holding = irq_hold(worker, span);
	if (flags & SPANALLOC_ZERO)
		holding_verify_zero(heap, holding);
	holding_stamp(heap, holding);
	worker->did[KIND_IRQ_ALLOC]++;
}

/*
 * A hard interrupt, but of the kind that PREEMPT_RT makes a thread: lockdep knows that, and
 * lets no other take a spinlock_t.
 *
 * All timers together take a quarter of a CPU, however slow that is: threads get on.
 */
static enum hrtimer_restart on_timer(struct hrtimer *timer)
{
	struct worker *worker = container_of(timer, struct worker, timer);
	u64 begin = ktime_get_ns(), end, pause;

	if (!in_hardirq())
		complain("the timer is not in a hard interrupt");
	irq_step(worker);
	end = ktime_get_ns();
	pause = min_t(u64, 4 * threads * (end - begin), PAUSE_MAX_NS);
	hrtimer_set_expires(timer, ns_to_ktime(end + pause + irq_us * NSEC_PER_USEC));
	return HRTIMER_RESTART;
}

static void free_all(struct worker *worker)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		if (worker->slots[i].span)
			do_free(worker, &worker->slots[i]);
	for (i = 0; i < IRQ_SLOTS; i++)
		if (worker->irq_slots[i].span)
			do_free(worker, &worker->irq_slots[i]);
}

static int run_worker(void *arg)
{
	struct worker *worker = arg;

	hrtimer_start(&worker->timer, ns_to_ktime(irq_us * NSEC_PER_USEC),
		      HRTIMER_MODE_REL_PINNED);
	while (!kthread_should_stop()) {
		step(worker);
		cond_resched();
	}
	hrtimer_cancel(&worker->timer);
	free_all(worker);
	return 0;
}

static int start_worker(struct worker *worker, unsigned int i)
{
	worker->id = i + 1;
	prandom_seed_state(&worker->rnd, seed + 2 * i);
	prandom_seed_state(&worker->irq_rnd, seed + 2 * i + 1);
	span_hrtimer_setup(&worker->timer, on_timer, CLOCK_MONOTONIC,
			   HRTIMER_MODE_REL_PINNED);
	worker->task = kthread_run(run_worker, worker, "span-torture/%u", i);
	return PTR_ERR_OR_ZERO(worker->task);
}

/* Starts all, waits, stops all that were started. A signal ends the waiting. */
static int run_workers(void)
{
	unsigned int n;
	int err = 0;

	for (n = 0; n < threads; n++) {
		err = start_worker(&workers[n], n);
		if (err)
			break;
	}
	if (!err)
		msleep_interruptible(seconds * MSEC_PER_SEC);
	while (n--)
		kthread_stop(workers[n].task);
	return err;
}

static unsigned int ncases, nfailed;

static void judge(bool good, const char *name, u64 count)
{
	ncases++;
	nfailed += !good;
	pr_info("spanalloc_torture: %sok %u - %s: %llu\n", good ? "" : "not ", ncases, name,
		count);
}

static void judge_kinds(u64 sums[KINDS])
{
	unsigned int i, kind;

	for (kind = 0; kind < KINDS; kind++) {
		sums[kind] = 0;
		for (i = 0; i < threads; i++)
			sums[kind] += workers[i].did[kind];
		judge(sums[kind], kind_names[kind], sums[kind]);
	}
}

static void judge_all(void)
{
	struct spanalloc_stats stats;
	u64 sums[KINDS], allocs, frees;

	pr_info("spanalloc_torture: 1..%u\n", KINDS + 8);
	judge_kinds(sums);
	allocs = sums[KIND_ALLOC] + sums[KIND_ATOMIC] + sums[KIND_BULK] + sums[KIND_IRQ_ALLOC];
	frees = sums[KIND_FREE] + sums[KIND_BULK_FREE] + sums[KIND_IRQ_FREE];
	spanalloc_get_stats(heap, &stats);
	judge(stats.allocs == allocs, "allocations that the heap knows of", stats.allocs);
	judge(stats.frees == frees, "frees that the heap knows of", stats.frees);
	judge(!stats.in_use_pages && !stats.claimed_pages && !stats.in_use_spans,
	      "pages left in use", stats.in_use_pages);
	judge((!cache_pages || poison || want_init_on_free()) == !stats.cache_allocs,
	      "allocations from caches", stats.cache_allocs);
	spanalloc_scavenge(heap, ~0UL);
	spanalloc_get_stats(heap, &stats);
	judge(stats.free_spans == 1 && stats.free_pages == stats.address_pages,
	      "free spans left, which is one", stats.free_spans);
	judge(!stats.backed_pages, "pages left backed after scavenging", stats.backed_pages);
	/* Nobody has written to a page that was free, nor the heap to one that was not. */
	judge(!stats.poison_broken, "broken pages", stats.poison_broken);
	judge(!atomic_read(&complaints), "complaints", atomic_read(&complaints));
}

static int __init torture_init(void)
{
	const struct spanalloc_attr attr = {
		.name = "torture",
		.nid = NUMA_NO_NODE,
		.granule_order = SPANALLOC_ORDER_DEFAULT,
		.max_pages = HEAP_PAGES,
		.retain_percent = 25,
		.poison = poison,
		.cache_pages = cache_pages,
		.tree_seed = seed,
	};
	int err;

	if (!seconds || !threads || threads > THREADS_MAX || !irq_us)
		return -EINVAL;
	workers = kvcalloc(threads, sizeof(*workers), GFP_KERNEL);
	if (!workers)
		return -ENOMEM;
	heap = spanalloc_heap_create(&attr);
	if (IS_ERR(heap)) {
		kvfree(workers);
		return PTR_ERR(heap);
	}
	pr_info("spanalloc_torture: # %u s, %u threads, seed %lu%s\n", seconds, threads, seed,
		poison ? ", free pages poisoned" : "");
	err = run_workers();
	if (!err)
		judge_all();
	spanalloc_heap_destroy(heap);
	kvfree(workers);
	return err ? : nfailed ? -EILSEQ : 0;
}

static void __exit torture_exit(void)
{
}

module_init(torture_init);
module_exit(torture_exit);

SPAN_IMPORT();
MODULE_AUTHOR("The spanalloc authors");
MODULE_DESCRIPTION("Torture test of spanalloc: threads and interrupts on one heap");
MODULE_LICENSE("GPL");
