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
  tides      memory that comes and goes, for what gives it back: swings of two,
             eight and twenty seconds, spikes that do not come back, a slow
             decline, and pauses in which only small things happen. It has a
             clock: there are 25 events a second
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


class Tides(Trace):
    """Loads in granules of 512 pages, on top of what stays and what is small."""

    RATE = 25

    def __init__(self):
        super().__init__(0x5EED4)
        self.small = []

    def alloc_one(self, npages):
        self.alloc(npages)
        return self.live.pop()

    def free_one(self, name):
        self.lines.append(f"f {name}")

    def quiet(self, seconds):
        """Small things come and go, about sixteen at a time."""
        for _ in range(int(seconds * self.RATE)):
            if len(self.small) < 10 + self.random.below(12):
                self.small.append(self.alloc_one(1 + self.random.below(3)))
            else:
                self.free_one(self.small.pop(self.random.below(len(self.small))))

    def rise(self, granules, nspans):
        """So many granules in so many spans that are not all of the same length."""
        mean = granules * 512 // nspans
        return [self.alloc_one(mean - 32 + self.random.below(65)) for _ in range(nspans)]

    def fall(self, names):
        for name in reversed(names):
            self.free_one(name)

    def swing(self, times, granules, nspans, up, down):
        """The times include rise and fall."""
        for _ in range(times):
            names = self.rise(granules, nspans)
            self.quiet(up - nspans / self.RATE)
            self.fall(names)
            self.quiet(down - nspans / self.RATE)


def tides():
    trace = Tides()
    trace.rise(8, 24)
    trace.quiet(10)
    trace.swing(30, 16, 8, 1, 1)
    trace.quiet(20)
    trace.swing(1, 60, 20, 2, 40)
    trace.swing(8, 24, 16, 4, 4)
    trace.quiet(60)
    trace.swing(1, 56, 12, 1, 30)
    trace.swing(6, 20, 20, 10, 10)
    falling = trace.rise(40, 40)
    trace.quiet(20)
    for name in falling:
        trace.free_one(name)
        trace.quiet(1)
    trace.quiet(50)
    return trace.lines


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    for make in (fleet, heavytail, phases, tides):
        text = "\n".join(make()) + "\n"
        path = os.path.join(folder, f"{make.__name__}.trace.gz")
        with open(path, "wb") as file:
            # No name and no time in it, like gzip -n.
            with gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
                packed.write(text.encode())


if __name__ == "__main__":
    main()
