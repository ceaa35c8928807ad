// SPDX-License-Identifier: GPL-2.0-only
/*
 * The keeper of a heap: what ties its scavenger to the kernel.
 */

/**
 * DOC: Keeper
 *
 * scavenger.c decides what a heap gives back; a keeper makes it happen. Each heap
 * that the module makes has one. It is
 *
 * - the clock and the work item of the background scavenger. The workqueue is
 *   unbound, so that no CPU that goes away takes work with it, and freezable, so
 *   that nothing is given back while the system is suspended;
 * - a shrinker, which gives idle granules back when the system reclaims memory,
 *   goal or not. They cost nothing to make again that was not paid for already,
 *   so they go before what has to be read again (seeks is 0). It runs inside
 *   whatever allocation made the system reclaim, our own among them: it allocates
 *   nothing, and only tries the heap's lock, but for what caches have handed over;
 * - an OOM notifier: before the system kills a task for want of memory, all that
 *   is idle goes back. The shrinker should have seen to that; but it is asked for a
 *   share at a time, and it may have found the lock taken each time;
 * - an instance of a CPU hotplug state: what a CPU that is gone had parked in its cache
 *   (cache.c) goes back to the tree;
 * - a memory notifier: before memory is taken offline, all that is idle goes back,
 *   for some of it may be what is to go. (Memory in use cannot be moved.)
 *
 * Idle pages are counted as NR_KERNEL_MISC_RECLAIMABLE, which the system adds to
 * the memory that it says is available. They are accounted to one node for each
 * heap, since only the sum over all nodes is used.
 *
 * All of these end before the heap does: each of the functions that remove them
 * waits for the callbacks that run.
 *
 * Locking: the heap's lock and its @cache_drain are the only ones, and the callbacks of the
 * core that are called with the former held take none of ours. Lockdep is told at once that
 * it may be taken where memory is reclaimed, not only when that first happens.
 */

#include <linux/cpuhotplug.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/memory.h>
#include <linux/mmzone.h>
#include <linux/notifier.h>
#include <linux/oom.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "heap.h"
#include "keeper.h"

/*
 * What reclaim asks for at a time is a granule, but no less than it asks others for: each
 * time is a search of the tree.
 */
#define RECLAIM_BATCH_MIN	128UL

static struct workqueue_struct *keeper_queue;
static enum cpuhp_state keeper_cpu_state;

static u64 keeper_now(void *priv)
{
	return ktime_get_ns();
}

static unsigned long keeper_ticks(u64 delay)
{
	return delay ? nsecs_to_jiffies(delay) + 1 : 0;
}

static void keeper_wake(void *priv, u64 delay)
{
	struct span_keeper *keeper = priv;

	/* What is queued already stays so; but nothing is sooner than now. */
	if (delay)
		queue_delayed_work(keeper_queue, &keeper->work, keeper_ticks(delay));
	else
		mod_delayed_work(keeper_queue, &keeper->work, 0);
}

static void keeper_idle(void *priv, long npages)
{
	const struct span_keeper *keeper = priv;

	mod_node_page_state(NODE_DATA(keeper->nid), NR_KERNEL_MISC_RECLAIMABLE, npages);
}

static const struct span_keeper_ops keeper_ops = {
	.now = keeper_now,
	.wake = keeper_wake,
	.idle = keeper_idle,
};

static void keeper_step(struct work_struct *work)
{
	struct span_keeper *keeper = container_of(to_delayed_work(work), struct span_keeper, work);
	u64 delay = span_scavenger_step(keeper->heap);

	/* If it was woken meanwhile, that stays. */
	if (delay != SPAN_SCAVENGER_REST)
		queue_delayed_work(keeper_queue, &keeper->work, keeper_ticks(delay));
}

static unsigned long keeper_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	const struct span_keeper *keeper = span_shrinker_owner(shrinker);
	unsigned long npages = READ_ONCE(keeper->heap->idle_told) <<
			       keeper->heap->granule_order;

	if (READ_ONCE(keeper->heap->damaged))
		return SHRINK_EMPTY;
	/* What is parked keeps granules from being idle. */
	npages += span_cache_npages(keeper->heap);
	return npages ? : SHRINK_EMPTY;
}

static unsigned long keeper_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	const struct span_keeper *keeper = span_shrinker_owner(shrinker);
	unsigned long done = span_scavenger_reclaim(keeper->heap, sc->nr_to_scan);

	/* Nothing more is to be had, or not now: parked spans may be all that was counted. */
	if (!done || done == ULONG_MAX)
		return SHRINK_STOP;
	/* Whole granules go, so it may be more than was asked for; or nothing is left. */
	sc->nr_scanned = max(done, sc->nr_to_scan);
	span_account_reclaimed(done);
	return done;
}

static int keeper_oom(struct notifier_block *notifier, unsigned long unused, void *freed)
{
	struct span_keeper *keeper = container_of(notifier, struct span_keeper, oom);

	*(unsigned long *)freed += span_scavenger_purge(keeper->heap);
	return NOTIFY_OK;
}

static int keeper_memory(struct notifier_block *notifier, unsigned long action, void *unused)
{
	struct span_keeper *keeper = container_of(notifier, struct span_keeper, memory);

	if (action == MEM_GOING_OFFLINE)
		span_scavenger_purge(keeper->heap);
	return NOTIFY_OK;
}

static int keeper_cpu_dead(unsigned int cpu, struct hlist_node *node)
{
	struct span_keeper *keeper = hlist_entry(node, struct span_keeper, cpu);

	span_cache_drain_unused(keeper->heap, cpu);
	return 0;
}

static void teach_lockdep(struct span_heap *heap)
{
	fs_reclaim_acquire(GFP_KERNEL);
	spin_lock_irq(&heap->lock);
	spin_unlock_irq(&heap->lock);
	fs_reclaim_release(GFP_KERNEL);
}

static int make_shrinker(struct span_keeper *keeper)
{
	struct shrinker *shrinker = span_shrinker_new(keeper->heap->name, keeper);

	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = keeper_count;
	shrinker->scan_objects = keeper_scan;
	shrinker->batch = max(span_heap_granule_pages(keeper->heap), RECLAIM_BATCH_MIN);
	shrinker->seeks = 0;
	keeper->shrinker = shrinker;
	return 0;
}

/**
 * span_keeper_add() - give a heap its keeper
 * @heap: a heap that nobody uses yet
 *
 * Context: may sleep.
 * Return: 0 or a negative error code.
 */
int span_keeper_add(struct span_heap *heap)
{
	struct span_keeper *keeper = kzalloc(sizeof(*keeper), GFP_KERNEL);
	int err;

	if (!keeper)
		return -ENOMEM;
	keeper->heap = heap;
	keeper->nid = heap->nid == NUMA_NO_NODE ? first_online_node : heap->nid;
	keeper->oom.notifier_call = keeper_oom;
	keeper->memory.notifier_call = keeper_memory;
	INIT_DELAYED_WORK(&keeper->work, keeper_step);
	err = make_shrinker(keeper);
	if (err)
		goto free_keeper;
	teach_lockdep(heap);
	span_scavenger_attach(heap, &keeper_ops, keeper);
	err = register_oom_notifier(&keeper->oom);
	if (err)
		goto delete_shrinker;
	err = register_memory_notifier(&keeper->memory);
	if (err)
		goto unregister_oom;
	err = cpuhp_state_add_instance_nocalls(keeper_cpu_state, &keeper->cpu);
	if (err)
		goto unregister_memory;
	err = span_shrinker_register(keeper->shrinker, heap->name);
	if (err)
		goto forget_cpus;
	return 0;

forget_cpus:
	cpuhp_state_remove_instance_nocalls(keeper_cpu_state, &keeper->cpu);
unregister_memory:
	unregister_memory_notifier(&keeper->memory);
unregister_oom:
	unregister_oom_notifier(&keeper->oom);
delete_shrinker:
	span_scavenger_detach(heap);
	span_shrinker_delete(keeper->shrinker);
free_keeper:
	kfree(keeper);
	return err;
}

/**
 * span_keeper_remove() - take a heap's keeper away
 * @heap: a heap that nobody uses any more
 *
 * Context: may sleep.
 */
void span_keeper_remove(struct span_heap *heap)
{
	struct span_keeper *keeper = heap->keeper_priv;

	/*
	 * Between here and the end of the heap nobody hears the system any more. What is idle must
	 * be gone before, or somebody is killed for want of it.
	 */
	span_scavenger_purge(heap);
	cpuhp_state_remove_instance_nocalls(keeper_cpu_state, &keeper->cpu);
	unregister_memory_notifier(&keeper->memory);
	unregister_oom_notifier(&keeper->oom);
	span_shrinker_delete(keeper->shrinker);
	cancel_delayed_work_sync(&keeper->work);
	span_scavenger_detach(heap);
	kfree(keeper);
}

/**
 * span_keeper_init() - make what all keepers share
 *
 * Context: may sleep.
 * Return: 0 or a negative error code.
 */
int span_keeper_init(void)
{
	int state;

	keeper_queue = alloc_workqueue("spanalloc_scavenger", WQ_UNBOUND | WQ_FREEZABLE, 0);
	if (!keeper_queue)
		return -ENOMEM;
	/*
	 * Of the states that end when the CPU is dead, and nobody can be at work on its cache
	 * any more. Between that and this, drains pass it over.
	 */
	state = cpuhp_setup_state_multi(CPUHP_BP_PREPARE_DYN, "mm/spanalloc:dead", NULL,
					keeper_cpu_dead);
	if (state < 0) {
		destroy_workqueue(keeper_queue);
		return state;
	}
	keeper_cpu_state = state;
	return 0;
}

/**
 * span_keeper_exit() - end what all keepers shared
 *
 * Context: may sleep; no heap has a keeper any more.
 */
void span_keeper_exit(void)
{
	cpuhp_remove_multi_state(keeper_cpu_state);
	destroy_workqueue(keeper_queue);
}
