/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The demand window: what a heap needed lately. See demand.c.
 */
#ifndef _SPANALLOC_DEMAND_H
#define _SPANALLOC_DEMAND_H

#include <linux/minmax.h>
#include <linux/types.h>

/* A window is remembered as so many epochs, the short fluctuation as the last few. */
#define SPAN_DEMAND_EPOCHS	16
#define SPAN_DEMAND_SHORT	4

/**
 * struct span_epoch - extremes of one stretch of time
 * @peak: most pages in use
 * @high: most granules that were needed: backed and not idle
 * @low: fewest of them
 */
struct span_epoch {
	unsigned long peak;
	unsigned long high;
	unsigned long low;
};

/**
 * struct span_demand - what a heap needed lately
 * @epoch_ns: length of an epoch; 0: only the present counts
 * @began: when the newest epoch began
 * @in_use: pages in use, as noted last
 * @needed: granules that are needed, as noted last
 * @at: the newest epoch; the older ones stand behind it, cyclically
 * @epoch: the epochs
 *
 * All fields are protected by the heap's lock.
 */
struct span_demand {
	u64 epoch_ns;
	u64 began;
	unsigned long in_use;
	unsigned long needed;
	unsigned int at;
	struct span_epoch epoch[SPAN_DEMAND_EPOCHS];
};

/* The heap's use changed; called at every change, so it has to be cheap. */
static inline void span_demand_note(struct span_demand *demand, unsigned long in_use,
				    unsigned long needed)
{
	struct span_epoch *epoch = &demand->epoch[demand->at];

	demand->in_use = in_use;
	demand->needed = needed;
	epoch->peak = max(epoch->peak, in_use);
	epoch->high = max(epoch->high, needed);
	epoch->low = min(epoch->low, needed);
}

/* Does the newest epoch remember nothing but what was noted last? */
static inline bool span_demand_is_steady(const struct span_demand *demand)
{
	const struct span_epoch *epoch = &demand->epoch[demand->at];

	return epoch->peak == demand->in_use && epoch->high == demand->needed &&
	       epoch->low == demand->needed;
}

void span_demand_start(struct span_demand *demand, u64 now, u64 epoch_ns,
		       unsigned long in_use, unsigned long needed);
bool span_demand_advance(struct span_demand *demand, u64 now);
unsigned long span_demand_peak(const struct span_demand *demand);
unsigned long span_demand_granules(const struct span_demand *demand);

#endif /* _SPANALLOC_DEMAND_H */
