// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that the kernel still uses when the program has given them up. A pipe
 * filled with vmsplice() holds the page itself, so it is the pin that any program
 * can make, see and undo.
 */
#include "device.h"

#include <linux/io_uring.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define N 5

/* Puts @npages pages at @address into @pipe, without copying. */
static void pin(const int pipe[2], void *address, size_t npages)
{
	struct iovec iov = { address, npages * page_size };

	CHECK_EQ(vmsplice(pipe[1], &iov, 1, 0), npages * page_size);
}

/* Takes them out again and compares them with what fill() wrote. */
static void unpin(const int pipe[2], uint64_t npages, uint64_t seed)
{
	size_t wanted = npages * page_size, had = 0;
	char *buffer = plain_pages(npages);
	ssize_t n;

	while (had < wanted) {
		n = read(pipe[0], buffer + had, wanted - had);
		CHECK(n > 0);
		had += n;
	}
	CHECK(is_filled(buffer, npages, seed));
	free(buffer);
}

/**
 * struct pinned - an allocation, a page of which sits in a pipe
 * @fd: the device
 * @watch: the device, opened for its statistics
 * @before: in use, and in quarantine, before
 * @alloc: the allocation
 * @base: its place in the heap
 * @address: where it is mapped
 * @pipe: holds the page
 */
struct pinned {
	int fd;
	int watch;
	struct spanalloc_heap_stats before;
	struct spanalloc_alloc alloc;
	uint64_t base;
	char *address;
	int pipe[2];
};

static void pinned_init(struct pinned *p, size_t npinned)
{
	p->watch = dev_open();
	p->before = dev_stats(p->watch);
	p->fd = dev_open();
	p->address = dev_alloc_filled(p->fd, N, 1, &p->alloc);
	p->base = dev_query(p->fd, p->alloc.handle).base;
	CHECK_OK(pipe(p->pipe));
	pin(p->pipe, p->address, npinned);
}

static void give_up(struct pinned *p)
{
	dev_unmap(p->address, N);
	dev_free(p->fd, p->alloc.handle);
	close(p->fd);
}

/*
 * Allocates single pages until the lowest free place lies beyond the pinned
 * allocation, and writes into all of them. None may be one of its pages.
 */
static void take_all_around(const struct pinned *p)
{
	int fd = dev_open(), i;
	struct spanalloc_alloc alloc;
	uint64_t base;
	void *address;

	for (i = 0; i < 20000; i++) {
		alloc = dev_alloc(fd, 1);
		base = dev_query(fd, alloc.handle).base;
		CHECK(base < p->base || base >= p->base + N);
		if (base > p->base + 2 * N)
			break;
		address = dev_map(fd, alloc.offset, 1);
		CHECK(is_zero(address, page_size));
		memset(address, 0xee, page_size);
		dev_unmap(address, 1);
	}
	CHECK(i < 20000);
	close(fd);
}

static void check_quarantined(const struct pinned *p)
{
	CHECK_SETTLES(p->watch, quarantined_pages, p->before.quarantined_pages + N);
	CHECK_SETTLES(p->watch, in_use_pages, p->before.in_use_pages);
}

static void check_drained(const struct pinned *p)
{
	double start = seconds_now();

	CHECK_SETTLES(p->watch, quarantined_pages, p->before.quarantined_pages);
	CHECK_SETTLES(p->watch, in_use_pages, p->before.in_use_pages);
	if (seconds_now() - start > 2)
		test_note("the quarantine drained after %.1f s", seconds_now() - start);
}

static void pin_outlives_unmap_free_and_close(void)
{
	struct pinned p;

	pinned_init(&p, 1);
	give_up(&p);
	check_quarantined(&p);
	take_all_around(&p);
	unpin(p.pipe, 1, 1);
	check_drained(&p);
}

/* Long enough for a recheck to have looked several times. */
static void pin_holds_for_seconds(void)
{
	struct pinned p;
	int i;

	pinned_init(&p, 1);
	give_up(&p);
	check_quarantined(&p);
	for (i = 0; i < 8; i++) {
		sleep_ms(400);
		CHECK_EQ(dev_stats(p.watch).quarantined_pages,
			 p.before.quarantined_pages + N);
	}
	take_all_around(&p);
	unpin(p.pipe, 1, 1);
	check_drained(&p);
}

static void pin_of_every_page(void)
{
	struct pinned p;

	pinned_init(&p, N);
	give_up(&p);
	check_quarantined(&p);
	/* All but one page are back; the allocation is not. */
	unpin(p.pipe, 1, 1);
	sleep_ms(300);
	check_quarantined(&p);
	take_all_around(&p);
	close(p.pipe[0]);
	close(p.pipe[1]);
	check_drained(&p);
}

static void pin_with_the_file_open(void)
{
	struct pinned p;

	pinned_init(&p, 1);
	dev_unmap(p.address, N);
	/* Not freed: in use, whoever holds the pages. */
	CHECK_EQ(dev_stats(p.watch).in_use_pages, p.before.in_use_pages + N);
	/* The reply tells of mappings; of pins, the statistics do. */
	CHECK_EQ(dev_free_state(p.fd, p.alloc.handle), 0);
	check_quarantined(&p);
	unpin(p.pipe, 1, 1);
	check_drained(&p);
	CHECK_EQ(dev_free_state(p.fd, dev_alloc(p.fd, N).handle), 0);
}

static void pin_while_mapped_sees_later_writes(void)
{
	struct pinned p;

	pinned_init(&p, 1);
	dev_free(p.fd, p.alloc.handle);
	close(p.fd);
	CHECK_EQ(dev_stats(p.watch).in_use_pages, p.before.in_use_pages + N);
	CHECK_EQ(dev_stats(p.watch).quarantined_pages, p.before.quarantined_pages);
	fill(p.address, N, 2);
	dev_unmap(p.address, N);
	check_quarantined(&p);
	unpin(p.pipe, 1, 2);
	check_drained(&p);
}

static void pin_that_ends_before_the_free(void)
{
	struct pinned p;

	pinned_init(&p, 2);
	unpin(p.pipe, 2, 1);
	give_up(&p);
	check_drained(&p);
	CHECK_SETTLES(p.watch, frees, p.before.frees + 1);
}

/* The last page of an allocation that is freed before the pin is made. */
static void pin_of_a_page_that_is_already_freed(void)
{
	struct pinned p;
	int second[2];

	pinned_init(&p, 1);
	CHECK_OK(pipe(second));
	dev_free(p.fd, p.alloc.handle);
	pin(second, p.address + (N - 1) * page_size, 1);
	dev_unmap(p.address, N);
	check_quarantined(&p);
	unpin(p.pipe, 1, 1);
	sleep_ms(200);
	check_quarantined(&p);
	close(second[0]);
	close(second[1]);
	check_drained(&p);
}

/* tee() makes a second reference to the same page. */
static void pin_is_passed_on_by_tee(void)
{
	struct pinned p;
	int copy[2];

	pinned_init(&p, 1);
	CHECK_OK(pipe(copy));
	CHECK_EQ(tee(p.pipe[0], copy[1], page_size, 0), page_size);
	give_up(&p);
	unpin(p.pipe, 1, 1);
	sleep_ms(200);
	check_quarantined(&p);
	take_all_around(&p);
	unpin(copy, 1, 1);
	check_drained(&p);
}

static void pin_and_wait(void *arg)
{
	struct pinned *p = arg;
	struct spanalloc_alloc alloc;
	int fd = dev_open();
	char *address;

	address = dev_alloc_filled(fd, N, 1, &alloc);
	p->base = dev_query(fd, alloc.handle).base;
	pin(p->pipe, address, 2);
	raise(SIGKILL);
}

static void pin_outlives_its_process(void)
{
	struct pinned p;

	p.watch = dev_open();
	p.before = dev_stats(p.watch);
	CHECK_OK(pipe(p.pipe));
	CHECK(WIFSIGNALED(child_status(child_start(pin_and_wait, &p))));
	check_quarantined(&p);
	unpin(p.pipe, 2, 1);
	check_drained(&p);
}

/**
 * struct reuse - pages that sit in a pipe, and a process that would have them
 * @p: the pinned allocation, made and given up by a process that is gone
 * @frames: where its pages are in memory
 * @taken: the other process has taken all there is around
 * @drained: the pipe is empty
 */
struct reuse {
	struct pinned p;
	uint64_t frames[N];
	struct gate taken;
	struct gate drained;
};

/* Physical addresses are for the privileged. */
static void find_frames(int fd, uint32_t handle, uint64_t *frames, uint32_t npages)
{
	struct spanalloc_run to[N];
	struct spanalloc_runs runs = {
		.handle = handle, .runs = (uintptr_t)to, .nruns = N,
	};
	uint32_t i, j, n = 0;

	CHECK_OK(ioctl(fd, SPANALLOC_IOC_RUNS, &runs));
	for (i = 0; i < runs.nruns; i++) {
		for (j = 0; j < to[i].npages; j++)
			frames[n++] = to[i].address + j * page_size;
	}
	CHECK_EQ(n, npages);
	CHECK(frames[0]);
}

static bool is_frame_pinned(const struct reuse *reuse, uint64_t frame)
{
	int i;

	for (i = 0; i < N; i++) {
		if (reuse->frames[i] == frame)
			return true;
	}
	return false;
}

static void pin_and_exit(void *arg)
{
	struct reuse *reuse = arg;
	struct spanalloc_alloc alloc;
	int fd = dev_open();
	char *address = dev_alloc_filled(fd, N, 1, &alloc);

	reuse->p.base = dev_query(fd, alloc.handle).base;
	find_frames(fd, alloc.handle, reuse->frames, N);
	pin(reuse->p.pipe, address, N);
	dev_unmap(address, N);
	dev_free(fd, alloc.handle);
}

/* Takes single pages and overwrites them, until one lies behind the pinned ones. */
static unsigned int take_until_behind(const struct reuse *reuse, int fd)
{
	struct spanalloc_alloc alloc;
	unsigned int i, found = 0;
	uint64_t base, frame;
	void *address;

	for (i = 0; i < 20000; i++) {
		alloc = dev_alloc(fd, 1);
		base = dev_query(fd, alloc.handle).base;
		find_frames(fd, alloc.handle, &frame, 1);
		found += is_frame_pinned(reuse, frame);
		address = dev_map(fd, alloc.offset, 1);
		CHECK(is_zero(address, page_size));
		fill(address, 1, 100 + i);
		if (base > reuse->p.base + 2 * N)
			return found;
	}
	FAIL("nothing lies behind the pinned pages");
}

/* In the end it does get them, or it looked for them in the wrong place. */
static void take_while_pinned_and_after(void *arg)
{
	struct reuse *reuse = arg;
	int fd = dev_open();

	CHECK_EQ(take_until_behind(reuse, fd), 0);
	gate_open(&reuse->taken);
	gate_wait(&reuse->drained);
	CHECK_EQ(take_until_behind(reuse, fd), N);
}

static void pin_is_not_reused_by_another_process(void)
{
	struct reuse *reuse = mmap(NULL, sizeof(*reuse), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct spanalloc_trim drain = { .flags = SPANALLOC_TRIM_DRAIN };
	struct pinned *p = &reuse->p;
	pid_t other;

	CHECK(reuse != MAP_FAILED);
	if (getuid())
		test_skip("not started as root");
	p->watch = dev_open();
	p->before = dev_stats(p->watch);
	CHECK_OK(pipe(p->pipe));
	gate_init(&reuse->taken);
	gate_init(&reuse->drained);
	CHILD_SUCCEEDS(child_start(pin_and_exit, reuse));
	other = child_start(take_while_pinned_and_after, reuse);
	gate_wait(&reuse->taken);
	CHECK_SETTLES(p->watch, quarantined_pages, p->before.quarantined_pages + N);
	unpin(p->pipe, N, 1);
	CHECK_SETTLES(p->watch, quarantined_pages, p->before.quarantined_pages);
	/* Nor parked for the next who wants just as many. */
	CHECK_OK(ioctl(p->watch, SPANALLOC_IOC_TRIM, &drain));
	gate_open(&reuse->drained);
	CHILD_SUCCEEDS(other);
	check_drained(p);
}

#define NMANY	48
#define PER_PIPE 12

/* The counter follows each of them. */
static void pin_of_many_allocations(void)
{
	int fd = dev_open(), pipes[NMANY / PER_PIPE][2], i;
	struct spanalloc_heap_stats before = dev_stats(fd);
	struct spanalloc_alloc alloc;
	void *address;

	for (i = 0; i < NMANY; i++) {
		if (i % PER_PIPE == 0)
			CHECK_OK(pipe(pipes[i / PER_PIPE]));
		address = dev_alloc_filled(fd, N, 1, &alloc);
		pin(pipes[i / PER_PIPE], address, 1);
		dev_unmap(address, N);
		dev_free(fd, alloc.handle);
	}
	CHECK_SETTLES(fd, quarantined_pages, before.quarantined_pages + NMANY * N);
	CHECK_SETTLES(fd, in_use_pages, before.in_use_pages);
	for (i = NMANY - 1; i >= 0; i--) {
		unpin(pipes[i / PER_PIPE], 1, 1);
		if (i % PER_PIPE == 0)
			CHECK_SETTLES(fd, quarantined_pages,
				      before.quarantined_pages + i * N);
	}
	CHECK_SETTLES(fd, in_use_spans, before.in_use_spans);
}

/* Trim returns memory to the system; not this memory. */
static void pin_survives_trim(void)
{
	struct pinned p;

	pinned_init(&p, 1);
	give_up(&p);
	check_quarantined(&p);
	dev_trim(p.watch, ~0ULL);
	dev_free(p.watch, dev_alloc(p.watch, dev_two_granules(p.watch)).handle);
	dev_trim(p.watch, ~0ULL);
	check_quarantined(&p);
	unpin(p.pipe, 1, 1);
	check_drained(&p);
}

/* A mapping that fails, is split or is moved leaves no reference behind. */
static void pin_gate_forgets_the_mappings(void)
{
	struct pinned p;
	char *part, *to;

	pinned_init(&p, 1);
	unpin(p.pipe, 1, 1);
	CHECK_REFUSED(dev_try_map(p.fd, p.alloc.offset, (N + 1) * page_size, PROT_READ,
				  MAP_SHARED));
	part = dev_map(p.fd, p.alloc.offset + page_size, 2);
	to = mmap(NULL, page_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mremap(part, page_size, page_size, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
	      to);
	CHECK_OK(madvise(p.address, N * page_size, MADV_DONTNEED));
	CHECK(is_filled(p.address, N, 1));
	CHECK_OK(munmap(to, page_size));
	CHECK_OK(munmap(part + page_size, page_size));
	give_up(&p);
	check_drained(&p);
}

#define NLONG	4000

static void fail_to_allocate(void *arg)
{
	struct spanalloc_alloc alloc = { .npages = *(uint64_t *)arg };
	double end = seconds_now() + 2;
	int fd = dev_open();

	while (seconds_now() < end)
		CHECK_FAILS(dev_try_alloc(fd, &alloc), EDQUOT);
}

/*
 * An allocation that is about to fail looks through the quarantine itself. That
 * must not keep the regular look from coming back: the pin ends when nobody
 * allocates any more. The pin is on the last of many pages, so that looking takes
 * its time.
 */
static void pin_is_noticed_after_failing_allocations(void)
{
	int fd = dev_open(), fds[2], i;
	struct spanalloc_heap_stats before = dev_stats(fd);
	struct spanalloc_alloc alloc;
	pid_t children[3];
	char *address;

	CHECK_OK(pipe(fds));
	alloc = dev_alloc(fd, NLONG);
	address = dev_map(fd, alloc.offset + (NLONG - 1) * page_size, 1);
	fill(address, 1, 1);
	pin(fds, address, 1);
	dev_unmap(address, 1);
	dev_free(fd, alloc.handle);
	CHECK_SETTLES(fd, quarantined_pages, before.quarantined_pages + NLONG);
	for (i = 0; i < 3; i++)
		children[i] = child_start(fail_to_allocate, &before.max_pages);
	for (i = 0; i < 3; i++)
		CHILD_SUCCEEDS(children[i]);
	unpin(fds, 1, 1);
	CHECK_SETTLES(fd, quarantined_pages, before.quarantined_pages);
}

static int uring_register(int ring, void *address, size_t nbytes)
{
	struct iovec iov = { address, nbytes };

	return syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov, 1);
}

/* A long-term pin, as RDMA makes them too. */
static void pin_by_an_io_uring_buffer(void)
{
	struct io_uring_params params = { 0 };
	struct pinned p;
	int ring = syscall(SYS_io_uring_setup, 4, &params);

	if (ring < 0)
		test_skip("no io_uring: %s", errno_name(errno));
	pinned_init(&p, 1);
	unpin(p.pipe, 1, 1);
	if (uring_register(ring, p.address, N * page_size)) {
		/* Before 6.5 it took no file's pages at all. */
		if (errno == EOPNOTSUPP)
			test_skip("this kernel's io_uring takes no file mappings");
		FAIL("cannot register a buffer: %s", errno_name(errno));
	}
	give_up(&p);
	check_quarantined(&p);
	take_all_around(&p);
	close(ring);
	check_drained(&p);
}

static const struct test_case cases[] = {
	CASE(pin_outlives_unmap_free_and_close),
	CASE(pin_holds_for_seconds),
	CASE(pin_of_every_page),
	CASE(pin_with_the_file_open),
	CASE(pin_while_mapped_sees_later_writes),
	CASE(pin_that_ends_before_the_free),
	CASE(pin_of_a_page_that_is_already_freed),
	CASE(pin_is_passed_on_by_tee),
	CASE(pin_outlives_its_process),
	CASE(pin_is_not_reused_by_another_process),
	CASE(pin_of_many_allocations),
	CASE(pin_survives_trim),
	CASE(pin_gate_forgets_the_mappings),
	CASE(pin_is_noticed_after_failing_allocations),
	CASE(pin_by_an_io_uring_buffer),
};

const struct test_suite pin_suite = SUITE(cases);

/*
 * For a test of unloading: pins a page, closes the device, says "held", and when
 * a line arrives on standard input compares the page with what was written. The
 * module may be gone by then.
 */
int hold_pin(void)
{
	struct pinned p;
	char line[16];

	pinned_init(&p, 3);
	give_up(&p);
	CHECK_SETTLES(p.watch, quarantined_pages, N);
	close(p.watch);
	printf("held\n");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	unpin(p.pipe, 3, 1);
	printf("intact\n");
	return 0;
}
