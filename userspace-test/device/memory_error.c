// SPDX-License-Identifier: GPL-2.0-only
/*
 * A page with a memory error, which the kernel is told to make believe. The page is lost
 * for good, and so is the allocation; that is why this is not among the other cases.
 */
#include "device.h"

#include <stdlib.h>

#define N 8
#define LAST (N - 1)

/* The page's flags say that it had an error. */
static bool is_poisoned(const char *address)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	int flags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	uint64_t entry, bits;

	if (flags < 0)
		test_skip("no /proc/kpageflags");
	CHECK_EQ(pread(pagemap, &entry, sizeof(entry), (uintptr_t)address / page_size * 8),
		 sizeof(entry));
	entry &= (1ULL << 55) - 1;
	CHECK_EQ(pread(flags, &bits, sizeof(bits), entry * 8), sizeof(bits));
	close(pagemap);
	close(flags);
	return bits & 1ULL << 19;
}

static void touch_page(void *address)
{
	(void)*(volatile char *)address;
}

static void memory_error_keeps_a_page_from_being_mapped(void)
{
	struct spanalloc_alloc alloc;
	int fd = dev_open();
	char *address = dev_alloc_filled(fd, N, 1, &alloc), *bad = address + 3 * page_size;

	if (madvise(bad, page_size, 100 /* MADV_HWPOISON */) && errno == EINVAL)
		test_skip("this kernel makes no memory errors");
	CHECK(is_poisoned(bad));
	CHECK_OK(madvise(address, N * page_size, MADV_DONTNEED));
	CHECK(is_crash(touch_page, bad));
	/* Its neighbours are as good as ever, whether a fault begins with one or ends there. */
	CHECK(is_filled(address, 1, 1));
	touch_page(bad - page_size);
	touch_page(bad + page_size);
	touch_page(address + LAST * page_size);
	CHECK(is_crash(touch_page, bad));
	/* Nor does it get into a mapping that is populated at once. */
	CHECK_FAILS(dev_try_map(fd, alloc.offset, N * page_size, PROT_READ, MAP_SHARED),
		    EHWPOISON);
	CHECK_OK(dev_try_map(fd, alloc.offset, 3 * page_size, PROT_READ, MAP_SHARED));
	/* And nobody gets it again. */
	dev_unmap(address, N);
	dev_free(fd, alloc.handle);
	CHECK_SETTLES(fd, quarantined_pages, N);
	dev_trim(fd, ~0ULL);
	CHECK_EQ(dev_stats(fd).quarantined_pages, N);
}

static const struct test_case cases[] = {
	CASE(memory_error_keeps_a_page_from_being_mapped),
};

const struct test_suite memory_error_suite = SUITE(cases);
