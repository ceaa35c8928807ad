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
 * @least: how often it has to have succeeded in a minute
 * @errors: each must have been met; 0 ends them
 */
struct demand {
	const char *name;
	unsigned int least;
	int errors[6];
};

static const struct demand demands[NACTS] = {
	[ACT_INFO] = { "info", 20, { EINVAL, EFAULT, E2BIG, EBADF } },
	[ACT_ALLOC] = { "alloc", 200, { EINVAL, EFAULT, E2BIG, EDQUOT, EBADF } },
	[ACT_FREE] = { "free", 100, { EINVAL, EFAULT, E2BIG, ENOENT, EBADF } },
	[ACT_QUERY] = { "query", 10, { EINVAL, EFAULT, ENOENT } },
	[ACT_STATS] = { "stats", 10, { EINVAL, EFAULT, E2BIG } },
	[ACT_TRIM] = { "trim", 5, { EPERM, EINVAL, EFAULT } },
	[ACT_SPLIT] = { "split", 5, { EINVAL, EFAULT, ENOENT } },
	[ACT_FILE] = { "file", 10, { EPERM, EINVAL, EFAULT } },
	[ACT_RUNS] = { "runs", 5, { EINVAL, EFAULT, ENOENT } },
	[ACT_EXPORT] = { "export", 5, { EINVAL, EFAULT, ENOENT } },
	[ACT_UNKNOWN] = { "unknown commands", 1, { ENOTTY } },
	[ACT_OPEN] = { "open", 50 },
	[ACT_CLOSE] = { "close", 50, { EBADF } },
	[ACT_DUP] = { "dup", 20, { EBADF } },
	[ACT_SEND] = { "descriptors sent", 20, { EBADF } },
	[ACT_RECEIVE] = { "descriptors received", 20, { EAGAIN } },
	[ACT_FILE_CALL] = { "calls for files", 10, { EINVAL } },
	[ACT_LIMIT] = { "limits of locked memory", 20 },
	[ACT_MAP] = { "mmap of a handle", 30, { EINVAL, EACCES, EBADF } },
	[ACT_MAP_FRESH] = { "mmap that allocates", 30, { EINVAL, EACCES, EDQUOT } },
	[ACT_UNMAP] = { "munmap", 100 },
	[ACT_REMAP] = { "mremap", 20, { EFAULT } },
	[ACT_PROTECT] = { "mprotect", 20, { ENOMEM, EACCES } },
	[ACT_LOCK] = { "mlock", 10, { ENOMEM } },
	[ACT_SYNC] = { "msync", 10, { EINVAL } },
	[ACT_INCORE] = { "mincore", 10 },
	[ACT_DROP] = { "madvise that drops", 10 },
	[ACT_POPULATE] = { "madvise that populates", 5 },
	[ACT_FORK_ADVICE] = { "madvise about fork", 10, { EINVAL } },
	[ACT_ADVICE] = { "madvise of other kinds", 10, { EINVAL } },
	[ACT_TOUCH] = { "pages touched", 50, { EFAULT } },
	[ACT_SHAKE] = { "arguments shaken", 50 },
	[ACT_VM_READ] = { "process_vm_readv", 10, { EFAULT } },
	[ACT_VM_WRITE] = { "process_vm_writev", 10, { EFAULT } },
	[ACT_PROC_MEM] = { "/proc/self/mem", 5, { EIO } },
	[ACT_DIRECT_READ] = { "direct reads", 5, { EFAULT, EINVAL } },
	[ACT_DIRECT_WRITE] = { "direct writes", 5, { EFAULT, EINVAL } },
	[ACT_VMSPLICE] = { "vmsplice", 20, { EFAULT } },
	[ACT_SPLICE] = { "splice", 10, { EAGAIN } },
	[ACT_DRAIN] = { "pipes drained", 20 },
	[ACT_FUTEX] = { "futex", 10, { EFAULT } },
	[ACT_URING] = { "io_uring buffers", 0, { EFAULT } },
	[ACT_EXPORT_MAP] = { "mmap of an export", 3, { EINVAL } },
	[ACT_EXPORT_SYNC] = { "sync of an export", 3, { EINVAL } },
	[ACT_EXPORT_SEEK] = { "lseek of an export", 3, { EINVAL } },
	[ACT_FDINFO] = { "fdinfo", 10 },
	[ACT_PROC] = { "/proc", 10 },
	[ACT_DEBUGFS] = { "debugfs", 3, { EACCES } },
	[ACT_CHECK] = { "checks of the heap at work", 3, { EACCES } },
	[ACT_POKE] = { "compactions and dropped caches", 1, { EACCES } },
	[ACT_FORK] = { "fork", 5 },
	[ACT_CLONE_FILES] = { "clone with shared descriptors", 5 },
	[ACT_EXEC] = { "exec", 2 },
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
static double minutes;

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

void verdict_init(double seconds)
{
	minutes = seconds / 60;
}

static unsigned long counted(int act, int error)
{
	return atomic_load(&world->counts[act][error]);
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
	unsigned long least;
	int act;

	for (act = 0; act < NACTS; act++) {
		print_counts(act);
		least = demands[act].least * minutes;
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
	result(kills >= 60 * minutes && kills, "%u processes started, %u killed", nvictims, kills);
	result(!crashes, "no process broke by itself: %u", crashes);
	result(all_dead, "all processes are gone");
	judge_heap();
	printf("# %u results, %u failed\n", nresults, nfailed);
	return nfailed ? EXIT_FAILURE : EXIT_SUCCESS;
}
