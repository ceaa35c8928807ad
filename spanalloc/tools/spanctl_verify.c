// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory side of a replay.
 *
 * Of a short allocation every page is checked, through one mapping; of a long
 * one a sample, each page through a mapping of its own. The sample follows from
 * the trace's id, so that the same pages are found again without being noted.
 *
 * A page is stamped with id and index at its start and its end, so that a page
 * that two allocations share, or half a page that somebody zeroed, cannot pass
 * for either.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "spanctl.h"
#include "spanctl_verify.h"

/* Longer allocations are sampled. */
#define WHOLE_PAGES_MAX		64
/* One in so many short allocations is unmapped at once and mapped again later. */
#define REMAP_ONE_IN		4
/* Linux allows a process 65530 mappings unless told otherwise. */
#define MAX_MAPS_DEFAULT	65530

enum { STAMP_START, STAMP_MIDDLE, STAMP_END, STAMP_WORDS };

/* Spreads the bits of a small number over the word (splitmix64's last step). */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static unsigned int read_max_maps(void)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
	unsigned int max;

	if (!file)
		return MAX_MAPS_DEFAULT;
	if (fscanf(file, "%u", &max) != 1)
		max = MAX_MAPS_DEFAULT;
	fclose(file);
	return max;
}

void verify_init(struct verify *verify, const char *trace, int fd,
		 size_t page_size, unsigned int sample)
{
	memset(verify, 0, sizeof(*verify));
	verify->trace = trace;
	verify->fd = fd;
	verify->page_size = page_size;
	verify->sample = sample;
	verify->max_maps = read_max_maps() / 2;
}

static void *map(const struct verify *verify, const struct verify_span *span,
		 uint64_t page, uint64_t npages)
{
	void *address;
	int err = spanalloc_map_part(verify->fd, span->offset, page, npages,
				     PROT_READ | PROT_WRITE, &address);

	if (!err)
		return address;
	spanctl_complain("%s: cannot map %" PRIu64 " pages from page %" PRIu64
			 " of span %" PRIu64 ": %s", verify->trace, npages, page,
			 span->id, strerror(-err));
	return NULL;
}

static bool mismatch(const struct verify *verify, const struct verify_span *span,
		     uint64_t page, size_t byte, const uint64_t words[2])
{
	spanctl_complain("%s: span %" PRIu64 " of %" PRIu64 " pages, page %" PRIu64
			 ", byte %zu: expected 0x%016" PRIx64 ", found 0x%016" PRIx64,
			 verify->trace, span->id, span->npages, page, byte,
			 words[0], words[1]);
	return false;
}

/* Eight words at a time: under an emulator the loop is what costs. */
static bool check_zero(struct verify *verify, const struct verify_span *span,
		       uint64_t page, const uint64_t *word)
{
	size_t nwords = verify->page_size / sizeof(*word);
	size_t i;

	verify->nzeroed++;
	for (i = 0; i < nwords; i += 8) {
		if (word[i] | word[i + 1] | word[i + 2] | word[i + 3] |
		    word[i + 4] | word[i + 5] | word[i + 6] | word[i + 7])
			break;
	}
	for (; i < nwords; i++) {
		if (word[i])
			return mismatch(verify, span, page, i * sizeof(*word),
					(uint64_t[]){ 0, word[i] });
	}
	return true;
}

/* The words of a stamp, and in which words of the page they stand. */
static void make_stamp(const struct verify *verify, const struct verify_span *span,
		       uint64_t page, uint64_t stamp[STAMP_WORDS],
		       size_t at[STAMP_WORDS])
{
	size_t nwords = verify->page_size / sizeof(uint64_t);

	/* An id is below 2^40 or so; the tag keeps a stamp from being zero. */
	stamp[STAMP_START] = span->id << 24 ^ page ^ 0x5aULL << 56;
	stamp[STAMP_MIDDLE] = mix(stamp[STAMP_START]);
	stamp[STAMP_END] = ~stamp[STAMP_START];
	at[STAMP_START] = 0;
	/* Somewhere in the middle, another place in every page. */
	at[STAMP_MIDDLE] = 1 + stamp[STAMP_MIDDLE] % (nwords - 2);
	at[STAMP_END] = nwords - 1;
}

static void write_stamp(const struct verify *verify, const struct verify_span *span,
			uint64_t page, uint64_t *word)
{
	uint64_t stamp[STAMP_WORDS];
	size_t at[STAMP_WORDS];
	int i;

	make_stamp(verify, span, page, stamp, at);
	for (i = 0; i < STAMP_WORDS; i++)
		word[at[i]] = stamp[i];
}

static bool check_stamp(struct verify *verify, const struct verify_span *span,
			uint64_t page, const uint64_t *word)
{
	uint64_t stamp[STAMP_WORDS];
	size_t at[STAMP_WORDS];
	int i;

	verify->nverified++;
	make_stamp(verify, span, page, stamp, at);
	for (i = 0; i < STAMP_WORDS; i++) {
		if (word[at[i]] != stamp[i])
			return mismatch(verify, span, page, at[i] * sizeof(*word),
					(uint64_t[]){ stamp[i], word[at[i]] });
	}
	return true;
}

/* One page, when it arrives (@arrival) or before it leaves. */
static bool visit_page(struct verify *verify, const struct verify_span *span,
		       uint64_t page, void *address, bool arrival)
{
	if (!arrival)
		return check_stamp(verify, span, page, address);
	if (!check_zero(verify, span, page, address))
		return false;
	write_stamp(verify, span, page, address);
	return true;
}

static bool visit_whole(struct verify *verify, const struct verify_span *span,
			void *address, bool arrival)
{
	uint64_t page;

	for (page = 0; page < span->npages; page++) {
		if (!visit_page(verify, span, page,
				(char *)address + page * verify->page_size, arrival))
			return false;
	}
	return true;
}

/*
 * The @i-th of @n pages to sample: the first, the last, and one drawn from each
 * of the equal parts that the rest falls into. Never the same page twice, since
 * there are no more parts than pages.
 */
static uint64_t sampled_page(const struct verify_span *span, uint64_t i, uint64_t n)
{
	uint64_t inner = span->npages - 2, nparts = n - 2, from, to;

	if (!i)
		return 0;
	if (i == n - 1)
		return span->npages - 1;
	from = inner * (i - 1) / nparts;
	to = inner * i / nparts;
	return 1 + from + mix(span->id << 16 ^ i) % (to - from);
}

static bool visit_sample(struct verify *verify, const struct verify_span *span,
			 bool arrival)
{
	uint64_t n = verify->sample, i, page;
	void *address;
	bool good;

	if (n > span->npages)
		n = span->npages;
	for (i = 0; i < n; i++) {
		page = sampled_page(span, i, n);
		address = map(verify, span, page, 1);
		if (!address)
			return false;
		good = visit_page(verify, span, page, address, arrival);
		spanalloc_unmap(address, 1);
		if (!good)
			return false;
	}
	return true;
}

void verify_unmap(struct verify *verify, struct verify_span *span)
{
	if (!span->address)
		return;
	spanalloc_unmap(span->address, span->npages);
	span->address = NULL;
	verify->nmaps--;
}

/* Finds the memory of a new allocation zero and stamps it; false with a complaint. */
bool verify_arrival(struct verify *verify, struct verify_span *span)
{
	if (span->npages > WHOLE_PAGES_MAX)
		return visit_sample(verify, span, true);
	span->address = map(verify, span, 0, span->npages);
	if (!span->address)
		return false;
	verify->nmaps++;
	if (!visit_whole(verify, span, span->address, true))
		return false;
	/* Both kinds of life: mapped throughout, and mapped when needed. */
	if (!(mix(span->id) % REMAP_ONE_IN) || verify->nmaps > verify->max_maps)
		verify_unmap(verify, span);
	return true;
}

/*
 * Finds an allocation as verify_arrival() left it; false with a complaint. A
 * short one is mapped afterwards.
 */
bool verify_departure(struct verify *verify, struct verify_span *span)
{
	if (span->npages > WHOLE_PAGES_MAX)
		return visit_sample(verify, span, false);
	if (!span->address) {
		span->address = map(verify, span, 0, span->npages);
		if (!span->address)
			return false;
		verify->nmaps++;
	}
	return visit_whole(verify, span, span->address, false);
}
