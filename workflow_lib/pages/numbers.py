"""Means, intervals and money as the pages show them."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

NO_NUMBER = "–"
UNKNOWN = "unknown"


class Mean(NamedTuple):
    """A mean and how many values it is of; None without values."""

    n: int
    mean: float | None


def mean_of(values: Sequence[float]) -> Mean:
    """Return the mean of values."""
    return Mean(len(values), statistics.fmean(values) if values else None)


def rounded(value: float | None, decimals: int = 2) -> float | None:
    """Return a value with so many decimals, None for None."""
    return None if value is None else round(value, decimals)


def score(value: float | None) -> str:
    """Return a score or mean with two decimals."""
    return NO_NUMBER if value is None else f"{value:.2f}"


def short_score(value: float | None) -> str:
    """Return one judge's score without needless decimals: 7, 7.5, 8.89."""
    return NO_NUMBER if value is None else f"{value:.2f}".rstrip("0").rstrip(".")


def usd(value: float | None) -> str:
    """Return an amount with two decimals, or, below ten cents, as many as three figures need; unknown stays so.

    What is saved has a minus sign.
    """
    if value is None:
        return UNKNOWN
    if value < 0:
        return f"−{usd(-value)}"
    decimals = 2 if value == 0 or value >= 0.1 else min(6, 2 - math.floor(math.log10(value)))
    whole, _, cents = f"{value:,.{decimals}f}".partition(".")
    return f"${whole}.{cents.rstrip('0'):0<2}"


def known(value: float | None) -> str:
    """Return a number as it is on record, with commas; or that it is unknown."""
    return UNKNOWN if value is None else f"{value:,}"


def count(value: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: 1 essay, 2,000 essays."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def points(value: float | str) -> str:
    """Return points, a correlation or a share (also as a table has it) with two decimals and a real minus sign."""
    return f"{round(float(value), 2) + 0.0:.2f}".replace("-", "−")


def signed(value: float | str) -> str:
    """Return a difference of points with its sign."""
    return f"{round(float(value), 2) + 0.0:+.2f}".replace("-", "−")


def between(low: float | str, high: float | str) -> str:
    """Return an interval: [low, high]."""
    return f"[{points(low)}, {points(high)}]"
