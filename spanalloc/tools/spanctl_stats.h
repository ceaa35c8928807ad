/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One table says how each field of the statistics is shown; stats and watch, as text and
 * as JSON, are walks over it.
 */
#ifndef _SPANCTL_STATS_H
#define _SPANCTL_STATS_H

#include "json.h"
#include "spanctl.h"

enum stats_unit { UNIT_PAGES, UNIT_BYTES, UNIT_COUNT };

/**
 * struct stats_row - one field of the statistics
 * @name: in JSON: the name in struct spanalloc_heap_stats
 * @label: for people
 * @offset: where it is
 * @unit: what it counts
 * @watched: watch shows it
 */
struct stats_row {
	const char *name;
	const char *label;
	size_t offset;
	enum stats_unit unit;
	bool watched;
};

/**
 * struct stats_group - rows that belong together
 * @title: for people
 * @rows: the rows
 * @nrows: how many
 */
struct stats_group {
	const char *title;
	const struct stats_row *rows;
	size_t nrows;
};

#define STATS_NGROUPS 3
extern const struct stats_group stats_groups[STATS_NGROUPS];

/* False, with a complaint, if they cannot be had. */
bool stats_read(int fd, struct spanalloc_heap_stats *stats);
uint64_t stats_value(const struct spanalloc_heap_stats *stats, const struct stats_row *row);
void stats_json(struct json *json, const struct spanalloc_heap_stats *stats);
/* Share of the free pages outside the longest free span, in thousandths. */
unsigned int stats_fragmentation(const struct spanalloc_heap_stats *stats);

#endif /* _SPANCTL_STATS_H */
