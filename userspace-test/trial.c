// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random sequences of steps, and how they are shrunk: see trial.h.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/kernel.h>

#include "ktap.h"
#include "shim.h"
#include "trial.h"

/* Seconds of a processor for one run; seconds of the clock for all runs of shrinking. */
#define RUN_SECONDS	60U
#define SHRINK_SECONDS	20
/* What is shown of a sequence that is still long. */
#define LINES_MAX	60

uint64_t opt_seed;
uint64_t opt_ops;
bool opt_shrink = true;
bool trial_talk;

/**
 * struct part - what remains of a sequence
 * @trial: the sequence
 * @whole: nothing is left out
 * @n: number of steps
 * @number: the steps
 */
struct part {
	const struct trial *trial;
	bool whole;
	size_t n;
	size_t *number;
};

static bool run_part(void *arg)
{
	const struct part *part = arg;
	const struct trial *trial = part->trial;
	size_t i;

	if (!trial->start(trial->arg))
		return false;
	for (i = 0; i < part->n; i++)
		if (!trial->step(trial->arg, part->number[i], i) || ktap_failures) {
			ktap_note("  in step %zu, after %zu others", part->number[i], i);
			return false;
		}
	return trial->finish(trial->arg, part->whole) &&
	       EXPECT(!shim_warnings, "%lu warnings, the last: %s", shim_warnings,
		      shim_last_warning);
}

/* In a child: runs, and ends. Nobody looks for leaks but the shims, for that takes long. */
static void run_and_end(bool (*run)(void *arg), void *arg, unsigned int seconds)
{
	bool good;

	ktap_failures = 0;
	ktap_limit(seconds);
	good = run(arg) && !ktap_failures;
	fflush(stdout);
	_exit(!good);
}

bool trial_in_child(bool (*run)(void *arg), void *arg, unsigned int seconds)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		run_and_end(run, arg, seconds);
	if (!EXPECT(pid > 0 && waitpid(pid, &status, 0) == pid, "no child"))
		return false;
	if (WIFSIGNALED(status))
		ktap_note("  ended by signal %d", WTERMSIG(status));
	return !status;
}

/* The same, unheard. */
static bool fails_quietly(struct part *part)
{
	int status = -1, null;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid > 0)
		return waitpid(pid, &status, 0) == pid && status;
	if (pid < 0)
		return false;
	null = open("/dev/null", O_WRONLY);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	ktap_failures = 0;
	ktap_limit(SHRINK_SECONDS);
	_exit(!run_part(part) || ktap_failures);
}

/* Leave out as many steps as possible. */
static void shrink(struct part *part)
{
	size_t *kept = malloc(part->n * sizeof(*kept)), chunk, at;
	time_t end = time(NULL) + SHRINK_SECONDS;

	for (chunk = (part->n + 1) / 2; chunk; chunk /= 2) {
		for (at = 0; at < part->n && time(NULL) < end;) {
			struct part less = *part;
			size_t gone = min(chunk, part->n - at);

			less.number = kept;
			less.n = part->n - gone;
			memcpy(kept, part->number, at * sizeof(*kept));
			memcpy(kept + at, part->number + at + gone, (less.n - at) * sizeof(*kept));
			if (!fails_quietly(&less)) {
				at += chunk;
				continue;
			}
			memcpy(part->number, kept, less.n * sizeof(*kept));
			part->n = less.n;
		}
	}
	free(kept);
}

/* Print the last lines of what is read. */
static void print_end(FILE *from)
{
	char *line[LINES_MAX] = { NULL };
	size_t room[LINES_MAX] = { 0 }, n = 0, i;

	while (getline(&line[n % LINES_MAX], &room[n % LINES_MAX], from) > 0)
		n++;
	if (n > LINES_MAX)
		ktap_note("  ... %zu lines", n - LINES_MAX);
	for (i = n - min_t(size_t, n, LINES_MAX); i < n; i++)
		fputs(line[i % LINES_MAX], stdout);
	for (i = 0; i < LINES_MAX; i++)
		free(line[i]);
	fflush(stdout);
}

/* Run once more, and say what is done. What sanitizers say was heard already. */
static void tell(struct part *part)
{
	int pipe_fd[2], status, null;
	FILE *from;
	pid_t pid;

	if (pipe(pipe_fd))
		return;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		null = open("/dev/null", O_WRONLY);
		dup2(pipe_fd[1], STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(pipe_fd[0]);
		close(pipe_fd[1]);
		/* To the last line before a crash. */
		setvbuf(stdout, NULL, _IOLBF, 0);
		trial_talk = true;
		run_and_end(run_part, part, SHRINK_SECONDS);
	}
	close(pipe_fd[1]);
	from = fdopen(pipe_fd[0], "r");
	print_end(from);
	fclose(from);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
		ktap_note("  ended by signal %d", WTERMSIG(status));
}

bool trial_run(const struct trial *trial)
{
	struct part part = { .trial = trial, .whole = true, .n = trial->nsteps };
	bool good;
	size_t i;

	part.number = malloc(part.n * sizeof(*part.number));
	for (i = 0; i < part.n; i++)
		part.number[i] = i;
	good = trial_in_child(run_part, &part, min(ktap_seconds(), RUN_SECONDS));
	EXPECT(good, "%s: fails", trial->name);
	part.whole = false;
	if (!good && opt_shrink) {
		if (fails_quietly(&part)) {
			shrink(&part);
			ktap_note("shrunk to %zu steps of %zu:", part.n, trial->nsteps);
			tell(&part);
		} else {
			ktap_note("no step fails, but together they are not what they should be");
		}
	}
	free(part.number);
	return good;
}

bool trial_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "ops", required_argument, NULL, 'o' },
		{ "no-shrink", no_argument, NULL, 'n' },
		{ }
	};
	static char again[128];
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			return false;
		if (c == 'n')
			opt_shrink = false;
		else
			*(c == 's' ? &opt_seed : &opt_ops) = strtoull(optarg, NULL, 0);
	}
	ktap_only = argv[optind];
	snprintf(again, sizeof(again), "%s --seed %llu --ops %llu", argv[0],
		 (unsigned long long)opt_seed, (unsigned long long)opt_ops);
	ktap_again = again;
	return true;
}
