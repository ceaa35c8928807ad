// SPDX-License-Identifier: GPL-2.0-only
/*
 * span-replay: runs a recorded trace of allocations against the heap's own
 * sources, in user space, on memory that costs nothing. Prints where each
 * allocation was placed, or what the trace did to the heap.
 *
 * The trace is read first and then runs with the books kept, and a few times more
 * against the clock. The build for measuring has locks that only look like locks.
 *
 * A trace knows no time. With a rate, the events come one after the other by a clock of
 * the heap's own, and its scavenger works when that says so.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/time64.h>

#include "fake_keeper.h"
#include "footprint.h"
#include "heap.h"
#include "../kunit/nothing_backing.h"
#include "shim.h"
#include "tools/trace.h"

/* Address space of the heap: a TiB in pages of 4 KiB. */
#define REPLAY_PAGES_MAX	(1UL << 28)
/* Runs against the clock, of which the quickest counts. */
#define TIMED_RUNS		3
/* How often the heap is checked while the trace runs. */
#define CHECKS			16

enum {
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

/**
 * struct options - the command line
 * @placements: print placements
 * @json: print the summary as JSON
 * @text: print the summary as text
 * @path: of the trace
 * @granule_order: of the heap
 * @arena_pages: of the heap
 * @retain_percent: of the heap
 * @window_ms: of the heap
 * @pace_permille: of the heap
 * @rate: events in a second; 0: time stands still
 * @give_ns: time that it takes to give a granule back
 */
struct options {
	bool placements;
	bool json;
	bool text;
	const char *path;
	unsigned int granule_order;
	unsigned long arena_pages;
	int retain_percent;
	unsigned long window_ms;
	unsigned long pace_permille;
	unsigned long rate;
	unsigned long give_ns;
};

/**
 * struct replay - a trace on its way through a heap
 * @options: of the command line
 * @trace: the trace
 * @heap: the heap
 * @spans: the spans, by slot
 * @keeper: of the heap, if there is a clock
 * @start: what that showed first
 * @footprint: of the run with the books kept
 * @live_pages: pages allocated now
 * @peak_live_pages: peaks of what their names say
 * @peak_extent_pages: highest end of a span
 * @granules_given: granules given back until the end of the trace
 * @peak_kept_pages: idle pages kept for the demand alone
 * @max_free_spans: most nodes in the tree
 * @stats: the heap's own at the end of the trace
 * @broken: first broken invariant
 * @ns: time that the operations took
 */
struct replay {
	const struct options *options;
	const struct trace *trace;
	struct span_heap *heap;
	struct span **spans;
	struct fake_keeper keeper;
	u64 start;
	struct footprint footprint;
	unsigned long live_pages;
	unsigned long peak_live_pages;
	unsigned long peak_extent_pages;
	unsigned long granules_given;
	unsigned long peak_kept_pages;
	unsigned long max_free_spans;
	struct spanalloc_stats stats;
	enum span_invariant broken;
	double ns;
};

static int complain(int status, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("span-replay: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return status;
}

static void raise(unsigned long *peak, unsigned long value)
{
	if (value > *peak)
		*peak = value;
}

/* Before an operation for a freed span, after it for a new one. */
static bool keep_books(struct replay *replay, const struct span *span, int change)
{
	replay->live_pages += change * (long)span->node.npages;
	raise(&replay->peak_live_pages, replay->live_pages);
	raise(&replay->peak_extent_pages, span_end(span));
	return footprint_touch(&replay->footprint, span->node.base, span_end(span), change);
}

/* So many events are over: time passes until the next. */
static void pass_time(struct replay *replay, size_t nevents)
{
	unsigned long rate = replay->options->rate;

	if (rate)
		fake_keeper_run(&replay->keeper, replay->start + nevents * NSEC_PER_SEC / rate);
}

static void look_at_heap(struct replay *replay, size_t i)
{
	struct span_heap *heap = replay->heap;
	size_t step = replay->trace->nevents / CHECKS + 1;
	struct spanalloc_stats stats;
	struct span_report report;

	span_heap_stats(heap, &stats);
	footprint_look(&replay->footprint, replay->keeper.now, stats.goal_pages);
	raise(&replay->peak_kept_pages, stats.kept_pages);
	raise(&replay->max_free_spans, heap->treap.nspans);
	if (replay->broken || (i % step && i + 1 != replay->trace->nevents))
		return;
	span_heap_check(heap, 0, &report);
	replay->broken = report.invariant;
}

static struct span *alloc(struct replay *replay, const struct trace_event *event)
{
	const struct span_request request = {
		.npages = event->npages,
		.gfp = GFP_KERNEL,
	};

	return span_heap_alloc(replay->heap, &request);
}

static int alloc_failed(const struct trace_event *event, long error)
{
	return complain(EXIT_FAILED, "line %" PRIu64 ": cannot allocate %" PRIu64 " pages: %s",
			event->line, event->npages, strerror(-error));
}

/* The run with the books kept. */
static int run_once(struct replay *replay)
{
	size_t i;

	for (i = 0; i < replay->trace->nevents; i++) {
		const struct trace_event *event = &replay->trace->events[i];
		struct span **span = &replay->spans[event->slot];

		if (event->op == 'a') {
			*span = alloc(replay, event);
			if (IS_ERR(*span))
				return alloc_failed(event, PTR_ERR(*span));
			if (replay->options->placements)
				printf("%" PRIu64 " %lu\n", event->id, (*span)->node.base);
		}
		if (!keep_books(replay, *span, event->op == 'a' ? 1 : -1))
			return complain(EXIT_FAILED, "out of memory");
		if (event->op == 'f' && span_heap_free(replay->heap, *span))
			return complain(EXIT_FAILED, "line %" PRIu64 ": free", event->line);
		pass_time(replay, i + 1);
		look_at_heap(replay, i);
	}
	span_heap_stats(replay->heap, &replay->stats);
	replay->granules_given = replay->footprint.ngiven;
	return 0;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

/* The run against the clock of the machine: nothing but the heap's operations. */
static int run_timed(struct replay *replay)
{
	const struct trace_event *event = replay->trace->events;
	const struct trace_event *end = event + replay->trace->nevents;
	double start = now();

	for (; event < end; event++) {
		struct span **span = &replay->spans[event->slot];

		if (event->op == 'a') {
			*span = alloc(replay, event);
			if (IS_ERR(*span))
				return alloc_failed(event, PTR_ERR(*span));
		} else if (span_heap_free(replay->heap, *span)) {
			return complain(EXIT_FAILED, "line %" PRIu64 ": free", event->line);
		}
		pass_time(replay, event + 1 - replay->trace->events);
	}
	start = now() - start;
	if (!replay->ns || start < replay->ns)
		replay->ns = start;
	return 0;
}

/* Free what the trace left. */
static void end_trace(struct replay *replay)
{
	const struct trace *trace = replay->trace;
	size_t i;

	for (i = 0; i < trace->nevents; i++)
		if (trace->events[i].op == 'f')
			replay->spans[trace->events[i].slot] = NULL;
	for (i = 0; i < trace->nids; i++)
		if (replay->spans[i])
			span_heap_free(replay->heap, replay->spans[i]);
}

static int in_fresh_heap(struct replay *replay, int (*run)(struct replay *replay))
{
	const struct options *options = replay->options;
	bool books = run == run_once;
	const struct spanalloc_attr attr = {
		.name = "replay",
		.nid = -1,
		.granule_order = options->granule_order,
		.arena_pages = options->arena_pages,
		.max_pages = REPLAY_PAGES_MAX,
		.retain_percent = options->retain_percent,
		.window_ms = options->window_ms,
		.pace_permille = options->pace_permille,
		.tree_seed = 1,
	};
	int status;

	replay->heap = span_heap_create(&attr, books ? &footprint_backing : &nothing_backing,
					&replay->footprint);
	if (IS_ERR(replay->heap))
		return complain(EXIT_FAILED, "no heap: %s", strerror(-PTR_ERR(replay->heap)));
	if (options->rate) {
		fake_keeper_add(&replay->keeper, replay->heap);
		replay->start = replay->keeper.now;
	}
	status = run(replay);
	if (status)
		return status;
	end_trace(replay);
	if (options->rate)
		fake_keeper_remove(&replay->keeper);
	if (span_heap_destroy(replay->heap))
		return complain(EXIT_FAILED, "spans are left");
	return 0;
}

/**
 * struct field - one line of the summary
 * @name: in JSON, and as text
 * @value: the number
 * @decimals: digits behind its point
 */
struct field {
	const char *name;
	double value;
	int decimals;
};

static void print_summary(const struct replay *replay)
{
	const struct footprint *footprint = &replay->footprint;
	const struct spanalloc_stats *stats = &replay->stats;
	const struct trace *trace = replay->trace;
	double nlooks = max_t(size_t, footprint->nlooks, 1);
	const struct field fields[] = {
		{ "events", trace->nevents },
		{ "allocs", trace->nids },
		{ "peak_live_pages", replay->peak_live_pages },
		{ "peak_extent_pages", replay->peak_extent_pages },
		{ "peak_backed_pages", footprint->peak_backed },
		{ "peak_touched_pages", footprint->peak_floor },
		{ "mean_backed_pages", footprint->sum_backed / nlooks, 1 },
		{ "mean_touched_pages", footprint->sum_floor / nlooks, 1 },
		{ "granules_taken", footprint->ntaken },
		{ "granules_given", replay->granules_given },
		{ "peak_kept_pages", replay->peak_kept_pages },
		{ "kept_reused_pages", stats->kept_reused_pages },
		{ "scavenge_steps", stats->scavenge_steps },
		{ "scavenge_ms", stats->scavenge_ns / 1e6, 3 },
		{ "longest_excess_ms", footprint->longest_over_ns / 1e6, 3 },
		{ "max_free_spans", replay->max_free_spans },
		{ "allocs_exact", stats->allocs_exact },
		{ "splits_in_place", stats->splits_in_place },
		{ "merges_in_place", stats->merges_in_place },
		{ "tree_inserts", stats->tree_inserts },
		{ "tree_erases", stats->tree_erases },
		{ "metadata_bytes", stats->metadata_bytes },
		{ "granule_pages", 1UL << replay->options->granule_order },
		{ "arena_pages", replay->options->arena_pages },
		{ "ns_per_event", trace->nevents ? replay->ns / trace->nevents : 0.0, 1 },
	};
	const char *format = replay->options->json ? "\"%s\": %.*f, " : "%-20s %.*f\n";
	unsigned int i;

	if (replay->options->json)
		printf("{");
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		printf(format, fields[i].name, fields[i].decimals, fields[i].value);
	printf(replay->options->json ? "\"check\": \"" : "%-20s ", "check");
	if (replay->broken)
		printf("invariant %d", replay->broken);
	else
		printf("ok");
	printf(replay->options->json ? "\"}\n" : "\n");
}

static int replay(const struct options *options, const struct trace *trace)
{
	struct replay replay = {
		.options = options, .trace = trace,
		.footprint = { .granule_order = options->granule_order },
	};
	bool summary = options->json || options->text;
	int status, i;

	if (options->rate) {
		replay.footprint.clock = &replay.keeper.now;
		replay.footprint.give_ns = options->give_ns;
	}

	replay.spans = calloc(trace->nids + 1, sizeof(*replay.spans));
	if (!replay.spans || span_objects_init())
		return complain(EXIT_FAILED, "out of memory");
	status = in_fresh_heap(&replay, run_once);
	for (i = 0; i < TIMED_RUNS && !status && summary; i++)
		status = in_fresh_heap(&replay, run_timed);
	if (!status && summary)
		print_summary(&replay);
	if (!status && replay.broken)
		status = complain(EXIT_FAILED, "invariant %d is broken", replay.broken);
	if (!status)
		span_objects_exit();
	free(replay.footprint.count);
	free(replay.spans);
	if (!status && shim_warnings)
		status = complain(EXIT_FAILED, "the heap has warned");
	if (fflush(stdout) || ferror(stdout))
		status = complain(EXIT_FAILED, "cannot write: %s", strerror(errno));
	return status;
}

static int usage(FILE *to, int status)
{
	fputs("usage: span-replay --placements FILE    where each allocation was placed: ID BASE\n"
	      "       span-replay --json FILE          what the trace did to the heap\n"
	      "       span-replay --text FILE          the same, line by line\n"
	      "FILE is a trace, packed if its name ends in .gz; - is standard input.\n"
	      "  --granule-order N     log2 of the pages of a granule (9)\n"
	      "  --arena-pages N       pages by which the heap grows, a power of two (16384)\n"
	      "  --retain-percent N    idle memory kept, by the peak of pages in use (all)\n"
	      "  --rate N              events in a second; without it, time stands still\n"
	      "  --window-ms N         how long the heap remembers what it needed (0)\n"
	      "  --pace-permille N     share of the time for giving back, from 1 (10)\n"
	      "  --give-ns N           time that it takes to give a granule back (50000)\n"
	      "Exit status: 0 done, 1 failed, 2 usage or a malformed trace.\n", to);
	return status;
}

static bool parse_number(const char *text, unsigned long max, unsigned long *number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoul(text, &end, 10);
	return !errno && !*end && *number <= max;
}

/* An option with a number; false if it makes no sense. */
static bool set_number(struct options *options, int option, const char *text)
{
	unsigned long number;

	/* No sum of times overflows, and no time is shorter than a nanosecond. */
	if (!parse_number(text, REPLAY_PAGES_MAX, &number))
		return false;
	switch (option) {
	case 'g':
		options->granule_order = number;
		return number <= 20;
	case 'a':
		options->arena_pages = number;
		return is_power_of_2(number);
	case 'r':
		options->retain_percent = number;
		return number <= 1000000;
	case 'e':
		options->rate = number;
		return number;
	case 'w':
		options->window_ms = number;
		return true;
	case 'P':
		options->pace_permille = number;
		return number && number <= 1000;
	default:
		options->give_ns = number;
		return option == 'n';
	}
}

/* Fills @options; -1, or the status to end with. */
static int parse_options(struct options *options, int argc, char **argv)
{
	static const struct option table[] = {
		{ "placements", no_argument, NULL, 'p' },
		{ "json", no_argument, NULL, 'j' },
		{ "text", no_argument, NULL, 't' },
		{ "granule-order", required_argument, NULL, 'g' },
		{ "arena-pages", required_argument, NULL, 'a' },
		{ "retain-percent", required_argument, NULL, 'r' },
		{ "rate", required_argument, NULL, 'e' },
		{ "window-ms", required_argument, NULL, 'w' },
		{ "pace-permille", required_argument, NULL, 'P' },
		{ "give-ns", required_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	bool good = true;
	int c;

	while (good && (c = getopt_long(argc, argv, "h", table, NULL)) != -1) {
		if (c == 'p')
			options->placements = true;
		else if (c == 'j')
			options->json = true;
		else if (c == 't')
			options->text = true;
		else if (c != 'h')
			good = c != '?' && set_number(options, c, optarg);
		if (c == 'h')
			return usage(stdout, 0);
	}
	if (!good || optind + 1 != argc ||
	    options->placements + options->json + options->text != 1)
		return usage(stderr, EXIT_USAGE);
	options->path = argv[optind];
	return -1;
}

int main(int argc, char **argv)
{
	struct options options = {
		.granule_order = 9, .retain_percent = -1, .give_ns = 50000,
	};
	struct trace trace;
	char error[256];
	int status = parse_options(&options, argc, argv);

	if (status >= 0)
		return status;
	if (!options.arena_pages)
		options.arena_pages = max(16384UL, 1UL << options.granule_order);
	if (options.arena_pages < 1UL << options.granule_order)
		return complain(EXIT_USAGE, "an arena is not smaller than a granule");
	if (!options.rate && (options.window_ms || options.pace_permille))
		return complain(EXIT_USAGE, "a window and a pace need a rate");
	switch (trace_load(&trace, options.path, error, sizeof(error))) {
	case TRACE_OK:
		break;
	case TRACE_MALFORMED:
		return complain(EXIT_USAGE, "%s: %s", options.path, error);
	default:
		return complain(EXIT_FAILED, "%s: %s", options.path, error);
	}
	status = replay(&options, &trace);
	trace_free(&trace);
	return status;
}
