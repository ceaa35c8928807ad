/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_MM_TYPES_H
#define _SHIM_LINUX_MM_TYPES_H

#include <linux/types.h>

/**
 * struct page - a fake page
 * @content: what the page holds; 0 means all zeroes
 * @id: names the page in messages; ids are not used again
 * @refcount: references
 */
struct page {
	u64 content;
	u64 id;
	int refcount;
};

#endif /* _SHIM_LINUX_MM_TYPES_H */
