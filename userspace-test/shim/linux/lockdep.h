/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_LOCKDEP_H
#define _SHIM_LINUX_LOCKDEP_H

#include <linux/bug.h>

/* For the spinlocks and mutexes of the shims: both are struct spinlock inside. */
#define lockdep_assert_held(lock)	((void)WARN_ON(!shim_lock_held(lock)))
#define lockdep_assert_not_held(lock)	((void)WARN_ON(shim_lock_held(lock)))
#define lockdep_assert_held_once(lock)	lockdep_assert_held(lock)
#define lockdep_is_held(lock)		shim_lock_held(lock)
#define lockdep_set_class(lock, key)	((void)(lock), (void)(key))

struct lock_class_key { char unused; };

#endif /* _SHIM_LINUX_LOCKDEP_H */
