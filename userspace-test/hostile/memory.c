// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings, and everything that can be done to them. They are made in the zone, an address
 * range of this process where nothing else is, or where the kernel likes; all later mappings
 * of a process are of this kind, so that ranges are safe to destroy.
 */
#include "hostile.h"

#include <sys/syscall.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT		21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif

char *zone, *shaky;

/*
 * Number of the first page, and how many: in one word, for an address with the length of
 * another one would lead into the process's own memory.
 */
#define NMAPPINGS 16
#define LENGTH_BITS 28
static _Atomic uint64_t mappings[NMAPPINGS];
static atomic_uint nmappings;

/* An argument that begins at the end of it must not reach what others have behind it. */
static char *reserve(size_t npages, int prot)
{
	size_t guard = ARG_SIZE, nbytes = npages * page_size;
	char *address = mmap(NULL, nbytes + 2 * guard, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(address != MAP_FAILED);
	CHECK_OK(mprotect(address + guard, nbytes, prot));
	return address + guard;
}

void memory_init(void)
{
	zone = reserve(ZONE_PAGES, PROT_NONE);
	shaky = reserve(SHAKY_PAGES, PROT_READ | PROT_WRITE);
}

void remember_mapping(void *address, size_t nbytes)
{
	unsigned int i = atomic_fetch_add(&nmappings, 1) % NMAPPINGS;
	uint64_t npages = nbytes / page_size;

	if (npages < 1 << LENGTH_BITS)
		mappings[i] = (uintptr_t)address / page_size << LENGTH_BITS | npages;
}

bool is_in_zone(const char *address)
{
	return address >= zone && address < zone + ZONE_PAGES * page_size;
}

void any_range(struct actor *actor, char **address, size_t *nbytes)
{
	unsigned int slot = rng_below(&actor->rng, NMAPPINGS);
	bool part = percent(actor, 60);
	uint64_t first = rng_next(&actor->rng), length = rng_next(&actor->rng);
	uint64_t mapping = mappings[slot];
	size_t npages = mapping & ((1 << LENGTH_BITS) - 1), room;
	char *base = (char *)(uintptr_t)((mapping >> LENGTH_BITS) * page_size);

	if (!base || !npages || percent(actor, 5)) {
		base = zone;
		npages = ZONE_PAGES;
		length %= 64;
	}
	first = part ? first % npages : 0;
	*address = base + first * page_size;
	*nbytes = (part ? 1 + length % (npages - first) : npages) * page_size;
	/* Beyond the end as well, where nothing of ours can be. */
	if (!is_in_zone(*address))
		return;
	if (percent(actor, 10))
		*nbytes += 3 * page_size;
	room = zone + ZONE_PAGES * page_size - *address;
	if (*nbytes > room)
		*nbytes = room;
}

long map_somewhere(struct actor *actor, int fd, uint64_t offset, size_t nbytes, int prot)
{
	static const int flags[] = {
		MAP_POPULATE, MAP_LOCKED, MAP_NORESERVE, MAP_NONBLOCK | MAP_POPULATE,
		MAP_HUGETLB, MAP_GROWSDOWN, MAP_SYNC,
	};
	size_t npages = nbytes / page_size;
	bool fixed = percent(actor, 80) && npages && npages < ZONE_PAGES;
	uint64_t page = rng_below(&actor->rng, fixed ? ZONE_PAGES - npages : 1);
	int how = percent(actor, 90) ? MAP_SHARED :
		  percent(actor, 50) ? MAP_PRIVATE : MAP_SHARED_VALIDATE;
	char *address;

	if (percent(actor, 25))
		how |= flags[rng_below(&actor->rng, ARRAY_SIZE(flags))];
	if (fixed)
		how |= MAP_FIXED;
	address = mmap(fixed ? zone + page * page_size : NULL, nbytes, prot, how, fd, offset);
	if (address == MAP_FAILED)
		return -1;
	remember_mapping(address, nbytes);
	return 0;
}

static int any_prot(struct actor *actor)
{
	static const int prots[] = {
		PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE, PROT_WRITE,
		PROT_READ | PROT_WRITE | PROT_EXEC, PROT_READ | PROT_EXEC,
	};

	if (percent(actor, 75))
		return PROT_READ | PROT_WRITE;
	return prots[rng_below(&actor->rng, ARRAY_SIZE(prots))];
}

static void do_map(struct actor *actor)
{
	uint64_t offset = any_offset(actor), npages = actor->target.npages;

	if (!npages || percent(actor, 30))
		npages = 1 + rng_below(&actor->rng, 64);
	if (percent(actor, 5))
		npages = odd_number(actor) >> 12;
	record(ACT_MAP, map_somewhere(actor, any_device(actor), offset, npages * page_size,
				      any_prot(actor)));
}

static void do_map_fresh(struct actor *actor)
{
	uint64_t npages = 1 + rng_below(&actor->rng, percent(actor, 90) ? 32 : 2000);

	if (percent(actor, 4))
		npages = odd_number(actor) >> 12;
	record(ACT_MAP_FRESH, map_somewhere(actor, any_device(actor), 0, npages * page_size,
					    any_prot(actor)));
}

static void do_unmap(struct actor *actor)
{
	size_t nbytes;
	char *address;

	any_range(actor, &address, &nbytes);
	record(ACT_UNMAP, munmap(address, nbytes));
}

/* Moved in the zone, grown, made shorter, or duplicated with a length of nothing. */
static void do_remap(struct actor *actor)
{
	unsigned int way = rng_below(&actor->rng, 8);
	uint64_t page = rng_below(&actor->rng, ZONE_PAGES / 2);
	size_t from, to;
	char *address, *result;
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED;

	any_range(actor, &address, &from);
	to = from;
	if (way == 0)
		to += page_size;
	else if (way == 1)
		to = page_size;
	else if (way == 2)
		from = 0;
	else if (way == 3)
		flags |= 4 /* MREMAP_DONTUNMAP */;
	else if (way == 4)
		flags = 0;
	if (to > ZONE_PAGES / 2 * page_size)
		to = page_size;
	result = mremap(address, from, to, flags, zone + page * page_size);
	record(ACT_REMAP, result == MAP_FAILED ? -1 : 0);
	if (result != MAP_FAILED)
		remember_mapping(result, to);
}

static void do_protect(struct actor *actor)
{
	size_t nbytes;
	char *address;

	any_range(actor, &address, &nbytes);
	record(ACT_PROTECT, mprotect(address, nbytes, any_prot(actor)));
}

static void do_lock(struct actor *actor)
{
	size_t nbytes;
	char *address;

	any_range(actor, &address, &nbytes);
	switch (rng_below(&actor->rng, 4)) {
	case 0:
		record(ACT_LOCK, munlock(address, nbytes));
		break;
	case 1:
		record(ACT_LOCK, mlock2(address, nbytes, MLOCK_ONFAULT));
		break;
	default:
		record(ACT_LOCK, mlock(address, nbytes));
		munlock(address, nbytes);
		break;
	}
}

static void do_sync(struct actor *actor)
{
	static const int flags[] = { MS_SYNC, MS_ASYNC, MS_SYNC | MS_INVALIDATE, 0, 8 };
	size_t nbytes;
	char *address;

	any_range(actor, &address, &nbytes);
	if (percent(actor, 15))
		record(ACT_SYNC, syscall(SYS_remap_file_pages, address, nbytes, 0,
					 rng_below(&actor->rng, 64), 0));
	else
		record(ACT_SYNC, msync(address, nbytes,
				       flags[rng_below(&actor->rng, ARRAY_SIZE(flags))]));
}

static void do_incore(struct actor *actor)
{
	unsigned char vector[64];
	size_t nbytes;
	char *address;

	any_range(actor, &address, &nbytes);
	if (nbytes > sizeof(vector) * page_size)
		nbytes = sizeof(vector) * page_size;
	record(ACT_INCORE, mincore(address, nbytes, vector));
}

static void advise(struct actor *actor, enum act act, const int *advice, size_t n)
{
	size_t nbytes;
	char *address;

	any_range(actor, &address, &nbytes);
	record(act, madvise(address, nbytes, advice[rng_below(&actor->rng, n)]));
}

static void do_drop(struct actor *actor)
{
	static const int advice[] = { MADV_DONTNEED, MADV_DONTNEED, MADV_FREE, MADV_REMOVE };

	advise(actor, ACT_DROP, advice, ARRAY_SIZE(advice));
}

static void do_populate(struct actor *actor)
{
	static const int advice[] = { MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_WILLNEED };

	advise(actor, ACT_POPULATE, advice, ARRAY_SIZE(advice));
}

static void do_fork_advice(struct actor *actor)
{
	static const int advice[] = {
		MADV_DONTFORK, MADV_DOFORK, MADV_WIPEONFORK, MADV_KEEPONFORK,
	};

	advise(actor, ACT_FORK_ADVICE, advice, ARRAY_SIZE(advice));
}

/* Not MADV_HWPOISON or MADV_SOFT_OFFLINE, after which the machine is short of a page. */
static void do_advice(struct actor *actor)
{
	static const int advice[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_MERGEABLE, MADV_UNMERGEABLE,
		MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP, MADV_COLD,
		MADV_PAGEOUT, MADV_COLLAPSE, 77, -1,
	};

	advise(actor, ACT_ADVICE, advice, ARRAY_SIZE(advice));
}

/* Reads or writes a word of each page, or all of one, wherever that may be. */
static void do_touch(struct actor *actor)
{
	bool writes = percent(actor, 60), good = true;
	size_t nbytes, i;
	uint64_t word;
	char *address;

	any_range(actor, &address, &nbytes);
	word = rng_next(&actor->rng);
	for (i = 0; i < nbytes && good; i += page_size) {
		if (writes)
			good = copy_guarded(address + i, &word, sizeof(word));
		else
			good = copy_guarded(&word, address + i, sizeof(word));
	}
	errno = EFAULT;
	record(ACT_TOUCH, good ? 0 : -1);
}

/* Pulls the ground from under calls of other threads. */
static void do_shake(struct actor *actor)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	uint64_t first = rng_below(&actor->rng, SHAKY_PAGES), n, offset;
	char *address = shaky + first * page_size;
	int prot = prots[rng_below(&actor->rng, ARRAY_SIZE(prots))];
	long result;

	n = (1 + rng_below(&actor->rng, SHAKY_PAGES - first)) * page_size;
	offset = any_offset(actor);
	switch (rng_below(&actor->rng, 5)) {
	case 0:
		result = mprotect(address, n, prot);
		break;
	case 1:
		result = munmap(address, n);
		break;
	case 2:
		result = madvise(address, n, MADV_DONTNEED);
		break;
	case 3:
		result = (long)mmap(address, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
				    any_device(actor), offset);
		break;
	default:
		result = (long)mmap(address, n, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	}
	record(ACT_SHAKE, result);
}

void move_memory(struct actor *actor)
{
	static void (*const moves[])(struct actor *actor) = {
		do_map, do_map, do_map, do_map, do_map_fresh, do_map_fresh, do_map_fresh, do_unmap,
		do_remap, do_protect, do_lock, do_sync, do_incore, do_drop, do_populate,
		do_fork_advice, do_advice, do_touch, do_touch, do_shake, do_shake,
	};

	moves[rng_below(&actor->rng, ARRAY_SIZE(moves))](actor);
}
