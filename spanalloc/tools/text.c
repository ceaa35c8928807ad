// SPDX-License-Identifier: GPL-2.0-only
/*
 * Text from elsewhere: see text.h.
 */
#include "text.h"

void text_put(FILE *out, const char *text)
{
	unsigned char c;

	for (; *text; text++) {
		c = *text;
		putc(c < 0x20 || c > 0x7e ? '?' : c, out);
	}
}
