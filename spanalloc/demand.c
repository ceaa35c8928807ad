// SPDX-License-Identifier: GPL-2.0-only
/*
 * The demand window: what a heap needed lately.
 */

/**
 * DOC: Demand window
 *
 * Memory that comes and goes every few seconds is not worth giving back: it is
 * taken again at once, with the cost of both. So the heap remembers how much it
 * needed over a window, as the extremes of SPAN_DEMAND_EPOCHS stretches of time,
 * and keeps what it is likely to need again:
 *
 *	demand = min(recent peak, short fluctuation + trend)
 *
 * The *recent peak* is the most that was needed in the window. The *short
 * fluctuation* is the distance between the most and the least of the last
 * SPAN_DEMAND_SHORT epochs, and the *trend* is the most that any epoch needed all
 * the time. A load that swings within the short part is kept whole, and so is one
 * that stays up for an epoch at a time; a spike that does not come back is given
 * up when the short part has passed it, and everything is when the window has.
 * (The rule is that of the "skip subrelease" of TCMalloc's page heap.)
 *
 * Needed is counted in granules: those that are backed and not idle. The peak of
 * the pages in use is remembered as well, for the share that a heap retains.
 *
 * Nothing here asks for the time: it is handed in, so that tests can make it up.
 * Asking for it at each change would cost too much as well. So only who calls
 * span_demand_advance() makes an epoch end, and what was noted since the last call
 * may have been at any time since then: see there.
 *
 * Complexity: O(1) to note a change; O(epochs) for the rest.
 *
 * Locking: everything is called with the heap's lock held.
 */

#include <linux/kernel.h>

#include "demand.h"

/* An epoch that remembers nothing but what was noted last. */
static struct span_epoch fresh_epoch(const struct span_demand *demand)
{
	return (struct span_epoch) {
		.peak = demand->in_use, .high = demand->needed, .low = demand->needed,
	};
}

/**
 * span_demand_start() - forget the past: it is taken to have been as the present
 * @demand: the window
 * @now: the time in ns
 * @epoch_ns: length of an epoch from now on; 0: only the present counts
 * @in_use: pages in use
 * @needed: granules that are backed and not idle
 *
 * Context: the heap's lock is held, or nobody uses the heap yet.
 */
void span_demand_start(struct span_demand *demand, u64 now, u64 epoch_ns,
		       unsigned long in_use, unsigned long needed)
{
	unsigned int i;

	demand->epoch_ns = epoch_ns;
	demand->began = now;
	demand->in_use = in_use;
	demand->needed = needed;
	demand->at = 0;
	for (i = 0; i < SPAN_DEMAND_EPOCHS; i++)
		demand->epoch[i] = fresh_epoch(demand);
}

/**
 * span_demand_advance() - let time pass
 * @demand: the window
 * @now: the time in ns, not before that of the last call
 *
 * If several epochs have passed since the last call, when in this time the extremes
 * were is not known. The most counts for each of these epochs; but that it all went
 * down to the least counts for the first alone, and the others are taken to have
 * needed what was noted last. So too much is kept for a while rather than too little.
 * To be called before a fall is noted that matters.
 *
 * Context: the heap's lock is held.
 * Return: true if an epoch ended.
 */
bool span_demand_advance(struct span_demand *demand, u64 now)
{
	struct span_epoch unseen = demand->epoch[demand->at];
	u64 passed;

	if (!demand->epoch_ns)
		return false;
	passed = (now - demand->began) / demand->epoch_ns;
	if (!passed)
		return false;
	demand->began += passed * demand->epoch_ns;
	unseen.low = demand->needed;
	for (passed = min_t(u64, passed, SPAN_DEMAND_EPOCHS); passed; passed--) {
		demand->at = (demand->at + 1) % SPAN_DEMAND_EPOCHS;
		demand->epoch[demand->at] = unseen;
	}
	demand->epoch[demand->at] = fresh_epoch(demand);
	return true;
}

/**
 * span_demand_peak() - the most pages in use in the window
 * @demand: the window
 *
 * Context: the heap's lock is held.
 * Return: pages.
 */
unsigned long span_demand_peak(const struct span_demand *demand)
{
	unsigned long peak = demand->in_use;
	unsigned int i;

	for (i = 0; demand->epoch_ns && i < SPAN_DEMAND_EPOCHS; i++)
		peak = max(peak, demand->epoch[i].peak);
	return peak;
}

/**
 * span_demand_granules() - how many granules are likely to be needed again
 * @demand: the window
 *
 * Context: the heap's lock is held.
 * Return: granules, those that are needed now included.
 */
unsigned long span_demand_granules(const struct span_demand *demand)
{
	const struct span_epoch *newest = &demand->epoch[demand->at];
	unsigned long high = newest->high, low = newest->low, peak = high, trend = low;
	unsigned int i;

	if (!demand->epoch_ns)
		return demand->needed;
	for (i = 1; i < SPAN_DEMAND_EPOCHS; i++) {
		unsigned int at = (demand->at + SPAN_DEMAND_EPOCHS - i) % SPAN_DEMAND_EPOCHS;
		const struct span_epoch *epoch = &demand->epoch[at];

		peak = max(peak, epoch->high);
		trend = max(trend, epoch->low);
		if (i < SPAN_DEMAND_SHORT) {
			high = max(high, epoch->high);
			low = min(low, epoch->low);
		}
	}
	return min(peak, high - low + trend);
}
