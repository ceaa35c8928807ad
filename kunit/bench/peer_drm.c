// SPDX-License-Identifier: GPL-2.0-only
/*
 * drm_mm, asked for the lowest place. Its nodes are the caller's.
 */

#include <drm/drm_mm.h>
#include <linux/kconfig.h>
#include <linux/slab.h>

#if !IS_ENABLED(CONFIG_DRM) && defined(BENCH_HAS_SOURCE)
/* The allocator does without the rest, except where it prints. */
#include "drivers/gpu/drm/drm_mm.c"
void drm_printf(struct drm_printer *p, const char *f, ...)
{
}
#endif

#include "peers.h"

struct drm_peer {
	struct drm_mm mm;
	struct bench_pool nodes;
};

static void *drm_create(unsigned long npages)
{
	struct drm_peer *peer = kzalloc(sizeof(*peer), GFP_KERNEL);

	if (!peer)
		return NULL;
	if (!bench_pool_init(&peer->nodes, "bench_drm", sizeof(struct drm_mm_node))) {
		kfree(peer);
		return NULL;
	}
	drm_mm_init(&peer->mm, 0, npages);
	return peer;
}

static bool drm_reserve(void *state, unsigned long nspans)
{
	struct drm_peer *peer = state;

	return bench_pool_fill(&peer->nodes, nspans);
}

static void drm_destroy(void *state)
{
	struct drm_peer *peer = state;
	struct drm_mm_node *node, *next;

	drm_mm_for_each_node_safe(node, next, &peer->mm) {
		drm_mm_remove_node(node);
		bench_pool_put(&peer->nodes, node);
	}
	drm_mm_takedown(&peer->mm);
	bench_pool_exit(&peer->nodes);
	kfree(peer);
}

static bool drm_alloc(void *state, struct bench_span *span, unsigned long npages)
{
	struct drm_peer *peer = state;
	struct drm_mm_node *node = bench_pool_get(&peer->nodes);

	if (!node)
		return false;
	if (drm_mm_insert_node_in_range(&peer->mm, node, npages, 0, 0, 0, U64_MAX,
					DRM_MM_INSERT_LOW)) {
		bench_pool_put(&peer->nodes, node);
		return false;
	}
	span->base = node->start;
	span->npages = npages;
	span->cookie = node;
	return true;
}

static void drm_free(void *state, struct bench_span *span)
{
	struct drm_peer *peer = state;

	drm_mm_remove_node(span->cookie);
	bench_pool_put(&peer->nodes, span->cookie);
}

const struct bench_peer bench_drm = {
	.name = "drm_mm",
	.lowest = true,
	.create = drm_create,
	.destroy = drm_destroy,
	.reserve = drm_reserve,
	.alloc = drm_alloc,
	.free = drm_free,
};
