// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parameters that say how much the default heap keeps, written while it is in use: what
 * makes no sense is refused, and what does holds at once.
 */
#include "pressure.h"

#include <signal.h>
#include <stdio.h>

#define RETAIN	"retain_percent"
#define WINDOW	"window_ms"
#define PACE	"pace_permille"

/* As long as a scavenger that has nothing to do, or little time, may be watched. */
#define LOOK_MS	500

static const char *path_of(const char *parameter)
{
	static char path[128];

	snprintf(path, sizeof(path), "/sys/module/spanalloc/parameters/%s", parameter);
	return path;
}

static void set(const char *parameter, const char *value)
{
	tell(path_of(parameter), value);
	if (!is_text(path_of(parameter), value))
		FAIL("%s is not %s", parameter, value);
}

/* Refused in this way, with the value that was and the heap as they were. */
static void refuse(const char *parameter, const char *value, int error)
{
	uint64_t goal = heap_stat("goal_pages");
	char before[64] = "";
	FILE *file = fopen(path_of(parameter), "re");

	CHECK(file && fgets(before, sizeof(before), file));
	fclose(file);
	before[strcspn(before, "\n")] = '\0';
	errno = 0;
	if (try_tell(path_of(parameter), value) != -1)
		FAIL("%s=%s was taken", parameter, value);
	if (errno != error)
		FAIL("%s=%s: errno %d (%s)", parameter, value, errno, errno_name(errno));
	if (!is_text(path_of(parameter), before))
		FAIL("%s is not %s any more, since %s was refused", parameter, before, value);
	CHECK_EQ(heap_stat("goal_pages"), goal);
}

/* Half of what is in use, in whatever way that is rounded. */
static void check_goal_is_half(void)
{
	uint64_t half = heap_stat("in_use_pages") / 2, goal = heap_stat("goal_pages");

	if (goal != half)
		FAIL("the goal is %llu pages, half of what is in use %llu",
		     (unsigned long long)goal, (unsigned long long)half);
}

static void policies_without_sense_are_refused(void)
{
	static const char *const bad_numbers[] = { "x", "5x", "1 2", "\n", "0.5" };
	struct holder holder = { 0 };
	unsigned int i;

	module_load("window_ms=0");
	CHECK(is_text(path_of(RETAIN), "10"));
	CHECK(is_text(path_of(WINDOW), "0"));
	CHECK(is_text(path_of(PACE), "10"));
	holder_fill(&holder, 16 * MIB);
	set(RETAIN, "50");
	check_goal_is_half();
	for (i = 0; i < ARRAY_SIZE(bad_numbers); i++) {
		refuse(RETAIN, bad_numbers[i], EINVAL);
		refuse(WINDOW, bad_numbers[i], EINVAL);
		refuse(PACE, bad_numbers[i], EINVAL);
	}
	refuse(RETAIN, "-2", EINVAL);
	refuse(RETAIN, "1000001", EINVAL);
	refuse(RETAIN, "2147483648", ERANGE);
	refuse(WINDOW, "-1", EINVAL);
	refuse(WINDOW, "4294967296", ERANGE);
	refuse(PACE, "0", EINVAL);
	refuse(PACE, "1001", EINVAL);
	refuse(PACE, "-1", EINVAL);
	/* What is at the edge of sense is not. */
	set(RETAIN, "1000000");
	set(RETAIN, "-1");
	CHECK_EQ(heap_stat("goal_pages"), heap_stat("max_pages"));
	set(RETAIN, "0");
	CHECK_EQ(heap_stat("goal_pages"), 0);
	set(WINDOW, "4294967295");
	set(PACE, "1000");
	set(PACE, "1");
	holder_end(&holder);
	module_unload();
}

static void wait_for_goal(void)
{
	double deadline = seconds_now() + 30 * patience();

	while (heap_stat("idle_pages") > heap_stat("goal_pages")) {
		if (seconds_now() > deadline)
			FAIL("%llu pages are idle, goal %llu",
			     (unsigned long long)heap_stat("idle_pages"),
			     (unsigned long long)heap_stat("goal_pages"));
		sleep_ms(5);
	}
}

/* One after the other, on a heap that is in use, whose scavenger sleeps or waits. */
static void policies_hold_at_once(void)
{
	struct holder holder = { 0 };
	uint64_t idle;

	module_load("retain_percent=-1 window_ms=0 pace_permille=1000");
	holder_fill(&holder, fill_bytes());
	holder_thin_out(&holder);
	idle = heap_stat("idle_pages");
	CHECK(idle > heap_stat("in_use_pages"));
	sleep_ms(LOOK_MS);
	CHECK_EQ(heap_stat("scavenge_steps"), 0);

	/* A share, of what is in use now. */
	set(RETAIN, "50");
	check_goal_is_half();
	wait_for_goal();
	CHECK(heap_stat("scavenged_pages") > 0);
	CHECK(heap_stat("idle_pages") < idle);

	/* A window keeps what comes and goes, though nobody uses it for the time being. */
	set(WINDOW, "3600000");
	holder_fill(&holder, fill_bytes());
	holder_thin_out(&holder);
	idle = heap_stat("idle_pages");
	CHECK(heap_stat("goal_pages") >= idle);
	/* Another pace or share is no reason to forget that. */
	set(PACE, "500");
	set(RETAIN, "40");
	sleep_ms(LOOK_MS);
	CHECK_EQ(heap_stat("idle_pages"), idle);

	/* Without it the scavenger does not wait for what it was waiting for. */
	set(WINDOW, "0");
	wait_for_goal();
	CHECK(heap_stat("idle_pages") < idle);
	set(RETAIN, "0");
	wait_for_goal();
	CHECK_EQ(heap_stat("idle_pages"), 0);
	holder_verify(&holder);
	holder_end(&holder);
	module_unload();
}

/* Many granules of a page, of which a batch goes, and then a long pause; then none. */
static void policies_end_a_pause(void)
{
	struct holder holder = { 0 };
	uint64_t idle;

	module_load("retain_percent=-1 window_ms=0 pace_permille=1 granule_order=0");
	holder_fill(&holder, fill_bytes());
	holder_thin_out(&holder);
	set(RETAIN, "0");
	wait_above("scavenge_steps", 0);
	sleep_ms(LOOK_MS);
	idle = heap_stat("idle_pages");
	CHECK(idle > 0);
	set(PACE, "1000");
	wait_for_goal();
	CHECK_EQ(heap_stat("idle_pages"), 0);
	CHECK(heap_stat("scavenged_pages") >= idle);
	holder_verify(&holder);
	holder_end(&holder);
	module_unload();
}

/* Writes whatever comes to mind to parameters that may be there or not. */
static void write_all_the_time(void *seed)
{
	static const char *const parameters[] = { RETAIN, WINDOW, PACE };
	static const char *const values[] = { "0", "1", "10", "1000", "-1", "x" };
	struct rng rng;

	rng_seed(&rng, *(uint64_t *)seed);
	for (;;) {
		const char *parameter = parameters[rng_below(&rng, ARRAY_SIZE(parameters))];
		const char *value = values[rng_below(&rng, ARRAY_SIZE(values))];

		if (try_tell(path_of(parameter), value) == -1 && errno != EINVAL &&
		    errno != ENOENT && errno != ENODEV)
			FAIL("%s=%s: errno %d (%s)", parameter, value, errno, errno_name(errno));
	}
}

/* A value is for the heap while there is one: not before, and not after. */
static void policies_are_written_while_the_module_comes_and_goes(void)
{
	int rounds = is_short ? 10 : 40, i;
	struct holder holder = { 0 };
	uint64_t seed = 1;
	pid_t writer = child_start(write_all_the_time, &seed);

	for (i = 0; i < rounds; i++) {
		module_load("window_ms=%d", i % 2 ? 0 : 32000);
		if (i % 3 == 0) {
			holder_fill(&holder, 4 * MIB);
			holder_end(&holder);
		}
		if (i < rounds - 1)
			module_unload();
	}
	CHECK_OK(kill(writer, SIGKILL));
	/* It has not found anything that should not be. */
	CHECK(is_killed(child_status(writer)));
	set(RETAIN, "-1");
	CHECK_EQ(heap_stat("goal_pages"), heap_stat("max_pages"));
	CHECK(dev_heap_is_sound());
	module_unload();
}

static const struct test_case cases[] = {
	CASE(policies_without_sense_are_refused),
	CASE(policies_hold_at_once),
	CASE(policies_end_a_pause),
	CASE(policies_are_written_while_the_module_comes_and_goes),
};

const struct test_suite policy_suite = SUITE(cases);
