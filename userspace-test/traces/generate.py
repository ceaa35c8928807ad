#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Makes the traces of this folder: generate.py [FOLDER].

The same events each time. One event a line: "a ID NPAGES"
allocates, "f ID" frees.

  fleet      sizes as servers ask for them: mostly small, many of the same
             length, some large; most live briefly, some for ever
  heavytail  lengths from 1 to 2047 pages whose logarithm is evenly spread
  phases     eight phases, each with sizes of its own; three quarters of what
             lives is freed between two of them
"""
import gzip
import os
import sys


class Random:
    """Marsaglia's xorshift64*: the same numbers with every Python."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        x = self.state
        x ^= x >> 12
        x = (x ^ x << 25) & (1 << 64) - 1
        x ^= x >> 27
        self.state = x
        return (x * 0x2545F4914F6CDD1D & (1 << 64) - 1) * n >> 64

    def choose(self, weighted):
        roll = self.below(sum(weight for _, weight in weighted))
        for value, weight in weighted:
            if roll < weight:
                return value
            roll -= weight
        raise AssertionError


class Trace:
    def __init__(self, seed):
        self.random = Random(seed)
        self.lines = []
        self.live = []
        self.last_id = 0

    def alloc(self, npages):
        self.live.append(self.last_id)
        self.lines.append(f"a {self.last_id} {npages}")
        self.last_id += 1

    def free_at(self, at):
        self.lines.append(f"f {self.live.pop(at)}")

    def free_any(self):
        self.free_at(self.random.below(len(self.live)))

    def free_recent(self):
        depth = min(len(self.live), 1 + self.random.below(12))
        self.free_at(len(self.live) - depth)


def fleet():
    trace = Trace(0x5EED1)
    random = trace.random
    sizes = [(1, 40), (2, 18), (4, 14), (8, 6), (3, 5), (5, 4), (16, 4),
             (33, 3), (64, 2), (257, 1), (1024, 1)]
    while len(trace.lines) < 9000:
        if len(trace.live) < 300 or random.below(100) < 50:
            npages = random.choose(sizes)
            if random.below(8) == 0:
                npages += random.below(npages + 1)
            trace.alloc(npages)
        elif random.below(4):
            trace.free_recent()
        else:
            trace.free_any()
    return trace.lines


def heavytail():
    trace = Trace(0x5EED2)
    random = trace.random
    while len(trace.lines) < 8000:
        if len(trace.live) < 60 or (len(trace.live) < 95 and random.below(2)):
            octave = random.below(11)
            trace.alloc((1 << octave) + random.below(1 << octave))
        else:
            trace.free_any()
    return trace.lines


def phases():
    trace = Trace(0x5EED3)
    random = trace.random
    for phase in range(8):
        longest = (3, 64, 17, 90, 1, 31, 130, 9)[phase]
        for _ in range(650):
            if trace.live and random.below(5) == 0:
                trace.free_recent()
            else:
                trace.alloc(1 + random.below(longest))
        for _ in range(len(trace.live) * 3 // 4):
            trace.free_any()
    return trace.lines


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    for make in (fleet, heavytail, phases):
        text = "\n".join(make()) + "\n"
        path = os.path.join(folder, f"{make.__name__}.trace.gz")
        with open(path, "wb") as file:
            # No name and no time in it, like gzip -n.
            with gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
                packed.write(text.encode())


if __name__ == "__main__":
    main()
