// SPDX-License-Identifier: GPL-2.0-only
/*
 * spanctl stats, and the table of statistics: see spanctl_stats.h.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "spanctl_stats.h"

#define ROW(field, label, unit) \
	{ #field, label, offsetof(struct spanalloc_heap_stats, field), unit, false }
#define WATCH(field, label, unit) \
	{ #field, label, offsetof(struct spanalloc_heap_stats, field), unit, true }
#define GROUP(title, rows) { title, rows, ARRAY_SIZE(rows) }

static const struct stats_row address_rows[] = {
	ROW(max_pages, "limit", UNIT_PAGES),
	ROW(address_pages, "grown to", UNIT_PAGES),
	ROW(arena_pages, "grows by", UNIT_PAGES),
	WATCH(in_use_pages, "in use", UNIT_PAGES),
	WATCH(in_use_spans, "in use, allocations", UNIT_COUNT),
	ROW(claimed_pages, "in the making", UNIT_PAGES),
	WATCH(cached_pages, "parked for a processor", UNIT_PAGES),
	WATCH(quarantined_pages, "in quarantine", UNIT_PAGES),
	WATCH(free_pages, "free", UNIT_PAGES),
	WATCH(free_spans, "free, spans", UNIT_COUNT),
	WATCH(largest_free_pages, "free, longest span", UNIT_PAGES),
};

static const struct stats_row memory_rows[] = {
	WATCH(backed_pages, "backed", UNIT_PAGES),
	WATCH(idle_pages, "backed but idle", UNIT_PAGES),
	WATCH(released_pages, "released", UNIT_PAGES),
	ROW(goal_pages, "idle, to be kept", UNIT_PAGES),
	ROW(kept_pages, "idle, kept for demand", UNIT_PAGES),
	ROW(demand_pages, "recent demand", UNIT_PAGES),
	ROW(granule_pages, "granule", UNIT_PAGES),
	ROW(metadata_bytes, "metadata", UNIT_BYTES),
};

static const struct stats_row operation_rows[] = {
	WATCH(allocs, "allocations", UNIT_COUNT),
	ROW(allocs_exact, "took a whole free span", UNIT_COUNT),
	ROW(allocs_placed, "aligned or contiguous", UNIT_COUNT),
	WATCH(frees, "frees", UNIT_COUNT),
	WATCH(splits, "splits", UNIT_COUNT),
	ROW(cache_allocs, "from a cache", UNIT_COUNT),
	ROW(cache_frees, "to a cache", UNIT_COUNT),
	ROW(cache_refills, "caches refilled", UNIT_COUNT),
	ROW(cache_flushes, "caches flushed", UNIT_COUNT),
	ROW(cached_spans, "spans in caches", UNIT_COUNT),
	WATCH(fails_limit, "failed: heap's limit", UNIT_COUNT),
	WATCH(fails_space, "failed: no run so long", UNIT_COUNT),
	WATCH(fails_memory, "failed: no memory", UNIT_COUNT),
	ROW(fails_again, "failed: may not sleep", UNIT_COUNT),
	ROW(splits_in_place, "tree: splits in place", UNIT_COUNT),
	ROW(merges_in_place, "tree: merges in place", UNIT_COUNT),
	ROW(tree_inserts, "tree: insertions", UNIT_COUNT),
	ROW(tree_erases, "tree: erasures", UNIT_COUNT),
	ROW(grows, "times grown", UNIT_COUNT),
	WATCH(backed, "granules taken", UNIT_COUNT),
	ROW(backed_scattered, "of single pages", UNIT_COUNT),
	ROW(backing_races, "in vain", UNIT_COUNT),
	WATCH(scavenged_pages, "returned to the system", UNIT_PAGES),
	ROW(scavenged_inline_pages, "by allocations", UNIT_PAGES),
	WATCH(scavenged_reclaim_pages, "for the system's need", UNIT_PAGES),
	ROW(kept_reused_pages, "kept and needed again", UNIT_PAGES),
	ROW(scavenge_steps, "scavenger: steps", UNIT_COUNT),
	ROW(scavenge_ns, "scavenger: ns at work", UNIT_COUNT),
	ROW(zeroed_pages, "zeroed while waited for", UNIT_PAGES),
	ROW(zero_saved_pages, "zero already", UNIT_PAGES),
	ROW(wiped_pages, "wiped when freed", UNIT_PAGES),
	ROW(prezeroed_pages, "zeroed in background", UNIT_PAGES),
	ROW(repaired, "granules repaired", UNIT_COUNT),
	ROW(poison_broken, "written to while free", UNIT_PAGES),
};

const struct stats_group stats_groups[STATS_NGROUPS] = {
	GROUP("address space", address_rows),
	GROUP("memory", memory_rows),
	GROUP("operations", operation_rows),
};

bool stats_read(int fd, struct spanalloc_heap_stats *stats)
{
	int err = spanalloc_get_stats_size(fd, stats, sizeof(*stats));

	if (err)
		spanctl_complain("cannot read the statistics: %s", strerror(-err));
	return !err;
}

uint64_t stats_value(const struct spanalloc_heap_stats *stats, const struct stats_row *row)
{
	__u64 value;

	memcpy(&value, (const char *)stats + row->offset, sizeof(value));
	return value;
}

unsigned int stats_fragmentation(const struct spanalloc_heap_stats *stats)
{
	if (!stats->free_pages)
		return 0;
	return 1000 - stats->largest_free_pages * 1000 / stats->free_pages;
}

static void print_line(const char *label, uint64_t value, enum stats_unit unit,
		       uint64_t page_size)
{
	printf("  %-24s %14llu", label, (unsigned long long)value);
	if (unit == UNIT_PAGES)
		printf(" pages %12.1f MiB", spanctl_mib(value, page_size));
	else if (unit == UNIT_BYTES)
		printf(" bytes %12.1f MiB", value / 1048576.0);
	putchar('\n');
}

static void print_text(const struct spanalloc_heap_stats *stats)
{
	unsigned int permille = stats_fragmentation(stats);
	const struct stats_row *row;
	size_t g, i;

	for (g = 0; g < STATS_NGROUPS; g++) {
		printf("%s\n", stats_groups[g].title);
		for (i = 0; i < stats_groups[g].nrows; i++) {
			row = &stats_groups[g].rows[i];
			print_line(row->label, stats_value(stats, row), row->unit,
				   stats->page_size);
		}
		if (stats_groups[g].rows == address_rows)
			printf("  %-24s %12u.%u %%\n", "fragmentation", permille / 10,
			       permille % 10);
	}
}

void stats_json(struct json *json, const struct spanalloc_heap_stats *stats)
{
	const struct stats_row *row;
	size_t g, i;

	json_number(json, "page_size", stats->page_size);
	for (g = 0; g < STATS_NGROUPS; g++) {
		for (i = 0; i < stats_groups[g].nrows; i++) {
			row = &stats_groups[g].rows[i];
			json_number(json, row->name, stats_value(stats, row));
		}
	}
	json_number(json, "fragmentation_permille", stats_fragmentation(stats));
}

/* What all open files together hold. */
static void print_charged(const struct spanalloc_file *file, uint64_t page_size)
{
	puts("programs");
	print_line("charged", file->device_pages, UNIT_PAGES, page_size);
	if (file->device_limit_pages == SPANALLOC_NO_LIMIT)
		printf("  %-24s %14s\n", "limit", "none");
	else
		print_line("limit", file->device_limit_pages, UNIT_PAGES, page_size);
}

static void json_charged(struct json *json, const struct spanalloc_file *file)
{
	json_number(json, "device_pages", file->device_pages);
	if (file->device_limit_pages == SPANALLOC_NO_LIMIT)
		json_null(json, "device_limit_pages");
	else
		json_number(json, "device_limit_pages", file->device_limit_pages);
}

enum spanctl_status spanctl_stats(const struct spanctl_options *options, char **args, int nargs)
{
	struct spanalloc_heap_stats stats;
	struct spanalloc_file file;
	struct spanalloc_info info;
	struct json json;
	bool good, charged;
	int fd = spanctl_open(options->device, O_RDONLY, &info);

	(void)args;
	(void)nargs;
	if (fd < 0)
		return SPANCTL_NO_DEVICE;
	good = stats_read(fd, &stats);
	/* Older modules do not know. */
	charged = !spanalloc_get_file(fd, &file);
	close(fd);
	if (!good)
		return SPANCTL_FAILED;
	if (!options->json) {
		print_text(&stats);
		if (charged)
			print_charged(&file, stats.page_size);
		return SPANCTL_OK;
	}
	json_begin(&json, stdout, JSON_TEXT);
	stats_json(&json, &stats);
	if (charged)
		json_charged(&json, &file);
	json_end(&json);
	return SPANCTL_OK;
}
