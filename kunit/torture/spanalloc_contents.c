// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the pages of the default heap contain while they are free, looked at by somebody
 * who should not: a module that goes on using pages that it has freed.
 */

/**
 * DOC: Contents
 *
 * Loading the module runs the test, and fails if that did. The default heap has to keep
 * what it has (retain_percent=-1), and nobody else may use it meanwhile. The parameter
 * "expect" says what its free pages have to hold: "zero", where the kernel was booted with
 * init_on_free, or "poison", where spanalloc was loaded with poison=1.
 *
 * With poison, pages are written to after they were freed: some that are allocated then,
 * some that are given back to the system, and in the end more than are reported. Which
 * pages and bytes, is said in the log, as "expect: page N (pfn N) ... bytes N to N", in the
 * words of the heap, for each that the heap has to report: the guest compares. Results are
 * in the log as KTAP behind the module's name.
 */

#include <linux/err.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/page-flags.h>
#include <linux/spanalloc.h>
#include <linux/string.h>

#include "../../spanalloc/compat.h"

/* What fills free pages, and how many of those that were written to a heap reports. */
#define POISON		0xe7
#define REPORTED	16
/* More than that. */
#define TOO_MANY	40

static char *expect = "zero";
module_param(expect, charp, 0444);
MODULE_PARM_DESC(expect, "what free pages hold: zero or poison");

static struct span_heap *heap;
static unsigned int ncases, nfailed, nexpected;

static void judge(bool good, const char *name)
{
	ncases++;
	nfailed += !good;
	pr_info("spanalloc_contents: %sok %u - %s\n", good ? "" : "not ", ncases, name);
}

static bool holds(struct page *page, u8 byte)
{
	return !memchr_inv(page_address(page), byte, PAGE_SIZE);
}

static struct span *get(unsigned long npages, unsigned int flags)
{
	struct span *span = spanalloc_alloc(heap, npages, 1, flags, GFP_KERNEL);

	if (IS_ERR(span))
		pr_err("spanalloc_contents: # %lu pages: %ld\n", npages, PTR_ERR(span));
	return span;
}

/* How many of a span's pages do not hold @byte alone. */
static unsigned long wrong(struct span *span, u8 byte)
{
	unsigned long i, n = 0;

	for (i = 0; i < spanalloc_npages(span); i++)
		n += !holds(spanalloc_page(heap, span, i), byte);
	return n;
}

static void dirty(struct span *span)
{
	unsigned long i;

	for (i = 0; i < spanalloc_npages(span); i++)
		memset(page_address(spanalloc_page(heap, span, i)), 0xff, PAGE_SIZE);
}

static u64 broken(void)
{
	struct spanalloc_stats stats;

	spanalloc_get_stats(heap, &stats);
	return stats.poison_broken;
}

/* The first pages that the heap takes: where the system has cleared them, nobody does again. */
static void look_at_fresh_pages(u8 byte)
{
	struct spanalloc_stats stats;
	struct span *span = get(7, 0);

	spanalloc_get_stats(heap, &stats);
	judge(!IS_ERR(span) && !wrong(span, byte) && !stats.wiped_pages,
	      "pages that were just taken hold what they have to");
	spanalloc_free(heap, span);
}

/* Pages that are freed hold @byte at once, and are handed out so. */
static void look_at_free_pages(unsigned long npages, u8 byte)
{
	struct span *span = get(npages, SPANALLOC_ZERO);
	struct page *first, *middle, *last;

	if (IS_ERR(span)) {
		judge(false, "a span");
		return;
	}
	judge(!wrong(span, 0), "zeroed pages are zero");
	dirty(span);
	first = spanalloc_page(heap, span, 0);
	middle = spanalloc_page(heap, span, npages / 2);
	last = spanalloc_page(heap, span, npages - 1);
	spanalloc_free(heap, span);
	judge(holds(first, byte) && holds(middle, byte) && holds(last, byte),
	      "free pages hold what they have to");
	span = get(npages, 0);
	if (IS_ERR(span)) {
		judge(false, "the same span");
		return;
	}
	judge(spanalloc_page(heap, span, 0) == first && !wrong(span, byte),
	      "and so do the same pages when they are handed out");
	dirty(span);
	spanalloc_free(heap, span);
	span = get(npages, SPANALLOC_ZERO);
	judge(!IS_ERR(span) && !wrong(span, 0), "zeroed pages are zero again");
	if (IS_ERR(span))
		return;
	dirty(span);
	spanalloc_free(heap, span);
}

/**
 * struct victim - a page of a span that is about to be freed
 * @page: the page
 * @base: its number in the heap
 */
struct victim {
	struct page *page;
	unsigned long base;
};

static struct victim victims[TOO_MANY];

/* Write to @n of the pages of a span, each in a way of its own, after it was freed. */
static void write_after_free(struct span *span, unsigned long n)
{
	unsigned long npages = spanalloc_npages(span), i;

	for (i = 0; i < n; i++)
		victims[i] = (struct victim) {
			.page = spanalloc_page(heap, span, i * (npages / n)),
			.base = spanalloc_base(span) + i * (npages / n),
		};
	spanalloc_free(heap, span);
	for (i = 0; i < n; i++) {
		u8 *bytes = page_address(victims[i].page);
		unsigned int first = i * 37, last = first + i % 3;

		bytes[first] = i;
		bytes[last] = i;
		if (nexpected++ >= REPORTED)
			continue;
		pr_info("spanalloc_contents: expect: page %lu (pfn %#lx) was written after it was freed: bytes %u to %u\n",
			victims[i].base, page_to_pfn(victims[i].page), first, last);
	}
}

/* Pages that are written to before they are allocated again; 0 finds nothing more. */
static void break_and_allocate(unsigned long npages, unsigned int flags, unsigned long n,
			       const char *name)
{
	u64 before = broken();
	struct span *span = get(npages, 0);

	if (!IS_ERR(span)) {
		write_after_free(span, n);
		span = get(npages, flags);
	}
	judge(!IS_ERR(span) && broken() == before + n &&
	      !(flags & SPANALLOC_ZERO && wrong(span, 0)), name);
	if (IS_ERR(span))
		return;
	spanalloc_free(heap, span);
	span = get(npages, 0);
	judge(!IS_ERR(span) && broken() == before + n && !wrong(span, POISON),
	      "each is found once");
	spanalloc_free(heap, span);
}

static void break_and_give_back(unsigned long npages, unsigned long n)
{
	u64 before = broken();
	struct span *span = get(npages, 0);

	if (!IS_ERR(span))
		write_after_free(span, n);
	judge(!IS_ERR(span) && spanalloc_scavenge(heap, ~0UL) && broken() == before + n,
	      "writes to free pages are found when these are given back");
}

/* To read what had a memory error may be the end; so nobody says what is wrong with it. */
static void break_memory(void)
{
	u64 before = broken();
	struct span *span = get(3, 0);
	struct page *page;

	if (IS_ERR(span)) {
		judge(false, "a span");
		return;
	}
	page = spanalloc_page(heap, span, 1);
	spanalloc_free(heap, span);
	SetPageHWPoison(page);
	/* If the kernel knows of memory errors. */
	if (PageHWPoison(page))
		memset(page_address(page), 0, PAGE_SIZE);
	span = get(3, 0);
	judge(!IS_ERR(span) && spanalloc_page(heap, span, 1) == page && broken() == before,
	      "pages that had a memory error are not read");
	ClearPageHWPoison(page);
	spanalloc_free(heap, span);
}

static void break_pages(unsigned long granule)
{
	break_and_allocate(granule + 3, 0, 3, "writes to free pages are found");
	break_and_allocate(granule + 3, SPANALLOC_ZERO, 5,
			   "and if the pages are to be zero, they are");
	break_and_give_back(2 * granule, 4);
	break_and_allocate(granule, 0, TOO_MANY, "many are counted");
	break_memory();
}

static int __init contents_init(void)
{
	bool poison = !strcmp(expect, "poison");
	struct spanalloc_stats stats;

	if (!poison && strcmp(expect, "zero"))
		return -EINVAL;
	heap = spanalloc_default_heap();
	spanalloc_get_stats(heap, &stats);
	pr_info("spanalloc_contents: 1..%u\n", poison ? 14 : 6);
	look_at_fresh_pages(poison ? POISON : 0);
	look_at_free_pages(2 * stats.granule_pages + 3, poison ? POISON : 0);
	judge(!broken(), "nobody else writes to free pages");
	if (poison)
		break_pages(stats.granule_pages);
	return nfailed ? -EILSEQ : 0;
}

static void __exit contents_exit(void)
{
}

module_init(contents_init);
module_exit(contents_exit);

SPAN_IMPORT();
MODULE_AUTHOR("The spanalloc authors");
MODULE_DESCRIPTION("Looks at and writes to pages of spanalloc that are free");
MODULE_LICENSE("GPL");
