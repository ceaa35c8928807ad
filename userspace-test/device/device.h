/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Short ways to use the device in tests, by the library that programs use. Functions
 * whose name has a try_ return as the system call does; the others fail the case if the
 * call fails. What the calls themselves do with what no library sends is in abi.c.
 */
#ifndef _DEVICE_DEVICE_H
#define _DEVICE_DEVICE_H

#include "harness.h"

#include <fcntl.h>
#include <libspanalloc.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

extern size_t page_size;
extern const char *device_path;

/* A user without privileges. */
#define NOBODY 65534

/* Deferred releases must be through within this. */
#define SETTLE_SECONDS	15

int dev_open_mode(int flags);
int dev_open(void);
struct spanalloc_info dev_info(int fd);
struct spanalloc_heap_stats dev_stats(int fd);

int dev_try_alloc(int fd, struct spanalloc_alloc *alloc);
struct spanalloc_alloc dev_alloc(int fd, uint64_t npages);
int dev_try_free(int fd, uint32_t handle);
void dev_free(int fd, uint32_t handle);
/* The same, and the state that the call replies. */
uint32_t dev_free_state(int fd, uint32_t handle);
int dev_try_query(int fd, uint32_t handle, struct spanalloc_query *query);
struct spanalloc_query dev_query(int fd, uint32_t handle);
uint64_t dev_trim(int fd, uint64_t npages);
int dev_try_split(int fd, uint32_t handle, uint64_t npages, struct spanalloc_split *split);
/* Splits off all but the first pages. */
struct spanalloc_split dev_split(int fd, uint32_t handle, uint64_t npages);

/* export.c: a dma-buf; skips the case if this kernel has none. */
int dev_try_export(int fd, uint32_t handle, uint32_t flags);
int dev_export(int fd, uint32_t handle, uint32_t flags);

struct spanalloc_file dev_file(int fd);
int dev_try_limit(int fd, uint64_t npages);

/* As mmap(), but -1 for MAP_FAILED, and nothing stays mapped. */
int dev_try_map(int fd, uint64_t offset, size_t nbytes, int prot, int flags);
void *dev_map(int fd, uint64_t offset, uint64_t npages);
void *dev_map_mode(int fd, uint64_t offset, uint64_t npages, int prot);
void dev_unmap(void *address, uint64_t npages);
/* An allocation of the kind that mmap() populates, mapped whole and filled from a seed. */
void *dev_alloc_filled(int fd, uint64_t npages, uint64_t seed,
		       struct spanalloc_alloc *alloc);

/* Pages enough for two granules; and many, where a granule is short. */
uint64_t dev_two_granules(int fd);

/* Memory that is not the device's. */
void *plain_pages(uint64_t npages);
/* Contents of whole pages that follow from a seed; no page is all zero. */
void fill(void *address, uint64_t npages, uint64_t seed);
bool is_filled(const void *address, uint64_t npages, uint64_t seed);
bool is_zero(const void *address, size_t nbytes);

/* A descriptor, sent over a socket. */
void send_fd(int socket, int fd);
int receive_fd(int socket);

/* The heap's own opinion, where it can be read. */
#define DEV_CHECK_FILE	"/sys/kernel/debug/spanalloc/default/check"
bool dev_heap_is_sound(void);

/* Waits until a field of the statistics has a value. */
bool dev_settles(int fd, size_t field, uint64_t value, uint64_t *found);

#define CHECK_SETTLES(fd, field, value) do {				\
	uint64_t _last, _want = (value);				\
									\
	if (!dev_settles(fd, offsetof(struct spanalloc_heap_stats, field), \
			 _want, &_last))				\
		FAIL("%s stays at %llu, expected %llu", #field,		\
		     (unsigned long long)_last, (unsigned long long)_want); \
} while (0)

/* Files with cases. */
extern const struct test_suite abi_suite;
extern const struct test_suite node_suite;
extern const struct test_suite alloc_suite;
extern const struct test_suite limit_suite;
extern const struct test_suite map_suite;
extern const struct test_suite remap_suite;
extern const struct test_suite fresh_suite;
extern const struct test_suite lifetime_suite;
extern const struct test_suite account_suite;
extern const struct test_suite runs_suite;
extern const struct test_suite split_suite;
extern const struct test_suite pin_suite;
extern const struct test_suite export_suite;
extern const struct test_suite import_suite;
extern const struct test_suite io_suite;
extern const struct test_suite library_suite;
extern const struct test_suite stress_suite;
extern const struct test_suite scale_suite;
extern const struct test_suite memory_error_suite;

/* account.c: sets the module's limits back. */
void account_reset(void);

/* pin.c: holds a page of a closed device until told to let go. */
int hold_pin(void);

#endif /* _DEVICE_DEVICE_H */
