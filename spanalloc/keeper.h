/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The keeper of a heap: its scavenger's clock and thread, and its ear for the
 * system's need of memory. See keeper.c.
 */
#ifndef _SPANALLOC_KEEPER_H
#define _SPANALLOC_KEEPER_H

#include <linux/notifier.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct shrinker;
struct span_heap;

/**
 * struct span_keeper - what a heap has of the kernel
 * @heap: the heap (invariant)
 * @work: steps of the scavenger; queued by wake() and by itself
 * @shrinker: gives back when the system reclaims (invariant)
 * @oom: gives back before a task is killed (invariant)
 * @memory: gives back before memory goes offline (invariant)
 * @cpu: links keepers that hear of CPUs that go offline (the CPU hotplug state's lock)
 * @nid: the node that idle pages are accounted to (invariant)
 */
struct span_keeper {
	struct span_heap *heap;
	struct delayed_work work;
	struct shrinker *shrinker;
	struct notifier_block oom;
	struct notifier_block memory;
	struct hlist_node cpu;
	int nid;
};

int span_keeper_init(void);
void span_keeper_exit(void);
int span_keeper_add(struct span_heap *heap);
void span_keeper_remove(struct span_heap *heap);

#endif /* _SPANALLOC_KEEPER_H */
