// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much idle memory a heap is to keep, from a list of what it needed when.
 */
#include <string.h>

#include "policy.h"

#define MANY	(4 * POLICY_EPOCHS)

/* The first epoch of all; before it, nothing was needed. */
#define FIRST	(2UL * POLICY_EPOCHS)

void policy_init(struct policy *p, int percent, unsigned long long window_ns,
		 unsigned long long now)
{
	memset(p, 0, sizeof(*p));
	p->percent = percent;
	/* Who retains nothing has no use for a window. */
	p->epoch_ns = percent ? window_ns / POLICY_EPOCHS : 0;
	p->began = now;
	p->look[0].epoch = FIRST;
	p->nlooks = 1;
}

void policy_change(struct policy *p, int percent, unsigned long long window_ns,
		   unsigned long long now)
{
	unsigned long used = p->used, needed = p->needed;

	if (p->epoch_ns == (percent ? window_ns / POLICY_EPOCHS : 0)) {
		p->percent = percent;
		return;
	}
	policy_init(p, percent, window_ns, now);
	p->used = used;
	p->needed = needed;
	p->look[0] = (struct policy_look) { 0, used, needed, needed, needed };
	p->look[1] = (struct policy_look) { FIRST, used, needed, needed, needed };
	p->nlooks = 2;
}

static struct policy_look *newest(const struct policy *p)
{
	return (struct policy_look *)&p->look[p->nlooks - 1];
}

void policy_note(struct policy *p, unsigned long used, unsigned long needed)
{
	struct policy_look *look = newest(p);

	p->used = used;
	p->needed = needed;
	if (look->peak < used)
		look->peak = used;
	if (look->high < needed)
		look->high = needed;
	if (look->low > needed)
		look->low = needed;
	look->last = needed;
}

bool policy_look(struct policy *p, unsigned long long now)
{
	unsigned long epoch = FIRST;

	if (p->epoch_ns)
		epoch += (now - p->began) / p->epoch_ns;
	if (epoch == newest(p)->epoch)
		return false;
	if (p->nlooks == MANY) {
		p->nlooks = MANY / 2;
		memmove(p->look, p->look + MANY / 2, MANY / 2 * sizeof(*p->look));
	}
	p->look[p->nlooks++] = (struct policy_look) {
		epoch, p->used, p->needed, p->needed, p->needed,
	};
	return true;
}

bool policy_is_steady(const struct policy *p)
{
	const struct policy_look *look = newest(p);

	return look->peak == p->used && look->high == p->needed && look->low == p->needed;
}

unsigned long long policy_epoch_end(const struct policy *p)
{
	return p->began + (newest(p)->epoch + 1 - FIRST) * p->epoch_ns;
}

/* What is known of the epoch so many before that of the last look. */
static struct policy_look epoch_before(const struct policy *p, unsigned long n)
{
	unsigned long epoch = newest(p)->epoch - n;
	struct policy_look known = { 0 };
	size_t i;

	for (i = 0; i < p->nlooks && p->look[i].epoch <= epoch; i++)
		known = p->look[i];
	/* Nobody looked in this one: the most may have been in it, the least was before. */
	if (known.epoch < epoch)
		known.low = known.last;
	return known;
}

unsigned long policy_retain(const struct policy *p)
{
	unsigned long n, peak = p->used;

	for (n = 0; p->epoch_ns && n < POLICY_EPOCHS; n++)
		if (peak < epoch_before(p, n).peak)
			peak = epoch_before(p, n).peak;
	return peak * p->percent / 100;
}

unsigned long policy_demand(const struct policy *p)
{
	unsigned long n, most = 0, always = 0, high = 0, low = ~0UL, again;

	if (!p->epoch_ns)
		return p->needed;
	for (n = 0; n < POLICY_EPOCHS; n++) {
		struct policy_look epoch = epoch_before(p, n);

		most = epoch.high > most ? epoch.high : most;
		always = epoch.low > always ? epoch.low : always;
		if (n >= POLICY_SHORT)
			continue;
		high = epoch.high > high ? epoch.high : high;
		low = epoch.low < low ? epoch.low : low;
	}
	again = always + high - low;
	return again < most ? again : most;
}
