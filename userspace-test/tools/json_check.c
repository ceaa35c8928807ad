// SPDX-License-Identifier: GPL-2.0-only
/*
 * json_check [--lines]: whether standard input is one JSON text, or a number of them, one
 * a line; strict, as RFC 8259 has it. Says where it is not, and fails; nothing at all is
 * no JSON. With -q KEY=VALUE, there has to be such a member somewhere, too, VALUE being
 * what stands in the text.
 *
 * Static and small, for guests that have no interpreter.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MAX_TEXT	(16 << 20)
#define DEPTH_MAX	64

static const char *text, *at;

static bool value(unsigned int depth);

static void blanks(void)
{
	at += strspn(at, " \t\r\n");
}

static bool word(const char *expected)
{
	size_t length = strlen(expected);

	if (strncmp(at, expected, length))
		return false;
	at += length;
	return true;
}

static bool digits(void)
{
	size_t n = strspn(at, "0123456789");

	at += n;
	return n;
}

static bool number(void)
{
	word("-");
	if (*at == '0' ? !word("0") : !digits())
		return false;
	if (word(".") && !digits())
		return false;
	if (*at == 'e' || *at == 'E') {
		at++;
		if (*at == '+' || *at == '-')
			at++;
		return digits();
	}
	return true;
}

/* A character that is no ASCII: as many bytes as its first says. */
static bool wide(void)
{
	unsigned char first = *at;
	int n = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;

	if (first < 0xc2 || first > 0xf4)
		return false;
	for (at++; n--; at++) {
		if ((*at & 0xc0) != 0x80)
			return false;
	}
	return true;
}

static bool escape(void)
{
	if (*at != 'u')
		return *at && strchr("\"\\/bfnrt", *at++);
	at++;
	if (strspn(at, "0123456789abcdefABCDEF") < 4)
		return false;
	at += 4;
	return true;
}

static bool string(void)
{
	if (!word("\""))
		return false;
	while (*at != '"') {
		if (word("\\")) {
			if (!escape())
				return false;
		} else if ((unsigned char)*at >= 0x80) {
			if (!wide())
				return false;
		} else if ((unsigned char)*at++ < 0x20) {
			return false;
		}
	}
	return word("\"");
}

static bool members(char close, unsigned int depth)
{
	for (at++, blanks(); *at != close; blanks()) {
		if (close == '}') {
			if (!string())
				return false;
			blanks();
			if (!word(":"))
				return false;
		}
		if (!value(depth + 1))
			return false;
		blanks();
		if (*at == close)
			break;
		if (!word(","))
			return false;
		blanks();
		if (*at == close)
			return false;
	}
	at++;
	return true;
}

static bool value(unsigned int depth)
{
	blanks();
	if (depth > DEPTH_MAX)
		return false;
	if (*at == '{')
		return members('}', depth);
	if (*at == '[')
		return members(']', depth);
	if (*at == '"')
		return string();
	return word("true") || word("false") || word("null") || number();
}

/* "KEY=VALUE", as a member has it. */
static bool has_member(const char *wanted)
{
	char member[256];
	const char *equals = strchr(wanted, '='), *found = text;
	int length;

	if (!equals)
		return false;
	length = snprintf(member, sizeof(member), "\"%.*s\": %s", (int)(equals - wanted), wanted,
			  equals + 1);
	while ((found = strstr(found, member))) {
		if (strchr("\n,}] ", found[length]))
			return true;
		found++;
	}
	return false;
}

static bool texts(bool lines)
{
	do {
		if (!value(0))
			return false;
		at += strspn(at, " \t\r");
	} while (lines && word("\n") && *at);
	if (!lines)
		blanks();
	return !*at;
}

int main(int argc, char **argv)
{
	char *all = calloc(1, SIZE_MAX_TEXT + 1);
	bool lines = argc > 1 && !strcmp(argv[1], "--lines");
	size_t size;
	int i;

	if (!all)
		return 1;
	size = fread(all, 1, SIZE_MAX_TEXT, stdin);
	text = all;
	at = all;
	/* A zero byte would end it early. */
	if (!texts(lines) || at != all + size) {
		printf("no JSON from byte %zu: %.40s\n", (size_t)(at - text), at);
		return 1;
	}
	for (i = lines ? 2 : 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "-q") && has_member(argv[i + 1]))
			continue;
		printf("no %s in: %.2000s\n", argv[i + 1], text);
		return 1;
	}
	return 0;
}
