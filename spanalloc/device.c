// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/spanalloc: buffers for programs.
 */

/**
 * DOC: Device
 *
 * include/uapi/linux/spanalloc.h says what a program can do. Every ioctl call has its
 * structure copied in, runs (see calls.c), and has it copied out again here, so that
 * the rules for growing structures exist once.
 *
 * mmap() at offset 0 makes a buffer that no handle leads to. All its memory is taken
 * and zeroed under mmap_lock, which a fatal signal ends; its pages enter the page
 * table later, as they are touched. An allocation and a mapping of it in two calls take
 * the lock for a moment only.
 */

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "buffer.h"
#include "calls.h"
#include "handle.h"
#include "internal.h"

static struct span_heap *device_heap;

/* Copy the reply out, as much of it as the caller's structure takes. */
static bool deliver(const struct span_call *call, void __user *to, size_t usize,
		    const union span_arg *arg)
{
	size_t size = _IOC_SIZE(call->cmd);

	if (copy_to_user(to, arg, min(size, usize)))
		return false;
	return usize <= size || !clear_user(to + size, usize - size);
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	const struct span_call *call = span_call_find(cmd);
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
	if (err && call->explains && call->explains(&arg, err) &&
	    !deliver(call, to, usize, &arg))
		return -EFAULT;
	if (err)
		return err;
	delivered = deliver(call, to, usize, &arg);
	if (call->done)
		err = call->done(file->private_data, &arg, state, delivered);
	return delivered ? err : -EFAULT;
}

/* The buffer to map, with a reference for the mapping. */
static struct span_buffer *buffer_for(struct span_file *sf, struct vm_area_struct *vma)
{
	struct span_buffer *buffer;

	if (vma->vm_pgoff) {
		buffer = span_buffer_at(sf, vma->vm_pgoff, vma_pages(vma));
		return buffer ? : ERR_PTR(-EINVAL);
	}
	buffer = span_buffer_new(sf->heap, sf->account, vma_pages(vma), 0, 0);
	if (!IS_ERR(buffer))
		vma->vm_pgoff = buffer->pgoff;
	return buffer;
}

static int device_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct span_file *sf = file->private_data;
	bool fresh = !vma->vm_pgoff;
	struct span_buffer *buffer;
	int err = span_mapping_check(vma);

	if (err)
		return err;
	buffer = buffer_for(sf, vma);
	err = IS_ERR(buffer) ? PTR_ERR(buffer) : span_buffer_map(buffer, vma);
	if (fresh)
		span_account_note(sf->account, err);
	return err;
}

/* So that a report of who has the memory can be understood. */
static void device_show_fdinfo(struct seq_file *m, struct file *file)
{
	const struct span_file *sf = file->private_data;
	struct span_account *account = sf->account;
	unsigned long limit = span_account_limit(account);

	seq_printf(m, "spanalloc-pages:\t%ld\n", atomic_long_read(&account->pages));
	if (limit == SPAN_ACCOUNT_UNLIMITED)
		seq_puts(m, "spanalloc-limit:\tmax\n");
	else
		seq_printf(m, "spanalloc-limit:\t%lu\n", limit);
	seq_printf(m, "spanalloc-handles:\t%d\n", atomic_read(&sf->nhandles));
	seq_printf(m, "spanalloc-quarantined:\t%ld\n",
		   atomic_long_read(&account->quarantined));
	seq_printf(m, "spanalloc-allocs:\t%lld\n", atomic64_read(&account->allocs));
}

static int device_open(struct inode *inode, struct file *file)
{
	struct span_file *sf = span_file_new(device_heap, !!(file->f_mode & FMODE_WRITE));

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
	.show_fdinfo = device_show_fdinfo,
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
	BUILD_BUG_ON(offsetof(struct spanalloc_heap_stats, scavenged_inline_pages) !=
		     SPANALLOC_STATS_SIZE_VER0);
	BUILD_BUG_ON(sizeof(struct spanalloc_heap_stats) != SPANALLOC_STATS_SIZE_VER2);
	BUILD_BUG_ON(sizeof(struct spanalloc_trim) != SPANALLOC_TRIM_SIZE_VER0);
	BUILD_BUG_ON(sizeof(struct spanalloc_split) != SPANALLOC_SPLIT_SIZE_VER0);
	BUILD_BUG_ON(sizeof(struct spanalloc_file) != SPANALLOC_FILE_SIZE_VER0);
	BUILD_BUG_ON(sizeof(struct spanalloc_runs) != SPANALLOC_RUNS_SIZE_VER0);
	BUILD_BUG_ON(sizeof(struct spanalloc_export) != SPANALLOC_EXPORT_SIZE_VER0);

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
