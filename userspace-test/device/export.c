// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exports: allocations as dma-bufs, mapped, sent to other processes, and outliving the
 * file that they came from. What devices do with them stands in import.c.
 */
#include "device.h"

#include <linux/dma-buf.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define RW (PROT_READ | PROT_WRITE)
#define N 7
#define HEAD 3
#define TAIL (N - HEAD)

int dev_try_export(int fd, uint32_t handle, uint32_t flags)
{
	struct spanalloc_export request = { .handle = handle, .flags = flags, .fd = -1 };

	if (ioctl(fd, SPANALLOC_IOC_EXPORT, &request))
		return -1;
	CHECK(request.fd >= 0);
	CHECK_EQ(request.handle, handle);
	CHECK_EQ(request.flags, flags);
	CHECK_EQ(request.reserved, 0);
	return request.fd;
}

int dev_export(int fd, uint32_t handle, uint32_t flags)
{
	int buf;

	if (!(dev_info(fd).features & SPANALLOC_FEATURE_EXPORT))
		test_skip("this kernel has no dma-bufs");
	CHECK_OK(buf = dev_try_export(fd, handle, flags));
	return buf;
}

static off_t size_of(int buf)
{
	return lseek(buf, 0, SEEK_END);
}

static void export_is_a_descriptor(void)
{
	int fd = dev_open(), buf;
	struct spanalloc_alloc alloc = dev_alloc(fd, N);

	buf = dev_export(fd, alloc.handle, 0);
	CHECK_EQ(fcntl(buf, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(buf, F_GETFL) & O_ACCMODE, O_RDWR);
	CHECK_EQ(size_of(buf), N * page_size);
	CHECK_EQ(dev_query(fd, alloc.handle).nexports, 1);
	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 0);
	close(buf);
	CHECK_EQ(dev_query(fd, alloc.handle).nexports, 0);
}

static void export_shares_contents(void)
{
	int fd = dev_open(), buf;
	struct spanalloc_alloc alloc;
	char *address = dev_alloc_filled(fd, N, 1, &alloc), *other, *part;

	buf = dev_export(fd, alloc.handle, 0);
	other = dev_map(buf, 0, N);
	CHECK(is_filled(other, N, 1));
	fill(other, N, 2);
	CHECK(is_filled(address, N, 2));
	part = dev_map(buf, 2 * page_size, 3);
	CHECK(!memcmp(part, address + 2 * page_size, 3 * page_size));
	part[0] ^= 1;
	CHECK_EQ(part[0], address[2 * page_size]);
	/* Dropped pages come back, in each. */
	CHECK_OK(madvise(other, N * page_size, MADV_DONTNEED));
	part[0] ^= 1;
	CHECK(is_filled(other, N, 2));
	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 3);
}

/* Not populated: pages come by fault, and so do those across granules. */
static void export_shows_every_page(void)
{
	int fd = dev_open(), buf;
	uint64_t npages = dev_two_granules(fd) + 1;
	struct spanalloc_alloc alloc = dev_alloc(fd, npages);
	char *other, *address;

	buf = dev_export(fd, alloc.handle, 0);
	other = dev_map(buf, 0, npages);
	CHECK(is_zero(other, npages * page_size));
	fill(other, npages, 3);
	address = dev_map(fd, alloc.offset, npages);
	CHECK(is_filled(address, npages, 3));
}

static void export_is_mapped_within_its_bounds(void)
{
	int fd = dev_open(), buf;
	struct spanalloc_alloc alloc = dev_alloc(fd, N);

	buf = dev_export(fd, alloc.handle, 0);
	CHECK_OK(dev_try_map(buf, 0, N * page_size, RW, MAP_SHARED));
	CHECK_OK(dev_try_map(buf, (N - 1) * page_size, page_size, RW, MAP_SHARED));
	CHECK_FAILS(dev_try_map(buf, 0, (N + 1) * page_size, RW, MAP_SHARED), EINVAL);
	CHECK_FAILS(dev_try_map(buf, page_size, N * page_size, RW, MAP_SHARED), EINVAL);
	CHECK_FAILS(dev_try_map(buf, N * page_size, page_size, RW, MAP_SHARED), EINVAL);
	CHECK_FAILS(dev_try_map(buf, alloc.offset, page_size, RW, MAP_SHARED), EINVAL);
	CHECK_REFUSED(dev_try_map(buf, 1ULL << 50, page_size, RW, MAP_SHARED));
	CHECK_FAILS(dev_try_map(buf, 0, page_size, RW, MAP_PRIVATE), EINVAL);
	/* Newer kernels refuse it themselves, since no dma-buf may be executed. */
	CHECK_REFUSED(dev_try_map(buf, 0, page_size, RW | PROT_EXEC, MAP_SHARED));
	CHECK(errno == EACCES || errno == EPERM);
}

static void export_mapping_neither_grows_nor_runs(void)
{
	int fd = dev_open(), buf;
	struct spanalloc_alloc alloc = dev_alloc(fd, N);
	char *address;

	buf = dev_export(fd, alloc.handle, 0);
	address = dev_map(buf, 0, 2);
	CHECK(mremap(address, 2 * page_size, 4 * page_size, MREMAP_MAYMOVE) == MAP_FAILED);
	CHECK_FAILS(mprotect(address, page_size, RW | PROT_EXEC), EACCES);
}

/* An importer, whoever it is, must not reach the other part. */
static void export_of_a_part_shows_that_part(void)
{
	int fd = dev_open(), tail, head;
	struct spanalloc_alloc alloc;
	char *address = dev_alloc_filled(fd, N, 1, &alloc), *part;
	struct spanalloc_split split = dev_split(fd, alloc.handle, HEAD);

	tail = dev_export(fd, split.new_handle, 0);
	head = dev_export(fd, alloc.handle, 0);
	CHECK_EQ(size_of(tail), TAIL * page_size);
	CHECK_EQ(size_of(head), HEAD * page_size);
	part = dev_map(tail, 0, TAIL);
	CHECK(!memcmp(part, address + HEAD * page_size, TAIL * page_size));
	part[page_size] ^= 1;
	CHECK_EQ(part[page_size], address[(HEAD + 1) * page_size]);
	dev_unmap(part, TAIL);
	part = dev_map(tail, page_size, TAIL - 1);
	CHECK(!memcmp(part, address + (HEAD + 1) * page_size, (TAIL - 1) * page_size));
	part = dev_map(head, 0, HEAD);
	CHECK(!memcmp(part, address, HEAD * page_size));
	CHECK_FAILS(dev_try_map(tail, 0, (TAIL + 1) * page_size, RW, MAP_SHARED), EINVAL);
	CHECK_FAILS(dev_try_map(tail, TAIL * page_size, page_size, RW, MAP_SHARED), EINVAL);
	CHECK_FAILS(dev_try_map(head, 0, (HEAD + 1) * page_size, RW, MAP_SHARED), EINVAL);
	CHECK_FAILS(dev_try_map(head, HEAD * page_size, page_size, RW, MAP_SHARED), EINVAL);
	/* They count for the allocation as a whole. */
	CHECK_EQ(dev_query(fd, alloc.handle).nexports, 2);
	CHECK_EQ(dev_query(fd, split.new_handle).nexports, 2);
}

/* A split later does not make it smaller. */
static void export_stays_what_it_was(void)
{
	int fd = dev_open(), buf;
	struct spanalloc_alloc alloc;
	void *address = dev_alloc_filled(fd, N, 1, &alloc), *other;
	struct spanalloc_split split;

	buf = dev_export(fd, alloc.handle, 0);
	split = dev_split(fd, alloc.handle, HEAD);
	dev_free(fd, split.new_handle);
	other = dev_map(buf, 0, N);
	CHECK(is_filled(other, N, 1));
	dev_unmap(address, N);
}

static void export_keeps_the_pages(void)
{
	int fd = dev_open(), watch = dev_open(), buf, copy;
	uint64_t before = dev_stats(watch).in_use_pages;
	struct spanalloc_alloc alloc;
	void *address = dev_alloc_filled(fd, N, 1, &alloc), *other;

	buf = dev_export(fd, alloc.handle, 0);
	dev_unmap(address, N);
	CHECK_EQ(dev_free_state(fd, alloc.handle), SPANALLOC_FREE_DEFERRED);
	close(fd);
	CHECK_EQ(dev_stats(watch).in_use_pages, before + N);
	other = dev_map(buf, 0, N);
	CHECK(is_filled(other, N, 1));
	dev_unmap(other, N);
	copy = dup(buf);
	close(buf);
	sleep_ms(100);
	CHECK_EQ(dev_stats(watch).in_use_pages, before + N);
	CHECK_EQ(dev_stats(watch).quarantined_pages, 0);
	close(copy);
	CHECK_SETTLES(watch, in_use_pages, before);
}

static void export_is_outlived_by_its_mapping(void)
{
	int fd = dev_open(), watch = dev_open(), buf;
	uint64_t before = dev_stats(watch).in_use_pages;
	struct spanalloc_alloc alloc;
	void *address = dev_alloc_filled(fd, N, 1, &alloc), *other;

	buf = dev_export(fd, alloc.handle, 0);
	other = dev_map(buf, 0, N);
	dev_unmap(address, N);
	close(buf);
	CHECK_EQ(dev_query(fd, alloc.handle).nexports, 0);
	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 1);
	close(fd);
	sleep_ms(100);
	CHECK_EQ(dev_stats(watch).in_use_pages, before + N);
	CHECK(is_filled(other, N, 1));
	dev_unmap(other, N);
	CHECK_SETTLES(watch, in_use_pages, before);
}

/* What the pages cost stays with the file that they came from. */
static void export_is_charged_to_its_file(void)
{
	int fd = dev_open(), buf;
	struct spanalloc_alloc alloc = dev_alloc(fd, N);

	buf = dev_export(fd, alloc.handle, 0);
	dev_free(fd, alloc.handle);
	CHECK_EQ(dev_file(fd).pages, N);
	CHECK_EQ(dev_file(fd).nhandles, 0);
	close(buf);
	CHECK_EQ(dev_file(fd).pages, 0);
}

/**
 * struct letter - what the receiver of a descriptor has to know
 * @socket: where it comes from
 * @received: the contents have been seen
 */
struct letter {
	int socket;
	struct gate received;
};

static void use_received(void *arg)
{
	struct letter *letter = arg;
	int buf = receive_fd(letter->socket);
	void *address;

	CHECK_EQ(size_of(buf), N * page_size);
	address = dev_map(buf, 0, N);
	close(buf);
	CHECK(is_filled(address, N, 1));
	fill(address, N, 2);
	gate_open(&letter->received);
	CHECK_EQ(receive_fd(letter->socket) >= 0, 1);
	CHECK(is_filled(address, N, 2));
}

static void export_passed_over_a_socket(void)
{
	int sockets[2], fd, buf, watch = dev_open();
	uint64_t before = dev_stats(watch).in_use_pages;
	struct spanalloc_alloc alloc;
	struct letter letter;
	void *address;
	pid_t child;

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	letter.socket = sockets[1];
	gate_init(&letter.received);
	/* The receiver has nothing of it but what is sent. */
	child = child_start(use_received, &letter);
	fd = dev_open();
	address = dev_alloc_filled(fd, N, 1, &alloc);
	buf = dev_export(fd, alloc.handle, 0);
	send_fd(sockets[0], buf);
	close(buf);
	gate_wait(&letter.received);
	CHECK(is_filled(address, N, 2));
	dev_unmap(address, N);
	close(fd);
	sleep_ms(100);
	CHECK_EQ(dev_stats(watch).in_use_pages, before + N);
	send_fd(sockets[0], watch);
	CHILD_SUCCEEDS(child);
	CHECK_SETTLES(watch, in_use_pages, before);
}

static void export_lost_in_a_socket(void)
{
	int sockets[2], fd, buf, watch = dev_open();
	uint64_t before = dev_stats(watch).in_use_pages;

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	fd = dev_open();
	buf = dev_export(fd, dev_alloc(fd, N).handle, 0);
	send_fd(sockets[0], buf);
	close(buf);
	close(fd);
	sleep_ms(100);
	CHECK_EQ(dev_stats(watch).in_use_pages, before + N);
	close(sockets[0]);
	close(sockets[1]);
	CHECK_SETTLES(watch, in_use_pages, before);
}

static void cannot_be_written(int buf)
{
	void *address;

	CHECK_EQ(fcntl(buf, F_GETFL) & O_ACCMODE, O_RDONLY);
	CHECK_FAILS(dev_try_map(buf, 0, N * page_size, RW, MAP_SHARED), EACCES);
	CHECK_FAILS(dev_try_map(buf, 0, N * page_size, PROT_WRITE, MAP_SHARED), EACCES);
	CHECK_FAILS(dev_try_map(buf, 0, N * page_size, RW, MAP_PRIVATE), EINVAL);
	address = dev_map_mode(buf, 0, N, PROT_READ);
	CHECK_FAILS(mprotect(address, page_size, RW), EACCES);
	dev_unmap(address, N);
}

static void export_read_only(void)
{
	int fd = dev_open(), buf;
	struct spanalloc_alloc alloc;
	void *address = dev_alloc_filled(fd, N, 1, &alloc), *other;

	buf = dev_export(fd, alloc.handle, SPANALLOC_EXPORT_READ_ONLY);
	cannot_be_written(buf);
	other = dev_map_mode(buf, 0, N, PROT_READ);
	CHECK(is_filled(other, N, 1));
	fill(address, N, 2);
	CHECK(is_filled(other, N, 2));
	/* Which takes nothing from others of the same pages. */
	CHECK_OK(dev_try_map(dev_export(fd, alloc.handle, 0), 0, page_size, RW, MAP_SHARED));
}

static void export_of_a_read_only_file(void)
{
	int fd = dev_open_mode(O_RDONLY);
	struct spanalloc_alloc alloc = dev_alloc(fd, N);

	cannot_be_written(dev_export(fd, alloc.handle, 0));
	cannot_be_written(dev_export(fd, alloc.handle, SPANALLOC_EXPORT_READ_ONLY));
}

static void export_refuses_what_makes_no_sense(void)
{
	int fd = dev_open(), other = dev_open();
	struct spanalloc_alloc alloc = dev_alloc(fd, N);
	struct spanalloc_export request = { .handle = alloc.handle, .reserved = 1 };
	uint32_t dead;

	close(dev_export(fd, alloc.handle, 0));
	CHECK_FAILS(dev_try_export(fd, 0, 0), ENOENT);
	CHECK_FAILS(dev_try_export(fd, alloc.handle + 1, 0), ENOENT);
	CHECK_FAILS(dev_try_export(other, alloc.handle, 0), ENOENT);
	CHECK_FAILS(dev_try_export(fd, alloc.handle, 2), EINVAL);
	CHECK_FAILS(dev_try_export(fd, alloc.handle, 1U << 31), EINVAL);
	CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_EXPORT, &request), EINVAL);
	dead = dev_alloc(fd, 1).handle;
	dev_free(fd, dead);
	CHECK_FAILS(dev_try_export(fd, dead, 0), ENOENT);
	CHECK_EQ(dev_query(fd, alloc.handle).nexports, 0);
}

static int lowest_free_fd(void)
{
	int fd = dup(0);

	CHECK_OK(fd);
	close(fd);
	return fd;
}

/* The request can be read, and the reply not be written. */
static void export_failed_reply_leaks_no_descriptor(void)
{
	int fd = dev_open(), lowest, i;
	struct spanalloc_alloc alloc = dev_alloc(fd, N);
	struct spanalloc_export *request;

	close(dev_export(fd, alloc.handle, 0));
	request = mmap(NULL, page_size, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(request != MAP_FAILED);
	*request = (struct spanalloc_export){ .handle = alloc.handle };
	CHECK_OK(mprotect(request, page_size, PROT_READ));
	lowest = lowest_free_fd();
	for (i = 0; i < 10; i++) {
		CHECK_FAILS(ioctl(fd, SPANALLOC_IOC_EXPORT, request), EFAULT);
		CHECK_EQ(lowest_free_fd(), lowest);
	}
	CHECK_EQ(dev_query(fd, alloc.handle).nexports, 0);
	CHECK_EQ(dev_free_state(fd, alloc.handle), 0);
}

static void export_without_descriptors(void)
{
	int fd = dev_open(), lowest, buf;
	struct spanalloc_alloc alloc = dev_alloc(fd, N);
	struct rlimit limit;

	close(dev_export(fd, alloc.handle, 0));
	lowest = lowest_free_fd();
	CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = lowest;
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
	CHECK_FAILS(dev_try_export(fd, alloc.handle, 0), EMFILE);
	CHECK_EQ(dev_query(fd, alloc.handle).nexports, 0);
	limit.rlim_cur = lowest + 1;
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
	CHECK_OK(buf = dev_try_export(fd, alloc.handle, 0));
	CHECK_EQ(buf, lowest);
	CHECK_FAILS(dev_try_export(fd, alloc.handle, 0), EMFILE);
}

static void export_as_often_as_wanted(void)
{
	int fd = dev_open(), bufs[100], i;
	struct spanalloc_alloc alloc = dev_alloc(fd, N);

	for (i = 0; i < 100; i++)
		bufs[i] = dev_export(fd, alloc.handle, i % 2);
	CHECK_EQ(dev_query(fd, alloc.handle).nexports, 100);
	for (i = 0; i < 100; i += 2)
		close(bufs[i]);
	CHECK_EQ(dev_query(fd, alloc.handle).nexports, 50);
	dev_free(fd, alloc.handle);
	CHECK_EQ(size_of(bufs[99]), N * page_size);
}

static int sync_buf(int buf, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync);
}

static void export_takes_part_in_synchronization(void)
{
	static const uint64_t ways[] = {
		DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE, DMA_BUF_SYNC_RW,
	};
	int fd = dev_open(), buf;
	struct spanalloc_alloc alloc = dev_alloc(fd, N);
	size_t i;

	buf = dev_export(fd, alloc.handle, 0);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		CHECK_OK(sync_buf(buf, DMA_BUF_SYNC_START | ways[i]));
		CHECK_OK(sync_buf(buf, DMA_BUF_SYNC_END | ways[i]));
	}
	CHECK_FAILS(sync_buf(buf, DMA_BUF_SYNC_START), EINVAL);
	CHECK_FAILS(sync_buf(buf, 1ULL << 40 | DMA_BUF_SYNC_RW), EINVAL);
}

/* The last reference is the export's, and a pipe holds a page. */
static void export_ends_at_the_pin_gate(void)
{
	int fd = dev_open(), watch = dev_open(), fds[2], buf;
	struct spanalloc_heap_stats before = dev_stats(watch);
	struct spanalloc_alloc alloc;
	char *address = dev_alloc_filled(fd, N, 1, &alloc);
	struct iovec iov = { address + page_size, page_size };

	CHECK_OK(pipe(fds));
	buf = dev_export(fd, alloc.handle, 0);
	CHECK_EQ(vmsplice(fds[1], &iov, 1, 0), page_size);
	dev_unmap(address, N);
	close(fd);
	CHECK_EQ(dev_stats(watch).quarantined_pages, before.quarantined_pages);
	close(buf);
	CHECK_SETTLES(watch, quarantined_pages, before.quarantined_pages + N);
	CHECK_SETTLES(watch, in_use_pages, before.in_use_pages);
	close(fds[0]);
	close(fds[1]);
	CHECK_SETTLES(watch, quarantined_pages, before.quarantined_pages);
}

static void export_and_die(void *unused)
{
	int fd = dev_open(), buf;
	struct spanalloc_alloc alloc;

	(void)unused;
	dev_alloc_filled(fd, N, 1, &alloc);
	buf = dev_export(fd, alloc.handle, 0);
	dev_map(buf, 0, N);
	close(fd);
	raise(SIGKILL);
}

static void export_dies_with_its_process(void)
{
	int watch = dev_open();
	uint64_t before = dev_stats(watch).in_use_pages;

	close(dev_export(watch, dev_alloc(watch, 1).handle, 0));
	CHECK(is_killed(child_status(child_start(export_and_die, NULL))));
	CHECK_SETTLES(watch, in_use_pages, before + 1);
}

static const struct test_case cases[] = {
	CASE(export_is_a_descriptor),
	CASE(export_shares_contents),
	CASE(export_shows_every_page),
	CASE(export_is_mapped_within_its_bounds),
	CASE(export_mapping_neither_grows_nor_runs),
	CASE(export_of_a_part_shows_that_part),
	CASE(export_stays_what_it_was),
	CASE(export_keeps_the_pages),
	CASE(export_is_outlived_by_its_mapping),
	CASE(export_is_charged_to_its_file),
	CASE(export_passed_over_a_socket),
	CASE(export_lost_in_a_socket),
	CASE(export_read_only),
	CASE(export_of_a_read_only_file),
	CASE(export_refuses_what_makes_no_sense),
	CASE(export_failed_reply_leaks_no_descriptor),
	CASE(export_without_descriptors),
	CASE(export_as_often_as_wanted),
	CASE(export_takes_part_in_synchronization),
	CASE(export_ends_at_the_pin_gate),
	CASE(export_dies_with_its_process),
};

const struct test_suite export_suite = SUITE(cases);
