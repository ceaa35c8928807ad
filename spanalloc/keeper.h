/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The keeper of a heap: its scavenger's clock and thread, and its ear for the
 * system's need of memory. See keeper.c.
 */
#ifndef _SPANALLOC_KEEPER_H
#define _SPANALLOC_KEEPER_H

struct span_heap;

int span_keeper_init(void);
void span_keeper_exit(void);
int span_keeper_add(struct span_heap *heap);
void span_keeper_remove(struct span_heap *heap);

#endif /* _SPANALLOC_KEEPER_H */
