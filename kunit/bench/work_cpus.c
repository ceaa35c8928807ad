// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processors at the same time: each allocates and frees, or one allocates what another one
 * frees.
 */

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "peers.h"

#define CPUS_MAX	8
/* What one thread does in a turn: all the lengths that are drawn for it, several times. */
#define CPUS_PAIRS	4096
/*
 * Where the host takes one of the processors away, the others wait for it or have it easy. Such
 * a turn is tried again; of so many, the one that lost the smallest share of its time counts.
 */
#define CPUS_TRIES	8
#define LOST_PERCENT	2
/* Asking for the time takes some itself. */
#define LOST_NS		10000
/* Spans are of one page, or, mixed, of 1 to so many. */
#define CPUS_LENGTH	64
/* Spans on their way from one processor to the other, at most. */
#define RING		64
/* Lengths that are drawn: of few, some turns would have fewer different ones than others. */
#define LENGTHS		1024

static const struct bench_peer *const cpus_peers[] = {
	&bench_null, &bench_spanalloc, &bench_spanalloc_cached, &bench_heap, &bench_pages,
	&bench_exact, &bench_kmem, NULL
};

/**
 * struct crowd - threads at one peer
 * @run: the peer
 * @work: what a thread does so many times; false if that fails
 * @warm: does it once for each length before the start
 * @mixed: lengths differ
 * @ncpus: how many threads there are, each on a processor of its own
 * @n: how often each does it
 * @waiting: threads that are not awake yet
 * @starting: threads that have not come to the start
 * @failed: some thread failed
 * @length: lengths of the spans, over and over
 * @ring: spans on their way
 * @sent: spans put in there
 * @got: spans taken out
 */
struct crowd {
	struct bench_run *run;
	bool (*work)(struct crowd *crowd, unsigned int number, unsigned long n);
	bool warm;
	bool mixed;
	unsigned int ncpus;
	unsigned long n;
	atomic_t waiting;
	atomic_t starting;
	bool failed;
	u8 length[LENGTHS];
	struct bench_span ring[RING];
	unsigned long sent ____cacheline_aligned_in_smp;
	unsigned long got ____cacheline_aligned_in_smp;
};

/**
 * struct member - one of them
 * @crowd: all of them
 * @number: which one this is
 * @start: when it began, in ns
 * @end: when it was done
 * @lost: ns of it in which the host did something else
 * @task: its thread
 */
struct member {
	struct crowd *crowd;
	unsigned int number;
	u64 start;
	u64 end;
	u64 lost;
	struct task_struct *task;
};

static void wait_for_all(atomic_t *missing)
{
	atomic_dec(missing);
	while (atomic_read(missing))
		cpu_relax();
}

/*
 * Asking for the time may take long, so that the start is after that. What the last turn left in
 * caches may be gone meanwhile, if the machine was slow; so it is made warm again.
 */
static int member_fn(void *arg)
{
	struct member *member = arg;
	struct crowd *crowd = member->crowd;
	struct bench_clock clock;
	u64 began, ns;

	wait_for_all(&crowd->waiting);
	began = ktime_get_ns();
	bench_clock_start(&clock, crowd->run->peer);
	if (crowd->warm && !crowd->work(crowd, member->number, LENGTHS))
		WRITE_ONCE(crowd->failed, true);
	wait_for_all(&crowd->starting);
	member->start = ktime_get_ns();
	if (!crowd->work(crowd, member->number, crowd->n))
		WRITE_ONCE(crowd->failed, true);
	member->end = ktime_get_ns();
	ns = bench_clock_stop(&clock);
	ns += LOST_NS;
	member->lost = member->end - began - min(member->end - began, ns);
	return 0;
}

static int make_member(struct crowd *crowd, struct member *member, unsigned int number,
		       unsigned int cpu)
{
	struct task_struct *task;

	member->crowd = crowd;
	member->number = number;
	task = kthread_create(member_fn, member, "bench_cpus/%u", number);
	if (IS_ERR(task))
		return PTR_ERR(task);
	get_task_struct(task);
	kthread_bind(task, cpu);
	member->task = task;
	return 0;
}

/* From the first that begins to the last that is done; and how much of it was lost. */
static int crowd_run(struct crowd *crowd, u64 *ns, u64 *lost)
{
	struct member member[CPUS_MAX] = { };
	unsigned int i, n = 0;
	u64 start = U64_MAX, end = 0;
	int cpu, err = 0;

	if (crowd->ncpus > min_t(unsigned int, num_online_cpus(), CPUS_MAX))
		return -ENODEV;
	crowd->failed = false;
	atomic_set(&crowd->waiting, crowd->ncpus);
	atomic_set(&crowd->starting, crowd->ncpus);
	for_each_online_cpu(cpu) {
		if (err || n == crowd->ncpus)
			break;
		err = make_member(crowd, &member[n], n, cpu);
		n += !err;
	}
	for (i = 0; i < n && !err; i++)
		wake_up_process(member[i].task);
	while (!err && atomic_read(&crowd->waiting))
		usleep_range(100, 200);
	*lost = 0;
	/* Waits for the end; one that was not woken ends without having run. */
	for (i = 0; i < n; i++) {
		kthread_stop(member[i].task);
		put_task_struct(member[i].task);
		start = min(start, member[i].start);
		end = max(end, member[i].end);
		*lost = max(*lost, member[i].lost);
	}
	*ns = end - start;
	return err ? : crowd->failed ? -ENOMEM : 0;
}

/* Lengths are drawn before the start. */
static bool work_pairs(struct crowd *crowd, unsigned int number, unsigned long n)
{
	const struct bench_peer *peer = crowd->run->peer;
	void *state = crowd->run->state;
	struct bench_span span = { };
	unsigned long i;

	for (i = 0; i < n; i++) {
		if (!peer->alloc(state, &span, crowd->length[(i + number) % LENGTHS]))
			return false;
		peer->free(state, &span);
	}
	return true;
}

/* What the other one has done so far. */
static unsigned long seen(unsigned long *count)
{
	/* pairs with the release in tell() */
	return smp_load_acquire(count);
}

static void tell(unsigned long *count, unsigned long n)
{
	/* pairs with the acquire in seen(): a span is in the ring, or out of it */
	smp_store_release(count, n);
}

static bool produce(struct crowd *crowd, unsigned long n)
{
	const struct bench_peer *peer = crowd->run->peer;
	unsigned long i;

	for (i = 0; i < n; i++) {
		struct bench_span *span = &crowd->ring[i % RING];

		while (i - seen(&crowd->got) == RING)
			cpu_relax();
		if (!peer->alloc(crowd->run->state, span, crowd->length[i % LENGTHS])) {
			WRITE_ONCE(crowd->failed, true);
			return false;
		}
		tell(&crowd->sent, i + 1);
	}
	return true;
}

static bool consume(struct crowd *crowd, unsigned long n)
{
	const struct bench_peer *peer = crowd->run->peer;
	unsigned long i;

	for (i = 0; i < n; i++) {
		while (seen(&crowd->sent) == i) {
			if (READ_ONCE(crowd->failed))
				return false;
			cpu_relax();
		}
		peer->free(crowd->run->state, &crowd->ring[i % RING]);
		tell(&crowd->got, i + 1);
	}
	return true;
}

static bool work_handover(struct crowd *crowd, unsigned int number, unsigned long n)
{
	return number ? consume(crowd, n) : produce(crowd, n);
}

static int cpus_begin(struct bench_run *run, const void *arg)
{
	run->state = run->peer->create(CPUS_MAX * RING * CPUS_LENGTH);
	return run->state ? 0 : -ENOMEM;
}

static int cpus_turn(struct bench_run *run, const void *arg, u64 *ps)
{
	struct crowd *crowd = (struct crowd *)arg;
	u64 ns, lost, best = U64_MAX;
	unsigned int i;
	int err = 0;

	crowd->run = run;
	crowd->n = bench_scaled(CPUS_PAIRS);
	for (i = 0; i < LENGTHS; i++)
		crowd->length[i] = crowd->mixed ? bench_length(&run->rnd, CPUS_LENGTH) : 1;
	for (i = 0; i < CPUS_TRIES && !err && best > LOST_PERCENT; i++) {
		crowd->sent = 0;
		crowd->got = 0;
		err = crowd_run(crowd, &ns, &lost);
		lost = div64_u64(lost * 100, ns);
		if (lost >= best)
			continue;
		best = lost;
		*ps = bench_ps(ns, crowd->n * (crowd->work == work_pairs ? crowd->ncpus : 1));
	}
	return err;
}

static void cpus_end(struct bench_run *run)
{
	if (run->state)
		run->peer->destroy(run->state);
}

/* Addresses depend on who comes first, so that they tell nothing. */
static int crowd_at_work(const char *name, const char *param, unsigned int ncpus, bool mixed,
			 bool (*work)(struct crowd *crowd, unsigned int number, unsigned long n))
{
	struct crowd *crowd = kzalloc(sizeof(*crowd), GFP_KERNEL);
	int err;

	if (!crowd)
		return -ENOMEM;
	crowd->ncpus = ncpus;
	crowd->mixed = mixed;
	crowd->work = work;
	crowd->warm = work == work_pairs;
	err = bench_work(&(struct bench_work) {
		.name = name, .param = param, .peers = cpus_peers, .anywhere = true,
		.begin = cpus_begin, .turn = cpus_turn, .end = cpus_end, .arg = crowd,
	});
	kfree(crowd);
	return err;
}

/**
 * bench_cpus() - pairs on several processors at once
 * @words: how many processors, a blank, "same" or "mixed"
 *
 * The time of a pair is that of all divided by the pairs of all.
 *
 * Context: may sleep.
 * Return: 0 or an error.
 */
int bench_cpus(const char *words)
{
	unsigned int ncpus;
	char how[8], param[16];

	if (sscanf(words, "%u %7s", &ncpus, how) != 2 || !ncpus)
		return -EINVAL;
	snprintf(param, sizeof(param), "%u-%s", ncpus, how);
	return crowd_at_work("cpus", param, ncpus, !strcmp(how, "mixed"), work_pairs);
}

/**
 * bench_handover() - one processor allocates what another one frees
 * @words: "same" or "mixed"
 *
 * Context: may sleep.
 * Return: 0 or an error.
 */
int bench_handover(const char *words)
{
	return crowd_at_work("handover", words, 2, !strcmp(words, "mixed"), work_handover);
}
