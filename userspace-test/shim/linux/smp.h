/* SPDX-License-Identifier: GPL-2.0-only */
/* A CPU that is called does it between two things that its threads do with preemption off. */
#ifndef _SHIM_LINUX_SMP_H
#define _SHIM_LINUX_SMP_H

#include <linux/percpu.h>
#include <linux/types.h>

#define raw_smp_processor_id()	shim_cpu

typedef void (*smp_call_func_t)(void *info);

/* What tests say of CPUs, and what they do before and after one is called. */
extern bool shim_cpu_offline[SHIM_CPUS];
extern void (*shim_call_hook)(int cpu);
extern void (*shim_called_hook)(int cpu);

int smp_call_function_single(int cpu, smp_call_func_t func, void *info, int wait);

#endif /* _SHIM_LINUX_SMP_H */
