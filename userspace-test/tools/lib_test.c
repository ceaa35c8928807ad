// SPDX-License-Identifier: GPL-2.0-only
/*
 * libspanalloc without a device: ioctl() and mmap() are stand-ins here (the linker's
 * --wrap; where offsets have 64 bits the latter is called mmap64()), which note what they
 * were asked and answer as told.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "libspanalloc.h"
#include "tools_test.h"

#define CALLS_MAX 8

/* What the stand-ins were asked, and shall answer. */
static struct {
	unsigned long command;
	/* What the structure held. */
	unsigned char argument[512];
} calls[CALLS_MAX];
static unsigned int ncalls;
static int errors[CALLS_MAX];
static unsigned char replies[CALLS_MAX][512];
static struct {
	size_t nbytes;
	int prot;
	int flags;
	int fd;
	off_t offset;
} mapping;
static unsigned int nmappings;
static int mapping_error;

int __wrap_ioctl(int fd, unsigned long command, void *argument)
{
	unsigned int n = ncalls++;
	size_t i;

	if (n >= CALLS_MAX)
		abort();
	calls[n].command = command;
	memcpy(calls[n].argument, argument, _IOC_SIZE(command));
	if (errors[n]) {
		errno = errors[n];
		return -1;
	}
	/* All that is not zero is a reply; the rest stays as it came. */
	for (i = 0; i < _IOC_SIZE(command); i++) {
		if (replies[n][i])
			((unsigned char *)argument)[i] = replies[n][i];
	}
	return 0;
}

void *__wrap_mmap64(void *address, size_t nbytes, int prot, int flags, int fd, off_t offset)
{
	nmappings++;
	mapping.nbytes = nbytes;
	mapping.prot = prot;
	mapping.flags = flags;
	mapping.fd = fd;
	mapping.offset = offset;
	if (mapping_error) {
		errno = mapping_error;
		return MAP_FAILED;
	}
	return (void *)0x1000;
}

static void forget(void)
{
	memset(calls, 0, sizeof(calls));
	memset(errors, 0, sizeof(errors));
	memset(replies, 0, sizeof(replies));
	ncalls = 0;
	nmappings = 0;
	mapping_error = 0;
}

#define ARGUMENT(n, type) ((struct spanalloc_##type *)calls[n].argument)
#define REPLY(n, type) ((struct spanalloc_##type *)replies[n])

static void alloc_sends_what_it_was_told(void)
{
	struct spanalloc_alloc alloc = {
		.npages = 17, .align = 4, .flags = SPANALLOC_ALLOC_CONTIG,
		/* Left over from another call. */
		.handle = 9, .offset = 9, .largest_pages = 9, .reserved = 9,
	};

	forget();
	REPLY(0, alloc)->handle = 3;
	REPLY(0, alloc)->offset = 0x5000;
	EXPECT_EQ(spanalloc_alloc(7, &alloc), 0);
	EXPECT_EQ(ncalls, 1);
	EXPECT_EQ(calls[0].command, SPANALLOC_IOC_ALLOC);
	EXPECT_EQ(ARGUMENT(0, alloc)->npages, 17);
	EXPECT_EQ(ARGUMENT(0, alloc)->align, 4);
	EXPECT_EQ(ARGUMENT(0, alloc)->flags, SPANALLOC_ALLOC_CONTIG);
	EXPECT_EQ(ARGUMENT(0, alloc)->largest_pages | ARGUMENT(0, alloc)->reserved |
		  ARGUMENT(0, alloc)->handle | ARGUMENT(0, alloc)->offset, 0);
	EXPECT_EQ(alloc.handle, 3);
	EXPECT_EQ(alloc.offset, 0x5000);
}

/* The function for the command of that number; what it fills is @buffer if it fills any. */
static int call_number(unsigned int number, void *buffer)
{
	struct spanalloc_run run;
	uint64_t index = 1;
	uint32_t handle;

	switch (number) {
	case 0:
		return spanalloc_get_info(7, buffer);
	case 1:
		return spanalloc_alloc(7, buffer);
	case 2:
		return spanalloc_free(7, 1, NULL);
	case 3:
		return spanalloc_query(7, 1, buffer);
	case 4:
		return spanalloc_get_stats(7, buffer);
	case 5:
		return spanalloc_trim(7, 1, 0, NULL);
	case 6:
		return spanalloc_split(7, 1, 1, &handle, NULL);
	case 7:
		return spanalloc_get_file(7, buffer);
	case 8:
		return spanalloc_get_runs(7, 1, &index, &run, 1);
	case 9:
		return spanalloc_export(7, 1, 0);
	}
	return spanalloc_set_limit(7, 1);
}

#define NUMBERS 11

/* Each function, told to fail: what errno said comes back as a value. */
static void errors_come_back(void)
{
	unsigned char buffer[512] = "";
	unsigned int i;

	for (i = 0; i < NUMBERS; i++) {
		forget();
		errors[0] = ENOENT;
		EXPECT_EQ(call_number(i, buffer), -ENOENT);
		EXPECT_EQ(ncalls, 1);
	}
}

/* A program may have been compiled when the structures were longer, or shorter. */
static void structures_end_where_they_did(void)
{
	static const unsigned long sizes[NUMBERS] = {
		SPANALLOC_INFO_SIZE_VER0, SPANALLOC_ALLOC_SIZE_VER0, SPANALLOC_FREE_SIZE_VER0,
		SPANALLOC_QUERY_SIZE_VER0, SPANALLOC_STATS_SIZE_VER0, SPANALLOC_TRIM_SIZE_VER0,
		SPANALLOC_SPLIT_SIZE_VER0, SPANALLOC_FILE_SIZE_VER0, SPANALLOC_RUNS_SIZE_VER0,
		SPANALLOC_EXPORT_SIZE_VER0, SPANALLOC_FILE_SIZE_VER0,
	};
	static const unsigned char behind[8] = "behind.";
	unsigned char buffer[512];
	unsigned int i;

	for (i = 0; i < NUMBERS; i++) {
		forget();
		memset(buffer, 0xff, sizeof(buffer));
		memcpy(buffer + sizes[i], behind, sizeof(behind));
		call_number(i, buffer);
		EXPECT_EQ(_IOC_SIZE(calls[0].command), sizes[i]);
		EXPECT_EQ(_IOC_NR(calls[0].command), i == 10 ? 7 : i);
		EXPECT(!memcmp(buffer + sizes[i], behind, sizeof(behind)),
		       "command %u wrote behind its structure", i);
	}
	/* Where the program says how long the structure is, so much is filled. */
	forget();
	memset(buffer, 0xff, sizeof(buffer));
	memcpy(buffer + 288, behind, sizeof(behind));
	EXPECT_EQ(spanalloc_get_stats_size(7, (void *)buffer, 288), 0);
	EXPECT_EQ(_IOC_SIZE(calls[0].command), 288);
	EXPECT_EQ(buffer[287], 0);
	EXPECT(!memcmp(buffer + 288, behind, sizeof(behind)), "the end was written to");
	EXPECT_EQ(spanalloc_get_stats_size(7, (void *)buffer, 279), -EINVAL);
	EXPECT_EQ(spanalloc_get_stats_size(7, (void *)buffer, 1 << _IOC_SIZEBITS), -EINVAL);
	EXPECT_EQ(ncalls, 1);
}

static void report_from_any_kernel(void)
{
	struct spanalloc_alloc alloc = { .npages = 17 };

	/* One that knows: asked once, and what it says stays. */
	forget();
	errors[0] = ENOSPC;
	EXPECT_EQ(spanalloc_alloc_report(7, &alloc), -ENOSPC);
	EXPECT_EQ(ncalls, 1);
	EXPECT_EQ(ARGUMENT(0, alloc)->flags, SPANALLOC_ALLOC_REPORT);
	EXPECT_EQ(alloc.flags, 0);
	/* One that does not: asked again, without. */
	forget();
	errors[0] = EINVAL;
	REPLY(1, info)->alloc_flags = SPANALLOC_ALLOC_CONTIG;
	REPLY(2, alloc)->handle = 4;
	EXPECT_EQ(spanalloc_alloc_report(7, &alloc), 0);
	EXPECT_EQ(ncalls, 3);
	EXPECT_EQ(ARGUMENT(2, alloc)->flags, 0);
	EXPECT_EQ(alloc.handle, 4);
	/* One that knows, and has another reason. */
	forget();
	errors[0] = EINVAL;
	REPLY(1, info)->alloc_flags = SPANALLOC_ALLOC_REPORT;
	EXPECT_EQ(spanalloc_alloc_report(7, &alloc), -EINVAL);
	EXPECT_EQ(ncalls, 2);
}

static void alloc_map_leaves_nothing(void)
{
	struct spanalloc_alloc alloc = { .npages = 3 };
	void *address;

	forget();
	REPLY(0, alloc)->handle = 3;
	REPLY(0, alloc)->offset = 0x5000;
	EXPECT_EQ(spanalloc_alloc_map(7, &alloc, &address), 0);
	EXPECT(address == (void *)0x1000, "another address");
	EXPECT_EQ(mapping.nbytes, 3 * sysconf(_SC_PAGESIZE));
	EXPECT_EQ(mapping.prot, PROT_READ | PROT_WRITE);
	EXPECT_EQ(mapping.flags, MAP_SHARED);
	EXPECT_EQ(mapping.fd, 7);
	EXPECT_EQ(mapping.offset, 0x5000);
	/* Freed if it cannot be mapped, and the reason is that of the mapping. */
	forget();
	REPLY(0, alloc)->handle = 3;
	REPLY(0, alloc)->offset = 0x5000;
	errors[1] = EIO;
	mapping_error = ENFILE;
	EXPECT_EQ(spanalloc_alloc_map(7, &alloc, &address), -ENFILE);
	EXPECT_EQ(ncalls, 2);
	EXPECT_EQ(calls[1].command, SPANALLOC_IOC_FREE);
	EXPECT_EQ(ARGUMENT(1, free)->handle, 3);
	/* Not mapped if there is nothing. */
	forget();
	errors[0] = EDQUOT;
	EXPECT_EQ(spanalloc_alloc_map(7, &alloc, &address), -EDQUOT);
	EXPECT_EQ(nmappings, 0);
}

static void maps_are_where_they_were_asked(void)
{
	uint64_t page_size = sysconf(_SC_PAGESIZE);
	void *address;

	forget();
	EXPECT_EQ(spanalloc_map(7, 0, 1, PROT_READ, &address), -EINVAL);
	EXPECT_EQ(spanalloc_map_part(7, 0, 1, 1, PROT_READ, &address), -EINVAL);
	EXPECT_EQ(spanalloc_map(7, 1ULL << 40, SIZE_MAX / page_size + 1, PROT_READ, &address),
		  -ENOMEM);
	/* Times the page size, these are a small number. */
	EXPECT_EQ(spanalloc_map_part(7, 1ULL << 40, 1 + (UINT64_MAX / page_size + 1) / 2, 1,
				     PROT_READ, &address), -EINVAL);
	EXPECT_EQ(spanalloc_map_part(7, 1ULL << 40, UINT64_MAX / page_size + 1, 1, PROT_READ,
				     &address), -EINVAL);
	EXPECT_EQ(spanalloc_unmap((void *)page_size, UINT64_MAX / page_size + 2), -EINVAL);
	EXPECT_EQ(nmappings, 0);
	EXPECT_EQ(spanalloc_map_part(7, 1ULL << 40, 5, 2, PROT_READ, &address), 0);
	EXPECT_EQ(mapping.offset, (1ULL << 40) + 5 * page_size);
	EXPECT_EQ(mapping.nbytes, 2 * page_size);
	EXPECT_EQ(mapping.prot, PROT_READ);
	EXPECT_EQ(spanalloc_map_new(7, 4, PROT_READ | PROT_WRITE, &address), 0);
	EXPECT_EQ(mapping.offset, 0);
	EXPECT_EQ(mapping.nbytes, 4 * page_size);
	mapping_error = EACCES;
	EXPECT_EQ(spanalloc_map_new(7, 4, PROT_READ, &address), -EACCES);
}

static void runs_go_on(void)
{
	struct spanalloc_run runs[4];
	uint64_t index = 100;

	forget();
	REPLY(0, runs)->index = 200;
	EXPECT_EQ(spanalloc_get_runs(7, 3, &index, runs, 4), 4);
	EXPECT_EQ(ARGUMENT(0, runs)->handle, 3);
	EXPECT_EQ(ARGUMENT(0, runs)->index, 100);
	EXPECT_EQ(ARGUMENT(0, runs)->nruns, 4);
	EXPECT_EQ(ARGUMENT(0, runs)->runs, (uintptr_t)runs);
	EXPECT_EQ(index, 200);
	forget();
	errors[0] = EINVAL;
	EXPECT_EQ(spanalloc_get_runs(7, 3, &index, runs, 4), -EINVAL);
	EXPECT_EQ(index, 200);
	/* A count above all numbers would be an error. */
	forget();
	EXPECT(spanalloc_get_runs(7, 3, &index, runs, UINT32_MAX) > 0, "a negative count");
}

static void other_calls_send_what_they_were_told(void)
{
	uint64_t offset, released;
	uint32_t handle, state;

	forget();
	REPLY(0, split)->new_handle = 8;
	REPLY(0, split)->offset = 0x7000;
	REPLY(2, free)->state = SPANALLOC_FREE_DEFERRED;
	REPLY(3, trim)->released = 512;
	REPLY(4, export)->fd = 11;
	EXPECT_EQ(spanalloc_split(7, 3, 5, &handle, &offset), 0);
	EXPECT_EQ(ARGUMENT(0, split)->handle, 3);
	EXPECT_EQ(ARGUMENT(0, split)->npages, 5);
	EXPECT_EQ(handle, 8);
	EXPECT_EQ(offset, 0x7000);
	EXPECT_EQ(spanalloc_split(7, 3, 5, &handle, NULL), 0);
	EXPECT_EQ(spanalloc_free(7, 6, &state), 0);
	EXPECT_EQ(ARGUMENT(2, free)->handle, 6);
	EXPECT_EQ(state, SPANALLOC_FREE_DEFERRED);
	EXPECT_EQ(spanalloc_trim(7, 100, SPANALLOC_TRIM_DRAIN, &released), 0);
	EXPECT_EQ(ARGUMENT(3, trim)->npages, 100);
	EXPECT_EQ(ARGUMENT(3, trim)->flags, SPANALLOC_TRIM_DRAIN);
	EXPECT_EQ(released, 512);
	EXPECT_EQ(spanalloc_export(7, 6, SPANALLOC_EXPORT_READ_ONLY), 11);
	EXPECT_EQ(ARGUMENT(4, export)->handle, 6);
	EXPECT_EQ(ARGUMENT(4, export)->flags, SPANALLOC_EXPORT_READ_ONLY);
	EXPECT_EQ(spanalloc_set_limit(7, 1000), 0);
	EXPECT_EQ(ARGUMENT(5, file)->flags, SPANALLOC_FILE_SET_LIMIT);
	EXPECT_EQ(ARGUMENT(5, file)->limit_pages, 1000);
}

/* That a pipe is opened would show in waiting, until the alarm. */
static void open_takes_nothing_else(void)
{
	char path[] = "/tmp/lib-test-XXXXXX";
	int fd;

	forget();
	REQUIRE(mkdtemp(path), "no folder");
	EXPECT_EQ(spanalloc_open("/no/such/file", O_RDWR), -ENOENT);
	EXPECT_EQ(spanalloc_open(path, O_RDONLY), -ENOTTY);
	rmdir(path);
	REQUIRE(!mkfifo(path, 0600), "no pipe");
	alarm(30);
	EXPECT_EQ(spanalloc_open(path, O_RDONLY), -ENOTTY);
	unlink(path);
	EXPECT_EQ(ncalls, 0);
	errors[0] = ENOTTY;
	errors[1] = EINVAL;
	EXPECT_EQ(spanalloc_open("/dev/null", O_RDWR), -ENOTTY);
	EXPECT_EQ(spanalloc_open("/dev/null", O_RDWR), -ENOTTY);
	EXPECT_EQ(ncalls, 2);
	fd = spanalloc_open("/dev/null", O_RDWR);
	REQUIRE(fd >= 0, "%d", fd);
	EXPECT(fcntl(fd, F_GETFD) & FD_CLOEXEC, "not closed on exec");
	EXPECT_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	close(fd);
}

const struct ktap_case lib_cases[LIB_CASES] = {
	{ "library: alloc sends what it was told", alloc_sends_what_it_was_told },
	{ "library: errors come back as values", errors_come_back },
	{ "library: structures end where they did at first", structures_end_where_they_did },
	{ "library: report from any kernel", report_from_any_kernel },
	{ "library: alloc and map leaves nothing behind a failure", alloc_map_leaves_nothing },
	{ "library: maps are where they were asked", maps_are_where_they_were_asked },
	{ "library: runs go on where they ended", runs_go_on },
	{ "library: the other calls send what they were told",
	  other_calls_send_what_they_were_told },
	{ "library: open takes nothing but the device", open_takes_nothing_else },
};
