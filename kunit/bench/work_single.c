// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one thread does with spans whose order is given: using up a long free span, pairs of
 * one length, recorded traces.
 */

#include <linux/bits.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/kernel_read_file.h>
#include <linux/kstrtox.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "peers.h"

/* Spans that a turn of "carve" allocates, and what is free before that, too short for them. */
#define CARVE_SPANS	10000
#define CARVE_HOLES	10000
#define CARVE_LENGTH	64

static const struct bench_peer *const carve_peers[] = {
	&bench_null, &bench_treap, &bench_treap_reinsert, &bench_treap_rb, &bench_wide, &bench_rb,
	&bench_rb_reinsert, &bench_drm, &bench_maple, &bench_iova, &bench_genpool, NULL
};

/* Every other page of the first ones is free. */
static int make_holes(struct bench_run *run, unsigned long n)
{
	const struct bench_peer *peer = run->peer;
	struct bench_slots pages = { };
	int err = bench_slots_init(&pages, 2 * n);
	unsigned long i;

	for (i = 0; !err && i < 2 * n; i++)
		if (!peer->alloc(run->state, bench_slot(&pages, i), 1))
			err = -ENOMEM;
	for (i = 0; !err && i < 2 * n; i += 2)
		peer->free(run->state, bench_slot(&pages, i));
	bench_slots_exit(&pages);
	return err;
}

static bool alloc_all(struct bench_run *run)
{
	const struct bench_peer *peer = run->peer;
	unsigned long i;

	for (i = 0; i < run->slots.n; i++) {
		struct bench_span *span = bench_slot(&run->slots, i);

		if (!peer->alloc(run->state, span, span->npages))
			return false;
	}
	return true;
}

static int carve_begin(struct bench_run *run, const void *arg)
{
	return bench_slots_init(&run->slots, bench_scaled(CARVE_SPANS));
}

static void slots_end(struct bench_run *run)
{
	bench_slots_exit(&run->slots);
}

static int carve_turn(struct bench_run *run, const void *arg, u64 *ps)
{
	unsigned long n = run->slots.n, nholes = *(unsigned long *)arg, i;
	const struct bench_peer *peer = run->peer;
	struct bench_clock clock;
	int err;

	run->state = peer->create(2 * nholes + n * (CARVE_LENGTH + 1));
	if (!run->state)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		bench_slot(&run->slots, i)->npages = 1 + bench_length(&run->rnd, CARVE_LENGTH);
	err = peer->reserve && !peer->reserve(run->state, 2 * nholes + n) ? -ENOMEM : 0;
	if (!err)
		err = make_holes(run, nholes);
	bench_clock_start(&clock, peer);
	if (!err && !alloc_all(run))
		err = -ENOMEM;
	*ps = bench_ps(bench_clock_stop(&clock), n);
	for (i = 0; i < n; i++)
		run->hash = bench_hash(run->hash, bench_slot(&run->slots, i)->base);
	peer->destroy(run->state);
	return err;
}

/**
 * bench_carve() - a long free span is used up from its front
 * @words: "w1", or "w1b": behind free spans that are too short
 *
 * Context: may sleep.
 * Return: 0 or an error.
 */
int bench_carve(const char *words)
{
	unsigned long nholes = strcmp(words, "w1") ? bench_scaled(CARVE_HOLES) : 0;

	return bench_work(&(struct bench_work) {
		.name = "carve", .param = words, .peers = carve_peers,
		.begin = carve_begin, .turn = carve_turn, .end = slots_end, .arg = &nholes,
	});
}

static const struct bench_peer *const index_pair_peers[] = {
	&bench_null, &bench_treap, &bench_rb, &bench_drm, &bench_maple, &bench_iova,
	&bench_genpool, &bench_heap, &bench_heap_cached, NULL
};

static const struct bench_peer *const pair_peers[] = {
	&bench_null, &bench_spanalloc, &bench_spanalloc_cached, &bench_spanalloc_zero,
	&bench_pages, &bench_exact, &bench_vmalloc, &bench_kmem, NULL
};

/* Address space for whoever has one span at a time. */
#define PAIR_PAGES	65536
/* Who takes long does so many times less. */
#define SLEEPERS_SHARE	100

static void state_end(struct bench_run *run)
{
	if (run->state)
		run->peer->destroy(run->state);
}

static int pairs(struct bench_run *run, unsigned long npages, unsigned long n)
{
	const struct bench_peer *peer = run->peer;
	struct bench_span span = { };
	u64 hash = run->hash;

	while (n--) {
		if (!peer->alloc(run->state, &span, npages))
			return -ENOMEM;
		hash = bench_hash(hash, span.base);
		peer->free(run->state, &span);
	}
	run->hash = hash;
	return 0;
}

/* What is measured is warm. */
static int pair_begin(struct bench_run *run, const void *arg)
{
	run->state = run->peer->create(PAIR_PAGES);
	return run->state ? pairs(run, *(unsigned long *)arg, 100) : -ENOMEM;
}

static int pair_turn(struct bench_run *run, const void *arg, u64 *ps)
{
	unsigned long npages = *(unsigned long *)arg;
	unsigned long n = bench_scaled(clamp((1UL << 18) / npages, 500UL, 2000UL));
	struct bench_clock clock;
	int err;

	if (run->peer->sleeps)
		n = max(n / SLEEPERS_SHARE, 1UL);
	bench_clock_start(&clock, run->peer);
	err = pairs(run, npages, n);
	*ps = bench_ps(bench_clock_stop(&clock), n);
	return err;
}

static int pair_of(const char *name, const char *words, const struct bench_peer *const *peers)
{
	unsigned long npages;
	int err = kstrtoul(words, 0, &npages);

	if (err || !npages || npages > PAIR_PAGES)
		return err ? : -EINVAL;
	return bench_work(&(struct bench_work) {
		.name = name, .param = words, .peers = peers,
		.begin = pair_begin, .turn = pair_turn, .end = state_end, .arg = &npages,
	});
}

/**
 * bench_index_pair() - allocate and free addresses
 * @words: how many pages
 *
 * Context: may sleep.
 * Return: 0 or an error.
 */
int bench_index_pair(const char *words)
{
	return pair_of("index-pair", words, index_pair_peers);
}

/**
 * bench_pair() - allocate and free memory
 * @words: how many pages
 *
 * Context: may sleep.
 * Return: 0 or an error.
 */
int bench_pair(const char *words)
{
	return pair_of("pair", words, pair_peers);
}

static const struct bench_peer *const trace_peers[] = {
	&bench_null, &bench_treap, &bench_rb, &bench_drm, &bench_maple, &bench_iova,
	&bench_genpool, &bench_heap, &bench_heap_cached, &bench_spanalloc,
	&bench_spanalloc_cached, &bench_pages, &bench_exact, NULL
};

/* Address space for a trace; no more than a bitmap can have. */
#define TRACE_PAGES	BIT(20)

/**
 * struct event - of a recording
 * @slot: which span
 * @npages: pages to be allocated; 0: to be freed
 */
struct event {
	u32 slot;
	u32 npages;
};

/**
 * struct recording - a trace
 * @event: what happened
 * @nevents: how much
 * @nslots: slots in it
 * @longest: most pages that are allocated at once
 */
struct recording {
	const struct event *event;
	unsigned long nevents;
	unsigned long nslots;
	unsigned long longest;
};

static int trace_begin(struct bench_run *run, const void *arg)
{
	const struct recording *recording = arg;

	return bench_slots_init(&run->slots, recording->nslots);
}

static int replay(struct bench_run *run, const struct recording *recording)
{
	const struct event *event = recording->event, *end = event + recording->nevents;
	const struct bench_peer *peer = run->peer;
	u64 hash = run->hash;

	for (; event < end; event++) {
		struct bench_span *span = bench_slot(&run->slots, event->slot);

		if (!event->npages) {
			peer->free(run->state, span);
			span->npages = 0;
			continue;
		}
		if (!peer->alloc(run->state, span, event->npages)) {
			span->npages = 0;
			return -ENOMEM;
		}
		hash = bench_hash(hash, span->base);
	}
	run->hash = hash;
	return 0;
}

static int trace_turn(struct bench_run *run, const void *arg, u64 *ps)
{
	const struct recording *recording = arg;
	const struct bench_peer *peer = run->peer;
	struct bench_clock clock;
	unsigned long i;
	int err;

	run->state = peer->create(TRACE_PAGES);
	if (!run->state)
		return -ENOMEM;
	err = peer->reserve && !peer->reserve(run->state, recording->nslots) ? -ENOMEM : 0;
	bench_clock_start(&clock, peer);
	if (!err)
		err = replay(run, recording);
	*ps = bench_ps(bench_clock_stop(&clock), recording->nevents);
	for (i = 0; i < recording->nslots; i++) {
		struct bench_span *span = bench_slot(&run->slots, i);

		if (span->npages)
			peer->free(run->state, span);
		span->npages = 0;
	}
	peer->destroy(run->state);
	return err;
}

/**
 * bench_trace() - what a recording did
 * @words: its path, a blank, and its name
 *
 * Context: may sleep.
 * Return: 0 or an error.
 */
int bench_trace(const char *words)
{
	struct recording recording = { };
	char *path, *name;
	void *data = NULL;
	ssize_t size;
	int err;
	u32 i;

	name = strchr(words, ' ');
	if (!name)
		return -EINVAL;
	path = kstrndup(words, name++ - words, GFP_KERNEL);
	if (!path)
		return -ENOMEM;
	size = kernel_read_file_from_path(path, 0, &data, INT_MAX, NULL, READING_UNKNOWN);
	kfree(path);
	if (size < 0)
		return size;
	recording.event = data;
	recording.nevents = size / sizeof(struct event);
	for (i = 0; i < recording.nevents; i++) {
		recording.nslots = max(recording.nslots, recording.event[i].slot + 1UL);
		recording.longest = max_t(unsigned long, recording.longest,
					  recording.event[i].npages);
	}
	err = recording.nevents ? bench_work(&(struct bench_work) {
		.name = "trace", .param = name, .peers = trace_peers,
		.longest = recording.longest,
		.begin = trace_begin, .turn = trace_turn, .end = slots_end, .arg = &recording,
	}) : -EINVAL;
	vfree(data);
	return err;
}
