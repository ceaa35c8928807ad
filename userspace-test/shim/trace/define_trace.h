/* SPDX-License-Identifier: GPL-2.0-only */
/* The second reading of a trace header makes nothing here. */
