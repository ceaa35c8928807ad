// SPDX-License-Identifier: GPL-2.0-only
/*
 * What spanctl is made of: writing JSON, reading fdinfo and spans, drawing.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "fdinfo.h"
#include "json.h"
#include "picture.h"
#include "spans.h"
#include "spanctl.h"
#include "tools_test.h"

/* What goes into a file in memory, for the case to look at. */
static char *written;
static size_t nwritten;

static FILE *start(void)
{
	free(written);
	written = NULL;
	return open_memstream(&written, &nwritten);
}

static bool wrote(FILE *out, const char *expected)
{
	fclose(out);
	return EXPECT(!strcmp(written, expected), "wrote:\n%s\nexpected:\n%s", written, expected);
}

static FILE *text_file(const char *text)
{
	return fmemopen((void *)text, strlen(text), "r");
}

static void json_as_text(void)
{
	FILE *out = start();
	struct json json;

	json_begin(&json, out, JSON_TEXT);
	json_number(&json, "pages", UINT64_MAX);
	json_open(&json, "runs", '[');
	json_open(&json, NULL, '{');
	json_bool(&json, "yes", true);
	json_null(&json, "none");
	json_close(&json, '}');
	json_number(&json, NULL, 3);
	json_close(&json, ']');
	json_open(&json, "empty", '[');
	json_close(&json, ']');
	json_end(&json);
	wrote(out, "{\n  \"pages\": 18446744073709551615,\n  \"runs\": [\n    {\n"
		   "      \"yes\": true,\n      \"none\": null\n    },\n    3\n  ],\n"
		   "  \"empty\": []\n}\n");
}

static void json_as_lines(void)
{
	FILE *out = start();
	struct json json;

	json_begin(&json, out, JSON_LINE);
	json_end(&json);
	json_begin(&json, out, JSON_LINE);
	json_thousandths(&json, "a", -1500);
	json_thousandths(&json, "b", 7);
	json_bool(&json, "c", false);
	json_end(&json);
	wrote(out, "{}\n{\"a\": -1.500, \"b\": 0.007, \"c\": false}\n");
}

static void json_strings(void)
{
	static const struct {
		const char *text;
		const char *json;
	} strings[] = {
		{ "", "" },
		{ "a \"quoted\" \\ /", "a \\\"quoted\\\" \\\\ /" },
		{ "\n\t\x01\x7f", "\\u000a\\u0009\\u0001\\u007f" },
		/* The first and the last control character of two bytes, and what follows. */
		{ "\xc2\x80\xc2\x9b[2J", "\\u0080\\u009b[2J" },
		{ "\xc2\x9f\xc2\xa0", "\\u009f\xc2\xa0" },
		{ "\xc3\xa9\xe2\x82\xac", "\xc3\xa9\xe2\x82\xac" },
		{ "\xf0\x9f\x90\xa7", "\xf0\x9f\x90\xa7" },
		/* Cut off, stray, too long, half of a pair, beyond the last. */
		{ "a\xc3", "a\\ufffd" },
		{ "\xe2\x82", "\\ufffd\\ufffd" },
		{ "\x80z", "\\ufffdz" },
		{ "\xc0\x80", "\\ufffd\\ufffd" },
		{ "\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd" },
		{ "\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd" },
		{ "\xff", "\\ufffd" },
	};
	char expected[128];
	struct json json;
	FILE *out;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(strings); i++) {
		out = start();
		json_begin(&json, out, JSON_LINE);
		json_string(&json, "s", strings[i].text);
		json_end(&json);
		snprintf(expected, sizeof(expected), "{\"s\": \"%s\"}\n", strings[i].json);
		wrote(out, expected);
	}
}

/* Whether @text is that of one of our devices. */
static bool is_fdinfo(const char *text, struct fdinfo *entry)
{
	FILE *file = text_file(text);
	bool good = fdinfo_parse(file, entry);

	fclose(file);
	return good;
}

#define HEAD "pos:\t0\nflags:\t02000002\nmnt_id:\t25\nino:\t84\n"
#define NO_LIMIT_NO_PAGES \
	"spanalloc-handles:\t0\nspanalloc-quarantined:\t0\nspanalloc-allocs:\t0\n"
#define NO_PAGES "spanalloc-limit:\tmax\n" NO_LIMIT_NO_PAGES

static void fdinfo_of_a_device(void)
{
	struct fdinfo entry;

	REQUIRE(is_fdinfo(HEAD "spanalloc-pages:\t17\nspanalloc-limit:\tmax\n"
			  "spanalloc-handles:\t2\nspanalloc-quarantined:\t3\n"
			  "spanalloc-allocs:\t4\n", &entry), "not taken");
	EXPECT_EQ(entry.pages, 17);
	EXPECT(entry.limit == UINT64_MAX, "limit %" PRIu64, entry.limit);
	EXPECT_EQ(entry.handles, 2);
	EXPECT_EQ(entry.quarantined, 3);
	EXPECT_EQ(entry.allocs, 4);
	/* In any order, with other keys; a limit is a number, too. */
	REQUIRE(is_fdinfo("spanalloc-limit:\t100\nspanalloc-news:\tx\nspanalloc-pages:\t0\n" HEAD
			  NO_LIMIT_NO_PAGES, &entry), "not taken");
	EXPECT_EQ(entry.limit, 100);
	EXPECT_EQ(entry.pages | entry.handles | entry.quarantined | entry.allocs, 0);
	/* The last line without its end. */
	REQUIRE(is_fdinfo("spanalloc-limit:\t100\n" NO_LIMIT_NO_PAGES "spanalloc-pages:\t5",
			  &entry), "not taken");
	EXPECT_EQ(entry.pages, 5);
}

static void fdinfo_of_something_else(void)
{
	static const char * const texts[] = {
		HEAD, HEAD NO_PAGES, HEAD NO_PAGES "spanalloc-pagesize:\t1\n",
		HEAD NO_PAGES "xspanalloc-pages:\t1\n", HEAD NO_PAGES "spanalloc-pages\t1\n",
		HEAD NO_PAGES "spanalloc-pages:\t-1\n", HEAD NO_PAGES "spanalloc-pages:\t\n",
		HEAD NO_PAGES "spanalloc-pages:\t1x\n",
		HEAD NO_PAGES "spanalloc-pages:\t18446744073709551616\n",
		/* One is missing. */
		HEAD NO_LIMIT_NO_PAGES "spanalloc-pages:\t1\n",
		/* A dma-buf whose owner named it so. */
		HEAD "size:\t4096\ncount:\t2\nexp_name:\tudmabuf\n"
		"name:\t\nspanalloc-pages:\t9999999999999\n",
	};
	struct fdinfo entry;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(texts); i++)
		EXPECT(!is_fdinfo(texts[i], &entry), "taken: %s", texts[i]);
}

#define SPANS "base pages state released owner\n"

static bool read_spans(const char *text, struct span_list *list, char reason[80])
{
	FILE *file = text_file(text);
	int err;

	*list = (struct span_list){ NULL, 0, 0, 0 };
	err = spans_read(list, file, reason, 80);
	fclose(file);
	return !err;
}

static void spans_are_read(void)
{
	struct span_list list;
	char reason[80];

	REQUIRE(read_spans(SPANS "0 17 in-use 0 pid 12\n17 3 claimed 0 -\n"
			   "20 4 quarantined 0 ring_init+0x1/0x2 [ring]\n30 2 free 1 -\n",
			   &list, reason), "%s", reason);
	EXPECT_EQ(list.nentries, 4);
	EXPECT_EQ(list.end, 32);
	EXPECT_EQ(list.entries[0].kind, KIND_IN_USE);
	EXPECT_EQ(list.entries[1].kind, KIND_CLAIMED);
	EXPECT_EQ(list.entries[2].kind, KIND_QUARANTINED);
	EXPECT_EQ(list.entries[3].kind, KIND_FREE);
	EXPECT_EQ(list.entries[3].base, 30);
	EXPECT_EQ(list.entries[3].npages, 2);
	EXPECT_EQ(list.entries[3].nreleased, 1);
	EXPECT(!strcmp(list.entries[2].owner, "ring_init+0x1/0x2 [ring]"), "%s",
	       list.entries[2].owner);
	spans_free(&list);
	/* An empty heap. */
	REQUIRE(read_spans(SPANS, &list, reason), "%s", reason);
	EXPECT_EQ(list.nentries, 0);
}

/* Between two lines the heap may have changed. */
static void spans_that_overlap(void)
{
	struct span_list list;
	char reason[80];

	REQUIRE(read_spans(SPANS "0 10 in-use 0 -\n5 10 free 8 -\n6 3 in-use 0 -\n15 1 free 0 -\n",
			   &list, reason), "%s", reason);
	EXPECT_EQ(list.nentries, 3);
	EXPECT_EQ(list.entries[1].base, 10);
	EXPECT_EQ(list.entries[1].npages, 5);
	EXPECT_EQ(list.entries[1].nreleased, 5);
	EXPECT_EQ(list.entries[2].base, 15);
	spans_free(&list);
}

static void spans_that_are_none(void)
{
	static const char * const lines[] = {
		"x 1 free 0 -", "0 x free 0 -", "0 1 odd 0 -", "0 1 free x -", "0 1 free 0",
		"0 0 free 0 -", "0 1 free 2 -", "0 1", "", "-1 1 free 0 -", "0 1  free 0 -",
		"18446744073709551615 1 free 0 -", "18446744073709551616 1 free 0 -",
	};
	struct span_list list;
	char text[200], reason[80];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		snprintf(text, sizeof(text), SPANS "0 1 in-use 0 -\n%s\n", lines[i]);
		EXPECT(!read_spans(text, &list, reason), "taken: %s", lines[i]);
		EXPECT(strstr(reason, "line 3"), "%s: %s", lines[i], reason);
		EXPECT(!list.entries, "something is left");
	}
	EXPECT(!read_spans("0 1 in-use 0 -\n", &list, reason), "no heading, but taken");
	EXPECT(strstr(reason, "line 1"), "%s", reason);
}

/* Draws a picture of @lines, with or without blocks, that wide. */
static FILE *draw_heap(const char *heap, const char *lines, unsigned int width, bool unicode,
		       bool colour)
{
	struct picture_style style = {
		.width = width, .unicode = unicode, .colour = colour, .page_size = 4096,
	};
	struct span_list list;
	char reason[80];
	FILE *out = start();

	if (read_spans(lines, &list, reason))
		picture_text(out, heap, &list, &style);
	else
		fputs(reason, out);
	spans_free(&list);
	return out;
}

static FILE *draw(const char *lines, unsigned int width, bool unicode, bool colour)
{
	return draw_heap("h", lines, width, unicode, colour);
}

#define KINDS "0 4 in-use 0 -\n4 2 claimed 0 -\n6 2 quarantined 0 -\n8 4 free 0 -\n" \
	"12 4 free 4 -\n20 3 in-use 0 -\n"

static void picture_of_all_kinds(void)
{
	wrote(draw(SPANS KINDS, 32, false, false),
	      "heap h: 23 pages, 6 spans; a character is 1 page\n"
	      "           0 |####~~QQ....____|\n"
	      "          16 |    ###         |\n"
	      "  # in use                        7 pages        0.0 MiB\n"
	      "  ~ in the making                 2 pages        0.0 MiB\n"
	      "  Q in quarantine                 2 pages        0.0 MiB\n"
	      "  . free, with memory             4 pages        0.0 MiB\n"
	      "  _ free, without                 4 pages        0.0 MiB\n"
	      "  *+- in use in part; , free, memory behind a part\n");
}

/* 16 characters and 24 lines at most: a character of 16 pages holds these. */
static void picture_of_parts(void)
{
	static const char spans[] = SPANS
		/* All but one, a half, one; a free span half released; one in quarantine. */
		"0 15 in-use 0 -\n15 1 free 0 -\n16 8 in-use 0 -\n24 8 free 0 -\n"
		"32 1 in-use 0 -\n33 15 free 0 -\n48 32 free 16 -\n80 15 in-use 0 -\n"
		"95 1 quarantined 0 -\n96 16 in-use 0 -\n112 5888 free 5888 -\n";
	FILE *out = draw(spans, 31, false, false);

	fclose(out);
	EXPECT(strstr(written, "a character is 16 pages\n"), "%s", written);
	EXPECT(strstr(written, "\n           0 |*+-,,Q#_________|\n         256 |_____"), "%s",
	       written);
	EXPECT(strstr(written, "_ free, without              5904"), "%s", written);
	out = draw(spans, 31, true, false);
	fclose(out);
	EXPECT(strstr(written, "|\u2593\u2592\u2591,,Q\u2588___"), "%s", written);
}

/* Characters that no terminal would show as one. */
static size_t longest_line(void)
{
	const char *at = written;
	size_t longest = 0, length;

	for (; *at; at += length + 1) {
		length = strcspn(at, "\n");
		if (length > longest)
			longest = length;
	}
	return longest;
}

static void picture_of_any_width(void)
{
	static const unsigned int widths[] = { 20, 21, 31, 32, 60, 79, 80, 81, 132, 250 };
	unsigned int lines;
	const char *at;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(widths); i++) {
		fclose(draw(SPANS "0 100000 in-use 0 -\n100000 900000 free 900000 -\n", widths[i],
			    false, false));
		for (at = written, lines = 0; (at = strstr(at, "|\n")); at++)
			lines++;
		EXPECT(lines > 0 && lines <= 24, "%u lines in %u columns", lines, widths[i]);
		/* The legend is about 60 characters wide, which has to do. */
		EXPECT(longest_line() <= (widths[i] < 66 ? 66 : widths[i]), "%zu of %u columns",
		       longest_line(), widths[i]);
	}
}

static void picture_in_colours(void)
{
	fclose(draw(SPANS "0 4 in-use 0 -\n4 4 free 0 -\n", 31, false, true));
	EXPECT(strstr(written, "|\033[32m####\033[36m....\033[0m        |\n"), "%s", written);
	fclose(draw(SPANS "0 4 in-use 0 -\n4 4 free 0 -\n", 31, true, false));
	EXPECT(!strchr(written, '\033'), "%s", written);
	/* Not even in the name. */
	fclose(draw_heap("a\033[2J\xc2\x9b", SPANS "0 4 in-use 0 -\n", 31, true, false));
	EXPECT(strstr(written, "heap a?[2J??: 4 pages"), "%s", written);
}

static void picture_of_extremes(void)
{
	/* No span, one page, and the longest heap there can be, half of it released. */
	fclose(draw(SPANS, 80, false, false));
	EXPECT(strstr(written, "heap h: 0 pages, 0 spans"), "%s", written);
	fclose(draw(SPANS "0 1 in-use 0 -\n", 80, false, false));
	EXPECT(strstr(written, "           0 |#   "), "%s", written);
	fclose(draw(SPANS "0 281474976710655 free 140737488355328 -\n", 80, false, false));
	EXPECT(strstr(written, " 140737488355328 pages"), "%s", written);
	EXPECT(strstr(written, " 140737488355327 pages"), "%s", written);
}

/* Whatever is drawn: of each kind as many pages as there are. */
static void counts_are_exact(void)
{
	uint64_t npages[NPAGE_KINDS];
	struct span_list list;
	char reason[80];

	REQUIRE(read_spans(SPANS KINDS "23 1000 free 333 -\n", &list, reason), "%s", reason);
	picture_count(&list, npages);
	spans_free(&list);
	EXPECT_EQ(npages[PAGE_IN_USE], 7);
	EXPECT_EQ(npages[PAGE_CLAIMED], 2);
	EXPECT_EQ(npages[PAGE_QUARANTINED], 2);
	EXPECT_EQ(npages[PAGE_BACKED], 4 + 667);
	EXPECT_EQ(npages[PAGE_RELEASED], 4 + 333);
}

static unsigned int count(const char *needle)
{
	const char *at = written;
	unsigned int n = 0;

	for (; (at = strstr(at, needle)); at++)
		n++;
	return n;
}

static void draw_svg(const char *heap, const char *lines)
{
	struct span_list list;
	char reason[80];
	FILE *out = start();

	if (read_spans(lines, &list, reason))
		picture_svg(out, heap, &list, 4096);
	spans_free(&list);
	fclose(out);
}

static void svg_of_all_kinds(void)
{
	draw_svg("h", SPANS KINDS "23 9 free 3 -\n");
	/* A rectangle for each span, and one for each kind in the legend. */
	EXPECT_EQ(count("<rect class=\"k0\""), 2 + 1);
	EXPECT_EQ(count("<rect class=\"k1\""), 1 + 1);
	EXPECT_EQ(count("<rect class=\"k2\""), 1 + 1);
	EXPECT_EQ(count("<rect class=\"k3\""), 1 + 1);
	EXPECT_EQ(count("<rect class=\"k4\""), 1 + 1);
	EXPECT_EQ(count("<rect class=\"half\""), 1);
	EXPECT(strstr(written, "x=\"96.000\" y=\"36\" width=\"64.000\" height=\"16\">"), "%s",
	       written);
	EXPECT(strstr(written, "><title>pages 0 to 3 (4): in-use, -</title></rect>"), "%s",
	       written);
	EXPECT(strstr(written, "x=\"416.000\" y=\"36\" width=\"48.000\""), "%s", written);
	EXPECT(strstr(written, "(9): free, 3 without memory, -"), "%s", written);
	EXPECT(!strcmp(written + nwritten - 7, "</svg>\n"), "%s", written);
}

/* A span that goes over several lines is in each of them, and nowhere else. */
static void svg_of_lines(void)
{
	draw_svg("h", SPANS "0 1 in-use 0 -\n1 4095 free 0 -\n");
	EXPECT_EQ(count("<rect class=\"k3\""), 32 + 1);
	EXPECT_EQ(count("width=\"1024.000\""), 31);
	EXPECT_EQ(count("width=\"1016.000\""), 1);
	EXPECT_EQ(count("text-anchor=\"end\""), 32);
}

static void svg_of_strange_names(void)
{
	draw_svg("a<b>&\"c\"\x01", SPANS "0 1 in-use 0 <script>&\xff\n");
	EXPECT(strstr(written, "heap a&lt;b&gt;&amp;\"c\"?: "), "%s", written);
	EXPECT(strstr(written, "in-use, &lt;script&gt;&amp;?</title>"), "%s", written);
}

const struct ktap_case part_cases[PART_CASES] = {
	{ "JSON as text", json_as_text },
	{ "JSON as lines", json_as_lines },
	{ "JSON of any string", json_strings },
	{ "fdinfo of a device", fdinfo_of_a_device },
	{ "fdinfo of something else", fdinfo_of_something_else },
	{ "spans are read", spans_are_read },
	{ "spans that overlap are told once", spans_that_overlap },
	{ "spans that are none are refused", spans_that_are_none },
	{ "picture of all kinds", picture_of_all_kinds },
	{ "picture of parts", picture_of_parts },
	{ "picture of any width", picture_of_any_width },
	{ "picture in colours, and without", picture_in_colours },
	{ "picture of extremes", picture_of_extremes },
	{ "pages are counted exactly", counts_are_exact },
	{ "SVG of all kinds", svg_of_all_kinds },
	{ "SVG of several lines", svg_of_lines },
	{ "SVG of strange names", svg_of_strange_names },
};
