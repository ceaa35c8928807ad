// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hostile process, which will be killed at any time, or comes to its end. What it is
 * allowed follows from its seed, as everything does: the steps of a thread that repeats
 * them are the same, though what comes of them depends on all others.
 */
#include "hostile.h"

#include <linux/capability.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>

#define NTHREADS	3
#define STEPS_MAX	6000

/* Where a fault of this thread leads to, if it is one to be expected. */
static __thread sigjmp_buf *guard;

static void on_fault(int signal)
{
	(void)signal;
	if (guard)
		siglongjmp(*guard, 1);
	_exit(CRASH_STATUS);
}

bool copy_guarded(void *to, const void *from, size_t nbytes)
{
	sigjmp_buf here;

	if (sigsetjmp(here, 0)) {
		guard = NULL;
		return false;
	}
	guard = &here;
	/* A handler reads it, and the compiler does not know. */
	atomic_signal_fence(memory_order_seq_cst);
	memmove(to, from, nbytes);
	atomic_signal_fence(memory_order_seq_cst);
	guard = NULL;
	return true;
}

static void ignore_alarm(int signal)
{
	(void)signal;
}

/* Children are not waited for. Calls are interrupted by a timer, and not restarted. */
static void set_signals(uint64_t seed)
{
	struct itimerval timer = { .it_interval.tv_usec = 7000 + seed % 13 * 1000 };
	struct sigaction fault = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };
	struct sigaction alarm = { .sa_handler = ignore_alarm };

	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	sigaction(SIGALRM, &alarm, NULL);
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGIO, SIG_IGN);
	timer.it_value = timer.it_interval;
	if (seed / NVICTIMS % 3 == 0)
		setitimer(ITIMER_REAL, &timer, NULL);
}

static void lose_capability(unsigned int capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	CHECK_OK(syscall(SYS_capget, &header, data));
	data[capability / 32].effective &= ~(1U << capability % 32);
	data[capability / 32].permitted &= ~(1U << capability % 32);
	data[capability / 32].inheritable &= ~(1U << capability % 32);
	CHECK_OK(syscall(SYS_capset, &header, data));
}

void become(unsigned int uid)
{
	syscall(SYS_setgroups, 0, NULL);
	syscall(SYS_setresgid, uid, uid, uid);
	if (syscall(SYS_setresuid, uid, uid, uid))
		_exit(CRASH_STATUS);
	/* Or /proc would be closed to it. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void set_lockable(unsigned int npages)
{
	struct rlimit limit = { npages * page_size, npages * page_size };

	CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &limit));
}

/* True if it stays privileged. */
static bool choose_role(uint64_t seed)
{
	switch (seed % NVICTIMS) {
	case 0:
		return true;
	case 1:
		set_lockable(300);
		lose_capability(CAP_IPC_LOCK);
		return true;
	case 2:
		set_lockable(seed / NVICTIMS % 2 ? 0 : 40);
		become(locked_uids[0]);
		return false;
	case 3:
		set_lockable(1000);
		become(locked_uids[0]);
		return false;
	case 4:
		set_lockable(2500);
		become(locked_uids[1]);
		/* Whoever is root in a namespace of its own is still nobody. */
		if (seed / NVICTIMS % 2)
			unshare(CLONE_NEWUSER);
		return false;
	default:
		set_lockable(600);
		become(locked_uids[2]);
		return false;
	}
}

static void set_up(uint64_t seed)
{
	const struct rlimit files = { 256, 256 }, core = { 0, 0 };
	int fds[2], i;

	CHECK_OK(setrlimit(RLIMIT_NOFILE, &files));
	CHECK_OK(setrlimit(RLIMIT_CORE, &core));
	for (i = 0; i < NPIPES; i++) {
		CHECK_OK(pipe2(fds, O_NONBLOCK));
		CHECK_OK(dup2(fds[0], PIPE_FD + 2 * i));
		CHECK_OK(dup2(fds[1], PIPE_FD + 2 * i + 1));
		close(fds[0]);
		close(fds[1]);
	}
	pools_init();
	memory_init();
	set_signals(seed);
}

static uint64_t mixed(uint64_t seed, uint64_t index, uint64_t step)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15ULL + index * 0xbf58476d1ce4e5b9ULL + step;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static void move(struct actor *actor)
{
	static const struct {
		unsigned int percent;
		void (*run)(struct actor *actor);
	} moves[] = {
		{ 40, move_call }, { 24, move_memory }, { 11, move_file }, { 13, move_io },
		{ 5, move_export }, { 3, move_unknown }, { 3, move_look },
	};
	unsigned int n = rng_below(&actor->rng, 1000), i;

	if (n < 3) {
		move_process(actor);
		return;
	}
	for (i = 0, n = n / 10; i < ARRAY_SIZE(moves) - 1 && n >= moves[i].percent; i++)
		n -= moves[i].percent;
	moves[i].run(actor);
}

void actor_steps(struct actor *actor, unsigned int steps)
{
	while (steps-- && !world->is_over) {
		rng_seed(&actor->rng, mixed(actor->seed, actor->index, actor->step++));
		choose_target(actor);
		move(actor);
	}
}

static void actor_init(struct actor *actor, uint64_t seed, unsigned int index, bool privileged)
{
	char *scratch = mmap(NULL, (SCRATCH_PAGES + 1) * page_size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(scratch != MAP_FAILED);
	CHECK_OK(mprotect(scratch + SCRATCH_PAGES * page_size, page_size, PROT_NONE));
	actor->seed = seed;
	actor->index = index;
	actor->privileged = privileged;
	actor->scratch = scratch;
}

/* What the kernel complains of names the process by its seed. */
static void *run_actor(void *arg)
{
	struct actor *actor = arg;
	char name[16];

	snprintf(name, sizeof(name), "h%llu-%u", (unsigned long long)actor->seed % 100000000,
		 actor->index);
	prctl(PR_SET_NAME, name, 0, 0, 0);
	actor_steps(actor, 1 + mixed(actor->seed, actor->index, ~0ULL) % STEPS_MAX);
	return NULL;
}

void victim_run(uint64_t seed)
{
	static struct actor actors[NTHREADS];
	pthread_t threads[NTHREADS];
	bool privileged;
	unsigned int i;

	set_up(seed);
	privileged = choose_role(seed);
	for (i = 0; i < NTHREADS; i++)
		actor_init(&actors[i], seed, i, privileged);
	/* Later mappings are all hostile ones: no thread starts after this. */
	for (i = 1; i < NTHREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, run_actor, &actors[i]), 0);
	run_actor(&actors[0]);
	for (i = 1; i < NTHREADS; i++)
		pthread_join(threads[i], NULL);
}

/* Descriptors may have come along; privileges have, and count for none. */
void victim_resume(uint64_t seed)
{
	static struct actor actor;
	int fd;

	set_up(seed);
	for (fd = 3; fd < 3 + (int)ARRAY_SIZE(devices.fds); fd++)
		devices.fds[fd - 3] = fd;
	actor_init(&actor, seed, 90, geteuid() == 0);
	actor.depth = 1;
	actor_steps(&actor, 60);
}
