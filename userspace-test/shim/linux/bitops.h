/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_BITOPS_H
#define _SHIM_LINUX_BITOPS_H

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/types.h>

#define BITS_TO_LONGS(nr)	(((nr) + BITS_PER_LONG - 1) / BITS_PER_LONG)

static inline bool test_bit(unsigned long nr, const volatile unsigned long *map)
{
	return map[BIT_WORD(nr)] & BIT_MASK(nr);
}

static inline void __set_bit(unsigned long nr, volatile unsigned long *map)
{
	map[BIT_WORD(nr)] |= BIT_MASK(nr);
}

static inline void __clear_bit(unsigned long nr, volatile unsigned long *map)
{
	map[BIT_WORD(nr)] &= ~BIT_MASK(nr);
}

static inline void __change_bit(unsigned long nr, volatile unsigned long *map)
{
	map[BIT_WORD(nr)] ^= BIT_MASK(nr);
}

static inline void __assign_bit(unsigned long nr, volatile unsigned long *map,
				bool value)
{
	if (value)
		__set_bit(nr, map);
	else
		__clear_bit(nr, map);
}

static inline bool __test_and_set_bit(unsigned long nr, volatile unsigned long *map)
{
	bool was = test_bit(nr, map);

	__set_bit(nr, map);
	return was;
}

static inline bool __test_and_clear_bit(unsigned long nr,
					volatile unsigned long *map)
{
	bool was = test_bit(nr, map);

	__clear_bit(nr, map);
	return was;
}

/* The atomic ones. */
static inline void set_bit(unsigned long nr, volatile unsigned long *map)
{
	__atomic_fetch_or(&map[BIT_WORD(nr)], BIT_MASK(nr), __ATOMIC_SEQ_CST);
}

static inline void clear_bit(unsigned long nr, volatile unsigned long *map)
{
	__atomic_fetch_and(&map[BIT_WORD(nr)], ~BIT_MASK(nr), __ATOMIC_SEQ_CST);
}

static inline bool test_and_set_bit(unsigned long nr, volatile unsigned long *map)
{
	return __atomic_fetch_or(&map[BIT_WORD(nr)], BIT_MASK(nr),
				 __ATOMIC_SEQ_CST) & BIT_MASK(nr);
}

static inline bool test_and_clear_bit(unsigned long nr,
				      volatile unsigned long *map)
{
	return __atomic_fetch_and(&map[BIT_WORD(nr)], ~BIT_MASK(nr),
				  __ATOMIC_SEQ_CST) & BIT_MASK(nr);
}

static inline unsigned long __ffs(unsigned long word)
{
	return __builtin_ctzl(word);
}

static inline unsigned long __fls(unsigned long word)
{
	return BITS_PER_LONG - 1 - __builtin_clzl(word);
}

#define ffs(x)		__builtin_ffs(x)
#define fls(x)		((x) ? 32 - __builtin_clz(x) : 0)
#define fls64(x)	((x) ? 64 - __builtin_clzll(x) : 0)
#define fls_long(x)	fls64(x)
#define hweight_long(x)	((unsigned long)__builtin_popcountl(x))
#define hweight64(x)	((unsigned long)__builtin_popcountll(x))
#define hweight32(x)	((unsigned int)__builtin_popcount(x))
#define hweight8(x)	((unsigned int)__builtin_popcount((u8)(x)))

/* The first bit of @value from @from on, or @size. */
static inline unsigned long shim_find_bit(const unsigned long *map, unsigned long size,
					  unsigned long from, bool value)
{
	while (from < size) {
		unsigned long word = map[BIT_WORD(from)];

		word = (value ? word : ~word) & (~0UL << (from % BITS_PER_LONG));
		from = from / BITS_PER_LONG * BITS_PER_LONG;
		if (word)
			return from + __ffs(word) < size ? from + __ffs(word) : size;
		from += BITS_PER_LONG;
	}
	return size;
}

#define find_next_bit(map, size, from)		shim_find_bit(map, size, from, true)
#define find_next_zero_bit(map, size, from)	shim_find_bit(map, size, from, false)
#define find_first_bit(map, size)		shim_find_bit(map, size, 0, true)
#define find_first_zero_bit(map, size)		shim_find_bit(map, size, 0, false)

/* The last set bit below @size, or @size. */
static inline unsigned long find_last_bit(const unsigned long *map, unsigned long size)
{
	unsigned long nr;

	for (nr = size; nr--;) {
		if (!map[BIT_WORD(nr)])
			nr = nr / BITS_PER_LONG * BITS_PER_LONG;
		else if (test_bit(nr, map))
			return nr;
	}
	return size;
}

#define for_each_set_bit(bit, map, size)			\
	for ((bit) = find_first_bit(map, size); (bit) < (size);	\
	     (bit) = find_next_bit(map, size, (bit) + 1))
#define for_each_set_bit_from(bit, map, size)				\
	for ((bit) = find_next_bit(map, size, bit); (bit) < (size);	\
	     (bit) = find_next_bit(map, size, (bit) + 1))
#define for_each_clear_bit(bit, map, size)				\
	for ((bit) = find_first_zero_bit(map, size); (bit) < (size);	\
	     (bit) = find_next_zero_bit(map, size, (bit) + 1))

#endif /* _SHIM_LINUX_BITOPS_H */
