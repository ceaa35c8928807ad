// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device as a file: what programs do with any file they are given.
 */
#include "device.h"

#include <poll.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

static void node_read_and_write_are_refused(void)
{
	char buffer[64] = { 0 };
	int fd = dev_open(), fds[2];

	dev_alloc(fd, 1);
	CHECK_FAILS(read(fd, buffer, sizeof(buffer)), EINVAL);
	CHECK_FAILS(write(fd, buffer, sizeof(buffer)), EINVAL);
	CHECK_REFUSED(pread(fd, buffer, sizeof(buffer), page_size));
	CHECK_REFUSED(pwrite(fd, buffer, sizeof(buffer), page_size));
	CHECK_REFUSED(ftruncate(fd, page_size));
	CHECK_REFUSED(fallocate(fd, 0, 0, page_size));
	CHECK_OK(pipe(fds));
	CHECK_REFUSED(splice(fd, NULL, fds[1], NULL, page_size, 0));
	CHECK_EQ(write(fds[1], buffer, sizeof(buffer)), sizeof(buffer));
	CHECK_REFUSED(splice(fds[0], NULL, fd, NULL, sizeof(buffer), 0));
	CHECK_REFUSED(sendfile(fds[1], fd, NULL, page_size));
}

/* Page buffers are unswappable: not for every user unless somebody decides so. */
static void node_is_private(void)
{
	struct stat st;

	CHECK_OK(stat(device_path, &st));
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(st.st_mode & 07, 0);
}

/* Programs that poll or seek anything they are given must not stumble. */
static void node_poll_and_seek_do_no_harm(void)
{
	struct pollfd pollfd = { .events = POLLIN | POLLOUT };
	int fd = dev_open();

	pollfd.fd = fd;
	CHECK_OK(poll(&pollfd, 1, 0));
	if (lseek(fd, 0, SEEK_SET) < 0)
		CHECK_EQ(errno, ESPIPE);
	if (fsync(fd))
		CHECK_EQ(errno, EINVAL);
	CHECK_OK(fcntl(fd, F_GETFL));
}

static const struct test_case cases[] = {
	CASE(node_read_and_write_are_refused),
	CASE(node_is_private),
	CASE(node_poll_and_seek_do_no_harm),
};

const struct test_suite node_suite = SUITE(cases);
