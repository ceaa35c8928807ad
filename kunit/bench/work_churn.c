// SPDX-License-Identifier: GPL-2.0-only
/*
 * Churn: of many spans with free ones between them, one is freed and another one allocated, at
 * random.
 */

#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/minmax.h>
#include <linux/sched.h>

#include "peers.h"

/* Spans are of 1 to so many pages. */
#define CHURN_LENGTH	64
/* Pairs in a turn: nearly all is past what the other peers have thrown out of the caches. */
#define CHURN_PAIRS	100000
/* Pairs in one go, with interrupts off if they are to be: of who takes longest, 0.2 s. */
#define CHURN_PIECE	10000UL

static const struct bench_peer *const churn_peers[] = {
	&bench_null, &bench_treap, &bench_treap_reinsert, &bench_treap_rb, &bench_wide, &bench_rb,
	&bench_drm, &bench_maple, &bench_iova, &bench_genpool, &bench_heap, &bench_heap_cached, NULL
};

/* At this many spans and more, the guest has memory for no others. */
#define CHURN_HUGE	10000000
static const struct bench_peer *const huge_peers[] = {
	&bench_null, &bench_treap, &bench_wide, &bench_rb, NULL
};

/* Who has no memory is what the others are compared to. */
static const struct bench_peer *const memory_peers[] = {
	&bench_null, &bench_rb, &bench_spanalloc, &bench_spanalloc_cached, &bench_pages,
	&bench_exact, NULL
};

/* At this many spans and more, the guest has memory for one of them. */
#define MEMORY_HUGE	100000
static const struct bench_peer *const memory_huge_peers[] = {
	&bench_null, &bench_rb, &bench_spanalloc_cached, NULL
};

static bool alloc(struct bench_run *run, struct bench_span *span)
{
	if (!run->peer->alloc(run->state, span, bench_length(&run->rnd, CHURN_LENGTH)))
		return false;
	run->hash = bench_hash(run->hash, span->base);
	return true;
}

/* Every other one of twice as many spans stays. */
static int fill(struct bench_run *run, struct bench_slots *gaps)
{
	unsigned long i;

	for (i = 0; i < gaps->n; i++) {
		if (!alloc(run, bench_slot(gaps, i)) || !alloc(run, bench_slot(&run->slots, i)))
			return -ENOMEM;
		cond_resched();
	}
	for (i = 0; i < gaps->n; i++) {
		run->peer->free(run->state, bench_slot(gaps, i));
		cond_resched();
	}
	return 0;
}

static bool churn(struct bench_run *run, unsigned long n)
{
	while (n--) {
		unsigned long at = prandom_u32_state(&run->rnd) % run->slots.n;
		struct bench_span *span = bench_slot(&run->slots, at);

		run->peer->free(run->state, span);
		if (!alloc(run, span)) {
			span->npages = 0;
			return false;
		}
	}
	return true;
}

static int churn_turn(struct bench_run *run, const void *arg, u64 *ps)
{
	unsigned long n = bench_scaled(CHURN_PAIRS), left = n, piece;
	struct bench_clock clock;
	bool good = true;
	u64 ns = 0;

	for (; good && left; left -= piece) {
		piece = min(left, CHURN_PIECE);
		bench_clock_start(&clock, run->peer);
		good = churn(run, piece);
		ns += bench_clock_stop(&clock);
	}
	*ps = bench_ps(ns, n);
	return good ? 0 : -ENOMEM;
}

static int churn_begin(struct bench_run *run, const void *arg)
{
	unsigned long n = *(unsigned long *)arg;
	struct bench_slots gaps = { };
	u64 ps;
	int err;

	run->state = run->peer->create(2 * n * CHURN_LENGTH);
	if (!run->state)
		return -ENOMEM;
	err = bench_slots_init(&run->slots, n) ? : bench_slots_init(&gaps, n);
	if (!err)
		err = fill(run, &gaps);
	bench_slots_exit(&gaps);
	/* The first ones meet what no later ones do. */
	return err ? : churn_turn(run, arg, &ps);
}

static void churn_end(struct bench_run *run)
{
	unsigned long i;

	for (i = 0; run->state && run->slots.chunk && i < run->slots.n; i++) {
		struct bench_span *span = bench_slot(&run->slots, i);

		if (span->npages)
			run->peer->free(run->state, span);
		cond_resched();
	}
	bench_slots_exit(&run->slots);
	if (run->state)
		run->peer->destroy(run->state);
}

/* Among @huge spans and more, only some of the peers are measured. */
static int churn_of(const char *name, const char *words, const struct bench_peer *const *peers,
		    unsigned long huge, const struct bench_peer *const *peers_of_huge)
{
	unsigned long n;
	int err = kstrtoul(words, 0, &n);

	if (err || !n)
		return err ? : -EINVAL;
	return bench_work(&(struct bench_work) {
		.name = name, .param = words, .nspans = n,
		.peers = n < huge ? peers : peers_of_huge,
		.begin = churn_begin, .turn = churn_turn, .end = churn_end, .arg = &n,
	});
}

/**
 * bench_churn() - churn of addresses
 * @words: how many free spans there are at first
 *
 * Context: may sleep.
 * Return: 0 or an error.
 */
int bench_churn(const char *words)
{
	return churn_of("churn", words, churn_peers, CHURN_HUGE, huge_peers);
}

/**
 * bench_churn_memory() - churn of memory
 * @words: how many free spans there are at first
 *
 * Context: may sleep.
 * Return: 0 or an error.
 */
int bench_churn_memory(const char *words)
{
	return churn_of("churn-memory", words, memory_peers, MEMORY_HUGE, memory_huge_peers);
}
