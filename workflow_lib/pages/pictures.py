"""Pictures with a row per thing: its name, a drawing on an axis that all rows share, and its numbers as text.

In the page a picture is a table, so that its numbers can be read, copied, printed and heard; as a file it is one SVG.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .axes import Axis, Estimate, zoomed
from .numbers import points, signed
from .svg import TEXT_WIDTH, Svg

ROW, HEAD, PLOT = 24, 34, 380
"""Pixels: height of a row of dots and of the axis above them, width of the drawing in a file."""

About = TypeVar("About")
"""What a row is about: a row of a table, perhaps with the cohort that it is from."""


@dataclass(frozen=True)
class Line:
    """A row of a picture.

    Attributes:
        label: what it is about.
        drawing: as wide as its place.
        value: its number, or empty.
        rest: interval, n and what else is to be said, in words.
        place: its id on the page, or empty.
        href: where the label leads, or empty; `stored` likewise, beside the store only.
        is_strong: whether the claim is clear.
        in_bracket: whether the row belongs to those that a bracket holds together.
    """

    label: str
    drawing: Svg
    value: str
    rest: str
    place: str = ""
    href: str = ""
    stored: str = ""
    is_strong: bool = False
    in_bracket: bool = False


@dataclass(frozen=True)
class Picture:
    """Rows on one axis, in named groups.

    Attributes:
        label: what is drawn, in a few words.
        unit: of the axis.
        head: the axis, drawn.
        groups: name (or empty) -> rows.
    """

    label: str
    unit: str
    head: Svg
    groups: Mapping[str, Sequence[Line]]

    @property
    def lines(self) -> list[Line]:
        """All rows, whatever their group."""
        return [line for lines in self.groups.values() for line in lines]

    def drawing(self) -> Svg:
        """Return the picture as one drawing."""
        names = max(len(line.label) for line in self.lines)
        numbers = max(len(f"{line.value} {line.rest}") for line in self.lines)
        left = min(460.0, names * TEXT_WIDTH + 20)
        right = left + PLOT + 16
        body = sum(line.drawing.height for line in self.lines) + 30 * sum(bool(name) for name in self.groups)
        drawing = Svg(right + numbers * TEXT_WIDTH, self.head.height + body + 12, f"{self.label}, {self.unit}")
        drawing.text(0, 14, self.unit, class_="c-small")
        drawing.inside(self.head, left, 0, PLOT)
        y = self.head.height
        for name, lines in self.groups.items():
            if name:
                drawing.text(0, y + 22, name, class_="c-strong")
                y += 30
            for line in lines:
                middle = y + line.drawing.height / 2 + 4
                drawing.text(0, middle, line.label)
                drawing.inside(line.drawing, left, y, PLOT)
                drawing.text(right, middle, line.value, class_="c-strong" if line.is_strong else "")
                drawing.text(right + (len(line.value) + 1) * TEXT_WIDTH, middle, line.rest, class_="c-small")
                y += line.drawing.height
        return drawing


def head(axis: Axis, *, is_signed: bool = False) -> Svg:
    """Return the numbers of an axis; where it is a part of a scale, with a bar that shows which."""
    drawing = Svg(None, HEAD if axis.is_zoomed else 20)
    if axis.is_zoomed and axis.whole is not None:
        whole = Axis(*axis.whole, axis.whole, ())
        drawing.line(whole.at(whole.low), 4, whole.at(whole.high), 4, "c-whole")
        drawing.text(whole.at(whole.low), 17, number(whole.low), "start", "c-small")
        drawing.text(whole.at(whole.high), 17, number(whole.high), "end", "c-small")
        drawing.line(whole.at(axis.low), 4, whole.at(axis.high), 4, "c-line c-window")
    base = drawing.height - 3
    for place, tick in enumerate(axis.ticks):
        at_end = place == len(axis.ticks) - 1 and tick > axis.high - (axis.high - axis.low) / 20
        at_start = place == 0 and tick < axis.low + (axis.high - axis.low) / 20
        anchor = "start" if at_start else "end" if at_end else "middle"
        drawing.text(axis.at(tick), base, number(tick, is_signed), anchor)
    return drawing


def dots(
    label: str,
    unit: str,
    found: Sequence[tuple[About, Estimate]],
    line: Callable[[About, Estimate, Axis], tuple[str, Line]],
    whole: tuple[float, float],
    *,
    is_signed: bool = False,
) -> Picture | None:
    """Return the picture of estimates on an axis that is zoomed to them, None if there are none.

    Args:
        label: what is drawn, in a few words.
        unit: of the axis.
        found: what each row is about, and its estimate.
        line: returns the group of a row, and the row as it is drawn on the axis.
        whole: ends of the whole scale.
        is_signed: whether these are differences: 0 is on the axis, and its numbers have signs.
    """
    if not found:
        return None
    axis = zoomed([shown for _, shown in found], whole, zero=is_signed)
    groups: dict[str, list[Line]] = {}
    for about, shown in found:
        group, drawn = line(about, shown, axis)
        groups.setdefault(group, []).append(drawn)
    return Picture(label, unit, head(axis, is_signed=is_signed), groups)


def dot(axis: Axis, shown: Estimate, *, is_strong: bool = True, height: int = ROW) -> Svg:
    """Return a value with its interval; an arrow stands where the interval goes on beyond the axis."""
    drawing = Svg(None, height)
    middle = height / 2
    grid(drawing, axis)
    if shown.low is not None and shown.high is not None:
        drawing.line(axis.at(shown.low), middle, axis.at(shown.high), middle, "c-line" if is_strong else "c-faint")
        arrow = "c-arrow" if is_strong else "c-arrow c-weak"
        if axis.is_below(shown.low):
            drawing.arrow(axis.at(axis.low), middle, -1, arrow)
        if axis.is_above(shown.high):
            drawing.arrow(axis.at(axis.high), middle, 1, arrow)
    drawing.add("circle", cx=axis.at(shown.value), cy=middle, r=4.5, class_="c-dot" if is_strong else "c-hollow")
    return drawing


def bar(axis: Axis, value: float, *, height: int = ROW) -> Svg:
    """Return a bar from the axis's beginning."""
    drawing = Svg(None, height)
    grid(drawing, axis)
    start, end = (float(axis.at(one).rstrip("%")) for one in (axis.low, value))
    drawing.add("rect", x=f"{start:.2f}%", y=5, width=f"{end - start:.2f}%", height=height - 10, class_="c-bar")
    return drawing


def histogram(axis: Axis, edges: Sequence[float], shares: Sequence[float], tallest: float, mean: float) -> Svg:
    """Return bars of shares between edges, as tall as their part of `tallest`, and the mean as a line."""
    height = 62
    drawing = Svg(None, height)
    grid(drawing, axis)
    for (low, high), share in zip(itertools.pairwise(edges), shares, strict=True):
        if not share:
            continue
        start, end = (float(axis.at(one).rstrip("%")) for one in (low, high))
        tall = share / tallest * (height - 6)
        gap = (end - start) * 0.06
        drawing.add(
            "rect",
            x=f"{start + gap:.2f}%",
            y=height - 1 - tall,
            width=f"{end - start - 2 * gap:.2f}%",
            height=tall,
            class_="c-bar",
            title=f"{share:.0%}",
        )
    drawing.line(axis.at(axis.low), height - 0.5, axis.at(axis.high), height - 0.5, "c-axis")
    drawing.line(axis.at(mean), 2, axis.at(mean), height, "c-mean")
    return drawing


def grid(drawing: Svg, axis: Axis) -> None:
    """Draw the lines of the ticks; that of 0 is stronger where the axis has both signs."""
    for tick in axis.ticks:
        at_zero = abs(tick) < 1e-9 and axis.low < 0
        drawing.line(axis.at(tick), 0, axis.at(tick), drawing.height, "c-axis" if at_zero else "c-grid")


def interval(low: str, high: str, *, is_signed: bool = False) -> str:
    """Return the interval of a table's row as text; a missing one is named."""
    if not low or not high:
        return "no interval"
    shown = signed if is_signed else points
    return f"[{shown(low)}, {shown(high)}]"


def number(value: float, is_signed: bool = False) -> str:
    """Return the number of a tick."""
    text = f"{value + 0.0:{'+' if is_signed and abs(value) > 1e-9 else ''}g}"
    return text.replace("-", "−")


def shares_of(values: Iterable[int], count: int) -> list[float]:
    """Return the share of each bin among the numbers of bins."""
    counts = Counter(values)
    return [counts[place] / counts.total() for place in range(count)]
