/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_MUTEX_H
#define _SHIM_LINUX_MUTEX_H

#include <linux/kernel.h>
#include <linux/spinlock.h>

/* A lock that may only be taken where sleeping is legal. */
struct mutex {
	pthread_mutex_t mutex;
};

#define DEFINE_MUTEX(name)	struct mutex name = { PTHREAD_MUTEX_INITIALIZER }
#define mutex_init(lock)	((void)pthread_mutex_init(&(lock)->mutex, NULL))
#define mutex_destroy(lock)	((void)pthread_mutex_destroy(&(lock)->mutex))
#define mutex_lock(lock) \
	do { might_sleep(); pthread_mutex_lock(&(lock)->mutex); } while (0)
#define mutex_trylock(lock)	(!pthread_mutex_trylock(&(lock)->mutex))
#define mutex_unlock(lock)	((void)pthread_mutex_unlock(&(lock)->mutex))

#endif /* _SHIM_LINUX_MUTEX_H */
