/* SPDX-License-Identifier: GPL-2.0-only */
/* Metadata allocations: counted, and failing on demand. */
#ifndef _SHIM_LINUX_SLAB_H
#define _SHIM_LINUX_SLAB_H

#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/overflow.h>
#include <linux/string.h>
#include <linux/types.h>

#define SLAB_HWCACHE_ALIGN	0x1U
#define SLAB_ACCOUNT		0x2U
#define SLAB_PANIC		0x4U
#define SLAB_RECLAIM_ACCOUNT	0x8U
#define SLAB_TYPESAFE_BY_RCU	0x10U
#define SLAB_NO_MERGE		0x20U

#define ZERO_SIZE_PTR		((void *)16)
#define ZERO_OR_NULL_PTR(p)	((unsigned long)(p) <= (unsigned long)ZERO_SIZE_PTR)

struct kmem_cache;

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
				     unsigned int align, slab_flags_t flags,
				     void (*ctor)(void *object));
void kmem_cache_destroy(struct kmem_cache *cache);
void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp);
void kmem_cache_free(struct kmem_cache *cache, void *object);
int kmem_cache_alloc_bulk(struct kmem_cache *cache, gfp_t gfp, size_t n, void **objects);
void kmem_cache_free_bulk(struct kmem_cache *cache, size_t n, void **objects);

#define kmem_cache_zalloc(cache, gfp)	kmem_cache_alloc(cache, (gfp) | __GFP_ZERO)
#define KMEM_CACHE(name, flags)						\
	kmem_cache_create(#name, sizeof(struct name), _Alignof(struct name),	\
			  flags, NULL)

void *kmalloc(size_t size, gfp_t gfp);
void *krealloc(const void *p, size_t size, gfp_t gfp);
void kfree(const void *p);
void kvfree(const void *p);

#define kzalloc(size, gfp)		kmalloc(size, (gfp) | __GFP_ZERO)
#define kmalloc_array(n, size, gfp)	kmalloc(size_mul(n, size), gfp)
#define kcalloc(n, size, gfp)		kzalloc(size_mul(n, size), gfp)
#define krealloc_array(p, n, size, gfp)	krealloc(p, size_mul(n, size), gfp)
#define kmalloc_node(size, gfp, nid)	kmalloc(size, gfp)
#define kzalloc_node(size, gfp, nid)	kzalloc(size, gfp)
#define kvmalloc(size, gfp)		kmalloc(size, gfp)
#define kvzalloc(size, gfp)		kzalloc(size, gfp)
#define kvmalloc_array(n, size, gfp)	kmalloc_array(n, size, gfp)
#define kvcalloc(n, size, gfp)		kcalloc(n, size, gfp)
#define kvmalloc_node(size, gfp, nid)	kmalloc(size, gfp)
#define kvzalloc_node(size, gfp, nid)	kzalloc(size, gfp)
#define kfree_sensitive(p)		kfree(p)
#define kfree_rcu(p, field)		kfree(p)
#define kvfree_rcu(p, field)		kvfree(p)

#endif /* _SHIM_LINUX_SLAB_H */
