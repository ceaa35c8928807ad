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

#include "account.h"
#include "heap.h"

struct vm_area_struct;

/*
 * Where offsets for mmap() begin and end, in pages: above 0, which means something
 * else, and below 2^44 bytes. The heap that buffers come from is no larger.
 */
#define SPAN_OFFSET_BIAS	BIT(20)
#define SPAN_OFFSET_END		BIT(44 - PAGE_SHIFT)

/**
 * struct span_buffer - an allocation of a program
 * @ref: held by each handle in an open file, each internal file of a mapping and
 *       each export; without references, and with no page pinned, the span is freed
 * @heap: the heap it came from (invariant)
 * @span: its pages (invariant)
 * @charge: who pays for them (invariant)
 * @pgoff: where mmap() finds it, in pages; unique in the heap while the buffer
 *         lives (invariant)
 * @populate: mmap() enters all pages at once (invariant)
 * @nmaps: internal files of mappings
 * @nexports: exports that are not closed
 * @nhandles: handles of the buffer or of parts of it
 * @pinned: a page of the buffer that was pinned when last looked at: a hint
 * @quarantine: links the buffers that wait for their last pin (quarantine's mutex)
 */
struct span_buffer {
	refcount_t ref;
	struct span_heap *heap;
	struct span *span;
	struct span_charge charge;
	unsigned long pgoff;
	bool populate;
	atomic_t nmaps;
	atomic_t nexports;
	atomic_t nhandles;
	unsigned long pinned;
	struct list_head quarantine;
};

static inline unsigned long span_buffer_npages(const struct span_buffer *buffer)
{
	return buffer->span->node.npages;
}

/* Does anything but a reference that nobody sees keep the buffer? */
static inline bool span_buffer_is_shared(const struct span_buffer *buffer)
{
	return atomic_read(&buffer->nhandles) || atomic_read(&buffer->nmaps) ||
	       atomic_read(&buffer->nexports);
}

struct span_buffer *span_buffer_new(struct span_heap *heap, struct span_account *account,
				    u64 npages, u64 align, u32 flags);
struct span_buffer *span_buffer_get(struct span_buffer *buffer);
void span_buffer_put(struct span_buffer *buffer);
bool span_buffer_is_pinned(struct span_buffer *buffer);
void span_buffer_drain(void);

/* mapping.c */
int span_mapping_check(const struct vm_area_struct *vma);
int span_buffer_map(struct span_buffer *buffer, struct vm_area_struct *vma);

#endif /* _SPANALLOC_BUFFER_H */
