/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A heap with per-CPU caches: what the tests of these and of bulk operations share. The model,
 * which knows first fit only, plays no part.
 */
#ifndef _CACHE_WORLD_H
#define _CACHE_WORLD_H

#include "heap_world.h"

/* What each CPU may park, unless a test says otherwise. */
#define CW_CACHE_PAGES	64

extern const struct geometry cw_geometry;

struct spanalloc_stats cw_stats(void);
struct span *cw_get(unsigned long npages);
/* The same, at this place. */
struct span *cw_get_at(unsigned long base, unsigned long npages);
void cw_put(struct span *span);
/* The check, in one hold or in batches; it knows what is parked. */
bool cw_sound(unsigned int batch);
/* Everything is free again, and goes away. */
void cw_end(void);

#endif /* _CACHE_WORLD_H */
