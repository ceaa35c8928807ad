// SPDX-License-Identifier: GPL-2.0-only
/*
 * spanctl alloc: an allocation, held for experiments.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "json.h"
#include "spanctl.h"

/* Runs asked for at a time, and shown of a long list to people. */
#define RUNS_AT_A_TIME	64
#define RUNS_SHOWN	16

/**
 * struct held - what is held
 * @options: of the command line
 * @fd: the device
 * @page_size: bytes of a page
 * @alloc: the allocation
 * @query: what the device says of it
 * @address: where it is mapped, or NULL
 * @pipe: with a page in it, or -1
 */
struct held {
	const struct spanctl_options *options;
	int fd;
	uint64_t page_size;
	struct spanalloc_alloc alloc;
	struct spanalloc_query query;
	void *address;
	int pipe[2];
};

static bool make(struct held *held, uint64_t npages)
{
	const struct spanctl_options *options = held->options;
	int err;

	held->alloc = (struct spanalloc_alloc){
		.npages = npages,
		.align = options->align,
		.flags = (options->contig ? SPANALLOC_ALLOC_CONTIG : 0) |
			 (options->populate ? SPANALLOC_ALLOC_POPULATE : 0),
	};
	err = spanalloc_alloc_report(held->fd, &held->alloc);
	if (!err)
		return true;
	if (held->alloc.largest_pages)
		spanctl_complain("cannot allocate %" PRIu64 " pages: %s (%" PRIu64
				 " would do now)", npages, strerror(-err),
				 (uint64_t)held->alloc.largest_pages);
	else
		spanctl_complain("cannot allocate %" PRIu64 " pages: %s", npages,
				 strerror(-err));
	return false;
}

static bool map(struct held *held)
{
	const struct spanctl_options *options = held->options;
	uint64_t page;
	int err;

	if (!options->map && !options->touch && !options->populate && !options->pin)
		return true;
	err = spanalloc_map(held->fd, held->alloc.offset, held->alloc.npages,
			    PROT_READ | PROT_WRITE, &held->address);
	if (err) {
		held->address = NULL;
		spanctl_complain("cannot map it: %s", strerror(-err));
		return false;
	}
	for (page = 0; options->touch && page < held->alloc.npages; page++)
		((volatile char *)held->address)[page * held->page_size] = 1;
	return true;
}

/* What is in a pipe by vmsplice() is the page itself. */
static bool pin(struct held *held)
{
	struct iovec page = { held->address, held->page_size };

	if (!held->options->pin)
		return true;
	if (!pipe2(held->pipe, O_CLOEXEC) && vmsplice(held->pipe[1], &page, 1, 0) > 0)
		return true;
	spanctl_complain("cannot pin a page: %s", strerror(errno));
	return false;
}

static void print_run(const struct spanalloc_run *run)
{
	printf("  page %10" PRIu64 " %10" PRIu64 " pages", (uint64_t)run->index,
	       (uint64_t)run->npages);
	if (run->address)
		printf(" at %#14" PRIx64, (uint64_t)run->address);
	putchar('\n');
}

static void json_run(struct json *json, const struct spanalloc_run *run)
{
	json_open(json, NULL, '{');
	json_number(json, "index", run->index);
	json_number(json, "npages", run->npages);
	if (run->address)
		json_number(json, "address", run->address);
	json_close(json, '}');
}

/*
 * Shows the runs: all of them as JSON, or the first to people, if @json is NULL. Older
 * modules do not tell of any. False, with a complaint, if they cannot be had.
 */
static bool show_runs(struct held *held, struct json *json)
{
	struct spanalloc_run runs[RUNS_AT_A_TIME];
	uint64_t index = 0, nshown = 0;
	int n, i;

	while ((n = spanalloc_get_runs(held->fd, held->alloc.handle, &index, runs,
				       RUNS_AT_A_TIME)) > 0) {
		for (i = 0; i < n; i++, nshown++) {
			if (json)
				json_run(json, &runs[i]);
			else if (nshown < RUNS_SHOWN)
				print_run(&runs[i]);
		}
		if (!json && nshown > RUNS_SHOWN)
			break;
	}
	if (n < 0 && n != -ENOTTY) {
		spanctl_complain("cannot tell its runs: %s", strerror(-n));
		return false;
	}
	if (!json && nshown > RUNS_SHOWN)
		printf("  and %" PRIu64 " runs more\n", (uint64_t)held->query.nruns - RUNS_SHOWN);
	return true;
}

static bool show_json(struct held *held)
{
	struct json json;
	bool good;

	json_begin(&json, stdout, JSON_TEXT);
	json_number(&json, "pid", getpid());
	json_number(&json, "handle", held->alloc.handle);
	json_number(&json, "npages", held->query.npages);
	json_number(&json, "page_size", held->page_size);
	json_number(&json, "offset", held->query.offset);
	json_number(&json, "base", held->query.base);
	json_number(&json, "nruns", held->query.nruns);
	json_bool(&json, "contiguous", held->query.state & SPANALLOC_QUERY_CONTIG);
	json_bool(&json, "mapped", held->address);
	json_open(&json, "runs", '[');
	good = show_runs(held, &json);
	json_close(&json, ']');
	json_end(&json);
	return good;
}

static bool show_text(struct held *held)
{
	printf("pid        %14d\n", (int)getpid());
	printf("handle     %14" PRIu32 "\n", (uint32_t)held->alloc.handle);
	printf("length     %14" PRIu64 " pages %12.1f MiB\n", (uint64_t)held->query.npages,
	       spanctl_mib(held->query.npages, held->page_size));
	printf("offset     %#14" PRIx64 "\n", (uint64_t)held->query.offset);
	printf("base       %14" PRIu64 "\n", (uint64_t)held->query.base);
	printf("contiguous %14s\n",
	       held->query.state & SPANALLOC_QUERY_CONTIG ? "yes" : "no");
	printf("mapped     %14s\n", held->address ? "yes" : "no");
	printf("runs       %14" PRIu64 "\n", (uint64_t)held->query.nruns);
	return show_runs(held, NULL);
}

/* The query is the device's own word for what alloc replied. */
static bool show(struct held *held)
{
	int err = spanalloc_query(held->fd, held->alloc.handle, &held->query);
	bool good;

	if (err) {
		spanctl_complain("cannot query it: %s", strerror(-err));
		return false;
	}
	good = held->options->json ? show_json(held) : show_text(held);
	/* Whoever waits for this line waits now; main() complains of a full disk. */
	return !fflush(stdout) && good;
}

static bool give_back(struct held *held)
{
	int err;

	if (held->address)
		spanalloc_unmap(held->address, held->alloc.npages);
	err = spanalloc_free(held->fd, held->alloc.handle, NULL);
	if (err)
		spanctl_complain("cannot free it: %s", strerror(-err));
	if (err || held->pipe[0] < 0)
		return !err;
	if (!held->options->json) {
		printf("given back; a page stays in use for %.1f s\n",
		       held->options->pin_seconds);
		fflush(stdout);
	}
	spanctl_pause(held->options->pin_seconds);
	close(held->pipe[0]);
	close(held->pipe[1]);
	return true;
}

/* Closing the device and ending take along what is left after a failure. */
static bool hold(struct held *held, uint64_t npages)
{
	if (!make(held, npages) || !map(held) || !pin(held))
		return false;
	/* Until here there is nothing to give back that the end of the process does not. */
	spanctl_catch_signals();
	if (!show(held))
		return false;
	spanctl_pause(held->options->hold ? held->options->hold_seconds : -1);
	return give_back(held);
}

enum spanctl_status spanctl_alloc(const struct spanctl_options *options, char **args, int nargs)
{
	struct held held = { .options = options, .pipe = { -1, -1 } };
	struct spanalloc_info info;
	uint64_t npages;
	bool good;

	if (!nargs) {
		spanctl_complain("alloc wants a number of pages");
		return SPANCTL_USAGE;
	}
	if (!spanctl_parse_number(args[0], &npages) || !npages) {
		spanctl_complain("alloc takes a number of pages, not '%s'", args[0]);
		return SPANCTL_USAGE;
	}
	held.fd = spanctl_open(options->device, O_RDWR, &info);
	if (held.fd < 0)
		return SPANCTL_NO_DEVICE;
	held.page_size = info.page_size;
	good = hold(&held, npages);
	close(held.fd);
	return good ? SPANCTL_OK : SPANCTL_FAILED;
}
