// SPDX-License-Identifier: GPL-2.0-only
/*
 * The span heap and its peers at the same work.
 */

/**
 * DOC: Peers
 *
 * What is written to the parameter "run" names a measurement, which is made before the write
 * returns:
 *
 *	carve w1|w1b		a long free span is used up from its front, w1b: behind 10000
 *				free spans that are too short; addresses only
 *	index-pair N		N pages are allocated and freed, addresses only
 *	pair N			the same, with memory
 *	bulk N			16 spans of N pages are allocated and freed, at once or one by one
 *	churn F			of spans of 1 to 64 pages between F free ones, one is freed and
 *				one allocated, at random; addresses only
 *	churn-memory F		the same, with memory, which nobody touches: the kernel must have
 *				130 KiB for each span, and each is there twice
 *	trace PATH NAME		a recording, of pairs of 32-bit numbers: the slot, and the pages
 *				to be allocated, or 0 to free
 *	cpus N same|mixed	pairs on N processors at once
 *	handover same|mixed	one processor allocates, another one frees
 *	metadata N		bytes that N spans of 4 pages take
 *
 * Peers are measured in turn, in each of "rounds" rounds, and every one does the same: lengths
 * and order are those of one generator with one seed. The results are in the kernel's log, a
 * line for each peer, with the picoseconds of an operation in each round: nothing is taken off
 * for the loop, which the peer "null" tells of. For those that give the lowest address that
 * fits, there is a line with a hash of the addresses that they gave, in their order.
 *
 * With "irqs_off", interrupts are off while time is taken. That is for User-Mode Linux with more
 * than one processor, where turning them off and on takes two system calls of the host, some
 * microseconds: a lock that is taken with interrupts off would be all that is seen. There, time
 * is that of the host's thread, in which other processes of the host do not count, but for
 * several processors at once and for who needs interrupts.
 *
 * No lock but the peer's own is held; who has none is called from one thread only. Where memory
 * cannot be had, the write fails.
 */

#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "peers.h"
#include "../../spanalloc/compat.h"

static unsigned int rounds = 41;
module_param(rounds, uint, 0644);
MODULE_PARM_DESC(rounds, "how often everything is measured, at most 63 (default: 41)");

static bool irqs_off;
module_param(irqs_off, bool, 0644);
MODULE_PARM_DESC(irqs_off, "time is taken with interrupts off");

static unsigned int percent = 100;
module_param(percent, uint, 0644);
MODULE_PARM_DESC(percent, "share of the operations that are done in a turn, for a quick look");

/**
 * bench_rounds() - how often everything is to be measured
 *
 * Return: 1 to BENCH_ROUNDS_MAX.
 */
unsigned int bench_rounds(void)
{
	return clamp(READ_ONCE(rounds), 1U, (unsigned int)BENCH_ROUNDS_MAX);
}

/**
 * bench_irqs_off() - are interrupts to be off while time is taken?
 *
 * Return: as the parameter says.
 */
bool bench_irqs_off(void)
{
	return READ_ONCE(irqs_off);
}

/**
 * bench_scaled() - how many operations there are to be in a turn
 * @n: how many it takes to measure them
 *
 * Return: as many, or fewer, but at least one.
 */
unsigned long bench_scaled(unsigned long n)
{
	return max(n * min(READ_ONCE(percent), 100U) / 100, 1UL);
}

static const struct {
	const char *name;
	int (*run)(const char *words);
} works[] = {
	{ "carve", bench_carve },
	{ "index-pair", bench_index_pair },
	{ "pair", bench_pair },
	{ "bulk", bench_bulk },
	{ "churn", bench_churn },
	{ "churn-memory", bench_churn_memory },
	{ "trace", bench_trace },
	{ "cpus", bench_cpus },
	{ "handover", bench_handover },
	{ "metadata", bench_metadata },
};

static DEFINE_MUTEX(run_lock);

static int set_run(const char *value, const struct kernel_param *param)
{
	char line[256], *words = line, *name;
	int err = -EINVAL;
	size_t i;

	if (strscpy(line, value, sizeof(line)) < 0)
		return -E2BIG;
	words = strim(line);
	name = strsep(&words, " ");
	mutex_lock(&run_lock);
	for (i = 0; i < ARRAY_SIZE(works); i++)
		if (!strcmp(name, works[i].name))
			err = works[i].run(words ? : "");
	mutex_unlock(&run_lock);
	return err;
}

static const struct kernel_param_ops run_ops = {
	.set = set_run,
};

module_param_cb(run, &run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "a measurement to make, once the module is loaded");

static int __init peers_init(void)
{
	return 0;
}

static void __exit peers_exit(void)
{
}

module_init(peers_init);
module_exit(peers_exit);

SPAN_IMPORT();
MODULE_AUTHOR("The spanalloc authors");
MODULE_DESCRIPTION("The span heap and its peers at the same work");
MODULE_LICENSE("GPL");
