/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that the module is built for, 6.1 to 7.2.
 * The only file that looks at the kernel's version.
 */
#ifndef _SPANALLOC_COMPAT_H
#define _SPANALLOC_COMPAT_H

#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/version.h>

#ifndef CONFIG_64BIT
#error "spanalloc needs a 64-bit kernel"
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "spanalloc needs Linux 6.1 or later"
#endif

/* 6.13 made the namespace of a symbol a string literal. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define EXPORT_SYMBOL_SPANALLOC(symbol) EXPORT_SYMBOL_NS_GPL(symbol, SPANALLOC)
#define SPAN_IMPORT()		MODULE_IMPORT_NS(SPANALLOC)
#define SPAN_IMPORT_DMA_BUF()	MODULE_IMPORT_NS(DMA_BUF)
#else
#define EXPORT_SYMBOL_SPANALLOC(symbol) EXPORT_SYMBOL_NS_GPL(symbol, "SPANALLOC")
#define SPAN_IMPORT()		MODULE_IMPORT_NS("SPANALLOC")
#define SPAN_IMPORT_DMA_BUF()	MODULE_IMPORT_NS("DMA_BUF")
#endif

/* The largest order of the buddy allocator, inclusive, under its three names. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
#define SPAN_BUDDY_ORDER_MAX	(MAX_ORDER - 1)
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define SPAN_BUDDY_ORDER_MAX	MAX_ORDER
#else
#define SPAN_BUDDY_ORDER_MAX	MAX_PAGE_ORDER
#endif

/* As <linux/sched/user.h> says it: is there a count of locked pages in user_struct? */
#if defined(CONFIG_NET) || defined(CONFIG_IO_URING) || defined(CONFIG_SECRETMEM) || \
	defined(CONFIG_VFIO_PCI_ZDEV_KVM) || IS_ENABLED(CONFIG_IOMMUFD)
#define SPAN_HAS_LOCKED_VM
#endif

/* 6.2 made the lock that these need the caller's business; a test imports a dma-buf. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define SPAN_DMA_BUF_VMAP	dma_buf_vmap
#define SPAN_DMA_BUF_VUNMAP	dma_buf_vunmap
#else
#define SPAN_DMA_BUF_VMAP	dma_buf_vmap_unlocked
#define SPAN_DMA_BUF_VUNMAP	dma_buf_vunmap_unlocked
#endif

/* 6.3 hid the flags of a VMA behind functions, which later 6.1.y lack. */
static inline void span_vm_flags_mod(struct vm_area_struct *vma,
				     unsigned long set, unsigned long clear)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#else
	vm_flags_mod(vma, set, clear);
#endif
}

/* 6.13 joined the two steps; the torture test has a timer. */
static inline void span_hrtimer_setup(struct hrtimer *timer,
				      enum hrtimer_restart (*function)(struct hrtimer *),
				      clockid_t clock, enum hrtimer_mode mode)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
	hrtimer_init(timer, clock, mode);
	timer->function = function;
#else
	hrtimer_setup(timer, function, clock, mode);
#endif
}

#endif /* _SPANALLOC_COMPAT_H */
