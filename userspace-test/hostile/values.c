// SPDX-License-Identifier: GPL-2.0-only
/*
 * What hostile calls are made of: numbers near what is allowed and far from it, handles
 * of others and of the dead, addresses of all kinds, descriptors that somebody else closes.
 */
#include "hostile.h"

#include <stdarg.h>
#include <stdio.h>

struct world *world;
struct pool devices, exports;

/* Of this process, and of nobody's in particular: threads overwrite each other's. */
#define NTARGETS 24
static struct target targets[NTARGETS];
static atomic_uint ntargets;

void record(enum act act, long result)
{
	int error = result == -1 ? errno : 0;

	if (error < 0 || error >= NERRORS)
		error = NERRORS - 1;
	atomic_fetch_add_explicit(&world->counts[act][error], 1, memory_order_relaxed);
}

void break_promise(enum promise promise, const char *format, ...)
{
	va_list args;

	if (atomic_fetch_add(&world->broken[promise], 1))
		return;
	va_start(args, format);
	vsnprintf(world->message[promise], MESSAGE_SIZE, format, args);
	va_end(args);
}

bool percent(struct actor *actor, unsigned int n)
{
	return rng_below(&actor->rng, 100) < n;
}

uint64_t odd_number(struct actor *actor)
{
	static const uint64_t odd[] = {
		0, 1, 2, 3, 511, 512, 513, 4095, 4096, 0x7fffffff, 0x80000000, 0xffffffff,
		0x100000000, 1ULL << 44, 1ULL << 51, 1ULL << 52, (1ULL << 52) - 1, 1ULL << 63,
		(1ULL << 63) - 1, ~0ULL, ~0ULL - 1, ~0ULL - 4095,
	};
	uint64_t value = odd[rng_below(&actor->rng, ARRAY_SIZE(odd))];

	switch (rng_below(&actor->rng, 6)) {
	case 0:
		return rng_next(&actor->rng);
	case 1:
		return 1ULL << rng_below(&actor->rng, 64);
	case 2:
		return world->max_pages + rng_below(&actor->rng, 3) - 1;
	default:
		return value;
	}
}

void remember_target(const struct target *target)
{
	unsigned int i = atomic_fetch_add(&ntargets, 1);
	struct rumour *rumour = &world->rumours[(i * 7 + target->handle) % NRUMOURS];

	targets[i % NTARGETS] = *target;
	rumour->handle = target->handle;
	rumour->offset = target->offset;
}

/* It is gone, or somebody else's by now. */
void forget_target(const struct target *target)
{
	unsigned int i;

	for (i = 0; i < NTARGETS; i++) {
		if (targets[i].fd == target->fd && targets[i].handle == target->handle)
			targets[i].handle = 0;
	}
}

/* As a rule, what a file had is not looked for when it is closed. */
void forget_file(struct actor *actor, int fd)
{
	unsigned int i;

	if (percent(actor, 20))
		return;
	for (i = 0; i < NTARGETS; i++) {
		if (targets[i].fd == fd)
			targets[i].handle = 0;
	}
}

/* One that there is, if the first few looks find any. */
void choose_target(struct actor *actor)
{
	uint64_t first = rng_below(&actor->rng, NTARGETS);
	unsigned int i;

	for (i = 0; i < 8; i++) {
		actor->target = targets[(first + i) % NTARGETS];
		if (actor->target.handle)
			return;
	}
}

uint32_t any_handle(struct actor *actor)
{
	unsigned int n = rng_below(&actor->rng, 100);

	if (n < 88 && actor->target.handle)
		return actor->target.handle;
	if (n < 92)
		return world->rumours[rng_below(&actor->rng, NRUMOURS)].handle;
	if (n < 97)
		return 1 + rng_below(&actor->rng, 64);
	return odd_number(actor);
}

uint64_t any_offset(struct actor *actor)
{
	unsigned int n = rng_below(&actor->rng, 100);
	uint64_t rumour = rng_below(&actor->rng, NRUMOURS);
	uint64_t page = percent(actor, 80) ? 0 : rng_below(&actor->rng, 16);

	if (n < 90 && actor->target.handle)
		return actor->target.offset + page * page_size;
	if (n < 95)
		return world->rumours[rumour].offset + page * page_size;
	return odd_number(actor) & ~((uint64_t)page_size - 1);
}

/* In the thread's own memory: anywhere, at the end of it, or across the end. */
static char *own_place(struct actor *actor, size_t nbytes, bool *fits)
{
	size_t room = SCRATCH_PAGES * page_size;
	char *end = actor->scratch + room;

	*fits = true;
	if (nbytes > room)
		nbytes = room;
	switch (rng_below(&actor->rng, 12)) {
	case 0:
		return end - nbytes;
	case 1:
		*fits = nbytes < 2;
		return end - nbytes / 2;
	case 2:
		return actor->scratch + rng_below(&actor->rng, room - nbytes + 1);
	default:
		return actor->scratch + (rng_below(&actor->rng, room - nbytes + 1) & ~7ULL);
	}
}

static char *bad_place(struct actor *actor)
{
	static const uint64_t bad[] = {
		0, 1, 8, 0xfff, 0xffff888000000000ULL, 0xffffffff81000000ULL,
		0x7ffffffff000ULL, 0x7fffffffeff8ULL, 0x800000000000ULL, ~0ULL, ~7ULL,
		0xffffea0000000000ULL, 0xfffffffffffff000ULL, 0x8000000000000000ULL,
	};

	if (percent(actor, 20))
		return (char *)(uintptr_t)rng_next(&actor->rng);
	return (char *)(uintptr_t)bad[rng_below(&actor->rng, ARRAY_SIZE(bad))];
}

struct place any_place(struct actor *actor, size_t nbytes)
{
	unsigned int n = rng_below(&actor->rng, 100);
	struct place place = { .is_memory = true };
	size_t length;

	if (n < 85) {
		place.at = own_place(actor, nbytes, &place.is_own);
		/* Across the end; only what can be written is, by who tries. */
		place.is_memory = place.is_own;
	} else if (n < 92) {
		place.at = shaky + rng_below(&actor->rng, SHAKY_PAGES * page_size);
	} else if (n < 96) {
		any_range(actor, &place.at, &length);
		/* What is behind it may be the process's own. */
		if (!is_in_zone(place.at) && length < nbytes)
			place.at = shaky;
	} else {
		place.at = bad_place(actor);
		place.is_memory = false;
	}
	return place;
}

void pools_init(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(devices.fds); i++) {
		devices.fds[i] = -1;
		exports.fds[i] = -1;
	}
}

/* One that there is, if the first few looks find any; or -1. */
int pool_get(struct actor *actor, struct pool *pool)
{
	size_t first = rng_below(&actor->rng, ARRAY_SIZE(pool->fds)), i;
	int fd = -1;

	for (i = 0; i < ARRAY_SIZE(pool->fds) / 2 && fd < 0; i++)
		fd = pool->fds[(first + i) % ARRAY_SIZE(pool->fds)];
	return fd;
}

/* All full, something is closed, or the process would run out of numbers. */
void pool_put(struct actor *actor, struct pool *pool, int fd)
{
	size_t i, slot = rng_below(&actor->rng, ARRAY_SIZE(pool->fds));
	int old;

	for (i = 0; i < ARRAY_SIZE(pool->fds); i++) {
		if (pool->fds[i] == -1)
			slot = i;
	}
	old = atomic_exchange(&pool->fds[slot], fd);
	if (old < 0)
		return;
	forget_file(actor, old);
	close(old);
}

int any_device(struct actor *actor)
{
	int fd = pool_get(actor, &devices);

	/* Perhaps it is of another file, or closed, by now. */
	if (actor->target.handle && percent(actor, 80))
		return actor->target.fd;
	if (percent(actor, fd < 0 ? 5 : 93))
		return fd;
	fd = open(device_path, percent(actor, 95) ? O_RDWR | O_CLOEXEC : O_RDONLY);
	record(ACT_OPEN, fd);
	if (fd >= 0)
		pool_put(actor, &devices, fd);
	return fd;
}
