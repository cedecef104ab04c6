"""Ratings: what several judges, or replicates of one, gave to the same units, and measures of how far they agree.

Everything here is a sum over units, so that a sample of essays with replacement is a matrix product: memory
and time grow with the number of scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .frame import ESSAY, JUDGE, NOTHING, RUBRIC, averaged, dense, levels, means, numbered
from .intervals import Statistic, jackknifed, resampled

POOLED = "all"
MIN_FOR_RANKS = 3
RANK_STEPS = 30


@dataclass(frozen=True)
class Measured:
    """A measure with its interval and the number of its units; NaN where there is none."""

    n: int
    value: float
    low: float = np.nan
    high: float = np.nan


@dataclass(frozen=True)
class Ratings:
    """A table of ratings.

    Attributes:
        values: a row per unit, a column per coder, NaN where a coder did not rate a unit.
        essay: the essay of each unit, as a number from 0.
        essays: how many essays there are.
        raters: names of the columns.
    """

    values: np.ndarray
    essay: np.ndarray
    essays: int
    raters: Sequence[str]

    def of(self, columns: Sequence[int]) -> "Ratings":
        """Return the ratings of some of the raters."""
        return Ratings(
            self.values[:, list(columns)], self.essay, self.essays, [self.raters[column] for column in columns]
        )

    def where(self, units: np.ndarray) -> "Ratings":
        """Return the ratings of some units, and of the essays that these are about."""
        essay, essays = dense(self.essay[units])
        return Ratings(self.values[units], essay, essays, self.raters)

    def with_all(self) -> "Ratings":
        """Return the ratings of the units that everybody rated."""
        return self.where(~np.isnan(self.values).any(axis=1))

    def per_essay(self, of_units: np.ndarray) -> np.ndarray:
        """Return sums over the units of each essay; columns stay."""
        found = np.zeros((self.essays, of_units.shape[1]))
        np.add.at(found, self.essay, of_units)
        return found


def between_judges(frame: pd.DataFrame, raters: Sequence[str], by: Sequence[str] = ()) -> Ratings:
    """Return what each judge gave, its replicates averaged.

    Args:
        frame: scores as `frame.tidy` gives them.
        raters: judges, the columns.
        by: further columns that make a unit besides essay and rubric.
    """
    return _table(frame, (ESSAY, RUBRIC, *by), JUDGE, raters)


def between_replicates(frame: pd.DataFrame) -> Ratings:
    """Return the replicates of one judge as raters of its units (essay and rubric)."""
    return _table(frame, (ESSAY, RUBRIC), "evaluation_replicate", levels(frame, "evaluation_replicate"))


def centred(ratings: Ratings, rubric: np.ndarray) -> Ratings:
    """Return ratings less the mean of their rubric, taken over units with two or more of them.

    That one rubric is stricter than another is not something that judges agree about: without this, judges
    who know nothing of each other get a pooled alpha near .9.
    """
    values = ratings.values
    twice = (~np.isnan(values)).sum(axis=1) >= 2
    levels = int(rubric.max()) + 1 if len(rubric) else 0
    used = values[twice]
    known = ~np.isnan(used)
    level = np.broadcast_to(rubric[twice][:, None], used.shape)[known]
    of_rubric = means(used[known], level, levels)
    return Ratings(values - np.nan_to_num(of_rubric)[rubric][:, None], ratings.essay, ratings.essays, ratings.raters)


def alpha(ratings: Ratings) -> Measured:
    """Return Krippendorff's alpha for interval data over the units with two or more ratings.

    alpha = 1 - D_o / D_e with, for units of m_u ratings x and n = sum m_u,

        D_o = 1/n sum_u 2 (m_u sum x^2 - (sum x)^2) / (m_u - 1)
        D_e = 2 (n sum x^2 - (sum x)^2) / (n (n - 1))

    1: raters agree fully, 0: as if they rated at random. Undefined (NaN) without such units or without any
    variation. Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, section E, with the sums over
    pairs written out.

    Raters are fixed, essays random: the interval leaves out each essay in turn, from 20 on, and holds for essays like
    these under these raters. It is that of F = (1 + (m - 1) alpha) / (1 - alpha) on the scale of logarithms, m the mean
    of m_u: as of a ratio of variances, whose spread grows with itself (Fisher 1925, Statistical Methods for Research
    Workers, section 39). With 24 combos, an essay each, it holds the truth for new combos in about 91 % of cohorts,
    percentiles of resamples in 88 to 90 %. None where raters differ about one essay at most.
    """
    pairable = ratings.where((~np.isnan(ratings.values)).sum(axis=1) >= 2)
    units = len(pairable.values)
    if units == 0:
        return Measured(0, np.nan)
    x, known = _from_mean(pairable)
    m, first, second = known.sum(axis=1), x.sum(axis=1), (x**2).sum(axis=1)
    observed = 2 * (m * second - first**2) / (m - 1)
    sums = pairable.per_essay(np.column_stack([m, first, second, observed]))
    raters = m.mean()
    values = _alpha_of(np.vstack([sums.sum(axis=0), sums.sum(axis=0) - sums]))
    with np.errstate(invalid="ignore", divide="ignore"):
        stretched = np.log((1 + (raters - 1) * values) / (1 - values))
    low, high = (np.expm1(end) / (np.exp(end) + raters - 1) for end in jackknifed(stretched[0], stretched[1:]))
    return Measured(units, float(values[0]), float(low), float(high))


def _alpha_of(sums: np.ndarray) -> np.ndarray:
    """Return alpha from rows of sums of m_u, x, x^2 and of the units' shares of n D_o."""
    n, first, second, observed = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = 2 * (n * second - first**2) / (n * (n - 1))
        return np.where(expected > NOTHING**2, 1 - observed / n / expected, np.nan)


def reliability(ratings: Ratings) -> tuple[Measured, Measured]:
    """Return how reliable one judge is, and the mean of all k judges, for the essays of one rubric.

    Model: y_ej = mu + essay_e + judge_j + (essay x judge)_ej; the last holds replicate error, too. From the
    variance s_j^2 of each judge's scores, and the variance d_jk^2 of the differences of two judges on the
    essays that both judged, each pooled by degrees of freedom:

        residual = d^2 / 2,   essay = max(0, s^2 - residual)
        one judge: essay / (essay + residual);   k judges: essay / (essay + residual / k)

    In a complete table that is the intraclass correlation of consistency, ICC(C,1) and ICC(C,k) (McGraw and
    Wong 1996, Psychol. Methods 1, 30-46). Both variances leave severity out, also where scores are missing.
    Undefined (NaN) where no two judges share two essays, or nothing varies. Essays are random, the interval
    resamples them, from 20 on; judges are random in what the coefficient means, fixed in its interval.
    """
    x, known = _from_mean(ratings)
    judges = len(ratings.raters)
    first, second = np.triu_indices(judges, 1)
    both = known[:, first] & known[:, second]
    away = np.where(both, x[:, first] - x[:, second], 0.0)
    own_parts = [part.astype(float) for part in (known, x, x**2)]
    pair_parts = [part.astype(float) for part in (both, away, away**2)]

    def statistic(weights: np.ndarray) -> np.ndarray:
        total = _pooled_variance(*(weights @ part for part in own_parts))
        residual = _pooled_variance(*(weights @ part for part in pair_parts)) / 2
        essay = np.maximum(0.0, total - residual)
        whole = np.where(essay + residual > NOTHING**2, essay + residual, np.nan)
        return np.column_stack([essay / (whole - residual + residual / k) for k in (1, judges)])

    value = statistic(np.ones((1, ratings.essays)))[0]
    low, high = resampled(ratings.essays, statistic)
    one, all_ = (Measured(int(known.any(axis=1).sum()), value[k], low[k], high[k]) for k in (0, 1))
    return one, all_


def spearman(ratings: Ratings, first: int, second: int) -> Measured:
    """Return the rank correlation of two raters over their common units; from 3 units on.

    Mean ranks for ties; undefined (NaN) where a rater gives all the same. The interval resamples essays; for it,
    a rater's values are joined to `RANK_STEPS` steps of rank where there are more of them, and it is moved by what
    that changes in the coefficient (below 0.003): so time does not grow with the number of different values.
    """
    shared = ratings.of((first, second)).with_all()
    n = len(shared.values)
    if n < MIN_FOR_RANKS:
        return Measured(n, np.nan)
    # rounded: equal scores are ties whatever their last bits are
    x, y = (dense(np.round(column / NOTHING))[0] for column in shared.values.T)
    in_steps = _rank_correlation(_in_steps(x), _in_steps(y), shared.essay)
    once = np.ones((1, shared.essays))
    value = float(_rank_correlation(x, y, shared.essay)(once)[0, 0])
    if np.isnan(value):
        return Measured(n, value)
    moved = value - in_steps(once)[0, 0]
    low, high = (bound + moved for bound in resampled(shared.essays, in_steps))
    return Measured(n, value, float(low[0]), float(high[0]))


def _in_steps(places: np.ndarray) -> np.ndarray:
    """Return places joined to steps that hold about as many units each."""
    if places.max() < RANK_STEPS:
        return places
    before = np.cumsum(np.bincount(places)) - 1
    return dense(before[places] * RANK_STEPS // len(places))[0]


def _rank_correlation(x: np.ndarray, y: np.ndarray, essay: np.ndarray) -> Statistic:
    """Return Spearman's coefficient as a function of how often each essay counts.

    Args:
        x, y: place of each unit among the different values of either rater, from 0 without gaps.
        essay: of each unit.
    """
    xs, ys = int(x.max()) + 1, int(y.max()) + 1
    joint, joints = dense(x * ys + y)
    x_of, y_of = np.zeros(joints, dtype="int64"), np.zeros(joints, dtype="int64")
    x_of[joint], y_of[joint] = x, y
    order = np.argsort(joint, kind="stable")
    starts, essay = np.searchsorted(joint[order], np.arange(joints)), essay[order]
    by_x = np.argsort(x_of, kind="stable")
    by_y = np.argsort(y_of, kind="stable")
    x_starts, y_starts = np.searchsorted(x_of[by_x], np.arange(xs)), np.searchsorted(y_of[by_y], np.arange(ys))

    def statistic(weights: np.ndarray) -> np.ndarray:
        found = np.add.reduceat(weights[:, essay], starts, axis=1)
        ranks = []
        for by, begin, of in ((by_x, x_starts, x_of), (by_y, y_starts, y_of)):
            counts = np.add.reduceat(found[:, by], begin, axis=1)
            # a value's mean rank, less one half: below it and half of itself, about the middle
            middle = np.cumsum(counts, axis=1) - counts / 2 - counts.sum(axis=1, keepdims=True) / 2
            ranks.append(middle[:, of])
        a, b = ranks
        with np.errstate(invalid="ignore", divide="ignore"):
            squares = (found * a**2).sum(axis=1) * (found * b**2).sum(axis=1)
            return np.where(squares > 0, (found * a * b).sum(axis=1) / np.sqrt(squares), np.nan)[:, None]

    return statistic


def bias(ratings: Ratings, first: int, second: int) -> Measured:
    """Return the mean of first - second over their common units; the interval resamples essays."""
    shared = ratings.of((first, second)).with_all()
    sums = shared.per_essay(np.column_stack([shared.values[:, 0] - shared.values[:, 1], np.ones(len(shared.values))]))

    def statistic(weights: np.ndarray) -> np.ndarray:
        total, count = (weights @ sums).T
        return np.asarray(total / count)[:, None]

    return _measured(shared, statistic)


def severities(ratings: Ratings) -> list[Measured]:
    """Return how much more each judge gives than the mean of the judges it can be compared with; less is stricter.

    Model: y_uj = unit_u + judge_j + error, least squares over units (an essay with a rubric), judges with
    mean 0 among those that are linked by common units. Judges are fixed, essays random and resampled. NaN
    for a judge without a unit that another judged, too.
    """
    known = ~np.isnan(ratings.values)
    judges = len(ratings.raters)
    counts = np.maximum(1, known.sum(axis=1))[:, None]
    x = np.where(known, ratings.values, 0.0)
    present = known.astype(float)
    away = np.where(known, x - x.sum(axis=1, keepdims=True) / counts, 0.0)
    normal = -present[:, :, None] * present[:, None, :] / counts[:, :, None]
    normal[:, np.arange(judges), np.arange(judges)] += present
    left, right = ratings.per_essay(normal.reshape(len(normal), judges**2)), ratings.per_essay(away)
    alone = left.sum(axis=0).reshape(judges, judges).diagonal() < NOTHING

    def statistic(weights: np.ndarray) -> np.ndarray:
        sides = (weights @ left).reshape(-1, judges, judges)
        inverse = np.linalg.pinv(sides, rcond=1e-9, hermitian=True)
        found = (inverse @ (weights @ right)[:, :, None])[:, :, 0]
        return np.where(alone, np.nan, found)

    value = statistic(np.ones((1, ratings.essays)))[0]
    shared = known & (known.sum(axis=1) >= 2)[:, None]
    low, high = resampled(ratings.essays, statistic)
    return [Measured(int(shared[:, j].sum()), value[j], low[j], high[j]) for j in range(judges)]


def _table(frame: pd.DataFrame, unit: Sequence[str], coder: str, raters: Sequence[object]) -> Ratings:
    cells = averaged(frame, [*unit, coder])
    units, count = numbered(cells, unit)
    place = {rater: number for number, rater in enumerate(raters)}
    values = np.full((count, len(raters)), np.nan)
    values[units, cells[coder].map(place).to_numpy(dtype="int64")] = cells["score"].to_numpy()
    essay, essays = numbered(cells, [ESSAY])
    of_unit = np.zeros(count, dtype="int64")
    of_unit[units] = essay
    return Ratings(values, of_unit, essays, [str(rater) for rater in raters])


def _pooled_variance(count: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the variance within columns from sums of 1, x and x^2, pooled over columns; a row per sample."""
    squares = (second - first**2 / np.maximum(1, count)).sum(axis=1)
    freedom = np.maximum(0, count - 1).sum(axis=1)
    return np.asarray(squares / np.where(freedom == 0, np.nan, freedom))


def _from_mean(ratings: Ratings) -> tuple[np.ndarray, np.ndarray]:
    """Return ratings less their mean, 0 where there is none, and where there are some.

    Sums of squares of numbers that are far from 0 lose digits.
    """
    known = ~np.isnan(ratings.values)
    centre = ratings.values[known].mean() if known.any() else 0.0
    return np.where(known, ratings.values - centre, 0.0), known


def _measured(used: Ratings, statistic: Statistic) -> Measured:
    """Return a statistic of one column, and its interval over resampled essays."""
    n = len(used.values)
    if n == 0:
        return Measured(0, np.nan)
    value = float(statistic(np.ones((1, used.essays)))[0, 0])
    if np.isnan(value):
        return Measured(n, value)
    low, high = resampled(used.essays, statistic)
    return Measured(n, value, float(low[0]), float(high[0]))
