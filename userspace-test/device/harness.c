// SPDX-License-Identifier: GPL-2.0-only
/*
 * The harness: see harness.h.
 */
#include "harness.h"

#include <fnmatch.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CASE_SECONDS	180
/* Less than a case has, so that the one who waits can still say so. */
#define GATE_SECONDS	30
/* A process that SIGKILL does not end within this sits in the kernel for good. */
#define KILL_SECONDS	5

/* Exit status of a case's process; anything else is a crash or a stray exit. */
enum { CASE_PASS = 0, CASE_FAIL = 1, CASE_SKIP = EXIT_SKIP, CASE_CRASH = 99 };

/* Shared with the cases' processes: why a case was skipped. */
static char *skip_reason;
#define REASON_SIZE	256

/* One write() a line, so that lines of several processes do not mix. */
static void print_line(const char *prefix, const char *format, va_list args)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "%s", prefix);

	n += vsnprintf(line + n, sizeof(line) - n - 1, format, args);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDOUT_FILENO, line, n) < 0)
		_exit(CASE_FAIL);
}

__attribute__((format(printf, 1, 2)))
static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line("", format, args);
	va_end(args);
}

void test_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line("# ", format, args);
	va_end(args);
}

void test_fail(const char *file, int line, const char *format, ...)
{
	const char *slash = strrchr(file, '/');
	char prefix[128];
	va_list args;

	snprintf(prefix, sizeof(prefix), "# %s:%d: ", slash ? slash + 1 : file, line);
	va_start(args, format);
	print_line(prefix, format, args);
	va_end(args);
	_exit(CASE_FAIL);
}

void test_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(skip_reason, REASON_SIZE, format, args);
	va_end(args);
	_exit(CASE_SKIP);
}

const char *errno_name(int error)
{
	const char *name = strerrorname_np(error);

	return name ? name : error ? "unknown" : "success";
}

pid_t child_start(void (*run)(void *arg), void *arg)
{
	pid_t pid = fork();

	CHECK_OK(pid);
	if (pid)
		return pid;
	run(arg);
	_exit(CASE_PASS);
}

int child_status(pid_t pid)
{
	int status;

	CHECK_OK(waitpid(pid, &status, 0));
	return status;
}

void child_succeeds(const char *file, int line, pid_t pid)
{
	int status = child_status(pid);

	if (WIFEXITED(status) && WEXITSTATUS(status) == CASE_SKIP)
		_exit(CASE_SKIP);
	if (WIFSIGNALED(status))
		test_fail(file, line, "child killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status))
		test_fail(file, line, "child failed");
}

static void on_crash(int signal)
{
	(void)signal;
	_exit(CASE_CRASH);
}

bool is_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

bool is_crash(void (*touch)(void *address), void *address)
{
	pid_t pid = fork();
	int status;

	CHECK_OK(pid);
	if (!pid) {
		signal(SIGSEGV, on_crash);
		signal(SIGBUS, on_crash);
		touch(address);
		_exit(CASE_PASS);
	}
	status = child_status(pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status) == CASE_CRASH;
}

void gate_init(struct gate *gate)
{
	CHECK_OK(pipe(gate->fds));
}

void gate_open(struct gate *gate)
{
	CHECK_EQ(write(gate->fds[1], "", 1), 1);
}

/* Whoever was to open it may have failed, with its complaint made. */
void gate_wait(struct gate *gate)
{
	struct pollfd pollfd = { .fd = gate->fds[0], .events = POLLIN };
	char byte;

	CHECK_OK(poll(&pollfd, 1, GATE_SECONDS * patience() * 1000));
	if (!pollfd.revents)
		FAIL("nobody opened a gate within %u s", GATE_SECONDS * patience());
	CHECK_EQ(read(gate->fds[0], &byte, 1), 1);
}

double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

unsigned int patience(void)
{
	const char *text = getenv("SPANALLOC_TEST_PATIENCE");
	int factor = text ? atoi(text) : 1;

	return factor > 1 ? factor : 1;
}

void sleep_ms(unsigned int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

/* Waits for @pid up to a time; false if it is still there. */
static bool wait_until(pid_t pid, int *status, double deadline)
{
	pid_t done;

	while (!(done = waitpid(pid, status, WNOHANG))) {
		if (seconds_now() > deadline)
			return false;
		sleep_ms(2);
	}
	return done == pid;
}

/*
 * Kills what a case left running and waits until it is gone: it is ours to reap,
 * for this process is a subreaper.
 */
static bool reap_group(pid_t group)
{
	double deadline = seconds_now() + KILL_SECONDS * patience();
	pid_t pid;

	kill(-group, SIGKILL);
	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
		if (pid)
			continue;
		if (seconds_now() > deadline)
			return false;
		sleep_ms(2);
	}
	return true;
}

/* Runs a case in a process group of its own; returns its CASE_ status. */
static int run_case(const struct test_case *test)
{
	double deadline = seconds_now() + CASE_SECONDS * patience();
	bool ended;
	int status;
	pid_t pid;

	*skip_reason = '\0';
	pid = fork();
	if (pid < 0) {
		test_note("cannot fork: %s", errno_name(errno));
		return CASE_FAIL;
	}
	if (!pid) {
		setpgid(0, 0);
		test->run();
		_exit(CASE_PASS);
	}
	setpgid(pid, pid);
	ended = wait_until(pid, &status, deadline);
	if (!ended)
		test_note("no end within %u s", CASE_SECONDS * patience());
	if (!reap_group(pid)) {
		test_note("a process does not die");
		return CASE_FAIL;
	}
	if (!ended)
		return CASE_FAIL;
	if (WIFSIGNALED(status)) {
		test_note("killed by signal %d", WTERMSIG(status));
		return CASE_FAIL;
	}
	return WEXITSTATUS(status);
}

struct totals {
	unsigned int cases;
	unsigned int passed;
	unsigned int failed;
	unsigned int skipped;
};

static void judge_case(const struct test_case *test, const struct test_hooks *hooks,
		       struct totals *totals)
{
	double start = seconds_now();
	int result;

	hooks->before();
	result = run_case(test);
	if (!hooks->after())
		result = CASE_FAIL;
	totals->cases++;
	if (result == CASE_SKIP) {
		totals->skipped++;
		say("ok %u %s # SKIP %s", totals->cases, test->name, skip_reason);
	} else if (result == CASE_PASS) {
		totals->passed++;
		say("ok %u %s", totals->cases, test->name);
	} else {
		totals->failed++;
		say("not ok %u %s", totals->cases, test->name);
	}
	if (seconds_now() - start > 5)
		test_note("%s took %.1f s", test->name, seconds_now() - start);
}

/* The last pattern that fits decides; "!" before it means that these are not wanted. */
static bool is_wanted(const struct test_case *test, char *const *patterns)
{
	bool wanted = !*patterns || **patterns == '!';

	for (; *patterns; patterns++) {
		bool unwanted = **patterns == '!';

		if (!fnmatch(*patterns + unwanted, test->name, 0))
			wanted = !unwanted;
	}
	return wanted;
}

/*
 * Runs the cases whose name matches one of @patterns, a list that ends with NULL; an
 * empty one, or one that begins with what is not wanted, means all others. All there are must
 * be @planned. Returns the exit status for main().
 */
int test_run(const struct test_suite *suites, size_t nsuites, unsigned int planned,
	     const struct test_hooks *hooks, char *const *patterns)
{
	struct totals totals = { 0 };
	unsigned int wanted = 0, all = 0;
	size_t s, i;

	skip_reason = mmap(NULL, REASON_SIZE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (skip_reason == MAP_FAILED || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		return EXIT_FAILURE;
	for (s = 0; s < nsuites; s++) {
		for (i = 0; i < suites[s].ncases; i++)
			wanted += is_wanted(&suites[s].cases[i], patterns);
		all += suites[s].ncases;
	}
	say("1..%u", *patterns ? wanted : planned);
	for (s = 0; s < nsuites; s++) {
		for (i = 0; i < suites[s].ncases; i++) {
			if (is_wanted(&suites[s].cases[i], patterns))
				judge_case(&suites[s].cases[i], hooks, &totals);
		}
	}
	say("# Totals: pass:%u fail:%u skip:%u", totals.passed, totals.failed,
	    totals.skipped);
	if (all != planned) {
		say("not ok %u %u cases were planned", totals.cases + 1, planned);
		return EXIT_FAILURE;
	}
	/* A pattern that fits nothing is a mistake too. */
	if (totals.failed || !totals.cases)
		return EXIT_FAILURE;
	return EXIT_SUCCESS;
}
