// SPDX-License-Identifier: GPL-2.0-only
/*
 * Twice as many files should take twice as long: many at once, with a hundred spans each, made
 * by a process that is then killed; and many one after the other.
 *
 * What takes seconds is interrupted on a busy machine. So it is timed in steps, and a step that
 * took much longer than most counts as much as three of them; a cost that grows from step to
 * step is there all the same. Only killing is one step.
 */
#include "bench.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#define NSPANS	100
/* The smaller number; the other one is twice that. */
#define AT_ONCE	500
#define IN_SEQUENCE 5000

#define STEPS	100
#define OUTLIER	3

struct crowd {
	unsigned int nfiles;
	struct gate made;
	double steps[STEPS];
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* In microseconds. */
static double sum_of_steps(double *steps)
{
	double sum = 0, most;
	int i;

	qsort(steps, STEPS, sizeof(steps[0]), by_value);
	most = OUTLIER * steps[STEPS / 2];
	for (i = 0; i < STEPS; i++)
		sum += steps[i] < most ? steps[i] : most;
	return sum / 1e3;
}

static void make_file(void)
{
	int fd = dev_open(), i;

	for (i = 0; i < NSPANS; i++)
		dev_alloc(fd, 1);
}

static void make_files(void *arg)
{
	struct crowd *crowd = arg;
	struct rlimit limit = { 4 * AT_ONCE, 4 * AT_ONCE };
	unsigned int i, step;
	double start;

	CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
	for (step = 0; step < STEPS; step++) {
		start = nanoseconds();
		for (i = 0; i < crowd->nfiles / STEPS; i++)
			make_file();
		crowd->steps[step] = nanoseconds() - start;
	}
	gate_open(&crowd->made);
	pause();
}

/* Until the last page is back. */
static void measure_at_once(unsigned int nfiles)
{
	struct crowd *crowd = mmap(NULL, sizeof(*crowd), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int watch = dev_open();
	double start;
	pid_t pid;

	CHECK(crowd != MAP_FAILED);
	crowd->nfiles = nfiles;
	gate_init(&crowd->made);
	pid = child_start(make_files, crowd);
	gate_wait(&crowd->made);
	measured(sum_of_steps(crowd->steps), "us", "%u files at once: making", nfiles);
	start = nanoseconds();
	CHECK_OK(kill(pid, SIGKILL));
	child_status(pid);
	while (dev_stats(watch).in_use_pages)
		;
	measured((nanoseconds() - start) / 1e3, "us", "%u files at once: killing", nfiles);
	close(watch);
	close(crowd->made.fds[0]);
	close(crowd->made.fds[1]);
	munmap(crowd, sizeof(*crowd));
}

static void open_and_close(void)
{
	int fd = dev_open();

	dev_alloc(fd, 1);
	close(fd);
}

/* What the kernel itself needs for a file: its memory comes back after a while, for one thing. */
static void open_and_close_null(void)
{
	int fd = open("/dev/null", O_RDONLY);

	CHECK_OK(fd);
	close(fd);
}

static double in_sequence(unsigned int nfiles, void (*one)(void))
{
	double steps[STEPS], start;
	unsigned int i, step;

	for (step = 0; step < STEPS; step++) {
		start = nanoseconds();
		for (i = 0; i < nfiles / STEPS; i++)
			one();
		steps[step] = nanoseconds() - start;
	}
	return sum_of_steps(steps);
}

/* The first ones would find nothing to be cleaned up behind others. */
static void measure_in_sequence(const char *name, void (*one)(void))
{
	in_sequence(IN_SEQUENCE, one);
	measured(in_sequence(IN_SEQUENCE, one), "us", "%u %s", IN_SEQUENCE, name);
	measured(in_sequence(2 * IN_SEQUENCE, one), "us", "%u %s", 2 * IN_SEQUENCE, name);
}

void measure_scale(void)
{
	measure_at_once(AT_ONCE);
	measure_at_once(2 * AT_ONCE);
	measure_in_sequence("files in sequence", open_and_close);
	measure_in_sequence("times /dev/null in sequence", open_and_close_null);
}
