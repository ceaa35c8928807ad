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

static bool poison;
module_param(poison, bool, 0444);
MODULE_PARM_DESC(poison,
		 "free pages of the default heap are filled with a pattern and verified, for debugging");

static bool prezero;
module_param(prezero, bool, 0444);
MODULE_PARM_DESC(prezero,
		 "idle memory of the default heap is cleared in the background, not when it is allocated");

static uint cache_pages = SPANALLOC_CACHE_DEFAULT;
module_param(cache_pages, uint, 0444);
MODULE_PARM_DESC(cache_pages,
		 "pages of freed spans that each CPU may park for the next allocations from the default heap, or more where much is in use (default: those of 16 MiB); 0: none, and placement is exact first fit");

static int __init span_module_init(void)
{
	struct spanalloc_attr attr = {
		.name = "default",
		.nid = NUMA_NO_NODE,
		.granule_order = granule_order == -1 ? SPANALLOC_ORDER_DEFAULT : granule_order,
		.arena_pages = arena_pages,
		.poison = poison,
		.prezero = prezero,
		.cache_pages = cache_pages,
		.max_pages = max_pages ? : min(totalram_pages() / 2, DEVICE_PAGES_MAX),
	};
	struct spanalloc_stats stats;
	int err;

	if (attr.max_pages > DEVICE_PAGES_MAX) {
		pr_err("spanalloc: max_pages is above %lu\n", DEVICE_PAGES_MAX);
		return -EINVAL;
	}
	err = span_objects_init();
	if (err)
		return err;
	err = span_keeper_init();
	if (err)
		goto exit_cache;
	span_debugfs_init();
	span_policy_fill(&attr);
	err = span_client_init(&attr);
	if (err == -EINVAL)
		pr_err("spanalloc: granule_order, arena_pages or max_pages makes no sense\n");
	if (err)
		goto exit_debugfs;
	err = span_device_init(spanalloc_default_heap());
	if (err)
		goto exit_client;
	span_policy_follow(spanalloc_default_heap());
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
	span_objects_exit();
	return err;
}

static void __exit span_module_exit(void)
{
	span_policy_follow(NULL);
	span_device_exit();
	span_client_exit();
	span_debugfs_exit();
	span_keeper_exit();
	span_objects_exit();
}

module_init(span_module_init);
module_exit(span_module_exit);

MODULE_AUTHOR("The spanalloc authors");
MODULE_DESCRIPTION("Span heap: runs of pages of any length, from heaps that stay warm");
MODULE_VERSION(SPAN_VERSION_STRING);
MODULE_LICENSE("GPL");
