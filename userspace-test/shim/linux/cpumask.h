/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_CPUMASK_H
#define _SHIM_LINUX_CPUMASK_H

#include <linux/percpu.h>

#endif /* _SHIM_LINUX_CPUMASK_H */
