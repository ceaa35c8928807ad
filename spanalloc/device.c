// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/spanalloc: buffers for programs.
 */

/**
 * DOC: Device
 *
 * Each open file has its own handles, and can only name its own buffers.
 * include/uapi/linux/spanalloc.h says what the calls mean; every call copies its
 * structure in, runs, and copies it out again here, so that the rules for
 * growing structures exist once.
 *
 * Three numbers of a buffer are three different things: the handle, which names
 * it in one open file and is not used again soon; the offset for mmap(); and the
 * base in the heap's address space.
 *
 * A handle is made known only after the reply has been copied out, and forgotten
 * for good only then: a call that fails leaves everything as it was, and no other
 * thread can guess a handle and free it while the call is still under way.
 *
 * Locking: each open file has a mutex for its handles. It nests in mmap_lock,
 * since .mmap takes it; so nothing is copied from or to user space while it is
 * held. Only reserving a handle allocates under it.
 */

#include <linux/capability.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>
#include <uapi/linux/spanalloc.h>

#include "buffer.h"
#include "compat.h"
#include "internal.h"

/* Pages that a trim gives back before it looks for a signal. */
#define TRIM_PAGES	65536

static struct span_heap *device_heap;

/**
 * struct span_handle - a buffer, as one open file knows it
 * @rb: links the handles of a file by @pgoff
 * @buffer: the buffer; the handle holds a reference
 * @id: names the handle in its file
 * @pgoff: where mmap() finds it, in pages
 */
struct span_handle {
	struct rb_node rb;
	struct span_buffer *buffer;
	u32 id;
	unsigned long pgoff;
};

/**
 * struct span_file - an open file
 * @lock: protects all below
 * @handles: struct span_handle by id; a reserved id reads as NULL
 * @next_id: where the search for a free id begins
 * @by_offset: struct span_handle by pgoff
 */
struct span_file {
	struct mutex lock;	/* protects all that follows */
	struct xarray handles;
	u32 next_id;
	struct rb_root by_offset;
};

/* The argument of any call. */
union span_arg {
	struct spanalloc_info info;
	struct spanalloc_alloc alloc;
	struct spanalloc_free free;
	struct spanalloc_query query;
	struct spanalloc_heap_stats stats;
	struct spanalloc_trim trim;
};

static bool handle_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct span_handle, rb)->pgoff <
	       rb_entry(b, struct span_handle, rb)->pgoff;
}

/* The handle whose buffer contains an offset; the file's lock is held. */
static struct span_handle *handle_at(struct span_file *sf, unsigned long pgoff)
{
	struct rb_node *rb = sf->by_offset.rb_node;

	while (rb) {
		struct span_handle *handle = rb_entry(rb, struct span_handle, rb);

		if (pgoff < handle->pgoff)
			rb = rb->rb_left;
		else if (pgoff - handle->pgoff >= span_buffer_npages(handle->buffer))
			rb = rb->rb_right;
		else
			return handle;
	}
	return NULL;
}

/* A new handle with an id that nobody else can use or see yet. */
static struct span_handle *handle_reserve(struct span_file *sf)
{
	struct span_handle *handle = kzalloc(sizeof(*handle), GFP_KERNEL_ACCOUNT);
	int err;

	if (!handle)
		return ERR_PTR(-ENOMEM);
	mutex_lock(&sf->lock);
	err = xa_alloc_cyclic(&sf->handles, &handle->id, NULL, XA_LIMIT(1, U32_MAX),
			      &sf->next_id, GFP_KERNEL);
	mutex_unlock(&sf->lock);
	if (err >= 0)
		return handle;
	kfree(handle);
	return ERR_PTR(err == -EBUSY ? -ENOSPC : err);
}

static void handle_cancel(struct span_file *sf, struct span_handle *handle)
{
	mutex_lock(&sf->lock);
	xa_release(&sf->handles, handle->id);
	mutex_unlock(&sf->lock);
	kfree(handle);
}

/* A handle that nobody can see goes, and its reference with it. */
static void handle_drop(struct span_file *sf, struct span_handle *handle)
{
	span_buffer_put(handle->buffer);
	handle_cancel(sf, handle);
}

/* From here on the handle can be used; storing to a reserved id cannot fail. */
static void handle_publish(struct span_file *sf, struct span_handle *handle)
{
	mutex_lock(&sf->lock);
	xa_store(&sf->handles, handle->id, handle, GFP_KERNEL);
	rb_add(&handle->rb, &sf->by_offset, handle_less);
	mutex_unlock(&sf->lock);
}

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
		.features = SPANALLOC_FEATURE_CONTIG,
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
	handle = handle_reserve(sf);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	buffer = span_buffer_new(device_heap, alloc->npages, alloc->align,
				 alloc->flags & SPANALLOC_ALLOC_CONTIG ? SPANALLOC_CONTIG : 0);
	if (IS_ERR(buffer)) {
		handle_cancel(sf, handle);
		return PTR_ERR(buffer);
	}
	handle->buffer = buffer;
	handle->pgoff = buffer->pgoff;
	alloc->handle = handle->id;
	alloc->offset = (u64)handle->pgoff << PAGE_SHIFT;
	*state = handle;
	return 0;
}

static void done_alloc(struct span_file *sf, void *state, bool delivered)
{
	if (delivered)
		handle_publish(sf, state);
	else
		handle_drop(sf, state);
}

/* The handle is out of reach, but can be put back until the reply is out. */
static int run_free(struct span_file *sf, union span_arg *arg, void **state)
{
	struct span_handle *handle;

	if (arg->free.flags || arg->free.reserved)
		return -EINVAL;
	mutex_lock(&sf->lock);
	handle = xa_load(&sf->handles, arg->free.handle);
	if (handle) {
		xa_store(&sf->handles, handle->id, XA_ZERO_ENTRY, GFP_KERNEL);
		rb_erase(&handle->rb, &sf->by_offset);
	}
	mutex_unlock(&sf->lock);
	if (!handle)
		return -ENOENT;
	arg->free.state = span_buffer_is_mapped(handle->buffer) ? SPANALLOC_FREE_DEFERRED : 0;
	*state = handle;
	return 0;
}

static void done_free(struct span_file *sf, void *state, bool delivered)
{
	if (delivered)
		handle_drop(sf, state);
	else
		handle_publish(sf, state);
}

static struct span_buffer *buffer_get(struct span_file *sf, u32 id)
{
	struct span_buffer *buffer = NULL;
	struct span_handle *handle;

	mutex_lock(&sf->lock);
	handle = xa_load(&sf->handles, id);
	if (handle)
		buffer = span_buffer_get(handle->buffer);
	mutex_unlock(&sf->lock);
	return buffer;
}

static int run_query(struct span_file *sf, union span_arg *arg, void **state)
{
	struct spanalloc_query *query = &arg->query;
	struct span_buffer *buffer;

	if (query->flags || query->reserved[0] || query->reserved[1])
		return -EINVAL;
	buffer = buffer_get(sf, query->handle);
	if (!buffer)
		return -ENOENT;
	*query = (struct spanalloc_query) {
		.handle = query->handle,
		.npages = span_buffer_npages(buffer),
		.offset = (u64)buffer->pgoff << PAGE_SHIFT,
		.base = buffer->span->node.base,
		.nruns = span_buffer_runs(buffer),
		.nmaps = atomic_read(&buffer->nmaps),
	};
	if (query->nruns == 1)
		query->state |= SPANALLOC_QUERY_CONTIG;
	span_buffer_put(buffer);
	return 0;
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
 * @done: told whether the reply has reached the caller, if @run succeeded
 */
struct span_call {
	unsigned int cmd;
	size_t size_min;
	int (*run)(struct span_file *sf, union span_arg *arg, void **state);
	void (*done)(struct span_file *sf, void *state, bool delivered);
};

static const struct span_call calls[] = {
	{ SPANALLOC_IOC_INFO, SPANALLOC_INFO_SIZE_VER0, run_info },
	{ SPANALLOC_IOC_ALLOC, SPANALLOC_ALLOC_SIZE_VER0, run_alloc, done_alloc },
	{ SPANALLOC_IOC_FREE, SPANALLOC_FREE_SIZE_VER0, run_free, done_free },
	{ SPANALLOC_IOC_QUERY, SPANALLOC_QUERY_SIZE_VER0, run_query },
	{ SPANALLOC_IOC_STATS, SPANALLOC_STATS_SIZE_VER0, run_stats },
	{ SPANALLOC_IOC_TRIM, SPANALLOC_TRIM_SIZE_VER0, run_trim },
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
		call->done(file->private_data, state, delivered);
	return delivered ? 0 : -EFAULT;
}

static int device_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct span_file *sf = file->private_data;
	struct span_buffer *buffer = NULL;
	struct span_handle *handle;
	unsigned long first;

	/* Not VM_SHARED: the kernel drops that from a read-only file's mapping. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	mutex_lock(&sf->lock);
	handle = handle_at(sf, vma->vm_pgoff);
	if (handle) {
		first = vma->vm_pgoff - handle->pgoff;
		if (vma_pages(vma) <= span_buffer_npages(handle->buffer) - first)
			buffer = span_buffer_get(handle->buffer);
	}
	mutex_unlock(&sf->lock);
	return buffer ? span_buffer_map(buffer, vma) : -EINVAL;
}

static int device_open(struct inode *inode, struct file *file)
{
	struct span_file *sf = kzalloc(sizeof(*sf), GFP_KERNEL_ACCOUNT);

	if (!sf)
		return -ENOMEM;
	mutex_init(&sf->lock);
	xa_init_flags(&sf->handles, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	sf->by_offset = RB_ROOT;
	file->private_data = sf;
	return nonseekable_open(inode, file);
}

static int device_release(struct inode *inode, struct file *file)
{
	struct span_file *sf = file->private_data;
	struct span_handle *handle;
	unsigned long id;

	/* One by one: xa_destroy() frees all inner nodes with interrupts off. */
	xa_for_each(&sf->handles, id, handle) {
		xa_erase(&sf->handles, id);
		span_buffer_put(handle->buffer);
		kfree(handle);
		cond_resched();
	}
	xa_destroy(&sf->handles);
	mutex_destroy(&sf->lock);
	kfree(sf);
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
