// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes a function return a constant, so that tests can take one of several safeguards away
 * and see whether the next one holds.
 */

/**
 * DOC: Mute
 *
 * While this module is loaded, whatever the function of its parameter "function" returns,
 * its callers get "value". The function runs all the same. A function of a module is written
 * "module:function"; that module must be loaded, and is not used by this one. The parameter
 * "muted" tells how often that has happened.
 */

#include <linux/atomic.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/sysfs.h>

static char *function;
module_param(function, charp, 0444);
MODULE_PARM_DESC(function, "the function's name");

static long value;
module_param(value, long, 0444);
MODULE_PARM_DESC(value, "what its callers get (default: 0)");

static atomic_long_t muted = ATOMIC_LONG_INIT(0);

static int muted_get(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%ld\n", atomic_long_read(&muted));
}

static const struct kernel_param_ops muted_ops = { .get = muted_get };
module_param_cb(muted, &muted_ops, NULL, 0444);
MODULE_PARM_DESC(muted, "out: how often the function's result was replaced");

static int on_return(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	regs_set_return_value(regs, value);
	atomic_long_inc(&muted);
	return 0;
}

static struct kretprobe probe = {
	.handler = on_return,
	/* More callers at a time than a test has tasks. */
	.maxactive = 64,
};

static int __init mute_init(void)
{
	int err;

	if (!function)
		return -EINVAL;
	probe.kp.symbol_name = function;
	err = register_kretprobe(&probe);
	if (err)
		pr_err("spanalloc_mute: no probe at %s: %d\n", function, err);
	return err;
}

static void __exit mute_exit(void)
{
	unregister_kretprobe(&probe);
}

module_init(mute_init);
module_exit(mute_exit);

MODULE_AUTHOR("The spanalloc authors");
MODULE_DESCRIPTION("Makes a function return a constant, for tests of spanalloc");
MODULE_LICENSE("GPL");
