// SPDX-License-Identifier: GPL-2.0-only
/*
 * spanctl watch: the statistics as they change.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "spanctl_stats.h"

/**
 * struct round - the statistics at one moment
 * @stats: the statistics
 * @seconds: when, by a clock that only goes on
 */
struct round {
	struct spanalloc_heap_stats stats;
	double seconds;
};

/* Thousandths of a unit a second; what went down gives a rate below zero. */
static int64_t rate(const struct round *last, const struct round *now,
		    const struct stats_row *row)
{
	double seconds = now->seconds - last->seconds;
	/* In two's complement the difference is right whichever is larger. */
	int64_t change = stats_value(&now->stats, row) - stats_value(&last->stats, row);

	return seconds > 0 ? change * 1000.0 / seconds : 0;
}

static void print_row(const struct round *last, const struct round *now,
		      const struct stats_row *row)
{
	uint64_t value = stats_value(&now->stats, row);

	printf("%-24s %14" PRIu64, row->label, value);
	if (row->unit == UNIT_PAGES)
		printf(" %12.1f", spanctl_mib(value, now->stats.page_size));
	else
		printf(" %12s", "");
	if (last)
		printf(" %+14.1f", rate(last, now, row) / 1000.0);
	putchar('\n');
}

static void print_round(const struct round *last, const struct round *now)
{
	unsigned int permille = stats_fragmentation(&now->stats);
	const struct stats_row *row;
	size_t g, i;

	printf("%-24s %14s %12s %14s\n", "", "now", "MiB", last ? "a second" : "");
	for (g = 0; g < STATS_NGROUPS; g++) {
		for (i = 0; i < stats_groups[g].nrows; i++) {
			row = &stats_groups[g].rows[i];
			if (row->watched)
				print_row(last, now, row);
		}
	}
	printf("%-24s %12u.%u %%\n", "fragmentation", permille / 10, permille % 10);
}

static void json_round(const struct round *last, const struct round *now)
{
	const struct stats_row *row;
	struct json json;
	size_t g, i;

	json_begin(&json, stdout, JSON_LINE);
	json_number(&json, "time", time(NULL));
	stats_json(&json, &now->stats);
	if (last) {
		json_open(&json, "per_second", '{');
		for (g = 0; g < STATS_NGROUPS; g++) {
			for (i = 0; i < stats_groups[g].nrows; i++) {
				row = &stats_groups[g].rows[i];
				if (row->watched)
					json_thousandths(&json, row->name,
							 rate(last, now, row));
			}
		}
		json_close(&json, '}');
	}
	json_end(&json);
}

static enum spanctl_status watch(const struct spanctl_options *options, int fd,
				 double seconds)
{
	struct round rounds[2], *now;
	const struct round *last;
	uint64_t i;

	for (i = 0; !options->count || i < options->count; i++) {
		if (i && !spanctl_pause(seconds))
			break;
		now = &rounds[i % 2];
		last = i ? &rounds[(i + 1) % 2] : NULL;
		if (!stats_read(fd, &now->stats))
			return SPANCTL_FAILED;
		now->seconds = spanctl_now();
		if (options->json) {
			json_round(last, now);
		} else {
			spanctl_clear_screen();
			print_round(last, now);
		}
		/* main() complains of it. */
		if (fflush(stdout))
			break;
	}
	return SPANCTL_OK;
}

enum spanctl_status spanctl_watch(const struct spanctl_options *options, char **args, int nargs)
{
	struct spanalloc_info info;
	enum spanctl_status status;
	double seconds = 1;
	int fd;

	if (nargs && (!spanctl_parse_seconds(args[0], &seconds) || seconds <= 0)) {
		spanctl_complain("watch takes a number of seconds, not '%s'", args[0]);
		return SPANCTL_USAGE;
	}
	fd = spanctl_open(options->device, O_RDONLY, &info);
	if (fd < 0)
		return SPANCTL_NO_DEVICE;
	spanctl_catch_signals();
	status = watch(options, fd, seconds);
	close(fd);
	return status;
}
