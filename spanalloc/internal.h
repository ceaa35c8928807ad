/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the outermost layer's files know of one another.
 */
#ifndef _SPANALLOC_INTERNAL_H
#define _SPANALLOC_INTERNAL_H

#include <linux/types.h>

struct span_heap;
struct spanalloc_attr;

/* Version of the module: modinfo, the log line and SPANALLOC_IOC_INFO agree. */
#define SPAN_VERSION_MAJOR	0
#define SPAN_VERSION_MINOR	1
#define SPAN_VERSION_PATCH	0

int span_client_init(const struct spanalloc_attr *attr);
void span_client_exit(void);

void span_policy_fill(struct spanalloc_attr *attr);
void span_policy_follow(struct span_heap *heap);

void span_debugfs_init(void);
void span_debugfs_exit(void);
void span_debugfs_add(struct span_heap *heap);
void span_debugfs_remove(struct span_heap *heap);

int span_buffer_init(struct span_heap *heap);
void span_buffer_exit(void);

int span_device_init(struct span_heap *heap);
void span_device_exit(void);

#endif /* _SPANALLOC_INTERNAL_H */
