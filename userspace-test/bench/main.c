// SPDX-License-Identifier: GPL-2.0-only
/*
 * device_bench BENCH TAIL: what the device costs. BENCH is spanalloc_bench.ko, which measures
 * inside the kernel, and TAIL is spanalloc_tail.ko, which looks at the longest times.
 * Everything is measured once in each of several rounds; what is printed are medians, and
 * between which values they lie. No result is good or bad, for a machine decides; but for
 * one that could not be worse by chance.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

/* Three times are wanted. So much is another order of magnitude, on the noisiest machine. */
#define TAIL_RATIO_MAX	10

static double compare_tails(void)
{
	compare("p50, heap gives memory back over keeps it",
		"warm, heap gives: p50", "warm, heap keeps: p50");
	compare("p99, heap gives memory back over keeps it",
		"warm, heap gives: p99", "warm, heap keeps: p99");
	compare("p99.9, the same, taking granules again",
		"taking granules, heap gives: p99.9", "taking granules, heap keeps: p99.9");
	return compare("p99.9, heap gives memory back over keeps it (at most 3 wanted)",
		       "warm, heap gives: p99.9", "warm, heap keeps: p99.9");
}

static void compare_all(void)
{
	compare("ioctl over in-kernel call, 1 page", "ioctl: 1 pages",
		"in the kernel, zeroed: 1 pages");
	compare("ioctl over in-kernel call, 16 pages", "ioctl: 16 pages",
		"in the kernel, zeroed: 16 pages");
	compare("ioctl over in-kernel call, 512 pages", "ioctl: 512 pages",
		"in the kernel, zeroed: 512 pages");
	compare("mmap of a span (POPULATE) over memfd (MAP_POPULATE)",
		"mmap of a span, POPULATE", "mmap of a memfd, MAP_POPULATE");
	compare("mmap of a span (as touched) over memfd (MAP_POPULATE)",
		"mmap of a span, as touched", "mmap of a memfd, MAP_POPULATE");
	compare("mmap at offset 0 over a new memfd (MAP_POPULATE)",
		"mmap at offset 0", "new memfd, MAP_POPULATE");
	compare("making 1000 files over 500 (at most 2.3 wanted)",
		"1000 files at once: making", "500 files at once: making");
	compare("killing 1000 files over 500 (at most 2.3 wanted)",
		"1000 files at once: killing", "500 files at once: killing");
	compare("10000 files in sequence over 5000 (at most 2.3 wanted)",
		"10000 files in sequence", "5000 files in sequence");
	compare("10000 times /dev/null in sequence over 5000",
		"10000 times /dev/null in sequence", "5000 times /dev/null in sequence");
}

int main(int argc, char **argv)
{
	double tails;
	int fd, round;

	if (argc != 3) {
		fprintf(stderr, "usage: device_bench spanalloc_bench.ko spanalloc_tail.ko\n");
		return EXIT_FAILURE;
	}
	page_size = sysconf(_SC_PAGESIZE);
	for (round = 0; round < ROUNDS; round++) {
		fd = dev_open();
		measure_calls(fd, argv[1]);
		measure_maps(fd);
		close(fd);
		measure_scale();
		measure_tail(argv[2]);
		printf("# round %d of %d\n", round + 1, ROUNDS);
		fflush(stdout);
	}
	compare_all();
	tails = compare_tails();
	print_all();
	print_json();
	if (tails <= TAIL_RATIO_MAX)
		return EXIT_SUCCESS;
	printf("p99.9 of an allocation is %.1f times as long while memory is given back\n", tails);
	return EXIT_FAILURE;
}
