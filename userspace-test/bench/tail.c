// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long an allocation takes at worst while the heap gives memory back, over how long it
 * takes while it keeps everything: spanalloc_tail.ko measures both.
 */
#include "bench.h"

#include <stdio.h>
#include <sys/syscall.h>

#define NUMBERS	4

static const char *const percentiles[NUMBERS] = { "p50", "p99", "p99.9", "longest" };

/* The module's figures are for one of two kinds of allocations. */
static const struct {
	const char *name;
	const char *parameters;
} kinds[] = {
	{ "warm", "" },
	{ "taking granules", "anchors=0" },
};

static void read_side(const char *side, const char *kind)
{
	char path[128];
	unsigned long ns;
	FILE *file;
	int i;

	snprintf(path, sizeof(path), "/sys/module/spanalloc_tail/parameters/ns_%s", side);
	file = fopen(path, "r");
	CHECK(file);
	for (i = 0; i < NUMBERS; i++) {
		CHECK_EQ(fscanf(file, "%lu,", &ns), 1);
		measured(ns, "ns", "%s, heap %s: %s", kind, side, percentiles[i]);
	}
	fclose(file);
}

/* Loading the module measures. */
void measure_tail(const char *module)
{
	unsigned long given;
	FILE *file;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		fd = open(module, O_RDONLY | O_CLOEXEC);
		CHECK_OK(fd);
		CHECK_OK(syscall(SYS_finit_module, fd, kinds[i].parameters, 0));
		close(fd);
		read_side("keeps", kinds[i].name);
		read_side("gives", kinds[i].name);
		file = fopen("/sys/module/spanalloc_tail/parameters/given", "r");
		CHECK(file);
		CHECK_EQ(fscanf(file, "%lu", &given), 1);
		fclose(file);
		/* Or the two sides did the same. */
		CHECK(given > 0);
		CHECK_OK(syscall(SYS_delete_module, "spanalloc_tail", 0));
	}
}
