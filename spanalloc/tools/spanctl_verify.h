/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory side of a replay: that what arrives is zero, and that what was
 * written stays until it is given back.
 */
#ifndef _SPANCTL_VERIFY_H
#define _SPANCTL_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct verify_span - an allocation of the trace
 * @id: its name in the trace
 * @npages: length; 0 means that it is not there
 * @offset: for mmap()
 * @address: where it is mapped as a whole, or NULL
 * @handle: for the device
 */
struct verify_span {
	uint64_t id;
	uint64_t npages;
	uint64_t offset;
	void *address;
	uint32_t handle;
};

/**
 * struct verify - what a verifying replay knows
 * @trace: name, for messages
 * @fd: the device
 * @page_size: bytes of a page
 * @sample: pages to check of a long allocation
 * @max_maps: how many mappings may stay
 * @nmaps: mappings that stayed
 * @nzeroed: pages found zero on arrival
 * @nverified: pages found as they were left
 */
struct verify {
	const char *trace;
	int fd;
	size_t page_size;
	unsigned int sample;
	unsigned int max_maps;
	unsigned int nmaps;
	uint64_t nzeroed;
	uint64_t nverified;
};

void verify_init(struct verify *verify, const char *trace, int fd,
		 size_t page_size, unsigned int sample);
bool verify_arrival(struct verify *verify, struct verify_span *span);
bool verify_departure(struct verify *verify, struct verify_span *span);
void verify_unmap(struct verify *verify, struct verify_span *span);

#endif /* _SPANCTL_VERIFY_H */
