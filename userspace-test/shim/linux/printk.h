/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_PRINTK_H
#define _SHIM_LINUX_PRINTK_H

#include "../shim.h"

#define KERN_ERR	""
#define KERN_WARNING	""
#define KERN_INFO	""
#define KERN_DEBUG	""

#ifndef pr_fmt
#define pr_fmt(fmt) fmt
#endif

#define printk(fmt, ...)	shim_print(fmt, ##__VA_ARGS__)
#define pr_emerg(fmt, ...)	shim_print(pr_fmt(fmt), ##__VA_ARGS__)
#define pr_crit(fmt, ...)	shim_print(pr_fmt(fmt), ##__VA_ARGS__)
#define pr_err(fmt, ...)	shim_print(pr_fmt(fmt), ##__VA_ARGS__)
#define pr_warn(fmt, ...)	shim_print(pr_fmt(fmt), ##__VA_ARGS__)
#define pr_notice(fmt, ...)	shim_print(pr_fmt(fmt), ##__VA_ARGS__)
#define pr_info(fmt, ...)	shim_print(pr_fmt(fmt), ##__VA_ARGS__)
#define pr_cont(fmt, ...)	shim_print(fmt, ##__VA_ARGS__)
#define no_printk(fmt, ...) \
	({ if (0) shim_print(fmt, ##__VA_ARGS__); 0; })
#define pr_debug(fmt, ...)	no_printk(pr_fmt(fmt), ##__VA_ARGS__)
#define pr_err_once(fmt, ...)	pr_err(fmt, ##__VA_ARGS__)
#define pr_warn_once(fmt, ...)	pr_warn(fmt, ##__VA_ARGS__)
#define pr_info_once(fmt, ...)	pr_info(fmt, ##__VA_ARGS__)
#define pr_err_ratelimited(fmt, ...)	pr_err(fmt, ##__VA_ARGS__)
#define pr_warn_ratelimited(fmt, ...)	pr_warn(fmt, ##__VA_ARGS__)
#define dump_stack()		((void)0)

#endif /* _SHIM_LINUX_PRINTK_H */
