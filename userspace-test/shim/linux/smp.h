/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_SMP_H
#define _SHIM_LINUX_SMP_H

#include <linux/percpu.h>

#define raw_smp_processor_id()	shim_cpu

#endif /* _SHIM_LINUX_SMP_H */
