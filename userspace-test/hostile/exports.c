// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exports: dma-bufs, mapped, synchronised, sought in, and passed on (see files.c).
 */
#include "hostile.h"

#include <linux/dma-buf.h>

static void do_export_map(struct actor *actor)
{
	int fd = pool_get(actor, &exports);
	uint64_t first = percent(actor, 70) ? 0 : rng_below(&actor->rng, 20);
	uint64_t npages = 1 + rng_below(&actor->rng, 8);
	int prot = percent(actor, 70) ? PROT_READ | PROT_WRITE : PROT_READ;

	if (percent(actor, 5))
		npages = odd_number(actor) >> 12;
	record(ACT_EXPORT_MAP, map_somewhere(actor, fd, first * page_size, npages * page_size,
					     prot));
}

static void do_export_sync(struct actor *actor)
{
	int fd = pool_get(actor, &exports);
	struct dma_buf_sync sync = { .flags = rng_below(&actor->rng, 8) };
	static const char name[] = "hostile";

	if (percent(actor, 5))
		sync.flags = odd_number(actor);
	if (percent(actor, 15))
		record(ACT_EXPORT_SYNC, ioctl(fd, DMA_BUF_SET_NAME, percent(actor, 80) ? name :
					      any_place(actor, 32).at));
	else if (percent(actor, 10))
		record(ACT_EXPORT_SYNC, ioctl(fd, DMA_BUF_IOCTL_SYNC, any_place(actor, 8).at));
	else
		record(ACT_EXPORT_SYNC, ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync));
}

static void do_export_seek(struct actor *actor)
{
	static const int whences[] = { SEEK_END, SEEK_SET, SEEK_CUR, SEEK_DATA, 99 };
	int fd = pool_get(actor, &exports);
	int whence = whences[rng_below(&actor->rng, ARRAY_SIZE(whences))];

	record(ACT_EXPORT_SEEK, lseek(fd, percent(actor, 80) ? 0 : odd_number(actor), whence) < 0 ?
			       -1 : 0);
}

/* Without any, one is made first, as far as there is something to export. */
void move_export(struct actor *actor)
{
	static void (*const moves[])(struct actor *actor) = {
		do_export_map, do_export_map, do_export_sync, do_export_seek,
	};

	if (pool_get(actor, &exports) < 0 && percent(actor, 80))
		call_command(actor, ACT_EXPORT);
	moves[rng_below(&actor->rng, ARRAY_SIZE(moves))](actor);
}
