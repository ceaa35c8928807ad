/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small test harness: every case runs in a process of its own, with a time
 * limit, so that a crash or a hang fails one case; results are KTAP.
 *
 * A failed check prints where it stands and ends its process. A case's helper
 * processes fail the same way, and child_succeeds() hands that on.
 */
#ifndef _DEVICE_HARNESS_H
#define _DEVICE_HARNESS_H

/* 32-bit programs too see offsets up to 2^44. First, so that every file has them. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* kselftest's exit status for "there is nothing to test here". */
#define EXIT_SKIP	4

struct test_case {
	const char *name;
	void (*run)(void);
};

/* An array of cases, as one file exports it. */
struct test_suite {
	const struct test_case *cases;
	size_t ncases;
};

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define CASE(function) { #function, function }
#define SUITE(array) { array, ARRAY_SIZE(array) }

__attribute__((noreturn, format(printf, 3, 4)))
void test_fail(const char *file, int line, const char *format, ...);
__attribute__((noreturn, format(printf, 1, 2)))
void test_skip(const char *format, ...);
__attribute__((format(printf, 1, 2)))
void test_note(const char *format, ...);

#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)

#define CHECK(condition) do {						\
	if (!(condition))						\
		FAIL("not true: %s", #condition);			\
} while (0)

#define CHECK_EQ(expression, expected) do {				\
	uint64_t _found = (expression), _expected = (expected);	\
									\
	if (_found != _expected)					\
		FAIL("%s is %#llx, expected %#llx", #expression,	\
		     (unsigned long long)_found,			\
		     (unsigned long long)_expected);			\
} while (0)

/* A system call that must succeed; yields nothing. */
#define CHECK_OK(call) do {						\
	if ((call) == -1)						\
		FAIL("%s: errno %d (%s)", #call, errno, errno_name(errno)); \
} while (0)

/* A system call that must fail, in this way. */
#define CHECK_FAILS(call, error) do {					\
	int _error = (error);						\
									\
	errno = 0;							\
	if ((call) != -1)						\
		FAIL("%s succeeded, expected %s", #call, errno_name(_error)); \
	if (errno != _error)						\
		FAIL("%s: errno %d (%s), expected %s", #call, errno,	\
		     errno_name(errno), errno_name(_error));		\
} while (0)

/* A system call that must fail, in whatever way. */
#define CHECK_REFUSED(call) do {					\
	if ((call) != -1)						\
		FAIL("%s succeeded", #call);				\
} while (0)

const char *errno_name(int error);

/* Helper processes of a case. All that are left when it ends are killed. */
pid_t child_start(void (*run)(void *arg), void *arg);
int child_status(pid_t pid);
/* By SIGKILL: it did not end before for another reason. */
bool is_killed(int status);
void child_succeeds(const char *file, int line, pid_t pid);
#define CHILD_SUCCEEDS(pid) child_succeeds(__FILE__, __LINE__, pid)

/*
 * Whether touching @address crashes, tried in a child; the child handles its
 * signal, for the kernel logs those that nobody does.
 */
bool is_crash(void (*touch)(void *address), void *address);

/* A one-way signal between two processes, made before the fork. */
struct gate {
	int fds[2];
};

void gate_init(struct gate *gate);
void gate_open(struct gate *gate);
void gate_wait(struct gate *gate);

double seconds_now(void);
/* Time limits are to be multiplied by this, for the environment may say we are slow. */
unsigned int patience(void);
void sleep_ms(unsigned int ms);

/**
 * struct test_hooks - what surrounds every case
 * @before: called before a case is started
 * @after: called after all its processes are gone; prints a diagnostic and
 *         returns false if the case left something behind
 */
struct test_hooks {
	void (*before)(void);
	bool (*after)(void);
};

int test_run(const struct test_suite *suites, size_t nsuites, unsigned int planned,
	     const struct test_hooks *hooks, char *const *patterns);

#endif /* _DEVICE_HARNESS_H */
