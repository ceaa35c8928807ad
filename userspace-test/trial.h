/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random sequences of steps. What a step does follows from the seed, its number and the
 * state that it finds, and it means something in any state: so a sequence that fails can be
 * shrunk. Steps are left out as long as what remains still fails; then it is run once more,
 * and says what it does. Every run is a child process, so that crashes and endless loops are
 * failures like others.
 *
 *	static bool start(const void *arg)
 *	{
 *		world.talk = trial_talk;
 *		return world_create(arg);
 *	}
 *
 *	static bool step(const void *arg, size_t number, size_t at)
 *	{
 *		rng_seed_nth(&world.rng, opt_seed, number);
 *		return world_step();
 *	}
 */
#ifndef _TRIAL_H
#define _TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Seed and length of random tests, and whether failing ones are shrunk. */
extern uint64_t opt_seed, opt_ops;
extern bool opt_shrink;

/* This run is to say what it does. */
extern bool trial_talk;

/**
 * struct trial - a sequence of steps
 * @name: what is tried, for who reads that it failed
 * @start: makes a fresh world
 * @step: does a step, and verifies; it has this number, and so many were done before it
 * @finish: after the last step; the @whole sequence was run, nothing is left out
 * @arg: for these three. Each returns false if it finds something wrong, or lets EXPECT() fail
 * @nsteps: how many
 */
struct trial {
	const char *name;
	bool (*start)(const void *arg);
	bool (*step)(const void *arg, size_t number, size_t at);
	bool (*finish)(const void *arg, bool whole);
	const void *arg;
	size_t nsteps;
};

/* Run it; the case has failed if that fails, and what led there is printed. */
bool trial_run(const struct trial *trial);

/* Run @run(@arg) in a child of so many seconds of a processor; true if it returns true there. */
bool trial_in_child(bool (*run)(void *arg), void *arg, unsigned int seconds);

/* Takes --seed N, --ops N, --no-shrink and the name of a case; false if they make no sense. */
bool trial_options(int argc, char **argv);

#endif /* _TRIAL_H */
