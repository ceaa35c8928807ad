/* SPDX-License-Identifier: GPL-2.0-only */
/* A counter that is odd while somebody writes. All that it guards is read and written marked. */
#ifndef _SHIM_LINUX_SEQLOCK_H
#define _SHIM_LINUX_SEQLOCK_H

#include <linux/compiler.h>
#include <linux/types.h>

typedef struct {
	unsigned int sequence;
} seqcount_t;

static inline void seqcount_init(seqcount_t *s)
{
	s->sequence = 0;
}

static inline void write_seqcount_begin(seqcount_t *s)
{
	__atomic_fetch_add(&s->sequence, 1, __ATOMIC_SEQ_CST);
}

static inline void write_seqcount_end(seqcount_t *s)
{
	__atomic_fetch_add(&s->sequence, 1, __ATOMIC_SEQ_CST);
}

static inline unsigned int read_seqcount_begin(const seqcount_t *s)
{
	unsigned int sequence;

	do {
		sequence = __atomic_load_n(&s->sequence, __ATOMIC_SEQ_CST);
	} while (sequence & 1);
	return sequence;
}

static inline int read_seqcount_retry(const seqcount_t *s, unsigned int start)
{
	return __atomic_load_n(&s->sequence, __ATOMIC_SEQ_CST) != start;
}

#endif /* _SHIM_LINUX_SEQLOCK_H */
