/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A program that means no good: see main.c.
 */
#ifndef _HOSTILE_HOSTILE_H
#define _HOSTILE_HOSTILE_H

#include "device.h"
#include "rng.h"

#include <setjmp.h>
#include <stdatomic.h>

/* What is done and counted. The commands come first, in the order of their numbers. */
enum act {
	ACT_INFO, ACT_ALLOC, ACT_FREE, ACT_QUERY, ACT_STATS, ACT_TRIM, ACT_SPLIT, ACT_FILE,
	ACT_RUNS, ACT_EXPORT,
	NCOMMANDS,
	ACT_UNKNOWN = NCOMMANDS,
	ACT_OPEN, ACT_CLOSE, ACT_DUP, ACT_SEND, ACT_RECEIVE, ACT_FILE_CALL, ACT_LIMIT,
	ACT_MAP, ACT_MAP_FRESH, ACT_UNMAP, ACT_REMAP, ACT_PROTECT, ACT_LOCK, ACT_SYNC,
	ACT_INCORE, ACT_DROP, ACT_POPULATE, ACT_FORK_ADVICE, ACT_ADVICE, ACT_TOUCH, ACT_SHAKE,
	ACT_VM_READ, ACT_VM_WRITE, ACT_PROC_MEM, ACT_DIRECT_READ, ACT_DIRECT_WRITE,
	ACT_VMSPLICE, ACT_SPLICE, ACT_DRAIN, ACT_FUTEX, ACT_URING,
	ACT_EXPORT_MAP, ACT_EXPORT_SYNC, ACT_EXPORT_SEEK,
	ACT_FDINFO, ACT_PROC, ACT_DEBUGFS, ACT_CHECK, ACT_POKE,
	ACT_FORK, ACT_CLONE_FILES, ACT_EXEC,
	NACTS
};

/* What nobody, however hostile, may bring about. Said in verdict.c. */
enum promise {
	KEPT_ERRORS,
	KEPT_UNKNOWN,
	KEPT_PRIVILEGE,
	KEPT_ADDRESSES,
	KEPT_LIMITS,
	KEPT_REPLIES,
	KEPT_SOUND,
	NPROMISES
};

/* Numbers of errors are below this. */
#define NERRORS		134
#define NRUMOURS	64
#define NVICTIMS	6
#define MESSAGE_SIZE	160

/* A handle that somebody had, in whatever file, and may have given up. */
struct rumour {
	_Atomic uint32_t handle;
	_Atomic uint64_t offset;
};

/**
 * struct world - what all processes share
 * @is_over: everybody may stop
 * @max_pages: of the device
 * @file_max: what an unprivileged process may set a file's limit to
 * @counts: how often each act ended in which way; 0 is success
 * @broken: promises that were broken
 * @message: the first one, in words
 * @pids: of the processes at work, for those who look at others
 * @rumours: handles, and where they could be mapped
 */
struct world {
	atomic_bool is_over;
	uint64_t max_pages;
	uint64_t file_max;
	atomic_ulong counts[NACTS][NERRORS];
	atomic_ulong broken[NPROMISES];
	char message[NPROMISES][MESSAGE_SIZE];
	atomic_int pids[NVICTIMS];
	struct rumour rumours[NRUMOURS];
};

extern struct world *world;

/* Descriptors that every process has at these numbers, which are never closed. */
#define WORLD_FD	200
#define HUB_FD		201	/* one end sends, and all receive */
#define HUB_IN_FD	202
#define DISK_FD		203
#define PIPE_FD		204	/* NPIPES pairs from here on, of each process */
#define NPIPES		4

extern const char *disk_path;

/* Room for the longest argument that a command's number can speak of. */
#define ARG_SIZE	16384
#define SCRATCH_PAGES	8

/**
 * struct target - an allocation as this process knew it; none if @handle is 0
 * @fd: the device's descriptor at that time
 * @handle: its handle
 * @offset: for mmap()
 * @npages: its length
 */
struct target {
	int fd;
	uint32_t handle;
	uint64_t offset;
	uint64_t npages;
};

/**
 * struct actor - a thread that does one thing after another
 * @rng: decisions; seeded anew for each step, so that they do not depend on what earlier
 *       steps came to
 * @seed: of the process
 * @index: of the thread
 * @step: number of the step
 * @privileged: the kernel may let it do what others may not
 * @target: what the step is aimed at, more often than at anything else
 * @depth: how many forks lie between it and the first process
 * @scratch: its own memory, followed by a page that cannot be read
 * @arg: what a call is given, before it is put anywhere
 */
struct actor {
	struct rng rng;
	uint64_t seed;
	unsigned int index;
	unsigned int step;
	bool privileged;
	struct target target;
	unsigned int depth;
	char *scratch;
	char arg[ARG_SIZE];
};

/* victim.c: a process of several threads; it takes its time, or so many steps. */
void victim_run(uint64_t seed);
/* What is left of a process that has executed this program anew. */
void victim_resume(uint64_t seed);
void actor_steps(struct actor *actor, unsigned int steps);
/* From here on nobody special, and without what root may do. */
void become(unsigned int uid);
/* Ends in exit status CRASH_STATUS if the process breaks by itself. */
#define CRASH_STATUS	77
/* Whether it could be done: the memory may be gone at any time. */
bool copy_guarded(void *to, const void *from, size_t nbytes);

/* values.c */
void record(enum act act, long result);
void break_promise(enum promise promise, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* True so many times out of a hundred. */
bool percent(struct actor *actor, unsigned int n);
uint64_t odd_number(struct actor *actor);
uint32_t any_handle(struct actor *actor);
uint64_t any_offset(struct actor *actor);
void choose_target(struct actor *actor);
void remember_target(const struct target *target);
void forget_target(const struct target *target);
void forget_file(struct actor *actor, int fd);

/**
 * struct place - where a call's argument is
 * @at: its address
 * @is_own: nobody else writes there, and everything works
 * @is_memory: it may be written to, with care
 */
struct place {
	char *at;
	bool is_own;
	bool is_memory;
};

struct place any_place(struct actor *actor, size_t nbytes);

/* Descriptors, which other threads use and close as well. */
struct pool {
	atomic_int fds[12];
};

extern struct pool devices, exports;
void pools_init(void);
int pool_get(struct actor *actor, struct pool *pool);
void pool_put(struct actor *actor, struct pool *pool, int fd);
int any_device(struct actor *actor);

/* memory.c: the zone is where mappings are, and nothing else. */
#define ZONE_PAGES	8192
extern char *zone, *shaky;
#define SHAKY_PAGES	4
void memory_init(void);
/* Part of a mapping, perhaps, in whole pages. */
void any_range(struct actor *actor, char **address, size_t *nbytes);
bool is_in_zone(const char *address);
void remember_mapping(void *address, size_t nbytes);
/* Maps a descriptor somewhere. */
long map_somewhere(struct actor *actor, int fd, uint64_t offset, size_t nbytes, int prot);

/* calls.c: one of the device's commands. */
void call_command(struct actor *actor, enum act act);

/* Moves: something hostile each. */
void move_call(struct actor *actor);
void move_unknown(struct actor *actor);
void move_file(struct actor *actor);
void move_memory(struct actor *actor);
void move_io(struct actor *actor);
void move_export(struct actor *actor);
void move_look(struct actor *actor);
void move_process(struct actor *actor);

/* verdict.c */
int verdict(unsigned int nvictims, unsigned int kills, unsigned int crashes, bool all_dead);
/* How many acts there were. */
unsigned long acts_done(void);

/* locked.c: whether a user can lock as much memory as the limit says, and no more. */
bool locked_is_exact(unsigned int uid);
extern const unsigned int locked_uids[];
#define NLOCKED_UIDS	3

#endif /* _HOSTILE_HOSTILE_H */
