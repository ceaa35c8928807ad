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
 *
 * Objects are made and deleted many at a time only where interrupts are on: the slab
 * allocator wants that. (That of Linux 6.1 turns them on, whether they were or not.) Who has
 * them off, in an interrupt above all, gets one after the other.
 *
 * Looking a page up takes no lock (arena.c), and may meet a span of somebody else that
 * is being deleted: the memory of objects stays that of spans for an RCU grace period.
 */

#include <linux/errno.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/slab.h>

#include "span.h"

static struct kmem_cache *span_cache;

/*
 * Who looks a span up may read of an object that is free already (SLAB_TYPESAFE_BY_RCU). So the
 * slab's own link has to lie behind the object, where it would be in the next cache line, or in
 * a part that such a reader does not look at. Kernels that can be told of one, 6.12 and later,
 * have a macro of this name.
 */
static struct kmem_cache *make_cache(void)
{
#ifdef kmem_cache_create
	struct kmem_cache_args args = {
		.use_freeptr_offset = true,
		.freeptr_offset = offsetof(struct span, caller),
	};

	return kmem_cache_create("spanalloc_span", sizeof(struct span), &args,
				 SLAB_TYPESAFE_BY_RCU | SLAB_HWCACHE_ALIGN);
#else
	return kmem_cache_create("spanalloc_span", sizeof(struct span), 0,
				 SLAB_TYPESAFE_BY_RCU, NULL);
#endif
}

/**
 * span_objects_init() - make the cache that span objects come from
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int span_objects_init(void)
{
	span_cache = make_cache();
	return span_cache ? 0 : -ENOMEM;
}

/**
 * span_objects_exit() - destroy the cache; no span may be left
 *
 * Context: may sleep.
 */
void span_objects_exit(void)
{
	kmem_cache_destroy(span_cache);
	span_cache = NULL;
}

static void init(struct span *span)
{
	*span = (struct span) { .node.state = SPAN_DEAD };
	RB_CLEAR_NODE(&span->node.rb);
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

	if (span)
		init(span);
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
 * span_new_many() - make span objects
 * @gfp: says whether the call may sleep
 * @n: how many
 * @span: out: the objects
 *
 * Context: any that @gfp allows.
 * Return: how many were made: @n or 0, with interrupts off perhaps fewer than @n.
 */
unsigned int span_new_many(gfp_t gfp, unsigned int n, struct span **span)
{
	unsigned int i;

	if (irqs_disabled()) {
		for (i = 0; i < n && (span[i] = span_new(gfp)); i++)
			;
		return i;
	}
	if (!kmem_cache_alloc_bulk(span_cache, gfp, n, (void **)span))
		return 0;
	for (i = 0; i < n; i++)
		init(span[i]);
	return n;
}

/**
 * span_delete_many() - give span objects back
 * @n: how many, may be 0
 * @span: dead spans
 *
 * Context: any.
 */
void span_delete_many(unsigned int n, struct span **span)
{
	if (n && !irqs_disabled()) {
		kmem_cache_free_bulk(span_cache, n, (void **)span);
		return;
	}
	while (n)
		span_delete(span[--n]);
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
		[SPAN_CACHED] = "cached",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "damaged";
}
