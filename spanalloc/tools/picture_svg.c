// SPDX-License-Identifier: GPL-2.0-only
/*
 * A heap as SVG: its address space in lines of the same length, each span a rectangle, or
 * one in each line that it touches, that tells what it is when pointed at.
 */
#include <inttypes.h>

#include "picture.h"

#define LINES_MAX	32
#define LINE_PAGES_MIN	64
/* Sizes in the picture's own units. */
#define WIDTH		1024
#define MARGIN		16
#define LINE_HEIGHT	20
#define BAR_HEIGHT	16
#define LABEL_WIDTH	96
#define LEGEND_WIDTH	200

/**
 * struct frame - how the address space is cut into lines
 * @per_line: pages of a line
 * @nlines: how many lines
 */
struct frame {
	uint64_t per_line;
	uint64_t nlines;
};

static const char style[] =
	"<style>text{font:12px monospace;fill:#222}rect{stroke:#fff;stroke-width:.3}\n"
	".k0{fill:#2a7f3f}.k1{fill:#d9a514}.k2{fill:#c22f2f}.k3{fill:#9cc9d6}\n"
	".k4{fill:#e8e8e8}.half{fill:#c5dbe1}</style>\n";

/* Whatever it holds, it is text. */
static void put_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '<')
			fputs("&lt;", out);
		else if (*text == '>')
			fputs("&gt;", out);
		else if (*text == '&')
			fputs("&amp;", out);
		else if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
			putc('?', out);
		else
			putc(*text, out);
	}
}

static const char *class_of(const struct span_entry *entry)
{
	static const char * const classes[NKINDS] = {
		[KIND_IN_USE] = "k0",
		[KIND_CLAIMED] = "k1",
		[KIND_QUARANTINED] = "k2",
		[KIND_CACHED] = "k3",
	};

	if (entry->kind != KIND_FREE)
		return classes[entry->kind];
	if (!entry->nreleased)
		return "k3";
	return entry->nreleased == entry->npages ? "k4" : "half";
}

static void put_title(FILE *out, const struct span_entry *entry)
{
	fprintf(out, "<title>pages %" PRIu64 " to %" PRIu64 " (%" PRIu64 "): %s", entry->base,
		entry->base + entry->npages - 1, entry->npages, span_kind_name(entry->kind));
	if (entry->nreleased)
		fprintf(out, ", %" PRIu64 " without memory", entry->nreleased);
	fputs(", ", out);
	put_text(out, entry->owner);
	fputs("</title>", out);
}

static void put_span(FILE *out, const struct frame *frame, const struct span_entry *entry)
{
	uint64_t end = entry->base + entry->npages, at, border, line;

	for (at = entry->base; at < end; at = border) {
		line = at / frame->per_line;
		border = (line + 1) * frame->per_line;
		if (border > end)
			border = end;
		fprintf(out, "<rect class=\"%s\" x=\"%.3f\" y=\"%" PRIu64
			"\" width=\"%.3f\" height=\"%d\">", class_of(entry),
			LABEL_WIDTH + (double)(at % frame->per_line) * WIDTH / frame->per_line,
			MARGIN + (line + 1) * LINE_HEIGHT,
			(double)(border - at) * WIDTH / frame->per_line, BAR_HEIGHT);
		put_title(out, entry);
		fputs("</rect>\n", out);
	}
}

static void put_legend(FILE *out, const struct span_list *list, uint64_t y, uint64_t page_size)
{
	uint64_t npages[NPAGE_KINDS];
	int kind, x;

	picture_count(list, npages);
	for (kind = 0; kind < NPAGE_KINDS; kind++) {
		x = LABEL_WIDTH + kind * LEGEND_WIDTH;
		fprintf(out, "<rect class=\"k%d\" x=\"%d\" y=\"%" PRIu64
			"\" width=\"12\" height=\"12\"/>\n", kind, x, y);
		fprintf(out, "<text x=\"%d\" y=\"%" PRIu64 "\">%s</text>\n", x + 18, y + 10,
			page_kind_labels[kind]);
		fprintf(out, "<text x=\"%d\" y=\"%" PRIu64 "\">%.1f MiB</text>\n", x + 18, y + 26,
			npages[kind] * (page_size / 1048576.0));
	}
}

void picture_svg(FILE *out, const char *heap, const struct span_list *list,
		 uint64_t page_size)
{
	struct frame frame = { .per_line = LINE_PAGES_MIN };
	uint64_t height, line;
	size_t i;

	while (frame.per_line * LINES_MAX < list->end)
		frame.per_line *= 2;
	frame.nlines = (list->end + frame.per_line - 1) / frame.per_line;
	height = 2 * MARGIN + (frame.nlines + 1) * LINE_HEIGHT + 40;
	fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %" PRIu64
		"\">\n", LABEL_WIDTH + WIDTH + MARGIN, height);
	fputs(style, out);
	fprintf(out, "<text x=\"%d\" y=\"%d\">heap ", LABEL_WIDTH, MARGIN + 8);
	put_text(out, heap);
	fprintf(out, ": %" PRIu64 " pages, %zu spans, %" PRIu64 " pages a line</text>\n",
		list->end, list->nentries, frame.per_line);
	for (line = 0; line < frame.nlines; line++)
		fprintf(out, "<text x=\"%d\" y=\"%" PRIu64 "\" text-anchor=\"end\">%" PRIu64
			"</text>\n", LABEL_WIDTH - 8, MARGIN + (line + 1) * LINE_HEIGHT + 12,
			line * frame.per_line);
	for (i = 0; i < list->nentries; i++)
		put_span(out, &frame, &list->entries[i]);
	put_legend(out, list, height - 40, page_size);
	fputs("</svg>\n", out);
}
