// SPDX-License-Identifier: GPL-2.0-only
/*
 * How peers are measured: all of them in each round, one after the other.
 */

#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "peers.h"

/**
 * bench_pool_init() - make a pool of nodes that has none
 * @pool: the pool
 * @name: of their cache
 * @size: of a node
 *
 * Context: may sleep.
 * Return: false if there is no memory.
 */
bool bench_pool_init(struct bench_pool *pool, const char *name, size_t size)
{
	static unsigned int number;
	char unique[32];

	/* Peers of one kind may be there at the same time. */
	snprintf(unique, sizeof(unique), "%s-%u", name, number++);
	pool->free = NULL;
	pool->cache = kmem_cache_create(unique, size, 0, SLAB_HWCACHE_ALIGN, NULL);
	return pool->cache;
}

/**
 * bench_pool_fill() - have more nodes in hand
 * @pool: the pool
 * @n: how many more
 *
 * Context: may sleep.
 * Return: false if there is no memory.
 */
bool bench_pool_fill(struct bench_pool *pool, unsigned long n)
{
	while (n--) {
		void *node = kmem_cache_zalloc(pool->cache, GFP_KERNEL);

		if (!node)
			return false;
		bench_pool_put(pool, node);
	}
	return true;
}

/**
 * bench_pool_exit() - free all nodes
 * @pool: the pool, which has all of them
 *
 * Context: may sleep.
 */
void bench_pool_exit(struct bench_pool *pool)
{
	void *node = pool->free, *next;

	for (; node; node = next) {
		next = *(void **)node;
		kmem_cache_free(pool->cache, node);
	}
	kmem_cache_destroy(pool->cache);
}

/**
 * bench_slots_init() - make a long array
 * @slots: the array
 * @n: its length
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM; bench_slots_exit() is to be called in any case.
 */
int bench_slots_init(struct bench_slots *slots, unsigned long n)
{
	unsigned long nchunks = DIV_ROUND_UP(n, 1UL << BENCH_CHUNK_SHIFT), i;

	slots->n = n;
	slots->chunk = kcalloc(nchunks, sizeof(*slots->chunk), GFP_KERNEL);
	if (!slots->chunk)
		return -ENOMEM;
	for (i = 0; i < nchunks; i++) {
		slots->chunk[i] = kcalloc(1UL << BENCH_CHUNK_SHIFT, sizeof(struct bench_span),
					  GFP_KERNEL);
		if (!slots->chunk[i])
			return -ENOMEM;
	}
	return 0;
}

/**
 * bench_slots_exit() - free a long array
 * @slots: the array, or what is left of one that could not be made
 *
 * Context: any.
 */
void bench_slots_exit(struct bench_slots *slots)
{
	unsigned long nchunks = DIV_ROUND_UP(slots->n, 1UL << BENCH_CHUNK_SHIFT), i;

	for (i = 0; slots->chunk && i < nchunks; i++)
		kfree(slots->chunk[i]);
	kfree(slots->chunk);
	*slots = (struct bench_slots) { };
}

/*
 * Where nothing interrupts us but the host, what that does meanwhile does not count: a guest's
 * processor is a thread of the host.
 */
static u64 clock_now(const struct bench_clock *clock)
{
#ifdef BENCH_HOST_CLOCK
	struct bench_host_time time;

	if (clock->off && !clock_gettime(BENCH_HOST_CLOCK, &time))
		return time.sec * NSEC_PER_SEC + time.nsec;
#endif
	return ktime_get_ns();
}

/**
 * bench_clock_start() - time begins
 * @clock: the clock
 * @peer: who is going to be measured
 *
 * With interrupts off, if they are to be, and then nothing may sleep until the time ends: all
 * memory that is asked for is there.
 *
 * Context: may sleep.
 */
void bench_clock_start(struct bench_clock *clock, const struct bench_peer *peer)
{
	cond_resched();
	clock->off = bench_irqs_off() && !peer->sleeps;
	if (clock->off)
		local_irq_save(clock->flags);
	clock->start = clock_now(clock);
}

/**
 * bench_clock_stop() - time ends
 * @clock: the clock
 *
 * Return: nanoseconds since it began.
 */
u64 bench_clock_stop(struct bench_clock *clock)
{
	u64 ns = clock_now(clock) - clock->start;

	if (clock->off)
		local_irq_restore(clock->flags);
	return ns;
}

/**
 * bench_ps() - picoseconds of one of many operations
 * @ns: nanoseconds of all
 * @n: how many there were
 *
 * Return: the quotient, rounded down.
 */
u64 bench_ps(u64 ns, u64 n)
{
	return div64_u64(ns * 1000, n);
}

/**
 * bench_result() - tell what was measured
 * @name: the measurement
 * @peer: who was measured
 * @param: at what
 * @unit: ps or bytes
 * @values: one for each round
 * @n: how many rounds there were
 *
 * In the kernel's log, since there may be a lot; what reads it is
 * userspace-test/peers/report.py.
 */
void bench_result(const char *name, const char *peer, const char *param, const char *unit,
		  const u64 *values, unsigned int n)
{
	static char line[BENCH_ROUNDS_MAX * 13];
	unsigned int i;
	int len = 0;

	line[0] = 0;
	for (i = 0; i < n; i++)
		len += scnprintf(line + len, sizeof(line) - len, " %llu", values[i]);
	pr_info("spanalloc_peers: result %s %s %s %s%s\n", name, peer, param, unit, line);
}

static bool takes_part(const struct bench_work *work, const struct bench_peer *peer)
{
	return (!peer->spans_max || work->nspans <= peer->spans_max) &&
	       (!peer->longest || work->longest <= peer->longest);
}

static int run_rounds(const struct bench_work *work, struct bench_run **run, unsigned int n)
{
	unsigned int round, i;
	int err;

	for (round = 0; round < bench_rounds(); round++) {
		for (i = 0; i < n; i++) {
			err = work->turn(run[i], work->arg, &run[i]->ps[round]);
			if (err)
				return err;
			cond_resched();
		}
	}
	for (i = 0; i < n; i++) {
		bench_result(work->name, run[i]->peer->name, work->param, "ps", run[i]->ps,
			     bench_rounds());
		if (run[i]->peer->lowest && !work->anywhere)
			pr_info("spanalloc_peers: address %s %s %s %llx\n", work->name,
				run[i]->peer->name, work->param, run[i]->hash);
	}
	return 0;
}

static int begin(const struct bench_work *work, struct bench_run *run,
		 const struct bench_peer *peer)
{
	run->peer = peer;
	prandom_seed_state(&run->rnd, 1);
	return work->begin ? work->begin(run, work->arg) : 0;
}

/**
 * bench_work() - measure peers at something
 * @work: the peers, and at what
 *
 * Each round measures all of them, so that a machine that gets busy spoils all alike.
 *
 * Context: may sleep, for minutes.
 * Return: 0 or an error.
 */
int bench_work(const struct bench_work *work)
{
	struct bench_run *run[BENCH_PEERS_MAX] = { };
	unsigned int i, n = 0;
	int err = 0;

	for (i = 0; !err && work->peers[i]; i++) {
		if (!takes_part(work, work->peers[i]))
			continue;
		if (WARN_ON(n == BENCH_PEERS_MAX))
			return -E2BIG;
		run[n] = kzalloc(sizeof(*run[n]), GFP_KERNEL);
		err = run[n] ? begin(work, run[n], work->peers[i]) : -ENOMEM;
		if (err)
			pr_err("spanalloc_peers: %s %s %s: %d\n", work->name,
			       work->peers[i]->name, work->param, err);
		n++;
	}
	if (!err)
		err = run_rounds(work, run, n);
	while (n--) {
		if (run[n] && work->end)
			work->end(run[n]);
		kfree(run[n]);
	}
	return err;
}
