// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings as sources and targets, of the kernel, of other processes and of disks, while
 * other threads take them away.
 */
#include "hostile.h"

#include <linux/futex.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* On the disk that everybody writes to. */
#define DISK_PAGES 256

static struct iovec any_iovec(struct actor *actor)
{
	struct iovec iov;
	char *address;

	any_range(actor, &address, &iov.iov_len);
	iov.iov_base = address;
	if (iov.iov_len > 64 * page_size)
		iov.iov_len = 64 * page_size;
	if (percent(actor, 10)) {
		iov.iov_base = address + rng_below(&actor->rng, page_size);
		iov.iov_len /= 2;
	}
	return iov;
}

/* This process, or another one, where the address means something else or nothing. */
static pid_t any_pid(struct actor *actor)
{
	uint64_t slot = rng_below(&actor->rng, NVICTIMS);

	return percent(actor, 60) ? getpid() : world->pids[slot];
}

static void do_vm_read(struct actor *actor)
{
	struct iovec here = { actor->scratch, SCRATCH_PAGES * page_size };
	struct iovec there = any_iovec(actor);

	if (percent(actor, 20))
		here = any_iovec(actor);
	record(ACT_VM_READ, process_vm_readv(any_pid(actor), &here, 1, &there, 1, 0) < 0 ? -1 : 0);
}

/* Into one's own mappings only, and not into what may be anything of another process. */
static void do_vm_write(struct actor *actor)
{
	struct iovec here = { actor->scratch, SCRATCH_PAGES * page_size };
	struct iovec there = any_iovec(actor);

	record(ACT_VM_WRITE, process_vm_writev(getpid(), &here, 1, &there, 1, 0) < 0 ? -1 : 0);
}

/* As a debugger, who may write where the process itself may not. */
static void do_proc_mem(struct actor *actor)
{
	struct iovec iov = any_iovec(actor);
	bool writes = percent(actor, 50);
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	size_t n = iov.iov_len < page_size ? iov.iov_len : page_size;
	ssize_t result;

	if (fd < 0)
		return;
	if (writes)
		result = pwrite(fd, actor->scratch, n, (uintptr_t)iov.iov_base);
	else
		result = pread(fd, actor->scratch, n, (uintptr_t)iov.iov_base);
	record(ACT_PROC_MEM, result < 0 ? -1 : 0);
	close(fd);
}

static void do_direct(struct actor *actor)
{
	struct iovec iov = any_iovec(actor);
	bool writes = percent(actor, 50);
	off_t offset = rng_below(&actor->rng, DISK_PAGES) * page_size;
	ssize_t result;

	if (writes)
		result = pwritev(DISK_FD, &iov, 1, offset);
	else
		result = preadv(DISK_FD, &iov, 1, offset);
	record(writes ? ACT_DIRECT_WRITE : ACT_DIRECT_READ, result < 0 ? -1 : 0);
}

/* One end of any of the pipes. */
static int any_pipe(struct actor *actor, int end)
{
	return PIPE_FD + 2 * rng_below(&actor->rng, NPIPES) + end;
}

static void do_vmsplice(struct actor *actor)
{
	struct iovec iov = any_iovec(actor);
	int fd = any_pipe(actor, percent(actor, 90));

	record(ACT_VMSPLICE, vmsplice(fd, &iov, 1, SPLICE_F_NONBLOCK) < 0 ? -1 : 0);
}

static void do_splice(struct actor *actor)
{
	int from = any_pipe(actor, 0), to = any_pipe(actor, 1);
	size_t n = 1 + rng_below(&actor->rng, 16 * page_size);
	loff_t offset = rng_below(&actor->rng, DISK_PAGES) * page_size;
	ssize_t result;

	switch (rng_below(&actor->rng, 4)) {
	case 0:
		result = tee(from, to, n, SPLICE_F_NONBLOCK);
		break;
	case 1:
		result = splice(from, NULL, DISK_FD, &offset, n, SPLICE_F_NONBLOCK);
		break;
	case 2:
		result = splice(pool_get(actor, &devices), NULL, to, NULL, n, SPLICE_F_NONBLOCK);
		break;
	default:
		result = splice(from, NULL, to, NULL, n, SPLICE_F_NONBLOCK);
		break;
	}
	record(ACT_SPLICE, result < 0 ? -1 : 0);
}

/* What was pinned comes out, into the thread's memory or into another mapping. */
static void do_drain(struct actor *actor)
{
	struct iovec iov = { actor->scratch, SCRATCH_PAGES * page_size };

	if (percent(actor, 40))
		iov = any_iovec(actor);
	record(ACT_DRAIN, readv(any_pipe(actor, 0), &iov, 1) < 0 ? -1 : 0);
}

static void do_futex(struct actor *actor)
{
	static const struct timespec soon = { .tv_nsec = 100000 };
	struct iovec iov = any_iovec(actor), other = any_iovec(actor);
	int private = percent(actor, 50) ? FUTEX_PRIVATE_FLAG : 0;
	uint32_t value = 0;
	long result;

	iov.iov_base = (void *)((uintptr_t)iov.iov_base & ~3UL);
	other.iov_base = (void *)((uintptr_t)other.iov_base & ~3UL);
	copy_guarded(&value, iov.iov_base, sizeof(value));
	switch (rng_below(&actor->rng, 4)) {
	case 0:
		result = syscall(SYS_futex, iov.iov_base, FUTEX_WAIT | private, value,
				 &soon, NULL, 0);
		break;
	case 1:
		result = syscall(SYS_futex, iov.iov_base, FUTEX_REQUEUE | private, 1, 1,
				 other.iov_base, 0);
		break;
	case 2:
		result = syscall(SYS_futex, iov.iov_base, FUTEX_TRYLOCK_PI | private, 0, NULL,
				 NULL, 0);
		break;
	default:
		result = syscall(SYS_futex, iov.iov_base, FUTEX_WAKE | private, 1, NULL, NULL, 0);
		break;
	}
	record(ACT_FUTEX, result);
}

/* A long-term pin, and one that is dropped by a worker some time after the close. */
static void do_uring(struct actor *actor)
{
	struct io_uring_params params = { 0 };
	struct iovec iov[2] = { any_iovec(actor), any_iovec(actor) };
	int ring = syscall(SYS_io_uring_setup, 2, &params);

	if (ring < 0) {
		record(ACT_URING, -1);
		return;
	}
	record(ACT_URING, syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, iov,
				  1 + rng_below(&actor->rng, 2)));
	close(ring);
}

void move_io(struct actor *actor)
{
	static void (*const moves[])(struct actor *actor) = {
		do_vm_read, do_vm_write, do_proc_mem, do_direct, do_direct, do_direct,
		do_vmsplice, do_vmsplice, do_splice, do_drain, do_drain, do_futex, do_uring,
	};

	moves[rng_below(&actor->rng, ARRAY_SIZE(moves))](actor);
}
