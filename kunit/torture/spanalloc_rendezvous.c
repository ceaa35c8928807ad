// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds a task at a function until another one is where it has to be, so that tests
 * force a race instead of hoping for it.
 */

/**
 * DOC: Rendezvous
 *
 * A rendezvous is for one time. It is arranged by a line written to "hold"::
 *
 *	COMM FUNCTION [NTH [COMM FUNCTION]]
 *
 * When the first task enters the function, for the NTH time, it is held at its entry.
 * It is let go when the second task enters the second function, or somebody writes
 * to "go"; either counts only while the first is held. Then they have *met*. Otherwise
 * the first goes on after a time limit, and is *late*. "state" tells: idle, armed,
 * held, met or late, and how often the first task has entered its function. An empty
 * line cancels.
 *
 * Tasks are known by their comm; "kworker*" is any that begins so. A function of a
 * module is written "module:function". The module under test needs no hooks, and is
 * not used by this one, so that its unloading can be part of a race.
 *
 * The one who is held spins inside a kprobe, with preemption off and, where kprobes do
 * not use ftrace, interrupts off. So the other needs another CPU, and must not wait for
 * an interrupt of this one.
 *
 * Locking: the arrangement has a mutex. The state is atomic, and all else is written
 * only while no probe is registered.
 */

#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>

/* Length of "module:function". */
#define FUNCTION_LEN	64
#define LINE_LEN	192

/* Less than what the kernel calls a soft lockup. */
static unsigned int limit_ms = 15000;
module_param(limit_ms, uint, 0644);
MODULE_PARM_DESC(limit_ms, "how long a task is held at most, in milliseconds");

enum state { STATE_IDLE, STATE_ARMED, STATE_HELD, STATE_MET, STATE_LATE };

static const char * const state_names[] = {
	[STATE_IDLE] = "idle",
	[STATE_ARMED] = "armed",
	[STATE_HELD] = "held",
	[STATE_MET] = "met",
	[STATE_LATE] = "late",
};

/**
 * struct place - a task that enters a function
 * @comm: the task's name, or the begin of it and a '*'
 * @function: the function's name
 * @probe: at its entry
 */
struct place {
	char comm[TASK_COMM_LEN];
	char function[FUNCTION_LEN];
	struct kprobe probe;
};

static DEFINE_MUTEX(arrange_lock);
static struct place hold, until;
static unsigned int nth;
static atomic_t state = ATOMIC_INIT(STATE_IDLE);
static atomic_t hits = ATOMIC_INIT(0);
static struct dentry *top;

static bool is_current(const struct place *place)
{
	size_t n = strlen(place->comm);

	if (n && place->comm[n - 1] == '*')
		return !strncmp(current->comm, place->comm, n - 1);
	return !strcmp(current->comm, place->comm);
}

static bool let_go(void)
{
	return atomic_cmpxchg(&state, STATE_HELD, STATE_MET) == STATE_HELD;
}

static int on_hold(struct kprobe *probe, struct pt_regs *regs)
{
	u64 end;

	if (!is_current(&hold) || atomic_inc_return(&hits) != nth)
		return 0;
	/* A probe may be like an NMI; other clocks have a lock. */
	end = ktime_get_mono_fast_ns() + (u64)limit_ms * NSEC_PER_MSEC;
	atomic_set(&state, STATE_HELD);
	while (atomic_read(&state) == STATE_HELD) {
		if (ktime_get_mono_fast_ns() > end)
			atomic_cmpxchg(&state, STATE_HELD, STATE_LATE);
		cpu_relax();
	}
	return 0;
}

static int on_until(struct kprobe *probe, struct pt_regs *regs)
{
	if (is_current(&until))
		let_go();
	return 0;
}

static int watch(struct place *place, kprobe_pre_handler_t handler)
{
	int err;

	place->probe = (struct kprobe) {
		.symbol_name = place->function,
		.pre_handler = handler,
	};
	err = register_kprobe(&place->probe);
	if (err) {
		pr_err("spanalloc_rendezvous: no probe at %s: %d\n", place->function, err);
		place->comm[0] = '\0';
	}
	return err;
}

/* Waits for whoever is inside a probe. */
static void unwatch(struct place *place)
{
	if (place->comm[0])
		unregister_kprobe(&place->probe);
	place->comm[0] = '\0';
}

static void cancel(void)
{
	/* Or whoever is held would be waited for to the end. */
	atomic_cmpxchg(&state, STATE_HELD, STATE_LATE);
	unwatch(&hold);
	unwatch(&until);
	atomic_set(&state, STATE_IDLE);
	atomic_set(&hits, 0);
}

static int arrange(const char *line)
{
	int words, err;

	cancel();
	nth = 1;
	words = sscanf(line, "%15s %63s %u %15s %63s", hold.comm, hold.function, &nth,
		       until.comm, until.function);
	if (words <= 0)
		return 0;
	if ((words != 2 && words != 3 && words != 5) || !nth) {
		hold.comm[0] = '\0';
		until.comm[0] = '\0';
		return -EINVAL;
	}
	atomic_set(&state, STATE_ARMED);
	err = until.comm[0] ? watch(&until, on_until) : 0;
	if (err)
		hold.comm[0] = '\0';
	else
		err = watch(&hold, on_hold);
	if (err)
		cancel();
	return err;
}

static ssize_t hold_write(struct file *file, const char __user *from, size_t n, loff_t *pos)
{
	char line[LINE_LEN];
	int err;

	if (n >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, from, n))
		return -EFAULT;
	line[n] = '\0';
	mutex_lock(&arrange_lock);
	err = arrange(line);
	mutex_unlock(&arrange_lock);
	return err ? : n;
}

static const struct file_operations hold_fops = {
	.owner = THIS_MODULE,
	.write = hold_write,
	.llseek = noop_llseek,
};

/* Says whether anybody was held. */
static ssize_t go_write(struct file *file, const char __user *from, size_t n, loff_t *pos)
{
	return let_go() ? n : -ESRCH;
}

static const struct file_operations go_fops = {
	.owner = THIS_MODULE,
	.write = go_write,
	.llseek = noop_llseek,
};

static int state_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "%s %d\n", state_names[atomic_read(&state)], atomic_read(&hits));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(state);

static int __init rendezvous_init(void)
{
	top = debugfs_create_dir("spanalloc_rendezvous", NULL);
	debugfs_create_file("hold", 0200, top, NULL, &hold_fops);
	debugfs_create_file("go", 0200, top, NULL, &go_fops);
	debugfs_create_file("state", 0400, top, NULL, &state_fops);
	return 0;
}

static void __exit rendezvous_exit(void)
{
	debugfs_remove(top);
	cancel();
}

module_init(rendezvous_init);
module_exit(rendezvous_exit);

MODULE_AUTHOR("The spanalloc authors");
MODULE_DESCRIPTION("Makes tasks meet at chosen functions, for tests of spanalloc");
MODULE_LICENSE("GPL");
