// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where an allocation's pages lie in memory: what SPANALLOC_IOC_RUNS tells, and to whom.
 */
#include "device.h"

#include <stdlib.h>

static int try_runs(int fd, uint32_t handle, uint64_t index, struct spanalloc_run *to,
		    uint32_t nruns, struct spanalloc_runs *runs)
{
	*runs = (struct spanalloc_runs) {
		.handle = handle,
		.index = index,
		.runs = (uintptr_t)to,
		.nruns = nruns,
	};
	return ioctl(fd, SPANALLOC_IOC_RUNS, runs);
}

/* The physical address of a page of ours, which is touched first. */
static uint64_t physical(const char *address)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	CHECK_OK(fd);
	(void)*(volatile const char *)address;
	CHECK_EQ(pread(fd, &entry, sizeof(entry),
		       (uintptr_t)address / page_size * sizeof(entry)), sizeof(entry));
	close(fd);
	CHECK(entry >> 63);
	return (entry & ((1ULL << 55) - 1)) * page_size;
}

static void runs_are_those_of_the_page_table(void)
{
	int fd = dev_open();
	uint64_t npages = dev_two_granules(fd) + 5, i;
	struct spanalloc_alloc alloc = dev_alloc(fd, npages);
	struct spanalloc_run *to = calloc(npages, sizeof(*to));
	char *address = dev_map(fd, alloc.offset, npages);
	struct spanalloc_runs runs;
	uint64_t next = 0;

	CHECK(to);
	if (getuid())
		test_skip("not started as root");
	CHECK_OK(try_runs(fd, alloc.handle, 0, to, npages, &runs));
	CHECK_EQ(runs.index, npages);
	CHECK_EQ(runs.nruns, dev_query(fd, alloc.handle).nruns);
	for (i = 0; i < runs.nruns; i++) {
		uint64_t page;

		CHECK_EQ(to[i].index, next);
		CHECK(to[i].npages > 0);
		for (page = 0; page < to[i].npages; page++)
			CHECK_EQ(physical(address + (next + page) * page_size),
				 to[i].address + page * page_size);
		next += to[i].npages;
		/* Or the two would have been one. */
		if (i + 1 < runs.nruns)
			CHECK(to[i + 1].address != to[i].address + to[i].npages * page_size);
	}
	CHECK_EQ(next, npages);
	dev_unmap(address, npages);
	free(to);
}

static void runs_are_told_in_parts(void)
{
	int fd = dev_open();
	uint64_t npages = dev_two_granules(fd) + 5, index, nruns = 0;
	struct spanalloc_alloc alloc = dev_alloc(fd, npages);
	struct spanalloc_runs runs;
	struct spanalloc_run run;

	for (index = 0; index < npages; index = runs.index) {
		CHECK_OK(try_runs(fd, alloc.handle, index, &run, 1, &runs));
		CHECK_EQ(runs.nruns, 1);
		CHECK_EQ(run.index, index);
		CHECK_EQ(runs.index, index + run.npages);
		nruns++;
	}
	CHECK_EQ(nruns, dev_query(fd, alloc.handle).nruns);
	CHECK_OK(try_runs(fd, alloc.handle, npages, &run, 1, &runs));
	CHECK_EQ(runs.nruns, 0);
	CHECK_EQ(runs.index, npages);
	/* From the middle of a run. */
	CHECK_OK(try_runs(fd, alloc.handle, npages - 1, &run, 1, &runs));
	CHECK_EQ(run.npages, 1);
}

static void runs_of_a_part_stay_within_it(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 10);
	struct spanalloc_split split = dev_split(fd, alloc.handle, 4);
	struct spanalloc_run whole[10], part[10];
	struct spanalloc_runs runs;
	uint64_t next = 0;
	uint32_t i;

	CHECK_OK(try_runs(fd, alloc.handle, 0, whole, 10, &runs));
	CHECK_EQ(runs.index, 4);
	CHECK_OK(try_runs(fd, split.new_handle, 0, part, 10, &runs));
	CHECK_EQ(runs.index, 6);
	for (i = 0; i < runs.nruns; i++) {
		CHECK_EQ(part[i].index, next);
		next += part[i].npages;
	}
	CHECK_EQ(next, 6);
	CHECK(part[0].address != whole[0].address || getuid());
}

static void runs_arguments_are_checked(void)
{
	int fd = dev_open(), other = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 4);
	struct spanalloc_runs runs;
	struct spanalloc_run run;

	CHECK_FAILS(try_runs(fd, alloc.handle, 0, &run, 0, &runs), EINVAL);
	CHECK_FAILS(try_runs(fd, alloc.handle, 5, &run, 1, &runs), EINVAL);
	CHECK_FAILS(try_runs(fd, alloc.handle, ~0ULL, &run, 1, &runs), EINVAL);
	CHECK_FAILS(try_runs(fd, alloc.handle + 1, 0, &run, 1, &runs), ENOENT);
	CHECK_FAILS(try_runs(other, alloc.handle, 0, &run, 1, &runs), ENOENT);
	CHECK_FAILS(try_runs(fd, alloc.handle, 0, NULL, 1, &runs), EFAULT);
	CHECK_FAILS(try_runs(fd, alloc.handle, 0, (void *)-64L, 1, &runs), EFAULT);
	dev_free(fd, alloc.handle);
	CHECK_FAILS(try_runs(fd, alloc.handle, 0, &run, 1, &runs), ENOENT);
}

/* Where memory lies is for the privileged alone. */
static void runs_hide_addresses(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 4);
	struct spanalloc_run run = { 0 };
	struct spanalloc_runs runs;

	if (getuid())
		test_skip("not started as root");
	CHECK_OK(try_runs(fd, alloc.handle, 0, &run, 1, &runs));
	CHECK(run.address != 0);
	CHECK_OK(setresuid(NOBODY, NOBODY, NOBODY));
	CHECK_OK(try_runs(fd, alloc.handle, 0, &run, 1, &runs));
	CHECK_EQ(run.address, 0);
	CHECK(run.npages > 0);
}

static const struct test_case cases[] = {
	CASE(runs_are_those_of_the_page_table),
	CASE(runs_are_told_in_parts),
	CASE(runs_of_a_part_stay_within_it),
	CASE(runs_arguments_are_checked),
	CASE(runs_hide_addresses),
};

const struct test_suite runs_suite = SUITE(cases);
