// SPDX-License-Identifier: GPL-2.0-only
/*
 * span_stress SECONDS DISK: everything that programs do with the device, at once and for
 * so long, by processes that know nothing of each other. Each page that anybody holds has
 * contents that nobody else writes. DISK is a block device, which is overwritten.
 *
 * Ends with a result for each kind of work, which must have been done at all, for each
 * process, which must have come to its end by itself, and for the heap, which must be
 * sound and empty.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

/* Whoever has not come to an end so long after the time is over never will. */
#define GRACE_SECONDS	120

static const char *const count_names[NCOUNTS] = {
	[ALLOCATED] = "allocations",
	[REFUSED] = "allocations refused",
	[FREED] = "frees",
	[SPLIT] = "splits",
	[MAPPED] = "mappings",
	[VERIFIED] = "pages verified",
	[PASSED] = "files passed to another process",
	[FORKED] = "forks with a mapping",
	[KILLED] = "processes killed",
	[TRIMMED] = "trims",
	[RECLAIMED] = "reclaims by the system",
	[PINNED] = "pins by vmsplice",
	[READ_DIRECTLY] = "direct reads",
	[WRITTEN_DIRECTLY] = "direct writes",
	[SQUEEZED] = "memory taken and dropped by a neighbour",
	[CHECKED] = "checks of the heap at work",
};

static const struct {
	const char *name;
	void (*run)(void *arg);
} processes[] = {
	{ "threads", run_threads },
	{ "threads", run_threads },
	{ "passing files", run_passing },
	{ "forking", run_forking },
	{ "killing", run_killing },
	{ "pinning", run_pinning },
	{ "direct input and output", run_direct },
	{ "trimming", run_trimming },
	{ "squeezing", run_squeezing },
	{ "checking", run_checking },
};

#define NPROCESSES ARRAY_SIZE(processes)
#define NRESULTS (NCOUNTS + NPROCESSES + 6)

static unsigned int nresults, nfailed;

static void result(bool good, const char *what, const char *name)
{
	printf("%s %u %s%s\n", good ? "ok" : "not ok", ++nresults, what, name);
	fflush(stdout);
	nfailed += !good;
}

/* Pages that have gone back since the system wanted them: nobody has seen to that else. */
static void judge_reclaim(int fd)
{
	uint64_t npages = dev_stats(fd).scavenged_reclaim_pages;

	test_note("%llu pages were reclaimed", (unsigned long long)npages);
	result(npages > 0, "done: ", "pages reclaimed from the heap");
}

/* Waits for all, and says of each how it ended. */
static void judge_processes(const pid_t *pids)
{
	int status;
	size_t i;

	/* SIGALRM ends who waits in vain; what is left then is init's. */
	alarm(load->end - seconds_now() + GRACE_SECONDS * patience());
	for (i = 0; i < NPROCESSES; i++) {
		status = child_status(pids[i]);
		if (WIFSIGNALED(status))
			test_note("killed by signal %d", WTERMSIG(status));
		result(!status, "process: ", processes[i].name);
	}
	alarm(0);
}

static void judge_counts(void)
{
	unsigned long n;
	int i;

	for (i = 0; i < NCOUNTS; i++) {
		n = atomic_load(&load->counts[i]);
		test_note("%lu %s", n, count_names[i]);
		result(n > 0, "done: ", count_names[i]);
	}
}

static bool is_back(int fd, const char *name, size_t field)
{
	uint64_t found;

	if (dev_settles(fd, field, 0, &found))
		return true;
	test_note("%s stays at %llu", name, (unsigned long long)found);
	return false;
}

#define IS_BACK(fd, name) \
	is_back(fd, #name, offsetof(struct spanalloc_heap_stats, name))

static void judge_heap(int fd)
{
	result(IS_BACK(fd, in_use_pages), "empty: ", "pages in use");
	result(IS_BACK(fd, in_use_spans), "empty: ", "spans in use");
	result(IS_BACK(fd, claimed_pages), "empty: ", "claimed pages");
	result(IS_BACK(fd, quarantined_pages), "empty: ", "quarantined pages");
	result(!access(DEV_CHECK_FILE, R_OK) && dev_heap_is_sound(), "the heap is sound", "");
}

int main(int argc, char **argv)
{
	double seconds = argc == 3 ? atof(argv[1]) : 0;
	pid_t pids[NPROCESSES];
	int fd;
	size_t i;

	if (seconds <= 0) {
		fprintf(stderr, "usage: span_stress SECONDS DISK\n");
		return EXIT_FAILURE;
	}
	page_size = sysconf(_SC_PAGESIZE);
	fd = dev_open();
	load = mmap(NULL, sizeof(*load), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		    -1, 0);
	CHECK(load != MAP_FAILED);
	disk_path = argv[2];
	load->end = seconds_now() + seconds;
	atomic_store(&load->next_owner, 1);
	printf("KTAP version 1\n1..%zu\n", NRESULTS);
	fflush(stdout);
	for (i = 0; i < NPROCESSES; i++)
		pids[i] = child_start(processes[i].run, NULL);
	judge_processes(pids);
	judge_counts();
	judge_reclaim(fd);
	judge_heap(fd);
	if (nresults != NRESULTS)
		result(false, "as many results as planned", "");
	printf("# %u results, %u failed\n", nresults, nfailed);
	return nfailed ? EXIT_FAILURE : EXIT_SUCCESS;
}
