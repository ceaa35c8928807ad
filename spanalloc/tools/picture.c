// SPDX-License-Identifier: GPL-2.0-only
/*
 * A heap as a picture in a terminal. A character stands for the same number of pages
 * everywhere; a power of two, that the addresses of lines be round. Where several kinds
 * of pages share a character, the rarest shows, for a page in quarantine between
 * thousands in use is what one looks for.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "picture.h"
#include "text.h"

/* More lines are for another picture; what stands before and behind a line. */
#define LINES_MAX	24
#define MARGIN		15
/* Lines of a multiple of this many characters, where there is room. */
#define COLUMNS_STEP	16
#define COLUMNS_MIN	4

const char * const page_kind_labels[NPAGE_KINDS] = {
	[PAGE_IN_USE] = "in use",
	[PAGE_CLAIMED] = "in the making",
	[PAGE_QUARANTINED] = "in quarantine",
	[PAGE_BACKED] = "free, with memory",
	[PAGE_RELEASED] = "free, without",
};

/* For one kind alone, and what is in use in part, from most of the cell to a little. */
struct glyphs {
	const char *kinds[NPAGE_KINDS];
	const char *parts[3];
	const char *half_released;
};

static const struct glyphs ascii = {
	{ "#", "~", "Q", ".", "_" }, { "*", "+", "-" }, ",",
};

static const struct glyphs blocks = {
	{ "\u2588", "~", "Q", "\u00b7", "_" }, { "\u2593", "\u2592", "\u2591" }, ",",
};

static const char * const colours[NPAGE_KINDS] = { "32", "33", "31", "36", "90" };

/**
 * struct cell - what a character stands for
 * @npages: pages of each kind
 */
struct cell {
	uint64_t npages[NPAGE_KINDS];
};

/**
 * struct grid - the characters
 * @cells: the characters, by address
 * @ncells: how many
 * @columns: of a line
 * @per_cell: pages of a character
 */
struct grid {
	struct cell *cells;
	uint64_t ncells;
	unsigned int columns;
	uint64_t per_cell;
};

/*
 * Of the first @n pages of a free span, those without memory. The heap does not tell
 * where in the span they are; here they are spread over it.
 */
static uint64_t released_before(const struct span_entry *entry, uint64_t n)
{
	if (!entry->nreleased || entry->nreleased == entry->npages)
		return entry->nreleased ? n : 0;
	return (double)entry->nreleased * n / entry->npages;
}

/* Adds the pages from @from to @to, counted from the span's first, to a cell. */
static void add_pages(struct cell *cell, const struct span_entry *entry, uint64_t from,
		      uint64_t to)
{
	static const enum page_kind kinds[NKINDS] = {
		[KIND_IN_USE] = PAGE_IN_USE,
		[KIND_CLAIMED] = PAGE_CLAIMED,
		[KIND_QUARANTINED] = PAGE_QUARANTINED,
		/* Free to whoever asks next for so many pages. */
		[KIND_CACHED] = PAGE_BACKED,
	};
	uint64_t nreleased;

	if (entry->kind != KIND_FREE) {
		cell->npages[kinds[entry->kind]] += to - from;
		return;
	}
	nreleased = released_before(entry, to) - released_before(entry, from);
	cell->npages[PAGE_RELEASED] += nreleased;
	cell->npages[PAGE_BACKED] += to - from - nreleased;
}

void picture_count(const struct span_list *list, uint64_t npages[NPAGE_KINDS])
{
	struct cell all = { { 0 } };
	size_t i;

	for (i = 0; i < list->nentries; i++)
		add_pages(&all, &list->entries[i], 0, list->entries[i].npages);
	for (i = 0; i < NPAGE_KINDS; i++)
		npages[i] = all.npages[i];
}

static bool make_grid(struct grid *grid, const struct span_list *list, unsigned int width)
{
	unsigned int columns = width > MARGIN + COLUMNS_MIN ? width - MARGIN : COLUMNS_MIN;

	if (columns >= COLUMNS_STEP)
		columns -= columns % COLUMNS_STEP;
	grid->columns = columns;
	grid->per_cell = 1;
	while (grid->per_cell * columns * LINES_MAX < list->end)
		grid->per_cell *= 2;
	grid->ncells = (list->end + grid->per_cell - 1) / grid->per_cell;
	grid->cells = calloc(grid->ncells + 1, sizeof(*grid->cells));
	return grid->cells;
}

static void fill_grid(struct grid *grid, const struct span_list *list)
{
	const struct span_entry *entry;
	uint64_t at, end, border;
	size_t i;

	for (i = 0; i < list->nentries; i++) {
		entry = &list->entries[i];
		end = entry->base + entry->npages;
		for (at = entry->base; at < end; at = border) {
			border = (at / grid->per_cell + 1) * grid->per_cell;
			if (border > end)
				border = end;
			add_pages(&grid->cells[at / grid->per_cell], entry, at - entry->base,
				  border - entry->base);
		}
	}
}

/* Which kind shows in a cell; NPAGE_KINDS if it is empty. */
static enum page_kind choose_kind(const struct cell *cell)
{
	static const enum page_kind order[] = {
		PAGE_QUARANTINED, PAGE_CLAIMED, PAGE_IN_USE, PAGE_BACKED, PAGE_RELEASED,
	};
	size_t i;

	for (i = 0; i < NPAGE_KINDS; i++) {
		if (cell->npages[order[i]])
			return order[i];
	}
	return NPAGE_KINDS;
}

static const char *choose_glyph(const struct glyphs *glyphs, const struct cell *cell,
				enum page_kind kind)
{
	uint64_t all = 0, used = cell->npages[PAGE_IN_USE];
	int i;

	for (i = 0; i < NPAGE_KINDS; i++)
		all += cell->npages[i];
	if (kind == PAGE_IN_USE && used < all)
		return glyphs->parts[used >= all - all / 3 ? 0 : used >= all / 3 ? 1 : 2];
	if (kind == PAGE_BACKED && cell->npages[PAGE_RELEASED])
		return glyphs->half_released;
	return glyphs->kinds[kind];
}

static void print_line(FILE *out, const struct grid *grid, uint64_t first,
		       const struct glyphs *glyphs, bool colour)
{
	enum page_kind kind, last = NPAGE_KINDS;
	uint64_t i;

	fprintf(out, "%12" PRIu64 " |", first * grid->per_cell);
	for (i = first; i < first + grid->columns && i < grid->ncells; i++) {
		kind = choose_kind(&grid->cells[i]);
		if (colour && kind != last && kind < NPAGE_KINDS)
			fprintf(out, "\033[%sm", colours[kind]);
		last = kind;
		fputs(kind == NPAGE_KINDS ? " " :
		      choose_glyph(glyphs, &grid->cells[i], kind), out);
	}
	fprintf(out, "%s%*s|\n", colour ? "\033[0m" : "", (int)(first + grid->columns - i), "");
}

static void print_legend(FILE *out, const struct span_list *list,
			 const struct picture_style *style, const struct glyphs *glyphs)
{
	uint64_t npages[NPAGE_KINDS];
	int kind;

	picture_count(list, npages);
	for (kind = 0; kind < NPAGE_KINDS; kind++) {
		fputs("  ", out);
		if (style->colour)
			fprintf(out, "\033[%sm%s\033[0m", colours[kind], glyphs->kinds[kind]);
		else
			fputs(glyphs->kinds[kind], out);
		fprintf(out, " %-18s %12" PRIu64 " pages %10.1f MiB\n", page_kind_labels[kind],
			npages[kind], npages[kind] * (style->page_size / 1048576.0));
	}
}

bool picture_text(FILE *out, const char *heap, const struct span_list *list,
		  const struct picture_style *style)
{
	const struct glyphs *glyphs = style->unicode ? &blocks : &ascii;
	struct grid grid;
	uint64_t first;

	if (!make_grid(&grid, list, style->width))
		return false;
	fill_grid(&grid, list);
	fputs("heap ", out);
	text_put(out, heap);
	fprintf(out, ": %" PRIu64 " pages, %zu spans; a character is %" PRIu64 " page%s\n",
		list->end, list->nentries, grid.per_cell, grid.per_cell == 1 ? "" : "s");
	for (first = 0; first < grid.ncells; first += grid.columns)
		print_line(out, &grid, first, glyphs, style->colour);
	print_legend(out, list, style, glyphs);
	fprintf(out, "  %s%s%s in use in part; %s free, memory behind a part\n",
		glyphs->parts[0], glyphs->parts[1], glyphs->parts[2], glyphs->half_released);
	free(grid.cells);
	return true;
}
