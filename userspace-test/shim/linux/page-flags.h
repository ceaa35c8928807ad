/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_PAGE_FLAGS_H
#define _SHIM_LINUX_PAGE_FLAGS_H

#include <linux/mm_types.h>

#endif /* _SHIM_LINUX_PAGE_FLAGS_H */
