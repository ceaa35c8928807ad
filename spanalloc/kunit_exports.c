// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the KUnit suites need of the core when they are a module of their own.
 *
 * Built only if CONFIG_SPANALLOC_KUNIT_TEST is set. None of these functions is an
 * interface: other modules have <linux/spanalloc.h>.
 */

#include "compat.h"
#include "heap.h"

/* All here, and not beside the functions, which need not know who tests them. */
#define SHARE(symbol)	EXPORT_SYMBOL_SPANALLOC(symbol)

SHARE(span_treap_init);
SHARE(span_treap_insert);
SHARE(span_treap_erase);
SHARE(__span_treap_mutated);
SHARE(span_treap_first_fit);
SHARE(span_treap_find);
SHARE(span_treap_start);
SHARE(span_treap_end);
SHARE(span_treap_next);
SHARE(span_treap_prev);
SHARE(span_treap_last_below);
SHARE(span_treap_first_above);
SHARE(span_treap_check);

SHARE(span_tally_run);

SHARE(span_heap_create);
SHARE(span_heap_destroy);
SHARE(span_heap_alloc);
SHARE(span_heap_free);
SHARE(span_heap_split);
SHARE(span_heap_quarantine);
SHARE(span_heap_view_begin);
SHARE(span_heap_view_end);
SHARE(span_heap_lookup);
SHARE(span_heap_run);
SHARE(span_heap_scavenge);
SHARE(span_heap_prezero);
SHARE(span_heap_repair);
SHARE(span_heap_forget_contents);
SHARE(span_heap_stats);
SHARE(span_heap_next_span);
SHARE(span_heap_check);
SHARE(span_cache_drain);
SHARE(span_cache_drain_unused);
SHARE(span_cache_npages);
SHARE(span_scavenger_reclaim);

SHARE(span_buddy_backing);
