/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exports: buffers of programs as dma-bufs. See export.c.
 */
#ifndef _SPANALLOC_EXPORT_H
#define _SPANALLOC_EXPORT_H

#include <linux/err.h>
#include <linux/kconfig.h>
#include <linux/types.h>

struct file;
struct span_buffer;

/* Does this kernel have dma-bufs? */
#define SPAN_HAS_EXPORT		IS_ENABLED(CONFIG_DMA_SHARED_BUFFER)

#if SPAN_HAS_EXPORT
struct file *span_export_new(struct span_buffer *buffer, unsigned long first,
			     unsigned long npages, bool writable);
#else
static inline struct file *span_export_new(struct span_buffer *buffer, unsigned long first,
					   unsigned long npages, bool writable)
{
	return ERR_PTR(-ENOTTY);
}
#endif

#endif /* _SPANALLOC_EXPORT_H */
