/* SPDX-License-Identifier: GPL-2.0-only */
/* Warnings are counted; tests that do not expect one fail on it. */
#ifndef _SHIM_LINUX_BUG_H
#define _SHIM_LINUX_BUG_H

#include <stdlib.h>

#include <linux/compiler.h>

#include "../shim.h"

#define WARN(cond, format...) ({			\
	bool __warn = !!(cond);				\
	if (unlikely(__warn))				\
		shim_warn(format);			\
	unlikely(__warn); })
#define WARN_ON(cond) \
	WARN(cond, "%s:%d: %s\n", __FILE__, __LINE__, #cond)

/* Counted each time: "once" is about the kernel's log. */
#define WARN_ONCE(cond, format...)	WARN(cond, format)
#define WARN_ON_ONCE(cond)		WARN_ON(cond)

#define BUG() do {							\
	shim_warn("BUG at %s:%d\n", __FILE__, __LINE__);		\
	abort();							\
} while (0)
#define BUG_ON(cond)	do { if (unlikely(cond)) BUG(); } while (0)
#define VM_BUG_ON(cond)	BUG_ON(cond)
#define VM_WARN_ON_ONCE(cond)	WARN_ON_ONCE(cond)

#endif /* _SHIM_LINUX_BUG_H */
