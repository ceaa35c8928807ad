// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walk over the allocations of an operation: see inject.h.
 */
#include "inject.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* More than any operation has, by far. */
#define INJECTIONS_MAX	3000

/*
 * The number of allocations varies with what caches have left from the run before, so
 * one run that came to its end without a failure does not say that all do.
 */
#define UNFIRED_RUNS	3

/* Of the allocations that come before ours, one in so many is made to fail. */
#define STRIDE_BEFORE	16

#define FAULTS "/sys/kernel/debug/"

int watch_fd = -1;

/* Which allocation is failing; shared, since a case that fails is a process that ends. */
static unsigned int *position;

static const char *const attributes[] = { "failslab", "fail_page_alloc", "fail_usercopy" };

static int try_write(const char *attribute, const char *name, const char *value)
{
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), FAULTS "%s/%s", attribute, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = write(fd, value, strlen(value));
	close(fd);
	return n < 0 ? -1 : 0;
}

static void set(const char *attribute, const char *name, const char *value)
{
	if (try_write(attribute, name, value))
		FAIL("%s/%s does not take %s: %s", attribute, name, value,
		     errno_name(errno));
}

bool injection_is_possible(void)
{
	return !access("/proc/thread-self/fail-nth", W_OK) &&
	       !access(FAULTS "failslab", X_OK) && !access(FAULTS "fail_page_alloc", X_OK);
}

void position_init(void)
{
	position = mmap(NULL, sizeof(*position), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(position != MAP_FAILED);
}

void position_note(void)
{
	if (*position)
		test_note("it was allocation %u that was made to fail", *position);
	*position = 0;
}

static bool may_fail(const char *cache)
{
	char path[64];
	FILE *file;
	int c;

	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/failslab", cache);
	file = fopen(path, "r");
	if (!file)
		return false;
	c = fgetc(file);
	fclose(file);
	return c == '1';
}

/*
 * kmemleak allocates for each object that is allocated, out of its own reserves if it must.
 * Those which fail are no news, and their number varies so much from one run to the next that
 * a walk steps over allocations of ours. So every slab cache but that one is to fail, which has
 * to be said when the kernel boots: see failnth.sh.
 */
static bool kmemleak_is_spared(void)
{
	return may_fail("kmalloc-64") && !may_fail("kmemleak_object");
}

/*
 * Without these, fail-nth skips nearly every allocation there is, and says nothing. Not
 * every kernel makes copies fail.
 */
void injection_reset(void)
{
	char path[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(attributes); i++) {
		snprintf(path, sizeof(path), FAULTS "%s", attributes[i]);
		if (access(path, X_OK))
			continue;
		set(attributes[i], "verbose", "0");
		set(attributes[i], "probability", "0");
		set(attributes[i], "task-filter", "N");
	}
	set("failslab", "ignore-gfp-wait", "N");
	set("failslab", "cache-filter", kmemleak_is_spared() ? "Y" : "N");
	set("fail_page_alloc", "ignore-gfp-wait", "N");
	set("fail_page_alloc", "ignore-gfp-highmem", "N");
	set("fail_page_alloc", "min-order", "0");
}

/* The file belongs to the thread that opened it. */
static int fail_nth_fd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	CHECK_OK(fd);
	return fd;
}

static int try_arm(unsigned int n)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", n);

	return pwrite(fail_nth_fd(), text, length, 0) == length ? 0 : -1;
}

/*
 * No allocation fails any more; returns how many more would have been let pass. These two
 * calls copy, too: what is left to be counted may be counted, and fail, in them.
 */
static unsigned int disarm(void)
{
	char text[16] = "1";

	pread(fail_nth_fd(), text, sizeof(text) - 1, 0);
	if (try_arm(0))
		CHECK_OK(try_arm(0));
	return atoi(text);
}

unsigned int allocations_of(int (*run)(void))
{
	CHECK_OK(try_arm(INJECTIONS_MAX));
	run();
	return INJECTIONS_MAX - disarm();
}

uint64_t granule_pages(void)
{
	return dev_stats(watch_fd).granule_pages;
}

static struct spanalloc_heap_stats heap_now(void)
{
	struct spanalloc_heap_stats none = { 0 };

	return watch_fd < 0 ? none : dev_stats(watch_fd);
}

/* Releases may be deferred, so the counters get time. */
static void check_heap(const struct spanalloc_heap_stats *before)
{
	if (watch_fd < 0)
		return;
	CHECK_SETTLES(watch_fd, in_use_pages, before->in_use_pages);
	CHECK_SETTLES(watch_fd, in_use_spans, before->in_use_spans);
	CHECK_SETTLES(watch_fd, claimed_pages, before->claimed_pages);
	CHECK_SETTLES(watch_fd, quarantined_pages, before->quarantined_pages);
	CHECK(dev_heap_is_sound());
}

/* Pages that the heap has of the system, those aside that may be left behind. */
static uint64_t kept_pages(const struct operation *op, const struct spanalloc_heap_stats *stats)
{
	return stats->backed_pages - (op->leaves_idle ? stats->idle_pages : 0);
}

/* What failed has taken nothing, and gave back what it had. */
static void check_failure(const struct operation *op, int error,
			  const struct spanalloc_heap_stats *before)
{
	struct spanalloc_heap_stats after;

	if (error == EFAULT ? !op->copies : op->needs_no_memory)
		FAIL("failed with %s", errno_name(error));
	if (error != EFAULT && error != ENOMEM && error != op->also)
		FAIL("failed with %s, not ENOMEM", errno_name(error));
	check_heap(before);
	/* An allocation that could not be told of was made, and its memory stays. */
	after = heap_now();
	if (error != EFAULT)
		CHECK(kept_pages(op, &after) <= kept_pages(op, before));
}

/* What one step came to, as it is shown. */
enum outcome {
	UNFIRED = '-',
	SURVIVED = '.',
	FAILED = 'M',
	FAILED_COPY = 'C',
};

/* One run with the @n-th allocation failing, if there are so many. */
static enum outcome step(const struct operation *op, unsigned int n)
{
	struct spanalloc_heap_stats first = heap_now(), before;
	bool failed, fired;
	int error;

	op->prepare();
	before = heap_now();
	CHECK_OK(try_arm(n));
	failed = op->run() < 0;
	error = errno;
	fired = !disarm();
	if (failed && !fired)
		FAIL("failed with %s by itself", errno_name(error));
	if (failed)
		check_failure(op, error, &before);
	op->verify(failed);
	op->finish();
	check_heap(&first);
	if (!fired)
		return UNFIRED;
	if (!failed)
		return SURVIVED;
	return error == EFAULT ? FAILED_COPY : FAILED;
}

/* All steps, in a row; the string of their outcomes goes into @outcomes. */
static void step_through(const struct operation *op, char *outcomes)
{
	unsigned int n = 1, unfired = 0;

	while (unfired < UNFIRED_RUNS) {
		if (n >= INJECTIONS_MAX)
			FAIL("no end after %u injections", n);
		*position = n;
		*outcomes = step(op, n);
		unfired = *outcomes++ == UNFIRED ? unfired + 1 : 0;
		n += n + STRIDE_BEFORE < op->before ? STRIDE_BEFORE : 1;
	}
	*outcomes = '\0';
	*position = 0;
}

static unsigned int count(const char *outcomes, enum outcome outcome)
{
	unsigned int n = 0;

	for (; *outcomes; outcomes++)
		n += *outcomes == (char)outcome;
	return n;
}

/* Kernels may be built without. */
static bool copies_fail(void)
{
	return !access(FAULTS "fail_usercopy", X_OK);
}

static struct tally tally_of(const char *outcomes)
{
	struct tally tally = {
		.failed = count(outcomes, FAILED),
		.copies = count(outcomes, FAILED_COPY),
	};

	tally.fired = tally.failed + tally.copies + count(outcomes, SURVIVED);
	test_note("%u fired, %u failures, %u of copies: %.300s", tally.fired, tally.failed,
		  tally.copies, outcomes);
	return tally;
}

#define KEPT_PAGES	3

/* Besides, there is an allocation that has no part in it, and must not be touched. */
static struct tally walk_once(const struct operation *op)
{
	static char outcomes[INJECTIONS_MAX + 1];
	struct spanalloc_alloc keeper;
	void *kept = NULL;
	int fd = -1;

	if (watch_fd >= 0) {
		fd = dev_open();
		kept = dev_alloc_filled(fd, KEPT_PAGES, 77, &keeper);
	}
	step_through(op, outcomes);
	if (kept) {
		CHECK(is_filled(kept, KEPT_PAGES, 77));
		CHECK_EQ(dev_query(fd, keeper.handle).npages, KEPT_PAGES);
		dev_unmap(kept, KEPT_PAGES);
		close(fd);
	}
	return tally_of(outcomes);
}

/*
 * The kernel's own allocations are not the same in any two runs: a slab cache has objects left
 * or needs a page, and what looks for errors needs room for a backtrace that is new to it. So
 * a step may meet what the last one has met, or pass over the next. What is always there is
 * met by one walk of several, and what is never there by none. In the last of them, the pages
 * of slabs and the like cannot fail, and are not counted.
 */
#define WALKS	4

/* Larger than those, and not larger than a granule of the device's by default. */
#define QUIET_ORDER	"4"

#define COPIES_MORE	2

static bool is_expected(const struct operation *op, const struct tally *tally)
{
	if (tally->failed < op->failures)
		return false;
	if (!op->copies || op->copies == PERHAPS_COPIES || !copies_fail())
		return true;
	if (op->copies != ANY_COPIES && tally->copies > op->copies + COPIES_MORE)
		return false;
	return tally->copies > 0;
}

struct tally walk(const struct operation *op)
{
	struct tally tally;
	unsigned int i;

	for (i = 0; i < WALKS; i++) {
		if (i == WALKS - 1)
			set("fail_page_alloc", "min-order", QUIET_ORDER);
		tally = walk_once(op);
		if (is_expected(op, &tally))
			break;
	}
	set("fail_page_alloc", "min-order", "0");
	if (i < WALKS)
		return tally;
	FAIL("%u failures and %u of copies, after %u walks; expected %u at least and about %d",
	     tally.failed, tally.copies, WALKS, op->failures, (int)op->copies);
}

void walk_without_allocations(const struct operation *op)
{
	unsigned int copies = copies_fail() ? op->copies : 0, i;
	struct tally tally;

	for (i = 0; i < WALKS; i++) {
		tally = walk_once(op);
		if (tally.fired == copies && tally.copies == copies)
			return;
	}
	FAIL("%u allocations and copies, after %u walks; expected %u copies", tally.fired,
	     WALKS, copies);
}
