// SPDX-License-Identifier: GPL-2.0-only
/*
 * Twice as many files should take twice as long: many at once, with a hundred spans each, made
 * by a process that is then killed; and many one after the other.
 */
#include "bench.h"

#include <signal.h>
#include <sys/resource.h>

#define NSPANS	100
/* The smaller number; the other one is twice that. */
#define AT_ONCE	500
#define IN_SEQUENCE 5000

struct crowd {
	unsigned int nfiles;
	struct gate made;
};

static void make_files(void *arg)
{
	struct crowd *crowd = arg;
	struct rlimit limit = { 4 * AT_ONCE, 4 * AT_ONCE };
	unsigned int i, j;
	int fd;

	CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
	for (i = 0; i < crowd->nfiles; i++) {
		fd = dev_open();
		for (j = 0; j < NSPANS; j++)
			dev_alloc(fd, 1);
	}
	gate_open(&crowd->made);
	pause();
}

/* Until the last page is back. */
static void measure_at_once(unsigned int nfiles)
{
	struct crowd crowd = { .nfiles = nfiles };
	double start = nanoseconds();
	int watch = dev_open();
	pid_t pid;

	gate_init(&crowd.made);
	pid = child_start(make_files, &crowd);
	gate_wait(&crowd.made);
	measured((nanoseconds() - start) / 1e3, "us", "%u files at once: making", nfiles);
	start = nanoseconds();
	CHECK_OK(kill(pid, SIGKILL));
	child_status(pid);
	while (dev_stats(watch).in_use_pages)
		;
	measured((nanoseconds() - start) / 1e3, "us", "%u files at once: killing", nfiles);
	close(watch);
	close(crowd.made.fds[0]);
	close(crowd.made.fds[1]);
}

static void measure_in_sequence(unsigned int nfiles)
{
	double start = nanoseconds();
	unsigned int i;
	int fd;

	for (i = 0; i < nfiles; i++) {
		fd = dev_open();
		dev_alloc(fd, 1);
		close(fd);
	}
	measured((nanoseconds() - start) / 1e3, "us", "%u files in sequence", nfiles);
}

void measure_scale(void)
{
	measure_at_once(AT_ONCE);
	measure_at_once(2 * AT_ONCE);
	measure_in_sequence(IN_SEQUENCE);
	measure_in_sequence(2 * IN_SEQUENCE);
}
