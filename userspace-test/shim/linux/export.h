/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_EXPORT_H
#define _SHIM_LINUX_EXPORT_H

struct shim_export;	/* eats the semicolon */

#define EXPORT_SYMBOL(sym)			struct shim_export
#define EXPORT_SYMBOL_GPL(sym)			struct shim_export
#define EXPORT_SYMBOL_NS_GPL(sym, ns)		struct shim_export
#define EXPORT_SYMBOL_IF_KUNIT(sym)		struct shim_export
#define THIS_MODULE				NULL

#endif /* _SHIM_LINUX_EXPORT_H */
