// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap() that allocates, pages that come by fault, the calls that tell of limits and of memory,
 * and exports, with allocations failing, and copies.
 */
#include "inject.h"

#define RW (PROT_READ | PROT_WRITE)
#define N 5

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
	alloc = dev_alloc(fd, N);
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
	CHECK_EQ(dev_file(fd).pages, N);
	CHECK_EQ(dev_file(fd).nhandles, 1);
	CHECK_EQ(dev_query(fd, alloc.handle).npages, N);
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

/* SPANALLOC_IOC_EXPORT, which makes a file, and what programs do with that */

static struct spanalloc_export export;
/* The descriptor that the export gets. */
static int next;

static void prepare_export(void)
{
	prepare_look();
	address = dev_map(fd, alloc.offset, N);
	fill(address, N, 1);
	next = dup(fd);
	close(next);
	export = (struct spanalloc_export){ .handle = alloc.handle, .fd = -1 };
}

static int run_export(void)
{
	return ioctl(fd, SPANALLOC_IOC_EXPORT, &export);
}

/* One that failed has left no descriptor behind. */
static void verify_export(bool failed)
{
	void *other;

	if (failed) {
		CHECK_EQ(export.fd, -1);
		CHECK_EQ(dev_query(fd, alloc.handle).nexports, 0);
		CHECK_OK(run_export());
	}
	CHECK_EQ(export.fd, next);
	CHECK_EQ(dev_query(fd, alloc.handle).nexports, 1);
	other = dev_map(export.fd, 0, N);
	CHECK(is_filled(other, N, 1));
	dev_unmap(other, N);
}

static void finish_export(void)
{
	close(export.fd);
	dev_unmap(address, N);
	CHECK_EQ(dev_query(fd, alloc.handle).nexports, 0);
	close(fd);
}

static void need_exports(void)
{
	if (!(dev_info(watch_fd).features & SPANALLOC_FEATURE_EXPORT))
		test_skip("this kernel has no dma-bufs");
}

static int run_nothing(void)
{
	return 0;
}

/* What stands for the export is ours to lose; the kernel's are a file, an inode and more. */
static void inject_export(void)
{
	static const struct operation op = {
		prepare_export, run_export, verify_export, finish_export,
		.copies = 2, .failures = 4,
	};

	need_exports();
	/* What the walk itself opens is open before descriptors are compared. */
	allocations_of(run_nothing);
	walk(&op);
}

static char *shown;

static void prepare_exported(void)
{
	prepare_export();
	CHECK_OK(run_export());
}

static int run_mmap_of_export(void)
{
	shown = mmap(NULL, N * page_size, RW, MAP_SHARED, export.fd, 0);
	return shown == MAP_FAILED ? -1 : 0;
}

/* One that failed holds nothing: neither the buffer nor the dma-buf. */
static void verify_mmap_of_export(bool failed)
{
	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, failed ? 1 : 2);
	CHECK(is_filled(address, N, 1));
	if (failed)
		CHECK_OK(run_mmap_of_export());
	CHECK(is_filled(shown, N, 1));
	dev_unmap(shown, N);
}

/* The internal file of the mapping is ours to lose. */
static void inject_mmap_of_export(void)
{
	static const struct operation op = {
		prepare_exported, run_mmap_of_export, verify_mmap_of_export, finish_export,
		.failures = 2,
	};

	need_exports();
	walk(&op);
}

static const struct test_case cases[] = {
	CASE(inject_mmap_at_zero),
	CASE(inject_fault_of_fresh_pages),
	CASE(inject_file),
	CASE(inject_runs),
	CASE(inject_export),
	CASE(inject_mmap_of_export),
};

const struct test_suite fresh_inject_suite = SUITE(cases);
