/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_KTIME_H
#define _SHIM_LINUX_KTIME_H

#include <time.h>

#include <linux/types.h>

typedef s64 ktime_t;

static inline u64 ktime_get_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

#define ktime_get()		((ktime_t)ktime_get_ns())
#define ktime_to_ns(t)		(t)
#define ktime_sub(a, b)		((a) - (b))

#endif /* _SHIM_LINUX_KTIME_H */
