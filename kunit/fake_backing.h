/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that tests control: see fake_backing.c.
 */
#ifndef _SPANALLOC_KUNIT_FAKE_BACKING_H
#define _SPANALLOC_KUNIT_FAKE_BACKING_H

#include <linux/limits.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "backing.h"

/**
 * struct span_fake - a source of fake pages
 * @fail_in: the @fail_in-th request from now on is refused (1: the next), once;
 *           0: none
 * @fail_nowait: requests that may not sleep are refused
 * @scatter_every: every so-many-th block is single pages; 0: none, 1: all
 * @dirty: pages hold rubbish even if zeroed ones are asked for
 * @hook: called once in the next request, before anything is decided
 * @fill_hook: the same in the next request to fill pages
 * @hook_arg: handed to both
 * @ntaken: blocks handed out
 * @ngiven: blocks given back
 * @nrefused: requests refused
 * @nzeroed: pages cleared on request
 * @nfilled: pages filled with something else
 * @nbroken: pages that were found to hold something else
 * @nmistakes: calls that should not have happened, each of them in the log
 * @blocks: blocks that are out
 * @lock: protects all this
 */
struct span_fake {
	unsigned long fail_in;
	bool fail_nowait;
	unsigned long scatter_every;
	bool dirty;
	void (*hook)(void *arg);
	void (*fill_hook)(void *arg);
	void *hook_arg;
	unsigned long ntaken;
	unsigned long ngiven;
	unsigned long nrefused;
	unsigned long nzeroed;
	unsigned long nfilled;
	unsigned long nbroken;
	unsigned long nmistakes;
	struct list_head blocks;
	spinlock_t lock;	/* protects all this */
};

extern const struct span_backing_ops span_fake_backing;

/* What a fake page that is full of @byte holds. */
static inline unsigned long span_fake_full_of(u8 byte)
{
	return byte * (ULONG_MAX / 0xff);
}

void span_fake_init(struct span_fake *fake);
unsigned long span_fake_exit(struct span_fake *fake);

#endif /* _SPANALLOC_KUNIT_FAKE_BACKING_H */
