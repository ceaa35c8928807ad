/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Accounts: what programs hold, and how much they may. See account.c.
 */
#ifndef _SPANALLOC_ACCOUNT_H
#define _SPANALLOC_ACCOUNT_H

#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/refcount.h>
#include <linux/types.h>

struct user_struct;

/* No limit; and that of the module, whatever it is by then. */
#define SPAN_ACCOUNT_UNLIMITED	ULONG_MAX
#define SPAN_ACCOUNT_INHERIT	(ULONG_MAX - 1)

/**
 * struct span_account - what one open file holds
 * @ref: held by the open file and by each buffer charged to it
 * @limit: charges beyond this many pages are refused; SPAN_ACCOUNT_INHERIT to go by
 *         the module's limit. Read and written without a lock
 * @pages: pages charged
 * @quarantined: of these, pages of buffers in quarantine
 * @allocs: allocations made, and handed out
 * @fails: allocations that failed for want of room or memory
 */
struct span_account {
	refcount_t ref;
	unsigned long limit;
	atomic_long_t pages;
	atomic_long_t quarantined;
	atomic64_t allocs;
	atomic64_t fails;
};

/**
 * struct span_charge - pages that an account was charged
 * @account: the account, which the charge holds a reference on
 * @user: whose locked memory they count as; NULL if nobody's
 * @npages: how many
 */
struct span_charge {
	struct span_account *account;
	struct user_struct *user;
	unsigned long npages;
};

/* Did an allocation fail for want of room or memory, so that a shorter one might not? */
static inline bool span_is_want(int err)
{
	return err == -EDQUOT || err == -ENOSPC || err == -ENOMEM;
}

struct span_account *span_account_new(void);
void span_account_put(struct span_account *account);
unsigned long span_account_limit(const struct span_account *account);
int span_account_set_limit(struct span_account *account, unsigned long npages);
unsigned long span_account_room(const struct span_account *account);
void span_account_note(struct span_account *account, int err);
int span_charge(struct span_charge *charge, struct span_account *account, u64 npages);
void span_uncharge(struct span_charge *charge);
unsigned long span_device_pages(void);
unsigned long span_device_limit(void);

#endif /* _SPANALLOC_ACCOUNT_H */
