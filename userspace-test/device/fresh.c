// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap() without any call before it: an allocation whose life is the mapping; and
 * when pages enter the page table.
 */
#include "device.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#define RW (PROT_READ | PROT_WRITE)

static void *fresh(int fd, uint64_t npages, int flags)
{
	void *address = mmap(NULL, npages * page_size, RW, MAP_SHARED | flags, fd, 0);

	if (address == MAP_FAILED)
		FAIL("%llu pages: %s", (unsigned long long)npages, errno_name(errno));
	return address;
}

/* How many of the pages of a mapping are in the page table, by /proc/self/pagemap. */
static uint64_t present_pages(const void *address, uint64_t npages)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry, i, present = 0;

	CHECK_OK(fd);
	for (i = 0; i < npages; i++) {
		off_t at = ((uintptr_t)address / page_size + i) * sizeof(entry);

		CHECK_EQ(pread(fd, &entry, sizeof(entry), at), sizeof(entry));
		present += entry >> 63;
	}
	close(fd);
	return present;
}

static void fresh_memory_is_zero_and_keeps_what_is_written(void)
{
	uint64_t lengths[] = { 1, 3, 17, dev_two_granules(dev_open()) + 1 };
	int fd = dev_open();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		char *address = fresh(fd, lengths[i], 0);

		CHECK(is_zero(address, lengths[i] * page_size));
		fill(address, lengths[i], i);
		CHECK(is_filled(address, lengths[i], i));
		dev_unmap(address, lengths[i]);
	}
}

/* The next owner may not see what the last one wrote. */
static void fresh_memory_is_not_that_of_the_last_owner(void)
{
	int fd = dev_open(), i;
	void *address;

	for (i = 0; i < 50; i++) {
		address = fresh(fd, 5, 0);
		CHECK(is_zero(address, 5 * page_size));
		fill(address, 5, i);
		dev_unmap(address, 5);
	}
}

static void fresh_mappings_are_allocations_of_their_own(void)
{
	int fd = dev_open();
	uint64_t before = dev_stats(fd).in_use_pages;
	char *a = fresh(fd, 4, 0), *b = fresh(fd, 4, 0);

	CHECK_EQ(dev_stats(fd).in_use_pages, before + 8);
	fill(a, 4, 1);
	CHECK(is_zero(b, 4 * page_size));
	dev_unmap(a, 4);
	CHECK_SETTLES(fd, in_use_pages, before + 4);
	dev_unmap(b, 4);
	CHECK_SETTLES(fd, in_use_pages, before);
}

static void fresh_memory_outlives_the_file(void)
{
	int watch = dev_open(), fd = dev_open();
	uint64_t before = dev_stats(watch).in_use_pages;
	char *address = fresh(fd, 20, 0);

	fill(address, 20, 3);
	close(fd);
	CHECK(is_filled(address, 20, 3));
	CHECK_EQ(dev_stats(watch).in_use_pages, before + 20);
	/* In parts: the last one counts. */
	dev_unmap(address, 7);
	dev_unmap(address + 12 * page_size, 8);
	CHECK_EQ(dev_stats(watch).in_use_pages, before + 20);
	dev_unmap(address + 7 * page_size, 5);
	CHECK_SETTLES(watch, in_use_pages, before);
}

static void write_in_child(void *arg)
{
	fill(arg, 3, 9);
	_exit(0);
}

static void fresh_memory_is_shared_with_children(void)
{
	int fd = dev_open();
	void *address = fresh(fd, 3, 0);

	CHILD_SUCCEEDS(child_start(write_in_child, address));
	CHECK(is_filled(address, 3, 9));
}

/* No handle leads there, and nobody can map it a second time: not even by its offset. */
static void fresh_memory_has_no_handle(void)
{
	unsigned long long start, offset;
	int fd = dev_open(), found = 0;
	void *address = fresh(fd, 3, 0);
	char line[256];
	FILE *maps = fopen("/proc/self/maps", "re");

	CHECK_EQ(dev_file(fd).nhandles, 0);
	CHECK(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%llx-%*x %*s %llx", &start, &offset) != 2 ||
		    start != (uintptr_t)address)
			continue;
		found++;
		CHECK(offset != 0);
		CHECK_FAILS(dev_try_map(fd, offset, page_size, RW, MAP_SHARED), EINVAL);
	}
	fclose(maps);
	CHECK_EQ(found, 1);
}

static void fresh_memory_cannot_be_private_or_executable(void)
{
	int fd = dev_open(), reader = dev_open_mode(O_RDONLY);
	uint64_t before = dev_stats(fd).in_use_pages, allocs = dev_stats(fd).allocs;

	CHECK_FAILS(dev_try_map(fd, 0, page_size, RW, MAP_PRIVATE), EINVAL);
	CHECK_FAILS(dev_try_map(fd, 0, page_size, RW | PROT_EXEC, MAP_SHARED), EACCES);
	CHECK_FAILS(dev_try_map(reader, 0, page_size, RW, MAP_SHARED), EACCES);
	/* Refused before anything is taken. */
	CHECK_EQ(dev_stats(fd).allocs, allocs);
	CHECK_OK(dev_try_map(reader, 0, page_size, PROT_READ, MAP_SHARED));
	CHECK_SETTLES(fd, in_use_pages, before);
}

static void fresh_memory_longer_than_the_heap_is_edquot(void)
{
	int fd = dev_open();
	uint64_t before = dev_stats(fd).in_use_pages, max = dev_info(fd).max_pages;

	if (sizeof(void *) == 4 && max >= (1UL << 19))
		test_skip("longer than an address space of 32 bits");
	CHECK_FAILS(dev_try_map(fd, 0, (max + 1) * page_size, RW, MAP_SHARED), EDQUOT);
	CHECK_EQ(dev_stats(fd).in_use_pages, before);
}

static void fresh_memory_is_charged_to_the_file(void)
{
	int fd = dev_open();
	void *address;

	CHECK_OK(dev_try_limit(fd, 10));
	address = fresh(fd, 8, 0);
	CHECK_EQ(dev_file(fd).pages, 8);
	CHECK_EQ(dev_file(fd).allocs, 1);
	CHECK_FAILS(dev_try_map(fd, 0, 3 * page_size, RW, MAP_SHARED), EDQUOT);
	CHECK_EQ(dev_file(fd).fails, 1);
	CHECK_OK(dev_try_map(fd, 0, 2 * page_size, RW, MAP_SHARED));
	dev_unmap(address, 8);
	CHECK_OK(dev_try_map(fd, 0, 10 * page_size, RW, MAP_SHARED));
	CHECK_EQ(dev_file(fd).pages, 0);
}

static void fresh_fixed_mapping_replaces(void)
{
	int fd = dev_open();
	uint64_t before = dev_stats(fd).in_use_pages;
	char *address = fresh(fd, 8, 0);

	fill(address, 8, 1);
	CHECK(mmap(address + 2 * page_size, 3 * page_size, RW, MAP_SHARED | MAP_FIXED, fd,
		   0) == address + 2 * page_size);
	CHECK(is_zero(address + 2 * page_size, 3 * page_size));
	CHECK_EQ(dev_stats(fd).in_use_pages, before + 11);
	dev_unmap(address, 8);
	CHECK_SETTLES(fd, in_use_pages, before);
}

static void fresh_memory_moves_and_shrinks_but_cannot_grow(void)
{
	int fd = dev_open();
	char *address = fresh(fd, 4, 0), *elsewhere = fresh(fd, 3, 0), *moved;

	fill(address, 4, 5);
	CHECK(mremap(address, 4 * page_size, 5 * page_size, MREMAP_MAYMOVE) == MAP_FAILED);
	moved = mremap(address, 4 * page_size, 3 * page_size, 0);
	CHECK(moved == address);
	moved = mremap(address, 3 * page_size, 3 * page_size, MREMAP_MAYMOVE | MREMAP_FIXED,
		       elsewhere);
	CHECK(moved != MAP_FAILED);
	CHECK(is_filled(moved, 3, 5));
	/* What was dropped from the page table comes back from the same pages. */
	CHECK_OK(madvise(moved, 3 * page_size, MADV_DONTNEED));
	CHECK(is_filled(moved, 3, 5));
}

static void map_until_killed(void *arg)
{
	int fd = dev_open();
	uint64_t npages = dev_two_granules(fd) * 4;

	(void)arg;
	for (;;) {
		void *address = mmap(NULL, npages * page_size, RW, MAP_SHARED, fd, 0);

		if (address != MAP_FAILED)
			munmap(address, npages * page_size);
	}
}

static void fresh_memory_returns_when_its_owner_is_killed(void)
{
	int fd = dev_open(), i;
	struct spanalloc_heap_stats before = dev_stats(fd);

	for (i = 0; i < 20; i++) {
		pid_t child = child_start(map_until_killed, NULL);

		sleep_ms(5 + 3 * i);
		CHECK_OK(kill(child, SIGKILL));
		CHECK(is_killed(child_status(child)));
	}
	CHECK(dev_stats(fd).allocs > before.allocs);
	CHECK_SETTLES(fd, in_use_pages, before.in_use_pages);
	CHECK_SETTLES(fd, claimed_pages, 0);
}

/* mmap() itself touches no page table, unless it is asked to. */
static void fault_enters_pages_as_they_are_touched(void)
{
	struct spanalloc_alloc alloc = { .npages = 64 };
	int fd = dev_open();
	char *address;
	uint64_t present;

	CHECK_OK(dev_try_alloc(fd, &alloc));
	address = dev_map(fd, alloc.offset, 64);
	CHECK_EQ(present_pages(address, 64), 0);
	address[0] = 1;
	present = present_pages(address, 64);
	CHECK(present >= 1 && present < 64);
	address[63 * page_size] = 1;
	CHECK_EQ(present_pages(address + 63 * page_size, 1), 1);
	dev_unmap(address, 64);
}

static void populate_enters_all_pages_at_once(void)
{
	struct spanalloc_alloc alloc = { .flags = SPANALLOC_ALLOC_POPULATE };
	int fd = dev_open();
	void *address;

	alloc.npages = dev_two_granules(fd) + 3;
	CHECK_OK(dev_try_alloc(fd, &alloc));
	address = dev_map(fd, alloc.offset, alloc.npages);
	CHECK_EQ(present_pages(address, alloc.npages), alloc.npages);
	CHECK(is_zero(address, alloc.npages * page_size));
	dev_unmap(address, alloc.npages);
	/* The kernel's own way to the same end. */
	address = fresh(fd, 64, MAP_POPULATE);
	CHECK_EQ(present_pages(address, 64), 64);
	dev_unmap(address, 64);
}

/**
 * struct touchers - threads that touch one mapping
 * @start: all begin here
 * @address: the mapping
 * @npages: its length
 * @over: they are to end
 */
struct touchers {
	pthread_barrier_t start;
	char *address;
	uint64_t npages;
	bool over;
};

#define NTOUCHERS 4

static void *touch_all(void *arg)
{
	struct touchers *touchers = arg;
	uint64_t i;

	pthread_barrier_wait(&touchers->start);
	for (i = 0; i < touchers->npages; i++)
		__atomic_fetch_add((uint32_t *)(touchers->address + i * page_size), 1,
				   __ATOMIC_RELAXED);
	return NULL;
}

/* Each finds some pages that another one has entered meanwhile. */
static void fault_by_many_threads_enters_each_page_once(void)
{
	struct touchers touchers = { .npages = 200 };
	pthread_t threads[NTOUCHERS];
	int fd = dev_open(), round, i;
	uint64_t page;

	CHECK_EQ(pthread_barrier_init(&touchers.start, NULL, NTOUCHERS), 0);
	for (round = 0; round < 20; round++) {
		touchers.address = fresh(fd, touchers.npages, 0);
		for (i = 0; i < NTOUCHERS; i++)
			CHECK_EQ(pthread_create(&threads[i], NULL, touch_all, &touchers), 0);
		for (i = 0; i < NTOUCHERS; i++)
			CHECK_EQ(pthread_join(threads[i], NULL), 0);
		for (page = 0; page < touchers.npages; page++)
			CHECK_EQ(*(uint32_t *)(touchers.address + page * page_size), NTOUCHERS);
		dev_unmap(touchers.address, touchers.npages);
	}
}

/* As much as one page table maps: the kernel takes that away when it is empty. */
#define TABLE_PAGES (page_size / 8)

static void *touch_again_and_again(void *arg)
{
	struct touchers *touchers = arg;
	uint64_t i;

	pthread_barrier_wait(&touchers->start);
	while (!__atomic_load_n(&touchers->over, __ATOMIC_RELAXED))
		for (i = 0; i < touchers->npages; i++)
			(void)*(volatile char *)(touchers->address + i * page_size);
	return NULL;
}

static void *drop_again_and_again(void *arg)
{
	struct touchers *touchers = arg;
	int i;

	pthread_barrier_wait(&touchers->start);
	for (i = 0; i < 3000; i++)
		CHECK_OK(madvise(touchers->address, touchers->npages * page_size,
				 MADV_DONTNEED));
	return NULL;
}

/* Whatever is taken away in between, an access to mapped memory succeeds. */
static void fault_against_dontneed_always_succeeds(void)
{
	struct touchers touchers = { .npages = TABLE_PAGES };
	pthread_t threads[NTOUCHERS];
	int fd = dev_open(), i;
	char *area = mmap(NULL, 2 * TABLE_PAGES * page_size, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(area != MAP_FAILED);
	area += -(uintptr_t)area % (TABLE_PAGES * page_size);
	touchers.address = mmap(area, TABLE_PAGES * page_size, RW, MAP_SHARED | MAP_FIXED, fd, 0);
	CHECK(touchers.address == area);
	CHECK_EQ(pthread_barrier_init(&touchers.start, NULL, NTOUCHERS), 0);
	for (i = 0; i < NTOUCHERS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, i % 2 ? touch_again_and_again :
					drop_again_and_again, &touchers), 0);
	for (i = 0; i < NTOUCHERS; i += 2)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	__atomic_store_n(&touchers.over, true, __ATOMIC_RELAXED);
	for (i = 1; i < NTOUCHERS; i += 2)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	dev_unmap(area, TABLE_PAGES);
}

static const struct test_case cases[] = {
	CASE(fresh_memory_is_zero_and_keeps_what_is_written),
	CASE(fresh_memory_is_not_that_of_the_last_owner),
	CASE(fresh_mappings_are_allocations_of_their_own),
	CASE(fresh_memory_outlives_the_file),
	CASE(fresh_memory_is_shared_with_children),
	CASE(fresh_memory_has_no_handle),
	CASE(fresh_memory_cannot_be_private_or_executable),
	CASE(fresh_memory_longer_than_the_heap_is_edquot),
	CASE(fresh_memory_is_charged_to_the_file),
	CASE(fresh_fixed_mapping_replaces),
	CASE(fresh_memory_moves_and_shrinks_but_cannot_grow),
	CASE(fresh_memory_returns_when_its_owner_is_killed),
	CASE(fault_enters_pages_as_they_are_touched),
	CASE(populate_enters_all_pages_at_once),
	CASE(fault_by_many_threads_enters_each_page_once),
	CASE(fault_against_dontneed_always_succeeds),
};

const struct test_suite fresh_suite = SUITE(cases);
