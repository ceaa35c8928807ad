// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap() that allocates, pages that come by fault, and the calls that tell of limits and
 * of memory, with allocations failing, and copies.
 */
#include "inject.h"

#define RW (PROT_READ | PROT_WRITE)

static int fd;
static char *address;

/* Two granules and some, so that one of them may be had and the other not. */
static uint64_t npages;

/* Nothing is backed: every granule has to be taken from the system. */
static void prepare_fresh(void)
{
	npages = 2 * granule_pages() + 3;
	fd = dev_open();
	dev_trim(fd, ~0ULL);
}

static int run_fresh(void)
{
	address = mmap(NULL, npages * page_size, RW, MAP_SHARED, fd, 0);
	return address == MAP_FAILED ? -1 : 0;
}

/* Mapped, and all there: what a fault did not get, the next one does. */
static void verify_mapped(bool failed)
{
	(void)failed;
	CHECK_EQ(dev_file(fd).pages, npages);
	CHECK(is_zero(address, npages * page_size));
	fill(address, npages, 1);
	CHECK(is_filled(address, npages, 1));
}

static void verify_fresh(bool failed)
{
	if (failed) {
		CHECK_EQ(dev_file(fd).pages, 0);
		CHECK_OK(run_fresh());
	}
	verify_mapped(failed);
}

static void finish_fresh(void)
{
	dev_unmap(address, npages);
	CHECK_EQ(dev_file(fd).pages, 0);
	close(fd);
}

/* The buffer, its span, granules and the internal file, which comes last, are ours to lose. */
static void inject_mmap_at_zero(void)
{
	static const struct operation op = {
		prepare_fresh, run_fresh, verify_fresh, finish_fresh, .failures = 5,
		.leaves_idle = true,
	};

	walk(&op);
}

/* A fault of the kernel's own, which is told that it got no page table. */
static void prepare_untouched(void)
{
	prepare_fresh();
	CHECK_OK(run_fresh());
}

static int run_populate(void)
{
	return madvise(address, npages * page_size, 23 /* MADV_POPULATE_WRITE */);
}

static void inject_fault_of_fresh_pages(void)
{
	static const struct operation op = {
		prepare_untouched, run_populate, verify_mapped, finish_fresh,
		.failures = 1,
	};

	walk(&op);
}

/* The calls that only look */

static struct spanalloc_alloc alloc;
static struct spanalloc_run told[4];

static void prepare_look(void)
{
	fd = dev_open();
	alloc = dev_alloc(fd, 5);
}

static int run_file(void)
{
	struct spanalloc_file file = { .flags = 0 };

	return ioctl(fd, SPANALLOC_IOC_FILE, &file);
}

static int run_runs(void)
{
	struct spanalloc_runs runs = {
		.handle = alloc.handle,
		.runs = (uintptr_t)told,
		.nruns = 1,
	};

	return ioctl(fd, SPANALLOC_IOC_RUNS, &runs);
}

static void verify_look(bool failed)
{
	(void)failed;
	CHECK_EQ(dev_file(fd).pages, 5);
	CHECK_EQ(dev_file(fd).nhandles, 1);
	CHECK_EQ(dev_query(fd, alloc.handle).npages, 5);
}

static void finish_look(void)
{
	close(fd);
}

static void inject_file(void)
{
	static const struct operation op = {
		prepare_look, run_file, verify_look, finish_look,
		.copies = 2, .needs_no_memory = true,
	};

	walk_without_allocations(&op);
}

static void inject_runs(void)
{
	static const struct operation op = {
		prepare_look, run_runs, verify_look, finish_look,
		.copies = 3, .needs_no_memory = true,
	};

	walk_without_allocations(&op);
}

static const struct test_case cases[] = {
	CASE(inject_mmap_at_zero),
	CASE(inject_fault_of_fresh_pages),
	CASE(inject_file),
	CASE(inject_runs),
};

const struct test_suite fresh_inject_suite = SUITE(cases);
