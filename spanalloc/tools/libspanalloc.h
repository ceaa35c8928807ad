/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libspanalloc: /dev/spanalloc from a program.
 *
 *	struct spanalloc_alloc alloc = { .npages = 17 };
 *	void *pages;
 *	int fd = spanalloc_open(NULL, O_RDWR);
 *	int err = fd < 0 ? fd : spanalloc_alloc_map(fd, &alloc, &pages);
 *
 * An open device is a file descriptor, and there is nothing else to hold: close(2)
 * closes it and gives up what is neither mapped nor exported, and so does the end of
 * the process.
 *
 * Results: every function returns a number that is not negative, 0 unless said
 * otherwise, or an error as a negative errno value, -ENOSPC for instance; errno itself
 * means nothing. What is returned through a pointer means nothing after an error unless
 * said otherwise. The structures, and each call's errors, are those of
 * <linux/spanalloc.h>. Any call can also fail with -EBADF, -ENOTTY (the kernel does not
 * know the call, or the descriptor is another device's) and -EFAULT.
 *
 * Units: npages, and every name that ends in _pages, are pages of sysconf(_SC_PAGESIZE)
 * bytes, as are alignments and bases. Offsets, for mmap(2) and here, are bytes.
 *
 * Threads: all functions may be called from any threads at once, with the same
 * descriptor too. Nothing is kept between calls, no memory is allocated, and none of
 * the functions waits for another but in the kernel.
 *
 * A structure that grows in a later <linux/spanalloc.h> is read and written by this
 * version of the library up to the end it has today, whatever the program was
 * compiled with.
 */
#ifndef _LIBSPANALLOC_H
#define _LIBSPANALLOC_H

#include <linux/spanalloc.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
/* Calls are named as the structures that they take, which is no constructor's name in C. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif

/* What spanalloc_open() opens if it is not told. */
#define SPANALLOC_DEVICE	"/dev/spanalloc"

/* In spanalloc_trim() and spanalloc_set_limit(): all of it, and no limit. */
#define SPANALLOC_ALL_PAGES	UINT64_MAX
#define SPANALLOC_NO_LIMIT	UINT64_MAX

/**
 * spanalloc_open() - open the device
 * @path: of the device, or NULL for SPANALLOC_DEVICE
 * @flags: as for open(2): O_RDWR, or O_RDONLY for all but mappings that can be written.
 *         O_CLOEXEC and O_NOCTTY are added
 *
 * Makes sure that it is one: nothing but a character device is opened at all.
 *
 * Return: a descriptor for close(2); -ENOTTY if @path is something else, or an error of
 * open(2).
 */
int spanalloc_open(const char *path, int flags);

/**
 * spanalloc_get_info() - what the module is and can do
 * @fd: the device
 * @info: out: the reply
 *
 * Return: 0 or an error.
 */
int spanalloc_get_info(int fd, struct spanalloc_info *info);

/**
 * spanalloc_alloc() - make an allocation
 * @fd: the device
 * @alloc: in: npages, and if wanted align and flags; the rest is cleared and replied
 *
 * Afterwards alloc->handle names it in this open file, and alloc->offset is for
 * spanalloc_map(). The pages are zero, and all there.
 *
 * Return: 0; -EINVAL (length, alignment or flags), -EDQUOT (a limit), -ENOSPC (no free
 * run is that long), -ENOMEM, -EINTR or -EIO. With SPANALLOC_ALLOC_REPORT,
 * alloc->largest_pages tells after -EDQUOT, -ENOSPC and -ENOMEM what would do.
 */
int spanalloc_alloc(int fd, struct spanalloc_alloc *alloc);

/**
 * spanalloc_alloc_report() - make an allocation, or learn how long it could be
 * @fd: the device
 * @alloc: as for spanalloc_alloc()
 *
 * The same with SPANALLOC_ALLOC_REPORT, but where the kernel does not know that, an
 * error leaves alloc->largest_pages zero.
 *
 * Return: as spanalloc_alloc().
 */
int spanalloc_alloc_report(int fd, struct spanalloc_alloc *alloc);

/**
 * spanalloc_alloc_map() - make an allocation and map the whole of it
 * @fd: the device, open for reading and writing
 * @alloc: as for spanalloc_alloc()
 * @address: out: where it is mapped, for reading and writing
 *
 * After an error there is neither a mapping nor an allocation.
 *
 * Return: 0, or an error of spanalloc_alloc() or of spanalloc_map().
 */
int spanalloc_alloc_map(int fd, struct spanalloc_alloc *alloc, void **address);

/**
 * spanalloc_map() - map an allocation, or its beginning
 * @fd: the device, as the same open file that made the allocation
 * @offset: in bytes, from spanalloc_alloc(), spanalloc_split() or spanalloc_query()
 * @npages: length, at least 1, at most that of the allocation
 * @prot: PROT_READ, or PROT_READ | PROT_WRITE
 * @address: out: where it is
 *
 * An allocation can be mapped any number of times. To touch the pages first costs a page
 * fault for some at a time, unless SPANALLOC_ALLOC_POPULATE asked for them.
 *
 * Return: 0; -EINVAL (offset or length), -EACCES (@prot), -ENOMEM (address space
 * included: a 32-bit program may not have it), -ENFILE, -EINTR, -EHWPOISON (with
 * SPANALLOC_ALLOC_POPULATE: a page had a memory error) or -EIO.
 */
int spanalloc_map(int fd, uint64_t offset, uint64_t npages, int prot, void **address);

/**
 * spanalloc_map_part() - map some pages of an allocation
 * @fd: as for spanalloc_map()
 * @offset: of the whole allocation
 * @first: the first page to map, counted from @offset
 * @npages: as for spanalloc_map()
 * @prot: as for spanalloc_map()
 * @address: out: where page @first is
 *
 * Return: as spanalloc_map().
 */
int spanalloc_map_part(int fd, uint64_t offset, uint64_t first, uint64_t npages, int prot,
		       void **address);

/**
 * spanalloc_map_new() - map pages that live as long as the mapping
 * @fd: the device
 * @npages: length
 * @prot: as for spanalloc_map()
 * @address: out: where they are
 *
 * There is no handle: spanalloc_unmap() of the whole gives them back.
 *
 * Return: 0, or an error of spanalloc_alloc() or of spanalloc_map(); -EINVAL, too, if
 * info.features lacks SPANALLOC_FEATURE_MMAP.
 */
int spanalloc_map_new(int fd, uint64_t npages, int prot, void **address);

/**
 * spanalloc_unmap() - unmap pages
 * @address: what a function above returned, or any page of it
 * @npages: how many
 *
 * Return: 0 or -EINVAL.
 */
int spanalloc_unmap(void *address, uint64_t npages);

/**
 * spanalloc_split() - split an allocation in two parts
 * @fd: the device
 * @handle: the allocation; from here on the first part
 * @npages: length of the first part
 * @new_handle: out: the second part, which is all the rest
 * @new_offset: out: where spanalloc_map() finds the second part, or NULL
 *
 * Nothing moves: contents and mappings stay. Each part can be mapped, split and freed
 * by itself.
 *
 * Return: 0; -ENOENT (no such handle), -EINVAL (no pages for one of the parts), -ENOSPC
 * (no handle left) or -ENOMEM.
 */
int spanalloc_split(int fd, uint32_t handle, uint64_t npages, uint32_t *new_handle,
		    uint64_t *new_offset);

/**
 * spanalloc_free() - give up an allocation, or a part
 * @fd: the device
 * @handle: the allocation; dead at once
 * @state: out: SPANALLOC_FREE_*, or NULL
 *
 * Mappings and exports go on working; the pages return after the last.
 *
 * Return: 0 or -ENOENT (no such handle).
 */
int spanalloc_free(int fd, uint32_t handle, uint32_t *state);

/**
 * spanalloc_query() - what is known of an allocation, or of a part
 * @fd: the device
 * @handle: the allocation
 * @query: out: the reply
 *
 * Return: 0; -ENOENT (no such handle), -EINTR or -EIO.
 */
int spanalloc_query(int fd, uint32_t handle, struct spanalloc_query *query);

/**
 * spanalloc_get_runs() - the physically contiguous runs of an allocation
 * @fd: the device
 * @handle: the allocation
 * @index: in: the page to begin with, counted from the allocation's first; out: the page
 *         to go on with
 * @runs: out: the runs
 * @nruns: how many fit there, at least 1
 *
 * Call it until it returns 0 to see all. Physical addresses are 0 without CAP_SYS_ADMIN.
 *
 * Return: how many runs were told, 0 at the end; -ENOENT (no such handle), -EINVAL (no
 * room, or *@index is beyond the end), -EINTR or -EIO. @index stays as it was after an error.
 */
int spanalloc_get_runs(int fd, uint32_t handle, uint64_t *index, struct spanalloc_run *runs,
		       uint32_t nruns);

/**
 * spanalloc_export() - make a dma-buf of an allocation, or of a part
 * @fd: the device
 * @handle: the allocation
 * @flags: SPANALLOC_EXPORT_*
 *
 * Return: a descriptor, closed on exec, that keeps the pages until close(2); -ENOENT (no
 * such handle), -EINVAL (flags), -EMFILE, -ENFILE, -ENOMEM, or -ENOTTY (a kernel without
 * dma-bufs).
 */
int spanalloc_export(int fd, uint32_t handle, uint32_t flags);

/**
 * spanalloc_get_file() - what this open file holds and may hold
 * @fd: the device
 * @file: out: the reply
 *
 * Return: 0 or an error.
 */
int spanalloc_get_file(int fd, struct spanalloc_file *file);

/**
 * spanalloc_set_limit() - limit the pages of this open file
 * @fd: the device
 * @limit_pages: the limit, or SPANALLOC_NO_LIMIT; below what is held it only keeps
 *               the file from getting more
 *
 * Return: 0, or -EPERM (a limit above both the module's file_max_pages and the file's
 * present limit needs CAP_SYS_RESOURCE).
 */
int spanalloc_set_limit(int fd, uint64_t limit_pages);

/**
 * spanalloc_get_stats() - what the device's heap holds and has done
 * @fd: the device
 * @stats: out: the reply, up to scavenged_pages; what stands behind that in the structure
 *         is left alone
 *
 * Return: 0 or an error.
 */
int spanalloc_get_stats(int fd, struct spanalloc_heap_stats *stats);

/**
 * spanalloc_get_stats_size() - the same, and what later versions have added
 * @fd: the device
 * @stats: out: the reply; what the module does not know reads 0
 * @size: sizeof(*stats)
 *
 * Return: 0 or an error.
 */
int spanalloc_get_stats_size(int fd, struct spanalloc_heap_stats *stats, size_t size);

/**
 * spanalloc_trim() - return idle memory to the system
 * @fd: the device
 * @npages: return at least this many pages if there are, or SPANALLOC_ALL_PAGES; 0 only
 *          with SPANALLOC_TRIM_DRAIN
 * @flags: SPANALLOC_TRIM_*
 * @released_pages: out: how many were returned, or NULL
 *
 * Return: 0; -EPERM (needs CAP_SYS_ADMIN) or -EINVAL (no pages, flags).
 */
int spanalloc_trim(int fd, uint64_t npages, uint32_t flags, uint64_t *released_pages);

#ifdef __cplusplus
#pragma GCC diagnostic pop
}
#endif

#endif /* _LIBSPANALLOC_H */
