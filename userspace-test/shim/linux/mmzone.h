/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_MMZONE_H
#define _SHIM_LINUX_MMZONE_H

/* Both spellings of the buddy allocator's limit: exclusive and inclusive. */
#define MAX_ORDER		11
#define MAX_PAGE_ORDER		10
#define PAGE_SHIFT		12
#define PAGE_SIZE		(1UL << PAGE_SHIFT)
#define PAGE_MASK		(~(PAGE_SIZE - 1))
#define PMD_SHIFT		21
#define PMD_ORDER		(PMD_SHIFT - PAGE_SHIFT)
#define HPAGE_PMD_ORDER		PMD_ORDER

#endif /* _SHIM_LINUX_MMZONE_H */
