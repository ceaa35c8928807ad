#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What "make bench" measured: as JSON, as a table, and as plots.

report.py --json FILE [--plots FOLDER] PLAN=LOG... TRACES...
    reads the logs of guests that did these plans (plan.py), writes FILE, prints tables, and
    draws the plots. Fails if a peer that was to be measured was not, or if peers that have to
    agree on addresses do not.
report.py --expect FILE PLAN TRACES...
    fails unless FILE has every (bench, peer, param) of the plan, and only these.

FILE is a list of {"bench", "peer", "param", "ns", "ratio", "runs", "q1", "q3", "unit"}. "ns" is
the median of the runs, q1 and q3 the quartiles; of times, what the loop alone took in the same
round is taken off. "ratio" is ours over the peer: of addresses alone the treap, of memory
spanalloc with its caches. With init_on_alloc=1, the name of the bench ends in "+init".
"""

import argparse
import json
import os
import re
import statistics
import sys

import plan as plans
import plots
import targets

RESULT = re.compile(r"spanalloc_peers: result (\S+) (\S+) (\S+) (ps|bytes)((?: \d+)+)\s*$")
ADDRESS = re.compile(r"spanalloc_peers: address (\S+) (\S+) (\S+) ([0-9a-f]+)\s*$")
RELEASE = re.compile(r"Linux version (\S+)")
# Who is compared to what of ours.
WITH_MEMORY = set(plans.PAIR) - {"null"}
OURS = targets.SPANALLOC


class Measured:
    """What the logs of all guests say."""

    def __init__(self):
        self.values = {}
        self.addresses = {}
        self.units = {}
        self.release = "?"
        self.wrong = []

    def read(self, name, path):
        """Take in the log of a guest."""
        suffix = "+init" if name == "init" else ""
        with open(path, encoding="utf-8", errors="replace") as log:
            for line in log:
                match = RESULT.search(line)
                if match:
                    bench, peer, param, unit, values = match.groups()
                    key = (bench + suffix, peer, param)
                    self.values[key] = [int(value) for value in values.split()]
                    self.units[key] = unit
                match = ADDRESS.search(line)
                if match:
                    bench, peer, param, address = match.groups()
                    self.addresses[bench + suffix, peer, param] = address
                match = RELEASE.search(line)
                if match:
                    self.release = match.group(1)

    def check(self, name, traces):
        """All that was planned is there, and addresses are the same where they have to be."""
        for key in expected(name, traces):
            if key not in self.values:
                self.wrong.append("not measured: " + " ".join(key))
        groups = {}
        for (bench, peer, param), address in self.addresses.items():
            groups.setdefault((bench, param), {})[peer] = address
        for (bench, param), by_peer in groups.items():
            for peer, address in by_peer.items():
                if address != next(iter(by_peer.values())):
                    self.wrong.append(f"{bench} {param}: {peer} gives other addresses than "
                                      f"{next(iter(by_peer))}")

    def check_agreement(self, name, traces):
        """Nobody who has to agree stays silent."""
        suffix = "+init" if name == "init" else ""
        for _, bench, params, peers in plans.steps(name, traces):
            if bench in ("bulk", "cpus", "handover", "metadata", "latency"):
                continue
            for peer in set(peers) & set(plans.LOWEST):
                for param in params:
                    if (bench + suffix, peer, param) not in self.addresses:
                        self.wrong.append(f"no addresses: {bench} {peer} {param}")


def expected(name, traces):
    """The (bench, peer, param) of a plan."""
    suffix = "+init" if name == "init" else ""
    for _, bench, params, peers in plans.steps(name, traces):
        for param in params:
            for peer in peers:
                yield bench + suffix, peer, param


def quartiles(values):
    if len(values) < 3:
        return min(values), max(values)
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def net(measured, key):
    """The values of a row: what the loop alone takes in the same round is taken off."""
    bench, peer, param = key
    values = measured.values[key]
    if measured.units[key] == "bytes":
        return values
    values = [value / 1000 for value in values]
    null = measured.values.get((bench, "null", param))
    if peer == "null" or not null:
        return values
    return [value - other / 1000 for value, other in zip(values, null)]


def ours(bench, peer, param, rows):
    """The row of ours that a peer is compared to, if there is one."""
    bench_of = bench.split("+")[0]
    if bench_of == "latency":
        name = peer.replace("keeps", "gives")
    elif bench_of == "metadata":
        name = "heap"
    elif bench_of in ("carve", "index-pair", "churn"):
        name = "treap"
    elif bench_of == "trace":
        name = OURS if peer in WITH_MEMORY else "treap"
    else:
        name = OURS
    return rows.get((bench, name, param))


def make_rows(measured):
    rows = {}
    for key in measured.values:
        values = net(measured, key)
        low, high = quartiles(values)
        bench, peer, param = key
        rows[key] = {
            "bench": bench, "peer": peer, "param": param,
            "ns": round(statistics.median(values), 3), "ratio": None, "runs": len(values),
            "q1": round(low, 3), "q3": round(high, 3),
            "unit": "bytes" if measured.units[key] == "bytes" else "ns",
        }
    for (bench, peer, param), row in rows.items():
        own = ours(bench, peer, param, rows)
        if own and peer != "null" and row["ns"] > 0 and own["ns"] > 0:
            row["ratio"] = round(own["ns"] / row["ns"], 4)
    return rows


def number(value):
    if value is None:
        return "-"
    if abs(value) >= 10000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"


def cell(row):
    """Median and quartiles."""
    if not row:
        return "-"
    return f"{number(row['ns'])} [{number(row['q1'])} {number(row['q3'])}]"


def print_tables(rows):
    """One table for each measurement: a line for each parameter, a column for each peer."""
    for bench in dict.fromkeys(key[0] for key in rows):
        peers = list(dict.fromkeys(key[1] for key in rows if key[0] == bench))
        params = list(dict.fromkeys(key[2] for key in rows if key[0] == bench))
        unit = next(row["unit"] for key, row in rows.items() if key[0] == bench)
        runs = max(row["runs"] for key, row in rows.items() if key[0] == bench)
        lines = [[bench] + params]
        for peer in peers:
            lines.append([peer] + [cell(rows.get((bench, peer, param))) for param in params])
        widths = [max(len(line[i]) for line in lines) for i in range(len(params) + 1)]
        print(f"\n{bench}: {unit}, median [quartiles] of {runs} runs")
        for line in lines:
            print("  ".join([line[0].ljust(widths[0])] +
                            [text.rjust(width) for text, width in zip(line[1:], widths[1:])]))


def machine():
    """The name of the processor, and how many there are."""
    name = "?"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
        for line in info:
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    return f"{name}, {os.cpu_count()} CPUs"


def check_file(path, name, traces):
    with open(path, encoding="utf-8") as file:
        rows = json.load(file)
    there = {(row["bench"], row["peer"], row["param"]) for row in rows}
    wanted = set(expected(name, traces))
    for key in sorted(wanted - there):
        print("missing:", *key)
    for key in sorted(there - wanted):
        print("not planned:", *key)
    if there != wanted or len(there) != len(rows):
        sys.exit(1)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--json")
    parser.add_argument("--plots")
    parser.add_argument("--expect")
    parser.add_argument("words", nargs="+")
    options = parser.parse_args()
    if options.expect:
        check_file(options.expect, options.words[0], options.words[1:])
        return
    logs = [word.split("=", 1) for word in options.words if "=" in word]
    traces = [word for word in options.words if "=" not in word]
    measured = Measured()
    for name, path in logs:
        measured.read(name, path)
    for name, _ in logs:
        measured.check(name, traces)
        measured.check_agreement(name, traces)
    rows = make_rows(measured)
    with open(options.json, "w", encoding="utf-8") as file:
        json.dump(list(rows.values()), file, indent=0)
        file.write("\n")
    where = f"Linux {measured.release}, User-Mode Linux, on {machine()}"
    print("#", where)
    print_tables(rows)
    targets.print_targets(rows)
    if options.plots:
        plots.draw_all(rows, options.plots, where)
    for line in dict.fromkeys(measured.wrong):
        print("wrong:", line)
    if measured.wrong:
        sys.exit(1)


if __name__ == "__main__":
    main()
