// SPDX-License-Identifier: GPL-2.0-only
/*
 * An allocation and a free by a program, and the same inside the kernel, on the same heap and
 * with the same zeroing.
 */
#include "bench.h"

#include <stdio.h>
#include <sys/syscall.h>

/* As in the kernel: pairs of this many pages together are timed, or one pair. */
#define PAGES_A_TIME 64

/* In the order of the module's parameter. */
static const unsigned int lengths[] = { 1, 16, 512 };

#define NLENGTHS ARRAY_SIZE(lengths)

struct pairs {
	int fd;
	unsigned int npages;
	unsigned int n;
};

static void run_pairs(void *arg)
{
	struct pairs *pairs = arg;
	unsigned int i;

	for (i = 0; i < pairs->n; i++)
		dev_free(pairs->fd, dev_alloc(pairs->fd, pairs->npages).handle);
}

static double call_pair(int fd, unsigned int npages)
{
	struct pairs pairs = { .fd = fd, .npages = npages, .n = PAGES_A_TIME / npages };

	if (!pairs.n)
		pairs.n = 1;
	return median_time(run_pairs, &pairs) / pairs.n;
}

static void read_numbers(const char *parameter, unsigned long *values)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/module/spanalloc_bench/parameters/%s", parameter);
	file = fopen(path, "r");
	CHECK(file);
	CHECK_EQ(fscanf(file, "%lu,%lu,%lu", &values[0], &values[1], &values[2]), NLENGTHS);
	fclose(file);
}

/* Loading the module measures. */
static void measure_kernel(const char *module)
{
	unsigned long ns[NLENGTHS], ns_zero[NLENGTHS];
	int fd = open(module, O_RDONLY | O_CLOEXEC);
	size_t i;

	CHECK_OK(fd);
	CHECK_OK(syscall(SYS_finit_module, fd, "", 0));
	close(fd);
	read_numbers("ns", ns);
	read_numbers("ns_zero", ns_zero);
	CHECK_OK(syscall(SYS_delete_module, "spanalloc_bench", 0));
	for (i = 0; i < NLENGTHS; i++) {
		measured(ns_zero[i], "ns", "in the kernel, zeroed: %u pages", lengths[i]);
		measured(ns[i], "ns", "in the kernel, not zeroed: %u pages", lengths[i]);
	}
}

void measure_calls(int fd, const char *module)
{
	size_t i;

	measure_kernel(module);
	for (i = 0; i < NLENGTHS; i++)
		measured(call_pair(fd, lengths[i]), "ns", "ioctl: %u pages", lengths[i]);
}
