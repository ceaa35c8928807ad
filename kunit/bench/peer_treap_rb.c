// SPDX-License-Identifier: GPL-2.0-only
/*
 * The heap's tree with the balance of a red-black tree instead of a treap's, and nothing else
 * changed: what the treap itself costs or saves.
 */

#define SPAN_TREAP_AS_RBTREE	"../kunit/bench/treap_balance_rb.h"

#define span_treap_init		span_rbtree_init
#define span_treap_insert	span_rbtree_insert
#define span_treap_erase	span_rbtree_erase
#define __span_treap_mutated	__span_rbtree_mutated
#define span_treap_first_fit	span_rbtree_first_fit
#define span_treap_find		span_rbtree_find
#define span_treap_start	span_rbtree_start
#define span_treap_end		span_rbtree_end
#define span_treap_next		span_rbtree_next
#define span_treap_prev		span_rbtree_prev
#define span_treap_last_below	span_rbtree_last_below
#define span_treap_first_above	span_rbtree_first_above

#define BENCH_TREE		bench_treap_rb
#define BENCH_TREE_NAME		"treap-as-rb"

#include "../../spanalloc/treap.c"
#include "peer_treap.c"
