// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: the reader of recorded traces. What it accepts must say the same as the
 * text, line by line; what it refuses must be good up to the line that it names, and
 * that line must deserve it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ktap.h"
#include "tools/trace.h"

#include "fuzz.h"

const char fuzz_target[] = "trace";

/* The text as a file; returns what trace_load() does. */
static int load(struct trace *trace, const uint8_t *data, size_t size, char *err,
		size_t errlen)
{
	int fd = memfd_create("trace", 0), got;
	char path[64];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	got = trace_load(trace, path, err, errlen);
	close(fd);
	return got;
}

/* The number at *@at without its leading zeros, as text, of at most @size bytes. */
static void copy_number(const char **at, const char *end, char *to, size_t size)
{
	size_t n = 0;

	while (*at + 1 < end && **at == '0' && (*at)[1] >= '0' && (*at)[1] <= '9')
		++*at;
	for (; *at < end && **at >= '0' && **at <= '9' && n + 1 < size; ++*at)
		to[n++] = **at;
	to[n] = '\0';
}

/* Does the event say what stands in [@at, @end)? */
static bool says(const struct trace_event *event, const char *at, const char *end)
{
	char id[32] = "", npages[32] = "", line[96], expected[96];
	char op = at < end ? *at++ : '?';

	if (at < end && *at++ == ' ')
		copy_number(&at, end, id, sizeof(id));
	if (op == 'a' && at < end && *at++ == ' ')
		copy_number(&at, end, npages, sizeof(npages));
	snprintf(line, sizeof(line), "%c %s %s", op, id, npages);
	snprintf(expected, sizeof(expected), "%c %" PRIu64 " ", event->op, event->id);
	if (event->op == 'a')
		snprintf(expected + strlen(expected), 32, "%" PRIu64, event->npages);
	return EXPECT(at == end && !strcmp(line, expected), "'%s' was read as '%s'", line,
		      expected);
}

/* The allocation that event @i belongs to is the last one of its ID, and the only one. */
static bool is_in_order(const struct trace *trace, size_t i)
{
	const struct trace_event *event = &trace->events[i], *before;
	size_t nallocs = 0, nsame = 0, nfrees = 0;

	for (before = trace->events; before < event; before++) {
		nallocs += before->op == 'a';
		if (before->id != event->id)
			continue;
		nsame += before->op == 'a';
		nfrees += before->op == 'f';
		if (!EXPECT(before->slot == event->slot && before->npages == event->npages,
			    "slot and length of event %zu", i))
			return false;
	}
	if (event->op == 'a')
		return EXPECT(!nsame && event->slot == nallocs && event->npages &&
			      event->npages <= TRACE_NPAGES_MAX, "allocation %zu", i);
	return EXPECT(nsame == 1 && !nfrees, "free %zu", i);
}

static bool is_the_text(const struct trace *trace, const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *all = at + size;
	size_t i, nallocs = 0;

	for (i = 0; at < all; i++) {
		const char *end = memchr(at, '\n', all - at) ? : all;

		if (!EXPECT(i < trace->nevents && trace->events[i].line == i + 1,
			    "line %zu", i + 1) ||
		    !says(&trace->events[i], at, end) || !is_in_order(trace, i))
			return false;
		nallocs += trace->events[i].op == 'a';
		at = end + 1;
	}
	return EXPECT_EQ(trace->nevents, i) && EXPECT_EQ(trace->nids, nallocs);
}

/* Bytes up to the end of line @n. */
static size_t lines_end(const uint8_t *data, size_t size, uint64_t n)
{
	size_t at = 0;

	while (n && at < size)
		n -= data[at++] == '\n';
	return at;
}

/* Is the ID allocated behind the events, and has it ever been? */
static void history(const struct trace *trace, uint64_t id, bool *live, bool *known)
{
	size_t i;

	*live = *known = false;
	for (i = 0; i < trace->nevents; i++)
		if (trace->events[i].id == id) {
			*live = trace->events[i].op == 'a';
			*known = true;
		}
}

/* Behind the events of @before, is the line none? */
static bool is_no_event(const struct trace *before, const char *line)
{
	uint64_t id, npages = 1;
	bool live, known;
	regex_t form;
	char *end;
	int match;

	if (regcomp(&form, "^(a [0-9]+ [0-9]+|f [0-9]+)$", REG_EXTENDED | REG_NOSUB))
		abort();
	match = regexec(&form, line, 0, NULL, 0);
	regfree(&form);
	if (match)
		return true;
	errno = 0;
	id = strtoull(line + 2, &end, 10);
	if (*line == 'a')
		npages = strtoull(end, NULL, 10);
	if (errno || !npages || npages > TRACE_NPAGES_MAX)
		return true;
	history(before, id, &live, &known);
	return *line == 'a' ? known : !live;
}

static bool is_refused_rightly(const uint8_t *data, size_t size, const char *err)
{
	char other[128], *text;
	struct trace trace;
	uint64_t line = 0;
	size_t from, end;
	bool good;

	if (!EXPECT(sscanf(err, "line %" SCNu64 ": ", &line) == 1 && line > 0, "'%s'", err))
		return false;
	from = lines_end(data, size, line - 1 + fuzz_lie);
	end = lines_end(data, size, line + fuzz_lie);
	if (!EXPECT(from < size, "'%s', which is behind the end", err) ||
	    !EXPECT(load(&trace, data, from, other, sizeof(other)) == TRACE_OK,
		    "'%s', but before '%s'", err, other))
		return false;
	/* A zero byte is in no event. */
	text = strndup((const char *)data + from, end - from - (data[end - 1] == '\n'));
	good = memchr(data + from, 0, end - from) ||
	       EXPECT(is_no_event(&trace, text), "'%s', but it is good: '%s'", err, text);
	free(text);
	trace_free(&trace);
	return good;
}

bool fuzz_input(const uint8_t *data, size_t size)
{
	struct trace trace;
	char err[128] = "";
	bool good;

	if (fuzz_talk)
		printf("%.*s\n", (int)size, (const char *)data);
	switch (load(&trace, data, size, err, sizeof(err))) {
	case TRACE_OK:
		trace.nids += fuzz_lie;
		good = is_the_text(&trace, data, size);
		trace_free(&trace);
		return good;
	case TRACE_MALFORMED:
		return is_refused_rightly(data, size, err);
	default:
		return EXPECT(false, "%s", err);
	}
}
