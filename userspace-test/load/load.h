/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A load of many kinds at once: see main.c.
 */
#ifndef _LOAD_LOAD_H
#define _LOAD_LOAD_H

#include "device.h"

#include <stdatomic.h>

/* What is counted; each has to happen at least once. Names are in main.c. */
enum count {
	ALLOCATED,
	REFUSED,
	FREED,
	SPLIT,
	MAPPED,
	VERIFIED,
	PASSED,
	FORKED,
	KILLED,
	TRIMMED,
	RECLAIMED,
	PINNED,
	READ_DIRECTLY,
	WRITTEN_DIRECTLY,
	SQUEEZED,
	CHECKED,
	NCOUNTS
};

/* Shared by all processes. */
struct load {
	double end;
	atomic_uint next_owner;
	atomic_ulong counts[NCOUNTS];
};

extern struct load *load;
/* A block device for direct input and output. */
extern const char *disk_path;

static inline void count(enum count what, unsigned long n)
{
	atomic_fetch_add_explicit(&load->counts[what], n, memory_order_relaxed);
}

static inline bool is_time_left(void)
{
	return seconds_now() < load->end;
}

/**
 * struct owner - somebody who has memory
 * @id: not zero, and nobody else's
 * @generation: of the pages written last
 * @rnd: random state
 * @fd: the device
 */
struct owner {
	unsigned int id;
	unsigned int generation;
	uint32_t rnd;
	int fd;
};

struct owner owner_new(int fd);
uint32_t draw(struct owner *owner);

/**
 * struct holding - a part of an allocation, mapped
 * @owner: who wrote it
 * @generation: and when
 * @first: index of its first page in the allocation
 * @npages: its length
 * @handle: its handle
 * @offset: for mmap()
 * @address: where it is mapped; NULL if there is no holding
 */
struct holding {
	unsigned int owner;
	unsigned int generation;
	uint64_t first;
	uint64_t npages;
	uint32_t handle;
	uint64_t offset;
	char *address;
};

/* Fails the process unless every word is what its owner wrote. */
void verify_pages(const struct holding *h, const void *pages, uint64_t first, uint64_t npages);
void verify(const struct holding *h);
/* Writes all pages, as a new generation. */
void stamp(struct owner *owner, struct holding *h);

/* Allocates, maps, sees that all is zero, and writes; false if the heap refused. */
bool acquire(struct owner *owner, struct holding *h);
bool acquire_pages(struct owner *owner, struct holding *h, uint64_t npages);
void map(int fd, struct holding *h);
void unmap(struct holding *h);
/* Verifies and gives up, in one of several ways. */
void release(struct owner *owner, struct holding *h);
/* Makes two holdings of one, which has more than one page. */
void split(struct owner *owner, struct holding *h, struct holding *rest);

/* Processes, each until the time is over. */
void run_threads(void *arg);
void run_passing(void *arg);
void run_forking(void *arg);
void run_killing(void *arg);
void run_pinning(void *arg);
void run_direct(void *arg);
void run_trimming(void *arg);
void run_squeezing(void *arg);
void run_checking(void *arg);

#endif /* _LOAD_LOAD_H */
