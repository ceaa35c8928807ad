// SPDX-License-Identifier: GPL-2.0-only
/*
 * When pages return: free, close, exit and death, with and without mappings, and
 * descriptors that travel.
 */
#include "device.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#define N 6

static void free_while_mapped_keeps_the_mapping(void)
{
	int fd = dev_open();
	uint64_t before = dev_stats(fd).in_use_pages;
	struct spanalloc_alloc alloc, other;
	void *address = dev_alloc_filled(fd, N, 1, &alloc), *next;

	CHECK_EQ(dev_free_state(fd, alloc.handle), SPANALLOC_FREE_DEFERRED);
	CHECK_FAILS(dev_try_free(fd, alloc.handle), ENOENT);
	CHECK_EQ(dev_stats(fd).in_use_pages, before + N);
	CHECK(is_filled(address, N, 1));
	/* The pages are nobody else's. */
	next = dev_alloc_filled(fd, N, 2, &other);
	fill(address, N, 3);
	CHECK(is_filled(next, N, 2));
	CHECK(is_filled(address, N, 3));
	dev_unmap(address, N);
	CHECK_SETTLES(fd, in_use_pages, before + N);
	CHECK(is_filled(next, N, 2));
}

static void free_while_mapped_waits_for_the_last_part(void)
{
	int fd = dev_open();
	uint64_t before = dev_stats(fd).in_use_pages;
	struct spanalloc_alloc alloc;
	char *address = dev_alloc_filled(fd, N, 1, &alloc), *second;

	second = dev_map(fd, alloc.offset + page_size, 2);
	dev_free(fd, alloc.handle);
	dev_unmap(address, N);
	CHECK_EQ(dev_stats(fd).in_use_pages, before + N);
	dev_unmap(second, 1);
	CHECK_EQ(dev_stats(fd).in_use_pages, before + N);
	dev_unmap(second + page_size, 1);
	CHECK_SETTLES(fd, in_use_pages, before);
}

static void close_gives_back_what_is_not_mapped(void)
{
	int fd = dev_open(), watch = dev_open();
	uint64_t before = dev_stats(watch).in_use_pages;
	struct spanalloc_alloc mapped;
	void *address;

	dev_alloc(fd, 10);
	address = dev_alloc_filled(fd, N, 1, &mapped);
	dev_alloc(fd, 10);
	CHECK_EQ(dev_stats(watch).in_use_pages, before + 20 + N);
	close(fd);
	CHECK_SETTLES(watch, in_use_pages, before + N);
	CHECK(is_filled(address, N, 1));
	CHECK_OK(madvise(address, N * page_size, MADV_DONTNEED));
	fill(address, N, 2);
	CHECK(is_filled(address, N, 2));
	dev_unmap(address, N);
	CHECK_SETTLES(watch, in_use_pages, before);
}

static void close_with_everything_mapped(void)
{
	int fd = dev_open(), watch = dev_open(), i;
	uint64_t before = dev_stats(watch).in_use_pages;
	struct spanalloc_alloc alloc;
	void *addresses[20];

	for (i = 0; i < 20; i++)
		addresses[i] = dev_alloc_filled(fd, N, i, &alloc);
	close(fd);
	for (i = 0; i < 20; i++) {
		CHECK_SETTLES(watch, in_use_pages, before + (20 - i) * N);
		CHECK(is_filled(addresses[i], N, i));
		dev_unmap(addresses[i], N);
	}
	CHECK_SETTLES(watch, in_use_pages, before);
}

/* The file stays open through its copies. */
static void close_of_one_duplicate_changes_nothing(void)
{
	int fd = dev_open(), copy = dup(fd), watch = dev_open();
	uint64_t before = dev_stats(watch).in_use_pages;
	struct spanalloc_alloc alloc = dev_alloc(fd, N);

	CHECK_OK(copy);
	close(fd);
	CHECK_EQ(dev_stats(watch).in_use_pages, before + N);
	CHECK_EQ(dev_query(copy, alloc.handle).npages, N);
	dev_unmap(dev_map(copy, alloc.offset, N), N);
	close(copy);
	CHECK_SETTLES(watch, in_use_pages, before);
}

struct crowd {
	int watch;
	struct gate ready;
	struct gate never;
	bool wait;
	bool close;
};

/* Fifty allocations: mapped, freed while mapped, partly mapped, not mapped. */
static void make_a_crowd(void *arg)
{
	struct crowd *crowd = arg;
	int fd = dev_open(), i;
	struct spanalloc_alloc alloc;
	char *address;

	for (i = 0; i < 50; i++) {
		if (i % 4 == 0) {
			dev_alloc(fd, 1 + i);
			continue;
		}
		address = dev_alloc_filled(fd, 1 + i, i, &alloc);
		if (i % 4 == 1)
			dev_free(fd, alloc.handle);
		if (i % 4 == 2)
			dev_unmap(address, 1);
	}
	if (crowd->close)
		close(fd);
	gate_open(&crowd->ready);
	if (crowd->wait)
		gate_wait(&crowd->never);
}

static void crowd_init(struct crowd *crowd, uint64_t *before)
{
	memset(crowd, 0, sizeof(*crowd));
	crowd->watch = dev_open();
	*before = dev_stats(crowd->watch).in_use_pages;
	gate_init(&crowd->ready);
	gate_init(&crowd->never);
}

static void exit_gives_everything_back(void)
{
	struct crowd crowd;
	uint64_t before;

	crowd_init(&crowd, &before);
	CHILD_SUCCEEDS(child_start(make_a_crowd, &crowd));
	CHECK_SETTLES(crowd.watch, in_use_pages, before);
	crowd.close = true;
	CHILD_SUCCEEDS(child_start(make_a_crowd, &crowd));
	CHECK_SETTLES(crowd.watch, in_use_pages, before);
}

static void kill_gives_everything_back(void)
{
	struct crowd crowd;
	uint64_t before;
	pid_t child;
	int i;

	crowd_init(&crowd, &before);
	crowd.wait = true;
	for (i = 0; i < 4; i++) {
		crowd.close = i & 1;
		child = child_start(make_a_crowd, &crowd);
		gate_wait(&crowd.ready);
		CHECK(dev_stats(crowd.watch).in_use_pages > before + 500);
		kill(child, SIGKILL);
		CHECK(WIFSIGNALED(child_status(child)));
		CHECK_SETTLES(crowd.watch, in_use_pages, before);
	}
}

/* At any moment, not only when it is idle. */
static void make_crowds(void *arg)
{
	struct crowd *crowd = arg;

	crowd->wait = false;
	crowd->close = true;
	gate_open(&crowd->ready);
	for (;;)
		make_a_crowd(crowd);
}

static void kill_in_the_middle_of_work(void)
{
	struct crowd crowd;
	uint64_t before;
	pid_t child;
	int i;

	for (i = 0; i < 10; i++) {
		crowd_init(&crowd, &before);
		child = child_start(make_crowds, &crowd);
		gate_wait(&crowd.ready);
		sleep_ms(5 + 17 * i);
		kill(child, SIGKILL);
		CHECK(WIFSIGNALED(child_status(child)));
		CHECK_SETTLES(crowd.watch, in_use_pages, before);
	}
}

/* A third of the heap, or what a small machine can spare. */
static uint64_t large_length(int fd)
{
	uint64_t npages = dev_info(fd).max_pages / 3;

	return npages < 30000 ? npages : 30000;
}

static void make_large_ones(void *arg)
{
	struct crowd *crowd = arg;
	int fd = dev_open();
	uint64_t npages = large_length(fd);
	struct spanalloc_alloc alloc;

	gate_open(&crowd->ready);
	for (;;) {
		alloc = dev_alloc(fd, npages);
		dev_unmap(dev_map(fd, alloc.offset, npages), npages);
		dev_free(fd, alloc.handle);
		dev_trim(fd, ~0ULL);
	}
}

/* While it is being backed, zeroed, mapped, unmapped or returned. */
static void kill_during_a_large_allocation(void)
{
	struct crowd crowd;
	uint64_t before;
	pid_t child;
	int i;

	for (i = 0; i < 12; i++) {
		crowd_init(&crowd, &before);
		child = child_start(make_large_ones, &crowd);
		gate_wait(&crowd.ready);
		sleep_ms(3 + 37 * i);
		kill(child, SIGKILL);
		CHECK(WIFSIGNALED(child_status(child)));
		CHECK_SETTLES(crowd.watch, in_use_pages, before);
		CHECK_SETTLES(crowd.watch, claimed_pages, 0);
	}
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* Signals that the program handles: a call may be cut short, and then is undone. */
static void signals_interrupt_cleanly(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval often = { { 0, 700 }, { 0, 700 } };
	int fd = dev_open(), i, interrupted = 0;
	uint64_t before = dev_stats(fd).in_use_pages;
	struct spanalloc_alloc alloc;
	void *address;

	CHECK_OK(sigaction(SIGALRM, &action, NULL));
	CHECK_OK(setitimer(ITIMER_REAL, &often, NULL));
	for (i = 0; i < 60; i++) {
		alloc = (struct spanalloc_alloc){ .npages = 3000 };
		if (dev_try_alloc(fd, &alloc)) {
			CHECK_EQ(errno, EINTR);
			interrupted++;
			continue;
		}
		address = mmap(NULL, 3000 * page_size, PROT_READ, MAP_SHARED, fd,
			       alloc.offset);
		if (address != MAP_FAILED)
			dev_unmap(address, 3000);
		else
			CHECK_EQ(errno, EINTR);
		dev_free(fd, alloc.handle);
	}
	CHECK_OK(setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL));
	CHECK_SETTLES(fd, in_use_pages, before);
	test_note("%d of 60 allocations were interrupted", interrupted);
}

static void exec_away(void *arg)
{
	struct spanalloc_alloc alloc;
	int fd = dev_open();

	dev_alloc_filled(fd, N, 1, &alloc);
	dev_alloc(fd, N);
	gate_open(arg);
	/* Itself, with nothing to do. */
	execl("/proc/self/exe", "device_test", "no_such_case", NULL);
	FAIL("cannot exec: %s", errno_name(errno));
}

static void exec_gives_everything_back(void)
{
	int watch = dev_open(), null = open("/dev/null", O_WRONLY), out = dup(1);
	uint64_t before = dev_stats(watch).in_use_pages;
	struct gate ready;
	pid_t child;

	CHECK_OK(null);
	gate_init(&ready);
	dup2(null, 1);
	child = child_start(exec_away, &ready);
	dup2(out, 1);
	gate_wait(&ready);
	CHECK(WIFEXITED(child_status(child)));
	CHECK_SETTLES(watch, in_use_pages, before);
}

struct letter {
	int socket;
	struct spanalloc_alloc alloc;
};

static void use_received(void *arg)
{
	struct letter *letter = arg;
	int fd = receive_fd(letter->socket);
	void *address;

	CHECK_EQ(dev_query(fd, letter->alloc.handle).npages, N);
	address = dev_map(fd, letter->alloc.offset, N);
	CHECK(is_filled(address, N, 1));
	fill(address, N, 2);
	dev_free(fd, letter->alloc.handle);
	dev_alloc(fd, N);
	CHECK(is_filled(address, N, 2));
}

static void fd_passed_over_a_socket_works(void)
{
	int sockets[2], fd, watch = dev_open();
	uint64_t before = dev_stats(watch).in_use_pages;
	struct letter letter;
	void *address;
	pid_t child;

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	letter.socket = sockets[1];
	/* The receiver has the descriptor from nowhere else. */
	fd = dev_open();
	address = dev_alloc_filled(fd, N, 1, &letter.alloc);
	dev_unmap(address, N);
	close(fd);
	fd = dev_open();
	address = dev_alloc_filled(fd, N, 1, &letter.alloc);
	child = child_start(use_received, &letter);
	send_fd(sockets[0], fd);
	CHILD_SUCCEEDS(child);
	CHECK_FAILS(dev_try_free(fd, letter.alloc.handle), ENOENT);
	CHECK(is_filled(address, N, 2));
	dev_unmap(address, N);
	CHECK_SETTLES(watch, in_use_pages, before + N);
	close(fd);
	CHECK_SETTLES(watch, in_use_pages, before);
}

/* In flight is open: the socket holds it, and lets go when it dies. */
static void fd_lost_in_a_socket_is_closed(void)
{
	int sockets[2], fd, watch = dev_open();
	uint64_t before = dev_stats(watch).in_use_pages;

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	fd = dev_open();
	dev_alloc(fd, N);
	send_fd(sockets[0], fd);
	close(fd);
	CHECK_EQ(dev_stats(watch).in_use_pages, before + N);
	close(sockets[0]);
	close(sockets[1]);
	CHECK_SETTLES(watch, in_use_pages, before);
}

static void open_and_count(void *arg)
{
	uint32_t *parents = arg;
	int fd = dev_open();
	struct spanalloc_query query;

	CHECK_FAILS(dev_try_query(fd, *parents, &query), ENOENT);
	dev_alloc(fd, N);
}

static void open_files_of_two_processes_are_separate(void)
{
	int fd = dev_open(), i;
	struct spanalloc_alloc alloc;

	for (i = 0; i < 5; i++)
		alloc = dev_alloc(fd, N);
	CHILD_SUCCEEDS(child_start(open_and_count, &alloc.handle));
	CHECK_EQ(dev_query(fd, alloc.handle).npages, N);
}

static void open_200_files_at_once(void)
{
	int fds[200], watch = dev_open(), i;
	uint64_t before = dev_stats(watch).in_use_spans;

	for (i = 0; i < 200; i++) {
		fds[i] = dev_open();
		dev_alloc(fds[i], 1 + i % 3);
	}
	CHECK_EQ(dev_stats(watch).in_use_spans, before + 200);
	for (i = 0; i < 200; i++)
		close(fds[i]);
	CHECK_SETTLES(watch, in_use_spans, before);
}

static const struct test_case cases[] = {
	CASE(free_while_mapped_keeps_the_mapping),
	CASE(free_while_mapped_waits_for_the_last_part),
	CASE(close_gives_back_what_is_not_mapped),
	CASE(close_with_everything_mapped),
	CASE(close_of_one_duplicate_changes_nothing),
	CASE(exit_gives_everything_back),
	CASE(kill_gives_everything_back),
	CASE(kill_in_the_middle_of_work),
	CASE(kill_during_a_large_allocation),
	CASE(signals_interrupt_cleanly),
	CASE(exec_gives_everything_back),
	CASE(fd_passed_over_a_socket_works),
	CASE(fd_lost_in_a_socket_is_closed),
	CASE(open_files_of_two_processes_are_separate),
	CASE(open_200_files_at_once),
};

const struct test_suite lifetime_suite = SUITE(cases);
