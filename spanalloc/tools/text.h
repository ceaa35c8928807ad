/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Text from elsewhere, for people.
 */
#ifndef _SPANCTL_TEXT_H
#define _SPANCTL_TEXT_H

#include <stdio.h>

/*
 * Names are chosen by others; on a terminal they must not do more than stand there. What
 * is no printable ASCII comes out as ?, for a terminal may take a byte above that, or a
 * character of several, as a command as well.
 */
void text_put(FILE *out, const char *text);

#endif /* _SPANCTL_TEXT_H */
