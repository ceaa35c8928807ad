// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parameters of the module that say how much idle memory the default heap keeps.
 */

/**
 * DOC: Policy of the default heap
 *
 * retain_percent, window_ms and pace_permille are those of struct spanalloc_attr, see
 * there. They can be written while the module is loaded, and then hold at once; a
 * value that makes no sense is refused with -EINVAL (with -ERANGE if it is no number of
 * that type), and nothing changes.
 *
 * Locking: parameters are read and written with the lock of the module's parameters,
 * which also keeps the heap while a new value goes there: it is followed only between
 * span_policy_follow(heap) and span_policy_follow(NULL).
 */

#include <linux/moduleparam.h>
#include <linux/spanalloc.h>

#include "heap.h"
#include "internal.h"

static struct span_policy policy = {
	.retain_percent = SPANALLOC_RETAIN_DEFAULT,
	.window_ms = SPANALLOC_WINDOW_DEFAULT,
	.pace_permille = SPANALLOC_PACE_DEFAULT,
};

/* The heap that a new value goes to; NULL while the module is loaded and unloaded. */
static struct span_heap *followed;

static int policy_set(const char *text, const struct kernel_param *kp,
		      int (*parse)(const char *text, const struct kernel_param *kp))
{
	struct span_policy before = policy;
	int err = parse(text, kp);

	if (!err)
		err = span_scavenger_check_policy(&policy);
	if (err)
		policy = before;
	else if (followed)
		span_scavenger_set_policy(followed, &policy);
	return err;
}

static int policy_set_int(const char *text, const struct kernel_param *kp)
{
	return policy_set(text, kp, param_set_int);
}

static int policy_set_uint(const char *text, const struct kernel_param *kp)
{
	return policy_set(text, kp, param_set_uint);
}

static const struct kernel_param_ops policy_int = {
	.set = policy_set_int,
	.get = param_get_int,
};

static const struct kernel_param_ops policy_uint = {
	.set = policy_set_uint,
	.get = param_get_uint,
};

module_param_cb(retain_percent, &policy_int, &policy.retain_percent, 0644);
__MODULE_PARM_TYPE(retain_percent, "int");
MODULE_PARM_DESC(retain_percent,
		 "the default heap keeps idle memory up to this share of the recent peak of the pages in use (default: 10); -1: all");

module_param_cb(window_ms, &policy_uint, &policy.window_ms, 0644);
__MODULE_PARM_TYPE(window_ms, "uint");
MODULE_PARM_DESC(window_ms,
		 "the default heap keeps what it needed within this time as well, if it is likely to need it again (default: 32000); 0: nothing");

module_param_cb(pace_permille, &policy_uint, &policy.pace_permille, 0644);
__MODULE_PARM_TYPE(pace_permille, "uint");
MODULE_PARM_DESC(pace_permille,
		 "share of one CPU that the default heap may spend on giving memory back, in thousandths, 1 to 1000 (default: 10)");

/**
 * span_policy_fill() - say how the default heap is to be
 * @attr: the attributes of the heap; those that are parameters here are set
 *
 * Context: may sleep.
 */
void span_policy_fill(struct spanalloc_attr *attr)
{
	kernel_param_lock(THIS_MODULE);
	attr->retain_percent = policy.retain_percent;
	attr->window_ms = policy.window_ms;
	attr->pace_permille = policy.pace_permille;
	kernel_param_unlock(THIS_MODULE);
}

/**
 * span_policy_follow() - say which heap new values go to
 * @heap: the heap, which gets what was written meanwhile; NULL: none any more
 *
 * Context: may sleep.
 */
void span_policy_follow(struct span_heap *heap)
{
	kernel_param_lock(THIS_MODULE);
	followed = heap;
	if (heap)
		span_scavenger_set_policy(heap, &policy);
	kernel_param_unlock(THIS_MODULE);
}
