/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests of giving memory back: see main.c.
 */
#ifndef _PRESSURE_PRESSURE_H
#define _PRESSURE_PRESSURE_H

#include "device.h"
#include "rng.h"

#include <stdatomic.h>

#define MIB	(1ULL << 20)

/* Less of everything, for those who have little time. */
extern bool is_short;

/* machine.c: the module, and what the kernel says of itself. */
__attribute__((format(printf, 1, 2)))
void module_load(const char *format, ...);
void module_unload(void);
/* As module_unload(), but returns as the system call does. */
int module_try_unload(void);
/* Has @function, "module:function", return @value to its callers, and counts how often. */
void mute_load(const char *function, int value);
uint64_t mute_count(void);
int mute_try_unload(void);

/* A number by its name, from the heap's statistics in debugfs and from /proc. */
uint64_t heap_stat(const char *name);
uint64_t heap_bytes(const char *name);
uint64_t vm_stat(const char *name);
uint64_t meminfo_bytes(const char *name);
/* Pages that could be dropped from the page cache. */
uint64_t cache_bytes(void);
uint64_t granule_bytes(void);

/* As write() does. */
ssize_t try_tell(const char *path, const char *text);
void tell(const char *path, const char *text);
bool is_text(const char *path, const char *text);
/* Fills the page cache with so much of the disk. */
void read_disk(uint64_t nbytes);

/* Waits until a number that only rises is above @value. */
void wait_above(const char *stat, uint64_t value);

/*
 * What the kernel has said since log_mark(), a line at a time. Once the console is quiet,
 * log_show() makes it loud again and shows all that was said since.
 */
void log_mark(void);
bool log_line(char *line, size_t size);
void console_quiet(void);
void log_show(void);

/**
 * struct kept - a span that somebody holds and has written
 * @npages: its length
 * @seed: of its contents
 * @handle: its handle
 * @address: where it is mapped
 */
struct kept {
	uint64_t npages;
	uint64_t seed;
	uint32_t handle;
	void *address;
};

/**
 * struct holder - somebody with many spans
 * @fd: the device
 * @kept: the spans
 * @n: how many
 * @npages: how long they are together
 */
struct holder {
	int fd;
	struct kept *kept;
	size_t n;
	uint64_t npages;
};

/* How much of the machine's memory a heap is filled with. */
uint64_t fill_bytes(void);
/* Spans of all lengths, together so long, each filled. */
void holder_fill(struct holder *holder, uint64_t nbytes);
/* Gives up most of them, so that most granules are idle and some are not. */
void holder_thin_out(struct holder *holder);
void holder_verify(const struct holder *holder);
/* Verifies and gives up what is left. */
void holder_end(struct holder *holder);
/* Pages of @npages more, filled and mapped; false and errno if the heap refused. */
bool holder_try_add(struct holder *holder, uint64_t npages);

/* A neighbour who takes ordinary memory, and is killed first. There is one at a time. */
#define EATER	"span-eater"
void eater_start(uint64_t nbytes);
/* Waits until it has got that, which it keeps; false if it was killed. */
bool eater_reaches(void);
void eater_end(void);

/* Processes that allocate, fill, verify and free, and hold at most so many pages each. */
void worker_start(uint64_t npages);
/* All of them must have gone on without an error. */
void workers_stop(void);
uint64_t workers_allocated(void);

extern const struct test_suite squeeze_suite;
extern const struct test_suite available_suite;
extern const struct test_suite rest_suite;
extern const struct test_suite policy_suite;
extern const struct test_suite event_suite;
extern const struct test_suite unload_suite;

#endif /* _PRESSURE_PRESSURE_H */
