// SPDX-License-Identifier: GPL-2.0-only
/*
 * spanctl replay: runs a recorded trace of allocations against the device. What
 * the trace never frees is freed at its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "spanctl.h"
#include "spanctl_verify.h"
#include "trace.h"

/**
 * struct replay - one trace on its way
 * @name: of the trace, for messages
 * @fd: the device, opened for this trace alone
 * @options: of the command line
 * @verify: the memory side
 * @spans: by slot
 * @nspans: allocations so far
 * @live_pages: pages allocated now
 * @peak_pages: the most there ever were
 */
struct replay {
	const char *name;
	int fd;
	const struct spanctl_options *options;
	struct verify verify;
	struct verify_span *spans;
	uint64_t nspans;
	uint64_t live_pages;
	uint64_t peak_pages;
};

static bool replay_alloc(struct replay *replay, const struct trace_event *event)
{
	struct verify_span *span = &replay->spans[event->slot];
	struct spanalloc_alloc alloc = { .npages = event->npages };
	int err = spanalloc_alloc(replay->fd, &alloc);

	if (err) {
		spanctl_complain("%s: line %" PRIu64 ": cannot allocate %" PRIu64
				 " pages: %s", replay->name, event->line,
				 event->npages, strerror(-err));
		return false;
	}
	span->id = event->id;
	span->npages = event->npages;
	span->offset = alloc.offset;
	span->handle = alloc.handle;
	span->address = NULL;
	replay->nspans++;
	replay->live_pages += event->npages;
	if (replay->live_pages > replay->peak_pages)
		replay->peak_pages = replay->live_pages;
	return !replay->options->verify || verify_arrival(&replay->verify, span);
}

static bool replay_free(struct replay *replay, struct verify_span *span)
{
	int err;

	if (replay->options->verify) {
		if (!verify_departure(&replay->verify, span))
			return false;
		/* The other half is freed while it is mapped. */
		if (span->id & 1)
			verify_unmap(&replay->verify, span);
	}
	err = spanalloc_free(replay->fd, span->handle, NULL);
	if (err) {
		spanctl_complain("%s: cannot free span %" PRIu64 ": %s",
				 replay->name, span->id, strerror(-err));
		return false;
	}
	if (replay->options->verify)
		verify_unmap(&replay->verify, span);
	replay->live_pages -= span->npages;
	span->npages = 0;
	return true;
}

static bool replay_events(struct replay *replay, const struct trace *trace)
{
	const struct trace_event *event;
	size_t i;

	for (i = 0; i < trace->nevents; i++) {
		event = &trace->events[i];
		if (event->op == 'a' ? !replay_alloc(replay, event) :
		    !replay_free(replay, &replay->spans[event->slot]))
			return false;
	}
	for (i = 0; i < trace->nids; i++) {
		if (replay->spans[i].npages &&
		    !replay_free(replay, &replay->spans[i]))
			return false;
	}
	return true;
}

static void print_text(const struct replay *replay, const struct trace *trace,
		       size_t page_size, double seconds)
{
	printf("%s: %zu events, %" PRIu64 " spans, peak %" PRIu64 " pages (%.1f MiB)",
	       replay->name, trace->nevents, replay->nspans, replay->peak_pages,
	       spanctl_mib(replay->peak_pages, page_size));
	if (replay->options->verify)
		printf(", %" PRIu64 " pages verified, %" PRIu64 " zero-checked",
		       replay->verify.nverified, replay->verify.nzeroed);
	printf(", %.2f s\n", seconds);
}

static void print_json(const struct replay *replay, const struct trace *trace,
		       size_t page_size, double seconds)
{
	struct json json;

	json_begin(&json, stdout, JSON_LINE);
	json_string(&json, "trace", replay->name);
	json_number(&json, "events", trace->nevents);
	json_number(&json, "spans", replay->nspans);
	json_number(&json, "peak_pages", replay->peak_pages);
	json_number(&json, "page_size", page_size);
	if (replay->options->verify) {
		json_number(&json, "verified_pages", replay->verify.nverified);
		json_number(&json, "zero_checked_pages", replay->verify.nzeroed);
	}
	json_thousandths(&json, "seconds", seconds * 1000);
	json_end(&json);
}

static void print_summary(const struct replay *replay, const struct trace *trace,
			  size_t page_size, double seconds)
{
	if (replay->options->json)
		print_json(replay, trace, page_size, seconds);
	else
		print_text(replay, trace, page_size, seconds);
	fflush(stdout);
}

static enum spanctl_status replay_trace(const struct spanctl_options *options,
					const char *name, const struct trace *trace)
{
	enum spanctl_status status = SPANCTL_FAILED;
	struct replay replay = { .name = name, .options = options };
	struct spanalloc_info info;
	double start;
	size_t i;

	replay.fd = spanctl_open(options->device, O_RDWR, &info);
	if (replay.fd < 0)
		return SPANCTL_NO_DEVICE;
	verify_init(&replay.verify, name, replay.fd, info.page_size, options->sample);
	replay.spans = calloc(trace->nids + 1, sizeof(*replay.spans));
	if (!replay.spans) {
		spanctl_complain("%s: %s", name, strerror(errno));
		goto out_close;
	}
	start = spanctl_now();
	if (replay_events(&replay, trace)) {
		print_summary(&replay, trace, info.page_size,
			      spanctl_now() - start);
		status = SPANCTL_OK;
	}
	/* Only a failure leaves anything; the next trace is to find the heap empty. */
	for (i = 0; i < trace->nids; i++)
		verify_unmap(&replay.verify, &replay.spans[i]);
	free(replay.spans);
out_close:
	close(replay.fd);
	return status;
}

static enum spanctl_status replay_file(const struct spanctl_options *options,
				       const char *path)
{
	enum spanctl_status status;
	const char *name, *slash = strrchr(path, '/');
	struct trace trace;
	char message[256];
	int err;

	err = trace_load(&trace, path, message, sizeof(message));
	if (err) {
		spanctl_complain("%s: %s", path, message);
		return err == TRACE_MALFORMED ? SPANCTL_USAGE : SPANCTL_FAILED;
	}
	name = slash && slash[1] ? slash + 1 : path;
	if (!strcmp(path, "-"))
		name = "standard input";
	status = replay_trace(options, name, &trace);
	trace_free(&trace);
	return status;
}

enum spanctl_status spanctl_replay(const struct spanctl_options *options, char **args,
				   int nargs)
{
	enum spanctl_status status = SPANCTL_OK;
	int i;

	if (!nargs) {
		spanctl_complain("replay wants a trace");
		return SPANCTL_USAGE;
	}
	for (i = 0; i < nargs && status == SPANCTL_OK; i++)
		status = replay_file(options, args[i]);
	return status;
}
