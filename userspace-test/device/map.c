// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap(): what may be mapped, how, and what is seen there.
 */
#include "device.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

#define RW (PROT_READ | PROT_WRITE)

static void map_whole_reaches_every_page(void)
{
	int fd = dev_open();
	uint64_t many = dev_two_granules(fd);
	uint64_t lengths[] = { 1, 2, 3, 17, many / 2, many / 2 + 1, many + 1 };
	struct spanalloc_alloc alloc;
	void *address;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		address = dev_alloc_filled(fd, lengths[i], i + 1, &alloc);
		CHECK(is_filled(address, lengths[i], i + 1));
		dev_unmap(address, lengths[i]);
		/* Another mapping of it shows the same. */
		address = dev_map(fd, alloc.offset, lengths[i]);
		CHECK(is_filled(address, lengths[i], i + 1));
		dev_unmap(address, lengths[i]);
		dev_free(fd, alloc.handle);
	}
}

/* Every part of a short allocation. */
static void map_part_shows_that_part(void)
{
	enum { N = 9 };
	int fd = dev_open(), from, to;
	struct spanalloc_alloc alloc;
	char *whole = dev_alloc_filled(fd, N, 7, &alloc), *part;

	for (from = 0; from < N; from++) {
		for (to = from + 1; to <= N; to++) {
			part = dev_map(fd, alloc.offset + from * page_size, to - from);
			CHECK(!memcmp(part, whole + from * page_size,
				      (to - from) * page_size));
			part[0] ^= 0xff;
			CHECK_EQ(part[0], whole[from * page_size]);
			part[0] ^= 0xff;
			dev_unmap(part, to - from);
		}
	}
	CHECK(is_filled(whole, N, 7));
}

/* A part that begins in one granule and ends in the next but one. */
static void map_part_across_granules(void)
{
	int fd = dev_open();
	uint64_t granule = dev_info(fd).granule_pages, npages = 3 * granule;
	struct spanalloc_alloc alloc;
	char *whole = dev_alloc_filled(fd, npages, 8, &alloc), *part;

	part = dev_map(fd, alloc.offset + (granule - 1) * page_size, granule + 2);
	CHECK(!memcmp(part, whole + (granule - 1) * page_size,
		      (granule + 2) * page_size));
}

static void map_of_a_fraction_of_a_page_is_a_page(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 2);
	char *address = mmap(NULL, page_size + 1, RW, MAP_SHARED, fd, alloc.offset);

	CHECK(address != MAP_FAILED);
	address[2 * page_size - 1] = 1;
	CHECK_FAILS(dev_try_map(fd, alloc.offset, 2 * page_size + 1, RW, MAP_SHARED),
		    EINVAL);
}

static void map_twice_shares(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 20);
	void *a = dev_map(fd, alloc.offset, 20), *b = dev_map(fd, alloc.offset, 20);

	CHECK(a != b);
	fill(a, 20, 3);
	CHECK(is_filled(b, 20, 3));
	fill(b, 20, 4);
	CHECK(is_filled(a, 20, 4));
	dev_unmap(a, 20);
	CHECK(is_filled(b, 20, 4));
}

static void map_of_a_foreign_offset_is_refused(void)
{
	int fd = dev_open(), other = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 4);

	CHECK_FAILS(dev_try_map(other, alloc.offset, page_size, RW, MAP_SHARED), EINVAL);
	/* And for a file that has allocations of its own. */
	dev_alloc(other, 4);
	CHECK_FAILS(dev_try_map(other, alloc.offset, page_size, RW, MAP_SHARED), EINVAL);
	CHECK_OK(dev_try_map(fd, alloc.offset, page_size, RW, MAP_SHARED));
}

static void map_of_a_stale_offset_is_refused(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 4);

	CHECK_OK(dev_try_map(fd, alloc.offset, page_size, RW, MAP_SHARED));
	dev_free(fd, alloc.handle);
	CHECK_FAILS(dev_try_map(fd, alloc.offset, page_size, RW, MAP_SHARED), EINVAL);
	/* Neither while an old mapping keeps the pages. */
	alloc = dev_alloc(fd, 4);
	dev_map(fd, alloc.offset, 4);
	dev_free(fd, alloc.handle);
	CHECK_FAILS(dev_try_map(fd, alloc.offset, page_size, RW, MAP_SHARED), EINVAL);
}

static void map_beyond_the_end_is_refused(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 4), next = dev_alloc(fd, 4);
	uint64_t end = alloc.offset + 4 * page_size;

	CHECK_FAILS(dev_try_map(fd, alloc.offset, 5 * page_size, RW, MAP_SHARED), EINVAL);
	CHECK_FAILS(dev_try_map(fd, end - page_size, 2 * page_size, RW, MAP_SHARED),
		    EINVAL);
	if (next.offset != end)
		CHECK_FAILS(dev_try_map(fd, end, page_size, RW, MAP_SHARED), EINVAL);
	/* Neither across two that lie side by side. */
	CHECK_FAILS(dev_try_map(fd, alloc.offset, 8 * page_size, RW, MAP_SHARED), EINVAL);
	CHECK_FAILS(dev_try_map(fd, alloc.offset - page_size, page_size, RW, MAP_SHARED),
		    EINVAL);
	CHECK_OK(dev_try_map(fd, end - page_size, page_size, RW, MAP_SHARED));
}

/* The raw call: the library's has opinions on huge offsets. */
static int raw_map(int fd, uint64_t page, size_t nbytes)
{
#ifdef SYS_mmap2
	long address = syscall(SYS_mmap2, NULL, nbytes, RW, MAP_SHARED, fd,
			       (unsigned long)page);
#else
	long address = syscall(SYS_mmap, NULL, nbytes, RW, MAP_SHARED, fd,
			       page * page_size);
#endif

	if (address == -1)
		return -1;
	munmap((void *)address, nbytes);
	return 0;
}

static void map_of_huge_offsets_is_refused(void)
{
	static const uint64_t pages[] = {
		1, 2, 512, 1ULL << 31, (1ULL << 32) - 1, 1ULL << 32, 1ULL << 40,
		1ULL << 51, (1ULL << 52) - 1, (1ULL << 52) - 2,
	};
	int fd = dev_open();
	size_t i;

	dev_alloc(fd, 4);
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		/* What cannot be said, in 32 bits or in bytes, is offset 0: another matter. */
		if (!(unsigned long)pages[i] || pages[i] * page_size == 0)
			continue;
		CHECK_REFUSED(raw_map(fd, pages[i], page_size));
		CHECK(errno == EINVAL || errno == EOVERFLOW);
		CHECK_REFUSED(raw_map(fd, pages[i], 4 * page_size));
		CHECK(errno == EINVAL || errno == EOVERFLOW);
	}
}

static void map_of_a_huge_length_is_refused(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 4);
	size_t nbytes;

	for (nbytes = 8 * page_size; nbytes; nbytes *= 2) {
		CHECK_REFUSED(dev_try_map(fd, alloc.offset, nbytes, RW, MAP_SHARED));
		CHECK(errno == EINVAL || errno == ENOMEM || errno == EOVERFLOW);
	}
}

static void map_private_is_refused(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 4);

	CHECK_FAILS(dev_try_map(fd, alloc.offset, page_size, RW, MAP_PRIVATE), EINVAL);
	CHECK_FAILS(dev_try_map(fd, alloc.offset, page_size, PROT_READ, MAP_PRIVATE),
		    EINVAL);
	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 0);
}

static void map_flags_of_the_system_work(void)
{
	static const int flags[] = {
		MAP_SHARED | MAP_POPULATE, MAP_SHARED_VALIDATE, MAP_SHARED | MAP_LOCKED,
		MAP_SHARED | MAP_NORESERVE,
	};
	int fd = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 4);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++)
		CHECK_OK(dev_try_map(fd, alloc.offset, 4 * page_size, RW, flags[i]));
}

/* Over another mapping of the device, which goes. */
static void map_fixed_replaces(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc, other;
	char *address = dev_alloc_filled(fd, 8, 1, &alloc);

	other = dev_alloc(fd, 8);
	CHECK(mmap(address + 2 * page_size, 3 * page_size, RW, MAP_SHARED | MAP_FIXED,
		   fd, other.offset) == address + 2 * page_size);
	CHECK(is_filled(address, 2, 1));
	CHECK(is_zero(address + 2 * page_size, 3 * page_size));
	CHECK(mmap(address, 8 * page_size, RW, MAP_SHARED | MAP_FIXED, fd,
		   other.offset) == address);
	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 0);
	CHECK_EQ(dev_query(fd, other.handle).nmaps, 1);
	CHECK(is_zero(address, 8 * page_size));
}

static void map_exec_is_refused(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 4);

	CHECK_FAILS(dev_try_map(fd, alloc.offset, page_size, RW | PROT_EXEC, MAP_SHARED),
		    EACCES);
	CHECK_FAILS(dev_try_map(fd, alloc.offset, page_size, PROT_READ | PROT_EXEC,
				MAP_SHARED), EACCES);
	CHECK_FAILS(dev_try_map(fd, alloc.offset, page_size, PROT_EXEC, MAP_SHARED),
		    EACCES);
	CHECK_FAILS(mprotect(dev_map(fd, alloc.offset, 4), page_size,
			     PROT_READ | PROT_EXEC), EACCES);
}

static void map_of_a_read_only_file_is_read_only(void)
{
	int fd = dev_open_mode(O_RDONLY);
	struct spanalloc_alloc alloc = dev_alloc(fd, 4);
	void *address;

	CHECK_FAILS(dev_try_map(fd, alloc.offset, page_size, RW, MAP_SHARED), EACCES);
	CHECK_FAILS(dev_try_map(fd, alloc.offset, page_size, PROT_WRITE, MAP_SHARED),
		    EACCES);
	address = dev_map_mode(fd, alloc.offset, 4, PROT_READ);
	CHECK(is_zero(address, 4 * page_size));
	CHECK_FAILS(mprotect(address, 4 * page_size, RW), EACCES);
}

static void map_of_a_write_only_file_is_refused(void)
{
	int fd = dev_open_mode(O_WRONLY);
	struct spanalloc_alloc alloc = dev_alloc(fd, 4);

	CHECK_FAILS(dev_try_map(fd, alloc.offset, page_size, RW, MAP_SHARED), EACCES);
	CHECK_FAILS(dev_try_map(fd, alloc.offset, page_size, PROT_READ, MAP_SHARED),
		    EACCES);
}

/* The file may write, so protection is the program's own affair. */
static void map_protection_can_change(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 6);
	char *address = dev_map_mode(fd, alloc.offset, 6, PROT_READ);

	CHECK(is_zero(address, 6 * page_size));
	CHECK_OK(mprotect(address, 6 * page_size, RW));
	fill(address, 6, 2);
	/* Only the middle: one mapping becomes three. */
	CHECK_OK(mprotect(address + 2 * page_size, page_size, PROT_NONE));
	CHECK_OK(mprotect(address + 2 * page_size, page_size, PROT_READ));
	CHECK(is_filled(address, 6, 2));
	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 1);
	CHECK_OK(mprotect(address, 6 * page_size, RW));
	fill(address, 6, 3);
	CHECK(is_filled(address, 6, 3));
}

static void write_there(void *address)
{
	*(volatile char *)address = 1;
}

static void map_read_only_cannot_be_written(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 1);
	void *address = dev_map_mode(fd, alloc.offset, 1, PROT_READ);

	CHECK(is_crash(write_there, address));
	CHECK(is_zero(address, page_size));
}

/* The flags of the mapping at @address, as the kernel's two-letter words. */
static void read_vm_flags(void *address, char *flags, size_t size)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	unsigned long start, end;
	bool here = false;
	char line[512];

	if (!file)
		test_skip("no smaps");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start == (unsigned long)address;
		else if (here && !strncmp(line, "VmFlags:", 8))
			snprintf(flags, size, "%.*s", (int)size - 1, line + 8);
	}
	fclose(file);
}

/* Kept out of core dumps, not to grow, and made of ordinary pages. */
static void map_flags_of_the_area_are_right(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 3);
	char flags[256] = "";

	read_vm_flags(dev_map(fd, alloc.offset, 3), flags, sizeof(flags));
	if (!*flags)
		test_skip("smaps tells no flags");
	test_note("flags of a mapping:%.60s", strtok(flags, "\n"));
	CHECK(strstr(flags, " sh"));
	CHECK(strstr(flags, " de"));
	CHECK(strstr(flags, " dd"));
	CHECK(!strstr(flags, " pf"));
	CHECK(!strstr(flags, " io"));
	CHECK(!strstr(flags, " me"));
}

/*
 * What the last owner wrote is never seen by the next, although the memory stays
 * warm: short spans of odd lengths are carved out of granules that are dirty
 * throughout, and whose rest is dirtied again and again.
 */
static void map_shows_no_stale_bytes(void)
{
	static const uint64_t lengths[] = { 3, 5, 1, 7, 2, 11, 509, 13, 4, 513, 6 };
	int fd = dev_open();
	struct spanalloc_alloc big, small[11];
	uint64_t round, npages = dev_two_granules(fd) + 600;
	void *address;
	size_t i;

	for (round = 0; round < 3; round++) {
		big = dev_alloc(fd, npages);
		address = dev_map(fd, big.offset, npages);
		CHECK(is_zero(address, npages * page_size));
		memset(address, 0xaa, npages * page_size);
		dev_unmap(address, npages);
		dev_free(fd, big.handle);
		for (i = 0; i < 11; i++) {
			small[i] = dev_alloc(fd, lengths[i]);
			address = dev_map(fd, small[i].offset, lengths[i]);
			if (!is_zero(address, lengths[i] * page_size))
				FAIL("stale bytes in span %zu of round %d", i,
				     (int)round);
			memset(address, 0x55, lengths[i] * page_size);
			dev_unmap(address, lengths[i]);
			/* Every other one goes, so that holes are reused too. */
			if (i % 2)
				dev_free(fd, small[i].handle);
		}
		for (i = 0; i < 11; i += 2)
			dev_free(fd, small[i].handle);
	}
}

/* The same through the system: trimmed memory comes back clean. */
static void map_shows_no_stale_bytes_after_trim(void)
{
	int fd = dev_open();
	uint64_t npages = dev_two_granules(fd) + 500;
	struct spanalloc_alloc alloc;
	int round;

	for (round = 0; round < 3; round++) {
		dev_unmap(dev_alloc_filled(fd, npages, round, &alloc), npages);
		dev_free(fd, alloc.handle);
		dev_trim(fd, round ? ~0ULL : 1);
	}
}

static const struct test_case cases[] = {
	CASE(map_whole_reaches_every_page),
	CASE(map_part_shows_that_part),
	CASE(map_part_across_granules),
	CASE(map_of_a_fraction_of_a_page_is_a_page),
	CASE(map_twice_shares),
	CASE(map_of_a_foreign_offset_is_refused),
	CASE(map_of_a_stale_offset_is_refused),
	CASE(map_beyond_the_end_is_refused),
	CASE(map_of_huge_offsets_is_refused),
	CASE(map_of_a_huge_length_is_refused),
	CASE(map_private_is_refused),
	CASE(map_flags_of_the_system_work),
	CASE(map_fixed_replaces),
	CASE(map_exec_is_refused),
	CASE(map_of_a_read_only_file_is_read_only),
	CASE(map_of_a_write_only_file_is_refused),
	CASE(map_protection_can_change),
	CASE(map_read_only_cannot_be_written),
	CASE(map_flags_of_the_area_are_right),
	CASE(map_shows_no_stale_bytes),
	CASE(map_shows_no_stale_bytes_after_trim),
};

const struct test_suite map_suite = SUITE(cases);
