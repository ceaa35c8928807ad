// SPDX-License-Identifier: GPL-2.0-only
/*
 * What libspanalloc does that no other test needs; everything else goes by it anyway.
 */
#include "device.h"

#include <stdlib.h>
#include <sys/stat.h>

static void library_opens_nothing_else(void)
{
	char path[] = "/tmp/library-XXXXXX";
	int fd = spanalloc_open(NULL, O_RDONLY);

	CHECK(fd >= 0);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CHECK_EQ(spanalloc_open("/dev/null", O_RDWR), -ENOTTY);
	CHECK_EQ(spanalloc_open("/dev/zero", O_RDONLY), -ENOTTY);
	CHECK_EQ(spanalloc_open("/no/such/device", O_RDWR), -ENOENT);
	CHECK(mkdtemp(path));
	CHECK_EQ(spanalloc_open(path, O_RDONLY), -ENOTTY);
	CHECK_OK(rmdir(path));
	/* Opened, this would wait for a writer. */
	CHECK_OK(mkfifo(path, 0600));
	CHECK_EQ(spanalloc_open(path, O_RDONLY), -ENOTTY);
	CHECK_OK(unlink(path));
}

static void library_allocates_and_maps(void)
{
	struct spanalloc_alloc alloc = { .npages = 17, .align = 8 };
	struct spanalloc_query query;
	int fd = dev_open(), reader;
	void *address;

	CHECK_EQ(spanalloc_alloc_map(fd, &alloc, &address), 0);
	fill(address, 17, 1);
	query = dev_query(fd, alloc.handle);
	CHECK_EQ(query.npages, 17);
	CHECK_EQ(query.offset, alloc.offset);
	CHECK_EQ(query.base % 8, 0);
	CHECK_EQ(query.nmaps, 1);
	CHECK_EQ(spanalloc_unmap(address, 17), 0);
	dev_free(fd, alloc.handle);
	/* Where it may not be mapped for writing, nothing is left. */
	reader = dev_open_mode(O_RDONLY);
	CHECK_EQ(spanalloc_alloc_map(reader, &alloc, &address), -EACCES);
	CHECK_EQ(dev_file(reader).pages, 0);
	CHECK_EQ(dev_file(reader).nhandles, 0);
}

static void library_maps_parts(void)
{
	struct spanalloc_alloc alloc;
	int fd = dev_open();
	char *whole, *part;

	whole = dev_alloc_filled(fd, 10, 1, &alloc);
	CHECK_EQ(spanalloc_map_part(fd, alloc.offset, 4, 3, PROT_READ, (void **)&part), 0);
	CHECK(!memcmp(whole + 4 * page_size, part, 3 * page_size));
	dev_unmap(part, 3);
	CHECK_EQ(spanalloc_map_part(fd, alloc.offset, 8, 3, PROT_READ, (void **)&part), -EINVAL);
	CHECK_EQ(spanalloc_map_part(fd, alloc.offset, UINT64_MAX, 1, PROT_READ, (void **)&part),
		 -EINVAL);
	CHECK_EQ(spanalloc_map(fd, 0, 1, PROT_READ, (void **)&part), -EINVAL);
	dev_unmap(whole, 10);
}

static void library_maps_new_pages(void)
{
	struct spanalloc_file file;
	int fd = dev_open();
	void *address;

	CHECK_EQ(spanalloc_map_new(fd, 5, PROT_READ | PROT_WRITE, &address), 0);
	CHECK(is_zero(address, 5 * page_size));
	fill(address, 5, 1);
	file = dev_file(fd);
	CHECK_EQ(file.pages, 5);
	CHECK_EQ(file.nhandles, 0);
	dev_unmap(address, 5);
	CHECK_EQ(dev_file(fd).pages, 0);
}

/* Told two at a time, the runs of an allocation are all of it, one behind the other. */
static void library_tells_all_runs(void)
{
	uint64_t npages, index = 0, next = 0;
	struct spanalloc_run runs[2];
	struct spanalloc_alloc alloc;
	int fd = dev_open(), n, i;

	npages = dev_two_granules(fd);
	alloc = dev_alloc(fd, npages);
	while ((n = spanalloc_get_runs(fd, alloc.handle, &index, runs, 2)) > 0) {
		CHECK(n <= 2);
		for (i = 0; i < n; i++) {
			CHECK_EQ(runs[i].index, next);
			CHECK(runs[i].npages);
			next += runs[i].npages;
		}
		CHECK_EQ(index, next);
	}
	CHECK_EQ(n, 0);
	CHECK_EQ(next, npages);
	index = npages + 1;
	CHECK_EQ(spanalloc_get_runs(fd, alloc.handle, &index, runs, 2), -EINVAL);
	CHECK_EQ(index, npages + 1);
	CHECK_EQ(spanalloc_get_runs(fd, alloc.handle + 1000, &index, runs, 2), -ENOENT);
}

static void library_reports_what_would_do(void)
{
	struct spanalloc_alloc alloc = { .npages = 100 };
	int fd = dev_open();

	CHECK_EQ(spanalloc_set_limit(fd, 60), 0);
	CHECK_EQ(spanalloc_alloc_report(fd, &alloc), -EDQUOT);
	CHECK_EQ(alloc.largest_pages, 60);
	alloc.npages = alloc.largest_pages;
	CHECK_EQ(spanalloc_alloc_report(fd, &alloc), 0);
	CHECK_EQ(alloc.largest_pages, 0);
	CHECK_EQ(alloc.flags, 0);
	CHECK_EQ(spanalloc_set_limit(fd, SPANALLOC_NO_LIMIT), 0);
}

static void library_exports(void)
{
	struct spanalloc_alloc alloc;
	int fd = dev_open(), buffer;
	void *address;

	if (!(dev_info(fd).features & SPANALLOC_FEATURE_EXPORT)) {
		CHECK(spanalloc_export(fd, 1, 0) < 0);
		test_skip("this kernel has no dma-bufs");
	}
	dev_unmap(dev_alloc_filled(fd, 3, 1, &alloc), 3);
	CHECK_EQ(spanalloc_export(fd, alloc.handle, 1U << 31), -EINVAL);
	CHECK_EQ(spanalloc_export(fd, alloc.handle + 1000, 0), -ENOENT);
	buffer = spanalloc_export(fd, alloc.handle, 0);
	CHECK(buffer >= 0);
	CHECK_EQ(dev_query(fd, alloc.handle).nexports, 1);
	CHECK_EQ(dev_free_state(fd, alloc.handle), SPANALLOC_FREE_DEFERRED);
	address = mmap(NULL, 3 * page_size, PROT_READ, MAP_SHARED, buffer, 0);
	CHECK(address != MAP_FAILED);
	CHECK(is_filled(address, 3, 1));
	dev_unmap(address, 3);
	CHECK_OK(close(buffer));
}

static const struct test_case cases[] = {
	CASE(library_opens_nothing_else),
	CASE(library_allocates_and_maps),
	CASE(library_maps_parts),
	CASE(library_maps_new_pages),
	CASE(library_tells_all_runs),
	CASE(library_reports_what_would_do),
	CASE(library_exports),
};

const struct test_suite library_suite = SUITE(cases);
