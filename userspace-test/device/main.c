// SPDX-License-Identifier: GPL-2.0-only
/*
 * device_test: what a program can do with the device, right and wrong.
 *
 *   device_test [PATTERN]...   runs all cases, or those whose name matches one
 *   device_test --hold-pin     see hold_pin()
 *   device_test --memory-error a page that is lost; the module has to be unloaded then
 *
 * Wants the device for itself: after every case the heap's counters must be back
 * where they were. SPANALLOC_TEST_DISK may name a block device or a file that the
 * tests may overwrite.
 */
#include "device.h"

#include <stdio.h>
#include <stdlib.h>

/* Said here once more, so that a case that falls out of a table is noticed. */
#define PLANNED_CASES	229

static const struct {
	const char *name;
	size_t offset;
} balanced[] = {
	{ "in_use_pages", offsetof(struct spanalloc_heap_stats, in_use_pages) },
	{ "in_use_spans", offsetof(struct spanalloc_heap_stats, in_use_spans) },
	{ "claimed_pages", offsetof(struct spanalloc_heap_stats, claimed_pages) },
	{ "quarantined_pages",
	  offsetof(struct spanalloc_heap_stats, quarantined_pages) },
};

#define NBALANCED ARRAY_SIZE(balanced)

static int watch_fd;
static uint64_t counts_before[NBALANCED];

static uint64_t read_count(const struct spanalloc_heap_stats *stats, size_t i)
{
	uint64_t count;

	memcpy(&count, (const char *)stats + balanced[i].offset, sizeof(count));
	return count;
}

static void note_counts(void)
{
	struct spanalloc_heap_stats stats = dev_stats(watch_fd);
	size_t i;

	for (i = 0; i < NBALANCED; i++)
		counts_before[i] = read_count(&stats, i);
}

/* Releases may be deferred, so the counters get time. */
static bool counts_are_back(void)
{
	bool back = true;
	uint64_t found;
	size_t i;

	for (i = 0; i < NBALANCED; i++) {
		if (dev_settles(watch_fd, balanced[i].offset, counts_before[i], &found))
			continue;
		test_note("%s is left at %llu, was %llu", balanced[i].name,
			  (unsigned long long)found,
			  (unsigned long long)counts_before[i]);
		back = false;
	}
	return back;
}

/* Every page that was charged is paid back when it is back in the heap. */
static bool nothing_is_owed(void)
{
	uint64_t pages = dev_file(watch_fd).device_pages;

	if (!pages)
		return true;
	test_note("%llu pages are still charged", (unsigned long long)pages);
	return false;
}

static bool nothing_is_left(void)
{
	bool back = counts_are_back();

	account_reset();
	return dev_heap_is_sound() && back && nothing_is_owed();
}

static const struct test_hooks hooks = {
	.before = note_counts,
	.after = nothing_is_left,
};

static void note_nothing(void)
{
}

static bool heap_is_sound(void)
{
	return dev_heap_is_sound();
}

static int run_memory_error(void)
{
	static const struct test_hooks lossy = { note_nothing, heap_is_sound };
	char *all[] = { NULL };

	return test_run(&memory_error_suite, 1, 1, &lossy, all);
}

int main(int argc, char **argv)
{
	const struct test_suite suites[] = {
		abi_suite, node_suite, alloc_suite, limit_suite, account_suite, runs_suite,
		map_suite, fresh_suite, remap_suite, lifetime_suite, split_suite, pin_suite,
		export_suite, import_suite, io_suite, library_suite, stress_suite, scale_suite,
	};

	page_size = sysconf(_SC_PAGESIZE);
	if (argc > 1 && !strcmp(argv[1], "--hold-pin"))
		return hold_pin();
	printf("KTAP version 1\n");
	if (access(device_path, F_OK)) {
		printf("1..0 # SKIP no %s\n", device_path);
		return EXIT_SKIP;
	}
	if (access(DEV_CHECK_FILE, R_OK))
		printf("# no %s: the heap is not checked\n", DEV_CHECK_FILE);
	/* The cases write past the buffer. */
	fflush(stdout);
	if (argc > 1 && !strcmp(argv[1], "--memory-error"))
		return run_memory_error();
	watch_fd = dev_open_mode(O_RDONLY);
	test_note("pages of %zu bytes", page_size);
	return test_run(suites, ARRAY_SIZE(suites), PLANNED_CASES,
			&hooks, argv + 1);
}
