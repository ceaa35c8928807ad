/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_MMDEBUG_H
#define _SHIM_LINUX_MMDEBUG_H

#include <linux/bug.h>

#endif /* _SHIM_LINUX_MMDEBUG_H */
