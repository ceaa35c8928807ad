/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Handles: what an open file knows buffers by. See handle.c.
 */
#ifndef _SPANALLOC_HANDLE_H
#define _SPANALLOC_HANDLE_H

#include <linux/atomic.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/types.h>
#include <linux/xarray.h>

struct span_account;
struct span_buffer;
struct span_heap;

/**
 * struct span_file - an open file
 * @heap: where its buffers come from (invariant)
 * @account: what it holds and may hold (invariant)
 * @writable: opened for writing (invariant)
 * @nhandles: handles that can be used
 * @lock: protects @by_offset, what @handles leads to, and changes of both
 * @handles: struct span_handle by id; a reserved id reads as NULL
 * @next_id: where the search for a free id begins (the array's lock)
 * @by_offset: struct span_handle by pgoff
 */
struct span_file {
	struct span_heap *heap;
	struct span_account *account;
	bool writable;
	atomic_t nhandles;
	struct mutex lock;	/* protects handles and by_offset */
	struct xarray handles;
	u32 next_id;
	struct rb_root by_offset;
};

/**
 * struct span_handle - a buffer or a part of one, as an open file knows it
 * @rb: links the handles of a file by @pgoff
 * @buffer: the buffer, which the handle holds a reference on
 * @id: names the handle in its file (invariant)
 * @pgoff: where mmap() finds its first page (invariant)
 * @npages: its length; a split makes it shorter
 */
struct span_handle {
	struct rb_node rb;
	struct span_buffer *buffer;
	u32 id;
	unsigned long pgoff;
	unsigned long npages;
};

struct span_file *span_file_new(struct span_heap *heap, bool writable);
void span_file_delete(struct span_file *sf);

struct span_handle *span_handle_reserve(struct span_file *sf);
void span_handle_set(struct span_handle *handle, struct span_buffer *buffer,
		     unsigned long first, unsigned long npages);
void span_handle_publish(struct span_file *sf, struct span_handle *handle);
struct span_handle *span_handle_withdraw(struct span_file *sf, u32 id, bool *shared);
void span_handle_drop(struct span_file *sf, struct span_handle *handle);
bool span_handle_get(struct span_file *sf, u32 id, struct span_handle *view);
int span_handle_split(struct span_file *sf, u32 id, u64 npages, struct span_handle *tail);
struct span_buffer *span_buffer_at(struct span_file *sf, unsigned long pgoff,
				   unsigned long npages);

#endif /* _SPANALLOC_HANDLE_H */
