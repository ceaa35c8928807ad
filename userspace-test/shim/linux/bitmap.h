/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_BITMAP_H
#define _SHIM_LINUX_BITMAP_H

#include <string.h>

#include <linux/bitops.h>
#include <linux/find.h>
#include <linux/slab.h>

static inline void bitmap_set(unsigned long *map, unsigned int from, unsigned int n)
{
	while (n--)
		__set_bit(from++, map);
}

static inline void bitmap_clear(unsigned long *map, unsigned int from, unsigned int n)
{
	while (n--)
		__clear_bit(from++, map);
}

static inline void bitmap_zero(unsigned long *map, unsigned int n)
{
	memset(map, 0, BITS_TO_LONGS(n) * sizeof(long));
}

static inline void bitmap_fill(unsigned long *map, unsigned int n)
{
	memset(map, 0xff, BITS_TO_LONGS(n) * sizeof(long));
}

static inline unsigned int bitmap_weight(const unsigned long *map, unsigned int n)
{
	unsigned int bit, weight = 0;

	for_each_set_bit(bit, map, n)
		weight++;
	return weight;
}

#define bitmap_empty(map, n)	(find_first_bit(map, n) >= (n))
#define bitmap_full(map, n)	(find_first_zero_bit(map, n) >= (n))
#define bitmap_alloc(n, gfp)	kmalloc_array(BITS_TO_LONGS(n), sizeof(long), gfp)
#define bitmap_zalloc(n, gfp)	kcalloc(BITS_TO_LONGS(n), sizeof(long), gfp)
#define bitmap_free(map)	kfree(map)

#endif /* _SHIM_LINUX_BITMAP_H */
