// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accounts: what programs hold, and how much they may.
 */

/**
 * DOC: Accounts
 *
 * A program's buffer is charged three times, for as long as its pages are out of
 * the heap: to the open file that it was allocated through, to all open files
 * together, and to the locked memory of the user whose task allocated it. The
 * first two have limits of the module's own; the third is the kernel's
 * RLIMIT_MEMLOCK, which spares who has CAP_IPC_LOCK.
 *
 * The charge belongs to the buffer and not to a mapping or a process: a VMA comes
 * and goes with fork, exec and partial munmap, and a buffer may outlive the process
 * that made it. For that reason the user's count is the one that io_uring, AF_XDP and
 * secretmem use as well, and not that of an address space; and for that reason
 * an account may outlive its open file.
 *
 * A buffer in quarantine stays charged. Otherwise a program could go beyond its
 * limit by pinning what it frees.
 *
 * Nothing is charged to a memory cgroup: the heap is shared, and keeps what is idle.
 *
 * Locking: none. A count and its limit are compared in one step with the addition, so
 * that a request beyond a limit is never seen in that count. The counts that more
 * share come later: what the file's limit refuses is not seen in the user's, and what
 * that refuses not in everybody's.
 */

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>

#include "account.h"
#include "compat.h"
#include "heap.h"

static ulong file_max_pages;
module_param(file_max_pages, ulong, 0644);
MODULE_PARM_DESC(file_max_pages,
		 "pages that an open file of the device may hold, unless it sets a limit of its own; 0 (default): as many as there are");

static ulong device_max_pages;
module_param(device_max_pages, ulong, 0644);
MODULE_PARM_DESC(device_max_pages,
		 "pages that all programs together may hold; 0 (default): as many as there are");

static atomic_long_t device_pages;

static unsigned long limit_of(unsigned long parameter)
{
	return parameter ? : SPAN_ACCOUNT_UNLIMITED;
}

/**
 * span_device_limit() - pages that all open files together may hold
 *
 * Context: any.
 * Return: the limit in pages, or SPAN_ACCOUNT_UNLIMITED.
 */
unsigned long span_device_limit(void)
{
	return limit_of(READ_ONCE(device_max_pages));
}

/**
 * span_device_pages() - pages charged to all open files together
 *
 * Context: any.
 * Return: number of pages.
 */
unsigned long span_device_pages(void)
{
	return atomic_long_read(&device_pages);
}

/**
 * span_account_new() - open an account
 *
 * Context: may sleep.
 * Return: an account with one reference and the module's limit, or NULL.
 */
struct span_account *span_account_new(void)
{
	struct span_account *account = kzalloc(sizeof(*account), GFP_KERNEL_ACCOUNT);

	if (!account)
		return NULL;
	refcount_set(&account->ref, 1);
	account->limit = SPAN_ACCOUNT_INHERIT;
	return account;
}

/**
 * span_account_put() - drop a reference
 * @account: the account
 *
 * Context: any.
 */
void span_account_put(struct span_account *account)
{
	if (refcount_dec_and_test(&account->ref))
		kfree(account);
}

/**
 * span_account_limit() - how much an account may hold
 * @account: the account
 *
 * Context: any.
 * Return: the limit in pages, or SPAN_ACCOUNT_UNLIMITED.
 */
unsigned long span_account_limit(const struct span_account *account)
{
	unsigned long limit = READ_ONCE(account->limit);

	return limit == SPAN_ACCOUNT_INHERIT ? limit_of(READ_ONCE(file_max_pages)) : limit;
}

/**
 * span_account_set_limit() - say how much an account may hold
 * @account: the account
 * @npages: the limit in pages; may be below what is held
 *
 * Context: any.
 * Return: 0, or -EPERM if that is above both its limit and the module's and the caller
 * has no CAP_SYS_RESOURCE.
 */
int span_account_set_limit(struct span_account *account, unsigned long npages)
{
	unsigned long module = limit_of(READ_ONCE(file_max_pages));
	unsigned long old = READ_ONCE(account->limit), allowed;

	/* No count is as high as either of these. */
	if (npages == SPAN_ACCOUNT_INHERIT)
		npages = SPAN_ACCOUNT_UNLIMITED;
	/* Whoever lowers the limit meanwhile has the last word. */
	do {
		allowed = old == SPAN_ACCOUNT_INHERIT ? module : max(old, module);
		if (npages > allowed && !capable(CAP_SYS_RESOURCE))
			return -EPERM;
	} while (!try_cmpxchg(&account->limit, &old, npages));
	return 0;
}

/**
 * span_account_note() - count an allocation
 * @account: the account
 * @err: how it went
 *
 * Context: any.
 */
void span_account_note(struct span_account *account, int err)
{
	if (!err)
		atomic64_inc(&account->allocs);
	else if (span_is_want(err))
		atomic64_inc(&account->fails);
}

static bool count(atomic_long_t *pages, unsigned long npages, unsigned long limit)
{
	long held = atomic_long_read(pages);

	do {
		if (npages > limit || held > limit - npages)
			return false;
	} while (!atomic_long_try_cmpxchg(pages, &held, held + npages));
	return true;
}

/* Room that a count leaves below a limit. */
static unsigned long room(const atomic_long_t *pages, unsigned long limit)
{
	unsigned long held = atomic_long_read(pages);

	return held < limit ? limit - held : 0;
}

#ifdef SPAN_HAS_LOCKED_VM

static unsigned long user_limit(void)
{
	unsigned long nbytes = rlimit(RLIMIT_MEMLOCK);

	return nbytes == RLIM_INFINITY ? SPAN_ACCOUNT_UNLIMITED : nbytes >> PAGE_SHIFT;
}

/* Not audited: who lacks it just has a limit. */
static bool is_exempt(void)
{
	return ns_capable_noaudit(&init_user_ns, CAP_IPC_LOCK);
}

static int charge_user(struct span_charge *charge)
{
	struct user_struct *user = current_user();

	if (is_exempt())
		return 0;
	if (!count(&user->locked_vm, charge->npages, user_limit()))
		return -EDQUOT;
	charge->user = get_uid(user);
	return 0;
}

static void uncharge_user(struct span_charge *charge)
{
	if (!charge->user)
		return;
	atomic_long_sub(charge->npages, &charge->user->locked_vm);
	free_uid(charge->user);
}

static unsigned long user_room(void)
{
	if (is_exempt())
		return SPAN_ACCOUNT_UNLIMITED;
	return room(&current_user()->locked_vm, user_limit());
}

#else

/* A kernel with nothing that would count locked memory of a user. */
static int charge_user(struct span_charge *charge)
{
	return 0;
}

static void uncharge_user(struct span_charge *charge)
{
}

static unsigned long user_room(void)
{
	return SPAN_ACCOUNT_UNLIMITED;
}

#endif

/**
 * span_account_room() - how much the calling task may still get
 * @account: the account it would be charged to
 *
 * Context: any task context.
 * Return: number of pages that the limits leave at this moment.
 */
unsigned long span_account_room(const struct span_account *account)
{
	return min3(room(&account->pages, span_account_limit(account)),
		    room(&device_pages, span_device_limit()), user_room());
}

/**
 * span_charge() - charge an account, all accounts together, and the calling user
 * @charge: out: what is to be handed to span_uncharge()
 * @account: the account
 * @npages: how much, in pages
 *
 * Context: any task context.
 * Return: 0, or -EDQUOT if a limit forbids it; then nothing is charged.
 */
int span_charge(struct span_charge *charge, struct span_account *account, u64 npages)
{
	*charge = (struct span_charge) { .account = account, .npages = npages };
	/* No sum of lengths that pass can overflow a signed count. */
	if (npages > SPAN_HEAP_PAGES_MAX)
		return -EDQUOT;
	if (!count(&account->pages, npages, span_account_limit(account)))
		return -EDQUOT;
	if (charge_user(charge))
		goto uncount_file;
	if (!count(&device_pages, npages, span_device_limit()))
		goto uncharge_user;
	refcount_inc(&account->ref);
	return 0;

uncharge_user:
	uncharge_user(charge);
uncount_file:
	atomic_long_sub(npages, &account->pages);
	return -EDQUOT;
}

/**
 * span_uncharge() - take a charge back
 * @charge: a charge that was made
 *
 * Context: any.
 */
void span_uncharge(struct span_charge *charge)
{
	uncharge_user(charge);
	atomic_long_sub(charge->npages, &device_pages);
	atomic_long_sub(charge->npages, &charge->account->pages);
	span_account_put(charge->account);
}
