/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_ERRNO_H
#define _SHIM_LINUX_ERRNO_H

#include <asm/errno.h>

/* Known inside the kernel only. */
#define ERESTARTSYS	512
#define ENOTSUPP	524

#endif /* _SHIM_LINUX_ERRNO_H */
