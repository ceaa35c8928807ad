// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading the module, and the first allocation after that, with
 * allocations failing.
 */
#include "inject.h"

#include <stdio.h>
#include <sys/syscall.h>

const char *module_path;

static int module_fd = -1;

static int load_with(const char *parameters)
{
	return syscall(SYS_finit_module, module_fd, parameters, 0);
}

static int load(void)
{
	return load_with("");
}

static int unload(void)
{
	return syscall(SYS_delete_module, "spanalloc", O_NONBLOCK);
}

static bool is_listed(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	char line[512];
	bool found = false;

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file))
		found |= !!strstr(line, name);
	fclose(file);
	return found;
}

static bool is_absent(bool present, const char *what)
{
	if (present)
		test_note("the module is gone; there still is %s", what);
	return !present;
}

static bool path_is_absent(const char *path)
{
	return is_absent(!access(path, F_OK), path);
}

bool module_is_absent(void)
{
	bool absent = true;

	absent &= path_is_absent(device_path);
	absent &= path_is_absent("/sys/class/misc/spanalloc");
	absent &= path_is_absent("/sys/kernel/debug/spanalloc");
	absent &= path_is_absent("/sys/module/spanalloc");
	absent &= path_is_absent("/sys/kernel/slab/spanalloc_span");
	absent &= is_absent(is_listed("/proc/modules", "spanalloc "), "its line in modules");
	absent &= is_absent(is_listed("/proc/slabinfo", "spanalloc"), "its slab cache");
	absent &= is_absent(is_listed("/proc/misc", "spanalloc"), "its line in misc");
	return absent;
}

static void check_device_works(void)
{
	struct spanalloc_alloc alloc;
	int fd = dev_open();
	void *address = dev_alloc_filled(fd, 17, 1, &alloc);

	CHECK(is_filled(address, 17, 1));
	dev_unmap(address, 17);
	dev_free(fd, alloc.handle);
	CHECK_EQ(dev_stats(fd).in_use_pages, 0);
	close(fd);
}

static void check_module_works(void)
{
	check_device_works();
	CHECK(!access(DEV_CHECK_FILE, R_OK));
	CHECK(dev_heap_is_sound());
}

static void prepare_load(void)
{
	if (module_fd < 0)
		module_fd = open(module_path, O_RDONLY | O_CLOEXEC);
	CHECK_OK(module_fd);
	CHECK(module_is_absent());
}

static void finish_load(void)
{
	CHECK(module_is_absent());
}

/* The module's first function finds this and nothing else wrong. */
static int load_refused(void)
{
	CHECK_FAILS(load_with("max_pages=0xffffffffffffffff"), EINVAL);
	return -1;
}

/* What comes before that function, and a few that come when it has failed. */
#define AFTER_REFUSAL	32

static unsigned int allocations_before_init(void)
{
	unsigned int n;

	prepare_load();
	n = allocations_of(load_refused);
	finish_load();
	test_note("%u allocations come before the module's own", n);
	return n > AFTER_REFUSAL ? n - AFTER_REFUSAL : 0;
}

/* The files in debugfs may be missing, and nothing else. */
static void verify_load(bool failed)
{
	if (failed)
		return;
	check_device_works();
	CHECK_OK(unload());
}

/* What a failure left behind, too, would be in the way of the next step's load. */
static void load_module(void)
{
	const struct operation op = {
		prepare_load, load, verify_load, finish_load,
		.copies = PERHAPS_COPIES, .failures = 30,
		.before = allocations_before_init(),
	};

	walk(&op);
	CHECK_OK(load());
	check_module_works();
	CHECK_OK(unload());
}

static void prepare_unload(void)
{
	prepare_load();
	CHECK_OK(load());
	check_module_works();
}

static void verify_unload(bool failed)
{
	if (failed) {
		check_module_works();
		CHECK_OK(unload());
	}
	CHECK(module_is_absent());
}

static void finish_nothing(void)
{
}

static void load_unload(void)
{
	static const struct operation op = {
		prepare_unload, unload, verify_unload, finish_nothing,
		.copies = 1, .needs_no_memory = true,
	};

	walk(&op);
}

/*
 * A fresh heap has neither address space nor memory: this allocation makes both. Where the
 * system has no block, a granule is made of single pages, each of which can fail, and is
 * had after all when the quarantine was drained: granules are small here, or that would be
 * most of the walk.
 */

static struct spanalloc_alloc first;
static int fd;

static void prepare_first(void)
{
	prepare_load();
	CHECK_OK(load_with("granule_order=3"));
	fd = dev_open();
	CHECK_EQ(dev_stats(fd).address_pages, 0);
	first = (struct spanalloc_alloc){ .npages = 17 };
}

static int run_first(void)
{
	return dev_try_alloc(fd, &first);
}

static void verify_first(bool failed)
{
	if (failed) {
		CHECK_EQ(first.handle, 0);
		CHECK_EQ(dev_stats(fd).in_use_pages, 0);
		CHECK_EQ(dev_stats(fd).claimed_pages, 0);
	}
	close(fd);
	check_module_works();
	CHECK_OK(unload());
}

static void load_first_allocation(void)
{
	static const struct operation op = {
		prepare_first, run_first, verify_first, finish_load,
		.copies = 2, .failures = 3,
	};

	walk(&op);
}

static const struct test_case cases[] = {
	CASE(load_module),
	CASE(load_unload),
	CASE(load_first_allocation),
};

const struct test_suite load_suite = SUITE(cases);
