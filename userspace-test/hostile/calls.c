// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands of the device: valid, nearly valid, and nothing like it.
 */
#include "hostile.h"

#include <stdio.h>

/* What a field of an argument is for, and so what would be valid in it. */
enum kind {
	ZERO, HANDLE, NPAGES, ALIGN, FLAGS, TRIM_PAGES, PART, INDEX, NRUNS, ADDRESS, LIMIT
};

struct field {
	uint16_t offset;
	uint8_t size;
	uint8_t kind;
	uint32_t flags;
};

#define FIELD(type, name, kind, ...) \
	{ offsetof(struct type, name), sizeof(((struct type *)0)->name), kind, __VA_ARGS__ }

/**
 * struct command - one of the device's
 * @number: as programs use it
 * @size_min: of its structure's first version
 * @fields: those that mean something to the kernel
 * @nfields: how many
 * @errors: what it may fail with besides those that every call may; 0 ends them
 */
struct command {
	unsigned int number;
	unsigned int size_min;
	const struct field *fields;
	size_t nfields;
	int errors[6];
};

static const struct field info_fields[] = {
	FIELD(spanalloc_info, reserved, ZERO),
};

static const struct field alloc_fields[] = {
	FIELD(spanalloc_alloc, npages, NPAGES),
	FIELD(spanalloc_alloc, align, ALIGN),
	FIELD(spanalloc_alloc, flags, FLAGS, SPANALLOC_ALLOC_CONTIG |
	      SPANALLOC_ALLOC_POPULATE | SPANALLOC_ALLOC_REPORT),
	FIELD(spanalloc_alloc, largest_pages, ZERO),
	FIELD(spanalloc_alloc, reserved, ZERO),
};

static const struct field free_fields[] = {
	FIELD(spanalloc_free, handle, HANDLE),
	FIELD(spanalloc_free, flags, ZERO),
	FIELD(spanalloc_free, reserved, ZERO),
};

static const struct field query_fields[] = {
	FIELD(spanalloc_query, handle, HANDLE),
	FIELD(spanalloc_query, flags, ZERO),
	FIELD(spanalloc_query, nhandles, ZERO),
	FIELD(spanalloc_query, nexports, ZERO),
	FIELD(spanalloc_query, reserved, ZERO),
};

static const struct field stats_fields[] = {
	FIELD(spanalloc_heap_stats, flags, ZERO),
	FIELD(spanalloc_heap_stats, reserved, ZERO),
};

static const struct field trim_fields[] = {
	FIELD(spanalloc_trim, npages, TRIM_PAGES),
	FIELD(spanalloc_trim, flags, FLAGS, SPANALLOC_TRIM_DRAIN),
	FIELD(spanalloc_trim, reserved, ZERO),
};

static const struct field split_fields[] = {
	FIELD(spanalloc_split, handle, HANDLE),
	FIELD(spanalloc_split, flags, ZERO),
	FIELD(spanalloc_split, npages, PART),
	FIELD(spanalloc_split, reserved, ZERO),
};

static const struct field file_fields[] = {
	FIELD(spanalloc_file, flags, FLAGS, SPANALLOC_FILE_SET_LIMIT),
	FIELD(spanalloc_file, nhandles, ZERO),
	FIELD(spanalloc_file, limit_pages, LIMIT),
	FIELD(spanalloc_file, pages, ZERO),
	FIELD(spanalloc_file, quarantined_pages, ZERO),
	FIELD(spanalloc_file, allocs, ZERO),
	FIELD(spanalloc_file, fails, ZERO),
	FIELD(spanalloc_file, device_pages, ZERO),
	FIELD(spanalloc_file, device_limit_pages, ZERO),
	FIELD(spanalloc_file, reserved[0], ZERO),
	FIELD(spanalloc_file, reserved[1], ZERO),
};

static const struct field runs_fields[] = {
	FIELD(spanalloc_runs, handle, HANDLE),
	FIELD(spanalloc_runs, flags, ZERO),
	FIELD(spanalloc_runs, index, INDEX),
	FIELD(spanalloc_runs, runs, ADDRESS),
	FIELD(spanalloc_runs, nruns, NRUNS),
	FIELD(spanalloc_runs, reserved, ZERO),
};

static const struct field export_fields[] = {
	FIELD(spanalloc_export, handle, HANDLE),
	FIELD(spanalloc_export, flags, FLAGS, SPANALLOC_EXPORT_READ_ONLY),
	FIELD(spanalloc_export, reserved, ZERO),
};

#define COMMAND(number, size_min, fields, ...) \
	{ number, size_min, fields, ARRAY_SIZE(fields), { __VA_ARGS__ } }

/* EINTR is none of them: who gets a fatal signal never sees it. Nor is EIO. */
static const struct command commands[NCOMMANDS] = {
	[ACT_INFO] = COMMAND(SPANALLOC_IOC_INFO, SPANALLOC_INFO_SIZE_VER0, info_fields),
	[ACT_ALLOC] = COMMAND(SPANALLOC_IOC_ALLOC, SPANALLOC_ALLOC_SIZE_VER0, alloc_fields,
			      EDQUOT, ENOSPC, ENOMEM),
	[ACT_FREE] = COMMAND(SPANALLOC_IOC_FREE, SPANALLOC_FREE_SIZE_VER0, free_fields, ENOENT),
	[ACT_QUERY] = COMMAND(SPANALLOC_IOC_QUERY, SPANALLOC_QUERY_SIZE_VER0, query_fields,
			      ENOENT),
	[ACT_STATS] = COMMAND(SPANALLOC_IOC_STATS, SPANALLOC_STATS_SIZE_VER0, stats_fields),
	[ACT_TRIM] = COMMAND(SPANALLOC_IOC_TRIM, SPANALLOC_TRIM_SIZE_VER0, trim_fields, EPERM),
	[ACT_SPLIT] = COMMAND(SPANALLOC_IOC_SPLIT, SPANALLOC_SPLIT_SIZE_VER0, split_fields,
			      ENOENT, ENOSPC, ENOMEM),
	[ACT_FILE] = COMMAND(SPANALLOC_IOC_FILE, SPANALLOC_FILE_SIZE_VER0, file_fields, EPERM),
	[ACT_RUNS] = COMMAND(SPANALLOC_IOC_RUNS, SPANALLOC_RUNS_SIZE_VER0, runs_fields, ENOENT),
	[ACT_EXPORT] = COMMAND(SPANALLOC_IOC_EXPORT, SPANALLOC_EXPORT_SIZE_VER0, export_fields,
			       ENOENT, EMFILE, ENFILE, ENOMEM),
};

/* Small ones mostly, so that there is something to work with. */
static uint64_t some_npages(struct actor *actor)
{
	switch (rng_below(&actor->rng, 40)) {
	case 0:
		return 1 + rng_below(&actor->rng, 1500);
	case 1:
		return world->max_pages / 2 + rng_below(&actor->rng, world->max_pages);
	case 2:
		return 512;
	default:
		return 1 + rng_below(&actor->rng, 16);
	}
}

static uint64_t some_limit(struct actor *actor)
{
	if (percent(actor, 30))
		return world->file_max + rng_below(&actor->rng, 3);
	return rng_below(&actor->rng, 600);
}

static uint64_t valid_value(struct actor *actor, const struct field *field)
{
	bool once_in_a_while = percent(actor, 25);

	switch (field->kind) {
	case HANDLE:
		return any_handle(actor);
	case NPAGES:
		return some_npages(actor);
	case ALIGN:
		return once_in_a_while ? 1ULL << rng_below(&actor->rng, 10) : 0;
	case FLAGS:
		return rng_next(&actor->rng) & (once_in_a_while ? field->flags : 0);
	case TRIM_PAGES:
		return once_in_a_while ? ~0ULL : 1 + rng_below(&actor->rng, 2048);
	case PART:
		return 1 + rng_below(&actor->rng, 8);
	case INDEX:
		return once_in_a_while ? rng_below(&actor->rng, 20) : 0;
	case NRUNS:
		return 1 + rng_below(&actor->rng, 6);
	case ADDRESS:
		return (uintptr_t)any_place(actor, 6 * sizeof(struct spanalloc_run)).at;
	case LIMIT:
		return some_limit(actor);
	default:
		return 0;
	}
}

static void set_field(struct actor *actor, const struct field *field, uint64_t value)
{
	memcpy(actor->arg + field->offset, &value, field->size);
}

/* A limit goes with its flag, which is tried often: it may be too high. */
static void agree(struct actor *actor, enum act act)
{
	struct spanalloc_file *file = (struct spanalloc_file *)actor->arg;

	if (act == ACT_FILE && percent(actor, 40))
		file->flags |= SPANALLOC_FILE_SET_LIMIT;
	if (act == ACT_FILE && !(file->flags & SPANALLOC_FILE_SET_LIMIT))
		file->limit_pages = 0;
}

/*
 * Who is privileged may raise a file's limit, and whoever gets the file may then use it up; so
 * they raise it by one page, and whatever is above that is nobody's right.
 */
static void tame(struct actor *actor, enum act act)
{
	struct spanalloc_file *file = (struct spanalloc_file *)actor->arg;

	if (act == ACT_FILE && actor->privileged && file->limit_pages > world->file_max)
		file->limit_pages = world->file_max + 1;
}

static void make_arg(struct actor *actor, enum act act)
{
	const struct command *command = &commands[act];
	unsigned int way = rng_below(&actor->rng, 100);
	size_t i, spoiled = rng_below(&actor->rng, command->nfields);

	memset(actor->arg, 0, ARG_SIZE);
	for (i = 0; i < command->nfields; i++)
		set_field(actor, &command->fields[i], valid_value(actor, &command->fields[i]));
	agree(actor, act);
	if (way < 70)
		return;
	if (way < 88) {
		set_field(actor, &command->fields[spoiled], odd_number(actor));
		return;
	}
	if (way < 94) {
		for (i = 0; i < command->nfields; i++)
			set_field(actor, &command->fields[i], odd_number(actor));
		return;
	}
	for (i = 0; i < ARG_SIZE; i += 8)
		*(uint64_t *)(actor->arg + i) = rng_next(&actor->rng);
}

static size_t any_size(struct actor *actor, const struct command *command)
{
	size_t size = _IOC_SIZE(command->number);
	unsigned int way = rng_below(&actor->rng, 100);

	if (way < 78)
		return size;
	if (way < 86)
		return size + rng_below(&actor->rng, 64);
	if (way < 90)
		return rng_below(&actor->rng, command->size_min + 1);
	if (way < 94)
		return rng_below(&actor->rng, _IOC_SIZEMASK + 1);
	if (way < 96)
		return _IOC_SIZEMASK;
	/* Longer, and the tail is not zero. */
	actor->arg[size + rng_below(&actor->rng, 16)] = 1;
	return size + 16;
}

static void check_error(enum act act, int error)
{
	static const int always[] = { EINVAL, EFAULT, E2BIG, ENOTTY, EBADF };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(always); i++)
		if (error == always[i])
			return;
	for (i = 0; commands[act].errors[i]; i++)
		if (error == commands[act].errors[i])
			return;
	break_promise(KEPT_ERRORS, "command %d failed with %s", act, errno_name(error));
}

/* The first run's address, if the runs are where nobody else writes. */
static void check_addresses(struct actor *actor, const struct spanalloc_runs *runs)
{
	const struct spanalloc_run *run = (void *)(uintptr_t)runs->runs;
	const char *at = (const char *)run, *end = actor->scratch + SCRATCH_PAGES * page_size;

	if (actor->privileged || at < actor->scratch || at + sizeof(*run) > end || !runs->nruns)
		return;
	if (run->npages && run->npages <= world->max_pages && run->address)
		break_promise(KEPT_ADDRESSES, "a run of %llu pages at physical address %#llx",
			      (unsigned long long)run->npages,
			      (unsigned long long)run->address);
}

/* What the unprivileged must not get, and what every reply has to be like. */
static void check_reply(struct actor *actor, enum act act, const struct spanalloc_file *asked)
{
	const struct spanalloc_alloc *alloc = (void *)actor->arg;
	const struct spanalloc_file *file = (void *)actor->arg;

	if (act == ACT_TRIM && !actor->privileged)
		break_promise(KEPT_PRIVILEGE, "trim was allowed to the unprivileged");
	if (act == ACT_ALLOC && (!alloc->handle || !alloc->offset || alloc->offset % page_size))
		break_promise(KEPT_REPLIES, "alloc: handle %u, offset %#llx", alloc->handle,
			      (unsigned long long)alloc->offset);
	if (act == ACT_RUNS)
		check_addresses(actor, (void *)actor->arg);
	if (act != ACT_FILE)
		return;
	if (asked->flags && !actor->privileged && asked->limit_pages > world->file_max + 1)
		break_promise(KEPT_LIMITS, "a limit of %llu pages, and %llu are allowed",
			      (unsigned long long)asked->limit_pages,
			      (unsigned long long)world->file_max);
	if (file->device_pages > world->max_pages || file->reserved[0] || file->reserved[1])
		break_promise(KEPT_REPLIES, "file: %llu pages of the device in use",
			      (unsigned long long)file->device_pages);
}

/* The reply is in @actor->arg, as far as it can be had. */
static void harvest(struct actor *actor, enum act act, int fd)
{
	const struct spanalloc_alloc *alloc = (void *)actor->arg;
	const struct spanalloc_split *split = (void *)actor->arg;
	const struct spanalloc_export *export = (void *)actor->arg;
	struct target target = { .fd = fd };

	switch (act) {
	case ACT_ALLOC:
		target.handle = alloc->handle;
		target.offset = alloc->offset;
		target.npages = alloc->npages;
		remember_target(&target);
		break;
	case ACT_SPLIT:
		target.handle = split->new_handle;
		target.offset = split->offset;
		target.npages = 1;
		remember_target(&target);
		break;
	case ACT_FREE:
		target.handle = ((const struct spanalloc_free *)actor->arg)->handle;
		/* The dead are met still, but not all the time. */
		if (percent(actor, 80))
			forget_target(&target);
		break;
	case ACT_EXPORT:
		/* Not one of those that are everybody's: the reply may be anything. */
		if (export->fd > 2 && export->fd < WORLD_FD)
			pool_put(actor, &exports, export->fd);
		break;
	default:
		break;
	}
}

void call_command(struct actor *actor, enum act act)
{
	const struct command *command = &commands[act];
	unsigned int mask = ~(_IOC_SIZEMASK << _IOC_SIZESHIFT);
	int fd = any_device(actor);
	struct spanalloc_file asked;
	struct place place;
	size_t size;
	int result;

	make_arg(actor, act);
	tame(actor, act);
	size = any_size(actor, command);
	place = any_place(actor, size);
	memcpy(&asked, actor->arg, sizeof(asked));
	if (place.is_memory)
		copy_guarded(place.at, actor->arg, size);
	result = ioctl(fd, (command->number & mask) | size << _IOC_SIZESHIFT, place.at);
	record(act, result);
	if (result == -1) {
		check_error(act, errno);
		return;
	}
	if (!place.is_memory || !copy_guarded(actor->arg, place.at, size))
		return;
	if (place.is_own)
		check_reply(actor, act, &asked);
	harvest(actor, act, fd);
}

/* Allocations come and go in equal numbers, and are what all else works with. */
void move_call(struct actor *actor)
{
	static const enum act often[] = { ACT_ALLOC, ACT_FREE, ACT_SPLIT, ACT_EXPORT, ACT_RUNS };

	if (percent(actor, 50))
		call_command(actor, often[rng_below(&actor->rng, 2)]);
	else if (percent(actor, 40))
		call_command(actor, often[rng_below(&actor->rng, ARRAY_SIZE(often))]);
	else
		call_command(actor, rng_below(&actor->rng, NCOMMANDS));
}

static unsigned int any_number(struct actor *actor)
{
	static const unsigned int general[] = {
		0x5421 /* FIONBIO */, 0x5450 /* FIONCLEX */, 0x5451 /* FIOCLEX */,
		0x5452 /* FIOASYNC */, 0x5460 /* FIOQSIZE */, 0x541b /* FIONREAD */,
		0x5401 /* TCGETS */, 0x00000001 /* FIBMAP */, 0x00000002 /* FIGETBSZ */,
	};
	uint64_t rnd = rng_next(&actor->rng);

	switch (rng_below(&actor->rng, 4)) {
	case 0:
		return rnd;
	case 1:
		return general[rnd % ARRAY_SIZE(general)];
	case 2:
		/* Our letter, and a number or a direction that is no command's. */
		return _IOC(rnd & 3, SPANALLOC_IOC_MAGIC, 0x0a + (rnd >> 2) % 0xf6,
			    (rnd >> 16) & _IOC_SIZEMASK);
	default:
		return commands[rnd % NCOMMANDS].number & ~(_IOC_WRITE << _IOC_DIRSHIFT);
	}
}

void move_unknown(struct actor *actor)
{
	unsigned int number = any_number(actor);
	int fd = any_device(actor), result;
	size_t i;

	for (i = 0; i < NCOMMANDS; i++)
		if (_IOC_NR(number) == _IOC_NR(commands[i].number) &&
		    _IOC_TYPE(number) == SPANALLOC_IOC_MAGIC &&
		    _IOC_DIR(number) == _IOC_DIR(commands[i].number))
			return;
	result = ioctl(fd, number, any_place(actor, _IOC_SIZE(number)).at);
	record(ACT_UNKNOWN, result);
	if (_IOC_TYPE(number) != SPANALLOC_IOC_MAGIC)
		return;
	if (!result || (errno != ENOTTY && errno != EBADF))
		break_promise(KEPT_UNKNOWN, "unknown command %#x: %s", number,
			      result ? errno_name(errno) : "success");
}
