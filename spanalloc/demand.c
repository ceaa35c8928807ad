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
 *
 * Complexity: O(1) to note a change; O(epochs) for the rest.
 *
 * Locking: everything is called with the heap's lock held.
 */

#include <linux/kernel.h>

#include "demand.h"

static void begin(struct span_epoch *epoch, unsigned long in_use, unsigned long needed)
{
	*epoch = (struct span_epoch) { .peak = in_use, .high = needed, .low = needed };
}

/**
 * span_demand_start() - forget the past
 * @demand: the window; its epoch_ns is set
 * @now: the time in ns
 * @in_use: pages in use
 * @needed: granules that are backed and not idle
 *
 * Context: the heap's lock is held.
 */
void span_demand_start(struct span_demand *demand, u64 now, unsigned long in_use,
		       unsigned long needed)
{
	unsigned int i;

	demand->began = now;
	demand->at = 0;
	for (i = 0; i < SPAN_DEMAND_EPOCHS; i++)
		begin(&demand->epoch[i], in_use, needed);
}

/**
 * span_demand_advance() - let time pass
 * @demand: the window
 * @now: the time in ns, not before that of the last call
 * @in_use: pages in use
 * @needed: granules that are backed and not idle
 *
 * When in a long time without a call the extremes were is not known: they count
 * for each of its epochs, so that too much is kept for a while rather than too
 * little.
 *
 * Context: the heap's lock is held.
 * Return: true if an epoch ended.
 */
bool span_demand_advance(struct span_demand *demand, u64 now, unsigned long in_use,
			 unsigned long needed)
{
	struct span_epoch last = demand->epoch[demand->at];
	u64 passed;

	if (!demand->epoch_ns) {
		begin(&demand->epoch[0], in_use, needed);
		return true;
	}
	passed = (now - demand->began) / demand->epoch_ns;
	if (!passed)
		return false;
	demand->began += passed * demand->epoch_ns;
	passed = min_t(u64, passed, SPAN_DEMAND_EPOCHS);
	while (passed--) {
		demand->epoch[demand->at] = last;
		demand->at = (demand->at + 1) % SPAN_DEMAND_EPOCHS;
	}
	begin(&demand->epoch[demand->at], in_use, needed);
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
	unsigned long peak = demand->epoch[0].peak;
	unsigned int i;

	for (i = 1; demand->epoch_ns && i < SPAN_DEMAND_EPOCHS; i++)
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
		return demand->epoch[0].high;
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
