/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a heap takes of memory while a trace runs, and what it would have to at least:
 * span-replay's own books, which know nothing of what the heap counts.
 */
#ifndef _FOOTPRINT_H
#define _FOOTPRINT_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

#include "backing.h"

/**
 * struct footprint - memory over time
 * @granule_order: of the heap
 * @clock: if set, giving a granule back moves it
 * @give_ns: by so much
 * @count: by granule, how many live spans touch it
 * @room: length of @count
 * @floor: pages of granules that are touched
 * @backed: pages that were taken and not given back
 * @ntaken: granules taken
 * @ngiven: granules given back
 * @peak_floor: peaks of what their names say
 * @peak_backed: at any moment, not only between two events
 * @sum_floor: sums of what their names say, one for each event
 * @sum_backed: the same
 * @nlooks: events so far
 * @over_since: since when more than floor and goal is backed; 0: it is not
 * @longest_over_ns: longest time of that
 */
struct footprint {
	unsigned int granule_order;
	u64 *clock;
	u64 give_ns;
	u32 *count;
	size_t room;
	unsigned long floor;
	unsigned long backed;
	unsigned long ntaken;
	unsigned long ngiven;
	unsigned long peak_floor;
	unsigned long peak_backed;
	double sum_floor;
	double sum_backed;
	size_t nlooks;
	u64 over_since;
	u64 longest_over_ns;
};

/* A backing without memory that keeps these books; its priv is the footprint. */
extern const struct span_backing_ops footprint_backing;

/* A span of these pages is live from now on (1), or no more (-1). False: no memory. */
bool footprint_touch(struct footprint *footprint, unsigned long base, unsigned long end,
		     int change);
/* After an event and the time that it takes; @goal: idle pages that may be kept. */
void footprint_look(struct footprint *footprint, u64 now, unsigned long goal);

#endif /* _FOOTPRINT_H */
