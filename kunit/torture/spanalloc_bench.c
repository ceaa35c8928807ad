// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a pair of spanalloc_alloc() and spanalloc_free() costs on the default heap, measured
 * while the module is loaded: the in-kernel side of what device_bench measures through the
 * device.
 */

/**
 * DOC: Bench
 *
 * Loading the module measures, for each length of its parameter "pages", with memory that is
 * zeroed, as the device's always is, and without. The nanoseconds of a pair are then in the
 * parameters "ns_zero" and "ns", in the order of the lengths. Each number is one run: who
 * reads them loads the module as often as he wants a median.
 */

#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/spanalloc.h>

#include "../../spanalloc/compat.h"

#define LENGTHS_MAX 8

static unsigned long pages[LENGTHS_MAX] = { 1, 16, 512 };
static unsigned int npages = 3;
module_param_array(pages, ulong, &npages, 0444);
MODULE_PARM_DESC(pages, "lengths to measure, in pages");

static unsigned int pairs = 2000;
module_param(pairs, uint, 0444);
MODULE_PARM_DESC(pairs, "pairs for each length of up to 16 pages; fewer for longer ones");

static unsigned long ns[LENGTHS_MAX];
module_param_array(ns, ulong, NULL, 0444);
MODULE_PARM_DESC(ns, "out: nanoseconds of a pair");

static unsigned long ns_zero[LENGTHS_MAX];
module_param_array(ns_zero, ulong, NULL, 0444);
MODULE_PARM_DESC(ns_zero, "out: the same with memory that is zeroed");

/* Long spans take longer to zero; the time of all lengths is to be about the same. */
static unsigned int pairs_of(unsigned long length)
{
	return max(pairs / (unsigned int)DIV_ROUND_UP(length, 16), 1U);
}

/* The first pairs find caches cold, and are not counted. */
static int measure(unsigned long length, unsigned int flags, unsigned long *result)
{
	struct span_heap *heap = spanalloc_default_heap();
	unsigned int n = pairs_of(length), warm = n / 10, i;
	struct span *span;
	u64 start = 0;

	for (i = 0; i < n + warm; i++) {
		if (i == warm)
			start = ktime_get_ns();
		span = spanalloc_alloc(heap, length, 1, flags, GFP_KERNEL);
		if (IS_ERR(span))
			return PTR_ERR(span);
		spanalloc_free(heap, span);
		cond_resched();
	}
	*result = div_u64(ktime_get_ns() - start, n);
	return 0;
}

static int __init bench_init(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < npages; i++) {
		err = measure(pages[i], 0, &ns[i]);
		if (!err)
			err = measure(pages[i], SPANALLOC_ZERO, &ns_zero[i]);
		if (err)
			return err;
	}
	return 0;
}

static void __exit bench_exit(void)
{
}

module_init(bench_init);
module_exit(bench_exit);

SPAN_IMPORT();
MODULE_AUTHOR("The spanalloc authors");
MODULE_DESCRIPTION("What an allocation costs inside the kernel");
MODULE_LICENSE("GPL");
