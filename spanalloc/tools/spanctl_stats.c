// SPDX-License-Identifier: GPL-2.0-only
/*
 * spanctl stats: one table says how each field is shown; text and JSON are two
 * walks over it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "spanctl.h"

enum unit { UNIT_PAGES, UNIT_BYTES, UNIT_COUNT };

/**
 * struct row - one field of the statistics
 * @name: in JSON: the name in struct spanalloc_heap_stats
 * @label: for people
 * @offset: where it is
 * @unit: what it counts
 */
struct row {
	const char *name;
	const char *label;
	size_t offset;
	enum unit unit;
};

struct group {
	const char *title;
	const struct row *rows;
	size_t nrows;
};

#define ROW(field, label, unit) \
	{ #field, label, offsetof(struct spanalloc_heap_stats, field), unit }
#define GROUP(title, rows) { title, rows, ARRAY_SIZE(rows) }

static const struct row address_rows[] = {
	ROW(max_pages, "limit", UNIT_PAGES),
	ROW(address_pages, "grown to", UNIT_PAGES),
	ROW(arena_pages, "grows by", UNIT_PAGES),
	ROW(in_use_pages, "in use", UNIT_PAGES),
	ROW(in_use_spans, "in use, allocations", UNIT_COUNT),
	ROW(claimed_pages, "in the making", UNIT_PAGES),
	ROW(quarantined_pages, "in quarantine", UNIT_PAGES),
	ROW(free_pages, "free", UNIT_PAGES),
	ROW(free_spans, "free, spans", UNIT_COUNT),
	ROW(largest_free_pages, "free, longest span", UNIT_PAGES),
};

static const struct row memory_rows[] = {
	ROW(backed_pages, "backed", UNIT_PAGES),
	ROW(idle_pages, "backed but idle", UNIT_PAGES),
	ROW(released_pages, "released", UNIT_PAGES),
	ROW(granule_pages, "granule", UNIT_PAGES),
	ROW(metadata_bytes, "metadata", UNIT_BYTES),
};

static const struct row operation_rows[] = {
	ROW(allocs, "allocations", UNIT_COUNT),
	ROW(allocs_exact, "took a whole free span", UNIT_COUNT),
	ROW(allocs_placed, "aligned or contiguous", UNIT_COUNT),
	ROW(frees, "frees", UNIT_COUNT),
	ROW(splits, "splits", UNIT_COUNT),
	ROW(fails_limit, "failed: limit", UNIT_COUNT),
	ROW(fails_space, "failed: no run so long", UNIT_COUNT),
	ROW(fails_memory, "failed: no memory", UNIT_COUNT),
	ROW(fails_again, "failed: may not sleep", UNIT_COUNT),
	ROW(splits_in_place, "tree: splits in place", UNIT_COUNT),
	ROW(merges_in_place, "tree: merges in place", UNIT_COUNT),
	ROW(tree_inserts, "tree: insertions", UNIT_COUNT),
	ROW(tree_erases, "tree: erasures", UNIT_COUNT),
	ROW(grows, "times grown", UNIT_COUNT),
	ROW(backed, "granules taken", UNIT_COUNT),
	ROW(backed_scattered, "of single pages", UNIT_COUNT),
	ROW(backing_races, "in vain", UNIT_COUNT),
	ROW(scavenged_pages, "returned to the system", UNIT_PAGES),
};

static const struct group groups[] = {
	GROUP("address space", address_rows),
	GROUP("memory", memory_rows),
	GROUP("operations", operation_rows),
};

#define NGROUPS ARRAY_SIZE(groups)

static unsigned long long value(const struct spanalloc_heap_stats *stats,
				const struct row *row)
{
	__u64 v;

	memcpy(&v, (const char *)stats + row->offset, sizeof(v));
	return v;
}

/* Share of the free pages outside the longest free span, in thousandths. */
static unsigned int fragmentation(const struct spanalloc_heap_stats *stats)
{
	if (!stats->free_pages)
		return 0;
	return 1000 - stats->largest_free_pages * 1000 / stats->free_pages;
}

static void print_row(const struct spanalloc_heap_stats *stats,
		      const struct row *row)
{
	unsigned long long v = value(stats, row);

	printf("  %-24s %14llu", row->label, v);
	if (row->unit == UNIT_PAGES)
		printf(" pages %12.1f MiB", v * (stats->page_size / 1048576.0));
	else if (row->unit == UNIT_BYTES)
		printf(" bytes %12.1f MiB", v / 1048576.0);
	putchar('\n');
}

static void print_text(const struct spanalloc_heap_stats *stats)
{
	unsigned int permille = fragmentation(stats);
	size_t g, i;

	for (g = 0; g < NGROUPS; g++) {
		printf("%s\n", groups[g].title);
		for (i = 0; i < groups[g].nrows; i++)
			print_row(stats, &groups[g].rows[i]);
		if (groups[g].rows == address_rows)
			printf("  %-24s %12u.%u %%\n", "fragmentation",
			       permille / 10, permille % 10);
	}
}

static void print_json(const struct spanalloc_heap_stats *stats)
{
	size_t g, i;

	printf("{\n  \"page_size\": %u,\n", stats->page_size);
	for (g = 0; g < NGROUPS; g++) {
		for (i = 0; i < groups[g].nrows; i++)
			printf("  \"%s\": %llu,\n", groups[g].rows[i].name,
			       value(stats, &groups[g].rows[i]));
	}
	printf("  \"fragmentation_permille\": %u\n}\n", fragmentation(stats));
}

enum spanctl_status spanctl_stats(const struct spanctl_options *options)
{
	struct spanalloc_heap_stats stats = { 0 };
	struct spanalloc_info info;
	int fd = spanctl_open(options->device, O_RDONLY, &info);

	if (fd < 0)
		return SPANCTL_NO_DEVICE;
	if (ioctl(fd, SPANALLOC_IOC_STATS, &stats)) {
		spanctl_complain("cannot read the statistics: %s", strerror(errno));
		close(fd);
		return SPANCTL_FAILED;
	}
	close(fd);
	if (options->json)
		print_json(&stats);
	else
		print_text(&stats);
	return SPANCTL_OK;
}
