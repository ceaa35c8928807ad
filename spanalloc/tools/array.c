// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arrays that grow.
 */
#define _DEFAULT_SOURCE
#include <stdlib.h>

#include "array.h"

void *array_room(void *entries, size_t nentries, size_t *room, size_t size)
{
	size_t more = *room ? 2 * *room : 64;

	if (nentries < *room)
		return entries;
	entries = reallocarray(entries, more, size);
	if (entries)
		*room = more;
	return entries;
}
