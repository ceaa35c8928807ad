#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What "make bench" measures, and who takes part.

plan.py PLAN TRACES...   the lines that the guest is to do, one after the other: words for the
                         module's parameter "run", or "latency". PLAN is "full", "init", what
                         is repeated with init_on_alloc=1, "huge", what takes a guest with much
                         memory, or "smoke": all but that, and small.

report.py expects a result for each peer that stands here, however many the module knows.
"""

import gzip
import sys

INDEX = ["null", "treap", "rb-vmalloc", "drm_mm", "maple", "iova", "genalloc", "heap",
         "heap-cached"]
CARVE = ["null", "treap", "treap-reinsert", "treap-as-rb", "treap-wide", "rb-vmalloc",
         "rb-reinsert", "drm_mm", "maple", "iova", "genalloc"]
CHURN = ["null", "treap", "treap-reinsert", "treap-as-rb", "treap-wide", "rb-vmalloc",
         "drm_mm", "maple", "heap", "heap-cached"]
# They take time in proportion to the spans.
CHURN_LINEAR = ["iova", "genalloc"]
CHURN_HUGE = ["null", "treap", "treap-wide", "rb-vmalloc"]
MEMORY = ["null", "spanalloc", "spanalloc-cached", "alloc_pages", "alloc_pages_exact"]
PAIR = MEMORY + ["spanalloc-zero", "vmalloc", "kmem_cache"]
# Who has no memory is what the others are compared to.
CHURN_MEMORY = MEMORY + ["rb-vmalloc"]
CHURN_MEMORY_HUGE = ["null", "rb-vmalloc", "spanalloc-cached"]
BULK = ["null", "spanalloc", "spanalloc-cached", "spanalloc-bulk", "alloc_pages", "kmem_cache",
        "kmem_cache-bulk"]
CPUS = MEMORY + ["heap", "kmem_cache"]
TRACE = INDEX + MEMORY[1:]
METADATA = ["null", "heap", "drm_mm", "maple", "iova"]
# Lines for the guest, and whose figures these are.
LATENCY = [("latency", ["keeps", "gives"]),
           ("latency cached", ["keeps-cached", "gives-cached"])]

# These give the lowest address that fits, so that they have to agree.
LOWEST = ["treap", "treap-reinsert", "treap-as-rb", "treap-wide", "rb-vmalloc", "rb-reinsert",
          "drm_mm", "maple", "genalloc", "heap", "spanalloc"]

# Pages of the largest block that the kernel gives.
BLOCK_PAGES = 1024
PERCENTILES = ["p50", "p99", "p99.9", "longest"]
ODD_PAGES = [3, 5, 17, 65, 511]
PAGES = sorted([2**i for i in range(10)] + ODD_PAGES)
SIZES = {
    "full": {
        "pages": PAGES, "index": [1, 3, 16, 17, 64, 512], "bulk": [1, 3, 16],
        "churn": [10**3, 10**4, 10**5, 10**6, 10**7], "memory": [10**3, 10**4],
        "metadata": 2**20,
    },
    "huge": {"memory": [10**5, 10**6]},
    "smoke": {
        "pages": [1, 3, 16], "index": [1, 17], "bulk": [1, 3], "churn": [1000], "memory": [100],
        "metadata": 2**12,
    },
}
SIZES["init"] = SIZES["full"]


def churn_peers(nspans):
    if nspans >= 10**7:
        return CHURN_HUGE
    return CHURN + (CHURN_LINEAR if nspans <= 10**4 else [])


def churn_memory(sizes):
    for nspans in sizes["memory"]:
        yield (f"churn-memory {nspans}", "churn-memory", [str(nspans)],
               CHURN_MEMORY if nspans < 10**5 else CHURN_MEMORY_HUGE)


def trace_name(path):
    """The name of a trace: that of its file, up to the first dot."""
    return path.rsplit("/", 1)[-1].split(".", 1)[0]


def trace_peers(path):
    """Who can do a trace: blocks of pages end at 4 MiB."""
    longest = max((int(line.split()[2]) for line in open_trace(path) if line[0] == "a"),
                  default=0)
    return [peer for peer in TRACE
            if longest <= BLOCK_PAGES or peer not in ("alloc_pages", "alloc_pages_exact")]


def open_trace(path):
    """The lines of a trace, packed or not."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="ascii") as trace:
        yield from trace


def steps(plan, traces):
    """Yields (line for the guest, measurement, parameters, peers)."""
    sizes = SIZES[plan]
    if plan == "huge":
        yield from churn_memory(sizes)
        return
    for pages in sizes["pages"]:
        yield f"pair {pages}", "pair", [str(pages)], PAIR
    for path in traces:
        name = trace_name(path)
        yield f"trace /lib/spanalloc/{name}.events {name}", "trace", [name], trace_peers(path)
    if plan == "init":
        return
    for case in ("w1", "w1b"):
        yield f"carve {case}", "carve", [case], CARVE
    for pages in sizes["index"]:
        yield f"index-pair {pages}", "index-pair", [str(pages)], INDEX
    for nspans in sizes["churn"]:
        yield f"churn {nspans}", "churn", [str(nspans)], churn_peers(nspans)
    yield from churn_memory(sizes)
    for pages in sizes["bulk"]:
        yield (f"bulk {pages}", "bulk", [str(pages)],
               BULK + (["alloc_pages-bulk"] if pages == 1 else []))
    for how in ("same", "mixed"):
        for ncpus in (1, 2):
            yield f"cpus {ncpus} {how}", "cpus", [f"{ncpus}-{how}"], CPUS
        yield f"handover {how}", "handover", [how], CPUS
    yield f"metadata {sizes['metadata']}", "metadata", [str(sizes["metadata"])], METADATA
    for line, peers in LATENCY:
        yield line, "latency", PERCENTILES, peers


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in SIZES:
        sys.exit("usage: plan.py full|init|huge|smoke TRACE...")
    for line, _, _, _ in steps(sys.argv[1], sys.argv[2:]):
        print(line)


if __name__ == "__main__":
    main()
