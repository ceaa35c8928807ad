/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where random tests get their decisions from: their own generator (Marsaglia's
 * xorshift64*), so that a printed seed means the same sequence everywhere; or a tape,
 * which is a fuzzer's input.
 */
#ifndef _RNG_H
#define _RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct rng - a source of decisions
 * @state: of the generator
 * @tape: if set, decisions are read from here instead
 * @end: of the tape; what is read behind it is 0
 */
struct rng {
	uint64_t state;
	const uint8_t *tape;
	const uint8_t *end;
};

static inline void rng_seed(struct rng *rng, uint64_t seed)
{
	*rng = (struct rng) { .state = seed * 0x9e3779b97f4a7c15ULL + 0x1234567ULL };
	if (!rng->state)
		rng->state = 1;
}

/* The @nth of many, each with a sequence of its own (as splitmix64, by Steele and others). */
static inline void rng_seed_nth(struct rng *rng, uint64_t seed, uint64_t nth)
{
	uint64_t mixed = seed * 0xd1342543de82ef95ULL + (nth + 1) * 0x9e3779b97f4a7c15ULL;

	mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ULL;
	mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebULL;
	rng_seed(rng, mixed ^ mixed >> 31);
}

static inline void rng_play(struct rng *rng, const uint8_t *tape, size_t size)
{
	*rng = (struct rng) { .tape = tape, .end = tape + size };
}

/* Is a tape at its end? */
static inline bool rng_at_end(const struct rng *rng)
{
	return rng->tape && rng->tape == rng->end;
}

/* From the tape, as many bytes as a number up to @most needs. */
static inline uint64_t rng_read(struct rng *rng, uint64_t most)
{
	uint64_t value = 0;

	for (; most; most >>= 8)
		value = value << 8 | (rng_at_end(rng) ? 0 : *rng->tape++);
	return value;
}

static inline uint64_t rng_next(struct rng *rng)
{
	if (rng->tape)
		return rng_read(rng, UINT64_MAX);
	rng->state ^= rng->state >> 12;
	rng->state ^= rng->state << 25;
	rng->state ^= rng->state >> 27;
	return rng->state * 0x2545f4914f6cdd1dULL;
}

/* A number below @n, which is not 0. */
static inline uint64_t rng_below(struct rng *rng, uint64_t n)
{
	return (rng->tape ? rng_read(rng, n - 1) : rng_next(rng) >> 11) % n;
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
