/* SPDX-License-Identifier: GPL-2.0-only */
/* Who has turned preemption off has his CPU to himself. */
#ifndef _SHIM_LINUX_PREEMPT_H
#define _SHIM_LINUX_PREEMPT_H

#include <linux/spinlock.h>

void preempt_disable(void);
void preempt_enable(void);

#endif /* _SHIM_LINUX_PREEMPT_H */
