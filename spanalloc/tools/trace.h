/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recorded traces of allocations, as spanctl and the tests read them.
 *
 * One event a line: "a ID NPAGES" allocates, "f ID" frees; numbers are decimal,
 * separated by one blank. An ID is used for one allocation only and need not be
 * near to others; what is never freed lives to the end. Nothing else is a trace:
 * the first line that is not an event, allocates an ID that was used, frees one
 * that is not allocated, or has a length of 0 or above TRACE_NPAGES_MAX is an
 * error.
 */
#ifndef _SPANALLOC_TRACE_H
#define _SPANALLOC_TRACE_H

#include <stddef.h>
#include <stdint.h>

/* No heap is longer. */
#define TRACE_NPAGES_MAX	(UINT64_C(1) << 40)

/**
 * struct trace_event - a line of a trace
 * @op: 'a' or 'f'
 * @slot: the ID's number in the order of allocation, below nids
 * @id: the ID
 * @npages: length of the allocation, also where it is freed
 * @line: number of the line, from 1
 */
struct trace_event {
	char op;
	uint32_t slot;
	uint64_t id;
	uint64_t npages;
	uint64_t line;
};

/**
 * struct trace - a trace
 * @events: its events, in order
 * @nevents: how many
 * @nids: how many allocations
 */
struct trace {
	struct trace_event *events;
	size_t nevents;
	size_t nids;
};

/* What trace_load() returns. */
#define TRACE_OK		0
#define TRACE_MALFORMED		(-1)
#define TRACE_UNREADABLE	(-2)

/**
 * trace_load() - read a trace
 * @trace: out: the trace
 * @path: its file; unpacked with gzip(1) if its name ends in .gz; "-" is
 *        standard input
 * @err: out: what is wrong, with "line N" if that is known
 * @errlen: size of @err
 *
 * Return: TRACE_OK, TRACE_MALFORMED or TRACE_UNREADABLE; in the latter cases
 * there is nothing to be freed.
 */
int trace_load(struct trace *trace, const char *path, char *err, size_t errlen);

/**
 * trace_free() - forget a trace
 * @trace: a trace that was loaded
 */
void trace_free(struct trace *trace);

#endif /* _SPANALLOC_TRACE_H */
