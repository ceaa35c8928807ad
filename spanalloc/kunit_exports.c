// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the KUnit suites need of the core when they are a module of their own.
 *
 * Built only if CONFIG_SPANALLOC_KUNIT_TEST is set. None of these functions is an
 * interface: other modules have <linux/spanalloc.h>.
 */

#include "compat.h"
#include "heap.h"

EXPORT_SYMBOL_SPANALLOC(span_treap_init);
EXPORT_SYMBOL_SPANALLOC(span_treap_insert);
EXPORT_SYMBOL_SPANALLOC(span_treap_erase);
EXPORT_SYMBOL_SPANALLOC(__span_treap_mutated);
EXPORT_SYMBOL_SPANALLOC(span_treap_first_fit);
EXPORT_SYMBOL_SPANALLOC(span_treap_find);
EXPORT_SYMBOL_SPANALLOC(span_treap_start);
EXPORT_SYMBOL_SPANALLOC(span_treap_end);
EXPORT_SYMBOL_SPANALLOC(span_treap_next);
EXPORT_SYMBOL_SPANALLOC(span_treap_prev);
EXPORT_SYMBOL_SPANALLOC(span_treap_last_below);
EXPORT_SYMBOL_SPANALLOC(span_treap_check);

EXPORT_SYMBOL_SPANALLOC(span_tally_run);

EXPORT_SYMBOL_SPANALLOC(span_heap_create);
EXPORT_SYMBOL_SPANALLOC(span_heap_destroy);
EXPORT_SYMBOL_SPANALLOC(span_heap_alloc);
EXPORT_SYMBOL_SPANALLOC(span_heap_free);
EXPORT_SYMBOL_SPANALLOC(span_heap_split);
EXPORT_SYMBOL_SPANALLOC(span_heap_quarantine);
EXPORT_SYMBOL_SPANALLOC(span_heap_lookup);
EXPORT_SYMBOL_SPANALLOC(span_heap_run);
EXPORT_SYMBOL_SPANALLOC(span_heap_scavenge);
EXPORT_SYMBOL_SPANALLOC(span_heap_stats);
EXPORT_SYMBOL_SPANALLOC(span_heap_next_span);
EXPORT_SYMBOL_SPANALLOC(span_heap_check);

EXPORT_SYMBOL_SPANALLOC(span_buddy_backing);
