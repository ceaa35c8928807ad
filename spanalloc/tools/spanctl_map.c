// SPDX-License-Identifier: GPL-2.0-only
/*
 * spanctl map: a heap's address space as a picture.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <langinfo.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "json.h"
#include "picture.h"
#include "spanctl.h"

#define HEAP_DEFAULT	"default"
#define WIDTH_DEFAULT	80

static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

/* Columns of the terminal, else those that the environment tells of. */
static unsigned int find_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	uint64_t number;

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col)
		return size.ws_col;
	if (columns && spanctl_parse_number(columns, &number) && number && number <= USHRT_MAX)
		return number;
	return WIDTH_DEFAULT;
}

static bool has_colours(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !is_set("NO_COLOR") && term && strcmp(term, "dumb");
}

static bool draw_text(const struct spanctl_options *options, const char *heap,
		      const struct span_list *list)
{
	struct picture_style style = {
		.width = options->width ? options->width : find_width(),
		.unicode = !options->ascii && !strcmp(nl_langinfo(CODESET), "UTF-8"),
		.colour = has_colours(),
		.page_size = sysconf(_SC_PAGESIZE),
	};

	if (picture_text(stdout, heap, list, &style))
		return true;
	spanctl_complain("out of memory");
	return false;
}

static bool draw_svg(const char *path, const char *heap, const struct span_list *list)
{
	bool good;
	FILE *out;

	if (!strcmp(path, "-")) {
		picture_svg(stdout, heap, list, sysconf(_SC_PAGESIZE));
		return true;
	}
	out = fopen(path, "we");
	if (!out) {
		spanctl_complain("cannot write %s: %s", path, strerror(errno));
		return false;
	}
	picture_svg(out, heap, list, sysconf(_SC_PAGESIZE));
	good = !fflush(out) && !ferror(out);
	if (fclose(out) || !good) {
		spanctl_complain("cannot write %s: %s", path, strerror(errno));
		return false;
	}
	return true;
}

static void write_json(const char *heap, const struct span_list *list)
{
	const struct span_entry *entry;
	struct json json;
	size_t i;

	json_begin(&json, stdout, JSON_TEXT);
	json_string(&json, "heap", heap);
	json_number(&json, "page_size", sysconf(_SC_PAGESIZE));
	json_number(&json, "pages", list->end);
	json_open(&json, "spans", '[');
	for (i = 0; i < list->nentries; i++) {
		entry = &list->entries[i];
		json_open(&json, NULL, '{');
		json_number(&json, "base", entry->base);
		json_number(&json, "pages", entry->npages);
		json_string(&json, "state", span_kind_name(entry->kind));
		json_number(&json, "released", entry->nreleased);
		json_string(&json, "owner", entry->owner);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_end(&json);
}

static enum spanctl_status read_spans(const struct spanctl_options *options, const char *heap,
				      struct span_list *list)
{
	char path[PATH_MAX], reason[80];
	FILE *file;
	int err;

	if (!spanctl_heap_path(options, heap, "spans", path))
		return SPANCTL_USAGE;
	file = fopen(path, "re");
	if (!file) {
		spanctl_complain("cannot read %s: %s", path, strerror(errno));
		return SPANCTL_NO_DEVICE;
	}
	err = spans_read(list, file, reason, sizeof(reason));
	fclose(file);
	if (!err)
		return SPANCTL_OK;
	spanctl_complain("%s: %s", path, reason);
	return SPANCTL_FAILED;
}

enum spanctl_status spanctl_map(const struct spanctl_options *options, char **args, int nargs)
{
	const char *heap = nargs ? args[0] : HEAP_DEFAULT;
	struct span_list list = { NULL, 0, 0, 0 };
	enum spanctl_status status;
	bool good = true;

	if (options->svg && options->json) {
		spanctl_complain("map: --svg and --json exclude each other");
		return SPANCTL_USAGE;
	}
	status = read_spans(options, heap, &list);
	if (status != SPANCTL_OK)
		return status;
	if (options->svg)
		good = draw_svg(options->svg, heap, &list);
	else if (options->json)
		write_json(heap, &list);
	else
		good = draw_text(options, heap, &list);
	spans_free(&list);
	return good ? SPANCTL_OK : SPANCTL_FAILED;
}
