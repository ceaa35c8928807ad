/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocators that do the same work as the span heap, and what they are measured by: see
 * main.c.
 */
#ifndef _SPANALLOC_BENCH_PEERS_H
#define _SPANALLOC_BENCH_PEERS_H

#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/types.h>

/* Most rounds that anything is measured in, and most peers that are measured together. */
#define BENCH_ROUNDS_MAX	63
#define BENCH_PEERS_MAX		16

/**
 * struct bench_span - what somebody got of a peer
 * @base: its first page, where the peer has addresses
 * @npages: its length
 * @cookie: the peer's own
 * @unused: makes its length a power of two, so that one of many is found quickly
 */
struct bench_span {
	unsigned long base;
	unsigned long npages;
	void *cookie;
	unsigned long unused;
};

/**
 * struct bench_peer - an allocator
 * @name: of one word
 * @lowest: gives the lowest address that fits, so that all of these must agree
 * @sleeps: needs interrupts; and it takes so long that it is measured less often
 * @spans_max: with more free spans than that it takes too long; 0: with none
 * @longest: gives no more pages at once; 0: any number
 * @create: make one with an address space of so many pages; may sleep; NULL: no memory
 * @destroy: end it, whatever is allocated
 * @reserve: have nodes in hand for so many more spans; optional
 * @alloc: allocate; false if that fails
 * @free: free what @alloc gave
 * @alloc_bulk: allocate many of one length, all or none; optional
 * @free_bulk: free what @alloc_bulk gave
 */
struct bench_peer {
	const char *name;
	bool lowest;
	bool sleeps;
	unsigned long spans_max;
	unsigned long longest;
	void *(*create)(unsigned long npages);
	void (*destroy)(void *state);
	bool (*reserve)(void *state, unsigned long nspans);
	bool (*alloc)(void *state, struct bench_span *span, unsigned long npages);
	void (*free)(void *state, struct bench_span *span);
	bool (*alloc_bulk)(void *state, void **cookie, unsigned int n, unsigned long npages);
	void (*free_bulk)(void *state, void **cookie, unsigned int n);
};

/* Who knows addresses only, in the order of the tables; NULL ends a list. */
extern const struct bench_peer bench_null;
extern const struct bench_peer bench_treap, bench_treap_reinsert, bench_treap_rb, bench_wide;
extern const struct bench_peer bench_rb, bench_rb_reinsert;
extern const struct bench_peer bench_drm, bench_genpool, bench_iova, bench_maple;
/* The whole heap, on no memory. */
extern const struct bench_peer bench_heap, bench_heap_cached;
/* Who has memory. */
extern const struct bench_peer bench_spanalloc, bench_spanalloc_cached, bench_spanalloc_zero;
extern const struct bench_peer bench_pages, bench_exact, bench_vmalloc, bench_kmem;

/**
 * struct bench_pool - nodes that are free, the one that came last goes first
 * @cache: where more come from
 * @free: the first; each begins with a pointer to the next
 *
 * The same for all whose caller has the nodes, so that it is no difference.
 */
struct bench_pool {
	struct kmem_cache *cache;
	void *free;
};

bool bench_pool_init(struct bench_pool *pool, const char *name, size_t size);
bool bench_pool_fill(struct bench_pool *pool, unsigned long n);
void bench_pool_exit(struct bench_pool *pool);

static inline void *bench_pool_get(struct bench_pool *pool)
{
	void **node = pool->free;

	if (!node)
		return kmem_cache_zalloc(pool->cache, GFP_KERNEL);
	pool->free = *node;
	return node;
}

static inline void bench_pool_put(struct bench_pool *pool, void *node)
{
	*(void **)node = pool->free;
	pool->free = node;
}

/**
 * struct bench_slots - a long array of spans, in pieces that need no mapping
 * @chunk: the pieces
 * @n: length of the array
 */
struct bench_slots {
	struct bench_span **chunk;
	unsigned long n;
};

#define BENCH_CHUNK_SHIFT	14

static inline struct bench_span *bench_slot(const struct bench_slots *slots, unsigned long i)
{
	return &slots->chunk[i >> BENCH_CHUNK_SHIFT][i & ((1UL << BENCH_CHUNK_SHIFT) - 1)];
}

int bench_slots_init(struct bench_slots *slots, unsigned long n);
void bench_slots_exit(struct bench_slots *slots);

/**
 * struct bench_run - a peer that is being measured
 * @peer: the peer
 * @state: what it made
 * @slots: spans that are allocated, or may be
 * @rnd: what is done next; every peer does the same
 * @hash: of the addresses so far
 * @ps: picoseconds of an operation, in each round
 */
struct bench_run {
	const struct bench_peer *peer;
	void *state;
	struct bench_slots slots;
	struct rnd_state rnd;
	u64 hash;
	u64 ps[BENCH_ROUNDS_MAX];
};

static inline u64 bench_hash(u64 hash, unsigned long base)
{
	return hash * 0x100000001b3ULL + base;
}

/* 1 to @max, which is a power of two. */
static inline unsigned long bench_length(struct rnd_state *rnd, unsigned long max)
{
	return 1 + (prandom_u32_state(rnd) & (max - 1));
}

/**
 * struct bench_work - what peers are measured at
 * @name: of one word
 * @param: of one word
 * @peers: who does it, ended by NULL
 * @nspans: free spans that there will be about
 * @longest: most pages that are asked for at once
 * @anywhere: addresses are not always the same
 * @begin: once for each peer, not timed; optional
 * @turn: in each round: sets @ps. The run's hash is that of all addresses that it got
 * @end: after all rounds; optional
 * @arg: for these three
 *
 * Those return 0 or an error.
 */
struct bench_work {
	const char *name;
	const char *param;
	const struct bench_peer *const *peers;
	unsigned long nspans;
	unsigned long longest;
	bool anywhere;
	int (*begin)(struct bench_run *run, const void *arg);
	int (*turn)(struct bench_run *run, const void *arg, u64 *ps);
	void (*end)(struct bench_run *run);
	const void *arg;
};

int bench_work(const struct bench_work *work);
void bench_result(const char *name, const char *peer, const char *param, const char *unit,
		  const u64 *values, unsigned int n);
unsigned int bench_rounds(void);
bool bench_irqs_off(void);
/* So many operations of a turn, or fewer where only that all works is to be seen. */
unsigned long bench_scaled(unsigned long n);

#if defined(CONFIG_UML) && !defined(MODULE)
#define BENCH_HOST_CLOCK	3	/* CLOCK_THREAD_CPUTIME_ID of the host */

struct bench_host_time {
	long sec;
	long nsec;
};

/* The host's C library, to which a kernel for User-Mode Linux is linked. */
int clock_gettime(int clock, struct bench_host_time *time);
#endif

/**
 * struct bench_clock - the time that something takes
 * @start: when it began, in ns
 * @flags: of interrupts
 * @off: they are off
 */
struct bench_clock {
	u64 start;
	unsigned long flags;
	bool off;
};

void bench_clock_start(struct bench_clock *clock, const struct bench_peer *peer);
u64 bench_clock_stop(struct bench_clock *clock);
u64 bench_ps(u64 ns, u64 n);

/* What can be asked for: the words behind the name of a measurement. */
int bench_carve(const char *words);
int bench_pair(const char *words);
int bench_index_pair(const char *words);
int bench_bulk(const char *words);
int bench_churn(const char *words);
int bench_churn_memory(const char *words);
int bench_trace(const char *words);
int bench_cpus(const char *words);
int bench_handover(const char *words);
int bench_metadata(const char *words);

#endif /* _SPANALLOC_BENCH_PEERS_H */
