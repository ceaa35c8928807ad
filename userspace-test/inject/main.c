// SPDX-License-Identifier: GPL-2.0-only
/*
 * fail_nth: every operation with each of its allocations failing in turn.
 *
 *   fail_nth [PATTERN]...              the device; the module is loaded
 *   fail_nth --load FILE [PATTERN]...  the module, which is FILE and not loaded
 *
 * Wants a kernel with fault injection, and the module for itself.
 */
#include "inject.h"

#include <stdio.h>
#include <stdlib.h>

/* Said here once more, so that a case that falls out of a table is noticed. */
#define PLANNED_DEVICE	32
#define PLANNED_LOAD	3

static bool after_device(void)
{
	position_note();
	return dev_heap_is_sound();
}

static bool after_load(void)
{
	position_note();
	return module_is_absent();
}

static int run_device(char *const *patterns)
{
	static const struct test_hooks hooks = { injection_reset, after_device };
	const struct test_suite suites[] = { call_suite, memory_suite, fresh_inject_suite };

	watch_fd = dev_open_mode(O_RDONLY);
	return test_run(suites, ARRAY_SIZE(suites), PLANNED_DEVICE, &hooks, patterns);
}

static int run_load(char *const *patterns)
{
	static const struct test_hooks hooks = { injection_reset, after_load };

	return test_run(&load_suite, 1, PLANNED_LOAD, &hooks, patterns);
}

int main(int argc, char **argv)
{
	bool load = argc > 2 && !strcmp(argv[1], "--load");

	page_size = sysconf(_SC_PAGESIZE);
	printf("KTAP version 1\n");
	/* The cases write past the buffer. */
	fflush(stdout);
	if (!injection_is_possible()) {
		printf("1..0 # SKIP this kernel injects no faults\n");
		return EXIT_SKIP;
	}
	position_init();
	if (!load)
		return run_device(argv + 1);
	module_path = argv[2];
	return run_load(argv + 3);
}
