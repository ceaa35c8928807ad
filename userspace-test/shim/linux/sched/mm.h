/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_SCHED_MM_H
#define _SHIM_LINUX_SCHED_MM_H

#include <linux/gfp.h>
#include <linux/sched.h>

#define might_alloc(gfp)	might_sleep_if(gfpflags_allow_blocking(gfp))
#define memalloc_noreclaim_save()	0U
#define memalloc_noreclaim_restore(f)	((void)(f))

#endif /* _SHIM_LINUX_SCHED_MM_H */
