/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_PRANDOM_H
#define _SHIM_LINUX_PRANDOM_H

#include <linux/random.h>
#include <linux/types.h>

/* Not the kernel's generator: only good enough, and the same in each run. */
struct rnd_state {
	u64 state;
};

void prandom_seed_state(struct rnd_state *state, u64 seed);
u32 prandom_u32_state(struct rnd_state *state);
void prandom_bytes_state(struct rnd_state *state, void *to, size_t nbytes);

#endif /* _SHIM_LINUX_PRANDOM_H */
