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
 * parameters "ns_zero" and "ns", in the order of the lengths. Each is the median of many
 * times that are short, so that some of them are not interrupted on a busy machine.
 */

#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sort.h>
#include <linux/spanalloc.h>

#include "../../spanalloc/compat.h"

#define LENGTHS_MAX 8
/* How many times are taken; each is that of pairs of this many pages together, or of one. */
#define TIMES 101
#define PAGES_A_TIME 64

static unsigned long pages[LENGTHS_MAX] = { 1, 16, 512 };
static unsigned int npages = 3;
module_param_array(pages, ulong, &npages, 0444);
MODULE_PARM_DESC(pages, "lengths to measure, in pages");

static unsigned long ns[LENGTHS_MAX];
module_param_array(ns, ulong, NULL, 0444);
MODULE_PARM_DESC(ns, "out: nanoseconds of a pair");

static unsigned long ns_zero[LENGTHS_MAX];
module_param_array(ns_zero, ulong, NULL, 0444);
MODULE_PARM_DESC(ns_zero, "out: the same with memory that is zeroed");

static u64 times[TIMES];

static int by_value(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static int run_pairs(unsigned long length, unsigned int flags, unsigned int n)
{
	struct span_heap *heap = spanalloc_default_heap();
	struct span *span;

	while (n--) {
		span = spanalloc_alloc(heap, length, 1, flags, GFP_KERNEL);
		if (IS_ERR(span))
			return PTR_ERR(span);
		spanalloc_free(heap, span);
	}
	return 0;
}

static int measure(unsigned long length, unsigned int flags, unsigned long *result)
{
	unsigned int n = max(PAGES_A_TIME / length, 1UL), i;
	u64 start;
	int err;

	for (i = 0; i < TIMES; i++) {
		start = ktime_get_ns();
		err = run_pairs(length, flags, n);
		if (err)
			return err;
		times[i] = ktime_get_ns() - start;
		cond_resched();
	}
	sort(times, TIMES, sizeof(times[0]), by_value, NULL);
	*result = div_u64(times[TIMES / 2], n);
	return 0;
}

static int __init bench_init(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < npages; i++) {
		if (!pages[i])
			return -EINVAL;
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
