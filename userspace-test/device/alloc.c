// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocations, handles, free, query, trim.
 */
#include "device.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static void alloc_of_any_length_works(void)
{
	int fd = dev_open();
	uint64_t many = dev_two_granules(fd);
	uint64_t lengths[] = { 1, 2, 3, 17, many / 2, many / 2 + 1, many + 1 };
	struct spanalloc_alloc alloc;
	struct spanalloc_query query;
	uint64_t before;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		before = dev_stats(fd).in_use_pages;
		alloc = dev_alloc(fd, lengths[i]);
		CHECK_EQ(dev_stats(fd).in_use_pages, before + lengths[i]);
		query = dev_query(fd, alloc.handle);
		CHECK_EQ(query.npages, lengths[i]);
		CHECK_EQ(query.offset, alloc.offset);
		CHECK_EQ(query.nmaps, 0);
		CHECK(query.nruns >= 1 && query.nruns <= lengths[i]);
		dev_free(fd, alloc.handle);
		CHECK_SETTLES(fd, in_use_pages, before);
	}
}

static void alloc_of_no_pages_is_refused(void)
{
	struct spanalloc_alloc alloc = { .npages = 0 };
	int fd = dev_open();

	CHECK_FAILS(dev_try_alloc(fd, &alloc), EINVAL);
}

static void alloc_align_must_be_a_power_of_two(void)
{
	static const uint64_t bad[] = { 3, 5, 6, 7, 12, 513, ~0ULL, ~0ULL - 1 };
	struct spanalloc_alloc alloc = { .npages = 1 };
	int fd = dev_open();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		alloc.align = bad[i];
		CHECK_FAILS(dev_try_alloc(fd, &alloc), EINVAL);
	}
}

static void alloc_align_is_kept(void)
{
	struct spanalloc_alloc alloc = { .npages = 3 };
	int fd = dev_open();
	uint64_t align, most = 2 * dev_two_granules(fd);
	int i;

	/* Odd neighbours, so that the lowest place is rarely aligned. */
	for (align = 1; align <= most; align *= 2) {
		for (i = 0; i < 3; i++) {
			dev_alloc(fd, 1);
			alloc.align = align;
			CHECK_OK(dev_try_alloc(fd, &alloc));
			CHECK_EQ(dev_query(fd, alloc.handle).base % align, 0);
		}
	}
}

/* No place in the heap's address space is so aligned but the first. */
static void alloc_huge_align_finds_no_place(void)
{
	struct spanalloc_alloc alloc = { .npages = 1 };
	int fd = dev_open();
	unsigned int shift;

	for (shift = 48; shift < 64; shift++) {
		/* Whoever gets page 0 keeps it, so that no later one can. */
		alloc.align = 1ULL << shift;
		if (!dev_try_alloc(fd, &alloc)) {
			CHECK_EQ(dev_query(fd, alloc.handle).base, 0);
			continue;
		}
		CHECK(errno == ENOSPC || errno == EDQUOT || errno == EINVAL);
	}
}

static void alloc_unknown_flags_are_refused(void)
{
	struct spanalloc_alloc alloc = { .npages = 1 };
	int fd = dev_open();
	uint32_t known = dev_info(fd).alloc_flags;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		alloc.flags = 1U << bit;
		if (alloc.flags & known)
			continue;
		CHECK_FAILS(dev_try_alloc(fd, &alloc), EINVAL);
	}
}

static void alloc_contig_is_one_run(void)
{
	struct spanalloc_alloc alloc = { .flags = SPANALLOC_ALLOC_CONTIG };
	struct spanalloc_query query;
	int fd = dev_open();
	uint64_t granule = dev_info(fd).granule_pages, npages;

	for (npages = 1; npages <= granule; npages = npages * 2 + 1) {
		alloc.npages = npages;
		CHECK_OK(dev_try_alloc(fd, &alloc));
		query = dev_query(fd, alloc.handle);
		CHECK(query.state & SPANALLOC_QUERY_CONTIG);
		CHECK_EQ(query.nruns, 1);
		CHECK_EQ(query.base / granule, (query.base + npages - 1) / granule);
	}
	alloc.npages = granule;
	CHECK_OK(dev_try_alloc(fd, &alloc));
	CHECK_EQ(dev_query(fd, alloc.handle).nruns, 1);
}

static void alloc_contig_above_a_granule_is_refused(void)
{
	struct spanalloc_alloc alloc = { .flags = SPANALLOC_ALLOC_CONTIG };
	int fd = dev_open();

	alloc.npages = dev_info(fd).granule_pages + 1;
	CHECK_FAILS(dev_try_alloc(fd, &alloc), EINVAL);
	alloc.npages = ~0ULL;
	CHECK_FAILS(dev_try_alloc(fd, &alloc), EINVAL);
}

/*
 * Lengths so near the end of the numbers that adding a page number to them wraps
 * around, with address space before them to add to.
 */
static void alloc_of_lengths_that_would_wrap_is_refused(void)
{
	static const uint64_t aligns[] = { 0, 1, 512, 1ULL << 40, 1ULL << 63 };
	struct spanalloc_alloc alloc = { 0 };
	int fd = dev_open(), round;
	uint64_t back;
	size_t i;

	for (round = 0; round < 3; round++) {
		dev_alloc(fd, round ? 17000 : 3);
		for (i = 0; i < ARRAY_SIZE(aligns); i++) {
			alloc.align = aligns[i];
			for (back = 0; back < 1ULL << 40; back = back * 2 + 1) {
				alloc.npages = ~0ULL - back;
				CHECK_FAILS(dev_try_alloc(fd, &alloc), EDQUOT);
			}
			alloc.npages = 1ULL << 63;
			CHECK_FAILS(dev_try_alloc(fd, &alloc), EDQUOT);
		}
	}
	CHECK(dev_heap_is_sound());
}

/* What a program can read of it: one run, and never a run too many. */
static void alloc_query_counts_runs(void)
{
	int fd = dev_open();
	struct spanalloc_query query;
	uint32_t i;

	for (i = 1; i < 40; i++) {
		query = dev_query(fd, dev_alloc(fd, i * 37).handle);
		CHECK(query.nruns >= 1 && query.nruns <= query.npages);
		CHECK_EQ(!!(query.state & SPANALLOC_QUERY_CONTIG), query.nruns == 1);
		CHECK_EQ(query.state & ~SPANALLOC_QUERY_CONTIG, 0);
	}
}

/*
 * The frames of a mapped allocation, which only a privileged reader learns. Returns
 * the number of runs.
 */
static uint64_t read_frames(int fd, const struct spanalloc_alloc *alloc, uint64_t *first)
{
	uint64_t *entries = calloc(alloc->npages, sizeof(*entries));
	char *address = dev_map(fd, alloc->offset, alloc->npages);
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	uint64_t i, runs = 1, frame_mask = (1ULL << 55) - 1;

	CHECK(entries);
	CHECK_OK(pagemap);
	/* Who is not in the page table has no frame there. */
	CHECK(is_zero(address, alloc->npages * page_size));
	CHECK_EQ(pread(pagemap, entries, alloc->npages * 8,
		       (uintptr_t)address / page_size * 8), alloc->npages * 8);
	close(pagemap);
	dev_unmap(address, alloc->npages);
	*first = entries[0] & frame_mask;
	if (!*first)
		test_skip("/proc/self/pagemap tells no frames");
	for (i = 1; i < alloc->npages; i++)
		runs += (entries[i] & frame_mask) != (entries[i - 1] & frame_mask) + 1;
	free(entries);
	return runs;
}

/* What the device says of contiguity, against what the page tables say. */
static void alloc_runs_are_those_of_memory(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc;
	uint64_t npages, first, most = 2 * dev_two_granules(fd);

	for (npages = 1; npages <= most; npages = npages * 3 / 2 + 1) {
		alloc = dev_alloc(fd, npages);
		CHECK_EQ(dev_query(fd, alloc.handle).nruns,
			 read_frames(fd, &alloc, &first));
	}
}

static void alloc_contig_is_aligned_in_memory(void)
{
	struct spanalloc_alloc alloc = { .flags = SPANALLOC_ALLOC_CONTIG };
	int fd = dev_open();
	uint64_t granule = dev_info(fd).granule_pages, first;

	for (alloc.align = 1; alloc.align <= granule; alloc.align *= 2) {
		alloc.npages = (alloc.align + 1) / 2;
		CHECK_OK(dev_try_alloc(fd, &alloc));
		CHECK_EQ(read_frames(fd, &alloc, &first), 1);
		CHECK_EQ(first % alloc.align, 0);
		dev_alloc(fd, 1);
	}
}

static void alloc_handles_are_not_reused_at_once(void)
{
	int fd = dev_open();
	uint32_t last = 0, handle;
	int i;

	for (i = 0; i < 1000; i++) {
		handle = dev_alloc(fd, 1).handle;
		CHECK(handle != 0);
		CHECK(handle != last);
		dev_free(fd, handle);
		last = handle;
	}
}

#define NMANY	500

static void check_distinct(const struct spanalloc_alloc *a,
			   const struct spanalloc_alloc *b)
{
	uint64_t a_end = a->offset + a->npages * page_size;
	uint64_t b_end = b->offset + b->npages * page_size;

	CHECK(a->handle != b->handle);
	CHECK(a_end <= b->offset || b_end <= a->offset);
}

/* A loop for bases too: two allocations on one page would be the worst of all. */
static void alloc_500_at_once_are_distinct(void)
{
	static struct spanalloc_alloc allocs[NMANY];
	static uint64_t bases[NMANY];
	int fd = dev_open(), i, j;

	for (i = 0; i < NMANY; i++) {
		allocs[i] = dev_alloc(fd, 1 + i % 7);
		bases[i] = dev_query(fd, allocs[i].handle).base;
		CHECK(allocs[i].handle != 0);
		CHECK(allocs[i].offset != 0);
		CHECK_EQ(allocs[i].offset % page_size, 0);
		CHECK(allocs[i].offset + allocs[i].npages * page_size <= 1ULL << 44);
	}
	for (i = 0; i < NMANY; i++) {
		for (j = 0; j < i; j++) {
			check_distinct(&allocs[i], &allocs[j]);
			CHECK(bases[i] + allocs[i].npages <= bases[j] ||
			      bases[j] + allocs[j].npages <= bases[i]);
		}
	}
	for (i = 0; i < NMANY; i += 2)
		dev_free(fd, allocs[i].handle);
	for (i = 1; i < NMANY; i += 2)
		dev_free(fd, allocs[i].handle);
}

static void alloc_10000_in_sequence_work(void)
{
	int fd = dev_open(), i;
	uint64_t allocs = dev_stats(fd).allocs;

	for (i = 0; i < 10000; i++)
		dev_free(fd, dev_alloc(fd, 1 + i % 13).handle);
	CHECK_EQ(dev_stats(fd).allocs, allocs + 10000);
}

/* Offsets of dead allocations must not lead to living ones for a while. */
static void alloc_offsets_are_not_those_of_the_dead(void)
{
	int fd = dev_open();
	struct spanalloc_alloc old = dev_alloc(fd, 4), alloc;

	dev_free(fd, old.handle);
	alloc = dev_alloc(fd, 4);
	if (alloc.offset == old.offset)
		test_note("an offset is used again at once");
	dev_unmap(dev_map(fd, alloc.offset, 4), 4);
}

static void alloc_works_on_any_open_mode(void)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	int fd, i;

	for (i = 0; i < 3; i++) {
		fd = dev_open_mode(modes[i]);
		dev_free(fd, dev_alloc(fd, 2).handle);
		close(fd);
	}
}

static void free_of_unknown_handle_is_refused(void)
{
	static const uint32_t handles[] = { 0, 1, 2, 0x7fffffff, 0x80000000, ~0U };
	int fd = dev_open();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(handles); i++)
		CHECK_FAILS(dev_try_free(fd, handles[i]), ENOENT);
}

static void free_twice_is_refused(void)
{
	int fd = dev_open();
	uint32_t handle = dev_alloc(fd, 3).handle;

	dev_free(fd, handle);
	CHECK_FAILS(dev_try_free(fd, handle), ENOENT);
	dev_alloc(fd, 3);
	CHECK_FAILS(dev_try_free(fd, handle), ENOENT);
}

static void free_of_foreign_handle_is_refused(void)
{
	int fd = dev_open(), other = dev_open();
	struct spanalloc_query query;
	uint32_t handle;
	int i;

	/* Past anything that the other file may have handed out itself. */
	for (i = 0; i < 5; i++)
		handle = dev_alloc(fd, 3).handle;
	CHECK_FAILS(dev_try_free(other, handle), ENOENT);
	CHECK_FAILS(dev_try_query(other, handle, &query), ENOENT);
	CHECK_EQ(dev_query(fd, handle).npages, 3);
}

static void free_with_flags_is_refused(void)
{
	struct spanalloc_free request = { 0 };
	int fd = dev_open(), bit;

	request.handle = dev_alloc(fd, 3).handle;
	for (bit = 0; bit < 32; bit++) {
		request.flags = 1U << bit;
		CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_FREE, &request), EINVAL);
	}
	request.flags = 0;
	request.reserved = 1;
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_FREE, &request), EINVAL);
	dev_free(fd, request.handle);
}

/* Whether the pages are back at once, or only when the mapping is gone. */
static void free_tells_whether_pages_are_back(void)
{
	struct spanalloc_free request = { 0 };
	int fd = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 3);
	void *address = dev_map(fd, alloc.offset, 3);

	request.handle = alloc.handle;
	CHECK_OK(ioctl(fd, SPANALLOC_IOC_FREE, &request));
	CHECK_EQ(request.state, SPANALLOC_FREE_DEFERRED);
	dev_unmap(address, 3);
	request.handle = dev_alloc(fd, 3).handle;
	request.state = ~0U;
	CHECK_OK(ioctl(fd, SPANALLOC_IOC_FREE, &request));
	CHECK_EQ(request.state, 0);
}

static void query_of_a_dead_handle_is_refused(void)
{
	struct spanalloc_query query;
	int fd = dev_open();
	uint32_t handle = dev_alloc(fd, 3).handle;

	dev_free(fd, handle);
	CHECK_FAILS(dev_try_query(fd, handle, &query), ENOENT);
	CHECK_FAILS(dev_try_query(fd, 0, &query), ENOENT);
	CHECK_FAILS(dev_try_query(fd, ~0U, &query), ENOENT);
}

static void query_follows_the_mappings(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 4);
	void *first, *second;

	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 0);
	first = dev_map(fd, alloc.offset, 4);
	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 1);
	second = dev_map(fd, alloc.offset + page_size, 2);
	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 2);
	dev_unmap(first, 2);
	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 2);
	dev_unmap((char *)first + 2 * page_size, 2);
	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 1);
	dev_unmap(second, 2);
	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 0);
}

static void trim_returns_what_is_idle(void)
{
	int fd = dev_open();
	struct spanalloc_heap_stats before, after;
	uint64_t granule = dev_info(fd).granule_pages, released;
	/* Too long to be parked for a processor. */
	uint64_t npages = granule > 256 ? 4 * granule : 1024;

	/* What is parked counts as in use, and goes as well. */
	dev_trim(fd, ~0ULL);
	CHECK_EQ(dev_stats(fd).cached_pages, 0);
	dev_free(fd, dev_alloc(fd, npages).handle);
	before = dev_stats(fd);
	CHECK(before.idle_pages >= 3 * granule);
	released = dev_trim(fd, 1);
	CHECK(released >= 1 && released % granule == 0);
	released += dev_trim(fd, ~0ULL);
	after = dev_stats(fd);
	CHECK_EQ(after.idle_pages, 0);
	CHECK_EQ(released, before.idle_pages);
	CHECK_EQ(after.backed_pages, before.backed_pages - released);
	CHECK_EQ(after.scavenged_pages, before.scavenged_pages + released);
	CHECK_EQ(after.address_pages, before.address_pages);
	CHECK_EQ(dev_trim(fd, ~0ULL), 0);
	dev_free(fd, dev_alloc(fd, npages).handle);
}

static void trim_spares_what_is_in_use(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc;
	void *address = dev_alloc_filled(fd, 700, 1, &alloc);

	dev_free(fd, dev_alloc(fd, 2 * dev_two_granules(fd)).handle);
	dev_trim(fd, ~0ULL);
	CHECK(is_filled(address, 700, 1));
	dev_unmap(address, 700);
	address = dev_map(fd, alloc.offset, 700);
	CHECK(is_filled(address, 700, 1));
}

static void trim_arguments_are_checked(void)
{
	struct spanalloc_trim trim = { .npages = 0 };
	int fd = dev_open();

	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_TRIM, &trim), EINVAL);
	trim.npages = 1;
	trim.flags = 2;
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_TRIM, &trim), EINVAL);
	trim.flags = 0;
	trim.reserved = 1;
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_TRIM, &trim), EINVAL);
}

/* The open file is not a permit: who asks is what counts. */
static void trim_is_privileged(void)
{
	struct spanalloc_trim trim = { .npages = 1 };
	int fd = dev_open();

	if (setresuid(NOBODY, NOBODY, NOBODY))
		test_skip("not started as root");
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_TRIM, &trim), EPERM);
	/* All that is open to everybody goes on working. */
	dev_free(fd, dev_alloc(fd, 2).handle);
	dev_stats(fd);
}

static void trim_from_a_user_namespace_is_refused(void)
{
	struct spanalloc_trim trim = { .npages = 1 };
	int fd = dev_open();

	if (setresuid(NOBODY, NOBODY, NOBODY))
		test_skip("not started as root");
	if (unshare(CLONE_NEWUSER))
		test_skip("no user namespaces: %s", errno_name(errno));
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_TRIM, &trim), EPERM);
}

static const struct test_case cases[] = {
	CASE(alloc_of_any_length_works),
	CASE(alloc_of_no_pages_is_refused),
	CASE(alloc_align_must_be_a_power_of_two),
	CASE(alloc_align_is_kept),
	CASE(alloc_huge_align_finds_no_place),
	CASE(alloc_unknown_flags_are_refused),
	CASE(alloc_contig_is_one_run),
	CASE(alloc_contig_above_a_granule_is_refused),
	CASE(alloc_of_lengths_that_would_wrap_is_refused),
	CASE(alloc_query_counts_runs),
	CASE(alloc_runs_are_those_of_memory),
	CASE(alloc_contig_is_aligned_in_memory),
	CASE(alloc_handles_are_not_reused_at_once),
	CASE(alloc_500_at_once_are_distinct),
	CASE(alloc_10000_in_sequence_work),
	CASE(alloc_offsets_are_not_those_of_the_dead),
	CASE(alloc_works_on_any_open_mode),
	CASE(free_of_unknown_handle_is_refused),
	CASE(free_twice_is_refused),
	CASE(free_of_foreign_handle_is_refused),
	CASE(free_with_flags_is_refused),
	CASE(free_tells_whether_pages_are_back),
	CASE(query_of_a_dead_handle_is_refused),
	CASE(query_follows_the_mappings),
	CASE(trim_returns_what_is_idle),
	CASE(trim_spares_what_is_in_use),
	CASE(trim_arguments_are_checked),
	CASE(trim_is_privileged),
	CASE(trim_from_a_user_namespace_is_refused),
};

const struct test_suite alloc_suite = SUITE(cases);
