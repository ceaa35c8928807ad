// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: operations inside of operations, where an allocation has dropped the lock.
 */
#include "chaos.h"
#include "fuzz.h"

const char fuzz_target[] = "race";

void fuzz_adjust(struct geometry *geometry, struct rng *tape)
{
}
