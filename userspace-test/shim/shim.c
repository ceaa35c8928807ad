// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the shims need code for: warnings, metadata allocation, locks, context,
 * random numbers.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/percpu.h>
#include <linux/prandom.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>

/* More than any test needs. */
#define MEMORY_MAX	(1UL << 30)
#ifdef SHIM_UNLOCKED
#define BLOCKS_MAX	(16UL << 20)
#else
#define BLOCKS_MAX	(1UL << 18)
#endif

unsigned long shim_warnings;
bool shim_quiet;
char shim_last_warning[256];
unsigned long shim_prints;
char shim_last_print[256];
unsigned long shim_ram_pages = 1UL << 22;
bool shim_signal_pending;
void (*shim_alloc_hook)(void);
void (*shim_resched_hook)(void);

static unsigned long nallocs, nobjects, nblocks, ncaches;
static unsigned long fail_at;
static bool failed;
static u64 random_state = 1;
static __thread long locks_held, atomic_depth;
static __thread unsigned long nlocks;

#define count(what, change) __atomic_fetch_add(&(what), change, __ATOMIC_RELAXED)
#define counted(what) __atomic_load_n(&(what), __ATOMIC_RELAXED)

void shim_print(const char *format, ...)
{
	va_list args;

	count(shim_prints, 1);
	va_start(args, format);
	vsnprintf(shim_last_print, sizeof(shim_last_print), format, args);
	va_end(args);
	if (!shim_quiet)
		fprintf(stderr, "# %s", shim_last_print);
}

void shim_warn(const char *format, ...)
{
	va_list args;

	count(shim_warnings, 1);
	va_start(args, format);
	vsnprintf(shim_last_warning, sizeof(shim_last_warning), format, args);
	va_end(args);
	if (!shim_quiet)
		fprintf(stderr, "# WARNING: %s\n", shim_last_warning);
}

unsigned long shim_take_warnings(void)
{
	return __atomic_exchange_n(&shim_warnings, 0, __ATOMIC_RELAXED);
}

void shim_enter_atomic(void)
{
	atomic_depth++;
}

void shim_leave_atomic(void)
{
	atomic_depth--;
}

long shim_be_another_thread(void)
{
	long depth = atomic_depth;

	atomic_depth = 0;
	return depth;
}

void shim_be_this_thread(long context)
{
	atomic_depth = context;
}

void shim_lock_count(int change)
{
	locks_held += change;
	nlocks += change > 0;
}

unsigned long shim_nlocks(void)
{
	return nlocks;
}

void shim_might_sleep(const char *what)
{
	if (locks_held || atomic_depth)
		shim_warn("%s may sleep, with %ld locks held, atomic depth %ld",
			  what, locks_held, atomic_depth);
}

static void run_hook(void (**slot)(void))
{
	void (*hook)(void) = *slot;
	long context;

	if (!hook)
		return;
	*slot = NULL;
	context = shim_be_another_thread();
	hook();
	shim_be_this_thread(context);
	if (!*slot)
		*slot = hook;
}

void shim_resched(void)
{
	shim_might_sleep("cond_resched");
	run_hook(&shim_resched_hook);
}

int scnprintf(char *buf, size_t size, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(buf, size, format, args);
	va_end(args);
	if ((size_t)length < size)
		return length;
	return size ? size - 1 : 0;
}

/* Metadata. */

void shim_fail_nth(unsigned long nth)
{
	fail_at = nth ? counted(nallocs) + nth : 0;
	failed = false;
}

bool shim_has_failed(void)
{
	return failed;
}

unsigned long shim_nallocs(void)
{
	return counted(nallocs);
}

struct shim_live shim_live(void)
{
	return (struct shim_live) {
		.objects = counted(nobjects),
		.blocks = counted(nblocks),
		.caches = counted(ncaches),
		.locks = locks_held,
	};
}

#ifdef SHIM_UNLOCKED
/* For measuring: pages of large tables shall cost nothing until they are used. */
static void *fresh_memory(size_t size, size_t align, bool zero)
{
	void *p;

	if (align <= 16)
		return zero ? calloc(1, size) : malloc(size);
	if (posix_memalign(&p, align, size))
		return NULL;
	return zero ? memset(p, 0, size) : p;
}
#else
/* Memory that is not to be zeroed is full of rubbish. */
static void *fresh_memory(size_t size, size_t align, bool zero)
{
	void *p;

	if (posix_memalign(&p, max(align, sizeof(void *)), size ? size : 1))
		return NULL;
	return memset(p, zero ? 0 : 0xa5, size);
}
#endif

/* Memory for metadata. */
static void *get_memory(size_t size, size_t align, gfp_t gfp, const char *what)
{
	if (gfpflags_allow_blocking(gfp)) {
		shim_might_sleep(what);
		run_hook(&shim_alloc_hook);
	}
	if (count(nallocs, 1) + 1 == fail_at) {
		failed = true;
		return NULL;
	}
	/* Code that runs away shall not take the machine with it. */
	if (size > MEMORY_MAX || counted(nblocks) > BLOCKS_MAX)
		return NULL;
	return fresh_memory(size, align, gfp & __GFP_ZERO);
}

struct kmem_cache {
	const char *name;
	size_t size;
	size_t align;
	void (*ctor)(void *object);
	unsigned long nobjects;
	void **unused;		/* list of objects, for measuring */
};

#ifdef SHIM_UNLOCKED
/* Slabs are quick because objects are used again while they are warm. */
static void *object_get(struct kmem_cache *cache, gfp_t gfp)
{
	void **object = cache->unused;

	if (!object)
		return get_memory(cache->size, cache->align, gfp, "kmem_cache_alloc");
	cache->unused = *object;
	return gfp & __GFP_ZERO ? memset(object, 0, cache->size) : object;
}

static void object_put(struct kmem_cache *cache, void *object)
{
	*(void **)object = cache->unused;
	cache->unused = object;
}

static void objects_drop(struct kmem_cache *cache)
{
	while (cache->unused) {
		void **object = cache->unused;

		cache->unused = *object;
		free(object);
	}
}
#else
static void *object_get(struct kmem_cache *cache, gfp_t gfp)
{
	return get_memory(cache->size, cache->align, gfp, "kmem_cache_alloc");
}

static void object_put(struct kmem_cache *cache, void *object)
{
	free(object);
}

static void objects_drop(struct kmem_cache *cache)
{
}
#endif

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
				     unsigned int align, slab_flags_t flags,
				     void (*ctor)(void *object))
{
	struct kmem_cache *cache = get_memory(sizeof(*cache), 0, GFP_KERNEL, __func__);

	if (!cache)
		return NULL;
	if (flags & SLAB_HWCACHE_ALIGN && size > 32)
		align = max(align, 64U);
	*cache = (struct kmem_cache) {
		.name = name, .size = size, .align = align, .ctor = ctor,
	};
	count(ncaches, 1);
	return cache;
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	if (!cache)
		return;
	WARN(counted(cache->nobjects), "%s: %lu objects are left in the cache", cache->name,
	     counted(cache->nobjects));
	objects_drop(cache);
	count(ncaches, -1);
	free(cache);
}

void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	void *object = object_get(cache, gfp);

	if (!object)
		return NULL;
	if (cache->ctor)
		cache->ctor(object);
	count(cache->nobjects, 1);
	count(nobjects, 1);
	return object;
}

void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	if (!object)
		return;
	count(cache->nobjects, -1);
	count(nobjects, -1);
	object_put(cache, object);
}

int kmem_cache_alloc_bulk(struct kmem_cache *cache, gfp_t gfp, size_t n, void **objects)
{
	size_t i;

	if (irqs_disabled())
		shim_warn("objects made in bulk with interrupts off");
	for (i = 0; i < n; i++) {
		objects[i] = kmem_cache_alloc(cache, gfp);
		if (!objects[i]) {
			kmem_cache_free_bulk(cache, i, objects);
			return 0;
		}
	}
	return n;
}

void kmem_cache_free_bulk(struct kmem_cache *cache, size_t n, void **objects)
{
	if (irqs_disabled())
		shim_warn("objects deleted in bulk with interrupts off");
	while (n--)
		kmem_cache_free(cache, objects[n]);
}

__thread bool shim_irqs_off;

__thread int shim_cpu;
bool shim_cpu_offline[SHIM_CPUS];
void (*shim_call_hook)(int cpu);
void (*shim_called_hook)(int cpu);

static __thread unsigned int preempt_depth;

#ifdef SHIM_UNLOCKED
static void take_cpu(int cpu) { }
static void leave_cpu(int cpu) { }
#else
static pthread_mutex_t cpus[SHIM_CPUS] = { [0 ... SHIM_CPUS - 1] = PTHREAD_MUTEX_INITIALIZER };

static void take_cpu(int cpu)
{
	pthread_mutex_lock(&cpus[cpu]);
}

static void leave_cpu(int cpu)
{
	pthread_mutex_unlock(&cpus[cpu]);
}
#endif

void preempt_disable(void)
{
	if (!preempt_depth++)
		take_cpu(shim_cpu);
	atomic_depth++;
}

void preempt_enable(void)
{
	atomic_depth--;
	if (!--preempt_depth)
		leave_cpu(shim_cpu);
}

__thread shim_hook_t shim_irq_hook;

void shim_interrupt(void)
{
	if (!shim_irq_hook || !preempt_depth || shim_irqs_off)
		return;
	shim_irqs_off = true;
	shim_irq_hook();
	shim_irqs_off = false;
}

void *shim_this_cpu(void *p, size_t size)
{
	if (!preempt_depth)
		shim_warn("data of this CPU, which may be another one a moment later");
	return (char *)p + shim_cpu * size;
}

int smp_call_function_single(int cpu, smp_call_func_t func, void *info, int wait)
{
	int was = shim_cpu;

	if (irqs_disabled() || locks_held || atomic_depth)
		shim_warn("waits for another CPU, with %ld locks held, atomic depth %ld",
			  locks_held, atomic_depth);
	if (shim_cpu_offline[cpu])
		return -ENXIO;
	if (shim_call_hook)
		shim_call_hook(cpu);
	shim_cpu = cpu;
	preempt_disable();
	shim_irqs_off = true;
	func(info);
	shim_irqs_off = false;
	preempt_enable();
	shim_cpu = was;
	if (shim_called_hook)
		shim_called_hook(cpu);
	return 0;
}

void *shim_percpu_new(size_t size, size_t align)
{
	void *p = get_memory(size * SHIM_CPUS, align, GFP_KERNEL | __GFP_ZERO, __func__);

	if (p)
		count(nblocks, 1);
	return p;
}

void *kmalloc(size_t size, gfp_t gfp)
{
	void *p;

	if (!size)
		return ZERO_SIZE_PTR;
	p = get_memory(size, 0, gfp, __func__);
	if (p)
		count(nblocks, 1);
	return p;
}

void *krealloc(const void *p, size_t size, gfp_t gfp)
{
	void *to;

	if (ZERO_OR_NULL_PTR(p))
		return kmalloc(size, gfp);
	if (gfpflags_allow_blocking(gfp))
		shim_might_sleep(__func__);
	if (count(nallocs, 1) + 1 == fail_at) {
		failed = true;
		return NULL;
	}
	to = realloc((void *)p, size ? size : 1);
	return to;
}

void kfree(const void *p)
{
	if (ZERO_OR_NULL_PTR(p))
		return;
	count(nblocks, -1);
	free((void *)p);
}

void kvfree(const void *p)
{
	if (ZERO_OR_NULL_PTR(p))
		return;
	/* What came from vmalloc may sleep while it goes. */
	shim_might_sleep(__func__);
	kfree(p);
}

void *kmemdup(const void *from, size_t size, gfp_t gfp)
{
	void *to = kmalloc(size, gfp);

	return to ? memcpy(to, from, size) : NULL;
}

char *kstrdup(const char *string, gfp_t gfp)
{
	return string ? kmemdup(string, strlen(string) + 1, gfp) : NULL;
}

/* Random numbers: Steele, Lea and Flood's SplitMix64. */

static u64 next_random(u64 *state)
{
	u64 z;

	z = __atomic_add_fetch(state, 0x9e3779b97f4a7c15ULL, __ATOMIC_RELAXED);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

void shim_seed_random(unsigned long long seed)
{
	random_state = seed;
}

u64 get_random_u64(void)
{
	return next_random(&random_state);
}

void get_random_bytes(void *to, size_t nbytes)
{
	unsigned char *at = to;

	while (nbytes--)
		*at++ = get_random_u64();
}

void prandom_seed_state(struct rnd_state *state, u64 seed)
{
	state->state = seed;
}

u32 prandom_u32_state(struct rnd_state *state)
{
	return next_random(&state->state) >> 32;
}

void prandom_bytes_state(struct rnd_state *state, void *to, size_t nbytes)
{
	unsigned char *at = to;

	while (nbytes--)
		*at++ = prandom_u32_state(state);
}

/* Locks. */

#ifndef SHIM_UNLOCKED
static unsigned long this_thread(void)
{
	return (unsigned long)pthread_self();
}

void spin_lock_init(spinlock_t *lock)
{
	pthread_mutex_init(&lock->mutex, NULL);
	lock->owner = 0;
}

bool shim_lock_held(const spinlock_t *lock)
{
	return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == this_thread();
}

bool spin_is_locked(const spinlock_t *lock)
{
	return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED);
}

static void locked(spinlock_t *lock)
{
	__atomic_store_n(&lock->owner, this_thread(), __ATOMIC_RELAXED);
	shim_lock_count(1);
}

void spin_lock(spinlock_t *lock)
{
	if (shim_lock_held(lock)) {
		shim_warn("spinlock taken twice");
		abort();
	}
	pthread_mutex_lock(&lock->mutex);
	locked(lock);
}

bool spin_trylock(spinlock_t *lock)
{
	if (pthread_mutex_trylock(&lock->mutex))
		return false;
	locked(lock);
	return true;
}

void spin_unlock(spinlock_t *lock)
{
	if (!shim_lock_held(lock)) {
		shim_warn("spinlock given back by a thread that does not hold it");
		abort();
	}
	__atomic_store_n(&lock->owner, 0, __ATOMIC_RELAXED);
	shim_lock_count(-1);
	pthread_mutex_unlock(&lock->mutex);
}
#endif
