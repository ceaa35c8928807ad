// SPDX-License-Identifier: GPL-2.0-only
/*
 * Handles: what an open file knows buffers by.
 */

/**
 * DOC: Handles
 *
 * Each open file has its own handles, and can only name its own buffers. Three
 * numbers of a buffer are three different things: the handle, which names it in
 * one open file and is not used again soon; the offset for mmap(); and the base in
 * the heap's address space.
 *
 * A handle names a whole buffer until it is split. Then there are two, which name
 * one part each and have their own references, while the buffer stays one
 * allocation of the heap: a mapping or a pin across the seam needs no care, and the
 * pages return when all parts are given up.
 *
 * Locking: each open file has a mutex for its handles. It nests in mmap_lock,
 * since .mmap takes it; so nothing is allocated, and nothing copied from or to user
 * space, while it is held. Reserving a number needs the array's own lock only.
 */

#include <linux/err.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "buffer.h"
#include "handle.h"

static bool handle_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct span_handle, rb)->pgoff <
	       rb_entry(b, struct span_handle, rb)->pgoff;
}

/* The handle whose part of a buffer contains an offset. */
static struct span_handle *handle_at(struct span_file *sf, unsigned long pgoff)
{
	struct rb_node *rb = sf->by_offset.rb_node;

	lockdep_assert_held(&sf->lock);
	while (rb) {
		struct span_handle *handle = rb_entry(rb, struct span_handle, rb);

		if (pgoff < handle->pgoff)
			rb = rb->rb_left;
		else if (pgoff - handle->pgoff >= handle->npages)
			rb = rb->rb_right;
		else
			return handle;
	}
	return NULL;
}

/* Storing to a reserved id cannot fail. */
static void handle_link(struct span_file *sf, struct span_handle *handle)
{
	lockdep_assert_held(&sf->lock);
	xa_store(&sf->handles, handle->id, handle, GFP_KERNEL);
	rb_add(&handle->rb, &sf->by_offset, handle_less);
	atomic_inc(&handle->buffer->nhandles);
	atomic_inc(&sf->nhandles);
}

/**
 * span_handle_reserve() - make a handle that nobody can use or see yet
 * @sf: the open file
 *
 * Context: may sleep.
 * Return: the handle, without a buffer; ERR_PTR(-ENOMEM), or -ENOSPC if the file
 * has no number left.
 */
struct span_handle *span_handle_reserve(struct span_file *sf)
{
	struct span_handle *handle = kzalloc(sizeof(*handle), GFP_KERNEL_ACCOUNT);
	int err;

	if (!handle)
		return ERR_PTR(-ENOMEM);
	/* Not under the file's lock: whoever waits for that in mmap() cannot be killed. */
	err = xa_alloc_cyclic(&sf->handles, &handle->id, NULL, XA_LIMIT(1, U32_MAX),
			      &sf->next_id, GFP_KERNEL);
	if (err >= 0)
		return handle;
	kfree(handle);
	return ERR_PTR(err == -EBUSY ? -ENOSPC : err);
}

/**
 * span_handle_set() - say what a reserved handle names
 * @handle: the handle
 * @buffer: the buffer; the caller's reference goes to the handle
 * @first: where the handle's part begins, in pages from the buffer's begin
 * @npages: its length
 *
 * Context: any.
 */
void span_handle_set(struct span_handle *handle, struct span_buffer *buffer,
		     unsigned long first, unsigned long npages)
{
	handle->buffer = buffer;
	handle->pgoff = buffer->pgoff + first;
	handle->npages = npages;
}

/**
 * span_handle_publish() - let a handle be used, from here on
 * @sf: the open file
 * @handle: a handle of this file, reserved and set, or withdrawn
 *
 * Context: may sleep.
 */
void span_handle_publish(struct span_file *sf, struct span_handle *handle)
{
	mutex_lock(&sf->lock);
	handle_link(sf, handle);
	mutex_unlock(&sf->lock);
}

/**
 * span_handle_withdraw() - take a handle out of everybody's reach
 * @sf: the open file
 * @id: names the handle
 * @shared: set to whether its pages are in use otherwise at this moment: mapped,
 *          exported, or a part of a buffer that other handles name parts of
 *
 * The number stays reserved, so that the handle can be published again.
 *
 * Context: may sleep.
 * Return: the handle, or NULL if there is none.
 */
struct span_handle *span_handle_withdraw(struct span_file *sf, u32 id, bool *shared)
{
	struct span_handle *handle;

	mutex_lock(&sf->lock);
	handle = xa_load(&sf->handles, id);
	if (handle) {
		xa_store(&sf->handles, id, XA_ZERO_ENTRY, GFP_KERNEL);
		rb_erase(&handle->rb, &sf->by_offset);
		atomic_dec(&handle->buffer->nhandles);
		atomic_dec(&sf->nhandles);
		*shared = span_buffer_is_shared(handle->buffer);
	}
	mutex_unlock(&sf->lock);
	return handle;
}

/**
 * span_handle_drop() - forget a handle, and drop its reference
 * @sf: the open file
 * @handle: a handle that nobody can see; without a buffer if it never was set
 *
 * Context: may sleep.
 */
void span_handle_drop(struct span_file *sf, struct span_handle *handle)
{
	if (handle->buffer)
		span_buffer_put(handle->buffer);
	mutex_lock(&sf->lock);
	xa_release(&sf->handles, handle->id);
	mutex_unlock(&sf->lock);
	kfree(handle);
}

/**
 * span_handle_get() - see what a handle names
 * @sf: the open file
 * @id: names the handle
 * @view: set to a copy of the handle, with a reference of its own on the buffer
 *
 * Context: may sleep.
 * Return: false if there is no such handle.
 */
bool span_handle_get(struct span_file *sf, u32 id, struct span_handle *view)
{
	struct span_handle *handle;

	mutex_lock(&sf->lock);
	handle = xa_load(&sf->handles, id);
	if (handle) {
		*view = *handle;
		span_buffer_get(view->buffer);
	}
	mutex_unlock(&sf->lock);
	return handle;
}

/**
 * span_handle_split() - give the end of a handle's part to another handle
 * @sf: the open file
 * @id: names the handle to split
 * @npages: what it keeps, from its begin
 * @tail: a reserved handle, set to some part of the same buffer; on success it
 *        names what the other lost, and is published
 *
 * Context: may sleep.
 * Return: 0; -ENOENT if the handle is gone, or is of another buffer by now; -EINVAL if
 * it has not more than @npages.
 */
int span_handle_split(struct span_file *sf, u32 id, u64 npages, struct span_handle *tail)
{
	struct span_handle *handle;
	int err = 0;

	mutex_lock(&sf->lock);
	handle = xa_load(&sf->handles, id);
	if (!handle || handle->buffer != tail->buffer) {
		err = -ENOENT;
	} else if (!npages || npages >= handle->npages) {
		err = -EINVAL;
	} else {
		tail->pgoff = handle->pgoff + npages;
		tail->npages = handle->npages - npages;
		handle->npages = npages;
		handle_link(sf, tail);
	}
	mutex_unlock(&sf->lock);
	return err;
}

/**
 * span_buffer_at() - find a buffer by an offset for mmap()
 * @sf: the open file
 * @pgoff: the offset, in pages
 * @npages: length that must be there behind it, in the part of one handle
 *
 * Context: may sleep.
 * Return: the buffer, with a reference for the caller, or NULL.
 */
struct span_buffer *span_buffer_at(struct span_file *sf, unsigned long pgoff,
				   unsigned long npages)
{
	struct span_buffer *buffer = NULL;
	struct span_handle *handle;

	mutex_lock(&sf->lock);
	handle = handle_at(sf, pgoff);
	if (handle && npages <= handle->npages - (pgoff - handle->pgoff))
		buffer = span_buffer_get(handle->buffer);
	mutex_unlock(&sf->lock);
	return buffer;
}

/**
 * span_file_new() - what an open file starts with
 * @heap: where its buffers come from
 * @writable: whether it is opened for writing
 *
 * Context: may sleep.
 * Return: an open file without handles, or NULL.
 */
struct span_file *span_file_new(struct span_heap *heap, bool writable)
{
	struct span_file *sf = kzalloc(sizeof(*sf), GFP_KERNEL_ACCOUNT);

	if (!sf)
		return NULL;
	sf->account = span_account_new();
	if (!sf->account) {
		kfree(sf);
		return NULL;
	}
	sf->heap = heap;
	sf->writable = writable;
	mutex_init(&sf->lock);
	xa_init_flags(&sf->handles, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	sf->by_offset = RB_ROOT;
	return sf;
}

/**
 * span_file_delete() - forget all handles, and drop their references
 * @sf: the open file, which nobody else uses any more
 *
 * Context: may sleep.
 */
void span_file_delete(struct span_file *sf)
{
	struct span_handle *handle;
	unsigned long id;

	/* One by one: xa_destroy() frees all inner nodes with interrupts off. */
	xa_for_each(&sf->handles, id, handle) {
		xa_erase(&sf->handles, id);
		atomic_dec(&handle->buffer->nhandles);
		span_buffer_put(handle->buffer);
		kfree(handle);
		cond_resched();
	}
	xa_destroy(&sf->handles);
	mutex_destroy(&sf->lock);
	span_account_put(sf->account);
	kfree(sf);
}
