/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_SIZES_H
#define _SHIM_LINUX_SIZES_H

#define SZ_16M	0x01000000

#endif /* _SHIM_LINUX_SIZES_H */
