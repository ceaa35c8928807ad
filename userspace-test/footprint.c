// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a heap takes of memory while a trace runs.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/mm_types.h>

#include "footprint.h"

static struct page no_page;

static int counted_take(void *priv, struct span_block *block, unsigned int order,
			int nid, gfp_t gfp, unsigned int flags)
{
	struct footprint *footprint = priv;

	footprint->ntaken++;
	footprint->backed += 1UL << order;
	footprint->peak_backed = max(footprint->peak_backed, footprint->backed);
	*block = (struct span_block) { .page = &no_page, .zeroed = true };
	return 0;
}

static void counted_give(void *priv, struct span_block *block, unsigned int order)
{
	struct footprint *footprint = priv;

	footprint->ngiven++;
	footprint->backed -= 1UL << order;
	if (footprint->clock)
		*footprint->clock += footprint->give_ns;
}

static void counted_fill(void *priv, const struct span_block *block, unsigned int first,
			 unsigned int npages, u8 byte)
{
}

const struct span_backing_ops footprint_backing = {
	.take = counted_take,
	.give = counted_give,
	.fill = counted_fill,
};

static bool make_room(struct footprint *footprint, unsigned long last)
{
	size_t room = roundup_pow_of_two(last + 1);
	u32 *count;

	if (last < footprint->room)
		return true;
	count = realloc(footprint->count, room * sizeof(*count));
	if (!count)
		return false;
	memset(count + footprint->room, 0, (room - footprint->room) * sizeof(*count));
	footprint->count = count;
	footprint->room = room;
	return true;
}

bool footprint_touch(struct footprint *footprint, unsigned long base, unsigned long end,
		     int change)
{
	unsigned int order = footprint->granule_order;
	unsigned long granule = base >> order, last = (end - 1) >> order;

	if (!make_room(footprint, last))
		return false;
	for (; granule <= last; granule++) {
		bool was = footprint->count[granule], is;

		footprint->count[granule] += change;
		is = footprint->count[granule];
		footprint->floor += ((long)is - (long)was) * (1L << order);
	}
	footprint->peak_floor = max(footprint->peak_floor, footprint->floor);
	return true;
}

void footprint_look(struct footprint *footprint, u64 now, unsigned long goal)
{
	unsigned long spare = (1UL << footprint->granule_order) - 1;
	bool over = footprint->backed > footprint->floor &&
		    footprint->backed - footprint->floor - 1 > goal + spare;

	footprint->sum_floor += footprint->floor;
	footprint->sum_backed += footprint->backed;
	footprint->nlooks++;
	if (!over)
		footprint->over_since = 0;
	else if (!footprint->over_since)
		footprint->over_since = now;
	else
		footprint->longest_over_ns = max(footprint->longest_over_ns,
						 now - footprint->over_since);
}
