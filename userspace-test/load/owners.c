// SPDX-License-Identifier: GPL-2.0-only
/*
 * Those who use memory as programs do: in threads, with others, and until they die.
 */
#include "load.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define NTHREADS	3
#define NSLOTS		20

/* Threads that share a file, each with its own allocations. */
static void *hammer(void *arg)
{
	struct owner owner = owner_new(*(int *)arg);
	struct holding slots[NSLOTS] = { 0 };
	struct holding *h, *other;
	int i;

	while (is_time_left()) {
		h = &slots[draw(&owner) % NSLOTS];
		other = &slots[draw(&owner) % NSLOTS];
		if (!h->address)
			acquire(&owner, h);
		else if (h->npages > 1 && !other->address && draw(&owner) % 2)
			split(&owner, h, other);
		else
			release(&owner, h);
	}
	for (i = 0; i < NSLOTS; i++) {
		if (slots[i].address)
			release(&owner, &slots[i]);
	}
	return NULL;
}

void run_threads(void *arg)
{
	pthread_t threads[NTHREADS];
	int fd = dev_open(), i;

	for (i = 0; i < NTHREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, hammer, &fd), 0);
	for (i = 0; i < NTHREADS; i++)
		pthread_join(threads[i], NULL);
	close(fd);
}

/* A file descriptor goes to another process, with a message that says what is in there. */
union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static void send_file(int socket, int fd, struct holding *h)
{
	struct iovec iov = { h, sizeof(*h) };
	union control control = { 0 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	CHECK_EQ(sendmsg(socket, &message, 0), sizeof(*h));
}

/* The descriptor, or -1 if nobody sends any more. */
static int receive_file(int socket, struct holding *h)
{
	struct iovec iov = { h, sizeof(*h) };
	union control control = { 0 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	int fd;

	if (!n)
		return -1;
	CHECK_EQ(n, sizeof(*h));
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

static void receive(void *arg)
{
	int *sockets = arg, fd;
	struct holding h;

	close(sockets[1]);
	while ((fd = receive_file(sockets[0], &h)) >= 0) {
		map(fd, &h);
		verify(&h);
		/* The file may be gone before the mapping is. */
		if (h.generation % 2)
			dev_free(fd, h.handle);
		close(fd);
		verify(&h);
		unmap(&h);
		count(PASSED, 1);
	}
}

void run_passing(void *arg)
{
	struct owner owner = owner_new(-1);
	struct holding h;
	int sockets[2];
	pid_t child;

	CHECK_OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets));
	child = child_start(receive, sockets);
	close(sockets[0]);
	while (is_time_left()) {
		owner.fd = dev_open();
		if (acquire(&owner, &h)) {
			send_file(sockets[1], owner.fd, &h);
			unmap(&h);
		}
		close(owner.fd);
	}
	close(sockets[1]);
	CHILD_SUCCEEDS(child);
}

/* A child inherits the mapping, and has it when its parent has given it up. */
static void inherit(void *arg)
{
	struct holding *h = arg;

	verify(h);
	sleep_ms(h->generation % 4);
	verify(h);
}

void run_forking(void *arg)
{
	struct owner owner = owner_new(dev_open());
	struct holding h;
	pid_t child;

	while (is_time_left()) {
		if (!acquire(&owner, &h))
			continue;
		child = child_start(inherit, &h);
		release(&owner, &h);
		CHILD_SUCCEEDS(child);
		count(FORKED, 1);
	}
	close(owner.fd);
}

/* Dies in the middle of whatever it does. */
static void die(void *arg)
{
	run_threads(NULL);
}

void run_killing(void *arg)
{
	struct owner owner = owner_new(-1);
	pid_t child;
	int status;

	while (is_time_left()) {
		child = child_start(die, NULL);
		sleep_ms(20 + draw(&owner) % 200);
		CHECK_OK(kill(child, SIGKILL));
		status = child_status(child);
		if (WIFSIGNALED(status))
			count(KILLED, 1);
		else
			CHECK_EQ(status, 0);
	}
}
