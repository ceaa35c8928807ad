/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests may control and ask of the shims: failure of the n-th metadata
 * allocation, objects that are alive, warnings, and whether the code under test
 * keeps to its context.
 *
 * The headers below linux/ stand in for the kernel's, so that the core's sources
 * compile unmodified in user space. They are written from the kernel's
 * documented behaviour and cover what the core may reasonably use; where the
 * kernel would only misbehave later, they complain at once.
 */
#ifndef _SHIM_H
#define _SHIM_H

#include <stdbool.h>
#include <stddef.h>

/* Warnings so far: WARN_ON() and friends, and complaints of the shims. */
extern unsigned long shim_warnings;
/* Say nothing on stderr; warnings are counted all the same. */
extern bool shim_quiet;
/* The last warning's text, for tests that expect one. */
extern char shim_last_warning[256];
/* The same for what is merely printed: pr_err() and friends. */
extern unsigned long shim_prints;
extern char shim_last_print[256];

__attribute__((format(printf, 1, 2)))
void shim_warn(const char *format, ...);
__attribute__((format(printf, 1, 2)))
void shim_print(const char *format, ...);

/* Warnings since the last call; forgets them. */
unsigned long shim_take_warnings(void);

/*
 * The @nth metadata allocation from now on fails (1: the next), once; 0 turns
 * that off. Slab objects, kmalloc and kvmalloc count together.
 */
void shim_fail_nth(unsigned long nth);
/* Whether an allocation has failed since shim_fail_nth(). */
bool shim_has_failed(void);

/* Metadata that is alive. */
struct shim_live {
	unsigned long objects;	/* of slab caches */
	unsigned long blocks;	/* of kmalloc and kvmalloc */
	unsigned long caches;
	unsigned long locks;	/* spinlocks held by this thread */
};

struct shim_live shim_live(void);
/* Metadata allocations since the start, failed ones included. */
unsigned long shim_nallocs(void);

/* Between these calls this thread must not sleep, as in an interrupt. */
void shim_enter_atomic(void);
void shim_leave_atomic(void);
/*
 * Hooks stand for other threads: between these calls this one's context does not
 * count. The first returns what the second wants.
 */
long shim_be_another_thread(void);
void shim_be_this_thread(long context);
/* Complain if this thread must not sleep now. */
void shim_might_sleep(const char *what);
void shim_lock_count(int change);
/* Spinlocks that this thread has taken since the start. */
unsigned long shim_nlocks(void);

/*
 * Called before a metadata allocation that may sleep, and where the code under
 * test offers to be rescheduled: what other threads may do there, tests do. Not
 * re-entered.
 */
extern void (*shim_alloc_hook)(void);
extern void (*shim_resched_hook)(void);
/*
 * What an interrupt does that comes as soon as a lock is let go of, with preemption off; of
 * this thread alone.
 */
typedef void (*shim_hook_t)(void);
extern __thread shim_hook_t shim_irq_hook;
void shim_resched(void);

/* Answer of totalram_pages(). */
extern unsigned long shim_ram_pages;
/* Answer of fatal_signal_pending(). */
extern bool shim_signal_pending;
/* Seed of get_random_u64() and relatives: the same in each run. */
void shim_seed_random(unsigned long long seed);

#endif /* _SHIM_H */
