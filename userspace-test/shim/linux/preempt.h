/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_PREEMPT_H
#define _SHIM_LINUX_PREEMPT_H

#include <linux/spinlock.h>

#endif /* _SHIM_LINUX_PREEMPT_H */
