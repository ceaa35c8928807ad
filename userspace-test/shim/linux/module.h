/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_MODULE_H
#define _SHIM_LINUX_MODULE_H

#include <linux/export.h>
#include <linux/kernel.h>

#define __module_get(module)		((void)(module))
#define try_module_get(module)		((void)(module), true)
#define module_put(module)		((void)(module))

#define MODULE_LICENSE(x)		struct shim_export
#define MODULE_AUTHOR(x)		struct shim_export
#define MODULE_DESCRIPTION(x)		struct shim_export
#define MODULE_VERSION(x)		struct shim_export
#define MODULE_IMPORT_NS(x)		struct shim_export
#define MODULE_PARM_DESC(name, text)	struct shim_export
#define module_param(name, type, perm)	struct shim_export

/* Nothing is ever unloaded here. */
#define __module_get(module)		((void)(module))

#endif /* _SHIM_LINUX_MODULE_H */
