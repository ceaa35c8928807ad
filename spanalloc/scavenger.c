// SPDX-License-Identifier: GPL-2.0-only
/*
 * The scavenger: when a heap gives memory back, and how much it keeps.
 */

/**
 * DOC: Scavenger
 *
 * scavenge.c knows how idle memory is given back; here is decided when. A heap is
 * to keep, of its idle memory, the larger of
 *
 * - a share of the recent peak of its pages in use: retain_percent; and
 * - what it takes to meet the demand of the window (demand.c) again.
 *
 * A retain_percent of 0 keeps nothing; without a window only the present counts.
 * What is idle above that is given back
 *
 * - in the background, a batch at a time, highest address first. After each batch
 *   the scavenger rests for as long as makes its work the share of one CPU that
 *   pace_permille says, measured by the batch itself;
 * - by an allocation that is about to back one more granule, SCAVENGE_BEFORE_TAKE
 *   granules at most: whoever takes one gives back one or two, so that backed
 *   memory does not rise while there is memory above the goal, and nobody waits
 *   for more than that;
 * - and everything idle, goal or not, when the system is short of memory.
 *
 * The scavenger sleeps unless there is more idle memory than the share of what is in
 * use now: nothing that passing time could bring the goal down to. A free that
 * makes it so arms it; a step that finds nothing left to do or to wait for disarms it
 * and forgets the past. While only the window stands between idle memory and its
 * release, it steps once an epoch, and so for one window at most.
 *
 * Memory above the share that the demand alone kept is counted at each epoch; as
 * much of it as the next epoch needed is counted as saved: it would have been given
 * back and taken again.
 *
 * The time comes from struct span_keeper_ops. Without one, a heap has no background
 * scavenger and no window.
 *
 * Example::
 *
 *	span_scavenger_attach(heap, &keeper_ops, keeper);
 *	...	the keeper's wake() was called: later, in task context
 *	delay = span_scavenger_step(heap);
 *	if (delay != SPAN_SCAVENGER_REST)
 *		step again in @delay ns
 *
 * Locking: takes the heap's lock, except where noted.
 */

#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/time64.h>

#include "space.h"

/* Granules that one step gives back at most, and what an allocation does. */
#define SCAVENGE_STEP		16
#define SCAVENGE_BEFORE_TAKE	2

/* Keeps products with it far from overflow. */
#define RETAIN_PERCENT_MAX	1000000

/* A batch that was preempted looks expensive; no pause is longer than this. */
#define SCAVENGE_PAUSE_MAX	NSEC_PER_SEC

static unsigned long share(unsigned long npages, unsigned long percent)
{
	return npages / 100 * percent + npages % 100 * percent / 100;
}

/* Idle pages that the demand alone keeps, at the most. */
static unsigned long kept_for_demand(const struct span_heap *heap, const struct span_goal *goal)
{
	unsigned long idle = span_heap_idle_pages(heap);

	return min(idle, goal->keep) - min(idle, goal->retain);
}

/* At the end of an epoch: what was kept, and needed again? */
static void account_kept(struct span_heap *heap, unsigned long high)
{
	unsigned long taken = high - min(high, heap->needed_granules);

	heap->stat.kept_reused_pages +=
		min(heap->kept_granules, taken) << heap->granule_order;
	heap->needed_granules = span_heap_needed(heap);
}

/**
 * span_heap_goal() - how much idle memory a heap is to keep now
 * @heap: the heap
 *
 * Context: any; the caller holds the heap's lock.
 * Return: the goal.
 */
struct span_goal span_heap_goal(struct span_heap *heap)
{
	u64 now = heap->keeper ? heap->keeper->now(heap->keeper_priv) : 0;
	unsigned long high = heap->demand.epoch[heap->demand.at].high;
	unsigned long used = span_heap_used(heap), needed = span_heap_needed(heap);
	struct span_goal goal = { .retain = ~0UL, .keep = ~0UL };
	unsigned long again = 0;
	bool ended;

	ended = span_demand_advance(&heap->demand, now, used, needed);
	if (ended)
		account_kept(heap, high);
	if (heap->policy.retain_percent >= 0) {
		if (heap->policy.retain_percent)
			again = max(span_demand_granules(&heap->demand), needed) - needed;
		goal.retain = share(span_demand_peak(&heap->demand), heap->policy.retain_percent);
		goal.keep = max(goal.retain, again << heap->granule_order);
	}
	if (ended)
		heap->kept_granules = kept_for_demand(heap, &goal) >> heap->granule_order;
	return goal;
}

/* Is there more idle memory than the goal can come down to? */
static bool is_due(const struct span_heap *heap)
{
	return heap->policy.retain_percent >= 0 && !heap->damaged &&
	       span_heap_idle_pages(heap) > share(span_heap_used(heap), heap->policy.retain_percent);
}

/**
 * span_heap_settle() - take note of what changed
 * @heap: the heap
 *
 * To be called before the heap's lock is let go by whoever changed which pages
 * are used or idle.
 *
 * Context: any; the caller holds the heap's lock.
 * Return: true if span_heap_wake() is to be called, without the lock.
 */
bool span_heap_settle(struct span_heap *heap)
{
	unsigned long idle = heap->treap.ngranules_idle;
	long delta = idle - heap->idle_told;

	span_demand_note(&heap->demand, span_heap_used(heap), span_heap_needed(heap));
	if (!heap->keeper)
		return false;
	if (delta) {
		WRITE_ONCE(heap->idle_told, idle);
		heap->keeper->idle(heap->keeper_priv, delta * (1L << heap->granule_order));
	}
	if (heap->armed || delta < 0 || !is_due(heap))
		return false;
	heap->armed = true;
	return true;
}

/**
 * span_heap_wake() - have the scavenger look at the heap
 * @heap: the heap
 *
 * The window keeps memory for an epoch at least, so that is when.
 *
 * Context: any but NMI; without the heap's lock.
 */
void span_heap_wake(struct span_heap *heap)
{
	heap->keeper->wake(heap->keeper_priv, heap->demand.epoch_ns);
}

/* Forget the past, and remember from here on as far back as the policy says. */
static void start_window(struct span_heap *heap)
{
	heap->demand.epoch_ns = (u64)heap->policy.window_ms * NSEC_PER_MSEC / SPAN_DEMAND_EPOCHS;
	heap->kept_granules = 0;
	heap->needed_granules = span_heap_needed(heap);
	span_demand_start(&heap->demand, heap->keeper->now(heap->keeper_priv),
			  span_heap_used(heap), heap->needed_granules);
}

/**
 * span_scavenger_check_policy() - does a policy make sense?
 * @policy: the policy
 *
 * Context: any.
 * Return: 0 or -EINVAL.
 */
int span_scavenger_check_policy(const struct span_policy *policy)
{
	if (policy->retain_percent < SPANALLOC_RETAIN_ALL ||
	    policy->retain_percent > RETAIN_PERCENT_MAX)
		return -EINVAL;
	return policy->pace_permille && policy->pace_permille <= 1000 ? 0 : -EINVAL;
}

/**
 * span_scavenger_set_policy() - change how much a heap keeps
 * @heap: a heap with a keeper
 * @policy: what holds from here on; it was checked
 *
 * The window starts afresh.
 *
 * Context: any but NMI; without the heap's lock.
 */
void span_scavenger_set_policy(struct span_heap *heap, const struct span_policy *policy)
{
	unsigned long irqflags;
	bool wake;

	spin_lock_irqsave(&heap->lock, irqflags);
	heap->policy = *policy;
	start_window(heap);
	wake = span_heap_settle(heap);
	spin_unlock_irqrestore(&heap->lock, irqflags);
	if (wake)
		span_heap_wake(heap);
}

/**
 * span_scavenger_attach() - give a heap a scavenger
 * @heap: a heap that nobody uses yet
 * @keeper: what the scavenger needs
 * @priv: handed to @keeper
 *
 * Context: any.
 */
void span_scavenger_attach(struct span_heap *heap, const struct span_keeper_ops *keeper,
			   void *priv)
{
	heap->keeper = keeper;
	heap->keeper_priv = priv;
	start_window(heap);
}

/**
 * span_scavenger_detach() - take a heap's scavenger away
 * @heap: a heap that nobody uses any more; the keeper calls no step again
 *
 * Context: any; without the heap's lock.
 */
void span_scavenger_detach(struct span_heap *heap)
{
	heap->keeper->idle(heap->keeper_priv, -(long)(heap->idle_told << heap->granule_order));
	heap->idle_told = 0;
	heap->keeper = NULL;
}

/* Nothing is above the goal: wait for the goal to come down, or rest. */
static u64 wait_or_rest(struct span_heap *heap)
{
	u64 now = heap->keeper->now(heap->keeper_priv);
	u64 next = heap->demand.began + heap->demand.epoch_ns;

	if (is_due(heap))
		return next > now ? next - now : 1;
	heap->armed = false;
	start_window(heap);
	return SPAN_SCAVENGER_REST;
}

/* How long to rest after work that took so long. */
static u64 pause_after(const struct span_heap *heap, u64 spent)
{
	unsigned int pace = heap->policy.pace_permille;

	spent = min_t(u64, spent, SCAVENGE_PAUSE_MAX);
	return min_t(u64, spent * (1000 - pace) / pace, SCAVENGE_PAUSE_MAX);
}

/**
 * span_scavenger_step() - give back a batch of what is above the goal
 * @heap: a heap with a keeper; its wake() was called, or the last step said so
 *
 * Context: may sleep; without the heap's lock. One at a time for each heap.
 * Return: ns until the next step, or SPAN_SCAVENGER_REST: none until the keeper's
 * wake() is called again.
 */
u64 span_scavenger_step(struct span_heap *heap)
{
	unsigned long batch = SCAVENGE_STEP << heap->granule_order, idle, excess = 0;
	u64 began, spent, pause = SPAN_SCAVENGER_REST;
	struct span_goal goal;
	unsigned long irqflags;

	spin_lock_irqsave(&heap->lock, irqflags);
	goal = span_heap_goal(heap);
	idle = span_heap_idle_pages(heap);
	heap->stat.scavenge_steps++;
	if (idle > goal.keep && !heap->damaged)
		excess = min(idle - goal.keep, batch);
	else
		pause = wait_or_rest(heap);
	spin_unlock_irqrestore(&heap->lock, irqflags);
	if (!excess)
		return pause;

	began = heap->keeper->now(heap->keeper_priv);
	span_heap_release(heap, excess, NULL);
	spent = heap->keeper->now(heap->keeper_priv) - began;
	spin_lock_irqsave(&heap->lock, irqflags);
	heap->stat.scavenge_ns += spent;
	spin_unlock_irqrestore(&heap->lock, irqflags);
	return pause_after(heap, spent);
}

/**
 * span_scavenger_before_take() - give back some of what is above the goal
 * @heap: the heap
 *
 * To be called before one more granule is taken.
 *
 * Context: may sleep; without the heap's lock.
 */
void span_scavenger_before_take(struct span_heap *heap)
{
	unsigned long bound = SCAVENGE_BEFORE_TAKE << heap->granule_order, idle;
	struct span_goal goal;
	unsigned long irqflags;

	spin_lock_irqsave(&heap->lock, irqflags);
	goal = span_heap_goal(heap);
	idle = span_heap_idle_pages(heap);
	spin_unlock_irqrestore(&heap->lock, irqflags);
	if (idle > goal.keep)
		span_heap_release(heap, min(idle - goal.keep, bound),
				  &heap->stat.scavenged_inline_pages);
}

/**
 * span_scavenger_reclaim() - give idle memory back since the system wants it
 * @heap: the heap
 * @npages: pages that it wants
 *
 * The goal does not matter. Nothing here waits for the heap's lock.
 *
 * Context: may sleep; from inside any allocation of memory that may.
 * Return: pages given back; ULONG_MAX if there were none since somebody else had
 * the heap's lock.
 */
unsigned long span_scavenger_reclaim(struct span_heap *heap, unsigned long npages)
{
	unsigned long done;
	bool whole = span_heap_try_release(heap, npages,
					   &heap->stat.scavenged_reclaim_pages, &done);

	return done || whole ? done : ULONG_MAX;
}

/**
 * span_scavenger_purge() - give all idle memory back since the system needs it
 * @heap: the heap
 *
 * Context: may sleep; without the heap's lock.
 * Return: pages given back.
 */
unsigned long span_scavenger_purge(struct span_heap *heap)
{
	return span_heap_release(heap, ~0UL, &heap->stat.scavenged_reclaim_pages);
}
