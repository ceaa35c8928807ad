// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opening, closing, every ioctl, and the files in debugfs, with allocations failing, and
 * copies: a call that fails must leave everything as it was.
 */
#include "inject.h"

#include <stdio.h>

#define DEBUGFS "/sys/kernel/debug/spanalloc/default/"

static int fd;

static void open_device(void)
{
	fd = dev_open();
}

static void close_device(void)
{
	close(fd);
}

/* open() */

static void prepare_nothing(void)
{
}

static int run_open(void)
{
	fd = open(device_path, O_RDWR | O_CLOEXEC);
	return fd;
}

static void verify_open(bool failed)
{
	if (failed)
		fd = dev_open();
	dev_free(fd, dev_alloc(fd, 1).handle);
}

static void inject_open(void)
{
	static const struct operation op = {
		prepare_nothing, run_open, verify_open, close_device,
		.copies = 1, .failures = 2,
	};

	walk(&op);
}

/* SPANALLOC_IOC_ALLOC */

static struct spanalloc_alloc wanted, got;

/* Nothing is backed: every granule has to be taken from the system. */
static void prepare_alloc_cold(void)
{
	open_device();
	dev_trim(fd, ~0ULL);
	got = wanted;
}

/* What the last run left behind is dirty, and has to be zeroed. */
static void prepare_alloc_warm(void)
{
	open_device();
	got = wanted;
}

static int run_alloc(void)
{
	return dev_try_alloc(fd, &got);
}

static void verify_alloc(bool failed)
{
	void *address;

	if (failed) {
		CHECK(!memcmp(&got, &wanted, sizeof(got)));
		CHECK_OK(dev_try_alloc(fd, &got));
	}
	if (wanted.align)
		CHECK_EQ(dev_query(fd, got.handle).base % wanted.align, 0);
	if (wanted.flags & SPANALLOC_ALLOC_CONTIG)
		CHECK_EQ(dev_query(fd, got.handle).nruns, 1);
	address = dev_map(fd, got.offset, wanted.npages);
	CHECK(is_zero(address, wanted.npages * page_size));
	fill(address, wanted.npages, 1);
	dev_unmap(address, wanted.npages);
}

static void finish_alloc(void)
{
	dev_free(fd, got.handle);
	close(fd);
}

/* Are spans that were freed parked, so that the next allocation needs no object for one? */
static bool has_caches(void)
{
	FILE *file = fopen("/sys/module/spanalloc/parameters/cache_pages", "re");
	unsigned int npages;

	CHECK(file);
	CHECK_EQ(fscanf(file, "%u", &npages), 1);
	fclose(file);
	return npages;
}

/*
 * Where something is backed already, fewer allocations are made; @cold: where nothing is. Ours
 * are for a handle, a buffer and a span, or two where the place is to be chosen.
 */
static void walk_alloc(struct spanalloc_alloc request, bool cold)
{
	unsigned int failures = has_caches() ? 2 : request.align || request.flags ? 4 : 3;
	const struct operation warmly = {
		prepare_alloc_warm, run_alloc, verify_alloc, finish_alloc,
		.copies = 2, .failures = failures,
	}, coldly = {
		prepare_alloc_cold, run_alloc, verify_alloc, finish_alloc,
		.copies = 2, .failures = failures,
	};
	uint64_t backed = dev_stats(watch_fd).backed;
	struct tally tally;

	wanted = request;
	if (cold) {
		tally = walk(&coldly);
		/* Each step had to take memory from the system. */
		CHECK(dev_stats(watch_fd).backed >= backed + tally.fired);
	}
	walk(&warmly);
}

static void inject_alloc_of_one_page(void)
{
	walk_alloc((struct spanalloc_alloc){ .npages = 1 }, false);
}

static void inject_alloc_of_granules(void)
{
	walk_alloc((struct spanalloc_alloc){ .npages = 3 * granule_pages() + 17 }, true);
}

static void inject_alloc_contiguous(void)
{
	walk_alloc((struct spanalloc_alloc){
		.npages = granule_pages(), .flags = SPANALLOC_ALLOC_CONTIG }, true);
}

static void inject_alloc_aligned(void)
{
	walk_alloc((struct spanalloc_alloc){
		.npages = granule_pages() + 1, .align = 2 * granule_pages() }, true);
}

/* SPANALLOC_IOC_FREE, which must not need memory */

#define N 5

static struct spanalloc_alloc alloc;
static char *address;
static struct spanalloc_free request;

static void prepare_free(void)
{
	open_device();
	alloc = dev_alloc(fd, N);
	request = (struct spanalloc_free){ .handle = alloc.handle };
}

static int run_free(void)
{
	return ioctl(fd, SPANALLOC_IOC_FREE, &request);
}

/* One that fails has freed nothing. */
static void verify_free(bool failed)
{
	if (failed) {
		CHECK_EQ(dev_query(fd, alloc.handle).npages, N);
		CHECK_OK(run_free());
	}
	CHECK_EQ(request.state, 0);
	CHECK_FAILS(dev_try_free(fd, alloc.handle), ENOENT);
}

static void inject_free(void)
{
	static const struct operation op = {
		prepare_free, run_free, verify_free, close_device,
		.copies = 2, .needs_no_memory = true,
	};

	walk_without_allocations(&op);
}

static void prepare_free_mapped(void)
{
	open_device();
	address = dev_alloc_filled(fd, N, 1, &alloc);
	request = (struct spanalloc_free){ .handle = alloc.handle };
}

static void verify_free_mapped(bool failed)
{
	if (failed) {
		CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 1);
		CHECK_OK(run_free());
	}
	CHECK_EQ(request.state, SPANALLOC_FREE_DEFERRED);
	CHECK_FAILS(dev_try_free(fd, alloc.handle), ENOENT);
	CHECK(is_filled(address, N, 1));
}

static void finish_free_mapped(void)
{
	dev_unmap(address, N);
	close(fd);
}

static void inject_free_mapped(void)
{
	static const struct operation op = {
		prepare_free_mapped, run_free, verify_free_mapped, finish_free_mapped,
		.copies = 2, .needs_no_memory = true,
	};

	walk_without_allocations(&op);
}

/* SPANALLOC_IOC_SPLIT */

static struct spanalloc_split split;

static void prepare_split(void)
{
	prepare_free_mapped();
	split = (struct spanalloc_split){ .handle = alloc.handle, .npages = 2 };
}

static int run_split(void)
{
	return ioctl(fd, SPANALLOC_IOC_SPLIT, &split);
}

static void verify_split(bool failed)
{
	char *second;

	if (failed) {
		CHECK_EQ(dev_query(fd, alloc.handle).npages, N);
		CHECK_OK(run_split());
	}
	CHECK_EQ(dev_query(fd, alloc.handle).npages, 2);
	CHECK_EQ(dev_query(fd, split.new_handle).npages, N - 2);
	second = dev_map(fd, split.offset, N - 2);
	CHECK(is_filled(address, N, 1));
	CHECK(!memcmp(second, address + 2 * page_size, (N - 2) * page_size));
	dev_unmap(second, N - 2);
	dev_unmap(address, N);
	dev_free(fd, alloc.handle);
	dev_free(fd, split.new_handle);
}

static void inject_split(void)
{
	static const struct operation op = {
		prepare_split, run_split, verify_split, close_device,
		.copies = 2, .failures = 1,
	};

	walk(&op);
}

/* The calls that only look, which must not need memory either */

static struct spanalloc_info info;
static struct spanalloc_query query;
static struct spanalloc_heap_stats stats;

static int run_info(void)
{
	return ioctl(fd, SPANALLOC_IOC_INFO, &info);
}

static void verify_info(bool failed)
{
	if (failed)
		CHECK_OK(run_info());
	CHECK_EQ(info.page_size, page_size);
	info = (struct spanalloc_info){ 0 };
}

static void inject_info(void)
{
	static const struct operation op = {
		open_device, run_info, verify_info, close_device,
		.copies = 2, .needs_no_memory = true,
	};

	walk_without_allocations(&op);
}

static int run_query(void)
{
	return dev_try_query(fd, alloc.handle, &query);
}

static void verify_query(bool failed)
{
	if (failed)
		CHECK_OK(run_query());
	CHECK_EQ(query.npages, N);
}

static void inject_query(void)
{
	static const struct operation op = {
		prepare_free, run_query, verify_query, close_device,
		.copies = 2, .needs_no_memory = true,
	};

	walk_without_allocations(&op);
}

static int run_stats(void)
{
	memset(&stats, 0, sizeof(stats));
	return ioctl(fd, SPANALLOC_IOC_STATS, &stats);
}

static void verify_stats(bool failed)
{
	if (failed)
		CHECK_OK(run_stats());
	CHECK_EQ(stats.page_size, page_size);
	CHECK(stats.in_use_pages >= N);
}

static void inject_stats(void)
{
	static const struct operation op = {
		prepare_free, run_stats, verify_stats, close_device,
		.copies = 2, .needs_no_memory = true,
	};

	walk_without_allocations(&op);
}

/* SPANALLOC_IOC_TRIM: what gives memory back must not need any */

static struct spanalloc_trim trim;

static void prepare_trim(void)
{
	open_device();
	dev_free(fd, dev_alloc(fd, 3 * granule_pages()).handle);
	CHECK(dev_stats(fd).idle_pages >= granule_pages());
	trim = (struct spanalloc_trim){ .npages = ~0ULL };
}

static int run_trim(void)
{
	return ioctl(fd, SPANALLOC_IOC_TRIM, &trim);
}

static void verify_trim(bool failed)
{
	/* It may be done, and only the number was lost. */
	if (failed)
		CHECK_OK(run_trim());
	else
		CHECK(trim.released >= granule_pages());
	CHECK_EQ(dev_stats(fd).idle_pages, 0);
}

static void inject_trim(void)
{
	static const struct operation op = {
		prepare_trim, run_trim, verify_trim, close_device,
		.copies = 2, .needs_no_memory = true,
	};

	walk_without_allocations(&op);
}

/*
 * close() frees what is not mapped, and forgets what is. It allocates nothing for that: nobody
 * could be told that it has failed.
 */

static void prepare_close(void)
{
	open_device();
	address = dev_alloc_filled(fd, N, 1, &alloc);
	dev_alloc(fd, 3);
	dev_alloc(fd, 600);
}

static int run_close(void)
{
	return close(fd);
}

static void verify_close(bool failed)
{
	CHECK(is_filled(address, N, 1));
}

static void finish_close(void)
{
	dev_unmap(address, N);
}

static void inject_close(void)
{
	static const struct operation op = {
		prepare_close, run_close, verify_close, finish_close, .needs_no_memory = true,
	};

	walk_without_allocations(&op);
}

/* The files in debugfs */

static const char *shown;
static size_t shown_bytes;

/* The whole file; -1 as soon as a call fails. */
static int run_show(void)
{
	static char buffer[65536];
	int file = open(shown, O_RDONLY | O_CLOEXEC), error;
	ssize_t n = 1;

	shown_bytes = 0;
	if (file < 0)
		return -1;
	while (n > 0) {
		n = read(file, buffer, sizeof(buffer));
		if (n > 0)
			shown_bytes += n;
	}
	error = errno;
	close(file);
	errno = error;
	return n;
}

static void verify_show(bool failed)
{
	if (failed)
		CHECK_EQ(run_show(), 0);
	CHECK(shown_bytes > 0);
}

static void walk_show(const char *path)
{
	static const struct operation op = {
		prepare_free, run_show, verify_show, close_device,
		.copies = ANY_COPIES, .failures = 3,
	};

	shown = path;
	walk(&op);
}

static void inject_debugfs_stats(void)
{
	walk_show(DEBUGFS "stats");
}

static void inject_debugfs_spans(void)
{
	walk_show(DEBUGFS "spans");
}

static void inject_debugfs_check(void)
{
	walk_show(DEBUGFS "check");
}

static const struct test_case cases[] = {
	CASE(inject_open),
	CASE(inject_alloc_of_one_page),
	CASE(inject_alloc_of_granules),
	CASE(inject_alloc_contiguous),
	CASE(inject_alloc_aligned),
	CASE(inject_free),
	CASE(inject_free_mapped),
	CASE(inject_split),
	CASE(inject_info),
	CASE(inject_query),
	CASE(inject_stats),
	CASE(inject_trim),
	CASE(inject_close),
	CASE(inject_debugfs_stats),
	CASE(inject_debugfs_spans),
	CASE(inject_debugfs_check),
};

const struct test_suite call_suite = SUITE(cases);
