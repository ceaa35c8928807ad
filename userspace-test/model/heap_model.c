// SPDX-License-Identifier: GPL-2.0-only
/*
 * A heap as an array of pages.
 */
#include <errno.h>
#include <string.h>

#include "heap_model.h"

void model_init(struct model *m, unsigned long granule, unsigned long arena,
		unsigned long limit, int retain_percent)
{
	memset(m, 0, sizeof(*m));
	m->granule = granule;
	m->arena = arena;
	m->limit = limit / granule * granule;
	m->retain_percent = retain_percent;
}

static bool is_free(const struct model *m, unsigned long base, unsigned long end)
{
	for (; base < end; base++)
		if (m->owner[base] != MODEL_FREE)
			return false;
	return true;
}

/* May the run lie at @base, as far as the kind of memory is concerned? */
static bool suits(const struct model *m, const struct model_ask *ask,
		  unsigned long base, bool backed_only)
{
	unsigned long granule = base / m->granule;

	if (!ask->contig)
		return true;
	if (granule != (base + ask->npages - 1) / m->granule)
		return false;
	if (m->table[granule].scattered)
		return false;
	return !backed_only || m->table[granule].backed;
}

/* Lowest place below @limit, or @limit. */
static unsigned long place(const struct model *m, const struct model_ask *ask,
			   unsigned long limit, bool backed_only)
{
	unsigned long base, run;

	for (base = 0; base + ask->npages <= limit; base++) {
		if (base % ask->align || m->owner[base] != MODEL_FREE ||
		    !suits(m, ask, base, backed_only))
			continue;
		for (run = 0; run < ask->npages; run++)
			if (m->owner[base + run] != MODEL_FREE)
				break;
		if (run == ask->npages)
			return base;
		/* No place begins below the page that is taken. */
		base += run;
	}
	return limit;
}

static bool free_below(const struct model *m, unsigned long base)
{
	return base > 0 && m->owner[base - 1] == MODEL_FREE;
}

static bool free_above(const struct model *m, unsigned long end)
{
	return end < m->space && m->owner[end] == MODEL_FREE;
}

static void grow(struct model *m, unsigned long end)
{
	unsigned long was = m->space;

	m->space = (end + m->arena - 1) / m->arena * m->arena;
	if (m->space > m->limit)
		m->space = m->limit;
	m->count.grows++;
	if (!free_below(m, was))
		m->count.tree_inserts++;
}

/* Take the run out of the free pages; returns whether it was a whole free run. */
static bool carve(struct model *m, unsigned long base, unsigned long npages,
		  unsigned int owner)
{
	bool below = free_below(m, base), above = free_above(m, base + npages);
	unsigned long i;

	for (i = 0; i < npages; i++)
		m->owner[base + i] = owner;
	if (!below && !above)
		m->count.tree_erases++;
	if (below && above)
		m->count.tree_inserts++;
	return !below && !above;
}

/* Returns whether a free neighbour grew. */
static bool put_back(struct model *m, unsigned long base, unsigned long npages)
{
	bool below = free_below(m, base), above = free_above(m, base + npages);
	unsigned long i;

	for (i = 0; i < npages; i++)
		m->owner[base + i] = MODEL_FREE;
	if (!below && !above)
		m->count.tree_inserts++;
	if (below && above)
		m->count.tree_erases++;
	return below || above;
}

static bool is_idle(const struct model *m, unsigned long granule)
{
	return m->table[granule].backed &&
	       is_free(m, granule * m->granule, (granule + 1) * m->granule);
}

unsigned long model_scavenge(struct model *m, unsigned long npages)
{
	unsigned long granule = m->space / m->granule, done = 0;

	while (granule-- && done < npages) {
		if (!is_idle(m, granule))
			continue;
		m->table[granule] = (struct model_granule) { false, false };
		done += m->granule;
	}
	m->count.scavenged_pages += done;
	return done;
}

/* Of what is idle above the share of @used pages, two granules go back at most. */
static void retain(struct model *m, unsigned long used)
{
	unsigned long idle = 0, keep, granule, bound = 2 * m->granule;

	if (m->retain_percent < 0)
		return;
	for (granule = 0; granule < m->space / m->granule; granule++)
		if (is_idle(m, granule))
			idle += m->granule;
	keep = used * m->retain_percent / 100;
	if (idle > keep)
		model_scavenge(m, idle - keep < bound ? idle - keep : bound);
}

void model_before_take(struct model *m)
{
	retain(m, m->in_use);
}

/* One block; false if it is refused. */
static bool take(struct model *m, struct model_granule *granule, bool contig)
{
	struct model_source *source = &m->source;

	if (source->fail_in && --source->fail_in == 0)
		return false;
	source->nblocks++;
	granule->backed = true;
	granule->scattered = !contig && source->scatter_every &&
			     source->nblocks % source->scatter_every == 0;
	m->count.backed++;
	m->count.backed_scattered += granule->scattered;
	return true;
}

/*
 * Memory for one granule. Who may sleep gives back what is above the share first,
 * and tries again with one idle granule less if there is one. Who may not has one
 * attempt.
 */
static bool take_for(struct model *m, const struct model_ask *ask,
		     struct model_granule *granule)
{
	if (ask->nowait)
		return take(m, granule, ask->contig);
	retain(m, m->in_use + ask->npages);
	return take(m, granule, ask->contig) ||
	       (!ask->contig && model_scavenge(m, 1) && take(m, granule, false));
}

static bool back(struct model *m, const struct model_ask *ask, unsigned long base,
		 unsigned long *ntaken)
{
	unsigned long granule = base / m->granule;

	for (; granule <= (base + ask->npages - 1) / m->granule; granule++) {
		if (m->table[granule].backed)
			continue;
		if (!take_for(m, ask, &m->table[granule]))
			return false;
		++*ntaken;
	}
	return true;
}

static int no_place(struct model *m, const struct model_ask *ask)
{
	if (ask->npages > m->limit - m->in_use - m->quarantined) {
		m->count.fails_limit++;
		return -EDQUOT;
	}
	m->count.fails_space++;
	return -ENOSPC;
}

static int no_memory(struct model *m, const struct model_ask *ask)
{
	if (ask->nowait) {
		m->count.fails_again++;
		return -EAGAIN;
	}
	m->count.fails_memory++;
	return -ENOMEM;
}

/* One attempt. */
static int attempt(struct model *m, const struct model_ask *ask, unsigned int owner,
		   bool backed_only, unsigned long *base)
{
	unsigned long limit = backed_only ? m->space : m->limit, ntaken = 0;
	bool exact;

	if (ask->npages > m->limit)
		return no_place(m, ask);
	*base = place(m, ask, limit, backed_only);
	if (*base == limit)
		return backed_only ? no_memory(m, ask) : no_place(m, ask);
	if (*base + ask->npages > m->space) {
		if (ask->nowait) {
			m->count.fails_again++;
			return -EAGAIN;
		}
		grow(m, *base + ask->npages);
	}
	exact = carve(m, *base, ask->npages, owner);
	if (!back(m, ask, *base, &ntaken)) {
		put_back(m, *base, ask->npages);
		/* Memory is short: as much goes back as was taken. */
		if (!ask->nowait)
			model_scavenge(m, ntaken * m->granule);
		/* A granule that has its block may do. */
		if (ask->contig && !ask->nowait && !backed_only)
			return attempt(m, ask, owner, true, base);
		return no_memory(m, ask);
	}
	m->in_use += ask->npages;
	m->count.allocs++;
	m->count.allocs_exact += exact;
	m->count.splits_in_place += !exact;
	m->count.allocs_placed += ask->align > 1 || ask->contig;
	return 0;
}

int model_alloc(struct model *m, const struct model_ask *ask, unsigned int owner,
		unsigned long *base)
{
	return attempt(m, ask, owner, false, base);
}

void model_free(struct model *m, unsigned long base, unsigned long npages,
		bool quarantined)
{
	*(quarantined ? &m->quarantined : &m->in_use) -= npages;
	m->count.frees++;
	m->count.merges_in_place += put_back(m, base, npages);
}

void model_split(struct model *m, unsigned long base, unsigned long npages,
		 unsigned int upper)
{
	unsigned int was = m->owner[base];
	unsigned long page;

	for (page = base + npages; page < m->space && m->owner[page] == was; page++)
		m->owner[page] = upper;
	m->count.splits++;
}

void model_quarantine(struct model *m, unsigned long npages)
{
	m->in_use -= npages;
	m->quarantined += npages;
}

void model_run(const struct model *m, unsigned long page, unsigned long *base,
	       unsigned long *end)
{
	unsigned int owner = m->owner[page];

	for (*base = page; *base && m->owner[*base - 1] == owner; (*base)--)
		;
	for (*end = page + 1; *end < m->space && m->owner[*end] == owner; (*end)++)
		;
}

unsigned long model_released_in(const struct model *m, unsigned long base,
				unsigned long end)
{
	unsigned long n = 0;

	for (; base < end; base++)
		n += !m->table[base / m->granule].backed;
	return n;
}

struct model_sums model_sums(const struct model *m)
{
	struct model_sums sums = { 0 };
	unsigned long page, run = 0;

	for (page = 0; page < m->space; page++) {
		run = m->owner[page] == MODEL_FREE ? run + 1 : 0;
		sums.free_pages += run > 0;
		sums.free_spans += run == 1;
		if (run > sums.largest_free)
			sums.largest_free = run;
		if (page % m->granule)
			continue;
		if (m->table[page / m->granule].backed)
			sums.backed_pages += m->granule;
		if (is_idle(m, page / m->granule))
			sums.idle_pages += m->granule;
	}
	return sums;
}
