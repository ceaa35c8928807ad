// SPDX-License-Identifier: GPL-2.0-only
/*
 * span_hostile SECONDS DISK [--seed N]: does to the device what a program must not do, and
 * everything else, in several processes of several threads, privileged and not, which are
 * killed at random and replaced; then looks whether the device bore it. DISK is a block
 * device, which is overwritten, for direct input and output. The device has to be open to
 * everybody.
 *
 *   --seed N    of the first process; the following ones have the numbers after it. The
 *               name of a process ("h1234-0") is its seed and the number of its thread
 *   --one N     only one process, of this seed, without being killed: repeats the decisions
 *               of a process that the kernel's log has named
 *   --lazy      all processes do nothing: has to fail
 */
#include "hostile.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* However slow the machine is, so much is done before it is over. */
#define ACTS_LEAST 15000
#define REPORT_SECONDS 60
/* But so many times longer than asked for is too long. */
#define PATIENCE 10
/* Whoever is not gone so long after he was killed never will be. */
#define GRACE_SECONDS 60

const char *disk_path;

static struct {
	uint64_t seed;
	bool only_one;
	bool is_lazy;
} options;

static struct rng rng;
static pid_t victims[NVICTIMS];
static unsigned int nstarted, nkills, ncrashes;

static void keep_fd(int fd, int number)
{
	CHECK_OK(fd);
	CHECK_OK(dup2(fd, number));
	close(fd);
}

/* What all processes have, and find again after executing the program anew. */
static void make_world(void)
{
	struct spanalloc_file file = { 0 };
	int hub[2], fd = dev_open(), memory = memfd_create("world", 0);

	CHECK_OK(ftruncate(memory, sizeof(*world)));
	keep_fd(memory, WORLD_FD);
	CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, hub));
	keep_fd(hub[0], HUB_FD);
	keep_fd(hub[1], HUB_IN_FD);
	keep_fd(open(disk_path, O_RDWR | O_DIRECT), DISK_FD);
	world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED, WORLD_FD, 0);
	CHECK(world != MAP_FAILED);
	world->max_pages = dev_info(fd).max_pages;
	if (ioctl(fd, SPANALLOC_IOC_FILE, &file))
		test_note("no limits: %s", errno_name(errno));
	world->file_max = file.limit_pages;
	close(fd);
}

static int resume(uint64_t seed)
{
	page_size = sysconf(_SC_PAGESIZE);
	world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED, WORLD_FD, 0);
	if (world != MAP_FAILED)
		victim_resume(seed);
	return EXIT_SUCCESS;
}

static void start_victim(unsigned int slot)
{
	uint64_t seed = options.seed + nstarted;
	pid_t pid = fork();

	CHECK_OK(pid);
	if (!pid) {
		setpgid(0, 0);
		if (options.is_lazy)
			pause();
		victim_run(seed);
		_exit(0);
	}
	setpgid(pid, pid);
	victims[slot] = pid;
	world->pids[slot] = pid;
	nstarted++;
}

static void note_end(pid_t pid, int status)
{
	unsigned int i;

	if (WIFEXITED(status) && WEXITSTATUS(status)) {
		test_note("process %d ended with status %d", pid, WEXITSTATUS(status));
		ncrashes++;
	}
	for (i = 0; i < NVICTIMS; i++) {
		if (victims[i] == pid)
			victims[i] = 0;
	}
}

/* Orphans too: they are ours. False once there are no children at all. */
static bool reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		note_end(pid, status);
	return !pid;
}

/* The process alone, whose children go on, or all that came of it; awake or not. */
static void kill_some(void)
{
	pid_t pid = victims[rng_below(&rng, NVICTIMS)];

	if (!pid)
		return;
	if (rng_once_in(&rng, 6))
		kill(pid, SIGSTOP);
	if (kill(rng_once_in(&rng, 3) ? -pid : pid, SIGKILL))
		return;
	nkills++;
}

static bool is_enough(double start, double seconds)
{
	double now = seconds_now() - start;

	if (options.is_lazy || now > seconds * PATIENCE)
		return now > seconds;
	return now > seconds && acts_done() >= ACTS_LEAST;
}

static void supervise(double seconds)
{
	double start = seconds_now(), report = start;
	unsigned int i;

	while (!is_enough(start, seconds)) {
		if (seconds_now() > report + REPORT_SECONDS) {
			report = seconds_now();
			test_note("%.0f s: %lu acts, %u processes, %u killed", report - start,
				  acts_done(), nstarted, nkills);
		}
		reap();
		for (i = 0; i < NVICTIMS; i++) {
			if (!victims[i])
				start_victim(i);
		}
		sleep_ms(50 + rng_below(&rng, 700));
		kill_some();
	}
}

/* Direct children are all that is left, once their parents are gone. */
static bool is_our_child(const char *name)
{
	char path[64], line[512], *state;
	int ppid = 0;
	FILE *file;

	if (!isdigit(name[0]))
		return false;
	snprintf(path, sizeof(path), "/proc/%.16s/stat", name);
	file = fopen(path, "r");
	if (!file)
		return false;
	state = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	fclose(file);
	return state && sscanf(state, ") %*c %d", &ppid) == 1 && ppid == getpid();
}

static void kill_children(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	CHECK(proc);
	while ((entry = readdir(proc))) {
		if (is_our_child(entry->d_name))
			kill(atoi(entry->d_name), SIGKILL);
	}
	closedir(proc);
}

static bool end_all(void)
{
	double deadline = seconds_now() + GRACE_SECONDS * patience();

	world->is_over = true;
	do {
		kill_children();
		sleep_ms(50);
		if (!reap())
			return true;
	} while (seconds_now() < deadline);
	return false;
}

static int run_one(void)
{
	int status;

	start_victim(0);
	status = child_status(victims[0]);
	end_all();
	test_note("the process of seed %llu ended with status %#x",
		  (unsigned long long)options.seed, status);
	return status ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run_all(double seconds)
{
	bool all_dead;

	/* Sound to begin with, or the end means nothing. */
	if (!locked_is_exact(locked_uids[0]))
		test_note("before all: locked memory is not limited as it has to be");
	rng_seed(&rng, options.seed);
	supervise(seconds);
	all_dead = end_all();
	/* With what is in flight. */
	close(HUB_FD);
	close(HUB_IN_FD);
	return verdict(nstarted, nkills, ncrashes, all_dead);
}

static void parse_options(char **argv)
{
	for (; *argv; argv++) {
		if (!strcmp(*argv, "--lazy")) {
			options.is_lazy = true;
		} else if (argv[1] && (!strcmp(*argv, "--seed") || !strcmp(*argv, "--one"))) {
			options.only_one = !strcmp(*argv, "--one");
			options.seed = strtoull(*++argv, NULL, 0);
		}
	}
}

int main(int argc, char **argv)
{
	double seconds = argc >= 3 ? atof(argv[1]) : 0;

	if (argc == 3 && !strcmp(argv[1], "--resume"))
		return resume(strtoull(argv[2], NULL, 0));
	if (seconds <= 0) {
		fprintf(stderr, "usage: span_hostile SECONDS DISK [--seed N] [--one N] [--lazy]\n");
		return EXIT_FAILURE;
	}
	page_size = sysconf(_SC_PAGESIZE);
	disk_path = argv[2];
	options.seed = 1;
	parse_options(argv + 3);
	CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
	make_world();
	printf("KTAP version 1\n# seed %llu\n", (unsigned long long)options.seed);
	fflush(stdout);
	return options.only_one ? run_one() : run_all(seconds);
}
