// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commits one sin when it is loaded, the one that its parameter names: each debug
 * kernel has to notice. Built for debug.sh alone.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

static char *sin = "";
module_param(sin, charp, 0444);
MODULE_PARM_DESC(sin, "which sin to commit");

/* Many, for the slab allocator may remember the addresses of the latest for a while. */
static int leak(void)
{
	char *p;
	int i;

	for (i = 0; i < 500; i++) {
		p = kmalloc(200, GFP_KERNEL);
		OPTIMIZER_HIDE_VAR(p);
	}
	return 0;
}

static int leak_page(void)
{
	return alloc_page(GFP_KERNEL) ? 0 : -ENOMEM;
}

static int corrupt_list(void)
{
	LIST_HEAD(list);
	LIST_HEAD(entry);

	list_add(&entry, &list);
	list_del(&entry);
	list_del(&entry);
	return 0;
}

static int shift_too_far(void)
{
	int bits = 40;

	OPTIMIZER_HIDE_VAR(bits);
	return (1 << bits) == 3;
}

static int sleep_in_atomic(void)
{
	static DEFINE_SPINLOCK(lock);

	spin_lock(&lock);
	might_sleep();
	spin_unlock(&lock);
	return 0;
}

static DEFINE_MUTEX(lock_a);
static DEFINE_MUTEX(lock_b);

/* Lockdep needs no deadlock, only the two orders. */
static int invert_locks(void)
{
	mutex_lock(&lock_a);
	mutex_lock(&lock_b);
	mutex_unlock(&lock_b);
	mutex_unlock(&lock_a);

	mutex_lock(&lock_b);
	mutex_lock(&lock_a);
	mutex_unlock(&lock_a);
	mutex_unlock(&lock_b);
	return 0;
}

static int use_after_free(void)
{
	char *p = kzalloc(64, GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	kfree(p);
	OPTIMIZER_HIDE_VAR(p);
	return READ_ONCE(*p) == 1;
}

static int use_page_after_free(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	char *p;

	if (!page)
		return -ENOMEM;
	p = page_address(page);
	__free_page(page);
	OPTIMIZER_HIDE_VAR(p);
	return READ_ONCE(*p) == 1;
}

static unsigned long raced;

static int race(void *arg)
{
	while (!kthread_should_stop()) {
		raced++;
		barrier();
		cond_resched();
	}
	return 0;
}

static int race_on_data(void)
{
	struct task_struct *task[2];
	int i;

	for (i = 0; i < 2; i++)
		task[i] = kthread_run(race, NULL, "sins/%d", i);
	msleep(3000);
	for (i = 0; i < 2; i++)
		if (!IS_ERR(task[i]))
			kthread_stop(task[i]);
	return 0;
}

static const struct {
	const char *name;
	int (*commit)(void);
} sins[] = {
	{ "leak", leak },
	{ "leak_page", leak_page },
	{ "corrupt_list", corrupt_list },
	{ "shift_too_far", shift_too_far },
	{ "sleep_in_atomic", sleep_in_atomic },
	{ "invert_locks", invert_locks },
	{ "use_after_free", use_after_free },
	{ "use_page_after_free", use_page_after_free },
	{ "race_on_data", race_on_data },
};

/* The lines around it tell the host which report belongs to which sin. */
static int __init sins_init(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sins); i++) {
		if (strcmp(sins[i].name, sin))
			continue;
		pr_info("begin %s\n", sin);
		pr_info("end %s %d\n", sin, sins[i].commit());
		return 0;
	}
	return -EINVAL;
}
module_init(sins_init);

static void __exit sins_exit(void)
{
}
module_exit(sins_exit);

MODULE_DESCRIPTION("Planted bugs for debug kernels to find");
MODULE_LICENSE("GPL");
