/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_NODEMASK_H
#define _SHIM_LINUX_NODEMASK_H

#include <linux/numa.h>

/* A machine of one node. */
#define node_online(node)	((node) == 0)
#define node_possible(node)	((node) == 0)
#define nr_node_ids		1U

#endif /* _SHIM_LINUX_NODEMASK_H */
