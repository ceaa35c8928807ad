// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ends of the heap: its limit, its fragmentation, the machine's memory. Cases
 * that fill the heap need one whose limit is well below the free memory; load the
 * module with a small one for them.
 */
#include "device.h"

#include <stdlib.h>
#include <sys/sysinfo.h>

static uint64_t free_memory_pages(void)
{
	struct sysinfo info;

	CHECK_OK(sysinfo(&info));
	return (uint64_t)info.freeram * info.mem_unit / page_size;
}

static uint64_t small_heap_limit(int fd)
{
	uint64_t max = dev_info(fd).max_pages;

	if (max > free_memory_pages() / 2)
		test_skip("the heap's limit is %llu pages: too many to fill",
			  (unsigned long long)max);
	return max;
}

static void limit_longer_than_the_heap_is_edquot(void)
{
	struct spanalloc_alloc alloc = { 0 };
	int fd = dev_open();
	uint64_t lengths[] = {
		dev_info(fd).max_pages + 1, dev_info(fd).max_pages * 2, 1ULL << 40,
		1ULL << 52, 1ULL << 63, ~0ULL - 4095, ~0ULL - 1, ~0ULL,
	};
	struct spanalloc_heap_stats before = dev_stats(fd), after;
	size_t i, n = ARRAY_SIZE(lengths);

	for (i = 0; i < n; i++) {
		alloc.npages = lengths[i];
		alloc.align = 0;
		CHECK_FAILS(dev_try_alloc(fd, &alloc), EDQUOT);
		alloc.align = 8;
		CHECK_FAILS(dev_try_alloc(fd, &alloc), EDQUOT);
	}
	after = dev_stats(fd);
	CHECK_EQ(after.fails_limit, before.fails_limit + 2 * n);
	CHECK_EQ(after.in_use_pages, before.in_use_pages);
	CHECK_EQ(after.address_pages, before.address_pages);
}

/* Fills the heap with allocations of @npages; returns how many there were. */
static int fill_heap(int fd, uint64_t npages, uint32_t *handles, int max)
{
	struct spanalloc_alloc alloc = { .npages = npages };
	int n;

	for (n = 0; n < max; n++) {
		if (dev_try_alloc(fd, &alloc))
			break;
		handles[n] = alloc.handle;
	}
	CHECK(n < max);
	CHECK_EQ(errno, EDQUOT);
	return n;
}

#define NPIECES 64

static void limit_full_heap_is_edquot_until_something_is_freed(void)
{
	struct spanalloc_alloc alloc = { .npages = 1 };
	uint32_t handles[NPIECES + 2];
	int fd = dev_open(), n, i, round;
	uint64_t max = small_heap_limit(fd);

	for (round = 0; round < 3; round++) {
		n = fill_heap(fd, max / NPIECES, handles, NPIECES + 2);
		CHECK(n >= NPIECES);
		/* What the division left over. */
		while (!dev_try_alloc(fd, &alloc))
			;
		CHECK_EQ(errno, EDQUOT);
		CHECK_EQ(dev_stats(fd).in_use_pages, max);
		dev_free(fd, handles[n / 2]);
		handles[n / 2] = dev_alloc(fd, max / NPIECES).handle;
		for (i = 0; i < n; i++)
			dev_free(fd, handles[i]);
	}
	close(fd);
	fd = dev_open();
	dev_free(fd, dev_alloc(fd, max).handle);
}

static void limit_fragmented_heap_is_enospc(void)
{
	struct spanalloc_alloc alloc = { 0 };
	uint32_t handles[NPIECES + 2];
	int fd = dev_open(), n, i;
	uint64_t max = small_heap_limit(fd), fails;

	n = fill_heap(fd, max / NPIECES, handles, NPIECES + 2);
	for (i = 0; i < n; i += 2)
		dev_free(fd, handles[i]);
	CHECK_SETTLES(fd, free_spans, dev_stats(fd).free_spans);
	fails = dev_stats(fd).fails_space;
	alloc.npages = dev_stats(fd).largest_free_pages + 1;
	CHECK_FAILS(dev_try_alloc(fd, &alloc), ENOSPC);
	CHECK_EQ(dev_stats(fd).fails_space, fails + 1);
	dev_free(fd, dev_alloc(fd, max / NPIECES).handle);
	/* One more, and two holes are one. */
	dev_free(fd, handles[3]);
	CHECK_OK(dev_try_alloc(fd, &alloc));
}

/* Memory that waits for a mapping to go is not there yet, and then is. */
static void limit_mapped_memory_counts_until_unmapped(void)
{
	struct spanalloc_alloc alloc = { .npages = 1 };
	int fd = dev_open();
	uint64_t max = small_heap_limit(fd), before = dev_stats(fd).in_use_pages;
	void *address;

	alloc = dev_alloc(fd, max - before);
	address = dev_map(fd, alloc.offset, 1);
	dev_free(fd, alloc.handle);
	alloc.npages = 1;
	CHECK_FAILS(dev_try_alloc(fd, &alloc), EDQUOT);
	dev_unmap(address, 1);
	CHECK_SETTLES(fd, in_use_pages, before);
	CHECK_OK(dev_try_alloc(fd, &alloc));
}

/*
 * Asks for more than the machine has, on a machine whose owner said that it may.
 * The call fails; nobody is killed for it, and the memory comes back.
 */
static void limit_more_than_the_machine_has_is_enomem(void)
{
	struct spanalloc_alloc alloc = { 0 };
	int fd = dev_open();
	uint64_t before = dev_stats(fd).in_use_pages;
	int i;

	if (!getenv("SPANALLOC_TEST_EXHAUST"))
		test_skip("SPANALLOC_TEST_EXHAUST is not set");
	alloc.npages = dev_info(fd).max_pages;
	if (alloc.npages < free_memory_pages())
		test_skip("the heap's limit is below the free memory");
	for (i = 0; i < 2; i++) {
		CHECK_FAILS(dev_try_alloc(fd, &alloc), ENOMEM);
		CHECK_SETTLES(fd, in_use_pages, before);
		CHECK_SETTLES(fd, claimed_pages, 0);
	}
	dev_trim(fd, ~0ULL);
	CHECK_EQ(dev_stats(fd).idle_pages, 0);
	dev_free(fd, dev_alloc(fd, 1000).handle);
}

static const struct test_case cases[] = {
	CASE(limit_longer_than_the_heap_is_edquot),
	CASE(limit_full_heap_is_edquot_until_something_is_freed),
	CASE(limit_fragmented_heap_is_enospc),
	CASE(limit_mapped_memory_counts_until_unmapped),
	CASE(limit_more_than_the_machine_has_is_enomem),
};

const struct test_suite limit_suite = SUITE(cases);
