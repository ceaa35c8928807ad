// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading recorded traces: the file into memory, the lines into events, the IDs
 * through a hash table into small numbers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trace.h"

extern char **environ;

/**
 * struct text - a file in memory
 * @data: what was read
 * @size: how much
 * @whose: before an error's words, whose it is if not the file's
 */
struct text {
	char *data;
	size_t size;
	const char *whose;
};

/**
 * struct id_entry - an ID that was allocated
 * @id: the ID
 * @npages: the allocation's length; 0 marks an empty entry
 * @slot: its number
 * @freed: it was freed
 */
struct id_entry {
	uint64_t id;
	uint64_t npages;
	uint32_t slot;
	bool freed;
};

/**
 * struct parser - a trace that is being read
 * @trace: what there is of it
 * @room: events that fit
 * @ids: hash table of the IDs, open addressing
 * @ids_room: its length, a power of two; never more than half full
 * @line: number of the line
 * @err: for the message
 * @errlen: size of @err
 */
struct parser {
	struct trace *trace;
	size_t room;
	struct id_entry *ids;
	size_t ids_room;
	uint64_t line;
	char *err;
	size_t errlen;
};

__attribute__((format(printf, 2, 3)))
static int malformed(struct parser *parser, const char *format, ...)
{
	va_list args;
	int length;

	length = snprintf(parser->err, parser->errlen, "line %" PRIu64 ": ", parser->line);
	if (length < 0 || (size_t)length >= parser->errlen)
		return TRACE_MALFORMED;
	va_start(args, format);
	vsnprintf(parser->err + length, parser->errlen - length, format, args);
	va_end(args);
	return TRACE_MALFORMED;
}

static int no_memory(struct parser *parser)
{
	snprintf(parser->err, parser->errlen, "line %" PRIu64 ": out of memory", parser->line);
	return TRACE_UNREADABLE;
}

/* Reading. */

static int unreadable(char *err, size_t errlen, const char *whose, int error)
{
	snprintf(err, errlen, "cannot be read: %s%s", whose, strerror(error));
	return TRACE_UNREADABLE;
}

static int read_all(int fd, struct text *text)
{
	size_t room = 0;
	ssize_t n;

	for (;;) {
		if (text->size == room) {
			char *data;

			room = room ? 2 * room : 65536;
			data = realloc(text->data, room);
			if (!data)
				return ENOMEM;
			text->data = data;
		}
		n = read(fd, text->data + text->size, room - text->size);
		if (n < 0 && errno != EINTR)
			return errno;
		if (n == 0)
			return 0;
		if (n > 0)
			text->size += n;
	}
}

/* Start gzip(1) on the open file @fd; its output is in *@out. */
static int start_gzip(int fd, int *out, pid_t *pid)
{
	char *const argv[] = { "gzip", "-dc", NULL };
	posix_spawn_file_actions_t actions;
	int ends[2], error;

	if (pipe2(ends, O_CLOEXEC))
		return errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	error = posix_spawnp(pid, "gzip", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (error)
		close(ends[0]);
	else
		*out = ends[0];
	return error;
}

/* *@damaged tells that gzip was not content with what it read. */
static int read_packed(int fd, struct text *text, bool *damaged)
{
	int out = -1, status, error;
	pid_t pid;

	error = start_gzip(fd, &out, &pid);
	if (error) {
		/* The file is there. */
		text->whose = "gzip: ";
		return error;
	}
	error = read_all(out, text);
	close(out);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return errno;
	*damaged = status;
	return error;
}

static int read_file(const char *path, struct text *text, bool *damaged)
{
	size_t length = strlen(path);
	int fd, error;

	if (!strcmp(path, "-"))
		return read_all(STDIN_FILENO, text);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (length > 3 && !strcmp(path + length - 3, ".gz"))
		error = read_packed(fd, text, damaged);
	else
		error = read_all(fd, text);
	close(fd);
	return error;
}

/* IDs. */

/* The entry of @id, or the empty one where it belongs. */
static struct id_entry *find_id(const struct parser *parser, uint64_t id)
{
	uint64_t hash = id * UINT64_C(0x9e3779b97f4a7c15);
	size_t at = (hash ^ hash >> 32) & (parser->ids_room - 1);

	while (parser->ids[at].npages && parser->ids[at].id != id)
		at = (at + 1) & (parser->ids_room - 1);
	return &parser->ids[at];
}

static bool make_room_for_id(struct parser *parser)
{
	struct id_entry *was = parser->ids;
	size_t room = parser->ids_room, i;

	if (2 * parser->trace->nids < room)
		return true;
	parser->ids_room = room ? 2 * room : 1024;
	parser->ids = calloc(parser->ids_room, sizeof(*parser->ids));
	if (!parser->ids) {
		parser->ids = was;
		parser->ids_room = room;
		return false;
	}
	for (i = 0; i < room; i++)
		if (was[i].npages)
			*find_id(parser, was[i].id) = was[i];
	free(was);
	return true;
}

/* Lines. */

static bool make_room_for_event(struct parser *parser)
{
	struct trace_event *events;
	size_t room = parser->room ? 2 * parser->room : 1024;

	if (parser->trace->nevents < parser->room)
		return true;
	events = realloc(parser->trace->events, room * sizeof(*events));
	if (!events)
		return false;
	parser->trace->events = events;
	parser->room = room;
	return true;
}

static int add_event(struct parser *parser, char op, const struct id_entry *entry)
{
	if (!make_room_for_event(parser))
		return no_memory(parser);
	parser->trace->events[parser->trace->nevents++] = (struct trace_event) {
		.op = op, .slot = entry->slot, .id = entry->id, .npages = entry->npages,
		.line = parser->line,
	};
	return TRACE_OK;
}

static int add_alloc(struct parser *parser, uint64_t id, uint64_t npages)
{
	struct id_entry *entry;

	if (!npages || npages > TRACE_NPAGES_MAX)
		return malformed(parser, "%" PRIu64 " pages: want 1 to %" PRIu64, npages,
				 TRACE_NPAGES_MAX);
	if (parser->trace->nids == UINT32_MAX)
		return malformed(parser, "too many allocations");
	if (!make_room_for_id(parser))
		return no_memory(parser);
	entry = find_id(parser, id);
	if (entry->npages)
		return malformed(parser, "ID %" PRIu64 " was allocated before", id);
	*entry = (struct id_entry) {
		.id = id, .npages = npages, .slot = parser->trace->nids++,
	};
	return add_event(parser, 'a', entry);
}

static int add_free(struct parser *parser, uint64_t id)
{
	struct id_entry *entry = parser->ids_room ? find_id(parser, id) : NULL;

	if (!entry || !entry->npages)
		return malformed(parser, "ID %" PRIu64 " is freed but was not allocated", id);
	if (entry->freed)
		return malformed(parser, "ID %" PRIu64 " is freed again", id);
	entry->freed = true;
	return add_event(parser, 'f', entry);
}

/* A blank and a number at *@at, which moves behind it. */
static int parse_number(struct parser *parser, const char **at, const char *end,
			const char *what, uint64_t *number)
{
	const char *p = *at;

	if (p == end || *p != ' ' || ++p == end || *p < '0' || *p > '9')
		return malformed(parser, "no %s", what);
	for (*number = 0; p < end && *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(*number, UINT64_C(10), number) ||
		    __builtin_add_overflow(*number, (uint64_t)(*p - '0'), number))
			return malformed(parser, "%s is too large a number", what);
	*at = p;
	return TRACE_OK;
}

static int parse_line(struct parser *parser, const char *at, const char *end)
{
	uint64_t id, npages = 0;
	char op;
	int err;

	if (at == end)
		return malformed(parser, "empty");
	op = *at++;
	if (op != 'a' && op != 'f')
		return malformed(parser, "unknown operation; want \"a ID NPAGES\" or \"f ID\"");
	err = parse_number(parser, &at, end, "ID", &id);
	if (!err && op == 'a')
		err = parse_number(parser, &at, end, "length", &npages);
	if (err)
		return err;
	if (at != end)
		return malformed(parser, "something follows the event");
	return op == 'a' ? add_alloc(parser, id, npages) : add_free(parser, id);
}

static int parse(struct parser *parser, const struct text *text, bool damaged)
{
	const char *at = text->data, *all = text->data + text->size, *end;
	int err = TRACE_OK;

	while (at < all && !err) {
		parser->line++;
		end = memchr(at, '\n', all - at);
		if (!end)
			end = all;
		err = parse_line(parser, at, end);
		at = end + 1;
	}
	parser->line++;
	if (!err && damaged)
		return malformed(parser, "the compressed data are damaged or cut off");
	return err;
}

int trace_load(struct trace *trace, const char *path, char *err, size_t errlen)
{
	struct parser parser = { .trace = trace, .err = err, .errlen = errlen };
	struct text text = { NULL, 0, "" };
	bool damaged = false;
	int error;

	*trace = (struct trace) { NULL, 0, 0 };
	error = read_file(path, &text, &damaged);
	if (error) {
		free(text.data);
		return unreadable(err, errlen, text.whose, error);
	}
	error = parse(&parser, &text, damaged);
	free(text.data);
	free(parser.ids);
	if (error)
		trace_free(trace);
	return error;
}

void trace_free(struct trace *trace)
{
	free(trace->events);
	*trace = (struct trace) { NULL, 0, 0 };
}
