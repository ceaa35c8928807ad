// SPDX-License-Identifier: GPL-2.0-only
/*
 * spanctl check: has heaps verify their invariants, which reading a file of debugfs does.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "spanctl.h"
#include "text.h"

/* An array to sort: the names of heaps, allocated. */
struct names {
	char **names;
	size_t nnames;
};

static bool add_name(struct names *names, const char *name)
{
	char **all = realloc(names->names, (names->nnames + 1) * sizeof(*all));

	if (!all)
		return false;
	names->names = all;
	all[names->nnames] = strdup(name);
	return all[names->nnames] && ++names->nnames;
}

static void free_names(struct names *names)
{
	while (names->nnames)
		free(names->names[--names->nnames]);
	free(names->names);
}

static int compare(const void *one, const void *other)
{
	return strcmp(*(char *const *)one, *(char *const *)other);
}

/* The heaps that there are; a complaint, and false, if they cannot be had or are none. */
static bool find_heaps(const struct spanctl_options *options, struct names *names)
{
	DIR *folder = opendir(options->debugfs);
	struct dirent *dirent;
	bool good = true;

	if (!folder) {
		spanctl_complain("cannot read %s: %s%s", options->debugfs, strerror(errno),
				 errno == ENOENT ? " (is the module loaded, and debugfs mounted?)" :
				 "");
		return false;
	}
	while (good && (dirent = readdir(folder))) {
		if (dirent->d_name[0] != '.')
			good = add_name(names, dirent->d_name);
	}
	closedir(folder);
	if (!good)
		spanctl_complain("out of memory");
	else if (!names->nnames)
		spanctl_complain("no heaps in %s", options->debugfs);
	if (names->nnames)
		qsort(names->names, names->nnames, sizeof(*names->names), compare);
	return good && names->nnames;
}

/* The heap's word, in *@report, to be freed; NULL with a complaint if it has none. */
static void read_report(const struct spanctl_options *options, const char *name,
			char **report)
{
	char path[PATH_MAX];
	size_t size = 0;
	FILE *file;

	*report = NULL;
	if (!spanctl_heap_path(options, name, "check", path))
		return;
	file = fopen(path, "re");
	if (!file) {
		spanctl_complain("cannot read %s: %s", path, strerror(errno));
		return;
	}
	if (getline(report, &size, file) <= 0) {
		spanctl_complain("%s is empty", path);
		free(*report);
		*report = NULL;
	} else {
		(*report)[strcspn(*report, "\n")] = '\0';
	}
	fclose(file);
}

static bool is_sound(const char *report)
{
	return !strncmp(report, "ok", 2) && (!report[2] || report[2] == ' ');
}

static void print_report(const char *name, const char *report)
{
	text_put(stdout, name);
	fputs(": ", stdout);
	text_put(stdout, report);
	putchar('\n');
}

/* What is worse counts: a heap that is broken, then one that could not be asked. */
static enum spanctl_status check_one(const struct spanctl_options *options, const char *name,
				     struct json *json)
{
	enum spanctl_status status = SPANCTL_NO_DEVICE;
	char *report;

	read_report(options, name, &report);
	if (report)
		status = is_sound(report) ? SPANCTL_OK : SPANCTL_FAILED;
	if (!options->json) {
		if (report)
			print_report(name, report);
		free(report);
		return status;
	}
	json_open(json, NULL, '{');
	json_string(json, "name", name);
	if (report) {
		json_bool(json, "sound", is_sound(report));
		json_string(json, "report", report);
	} else {
		json_null(json, "sound");
		json_null(json, "report");
	}
	json_close(json, '}');
	free(report);
	return status;
}

static enum spanctl_status check_all(const struct spanctl_options *options, char **names,
				     size_t nnames)
{
	enum spanctl_status status = SPANCTL_OK, one;
	struct json json;
	size_t i;

	if (options->json) {
		json_begin(&json, stdout, JSON_TEXT);
		json_open(&json, "heaps", '[');
	}
	for (i = 0; i < nnames; i++) {
		one = check_one(options, names[i], &json);
		if (one == SPANCTL_FAILED || status == SPANCTL_OK)
			status = one;
	}
	if (options->json) {
		json_close(&json, ']');
		json_end(&json);
	}
	return status;
}

enum spanctl_status spanctl_check(const struct spanctl_options *options, char **args, int nargs)
{
	enum spanctl_status status = SPANCTL_NO_DEVICE;
	struct names names = { NULL, 0 };
	char path[PATH_MAX];
	int i;

	/* Before one is asked. */
	for (i = 0; i < nargs; i++) {
		if (!spanctl_heap_path(options, args[i], "check", path))
			return SPANCTL_USAGE;
	}
	if (nargs)
		return check_all(options, args, nargs);
	if (find_heaps(options, &names))
		status = check_all(options, names.names, names.nnames);
	free_names(&names);
	return status;
}
