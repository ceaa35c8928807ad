// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mapping as the source and target of input and output: copied by the kernel,
 * read by other processes, and transferred directly.
 */
#include "device.h"

#include <arpa/inet.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define N 12

static void write_all(int fd, const char *from, size_t nbytes)
{
	ssize_t n;

	for (; nbytes; nbytes -= n, from += n) {
		n = write(fd, from, nbytes);
		CHECK(n > 0);
	}
}

static void read_all(int fd, char *to, size_t nbytes)
{
	ssize_t n;

	for (; nbytes; nbytes -= n, to += n) {
		n = read(fd, to, nbytes);
		CHECK(n > 0);
	}
}

static void io_through_a_pipe(void)
{
	struct spanalloc_alloc alloc;
	int fd = dev_open(), fds[2];
	char *source = dev_alloc_filled(fd, N, 1, &alloc), *target;

	target = dev_alloc_filled(fd, N, 2, &alloc);
	CHECK_OK(pipe(fds));
	write_all(fds[1], source, N * page_size);
	read_all(fds[0], target, N * page_size);
	CHECK(is_filled(target, N, 1));
}

static void io_through_a_file(void)
{
	struct spanalloc_alloc alloc;
	int fd = dev_open(), file = memfd_create("spanalloc-test", MFD_CLOEXEC);
	char *address = dev_alloc_filled(fd, N, 1, &alloc);

	CHECK_OK(file);
	write_all(file, address, N * page_size);
	fill(address, N, 2);
	CHECK_OK(lseek(file, 0, SEEK_SET));
	read_all(file, address, N * page_size);
	CHECK(is_filled(address, N, 1));
}

/* The kernel cannot read into a mapping that only permits reading. */
static void io_into_a_read_only_mapping_is_refused(void)
{
	struct spanalloc_alloc alloc;
	int fd = dev_open(), zero = open("/dev/zero", O_RDONLY);
	void *address;

	CHECK_OK(zero);
	alloc = dev_alloc(fd, N);
	address = dev_map_mode(fd, alloc.offset, N, PROT_READ);
	CHECK_FAILS(read(zero, address, page_size), EFAULT);
}

struct neighbour {
	pid_t pid;
	char *address;
};

static void look_at_the_parent(void *arg)
{
	struct neighbour *parent = arg;
	char *buffer = plain_pages(N);
	struct iovec here = { buffer, N * page_size };
	struct iovec there = { parent->address, N * page_size };

	/* Its own copy of the mapping must not help. */
	CHECK_OK(munmap(parent->address, N * page_size));
	CHECK_EQ(process_vm_readv(parent->pid, &here, 1, &there, 1, 0), N * page_size);
	CHECK(is_filled(buffer, N, 1));
	fill(buffer, N, 2);
	CHECK_EQ(process_vm_writev(parent->pid, &here, 1, &there, 1, 0), N * page_size);
}

static void io_by_another_process(void)
{
	struct spanalloc_alloc alloc;
	struct neighbour self = { getpid(), NULL };
	int fd = dev_open();

	self.address = dev_alloc_filled(fd, N, 1, &alloc);
	CHILD_SUCCEEDS(child_start(look_at_the_parent, &self));
	CHECK(is_filled(self.address, N, 2));
	CHECK_EQ(dev_query(fd, alloc.handle).nmaps, 1);
}

static void io_through_proc_mem(void)
{
	struct spanalloc_alloc alloc;
	int fd = dev_open(), mem = open("/proc/self/mem", O_RDWR);
	char *address = dev_alloc_filled(fd, N, 1, &alloc), *buffer = plain_pages(N);
	off_t at = (uintptr_t)address;

	if (mem < 0)
		test_skip("no /proc/self/mem");
	CHECK_EQ(pread(mem, buffer, N * page_size, at), N * page_size);
	CHECK(is_filled(buffer, N, 1));
	fill(buffer, N, 2);
	CHECK_EQ(pwrite(mem, buffer, N * page_size, at), N * page_size);
	CHECK(is_filled(address, N, 2));
	/* A debugger's write to a page that the program itself cannot write. */
	CHECK_OK(mprotect(address, page_size, PROT_READ));
	if (pwrite(mem, "x", 1, at) == 1)
		CHECK_EQ(*address, 'x');
	else
		CHECK(is_filled(address, 1, 2));
}

/* A futex needs an inode or an anonymous page: refusing is fine, hanging is not. */
static void io_futex_does_no_harm(void)
{
	struct timespec soon = { 0, 50 * 1000 * 1000 };
	struct spanalloc_alloc alloc;
	int fd = dev_open();
	uint32_t *word;

	alloc = dev_alloc(fd, 1);
	word = dev_map(fd, alloc.offset, 1);
	if (syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) < 0)
		CHECK_EQ(errno, EFAULT);
	if (syscall(SYS_futex, word, FUTEX_WAIT, 0, &soon, NULL, 0) < 0)
		CHECK(errno == EFAULT || errno == ETIMEDOUT);
	CHECK_FAILS(syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 1, &soon, NULL, 0),
		    EAGAIN);
}

/* What the system offers to look at and to move pages; none of it is ours. */
static void io_inspection_does_no_harm(void)
{
	unsigned char resident[N];
	int fd = dev_open(), nodes[N] = { 0 }, status[N], pagemap, i;
	struct spanalloc_alloc alloc;
	char *address = dev_alloc_filled(fd, N, 1, &alloc);
	uint64_t entries[N];
	void *pages[N];

	for (i = 0; i < N; i++)
		pages[i] = address + i * page_size;
	CHECK_OK(mincore(address, N * page_size, resident));
	pagemap = open("/proc/self/pagemap", O_RDONLY);
	if (pagemap >= 0)
		CHECK_EQ(pread(pagemap, entries, sizeof(entries),
			       (uintptr_t)address / page_size * 8), sizeof(entries));
	/* Where they are, and a wish to have them elsewhere. */
	syscall(SYS_move_pages, 0, (long)N, pages, NULL, status, 0);
	syscall(SYS_move_pages, 0, (long)N, pages, nodes, status, 2 /* MPOL_MF_MOVE */);
	syscall(SYS_mbind, address, N * page_size, 1 /* MPOL_PREFERRED */, NULL, 0L,
		2 /* MPOL_MF_MOVE */);
	CHECK(is_filled(address, N, 1));
	fill(address, N, 2);
	CHECK(is_filled(dev_map(fd, alloc.offset, N), N, 2));
}

/* A connection to ourselves. */
static void connect_pair(int pair[2])
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	CHECK_OK(listener);
	CHECK_OK(bind(listener, (struct sockaddr *)&address, length));
	CHECK_OK(listen(listener, 1));
	CHECK_OK(getsockname(listener, (struct sockaddr *)&address, &length));
	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_OK(connect(pair[0], (struct sockaddr *)&address, length));
	pair[1] = accept(listener, NULL, NULL);
	CHECK_OK(pair[1]);
	close(listener);
}

/* The network may hold the pages long after send() has returned. */
static void io_zero_copy_send_outlives_the_mapping(void)
{
	struct spanalloc_alloc alloc;
	int fd = dev_open(), pair[2], one = 1;
	char *address, *buffer = plain_pages(N);
	ssize_t sent;

	connect_pair(pair);
	if (setsockopt(pair[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)))
		test_skip("no zero-copy sending: %s", errno_name(errno));
	address = dev_alloc_filled(fd, N, 1, &alloc);
	sent = send(pair[0], address, N * page_size, MSG_ZEROCOPY);
	CHECK(sent > 0);
	sent -= sent % page_size;
	dev_unmap(address, N);
	dev_free(fd, alloc.handle);
	/* Whoever gets these pages next must not be what arrives. */
	address = dev_alloc_filled(fd, N, 2, &alloc);
	read_all(pair[1], buffer, sent);
	CHECK(is_filled(buffer, sent / page_size, 1));
	CHECK(is_filled(address, N, 2));
}

/*
 * Something that takes O_DIRECT, and that may be overwritten. Where /tmp is a
 * tmpfs of an older kernel there is none unless the environment names one.
 */
static int open_direct(void)
{
	static const char scratch[] = "/tmp/spanalloc-direct";
	const char *named = getenv("SPANALLOC_TEST_DISK");
	int fd;

	if (named) {
		fd = open(named, O_RDWR | O_DIRECT | O_CLOEXEC);
		CHECK_OK(fd);
		return fd;
	}
	fd = open(scratch, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
	unlink(scratch);
	if (fd < 0)
		test_skip("SPANALLOC_TEST_DISK is not set and /tmp takes no O_DIRECT");
	return fd;
}

static void io_direct_write_and_read(void)
{
	struct spanalloc_alloc alloc;
	int fd = dev_open(), disk = open_direct();
	char *source = dev_alloc_filled(fd, 600, 1, &alloc), *target;

	target = dev_alloc_filled(fd, 600, 2, &alloc);
	CHECK_EQ(pwrite(disk, source, 600 * page_size, 0), 600 * page_size);
	CHECK_EQ(pread(disk, target, 600 * page_size, 0), 600 * page_size);
	CHECK(is_filled(target, 600, 1));
	CHECK(is_filled(source, 600, 1));
}

/* The pins of finished transfers are gone: nothing stays in quarantine. */
static void io_direct_leaves_no_pins(void)
{
	struct spanalloc_heap_stats before;
	int fd = dev_open(), disk = open_direct(), i;
	struct spanalloc_alloc alloc;
	char *address;

	before = dev_stats(fd);
	for (i = 0; i < 20; i++) {
		address = dev_alloc_filled(fd, 7, i, &alloc);
		CHECK_EQ(pwrite(disk, address, 7 * page_size, 0), 7 * page_size);
		fill(address, 7, 99);
		CHECK_EQ(pread(disk, address, 7 * page_size, 0), 7 * page_size);
		CHECK(is_filled(address, 7, i));
		dev_unmap(address, 7);
		dev_free(fd, alloc.handle);
	}
	CHECK_SETTLES(fd, in_use_pages, before.in_use_pages);
	CHECK_SETTLES(fd, quarantined_pages, before.quarantined_pages);
}

static const struct test_case cases[] = {
	CASE(io_through_a_pipe),
	CASE(io_through_a_file),
	CASE(io_into_a_read_only_mapping_is_refused),
	CASE(io_by_another_process),
	CASE(io_through_proc_mem),
	CASE(io_futex_does_no_harm),
	CASE(io_inspection_does_no_harm),
	CASE(io_zero_copy_send_outlives_the_mapping),
	CASE(io_direct_write_and_read),
	CASE(io_direct_leaves_no_pins),
};

const struct test_suite io_suite = SUITE(cases);
