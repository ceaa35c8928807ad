// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libspanalloc: see libspanalloc.h.
 *
 * What this adds to the system calls is that errors come back as values, that fields
 * which have to be zero are, and that no length or offset is cut to fewer bits on its
 * way.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
/* 32-bit programs too see offsets up to 2^44. */
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libspanalloc.h"

/*
 * The size of the structure is part of a command's number. Here it is that of the first
 * version: what is behind it is the caller's own, who may have compiled without it. So
 * neither the kernel nor this file touches more.
 */
#define COMMAND(name, size) \
	_IOC(_IOC_READ | _IOC_WRITE, SPANALLOC_IOC_MAGIC, _IOC_NR(SPANALLOC_IOC_##name), \
	     SPANALLOC_##size##_SIZE_VER0)

static int call(int fd, unsigned long command, void *argument)
{
	return ioctl(fd, command, argument) ? -errno : 0;
}

int spanalloc_open(const char *path, int flags)
{
	struct spanalloc_info info;
	struct stat stat_buf;
	int fd, err;

	if (!path)
		path = SPANALLOC_DEVICE;
	/*
	 * To open a pipe may wait for ever, to open a disk may look at its partitions anew,
	 * and a terminal may become that of the process. Nothing helps with other character
	 * devices: a tape is wound when this closes it again.
	 */
	if (stat(path, &stat_buf))
		return -errno;
	if (!S_ISCHR(stat_buf.st_mode))
		return -ENOTTY;
	fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	err = spanalloc_get_info(fd, &info);
	if (!err)
		return fd;
	close(fd);
	/* Devices answer in many ways to commands that they do not know. */
	return err == -EINVAL ? -ENOTTY : err;
}

int spanalloc_get_info(int fd, struct spanalloc_info *info)
{
	memset(info, 0, SPANALLOC_INFO_SIZE_VER0);
	return call(fd, COMMAND(INFO, INFO), info);
}

int spanalloc_alloc(int fd, struct spanalloc_alloc *alloc)
{
	alloc->handle = 0;
	alloc->offset = 0;
	alloc->largest_pages = 0;
	alloc->reserved = 0;
	return call(fd, COMMAND(ALLOC, ALLOC), alloc);
}

int spanalloc_alloc_report(int fd, struct spanalloc_alloc *alloc)
{
	uint32_t flags = alloc->flags;
	struct spanalloc_info info;
	int err;

	alloc->flags = flags | SPANALLOC_ALLOC_REPORT;
	err = spanalloc_alloc(fd, alloc);
	alloc->flags = flags;
	/* Whether it was this flag is asked only where it may have been. */
	if (err != -EINVAL || spanalloc_get_info(fd, &info) ||
	    info.alloc_flags & SPANALLOC_ALLOC_REPORT)
		return err;
	return spanalloc_alloc(fd, alloc);
}

int spanalloc_alloc_map(int fd, struct spanalloc_alloc *alloc, void **address)
{
	int err = spanalloc_alloc(fd, alloc);

	if (err)
		return err;
	err = spanalloc_map(fd, alloc->offset, alloc->npages, PROT_READ | PROT_WRITE, address);
	if (err) {
		spanalloc_free(fd, alloc->handle, NULL);
		alloc->handle = 0;
		alloc->offset = 0;
	}
	return err;
}

/* Every mapping is made here. */
static int map_at(int fd, uint64_t offset, uint64_t npages, int prot, void **address)
{
	uint64_t page_size = sysconf(_SC_PAGESIZE);

	/* In a 32-bit program a length of 2^32 bytes must not become one of 0. */
	if (npages > SIZE_MAX / page_size)
		return -ENOMEM;
	*address = mmap(NULL, npages * page_size, prot, MAP_SHARED, fd, offset);
	return *address == MAP_FAILED ? -errno : 0;
}

int spanalloc_map(int fd, uint64_t offset, uint64_t npages, int prot, void **address)
{
	/* A forgotten offset is no wish for new pages. */
	if (!offset)
		return -EINVAL;
	return map_at(fd, offset, npages, prot, address);
}

int spanalloc_map_part(int fd, uint64_t offset, uint64_t first, uint64_t npages, int prot,
		       void **address)
{
	uint64_t page_size = sysconf(_SC_PAGESIZE);

	/* Neither is a sum that went beyond all numbers. */
	if (!offset || first > (INT64_MAX - offset) / page_size)
		return -EINVAL;
	return map_at(fd, offset + first * page_size, npages, prot, address);
}

int spanalloc_map_new(int fd, uint64_t npages, int prot, void **address)
{
	return map_at(fd, 0, npages, prot, address);
}

int spanalloc_unmap(void *address, uint64_t npages)
{
	uint64_t page_size = sysconf(_SC_PAGESIZE);

	if (npages > SIZE_MAX / page_size)
		return -EINVAL;
	return munmap(address, npages * page_size) ? -errno : 0;
}

int spanalloc_split(int fd, uint32_t handle, uint64_t npages, uint32_t *new_handle,
		    uint64_t *new_offset)
{
	struct spanalloc_split split = { .handle = handle, .npages = npages };
	int err = call(fd, COMMAND(SPLIT, SPLIT), &split);

	*new_handle = split.new_handle;
	if (new_offset)
		*new_offset = split.offset;
	return err;
}

int spanalloc_free(int fd, uint32_t handle, uint32_t *state)
{
	struct spanalloc_free request = { .handle = handle };
	int err = call(fd, COMMAND(FREE, FREE), &request);

	if (state)
		*state = request.state;
	return err;
}

int spanalloc_query(int fd, uint32_t handle, struct spanalloc_query *query)
{
	memset(query, 0, SPANALLOC_QUERY_SIZE_VER0);
	query->handle = handle;
	return call(fd, COMMAND(QUERY, QUERY), query);
}

int spanalloc_get_runs(int fd, uint32_t handle, uint64_t *index, struct spanalloc_run *runs,
		       uint32_t nruns)
{
	struct spanalloc_runs request = {
		.handle = handle,
		.index = *index,
		.runs = (uintptr_t)runs,
		/* What is returned is an int. */
		.nruns = nruns < INT_MAX ? nruns : INT_MAX,
	};
	int err = call(fd, COMMAND(RUNS, RUNS), &request);

	if (err)
		return err;
	*index = request.index;
	return request.nruns;
}

int spanalloc_export(int fd, uint32_t handle, uint32_t flags)
{
	struct spanalloc_export request = { .handle = handle, .flags = flags };
	int err = call(fd, COMMAND(EXPORT, EXPORT), &request);

	return err ? err : request.fd;
}

int spanalloc_get_file(int fd, struct spanalloc_file *file)
{
	memset(file, 0, SPANALLOC_FILE_SIZE_VER0);
	return call(fd, COMMAND(FILE, FILE), file);
}

int spanalloc_set_limit(int fd, uint64_t limit_pages)
{
	struct spanalloc_file file = {
		.flags = SPANALLOC_FILE_SET_LIMIT,
		.limit_pages = limit_pages,
	};

	return call(fd, COMMAND(FILE, FILE), &file);
}

int spanalloc_get_stats(int fd, struct spanalloc_heap_stats *stats)
{
	return spanalloc_get_stats_size(fd, stats, SPANALLOC_STATS_SIZE_VER0);
}

int spanalloc_get_stats_size(int fd, struct spanalloc_heap_stats *stats, size_t size)
{
	if (size < SPANALLOC_STATS_SIZE_VER0 || size >= 1UL << _IOC_SIZEBITS)
		return -EINVAL;
	memset(stats, 0, size);
	return call(fd, _IOC(_IOC_READ | _IOC_WRITE, SPANALLOC_IOC_MAGIC,
			     _IOC_NR(SPANALLOC_IOC_STATS), size), stats);
}

int spanalloc_trim(int fd, uint64_t npages, uint32_t flags, uint64_t *released_pages)
{
	struct spanalloc_trim trim = { .npages = npages, .flags = flags };
	int err = call(fd, COMMAND(TRIM, TRIM), &trim);

	if (released_pages)
		*released_pages = trim.released;
	return err;
}
