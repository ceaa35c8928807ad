// SPDX-License-Identifier: GPL-2.0-only
/*
 * spanctl info, version and trim: a question each.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* For the version, which stands there alone. */
#include "../internal.h"
#include "json.h"
#include "spanctl.h"

struct bit_name {
	uint64_t bit;
	const char *name;
};

static const struct bit_name features[] = {
	{ SPANALLOC_FEATURE_CONTIG, "contig" },
	{ SPANALLOC_FEATURE_SPLIT, "split" },
	{ SPANALLOC_FEATURE_MMAP, "mmap" },
	{ SPANALLOC_FEATURE_EXPORT, "export" },
};

static const struct bit_name alloc_flags[] = {
	{ SPANALLOC_ALLOC_CONTIG, "contig" },
	{ SPANALLOC_ALLOC_POPULATE, "populate" },
	{ SPANALLOC_ALLOC_REPORT, "report" },
};

#define VERSION_SIZE 32

static void format_version(char text[VERSION_SIZE], uint32_t version)
{
	snprintf(text, VERSION_SIZE, "%u.%u.%u", version >> 16, version >> 8 & 0xff,
		 version & 0xff);
}

/* Bits without a name here are of a newer module. */
static void print_bits(const char *label, uint64_t bits, const struct bit_name *names,
		       size_t nnames)
{
	size_t i;

	printf("%-15s", label);
	for (i = 0; i < nnames; i++) {
		if (bits & names[i].bit)
			printf(" %s", names[i].name);
		bits &= ~names[i].bit;
	}
	if (bits)
		printf(" and %#llx", (unsigned long long)bits);
	putchar('\n');
}

static void json_bits(struct json *json, const char *name, uint64_t bits,
		      const struct bit_name *names, size_t nnames)
{
	size_t i;

	json_open(json, name, '[');
	for (i = 0; i < nnames; i++) {
		if (bits & names[i].bit)
			json_string(json, NULL, names[i].name);
	}
	json_close(json, ']');
}

static void print_info(const struct spanalloc_info *info, const char *version)
{
	printf("%-15s %12s\n", "version", version);
	printf("%-15s %12u bytes\n", "page size", info->page_size);
	printf("%-15s %12llu pages %12.1f MiB\n", "granule",
	       (unsigned long long)info->granule_pages,
	       spanctl_mib(info->granule_pages, info->page_size));
	printf("%-15s %12llu pages %12.1f MiB\n", "longest",
	       (unsigned long long)info->max_pages,
	       spanctl_mib(info->max_pages, info->page_size));
	print_bits("features", info->features, features, ARRAY_SIZE(features));
	print_bits("flags of alloc", info->alloc_flags, alloc_flags,
		   ARRAY_SIZE(alloc_flags));
}

static void json_info(const struct spanalloc_info *info, const char *version)
{
	struct json json;

	json_begin(&json, stdout, JSON_TEXT);
	json_string(&json, "version", version);
	json_number(&json, "page_size", info->page_size);
	json_number(&json, "granule_pages", info->granule_pages);
	json_number(&json, "max_pages", info->max_pages);
	json_bits(&json, "features", info->features, features, ARRAY_SIZE(features));
	json_bits(&json, "alloc_flags", info->alloc_flags, alloc_flags,
		  ARRAY_SIZE(alloc_flags));
	json_end(&json);
}

enum spanctl_status spanctl_info(const struct spanctl_options *options, char **args, int nargs)
{
	struct spanalloc_info info;
	char version[VERSION_SIZE];
	int fd = spanctl_open(options->device, O_RDONLY, &info);

	(void)args;
	(void)nargs;
	if (fd < 0)
		return SPANCTL_NO_DEVICE;
	close(fd);
	format_version(version, info.version);
	if (options->json)
		json_info(&info, version);
	else
		print_info(&info, version);
	return SPANCTL_OK;
}

/* Answers for this program even where there is no device to ask. */
enum spanctl_status spanctl_version(const struct spanctl_options *options, char **args,
				    int nargs)
{
	char own[VERSION_SIZE], module[VERSION_SIZE];
	struct spanalloc_info info;
	struct json json;
	int fd = spanalloc_open(options->device, O_RDONLY);
	bool there = fd >= 0 && !spanalloc_get_info(fd, &info);

	(void)args;
	(void)nargs;
	if (fd >= 0)
		close(fd);
	format_version(own, SPAN_VERSION_MAJOR << 16 | SPAN_VERSION_MINOR << 8 |
		       SPAN_VERSION_PATCH);
	if (there)
		format_version(module, info.version);
	if (!options->json) {
		printf("spanctl %s\n", own);
		if (there)
			printf("spanalloc %s\n", module);
		return SPANCTL_OK;
	}
	json_begin(&json, stdout, JSON_TEXT);
	json_string(&json, "spanctl", own);
	if (there)
		json_string(&json, "spanalloc", module);
	else
		json_null(&json, "spanalloc");
	json_end(&json);
	return SPANCTL_OK;
}

/* False, with a complaint, if it is no wish that can be met. */
static bool parse_wish(const struct spanctl_options *options, const char *text,
		       uint64_t *npages)
{
	*npages = SPANALLOC_ALL_PAGES;
	if (!text || !strcmp(text, "all"))
		return true;
	if (!spanctl_parse_number(text, npages)) {
		spanctl_complain("trim takes a number of pages or 'all', not '%s'", text);
		return false;
	}
	if (*npages || options->drain)
		return true;
	spanctl_complain("trim takes 0 pages only with --drain");
	return false;
}

enum spanctl_status spanctl_trim(const struct spanctl_options *options, char **args, int nargs)
{
	struct spanalloc_info info;
	uint64_t npages, released;
	struct json json;
	int fd, err;

	if (!parse_wish(options, nargs ? args[0] : NULL, &npages))
		return SPANCTL_USAGE;
	fd = spanctl_open(options->device, O_RDONLY, &info);
	if (fd < 0)
		return SPANCTL_NO_DEVICE;
	err = spanalloc_trim(fd, npages, options->drain ? SPANALLOC_TRIM_DRAIN : 0, &released);
	close(fd);
	if (err) {
		spanctl_complain("cannot trim: %s", strerror(-err));
		return SPANCTL_FAILED;
	}
	if (!options->json) {
		printf("returned %llu pages (%.1f MiB)\n", (unsigned long long)released,
		       spanctl_mib(released, info.page_size));
		return SPANCTL_OK;
	}
	json_begin(&json, stdout, JSON_TEXT);
	json_number(&json, "released_pages", released);
	json_number(&json, "page_size", info.page_size);
	json_end(&json);
	return SPANCTL_OK;
}
