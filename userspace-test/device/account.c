// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who pays: the limits of an open file, of all open files, and of a user; and what
 * is told of them.
 */
#include "device.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define RW (PROT_READ | PROT_WRITE)
#define NO_LIMIT (~0ULL)

#define PARAMETERS "/sys/module/spanalloc/parameters/"

static bool parameter_set(const char *name, uint64_t value)
{
	char path[128], text[32];
	int fd, len;

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	len = snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	CHECK_EQ(write(fd, text, len), len);
	close(fd);
	return true;
}

static void parameter_must_set(const char *name, uint64_t value)
{
	if (!parameter_set(name, value))
		test_skip("cannot write " PARAMETERS "%s", name);
}

/* After any case, however it ended: the module's limits are as it was loaded. */
void account_reset(void)
{
	parameter_set("file_max_pages", 0);
	parameter_set("device_max_pages", 0);
}

/* An ordinary user with a limit of so many pages of locked memory. */
static void become_nobody(uint64_t npages)
{
	struct rlimit limit = { npages * page_size, npages * page_size };

	CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &limit));
	if (setresuid(NOBODY, NOBODY, NOBODY))
		test_skip("not started as root");
}

static int try_pages(int fd, uint64_t npages)
{
	struct spanalloc_alloc alloc = { .npages = npages };

	return dev_try_alloc(fd, &alloc);
}

/* An allocation that fails, and is told what would do. */
static uint64_t report(int fd, uint64_t npages, uint32_t flags, int error)
{
	struct spanalloc_alloc alloc = {
		.npages = npages,
		.flags = flags | SPANALLOC_ALLOC_REPORT,
	};

	CHECK_FAILS(dev_try_alloc(fd, &alloc), error);
	CHECK_EQ(alloc.handle, 0);
	CHECK_EQ(alloc.offset, 0);
	return alloc.largest_pages;
}

static void account_counts_what_a_file_holds(void)
{
	int fd = dev_open(), other = dev_open();
	uint64_t all = dev_file(fd).device_pages;
	struct spanalloc_alloc alloc = dev_alloc(fd, 7);
	struct spanalloc_split split;

	dev_alloc(fd, 3);
	CHECK_EQ(dev_file(fd).pages, 10);
	CHECK_EQ(dev_file(fd).nhandles, 2);
	CHECK_EQ(dev_file(fd).allocs, 2);
	CHECK_EQ(dev_file(fd).fails, 0);
	CHECK_EQ(dev_file(fd).limit_pages, NO_LIMIT);
	CHECK_EQ(dev_file(fd).device_pages, all + 10);
	CHECK_EQ(dev_file(fd).device_limit_pages, NO_LIMIT);
	CHECK_EQ(dev_file(other).pages, 0);
	/* Parts are handles, and no pages. */
	split = dev_split(fd, alloc.handle, 2);
	CHECK_EQ(dev_file(fd).pages, 10);
	CHECK_EQ(dev_file(fd).nhandles, 3);
	dev_free(fd, alloc.handle);
	CHECK_EQ(dev_file(fd).pages, 10);
	dev_free(fd, split.new_handle);
	CHECK_EQ(dev_file(fd).pages, 3);
	CHECK_EQ(dev_file(fd).nhandles, 1);
	close(fd);
	CHECK_EQ(dev_file(other).device_pages, all);
}

static void account_follows_mappings(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 6);
	char *address = dev_map(fd, alloc.offset, 6);

	dev_free(fd, alloc.handle);
	CHECK_EQ(dev_file(fd).pages, 6);
	dev_unmap(address, 2);
	CHECK_EQ(dev_file(fd).pages, 6);
	dev_unmap(address + 2 * page_size, 4);
	CHECK_EQ(dev_file(fd).pages, 0);
	CHECK_EQ(dev_file(fd).allocs, 1);
}

static void account_counts_quarantine(void)
{
	struct iovec iov = { .iov_len = page_size };
	int fd = dev_open(), fds[2];
	struct spanalloc_alloc alloc = dev_alloc(fd, 5);
	void *address = dev_map(fd, alloc.offset, 5);
	char buffer[page_size];
	uint64_t found;
	int i;

	CHECK_OK(pipe(fds));
	fill(address, 1, 1);
	iov.iov_base = address;
	CHECK_EQ(vmsplice(fds[1], &iov, 1, 0), page_size);
	CHECK_EQ(dev_query(fd, alloc.handle).state & SPANALLOC_QUERY_PINNED, 0);
	dev_unmap(address, 5);
	CHECK(dev_query(fd, alloc.handle).state & SPANALLOC_QUERY_PINNED);
	CHECK_EQ(dev_file(fd).quarantined_pages, 0);
	dev_free(fd, alloc.handle);
	CHECK_EQ(dev_file(fd).quarantined_pages, 5);
	CHECK_EQ(dev_file(fd).pages, 5);
	/* It counts, so that pinning what is freed is no way round a limit. */
	CHECK_OK(dev_try_limit(fd, 5));
	CHECK_FAILS(try_pages(fd, 1), EDQUOT);
	CHECK_EQ(read(fds[0], buffer, page_size), page_size);
	CHECK(is_filled(buffer, 1, 1));
	/* And is looked for before a limit refuses: no need to wait. */
	CHECK_OK(try_pages(fd, 5));
	CHECK_EQ(dev_file(fd).quarantined_pages, 0);
	CHECK_EQ(dev_file(fd).pages, 5);
	for (i = 0; i < 2; i++)
		close(fds[i]);
	CHECK(dev_settles(fd, offsetof(struct spanalloc_heap_stats, quarantined_pages), 0,
			  &found));
}

static void account_limit_of_a_file_is_exact(void)
{
	int fd = dev_open(), other = dev_open();
	struct spanalloc_alloc alloc;

	CHECK_OK(dev_try_limit(fd, 10));
	CHECK_EQ(dev_file(fd).limit_pages, 10);
	CHECK_FAILS(try_pages(fd, 11), EDQUOT);
	alloc = dev_alloc(fd, 10);
	CHECK_FAILS(try_pages(fd, 1), EDQUOT);
	CHECK_EQ(dev_file(fd).fails, 2);
	CHECK_EQ(dev_file(other).limit_pages, NO_LIMIT);
	CHECK_OK(try_pages(other, 11));
	/* Less than is held: legal, and in the way of more. */
	CHECK_OK(dev_try_limit(fd, 3));
	CHECK_FAILS(try_pages(fd, 1), EDQUOT);
	dev_free(fd, alloc.handle);
	CHECK_FAILS(try_pages(fd, 4), EDQUOT);
	CHECK_OK(try_pages(fd, 3));
	CHECK_OK(dev_try_limit(fd, 0));
	CHECK_FAILS(try_pages(fd, 1), EDQUOT);
	CHECK_OK(dev_try_limit(fd, NO_LIMIT));
	CHECK_OK(try_pages(fd, 100));
	/* What makes no sense is no matter of limits. */
	CHECK_OK(dev_try_limit(fd, 0));
	CHECK_FAILS(try_pages(fd, 0), EINVAL);
}

static void account_default_limit_is_that_of_the_module(void)
{
	int old = dev_open(), own = dev_open(), fd;

	CHECK_OK(dev_try_limit(own, 30));
	parameter_must_set("file_max_pages", 20);
	fd = dev_open();
	CHECK_EQ(dev_file(fd).limit_pages, 20);
	/* Who never asked for a limit goes by the module's, even if it comes late. */
	CHECK_EQ(dev_file(old).limit_pages, 20);
	CHECK_EQ(dev_file(own).limit_pages, 30);
	CHECK_FAILS(try_pages(old, 21), EDQUOT);
	CHECK_FAILS(try_pages(fd, 21), EDQUOT);
	CHECK_OK(try_pages(fd, 20));
	/* Root may go beyond it, others only below and back. */
	CHECK_OK(dev_try_limit(fd, 40));
	CHECK_OK(try_pages(fd, 20));
	if (setresuid(NOBODY, NOBODY, NOBODY))
		test_skip("not started as root");
	CHECK_FAILS(dev_try_limit(fd, 41), EPERM);
	CHECK_FAILS(dev_try_limit(fd, NO_LIMIT), EPERM);
	CHECK_FAILS(dev_try_limit(fd, NO_LIMIT - 1), EPERM);
	CHECK_EQ(dev_file(fd).limit_pages, 40);
	CHECK_OK(dev_try_limit(fd, 30));
	CHECK_FAILS(dev_try_limit(fd, 31), EPERM);
	CHECK_OK(dev_try_limit(fd, 1));
	CHECK_FAILS(dev_try_limit(fd, 21), EPERM);
	CHECK_OK(dev_try_limit(fd, 20));
	CHECK_EQ(dev_file(fd).limit_pages, 20);
}

/* Or a page for each granule would be a way round any limit of memory. */
static void account_charges_alignment(void)
{
	struct spanalloc_alloc alloc = {
		.npages = 1,
		.flags = SPANALLOC_ALLOC_REPORT,
	};
	int fd = dev_open();
	uint64_t granule = dev_info(fd).granule_pages;

	CHECK_OK(dev_try_limit(fd, 3 * granule - 1));
	for (alloc.align = 1; alloc.align <= granule; alloc.align *= 2) {
		CHECK_OK(dev_try_alloc(fd, &alloc));
		CHECK_EQ(dev_file(fd).pages, alloc.align);
		dev_free(fd, alloc.handle);
		CHECK_EQ(dev_file(fd).pages, 0);
	}
	alloc.npages = granule + 1;
	alloc.align = granule;
	CHECK_OK(dev_try_alloc(fd, &alloc));
	CHECK_EQ(dev_file(fd).pages, 2 * granule);
	alloc.npages = 1;
	if (granule > 1) {
		CHECK_FAILS(dev_try_alloc(fd, &alloc), EDQUOT);
		CHECK_EQ(alloc.largest_pages, 0);
	}
	/* A granule is the most that a page can keep. */
	CHECK_OK(dev_try_limit(fd, 3 * granule));
	alloc.align = 4 * granule;
	CHECK_OK(dev_try_alloc(fd, &alloc));
	CHECK_EQ(dev_file(fd).pages, 3 * granule);
}

static void account_limit_of_all_files_is_exact(void)
{
	int a = dev_open(), b = dev_open();
	struct spanalloc_alloc alloc;

	CHECK_EQ(dev_file(a).device_pages, 0);
	parameter_must_set("device_max_pages", 50);
	CHECK_EQ(dev_file(a).device_limit_pages, 50);
	alloc = dev_alloc(a, 30);
	CHECK_FAILS(try_pages(b, 21), EDQUOT);
	CHECK_OK(try_pages(b, 20));
	CHECK_FAILS(try_pages(a, 1), EDQUOT);
	/* A refused charge leaves nothing behind. */
	CHECK_EQ(dev_file(a).pages, 30);
	CHECK_EQ(dev_file(b).device_pages, 50);
	dev_free(a, alloc.handle);
	CHECK_OK(try_pages(b, 30));
	parameter_must_set("device_max_pages", 10);
	CHECK_FAILS(try_pages(b, 1), EDQUOT);
	parameter_must_set("device_max_pages", 0);
	CHECK_OK(try_pages(b, 60));
}

static void account_locked_memory_is_a_limit(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc, second;

	become_nobody(16);
	CHECK_FAILS(try_pages(fd, 17), EDQUOT);
	alloc = dev_alloc(fd, 10);
	CHECK_FAILS(try_pages(fd, 7), EDQUOT);
	second = dev_alloc(fd, 6);
	CHECK_FAILS(try_pages(fd, 1), EDQUOT);
	CHECK_FAILS(dev_try_map(fd, 0, page_size, RW, MAP_SHARED), EDQUOT);
	CHECK_EQ(dev_file(fd).pages, 16);
	dev_free(fd, second.handle);
	CHECK_FAILS(try_pages(fd, 7), EDQUOT);
	CHECK_OK(try_pages(fd, 6));
	dev_free(fd, alloc.handle);
	/* What another limit refuses is not held against this one. */
	CHECK_OK(dev_try_limit(fd, 8));
	CHECK_FAILS(try_pages(fd, 9), EDQUOT);
	CHECK_OK(dev_try_limit(fd, NO_LIMIT));
	CHECK_OK(try_pages(fd, 10));
}

/* Root's file and root's pages do not count for who got the file. */
static void account_charges_who_allocates(void)
{
	int fd = dev_open();
	struct spanalloc_alloc roots = dev_alloc(fd, 100);

	become_nobody(4);
	CHECK_OK(try_pages(fd, 4));
	CHECK_FAILS(try_pages(fd, 1), EDQUOT);
	/* And it is not for who gives them back to get room from them. */
	dev_free(fd, roots.handle);
	CHECK_FAILS(try_pages(fd, 1), EDQUOT);
}

static void hold_as_nobody(void *arg)
{
	int fd = dev_open();
	struct gate *gates = arg;

	become_nobody(8);
	CHECK_OK(try_pages(fd, 6));
	gate_open(&gates[0]);
	gate_wait(&gates[1]);
	_exit(0);
}

/* A user's processes share the limit, whatever file they use; their end frees it. */
static void account_locked_memory_is_the_users(void)
{
	struct gate gates[2];
	int fd = dev_open();
	pid_t child;

	if (getuid())
		test_skip("not started as root");
	gate_init(&gates[0]);
	gate_init(&gates[1]);
	child = child_start(hold_as_nobody, gates);
	gate_wait(&gates[0]);
	become_nobody(8);
	CHECK_FAILS(try_pages(fd, 3), EDQUOT);
	CHECK_OK(try_pages(fd, 2));
	gate_open(&gates[1]);
	CHILD_SUCCEEDS(child);
	CHECK_OK(try_pages(fd, 6));
	CHECK_FAILS(try_pages(fd, 1), EDQUOT);
}

static void exit_at_once(void *arg)
{
	(void)arg;
	_exit(0);
}

/* Neither does fork charge again, nor exec or the end of a child uncharge. */
static void account_locked_memory_is_charged_once(void)
{
	int fd = dev_open(), i;
	struct spanalloc_alloc alloc;
	char *a, *b;

	become_nobody(8);
	alloc = dev_alloc(fd, 6);
	a = dev_map(fd, alloc.offset, 6);
	b = dev_map(fd, alloc.offset, 6);
	for (i = 0; i < 5; i++)
		CHILD_SUCCEEDS(child_start(exit_at_once, NULL));
	CHECK_OK(try_pages(fd, 2));
	CHECK_FAILS(try_pages(fd, 1), EDQUOT);
	dev_unmap(a, 6);
	CHECK_FAILS(try_pages(fd, 1), EDQUOT);
	dev_free(fd, alloc.handle);
	CHECK_FAILS(try_pages(fd, 1), EDQUOT);
	dev_unmap(b, 3);
	CHECK_FAILS(try_pages(fd, 1), EDQUOT);
	dev_unmap(b + 3 * page_size, 3);
	CHECK_OK(try_pages(fd, 6));
}

static void account_capability_exempts_from_locked_memory(void)
{
	struct rlimit limit = { 0, 0 };
	int fd = dev_open();

	if (getuid())
		test_skip("not started as root");
	CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &limit));
	CHECK_OK(try_pages(fd, 10));
	become_nobody(0);
	CHECK_FAILS(try_pages(fd, 1), EDQUOT);
}

static void report_tells_what_would_do(void)
{
	int fd = dev_open();
	uint64_t max = dev_info(fd).max_pages, granule = dev_info(fd).granule_pages;
	uint64_t largest;

	CHECK_OK(dev_try_limit(fd, 30));
	CHECK_EQ(report(fd, 31, 0, EDQUOT), 30);
	dev_alloc(fd, 12);
	CHECK_EQ(report(fd, 19, 0, EDQUOT), 18);
	CHECK_OK(try_pages(fd, 18));
	CHECK_EQ(report(fd, 1, 0, EDQUOT), 0);
	CHECK_OK(dev_try_limit(fd, NO_LIMIT));
	largest = report(fd, max + 1, 0, EDQUOT);
	CHECK(largest > 0 && largest < max);
	largest = report(fd, ~0ULL, 0, EDQUOT);
	CHECK(largest > 0 && largest < max);
	if (granule > 1)
		CHECK(report(fd, max + 1, 0, EDQUOT) > granule);
	/* Without the flag, and where nothing is short, nothing is said. */
	CHECK_FAILS(try_pages(fd, 0), EINVAL);
}

static void report_of_user_and_device_limits(void)
{
	int fd = dev_open();

	parameter_must_set("device_max_pages", 25);
	CHECK_EQ(report(fd, 26, 0, EDQUOT), 25);
	parameter_must_set("device_max_pages", 0);
	become_nobody(9);
	CHECK_EQ(report(fd, 10, 0, EDQUOT), 9);
	CHECK_OK(try_pages(fd, 9));
	CHECK_EQ(report(fd, 10, 0, EDQUOT), 0);
}

/* On a heap that can be filled: exactly what it says can be had, and not a page more. */
static void limit_report_is_exact(void)
{
	uint32_t handles[8];
	int fd = dev_open(), i;
	uint64_t max = dev_info(fd).max_pages, largest;
	struct spanalloc_alloc alloc;

	if (max > 8192)
		test_skip("the heap's limit is %llu pages", (unsigned long long)max);
	for (i = 0; i < 8; i++)
		handles[i] = dev_alloc(fd, max / 8 - 7).handle;
	dev_free(fd, handles[2]);
	dev_free(fd, handles[5]);
	dev_free(fd, handles[6]);
	largest = report(fd, max - 6 * (max / 8), 0, ENOSPC);
	CHECK_EQ(largest, 2 * (max / 8 - 7));
	alloc = dev_alloc(fd, largest);
	dev_free(fd, alloc.handle);
	CHECK_FAILS(try_pages(fd, largest + 1), ENOSPC);
}

/* The address space has not grown to its limit, and counts as if it had. */
static void limit_report_counts_what_can_grow(void)
{
	int fd = dev_open();
	struct spanalloc_heap_stats stats;
	uint64_t largest;

	dev_alloc(fd, 3);
	stats = dev_stats(fd);
	if (stats.max_pages > 8192 || stats.address_pages == stats.max_pages)
		test_skip("the heap's limit is %llu pages, %llu are there",
			  (unsigned long long)stats.max_pages,
			  (unsigned long long)stats.address_pages);
	largest = report(fd, stats.max_pages, 0, EDQUOT);
	CHECK_EQ(largest, stats.max_pages - 3);
	dev_alloc(fd, largest);
}

/* The number in a line "name:\tnumber" of a descriptor's fdinfo; -1 if there is none. */
static long long fdinfo(int fd, const char *name)
{
	char path[64], line[128];
	long long value = -1;
	size_t len = strlen(name);
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	CHECK(file);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, len) || line[len] != ':')
			continue;
		CHECK_EQ(line[len + 1], '\t');
		value = strcmp(line + len + 2, "max\n") ? atoll(line + len + 2) : LLONG_MAX;
	}
	fclose(file);
	return value;
}

static void fdinfo_tells_what_a_file_holds(void)
{
	int fd = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, 11);
	void *address;

	CHECK_EQ(fdinfo(fd, "spanalloc-pages"), 11);
	CHECK_EQ(fdinfo(fd, "spanalloc-handles"), 1);
	CHECK_EQ(fdinfo(fd, "spanalloc-allocs"), 1);
	CHECK_EQ(fdinfo(fd, "spanalloc-quarantined"), 0);
	CHECK_EQ(fdinfo(fd, "spanalloc-limit"), LLONG_MAX);
	CHECK_OK(dev_try_limit(fd, 1000));
	CHECK_EQ(fdinfo(fd, "spanalloc-limit"), 1000);
	address = dev_map(fd, alloc.offset, 11);
	dev_free(fd, alloc.handle);
	CHECK_EQ(fdinfo(fd, "spanalloc-pages"), 11);
	CHECK_EQ(fdinfo(fd, "spanalloc-handles"), 0);
	dev_unmap(address, 11);
	CHECK_EQ(fdinfo(fd, "spanalloc-pages"), 0);
}

static void drain_brings_back_what_is_not_pinned_any_more(void)
{
	struct spanalloc_trim trim = { .flags = SPANALLOC_TRIM_DRAIN };
	struct iovec iov = { .iov_len = page_size };
	int fd = dev_open(), fds[2], round;
	struct spanalloc_alloc alloc;
	char buffer[page_size];
	void *address;

	CHECK_OK(pipe(fds));
	for (round = 0; round < 5; round++) {
		alloc = dev_alloc(fd, 2);
		address = dev_map(fd, alloc.offset, 2);
		iov.iov_base = address;
		CHECK_EQ(vmsplice(fds[1], &iov, 1, 0), page_size);
		dev_unmap(address, 2);
		dev_free(fd, alloc.handle);
		/* It cannot bring back what is in use. */
		CHECK_OK(ioctl(fd, SPANALLOC_IOC_TRIM, &trim));
		CHECK_EQ(trim.released, 0);
		CHECK_EQ(dev_file(fd).quarantined_pages, 2);
		CHECK_EQ(read(fds[0], buffer, page_size), page_size);
		CHECK_OK(ioctl(fd, SPANALLOC_IOC_TRIM, &trim));
		CHECK_EQ(dev_file(fd).quarantined_pages, 0);
		CHECK_EQ(dev_file(fd).pages, 0);
	}
	if (setresuid(NOBODY, NOBODY, NOBODY))
		test_skip("not started as root");
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_TRIM, &trim), EPERM);
}

static const struct test_case cases[] = {
	CASE(account_counts_what_a_file_holds),
	CASE(account_follows_mappings),
	CASE(account_counts_quarantine),
	CASE(account_limit_of_a_file_is_exact),
	CASE(account_default_limit_is_that_of_the_module),
	CASE(account_charges_alignment),
	CASE(account_limit_of_all_files_is_exact),
	CASE(account_locked_memory_is_a_limit),
	CASE(account_charges_who_allocates),
	CASE(account_locked_memory_is_the_users),
	CASE(account_locked_memory_is_charged_once),
	CASE(account_capability_exempts_from_locked_memory),
	CASE(report_tells_what_would_do),
	CASE(report_of_user_and_device_limits),
	CASE(limit_report_is_exact),
	CASE(limit_report_counts_what_can_grow),
	CASE(fdinfo_tells_what_a_file_holds),
	CASE(drain_brings_back_what_is_not_pinned_any_more),
};

const struct test_suite account_suite = SUITE(cases);
