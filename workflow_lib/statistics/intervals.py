"""Intervals, p values and resampling that several tables share."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .distributions import normal_below, t_critical, t_p_value
from .frame import NOTHING
from .scale import MIN_UNITS

LEVEL = 0.05
"""Intervals hold 1 - LEVEL; a Holm-corrected p below it is a claim."""

SEED = 20250101
RESAMPLES = 1000
MIN_RESAMPLED = 20
"""Essays from which on an interval by resampling them, or by leaving each out, is given."""

CHUNK = 4_000_000
"""Weights that are drawn or multiplied at a time, so that memory stays bounded."""


Statistic = Callable[[np.ndarray], np.ndarray]
"""Takes weights, one row per sample and one column per unit: how often it was drawn. Returns one row per sample
and one column per statistic, NaN where a sample cannot answer."""


class Mean(NamedTuple):
    """A mean with its interval and the p value of "it is 0"; NaN where there is none."""

    value: float
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    n: int = 0
    sd: float = np.nan


def mean_of(values: np.ndarray) -> Mean:
    """Return the mean of independent values with Student's t interval (scipy.stats.ttest_1samp).

    Model: value_i = mu + e_i, e_i independent and normal with one variance. Holds for the population that
    the values are a sample of. Fewer than `MIN_UNITS` values, or values that are all the same, give no interval.
    """
    n = len(values)
    if n == 0:
        return Mean(np.nan)
    value = float(values.mean())
    sd = float(values.std(ddof=1)) if n > 1 else np.nan
    if n > 1 and not sd > NOTHING:
        sd = 0.0
    if n < MIN_UNITS or not sd:
        return Mean(value, n=n, sd=sd)
    return Mean(value, *around(value, sd / n**0.5, n - 1), n, sd)


def around(value: float, error: float, freedom: float) -> tuple[float, float, float]:
    """Return (low, high, p) of an estimate with its standard error, by Student's t."""
    half = t_critical(freedom, LEVEL) * error
    return value - half, value + half, t_p_value(value / error, freedom)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Return p values corrected for how many there are (Holm 1979, Scand. J. Statist. 6, 65-70); NaN stays NaN."""
    given = np.asarray(p_values, dtype=float)
    found = np.full(len(given), np.nan)
    tested = np.flatnonzero(~np.isnan(given))
    order = tested[np.argsort(given[tested], kind="stable")]
    steps = given[order] * np.arange(len(order), 0, -1)
    found[order] = np.minimum(1.0, np.maximum.accumulate(steps)) if len(order) else steps
    return found


def resampled(units: int, statistic: Statistic) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of 95 % intervals of statistics, from samples of the units with replacement.

    Args:
        units: how many units there are; fewer than `MIN_RESAMPLED` give NaN.
        statistic: what is resampled.

    Percentile bootstrap, `RESAMPLES` samples, fixed seed (Efron and Tibshirani 1993, chapter 13), with expanded
    percentiles: of n units a share Phi(-sqrt(n / (n - 1)) t) is cut off at either end, t the 97.5 % point of
    Student's t with n - 1 degrees of freedom (Hesterberg 2015, The American Statistician 69, 371-386). Plain
    percentiles are too narrow by what a mean's interval would be with the variance over n and no t.
    """
    step = max(1, CHUNK // max(1, units))
    if units < MIN_RESAMPLED:
        shape = statistic(np.ones((1, units))).shape[1]
        return np.full(shape, np.nan), np.full(shape, np.nan)
    weights = _weights(units)
    found = np.concatenate(
        [statistic(weights[start : start + step].astype(float)) for start in range(0, RESAMPLES, step)]
    )
    answered = ~np.isnan(found).all(axis=0)
    low, high = np.full(found.shape[1], np.nan), np.full(found.shape[1], np.nan)
    if answered.any():
        tail = normal_below(-np.sqrt(units / (units - 1)) * t_critical(units - 1, LEVEL))
        low[answered], high[answered] = np.nanquantile(found[:, answered], [tail, 1 - tail], axis=0)
    return low, high


def jackknifed(value: float, without: np.ndarray) -> tuple[float, float]:
    """Return the ends of the 95 % interval of a statistic by what it is without each unit.

    value +- t se with n - 1 degrees of freedom and se^2 = (n - 1) / n sum (without_u - mean)^2 (Efron and Tibshirani
    1993, chapter 11). NaN for fewer than `MIN_RESAMPLED` units, or where one of them decides whether there is a value.
    """
    n = len(without)
    if n < MIN_RESAMPLED or not np.isfinite([value, *without]).all():
        return np.nan, np.nan
    half = t_critical(n - 1, LEVEL) * np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    return float(value - half), float(value + half)


@lru_cache(maxsize=2)
def _weights(units: int) -> np.ndarray:
    """Return how often each sample drew each unit; the same for all measures of as many units."""
    rng = np.random.default_rng(SEED)
    found = np.empty((RESAMPLES, units), dtype="uint16")
    for row in found:
        row[:] = np.bincount(rng.integers(0, units, units), minlength=units)
    return found
