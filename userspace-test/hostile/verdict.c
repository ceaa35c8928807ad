// SPDX-License-Identifier: GPL-2.0-only
/*
 * What there has to be in the end: a heap that is empty and sound, users who are charged
 * nothing, promises that were kept, and counts that show that all was tried, with success
 * and without.
 */
#include "hostile.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/**
 * struct demand - how an act has to have ended
 * @name: of the act
 * @least: how often it has to have succeeded, of 10,000 acts of all kinds
 * @errors: each must have been met; 0 ends them
 */
struct demand {
	const char *name;
	unsigned int least;
	int errors[6];
};

#define KILLS_LEAST 20

static const struct demand demands[NACTS] = {
	[ACT_INFO] = { "info", 10, { EINVAL, EFAULT } },
	[ACT_ALLOC] = { "alloc", 60, { EINVAL, EFAULT, E2BIG, EDQUOT, EBADF } },
	[ACT_FREE] = { "free", 30, { EINVAL, EFAULT, E2BIG, ENOENT, EBADF } },
	[ACT_QUERY] = { "query", 1, { EINVAL, EFAULT, ENOENT } },
	[ACT_STATS] = { "stats", 10, { EINVAL, EFAULT } },
	[ACT_TRIM] = { "trim", 4, { EPERM, EINVAL, EFAULT } },
	[ACT_SPLIT] = { "split", 3, { EINVAL, EFAULT, ENOENT } },
	[ACT_FILE] = { "file", 4, { EPERM, EINVAL, EFAULT } },
	[ACT_RUNS] = { "runs", 3, { EINVAL, EFAULT, ENOENT } },
	[ACT_EXPORT] = { "export", 3, { EINVAL, EFAULT, ENOENT } },
	[ACT_UNKNOWN] = { "unknown commands", 5, { ENOTTY } },
	[ACT_OPEN] = { "open", 50 },
	[ACT_CLOSE] = { "close", 30, { EBADF } },
	[ACT_DUP] = { "dup", 15, { EBADF } },
	[ACT_SEND] = { "descriptors sent", 15, { EBADF } },
	[ACT_RECEIVE] = { "descriptors received", 15, { EAGAIN } },
	[ACT_FILE_CALL] = { "calls for files", 5, { EINVAL } },
	[ACT_LIMIT] = { "limits of locked memory", 30 },
	[ACT_MAP] = { "mmap of a handle", 10, { EINVAL, EACCES, EBADF } },
	[ACT_MAP_FRESH] = { "mmap that allocates", 10, { EINVAL, EACCES, EDQUOT } },
	[ACT_UNMAP] = { "munmap", 30 },
	[ACT_REMAP] = { "mremap", 3, { EFAULT } },
	[ACT_PROTECT] = { "mprotect", 5, { ENOMEM, EACCES } },
	[ACT_LOCK] = { "mlock", 3, { ENOMEM } },
	[ACT_SYNC] = { "msync", 3, { EINVAL } },
	[ACT_INCORE] = { "mincore", 5 },
	[ACT_DROP] = { "madvise that drops", 3 },
	[ACT_POPULATE] = { "madvise that populates", 2 },
	[ACT_FORK_ADVICE] = { "madvise about fork", 3, { EINVAL } },
	[ACT_ADVICE] = { "madvise of other kinds", 3, { EINVAL } },
	[ACT_TOUCH] = { "pages touched", 5, { EFAULT } },
	[ACT_SHAKE] = { "arguments shaken", 30 },
	[ACT_VM_READ] = { "process_vm_readv", 2, { EFAULT } },
	[ACT_VM_WRITE] = { "process_vm_writev", 2, { EFAULT } },
	[ACT_PROC_MEM] = { "/proc/self/mem", 5, { EIO } },
	[ACT_DIRECT_READ] = { "direct reads", 3, { EFAULT, EINVAL } },
	[ACT_DIRECT_WRITE] = { "direct writes", 3, { EFAULT, EINVAL } },
	[ACT_VMSPLICE] = { "vmsplice", 5, { EFAULT } },
	[ACT_SPLICE] = { "splice", 1, { EAGAIN } },
	[ACT_DRAIN] = { "pipes drained", 4 },
	[ACT_FUTEX] = { "futex", 5, { EFAULT } },
	[ACT_URING] = { "io_uring buffers", 0, { EFAULT } },
	[ACT_EXPORT_MAP] = { "mmap of an export", 1, { EINVAL } },
	[ACT_EXPORT_SYNC] = { "sync of an export", 1, { EINVAL } },
	[ACT_EXPORT_SEEK] = { "lseek of an export", 1, { EINVAL } },
	[ACT_FDINFO] = { "fdinfo", 10 },
	[ACT_PROC] = { "/proc", 10 },
	[ACT_DEBUGFS] = { "debugfs", 3, { EACCES } },
	[ACT_CHECK] = { "checks of the heap at work", 3, { EACCES } },
	[ACT_POKE] = { "compactions and dropped caches", 1, { EACCES } },
	[ACT_FORK] = { "fork", 3 },
	[ACT_CLONE_FILES] = { "clone with shared descriptors", 1 },
	[ACT_EXEC] = { "exec", 1 },
};

static const char *const promises[NPROMISES] = {
	[KEPT_ERRORS] = "no error that the interface does not name",
	[KEPT_UNKNOWN] = "unknown commands are refused as such",
	[KEPT_PRIVILEGE] = "privileged calls are for the privileged",
	[KEPT_ADDRESSES] = "no physical address for the unprivileged",
	[KEPT_LIMITS] = "no limit above what the module allows",
	[KEPT_REPLIES] = "replies make sense",
	[KEPT_SOUND] = "the heap is sound at work",
};

static unsigned int nresults, nfailed;

__attribute__((format(printf, 2, 3)))
static void result(bool good, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("%s %u %s\n", good ? "ok" : "not ok", ++nresults, text);
	fflush(stdout);
	nfailed += !good;
}

static unsigned long counted(int act, int error)
{
	return atomic_load(&world->counts[act][error]);
}

unsigned long acts_done(void)
{
	unsigned long sum = 0;
	int act, error;

	for (act = 0; act < NACTS; act++)
		for (error = 0; error < NERRORS; error++)
			sum += counted(act, error);
	return sum;
}

static void print_counts(int act)
{
	char line[400];
	int error, n;

	n = snprintf(line, sizeof(line), "# %s: %lu ok", demands[act].name, counted(act, 0));
	for (error = 1; error < NERRORS && n < (int)sizeof(line) - 40; error++) {
		if (counted(act, error))
			n += snprintf(line + n, sizeof(line) - n, ", %lu %s", counted(act, error),
				      errno_name(error));
	}
	printf("%s\n", line);
}

static bool are_errors_met(int act)
{
	bool met = true;
	const int *error;

	for (error = demands[act].errors; *error; error++) {
		if (counted(act, *error))
			continue;
		printf("# %s never failed with %s\n", demands[act].name, errno_name(*error));
		met = false;
	}
	return met;
}

static void judge_acts(void)
{
	unsigned long least, all = acts_done();
	int act;

	printf("# %lu acts\n", all);
	for (act = 0; act < NACTS; act++) {
		print_counts(act);
		least = demands[act].least * all / 10000;
		if (demands[act].least && !least)
			least = 1;
		result(counted(act, 0) >= least && are_errors_met(act),
		       "done: %s, at least %lu times", demands[act].name, least);
	}
}

static void judge_promises(void)
{
	unsigned long broken;
	int i;

	for (i = 0; i < NPROMISES; i++) {
		broken = atomic_load(&world->broken[i]);
		if (broken)
			printf("# %lu times: %s\n", broken, world->message[i]);
		result(!broken, "kept: %s", promises[i]);
	}
}

static bool is_back(int fd, const char *name, size_t field)
{
	uint64_t found;

	if (dev_settles(fd, field, 0, &found))
		return true;
	printf("# %s stays at %llu\n", name, (unsigned long long)found);
	return false;
}

#define IS_BACK(fd, name) \
	is_back(fd, #name, offsetof(struct spanalloc_heap_stats, name))

static bool is_nothing_charged(int fd)
{
	struct spanalloc_file file = { 0 };

	if (ioctl(fd, SPANALLOC_IOC_FILE, &file)) {
		printf("# file: %s\n", errno_name(errno));
		return false;
	}
	if (file.device_pages)
		printf("# %llu pages are charged to the device\n",
		       (unsigned long long)file.device_pages);
	return !file.device_pages;
}

static void judge_heap(void)
{
	int fd = dev_open();
	unsigned int i;

	result(IS_BACK(fd, in_use_pages), "empty: pages in use");
	result(IS_BACK(fd, in_use_spans), "empty: spans in use");
	result(IS_BACK(fd, claimed_pages), "empty: claimed pages");
	result(IS_BACK(fd, quarantined_pages), "empty: quarantined pages");
	result(is_nothing_charged(fd), "empty: pages charged to the device");
	result(!access(DEV_CHECK_FILE, R_OK) && dev_heap_is_sound(), "the heap is sound");
	for (i = 0; i < NLOCKED_UIDS; i++)
		result(locked_is_exact(locked_uids[i]),
		       "user %u can lock what his limit allows, and no more", locked_uids[i]);
	close(fd);
}

int verdict(unsigned int nvictims, unsigned int kills, unsigned int crashes, bool all_dead)
{
	printf("1..%d\n", NACTS + NPROMISES + 6 + NLOCKED_UIDS + 3);
	judge_acts();
	judge_promises();
	result(kills >= KILLS_LEAST, "%u processes started, %u killed", nvictims, kills);
	result(!crashes, "no process broke by itself: %u", crashes);
	result(all_dead, "all processes are gone");
	judge_heap();
	printf("# %u results, %u failed\n", nresults, nfailed);
	return nfailed ? EXIT_FAILURE : EXIT_SUCCESS;
}
