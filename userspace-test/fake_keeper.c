// SPDX-License-Identifier: GPL-2.0-only
/*
 * A keeper whose clock the test has in its hand.
 */
#include <linux/kernel.h>

#include "fake_keeper.h"
#include "shim.h"

/* No scavenger has a reason to step so often without a pause. */
#define STEPS_AT_ONCE_MAX	100000

static void complain(struct fake_keeper *keeper, const char *what)
{
	__atomic_fetch_add(&keeper->nerrors, 1, __ATOMIC_RELAXED);
	shim_warn("keeper: %s", what);
}

static u64 fake_now(void *priv)
{
	struct fake_keeper *keeper = priv;

	return __atomic_load_n(&keeper->now, __ATOMIC_RELAXED);
}

static void fake_wake(void *priv, u64 delay)
{
	struct fake_keeper *keeper = priv;

	if (shim_lock_held(&keeper->heap->lock))
		complain(keeper, "woken with the heap's lock held");
	pthread_mutex_lock(&keeper->mutex);
	/* Where threads are at work, who is changing the policy may be seen at any time. */
	if (keeper->pending && !keeper->crowded && !keeper->changing)
		complain(keeper, "woken although a step is to come");
	if (delay > SPAN_SCAVENGER_REST / 2)
		complain(keeper, "woken for a time that never comes");
	delay += fake_now(keeper);
	keeper->due = keeper->pending ? min(keeper->due, delay) : delay;
	keeper->pending = true;
	keeper->nwakes++;
	pthread_mutex_unlock(&keeper->mutex);
}

/* The heap's lock protects this one. */
static void fake_idle(void *priv, long npages)
{
	struct fake_keeper *keeper = priv;

	keeper->idle += npages;
	if (keeper->idle < 0)
		complain(keeper, "less than nothing is idle");
}

static const struct span_keeper_ops fake_keeper_ops = {
	.now = fake_now,
	.wake = fake_wake,
	.idle = fake_idle,
};

void fake_keeper_add(struct fake_keeper *keeper, struct span_heap *heap)
{
	/* The day does not begin at midnight. */
	*keeper = (struct fake_keeper) { .heap = heap, .now = 1234567891 };
	pthread_mutex_init(&keeper->mutex, NULL);
	span_scavenger_attach(heap, &fake_keeper_ops, keeper);
}

void fake_keeper_remove(struct fake_keeper *keeper)
{
	span_scavenger_detach(keeper->heap);
	if (keeper->idle)
		complain(keeper, "idle pages of a heap without a keeper");
	pthread_mutex_destroy(&keeper->mutex);
	keeper->heap = NULL;
}

void fake_keeper_set_policy(struct fake_keeper *keeper, const struct span_policy *policy)
{
	keeper->changing = true;
	span_scavenger_set_policy(keeper->heap, policy);
	keeper->changing = false;
}

static bool begin_step(struct fake_keeper *keeper)
{
	bool begins;

	pthread_mutex_lock(&keeper->mutex);
	begins = keeper->pending && !keeper->stepping && keeper->due <= fake_now(keeper);
	if (begins) {
		keeper->pending = false;
		keeper->stepping = true;
		keeper->nsteps++;
	}
	pthread_mutex_unlock(&keeper->mutex);
	return begins;
}

bool fake_keeper_step(struct fake_keeper *keeper)
{
	u64 delay;

	if (!begin_step(keeper))
		return false;
	delay = span_scavenger_step(keeper->heap);
	pthread_mutex_lock(&keeper->mutex);
	keeper->stepping = false;
	/* Who was woken meanwhile steps sooner. */
	if (delay != SPAN_SCAVENGER_REST && !keeper->pending) {
		keeper->pending = true;
		keeper->due = fake_now(keeper) + delay;
	}
	pthread_mutex_unlock(&keeper->mutex);
	return true;
}

unsigned long fake_keeper_run(struct fake_keeper *keeper, u64 until)
{
	unsigned long nsteps = 0, at_once = 0;

	while (keeper->pending && keeper->due <= until && at_once < STEPS_AT_ONCE_MAX) {
		at_once = keeper->due > keeper->now ? 0 : at_once + 1;
		keeper->now = max(keeper->now, keeper->due);
		if (!fake_keeper_step(keeper))
			break;
		nsteps++;
	}
	if (at_once == STEPS_AT_ONCE_MAX)
		complain(keeper, "steps without an end");
	keeper->now = max(keeper->now, until);
	return nsteps;
}

bool fake_keeper_agrees(struct fake_keeper *keeper)
{
	if (keeper->idle != (long)span_heap_idle_pages(keeper->heap))
		complain(keeper, "other idle pages than the heap");
	if (keeper->pending != keeper->heap->armed)
		complain(keeper, keeper->pending ? "a step without reason" : "asleep while armed");
	return !keeper->nerrors;
}
