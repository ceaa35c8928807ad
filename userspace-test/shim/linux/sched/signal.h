/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_SCHED_SIGNAL_H
#define _SHIM_LINUX_SCHED_SIGNAL_H

#include <linux/sched.h>

#define current			NULL
#define fatal_signal_pending(task)	((void)(task), shim_signal_pending)
#define signal_pending(task)		((void)(task), shim_signal_pending)

#endif /* _SHIM_LINUX_SCHED_SIGNAL_H */
