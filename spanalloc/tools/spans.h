/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The spans of a heap, as its file "spans" in debugfs tells of them: a heading, then a
 * line for each span, "BASE PAGES STATE RELEASED OWNER", by address.
 */
#ifndef _SPANCTL_SPANS_H
#define _SPANCTL_SPANS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum span_kind { KIND_IN_USE, KIND_CLAIMED, KIND_QUARANTINED, KIND_CACHED, KIND_FREE, NKINDS };

/* An owner is a process or a place in the kernel; what is longer is cut. */
#define SPAN_OWNER_SIZE	80

/**
 * struct span_entry - a span
 * @base: its first page
 * @npages: its length
 * @nreleased: of its pages, those without memory behind them
 * @kind: its state
 * @owner: whose it is
 */
struct span_entry {
	uint64_t base;
	uint64_t npages;
	uint64_t nreleased;
	enum span_kind kind;
	char owner[SPAN_OWNER_SIZE];
};

/**
 * struct span_list - the spans of a heap
 * @entries: by address, without overlap
 * @nentries: how many
 * @room: how many fit
 * @end: the page after the last
 */
struct span_list {
	struct span_entry *entries;
	size_t nentries;
	size_t room;
	uint64_t end;
};

/* Name of a state, as the heap calls it. */
const char *span_kind_name(enum span_kind kind);

/*
 * Fills an empty list. Returns 0, or -1 with the reason in @err. A heap at work changes
 * while it is read: a span that begins inside the one before is told without that part.
 */
int spans_read(struct span_list *list, FILE *file, char *err, size_t errlen);
void spans_free(struct span_list *list);

#endif /* _SPANCTL_SPANS_H */
