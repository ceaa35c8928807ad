/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Accounts: what programs hold, and how much they may. See account.c.
 */
#ifndef _SPANALLOC_ACCOUNT_H
#define _SPANALLOC_ACCOUNT_H

#include <linux/atomic.h>
#include <linux/refcount.h>
#include <linux/types.h>

struct user_struct;

/* No limit. */
#define SPAN_ACCOUNT_UNLIMITED	ULONG_MAX

/**
 * struct span_account - what one open file holds
 * @ref: held by the open file and by each buffer charged to it
 * @limit: charges beyond this many pages are refused; read without a lock
 * @pages: pages charged
 * @quarantined: of these, pages of buffers in quarantine
 * @allocs: allocations made
 * @fails: allocations refused for want of room or memory
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

struct span_account *span_account_new(void);
void span_account_put(struct span_account *account);
int span_account_set_limit(struct span_account *account, u64 npages);
unsigned long span_account_room(const struct span_account *account);
int span_charge(struct span_charge *charge, struct span_account *account, u64 npages);
void span_uncharge(struct span_charge *charge);
unsigned long span_device_pages(void);
unsigned long span_device_limit(void);

#endif /* _SPANALLOC_ACCOUNT_H */
