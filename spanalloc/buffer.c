// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers: allocations that programs hold, map and pin.
 */

/**
 * DOC: Life of a buffer
 *
 * A buffer is one span and a count of references: one of each handle in the open
 * file that allocated it, one of each mapping, one of each export. There is one handle
 * until a program splits it; then each names a part of the buffer, and the span stays
 * whole; there is none if mmap() made the buffer. Freeing handles, unmapping and closing
 * exports go in any order. When the last reference is gone,
 * no page table leads to the pages any more, but the kernel may still use them:
 * direct I/O under way, io_uring, RDMA or a pipe hold references on single pages.
 * Hence the *pin gate*: unless every page's count is back to ours alone, the
 * buffer goes to quarantine and not to the heap, so that nobody else gets a page
 * that a device may still write to. References can be transient, of a walker over physical
 * memory for instance, so quarantine is normal: it is counted, and looked through
 * again from a work item, less and less often while nothing changes, and before
 * an allocation fails. A page that had a memory error never leaves it.
 *
 * When the module goes, what is in quarantine is freed like everything else:
 * that drops our references, and the last pin frees each page.
 *
 * A buffer is charged (see account.c) before its pages are taken, and until they are
 * back, quarantine included. What is in quarantine without need is looked for before
 * a charge is refused, as before the heap refuses.
 *
 * Locking: the quarantine has a mutex, held while it is looked through, so that
 * whoever waits for it finds everything released that could be. It nests in
 * mmap_lock, and the heap's lock nests in it. References are atomic.
 */

#include <linux/err.h>
#include <linux/instruction_pointer.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/page-flags.h>
#include <linux/page_ref.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <uapi/linux/spanalloc.h>

#include "buffer.h"
#include "internal.h"

/* How long quarantine waits between two looks, in milliseconds. */
#define RECHECK_FIRST_MS	10
#define RECHECK_LAST_MS		2000

static DEFINE_MUTEX(quarantine_lock);
static LIST_HEAD(quarantine);
static unsigned int recheck_ms;
static struct workqueue_struct *recheck_queue;

static void recheck(struct work_struct *work);
static DECLARE_DELAYED_WORK(recheck_work, recheck);

/*
 * Does anybody but us hold a reference? A page with a memory error counts as
 * well: it must not reach another owner either.
 */
static bool page_is_pinned(struct page *page)
{
	return page_ref_count(page) != 1 || PageHWPoison(page);
}

/**
 * span_buffer_is_pinned() - does anybody hold a reference on a page but us?
 * @buffer: a buffer of the caller's
 *
 * A page that is mapped counts. The one that was pinned last time is the one to look
 * at first. In a heap that was found damaged, everything counts as pinned.
 *
 * Context: may sleep.
 * Return: true if so.
 */
bool span_buffer_is_pinned(struct span_buffer *buffer)
{
	unsigned long index = 0, npages, i;
	struct page *page;

	page = span_heap_run(buffer->heap, buffer->span, READ_ONCE(buffer->pinned), &npages);
	if (!page || page_is_pinned(page))
		return true;
	while (index < span_buffer_npages(buffer)) {
		page = span_heap_run(buffer->heap, buffer->span, index, &npages);
		if (!page)
			return true;
		for (i = 0; i < npages; i++) {
			if (page_is_pinned(page + i)) {
				WRITE_ONCE(buffer->pinned, index + i);
				return true;
			}
		}
		index += npages;
		cond_resched();
	}
	return false;
}

static void buffer_delete(struct span_buffer *buffer)
{
	span_heap_free_slowly(buffer->heap, buffer->span);
	span_uncharge(&buffer->charge);
	kfree(buffer);
}

/* The last reference is gone. */
static void buffer_release(struct span_buffer *buffer)
{
	if (!span_buffer_is_pinned(buffer)) {
		buffer_delete(buffer);
		return;
	}
	atomic_long_add(buffer->charge.npages, &buffer->charge.account->quarantined);
	span_heap_quarantine(buffer->heap, buffer->span);
	mutex_lock(&quarantine_lock);
	list_add_tail(&buffer->quarantine, &quarantine);
	/* Soon, but not later than it would have been: more may come in meanwhile. */
	if (recheck_ms > RECHECK_FIRST_MS)
		mod_delayed_work(recheck_queue, &recheck_work,
				 msecs_to_jiffies(RECHECK_FIRST_MS));
	else
		queue_delayed_work(recheck_queue, &recheck_work,
				   msecs_to_jiffies(RECHECK_FIRST_MS));
	recheck_ms = RECHECK_FIRST_MS;
	mutex_unlock(&quarantine_lock);
}

/* Look through the quarantine once. Returns how many buffers left it. */
static unsigned long release_unpinned(bool all)
{
	struct span_buffer *buffer, *next;
	unsigned long released = 0;

	lockdep_assert_held(&quarantine_lock);
	list_for_each_entry_safe(buffer, next, &quarantine, quarantine) {
		if (!all && fatal_signal_pending(current))
			break;
		if (!all && span_buffer_is_pinned(buffer))
			continue;
		list_del(&buffer->quarantine);
		atomic_long_sub(buffer->charge.npages, &buffer->charge.account->quarantined);
		buffer_delete(buffer);
		released++;
	}
	return released;
}

static void recheck(struct work_struct *work)
{
	mutex_lock(&quarantine_lock);
	if (release_unpinned(false))
		recheck_ms = RECHECK_FIRST_MS;
	else
		recheck_ms = min_t(unsigned int, recheck_ms * 2, RECHECK_LAST_MS);
	if (!list_empty(&quarantine))
		queue_delayed_work(recheck_queue, &recheck_work, msecs_to_jiffies(recheck_ms));
	mutex_unlock(&quarantine_lock);
}

/**
 * span_buffer_drain() - let go of what is in quarantine without need
 *
 * Waits for who is looking through it already, or what that one has taken out of the
 * list, and not yet freed, would be missed. A fatal signal ends it: mmap_lock may be held
 * for writing, and the quarantine is everybody's.
 *
 * Context: may sleep.
 */
void span_buffer_drain(void)
{
	if (mutex_lock_killable(&quarantine_lock))
		return;
	release_unpinned(false);
	mutex_unlock(&quarantine_lock);
}

/* The heap's last resort before an allocation fails. */
static void drain_for_heap(void *unused)
{
	span_buffer_drain();
}

/*
 * What a request is to be charged. One page that is aligned to a granule keeps a whole
 * granule backed as long as nobody else happens to use the rest, so an alignment is paid
 * for, or a limit of pages would be none of memory.
 */
static u64 charged_pages(const struct span_heap *heap, const struct span_request *request)
{
	unsigned long align = clamp(request->align, 1UL, span_heap_granule_pages(heap));

	return round_up(request->npages, align);
}

/* Make a buffer's charge. What only seems to be pinned must not be in its way. */
static int charge(struct span_buffer *buffer, struct span_account *account,
		  unsigned long npages)
{
	if (!span_charge(&buffer->charge, account, npages))
		return 0;
	span_buffer_drain();
	return span_charge(&buffer->charge, account, npages);
}

static int fill(struct span_buffer *buffer, struct span_account *account,
		const struct span_request *request)
{
	bool sane = !span_request_check(buffer->heap, request);
	int err;

	/* What makes no sense, or can never be, is for the heap to refuse and to count. */
	if (sane) {
		err = charge(buffer, account, charged_pages(buffer->heap, request));
		if (err)
			return err;
	}
	buffer->span = span_heap_alloc(buffer->heap, request);
	if (IS_ERR(buffer->span)) {
		if (sane)
			span_uncharge(&buffer->charge);
		return PTR_ERR(buffer->span);
	}
	buffer->pgoff = SPAN_OFFSET_BIAS + buffer->span->node.base;
	return 0;
}

/**
 * span_buffer_new() - allocate a buffer
 * @heap: the heap
 * @account: who pays for it
 * @npages: length in pages
 * @align: of its base, in pages; 0 means any
 * @flags: SPANALLOC_ALLOC_CONTIG and SPANALLOC_ALLOC_POPULATE; memory is zeroed in any
 *         case
 *
 * Context: may sleep.
 * Return: the buffer with one reference; ERR_PTR(-EDQUOT) if a limit of the account,
 * the device or the user is in the way, or ERR_PTR() as span_heap_alloc().
 */
struct span_buffer *span_buffer_new(struct span_heap *heap, struct span_account *account,
				    u64 npages, u64 align, u32 flags)
{
	const struct span_request request = {
		.npages = npages,
		.align = align,
		.flags = SPANALLOC_ZERO |
			 (flags & SPANALLOC_ALLOC_CONTIG ? SPANALLOC_CONTIG : 0),
		.gfp = GFP_KERNEL,
		.caller = _RET_IP_,
		.owner = task_tgid_nr(current),
	};
	struct span_buffer *buffer;
	int err;

	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return ERR_PTR(-ENOMEM);
	refcount_set(&buffer->ref, 1);
	buffer->heap = heap;
	buffer->populate = flags & SPANALLOC_ALLOC_POPULATE;
	err = fill(buffer, account, &request);
	if (err) {
		kfree(buffer);
		return ERR_PTR(err);
	}
	return buffer;
}

/**
 * span_buffer_get() - take a reference
 * @buffer: a buffer that the caller's reference or lock keeps alive
 *
 * Context: any.
 * Return: @buffer.
 */
struct span_buffer *span_buffer_get(struct span_buffer *buffer)
{
	refcount_inc(&buffer->ref);
	return buffer;
}

/**
 * span_buffer_put() - drop a reference
 * @buffer: the buffer
 *
 * The last one frees the span, or quarantines it while a page of it is pinned.
 *
 * Context: may sleep.
 */
void span_buffer_put(struct span_buffer *buffer)
{
	might_sleep();
	if (refcount_dec_and_test(&buffer->ref))
		buffer_release(buffer);
}

/**
 * span_buffer_init() - make the quarantine
 * @heap: the heap that buffers come from
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int span_buffer_init(struct span_heap *heap)
{
	recheck_queue = alloc_workqueue("spanalloc_quarantine", WQ_UNBOUND | WQ_FREEZABLE, 1);
	if (!recheck_queue)
		return -ENOMEM;
	heap->drain = drain_for_heap;
	return 0;
}

/**
 * span_buffer_exit() - empty and end the quarantine
 *
 * Context: may sleep; no reference to a buffer is left.
 */
void span_buffer_exit(void)
{
	struct span_buffer *buffer;

	cancel_delayed_work_sync(&recheck_work);
	destroy_workqueue(recheck_queue);
	mutex_lock(&quarantine_lock);
	buffer = list_first_entry_or_null(&quarantine, struct span_buffer, quarantine);
	/* The pages are still in use, and not ours to write to. */
	if (buffer)
		span_heap_forget_contents(buffer->heap);
	release_unpinned(true);
	mutex_unlock(&quarantine_lock);
}
