/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Operations with their allocations failing, one after the other: the kernel counts
 * down /proc/thread-self/fail-nth at each allocation of this thread, and fails the one
 * at which it arrives at zero. Where the kernel is built so, it does the same with copies
 * from and to user space.
 */
#ifndef _INJECT_INJECT_H
#define _INJECT_INJECT_H

#include "device.h"

/* Of kernel functions that are none of ours it is not known. */
#define ANY_COPIES	~0U
/* On some kernels none that can be made to fail, or too few among too much else. */
#define PERHAPS_COPIES	(~0U - 1)

/**
 * struct operation - what is tried with its first, second, ... allocation failing
 * @prepare: makes what the operation works on
 * @run: the operation, during which an allocation fails; returns -1, with errno, if it
 *       does, and nothing else: a failed check in there would be one of our own
 * @verify: told whether it failed; checks that it did what it had to, or nothing, and
 *          that it can be had now
 * @finish: undoes @prepare and @run
 * @copies: how often it copies from and to user space; only then, and hardly more often,
 *          may it fail with EFAULT
 * @needs_no_memory: fails with nothing else, whatever happens to allocations
 * @failures: otherwise, how often it fails without memory at least: allocations of ours,
 *            and of the kernel's those that it makes each time
 * @also: what it may fail with besides ENOMEM
 * @leaves_idle: more can fail after it has got its pages: they are idle then, and kept as
 *               long as the heap keeps any
 * @before: about how many allocations come before the first of the module's own: of those
 *          only a few are made to fail
 *
 * After @finish the heap must be as it was before @prepare.
 */
struct operation {
	void (*prepare)(void);
	int (*run)(void);
	void (*verify)(bool failed);
	void (*finish)(void);
	unsigned int copies;
	bool needs_no_memory;
	unsigned int failures;
	int also;
	bool leaves_idle;
	unsigned int before;
};

/**
 * struct tally - what became of the injections into one operation
 * @fired: allocations and copies that were made to fail
 * @copies: failures of the operation with EFAULT
 * @failed: its other failures
 */
struct tally {
	unsigned int fired;
	unsigned int copies;
	unsigned int failed;
};

/* Tries an operation until no allocation is left to fail. */
struct tally walk(const struct operation *op);
/*
 * The same with one that makes no allocation at all, so that there is nothing to fail but
 * its copies, each of which has.
 */
void walk_without_allocations(const struct operation *op);

/* Where a walk stands is known outside its process, and told if it ended in the middle. */
void position_init(void);
void position_note(void);

/*
 * Whatever is left of an earlier case: the whole kernel is subject to injection, quietly;
 * where it can be told apart, without the accounts that kmemleak keeps.
 */
void injection_reset(void);
/* How many allocations and copies @run makes, of which none fails. */
unsigned int allocations_of(int (*run)(void));
/* Whether this kernel can do it at all. */
bool injection_is_possible(void);

/*
 * The device, opened for its statistics; -1 where the module comes and goes. With it,
 * every operation is followed by a look at the heap.
 */
extern int watch_fd;
uint64_t granule_pages(void);

extern const struct test_suite call_suite;
extern const struct test_suite memory_suite;
extern const struct test_suite fresh_inject_suite;
extern const struct test_suite load_suite;

/* Of load_suite: the module, and how its absence is checked before and after a case. */
extern const char *module_path;
bool module_is_absent(void);

#endif /* _INJECT_INJECT_H */
