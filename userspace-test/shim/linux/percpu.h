/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Per-CPU data of a few CPUs. A thread is on the CPU that it says it is on; two may be on the
 * same, but not while one of them has turned preemption off.
 */
#ifndef _SHIM_LINUX_PERCPU_H
#define _SHIM_LINUX_PERCPU_H

#include <linux/slab.h>

#define SHIM_CPUS	4

extern __thread int shim_cpu;

#define alloc_percpu(type)	((type *)shim_percpu_new(sizeof(type), __alignof__(type)))
#define free_percpu(p)		kfree(p)
#define per_cpu_ptr(p, cpu)	(&(p)[cpu])
#define raw_cpu_ptr(p)		(&(p)[shim_cpu])
#define this_cpu_ptr(p)		((__typeof__(p))shim_this_cpu(p, sizeof(*(p))))
#define num_possible_cpus()	SHIM_CPUS
#define for_each_possible_cpu(cpu) for ((cpu) = 0; (cpu) < SHIM_CPUS; (cpu)++)

void *shim_percpu_new(size_t size, size_t align);
void *shim_this_cpu(void *p, size_t size);

#endif /* _SHIM_LINUX_PERCPU_H */
