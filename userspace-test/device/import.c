// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exports as drivers and devices see them, by way of a module that imports them: see
 * kunit/torture/spanalloc_importer.c, which says what the lines written to it mean.
 */
#include "device.h"

#include <linux/dma-buf.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#define RW (PROT_READ | PROT_WRITE)
#define N 7
#define HEAD 3
#define TAIL (N - HEAD)

#define IMPORTER "/dev/spanalloc_importer"

static int importer_open(void)
{
	int imp = open(IMPORTER, O_RDWR | O_CLOEXEC);

	if (imp < 0)
		test_skip("no " IMPORTER);
	return imp;
}

__attribute__((format(printf, 2, 3)))
static int try_do(int imp, const char *format, ...)
{
	char line[64];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	return write(imp, line, len) == len ? 0 : -1;
}

#define DO(imp, ...) CHECK_OK(try_do(imp, __VA_ARGS__))

/**
 * struct list - a scatterlist as the device sees it
 * @nbytes: of all entries
 * @nents: number of entries
 * @longest: bytes of the longest
 */
struct list {
	unsigned long long nbytes;
	unsigned int nents;
	unsigned int longest;
};

static struct list list_of(int imp)
{
	struct list list;
	char line[64] = "";

	CHECK(read(imp, line, sizeof(line) - 1) > 0);
	CHECK_EQ(sscanf(line, "%llu %u %u", &list.nbytes, &list.nents, &list.longest), 3);
	return list;
}

/**
 * struct scene - an allocation, exported and imported
 * @watch: the device, opened for its statistics
 * @before: pages in use before
 * @fd: the device
 * @alloc: the allocation, which is mapped and filled with 1
 * @address: where
 * @buf: its export
 * @imp: who imports it
 */
struct scene {
	int watch;
	uint64_t before;
	int fd;
	struct spanalloc_alloc alloc;
	char *address;
	int buf;
	int imp;
};

static void scene_init(struct scene *s, uint64_t npages, uint32_t flags)
{
	s->imp = importer_open();
	s->watch = dev_open();
	s->before = dev_stats(s->watch).in_use_pages;
	s->fd = dev_open();
	s->address = dev_alloc_filled(s->fd, npages, 1, &s->alloc);
	s->buf = dev_export(s->fd, s->alloc.handle, flags);
	DO(s->imp, "import %d", s->buf);
}

static void import_reads_and_writes(void)
{
	struct scene s;

	scene_init(&s, N, 0);
	DO(s.imp, "map to");
	DO(s.imp, "check 1");
	CHECK_FAILS(try_do(s.imp, "check 2"), EILSEQ);
	CHECK_FAILS(try_do(s.imp, "fill 2"), EPERM);
	DO(s.imp, "unmap");
	DO(s.imp, "map from");
	DO(s.imp, "fill 2");
	DO(s.imp, "unmap");
	CHECK(is_filled(s.address, N, 2));
	DO(s.imp, "map both");
	DO(s.imp, "check 2");
	DO(s.imp, "fill 3");
	DO(s.imp, "unmap");
	CHECK(is_filled(s.address, N, 3));
	CHECK_EQ(dev_query(s.fd, s.alloc.handle).nexports, 1);
}

/* The file, the handle, the mapping and the descriptor go; the device goes on. */
static void import_outlives_the_exporter(void)
{
	struct scene s;

	scene_init(&s, N, 0);
	DO(s.imp, "map both");
	dev_unmap(s.address, N);
	CHECK_EQ(dev_free_state(s.fd, s.alloc.handle), SPANALLOC_FREE_DEFERRED);
	close(s.fd);
	close(s.buf);
	sleep_ms(200);
	CHECK_EQ(dev_stats(s.watch).in_use_pages, s.before + N);
	/* Somebody else's pages are others. */
	s.address = dev_alloc_filled(s.watch, 4 * N, 9, &s.alloc);
	DO(s.imp, "check 1");
	DO(s.imp, "fill 2");
	DO(s.imp, "check 2");
	DO(s.imp, "unmap");
	CHECK(is_filled(s.address, 4 * N, 9));
	CHECK_EQ(dev_stats(s.watch).in_use_pages, s.before + 5 * N);
	DO(s.imp, "map to");
	DO(s.imp, "check 2");
	DO(s.imp, "release");
	CHECK_SETTLES(s.watch, in_use_pages, s.before + 4 * N);
}

static void import_ends_with_its_file(void)
{
	struct scene s;

	scene_init(&s, N, 0);
	DO(s.imp, "map both");
	DO(s.imp, "vmap");
	dev_unmap(s.address, N);
	close(s.fd);
	close(s.buf);
	close(s.imp);
	CHECK_SETTLES(s.watch, in_use_pages, s.before);
}

/* Granules, runs that the device takes, single pages: the bytes are all there. */
static void import_list_fits_the_device(void)
{
	unsigned int sizes[] = { page_size, 3 * page_size, 65536, 0x100000, ~0U };
	struct spanalloc_query query;
	uint64_t npages;
	struct scene s;
	struct list list;
	size_t i;

	npages = dev_two_granules(dev_open()) + 5;
	scene_init(&s, npages, 0);
	query = dev_query(s.fd, s.alloc.handle);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		DO(s.imp, "segment %u", sizes[i]);
		DO(s.imp, "map to");
		list = list_of(s.imp);
		CHECK_EQ(list.nbytes, npages * page_size);
		CHECK(list.longest <= sizes[i] && list.longest % page_size == 0);
		CHECK(list.nents >= query.nruns);
		if (sizes[i] == page_size)
			CHECK_EQ(list.nents, npages);
		else if (query.nruns < npages / 8)
			CHECK(list.nents < npages / 2);
		DO(s.imp, "check 1");
		DO(s.imp, "unmap");
	}
	/* Less than a page means a page. */
	DO(s.imp, "segment 512");
	DO(s.imp, "map to");
	CHECK_EQ(list_of(s.imp).nents, npages);
	DO(s.imp, "release");
	DO(s.imp, "segment 65536");
}

static void import_maps_into_the_kernel(void)
{
	struct scene s;

	scene_init(&s, N, 0);
	DO(s.imp, "vmap");
	DO(s.imp, "vcheck 1");
	DO(s.imp, "vfill 2");
	CHECK(is_filled(s.address, N, 2));
	fill(s.address, N, 3);
	DO(s.imp, "vcheck 3");
	dev_unmap(s.address, N);
	close(s.fd);
	close(s.buf);
	sleep_ms(100);
	DO(s.imp, "vcheck 3");
	CHECK_EQ(dev_stats(s.watch).in_use_pages, s.before + N);
	DO(s.imp, "vunmap");
	DO(s.imp, "vmap");
	DO(s.imp, "vcheck 3");
	DO(s.imp, "vunmap");
	DO(s.imp, "release");
	CHECK_SETTLES(s.watch, in_use_pages, s.before);
}

/* Neither a device nor a driver writes to it. */
static void import_of_a_read_only_export(void)
{
	struct scene s;

	scene_init(&s, N, SPANALLOC_EXPORT_READ_ONLY);
	CHECK_FAILS(try_do(s.imp, "map from"), EACCES);
	CHECK_FAILS(try_do(s.imp, "map both"), EACCES);
	CHECK_FAILS(try_do(s.imp, "vmap"), EINVAL);
	DO(s.imp, "map to");
	DO(s.imp, "check 1");
	DO(s.imp, "release");
	CHECK(is_filled(s.address, N, 1));
}

static void import_maps_more_than_once(void)
{
	struct scene s;

	scene_init(&s, N, 0);
	DO(s.imp, "map to");
	DO(s.imp, "map to");
	DO(s.imp, "check 1");
	DO(s.imp, "map from");
	DO(s.imp, "fill 2");
	DO(s.imp, "unmap");
	CHECK(is_filled(s.address, N, 2));
	DO(s.imp, "unmap");
	DO(s.imp, "unmap");
	DO(s.imp, "map to");
	DO(s.imp, "check 2");
}

static void import_of_a_part(void)
{
	struct spanalloc_split split;
	struct scene s;
	int tail, imp;

	scene_init(&s, N, 0);
	split = dev_split(s.fd, s.alloc.handle, HEAD);
	tail = dev_export(s.fd, split.new_handle, 0);
	imp = importer_open();
	DO(imp, "import %d", tail);
	DO(imp, "map from");
	CHECK_EQ(list_of(imp).nbytes, TAIL * page_size);
	DO(imp, "fill 5");
	DO(imp, "unmap");
	CHECK(is_filled(s.address, HEAD, 1));
	CHECK(is_filled(s.address + HEAD * page_size, TAIL, 5));
	DO(imp, "vmap");
	DO(imp, "vfill 6");
	CHECK(is_filled(s.address, HEAD, 1));
	CHECK(is_filled(s.address + HEAD * page_size, TAIL, 6));
	/* The other was made before the split. */
	DO(s.imp, "map to");
	CHECK_EQ(list_of(s.imp).nbytes, N * page_size);
}

static void sync_buf(int buf, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags | DMA_BUF_SYNC_RW };

	CHECK_OK(ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync));
}

/* Where a device has a copy, as with swiotlb=force, accesses have to be announced. */
static void import_is_told_of_accesses(void)
{
	struct scene s;
	int other;

	scene_init(&s, N, 0);
	DO(s.imp, "map both");
	fill(s.address, N, 2);
	if (try_do(s.imp, "check 1"))
		test_skip("devices have no copies here: no swiotlb=force");
	fill(s.address, N, 1);
	other = importer_open();
	DO(other, "import %d", s.buf);
	DO(other, "map to");
	sync_buf(s.buf, DMA_BUF_SYNC_START);
	fill(s.address, N, 3);
	DO(s.imp, "check 1");
	sync_buf(s.buf, DMA_BUF_SYNC_END);
	DO(s.imp, "check 3");
	DO(other, "check 3");
	DO(other, "release");
	DO(s.imp, "fill 4");
	CHECK(is_filled(s.address, N, 3));
	sync_buf(s.buf, DMA_BUF_SYNC_START);
	CHECK(is_filled(s.address, N, 4));
	sync_buf(s.buf, DMA_BUF_SYNC_END);
}

static void import_and_die(void *unused)
{
	struct scene s;

	(void)unused;
	scene_init(&s, N, 0);
	DO(s.imp, "map both");
	DO(s.imp, "vmap");
	close(s.fd);
	raise(SIGKILL);
}

static void import_dies_with_its_process(void)
{
	int watch = dev_open();
	uint64_t before = dev_stats(watch).in_use_pages;

	close(importer_open());
	CHECK(is_killed(child_status(child_start(import_and_die, NULL))));
	CHECK_SETTLES(watch, in_use_pages, before);
}

static const struct test_case cases[] = {
	CASE(import_reads_and_writes),
	CASE(import_outlives_the_exporter),
	CASE(import_ends_with_its_file),
	CASE(import_list_fits_the_device),
	CASE(import_maps_into_the_kernel),
	CASE(import_of_a_read_only_export),
	CASE(import_maps_more_than_once),
	CASE(import_of_a_part),
	CASE(import_is_told_of_accesses),
	CASE(import_dies_with_its_process),
};

const struct test_suite import_suite = SUITE(cases);
