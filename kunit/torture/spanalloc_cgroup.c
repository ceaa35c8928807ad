// SPDX-License-Identifier: GPL-2.0-only
/*
 * A heap of whoever loads this module, for a script to see who pays for its memory and
 * which NUMA node that comes from.
 */

/**
 * DOC: Cgroup
 *
 * Loading the module makes the heap "cgroup" as the parameters "account", "nid" and
 * "retain_percent" say, in the memory cgroup of who loads it; unloading destroys it. What
 * is written to other parameters is done:
 *
 * alloc: so many pages are allocated, in the way that "how" says, from the heap, or from
 * the default heap if "shared" is set. "error" has the result.
 *
 * free: all spans are freed, in the way that "how" says.
 *
 * scatter: on that NUMA node no block as large as a granule is left: one page of each is
 * kept until the module is unloaded. Memory is not short then, only in pieces. A few blocks are
 * kept whole, so that there are some again after that, whoever has used the pieces.
 *
 * Reading "nodes" tells how many pages of the spans are on each node.
 *
 * Locking: the kernel has one parameter of a module written or read at a time.
 */

#include <linux/err.h>
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/nodemask.h>
#include <linux/numa.h>
#include <linux/slab.h>
#include <linux/spanalloc.h>

#include "../../spanalloc/compat.h"

#define SPANS_MAX	256
#define HELD_MAX	8192
/* Blocks of each node that stay whole. */
#define WHOLE		8

enum how { HOW_KERNEL, HOW_NOWAIT, HOW_ATOMIC, HOW_INTERRUPT, NHOWS };

static bool account;
module_param(account, bool, 0444);
MODULE_PARM_DESC(account, "is the memory charged to the memory cgroup of who loads this?");

static int nid = NUMA_NO_NODE;
module_param(nid, int, 0444);
MODULE_PARM_DESC(nid, "NUMA node to prefer");

static int retain_percent;
module_param(retain_percent, int, 0444);
MODULE_PARM_DESC(retain_percent, "share of idle memory that is kept");

static unsigned int how;
module_param(how, uint, 0644);
MODULE_PARM_DESC(how, "0: GFP_KERNEL, 1: GFP_NOWAIT, 2: GFP_ATOMIC, 3: in a hard interrupt");

static bool shared;
module_param(shared, bool, 0644);
MODULE_PARM_DESC(shared, "allocate from the default heap");

static int error;
module_param(error, int, 0444);
MODULE_PARM_DESC(error, "out: how the last allocation ended");

/**
 * struct holding - a span that was allocated
 * @heap: from which heap
 * @span: the span
 */
struct holding {
	struct span_heap *heap;
	struct span *span;
};

/**
 * struct errand - what is done in a hard interrupt
 * @work: brings us there
 * @npages: pages to allocate; 0: free
 * @what: the span to be freed, or what was allocated
 */
struct errand {
	struct irq_work work;
	unsigned long npages;
	struct holding what;
};

/**
 * struct held - what is kept from everybody
 * @page: a page, or a block
 * @order: log2 of its pages
 */
struct held {
	struct page *page;
	unsigned int order;
};

static struct span_heap *heap;
static struct holding holdings[SPANS_MAX];
static unsigned int nholdings;
static struct held *held;
static unsigned int nheld;

static void run_errand(struct irq_work *work)
{
	struct errand *errand = container_of(work, struct errand, work);

	if (errand->npages)
		errand->what.span = spanalloc_alloc(errand->what.heap, errand->npages, 1, 0,
						    GFP_ATOMIC);
	else
		spanalloc_free(errand->what.heap, errand->what.span);
}

/* Have it done in a hard interrupt, and wait for it. */
static void send(struct errand *errand)
{
	errand->work = IRQ_WORK_INIT(run_errand);
	irq_work_queue(&errand->work);
	irq_work_sync(&errand->work);
}

static struct span *alloc_from(struct span_heap *from, unsigned long npages)
{
	static const gfp_t gfp[] = {
		[HOW_KERNEL] = GFP_KERNEL,
		[HOW_NOWAIT] = GFP_NOWAIT,
		[HOW_ATOMIC] = GFP_ATOMIC,
	};
	struct errand errand = { .npages = npages, .what.heap = from };

	if (how >= NHOWS || !npages)
		return ERR_PTR(-EINVAL);
	if (how != HOW_INTERRUPT)
		return spanalloc_alloc(from, npages, 1, 0, gfp[how]);
	send(&errand);
	return errand.what.span;
}

static void free_holding(const struct holding *holding)
{
	struct errand errand = { .what = *holding };

	if (how == HOW_INTERRUPT)
		send(&errand);
	else
		spanalloc_free(holding->heap, holding->span);
}

static int set_alloc(const char *value, const struct kernel_param *param)
{
	struct span_heap *from = shared ? spanalloc_default_heap() : heap;
	unsigned long npages;
	struct span *span;
	int err = kstrtoul(value, 0, &npages);

	if (err)
		return err;
	if (!heap || nholdings == SPANS_MAX)
		return -ENOSPC;
	span = alloc_from(from, npages);
	error = PTR_ERR_OR_ZERO(span);
	if (!error)
		holdings[nholdings++] = (struct holding) { .heap = from, .span = span };
	return error;
}

static void free_all(void)
{
	while (nholdings)
		free_holding(&holdings[--nholdings]);
}

static int set_free(const char *value, const struct kernel_param *param)
{
	free_all();
	return 0;
}

/*
 * One block: it stays with us, or a page of it does, so that the rest cannot become one again.
 * It is asked for with more effort than a heap makes, which gathers also what the processors
 * keep for themselves.
 */
static bool hold_block(int node, unsigned int order, bool whole)
{
	gfp_t gfp = GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN | __GFP_THISNODE;
	struct page *page = alloc_pages_node(node, gfp, order);
	unsigned int i;

	if (!page)
		return false;
	held[nheld++] = (struct held) { .page = page, .order = whole ? order : 0 };
	if (whole)
		return true;
	split_page(page, order);
	for (i = 1; i < 1U << order; i++)
		__free_page(page + i);
	return true;
}

static int set_scatter(const char *value, const struct kernel_param *param)
{
	unsigned int order, whole = WHOLE;
	struct spanalloc_stats stats;
	int node, err = kstrtoint(value, 0, &node);

	if (err)
		return err;
	if (!heap || node < 0 || node >= MAX_NUMNODES || !node_online(node))
		return -EINVAL;
	spanalloc_get_stats(heap, &stats);
	order = ilog2(stats.granule_pages);
	while (nheld < HELD_MAX && hold_block(node, order, whole)) {
		if (whole)
			whole--;
		cond_resched();
	}
	return nheld < HELD_MAX ? 0 : -ENOSPC;
}

/* Pages of all spans that are on @node. */
static unsigned long pages_on(int node)
{
	unsigned long n = 0, page;
	unsigned int i;

	for (i = 0; i < nholdings; i++)
		for (page = 0; page < spanalloc_npages(holdings[i].span); page++)
			n += page_to_nid(spanalloc_page(holdings[i].heap, holdings[i].span,
							page)) == node;
	return n;
}

static int get_nodes(char *buffer, const struct kernel_param *param)
{
	int node, length = 0;

	for_each_online_node(node)
		length += scnprintf(buffer + length, PAGE_SIZE - length, "%d:%lu ", node,
				    pages_on(node));
	return length;
}

static const struct kernel_param_ops alloc_ops = { .set = set_alloc };
static const struct kernel_param_ops free_ops = { .set = set_free };
static const struct kernel_param_ops scatter_ops = { .set = set_scatter };
static const struct kernel_param_ops nodes_ops = { .get = get_nodes };

module_param_cb(alloc, &alloc_ops, NULL, 0200);
MODULE_PARM_DESC(alloc, "pages to allocate");
module_param_cb(free, &free_ops, NULL, 0200);
MODULE_PARM_DESC(free, "free all");
module_param_cb(scatter, &scatter_ops, NULL, 0200);
MODULE_PARM_DESC(scatter, "a NUMA node that is to have no large blocks any more");
module_param_cb(nodes, &nodes_ops, NULL, 0400);
MODULE_PARM_DESC(nodes, "out: pages on each NUMA node");

static int __init account_init(void)
{
	const struct spanalloc_attr attr = {
		.name = "cgroup",
		.nid = nid,
		.granule_order = SPANALLOC_ORDER_DEFAULT,
		.retain_percent = retain_percent,
		.account = account,
	};
	struct span_heap *made;

	held = kvcalloc(HELD_MAX, sizeof(*held), GFP_KERNEL);
	if (!held)
		return -ENOMEM;
	made = spanalloc_heap_create(&attr);
	if (IS_ERR(made)) {
		kvfree(held);
		return PTR_ERR(made);
	}
	heap = made;
	return 0;
}

static void __exit account_exit(void)
{
	how = HOW_KERNEL;
	free_all();
	spanalloc_heap_destroy(heap);
	while (nheld) {
		nheld--;
		__free_pages(held[nheld].page, held[nheld].order);
	}
	kvfree(held);
}

module_init(account_init);
module_exit(account_exit);

SPAN_IMPORT();
MODULE_AUTHOR("The spanalloc authors");
MODULE_DESCRIPTION("Who pays for the memory of a heap, and where it comes from");
MODULE_LICENSE("GPL");
