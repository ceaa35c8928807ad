// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings and pins with allocations failing: mapping, faulting, moving, cutting,
 * inheriting, and the way through the quarantine.
 */
#include "inject.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* What one page table maps on x86; three and a half of them are needed below. */
#define TABLE		(2UL << 20)
#define TABLES		4

#define NBIG		((5UL << 20) / page_size)
#define N		5

static int fd;
static struct spanalloc_alloc alloc;
static uint64_t npages;
static char *address;

/*
 * A hole in the address space, at the begin of what a page table maps. That table is
 * there, for a page is mapped before the hole; the tables after it are not.
 */
static char *hole;

static void make_hole(void)
{
	char *area = mmap(NULL, (TABLES + 1) * TABLE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(area != MAP_FAILED);
	CHECK_OK(munmap(area, (TABLES + 1) * TABLE));
	area += -(uintptr_t)area % TABLE;
	CHECK(mmap(area, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		   MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0) == area);
	hole = area + page_size;
}

static void *map_into_hole(void)
{
	return mmap(hole, npages * page_size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED_NOREPLACE, fd, alloc.offset);
}

static void prepare_map(void)
{
	void *first;

	fd = dev_open();
	first = dev_alloc_filled(fd, npages, 1, &alloc);
	dev_unmap(first, npages);
	make_hole();
}

static int run_map(void)
{
	address = map_into_hole();
	return address == MAP_FAILED ? -1 : 0;
}

static void verify_map(bool failed)
{
	if (failed) {
		/* The internal file of the mapping that came to nothing goes as well. */
		CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 0);
		address = map_into_hole();
	}
	CHECK(address == hole);
	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 1);
	CHECK(is_filled(address, npages, 1));
}

/* A reference left on any page would send the allocation to quarantine for good. */
static void finish_map(void)
{
	dev_unmap(address, npages);
	CHECK_OK(munmap(hole - page_size, page_size));
	dev_free(fd, alloc.handle);
	close(fd);
}

/* A file of its own, with a name, and a VMA. */
static const struct operation mapping = {
	prepare_map, run_map, verify_map, finish_map, .failures = 3,
};

static void inject_mmap_of_one_page(void)
{
	npages = 1;
	walk(&mapping);
}

/*
 * A mapping that fails half way: some pages are in the page tables, and the table for the
 * others is not to be had. A probe on the function that inserts pages, which is called for
 * each few of them, tells of such failures.
 */
#define TRACING	"/sys/kernel/tracing/"

static void tell(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	CHECK_OK(file);
	if (write(file, text, strlen(text)) < 0)
		FAIL("%s does not take '%s': %s", path, text, errno_name(errno));
	close(file);
}

/* Since the trace was cleared: how many calls inserted pages, and how many could not. */
static void count_inserts(unsigned int *good, unsigned int *bad)
{
	FILE *file = fopen(TRACING "trace", "r");
	char line[512], *result;

	CHECK(file);
	*good = *bad = 0;
	while (fgets(line, sizeof(line), file)) {
		result = strstr(line, " ret=");
		if (!result)
			continue;
		if (atoi(result + 5))
			++*bad;
		else
			++*good;
	}
	fclose(file);
}

static unsigned int half_ways;

static void prepare_traced_map(void)
{
	prepare_map();
	tell(TRACING "trace", "");
}

static void verify_traced_map(bool failed)
{
	unsigned int good, bad;

	count_inserts(&good, &bad);
	if (failed && bad) {
		CHECK_EQ(bad, 1);
		half_ways += good > 0;
	} else if (!failed) {
		CHECK(good > 0 && !bad);
	}
	verify_map(failed);
}

/* The first of the tables is there, so every failure for want of one comes half way. */
static void inject_mmap_of_five_mib(void)
{
	static const struct operation op = {
		prepare_traced_map, run_map, verify_traced_map, finish_map,
		.failures = 5,
	};

	npages = NBIG;
	tell(TRACING "kprobe_events", "r:inserted vm_insert_pages ret=$retval:s32");
	tell(TRACING "events/kprobes/inserted/enable", "1");
	walk(&op);
	tell(TRACING "events/kprobes/inserted/enable", "0");
	tell(TRACING "kprobe_events", "");
	test_note("%u failures half way", half_ways);
	CHECK(half_ways >= 2);
}

/* What comes after a mapping is there */

static void prepare_mapped(void)
{
	fd = dev_open();
	npages = NBIG;
	address = dev_alloc_filled(fd, npages, 1, &alloc);
}

static void verify_mapped(bool failed)
{
	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 1);
	CHECK(is_filled(address, npages, 1));
}

static void finish_mapped(void)
{
	dev_unmap(address, npages);
	dev_free(fd, alloc.handle);
	close(fd);
}

static void prepare_fault(void)
{
	prepare_mapped();
	CHECK_OK(madvise(address, npages * page_size, MADV_DONTNEED));
}

static int run_fault(void)
{
	size_t i;

	for (i = 0; i < npages; i += 100)
		(void)*(volatile char *)(address + i * page_size);
	return 0;
}

static unsigned long page_tables_kib(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	unsigned long kib = 0;
	char line[256];

	CHECK(file);
	while (!kib && fgets(line, sizeof(line), file))
		sscanf(line, "VmPTE: %lu kB", &kib);
	fclose(file);
	CHECK(kib > 0);
	return kib;
}

static bool page_tables_go_with_pages(void)
{
	unsigned long before;
	bool gone;

	prepare_mapped();
	before = page_tables_kib();
	CHECK_OK(madvise(address, npages * page_size, MADV_DONTNEED));
	gone = page_tables_kib() < before;
	finish_mapped();
	return gone;
}

/*
 * Our part of a fault is to look pages up and to enter them. Page tables are there, since the
 * pages were, unless the kernel takes those away that MADV_DONTNEED leaves empty. Then a fault
 * may get no memory, and the kernel tries it again without the program noticing.
 */
static void inject_fault(void)
{
	static const struct operation op = {
		prepare_fault, run_fault, verify_mapped, finish_mapped,
		.needs_no_memory = true,
	};

	if (page_tables_go_with_pages())
		CHECK(walk(&op).fired > 0);
	else
		walk_without_allocations(&op);
}

static char peeked[4096];

static int run_peek(void)
{
	struct iovec here = { peeked, sizeof(peeked) };
	struct iovec there = { address + (npages - 1) * page_size, sizeof(peeked) };
	ssize_t n = process_vm_readv(getpid(), &here, 1, &there, 1, 0);

	return n == sizeof(peeked) ? 0 : -1;
}

/* As a debugger reads, which has to fault the page in; without memory, it is told EFAULT. */
static void inject_fault_by_reader(void)
{
	static const struct operation op = {
		prepare_fault, run_peek, verify_mapped, finish_mapped,
		.copies = ANY_COPIES,
	};

	walk(&op);
}

static pid_t child;

static int run_fork(void)
{
	child = fork();
	if (!child)
		_exit(0);
	return child < 0 ? -1 : 0;
}

static void verify_fork(bool failed)
{
	if (!failed)
		CHECK_EQ(child_status(child), 0);
	verify_mapped(failed);
}

static void inject_fork(void)
{
	static const struct operation op = {
		prepare_mapped, run_fork, verify_fork, finish_mapped,
		.failures = 10, .also = EAGAIN,
	};

	walk(&op);
}

static char *moved_from;

static void prepare_move(void)
{
	prepare_mapped();
	moved_from = address;
	make_hole();
}

static int run_move(void)
{
	char *to = mremap(address, npages * page_size, npages * page_size,
			  MREMAP_MAYMOVE | MREMAP_FIXED, hole);

	if (to == MAP_FAILED)
		return -1;
	address = to;
	return 0;
}

/* A kernel that has no memory to unmap the old place leaves it mapped, and says success. */
static void verify_move(bool failed)
{
	if (!failed)
		CHECK_OK(munmap(moved_from, npages * page_size));
	verify_mapped(failed);
	if (failed)
		CHECK_OK(run_move());
	CHECK(address == hole);
	verify_mapped(false);
}

static void finish_move(void)
{
	finish_mapped();
	CHECK_OK(munmap(hole - page_size, page_size));
}

static void inject_mremap(void)
{
	static const struct operation op = {
		prepare_move, run_move, verify_move, finish_move, .failures = 1,
	};

	walk(&op);
}

/* Cutting a mapping in two takes a second VMA. */
static int run_cut(void)
{
	return munmap(address + 2 * page_size, page_size);
}

static void verify_cut(bool failed)
{
	if (failed) {
		verify_mapped(true);
		CHECK_OK(run_cut());
	}
	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 1);
	CHECK(is_filled(address, 2, 1));
}

static void inject_munmap_of_the_middle(void)
{
	static const struct operation op = {
		prepare_mapped, run_cut, verify_cut, finish_mapped, .failures = 1,
	};

	walk(&op);
}

/* Pins */

static int fds[2];

static void prepare_pipe(void)
{
	fd = dev_open();
	npages = N;
	address = dev_alloc_filled(fd, npages, 1, &alloc);
	CHECK_OK(pipe(fds));
}

/* In more parts than the kernel has room for on its stack. */
static int run_pin(void)
{
	struct iovec iov[2 * N];
	unsigned int i;

	for (i = 0; i < 2 * N; i++)
		iov[i] = (struct iovec) { address + i * page_size / 2, page_size / 2 };
	return vmsplice(fds[1], iov, 2 * N, 0);
}

static void verify_pin(bool failed)
{
	uint64_t before = dev_stats(watch_fd).quarantined_pages;

	verify_mapped(failed);
	dev_unmap(address, npages);
	dev_free(fd, alloc.handle);
	/* A pin that was not made is not left either. */
	CHECK_SETTLES(watch_fd, quarantined_pages, before + (failed ? 0 : npages));
}

static void finish_pipe(void)
{
	close(fds[0]);
	close(fds[1]);
	close(fd);
}

static void inject_pin(void)
{
	static const struct operation op = {
		prepare_pipe, run_pin, verify_pin, finish_pipe,
		.copies = PERHAPS_COPIES, .failures = 1,
	};

	walk(&op);
}

/* Into the quarantine: like every way to give memory up, it needs none. */
static void prepare_pinned(void)
{
	prepare_pipe();
	CHECK_EQ(run_pin(), npages * page_size);
	dev_unmap(address, npages);
}

static int run_free_pinned(void)
{
	return dev_try_free(fd, alloc.handle);
}

static void verify_quarantined(bool failed)
{
	if (failed) {
		CHECK_EQ(dev_stats(watch_fd).quarantined_pages, 0);
		CHECK_OK(run_free_pinned());
	}
	CHECK_EQ(dev_stats(watch_fd).quarantined_pages, npages);
}

static void inject_free_pinned(void)
{
	static const struct operation op = {
		prepare_pinned, run_free_pinned, verify_quarantined, finish_pipe,
		.copies = 2, .needs_no_memory = true,
	};

	walk(&op);
}

/* Out of it: an allocation that finds no room looks through it first. */
static struct spanalloc_alloc wanted, got;

static void prepare_drain(void)
{
	prepare_pinned();
	dev_free(fd, alloc.handle);
	CHECK_EQ(dev_stats(watch_fd).quarantined_pages, npages);
	/* More than there is. */
	wanted = (struct spanalloc_alloc){ .npages = dev_stats(watch_fd).max_pages };
	got = wanted;
}

static int run_drain(void)
{
	return dev_try_alloc(fd, &got) && errno != EDQUOT ? -1 : 0;
}

/*
 * The pin holds all the time, or the regular look could come first. When it is gone, the
 * next allocation that fails for want of room has emptied the quarantine.
 */
static void verify_drain(bool failed)
{
	CHECK_EQ(got.handle, 0);
	CHECK_EQ(dev_stats(watch_fd).quarantined_pages, npages);
	close(fds[0]);
	close(fds[1]);
	CHECK_FAILS(dev_try_alloc(fd, &got), EDQUOT);
	CHECK_EQ(dev_stats(watch_fd).quarantined_pages, 0);
}

static void finish_drain(void)
{
	close(fd);
}

static void inject_drain(void)
{
	static const struct operation op = {
		prepare_drain, run_drain, verify_drain, finish_drain,
		.copies = 1, .failures = 3,
	};

	walk(&op);
}

static const struct test_case cases[] = {
	CASE(inject_mmap_of_one_page),
	CASE(inject_mmap_of_five_mib),
	CASE(inject_fault),
	CASE(inject_fault_by_reader),
	CASE(inject_fork),
	CASE(inject_mremap),
	CASE(inject_munmap_of_the_middle),
	CASE(inject_pin),
	CASE(inject_free_pinned),
	CASE(inject_drain),
};

const struct test_suite memory_suite = SUITE(cases);
