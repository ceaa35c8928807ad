// SPDX-License-Identifier: GPL-2.0-only
/*
 * What processes hold: see fdinfo.h.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "array.h"
#include "fdinfo.h"
#include "spanctl.h"

/* "key:\tvalue", what the value is being said by the key alone. */
static const struct key {
	const char *name;
	size_t offset;
} keys[] = {
	{ "spanalloc-pages", offsetof(struct fdinfo, pages) },
	{ "spanalloc-limit", offsetof(struct fdinfo, limit) },
	{ "spanalloc-handles", offsetof(struct fdinfo, handles) },
	{ "spanalloc-quarantined", offsetof(struct fdinfo, quarantined) },
	{ "spanalloc-allocs", offsetof(struct fdinfo, allocs) },
};

static void set_value(struct fdinfo *entry, const struct key *key, uint64_t value)
{
	memcpy((char *)entry + key->offset, &value, sizeof(value));
}

/* The rest of a line behind its key. A word instead of a number is no limit. */
static bool parse_value(const char *text, uint64_t *value)
{
	char *end;

	text += strspn(text, " \t");
	if (*text < '0' || *text > '9') {
		*value = UINT64_MAX;
		return *text && *text != '\n' && *text != '-';
	}
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && (!*end || *end == '\n' || *end == ' ');
}

static bool parse_line(const char *line, struct fdinfo *entry, unsigned int *seen)
{
	uint64_t value;
	size_t length, i;

	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		length = strlen(keys[i].name);
		if (strncmp(line, keys[i].name, length) || line[length] != ':')
			continue;
		if (!parse_value(line + length + 1, &value))
			return false;
		set_value(entry, &keys[i], value);
		*seen |= 1u << i;
	}
	return true;
}

/*
 * All keys have to be there: other files have text of their owner's choice among their
 * lines, the name of a dma-buf for instance, which has room for one.
 */
bool fdinfo_parse(FILE *file, struct fdinfo *entry)
{
	unsigned int seen = 0;
	char *line = NULL;
	bool good = true;
	size_t size = 0, i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		set_value(entry, &keys[i], 0);
	entry->limit = UINT64_MAX;
	while (good && getline(&line, &size, file) > 0)
		good = parse_line(line, entry, &seen);
	free(line);
	return good && seen == (1u << ARRAY_SIZE(keys)) - 1;
}

/* Of a folder's entries the numbers alone are processes, or descriptors. */
static bool parse_name(const char *name, uint32_t *number)
{
	unsigned long value;
	char *end;

	if (*name < '0' || *name > '9')
		return false;
	value = strtoul(name, &end, 10);
	*number = value;
	return !*end && value <= INT_MAX;
}

static FILE *open_at(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

	if (!file && fd >= 0)
		close(fd);
	return file;
}

static DIR *open_folder_at(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

static void read_command(int process, char command[FDINFO_NAME_SIZE])
{
	FILE *file = open_at(process, "comm");

	strcpy(command, "?");
	if (!file)
		return;
	if (fgets(command, FDINFO_NAME_SIZE, file))
		command[strcspn(command, "\n")] = '\0';
	fclose(file);
}

static bool add(struct fdinfo_list *list, const struct fdinfo *entry)
{
	struct fdinfo *entries = array_room(list->entries, list->nentries, &list->room,
					    sizeof(*entry));

	if (!entries)
		return false;
	list->entries = entries;
	list->entries[list->nentries++] = *entry;
	return true;
}

/* The descriptors of one process; false without memory. */
static bool collect_process(struct fdinfo_list *list, int process, uint32_t pid)
{
	DIR *folder = open_folder_at(process, "fdinfo");
	struct fdinfo entry = { .pid = pid };
	struct dirent *dirent;
	bool good = true;
	FILE *file;

	if (!folder) {
		list->nhidden += errno == EACCES || errno == EPERM;
		return true;
	}
	while (good && (dirent = readdir(folder))) {
		if (!parse_name(dirent->d_name, &entry.fd))
			continue;
		file = open_at(dirfd(folder), dirent->d_name);
		if (!file)
			continue;
		if (fdinfo_parse(file, &entry)) {
			read_command(process, entry.command);
			good = add(list, &entry);
		}
		fclose(file);
	}
	closedir(folder);
	return good;
}

static int compare(const void *one, const void *other)
{
	const struct fdinfo *a = one, *b = other;

	if (a->pages != b->pages)
		return a->pages > b->pages ? -1 : 1;
	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	return a->fd < b->fd ? -1 : a->fd > b->fd;
}

int fdinfo_collect(struct fdinfo_list *list, const char *proc)
{
	DIR *folder = opendir(proc), *process;
	struct dirent *dirent;
	bool good = true;
	uint32_t pid;

	if (!folder)
		return errno;
	while (good && (dirent = readdir(folder))) {
		if (!parse_name(dirent->d_name, &pid))
			continue;
		process = open_folder_at(dirfd(folder), dirent->d_name);
		if (!process)
			continue;
		good = collect_process(list, dirfd(process), pid);
		closedir(process);
	}
	closedir(folder);
	if (list->nentries)
		qsort(list->entries, list->nentries, sizeof(*list->entries), compare);
	return good ? 0 : ENOMEM;
}

void fdinfo_free(struct fdinfo_list *list)
{
	free(list->entries);
	*list = (struct fdinfo_list){ NULL, 0, 0, 0 };
}
