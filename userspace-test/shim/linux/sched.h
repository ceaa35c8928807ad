/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_SCHED_H
#define _SHIM_LINUX_SCHED_H

#include <linux/kernel.h>

#define cond_resched()		({ shim_resched(); 0; })
#define need_resched()		0
#define schedule()		might_sleep()

#endif /* _SHIM_LINUX_SCHED_H */
