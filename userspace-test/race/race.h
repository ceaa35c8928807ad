/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Races that are forced: the task named FIRST is held where a case says, until another one
 * has done what the case is about. See kunit/torture/spanalloc_rendezvous.c.
 */
#ifndef _RACE_RACE_H
#define _RACE_RACE_H

#include "device.h"

#include <pthread.h>

/* Names of tasks. FIRST is the one who is held, on a CPU of its own. */
#define FIRST	"race-first"
#define SECOND	"race-second"	/* the case itself */
#define THIRD	"race-third"

/* A function of the module under test. */
#define IN_MODULE(function) "spanalloc:" #function

/*
 * Arranges that FIRST, or "NAME" in _task, is held when it enters @function for the
 * @nth time; until @task enters @until, or until meet_go() if these are NULL.
 */
void meet_at(const char *function, unsigned int nth);
void meet_at_until(const char *function, const char *task, const char *until);
void meet_task_at_until(const char *who, const char *function, const char *task,
			const char *until);
/* Waits until somebody is held; a case that gets no further has failed. */
void meet_held(void);
/* Lets it go: it must have been held up to now. */
void meet_go(void);
/* The two must have met, and not have lost patience. */
void meet_met(void);
/* How often FIRST has entered the function. */
unsigned int meet_hits(void);
void meet_cancel(void);

/* A process that shares the open files with the case, by name; on the CPU for it. */
pid_t task_start(const char *name, void (*run)(void *arg), void *arg);
/* The same with one table of open files, as threads have it. */
pid_t task_start_sharing_files(const char *name, void (*run)(void *arg), void *arg);
void task_is(const char *name);

/**
 * struct racer - a thread of the case, made before anybody holds mmap_lock
 * @thread: the thread
 * @start: opened by racer_go()
 * @name: of the task
 * @run: what it does
 * @arg: for @run
 */
struct racer {
	pthread_t thread;
	struct gate start;
	const char *name;
	void (*run)(void *arg);
	void *arg;
};

void racer_init(struct racer *racer, const char *name, void (*run)(void *arg), void *arg);
void racer_go(struct racer *racer);
void racer_join(struct racer *racer);

/* Whether reading @address ends in SIGSEGV, tried by this very thread. */
bool is_segv(const volatile void *address);

/**
 * struct call - a call of FIRST, and what came of it
 * @fd: the device
 * @handle: what it is about
 * @offset: where that can be mapped
 * @npages: its length
 * @cut: where to split
 * @seed: its contents
 * @error: out: 0 or errno
 * @state: out: what FREE says
 * @released: out: what TRIM says
 * @split: out: what SPLIT says
 * @base: out: of what ALLOC got
 *
 * In memory that the case shares with its processes.
 */
struct call {
	int fd;
	uint32_t handle;
	uint64_t offset;
	uint64_t npages;
	uint64_t cut;
	uint64_t seed;
	int error;
	uint32_t state;
	uint64_t released;
	uint64_t base;
	struct spanalloc_split split;
};

/* An allocation of @npages pages, filled and not mapped. */
struct call *call_new(uint64_t npages);

/* What a task can do with it. */
void call_free(void *arg);
void call_split(void *arg);
void call_trim(void *arg);
/* Maps all of it, compares, and says that it is the only one who does. */
void call_map(void *arg);
/* Allocates call->npages; the pages are zero, and stay what they are made. */
void call_alloc(void *arg);

/* Reads pages out of a pipe that were put into it without copying. */
void drain_pipe(const int pipe[2], uint64_t npages, uint64_t seed);
void fill_pipe(const int pipe[2], void *address, uint64_t npages);

extern const struct test_suite handle_suite;
extern const struct test_suite mapping_suite;
extern const struct test_suite memory_suite;
extern const struct test_suite kill_suite;
extern const struct test_suite unload_suite;

#endif /* _RACE_RACE_H */
