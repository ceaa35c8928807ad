/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Test results in KTAP: a plan, then one "ok N - name" or "not ok N - name" a
 * case; everything else is a comment.
 *
 *	static void adds(void)
 *	{
 *		EXPECT(1 + 1 == 2, "sum %d", 1 + 1);
 *	}
 *
 *	static const struct ktap_case cases[] = {
 *		{ "adds", adds },
 *	};
 *
 * and main() returns ktap_run(cases, ARRAY_SIZE(cases), 1, before, after). The number of cases is
 * said twice on purpose: a case that falls out of the table is an error.
 */
#ifndef _KTAP_H
#define _KTAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* A case that takes more of a processor has lost its way. */
#define KTAP_SECONDS_MAX	120
/* Further failures of one case are counted, not printed. */
#define KTAP_MESSAGES_MAX	8

/**
 * struct ktap_case - one test
 * @name: what it shows
 * @run: does it, and calls EXPECT()
 */
struct ktap_case {
	const char *name;
	void (*run)(void);
};

/* One instance, however many files include this. */
__attribute__((weak)) unsigned int ktap_failures;	/* of the running case */
__attribute__((weak)) const char *ktap_only;	/* run cases whose name contains this */
__attribute__((weak)) const char *ktap_again;	/* the command that repeats random cases */

/*
 * Ends this process when it has used so many seconds of a processor (SIGPROF), so that a
 * busy machine fails nobody, or waits for something that does not come (SIGALRM).
 */
__attribute__((unused))
static void ktap_limit(unsigned int seconds)
{
	const struct itimerval limit = { .it_value.tv_sec = seconds };

	setitimer(ITIMER_PROF, &limit, NULL);
	alarm(10 * seconds);
}

__attribute__((format(printf, 1, 2), unused))
static void ktap_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("# ", stdout);
	vprintf(format, args);
	putchar('\n');
	va_end(args);
	fflush(stdout);
}

__attribute__((format(printf, 4, 5), unused))
static void ktap_fail(const char *file, int line, const char *what,
		      const char *format, ...)
{
	va_list args;

	if (++ktap_failures > KTAP_MESSAGES_MAX)
		return;
	va_start(args, format);
	printf("# %s:%d: not true: %s: ", file, line, what);
	vprintf(format, args);
	putchar('\n');
	va_end(args);
	fflush(stdout);
}

/* True if @cond holds; else the running case has failed, for the reason given. */
#define EXPECT(cond, format...) ({					\
	bool __true = (cond);						\
	if (!__true)							\
		ktap_fail(__FILE__, __LINE__, #cond, format);		\
	__true; })

/* EXPECT() that two integers are equal, and show them. */
#define EXPECT_EQ(a, b) ({						\
	long long __a = (long long)(a), __b = (long long)(b);		\
	EXPECT(__a == __b, #a " = %lld, " #b " = %lld", __a, __b); })

/* The same where the case cannot go on. */
#define REQUIRE(cond, format...) \
	do { if (!EXPECT(cond, format)) return; } while (0)

/* What a case may take: KTAP_SECONDS says less. */
static unsigned int ktap_seconds(void)
{
	const char *seconds = getenv("KTAP_SECONDS");

	return seconds ? atoi(seconds) : KTAP_SECONDS_MAX;
}

/* One case, in this process: the number of its failures. */
static unsigned int ktap_case(const struct ktap_case *test, void (*before)(void),
			      void (*after)(void))
{
	ktap_failures = 0;
	ktap_limit(ktap_seconds());
	if (before)
		before();
	test->run();
	if (after)
		after();
	if (ktap_failures > KTAP_MESSAGES_MAX)
		ktap_note("%u failures in all", ktap_failures);
	return ktap_failures;
}

/*
 * One case, in a child: no failure, crash or endless loop spoils another case. A
 * good one ends by exit(), where a sanitizer looks for leaks.
 */
static bool ktap_case_is_good(const struct ktap_case *test, void (*before)(void),
			      void (*after)(void))
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		bool good = !ktap_case(test, before, after);

		fflush(stdout);
		if (good)
			exit(0);
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		ktap_note("no child");
	else if (WIFSIGNALED(status))
		ktap_note("ended by signal %d", WTERMSIG(status));
	return !status;
}

static bool ktap_is_selected(const struct ktap_case *test)
{
	return !ktap_only || strstr(test->name, ktap_only);
}

/**
 * ktap_run() - run a table of cases
 * @cases: the table
 * @ncases: its length
 * @planned: how many cases there should be
 * @before: called before each case, or NULL
 * @after: called after each case, or NULL
 *
 * Return: what main() shall return.
 */
__attribute__((unused))
static int ktap_run(const struct ktap_case *cases, unsigned int ncases,
		    unsigned int planned, void (*before)(void), void (*after)(void))
{
	unsigned int i, n = 0, nfailed = 0, nselected = 0;

	for (i = 0; i < ncases; i++)
		nselected += ktap_is_selected(&cases[i]);
	printf("KTAP version 1\n1..%u\n", ktap_only ? nselected : planned);
	if (ktap_again)
		ktap_note("random cases: %s", ktap_again);
	for (i = 0; i < ncases; i++) {
		bool good;

		if (!ktap_is_selected(&cases[i]))
			continue;
		good = ktap_case_is_good(&cases[i], before, after);
		nfailed += !good;
		if (!good && ktap_again)
			ktap_note("again: %s '%s'", ktap_again, cases[i].name);
		printf("%sok %u - %s\n", good ? "" : "not ", ++n, cases[i].name);
		fflush(stdout);
	}
	if (!nselected || ncases != planned) {
		printf("not ok %u - %u cases were planned\n", n + 1, planned);
		nfailed++;
	}
	ktap_note("%u cases, %u failed", n, nfailed);
	return nfailed > 0;
}

#endif /* _KTAP_H */
