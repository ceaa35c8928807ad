/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a treap of spans has to answer, from a plain sorted array by linear
 * search: too simple to be wrong.
 */
#ifndef _MODEL_LINEAR_H
#define _MODEL_LINEAR_H

#include <stdbool.h>
#include <stddef.h>

#define LINEAR_MAX	4096

/**
 * struct linear_span - a span
 * @base: first page
 * @npages: length
 * @nreleased: as the test set it
 * @nidle: as the test set it
 * @object: what the test knows it by
 */
struct linear_span {
	unsigned long base;
	unsigned long npages;
	unsigned long nreleased;
	unsigned long nidle;
	void *object;
};

/**
 * struct linear - spans by ascending base
 * @n: how many
 * @span: the spans
 */
struct linear {
	size_t n;
	struct linear_span span[LINEAR_MAX];
};

/* Type of a span: bit 0 for idle granules, bit 1 for released pages. */
unsigned int linear_type(const struct linear_span *span);

size_t linear_insert(struct linear *set, const struct linear_span *span);
void linear_erase(struct linear *set, size_t at);
/* Index of the span of @object, or @set->n. */
size_t linear_find(const struct linear *set, const void *object);

/*
 * Index of the lowest span with a run of @npages at a multiple of @align that
 * crosses no multiple of @boundary (0: none) and begins at @from or above; the
 * run's first page is *@base. @set->n if there is none.
 */
size_t linear_place(const struct linear *set, unsigned long npages,
		    unsigned long align, unsigned long boundary, unsigned long from,
		    unsigned long *base);

/* The next index from @at on, or down, whose type is in @filter; @set->n if none. */
size_t linear_up(const struct linear *set, size_t at, unsigned int filter);
size_t linear_down(const struct linear *set, size_t at, unsigned int filter);

#endif /* _MODEL_LINEAR_H */
