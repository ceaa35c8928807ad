// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that is held, and what is written into it.
 *
 * Each word names who wrote it, when and where: owner, generation, page and word, from
 * the highest bits down. A page that reaches somebody else, or is not zeroed between two
 * owners, is seen, and tells whose it was.
 */
#include "load.h"

#define WORDS	(page_size / sizeof(uint64_t))

struct load *load;
const char *disk_path;

struct owner owner_new(int fd)
{
	struct owner owner = { .id = atomic_fetch_add(&load->next_owner, 1), .fd = fd };

	owner.rnd = owner.id * 2654435761U;
	return owner;
}

uint32_t draw(struct owner *owner)
{
	/* xorshift */
	owner->rnd ^= owner->rnd << 13;
	owner->rnd ^= owner->rnd >> 17;
	owner->rnd ^= owner->rnd << 5;
	return owner->rnd;
}

/* 20 bits of the owner, 20 of the generation, 12 of the page and 12 of the word. */
static uint64_t first_word(const struct holding *h, uint64_t page)
{
	return (uint64_t)h->owner << 44 | (uint64_t)(h->generation & 0xfffff) << 24 |
	       (page & 0xfff) << 12;
}

static void complain(uint64_t page, uint64_t word, uint64_t expected, uint64_t found)
{
	FAIL("page %llu word %llu: expected %#llx, found %#llx: owner %llu generation %llu page %llu",
	     (unsigned long long)page, (unsigned long long)word,
	     (unsigned long long)expected, (unsigned long long)found,
	     (unsigned long long)found >> 44, (unsigned long long)(found >> 24) & 0xfffff,
	     (unsigned long long)(found >> 12) & 0xfff);
}

void verify_pages(const struct holding *h, const void *pages, uint64_t first, uint64_t npages)
{
	const uint64_t *word = pages;
	uint64_t page, i, expected;

	for (page = first; page < first + npages; page++) {
		expected = first_word(h, h->first + page);
		for (i = 0; i < WORDS; i++, word++) {
			if (*word != expected + i)
				complain(page, i, expected + i, *word);
		}
	}
	count(VERIFIED, npages);
}

void verify(const struct holding *h)
{
	verify_pages(h, h->address, 0, h->npages);
}

void stamp(struct owner *owner, struct holding *h)
{
	uint64_t *word = (uint64_t *)h->address;
	uint64_t page, i, value;

	h->owner = owner->id;
	h->generation = ++owner->generation;
	for (page = 0; page < h->npages; page++) {
		value = first_word(h, h->first + page);
		for (i = 0; i < WORDS; i++)
			*word++ = value + i;
	}
}

void map(int fd, struct holding *h)
{
	h->address = dev_map(fd, h->offset, h->npages);
	count(MAPPED, 1);
}

void unmap(struct holding *h)
{
	dev_unmap(h->address, h->npages);
	h->address = NULL;
}

static bool try_alloc(struct owner *owner, struct spanalloc_alloc *alloc)
{
	if (!dev_try_alloc(owner->fd, alloc)) {
		count(ALLOCATED, 1);
		return true;
	}
	if (errno != ENOMEM && errno != ENOSPC && errno != EDQUOT)
		FAIL("an allocation failed with %s", errno_name(errno));
	count(REFUSED, 1);
	return false;
}

static bool hold(struct owner *owner, struct holding *h, struct spanalloc_alloc *alloc)
{
	if (!try_alloc(owner, alloc))
		return false;
	*h = (struct holding){ .npages = alloc->npages, .handle = alloc->handle,
			       .offset = alloc->offset };
	map(owner->fd, h);
	CHECK(is_zero(h->address, h->npages * page_size));
	stamp(owner, h);
	return true;
}

bool acquire_pages(struct owner *owner, struct holding *h, uint64_t npages)
{
	struct spanalloc_alloc alloc = { .npages = npages };

	return hold(owner, h, &alloc);
}

bool acquire(struct owner *owner, struct holding *h)
{
	struct spanalloc_alloc alloc = { .npages = 1 + draw(owner) % 24 };

	switch (draw(owner) % 32) {
	case 0:
		alloc.npages = 400 + draw(owner) % 800;
		break;
	case 1:
		alloc.npages = 1 + draw(owner) % 256;
		alloc.flags = SPANALLOC_ALLOC_CONTIG;
		break;
	case 2:
		alloc.align = 1U << draw(owner) % 8;
		break;
	}
	return hold(owner, h, &alloc);
}

void release(struct owner *owner, struct holding *h)
{
	verify(h);
	if (draw(owner) % 4 == 0) {
		CHECK_OK(madvise(h->address, h->npages * page_size, MADV_DONTNEED));
		verify(h);
	}
	if (draw(owner) % 2) {
		/* Mapped still: the pages must stay. */
		dev_free(owner->fd, h->handle);
		verify(h);
		unmap(h);
	} else {
		unmap(h);
		dev_free(owner->fd, h->handle);
	}
	count(FREED, 1);
}

void split(struct owner *owner, struct holding *h, struct holding *rest)
{
	uint64_t npages = 1 + draw(owner) % (h->npages - 1);
	struct spanalloc_split split = dev_split(owner->fd, h->handle, npages);

	unmap(h);
	*rest = *h;
	rest->handle = split.new_handle;
	rest->offset = split.offset;
	rest->first += npages;
	rest->npages -= npages;
	h->npages = npages;
	map(owner->fd, h);
	map(owner->fd, rest);
	verify(h);
	verify(rest);
	count(SPLIT, 1);
}
