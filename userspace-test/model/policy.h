/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How much idle memory a heap is to keep, from a list of what it needed when. Shares
 * nothing with the heap's sources but the rule.
 */
#ifndef _MODEL_POLICY_H
#define _MODEL_POLICY_H

#include <stdbool.h>
#include <stddef.h>

/* A window has so many epochs; the last few of them are its short part. */
#define POLICY_EPOCHS	16
#define POLICY_SHORT	4

/**
 * struct policy_look - what was noted between one look at the clock and the next
 * @epoch: number of the epoch in which the look was
 * @peak: most pages in use
 * @high: most granules needed
 * @low: fewest granules needed
 * @last: granules needed at the end
 */
struct policy_look {
	unsigned long epoch;
	unsigned long peak;
	unsigned long high;
	unsigned long low;
	unsigned long last;
};

/**
 * struct policy - what a heap needed when
 * @percent: of the peak is retained; negative: everything is
 * @epoch_ns: length of an epoch; 0: only the present counts
 * @began: when the first epoch began
 * @used: pages in use now
 * @needed: granules needed now
 * @nlooks: length of the list
 * @look: the first look in each epoch that had one, the oldest first
 */
struct policy {
	int percent;
	unsigned long long epoch_ns;
	unsigned long long began;
	unsigned long used;
	unsigned long needed;
	size_t nlooks;
	struct policy_look look[4 * POLICY_EPOCHS];
};

void policy_init(struct policy *p, int percent, unsigned long long window_ns,
		 unsigned long long now);
/*
 * From now on it is another. Where the window is another, the past is taken to have been as
 * the present.
 */
void policy_change(struct policy *p, int percent, unsigned long long window_ns,
		   unsigned long long now);
/* What is in use and needed from now on. */
void policy_note(struct policy *p, unsigned long used, unsigned long needed);
/* Somebody looks at the clock. True if an epoch ended. */
bool policy_look(struct policy *p, unsigned long long now);
/* Was nothing else noted since the last look than what is now? */
bool policy_is_steady(const struct policy *p);
/* When the epoch of the last look ends. */
unsigned long long policy_epoch_end(const struct policy *p);

/* Idle pages that are retained in any case; granules that are likely to be needed. */
unsigned long policy_retain(const struct policy *p);
unsigned long policy_demand(const struct policy *p);

#endif /* _MODEL_POLICY_H */
