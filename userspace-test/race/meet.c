// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tasks and rendezvous: see race.h.
 */
#include "race.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define MEET_DIR	"/sys/kernel/debug/spanalloc_rendezvous/"
/* Within this somebody has to come to the place where he is held. */
#define HELD_SECONDS	20

/* As write() does, to a file of the rendezvous module. */
static ssize_t tell(const char *file, const char *line)
{
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), MEET_DIR "%s", file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK_OK(fd);
	n = write(fd, line, strlen(line) + 1);
	close(fd);
	return n;
}

static void read_state(char *state, unsigned int *hits)
{
	char line[64];
	int fd = open(MEET_DIR "state", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	CHECK_OK(fd);
	n = read(fd, line, sizeof(line) - 1);
	CHECK(n > 0);
	close(fd);
	line[n] = '\0';
	CHECK_EQ(sscanf(line, "%15s %u", state, hits), 2);
}

void meet_at(const char *function, unsigned int nth)
{
	char line[160];

	snprintf(line, sizeof(line), FIRST " %s %u", function, nth);
	CHECK_OK(tell("hold", line));
}

void meet_task_at_until(const char *who, const char *function, const char *task,
			const char *until)
{
	char line[192];

	snprintf(line, sizeof(line), "%s %s 1 %s %s", who, function, task, until);
	CHECK_OK(tell("hold", line));
}

void meet_at_until(const char *function, const char *task, const char *until)
{
	meet_task_at_until(FIRST, function, task, until);
}

void meet_held(void)
{
	double deadline = seconds_now() + HELD_SECONDS * patience();
	unsigned int hits;
	char state[16];

	for (;;) {
		read_state(state, &hits);
		if (!strcmp(state, "held"))
			return;
		if (strcmp(state, "armed") || seconds_now() > deadline)
			FAIL("nobody is held: %s, %u times there", state, hits);
		sleep_ms(1);
	}
}

void meet_met(void)
{
	unsigned int hits;
	char state[16];

	read_state(state, &hits);
	if (strcmp(state, "met"))
		FAIL("the two have not met: %s, %u times there", state, hits);
}

void meet_go(void)
{
	if (tell("go", "") < 0)
		FAIL("nobody is held any more");
	meet_met();
}

unsigned int meet_hits(void)
{
	unsigned int hits;
	char state[16];

	read_state(state, &hits);
	return hits;
}

void meet_cancel(void)
{
	tell("hold", "");
}

/* FIRST has the last CPU for itself, as far as we are concerned. */
void task_is(const char *name)
{
	int ncpus = sysconf(_SC_NPROCESSORS_ONLN), i;
	cpu_set_t cpus;

	CHECK(ncpus >= 2);
	CPU_ZERO(&cpus);
	for (i = 0; i < ncpus - 1; i++)
		CPU_SET(i, &cpus);
	if (!strcmp(name, FIRST)) {
		CPU_ZERO(&cpus);
		CPU_SET(ncpus - 1, &cpus);
	}
	CHECK_OK(sched_setaffinity(0, sizeof(cpus), &cpus));
	CHECK_OK(prctl(PR_SET_NAME, name, 0, 0, 0));
}

struct named {
	const char *name;
	void (*run)(void *arg);
	void *arg;
};

static void run_named(void *arg)
{
	struct named *named = arg;

	task_is(named->name);
	named->run(named->arg);
}

pid_t task_start(const char *name, void (*run)(void *arg), void *arg)
{
	struct named named = { name, run, arg };

	return child_start(run_named, &named);
}

pid_t task_start_sharing_files(const char *name, void (*run)(void *arg), void *arg)
{
	struct named named = { name, run, arg };
	pid_t pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);

	CHECK_OK(pid);
	if (pid)
		return pid;
	run_named(&named);
	_exit(0);
}

static void *run_racer(void *arg)
{
	struct racer *racer = arg;

	task_is(racer->name);
	gate_wait(&racer->start);
	racer->run(racer->arg);
	return NULL;
}

void racer_init(struct racer *racer, const char *name, void (*run)(void *arg), void *arg)
{
	racer->name = name;
	racer->run = run;
	racer->arg = arg;
	gate_init(&racer->start);
	CHECK_EQ(pthread_create(&racer->thread, NULL, run_racer, racer), 0);
}

void racer_go(struct racer *racer)
{
	gate_open(&racer->start);
}

void racer_join(struct racer *racer)
{
	CHECK_EQ(pthread_join(racer->thread, NULL), 0);
}

static __thread sigjmp_buf segv_jump;

static void on_segv(int signal)
{
	siglongjmp(segv_jump, signal);
}

bool is_segv(const volatile void *address)
{
	signal(SIGSEGV, on_segv);
	if (sigsetjmp(segv_jump, 1))
		return true;
	(void)*(const volatile char *)address;
	return false;
}

struct call *call_new(uint64_t npages)
{
	struct call *call = mmap(NULL, sizeof(*call), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct spanalloc_alloc alloc;

	CHECK(call != MAP_FAILED);
	call->fd = dev_open();
	call->npages = npages;
	call->seed = 7;
	dev_unmap(dev_alloc_filled(call->fd, npages, call->seed, &alloc), npages);
	call->handle = alloc.handle;
	call->offset = alloc.offset;
	return call;
}

void call_free(void *arg)
{
	struct spanalloc_free request = { 0 };
	struct call *call = arg;

	request.handle = call->handle;
	call->error = ioctl(call->fd, SPANALLOC_IOC_FREE, &request) ? errno : 0;
	call->state = request.state;
}

void call_split(void *arg)
{
	struct call *call = arg;

	call->error = dev_try_split(call->fd, call->handle, call->cut, &call->split) ?
		      errno : 0;
}

void call_trim(void *arg)
{
	struct call *call = arg;

	call->released = dev_trim(call->fd, ~0ULL);
}

void call_map(void *arg)
{
	struct call *call = arg;
	void *address = mmap(NULL, call->npages * page_size, PROT_READ | PROT_WRITE,
			     MAP_SHARED, call->fd, call->offset);

	call->error = address == MAP_FAILED ? errno : 0;
	if (call->error)
		return;
	CHECK(is_filled(address, call->npages, call->seed));
	CHECK_EQ(dev_stats(call->fd).in_use_pages, call->npages);
	fill(address, call->npages, call->seed);
	dev_unmap(address, call->npages);
}

void call_alloc(void *arg)
{
	struct call *call = arg;
	struct spanalloc_alloc alloc;
	void *address = dev_alloc_filled(call->fd, call->npages, call->seed, &alloc);

	call->handle = alloc.handle;
	call->offset = alloc.offset;
	call->base = dev_query(call->fd, alloc.handle).base;
	dev_unmap(address, call->npages);
}

void fill_pipe(const int pipe[2], void *address, uint64_t npages)
{
	struct iovec iov = { address, npages * page_size };

	CHECK_EQ(vmsplice(pipe[1], &iov, 1, 0), npages * page_size);
}

void drain_pipe(const int pipe[2], uint64_t npages, uint64_t seed)
{
	size_t wanted = npages * page_size, had = 0;
	char *buffer = malloc(wanted);
	ssize_t n;

	CHECK(buffer);
	for (; had < wanted; had += n) {
		n = read(pipe[0], buffer + had, wanted - had);
		CHECK(n > 0);
	}
	CHECK(is_filled(buffer, npages, seed));
	free(buffer);
}
