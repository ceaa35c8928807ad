/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_DELAY_H
#define _SHIM_LINUX_DELAY_H

#include <sched.h>

#include <linux/kernel.h>

#define usleep_range(least, most)	do { might_sleep(); sched_yield(); } while (0)

#endif /* _SHIM_LINUX_DELAY_H */
