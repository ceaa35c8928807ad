/* SPDX-License-Identifier: GPL-2.0-only */
/* Attributes and access macros; what they mean to sparse is left out. */
#ifndef _SHIM_LINUX_COMPILER_H
#define _SHIM_LINUX_COMPILER_H

#include <stddef.h>

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

#undef __always_inline
#define __always_inline	inline __attribute__((__always_inline__))
#undef __must_check
#define __must_check	__attribute__((__warn_unused_result__))
#define __maybe_unused	__attribute__((__unused__))
#define __always_unused	__attribute__((__unused__))
#define noinline	__attribute__((__noinline__))
#define __cold		__attribute__((__cold__))
#define __pure		__attribute__((__pure__))
#undef __packed
#define __packed	__attribute__((__packed__))
#undef __aligned
#define __aligned(x)	__attribute__((__aligned__(x)))
#define __printf(a, b)	__attribute__((__format__(printf, a, b)))
#define __malloc	__attribute__((__malloc__))
#define fallthrough	__attribute__((__fallthrough__))

#define __user
#define __kernel
#define __iomem
#define __rcu
#define __percpu
#define __force
#define __bitwise
#define __must_hold(x)
#define __acquires(x)
#define __releases(x)
#define __acquire(x)	((void)0)
#define __release(x)	((void)0)
#define __cond_lock(x, c) (c)
#define __counted_by(member)
#define __randomize_layout
#define __read_mostly
#define __ro_after_init
#define __init
#define __exit
#define __initdata
#define __ref
#define __cacheline_aligned		__aligned(64)
#define ____cacheline_aligned		__aligned(64)
#define ____cacheline_aligned_in_smp	__aligned(64)
#define __no_kasan_or_inline
#define asmlinkage
#define notrace

/*
 * Atomic accesses, since that is what the thread sanitizer takes for marked ones. What is read
 * through a pointer that was read so is as it was when the pointer was written.
 */
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_CONSUME)
#define WRITE_ONCE(x, val)	__atomic_store_n(&(x), val, __ATOMIC_RELAXED)
#define data_race(expr)		(expr)

#define barrier()		__asm__ __volatile__("" : : : "memory")
#ifdef __SANITIZE_THREAD__
/* It knows no fences, but what goes through one variable. */
__attribute__((weak)) int shim_fence;
#define smp_mb()		((void)__atomic_fetch_add(&shim_fence, 1, __ATOMIC_SEQ_CST))
#else
#define smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif
#define smp_rmb()		__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb()		__atomic_thread_fence(__ATOMIC_RELEASE)
#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define smp_store_mb(v, val)	__atomic_store_n(&(v), val, __ATOMIC_SEQ_CST)
#define cpu_relax()		barrier()

#define __same_type(a, b)	__builtin_types_compatible_p(typeof(a), typeof(b))
#define __stringify_1(x...)	#x
#define __stringify(x...)	__stringify_1(x)
#ifndef __PASTE
#define ___PASTE(a, b)		a##b
#define __PASTE(a, b)		___PASTE(a, b)
#endif
#define __UNIQUE_ID(prefix)	__PASTE(__PASTE(__UNIQUE_ID_, prefix), __COUNTER__)

#define _RET_IP_	((unsigned long)__builtin_return_address(0))
#define _THIS_IP_	({ __label__ here; here: (unsigned long)&&here; })

#define BUILD_BUG_ON(cond)		_Static_assert(!(cond), #cond)
#define BUILD_BUG_ON_MSG(cond, msg)	_Static_assert(!(cond), msg)
#define BUILD_BUG_ON_ZERO(e)		((int)(sizeof(struct { int:(-!!(e)); })))
#ifndef static_assert
#define __static_assert_msg(expr, msg, ...)	_Static_assert(expr, msg)
#define static_assert(expr, ...)	__static_assert_msg(expr, ##__VA_ARGS__, #expr)
#endif

#endif /* _SHIM_LINUX_COMPILER_H */
