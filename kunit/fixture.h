/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A heap on fake memory, as most suites use it: see fixture.c.
 */
#ifndef _SPANALLOC_KUNIT_FIXTURE_H
#define _SPANALLOC_KUNIT_FIXTURE_H

#include <kunit/test.h>

#include "fake_backing.h"
#include "heap.h"

/* The fixture's heap, unless a case asks for another. */
#define FIXTURE_ORDER	3
#define FIXTURE_GRANULE	8UL
#define FIXTURE_ARENA	64UL
#define FIXTURE_MAX	256UL

/* What page 0 is stamped with; page 1 has one more. */
#define FIXTURE_STAMP	7000UL

/**
 * struct span_fixture - a heap on fake memory
 * @heap: the heap
 * @fake: its memory
 * @stats: the last snapshot of it
 */
struct span_fixture {
	struct span_heap *heap;
	struct span_fake fake;
	struct spanalloc_stats stats;
};

int span_fixture_init(struct kunit *test);
void span_fixture_exit(struct kunit *test);
void span_fixture_remake(struct kunit *test, const struct spanalloc_attr *attr);

struct span *span_fixture_ask(struct kunit *test, unsigned long npages,
			      unsigned long align, unsigned int flags, gfp_t gfp);
long span_fixture_error(struct kunit *test, unsigned long npages, unsigned long align,
			unsigned int flags, gfp_t gfp);
void span_fixture_place(struct kunit *test, unsigned long base, unsigned long npages,
			unsigned long align, unsigned int flags);
struct span *span_fixture_alloc(struct kunit *test, unsigned long npages);
struct span *span_fixture_alloc_at(struct kunit *test, unsigned long base,
				   unsigned long npages);
void span_fixture_free(struct kunit *test, struct span *span);
void span_fixture_free_at(struct kunit *test, unsigned long base);
void span_fixture_check(struct kunit *test);
const struct spanalloc_stats *span_fixture_stats(struct kunit *test);

unsigned long span_fixture_read(struct kunit *test, const struct span *span,
				unsigned long index);
void span_fixture_write(struct kunit *test, const struct span *span,
			unsigned long index, unsigned long value);

void span_fixture_stamp(struct kunit *test, const struct span *span);

static inline struct span_heap *span_fixture_heap(struct kunit *test)
{
	return ((struct span_fixture *)test->priv)->heap;
}

static inline struct span_fake *span_fixture_fake(struct kunit *test)
{
	return &((struct span_fixture *)test->priv)->fake;
}

#endif /* _SPANALLOC_KUNIT_FIXTURE_H */
