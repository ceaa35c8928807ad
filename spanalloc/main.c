// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading the module.
 */

#include <linux/module.h>
#include <linux/spanalloc.h>
#include <linux/stringify.h>

#include "buffer.h"
#include "compat.h"
#include "internal.h"
#include "keeper.h"
#include "span.h"

#define SPAN_VERSION_STRING __stringify(SPAN_VERSION_MAJOR) "." \
			    __stringify(SPAN_VERSION_MINOR) "." \
			    __stringify(SPAN_VERSION_PATCH)

/* What mmap() can reach. */
#define DEVICE_PAGES_MAX	(SPAN_OFFSET_END - SPAN_OFFSET_BIAS)

static int granule_order = -1;
module_param(granule_order, int, 0444);
MODULE_PARM_DESC(granule_order,
		 "log2 of the pages that the default heap takes from the system at a time; -1 (default): those of a huge page");

static ulong arena_pages;
module_param(arena_pages, ulong, 0444);
MODULE_PARM_DESC(arena_pages,
		 "pages of address space that the default heap adds at a time, a power of two; 0 (default): 64 MiB");

static ulong max_pages;
module_param(max_pages, ulong, 0444);
MODULE_PARM_DESC(max_pages,
		 "limit of the default heap in pages; 0 (default): half of the memory");

static int retain_percent = SPANALLOC_RETAIN_DEFAULT;
module_param(retain_percent, int, 0444);
MODULE_PARM_DESC(retain_percent,
		 "the default heap keeps idle memory up to this share of the recent peak of the pages in use (default: 10); -1: all");

static uint window_ms = SPANALLOC_WINDOW_DEFAULT;
module_param(window_ms, uint, 0444);
MODULE_PARM_DESC(window_ms,
		 "the default heap keeps what it needed within this time as well, if it is likely to need it again (default: 32000); 0: nothing");

static uint pace_permille = SPANALLOC_PACE_DEFAULT;
module_param(pace_permille, uint, 0444);
MODULE_PARM_DESC(pace_permille,
		 "share of one CPU that the default heap may spend on giving memory back, in thousandths (default: 10)");

static int __init span_module_init(void)
{
	struct spanalloc_attr attr = {
		.name = "default",
		.nid = NUMA_NO_NODE,
		.granule_order = granule_order == -1 ? SPANALLOC_ORDER_DEFAULT : granule_order,
		.arena_pages = arena_pages,
		.max_pages = max_pages ? : min(totalram_pages() / 2, DEVICE_PAGES_MAX),
		.retain_percent = retain_percent,
		.window_ms = window_ms,
		.pace_permille = pace_permille,
	};
	struct spanalloc_stats stats;
	int err;

	if (attr.max_pages > DEVICE_PAGES_MAX) {
		pr_err("spanalloc: max_pages is above %lu\n", DEVICE_PAGES_MAX);
		return -EINVAL;
	}
	err = span_cache_init();
	if (err)
		return err;
	err = span_keeper_init();
	if (err)
		goto exit_cache;
	span_debugfs_init();
	err = span_client_init(&attr);
	if (err == -EINVAL)
		pr_err("spanalloc: granule_order, arena_pages, max_pages, retain_percent or pace_permille makes no sense\n");
	if (err)
		goto exit_debugfs;
	err = span_device_init(spanalloc_default_heap());
	if (err)
		goto exit_client;
	spanalloc_get_stats(spanalloc_default_heap(), &stats);
	pr_info("spanalloc: %s, heap default: granules of %llu pages, at most %llu pages\n",
		SPAN_VERSION_STRING, stats.granule_pages, stats.max_pages);
	return 0;

exit_client:
	span_client_exit();
exit_debugfs:
	span_debugfs_exit();
	span_keeper_exit();
exit_cache:
	span_cache_exit();
	return err;
}

static void __exit span_module_exit(void)
{
	span_device_exit();
	span_client_exit();
	span_debugfs_exit();
	span_keeper_exit();
	span_cache_exit();
}

module_init(span_module_init);
module_exit(span_module_exit);

MODULE_AUTHOR("The spanalloc authors");
MODULE_DESCRIPTION("Span heap: runs of pages of any length, from heaps that stay warm");
MODULE_VERSION(SPAN_VERSION_STRING);
MODULE_LICENSE("GPL");
