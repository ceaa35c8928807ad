// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unloading the module against what uses it. Each case ends with the module loaded.
 */
#include "race.h"

#include <sys/syscall.h>

#define N	5

#define MODULE_FILE	"/lib/spanalloc/spanalloc.ko"

static int try_unload(void)
{
	return syscall(SYS_delete_module, "spanalloc", O_NONBLOCK);
}

static void load(void)
{
	int fd = open(MODULE_FILE, O_RDONLY | O_CLOEXEC);

	CHECK_OK(fd);
	CHECK_OK(syscall(SYS_finit_module, fd, "", 0));
	close(fd);
}

static void unload(void *arg)
{
	(void)arg;
	CHECK_OK(try_unload());
}

static void unload_while_mmap_is_under_way(void)
{
	struct call *call = call_new(N);
	pid_t first;

	meet_at(IN_MODULE(span_buffer_map), 1);
	first = task_start(FIRST, call_map, call);
	meet_held();
	CHECK_FAILS(try_unload(), EWOULDBLOCK);
	meet_go();
	CHILD_SUCCEEDS(first);
	CHECK_EQ(call->error, 0);
}

/* Not a race, but the same rule: a mapping alone keeps the module. */
static void unload_while_only_mapped(void)
{
	struct call *call = call_new(N);
	char *address = dev_map(call->fd, call->offset, N);

	CHECK_FAILS(try_unload(), EWOULDBLOCK);
	dev_free(call->fd, call->handle);
	close(call->fd);
	CHECK_FAILS(try_unload(), EWOULDBLOCK);
	CHECK(is_filled(address, N, call->seed));
	dev_unmap(address, N);
	CHECK_OK(try_unload());
	load();
}

/* The file is being closed, by the last who has it. */
static void close_call(void *arg)
{
	struct call *call = arg;

	close(call->fd);
}

static void unload_while_file_is_released(void)
{
	struct call *call = call_new(N);
	pid_t first;

	meet_at(IN_MODULE(span_file_delete), 1);
	first = task_start(FIRST, close_call, call);
	close(call->fd);
	meet_held();
	CHECK_FAILS(try_unload(), EWOULDBLOCK);
	meet_go();
	CHILD_SUCCEEDS(first);
	CHECK_OK(try_unload());
	load();
}

/* Leaves one page pinned, and the module without users. */
static void pin_and_close(int pipe[2])
{
	struct call *call = call_new(N);
	char *address = dev_map(call->fd, call->offset, N);

	fill_pipe(pipe, address, 1);
	dev_unmap(address, N);
	dev_free(call->fd, call->handle);
	CHECK_EQ(dev_stats(call->fd).quarantined_pages, N);
	close(call->fd);
}

/* The work item looks through the quarantine, and would look again. */
static void race_work(const char *function)
{
	int pipes[2];

	CHECK_OK(pipe(pipes));
	pin_and_close(pipes);
	meet_task_at_until("kworker*", function, SECOND, "cancel_delayed_work_sync");
	meet_held();
	CHECK_OK(try_unload());
	meet_met();
	CHECK_REFUSED(open(device_path, O_RDWR));
	drain_pipe(pipes, 1, 7);
	load();
}

static void unload_before_quarantine_is_looked_through(void)
{
	race_work(IN_MODULE(recheck));
}

static void unload_while_quarantine_is_looked_through(void)
{
	race_work(IN_MODULE(span_buffer_is_pinned));
}

/* The module is as good as gone, but its device is there. */
static void open_while_unloading(void)
{
	pid_t first;

	meet_at(IN_MODULE(span_device_exit), 1);
	first = task_start(FIRST, unload, NULL);
	meet_held();
	CHECK_FAILS(open(device_path, O_RDWR), ENODEV);
	meet_go();
	CHILD_SUCCEEDS(first);
	CHECK_FAILS(open(device_path, O_RDWR), ENOENT);
	load();
}

static const struct test_case cases[] = {
	CASE(unload_while_mmap_is_under_way),
	CASE(unload_while_only_mapped),
	CASE(unload_while_file_is_released),
	CASE(unload_before_quarantine_is_looked_through),
	CASE(unload_while_quarantine_is_looked_through),
	CASE(open_while_unloading),
};

const struct test_suite unload_suite = SUITE(cases);
