// SPDX-License-Identifier: GPL-2.0-only
/*
 * The spans of a heap: see spans.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "spans.h"

#define HEADING "base pages state released owner"
/* No heap is longer, so that no sum is too long for its type. */
#define NPAGES_MAX (UINT64_C(1) << 48)

static const char * const kind_names[NKINDS] = {
	[KIND_IN_USE] = "in-use",
	[KIND_CLAIMED] = "claimed",
	[KIND_QUARANTINED] = "quarantined",
	[KIND_CACHED] = "cached",
	[KIND_FREE] = "free",
};

const char *span_kind_name(enum span_kind kind)
{
	return kind_names[kind];
}

static bool find_kind(const char *name, enum span_kind *kind)
{
	int i;

	for (i = 0; i < NKINDS; i++) {
		if (strcmp(kind_names[i], name))
			continue;
		*kind = i;
		return true;
	}
	return false;
}

/* The number in the word at *@text, which moves behind it. */
static bool take_number(char **text, uint64_t *number)
{
	const char *word = strsep(text, " ");
	char *end;

	if (!word || *word < '0' || *word > '9')
		return false;
	errno = 0;
	*number = strtoull(word, &end, 10);
	return !errno && !*end && *number <= NPAGES_MAX;
}

static bool parse_line(char *line, struct span_entry *entry)
{
	const char *state;

	if (!take_number(&line, &entry->base) || !take_number(&line, &entry->npages))
		return false;
	state = strsep(&line, " ");
	if (!state || !find_kind(state, &entry->kind) ||
	    !take_number(&line, &entry->nreleased) || !line)
		return false;
	snprintf(entry->owner, sizeof(entry->owner), "%.*s", SPAN_OWNER_SIZE - 1, line);
	return entry->npages && entry->nreleased <= entry->npages;
}

static bool add(struct span_list *list, const struct span_entry *entry)
{
	struct span_entry *entries = array_room(list->entries, list->nentries, &list->room,
						sizeof(*entry));

	if (!entries)
		return false;
	list->entries = entries;
	list->entries[list->nentries++] = *entry;
	list->end = entry->base + entry->npages;
	return true;
}

/* What of the span is beyond those before it; false if nothing is. */
static bool clip(const struct span_list *list, struct span_entry *entry)
{
	uint64_t before;

	if (entry->base >= list->end)
		return true;
	before = list->end - entry->base;
	if (before >= entry->npages)
		return false;
	entry->base += before;
	entry->npages -= before;
	if (entry->nreleased > entry->npages)
		entry->nreleased = entry->npages;
	return true;
}

int spans_read(struct span_list *list, FILE *file, char *err, size_t errlen)
{
	struct span_entry entry;
	unsigned long nline = 0;
	char *line = NULL;
	size_t size = 0;
	int status = 0;

	while (!status && getline(&line, &size, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (!nline++ && !strcmp(line, HEADING))
			continue;
		status = -1;
		if (nline == 1)
			snprintf(err, errlen, "line 1: not the heading of spans");
		else if (!parse_line(line, &entry))
			snprintf(err, errlen, "line %lu: not a span", nline);
		else if (clip(list, &entry) && !add(list, &entry))
			snprintf(err, errlen, "line %lu: out of memory", nline);
		else
			status = 0;
	}
	free(line);
	if (!status && (ferror(file) || !nline)) {
		snprintf(err, errlen, "%s", nline ? "cannot be read" : "empty");
		status = -1;
	}
	if (status)
		spans_free(list);
	return status;
}

void spans_free(struct span_list *list)
{
	free(list->entries);
	*list = (struct span_list){ NULL, 0, 0, 0 };
}
