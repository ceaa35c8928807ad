/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A keeper whose clock the test has in its hand: it notes when the scavenger wants to
 * be called, and calls it when the clock gets there.
 */
#ifndef _FAKE_KEEPER_H
#define _FAKE_KEEPER_H

#include <pthread.h>

#include "heap.h"

/**
 * struct fake_keeper - a clock and a heap's scavenger
 * @heap: the heap; NULL: the keeper has none
 * @now: the time in ns. Whoever gives memory back may move it, see struct fake_backing
 * @pending: a step is to be made
 * @due: when
 * @stepping: a step is being made
 * @crowded: several threads are at work, of which one may be late to wake it
 * @changing: its policy is being changed: the heap may ask for a step again
 * @idle: the heap's idle pages, by what the heap told
 * @nwakes: times that the heap asked for a step
 * @nsteps: steps
 * @nerrors: what should not have happened; each is told as a warning
 * @mutex: protects @pending, @due, @stepping and what is counted
 */
struct fake_keeper {
	struct span_heap *heap;
	u64 now;
	bool pending;
	u64 due;
	bool stepping;
	bool crowded;
	bool changing;
	long idle;
	unsigned long nwakes;
	unsigned long nsteps;
	unsigned long nerrors;
	pthread_mutex_t mutex;
};

/* Give a heap that nobody uses yet a keeper; and take it away again, before its end. */
void fake_keeper_add(struct fake_keeper *keeper, struct span_heap *heap);
void fake_keeper_remove(struct fake_keeper *keeper);

/* Another policy for the heap. */
void fake_keeper_set_policy(struct fake_keeper *keeper, const struct span_policy *policy);
/* One step, if one is due and no other is being made. */
bool fake_keeper_step(struct fake_keeper *keeper);
/* Let time pass until then, with all steps that become due. Returns how many. */
unsigned long fake_keeper_run(struct fake_keeper *keeper, u64 until);
/* Are the heap and its keeper of one mind? While no step is being made. */
bool fake_keeper_agrees(struct fake_keeper *keeper);

#endif /* _FAKE_KEEPER_H */
