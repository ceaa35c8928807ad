// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it takes to know about many spans: what the kernel's object caches grow by, unused parts
 * of their pages included. Tables are too large for a cache, and counted all the same.
 */

#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/vmstat.h>

#include "peers.h"

#define METADATA_PAGES	4
/* Counts of each processor are added to the sum once in a second. */
#define SETTLE_MS	2500

/* In the order of the tables. Trees of free spans know nothing of what is in use. */
static const struct bench_peer *const metadata_peers[] = {
	&bench_null, &bench_heap, &bench_drm, &bench_maple, &bench_iova, NULL
};

static u64 object_bytes(void)
{
	msleep(SETTLE_MS);
	return (u64)(global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B) +
		     global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B)) << PAGE_SHIFT;
}

static int measure(const struct bench_peer *peer, struct bench_slots *spans, u64 *bytes)
{
	unsigned long i, n = 0;
	void *state;

	*bytes = object_bytes();
	state = peer->create(2 * METADATA_PAGES * spans->n);
	if (!state)
		return -ENOMEM;
	while (n < spans->n && peer->alloc(state, bench_slot(spans, n), METADATA_PAGES)) {
		n++;
		cond_resched();
	}
	*bytes = object_bytes() - *bytes;
	for (i = 0; i < n; i++) {
		peer->free(state, bench_slot(spans, i));
		cond_resched();
	}
	peer->destroy(state);
	return n == spans->n ? 0 : -ENOMEM;
}

/**
 * bench_metadata() - bytes for all spans of a peer
 * @words: how many spans
 *
 * Context: may sleep, for seconds.
 * Return: 0 or an error.
 */
int bench_metadata(const char *words)
{
	struct bench_slots spans = { };
	unsigned long n;
	unsigned int i;
	u64 bytes;
	int err = kstrtoul(words, 0, &n);

	if (err || !n)
		return err ? : -EINVAL;
	err = bench_slots_init(&spans, n);
	for (i = 0; !err && metadata_peers[i]; i++) {
		err = measure(metadata_peers[i], &spans, &bytes);
		if (!err)
			bench_result("metadata", metadata_peers[i]->name, words, "bytes",
				     &bytes, 1);
	}
	bench_slots_exit(&spans);
	return err;
}
