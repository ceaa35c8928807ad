/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device's ioctl calls. See calls.c.
 */
#ifndef _SPANALLOC_CALLS_H
#define _SPANALLOC_CALLS_H

#include <linux/types.h>
#include <uapi/linux/spanalloc.h>

struct span_file;

/* The argument of any call. */
union span_arg {
	struct spanalloc_info info;
	struct spanalloc_alloc alloc;
	struct spanalloc_free free;
	struct spanalloc_query query;
	struct spanalloc_split split;
	struct spanalloc_heap_stats stats;
	struct spanalloc_trim trim;
	struct spanalloc_file file;
	struct spanalloc_runs runs;
	struct spanalloc_export export;
};

/**
 * struct span_call - one ioctl command
 * @cmd: the command, with the size of the newest structure
 * @size_min: size of the structure's first version
 * @run: does it; may leave something for @done in *state
 * @done: told whether the reply has reached the caller, if @run succeeded; may
 *        refuse after all if it has
 * @explains: does a call that @run failed have something to reply all the same?
 */
struct span_call {
	unsigned int cmd;
	size_t size_min;
	int (*run)(struct span_file *sf, union span_arg *arg, void **state);
	int (*done)(struct span_file *sf, const union span_arg *arg, void *state,
		    bool delivered);
	bool (*explains)(const union span_arg *arg, int err);
};

const struct span_call *span_call_find(unsigned int cmd);

#endif /* _SPANALLOC_CALLS_H */
