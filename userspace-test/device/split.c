// SPDX-License-Identifier: GPL-2.0-only
/*
 * Splitting an allocation: two handles, one piece of memory.
 */
#include "device.h"

#include <pthread.h>
#include <sched.h>

#define N 8
#define HEAD 3
#define TAIL (N - HEAD)

static void split_makes_two_parts(void)
{
	int fd = dev_open();
	struct spanalloc_heap_stats before, after;
	struct spanalloc_alloc alloc = dev_alloc(fd, N);
	struct spanalloc_query whole = dev_query(fd, alloc.handle), head, tail;
	struct spanalloc_split split;

	before = dev_stats(fd);
	split = dev_split(fd, alloc.handle, HEAD);
	CHECK(split.new_handle && split.new_handle != alloc.handle);
	CHECK_EQ(split.handle, alloc.handle);
	CHECK_EQ(split.npages, HEAD);
	CHECK_EQ(split.reserved, 0);
	CHECK_EQ(split.offset, alloc.offset + HEAD * page_size);
	head = dev_query(fd, alloc.handle);
	tail = dev_query(fd, split.new_handle);
	CHECK_EQ(head.npages, HEAD);
	CHECK_EQ(head.offset, alloc.offset);
	CHECK_EQ(head.base, whole.base);
	CHECK_EQ(tail.npages, TAIL);
	CHECK_EQ(tail.offset, split.offset);
	CHECK_EQ(tail.base, whole.base + HEAD);
	CHECK(head.nruns >= 1 && head.nruns <= whole.nruns);
	CHECK(tail.nruns >= 1 && head.nruns + tail.nruns <= whole.nruns + 1);
	/* For the heap, nothing has happened. */
	after = dev_stats(fd);
	CHECK_EQ(after.in_use_pages, before.in_use_pages);
	CHECK_EQ(after.in_use_spans, before.in_use_spans);
}

/* Runs are counted in the part alone: each page of a split-up allocation is one. */
static void split_counts_runs_of_the_part(void)
{
	int fd = dev_open();
	uint64_t granule = dev_info(fd).granule_pages;
	struct spanalloc_alloc alloc = dev_alloc(fd, granule + 1);
	uint32_t handle = alloc.handle;
	struct spanalloc_query query;
	int i;

	for (i = 0; i < 4 && granule + 1 - i > 1; i++) {
		struct spanalloc_split split = dev_split(fd, handle, 1);

		query = dev_query(fd, handle);
		CHECK_EQ(query.nruns, 1);
		CHECK(query.state & SPANALLOC_QUERY_CONTIG);
		handle = split.new_handle;
	}
}

static void split_keeps_contents_and_mappings(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc;
	char *address = dev_alloc_filled(fd, N, 7, &alloc), *part;
	struct spanalloc_split split = dev_split(fd, alloc.handle, HEAD);

	CHECK(is_filled(address, N, 7));
	part = dev_map(fd, split.offset, TAIL);
	CHECK(!memcmp(part, address + HEAD * page_size, TAIL * page_size));
	part[0] ^= 1;
	CHECK_EQ(part[0], address[HEAD * page_size]);
	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 2);
	CHECK_EQ(dev_query(fd, split.new_handle).nmaps, 2);
	/* Pages that were dropped from the old mapping are found on both sides. */
	CHECK_OK(madvise(address, N * page_size, MADV_DONTNEED));
	part[0] ^= 1;
	CHECK(is_filled(address, N, 7));
}

static void split_parts_are_mapped_one_by_one(void)
{
	int fd = dev_open(), rw = PROT_READ | PROT_WRITE;
	struct spanalloc_alloc alloc = dev_alloc(fd, N);
	struct spanalloc_split split = dev_split(fd, alloc.handle, HEAD);

	CHECK_OK(dev_try_map(fd, alloc.offset, HEAD * page_size, rw, MAP_SHARED));
	CHECK_OK(dev_try_map(fd, split.offset, TAIL * page_size, rw, MAP_SHARED));
	CHECK_OK(dev_try_map(fd, split.offset + page_size, (TAIL - 1) * page_size, rw,
			     MAP_SHARED));
	CHECK_FAILS(dev_try_map(fd, alloc.offset, (HEAD + 1) * page_size, rw, MAP_SHARED),
		    EINVAL);
	CHECK_FAILS(dev_try_map(fd, split.offset - page_size, 2 * page_size, rw, MAP_SHARED),
		    EINVAL);
	CHECK_FAILS(dev_try_map(fd, split.offset, (TAIL + 1) * page_size, rw, MAP_SHARED),
		    EINVAL);
}

/* Each order of giving up two parts and a mapping over the seam. */
static void split_memory_returns_with_the_last_part(void)
{
	static const char *const orders[] = { "htm", "hmt", "thm", "tmh", "mht", "mth" };
	int fd = dev_open();
	uint64_t before = dev_stats(fd).in_use_pages;
	struct spanalloc_alloc alloc;
	struct spanalloc_split split;
	const char *step;
	uint32_t state;
	void *address;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		address = dev_alloc_filled(fd, N, i, &alloc);
		split = dev_split(fd, alloc.handle, HEAD);
		for (step = orders[i]; *step; step++) {
			CHECK_EQ(dev_stats(fd).in_use_pages, before + N);
			if (*step == 'm') {
				CHECK(is_filled(address, N, i));
				dev_unmap(address, N);
				continue;
			}
			state = dev_free_state(fd, *step == 'h' ? alloc.handle : split.new_handle);
			CHECK_EQ(state, step[1] ? SPANALLOC_FREE_DEFERRED : 0);
		}
		CHECK_SETTLES(fd, in_use_pages, before);
	}
}

static void split_part_lives_without_the_other(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc;
	void *address = dev_alloc_filled(fd, N, 3, &alloc);
	struct spanalloc_split split = dev_split(fd, alloc.handle, HEAD);
	struct spanalloc_query query;

	dev_unmap(address, N);
	dev_free(fd, alloc.handle);
	CHECK_FAILS(dev_try_query(fd, alloc.handle, &query), ENOENT);
	CHECK_FAILS(dev_try_free(fd, alloc.handle), ENOENT);
	CHECK_FAILS(dev_try_map(fd, alloc.offset, page_size, PROT_READ, MAP_SHARED), EINVAL);
	CHECK_FAILS(dev_try_split(fd, alloc.handle, 1, &split), ENOENT);
	split.new_handle = alloc.handle + 1;
	CHECK_EQ(dev_query(fd, split.new_handle).npages, TAIL);
	address = dev_map(fd, alloc.offset + HEAD * page_size, TAIL);
	CHECK(!is_zero(address, TAIL * page_size));
}

static void split_down_to_single_pages(void)
{
	enum { PAGES = 300 };
	int fd = dev_open(), i;
	uint64_t before = dev_stats(fd).in_use_pages;
	struct spanalloc_alloc alloc;
	char *address = dev_alloc_filled(fd, PAGES, 9, &alloc), *page;
	struct spanalloc_split split;
	uint32_t handles[PAGES];

	/* From the middle outwards, so that both parts get split again. */
	handles[0] = alloc.handle;
	for (i = PAGES - 1; i > PAGES / 2; i--)
		handles[i] = dev_split(fd, alloc.handle, i).new_handle;
	for (i = 1; i <= PAGES / 2; i++) {
		split = dev_split(fd, handles[i - 1], 1);
		handles[i] = split.new_handle;
	}
	for (i = 0; i < PAGES; i++) {
		struct spanalloc_query query = dev_query(fd, handles[i]);

		CHECK_EQ(query.npages, 1);
		CHECK_EQ(query.offset, alloc.offset + i * page_size);
		page = dev_map(fd, query.offset, 1);
		CHECK(!memcmp(page, address + i * page_size, page_size));
		dev_unmap(page, 1);
	}
	dev_unmap(address, PAGES);
	for (i = 0; i < PAGES; i += 2)
		CHECK_EQ(dev_free_state(fd, handles[i]), SPANALLOC_FREE_DEFERRED);
	CHECK_EQ(dev_stats(fd).in_use_pages, before + PAGES);
	for (i = 1; i < PAGES; i += 2)
		dev_free(fd, handles[i]);
	CHECK_SETTLES(fd, in_use_pages, before);
}

static void split_off_nothing_is_refused(void)
{
	static const uint64_t bad[] = { 0, N, N + 1, 1ULL << 32, 1ULL << 52, ~0ULL, ~0ULL - N };
	int fd = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, N), one = dev_alloc(fd, 1);
	struct spanalloc_split split;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_FAILS(dev_try_split(fd, alloc.handle, bad[i], &split), EINVAL);
		CHECK_FAILS(dev_try_split(fd, one.handle, bad[i] == N ? 1 : bad[i], &split),
			    EINVAL);
	}
	CHECK_EQ(dev_query(fd, alloc.handle).npages, N);
	CHECK_EQ(dev_query(fd, one.handle).npages, 1);
}

static void split_of_no_handle_is_refused(void)
{
	int fd = dev_open(), other = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, N);
	struct spanalloc_split split;

	CHECK_FAILS(dev_try_split(fd, 0, 1, &split), ENOENT);
	CHECK_FAILS(dev_try_split(fd, alloc.handle + 100, 1, &split), ENOENT);
	CHECK_FAILS(dev_try_split(fd, ~0U, 1, &split), ENOENT);
	CHECK_FAILS(dev_try_split(other, alloc.handle, 1, &split), ENOENT);
}

/* A refused or untold split keeps no handle, and leaves the old one whole. */
static void split_that_fails_changes_nothing(void)
{
	struct spanalloc_split *request, split;
	int fd = dev_open(), i;
	struct spanalloc_alloc alloc = dev_alloc(fd, N);
	struct spanalloc_query query;
	uint32_t h;

	request = mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	CHECK(request != MAP_FAILED);
	*request = (struct spanalloc_split){ .handle = alloc.handle, .npages = HEAD };
	CHECK_OK(mprotect(request, page_size, PROT_READ));
	for (i = 0; i < 50; i++) {
		CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_SPLIT, request), EFAULT);
		CHECK_FAILS(dev_try_split(fd, alloc.handle, N, &split), EINVAL);
	}
	for (h = alloc.handle + 1; h < alloc.handle + 150; h++)
		CHECK_FAILS(dev_try_query(fd, h, &query), ENOENT);
	CHECK_EQ(dev_query(fd, alloc.handle).npages, N);
	CHECK_EQ(dev_free_state(fd, alloc.handle), 0);
}

static void split_leftovers_return_on_close(void)
{
	int fd = dev_open(), watch = dev_open();
	uint64_t before = dev_stats(watch).in_use_pages;
	struct spanalloc_alloc alloc = dev_alloc(fd, N);
	struct spanalloc_split split = dev_split(fd, alloc.handle, HEAD);
	void *address = dev_map(fd, split.offset, TAIL);

	fill(address, TAIL, 4);
	dev_split(fd, split.new_handle, 1);
	close(fd);
	CHECK_EQ(dev_stats(watch).in_use_pages, before + N);
	CHECK(is_filled(address, TAIL, 4));
	dev_unmap(address, TAIL);
	CHECK_SETTLES(watch, in_use_pages, before);
}

struct rivals {
	int fd;
	uint32_t handle;
	uint64_t npages;
	pthread_barrier_t barrier;
	uint32_t made;
};

static void *split_at_once(void *arg)
{
	struct rivals *rivals = arg;
	struct spanalloc_split split;

	pthread_barrier_wait(&rivals->barrier);
	if (!dev_try_split(rivals->fd, rivals->handle, rivals->npages, &split))
		rivals->made = split.new_handle;
	else
		CHECK(errno == EINVAL);
	return NULL;
}

/*
 * Two threads split one handle at different pages. Either order may come about;
 * parts never overlap and nothing is missing.
 */
static void split_by_two_threads_is_in_some_order(void)
{
	struct rivals rivals = { .fd = dev_open() };
	struct spanalloc_split split;
	struct spanalloc_alloc alloc;
	uint64_t head, tail, middle;
	pthread_t thread;
	int i, ours;

	pthread_barrier_init(&rivals.barrier, NULL, 2);
	for (i = 0; i < 200; i++) {
		alloc = dev_alloc(rivals.fd, N);
		rivals.handle = alloc.handle;
		rivals.npages = 5;
		rivals.made = 0;
		CHECK(!pthread_create(&thread, NULL, split_at_once, &rivals));
		pthread_barrier_wait(&rivals.barrier);
		ours = dev_try_split(rivals.fd, alloc.handle, 2, &split);
		CHECK(!pthread_join(thread, NULL));
		/* Splitting at 2 is possible before and after splitting at 5. */
		CHECK_EQ(ours, 0);
		head = dev_query(rivals.fd, alloc.handle).npages;
		tail = dev_query(rivals.fd, split.new_handle).npages;
		middle = rivals.made ? dev_query(rivals.fd, rivals.made).npages : 0;
		CHECK_EQ(head, 2);
		CHECK_EQ(tail, rivals.made ? 3 : 6);
		CHECK_EQ(middle, rivals.made ? 3 : 0);
		dev_free(rivals.fd, alloc.handle);
		dev_free(rivals.fd, split.new_handle);
		if (rivals.made)
			dev_free(rivals.fd, rivals.made);
	}
}

static const struct test_case cases[] = {
	CASE(split_makes_two_parts),
	CASE(split_counts_runs_of_the_part),
	CASE(split_keeps_contents_and_mappings),
	CASE(split_parts_are_mapped_one_by_one),
	CASE(split_memory_returns_with_the_last_part),
	CASE(split_part_lives_without_the_other),
	CASE(split_down_to_single_pages),
	CASE(split_off_nothing_is_refused),
	CASE(split_of_no_handle_is_refused),
	CASE(split_that_fails_changes_nothing),
	CASE(split_leftovers_return_on_close),
	CASE(split_by_two_threads_is_in_some_order),
};

const struct test_suite split_suite = SUITE(cases);
