/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_MM_H
#define _SHIM_LINUX_MM_H

#include <linux/bug.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm_types.h>
#include <linux/mmzone.h>
#include <linux/numa.h>
#include <linux/sched.h>
#include <linux/slab.h>

#define page_count(page)	((page)->refcount)
#define page_to_pfn(page)	((unsigned long)(page)->id)
#define nth_page(page, n)	((page) + (n))
#define totalram_pages()	shim_ram_pages

static inline void get_page(struct page *page)
{
	page->refcount++;
}

static inline void clear_highpage(struct page *page)
{
	page->content = 0;
}

#endif /* _SHIM_LINUX_MM_H */
