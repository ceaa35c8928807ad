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
#include <linux/sched.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/swap.h>
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

/* 6.14 gave it a shorter name; the benchmark compares with it. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#define SPAN_ALLOC_PAGES_BULK	alloc_pages_bulk_array
#else
#define SPAN_ALLOC_PAGES_BULK	alloc_pages_bulk
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

/*
 * 6.7 took shrinkers out of their owners' hands. Both ways: make one, fill in
 * count_objects, scan_objects, batch and seeks, register it, delete it.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
struct span_shrinker {
	struct shrinker shrinker;
	void *owner;
};

static inline struct shrinker *span_shrinker_new(const char *name, void *owner)
{
	struct span_shrinker *made = kzalloc(sizeof(*made), GFP_KERNEL);

	if (!made)
		return NULL;
	made->owner = owner;
	return &made->shrinker;
}

static inline void *span_shrinker_owner(struct shrinker *shrinker)
{
	return container_of(shrinker, struct span_shrinker, shrinker)->owner;
}

static inline int span_shrinker_register(struct shrinker *shrinker, const char *name)
{
	return register_shrinker(shrinker, "spanalloc-%s", name);
}

static inline void span_shrinker_delete(struct shrinker *shrinker)
{
	/* Does nothing to one that was not registered. */
	unregister_shrinker(shrinker);
	kfree(container_of(shrinker, struct span_shrinker, shrinker));
}
#else
static inline struct shrinker *span_shrinker_new(const char *name, void *owner)
{
	struct shrinker *shrinker = shrinker_alloc(0, "spanalloc-%s", name);

	if (shrinker)
		shrinker->private_data = owner;
	return shrinker;
}

static inline void *span_shrinker_owner(struct shrinker *shrinker)
{
	return shrinker->private_data;
}

static inline int span_shrinker_register(struct shrinker *shrinker, const char *name)
{
	shrinker_register(shrinker);
	return 0;
}

static inline void span_shrinker_delete(struct shrinker *shrinker)
{
	shrinker_free(shrinker);
}
#endif

/* 6.4 gave this a name: reclaim that is under way has got so many pages. */
static inline void span_account_reclaimed(unsigned long npages)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
	if (current->reclaim_state)
		current->reclaim_state->reclaimed_slab += npages;
#else
	mm_account_reclaimed_pages(npages);
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
