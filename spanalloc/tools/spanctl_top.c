// SPDX-License-Identifier: GPL-2.0-only
/*
 * spanctl top: which processes hold how much.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fdinfo.h"
#include "json.h"
#include "spanctl.h"
#include "text.h"

static void print_entry(const struct fdinfo *entry, uint64_t page_size)
{
	printf("%7" PRIu32 " %5" PRIu32 " %12" PRIu64 " %10.1f ", entry->pid, entry->fd,
	       entry->pages, spanctl_mib(entry->pages, page_size));
	if (entry->limit == UINT64_MAX)
		printf("%12s", "none");
	else
		printf("%12" PRIu64, entry->limit);
	printf(" %8" PRIu64 " %11" PRIu64 " %10" PRIu64 " ", entry->handles,
	       entry->quarantined, entry->allocs);
	/* A process chooses its name. */
	text_put(stdout, entry->command);
	putchar('\n');
}

static void print_list(const struct fdinfo_list *list)
{
	uint64_t page_size = sysconf(_SC_PAGESIZE);
	size_t i;

	printf("%7s %5s %12s %10s %12s %8s %11s %10s %s\n", "PID", "FD", "PAGES", "MiB",
	       "LIMIT", "HANDLES", "QUARANTINED", "ALLOCS", "COMMAND");
	for (i = 0; i < list->nentries; i++)
		print_entry(&list->entries[i], page_size);
	if (list->nhidden)
		printf("(%zu processes may only be looked into as root)\n", list->nhidden);
}

static void json_entry(struct json *json, const struct fdinfo *entry)
{
	json_open(json, NULL, '{');
	json_number(json, "pid", entry->pid);
	json_number(json, "fd", entry->fd);
	json_number(json, "pages", entry->pages);
	if (entry->limit == UINT64_MAX)
		json_null(json, "limit");
	else
		json_number(json, "limit", entry->limit);
	json_number(json, "handles", entry->handles);
	json_number(json, "quarantined", entry->quarantined);
	json_number(json, "allocs", entry->allocs);
	json_string(json, "command", entry->command);
	json_close(json, '}');
}

static void json_list(const struct fdinfo_list *list)
{
	struct json json;
	size_t i;

	json_begin(&json, stdout, JSON_LINE);
	json_number(&json, "time", time(NULL));
	json_number(&json, "page_size", sysconf(_SC_PAGESIZE));
	json_number(&json, "hidden_processes", list->nhidden);
	json_open(&json, "files", '[');
	for (i = 0; i < list->nentries; i++)
		json_entry(&json, &list->entries[i]);
	json_close(&json, ']');
	json_end(&json);
}

static enum spanctl_status show(const struct spanctl_options *options, bool again)
{
	struct fdinfo_list list = { NULL, 0, 0, 0 };
	int error = fdinfo_collect(&list, options->proc);

	if (error) {
		spanctl_complain("cannot read %s: %s", options->proc, strerror(error));
	} else if (options->json) {
		json_list(&list);
	} else {
		if (again)
			spanctl_clear_screen();
		print_list(&list);
	}
	fdinfo_free(&list);
	return error ? SPANCTL_FAILED : SPANCTL_OK;
}

enum spanctl_status spanctl_top(const struct spanctl_options *options, char **args, int nargs)
{
	uint64_t count = options->count, i;
	enum spanctl_status status;
	double seconds = 1;

	if (nargs && (!spanctl_parse_seconds(args[0], &seconds) || seconds <= 0)) {
		spanctl_complain("top takes a number of seconds, not '%s'", args[0]);
		return SPANCTL_USAGE;
	}
	if (!nargs && !count)
		count = 1;
	spanctl_catch_signals();
	for (i = 0; !count || i < count; i++) {
		if (i && !spanctl_pause(seconds))
			break;
		status = show(options, count != 1);
		if (status != SPANCTL_OK)
			return status;
		if (fflush(stdout))
			break;
	}
	return SPANCTL_OK;
}
