// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of buffers into programs.
 */

/**
 * DOC: Mappings
 *
 * A VMA keeps its file open. If it kept the device's file, closing that would
 * free nothing as long as one buffer is mapped; so each mmap() call gets an
 * internal file of its own, which holds one reference on its buffer. The kernel
 * counts that file through fork, split, partial munmap and mremap, and its
 * release drops the reference: there is nothing to do in .open and .close, and a
 * VMA always has the pages it maps.
 *
 * Pages are mapped by vm_insert_pages(), as ordinary referenced pages and not as
 * page frames, so that get_user_pages() takes them: direct I/O, io_uring and
 * RDMA work. The price is that a mapping never uses huge page table entries.
 * Pages are mapped when they are touched, some at a time, so that mmap() itself costs
 * the same for any length; or all at once where the buffer is to be populated. What
 * MADV_DONTNEED dropped comes back in the same way. There is no .page_mkwrite on purpose:
 * it would make the mapping one of a file system that tracks dirty pages, which long-term
 * pins are refused on.
 *
 * If populating fails half way, other threads may have touched the pages already.
 * The kernel puts the internal file first and unmaps afterwards. The release is
 * normally deferred until the return to user space; where it is not, the page
 * tables still hold references, and the pin gate sends the buffer to quarantine.
 *
 * Locking: .mmap runs under mmap_lock for writing, .fault under mmap_lock for
 * reading: without .map_pages, newer kernels do not call it under the lock of the VMA
 * alone. Neither takes the heap's lock: the buffer holds its span.
 * If .mmap fails at once and drops the last reference, that is the end of the buffer
 * under mmap_lock (see buffer.c).
 */

#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>

#include "buffer.h"
#include "compat.h"

/* Pages handed to vm_insert_pages() in one call; their pointers are on the stack. */
#define INSERT_BATCH	32
/* Pages that a fault maps at most: as many as page tables of files take at once. */
#define FAULT_PAGES	16UL

static int mapping_release(struct inode *inode, struct file *file)
{
	struct span_buffer *buffer = file->private_data;

	atomic_dec(&buffer->nmaps);
	span_buffer_put(buffer);
	return 0;
}

static const struct file_operations mapping_fops = {
	.owner = THIS_MODULE,
	.release = mapping_release,
	.llseek = noop_llseek,
};

/* Map one physically contiguous run, up to a page that had a memory error. */
static int insert_run(struct vm_area_struct *vma, unsigned long addr,
		      struct page *page, unsigned long npages)
{
	struct page *pages[INSERT_BATCH];
	unsigned long i, n, left;
	int err;

	for (; npages; npages -= n) {
		n = min_t(unsigned long, npages, INSERT_BATCH);
		for (i = 0; i < n && !PageHWPoison(page); i++)
			pages[i] = page++;
		if (!i)
			return -EHWPOISON;
		n = i;
		left = n;
		err = vm_insert_pages(vma, addr, pages, &left);
		if (err)
			return err;
		addr += n << PAGE_SHIFT;
	}
	return 0;
}

/*
 * Whether the page that was touched is there is for the processor to find out again, as
 * after any fault. It is, unless it was taken away meanwhile. -EBUSY: a page is mapped
 * already, since another thread was faster, or has been here before. -EFAULT: the page
 * table has gone between its making and its use, as MADV_DONTNEED in another thread does
 * with one that is empty. -EHWPOISON: it is a later page that had an error.
 */
static vm_fault_t mapping_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct span_buffer *buffer = vma->vm_private_data;
	unsigned long addr = vmf->address & PAGE_MASK, npages;
	struct page *page;
	int err;

	page = span_heap_run(buffer->heap, buffer->span, vmf->pgoff - buffer->pgoff, &npages);
	if (!page)
		return VM_FAULT_SIGBUS;
	if (PageHWPoison(page))
		return VM_FAULT_HWPOISON;
	/* In one page table: if there is no memory for it, no page is mapped. */
	npages = min3(npages, (pmd_addr_end(addr, vma->vm_end) - addr) >> PAGE_SHIFT,
		      FAULT_PAGES);
	err = insert_run(vma, addr, page, npages);
	if (err == -EBUSY || err == -EFAULT || err == -EHWPOISON)
		err = 0;
	return err ? vmf_error(err) : VM_FAULT_NOPAGE;
}

static const struct vm_operations_struct mapping_vm_ops = {
	.fault = mapping_fault,
};

static int insert_all(struct span_buffer *buffer, struct vm_area_struct *vma)
{
	unsigned long index = vma->vm_pgoff - buffer->pgoff, addr = vma->vm_start, npages;
	int err;

	while (addr < vma->vm_end) {
		struct page *page = span_heap_run(buffer->heap, buffer->span, index, &npages);

		if (!page)
			return -EIO;
		npages = min(npages, (vma->vm_end - addr) >> PAGE_SHIFT);
		err = insert_run(vma, addr, page, npages);
		/* Of the upper page tables, vm_insert_pages() says it in this way. */
		if (err == -EFAULT)
			err = -ENOMEM;
		if (err)
			return err;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		addr += npages << PAGE_SHIFT;
		index += npages;
	}
	return 0;
}

/**
 * span_mapping_check() - is it a mapping as programs may have them?
 * @vma: a VMA that is not mapped yet
 *
 * Context: mmap_lock is held.
 * Return: 0; -EINVAL if it is private, -EACCES if it is executable.
 */
int span_mapping_check(const struct vm_area_struct *vma)
{
	/* Not VM_SHARED: the kernel drops that from a read-only file's mapping. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	return vma->vm_flags & VM_EXEC ? -EACCES : 0;
}

/**
 * span_buffer_map() - map a buffer, or a part of it
 * @buffer: the buffer; the reference that the caller has goes to the mapping, or
 *          is dropped if that cannot be made
 * @vma: a VMA whose offset and length lie within the buffer
 *
 * Context: may sleep; mmap_lock is held for writing.
 * Return: 0, -ENOMEM, -ENFILE, -EINTR, -EHWPOISON if a page had a memory error, -EIO
 * if the heap is damaged.
 */
int span_buffer_map(struct span_buffer *buffer, struct vm_area_struct *vma)
{
	struct file *file;

	file = anon_inode_getfile("[spanalloc]", &mapping_fops, buffer, O_RDWR);
	if (IS_ERR(file)) {
		span_buffer_put(buffer);
		return PTR_ERR(file);
	}
	atomic_inc(&buffer->nmaps);
	vma_set_file(vma, file);
	fput(file);
	span_vm_flags_mod(vma, VM_MIXEDMAP | VM_DONTEXPAND | VM_DONTDUMP, VM_MAYEXEC);
	vma->vm_private_data = buffer;
	vma->vm_ops = &mapping_vm_ops;
	return buffer->populate ? insert_all(buffer, vma) : 0;
}
