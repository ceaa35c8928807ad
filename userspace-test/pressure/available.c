// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the system says of idle memory: it is available.
 */
#include "pressure.h"

#include <stdio.h>

/* What else comes and goes while a case runs. */
#define NOISE	(8 * MIB)

/* Read in one go, as far as that can be. */
struct reading {
	uint64_t available;
	uint64_t reclaimable;
	uint64_t idle;
	uint64_t needed;
};

static struct reading read_all(void)
{
	return (struct reading) {
		.available = meminfo_bytes("MemAvailable"),
		.reclaimable = meminfo_bytes("KReclaimable"),
		.idle = heap_bytes("idle_pages"),
		.needed = heap_bytes("backed_pages") - heap_bytes("idle_pages"),
	};
}

static void check_moved(const char *what, uint64_t from, uint64_t to, int64_t expected)
{
	int64_t moved = to - from, off = moved - expected;

	test_note("%s: by %lld KiB, expected %lld", what, (long long)moved / 1024,
		  (long long)expected / 1024);
	if (off < -(int64_t)NOISE || off > (int64_t)NOISE)
		FAIL("%s is off by %lld KiB", what, (long long)off / 1024);
}

/* Exactly: nobody else counts there. A count of whole granules is folded at once. */
static void check_counted(void)
{
	CHECK_EQ(vm_stat("nr_kernel_misc_reclaimable"), heap_stat("idle_pages"));
}

static void idle_memory_is_available(void)
{
	struct reading used, freed, taken, given;
	struct holder holder = { 0 };
	uint64_t nbytes = fill_bytes();

	module_load("retain_percent=-1");
	check_counted();
	holder_fill(&holder, nbytes);
	used = read_all();
	check_counted();

	holder_thin_out(&holder);
	freed = read_all();
	check_counted();
	CHECK(freed.idle >= used.idle + nbytes / 2);
	check_moved("MemAvailable", used.available, freed.available, freed.idle - used.idle);
	check_moved("KReclaimable", used.reclaimable, freed.reclaimable, freed.idle - used.idle);

	holder_fill(&holder, nbytes);
	taken = read_all();
	check_counted();
	CHECK(taken.idle < freed.idle / 2);
	check_moved("MemAvailable", freed.available, taken.available, taken.idle - freed.idle);
	check_moved("KReclaimable", freed.reclaimable, taken.reclaimable,
		    taken.idle - freed.idle);

	/* Given back, it is free instead. */
	holder_thin_out(&holder);
	CHECK(dev_trim(holder.fd, ~0ULL) > 0);
	given = read_all();
	CHECK_EQ(given.idle, 0);
	check_counted();
	check_moved("MemAvailable", freed.available, given.available,
		    freed.needed - given.needed);
	check_moved("KReclaimable", freed.reclaimable, given.reclaimable, -freed.idle);
	holder_end(&holder);
	module_unload();
}

/* With idle granules in the heap when the module goes. */
static void nothing_is_available_of_a_heap_that_is_gone(void)
{
	uint64_t available = meminfo_bytes("MemAvailable");
	uint64_t reclaimable = meminfo_bytes("KReclaimable");
	struct holder holder = { 0 };

	module_load("retain_percent=-1");
	holder_fill(&holder, fill_bytes());
	holder_end(&holder);
	CHECK(heap_stat("idle_pages") > 0);
	check_counted();
	module_unload();
	CHECK_EQ(vm_stat("nr_kernel_misc_reclaimable"), 0);
	check_moved("MemAvailable", available, meminfo_bytes("MemAvailable"), 0);
	check_moved("KReclaimable", reclaimable, meminfo_bytes("KReclaimable"), 0);
}

static const struct test_case cases[] = {
	CASE(idle_memory_is_available),
	CASE(nothing_is_available_of_a_heap_that_is_gone),
};

const struct test_suite available_suite = SUITE(cases);
