// SPDX-License-Identifier: GPL-2.0-only
/*
 * What else can happen to a mapping: fork, munmap of parts, mremap, madvise, mlock.
 */
#include "device.h"

#define N 16

/**
 * struct family - a mapping that a process and its child share
 * @fd: the device
 * @alloc: what is mapped
 * @address: where
 * @parent_done: opened by the parent
 * @child_done: opened by the child
 */
struct family {
	int fd;
	struct spanalloc_alloc alloc;
	char *address;
	struct gate parent_done;
	struct gate child_done;
};

static void family_init(struct family *family)
{
	family->fd = dev_open();
	family->address = dev_alloc_filled(family->fd, N, 1, &family->alloc);
	gate_init(&family->parent_done);
	gate_init(&family->child_done);
}

static void see_and_write(void *arg)
{
	struct family *family = arg;

	CHECK(is_filled(family->address, N, 1));
	fill(family->address, N, 2);
	gate_open(&family->child_done);
	gate_wait(&family->parent_done);
	CHECK(is_filled(family->address, N, 3));
}

static void fork_shares_pages_both_ways(void)
{
	struct family family;
	pid_t child;

	family_init(&family);
	child = child_start(see_and_write, &family);
	gate_wait(&family.child_done);
	CHECK(is_filled(family.address, N, 2));
	fill(family.address, N, 3);
	gate_open(&family.parent_done);
	CHILD_SUCCEEDS(child);
	CHECK_EQ(dev_query(family.fd, family.alloc.handle).nmaps, 1);
}

static void see_after_parent_gave_up(void *arg)
{
	struct family *family = arg;

	gate_wait(&family->parent_done);
	CHECK(is_filled(family->address, N, 1));
	fill(family->address, N, 2);
	CHECK(is_filled(family->address, N, 2));
	/* The handle died with the parent's free. */
	CHECK_FAILS(dev_try_free(family->fd, family->alloc.handle), ENOENT);
	gate_open(&family->child_done);
	gate_wait(&family->parent_done);
}

static void fork_child_outlives_free_and_close(void)
{
	struct spanalloc_heap_stats before;
	struct family family;
	int watch = dev_open();
	pid_t child;

	before = dev_stats(watch);
	family_init(&family);
	child = child_start(see_after_parent_gave_up, &family);
	dev_free(family.fd, family.alloc.handle);
	dev_unmap(family.address, N);
	close(family.fd);
	gate_open(&family.parent_done);
	gate_wait(&family.child_done);
	CHECK_EQ(dev_stats(watch).in_use_pages, before.in_use_pages + N);
	gate_open(&family.parent_done);
	CHILD_SUCCEEDS(child);
	CHECK_SETTLES(watch, in_use_pages, before.in_use_pages);
}

static void unmap_and_leave(void *arg)
{
	struct family *family = arg;

	dev_unmap(family->address + page_size, 3);
	dev_unmap(family->address, N);
}

static void fork_child_unmaps_for_itself(void)
{
	struct family family;

	family_init(&family);
	CHILD_SUCCEEDS(child_start(unmap_and_leave, &family));
	CHECK(is_filled(family.address, N, 1));
	CHECK_EQ(dev_query(family.fd, family.alloc.handle).nmaps, 1);
}

/* Many processes, each with its own copy of each mapping, all at once. */
static void look_when_told(void *arg)
{
	struct family *family = arg;

	gate_wait(&family->parent_done);
	CHECK(is_filled(family->address, N, 1));
}

static void fork_of_many_children(void)
{
	struct family family;
	pid_t children[20];
	int i;

	family_init(&family);
	for (i = 0; i < 20; i++)
		children[i] = child_start(look_when_told, &family);
	for (i = 0; i < 20; i++)
		gate_open(&family.parent_done);
	for (i = 0; i < 20; i++)
		CHILD_SUCCEEDS(children[i]);
	dev_unmap(family.address, N);
	CHECK_EQ(dev_query(family.fd, family.alloc.handle).nmaps, 0);
}

static void touch_there(void *address)
{
	(void)*(volatile char *)address;
}

static void madvise_dontfork_keeps_it_from_the_child(void)
{
	struct family family;

	family_init(&family);
	CHECK_OK(madvise(family.address, N * page_size, MADV_DONTFORK));
	CHECK(is_crash(touch_there, family.address));
	/* Later kernels do not take it back for a driver's mapping. */
	if (madvise(family.address, N * page_size, MADV_DOFORK))
		CHECK_EQ(errno, EINVAL);
	else
		CHECK(!is_crash(touch_there, family.address));
	CHECK(is_filled(family.address, N, 1));
}

static void unmap_of_parts_keeps_the_rest(void)
{
	struct family family;
	char *at;
	int i;

	family_init(&family);
	/* A hole, then the ends, then all but one page. */
	dev_unmap(family.address + 7 * page_size, 2);
	dev_unmap(family.address, 1);
	dev_unmap(family.address + 15 * page_size, 1);
	CHECK_EQ(dev_query(family.fd, family.alloc.handle).nmaps, 1);
	for (i = 1; i < 15; i++) {
		if (i == 7 || i == 8)
			continue;
		at = family.address + i * page_size;
		*(volatile char *)at = *(volatile char *)at;
	}
	dev_unmap(family.address, 14);
	CHECK_EQ(dev_query(family.fd, family.alloc.handle).nmaps, 1);
	*(volatile char *)(family.address + 14 * page_size) ^= 0;
	dev_unmap(family.address, N);
	CHECK_EQ(dev_query(family.fd, family.alloc.handle).nmaps, 0);
	family.address = dev_map(family.fd, family.alloc.offset, N);
	CHECK(is_filled(family.address, N, 1));
}

/* The pages stay with their indices: mapped again, all is where it was. */
static void unmap_of_every_other_page(void)
{
	struct spanalloc_alloc alloc;
	int fd = dev_open(), i;
	char *address = dev_alloc_filled(fd, 200, 5, &alloc), *again;

	for (i = 0; i < 200; i += 2)
		dev_unmap(address + i * page_size, 1);
	again = dev_map(fd, alloc.offset, 200);
	CHECK(is_filled(again, 200, 5));
	for (i = 1; i < 200; i += 2)
		CHECK(!memcmp(again + i * page_size, address + i * page_size,
			      page_size));
	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 2);
	dev_free(fd, alloc.handle);
	for (i = 1; i < 200; i += 2)
		dev_unmap(address + i * page_size, 1);
	CHECK(is_filled(again, 200, 5));
}

static void *reserve(uint64_t npages)
{
	void *address = mmap(NULL, npages * page_size, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(address != MAP_FAILED);
	return address;
}

static void mremap_moves(void)
{
	struct family family;
	char *to, *moved;

	family_init(&family);
	to = reserve(N);
	moved = mremap(family.address, N * page_size, N * page_size,
		       MREMAP_MAYMOVE | MREMAP_FIXED, to);
	CHECK(moved == to);
	CHECK(is_filled(moved, N, 1));
	CHECK_EQ(dev_query(family.fd, family.alloc.handle).nmaps, 1);
	/* A part of it, which leaves a hole. */
	to = reserve(4);
	CHECK(mremap(moved + 4 * page_size, 4 * page_size, 4 * page_size,
		     MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	fill(dev_map(family.fd, family.alloc.offset, N), N, 2);
	CHECK(is_filled(moved, 4, 2));
	CHECK_OK(munmap(moved, N * page_size));
	CHECK_EQ(dev_query(family.fd, family.alloc.handle).nmaps, 2);
	CHECK_OK(munmap(to, 4 * page_size));
	CHECK_EQ(dev_query(family.fd, family.alloc.handle).nmaps, 1);
}

/* Touching what was moved, after its translations were dropped, faults right. */
static void mremap_moved_pages_fault_back(void)
{
	struct family family;
	char *to;

	family_init(&family);
	to = reserve(5);
	CHECK(mremap(family.address + 6 * page_size, 5 * page_size, 5 * page_size,
		     MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	CHECK_OK(madvise(to, 5 * page_size, MADV_DONTNEED));
	fill(dev_map(family.fd, family.alloc.offset, N), N, 9);
	CHECK(!memcmp(to, (char *)dev_map(family.fd, family.alloc.offset, N) +
		      6 * page_size, 5 * page_size));
}

static int try_mremap(void *address, size_t from, size_t to, int flags)
{
	return mremap(address, from, to, flags) == MAP_FAILED ? -1 : 0;
}

static void mremap_cannot_grow(void)
{
	struct family family;

	family_init(&family);
	CHECK_REFUSED(try_mremap(family.address, N * page_size, (N + 1) * page_size, 0));
	CHECK_REFUSED(try_mremap(family.address, N * page_size, (N + 1) * page_size,
				 MREMAP_MAYMOVE));
	/* Nor a part, even within the allocation. */
	dev_unmap(family.address + 8 * page_size, 8);
	CHECK_REFUSED(try_mremap(family.address, 8 * page_size, 9 * page_size, 0));
	CHECK_REFUSED(try_mremap(family.address, 8 * page_size, 9 * page_size,
				 MREMAP_MAYMOVE));
	CHECK_EQ(dev_query(family.fd, family.alloc.handle).nmaps, 1);
}

static void mremap_cannot_duplicate(void)
{
	struct family family;

	family_init(&family);
	CHECK_REFUSED(try_mremap(family.address, 0, N * page_size, MREMAP_MAYMOVE));
	CHECK_REFUSED(try_mremap(family.address, N * page_size, N * page_size,
				 MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
	CHECK_EQ(dev_query(family.fd, family.alloc.handle).nmaps, 1);
	CHECK(is_filled(family.address, N, 1));
}

static void mremap_shrinks(void)
{
	struct family family;

	family_init(&family);
	CHECK_OK(try_mremap(family.address, N * page_size, 5 * page_size, 0));
	CHECK(is_filled(family.address, 5, 1));
	CHECK_EQ(dev_query(family.fd, family.alloc.handle).nmaps, 1);
	dev_unmap(family.address, 5);
	CHECK_EQ(dev_query(family.fd, family.alloc.handle).nmaps, 0);
}

static void madvise_dontneed_keeps_contents(void)
{
	struct family family;
	int i;

	family_init(&family);
	for (i = 0; i < 3; i++) {
		CHECK_OK(madvise(family.address, N * page_size, MADV_DONTNEED));
		CHECK(is_filled(family.address, N, 1));
	}
	CHECK_OK(madvise(family.address, N * page_size, MADV_DONTNEED));
	fill(family.address, N, 2);
	CHECK_OK(madvise(family.address + 3 * page_size, 2 * page_size, MADV_DONTNEED));
	CHECK(is_filled(family.address, N, 2));
}

/* A fault long after handle and file are gone. */
static void madvise_dontneed_after_free_and_close(void)
{
	struct family family;

	family_init(&family);
	dev_free(family.fd, family.alloc.handle);
	CHECK_OK(madvise(family.address, N * page_size, MADV_DONTNEED));
	CHECK(is_filled(family.address, N, 1));
	close(family.fd);
	CHECK_OK(madvise(family.address, N * page_size, MADV_DONTNEED));
	CHECK(is_filled(family.address, N, 1));
}

/* Whether the kernel takes such advice or not, contents are not its business. */
static void madvise_of_any_kind_keeps_contents(void)
{
	struct family family;
	int advice;

	family_init(&family);
	for (advice = 0; advice < 130; advice++) {
		/* These poison the machine's memory, or make reading a crash. */
		if (advice >= 100 && advice <= 102)
			continue;
		if (madvise(family.address, N * page_size, advice) == 0)
			CHECK(is_filled(family.address, N, 1));
	}
	CHECK(is_filled(family.address, N, 1));
	CHECK_REFUSED(madvise(family.address, N * page_size, MADV_REMOVE));
}

static void mlock_and_msync_do_no_harm(void)
{
	struct family family;

	family_init(&family);
	CHECK_OK(mlock(family.address, N * page_size));
	CHECK(is_filled(family.address, N, 1));
	CHECK_OK(munlock(family.address, N * page_size));
	if (msync(family.address, N * page_size, MS_SYNC))
		CHECK_EQ(errno, EINVAL);
	CHECK_OK(mlockall(MCL_CURRENT | MCL_FUTURE));
	dev_unmap(family.address, N);
	family.address = dev_map(family.fd, family.alloc.offset, N);
	CHECK(is_filled(family.address, N, 1));
	CHECK_OK(munlockall());
}

static const struct test_case cases[] = {
	CASE(fork_shares_pages_both_ways),
	CASE(fork_child_outlives_free_and_close),
	CASE(fork_child_unmaps_for_itself),
	CASE(fork_of_many_children),
	CASE(unmap_of_parts_keeps_the_rest),
	CASE(unmap_of_every_other_page),
	CASE(mremap_moves),
	CASE(mremap_moved_pages_fault_back),
	CASE(mremap_cannot_grow),
	CASE(mremap_cannot_duplicate),
	CASE(mremap_shrinks),
	CASE(madvise_dontfork_keeps_it_from_the_child),
	CASE(madvise_dontneed_keeps_contents),
	CASE(madvise_dontneed_after_free_and_close),
	CASE(madvise_of_any_kind_keeps_contents),
	CASE(mlock_and_msync_do_no_harm),
};

const struct test_suite remap_suite = SUITE(cases);
