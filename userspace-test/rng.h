/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tests' own generator (Marsaglia's xorshift64*), so that a printed seed
 * means the same sequence everywhere.
 */
#ifndef _RNG_H
#define _RNG_H

#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline void rng_seed(struct rng *rng, uint64_t seed)
{
	rng->state = seed * 0x9e3779b97f4a7c15ULL + 0x1234567ULL;
	if (!rng->state)
		rng->state = 1;
}

static inline uint64_t rng_next(struct rng *rng)
{
	rng->state ^= rng->state >> 12;
	rng->state ^= rng->state << 25;
	rng->state ^= rng->state >> 27;
	return rng->state * 0x2545f4914f6cdd1dULL;
}

/* A number below @n, which is not 0. */
static inline uint64_t rng_below(struct rng *rng, uint64_t n)
{
	return (rng_next(rng) >> 11) % n;
}

/* A number from @low to @high, both included. */
static inline uint64_t rng_range(struct rng *rng, uint64_t low, uint64_t high)
{
	return low + rng_below(rng, high - low + 1);
}

/* True once in @n times. */
static inline int rng_once_in(struct rng *rng, uint64_t n)
{
	return rng_below(rng, n) == 0;
}

#endif /* _RNG_H */
