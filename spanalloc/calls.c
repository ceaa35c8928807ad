// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's ioctl calls.
 */

/**
 * DOC: Calls
 *
 * include/uapi/linux/spanalloc.h says what the calls mean. Each has a function that is
 * given its structure in kernel memory and leaves the reply there; device.c copies both
 * ways.
 *
 * A handle is made known only after the reply has been copied out, and forgotten
 * for good only then: a call that fails makes and destroys nothing, and no other
 * thread can guess a handle and free it while the call is still under way. So a call
 * that makes or destroys has a second function, which is told whether the reply went
 * out.
 */

#include <linux/capability.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "buffer.h"
#include "calls.h"
#include "export.h"
#include "handle.h"
#include "internal.h"
#include "view.h"

/* Flags of an allocation that are known. */
#define ALLOC_FLAGS	(SPANALLOC_ALLOC_CONTIG | SPANALLOC_ALLOC_POPULATE | \
			 SPANALLOC_ALLOC_REPORT)

/* Pages that a trim gives back before it looks for a signal. */
#define TRIM_PAGES	65536

static int run_info(struct span_file *sf, union span_arg *arg, void **state)
{
	struct spanalloc_stats stats;

	if (arg->info.reserved)
		return -EINVAL;
	span_heap_stats(sf->heap, &stats);
	arg->info = (struct spanalloc_info) {
		.version = SPAN_VERSION_MAJOR << 16 | SPAN_VERSION_MINOR << 8 |
			   SPAN_VERSION_PATCH,
		.page_size = PAGE_SIZE,
		.features = SPANALLOC_FEATURE_CONTIG | SPANALLOC_FEATURE_SPLIT |
			    SPANALLOC_FEATURE_MMAP |
			    (SPAN_HAS_EXPORT ? SPANALLOC_FEATURE_EXPORT : 0),
		.granule_pages = stats.granule_pages,
		.max_pages = stats.max_pages,
		.alloc_flags = ALLOC_FLAGS,
	};
	return 0;
}

static bool explains_alloc(const union span_arg *arg, int err)
{
	return (arg->alloc.flags & SPANALLOC_ALLOC_REPORT) && span_is_want(err);
}

/*
 * The longest run that would have been found at this moment. The free span at the end
 * of the address space grows with it. Where a limit of the account refused, the heap was not
 * asked, and has spans parked that it would have drained for a long run.
 */
static unsigned long largest_pages(struct span_file *sf, const struct spanalloc_alloc *alloc)
{
	unsigned long granule = span_heap_granule_pages(sf->heap);
	struct spanalloc_stats stats;
	struct span_info last;
	unsigned long end;

	span_cache_drain(sf->heap);
	span_heap_stats(sf->heap, &stats);
	end = stats.max_pages - stats.address_pages;
	if (stats.address_pages &&
	    span_heap_next_span(sf->heap, stats.address_pages - 1, &last) &&
	    last.state == SPAN_FREE)
		end += last.npages;
	end = max_t(unsigned long, end, stats.largest_free_pages);
	if (alloc->flags & SPANALLOC_ALLOC_CONTIG)
		end = min(end, granule);
	return min(end, round_down(span_account_room(sf->account),
				   clamp_t(u64, alloc->align, 1, granule)));
}

static struct span_handle *allocate(struct span_file *sf, const struct spanalloc_alloc *alloc)
{
	struct span_handle *handle = span_handle_reserve(sf);
	struct span_buffer *buffer;

	if (IS_ERR(handle))
		return handle;
	buffer = span_buffer_new(sf->heap, sf->account, alloc->npages, alloc->align,
				 alloc->flags);
	if (IS_ERR(buffer)) {
		span_handle_drop(sf, handle);
		return ERR_CAST(buffer);
	}
	span_handle_set(handle, buffer, 0, span_buffer_npages(buffer));
	return handle;
}

static int run_alloc(struct span_file *sf, union span_arg *arg, void **state)
{
	struct spanalloc_alloc *alloc = &arg->alloc;
	struct span_handle *handle;

	if ((alloc->flags & ~ALLOC_FLAGS) || alloc->reserved)
		return -EINVAL;
	alloc->handle = 0;
	alloc->offset = 0;
	alloc->largest_pages = 0;
	handle = allocate(sf, alloc);
	if (IS_ERR(handle)) {
		span_account_note(sf->account, PTR_ERR(handle));
		if (explains_alloc(arg, PTR_ERR(handle)))
			alloc->largest_pages = largest_pages(sf, alloc);
		return PTR_ERR(handle);
	}
	alloc->handle = handle->id;
	alloc->offset = (u64)handle->pgoff << PAGE_SHIFT;
	*state = handle;
	return 0;
}

static int done_alloc(struct span_file *sf, const union span_arg *arg, void *state,
		      bool delivered)
{
	if (!delivered) {
		span_handle_drop(sf, state);
		return 0;
	}
	span_account_note(sf->account, 0);
	span_handle_publish(sf, state);
	return 0;
}

/* The handle is out of reach, but can be put back until the reply is out. */
static int run_free(struct span_file *sf, union span_arg *arg, void **state)
{
	struct span_handle *handle;
	bool shared;

	if (arg->free.flags || arg->free.reserved)
		return -EINVAL;
	handle = span_handle_withdraw(sf, arg->free.handle, &shared);
	if (!handle)
		return -ENOENT;
	arg->free.state = shared ? SPANALLOC_FREE_DEFERRED : 0;
	*state = handle;
	return 0;
}

static int done_free(struct span_file *sf, const union span_arg *arg, void *state,
		     bool delivered)
{
	if (delivered)
		span_handle_drop(sf, state);
	else
		span_handle_publish(sf, state);
	return 0;
}

/* Pages that a walk over runs follows before it looks for a signal. */
#define RUN_PAGES	65536

static struct span_part part_of(const struct span_handle *view)
{
	return (struct span_part) {
		.heap = view->buffer->heap,
		.span = view->buffer->span,
		.first = view->pgoff - view->buffer->pgoff,
		.npages = view->npages,
	};
}

/*
 * The run that begins with a page, and its page frame. A long one of single pages takes its
 * time, so it is followed piece by piece.
 */
static long run_at(const struct span_part *part, unsigned long index, unsigned long *pfn)
{
	unsigned long length = 0, more;
	struct page *page;

	do {
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		more = span_part_run(part, index + length, RUN_PAGES, &page);
		if (!more)
			return -EIO;
		if (!length)
			*pfn = page_to_pfn(page);
		else if (page_to_pfn(page) != *pfn + length)
			break;
		length += more;
	} while (index + length < part->npages);
	return length;
}

static int count_runs(const struct span_part *part, u64 *nruns)
{
	unsigned long index = 0, pfn;
	long length;

	for (*nruns = 0; index < part->npages; ++*nruns) {
		length = run_at(part, index, &pfn);
		if (length < 0)
			return length;
		index += length;
	}
	return 0;
}

/* Used by the kernel, and not only because it is mapped? */
static bool is_pinned_unmapped(struct span_buffer *buffer)
{
	return !atomic_read(&buffer->nmaps) && span_buffer_is_pinned(buffer) &&
	       !atomic_read(&buffer->nmaps);
}

static int run_query(struct span_file *sf, union span_arg *arg, void **state)
{
	struct spanalloc_query *query = &arg->query;
	struct span_buffer *buffer;
	struct span_handle view;
	struct span_part part;
	u64 nruns;
	int err;

	if (query->flags || query->reserved)
		return -EINVAL;
	if (!span_handle_get(sf, query->handle, &view))
		return -ENOENT;
	buffer = view.buffer;
	part = part_of(&view);
	err = count_runs(&part, &nruns);
	if (err)
		goto put_buffer;
	*query = (struct spanalloc_query) {
		.handle = query->handle,
		.npages = view.npages,
		.offset = (u64)view.pgoff << PAGE_SHIFT,
		.base = buffer->span->node.base + part.first,
		.nruns = nruns,
		.nmaps = atomic_read(&buffer->nmaps),
		.nhandles = atomic_read(&buffer->nhandles),
		.nexports = atomic_read(&buffer->nexports),
	};
	if (query->nruns == 1)
		query->state |= SPANALLOC_QUERY_CONTIG;
	if (is_pinned_unmapped(buffer))
		query->state |= SPANALLOC_QUERY_PINNED;

put_buffer:
	span_buffer_put(buffer);
	return err;
}

/* Each run goes out by itself, so that nothing has to be allocated for all of them. */
static int tell_runs(struct spanalloc_runs *runs, const struct span_handle *view)
{
	struct spanalloc_run __user *to = u64_to_user_ptr(runs->runs);
	bool privileged = ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN);
	const struct span_part part = part_of(view);
	struct spanalloc_run run;
	unsigned long pfn;
	long length;
	u32 told;

	for (told = 0; told < runs->nruns && runs->index < view->npages; told++) {
		length = run_at(&part, runs->index, &pfn);
		if (length < 0)
			return length;
		run = (struct spanalloc_run) {
			.index = runs->index,
			.npages = length,
			.address = privileged ? PFN_PHYS(pfn) : 0,
		};
		if (copy_to_user(&to[told], &run, sizeof(run)))
			return -EFAULT;
		runs->index += length;
	}
	runs->nruns = told;
	return 0;
}

static int run_runs(struct span_file *sf, union span_arg *arg, void **state)
{
	struct spanalloc_runs *runs = &arg->runs;
	struct span_handle view;
	int err = -EINVAL;

	if (runs->flags || runs->reserved || !runs->nruns)
		return -EINVAL;
	if (!span_handle_get(sf, runs->handle, &view))
		return -ENOENT;
	if (runs->index <= view.npages)
		err = tell_runs(runs, &view);
	span_buffer_put(view.buffer);
	return err;
}

/*
 * What the reply says, the new handle and its offset, does not depend on what
 * other threads do; so the split itself waits until the reply is out, and nothing
 * has to be undone. The old handle can be used all the time.
 */
static int run_split(struct span_file *sf, union span_arg *arg, void **state)
{
	struct spanalloc_split *split = &arg->split;
	struct span_handle *handle, view;

	if (split->flags || split->reserved)
		return -EINVAL;
	handle = span_handle_reserve(sf);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	if (!span_handle_get(sf, split->handle, &view)) {
		span_handle_drop(sf, handle);
		return -ENOENT;
	}
	/* The reference goes to the new handle, whether it is of use or not. */
	span_handle_set(handle, view.buffer, view.pgoff - view.buffer->pgoff, view.npages);
	if (!split->npages || split->npages >= view.npages) {
		span_handle_drop(sf, handle);
		return -EINVAL;
	}
	split->new_handle = handle->id;
	split->offset = (u64)(view.pgoff + split->npages) << PAGE_SHIFT;
	*state = handle;
	return 0;
}

static int done_split(struct span_file *sf, const union span_arg *arg, void *state,
		      bool delivered)
{
	int err = 0;

	if (delivered)
		err = span_handle_split(sf, arg->split.handle, arg->split.npages, state);
	if (!delivered || err)
		span_handle_drop(sf, state);
	return err;
}

static struct spanalloc_heap_stats stats_for_programs(struct span_heap *heap)
{
	struct spanalloc_stats in;

	span_heap_stats(heap, &in);
	return (struct spanalloc_heap_stats) {
		.page_size = PAGE_SIZE,
		.address_pages = in.address_pages,
		.backed_pages = in.backed_pages,
		.in_use_pages = in.in_use_pages,
		.claimed_pages = in.claimed_pages,
		.quarantined_pages = in.quarantined_pages,
		.free_pages = in.free_pages,
		.released_pages = in.released_pages,
		.idle_pages = in.idle_pages,
		.largest_free_pages = in.largest_free_pages,
		.free_spans = in.free_spans,
		.in_use_spans = in.in_use_spans,
		.metadata_bytes = in.metadata_bytes,
		.granule_pages = in.granule_pages,
		.arena_pages = in.arena_pages,
		.max_pages = in.max_pages,
		.allocs = in.allocs,
		.allocs_exact = in.allocs_exact,
		.allocs_placed = in.allocs_placed,
		.frees = in.frees,
		.splits = in.splits,
		.fails_limit = in.fails_limit,
		.fails_space = in.fails_space,
		.fails_memory = in.fails_memory,
		.fails_again = in.fails_again,
		.splits_in_place = in.splits_in_place,
		.merges_in_place = in.merges_in_place,
		.tree_inserts = in.tree_inserts,
		.tree_erases = in.tree_erases,
		.grows = in.grows,
		.backed = in.backed,
		.backed_scattered = in.backed_scattered,
		.backing_races = in.backing_races,
		.scavenged_pages = in.scavenged_pages,
		.scavenged_inline_pages = in.scavenged_inline_pages,
		.scavenged_reclaim_pages = in.scavenged_reclaim_pages,
		.scavenge_steps = in.scavenge_steps,
		.scavenge_ns = in.scavenge_ns,
		.goal_pages = in.goal_pages,
		.demand_pages = in.demand_pages,
		.kept_pages = in.kept_pages,
		.kept_reused_pages = in.kept_reused_pages,
		.zeroed_pages = in.zeroed_pages,
		.zero_saved_pages = in.zero_saved_pages,
		.wiped_pages = in.wiped_pages,
		.prezeroed_pages = in.prezeroed_pages,
		.repaired = in.repaired,
		.poison_broken = in.poison_broken,
		.cached_pages = in.cached_pages,
		.cached_spans = in.cached_spans,
		.cache_allocs = in.cache_allocs,
		.cache_frees = in.cache_frees,
		.cache_refills = in.cache_refills,
		.cache_flushes = in.cache_flushes,
	};
}

static int run_stats(struct span_file *sf, union span_arg *arg, void **state)
{
	if (arg->stats.flags || arg->stats.reserved)
		return -EINVAL;
	arg->stats = stats_for_programs(sf->heap);
	return 0;
}

static int run_trim(struct span_file *sf, union span_arg *arg, void **state)
{
	struct spanalloc_trim *trim = &arg->trim;
	u64 released = 0, part;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if ((trim->flags & ~SPANALLOC_TRIM_DRAIN) || trim->reserved ||
	    (!trim->npages && !trim->flags))
		return -EINVAL;
	if (trim->flags & SPANALLOC_TRIM_DRAIN) {
		span_buffer_drain();
		span_cache_drain(sf->heap);
	}
	/* In parts, so that it can be killed. */
	do {
		part = span_heap_scavenge(sf->heap,
					  min_t(u64, trim->npages - released, TRIM_PAGES));
		released += part;
	} while (part && released < trim->npages && !fatal_signal_pending(current));
	trim->released = released;
	return 0;
}

static int run_file(struct span_file *sf, union span_arg *arg, void **state)
{
	struct spanalloc_file *out = &arg->file;
	struct span_account *account = sf->account;
	int err;

	if ((out->flags & ~SPANALLOC_FILE_SET_LIMIT) || out->reserved[0] || out->reserved[1])
		return -EINVAL;
	if (out->flags & SPANALLOC_FILE_SET_LIMIT) {
		err = span_account_set_limit(account, out->limit_pages);
		if (err)
			return err;
	}
	*out = (struct spanalloc_file) {
		.flags = out->flags,
		.nhandles = atomic_read(&sf->nhandles),
		.limit_pages = span_account_limit(account),
		.pages = atomic_long_read(&account->pages),
		.quarantined_pages = atomic_long_read(&account->quarantined),
		.allocs = atomic64_read(&account->allocs),
		.fails = atomic64_read(&account->fails),
		.device_pages = span_device_pages(),
		.device_limit_pages = span_device_limit(),
	};
	return 0;
}

/* The number of the descriptor is reserved, but leads nowhere until the reply is out. */
static int run_export(struct span_file *sf, union span_arg *arg, void **state)
{
	struct spanalloc_export *export = &arg->export;
	struct span_handle view;
	struct file *file;
	bool writable;

	if (!SPAN_HAS_EXPORT)
		return -ENOTTY;
	if ((export->flags & ~SPANALLOC_EXPORT_READ_ONLY) || export->reserved)
		return -EINVAL;
	if (!span_handle_get(sf, export->handle, &view))
		return -ENOENT;
	writable = sf->writable && !(export->flags & SPANALLOC_EXPORT_READ_ONLY);
	export->fd = get_unused_fd_flags(O_CLOEXEC);
	if (export->fd < 0) {
		span_buffer_put(view.buffer);
		return export->fd;
	}
	file = span_export_new(view.buffer, view.pgoff - view.buffer->pgoff, view.npages,
			       writable);
	span_buffer_put(view.buffer);
	if (IS_ERR(file)) {
		put_unused_fd(export->fd);
		return PTR_ERR(file);
	}
	*state = file;
	return 0;
}

static int done_export(struct span_file *sf, const union span_arg *arg, void *state,
		       bool delivered)
{
	if (delivered) {
		fd_install(arg->export.fd, state);
	} else {
		put_unused_fd(arg->export.fd);
		fput(state);
	}
	return 0;
}

static const struct span_call calls[] = {
	{ SPANALLOC_IOC_INFO, SPANALLOC_INFO_SIZE_VER0, run_info },
	{ SPANALLOC_IOC_ALLOC, SPANALLOC_ALLOC_SIZE_VER0, run_alloc, done_alloc,
	  explains_alloc },
	{ SPANALLOC_IOC_FREE, SPANALLOC_FREE_SIZE_VER0, run_free, done_free },
	{ SPANALLOC_IOC_QUERY, SPANALLOC_QUERY_SIZE_VER0, run_query },
	{ SPANALLOC_IOC_STATS, SPANALLOC_STATS_SIZE_VER0, run_stats },
	{ SPANALLOC_IOC_TRIM, SPANALLOC_TRIM_SIZE_VER0, run_trim },
	{ SPANALLOC_IOC_SPLIT, SPANALLOC_SPLIT_SIZE_VER0, run_split, done_split },
	{ SPANALLOC_IOC_FILE, SPANALLOC_FILE_SIZE_VER0, run_file },
	{ SPANALLOC_IOC_RUNS, SPANALLOC_RUNS_SIZE_VER0, run_runs },
	{ SPANALLOC_IOC_EXPORT, SPANALLOC_EXPORT_SIZE_VER0, run_export, done_export },
};

/**
 * span_call_find() - what a command does
 * @cmd: the command; known by letter, number and direction, while its size may differ
 *
 * Context: any.
 * Return: the call, or NULL.
 */
const struct span_call *span_call_find(unsigned int cmd)
{
	unsigned int mask = ~(_IOC_SIZEMASK << _IOC_SIZESHIFT);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if ((cmd & mask) == (calls[i].cmd & mask))
			return &calls[i];
	return NULL;
}
