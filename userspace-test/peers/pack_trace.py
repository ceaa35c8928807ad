#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""pack_trace.py TRACE FILE: a recorded trace as spanalloc_peers reads it.

Each event is two 32-bit numbers: a slot, and the pages that are allocated there, or 0 where
they are freed. Slots are used again, so that there are no more than spans at once.
"""

import array
import sys

import plan


def pack(lines):
    events = array.array("I")
    slots, unused, nslots = {}, [], 0
    for number, line in enumerate(lines, 1):
        words = line.split()
        if words[:1] == ["a"] and len(words) == 3 and words[1] not in slots:
            if unused:
                slot = unused.pop()
            else:
                slot, nslots = nslots, nslots + 1
            slots[words[1]] = slot
            events.extend((slot, int(words[2])))
        elif words[:1] == ["f"] and len(words) == 2 and words[1] in slots:
            slot = slots.pop(words[1])
            unused.append(slot)
            events.extend((slot, 0))
        elif words:
            raise ValueError(f"line {number} is no event: {line.strip()}")
    return events


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: pack_trace.py TRACE FILE")
    with open(sys.argv[2], "wb") as file:
        pack(plan.open_trace(sys.argv[1])).tofile(file)


if __name__ == "__main__":
    main()
