// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many files, many spans: everything comes back, to the page. How long it takes is for
 * device_bench to say.
 */
#include "device.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define NFILES	1000
#define NSPANS	100
#define NSEQUENCE 10000

/* On a kernel that looks at each of its accesses to memory a tenth has to do. */
static unsigned int tenth_if_slow(unsigned int n)
{
	return patience() > 1 ? n / 10 : n;
}

/* As many spans to a file as four fifths of the heap have room for. */
static uint64_t spans_per_file(int fd)
{
	uint64_t room = dev_stats(fd).max_pages / 100 * 82 / NFILES;
	uint64_t wanted = tenth_if_slow(NSPANS);

	return room < wanted ? room : wanted;
}

static void hold_many(void *arg)
{
	uint64_t nspans = *(uint64_t *)arg, j;
	struct rlimit limit = { 2 * NFILES, 2 * NFILES };
	int fd, i;

	CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
	for (i = 0; i < NFILES; i++) {
		fd = dev_open();
		for (j = 0; j < nspans; j++)
			dev_alloc(fd, 1);
	}
	raise(SIGKILL);
}

static void scale_of_1000_files_killed(void)
{
	int watch = dev_open();
	struct spanalloc_heap_stats before = dev_stats(watch), after;
	uint64_t nspans = spans_per_file(watch), all = NFILES * nspans;
	int status;

	CHECK(nspans > 0);
	status = child_status(child_start(hold_many, &nspans));
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK_SETTLES(watch, in_use_pages, before.in_use_pages);
	CHECK_SETTLES(watch, in_use_spans, before.in_use_spans);
	after = dev_stats(watch);
	CHECK_EQ(after.allocs - before.allocs, all);
	CHECK_EQ(after.frees - before.frees, all);
	CHECK_EQ(after.quarantined_pages, before.quarantined_pages);
	CHECK_EQ(dev_file(watch).device_pages, 0);
	test_note("%d files with %llu spans each", NFILES, (unsigned long long)nspans);
}

/* A file with a span, every fifth one with a mapping that outlives the file. */
static void open_and_close(int i)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 1 + i % 3);
	char *address;

	if (i % 5) {
		close(fd);
		return;
	}
	address = dev_map(fd, alloc.offset, alloc.npages);
	close(fd);
	address[0] = 1;
	dev_unmap(address, alloc.npages);
}

/* Nor does the heap's own memory grow with the number of those who were there. */
static void scale_of_10000_files_in_sequence(void)
{
	int watch = dev_open(), nfiles = tenth_if_slow(NSEQUENCE), i;
	struct spanalloc_heap_stats before, after;

	for (i = 0; i < nfiles / 10; i++)
		open_and_close(i);
	CHECK_SETTLES(watch, in_use_pages, 0);
	before = dev_stats(watch);
	for (i = 0; i < nfiles; i++)
		open_and_close(i);
	CHECK_SETTLES(watch, in_use_pages, 0);
	after = dev_stats(watch);
	CHECK_EQ(after.allocs - before.allocs, nfiles);
	CHECK_EQ(after.frees - before.frees, nfiles);
	CHECK_EQ(after.metadata_bytes, before.metadata_bytes);
	CHECK_EQ(after.address_pages, before.address_pages);
	CHECK_EQ(dev_file(watch).device_pages, 0);
	test_note("%d files", nfiles);
}

static const struct test_case cases[] = {
	CASE(scale_of_1000_files_killed),
	CASE(scale_of_10000_files_in_sequence),
};

const struct test_suite scale_suite = SUITE(cases);
