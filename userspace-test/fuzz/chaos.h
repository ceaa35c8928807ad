/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the targets that run heap_chaos.c.
 */
#ifndef _FUZZ_CHAOS_H
#define _FUZZ_CHAOS_H

#include "heap_world.h"

/* What kind of heap it is to be, with further decisions of the input. */
void fuzz_adjust(struct geometry *geometry, struct rng *tape);

#endif /* _FUZZ_CHAOS_H */
