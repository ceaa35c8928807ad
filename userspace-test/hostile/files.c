// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors: opened, closed while they are in use, duplicated, sent to whoever wants
 * them, and treated like files that they are not.
 */
#include "hostile.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static void do_open(struct actor *actor)
{
	static const int modes[] = { O_RDONLY, O_RDONLY, O_WRONLY, O_RDWR | O_DIRECT,
				     O_PATH, O_RDWR | O_TRUNC | O_NONBLOCK };
	int mode = percent(actor, 80) ? O_RDWR : modes[rng_below(&actor->rng, ARRAY_SIZE(modes))];
	int fd = open(device_path, mode | (percent(actor, 70) ? O_CLOEXEC : 0));

	record(ACT_OPEN, fd);
	if (fd >= 0)
		pool_put(actor, &devices, fd);
}

/* Of a pool, whose slot may go on naming what is no more there; or any number. */
static void do_close(struct actor *actor)
{
	struct pool *pool = percent(actor, 60) ? &devices : &exports;
	uint64_t slot = rng_below(&actor->rng, ARRAY_SIZE(pool->fds));
	bool forget = percent(actor, 75);
	int fd = pool->fds[slot];

	if (percent(actor, 15))
		fd = 3 + rng_below(&actor->rng, WORLD_FD - 3);
	if (fd < 3)
		return;
	forget_file(actor, fd);
	if (forget)
		atomic_compare_exchange_strong(&pool->fds[slot], &fd, -1);
	record(ACT_CLOSE, close(fd));
}

static void do_dup(struct actor *actor)
{
	struct pool *pool = percent(actor, 70) ? &devices : &exports;
	int fd = pool_get(actor, pool), other = pool_get(actor, pool), result;

	switch (rng_below(&actor->rng, 3)) {
	case 0:
		result = dup(fd);
		break;
	case 1:
		result = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		break;
	default:
		/* Under the feet of who uses it. */
		result = other >= 3 ? dup2(fd, other) : dup(fd);
		record(ACT_DUP, result);
		return;
	}
	record(ACT_DUP, result);
	if (result >= 0)
		pool_put(actor, pool, result);
}

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(2 * sizeof(int))];
};

/* One descriptor, and whether it is of a device. */
static void do_send(struct actor *actor)
{
	char is_device = percent(actor, 65);
	int fd = pool_get(actor, is_device ? &devices : &exports);
	struct iovec iov = { &is_device, 1 };
	union control control = { 0 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = CMSG_SPACE(sizeof(int)),
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	record(ACT_SEND, sendmsg(HUB_FD, &message, MSG_DONTWAIT) < 0 ? -1 : 0);
}

static void do_receive(struct actor *actor)
{
	char is_device = 0;
	struct iovec iov = { &is_device, 1 };
	union control control = { 0 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(HUB_IN_FD, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	int fd;

	record(ACT_RECEIVE, n < 0 ? -1 : 0);
	if (n < 0 || control.header.cmsg_len != CMSG_LEN(sizeof(int)))
		return;
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	pool_put(actor, is_device ? &devices : &exports, fd);
}

/* What works on files, and hardly on these. */
static long call_file(struct actor *actor, int fd)
{
	uint64_t rnd = rng_next(&actor->rng);
	struct pollfd pollfd = { .fd = fd, .events = POLLIN | POLLOUT };
	struct stat stat;

	switch (rng_below(&actor->rng, 12)) {
	case 0:
		return read(fd, any_place(actor, 64).at, 64);
	case 1:
		return write(fd, any_place(actor, 64).at, 64);
	case 2:
		return lseek(fd, rnd, rnd >> 32 & 3);
	case 3:
		return ftruncate(fd, rnd % 100000);
	case 4:
		return fallocate(fd, rnd & 3, 0, page_size);
	case 5:
		return fsync(fd);
	case 6:
		return fstat(fd, &stat);
	case 7:
		return flock(fd, LOCK_NB | (rnd & 1 ? LOCK_EX : LOCK_UN));
	case 8:
		return sendfile(PIPE_FD + 1, fd, NULL, 4096);
	case 9:
		return posix_fadvise(fd, 0, page_size, rnd % 6) ? -1 : 0;
	case 10:
		return fcntl(fd, F_SETFL, O_NONBLOCK | (rnd & 1 ? O_DIRECT : O_ASYNC));
	default:
		return poll(&pollfd, 1, 0);
	}
}

static void do_file_call(struct actor *actor)
{
	record(ACT_FILE_CALL, call_file(actor, pool_get(actor, percent(actor, 60) ? &devices :
								&exports)));
}

/* How much a user may lock, up and down, as far as it may be changed. */
static void do_limit(struct actor *actor)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		return;
	limit.rlim_cur = rng_below(&actor->rng, 700) * page_size;
	if (percent(actor, 25))
		limit.rlim_cur = 0;
	if (limit.rlim_cur > limit.rlim_max || percent(actor, 40))
		limit.rlim_cur = limit.rlim_max;
	record(ACT_LIMIT, setrlimit(RLIMIT_MEMLOCK, &limit));
}

void move_file(struct actor *actor)
{
	static void (*const moves[])(struct actor *actor) = {
		do_open, do_close, do_close, do_dup, do_send, do_receive, do_file_call, do_limit,
	};

	moves[rng_below(&actor->rng, ARRAY_SIZE(moves))](actor);
}
