// SPDX-License-Identifier: GPL-2.0-only
/*
 * span_pressure SET [PATTERN]...: the heap gives memory back, to a system that is real and
 * short of it. All cases of a set, or those whose name matches a pattern. The sets are
 *
 *	small	for a small machine, which runs out of memory
 *	large	for one whose processors and memory can be taken away, and which can sleep
 *	short	of the first, what matters most, and less of it
 *
 * Each case loads the module as it wants it and unloads it, with all memory back afterwards.
 * Nobody but the tests' own eater may be killed for want of memory.
 */
#include "pressure.h"

#include <stdio.h>
#include <stdlib.h>

/* Said here once more, so that a case that falls out of a table is noticed. */
#define PLANNED_SMALL	19
#define PLANNED_LARGE	6

static char *const short_cases[] = {
	"idle_comes_back_to_a_neighbour",
	"notifier_is_the_last_resort",
	"idle_memory_is_available",
	"memory_is_kept_for_the_window_and_no_longer",
	"polic*",
	"unload_while_scavenger_w*",
	NULL
};

/* Memory that a case may leave with the kernel, for reasons that are not the module's. */
#define NOISE	(16 * MIB)

bool is_short;

static uint64_t available;

static void before(void)
{
	available = meminfo_bytes("MemAvailable");
	log_mark();
}

static bool is_memory_back(void)
{
	double deadline = seconds_now() + 15 * patience();
	uint64_t now;

	do {
		now = meminfo_bytes("MemAvailable");
		if (now + NOISE >= available && !vm_stat("nr_kernel_misc_reclaimable"))
			return true;
		sleep_ms(50);
	} while (seconds_now() < deadline);
	test_note("%llu KiB are available of %llu, and %llu pages said to be reclaimable",
		  (unsigned long long)now / 1024, (unsigned long long)available / 1024,
		  (unsigned long long)vm_stat("nr_kernel_misc_reclaimable"));
	return false;
}

/* A case that failed half way leaves the modules behind; one that did not, does not. */
static bool is_module_gone(void)
{
	bool left = false;

	left |= !mute_try_unload();
	left |= !module_try_unload();
	if (left)
		test_note("the case has left a module loaded");
	return !left && access(device_path, F_OK);
}

static bool nothing_is_left(void)
{
	bool good = is_module_gone();

	log_show();
	return is_memory_back() && good;
}

static const struct test_hooks hooks = {
	.before = before,
	.after = nothing_is_left,
};

static int usage(void)
{
	fprintf(stderr, "usage: span_pressure small|large|short [PATTERN]...\n");
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	const struct test_suite small[] = {
		squeeze_suite, available_suite, rest_suite, policy_suite, unload_suite,
	};
	char *const *patterns = argv + 2;

	if (argc < 2)
		return usage();
	page_size = sysconf(_SC_PAGESIZE);
	is_short = !strcmp(argv[1], "short");
	if (is_short && argc == 2)
		patterns = short_cases;
	printf("KTAP version 1\n");
	fflush(stdout);
	/* Inherited by all but the eater. */
	tell("/proc/self/oom_score_adj", "-1000");
	if (is_short || !strcmp(argv[1], "small"))
		return test_run(small, ARRAY_SIZE(small), PLANNED_SMALL, &hooks, patterns);
	if (!strcmp(argv[1], "large"))
		return test_run(&event_suite, 1, PLANNED_LARGE, &hooks, patterns);
	return usage();
}
