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
 * makes it so arms it; a step that finds nothing left to do or to wait for disarms
 * it. While only the window stands between idle memory and its release, it steps
 * once an epoch (or CACHES_LOOK_NS, if that is sooner and there are caches), and so for one
 * window at most.
 *
 * When nothing is above the goal, a step sees to what is idle (upkeep.c), at the same
 * pace. A free arms the scavenger for that as well, if there is anything of that kind.
 *
 * While spans are parked in per-CPU caches (cache.c), it looks there each CACHES_LOOK_NS, and
 * drains those that were not used since; it rests when they are all empty.
 *
 * Nobody looks at the clock while the scavenger sleeps, but who takes a granule, arms
 * it or asks for the statistics. Between two looks the heap keeps all that it has, and at
 * most the share of it is idle; so what the window does not know of that time hardly matters.
 *
 * What this saves is counted: idle memory above the share that is needed again would have
 * been given back and taken again by a heap that keeps no more than that.
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

#include "cache.h"
#include "space.h"

/* Granules that one step gives back at most, and what an allocation does. */
#define SCAVENGE_STEP		16UL
#define SCAVENGE_BEFORE_TAKE	2UL

/* Granules that one step sees to at most, in each of the ways that there are. */
#define TEND_STEP		4UL

/* Keeps products with it far from overflow. */
#define RETAIN_PERCENT_MAX	1000000

/* How often the per-CPU caches are looked at. */
#define CACHES_LOOK_NS		((u64)2 * NSEC_PER_SEC)

/* A batch that was preempted looks expensive; none counts for more than this. */
#define SCAVENGE_SPENT_MAX	(100 * NSEC_PER_MSEC)

static unsigned long share(unsigned long npages, unsigned long percent)
{
	return npages / 100 * percent + npages % 100 * percent / 100;
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
	struct span_goal goal = { .retain = ~0UL, .keep = ~0UL };
	unsigned long needed = span_heap_needed(heap), again;

	span_demand_advance(&heap->demand, now);
	if (heap->policy.retain_percent >= 0) {
		again = max(span_demand_granules(&heap->demand), needed) - needed;
		goal.retain = share(span_demand_peak(&heap->demand), heap->policy.retain_percent);
		goal.keep = max(goal.retain, again << heap->granule_order);
	}
	heap->spare_granules = min(goal.retain, heap->max_pages) >> heap->granule_order;
	heap->eager_granules = min(heap->eager_granules, needed + heap->spare_granules);
	return goal;
}

/*
 * Is there more idle memory than the goal can come down to? Where memory is charged, who
 * made it idle is giving it back already.
 */
static bool is_due(const struct span_heap *heap)
{
	int percent = heap->policy.retain_percent;

	return percent >= 0 && !heap->damaged && !heap->account &&
	       span_heap_idle_pages(heap) > share(span_heap_used(heap), percent);
}

/* Is there idle memory that somebody should look at? */
static bool tends(const struct span_heap *heap)
{
	return heap->tend && heap->treap.ngranules_idle && !heap->damaged && !heap->account;
}

/* Are there spans in per-CPU caches that somebody should look at? */
static bool parks(const struct span_heap *heap)
{
	return (READ_ONCE(heap->caches_watched) || heap->caches_recheck) && heap->caches &&
	       !heap->damaged && heap->policy.retain_percent >= 0;
}

/*
 * An eager heap keeps no more than the share, and gives back the rest at once. It takes what
 * we take; what it lacks then was saved.
 */
static void count_saved(struct span_heap *heap)
{
	unsigned long needed = span_heap_needed(heap);
	unsigned long eager = heap->eager_granules + heap->stat.backed - heap->eager_taken;

	heap->stat.kept_reused_pages += (needed - min(needed, eager)) << heap->granule_order;
	heap->eager_granules = clamp(eager, needed, needed + heap->spare_granules);
	heap->eager_taken = heap->stat.backed;
}

/* Who sleeps for @delay ns sees to it that caches are looked at in time. */
static u64 look_in_time(const struct span_heap *heap, u64 delay)
{
	return heap->caches ? min(delay, CACHES_LOOK_NS) : delay;
}

/*
 * Take note of what changed. Where that arms the scavenger, what was before has lasted
 * until now. Returns the delay after which to wake it, or SPAN_SCAVENGER_REST. Since the
 * window keeps memory for an epoch at least, that is an epoch.
 */
static u64 settle(struct span_heap *heap)
{
	unsigned long idle = heap->treap.ngranules_idle;
	long delta = idle - heap->idle_told;
	bool work = delta >= 0 && (is_due(heap) || tends(heap));
	bool arm = heap->keeper && !heap->armed && (work || parks(heap));

	if (arm) {
		heap->armed = true;
		if (parks(heap))
			heap->caches_look = heap->keeper->now(heap->keeper_priv) + CACHES_LOOK_NS;
		span_heap_goal(heap);
	}
	span_demand_note(&heap->demand, span_heap_used(heap), span_heap_needed(heap));
	count_saved(heap);
	if (heap->keeper && delta) {
		WRITE_ONCE(heap->idle_told, idle);
		heap->keeper->idle(heap->keeper_priv, delta * (1L << heap->granule_order));
	}
	if (!arm)
		return SPAN_SCAVENGER_REST;
	return work ? look_in_time(heap, heap->demand.epoch_ns) : CACHES_LOOK_NS;
}

/**
 * span_heap_unlock() - let go of the heap's lock after a change
 * @heap: the heap
 * @irqflags: of the lock
 *
 * To be called instead of spin_unlock_irqrestore() by whoever may have changed which
 * pages are used or idle. Wakes the scavenger if there is something to do for it.
 *
 * Context: any but NMI; the caller holds the heap's lock.
 */
void span_heap_unlock(struct span_heap *heap, unsigned long irqflags)
	__releases(&heap->lock)
{
	u64 delay = settle(heap);

	spin_unlock_irqrestore(&heap->lock, irqflags);
	if (delay != SPAN_SCAVENGER_REST)
		heap->keeper->wake(heap->keeper_priv, delay);
}

/* How long an epoch is. A heap that retains nothing has no use for a window. */
static u64 epoch_of(const struct span_policy *policy)
{
	u64 epoch_ns = (u64)policy->window_ms * NSEC_PER_MSEC / SPAN_DEMAND_EPOCHS;

	return policy->retain_percent ? epoch_ns : 0;
}

/* Forget the past, and remember from here on as far back as the policy says. */
static void start_window(struct span_heap *heap)
{
	span_demand_start(&heap->demand, heap->keeper->now(heap->keeper_priv),
			  epoch_of(&heap->policy), span_heap_used(heap),
			  span_heap_needed(heap));
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
 * A window of another length starts afresh; the same window goes on, or who changes the
 * pace would have all given back that it keeps. A scavenger that is awake looks at the heap
 * at once: what it waits for may be long in coming, by the policy that was.
 *
 * Context: any but NMI; without the heap's lock.
 */
void span_scavenger_set_policy(struct span_heap *heap, const struct span_policy *policy)
{
	unsigned long irqflags;
	bool awake;

	spin_lock_irqsave(&heap->lock, irqflags);
	heap->policy = *policy;
	if (epoch_of(policy) != heap->demand.epoch_ns)
		start_window(heap);
	awake = heap->armed;
	span_heap_unlock(heap, irqflags);
	if (awake)
		heap->keeper->wake(heap->keeper_priv, 0);
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

/*
 * Nothing is above the goal: wait for the goal to come down, or rest. The epoch in
 * which it rests lasts until somebody looks at the clock again, which may be days
 * later: nothing that was before may be in it.
 */
static u64 wait_or_rest(struct span_heap *heap)
{
	const struct span_demand *demand = &heap->demand;
	u64 now = heap->keeper->now(heap->keeper_priv);
	bool wait = is_due(heap) || (demand->epoch_ns && !span_demand_is_steady(demand));
	u64 next = wait ? demand->began + demand->epoch_ns : heap->caches_look;

	heap->armed = wait || parks(heap);
	if (!heap->armed)
		return SPAN_SCAVENGER_REST;
	return look_in_time(heap, next > now ? next - now : 1);
}

/**
 * span_scavenger_watch_caches() - have the per-CPU caches looked at
 * @heap: a heap with caches, one of which has been filled
 *
 * A heap without a keeper has nobody who would look, nor one that retains all.
 *
 * Context: any but NMI; without the heap's lock.
 */
void span_scavenger_watch_caches(struct span_heap *heap)
{
	unsigned long irqflags;

	spin_lock_irqsave(&heap->lock, irqflags);
	WRITE_ONCE(heap->caches_watched, true);
	span_heap_unlock(heap, irqflags);
}

/*
 * Look at the per-CPU caches if it is time. Whoever parks a span after that sees that nobody
 * watches, and says so; but without a barrier on his side he may see it too late, and what
 * he has parked is not yet seen here. So there is one more look before nobody looks at all.
 */
static void look_at_caches(struct span_heap *heap)
{
	u64 now = heap->keeper->now(heap->keeper_priv);
	unsigned long irqflags;
	bool look, again, any;

	spin_lock_irqsave(&heap->lock, irqflags);
	look = parks(heap) && now >= heap->caches_look;
	again = READ_ONCE(heap->caches_watched);
	if (look) {
		heap->caches_look = now + CACHES_LOOK_NS;
		WRITE_ONCE(heap->caches_watched, false);
	}
	spin_unlock_irqrestore(&heap->lock, irqflags);
	if (!look)
		return;
	any = span_cache_age(heap);
	spin_lock_irqsave(&heap->lock, irqflags);
	if (any)
		WRITE_ONCE(heap->caches_watched, true);
	heap->caches_recheck = !any && again;
	spin_unlock_irqrestore(&heap->lock, irqflags);
}

/*
 * See to idle memory. Where the system has no blocks, or nothing more is to be done, the
 * next look is when something was freed.
 */
static void tend(struct span_heap *heap)
{
	bool refused, more = span_heap_repair(heap, TEND_STEP, &refused) == TEND_STEP;
	unsigned long irqflags;

	if (heap->prezero)
		more |= span_heap_prezero(heap, TEND_STEP) == TEND_STEP;
	if (!more)
		return;
	spin_lock_irqsave(&heap->lock, irqflags);
	heap->tend = true;
	spin_unlock_irqrestore(&heap->lock, irqflags);
}

/* How long to rest after work that took so long. */
static u64 pause_after(const struct span_heap *heap, u64 spent)
{
	unsigned int pace = heap->policy.pace_permille;

	return min_t(u64, spent, SCAVENGE_SPENT_MAX) * (1000 - pace) / pace;
}

/**
 * span_scavenger_step() - give back a batch of what is above the goal, or see to the rest
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
	bool tending = false;

	look_at_caches(heap);
	spin_lock_irqsave(&heap->lock, irqflags);
	goal = span_heap_goal(heap);
	idle = span_heap_idle_pages(heap);
	heap->stat.scavenge_steps++;
	if (idle > goal.keep && !heap->damaged)
		excess = min(idle - goal.keep, batch);
	else if (tends(heap))
		tending = true;
	else
		pause = wait_or_rest(heap);
	if (tending)
		heap->tend = false;
	spin_unlock_irqrestore(&heap->lock, irqflags);
	if (!excess && !tending)
		return pause;

	began = heap->keeper->now(heap->keeper_priv);
	if (excess)
		span_heap_release(heap, excess, NULL);
	else
		tend(heap);
	spent = heap->keeper->now(heap->keeper_priv) - began;
	spin_lock_irqsave(&heap->lock, irqflags);
	heap->stat.scavenge_ns += spent;
	pause = pause_after(heap, spent);
	spin_unlock_irqrestore(&heap->lock, irqflags);
	return pause;
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
 * The goal does not matter. CPUs are asked for what they have parked only if what is idle is
 * not enough: reclaim comes again and again, and each time costs them what they would allocate
 * next. Nothing here waits for the heap's lock, except to give back what they had parked.
 *
 * Context: may sleep; from inside any allocation of memory that may.
 * Return: pages given back; ULONG_MAX if there were none since somebody else had
 * the heap's lock.
 */
unsigned long span_scavenger_reclaim(struct span_heap *heap, unsigned long npages)
{
	u64 *counter = &heap->stat.scavenged_reclaim_pages;
	unsigned long done, more = 0;
	bool whole;

	whole = span_heap_try_release(heap, npages, counter, &done);
	if (whole && done < npages && span_cache_try_drain(heap))
		whole = span_heap_try_release(heap, npages - done, counter, &more);
	done += more;
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
	span_cache_drain(heap);
	return span_heap_release(heap, ~0UL, &heap->stat.scavenged_reclaim_pages);
}
