// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processors and memory that come and go, and a machine that is suspended, while the
 * scavenger has work.
 */
#include "pressure.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define CPU_ONLINE	"/sys/devices/system/cpu/cpu1/online"
#define MEMORY_DIR	"/sys/devices/system/memory/"
#define SLEEP_STATE	"/sys/power/state"
#define SLEEP_TEST	"/sys/power/pm_test"
#define SLEEP_DELAY	"/sys/module/suspend/parameters/pm_test_delay"
#define WAKE_ALARM	"/sys/class/rtc/rtc0/wakealarm"
#define RESERVE		"/proc/sys/vm/min_free_kbytes"

/* A scavenger that gives back whatever is idle, at once and all the time. */
#define EAGER	"retain_percent=0 window_ms=0 pace_permille=1000"
/* And one that takes its time, with many small granules. */
#define SLOW	"retain_percent=0 window_ms=0 pace_permille=5 granule_order=0"

/* Of <linux/kernel-page-flags.h>, whose values with KPF_RESERVED are not for programs. */
#define KPF_RESERVED	32

#define WORKER_PAGES	2048

/* The number that a file of the kernel has, or, if there is no such file, @otherwise. */
static unsigned int number_in(const char *path, unsigned int otherwise)
{
	FILE *file = fopen(path, "re");
	unsigned int number = otherwise;

	if (file) {
		CHECK_EQ(fscanf(file, "%u", &number), 1);
		fclose(file);
	}
	return number;
}

static void need_processor(void)
{
	if (access(CPU_ONLINE, W_OK))
		test_skip("no processor that can be taken away");
}

/* The heap works, and the scavenger with it, and caches if there are any. */
static void wait_for_work(bool caches)
{
	uint64_t allocated = workers_allocated();
	double deadline = seconds_now() + 30 * patience();

	wait_above("scavenged_pages", heap_stat("scavenged_pages"));
	if (caches)
		wait_above("cache_allocs", heap_stat("cache_allocs"));
	while (workers_allocated() == allocated) {
		CHECK(seconds_now() < deadline);
		sleep_ms(1);
	}
}

/* The work goes on wherever there is a processor for it. */
static void work_while_processor_comes_and_goes(bool caches)
{
	int rounds = is_short ? 3 : 20, i;

	worker_start(WORKER_PAGES);
	worker_start(WORKER_PAGES);
	for (i = 0; i < rounds; i++) {
		wait_for_work(caches);
		tell(CPU_ONLINE, "0");
		wait_for_work(caches);
		tell(CPU_ONLINE, "1");
	}
}

static void processor_comes_and_goes(void)
{
	need_processor();
	module_load(EAGER);
	work_while_processor_comes_and_goes(false);
	workers_stop();
	CHECK_EQ(heap_stat("in_use_pages"), 0);
	CHECK(dev_heap_is_sound());
	module_unload();
}

/*
 * The same while processors park what is freed, and take what they have parked. When one has
 * gone in the midst of that, nothing of it is left: the caches of others are all that is
 * emptied on demand. Granules are small, for what is parked keeps them from being idle.
 */
static void caches_work_while_a_processor_comes_and_goes(void)
{
	int fd;

	need_processor();
	module_load(EAGER " granule_order=4 cache_pages=512");
	work_while_processor_comes_and_goes(true);
	wait_for_work(true);
	tell(CPU_ONLINE, "0");
	workers_stop();
	CHECK(heap_stat("cached_pages") > 0);
	fd = dev_open();
	dev_trim(fd, ~0ULL);
	close(fd);
	CHECK_EQ(heap_stat("cached_pages"), 0);
	CHECK_EQ(heap_stat("in_use_pages"), 0);
	CHECK_EQ(heap_stat("free_spans"), 1);
	CHECK_EQ(heap_stat("backed_pages"), 0);
	CHECK(dev_heap_is_sound());
	tell(CPU_ONLINE, "1");
	module_unload();
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK_OK(sched_setaffinity(0, sizeof(set), &set));
}

/* What was parked for a processor is free for the others when that is gone. */
static void processor_takes_nothing_with_it(void)
{
	uint64_t npages;
	int fd;

	need_processor();
	/* No scavenger that would have a look at what is parked. */
	module_load("retain_percent=-1 cache_pages=512");
	fd = dev_open();
	run_on(1);
	for (npages = 1; npages <= 16; npages++)
		dev_free(fd, dev_alloc(fd, npages).handle);
	CHECK(heap_stat("cached_pages") >= 16);
	run_on(0);
	tell(CPU_ONLINE, "0");
	CHECK_EQ(heap_stat("cached_pages"), 0);
	CHECK_EQ(heap_stat("free_spans"), 1);
	CHECK(dev_heap_is_sound());
	tell(CPU_ONLINE, "1");
	close(fd);
	module_unload();
}

/* Whole granules become idle, and are to be given back for a long time. */
static void start_slow_work(struct holder *holder)
{
	module_load(SLOW);
	holder_fill(holder, fill_bytes());
	holder_thin_out(holder);
	wait_above("scavenge_steps", 2);
}

/* Nothing but suspension had a hand in it. */
static void end_slow_work(struct holder *holder)
{
	CHECK(heap_stat("idle_pages") > 0);
	wait_above("scavenge_steps", heap_stat("scavenge_steps") + 2);
	holder_verify(holder);
	CHECK(dev_heap_is_sound());
	holder_end(holder);
	module_unload();
}

/* The machine sleeps, and its clock wakes it. */
static void work_goes_on_after_suspension(void)
{
	struct holder holder = { 0 };

	if (!is_text("/sys/power/mem_sleep", "s2idle [deep]") || access(WAKE_ALARM, W_OK))
		test_skip("no suspension to memory, or no clock that ends it");
	start_slow_work(&holder);
	worker_start(WORKER_PAGES);
	tell(WAKE_ALARM, "0");
	tell(WAKE_ALARM, "+3");
	tell(SLEEP_STATE, "mem");
	workers_stop();
	end_slow_work(&holder);
}

/* While tasks are frozen the scavenger is, too. */
static void nothing_is_given_back_in_suspension(void)
{
	struct holder holder = { 0 };
	double start, frozen, slept;
	uint64_t steps, awake, asleep;

	if (access(SLEEP_TEST, W_OK))
		test_skip("this kernel does not stop half way into suspension");
	/*
	 * On a slow kernel the scavenger has to have time for some steps; not more, for while the
	 * kernel waits it is silent, of which a watchdog might take note.
	 */
	if (patience() > 1 && !access(SLEEP_DELAY, W_OK))
		tell(SLEEP_DELAY, "20");
	frozen = number_in(SLEEP_DELAY, 5);
	start_slow_work(&holder);
	steps = heap_stat("scavenge_steps");
	sleep_ms(1000 * frozen);
	awake = heap_stat("scavenge_steps") - steps;
	CHECK(awake >= 8);

	tell(SLEEP_TEST, "freezer");
	steps = heap_stat("scavenge_steps");
	start = seconds_now();
	tell(SLEEP_STATE, "freeze");
	slept = seconds_now() - start;
	asleep = heap_stat("scavenge_steps") - steps;
	tell(SLEEP_TEST, "none");
	test_note("%llu steps in %.0f s, %llu in %.1f s of which %.0f were frozen",
		  (unsigned long long)awake, frozen, (unsigned long long)asleep, slept, frozen);
	CHECK(slept >= frozen);
	/* At the same rate while it was not frozen, and one step is on its way. */
	CHECK(asleep <= 2 + awake * (slept - frozen / 2) / frozen);
	end_slow_work(&holder);
}

/* Is any page of these reserved, by who was there before memory was managed? */
static bool has_reserved_page(uint64_t first, uint64_t npages)
{
	static uint64_t flags[4096];
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	bool found = false;
	uint64_t at, i;
	ssize_t n;

	CHECK_OK(fd);
	for (at = first; at < first + npages && !found; at += n / sizeof(*flags)) {
		n = pread(fd, flags, sizeof(flags), at * sizeof(*flags));
		CHECK(n >= (ssize_t)sizeof(*flags));
		for (i = 0; i < n / sizeof(*flags) && at + i < first + npages; i++)
			found |= flags[i] >> KPF_RESERVED & 1;
	}
	close(fd);
	return found;
}

static uint64_t block_pages(void)
{
	FILE *file = fopen(MEMORY_DIR "block_size_bytes", "re");
	unsigned long long nbytes;

	CHECK(file);
	CHECK_EQ(fscanf(file, "%llx", &nbytes), 1);
	fclose(file);
	return nbytes / page_size;
}

/* A block of memory that has nothing in it but what can be moved: its number, or -1. */
static int movable_block(void)
{
	DIR *dir = opendir(MEMORY_DIR);
	struct dirent *entry;
	char path[512];
	int block = -1, found;

	while (dir && block < 0 && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), MEMORY_DIR "%s/valid_zones", entry->d_name);
		if (sscanf(entry->d_name, "memory%d", &found) == 1 && is_text(path, "Movable") &&
		    !has_reserved_page(found * block_pages(), block_pages()))
			block = found;
	}
	if (dir)
		closedir(dir);
	return block;
}

/* What is moved out of memory that goes offline finds a place. */
static void idle_memory_makes_room_for_what_is_moved(void)
{
	struct holder holder = { 0 };
	int block = movable_block();
	char path[128], reserve[16];
	uint64_t idle;

	if (block < 0)
		test_skip("no block of memory that can be taken away");
	snprintf(path, sizeof(path), MEMORY_DIR "memory%d/state", block);
	snprintf(reserve, sizeof(reserve), "%u", number_in(RESERVE, 0));
	module_load("retain_percent=-1");
	holder_fill(&holder, fill_bytes());
	holder_thin_out(&holder);
	idle = heap_stat("idle_pages");
	CHECK(idle > 0);
	tell(path, "offline");
	/* For huge pages the kernel keeps more free now, which nobody can have. */
	tell(RESERVE, reserve);
	CHECK_EQ(heap_stat("idle_pages"), 0);
	CHECK_EQ(heap_stat("scavenged_reclaim_pages"), idle);
	/* Memory that comes is nothing to be afraid of. */
	holder_fill(&holder, holder.npages * page_size + 16 * MIB);
	holder_thin_out(&holder);
	idle = heap_stat("idle_pages");
	tell(path, "online_movable");
	CHECK_EQ(heap_stat("idle_pages"), idle);
	tell(RESERVE, reserve);
	holder_verify(&holder);
	CHECK(dev_heap_is_sound());
	holder_end(&holder);
	module_unload();
}

static const struct test_case cases[] = {
	CASE(processor_comes_and_goes),
	CASE(caches_work_while_a_processor_comes_and_goes),
	CASE(processor_takes_nothing_with_it),
	CASE(work_goes_on_after_suspension),
	CASE(nothing_is_given_back_in_suspension),
	CASE(idle_memory_makes_room_for_what_is_moved),
};

const struct test_suite event_suite = SUITE(cases);
