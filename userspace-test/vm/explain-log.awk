# SPDX-License-Identifier: GPL-2.0-only
#
# Renames the stack dumps in a kernel log that follow from an allocation which was made to
# fail inside the kernel: these functions dump the stack when they fail, whoever called
# them. The headline says which; the dump comes within few lines of it. So with what kmemleak
# says, if names is not zero: guest-failnth.sh has seen that this is all that it found.
# Everything else stays as it is.

/kmem_cache_create[a-z_]*\(.*\) failed with error -(12|22)/ { headline = NR }
/vmalloc error: size [0-9]+, / { headline = NR }

/Call Trace:/ && headline && NR - headline <= LINES_MAX {
	sub(/Call Trace:/, "Stack of an injected failure:")
	headline = 0
}

names && /kmemleak: [0-9]+ new suspected/ { sub(/ new /, " known ") }

{ print }

BEGIN { LINES_MAX = 6 }
