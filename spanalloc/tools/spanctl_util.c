// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the commands of spanctl have in common: messages, numbers, time and signals.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "spanctl.h"

/* A year: longer than anybody waits, and short of what a timespec can hold. */
#define SECONDS_MAX	31536000.0

static volatile sig_atomic_t interrupted;
/* The signals that ask to end wait at the pause, and nowhere else. */
static volatile sig_atomic_t pausing;
static sigset_t caught_set;

void spanctl_complain(const char *format, ...)
{
	va_list args;

	/* Or what was printed before would come after, where both go to one file. */
	fflush(stdout);
	fputs("spanctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* Returns a descriptor, or -1 with the complaint made. */
int spanctl_open(const char *device, int flags, struct spanalloc_info *info)
{
	int fd = spanalloc_open(device, flags);
	int err;

	if (fd == -ENOTTY) {
		spanctl_complain("%s is not a spanalloc device", device);
		return -1;
	}
	if (fd < 0) {
		spanctl_complain("cannot open %s: %s%s", device, strerror(-fd),
				 fd == -ENOENT ? " (is the module loaded?)" : "");
		return -1;
	}
	err = spanalloc_get_info(fd, info);
	if (!err)
		return fd;
	spanctl_complain("cannot query %s: %s", device, strerror(-err));
	close(fd);
	return -1;
}

bool spanctl_parse_number(const char *text, uint64_t *number)
{
	char *end;

	/* strtoull() takes blanks and signs, too. */
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return !errno && !*end;
}

bool spanctl_parse_seconds(const char *text, double *seconds)
{
	char *end;

	/* And strtod() hexadecimal numbers, exponents, infinity. */
	if (!*text || strspn(text, "0123456789.") != strlen(text))
		return false;
	*seconds = strtod(text, &end);
	return !*end && *seconds <= SECONDS_MAX;
}

bool spanctl_heap_path(const struct spanctl_options *options, const char *heap,
		       const char *file, char path[PATH_MAX])
{
	if (!strchr(heap, '/') && snprintf(path, PATH_MAX, "%s/%s/%s", options->debugfs, heap,
					   file) < PATH_MAX)
		return true;
	spanctl_complain("no heap has such a name: %.80s", heap);
	return false;
}

double spanctl_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

double spanctl_mib(uint64_t npages, uint64_t page_size)
{
	return npages * (page_size / 1048576.0);
}

static void on_alarm(int number)
{
	(void)number;
	_exit(SPANCTL_OK);
}

/*
 * Outside of a pause, what is under way gets to its end, or a line would be cut; but if
 * it waits for somebody who does not read, not for long.
 */
static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
	if (!pausing)
		alarm(1);
}

/* From here on, what asks to end ends the next, or the present, spanctl_pause(). */
void spanctl_catch_signals(void)
{
	static const int caught[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART }, was;
	struct sigaction give_up = { .sa_handler = on_alarm };
	size_t i;

	sigemptyset(&caught_set);
	sigaction(SIGALRM, &give_up, NULL);
	for (i = 0; i < ARRAY_SIZE(caught); i++) {
		/* nohup(1) asked for it. */
		if (caught[i] == SIGHUP && !sigaction(SIGHUP, NULL, &was) &&
		    was.sa_handler == SIG_IGN)
			continue;
		sigaddset(&caught_set, caught[i]);
		sigaction(caught[i], &action, NULL);
	}
}

/*
 * Waits; without end if @seconds is negative. False if a signal asked to end, which is
 * done with then: the next pause is one again. Meanwhile the signals are blocked but in
 * ppoll(), so that none can come between a look at the flag and the wait.
 */
bool spanctl_pause(double seconds)
{
	double end = spanctl_now() + seconds, left = seconds;
	sigset_t none, was;
	struct timespec t;
	bool go_on;

	sigprocmask(SIG_BLOCK, &caught_set, &was);
	alarm(0);
	pausing = 1;
	sigemptyset(&none);
	while (!interrupted && (seconds < 0 || left > 0)) {
		t.tv_sec = left < 0 ? 0 : left;
		t.tv_nsec = left < 0 ? 0 : (left - t.tv_sec) * 1e9;
		if (ppoll(NULL, 0, seconds < 0 ? NULL : &t, &none) < 0 && errno != EINTR)
			break;
		left = end - spanctl_now();
	}
	go_on = !interrupted;
	interrupted = 0;
	pausing = 0;
	sigprocmask(SIG_SETMASK, &was, NULL);
	return go_on;
}

/* Where nobody looks at a screen, a blank line stands between two tables. */
void spanctl_clear_screen(void)
{
	static bool again;

	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[J", stdout);
	else if (again)
		putchar('\n');
	again = true;
}
