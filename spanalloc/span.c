// SPDX-License-Identifier: GPL-2.0-only
/*
 * Span objects: where they come from and what their states are called.
 */

/**
 * DOC: Spans
 *
 * A span is made before the heap's lock is taken and deleted after it was
 * dropped: what can fail is reserved first, and freeing a span never needs an
 * object. One slab cache serves all heaps.
 */

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/slab.h>

#include "span.h"

static struct kmem_cache *span_cache;

/**
 * span_cache_init() - make the cache that span objects come from
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int span_cache_init(void)
{
	span_cache = kmem_cache_create("spanalloc_span", sizeof(struct span), 0, 0, NULL);
	return span_cache ? 0 : -ENOMEM;
}

/**
 * span_cache_exit() - destroy the cache; no span may be left
 *
 * Context: may sleep.
 */
void span_cache_exit(void)
{
	kmem_cache_destroy(span_cache);
	span_cache = NULL;
}

/**
 * span_new() - make a span object
 * @gfp: says whether the call may sleep
 *
 * Context: any that @gfp allows.
 * Return: a dead span that is in no heap and no tree, or NULL.
 */
struct span *span_new(gfp_t gfp)
{
	struct span *span = kmem_cache_alloc(span_cache, gfp);

	if (!span)
		return NULL;
	*span = (struct span) { .state = SPAN_DEAD };
	RB_CLEAR_NODE(&span->node.rb);
	return span;
}

/**
 * span_delete() - give a span object back
 * @span: a dead span, or NULL
 *
 * Context: any.
 */
void span_delete(struct span *span)
{
	if (span)
		kmem_cache_free(span_cache, span);
}

/**
 * span_state_name() - what people call a state
 * @state: an enum span_state
 *
 * Context: any.
 * Return: a constant string.
 */
const char *span_state_name(u8 state)
{
	static const char * const names[] = {
		[SPAN_DEAD] = "dead",
		[SPAN_FREE] = "free",
		[SPAN_CLAIMED] = "claimed",
		[SPAN_IN_USE] = "in-use",
		[SPAN_QUARANTINED] = "quarantined",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "damaged";
}
