/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writing JSON, value by value:
 *
 *	struct json json;
 *
 *	json_begin(&json, stdout, JSON_TEXT);
 *	json_number(&json, "pages", 17);
 *	json_open(&json, "runs", '[');
 *	json_number(&json, NULL, 3);
 *	json_close(&json, ']');
 *	json_end(&json);
 *
 * writes { "pages": 17, "runs": [ 3 ] }. Names are those of this program's own, and
 * are written as they are; strings may hold anything.
 */
#ifndef _SPANCTL_JSON_H
#define _SPANCTL_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* For people, over several lines; or all in one, so that many make a stream. */
enum json_form { JSON_TEXT, JSON_LINE };

/**
 * struct json - an object on its way
 * @out: where it goes
 * @form: how it is set
 * @depth: brackets that are open
 * @empty: the innermost has no member yet
 */
struct json {
	FILE *out;
	enum json_form form;
	unsigned int depth;
	bool empty;
};

/* Opens and closes the outermost object. */
void json_begin(struct json *json, FILE *out, enum json_form form);
void json_end(struct json *json);

/*
 * Members. @name: NULL in an array.
 * json_open() and json_close() take the bracket, one of {}[].
 */
void json_open(struct json *json, const char *name, char bracket);
void json_close(struct json *json, char bracket);
void json_number(struct json *json, const char *name, uint64_t number);
void json_thousandths(struct json *json, const char *name, int64_t thousandths);
void json_bool(struct json *json, const char *name, bool value);
void json_null(struct json *json, const char *name);
/* What is no UTF-8 in @text comes out as U+FFFD. */
void json_string(struct json *json, const char *name, const char *text);

#endif /* _SPANCTL_JSON_H */
