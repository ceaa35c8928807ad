# SPDX-License-Identifier: GPL-2.0-only
"""Plots of what "make bench" measured, as SVG, by nothing but string formatting."""

import math
import os
import string
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 46, 66
COLOURS = ["#c0392b", "#2c6fbb", "#27864a", "#8e44ad", "#b9770e", "#16808a", "#5d6d7e",
           "#a04070", "#444444", "#c9a227", "#7a9a01"]
# What is ours is drawn thick.
OURS = ("treap", "heap", "heap-cached", "spanalloc", "spanalloc-cached", "gives",
        "gives-cached")


class Axis:
    """A logarithmic axis from one number to another, on paper from one place to another."""

    def __init__(self, values, start, end):
        self.low = math.floor(math.log10(min(values)) * 3) / 3
        self.high = math.ceil(math.log10(max(values)) * 3) / 3
        if self.low == self.high:
            self.high += 1
        self.start, self.end = start, end

    def at(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self):
        """Powers of ten, with 2 and 5 of each where there are few of them."""
        steps = (1, 2, 5) if self.high - self.low < 3.5 else (1,)
        for power in range(math.floor(self.low) - 1, math.ceil(self.high) + 1):
            for step in steps:
                value = step * 10.0**power
                if self.low - 1e-9 <= math.log10(value) <= self.high + 1e-9:
                    yield value


def label(value):
    """A number for an axis."""
    for factor, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= factor:
            return f"{value / factor:g}{unit}"
    return f"{value:g}"


def text(x, y, words, anchor="start", size=12, extra=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{extra}>'
            f"{escape(words)}</text>")


def line(x1, y1, x2, y2, colour):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{colour}"/>')


def sheet(title, where, parts):
    """A whole picture: what all have in common stands in sheet.svg."""
    with open(os.path.join(os.path.dirname(__file__), "sheet.svg"), encoding="utf-8") as file:
        frame = string.Template(file.read())
    return frame.substitute(width=WIDTH, height=HEIGHT, parts="\n".join([
        text(LEFT, 22, title, size=15),
        text(LEFT, HEIGHT - 10, where, size=10, extra=' fill="#666666"'),
        *parts]))


def y_axis(axis, name):
    parts = [text(16, (TOP + HEIGHT - BOTTOM) / 2, name, "middle",
                  extra=f' transform="rotate(-90 16 {(TOP + HEIGHT - BOTTOM) / 2:.0f})"')]
    for value in axis.ticks():
        y = axis.at(value)
        parts.append(line(LEFT, y, WIDTH - RIGHT, y, "#e4e4e4"))
        parts.append(text(LEFT - 6, y + 4, label(value), "end", 11))
    return parts


def spread(places, distance):
    """Moves names apart, which would be written over each other."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for before, after in zip(order, order[1:]):
        moved[after] = max(moved[after], moved[before] + distance)
    return moved


def lines_plot(title, x_name, y_name, series, where):
    """Lines between (x, y, low, high); both axes are logarithmic."""
    xs = [point[0] for points in series.values() for point in points]
    ys = [y for points in series.values() for point in points for y in point[1:] if y > 0]
    x_axis = Axis(xs, LEFT + 10, WIDTH - RIGHT - 10)
    axis = Axis(ys, HEIGHT - BOTTOM, TOP)
    parts = y_axis(axis, y_name)
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 28, x_name, "middle"))
    places = sorted(set(xs)) if len(set(xs)) <= 8 else list(x_axis.ticks())
    for value in places:
        x = x_axis.at(value)
        parts.append(line(x, TOP, x, HEIGHT - BOTTOM, "#f0f0f0"))
        parts.append(text(x, HEIGHT - BOTTOM + 16, label(value), "middle", 11))
    ends = []
    for (name, points), colour in zip(series.items(), COLOURS):
        width = 3 if name in OURS else 1.5
        path = " ".join(f"{x_axis.at(x):.1f},{axis.at(y):.1f}" for x, y, _, _ in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" '
                     f'stroke-width="{width}"/>')
        for x, y, low, high in points:
            parts.append(f'<circle cx="{x_axis.at(x):.1f}" cy="{axis.at(y):.1f}" r="3" '
                         f'fill="{colour}"/>')
            if low > 0:
                parts.append(line(x_axis.at(x), axis.at(low), x_axis.at(x), axis.at(high),
                                  colour))
        ends.append((name, colour, x_axis.at(points[-1][0]), axis.at(points[-1][1])))
    names_y = spread([end[3] for end in ends], 14)
    for (name, colour, x, y), name_y in zip(ends, names_y):
        parts.append(f'<line x1="{x + 5:.1f}" y1="{y:.1f}" x2="{WIDTH - RIGHT + 10}" '
                     f'y2="{name_y:.1f}" stroke="{colour}" stroke-dasharray="2 3"/>')
        parts.append(text(WIDTH - RIGHT + 14, name_y + 4, name, extra=f' fill="{colour}"'))
    return sheet(title, where, parts)


def bars_plot(title, y_name, groups, where):
    """Bars of {group: {name: value}} on a logarithmic axis."""
    names = list(dict.fromkeys(name for bars in groups.values() for name in bars))
    values = [value for bars in groups.values() for value in bars.values() if value > 0] or [1]
    axis = Axis([min(values) / 1.5] + values, HEIGHT - BOTTOM, TOP)
    parts = y_axis(axis, y_name)
    room = (WIDTH - LEFT - RIGHT) / len(groups)
    width = room * 0.85 / len(names)
    for i, (group, bars) in enumerate(groups.items()):
        parts.append(text(LEFT + room * (i + 0.5), HEIGHT - BOTTOM + 16, group, "middle"))
        for j, name in enumerate(names):
            if bars.get(name, 0) <= 0:
                continue
            y = axis.at(bars[name])
            parts.append(
                f'<rect x="{LEFT + room * (i + 0.075) + j * width:.1f}" y="{y:.1f}" '
                f'width="{width * 0.9:.1f}" height="{HEIGHT - BOTTOM - y:.1f}" '
                f'fill="{COLOURS[j % len(COLOURS)]}"/>')
    for j, name in enumerate(names):
        y = TOP + 10 + j * 18
        parts.append(f'<rect x="{WIDTH - RIGHT + 12}" y="{y - 9}" width="10" height="10" '
                     f'fill="{COLOURS[j % len(COLOURS)]}"/>')
        parts.append(text(WIDTH - RIGHT + 28, y, name))
    return sheet(title, where, parts)


def points_of(rows, bench, skip=("null",)):
    """{peer: points} of a measurement whose parameters are numbers."""
    series = {}
    for (name, peer, param), row in rows.items():
        if name == bench and peer not in skip and row["ns"] > 0:
            series.setdefault(peer, []).append((int(param), row["ns"], row["q1"], row["q3"]))
    return {peer: sorted(points) for peer, points in series.items()}


def groups_of(rows, bench, peers):
    """{param: {peer: ns}} of a measurement."""
    groups = {}
    for (name, peer, param), row in rows.items():
        if name == bench and peer in peers:
            groups.setdefault(param, {})[peer] = row["ns"]
    return groups


def draw_all(rows, folder, where):
    """One file for each plot."""
    nanoseconds = "ns a pair, less the loop"
    pictures = {
        "churn": lines_plot("Free one span and allocate another, addresses only",
                            "free spans", nanoseconds, points_of(rows, "churn"), where),
        "pair": lines_plot("Allocate and free, memory, init_on_alloc=0", "pages",
                           nanoseconds, points_of(rows, "pair"), where),
        "pair-init": lines_plot("Allocate and free, memory, init_on_alloc=1", "pages",
                                nanoseconds, points_of(rows, "pair+init"), where),
        "trace": bars_plot("Traces, init_on_alloc=0", "ns an event",
                           groups_of(rows, "trace", ("spanalloc", "spanalloc-cached", "alloc_pages",
                                                     "alloc_pages_exact", "heap", "treap",
                                                     "rb-vmalloc")), where),
        "cpus": bars_plot("Pairs on one and two processors", "ns a pair",
                          groups_of(rows, "cpus", ("spanalloc", "spanalloc-cached", "alloc_pages",
                                                   "alloc_pages_exact", "kmem_cache")), where),
        "latency": bars_plot("An allocation while memory is given back, and is kept", "ns",
                             groups_of(rows, "latency", ("keeps", "gives", "keeps-cached",
                                                         "gives-cached")), where),
    }
    for name, picture in pictures.items():
        with open(os.path.join(folder, f"bench-{name}.svg"), "w", encoding="utf-8") as file:
            file.write(picture)
