// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that come and go with mappings and descriptors, shared or inherited.
 */
#include "hostile.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>

/* Long enough to meet the parent, and so short that they do not pile up. */
#define CHILD_STEPS 150

static void end_child(struct actor *actor)
{
	if (percent(actor, 30))
		kill(getpid(), SIGKILL);
	_exit(0);
}

/* Goes on where the parent was, with decisions of its own. */
static void be_child(struct actor *actor)
{
	actor->depth++;
	actor->index += 10;
	if (actor->privileged && percent(actor, 30)) {
		become(locked_uids[rng_below(&actor->rng, NLOCKED_UIDS)]);
		actor->privileged = false;
	}
	actor_steps(actor, rng_below(&actor->rng, CHILD_STEPS));
	end_child(actor);
}

static void do_fork(struct actor *actor)
{
	pid_t pid = fork();

	record(ACT_FORK, pid);
	if (!pid)
		be_child(actor);
}

/* A child that has the descriptors in common with its parent, and nothing else. */
static void do_clone_files(struct actor *actor)
{
	pid_t pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);

	record(ACT_CLONE_FILES, pid);
	if (!pid)
		be_child(actor);
}

/* What is not closed by it is found by its number. */
static void do_exec(struct actor *actor)
{
	char seed[24];
	char *const argv[] = { "span_hostile", "--resume", seed, NULL };
	pid_t pid;

	snprintf(seed, sizeof(seed), "%llu", (unsigned long long)rng_next(&actor->rng));
	pid = fork();
	record(ACT_EXEC, pid);
	if (pid)
		return;
	execv("/proc/self/exe", argv);
	_exit(0);
}

void move_process(struct actor *actor)
{
	static void (*const moves[])(struct actor *actor) = {
		do_fork, do_fork, do_clone_files, do_exec,
	};

	if (!actor->depth)
		moves[rng_below(&actor->rng, ARRAY_SIZE(moves))](actor);
}
