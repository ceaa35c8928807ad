// SPDX-License-Identifier: GPL-2.0-only
/*
 * SIGKILL in the middle of a large allocation or mapping, and what others have made of the
 * mapping by then.
 */
#include "race.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <sys/wait.h>

/* Granules of an allocation, and the one that the signal comes in. */
#define NGRANULES	4
#define KILLED_IN	2

/* Pages that mapping.c hands to vm_insert_pages() at a time. */
#define INSERT_BATCH	32

/*
 * Where FIRST maps, so that its other thread knows before mmap() has returned. The heap of a
 * program begins anywhere in the GiB after it, and what the kernel places by itself lies far
 * above.
 */
#define ADDRESS		((char *)0x1000000000)
#define NPINNED		2

static uint64_t granule;

static int start(void)
{
	int fd = dev_open();

	granule = dev_info(fd).granule_pages;
	dev_trim(fd, ~0ULL);
	CHECK_EQ(dev_stats(fd).backed_pages, 0);
	return fd;
}

static void kill_held(pid_t first)
{
	int status;

	CHECK_OK(kill(first, SIGKILL));
	meet_go();
	status = child_status(first);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void allocate(void *arg)
{
	dev_alloc(*(int *)arg, NGRANULES * granule);
}

/* What was taken for it goes back to the system. */
static void kill_while_memory_is_taken(void)
{
	struct spanalloc_heap_stats stats;
	int fd = start();
	pid_t first;

	meet_at(IN_MODULE(buddy_take), KILLED_IN);
	first = task_start(FIRST, allocate, &fd);
	meet_held();
	CHECK_EQ(dev_stats(fd).claimed_pages, NGRANULES * granule);
	kill_held(first);
	/* The granule that was under way, and no further one. */
	CHECK_EQ(meet_hits(), KILLED_IN);
	stats = dev_stats(fd);
	CHECK_EQ(stats.claimed_pages, 0);
	CHECK_EQ(stats.in_use_pages, 0);
	CHECK_EQ(stats.backed_pages, 0);
	CHECK_EQ(stats.free_spans, 1);
}

/* The memory was the heap's before, and is not lost; nor is it clean. */
static void kill_while_memory_is_zeroed(void)
{
	struct spanalloc_alloc alloc;
	int fd = start();
	pid_t first;

	dev_unmap(dev_alloc_filled(fd, NGRANULES * granule, 1, &alloc), NGRANULES * granule);
	dev_free(fd, alloc.handle);
	meet_at(IN_MODULE(buddy_fill), KILLED_IN);
	first = task_start(FIRST, allocate, &fd);
	meet_held();
	kill_held(first);
	CHECK_EQ(meet_hits(), KILLED_IN);
	CHECK_EQ(dev_stats(fd).claimed_pages, 0);
	CHECK_EQ(dev_stats(fd).idle_pages, NGRANULES * granule);
	dev_unmap(dev_alloc_filled(fd, NGRANULES * granule, 2, &alloc), NGRANULES * granule);
}

/**
 * struct half - a mapping that is only made half way
 * @fd: the device
 * @alloc: what is mapped
 * @touch: opened when the other thread shall touch its pages
 * @touched: opened when it has
 * @pinned: opened when the pages are in the pipe
 * @pipe: takes pages
 */
struct half {
	int fd;
	struct spanalloc_alloc alloc;
	struct gate touch;
	struct gate touched;
	struct gate pinned;
	int pipe[2];
};

static void half_init(struct half *half)
{
	half->fd = start();
	dev_unmap(dev_alloc_filled(half->fd, NGRANULES * granule, 5, &half->alloc),
		  NGRANULES * granule);
	/* One run a granule: as many calls of vm_insert_pages() as expected. */
	CHECK(dev_query(half->fd, half->alloc.handle).nruns <= NGRANULES);
	gate_init(&half->touch);
	gate_init(&half->touched);
	gate_init(&half->pinned);
	CHECK_OK(pipe(half->pipe));
}

static void map_half(void *arg)
{
	struct half *half = arg;
	void *address = mmap(ADDRESS, NGRANULES * granule * page_size, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_FIXED_NOREPLACE, half->fd, half->alloc.offset);

	FAIL("mmap() came back with %p, errno %d", address, errno);
}

/*
 * No VMA is to be found there yet, but the page tables have the pages: the processor takes
 * them, and up to 6.9 get_user_pages_fast() does. Later kernels wait for mmap_lock.
 */
static void touch_pages(void *arg)
{
	struct half *half = arg;

	gate_wait(&half->touch);
	CHECK(is_filled(ADDRESS, granule, 5));
	fill(ADDRESS, granule, 5);
	gate_open(&half->touched);
	fill_pipe(half->pipe, ADDRESS, NPINNED);
	gate_open(&half->pinned);
	for (;;)
		pause();
}

#define PIN_MS	500

/* Whether the pages are in the pipe before mmap() goes on. */
static bool touch_and_pin(struct half *half)
{
	struct pollfd pollfd = { .fd = half->pipe[0], .events = POLLIN };
	int major, minor;
	struct utsname name;
	bool pinned;

	gate_open(&half->touch);
	gate_wait(&half->touched);
	pinned = poll(&pollfd, 1, PIN_MS) == 1;
	CHECK_OK(uname(&name));
	CHECK_EQ(sscanf(name.release, "%d.%d", &major, &minor), 2);
	if (major == 6 && minor < 10)
		CHECK(pinned);
	test_note("pinned before mmap() returned: %s", pinned ? "yes" : "no");
	return pinned;
}

/* Once mmap() is held, no thread of the process can take a fault: all has to be there. */
static void start_toucher(struct racer *toucher, void *arg)
{
	racer_init(toucher, THIRD, touch_pages, arg);
	CHECK_OK(mlockall(MCL_CURRENT));
	racer_go(toucher);
}

static void map_beside_a_toucher(void *arg)
{
	struct racer toucher;

	start_toucher(&toucher, arg);
	map_half(arg);
}

/* Has FIRST held in the middle of its second granule. */
static pid_t hold_half(struct half *half, void (*run)(void *arg))
{
	unsigned int calls = granule / INSERT_BATCH;
	pid_t first;

	CHECK(calls >= 2);
	meet_at("vm_insert_pages", calls + calls / 2);
	first = task_start(FIRST, run, half);
	meet_held();
	return first;
}

static void check_half(const struct half *half)
{
	/* To the end of the granule, and no further. */
	CHECK_EQ(meet_hits(), KILLED_IN * granule / INSERT_BATCH);
	CHECK_EQ(dev_query(half->fd, half->alloc.handle).npages, NGRANULES * granule);
	CHECK_SETTLES(half->fd, in_use_pages, NGRANULES * granule);
}

static void kill_while_pages_are_mapped(void)
{
	struct half half;

	half_init(&half);
	kill_held(hold_half(&half, map_half));
	check_half(&half);
	CHECK_EQ(dev_query(half.fd, half.alloc.handle).nmaps, 0);
	CHECK_EQ(dev_free_state(half.fd, half.alloc.handle), 0);
	CHECK_SETTLES(half.fd, in_use_pages, 0);
	CHECK_EQ(dev_stats(half.fd).quarantined_pages, 0);
}

/* Pages of the half-made mapping may be in a pipe; then nobody else may get them. */
static void kill_while_mapped_pages_are_touched(void)
{
	struct spanalloc_alloc other;
	struct half half;
	bool pinned;
	pid_t first;

	half_init(&half);
	first = hold_half(&half, map_beside_a_toucher);
	pinned = touch_and_pin(&half);
	kill_held(first);
	check_half(&half);
	CHECK_EQ(dev_free_state(half.fd, half.alloc.handle), 0);
	CHECK_SETTLES(half.fd, quarantined_pages, pinned ? NGRANULES * granule : 0);
	CHECK_SETTLES(half.fd, in_use_pages, 0);
	dev_unmap(dev_alloc_filled(half.fd, NGRANULES * granule, 6, &other),
		  NGRANULES * granule);
	dev_trim(half.fd, ~0ULL);
	if (pinned)
		drain_pipe(half.pipe, NPINNED, 5);
	CHECK_SETTLES(half.fd, quarantined_pages, 0);
}

/* Nobody is killed: what the other thread sees before mmap() returns is what is mapped. */
static void map_and_unmap(void *arg)
{
	struct half *half = arg;
	struct racer toucher;
	void *address;

	start_toucher(&toucher, arg);
	address = mmap(ADDRESS, NGRANULES * granule * page_size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED_NOREPLACE, half->fd, half->alloc.offset);
	CHECK(address == ADDRESS);
	CHECK(is_filled(address, NGRANULES * granule, 5));
	gate_wait(&half->pinned);
	dev_unmap(address, NGRANULES * granule);
}

static void touch_while_pages_are_mapped(void)
{
	struct half half;
	pid_t first;

	half_init(&half);
	first = hold_half(&half, map_and_unmap);
	touch_and_pin(&half);
	dev_free(half.fd, half.alloc.handle);
	meet_go();
	CHILD_SUCCEEDS(first);
	CHECK_SETTLES(half.fd, quarantined_pages, NGRANULES * granule);
	drain_pipe(half.pipe, NPINNED, 5);
	CHECK_SETTLES(half.fd, quarantined_pages, 0);
}

static const struct test_case cases[] = {
	CASE(kill_while_memory_is_taken),
	CASE(kill_while_memory_is_zeroed),
	CASE(kill_while_pages_are_mapped),
	CASE(kill_while_mapped_pages_are_touched),
	CASE(touch_while_pages_are_mapped),
};

const struct test_suite kill_suite = SUITE(cases);
