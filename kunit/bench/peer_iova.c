// SPDX-License-Identifier: GPL-2.0-only
/*
 * Addresses for devices, as drivers get them: from the top down, and small ones from magazines
 * of each CPU, in sizes that are powers of two.
 */

#include <linux/kconfig.h>

#if !IS_ENABLED(CONFIG_IOMMU_IOVA) && defined(BENCH_HAS_SOURCE)
/* A kernel without an IOMMU does not have it. */
#define CONFIG_IOMMU_IOVA 1
#include "drivers/iommu/iova.c"
#endif

#include <linux/bits.h>
#include <linux/iova.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "peers.h"

/*
 * Above 4 GiB: where a search crosses that border, it begins at the border each time. And an
 * address of 0 would be a failure.
 */
#define IOVA_BASE	BIT(20)

struct iova_peer {
	struct iova_domain domain;
	unsigned long last;
};

static void iova_peer_destroy(void *state)
{
	struct iova_peer *peer = state;

	put_iova_domain(&peer->domain);
	iova_cache_put();
	kfree(peer);
}

static void *iova_peer_create(unsigned long npages)
{
	struct iova_peer *peer;

	if (iova_cache_get())
		return NULL;
	peer = kzalloc(sizeof(*peer), GFP_KERNEL);
	if (!peer) {
		iova_cache_put();
		return NULL;
	}
	/* Rounded to powers of two it takes more. */
	peer->last = IOVA_BASE + 2 * npages;
	init_iova_domain(&peer->domain, PAGE_SIZE, IOVA_BASE);
	if (!iova_domain_init_rcaches(&peer->domain))
		return peer;
	iova_peer_destroy(peer);
	return NULL;
}

static bool iova_peer_alloc(void *state, struct bench_span *span, unsigned long npages)
{
	struct iova_peer *peer = state;

	span->base = alloc_iova_fast(&peer->domain, npages, peer->last, true);
	span->npages = npages;
	return span->base;
}

static void iova_peer_free(void *state, struct bench_span *span)
{
	struct iova_peer *peer = state;

	free_iova_fast(&peer->domain, span->base, span->npages);
}

const struct bench_peer bench_iova = {
	.name = "iova",
	.spans_max = 10000,
	.create = iova_peer_create,
	.destroy = iova_peer_destroy,
	.alloc = iova_peer_alloc,
	.free = iova_peer_free,
};
