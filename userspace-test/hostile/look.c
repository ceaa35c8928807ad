// SPDX-License-Identifier: GPL-2.0-only
/*
 * Those who look while others work: what is told of descriptors, mappings and heaps.
 */
#include "hostile.h"

#include <stdio.h>

#define HEAP_FILES "/sys/kernel/debug/spanalloc/default/"

/* All of it, or as much as comes. */
static long read_file(struct actor *actor, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), i;
	ssize_t n = 1;

	if (fd < 0)
		return -1;
	for (i = 0; n > 0 && i < 64; i++)
		n = read(fd, actor->scratch, 1 + rng_below(&actor->rng, SCRATCH_PAGES * page_size));
	close(fd);
	return n < 0 ? -1 : 0;
}

static void do_fdinfo(struct actor *actor)
{
	uint64_t slot = rng_below(&actor->rng, NVICTIMS);
	bool own = percent(actor, 60);
	int fd = pool_get(actor, percent(actor, 70) ? &devices : &exports);
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", own ? getpid() : world->pids[slot], fd);
	record(ACT_FDINFO, read_file(actor, path));
}

static void do_proc(struct actor *actor)
{
	static const char *const names[] = {
		"maps", "smaps", "smaps_rollup", "pagemap", "numa_maps", "status", "statm", "stat",
		"wchan", "oom_score",
	};
	uint64_t slot = rng_below(&actor->rng, NVICTIMS);
	const char *name = names[rng_below(&actor->rng, ARRAY_SIZE(names))];
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s",
		 percent(actor, 60) ? getpid() : world->pids[slot], name);
	record(ACT_PROC, read_file(actor, path));
}

/* For the privileged. */
static void do_debugfs(struct actor *actor)
{
	static const char *const names[] = { "stats", "spans" };
	uint64_t which = rng_below(&actor->rng, ARRAY_SIZE(names));
	char path[64];
	long result;

	snprintf(path, sizeof(path), HEAP_FILES "%s", names[which]);
	result = read_file(actor, path);
	record(ACT_DEBUGFS, result);
}

/* The heap has to be sound at any time. Nothing is allocated here, as everywhere. */
static void do_check(struct actor *actor)
{
	int fd = open(DEV_CHECK_FILE, O_RDONLY | O_CLOEXEC);
	char line[64] = "";
	ssize_t n;

	record(ACT_CHECK, fd);
	if (fd < 0)
		return;
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	/* Somebody may have closed it, too. */
	if (n > 0 && !strncmp(line, "invariant", 9))
		break_promise(KEPT_SOUND, "the heap's check says: %s", line);
}

/* Memory is moved about, and caches are dropped. */
static void do_poke(struct actor *actor)
{
	static const char *const paths[] = {
		"/proc/sys/vm/compact_memory", "/proc/sys/vm/drop_caches",
	};
	int fd = open(paths[rng_below(&actor->rng, ARRAY_SIZE(paths))], O_WRONLY | O_CLOEXEC);

	if (fd < 0) {
		record(ACT_POKE, -1);
		return;
	}
	record(ACT_POKE, write(fd, "1", 1) < 0 ? -1 : 0);
	close(fd);
}

void move_look(struct actor *actor)
{
	unsigned int n = rng_below(&actor->rng, 100);

	if (n < 45)
		do_fdinfo(actor);
	else if (n < 75)
		do_proc(actor);
	else if (n < 86)
		do_debugfs(actor);
	else if (n < 97)
		do_check(actor);
	else
		do_poke(actor);
}
