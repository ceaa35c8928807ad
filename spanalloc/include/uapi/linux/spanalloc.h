/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/spanalloc: page buffers for programs, made and given back at run time.
 *
 * Every command takes one structure. Structures only ever grow at their end: the
 * kernel takes a shorter one as if the missing tail were zero, and a longer one
 * if what it does not know is zero (else E2BIG); a reply is cut to the caller's
 * size, or its unknown tail cleared. A structure shorter than its first version
 * is refused with EINVAL, an unknown command with ENOTTY. Fields called reserved
 * and flags that are not listed here must be zero (else EINVAL). A call that
 * fails makes and destroys no allocation, and what it leaves in fields marked "out"
 * means nothing, unless a flag asks for it. Any call can fail with EFAULT.
 *
 * Lengths, alignments and bases are in pages of the machine's page size; offsets
 * for mmap() are in bytes.
 *
 * The command letter is free in the kernel's ioctl-number.rst as of 7.2; it is
 * not registered there.
 */
#ifndef _UAPI_LINUX_SPANALLOC_H
#define _UAPI_LINUX_SPANALLOC_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define SPANALLOC_IOC_MAGIC		0xBB

/* Features, reported by SPANALLOC_IOC_INFO. */
#define SPANALLOC_FEATURE_CONTIG	(1ULL << 0)	/* SPANALLOC_ALLOC_CONTIG */
#define SPANALLOC_FEATURE_SPLIT		(1ULL << 1)	/* SPANALLOC_IOC_SPLIT */
#define SPANALLOC_FEATURE_MMAP		(1ULL << 2)	/* mmap() at offset 0 allocates */
#define SPANALLOC_FEATURE_EXPORT	(1ULL << 3)	/* SPANALLOC_IOC_EXPORT */

/**
 * struct spanalloc_info - what the module is and can do
 * @version: version of the module, major << 16 | minor << 8 | patch
 * @page_size: bytes of a page
 * @features: SPANALLOC_FEATURE_*
 * @granule_pages: pages of a granule: the longest contiguous allocation
 * @max_pages: no allocation can be longer than this
 * @alloc_flags: the SPANALLOC_ALLOC_* flags that this kernel knows
 * @reserved: zero
 */
struct spanalloc_info {
	__u32 version;
	__u32 page_size;
	__u64 features;
	__u64 granule_pages;
	__u64 max_pages;
	__u32 alloc_flags;
	__u32 reserved;
};

/* Physically contiguous; at most one granule long. */
#define SPANALLOC_ALLOC_CONTIG		(1U << 0)
/*
 * mmap() enters all pages into the page table; otherwise that is done as they are
 * touched, some at a time, or all at once if mmap() is told MAP_POPULATE.
 */
#define SPANALLOC_ALLOC_POPULATE	(1U << 1)
/* If the call fails with EDQUOT, ENOSPC or ENOMEM, say in @largest_pages what would do. */
#define SPANALLOC_ALLOC_REPORT		(1U << 2)

/**
 * struct spanalloc_alloc - make an allocation
 * @npages: in: length, at least 1
 * @align: in: base is a multiple of this power of two of pages; 0 means any. With
 *         SPANALLOC_ALLOC_CONTIG, up to a granule, so is the physical address
 * @flags: in: SPANALLOC_ALLOC_*
 * @handle: out: names the allocation in this open file; never 0
 * @offset: out: where mmap() of this open file finds the allocation's first byte
 * @largest_pages: out: zero, or with SPANALLOC_ALLOC_REPORT and one of its errors the
 *                 longest run that limits and address space have room
 *                 for at this moment, at any base. The system's memory is not
 *                 taken into account
 * @reserved: in: zero; out: zero
 *
 * Memory arrives zeroed, and all of it is there when the call returns. An
 * allocation lives until it is freed or its file is closed, and after that
 * for as long as it is mapped or exported, or a page of it is in use by the kernel,
 * for direct I/O for instance.
 *
 * It is charged, until its pages are back in the heap, to this open file, to all
 * programs together, and to the calling user's RLIMIT_MEMLOCK (CAP_IPC_LOCK in the
 * initial user namespace exempts from the last), but to no memory cgroup. With an
 * alignment, what is charged is @npages rounded up to it, or to a granule if that is
 * less.
 *
 * Errors: EINVAL (length, alignment, flag, reserved field, a contiguous length
 * above a granule), EDQUOT (one of these limits or the heap's leaves too few
 * pages), ENOSPC (no free run is long enough, or no handle is left), ENOMEM (the
 * system has no memory), EINTR (a fatal signal), EIO (the heap was found damaged).
 */
struct spanalloc_alloc {
	__u64 npages;
	__u64 align;
	__u32 flags;
	__u32 handle;
	__u64 offset;
	__u64 largest_pages;
	__u64 reserved;
};

/* struct spanalloc_free: @state */
#define SPANALLOC_FREE_DEFERRED		(1U << 0)	/* pages are in use still */

/**
 * struct spanalloc_free - give up an allocation, or a part of one
 * @handle: in: what alloc or split returned
 * @flags: in: zero
 * @state: out: SPANALLOC_FREE_*
 * @reserved: in: zero; out: zero
 *
 * The handle and the offset are dead at once. Mappings and exports go on working;
 * the pages return when the last one is gone, no other handle names a part of the
 * same allocation, and nothing in the kernel uses them any more. @state tells of
 * all but the last, as it is at the time of the call.
 *
 * Errors: ENOENT (no such handle in this open file), EINVAL (flags, reserved).
 */
struct spanalloc_free {
	__u32 handle;
	__u32 flags;
	__u32 state;
	__u32 reserved;
};

/* struct spanalloc_query: @state */
#define SPANALLOC_QUERY_CONTIG		(1U << 0)	/* physically contiguous as a whole */
#define SPANALLOC_QUERY_PINNED		(1U << 1)	/* in use by the kernel, see below */

/**
 * struct spanalloc_query - what is known of an allocation, or of a part of one
 * @handle: in: what alloc or split returned
 * @flags: in: zero
 * @npages: out: length
 * @offset: out: offset for mmap()
 * @base: out: first page in the heap's address space
 * @nruns: out: number of physically contiguous runs it consists of, those that
 *         go on from one granule to the next counted once
 * @nmaps: out: mmap() calls whose mappings are not all gone, of the whole
 *         allocation if this is a part
 * @state: out: SPANALLOC_QUERY_*
 * @nhandles: out: handles that name the allocation or a part of it
 * @nexports: out: exports of it or of parts that are not closed
 * @reserved: in: zero; out: zero
 *
 * Handles, mappings and exports are what keeps an allocation. One that is kept by
 * none, but has pages that the kernel uses still, is in quarantine: no handle
 * leads to it, and SPANALLOC_IOC_FILE counts it. SPANALLOC_QUERY_PINNED says that
 * it would get there: a page of the whole allocation is in use, though nothing is
 * mapped.
 *
 * Errors: ENOENT (no such handle in this open file), EINVAL (flags, reserved), EINTR
 * (a fatal signal), EIO (the heap was found damaged).
 */
struct spanalloc_query {
	__u32 handle;
	__u32 flags;
	__u64 npages;
	__u64 offset;
	__u64 base;
	__u64 nruns;
	__u32 nmaps;
	__u32 state;
	__u32 nhandles;
	__u32 nexports;
	__u64 reserved;
};

/**
 * struct spanalloc_heap_stats - what the device's heap holds
 * @flags: in: zero
 * @page_size: out: bytes of a page
 * @reserved: in: zero; out: zero
 * @address_pages: out: pages of address space
 * @backed_pages: out: pages taken from the system
 * @in_use_pages: out: pages of allocations
 * @claimed_pages: out: pages of allocations in the making
 * @quarantined_pages: out: pages given up, but still in use by the kernel
 * @free_pages: out: pages of free spans
 * @released_pages: out: pages of address space without memory behind it
 * @idle_pages: out: pages that SPANALLOC_IOC_TRIM could return to the system
 * @largest_free_pages: out: length of the longest free span
 * @free_spans: out: number of free spans
 * @in_use_spans: out: number of allocations
 * @metadata_bytes: out: bytes of the heap's tables
 * @granule_pages: out: pages of a granule
 * @arena_pages: out: address space grows in steps of this many pages
 * @max_pages: out: limit of the address space
 * @allocs: out: successful allocations
 * @allocs_exact: out: of these, those that took a whole free span
 * @allocs_placed: out: of these, those with an alignment or contiguity to keep
 * @frees: out: allocations given back
 * @splits: out: allocations split in two
 * @fails_limit: out: allocations that the heap's own limit refused (EDQUOT). What limits
 *               of open files, of all of them, or of users refused is counted by
 *               SPANALLOC_IOC_FILE, in its @fails
 * @fails_space: out: allocations that found no free run (ENOSPC)
 * @fails_memory: out: allocations that the system had no pages for (ENOMEM)
 * @fails_again: out: allocations that failed because they might not sleep
 * @splits_in_place: out: allocations that changed a free span in its tree node
 * @merges_in_place: out: frees that grew a neighbour in its tree node
 * @tree_inserts: out: insertions into the tree
 * @tree_erases: out: erasures from the tree
 * @grows: out: times that address space was added
 * @backed: out: granules taken from the system
 * @backed_scattered: out: of these, those made of single pages
 * @backing_races: out: granules taken in vain
 * @scavenged_pages: out: pages returned to the system
 * @scavenged_inline_pages: out: of these, those that an allocation gave back before it took
 *                          a granule
 * @scavenged_reclaim_pages: out: of these, those that the system asked for
 * @scavenge_steps: out: times that the background scavenger looked at the heap
 * @scavenge_ns: out: time in ns that it spent giving back
 * @goal_pages: out: idle pages that the heap keeps from it at the moment
 * @demand_pages: out: pages of granules that are likely to be needed again soon
 * @kept_pages: out: idle pages that are kept for that reason alone
 * @kept_reused_pages: out: idle pages that were kept so and needed again
 * @zeroed_pages: out: pages zeroed while somebody waited for them
 * @zero_saved_pages: out: pages asked for as zero that needed no zeroing
 * @wiped_pages: out: pages cleared since free memory has to be zero (init_on_free)
 * @prezeroed_pages: out: pages cleared in the background (prezero)
 * @repaired: out: granules of single pages that were replaced by one block
 * @poison_broken: out: pages found written to while they were free (poison)
 * @cached_pages: out: pages of spans that are parked in per-CPU caches
 * @cached_spans: out: number of these
 * @cache_allocs: out: allocations served by a cache
 * @cache_frees: out: frees that parked a span
 * @cache_refills: out: batches carved for caches
 * @cache_flushes: out: batches given back by caches
 *
 * From @allocs_exact on, single counters may read 0 in later versions: how the
 * heap is made may change.
 *
 * Errors: EINVAL (flags, reserved).
 */
struct spanalloc_heap_stats {
	__u32 flags;
	__u32 page_size;
	__u64 reserved;
	__u64 address_pages;
	__u64 backed_pages;
	__u64 in_use_pages;
	__u64 claimed_pages;
	__u64 quarantined_pages;
	__u64 free_pages;
	__u64 released_pages;
	__u64 idle_pages;
	__u64 largest_free_pages;
	__u64 free_spans;
	__u64 in_use_spans;
	__u64 metadata_bytes;
	__u64 granule_pages;
	__u64 arena_pages;
	__u64 max_pages;
	__u64 allocs;
	__u64 allocs_exact;
	__u64 allocs_placed;
	__u64 frees;
	__u64 splits;
	__u64 fails_limit;
	__u64 fails_space;
	__u64 fails_memory;
	__u64 fails_again;
	__u64 splits_in_place;
	__u64 merges_in_place;
	__u64 tree_inserts;
	__u64 tree_erases;
	__u64 grows;
	__u64 backed;
	__u64 backed_scattered;
	__u64 backing_races;
	__u64 scavenged_pages;
	__u64 scavenged_inline_pages;
	__u64 scavenged_reclaim_pages;
	__u64 scavenge_steps;
	__u64 scavenge_ns;
	__u64 goal_pages;
	__u64 demand_pages;
	__u64 kept_pages;
	__u64 kept_reused_pages;
	__u64 zeroed_pages;
	__u64 zero_saved_pages;
	__u64 wiped_pages;
	__u64 prezeroed_pages;
	__u64 repaired;
	__u64 poison_broken;
	__u64 cached_pages;
	__u64 cached_spans;
	__u64 cache_allocs;
	__u64 cache_frees;
	__u64 cache_refills;
	__u64 cache_flushes;
};

/*
 * First bring back what is held out of the heap: allocations in quarantine that
 * nothing uses any more, and spans that are parked for a processor. The latter are
 * also brought back before anything is returned to the system.
 */
#define SPANALLOC_TRIM_DRAIN		(1U << 0)

/**
 * struct spanalloc_trim - return idle memory to the system
 * @npages: in: return at least this many pages, in whole granules, from the
 *          highest address down; ~0 means all. Zero only with SPANALLOC_TRIM_DRAIN
 * @flags: in: SPANALLOC_TRIM_*
 * @reserved: in: zero
 * @released: out: pages returned
 *
 * Needs CAP_SYS_ADMIN in the initial user namespace.
 *
 * Errors: EPERM, EINVAL (flags, reserved, zero pages).
 */
struct spanalloc_trim {
	__u64 npages;
	__u32 flags;
	__u32 reserved;
	__u64 released;
};

/**
 * struct spanalloc_split - split an allocation in two parts
 * @handle: in: what alloc or split returned; from here on it names the first part
 * @flags: in: zero
 * @npages: in: length of the first part
 * @new_handle: out: names the second part, which is all the rest
 * @reserved: in: zero; out: zero
 * @offset: out: where mmap() finds the second part's first byte
 *
 * Nothing moves: contents, bases, offsets and mappings stay. Each part is mapped,
 * queried, split and freed by itself, and a new mapping cannot reach from one into
 * another. The memory of the allocation returns when all its parts are given up.
 *
 * Errors: ENOENT (no such handle in this open file), EINVAL (flags, reserved, no
 * pages for one of the parts), ENOSPC (no handle left), ENOMEM. ENOENT and EINVAL can
 * come from a free or a split of the same handle in another thread, too.
 */
struct spanalloc_split {
	__u32 handle;
	__u32 flags;
	__u64 npages;
	__u32 new_handle;
	__u32 reserved;
	__u64 offset;
};

/* Set the open file's limit. */
#define SPANALLOC_FILE_SET_LIMIT	(1U << 0)

/**
 * struct spanalloc_file - what an open file holds and may hold
 * @flags: in: SPANALLOC_FILE_*
 * @nhandles: out: its handles
 * @limit_pages: in: with SPANALLOC_FILE_SET_LIMIT the new limit; out: its limit, ~0 if
 *               there is none
 * @pages: out: pages charged to it: of all allocations made through it
 *         that are not back in the heap
 * @quarantined_pages: out: of these, pages given up, but still in use by
 *                     the kernel
 * @allocs: out: its successful allocations, those by mmap() among them
 * @fails: out: its allocations that failed with EDQUOT, ENOSPC or ENOMEM
 * @device_pages: out: pages charged to all open files together
 * @device_limit_pages: out: the limit of these, ~0 if there is none
 * @reserved: in: zero; out: zero
 *
 * A file that was never given a limit has that of the module's parameter
 * file_max_pages, which may change. A limit below what is held is legal: it keeps the
 * file from getting more. A limit above both that parameter and the file's own needs
 * CAP_SYS_RESOURCE in the initial user namespace.
 *
 * Errors: EINVAL (flags, reserved), EPERM (such a limit).
 */
struct spanalloc_file {
	__u32 flags;
	__u32 nhandles;
	__u64 limit_pages;
	__u64 pages;
	__u64 quarantined_pages;
	__u64 allocs;
	__u64 fails;
	__u64 device_pages;
	__u64 device_limit_pages;
	__u64 reserved[2];
};

/**
 * struct spanalloc_run - a physically contiguous run of pages
 * @index: its first page, counted from the handle's first page
 * @npages: its length
 * @address: its physical address, or 0 unless the caller has CAP_SYS_ADMIN in the
 *           initial user namespace
 */
struct spanalloc_run {
	__u64 index;
	__u64 npages;
	__u64 address;
};

/**
 * struct spanalloc_runs - the physically contiguous runs of an allocation
 * @handle: in: what alloc or split returned
 * @flags: in: zero
 * @index: in: the page to begin with, counted from the handle's first page; out: the
 *         page after the last run told, which is where to go on
 * @runs: in: address of an array of struct spanalloc_run
 * @nruns: in: its length, at least 1; out: how many were told; 0 if @index is the
 *         handle's length
 * @reserved: in: zero; out: zero
 *
 * Errors: ENOENT (no such handle in this open file), EINVAL (flags, reserved, no room
 * for a run, @index beyond the handle's length), EINTR (a fatal signal), EIO (the
 * heap was found damaged).
 */
struct spanalloc_runs {
	__u32 handle;
	__u32 flags;
	__u64 index;
	__u64 runs;
	__u32 nruns;
	__u32 reserved;
};

/* The descriptor can be read only, though the open file can be written. */
#define SPANALLOC_EXPORT_READ_ONLY	(1U << 0)

/**
 * struct spanalloc_export - make a dma-buf of an allocation
 * @handle: in: what alloc or split returned; a part is exported as such
 * @flags: in: SPANALLOC_EXPORT_*
 * @fd: out: a descriptor, closed on exec, for mmap(), for passing it to another
 *      process, and for importing by drivers
 * @reserved: in: zero; out: zero
 *
 * It keeps the pages, whatever becomes of the handle and of the open file, until it
 * is closed everywhere. Offsets into it begin at 0, with the first page of the handle;
 * mappings of it are shared and not executable, as those of the device. From an open file
 * that is read-only comes a descriptor that is, too. Through such a one no device can
 * write, and the kernel maps it nowhere.
 *
 * Where a device works on copies of the pages, or past the processor's caches, accesses
 * of programs have to stand between DMA_BUF_IOCTL_SYNC calls on the descriptor that was
 * imported, even if they are made through another mapping of the pages.
 *
 * Errors: ENOENT (no such handle in this open file), EINVAL (flags, reserved), EMFILE,
 * ENFILE, ENOMEM, ENOTTY (a kernel without dma-bufs).
 */
struct spanalloc_export {
	__u32 handle;
	__u32 flags;
	__s32 fd;
	__u32 reserved;
};

/* Sizes of the structures' first versions, which every later kernel takes. */
#define SPANALLOC_INFO_SIZE_VER0	40
#define SPANALLOC_ALLOC_SIZE_VER0	48
#define SPANALLOC_FREE_SIZE_VER0	16
#define SPANALLOC_QUERY_SIZE_VER0	64
#define SPANALLOC_STATS_SIZE_VER0	280
#define SPANALLOC_STATS_SIZE_VER1	392	/* adds from scavenged_inline_pages on */
#define SPANALLOC_STATS_SIZE_VER2	440	/* adds from cached_pages on */
#define SPANALLOC_TRIM_SIZE_VER0	24
#define SPANALLOC_SPLIT_SIZE_VER0	32
#define SPANALLOC_FILE_SIZE_VER0	80
#define SPANALLOC_RUNS_SIZE_VER0	32
#define SPANALLOC_EXPORT_SIZE_VER0	16

#define SPANALLOC_IOC_INFO	_IOWR(SPANALLOC_IOC_MAGIC, 0x00, struct spanalloc_info)
#define SPANALLOC_IOC_ALLOC	_IOWR(SPANALLOC_IOC_MAGIC, 0x01, struct spanalloc_alloc)
#define SPANALLOC_IOC_FREE	_IOWR(SPANALLOC_IOC_MAGIC, 0x02, struct spanalloc_free)
#define SPANALLOC_IOC_QUERY	_IOWR(SPANALLOC_IOC_MAGIC, 0x03, struct spanalloc_query)
#define SPANALLOC_IOC_STATS	_IOWR(SPANALLOC_IOC_MAGIC, 0x04, struct spanalloc_heap_stats)
#define SPANALLOC_IOC_TRIM	_IOWR(SPANALLOC_IOC_MAGIC, 0x05, struct spanalloc_trim)
#define SPANALLOC_IOC_SPLIT	_IOWR(SPANALLOC_IOC_MAGIC, 0x06, struct spanalloc_split)
#define SPANALLOC_IOC_FILE	_IOWR(SPANALLOC_IOC_MAGIC, 0x07, struct spanalloc_file)
#define SPANALLOC_IOC_RUNS	_IOWR(SPANALLOC_IOC_MAGIC, 0x08, struct spanalloc_runs)
#define SPANALLOC_IOC_EXPORT	_IOWR(SPANALLOC_IOC_MAGIC, 0x09, struct spanalloc_export)

/* 0x0a to 0x0f are kept for calls to come. */

/*
 * mmap(): MAP_SHARED, PROT_READ or PROT_READ | PROT_WRITE, at
 *
 *   - the offset that alloc or split returned, or that offset plus whole pages for a
 *     part of it, any number of times;
 *   - offset 0, which no allocation ever has: makes a new allocation, of the mapping's
 *     length, without a handle. It lives as long as the mapping. A program that can map
 *     a file by its path can so use the device without knowing it.
 *
 * The mapping cannot grow and cannot be made executable, which a personality with
 * READ_IMPLIES_EXEC would have it. Futexes shared between processes do not work in it. A
 * file opened for reading only allows everything but mappings that can be written. A
 * page that had a memory error is not mapped (SIGBUS).
 *
 * Errors: EINVAL (no allocation of this open file at that offset, a length
 * beyond its end, a private mapping), EACCES (PROT_EXEC; PROT_WRITE on a file opened
 * for reading), ENOMEM, ENFILE, EINTR, EHWPOISON (with SPANALLOC_ALLOC_POPULATE),
 * EIO; at offset 0 those of SPANALLOC_IOC_ALLOC too.
 */

#endif /* _UAPI_LINUX_SPANALLOC_H */
