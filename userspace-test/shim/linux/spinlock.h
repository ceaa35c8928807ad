/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A spinlock that knows its owner: taking it twice, giving back what one does
 * not hold, and lockdep_assert_held() without the lock are complaints. With
 * SHIM_UNLOCKED, for measuring, it only tells whether it is taken.
 */
#ifndef _SHIM_LINUX_SPINLOCK_H
#define _SHIM_LINUX_SPINLOCK_H

#include <pthread.h>

#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/lockdep.h>
#include <linux/types.h>

typedef struct spinlock {
#ifdef SHIM_UNLOCKED
	bool taken;
#else
	pthread_mutex_t mutex;
	unsigned long owner;
#endif
} spinlock_t;

typedef spinlock_t raw_spinlock_t;

#ifdef SHIM_UNLOCKED
#define DEFINE_SPINLOCK(lock) spinlock_t lock = { false }

static inline void spin_lock_init(spinlock_t *lock)
{
	lock->taken = false;
}

static inline void spin_lock(spinlock_t *lock) { WRITE_ONCE(lock->taken, true); }
static inline void spin_unlock(spinlock_t *lock) { WRITE_ONCE(lock->taken, false); }
static inline bool spin_trylock(spinlock_t *lock)
{
	return lock->taken ? false : (lock->taken = true);
}

static inline bool spin_is_locked(const spinlock_t *lock) { return lock->taken; }
static inline bool shim_lock_held(const spinlock_t *lock) { return lock->taken; }
#else
#define DEFINE_SPINLOCK(lock) spinlock_t lock = { PTHREAD_MUTEX_INITIALIZER, 0 }
void spin_lock_init(spinlock_t *lock);
void spin_lock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);
bool spin_trylock(spinlock_t *lock);
bool spin_is_locked(const spinlock_t *lock);
bool shim_lock_held(const spinlock_t *lock);
#endif

/*
 * Interrupts do not exist; the flags still have to come back unchanged. Who plays one says
 * that they are off.
 */
extern __thread bool shim_irqs_off;
void shim_interrupt(void);
#define irqs_disabled()	shim_irqs_off
#define SHIM_IRQ_FLAGS	0x5ea1UL
#define spin_lock_irqsave(lock, flags) \
	do { spin_lock(lock); (flags) = SHIM_IRQ_FLAGS; } while (0)
#define spin_unlock_irqrestore(lock, flags) \
	do { \
		WARN_ON((flags) != SHIM_IRQ_FLAGS); \
		spin_unlock(lock); \
		shim_interrupt(); \
	} while (0)
#define spin_trylock_irqsave(lock, flags) \
	({ (flags) = SHIM_IRQ_FLAGS; spin_trylock(lock); })
#define spin_lock_irq(lock)		spin_lock(lock)
#define spin_unlock_irq(lock)		spin_unlock(lock)
#define spin_lock_bh(lock)		spin_lock(lock)
#define spin_unlock_bh(lock)		spin_unlock(lock)
#define spin_is_contended(lock)		0
#define raw_spin_lock_init(lock)	spin_lock_init(lock)
#define raw_spin_lock_irqsave(lock, flags) spin_lock_irqsave(lock, flags)
#define raw_spin_unlock_irqrestore(lock, flags) spin_unlock_irqrestore(lock, flags)
#define assert_spin_locked(lock)	lockdep_assert_held(lock)
#define local_irq_save(flags)		((void)((flags) = SHIM_IRQ_FLAGS))
#define local_irq_restore(flags)	((void)(flags))
#define in_interrupt()			0
#define in_nmi()			0

#endif /* _SHIM_LINUX_SPINLOCK_H */
