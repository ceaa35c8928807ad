// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module, and what the kernel says of itself: see pressure.h.
 */
#include "pressure.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/klog.h>
#include <sys/syscall.h>

#define MODULE_FILE	"/lib/spanalloc/spanalloc.ko"
#define MUTE_FILE	"/lib/spanalloc/spanalloc_mute.ko"
#define DISK		"/dev/vda"
#define STATS_FILE	"/sys/kernel/debug/spanalloc/default/stats"

/* What syslog(2) calls SYSLOG_ACTION_CONSOLE_LEVEL. */
#define CONSOLE_LEVEL	8
#define LEVEL_QUIET	1

/* Something that is bound to happen does so within this. */
#define WAIT_SECONDS	30

static int kmsg = -1, level;

static void load(const char *path, const char *parameters)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK_OK(fd);
	CHECK_OK(syscall(SYS_finit_module, fd, parameters, 0));
	close(fd);
}

void module_load(const char *format, ...)
{
	/* Idle is what is freed, not what is left of it; who wants caches says so after that. */
	char parameters[256] = "cache_pages=0 ";
	size_t used = strlen(parameters);
	va_list args;

	va_start(args, format);
	vsnprintf(parameters + used, sizeof(parameters) - used, format, args);
	va_end(args);
	load(MODULE_FILE, parameters);
}

int module_try_unload(void)
{
	return syscall(SYS_delete_module, "spanalloc", O_NONBLOCK);
}

void module_unload(void)
{
	CHECK_OK(module_try_unload());
}

void mute_load(const char *function, int value)
{
	char parameters[128];

	snprintf(parameters, sizeof(parameters), "function=%s value=%d", function, value);
	load(MUTE_FILE, parameters);
}

int mute_try_unload(void)
{
	return syscall(SYS_delete_module, "spanalloc_mute", O_NONBLOCK);
}

/* The number behind a name, with or without a colon, that begins a line. */
static uint64_t number_of(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	unsigned long long value;
	char line[256], word[64];
	bool found = false;

	if (!file)
		FAIL("%s: errno %d (%s)", path, errno, errno_name(errno));
	while (!found && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %llu", word, &value) != 2)
			continue;
		word[strcspn(word, ":")] = '\0';
		found = !strcmp(word, name);
	}
	fclose(file);
	if (!found)
		FAIL("%s knows no %s", path, name);
	return value;
}

uint64_t heap_stat(const char *name)
{
	return number_of(STATS_FILE, name);
}

uint64_t heap_bytes(const char *name)
{
	return heap_stat(name) * page_size;
}

uint64_t granule_bytes(void)
{
	return heap_bytes("granule_pages");
}

uint64_t vm_stat(const char *name)
{
	return number_of("/proc/vmstat", name);
}

uint64_t meminfo_bytes(const char *name)
{
	return number_of("/proc/meminfo", name) << 10;
}

uint64_t cache_bytes(void)
{
	return meminfo_bytes("Active(file)") + meminfo_bytes("Inactive(file)");
}

uint64_t mute_count(void)
{
	FILE *file = fopen("/sys/module/spanalloc_mute/parameters/muted", "re");
	unsigned long long n;

	CHECK(file);
	CHECK_EQ(fscanf(file, "%llu", &n), 1);
	fclose(file);
	return n;
}

ssize_t try_tell(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error;
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	error = errno;
	close(fd);
	errno = error;
	return n;
}

void tell(const char *path, const char *text)
{
	if (try_tell(path, text) != (ssize_t)strlen(text))
		FAIL("writing \"%s\" to %s: errno %d (%s)", text, path, errno,
		     errno_name(errno));
}

bool is_text(const char *path, const char *text)
{
	char found[128] = "";
	FILE *file = fopen(path, "re");

	if (!file)
		return false;
	if (fgets(found, sizeof(found), file))
		found[strcspn(found, "\n")] = '\0';
	fclose(file);
	return !strcmp(found, text);
}

void read_disk(uint64_t nbytes)
{
	static char buffer[1 << 16];
	/* It stays open: nothing is cached of a disk that nobody has open. */
	int fd = open(DISK, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	CHECK_OK(fd);
	while (nbytes) {
		n = read(fd, buffer, nbytes < sizeof(buffer) ? nbytes : sizeof(buffer));
		CHECK(n > 0);
		nbytes -= n;
	}
}

void wait_above(const char *stat, uint64_t value)
{
	double deadline = seconds_now() + WAIT_SECONDS * patience();

	while (heap_stat(stat) <= value) {
		if (seconds_now() > deadline)
			FAIL("%s stays at %llu", stat, (unsigned long long)heap_stat(stat));
		sleep_ms(5);
	}
}

static int console_level(void)
{
	FILE *file = fopen("/proc/sys/kernel/printk", "re");
	int found;

	CHECK(file);
	CHECK_EQ(fscanf(file, "%d", &found), 1);
	fclose(file);
	return found;
}

void log_mark(void)
{
	level = console_level();
	/* A case has a position of its own, apart from the one it was born with. */
	if (kmsg >= 0)
		close(kmsg);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	CHECK_OK(kmsg);
	CHECK_OK(lseek(kmsg, 0, SEEK_END));
}

/* A record is "level,number,time,flags;text\n", and lines about it that begin with a blank. */
bool log_line(char *line, size_t size)
{
	char record[2048], *text;
	ssize_t n;

	do
		n = read(kmsg, record, sizeof(record) - 1);
	while (n < 0 && errno == EPIPE);
	if (n <= 0)
		return false;
	record[n] = '\0';
	text = strchr(record, ';');
	text = text ? text + 1 : record;
	text[strcspn(text, "\n")] = '\0';
	snprintf(line, size, "%s", text);
	return true;
}

void console_quiet(void)
{
	CHECK_OK(klogctl(CONSOLE_LEVEL, NULL, LEVEL_QUIET));
}

/*
 * What was to be expected: the report of the OOM killer has a stack dump in its first lines,
 * and it has killed the one who was to be killed. Anything else is shown as it is, for the
 * scan of the log to find.
 */
static const char *explained(const char *line, int *since_report)
{
	static char other[512];
	const char *rest = strstr(line, "Out of memory: Killed process ");

	if (strstr(line, "invoked oom-killer"))
		*since_report = 0;
	if (strstr(line, "Call Trace:") && *since_report < 8)
		return "Stack of who had no memory:";
	if (!rest || !strstr(rest, "(" EATER ")"))
		return line;
	snprintf(other, sizeof(other), "Killed as it should be: %s", strchr(rest, ':') + 2);
	return other;
}

void log_show(void)
{
	int since_report = 1000;
	char line[512];

	if (console_level() == level)
		return;
	CHECK_OK(klogctl(CONSOLE_LEVEL, NULL, level));
	for (; log_line(line, sizeof(line)); since_report++) {
		printf("[log] %s\n", explained(line, &since_report));
		fflush(stdout);
	}
}
