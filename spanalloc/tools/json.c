// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writing JSON: see json.h.
 */
#include <inttypes.h>

#include "json.h"

static void new_line(struct json *json)
{
	if (json->form == JSON_TEXT)
		fprintf(json->out, "\n%*s", 2 * (int)json->depth, "");
}

/* What stands before every member. */
static void member(struct json *json, const char *name)
{
	if (!json->empty)
		fputs(json->form == JSON_TEXT ? "," : ", ", json->out);
	json->empty = false;
	new_line(json);
	if (name)
		fprintf(json->out, "\"%s\": ", name);
}

void json_begin(struct json *json, FILE *out, enum json_form form)
{
	*json = (struct json){ .out = out, .form = form, .depth = 1, .empty = true };
	putc('{', out);
}

void json_end(struct json *json)
{
	json_close(json, '}');
	putc('\n', json->out);
}

void json_open(struct json *json, const char *name, char bracket)
{
	member(json, name);
	putc(bracket, json->out);
	json->depth++;
	json->empty = true;
}

void json_close(struct json *json, char bracket)
{
	json->depth--;
	if (!json->empty)
		new_line(json);
	putc(bracket, json->out);
	json->empty = false;
}

void json_number(struct json *json, const char *name, uint64_t number)
{
	member(json, name);
	fprintf(json->out, "%" PRIu64, number);
}

void json_thousandths(struct json *json, const char *name, int64_t thousandths)
{
	uint64_t size = thousandths < 0 ? -(uint64_t)thousandths : (uint64_t)thousandths;

	member(json, name);
	fprintf(json->out, "%s%" PRIu64 ".%03" PRIu64, thousandths < 0 ? "-" : "",
		size / 1000, size % 1000);
}

void json_bool(struct json *json, const char *name, bool value)
{
	member(json, name);
	fputs(value ? "true" : "false", json->out);
}

void json_null(struct json *json, const char *name)
{
	member(json, name);
	fputs("null", json->out);
}

/*
 * Length of the character at @text, 0 if it is no UTF-8: neither longer than it has to
 * be, nor half of a pair, nor beyond the last.
 */
static size_t utf8_length(const unsigned char *text)
{
	uint32_t code = text[0], least = 0x80;
	size_t length, i;

	if (code < 0x80)
		return 1;
	if (code < 0xc0 || code > 0xf7)
		return 0;
	length = code < 0xe0 ? 2 : code < 0xf0 ? 3 : 4;
	code &= 0x7f >> length;
	for (i = 1; i < length; i++) {
		/* The byte that ends the text is none of these. */
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	if (length > 2)
		least = length == 3 ? 0x800 : 0x10000;
	if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return length;
}

void json_string(struct json *json, const char *name, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t length;

	member(json, name);
	putc('"', json->out);
	for (; *at; at += length) {
		length = utf8_length(at);
		if (!length) {
			fputs("\\ufffd", json->out);
			length = 1;
		} else if (*at == '"' || *at == '\\') {
			fprintf(json->out, "\\%c", *at);
		} else if (*at < 0x20 || *at == 0x7f) {
			fprintf(json->out, "\\u%04x", *at);
		} else if (*at == 0xc2 && at[1] < 0xa0) {
			/* U+0080 to U+009F: control characters, too. */
			fprintf(json->out, "\\u%04x", at[1]);
		} else {
			fwrite(at, 1, length, json->out);
		}
	}
	putc('"', json->out);
}
