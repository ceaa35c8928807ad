// SPDX-License-Identifier: GPL-2.0-only
/*
 * A heap as an array of pages: what is to be seen of it.
 */
#include "heap_model.h"

void model_run(const struct model *m, unsigned long page, unsigned long *base,
	       unsigned long *end)
{
	unsigned int owner = m->owner[page];

	for (*base = page; *base && m->owner[*base - 1] == owner; (*base)--)
		;
	for (*end = page + 1; *end < m->space && m->owner[*end] == owner; (*end)++)
		;
}

unsigned long model_released_in(const struct model *m, unsigned long base,
				unsigned long end)
{
	unsigned long n = 0;

	for (; base < end; base++)
		n += !m->table[base / m->granule].backed;
	return n;
}

struct model_sums model_sums(const struct model *m)
{
	struct model_sums sums = { 0 };
	unsigned long page, run = 0;

	for (page = 0; page < m->space; page++) {
		run = m->owner[page] == MODEL_FREE ? run + 1 : 0;
		sums.free_pages += run > 0;
		sums.free_spans += run == 1;
		if (run > sums.largest_free)
			sums.largest_free = run;
		if (page % m->granule)
			continue;
		if (m->table[page / m->granule].backed)
			sums.backed_pages += m->granule;
		if (model_is_idle(m, page / m->granule))
			sums.idle_pages += m->granule;
	}
	return sums;
}
