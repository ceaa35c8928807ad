// SPDX-License-Identifier: GPL-2.0-only
/*
 * span-replay: runs a recorded trace of allocations against the heap's own
 * sources, in user space, on memory that costs nothing. Prints where each
 * allocation was placed, or what the trace did to the heap.
 *
 * The trace is read first and then runs with the books kept, and a few times more
 * against the clock. The build for measuring has locks that only look like locks.
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

#include "heap.h"
#include "nothing_backing.h"
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
 * @json: print the summary
 * @path: of the trace
 * @granule_order: of the heap
 * @arena_pages: of the heap
 * @retain_percent: of the heap
 */
struct options {
	bool placements;
	bool json;
	const char *path;
	unsigned int granule_order;
	unsigned long arena_pages;
	int retain_percent;
};

/**
 * struct touched - pages in granules that live spans touch
 * @count: by granule, how many spans touch it
 * @room: length of @count
 * @npages: such pages now
 */
struct touched {
	u32 *count;
	size_t room;
	unsigned long npages;
};

/**
 * struct replay - a trace on its way through a heap
 * @options: of the command line
 * @trace: the trace
 * @heap: the heap
 * @spans: the spans, by slot
 * @touched: granules in use
 * @live_pages: pages allocated now
 * @peak_live_pages: peaks of what their names say
 * @peak_extent_pages: highest end of a span
 * @peak_backed_pages: pages that memory was taken for
 * @peak_touched_pages: pages of granules in use
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
	struct touched touched;
	unsigned long live_pages;
	unsigned long peak_live_pages;
	unsigned long peak_extent_pages;
	unsigned long peak_backed_pages;
	unsigned long peak_touched_pages;
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

static bool touch(struct touched *touched, const struct span *span, unsigned int order,
		  int change)
{
	unsigned long granule = span->node.base >> order;
	unsigned long last = (span_end(span) - 1) >> order;

	if (last >= touched->room) {
		size_t room = roundup_pow_of_two(last + 1);
		u32 *count = realloc(touched->count, room * sizeof(*count));

		if (!count)
			return false;
		memset(count + touched->room, 0,
		       (room - touched->room) * sizeof(*count));
		touched->count = count;
		touched->room = room;
	}
	for (; granule <= last; granule++) {
		bool was = touched->count[granule], is;

		touched->count[granule] += change;
		is = touched->count[granule];
		touched->npages += ((long)is - (long)was) * (1L << order);
	}
	return true;
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
	if (!touch(&replay->touched, span, replay->options->granule_order, change))
		return false;
	raise(&replay->peak_touched_pages, replay->touched.npages);
	return true;
}

static void look_at_heap(struct replay *replay, size_t i)
{
	struct span_heap *heap = replay->heap;
	size_t step = replay->trace->nevents / CHECKS + 1;
	struct span_report report;

	raise(&replay->peak_backed_pages, heap->backed_granules << heap->granule_order);
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
		look_at_heap(replay, i);
	}
	span_heap_stats(replay->heap, &replay->stats);
	return 0;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

/* The run against the clock: nothing but the heap's operations. */
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
	const struct spanalloc_attr attr = {
		.name = "replay",
		.nid = -1,
		.granule_order = replay->options->granule_order,
		.arena_pages = replay->options->arena_pages,
		.max_pages = REPLAY_PAGES_MAX,
		.retain_percent = replay->options->retain_percent,
		.tree_seed = 1,
	};
	int status;

	replay->heap = span_heap_create(&attr, &nothing_backing, NULL);
	if (IS_ERR(replay->heap))
		return complain(EXIT_FAILED, "no heap: %s", strerror(-PTR_ERR(replay->heap)));
	status = run(replay);
	if (status)
		return status;
	end_trace(replay);
	if (span_heap_destroy(replay->heap))
		return complain(EXIT_FAILED, "spans are left");
	return 0;
}

static void print_json(const struct replay *replay)
{
	const struct trace *trace = replay->trace;
	const struct options *options = replay->options;

	printf("{\"events\": %zu, \"allocs\": %zu, \"peak_live_pages\": %lu, ",
	       trace->nevents, trace->nids, replay->peak_live_pages);
	printf("\"peak_extent_pages\": %lu, \"peak_backed_pages\": %lu, ",
	       replay->peak_extent_pages, replay->peak_backed_pages);
	printf("\"peak_touched_pages\": %lu, \"max_free_spans\": %lu, ",
	       replay->peak_touched_pages, replay->max_free_spans);
	printf("\"allocs_exact\": %llu, \"splits_in_place\": %llu, \"merges_in_place\": %llu, ",
	       replay->stats.allocs_exact, replay->stats.splits_in_place,
	       replay->stats.merges_in_place);
	printf("\"tree_inserts\": %llu, \"tree_erases\": %llu, \"metadata_bytes\": %llu, ",
	       replay->stats.tree_inserts, replay->stats.tree_erases,
	       replay->stats.metadata_bytes);
	printf("\"granule_pages\": %lu, \"arena_pages\": %lu, ",
	       1UL << options->granule_order, options->arena_pages);
	if (replay->broken)
		printf("\"check\": \"invariant %d\", ", replay->broken);
	else
		printf("\"check\": \"ok\", ");
	printf("\"ns_per_event\": %.1f}\n",
	       trace->nevents ? replay->ns / trace->nevents : 0.0);
}

static int replay(const struct options *options, const struct trace *trace)
{
	struct replay replay = { .options = options, .trace = trace };
	int status, i;

	replay.spans = calloc(trace->nids + 1, sizeof(*replay.spans));
	if (!replay.spans || span_cache_init())
		return complain(EXIT_FAILED, "out of memory");
	status = in_fresh_heap(&replay, run_once);
	for (i = 0; i < TIMED_RUNS && !status && options->json; i++)
		status = in_fresh_heap(&replay, run_timed);
	if (!status && options->json)
		print_json(&replay);
	if (!status && replay.broken)
		status = complain(EXIT_FAILED, "invariant %d is broken", replay.broken);
	if (!status)
		span_cache_exit();
	free(replay.touched.count);
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
	      "FILE is a trace, packed if its name ends in .gz; - is standard input.\n"
	      "  --granule-order N     log2 of the pages of a granule (9)\n"
	      "  --arena-pages N       pages by which the heap grows, a power of two (16384)\n"
	      "  --retain-percent N    idle memory kept before more is taken (all)\n"
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

/* Fills @options; -1, or the status to end with. */
static int parse_options(struct options *options, int argc, char **argv)
{
	static const struct option table[] = {
		{ "placements", no_argument, NULL, 'p' },
		{ "json", no_argument, NULL, 'j' },
		{ "granule-order", required_argument, NULL, 'g' },
		{ "arena-pages", required_argument, NULL, 'a' },
		{ "retain-percent", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	unsigned long number = 0;
	bool good = true;
	int c;

	while (good && (c = getopt_long(argc, argv, "h", table, NULL)) != -1) {
		switch (c) {
		case 'p':
			options->placements = true;
			break;
		case 'j':
			options->json = true;
			break;
		case 'g':
			good = parse_number(optarg, 20, &number);
			options->granule_order = number;
			break;
		case 'a':
			good = parse_number(optarg, REPLAY_PAGES_MAX, &number) &&
			       is_power_of_2(number);
			options->arena_pages = number;
			break;
		case 'r':
			good = parse_number(optarg, 1000000, &number);
			options->retain_percent = number;
			break;
		case 'h':
			return usage(stdout, 0);
		default:
			good = false;
		}
	}
	if (!good || optind + 1 != argc || options->placements == options->json)
		return usage(stderr, EXIT_USAGE);
	options->path = argv[optind];
	return -1;
}

int main(int argc, char **argv)
{
	struct options options = { .granule_order = 9, .retain_percent = -1 };
	struct trace trace;
	char error[256];
	int status = parse_options(&options, argc, argv);

	if (status >= 0)
		return status;
	if (!options.arena_pages)
		options.arena_pages = max(16384UL, 1UL << options.granule_order);
	if (options.arena_pages < 1UL << options.granule_order)
		return complain(EXIT_USAGE, "an arena is not smaller than a granule");
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
