// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/spanalloc: buffers for programs.
 */

/**
 * DOC: Device
 *
 * include/uapi/linux/spanalloc.h says what the calls mean; every call copies its
 * structure in, runs, and copies it out again here, so that the rules for
 * growing structures exist once.
 *
 * A handle is made known only after the reply has been copied out, and forgotten
 * for good only then: a call that fails makes and destroys nothing, and no other
 * thread can guess a handle and free it while the call is still under way.
 */

#include <linux/capability.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <uapi/linux/spanalloc.h>

#include "buffer.h"
#include "compat.h"
#include "handle.h"
#include "internal.h"

/* Pages that a trim gives back before it looks for a signal. */
#define TRIM_PAGES	65536

static struct span_heap *device_heap;

/* The argument of any call. */
union span_arg {
	struct spanalloc_info info;
	struct spanalloc_alloc alloc;
	struct spanalloc_free free;
	struct spanalloc_query query;
	struct spanalloc_split split;
	struct spanalloc_heap_stats stats;
	struct spanalloc_trim trim;
};

static int run_info(struct span_file *sf, union span_arg *arg, void **state)
{
	struct spanalloc_stats stats;

	if (arg->info.reserved)
		return -EINVAL;
	span_heap_stats(device_heap, &stats);
	arg->info = (struct spanalloc_info) {
		.version = SPAN_VERSION_MAJOR << 16 | SPAN_VERSION_MINOR << 8 |
			   SPAN_VERSION_PATCH,
		.page_size = PAGE_SIZE,
		.features = SPANALLOC_FEATURE_CONTIG | SPANALLOC_FEATURE_SPLIT,
		.granule_pages = stats.granule_pages,
		.max_pages = stats.max_pages,
		.alloc_flags = SPANALLOC_ALLOC_CONTIG,
	};
	return 0;
}

static int run_alloc(struct span_file *sf, union span_arg *arg, void **state)
{
	struct spanalloc_alloc *alloc = &arg->alloc;
	struct span_handle *handle;
	struct span_buffer *buffer;

	if ((alloc->flags & ~SPANALLOC_ALLOC_CONTIG) || alloc->reserved[0] ||
	    alloc->reserved[1])
		return -EINVAL;
	handle = span_handle_reserve(sf);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	buffer = span_buffer_new(device_heap, alloc->npages, alloc->align,
				 alloc->flags & SPANALLOC_ALLOC_CONTIG ? SPANALLOC_CONTIG : 0);
	if (IS_ERR(buffer)) {
		span_handle_drop(sf, handle);
		return PTR_ERR(buffer);
	}
	span_handle_set(handle, buffer, 0, span_buffer_npages(buffer));
	alloc->handle = handle->id;
	alloc->offset = (u64)handle->pgoff << PAGE_SHIFT;
	*state = handle;
	return 0;
}

static int done_alloc(struct span_file *sf, const union span_arg *arg, void *state,
		      bool delivered)
{
	if (delivered)
		span_handle_publish(sf, state);
	else
		span_handle_drop(sf, state);
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

static int run_query(struct span_file *sf, union span_arg *arg, void **state)
{
	struct spanalloc_query *query = &arg->query;
	struct span_handle view;
	unsigned long first;

	if (query->flags || query->reserved[0] || query->reserved[1])
		return -EINVAL;
	if (!span_handle_get(sf, query->handle, &view))
		return -ENOENT;
	first = view.pgoff - view.buffer->pgoff;
	*query = (struct spanalloc_query) {
		.handle = query->handle,
		.npages = view.npages,
		.offset = (u64)view.pgoff << PAGE_SHIFT,
		.base = view.buffer->span->node.base + first,
		.nruns = span_buffer_runs(view.buffer, first, view.npages),
		.nmaps = atomic_read(&view.buffer->nmaps),
	};
	if (query->nruns == 1)
		query->state |= SPANALLOC_QUERY_CONTIG;
	span_buffer_put(view.buffer);
	return 0;
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

static int run_stats(struct span_file *sf, union span_arg *arg, void **state)
{
	struct spanalloc_heap_stats *out = &arg->stats;
	struct spanalloc_stats in;

	if (out->flags || out->reserved)
		return -EINVAL;
	span_heap_stats(device_heap, &in);
	*out = (struct spanalloc_heap_stats) {
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
	};
	return 0;
}

static int run_trim(struct span_file *sf, union span_arg *arg, void **state)
{
	struct spanalloc_trim *trim = &arg->trim;
	u64 released = 0, part;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (trim->flags || trim->reserved || !trim->npages)
		return -EINVAL;
	/* In parts, so that it can be killed. */
	do {
		part = span_heap_scavenge(device_heap,
					  min_t(u64, trim->npages - released, TRIM_PAGES));
		released += part;
	} while (part && released < trim->npages && !fatal_signal_pending(current));
	trim->released = released;
	return 0;
}

/**
 * struct span_call - one ioctl command
 * @cmd: the command, with the size of the newest structure
 * @size_min: size of the structure's first version
 * @run: does it; may leave something for @done in *state
 * @done: told whether the reply has reached the caller, if @run succeeded; may
 *        refuse after all if it has
 */
struct span_call {
	unsigned int cmd;
	size_t size_min;
	int (*run)(struct span_file *sf, union span_arg *arg, void **state);
	int (*done)(struct span_file *sf, const union span_arg *arg, void *state,
		    bool delivered);
};

static const struct span_call calls[] = {
	{ SPANALLOC_IOC_INFO, SPANALLOC_INFO_SIZE_VER0, run_info },
	{ SPANALLOC_IOC_ALLOC, SPANALLOC_ALLOC_SIZE_VER0, run_alloc, done_alloc },
	{ SPANALLOC_IOC_FREE, SPANALLOC_FREE_SIZE_VER0, run_free, done_free },
	{ SPANALLOC_IOC_QUERY, SPANALLOC_QUERY_SIZE_VER0, run_query },
	{ SPANALLOC_IOC_STATS, SPANALLOC_STATS_SIZE_VER0, run_stats },
	{ SPANALLOC_IOC_TRIM, SPANALLOC_TRIM_SIZE_VER0, run_trim },
	{ SPANALLOC_IOC_SPLIT, SPANALLOC_SPLIT_SIZE_VER0, run_split, done_split },
};

/* A command is known by letter, number and direction; its size may differ. */
static const struct span_call *find_call(unsigned int cmd)
{
	unsigned int mask = ~(_IOC_SIZEMASK << _IOC_SIZESHIFT);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if ((cmd & mask) == (calls[i].cmd & mask))
			return &calls[i];
	return NULL;
}

/* Copy the reply out, as much of it as the caller's structure takes. */
static bool deliver(const struct span_call *call, void __user *to, size_t usize,
		    const union span_arg *arg)
{
	size_t size = _IOC_SIZE(call->cmd);

	if (!(_IOC_DIR(call->cmd) & _IOC_READ))
		return true;
	if (copy_to_user(to, arg, min(size, usize)))
		return false;
	return usize <= size || !clear_user(to + size, usize - size);
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	const struct span_call *call = find_call(cmd);
	void __user *to = (void __user *)uarg;
	size_t usize = _IOC_SIZE(cmd);
	union span_arg arg = { };
	void *state = NULL;
	bool delivered;
	int err;

	if (!call)
		return -ENOTTY;
	if (usize < call->size_min)
		return -EINVAL;
	err = copy_struct_from_user(&arg, _IOC_SIZE(call->cmd), to, usize);
	if (err)
		return err;
	err = call->run(file->private_data, &arg, &state);
	if (err)
		return err;
	delivered = deliver(call, to, usize, &arg);
	if (call->done)
		err = call->done(file->private_data, &arg, state, delivered);
	return delivered ? err : -EFAULT;
}

static int device_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct span_buffer *buffer;

	/* Not VM_SHARED: the kernel drops that from a read-only file's mapping. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	buffer = span_buffer_at(file->private_data, vma->vm_pgoff, vma_pages(vma));
	return buffer ? span_buffer_map(buffer, vma) : -EINVAL;
}

static int device_open(struct inode *inode, struct file *file)
{
	struct span_file *sf = span_file_new();

	if (!sf)
		return -ENOMEM;
	file->private_data = sf;
	return nonseekable_open(inode, file);
}

static int device_release(struct inode *inode, struct file *file)
{
	span_file_delete(file->private_data);
	return 0;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = device_mmap,
};

static struct miscdevice span_miscdev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "spanalloc",
	.fops = &device_fops,
	.mode = 0600,
};

/**
 * span_device_init() - open the door
 * @heap: where buffers come from
 *
 * Context: may sleep.
 * Return: 0 or a negative error.
 */
int span_device_init(struct span_heap *heap)
{
	int err;

	BUILD_BUG_ON(sizeof(struct spanalloc_info) != SPANALLOC_INFO_SIZE_VER0);
	BUILD_BUG_ON(sizeof(struct spanalloc_alloc) != SPANALLOC_ALLOC_SIZE_VER0);
	BUILD_BUG_ON(sizeof(struct spanalloc_free) != SPANALLOC_FREE_SIZE_VER0);
	BUILD_BUG_ON(sizeof(struct spanalloc_query) != SPANALLOC_QUERY_SIZE_VER0);
	BUILD_BUG_ON(sizeof(struct spanalloc_heap_stats) != SPANALLOC_STATS_SIZE_VER0);
	BUILD_BUG_ON(sizeof(struct spanalloc_trim) != SPANALLOC_TRIM_SIZE_VER0);
	BUILD_BUG_ON(sizeof(struct spanalloc_split) != SPANALLOC_SPLIT_SIZE_VER0);

	device_heap = heap;
	err = span_buffer_init(heap);
	if (err)
		return err;
	err = misc_register(&span_miscdev);
	if (err)
		span_buffer_exit();
	return err;
}

/**
 * span_device_exit() - shut the door
 *
 * Context: may sleep; no file is open and no buffer mapped.
 */
void span_device_exit(void)
{
	misc_deregister(&span_miscdev);
	span_buffer_exit();
}
