// SPDX-License-Identifier: GPL-2.0-only
/*
 * A sorted array of spans, searched linearly.
 */
#include <string.h>

#include "linear.h"

unsigned int linear_type(const struct linear_span *span)
{
	return (span->nidle ? 1 : 0) + (span->nreleased ? 2 : 0);
}

size_t linear_insert(struct linear *set, const struct linear_span *span)
{
	size_t at = 0;

	while (at < set->n && set->span[at].base < span->base)
		at++;
	memmove(&set->span[at + 1], &set->span[at], (set->n - at) * sizeof(*span));
	set->span[at] = *span;
	set->n++;
	return at;
}

void linear_erase(struct linear *set, size_t at)
{
	set->n--;
	memmove(&set->span[at], &set->span[at + 1], (set->n - at) * sizeof(*set->span));
}

size_t linear_find(const struct linear *set, const void *object)
{
	size_t at = 0;

	while (at < set->n && set->span[at].object != object)
		at++;
	return at;
}

size_t linear_place(const struct linear *set, unsigned long npages,
		    unsigned long align, unsigned long boundary, unsigned long from,
		    unsigned long *base)
{
	size_t at;

	for (at = 0; at < set->n; at++) {
		unsigned long page = set->span[at].base;
		unsigned long end = page + set->span[at].npages;

		for (; page + npages <= end; page++) {
			if (page % align || page < from)
				continue;
			if (boundary && page / boundary != (page + npages - 1) / boundary)
				continue;
			*base = page;
			return at;
		}
	}
	return set->n;
}

size_t linear_up(const struct linear *set, size_t at, unsigned int filter)
{
	while (at < set->n && !(filter >> linear_type(&set->span[at]) & 1))
		at++;
	return at;
}

size_t linear_down(const struct linear *set, size_t at, unsigned int filter)
{
	do {
		if (filter >> linear_type(&set->span[at]) & 1)
			return at;
	} while (at--);
	return set->n;
}
