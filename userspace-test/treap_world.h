/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A treap and its model side by side: what the treap's tests share.
 */
#ifndef _TREAP_WORLD_H
#define _TREAP_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/kernel.h>
#include <linux/rbtree_augmented.h>

#include "treap.h"

#include "ktap.h"
#include "model/linear.h"
#include "rng.h"
#include "shim.h"

/* Pages of the address space that the random tests play in. */
#define WORLD	1500UL

/* How priorities are chosen: each gives trees of another shape. */
enum prio_mode {
	PRIO_RANDOM,
	PRIO_FEW,		/* many equal ones */
	PRIO_EQUAL,
	PRIO_BY_BASE,		/* a list to the left */
	PRIO_BY_BASE_DOWN,	/* a list to the right */
	PRIO_RISING,		/* the newest is the root */
	PRIO_FALLING,		/* the newest is a leaf */
	NR_PRIO_MODES,
};

/**
 * struct world - a treap and its model
 * @treap: the tree under test
 * @model: the same spans
 * @rng: decides what happens
 * @mode: how priorities are chosen
 * @ninserts: insertions so far
 * @nerases: erasures so far
 * @nmutates: changes in place so far
 * @talk: say what is done
 */
struct world {
	struct span_treap treap;
	struct linear model;
	struct rng rng;
	enum prio_mode mode;
	unsigned long ninserts;
	unsigned long nerases;
	unsigned long nmutates;
	bool talk;
};

extern struct world world;

void world_init(struct world *w, enum prio_mode mode, uint64_t seed);
void world_exit(struct world *w);
void add(struct world *w, const struct linear_span *span);
void drop(struct world *w, size_t at);
bool random_span(struct world *w, size_t at, struct linear_span *span);
void change(struct world *w, size_t at, const struct linear_span *to);
void change_randomly(struct world *w, size_t at);

bool verify(const struct world *w);
bool verify_filter(const struct world *w, u8 filter);
bool verify_walks(struct world *w);
bool verify_fits(struct world *w);

/* Any operation or question, and verify; no more insertions than erasures above @most. */
bool world_step(struct world *w, size_t most);

/* treap_damage.c */
void damage_is_named(void);
void damaged_counters_are_named(void);
void searches_stay_out(void);

#endif /* _TREAP_WORLD_H */
