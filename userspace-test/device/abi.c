// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls as such: structures shorter and longer than ours, unknown commands,
 * bad pointers. A call that fails must change nothing, so most cases look at the
 * heap afterwards.
 */
#include "device.h"

#include <limits.h>

/* The longest structure that a command number can tell. */
#define SIZE_MAX_IOC	((1U << _IOC_SIZEBITS) - 1)

/**
 * struct command - one call of the interface
 * @name: for messages
 * @number: of the call
 * @dir: _IOC_WRITE, and _IOC_READ if there is a reply
 * @size: of the structure
 * @least: size of the structure's first version, for all time
 * @prepare: makes a request that succeeds
 */
struct command {
	const char *name;
	unsigned int number;
	unsigned int dir;
	size_t size;
	size_t least;
	void (*prepare)(int fd, void *request);
};

static void prepare_nothing(int fd, void *request)
{
	(void)fd;
	(void)request;
}

static void prepare_alloc(int fd, void *request)
{
	struct spanalloc_alloc *alloc = request;

	(void)fd;
	alloc->npages = 3;
}

static void prepare_free(int fd, void *request)
{
	struct spanalloc_free *free_request = request;

	free_request->handle = dev_alloc(fd, 5).handle;
}

static void prepare_query(int fd, void *request)
{
	struct spanalloc_query *query = request;

	query->handle = dev_alloc(fd, 5).handle;
}

static void prepare_trim(int fd, void *request)
{
	struct spanalloc_trim *trim = request;

	(void)fd;
	trim->npages = 1;
}

static void prepare_runs(int fd, void *request)
{
	static struct spanalloc_run run;
	struct spanalloc_runs *runs = request;

	runs->handle = dev_alloc(fd, 5).handle;
	runs->runs = (uintptr_t)&run;
	runs->nruns = 1;
}

static void prepare_split(int fd, void *request)
{
	struct spanalloc_split *split = request;

	split->handle = dev_alloc(fd, 5).handle;
	split->npages = 2;
}

static void prepare_export(int fd, void *request)
{
	struct spanalloc_export *export = request;

	export->handle = dev_alloc(fd, 5).handle;
}

#define BOTH (_IOC_READ | _IOC_WRITE)

static const struct command commands[] = {
	{ "info", 0, BOTH, 40, 40, prepare_nothing },
	{ "alloc", 1, BOTH, 48, 48, prepare_alloc },
	{ "free", 2, BOTH, 16, 16, prepare_free },
	{ "query", 3, BOTH, 64, 64, prepare_query },
	{ "stats", 4, BOTH, 440, 280, prepare_nothing },
	{ "trim", 5, BOTH, 24, 24, prepare_trim },
	{ "split", 6, BOTH, 32, 32, prepare_split },
	{ "file", 7, BOTH, 80, 80, prepare_nothing },
	{ "runs", 8, BOTH, 32, 32, prepare_runs },
	{ "export", 9, BOTH, 16, 16, prepare_export },
};

#define NCOMMANDS ARRAY_SIZE(commands)

/* Programs are built against these: they cannot move. */
_Static_assert(sizeof(struct spanalloc_info) == 40, "info");
_Static_assert(sizeof(struct spanalloc_alloc) == 48, "alloc");
_Static_assert(sizeof(struct spanalloc_free) == 16, "free");
_Static_assert(sizeof(struct spanalloc_query) == 64, "query");
_Static_assert(sizeof(struct spanalloc_heap_stats) == 440, "stats");
_Static_assert(sizeof(struct spanalloc_trim) == 24, "trim");
_Static_assert(sizeof(struct spanalloc_split) == 32, "split");
_Static_assert(sizeof(struct spanalloc_file) == 80, "file");
_Static_assert(sizeof(struct spanalloc_runs) == 32, "runs");
_Static_assert(sizeof(struct spanalloc_run) == 24, "run");
_Static_assert(sizeof(struct spanalloc_export) == 16, "export");
_Static_assert(SPANALLOC_IOC_INFO == 0xc028bb00, "info");
_Static_assert(SPANALLOC_IOC_ALLOC == 0xc030bb01, "alloc");
_Static_assert(SPANALLOC_IOC_FREE == 0xc010bb02, "free");
_Static_assert(SPANALLOC_IOC_QUERY == 0xc040bb03, "query");
_Static_assert(SPANALLOC_IOC_STATS == 0xc1b8bb04, "stats");
_Static_assert(SPANALLOC_IOC_TRIM == 0xc018bb05, "trim");
_Static_assert(SPANALLOC_IOC_SPLIT == 0xc020bb06, "split");
_Static_assert(SPANALLOC_IOC_FILE == 0xc050bb07, "file");
_Static_assert(SPANALLOC_IOC_RUNS == 0xc020bb08, "runs");
_Static_assert(SPANALLOC_IOC_EXPORT == 0xc010bb09, "export");

/* Not every kernel has dma-bufs. */
static bool is_offered(int fd, const struct command *command)
{
	return command->prepare != prepare_export ||
	       (dev_info(fd).features & SPANALLOC_FEATURE_EXPORT);
}

static int call(int fd, const struct command *command, size_t size, void *request)
{
	return ioctl(fd, _IOC(command->dir, SPANALLOC_IOC_MAGIC, command->number, size),
		     request);
}

/* What a refused call may not have changed. */
struct footprint {
	uint64_t pages;
	uint64_t spans;
};

static struct footprint footprint(int fd)
{
	struct spanalloc_heap_stats stats = dev_stats(fd);

	return (struct footprint){ stats.in_use_pages, stats.in_use_spans };
}

static void check_footprint(int fd, struct footprint before)
{
	CHECK_SETTLES(fd, in_use_pages, before.pages);
	CHECK_SETTLES(fd, in_use_spans, before.spans);
}

/* Fails unless the call fails like this, and without effect. */
static void refuse(const struct command *command, size_t size, int error,
		   size_t stain)
{
	unsigned char request[SIZE_MAX_IOC + 1] = { 0 };
	struct footprint before;
	int fd = dev_open();
	int result;

	command->prepare(fd, request);
	if (stain)
		request[stain] = 1;
	before = footprint(fd);
	errno = 0;
	result = call(fd, command, size, request);
	if (result != -1 || errno != error)
		FAIL("%s with %zu bytes: result %d, errno %s, expected %s",
		     command->name, size, result, errno_name(errno),
		     errno_name(error));
	check_footprint(fd, before);
	close(fd);
}

static void abi_info_is_sane(void)
{
	int fd = dev_open();
	struct spanalloc_info info = dev_info(fd);
	struct spanalloc_heap_stats stats = dev_stats(fd);

	CHECK(info.version != 0);
	CHECK_EQ(info.page_size, page_size);
	CHECK(info.features & SPANALLOC_FEATURE_CONTIG);
	CHECK(info.features & SPANALLOC_FEATURE_SPLIT);
	CHECK(info.alloc_flags & SPANALLOC_ALLOC_CONTIG);
	CHECK_EQ(info.granule_pages & (info.granule_pages - 1), 0);
	CHECK(info.granule_pages >= 1);
	CHECK(info.max_pages >= info.granule_pages);
	CHECK_EQ(info.reserved, 0);
	CHECK_EQ(info.granule_pages, stats.granule_pages);
	CHECK_EQ(info.max_pages, stats.max_pages);
}

static void abi_stats_add_up(void)
{
	int fd = dev_open();
	struct spanalloc_heap_stats s;
	uint32_t handle = dev_alloc(fd, 7).handle;

	s = dev_stats(fd);
	CHECK_EQ(s.page_size, page_size);
	CHECK_EQ(s.flags, 0);
	CHECK_EQ(s.reserved, 0);
	CHECK(s.in_use_pages >= 7 && s.in_use_spans >= 1);
	CHECK_EQ(s.free_pages + s.in_use_pages + s.cached_pages + s.claimed_pages +
		 s.quarantined_pages, s.address_pages);
	CHECK_EQ(s.backed_pages + s.released_pages, s.address_pages);
	CHECK(s.address_pages <= s.max_pages);
	CHECK_EQ(s.arena_pages & (s.arena_pages - 1), 0);
	CHECK(s.arena_pages >= s.granule_pages);
	CHECK(s.largest_free_pages <= s.free_pages);
	CHECK(s.idle_pages <= s.backed_pages);
	CHECK(s.metadata_bytes != 0);
	CHECK(s.allocs >= s.allocs_exact);
	dev_free(fd, handle);
	CHECK_SETTLES(fd, frees, s.frees + 1);
}

static void abi_short_structs_are_refused(void)
{
	size_t i, size;

	for (i = 0; i < NCOMMANDS; i++) {
		size = commands[i].least;
		refuse(&commands[i], size - 1, EINVAL, 0);
		refuse(&commands[i], size / 2, EINVAL, 0);
		refuse(&commands[i], 4, EINVAL, 0);
		refuse(&commands[i], 1, EINVAL, 0);
		refuse(&commands[i], 0, EINVAL, 0);
	}
}

static void abi_long_structs_with_a_tail_are_refused(void)
{
	size_t i, size;

	for (i = 0; i < NCOMMANDS; i++) {
		size = commands[i].size;
		refuse(&commands[i], size + 1, E2BIG, size);
		refuse(&commands[i], size + 8, E2BIG, size + 7);
		refuse(&commands[i], size + 64, E2BIG, size + 1);
		refuse(&commands[i], SIZE_MAX_IOC, E2BIG, SIZE_MAX_IOC - 1);
	}
}

/* The reply's tail is clear too, and nothing is written beyond it. */
static void take_long_struct(const struct command *command, size_t size)
{
	unsigned char request[SIZE_MAX_IOC + 9];
	int fd = dev_open();
	size_t i;

	if (!is_offered(fd, command)) {
		close(fd);
		return;
	}
	memset(request, 0, size);
	memset(request + size, 0xee, sizeof(request) - size);
	command->prepare(fd, request);
	if (call(fd, command, size, request))
		FAIL("%s with %zu bytes: errno %s", command->name, size,
		     errno_name(errno));
	for (i = command->size; i < size; i++)
		CHECK_EQ(request[i], 0);
	for (i = size; i < sizeof(request); i++)
		CHECK_EQ(request[i], 0xee);
	close(fd);
}

static void abi_long_structs_with_zero_tail_are_taken(void)
{
	size_t i, size;

	for (i = 0; i < NCOMMANDS; i++) {
		size = commands[i].size;
		take_long_struct(&commands[i], commands[i].least);
		take_long_struct(&commands[i], size);
		take_long_struct(&commands[i], size + 1);
		take_long_struct(&commands[i], size + 8);
		take_long_struct(&commands[i], 4096);
		take_long_struct(&commands[i], SIZE_MAX_IOC);
	}
}

static void abi_unknown_commands_are_refused(void)
{
	unsigned char request[64] = { 0 };
	int fd = dev_open();
	unsigned int number;

	for (number = _IOC_NR(SPANALLOC_IOC_EXPORT) + 1; number < 256; number++) {
		CHECK_FAILS(ioctl(fd, _IOC(BOTH, SPANALLOC_IOC_MAGIC, number, 64),
				  request), ENOTTY);
		CHECK_FAILS(ioctl(fd, _IO(SPANALLOC_IOC_MAGIC, number), 0), ENOTTY);
	}
}

static void abi_foreign_magic_is_refused(void)
{
	unsigned char request[64] = { 0 };
	int fd = dev_open();
	unsigned int magic;

	for (magic = 0; magic < 256; magic++) {
		/* 'T' and 'f' have commands that belong to every file. */
		if (magic == SPANALLOC_IOC_MAGIC || magic == 'T' || magic == 'f')
			continue;
		CHECK_FAILS(ioctl(fd, _IOC(BOTH, magic, 1, 48), request), ENOTTY);
	}
}

static void abi_wrong_direction_is_refused(void)
{
	static const unsigned int dirs[] = {
		_IOC_NONE, _IOC_READ, _IOC_WRITE, BOTH
	};
	unsigned char request[512];
	struct footprint before;
	size_t i, d;
	int fd;

	for (i = 0; i < NCOMMANDS; i++) {
		for (d = 0; d < 4; d++) {
			if (dirs[d] == commands[i].dir)
				continue;
			fd = dev_open();
			memset(request, 0, sizeof(request));
			commands[i].prepare(fd, request);
			before = footprint(fd);
			CHECK_FAILS(ioctl(fd, _IOC(dirs[d], SPANALLOC_IOC_MAGIC,
						   commands[i].number,
						   commands[i].size), request),
				    ENOTTY);
			check_footprint(fd, before);
			close(fd);
		}
	}
}

static void abi_bad_pointers_are_refused(void)
{
	void *const bad[] = {
		NULL, (void *)1, (void *)(uintptr_t)(UINTPTR_MAX - 4095),
		(void *)((uintptr_t)1 << (sizeof(long) * CHAR_BIT - 1)),
	};
	struct footprint before;
	int fd = dev_open();
	size_t i, b;

	before = footprint(fd);
	for (i = 0; i < NCOMMANDS; i++) {
		for (b = 0; b < ARRAY_SIZE(bad); b++) {
			/* A 32-bit program's upper half may be its own stack. */
			if (sizeof(long) == 4 && b == 3)
				continue;
			CHECK_FAILS(call(fd, &commands[i], commands[i].size, bad[b]),
				    EFAULT);
		}
	}
	check_footprint(fd, before);
}

/* The structure begins in memory and ends outside of it. */
static void abi_half_a_struct_is_refused(void)
{
	struct footprint before;
	int fd = dev_open();
	char *map;
	size_t i;

	map = mmap(NULL, 2 * page_size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(map != MAP_FAILED);
	CHECK_OK(munmap(map + page_size, page_size));
	before = footprint(fd);
	for (i = 0; i < NCOMMANDS; i++) {
		CHECK_FAILS(call(fd, &commands[i], commands[i].size,
				 map + page_size - 4), EFAULT);
		/* A known part inside, a tail outside. */
		CHECK_FAILS(call(fd, &commands[i], commands[i].size + 64,
				 map + page_size - commands[i].size), EFAULT);
	}
	check_footprint(fd, before);
}

static void abi_read_only_reply_is_refused(void)
{
	struct footprint before;
	int fd = dev_open();
	void *request;
	size_t i;

	request = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(request != MAP_FAILED);
	for (i = 0; i < NCOMMANDS; i++) {
		if (!(commands[i].dir & _IOC_READ) || !is_offered(fd, &commands[i]))
			continue;
		memset(request, 0, page_size);
		commands[i].prepare(fd, request);
		before = footprint(fd);
		CHECK_OK(mprotect(request, page_size, PROT_READ));
		CHECK_FAILS(call(fd, &commands[i], commands[i].size, request), EFAULT);
		check_footprint(fd, before);
		CHECK_OK(mprotect(request, page_size, PROT_READ | PROT_WRITE));
	}
}

/* An allocation whose reply could not be told holds no handle back. */
static void abi_failed_reply_leaks_no_handle(void)
{
	struct spanalloc_alloc *request, alloc;
	struct spanalloc_query query;
	struct footprint before;
	int fd = dev_open();
	uint32_t h;
	int i;

	request = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(request != MAP_FAILED);
	request->npages = 4;
	CHECK_OK(mprotect(request, page_size, PROT_READ));
	alloc = dev_alloc(fd, 1);
	before = footprint(fd);
	for (i = 0; i < 100; i++)
		CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_ALLOC, request), EFAULT);
	check_footprint(fd, before);
	for (h = alloc.handle + 1; h < alloc.handle + 200; h++)
		CHECK_FAILS(dev_try_query(fd, h, &query), ENOENT);
}

/* Nor does a free whose reply could not be told take anything away. */
static void abi_failed_reply_keeps_the_allocation(void)
{
	struct spanalloc_free *request;
	struct spanalloc_alloc alloc;
	int fd = dev_open(), i;
	void *address;

	request = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(request != MAP_FAILED);
	address = dev_alloc_filled(fd, 3, 1, &alloc);
	request->handle = alloc.handle;
	CHECK_OK(mprotect(request, page_size, PROT_READ));
	for (i = 0; i < 3; i++)
		CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_FREE, request), EFAULT);
	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 1);
	dev_unmap(address, 3);
	address = dev_map(fd, alloc.offset, 3);
	CHECK(is_filled(address, 3, 1));
	dev_unmap(address, 3);
	CHECK_EQ(dev_free_state(fd, alloc.handle), 0);
}

static void abi_reserved_fields_must_be_zero(void)
{
	struct spanalloc_alloc alloc = { .npages = 1 };
	struct spanalloc_query query = { .handle = 0 };
	struct spanalloc_heap_stats stats = { .flags = 0 };
	struct spanalloc_free free_request = { .reserved = 1 };
	struct spanalloc_info info = { .reserved = 1 };
	struct spanalloc_split split = { .npages = 1, .reserved = 1 };
	struct spanalloc_file file = { .reserved = { 1 } };
	struct spanalloc_runs runs = { .nruns = 1, .reserved = 1 };
	int fd = dev_open();

	alloc.reserved = 1ULL << 63;
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_ALLOC, &alloc), EINVAL);
	alloc.reserved = 0;
	query.handle = dev_alloc(fd, 1).handle;
	query.reserved = 1;
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_QUERY, &query), EINVAL);
	query.reserved = 0;
	query.flags = 1U << 31;
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_QUERY, &query), EINVAL);
	stats.flags = 1;
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_STATS, &stats), EINVAL);
	stats.flags = 0;
	stats.reserved = 1;
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_STATS, &stats), EINVAL);
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_INFO, &info), EINVAL);
	free_request.handle = query.handle;
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_FREE, &free_request), EINVAL);
	split.handle = dev_alloc(fd, 2).handle;
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_SPLIT, &split), EINVAL);
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_FILE, &file), EINVAL);
	file.reserved[0] = 0;
	file.reserved[1] = 1ULL << 32;
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_FILE, &file), EINVAL);
	file.reserved[1] = 0;
	file.flags = 2;
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_FILE, &file), EINVAL);
	runs.handle = split.handle;
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_RUNS, &runs), EINVAL);
	runs.reserved = 0;
	runs.flags = 1;
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_RUNS, &runs), EINVAL);
	split.reserved = 0;
	split.flags = 1;
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_SPLIT, &split), EINVAL);
	dev_free(fd, split.handle);
	dev_free(fd, query.handle);
}

/* What is out only may hold anything on the way in. */
static void abi_out_fields_are_not_read(void)
{
	struct spanalloc_alloc alloc;
	struct spanalloc_query query;
	struct spanalloc_heap_stats stats;
	struct spanalloc_free free_request;
	struct spanalloc_info info;
	struct spanalloc_file file;
	int fd = dev_open();

	memset(&file, 0xff, sizeof(file));
	file.flags = 0;
	file.reserved[0] = 0;
	file.reserved[1] = 0;
	CHECK_OK(ioctl(fd, SPANALLOC_IOC_FILE, &file));
	CHECK_EQ(file.pages, 0);
	memset(&info, 0xff, sizeof(info));
	info.reserved = 0;
	CHECK_OK(ioctl(fd, SPANALLOC_IOC_INFO, &info));
	CHECK_EQ(info.page_size, page_size);
	memset(&alloc, 0xff, sizeof(alloc));
	alloc.npages = 2;
	alloc.align = 0;
	alloc.flags = 0;
	alloc.reserved = 0;
	CHECK_OK(ioctl(fd, SPANALLOC_IOC_ALLOC, &alloc));
	CHECK_EQ(alloc.largest_pages | alloc.reserved, 0);
	memset(&query, 0xff, sizeof(query));
	query.handle = alloc.handle;
	query.flags = 0;
	query.reserved = 0;
	CHECK_OK(ioctl(fd, SPANALLOC_IOC_QUERY, &query));
	CHECK_EQ(query.npages, 2);
	CHECK_EQ(query.nexports | query.reserved, 0);
	memset(&stats, 0xff, sizeof(stats));
	stats.flags = 0;
	stats.reserved = 0;
	CHECK_OK(ioctl(fd, SPANALLOC_IOC_STATS, &stats));
	CHECK_EQ(stats.page_size, page_size);
	memset(&free_request, 0xff, sizeof(free_request));
	free_request.handle = alloc.handle;
	free_request.flags = 0;
	free_request.reserved = 0;
	CHECK_OK(ioctl(fd, SPANALLOC_IOC_FREE, &free_request));
	CHECK_EQ(free_request.state, 0);
}

static const struct test_case cases[] = {
	CASE(abi_info_is_sane),
	CASE(abi_stats_add_up),
	CASE(abi_short_structs_are_refused),
	CASE(abi_long_structs_with_a_tail_are_refused),
	CASE(abi_long_structs_with_zero_tail_are_taken),
	CASE(abi_unknown_commands_are_refused),
	CASE(abi_foreign_magic_is_refused),
	CASE(abi_wrong_direction_is_refused),
	CASE(abi_bad_pointers_are_refused),
	CASE(abi_half_a_struct_is_refused),
	CASE(abi_read_only_reply_is_refused),
	CASE(abi_failed_reply_leaks_no_handle),
	CASE(abi_failed_reply_keeps_the_allocation),
	CASE(abi_reserved_fields_must_be_zero),
	CASE(abi_out_fields_are_not_read),
};

const struct test_suite abi_suite = SUITE(cases);
