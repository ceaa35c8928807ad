/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A picture of a heap's address space, as text and as SVG.
 */
#ifndef _SPANCTL_PICTURE_H
#define _SPANCTL_PICTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "spans.h"

/* What a page can be, as the picture shows it: free ones have memory, or have not. */
enum page_kind { PAGE_IN_USE, PAGE_CLAIMED, PAGE_QUARANTINED, PAGE_BACKED, PAGE_RELEASED,
		 NPAGE_KINDS };

extern const char * const page_kind_labels[NPAGE_KINDS];

/**
 * struct picture_style - how a picture is drawn
 * @width: columns that there are
 * @unicode: not with ASCII alone
 * @colour: with the colours of a terminal
 * @page_size: bytes of a page
 */
struct picture_style {
	unsigned int width;
	bool unicode;
	bool colour;
	uint64_t page_size;
};

/* The pages of each kind, counted. */
void picture_count(const struct span_list *list, uint64_t npages[NPAGE_KINDS]);

/* False without memory. */
bool picture_text(FILE *out, const char *heap, const struct span_list *list,
		  const struct picture_style *style);
void picture_svg(FILE *out, const char *heap, const struct span_list *list,
		 uint64_t page_size);

#endif /* _SPANCTL_PICTURE_H */
