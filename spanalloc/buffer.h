/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Buffers: allocations that programs hold, map and pin. See buffer.c for how
 * long one lives.
 */
#ifndef _SPANALLOC_BUFFER_H
#define _SPANALLOC_BUFFER_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/types.h>

#include "heap.h"

struct file;
struct vm_area_struct;

/*
 * Where offsets for mmap() begin and end, in pages: above 0, which means something
 * else, and below 2^44 bytes. The heap that buffers come from is no larger.
 */
#define SPAN_OFFSET_BIAS	BIT(20)
#define SPAN_OFFSET_END		BIT(44 - PAGE_SHIFT)

/**
 * struct span_buffer - an allocation of a program
 * @ref: held by each handle in an open file and by each internal file of a
 *       mapping; without references, and with no page pinned, the span is freed
 * @heap: the heap it came from (invariant)
 * @span: its pages (invariant)
 * @pgoff: where mmap() finds it, in pages; unique in the heap while the buffer
 *         lives (invariant)
 * @nmaps: internal files of mappings
 * @nhandles: handles of the buffer or of parts of it (the open file's lock)
 * @pinned: a page of the buffer that was pinned when last looked at
 * @quarantine: links the buffers that wait for their last pin (quarantine's mutex)
 */
struct span_buffer {
	refcount_t ref;
	struct span_heap *heap;
	struct span *span;
	unsigned long pgoff;
	atomic_t nmaps;
	unsigned int nhandles;
	unsigned long pinned;
	struct list_head quarantine;
};

static inline unsigned long span_buffer_npages(const struct span_buffer *buffer)
{
	return buffer->span->node.npages;
}

/* Is there an mmap() whose mappings are not all gone? */
static inline bool span_buffer_is_mapped(const struct span_buffer *buffer)
{
	return atomic_read(&buffer->nmaps) > 0;
}

struct span_buffer *span_buffer_new(struct span_heap *heap, u64 npages, u64 align,
				    unsigned int flags);
struct span_buffer *span_buffer_get(struct span_buffer *buffer);
void span_buffer_put(struct span_buffer *buffer);
u64 span_buffer_runs(const struct span_buffer *buffer, unsigned long first,
		     unsigned long npages);

/* mapping.c */
int span_buffer_map(struct span_buffer *buffer, struct vm_area_struct *vma);

#endif /* _SPANALLOC_BUFFER_H */
