// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two calls about one handle, the one held in the middle while the other runs whole, in
 * each order that makes a difference.
 */
#include "race.h"

#include <stdlib.h>

#define N	9

/* An allocation, a task that is held in a call about it. */
static struct call *hold_call(void (*run)(void *arg), const char *function, pid_t *first)
{
	struct call *call = call_new(N);

	call->cut = 5;
	meet_at(function, 1);
	*first = task_start(FIRST, run, call);
	meet_held();
	return call;
}

static void release_call(pid_t first)
{
	meet_go();
	CHILD_SUCCEEDS(first);
}

static void check_gone(const struct call *call)
{
	struct spanalloc_query query;

	CHECK_FAILS(dev_try_query(call->fd, call->handle, &query), ENOENT);
	CHECK_FAILS(dev_try_map(call->fd, call->offset, page_size, PROT_READ, MAP_SHARED),
		    EINVAL);
	CHECK_SETTLES(call->fd, in_use_pages, 0);
}

/* Maps a part, whose contents begin with the @first-th page that was filled. */
static void check_part(const struct call *call, uint64_t offset, uint64_t first, uint64_t npages)
{
	char *whole = malloc(N * page_size);
	char *part = dev_map(call->fd, offset, npages);

	CHECK(whole);
	fill(whole, N, call->seed);
	CHECK(!memcmp(part, whole + first * page_size, npages * page_size));
	dev_unmap(part, npages);
	free(whole);
}

/* mmap() has its reference, and nothing else yet. */
static void free_after_mmap_has_a_reference(void)
{
	pid_t first;
	struct call *call = hold_call(call_map, IN_MODULE(span_buffer_map), &first);

	dev_free(call->fd, call->handle);
	CHECK_EQ(dev_stats(call->fd).in_use_pages, N);
	release_call(first);
	CHECK_EQ(call->error, 0);
	check_gone(call);
}

static void mmap_before_free_withdraws(void)
{
	pid_t first;
	struct call *call = hold_call(call_free, IN_MODULE(span_handle_withdraw), &first);
	void *address = dev_map(call->fd, call->offset, N);

	release_call(first);
	CHECK_EQ(call->error, 0);
	CHECK_EQ(call->state, SPANALLOC_FREE_DEFERRED);
	CHECK_EQ(dev_stats(call->fd).in_use_pages, N);
	CHECK(is_filled(address, N, call->seed));
	dev_unmap(address, N);
	check_gone(call);
}

static void mmap_after_free_has_withdrawn(void)
{
	pid_t first;
	struct call *call = hold_call(call_free, IN_MODULE(done_free), &first);
	struct spanalloc_query query;

	CHECK_FAILS(dev_try_map(call->fd, call->offset, N * page_size, PROT_READ, MAP_SHARED),
		    EINVAL);
	CHECK_FAILS(dev_try_query(call->fd, call->handle, &query), ENOENT);
	CHECK_EQ(dev_stats(call->fd).in_use_pages, N);
	release_call(first);
	CHECK_EQ(call->error, 0);
	CHECK_EQ(call->state, 0);
	check_gone(call);
}

/* The reply of FREE goes where nobody can write. */
static void free_without_reply(void *arg)
{
	struct call *call = arg;
	struct spanalloc_free *request = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
					      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(request != MAP_FAILED);
	request->handle = call->handle;
	CHECK_OK(mprotect(request, page_size, PROT_READ));
	call->error = ioctl(call->fd, SPANALLOC_IOC_FREE, request) ? errno : 0;
}

/* While it is not known whether the reply arrives, the handle is out of reach. */
static void free_that_is_undone(void)
{
	pid_t first;
	struct call *call = hold_call(free_without_reply, IN_MODULE(done_free), &first);
	struct spanalloc_split split;

	CHECK_FAILS(dev_try_free(call->fd, call->handle), ENOENT);
	CHECK_FAILS(dev_try_split(call->fd, call->handle, 2, &split), ENOENT);
	release_call(first);
	CHECK_EQ(call->error, EFAULT);
	CHECK_EQ(dev_query(call->fd, call->handle).npages, N);
	check_part(call, call->offset, 0, N);
	CHECK_EQ(dev_free_state(call->fd, call->handle), 0);
	check_gone(call);
}

static void free_before_free_withdraws(void)
{
	pid_t first;
	struct call *call = hold_call(call_free, IN_MODULE(span_handle_withdraw), &first);
	uint64_t frees = dev_stats(call->fd).frees;

	dev_free(call->fd, call->handle);
	CHECK_EQ(dev_stats(call->fd).in_use_pages, 0);
	release_call(first);
	CHECK_EQ(call->error, ENOENT);
	CHECK_EQ(dev_stats(call->fd).frees, frees + 1);
	check_gone(call);
}

static void free_after_free_has_withdrawn(void)
{
	pid_t first;
	struct call *call = hold_call(call_free, IN_MODULE(done_free), &first);
	uint64_t frees = dev_stats(call->fd).frees;

	CHECK_FAILS(dev_try_free(call->fd, call->handle), ENOENT);
	CHECK_EQ(dev_stats(call->fd).in_use_pages, N);
	release_call(first);
	CHECK_EQ(call->error, 0);
	CHECK_EQ(dev_stats(call->fd).frees, frees + 1);
	check_gone(call);
}

/* The last close is that of the ioctl() itself. */
static void close_before_free_withdraws(void)
{
	struct call *call = call_new(N);
	int watch = dev_open();
	pid_t first;

	dev_alloc(call->fd, 3);
	meet_at(IN_MODULE(span_handle_withdraw), 1);
	first = task_start_sharing_files(FIRST, call_free, call);
	meet_held();
	close(call->fd);
	CHECK_FAILS(ioctl(call->fd, SPANALLOC_IOC_INFO, NULL), EBADF);
	CHECK_EQ(dev_stats(watch).in_use_pages, N + 3);
	release_call(first);
	CHECK_EQ(call->error, 0);
	CHECK_SETTLES(watch, in_use_pages, 0);
}

/* A process that leaves, with its copy of the file. */
static void exit_before_free_withdraws(void)
{
	struct call *call = call_new(N);
	int watch = dev_open();
	pid_t first;

	dev_alloc(call->fd, 3);
	meet_at(IN_MODULE(span_handle_withdraw), 1);
	first = task_start(FIRST, call_free, call);
	meet_held();
	/* FIRST's copy is the last: what it has not freed goes when it ends. */
	close(call->fd);
	CHECK_EQ(dev_stats(watch).in_use_pages, N + 3);
	release_call(first);
	CHECK_EQ(call->error, 0);
	CHECK_SETTLES(watch, in_use_pages, 0);
}

static void split_after_mmap_has_a_reference(void)
{
	pid_t first;
	struct call *call = hold_call(call_map, IN_MODULE(span_buffer_map), &first);
	struct spanalloc_split split = dev_split(call->fd, call->handle, 4);

	release_call(first);
	CHECK_EQ(call->error, 0);
	CHECK_FAILS(dev_try_map(call->fd, call->offset, N * page_size, PROT_READ, MAP_SHARED),
		    EINVAL);
	check_part(call, call->offset, 0, 4);
	check_part(call, split.offset, 4, N - 4);
}

static void split_before_mmap_looks(void)
{
	pid_t first;
	struct call *call = hold_call(call_map, IN_MODULE(span_buffer_at), &first);
	struct spanalloc_split split = dev_split(call->fd, call->handle, 4);

	release_call(first);
	/* All of it is more than a part. */
	CHECK_EQ(call->error, EINVAL);
	check_part(call, call->offset, 0, 4);
	check_part(call, split.offset, 4, N - 4);
}

static void mmap_before_split(void)
{
	pid_t first;
	struct call *call = hold_call(call_split, IN_MODULE(span_handle_split), &first);
	char *address = dev_map(call->fd, call->offset, N);

	release_call(first);
	CHECK_EQ(call->error, 0);
	CHECK(is_filled(address, N, call->seed));
	CHECK_EQ(dev_query(call->fd, call->handle).npages, 5);
	CHECK_EQ(dev_query(call->fd, call->split.new_handle).npages, N - 5);
	CHECK_EQ(dev_query(call->fd, call->split.new_handle).nmaps, 1);
	dev_free(call->fd, call->handle);
	check_part(call, call->split.offset, 5, N - 5);
	CHECK_EQ(dev_free_state(call->fd, call->split.new_handle), SPANALLOC_FREE_DEFERRED);
	CHECK(is_filled(address, N, call->seed));
	CHECK_EQ(dev_stats(call->fd).in_use_pages, N);
	dev_unmap(address, N);
	check_gone(call);
}

static void free_before_split(void)
{
	pid_t first;
	struct call *call = hold_call(call_split, IN_MODULE(span_handle_split), &first);
	struct spanalloc_query query;

	dev_free(call->fd, call->handle);
	/* The split has a reference. */
	CHECK_EQ(dev_stats(call->fd).in_use_pages, N);
	release_call(first);
	CHECK_EQ(call->error, ENOENT);
	CHECK_FAILS(dev_try_query(call->fd, call->split.new_handle, &query), ENOENT);
	check_gone(call);
}

static void split_before_free_withdraws(void)
{
	pid_t first;
	struct call *call = hold_call(call_free, IN_MODULE(span_handle_withdraw), &first);
	struct spanalloc_split split = dev_split(call->fd, call->handle, 4);
	struct spanalloc_query query;

	release_call(first);
	CHECK_EQ(call->error, 0);
	CHECK_EQ(call->state, SPANALLOC_FREE_DEFERRED);
	CHECK_FAILS(dev_try_query(call->fd, call->handle, &query), ENOENT);
	CHECK_FAILS(dev_try_map(call->fd, call->offset, page_size, PROT_READ, MAP_SHARED),
		    EINVAL);
	CHECK_EQ(dev_stats(call->fd).in_use_pages, N);
	check_part(call, split.offset, 4, N - 4);
	CHECK_EQ(dev_free_state(call->fd, split.new_handle), 0);
	check_gone(call);
}

static void split_after_free_has_withdrawn(void)
{
	pid_t first;
	struct call *call = hold_call(call_free, IN_MODULE(done_free), &first);
	struct spanalloc_split split;

	CHECK_FAILS(dev_try_split(call->fd, call->handle, 4, &split), ENOENT);
	release_call(first);
	CHECK_EQ(call->error, 0);
	check_gone(call);
}

/* What FIRST wants to split off is gone. */
static void split_below_before_split(void)
{
	pid_t first;
	struct call *call = hold_call(call_split, IN_MODULE(span_handle_split), &first);
	struct spanalloc_split split = dev_split(call->fd, call->handle, 3);
	struct spanalloc_query query;

	release_call(first);
	CHECK_EQ(call->error, EINVAL);
	CHECK_FAILS(dev_try_query(call->fd, call->split.new_handle, &query), ENOENT);
	CHECK_EQ(dev_query(call->fd, call->handle).npages, 3);
	CHECK_EQ(dev_query(call->fd, split.new_handle).npages, N - 3);
	check_part(call, call->offset, 0, 3);
	check_part(call, split.offset, 3, N - 3);
}

/* The parts follow each other without a gap. */
static void split_above_before_split(void)
{
	pid_t first;
	struct call *call = hold_call(call_split, IN_MODULE(span_handle_split), &first);
	struct spanalloc_split split = dev_split(call->fd, call->handle, 7);

	release_call(first);
	CHECK_EQ(call->error, 0);
	CHECK_EQ(call->split.offset, call->offset + 5 * page_size);
	CHECK_EQ(split.offset, call->offset + 7 * page_size);
	CHECK_EQ(dev_query(call->fd, call->handle).npages, 5);
	CHECK_EQ(dev_query(call->fd, call->split.new_handle).npages, 2);
	CHECK_EQ(dev_query(call->fd, split.new_handle).npages, N - 7);
	check_part(call, call->offset, 0, 5);
	check_part(call, call->split.offset, 5, 2);
	check_part(call, split.offset, 7, N - 7);
	dev_free(call->fd, split.new_handle);
	dev_free(call->fd, call->handle);
	CHECK_EQ(dev_stats(call->fd).in_use_pages, N);
	check_part(call, call->split.offset, 5, 2);
	dev_free(call->fd, call->split.new_handle);
	check_gone(call);
}

static const struct test_case cases[] = {
	CASE(free_after_mmap_has_a_reference),
	CASE(mmap_before_free_withdraws),
	CASE(mmap_after_free_has_withdrawn),
	CASE(free_that_is_undone),
	CASE(free_before_free_withdraws),
	CASE(free_after_free_has_withdrawn),
	CASE(close_before_free_withdraws),
	CASE(exit_before_free_withdraws),
	CASE(split_after_mmap_has_a_reference),
	CASE(split_before_mmap_looks),
	CASE(mmap_before_split),
	CASE(free_before_split),
	CASE(split_before_free_withdraws),
	CASE(split_after_free_has_withdrawn),
	CASE(split_below_before_split),
	CASE(split_above_before_split),
};

const struct test_suite handle_suite = SUITE(cases);
