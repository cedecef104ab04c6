"""Axes that are zoomed to what they show, inside the whole scale, and what of an interval fits on them."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

INSET = 2.0
"""Percent of the width left free at either end, so that a dot at the end is whole."""
STEPS = tuple(base * 10.0**power for power in range(-4, 6) for base in (1, 2, 2.5, 5))
MOST_TICKS = 7
WIDE = 2.0
"""An interval reaches at most this many median half widths beyond the outermost value; what is longer is cut off."""


@dataclass(frozen=True)
class Estimate:
    """A value with the ends of its interval, None where there is none."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Axis:
    """A linear axis from `low` to `high`.

    Attributes:
        whole: the whole scale that it is a part of; None for one without ends.
        ticks: where numbers stand.
    """

    low: float
    high: float
    whole: tuple[float, float] | None
    ticks: tuple[float, ...]

    @property
    def is_zoomed(self) -> bool:
        """Whether the axis shows a part of the whole scale only."""
        return self.whole is not None and (self.low, self.high) != self.whole

    def at(self, value: float) -> str:
        """Return where a value stands, in percent of the width; beyond an end it stands at the end."""
        share = min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))
        return f"{INSET + (100 - 2 * INSET) * share:.2f}%"

    def is_below(self, value: float) -> bool:
        """Return whether a value lies before the axis begins."""
        return value < self.low - 1e-9

    def is_above(self, value: float) -> bool:
        """Return whether a value lies behind the axis's end."""
        return value > self.high + 1e-9


def zoomed(shown: Sequence[Estimate], whole: tuple[float, float] | None = None, *, zero: bool = False) -> Axis:
    """Return an axis for some values and their intervals.

    It holds every value, and each interval unless it is much wider than the others (`WIDE`) or leaves the whole scale.

    Args:
        shown: at least one.
        whole: ends of the whole scale.
        zero: whether 0 has to be on it.
    """
    values = [one.value for one in shown] + ([0.0] if zero else [])
    first, last = min(values), max(values)
    halves = [(one.high - one.low) / 2 for one in shown if one.low is not None and one.high is not None]
    room = WIDE * statistics.median(halves) if halves else 0.0
    first = max(first - room, min([first, *(one.low for one in shown if one.low is not None)]))
    last = min(last + room, max([last, *(one.high for one in shown if one.high is not None)]))
    return _rounded(first, last, whole)


def of_scale(low: float, high: float) -> Axis:
    """Return the axis of a whole scale."""
    return Axis(low, high, (low, high), _ticks(low, high, _step(low, high)))


def _rounded(first: float, last: float, whole: tuple[float, float] | None) -> Axis:
    if last - first < 1e-9:
        around = abs(first) * 0.1 or 0.5
        first, last = first - around, last + around
    if whole is not None:
        first, last = max(first, whole[0]), min(last, whole[1])
        if last - first < 1e-9:
            first, last = whole
    step = _step(first, last)
    low, high = math.floor(first / step + 1e-9) * step, math.ceil(last / step - 1e-9) * step
    if whole is not None:
        low, high = max(low, whole[0]), min(high, whole[1])
    return Axis(low, high, whole, _ticks(low, high, step))


def _step(low: float, high: float) -> float:
    return next(step for step in STEPS if (high - low) / step <= MOST_TICKS - 1)


def _ticks(low: float, high: float, step: float) -> tuple[float, ...]:
    first = math.ceil(low / step - 1e-9)
    return tuple(number * step for number in range(first, math.floor(high / step + 1e-9) + 1))
