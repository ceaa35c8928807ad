/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_STRING_H
#define _SHIM_LINUX_STRING_H

#include <string.h>

#include <linux/errno.h>
#include <linux/types.h>

/* Length of the copy, or -E2BIG if it was cut; always terminated. */
static inline ssize_t strscpy(char *to, const char *from, size_t size)
{
	size_t length = strnlen(from, size);

	if (!size)
		return -E2BIG;
	if (length == size) {
		memcpy(to, from, size - 1);
		to[size - 1] = 0;
		return -E2BIG;
	}
	memcpy(to, from, length + 1);
	return length;
}

static inline void *memchr_inv(const void *start, int c, size_t size)
{
	const unsigned char *at = start;

	for (; size; at++, size--)
		if (*at != (unsigned char)c)
			return (void *)at;
	return NULL;
}

char *kstrdup(const char *string, gfp_t gfp);
void *kmemdup(const void *from, size_t size, gfp_t gfp);

#endif /* _SHIM_LINUX_STRING_H */
