/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_RATELIMIT_H
#define _SHIM_LINUX_RATELIMIT_H

#include <linux/printk.h>

#endif /* _SHIM_LINUX_RATELIMIT_H */
