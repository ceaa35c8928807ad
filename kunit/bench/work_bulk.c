// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many spans of one length at once, and back: with calls for many, and with a call for each.
 */

#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/slab.h>
#include <linux/spanalloc.h>
#include <linux/string.h>

#include "peers.h"
#include "../../spanalloc/compat.h"

/* Spans of a batch, and batches of a turn. */
#define BULK_SPANS	16
#define BULK_BATCHES	100
/* The longest that are measured. */
#define BULK_PAGES	64

static bool alloc_each(struct bench_run *run, struct bench_span *span, unsigned long npages)
{
	unsigned int i;

	for (i = 0; i < BULK_SPANS; i++)
		if (!run->peer->alloc(run->state, &span[i], npages))
			return false;
	return true;
}

static void free_each(struct bench_run *run, struct bench_span *span)
{
	unsigned int i;

	for (i = 0; i < BULK_SPANS; i++)
		run->peer->free(run->state, &span[i]);
}

static int batches(struct bench_run *run, unsigned long npages, unsigned long n)
{
	const struct bench_peer *peer = run->peer;
	struct bench_span span[BULK_SPANS];
	void *cookie[BULK_SPANS];

	while (n--) {
		if (peer->alloc_bulk) {
			if (!peer->alloc_bulk(run->state, cookie, BULK_SPANS, npages))
				return -ENOMEM;
			peer->free_bulk(run->state, cookie, BULK_SPANS);
		} else {
			if (!alloc_each(run, span, npages))
				return -ENOMEM;
			free_each(run, span);
		}
	}
	return 0;
}

/* What is measured is warm. */
static int bulk_begin(struct bench_run *run, const void *arg)
{
	run->state = run->peer->create(BULK_SPANS * BULK_PAGES * 2);
	return run->state ? batches(run, *(unsigned long *)arg, 10) : -ENOMEM;
}

/* Of one span. */
static int bulk_turn(struct bench_run *run, const void *arg, u64 *ps)
{
	unsigned long n = bench_scaled(BULK_BATCHES);
	struct bench_clock clock;
	int err;

	bench_clock_start(&clock, run->peer);
	err = batches(run, *(unsigned long *)arg, n);
	*ps = bench_ps(bench_clock_stop(&clock), n * BULK_SPANS);
	return err;
}

static void bulk_end(struct bench_run *run)
{
	if (run->state)
		run->peer->destroy(run->state);
}

static bool spans_alloc_bulk(void *state, void **cookie, unsigned int n, unsigned long npages)
{
	return spanalloc_alloc_bulk(state, npages, 0, GFP_KERNEL, n, (struct span **)cookie) == n;
}

static void spans_free_bulk(void *state, void **cookie, unsigned int n)
{
	spanalloc_free_bulk(state, n, (struct span **)cookie);
}

static bool objects_alloc_bulk(void *state, void **cookie, unsigned int n, unsigned long npages)
{
	return kmem_cache_alloc_bulk(state, GFP_KERNEL, n, cookie);
}

static void objects_free_bulk(void *state, void **cookie, unsigned int n)
{
	kmem_cache_free_bulk(state, n, cookie);
}

/* Single pages only; and they come back one by one. */
static bool pages_alloc_bulk(void *state, void **cookie, unsigned int n, unsigned long npages)
{
	memset(cookie, 0, n * sizeof(*cookie));
	return SPAN_ALLOC_PAGES_BULK(GFP_KERNEL, n, (struct page **)cookie) == n;
}

static void pages_free_bulk(void *state, void **cookie, unsigned int n)
{
	while (n)
		__free_page(cookie[--n]);
}

/**
 * bench_bulk() - many spans at once
 * @words: how many pages each has
 *
 * Context: may sleep.
 * Return: 0 or an error.
 */
int bench_bulk(const char *words)
{
	struct bench_peer spans = bench_spanalloc, objects = bench_kmem, pages = bench_pages;
	const struct bench_peer *const peers[] = {
		&bench_null, &bench_spanalloc, &bench_spanalloc_cached, &spans, &bench_pages,
		&pages, &bench_kmem, &objects, NULL
	};
	unsigned long npages;
	int err = kstrtoul(words, 0, &npages);

	if (err || !npages || npages > BULK_PAGES)
		return err ? : -EINVAL;
	spans.name = "spanalloc-bulk";
	spans.alloc_bulk = spans_alloc_bulk;
	spans.free_bulk = spans_free_bulk;
	objects.name = "kmem_cache-bulk";
	objects.alloc_bulk = objects_alloc_bulk;
	objects.free_bulk = objects_free_bulk;
	pages.name = "alloc_pages-bulk";
	pages.longest = 1;
	pages.alloc_bulk = pages_alloc_bulk;
	pages.free_bulk = pages_free_bulk;
	return bench_work(&(struct bench_work) {
		.name = "bulk", .param = words, .peers = peers, .longest = npages,
		.anywhere = true, .begin = bulk_begin, .turn = bulk_turn, .end = bulk_end,
		.arg = &npages,
	});
}
