# SPDX-License-Identifier: GPL-2.0-only
"""What the figures of "make bench" are wanted to be, and whether they are."""

import plan

# Bytes of a page of the guest.
PAGE = 4096
# Of ours, what is compared: with caches of each CPU, as is the default.
SPANALLOC = "spanalloc-cached"


def ns(rows, bench, peer, param):
    """The median of a row, or None."""
    row = rows.get((bench, peer, str(param)))
    return row["ns"] if row else None


def ratio(above, below):
    """None where either is missing or below the noise."""
    if above is None or below is None or above <= 0 or below <= 0:
        return None
    return above / below


def worst(values):
    """(parameter, figure) of the largest; nothing where a figure is missing."""
    values = list(values)
    if not values or any(value is None for _, value in values):
        return None
    return max(values, key=lambda item: item[1])


def over(rows, bench, our, peer, params):
    """Ours over the peer's, at the parameter where that is worst."""
    return worst((param, ratio(ns(rows, bench, our, param), ns(rows, bench, peer, param)))
                 for param in params)


def scaling(rows, peer, how):
    """Throughput of two processors over that of one: times of a pair, so the reverse."""
    return ratio(ns(rows, "cpus", peer, f"1-{how}"), ns(rows, "cpus", peer, f"2-{how}"))


def scaling_over_null(rows, how):
    """Ours, over that of a loop that does nothing."""
    return ratio(scaling(rows, SPANALLOC, how), scaling(rows, "null", how))


def growth(rows, peer):
    """Time of a pair among 10^7 free spans over that among 10^3."""
    return ratio(ns(rows, "churn", peer, 10**7), ns(rows, "churn", peer, 10**3))


def metadata(rows):
    """Bytes over those of the memory, in per cent."""
    spans = 2**20
    size = ns(rows, "metadata", "heap", spans)
    return None if size is None else 100 * size / (spans * 4 * PAGE)


def table(rows):
    """Yields (what, figure or None, at which parameter, what is wanted, at most or at least)."""
    def line(what, found, wanted, least=False):
        param, figure = found if found else ("", None)
        return what, figure, param, wanted, least

    for bench, how in (("pair", ""), ("pair+init", ", init_on_alloc=1")):
        yield line(f"pair, 1 to 16 pages / kmem_cache{how}",
                   over(rows, bench, SPANALLOC, "kmem_cache",
                        [pages for pages in plan.PAGES if pages <= 16]), 1.5)
        yield line(f"pair / alloc_pages, powers of two{how}",
                   over(rows, bench, SPANALLOC, "alloc_pages", [2**i for i in range(10)]), 0.8)
        yield line(f"pair / alloc_pages_exact, odd lengths{how}",
                   over(rows, bench, SPANALLOC, "alloc_pages_exact", plan.ODD_PAGES), 0.15)
    for nspans in (10**4, 10**5, 10**6):
        yield line(f"churn, with memory / rb-vmalloc, {nspans} spans",
                   over(rows, "churn-memory", SPANALLOC, "rb-vmalloc", [nspans]), 0.5)
    for nspans, wanted in ((10**4, 0.85), (10**5, 0.7), (10**6, 0.6)):
        yield line(f"churn, index / rb-vmalloc, {nspans} spans",
                   over(rows, "churn", "treap", "rb-vmalloc", [nspans]), wanted)
    yield line("churn, index / drm_mm",
               over(rows, "churn", "treap", "drm_mm", [10**4, 10**5, 10**6]), 0.35)
    for case in ("w1", "w1b"):
        yield line(f"split in place / erase and insert, {case}",
                   over(rows, "carve", "treap", "treap-reinsert", [case]), 0.3)
    for how in ("same", "mixed"):
        yield line(f"two CPUs over one / null loop's, {how}",
                   (how, scaling_over_null(rows, how)), 0.95, True)
    yield line("growth from 10^3 to 10^7 / rb-vmalloc's",
               ("", ratio(growth(rows, "treap"), growth(rows, "rb-vmalloc"))), 0.9)
    yield line("metadata over memory, per cent", ("", metadata(rows)), 0.8)
    for caches, how in (("", "no caches"), ("-cached", "caches")):
        yield line(f"latency, memory given back / kept, {how}",
                   ("p99.9", ratio(ns(rows, "latency", "gives" + caches, "p99.9"),
                                   ns(rows, "latency", "keeps" + caches, "p99.9"))), 3)


def print_targets(rows):
    """A line for each; what was not measured is not met."""
    print("\n{:<57} {:>8} {:>8}  {:>8}".format("target", "figure", "wanted", "where"))
    for what, figure, param, wanted, least in table(rows):
        good = figure is not None and (figure >= wanted if least else figure <= wanted)
        print("{:<57} {:>8} {:>8}  {:>8}  {}".format(
            what, "-" if figure is None else f"{figure:.3f}",
            (">= " if least else "<= ") + f"{wanted:g}", str(param),
            "met" if good else "not met"))
