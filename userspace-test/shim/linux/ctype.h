/* SPDX-License-Identifier: GPL-2.0-only */
/* ASCII only, as in the kernel, and of any character value. */
#ifndef _SHIM_LINUX_CTYPE_H
#define _SHIM_LINUX_CTYPE_H

#define isdigit(c)	((c) >= '0' && (c) <= '9')
#define islower(c)	((c) >= 'a' && (c) <= 'z')
#define isupper(c)	((c) >= 'A' && (c) <= 'Z')
#define isalpha(c)	(islower(c) || isupper(c))
#define isalnum(c)	(isalpha(c) || isdigit(c))
#define isspace(c)	((c) == ' ' || ((c) >= '\t' && (c) <= '\r'))
#define isprint(c)	((c) >= ' ' && (c) <= '~')
#define isgraph(c)	((c) > ' ' && (c) <= '~')

#endif /* _SHIM_LINUX_CTYPE_H */
