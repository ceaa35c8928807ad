/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_RANDOM_H
#define _SHIM_LINUX_RANDOM_H

#include <linux/types.h>

u64 get_random_u64(void);

#define get_random_u32()	((u32)get_random_u64())
#define get_random_long()	((unsigned long)get_random_u64())
#define get_random_u32_below(n)	((u32)(get_random_u64() % (n)))

void get_random_bytes(void *to, size_t nbytes);

#endif /* _SHIM_LINUX_RANDOM_H */
