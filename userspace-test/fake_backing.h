/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that tests control: fake pages, handed out, refused, scattered or dirty
 * as asked for, and a hook in the middle of a request.
 */
#ifndef _FAKE_BACKING_H
#define _FAKE_BACKING_H

#include <pthread.h>

#include <linux/mm_types.h>

#include "backing.h"

struct fake_block;

/**
 * struct fake_backing - a source of fake pages
 * @fail_in: the @fail_in-th request from now on is refused (1: the next), once;
 *           0: none
 * @fail_nowait: requests that may not sleep are refused
 * @fail_contig: requests that refuse single pages are refused
 * @far: there is memory of other nodes alone: requests that refuse that are refused
 * @scatter_every: every so-many-th block is single pages; 0: none, 1: all
 * @dirty: pages are full of rubbish even if zeroed ones are asked for
 * @hook: called in each request before anything is decided; not re-entered
 * @hook_arg: handed to @hook
 * @give_hook: the same when a block is given back
 * @fill_hook: the same when pages are filled
 * @verify_hook: the same when pages are verified
 * @clock: if set, giving a block back moves it
 * @give_ns: by so much
 * @ntaken: blocks handed out
 * @ngiven: blocks given back
 * @nrefused: requests refused
 * @nzeroed: pages cleared on request
 * @nfilled: pages filled with something else
 * @nverified: pages verified
 * @nbroken: of these, those that were not as they should be
 * @nerrors: calls that should not have happened; each is told as a warning
 * @blocks: blocks that are out
 * @mutex: protects all this
 */
struct fake_backing {
	unsigned long fail_in;
	bool fail_nowait;
	bool fail_contig;
	bool far;
	unsigned long scatter_every;
	bool dirty;
	void (*hook)(void *arg);
	void *hook_arg;
	void (*give_hook)(void *arg);
	void (*fill_hook)(void *arg);
	void (*verify_hook)(void *arg);
	u64 *clock;
	u64 give_ns;
	unsigned long ntaken;
	unsigned long ngiven;
	unsigned long nrefused;
	unsigned long nzeroed;
	unsigned long nfilled;
	unsigned long nverified;
	unsigned long nbroken;
	unsigned long nerrors;
	struct fake_block *blocks;
	pthread_mutex_t mutex;
};

extern const struct span_backing_ops fake_backing_ops;

/* The content of a fake page that is full of @byte. */
static inline u64 fake_full_of(u8 byte)
{
	return byte * 0x0101010101010101ULL;
}

void fake_backing_init(struct fake_backing *fake);
/* Frees what is still out; returns how many blocks that were. */
unsigned long fake_backing_exit(struct fake_backing *fake);

#endif /* _FAKE_BACKING_H */
