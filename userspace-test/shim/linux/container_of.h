/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_CONTAINER_OF_H
#define _SHIM_LINUX_CONTAINER_OF_H

#include <linux/compiler.h>

#undef container_of
#define container_of(ptr, type, member) ({				\
	_Static_assert(__same_type(*(ptr), ((type *)0)->member) ||	\
		       __same_type(*(ptr), void), "container_of: type");	\
	(type *)((char *)(ptr) - offsetof(type, member)); })
#define container_of_const(ptr, type, member) container_of(ptr, type, member)
#define typeof_member(type, member) typeof(((type *)0)->member)

#endif /* _SHIM_LINUX_CONTAINER_OF_H */
