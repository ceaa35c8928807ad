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
	policy_init(&m->policy, retain_percent, 0, 0);
}

void model_keep(struct model *m, unsigned long long now, unsigned long window_ms,
		unsigned int pace, unsigned long long give_ns)
{
	m->keeper = (struct model_keeper) {
		.exists = true, .now = now, .give_ns = give_ns, .pace = pace ? pace : 10,
	};
	policy_init(&m->policy, m->policy.percent, window_ms * 1000000ULL, now);
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

bool model_is_idle(const struct model *m, unsigned long granule)
{
	return m->table[granule].backed &&
	       is_free(m, granule * m->granule, (granule + 1) * m->granule);
}

/* The pages of [@base, @end) that were written to are found out, and are good again. */
static void find_spoiled(struct model *m, unsigned long base, unsigned long end)
{
	for (; base < end; base++) {
		m->count.poison_broken += m->spoiled[base];
		m->spoiled[base] = false;
	}
}

unsigned long model_spoiled(const struct model *m)
{
	unsigned long page, n = 0;

	for (page = 0; page < m->space; page++)
		n += m->spoiled[page];
	return n;
}

unsigned long model_zero_from(const struct model *m, unsigned long granule)
{
	unsigned long n = m->granule;

	while (n && !m->touched[granule * m->granule + n - 1])
		n--;
	return n;
}

static void set_touched(struct model *m, unsigned long base, unsigned long end, bool touched)
{
	for (; base < end; base++)
		m->touched[base] = touched;
}

/* Memory has come; is it zero? Where free pages are to be, it is made so. */
static void fresh(struct model *m, unsigned long granule, bool zeroed)
{
	unsigned long base = granule * m->granule;

	if (m->wipe && !zeroed) {
		m->count.wiped_pages += m->granule;
		zeroed = true;
	}
	set_touched(m, base, base + m->granule, m->poison || !zeroed);
}

static void lose(struct model *m, unsigned long granule)
{
	find_spoiled(m, granule * m->granule, (granule + 1) * m->granule);
	m->table[granule] = (struct model_granule) { false, false };
}

/* Granules: of those that are backed, how many are idle? */
static unsigned long count_idle(const struct model *m, unsigned long *backed)
{
	unsigned long granule, n = 0;

	*backed = 0;
	for (granule = 0; granule < m->space / m->granule; granule++) {
		*backed += m->table[granule].backed;
		n += model_is_idle(m, granule);
	}
	return n;
}

static struct model_goal goal_now(const struct model *m)
{
	unsigned long backed, idle = count_idle(m, &backed), demand;
	struct model_goal goal = { ~0UL, ~0UL };

	if (m->policy.percent < 0)
		return goal;
	goal.retain = policy_retain(&m->policy);
	demand = policy_demand(&m->policy);
	goal.keep = demand > backed - idle ? (demand - (backed - idle)) * m->granule : 0;
	if (goal.keep < goal.retain)
		goal.keep = goal.retain;
	return goal;
}

/* Idle granules that go back before the goal is reached. */
static unsigned long above(const struct model *m, unsigned long idle, unsigned long goal)
{
	unsigned long n = 0;

	while (n < idle && (idle - n) * m->granule > goal)
		n++;
	return n;
}

unsigned long model_kept(const struct model *m)
{
	struct model_goal goal = goal_now(m);
	unsigned long backed, idle = count_idle(m, &backed);

	return (above(m, idle, goal.retain) - above(m, idle, goal.keep)) * m->granule;
}

/* The other heap gives back what it may not have. */
static void give_eagerly(struct model *m)
{
	unsigned long backed, idle = count_idle(m, &backed);

	while (m->eager.backed > backed - idle + m->eager.spare)
		m->eager.backed--;
}

struct model_goal model_goal(struct model *m)
{
	struct model_goal goal;

	policy_look(&m->policy, m->keeper.now);
	goal = goal_now(m);
	m->eager.spare = (goal.retain < m->limit ? goal.retain : m->limit) / m->granule;
	give_eagerly(m);
	return goal;
}

/* The other heap takes what ours took; what it lacks then, ours has saved. */
static void follow(struct model *m, unsigned long needed)
{
	struct model_eager *eager = &m->eager;

	for (; eager->taken < m->count.backed; eager->taken++)
		eager->backed++;
	for (; eager->backed < needed; eager->backed++)
		m->count.kept_reused_pages += m->granule;
	give_eagerly(m);
}

/* After each change: what is needed now, and is there something to give back? */
static void settle(struct model *m)
{
	unsigned long used = m->in_use + m->claimed, backed;
	unsigned long idle = count_idle(m, &backed);
	struct model_keeper *keeper = &m->keeper;
	bool arms = keeper->exists && !keeper->armed && m->policy.percent >= 0 &&
		    idle * m->granule > used * m->policy.percent / 100;

	if (arms) {
		keeper->armed = true;
		keeper->due = keeper->now + m->policy.epoch_ns;
		model_goal(m);
	}
	policy_note(&m->policy, used, backed - idle);
	follow(m, backed - idle);
}

unsigned long model_scavenge(struct model *m, unsigned long npages)
{
	unsigned long granule = m->space / m->granule, done = 0;

	while (granule-- && done < npages) {
		if (!model_is_idle(m, granule))
			continue;
		lose(m, granule);
		done += m->granule;
		m->keeper.now += m->keeper.give_ns;
	}
	m->count.scavenged_pages += done;
	settle(m);
	return done;
}

unsigned long model_reclaim(struct model *m, unsigned long npages)
{
	unsigned long done = model_scavenge(m, npages);

	m->count.scavenged_reclaim_pages += done;
	return done;
}

/* Of what is idle above the goal, so many granules go back at most. */
static unsigned long give_excess(struct model *m, unsigned long most)
{
	unsigned long backed, idle = count_idle(m, &backed), n;

	n = above(m, idle, model_goal(m).keep);
	return model_scavenge(m, (n < most ? n : most) * m->granule);
}

void model_before_take(struct model *m)
{
	m->count.scavenged_inline_pages += give_excess(m, 2);
}

static void step(struct model *m)
{
	struct model_keeper *keeper = &m->keeper;
	unsigned long long start = keeper->now, spent;
	unsigned long backed, idle, done;

	m->count.scavenge_steps++;
	done = give_excess(m, 16);
	idle = count_idle(m, &backed) * m->granule;
	if (done) {
		spent = keeper->now - start;
		m->count.scavenge_ns += spent;
		if (spent > 100000000)
			spent = 100000000;
		keeper->due = keeper->now + spent * (1000 - keeper->pace) / keeper->pace;
	} else if (idle > (m->in_use + m->claimed) * m->policy.percent / 100 ||
		   (m->policy.epoch_ns && !policy_is_steady(&m->policy))) {
		keeper->due = policy_epoch_end(&m->policy);
	} else {
		keeper->armed = false;
	}
}

void model_set_policy(struct model *m, int percent, unsigned long window_ms,
		      unsigned int pace)
{
	bool awake = m->keeper.armed;

	m->keeper.pace = pace;
	policy_change(&m->policy, percent, window_ms * 1000000ULL, m->keeper.now);
	settle(m);
	/* Who is awake looks at once; nobody waits for what the old policy waited for. */
	if (awake && m->keeper.due > m->keeper.now)
		m->keeper.due = m->keeper.now;
}

void model_pass(struct model *m, unsigned long long ns)
{
	unsigned long long until = m->keeper.now + ns;

	while (m->keeper.armed && m->keeper.due <= until) {
		if (m->keeper.now < m->keeper.due)
			m->keeper.now = m->keeper.due;
		step(m);
	}
	if (m->keeper.now < until)
		m->keeper.now = until;
}

/* One block; false if it is refused. */
static bool next_block(struct model_source *source)
{
	if (source->fail_in && --source->fail_in == 0)
		return false;
	source->nblocks++;
	return true;
}

unsigned long model_prezero(struct model *m, unsigned long ngranules)
{
	unsigned long granule, n, done = 0;

	for (granule = 0; granule < m->space / m->granule && done < ngranules; granule++) {
		n = model_zero_from(m, granule);
		if (m->poison || !n || !model_is_idle(m, granule))
			continue;
		set_touched(m, granule * m->granule, (granule + 1) * m->granule, false);
		m->count.prezeroed_pages += n;
		done++;
	}
	return done;
}

unsigned long model_repair(struct model *m, unsigned long ngranules, bool *refused)
{
	unsigned long granule, done = 0;

	*refused = false;
	for (granule = 0; granule < m->space / m->granule && done < ngranules; granule++) {
		if (!m->table[granule].scattered || !model_is_idle(m, granule))
			continue;
		*refused = !next_block(&m->source);
		if (*refused)
			break;
		lose(m, granule);
		m->table[granule].backed = true;
		fresh(m, granule, false);
		done++;
	}
	m->count.repaired += done;
	return done;
}

/* The same for an allocation. */
static bool take(struct model *m, struct model_granule *granule, bool contig)
{
	struct model_source *source = &m->source;

	if (!next_block(source))
		return false;
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
	model_before_take(m);
	return take(m, granule, ask->contig) ||
	       (!ask->contig && model_scavenge(m, 1) && take(m, granule, false));
}

/*
 * The pages of @granule that an allocation of [@base, @end) gets, and that are not known to
 * be zero. Of its first and last granule others may have a part: what it gets of these counts
 * as touched at once, even if it fails later.
 */
static unsigned long dirty_in(struct model *m, unsigned long granule, unsigned long base,
			      unsigned long end)
{
	unsigned long low = granule * m->granule, high = low + m->granule;
	unsigned long dirty = low + model_zero_from(m, granule);
	bool edge = base >= low || end <= high;

	low = base > low ? base : low;
	high = end < high ? end : high;
	if (edge && !m->wipe)
		m->touched[high - 1] = true;
	dirty = dirty < high ? dirty : high;
	return dirty > low ? dirty - low : 0;
}

/* Memory for a run. Counts the granules taken and the pages that are not zero. */
static bool back(struct model *m, const struct model_ask *ask, unsigned long base,
		 unsigned long *ntaken, unsigned long *ndirty)
{
	unsigned long granule = base / m->granule, end = base + ask->npages;

	for (; granule <= (end - 1) / m->granule; granule++) {
		if (!m->table[granule].backed) {
			if (!take_for(m, ask, &m->table[granule]))
				return false;
			fresh(m, granule, ask->zero && !ask->nowait && !m->source.dirty);
			++*ntaken;
			/* One that keeps nothing may be large, and has nothing to settle. */
			if (!m->account)
				settle(m);
		}
		*ndirty += dirty_in(m, granule, base, end);
	}
	return true;
}

/* The pages are handed out. */
static void hand_out(struct model *m, const struct model_ask *ask, unsigned long base,
		     unsigned long ndirty)
{
	find_spoiled(m, base, base + ask->npages);
	if (!m->wipe)
		set_touched(m, base, base + ask->npages, true);
	if (ask->zero) {
		m->count.zeroed_pages += ndirty;
		m->count.zero_saved_pages += ask->npages - ndirty;
	}
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
	unsigned long limit = backed_only ? m->space : m->limit, ntaken = 0, ndirty = 0;
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
	m->claimed = ask->npages;
	settle(m);
	if (!back(m, ask, *base, &ntaken, &ndirty)) {
		put_back(m, *base, ask->npages);
		m->claimed = 0;
		settle(m);
		/* Memory is short: as much goes back as was taken. */
		if (!ask->nowait || m->account)
			model_scavenge(m, ntaken * m->granule);
		/* A granule that has its block may do. */
		if (ask->contig && !ask->nowait && !backed_only)
			return attempt(m, ask, owner, true, base);
		return no_memory(m, ask);
	}
	hand_out(m, ask, *base, ndirty);
	m->in_use += ask->npages;
	m->claimed = 0;
	settle(m);
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
	if (m->wipe)
		m->count.wiped_pages += npages;
	m->count.frees++;
	m->count.merges_in_place += put_back(m, base, npages);
	settle(m);
	if (m->account)
		model_scavenge(m, m->space);
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
	settle(m);
}
