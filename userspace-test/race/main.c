// SPDX-License-Identifier: GPL-2.0-only
/*
 * span_race [PATTERN]...: races that are forced, all or those whose name matches one.
 *
 * Wants the device for itself, and spanalloc_rendezvous.ko loaded: no case may leave anything
 * in the heap. Two CPUs at least.
 */
#include "race.h"

#include <stdio.h>
#include <stdlib.h>

/* Said here once more, so that a case that falls out of a table is noticed. */
#define PLANNED_CASES	40

static void before(void)
{
	task_is(SECOND);
}

/* Nothing holds the device open between two cases: some unload the module. */
static bool nothing_is_left(void)
{
	static const struct {
		const char *name;
		size_t offset;
	} fields[] = {
		{ "in_use_pages", offsetof(struct spanalloc_heap_stats, in_use_pages) },
		{ "claimed_pages", offsetof(struct spanalloc_heap_stats, claimed_pages) },
		{ "quarantined_pages",
		  offsetof(struct spanalloc_heap_stats, quarantined_pages) },
	};
	int fd = open(device_path, O_RDONLY | O_CLOEXEC);
	bool good = true;
	uint64_t found;
	size_t i;

	meet_cancel();
	if (fd < 0) {
		test_note("the device is gone: errno %d", errno);
		return false;
	}
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (dev_settles(fd, fields[i].offset, 0, &found))
			continue;
		test_note("%s is left at %llu", fields[i].name, (unsigned long long)found);
		good = false;
	}
	close(fd);
	return dev_heap_is_sound() && good;
}

static const struct test_hooks hooks = {
	.before = before,
	.after = nothing_is_left,
};

int main(int argc, char **argv)
{
	const struct test_suite suites[] = {
		handle_suite, mapping_suite, memory_suite, kill_suite, unload_suite,
	};

	(void)argc;
	page_size = sysconf(_SC_PAGESIZE);
	printf("KTAP version 1\n");
	fflush(stdout);
	return test_run(suites, ARRAY_SIZE(suites), PLANNED_CASES, &hooks, argv + 1);
}
