/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints that nobody listens to. */
#ifndef _SHIM_LINUX_TRACEPOINT_H
#define _SHIM_LINUX_TRACEPOINT_H

#include <linux/types.h>

#define TP_PROTO(args...)	args
#define TP_ARGS(args...)	args
#define TP_STRUCT__entry(args...)
#define TP_fast_assign(args...)
#define TP_printk(args...)

#define SHIM_TRACE(name, proto)						\
	static inline __maybe_unused void trace_##name(proto) { }	\
	static inline __maybe_unused bool trace_##name##_enabled(void)	\
	{ return false; }						\
	struct shim_trace_##name
#define TRACE_EVENT(name, proto, args, entry, assign, print) \
	SHIM_TRACE(name, TP_PROTO(proto))
#define DECLARE_EVENT_CLASS(name, proto, args, entry, assign, print) \
	struct shim_trace_class_##name
#define DEFINE_EVENT(template, name, proto, args) \
	SHIM_TRACE(name, TP_PROTO(proto))

#endif /* _SHIM_LINUX_TRACEPOINT_H */
