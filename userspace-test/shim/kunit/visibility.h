/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_KUNIT_VISIBILITY_H
#define _SHIM_KUNIT_VISIBILITY_H

#include <linux/export.h>

#define VISIBLE_IF_KUNIT	static

#endif /* _SHIM_KUNIT_VISIBILITY_H */
