// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/spanalloc/: a directory for each heap.
 */

/**
 * DOC: debugfs
 *
 * stats: one "name value" a line, see struct spanalloc_stats; spans: the address
 * space in order; check: reading it verifies every invariant and answers "ok" or
 * what is broken. All are read-only and of mode 0400, so that a kernel that is
 * locked down still shows them. None of this is a stable interface.
 *
 * Locking: that of inspect.c. A walk holds the heap's lock for one span at a
 * time, so "spans" is a picture of a heap at work, not a snapshot.
 */

#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "heap.h"
#include "internal.h"

/* Spans and granules that a check visits before it lets others have the lock. */
#define CHECK_BATCH	256

static struct dentry *top;

/**
 * struct stats_field - one line of "stats"
 * @name: the name in struct spanalloc_stats
 * @offset: where it stands there
 */
struct stats_field {
	const char *name;
	size_t offset;
};

#define FIELD(field) { #field, offsetof(struct spanalloc_stats, field) }

static const struct stats_field stats_fields[] = {
	FIELD(address_pages),
	FIELD(backed_pages),
	FIELD(in_use_pages),
	FIELD(claimed_pages),
	FIELD(cached_pages),
	FIELD(quarantined_pages),
	FIELD(free_pages),
	FIELD(released_pages),
	FIELD(idle_pages),
	FIELD(largest_free_pages),
	FIELD(free_spans),
	FIELD(in_use_spans),
	FIELD(cached_spans),
	FIELD(metadata_bytes),
	FIELD(granule_pages),
	FIELD(arena_pages),
	FIELD(max_pages),
	FIELD(allocs),
	FIELD(allocs_exact),
	FIELD(allocs_placed),
	FIELD(frees),
	FIELD(splits),
	FIELD(cache_allocs),
	FIELD(cache_frees),
	FIELD(cache_refills),
	FIELD(cache_flushes),
	FIELD(fails_limit),
	FIELD(fails_space),
	FIELD(fails_memory),
	FIELD(fails_again),
	FIELD(splits_in_place),
	FIELD(merges_in_place),
	FIELD(tree_inserts),
	FIELD(tree_erases),
	FIELD(grows),
	FIELD(backed),
	FIELD(backed_scattered),
	FIELD(backing_races),
	FIELD(scavenged_pages),
	FIELD(scavenged_inline_pages),
	FIELD(scavenged_reclaim_pages),
	FIELD(scavenge_steps),
	FIELD(scavenge_ns),
	FIELD(goal_pages),
	FIELD(demand_pages),
	FIELD(kept_pages),
	FIELD(kept_reused_pages),
	FIELD(zeroed_pages),
	FIELD(zero_saved_pages),
	FIELD(wiped_pages),
	FIELD(prezeroed_pages),
	FIELD(repaired),
	FIELD(poison_broken),
};

static int stats_show(struct seq_file *m, void *unused)
{
	struct spanalloc_stats stats;
	size_t i;

	BUILD_BUG_ON(ARRAY_SIZE(stats_fields) != sizeof(stats) / sizeof(u64));
	span_heap_stats(m->private, &stats);
	for (i = 0; i < ARRAY_SIZE(stats_fields); i++)
		seq_printf(m, "%-20s %llu\n", stats_fields[i].name,
			   *(u64 *)((char *)&stats + stats_fields[i].offset));
	seq_printf(m, "%-20s %u\n", "fragmentation_permille",
		   spanalloc_fragmentation(&stats));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int check_show(struct seq_file *m, void *unused)
{
	struct span_report report;

	if (span_heap_check(m->private, CHECK_BATCH, &report))
		seq_printf(m, "invariant %d broken at page %lu\n", report.invariant,
			   report.page);
	else
		seq_printf(m, "ok %lu spans, %lu free, %lu granules, sums %s\n",
			   report.spans, report.free_spans, report.granules,
			   report.sums_compared ? "compared" : "not compared: the heap changed");
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(check);

/**
 * struct spans_iter - an open "spans" file
 * @heap: the heap
 * @info: the span to be shown
 */
struct spans_iter {
	struct span_heap *heap;
	struct span_info info;
};

/* A position is a page number plus one; 0 is the heading. */
static void *spans_at(struct spans_iter *iter, loff_t *pos)
{
	if (!*pos)
		return SEQ_START_TOKEN;
	if (!span_heap_next_span(iter->heap, *pos - 1, &iter->info))
		return NULL;
	*pos = iter->info.base + 1;
	return &iter->info;
}

static void *spans_start(struct seq_file *m, loff_t *pos)
{
	return spans_at(m->private, pos);
}

static void *spans_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct spans_iter *iter = m->private;

	if (v == SEQ_START_TOKEN)
		*pos = 1;
	else
		*pos = iter->info.base + iter->info.npages + 1;
	return spans_at(iter, pos);
}

static void spans_stop(struct seq_file *m, void *v)
{
}

static int spans_show(struct seq_file *m, void *v)
{
	const struct span_info *info = v;

	if (v == SEQ_START_TOKEN) {
		seq_puts(m, "base pages state released owner\n");
		return 0;
	}
	seq_printf(m, "%lu %lu %s %lu", info->base, info->npages,
		   span_state_name(info->state), info->nreleased);
	if (info->owner)
		seq_printf(m, " pid %u", info->owner);
	else if (info->caller)
		seq_printf(m, " %pS", (void *)info->caller);
	else
		seq_puts(m, " -");
	if (info->views)
		seq_printf(m, " views %u", info->views);
	seq_putc(m, '\n');
	return 0;
}

static const struct seq_operations spans_sops = {
	.start = spans_start,
	.next = spans_next,
	.stop = spans_stop,
	.show = spans_show,
};

static int spans_open(struct inode *inode, struct file *file)
{
	struct spans_iter *iter = __seq_open_private(file, &spans_sops, sizeof(*iter));

	if (!iter)
		return -ENOMEM;
	iter->heap = inode->i_private;
	return 0;
}

static const struct file_operations spans_fops = {
	.owner = THIS_MODULE,
	.open = spans_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = seq_release_private,
};

/**
 * span_debugfs_add() - show a heap
 * @heap: a heap that is about to be used
 *
 * Without debugfs, nothing happens.
 *
 * Context: may sleep.
 */
void span_debugfs_add(struct span_heap *heap)
{
	heap->debugfs = debugfs_create_dir(heap->name, top);
	debugfs_create_file("stats", 0400, heap->debugfs, heap, &stats_fops);
	debugfs_create_file("spans", 0400, heap->debugfs, heap, &spans_fops);
	debugfs_create_file("check", 0400, heap->debugfs, heap, &check_fops);
}

/**
 * span_debugfs_remove() - stop showing a heap
 * @heap: the heap
 *
 * Waits for readers.
 *
 * Context: may sleep.
 */
void span_debugfs_remove(struct span_heap *heap)
{
	debugfs_remove(heap->debugfs);
	heap->debugfs = NULL;
}

/**
 * span_debugfs_init() - make the top directory
 *
 * Context: may sleep.
 */
void span_debugfs_init(void)
{
	top = debugfs_create_dir("spanalloc", NULL);
}

/**
 * span_debugfs_exit() - remove the top directory
 *
 * Context: may sleep.
 */
void span_debugfs_exit(void)
{
	debugfs_remove(top);
}
