"""Whether judges agree with each other and with themselves; see `ratings` for each measure's model.

Judges and rubrics are fixed, essays random: every interval but that of a judge's noise resamples essays with all
their ratings (percentile bootstrap, 1,000 samples, fixed seed), is given from 20 essays on, and holds for essays
like these under these judges and rubrics. Differences between combos are part of what varies from essay to essay;
an interval says nothing of other judges.
"""

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from . import ratings as ratings_module
from .distributions import t_critical
from .frame import CELL, DRAFT, ESSAY, JUDGE, NOTHING, RUBRIC, averaged, levels, means, numbered
from .intervals import LEVEL, MIN_RESAMPLED
from .ratings import POOLED, Measured, Ratings, alpha, between_judges, between_replicates, centred
from .scale import POINTS

COLUMNS = ("measure", "evaluation_template", "judge_a", "judge_b", "n", "value", "ci_low", "ci_high")

ALPHA_OF_MEANS = "krippendorff_alpha_of_replicate_means"
ALPHA_OF_SINGLE = "krippendorff_alpha_of_single_replicates"
ONE_JUDGE, ALL_JUDGES = "reliability_of_one_judge", "reliability_of_all_judges"
SPEARMAN, BIAS = "spearman", "bias"
REPLICATE_ALPHA, REPLICATE_SD = "evaluation_replicate_alpha", "evaluation_replicate_sd"
ESSAY_SD, DRAFT_SD = "essay_replicate_sd", "draft_replicate_sd"
MEASURES = (
    ALPHA_OF_MEANS,
    ALPHA_OF_SINGLE,
    ONE_JUDGE,
    ALL_JUDGES,
    SPEARMAN,
    BIAS,
    REPLICATE_ALPHA,
    REPLICATE_SD,
    ESSAY_SD,
    DRAFT_SD,
)
IN_POINTS = (BIAS, REPLICATE_SD, ESSAY_SD, DRAFT_SD)

Row = tuple[str, str, str, Measured]
"""Measure, judge_a, judge_b, and what was found."""


def judge_agreement(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per measure, rubric and judge or pair of judges (`COLUMNS`).

    Args:
        frame: scores as `frame.tidy` gives them.

    Returns:
        Rows in the order of `MEASURES`, then by rubric and judges. evaluation_template ``all`` pools the
        rubrics, each (essay, rubric) being one unit, after the mean of each rubric is taken off.

        ======================================= ================================================================
        krippendorff_alpha_of_replicate_means   over all judges, a judge's replicates averaged (`ratings.alpha`)
        krippendorff_alpha_of_single_replicates likewise between single scores: the judges' replicates with the
                                                same number make a unit
        reliability_of_one_judge                of a judge with its replicates, per rubric (`ratings.reliability`)
        reliability_of_all_judges               of the mean of the rubric's k judges
        spearman, bias                          rank correlation, and mean of judge_a - judge_b in points of 9
        evaluation_replicate_alpha              alpha between the replicates of judge_a
        evaluation_replicate_sd                 standard deviation between them, pooled over units: the judge's
                                                own noise, points of 9
        essay_replicate_sd                      between essays of one draft, template and writer, points of 9
        draft_replicate_sd                      between drafts of one cell (means of their essays), points of 9
        ======================================= ================================================================

        The last two have the judge's own noise subtracted: variance between means of n_i replicates less
        noise x mean(1 / n_i), not below 0; empty where the judge has no replicates, for then its noise is
        unknown. They have no interval: their units are drafts and cells, not essays.
    """
    judges, rubrics = levels(frame, JUDGE), levels(frame, RUBRIC)
    rows = []
    for rubric in [*rubrics, *([POOLED] if len(rubrics) > 1 else [])]:
        part = frame if rubric == POOLED else frame[frame[RUBRIC] == rubric]
        for measure, judge_a, judge_b, found in [*_between_judges(part, judges), *_replicates(part, judges)]:
            unit = POINTS if measure in IN_POINTS else 1.0
            shown = (found.n, unit * found.value, unit * found.low, unit * found.high)
            rows.append((measure, rubric, judge_a, judge_b, *shown))
    order = {measure: place for place, measure in enumerate(MEASURES)}
    rows.sort(key=lambda row: (order[row[0]], *row[1:4]))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def pooled_ratings(frame: pd.DataFrame, judges: Sequence[str], by: Sequence[str] = ()) -> Ratings:
    """Return the ratings of judges, with the mean of each rubric taken off (in one rubric nothing changes by it)."""
    found = between_judges(frame, judges, by)
    return centred(found, _rubric_of_units(frame, by))


def replicate_noise(own: pd.DataFrame) -> Measured:
    """Return the standard deviation between a judge's replicates, pooled over its units, on the scale 0-1.

    sd^2 = sum (y - mean of unit)^2 / sum (n - 1) = sum q_e / sum f_e over essays e; n counts units with two or more.
    Essays are random: the interval, from 20 essays with replicates on, is sd exp(+- t h), t with E - 1 degrees of
    freedom, h^2 = E / (E - 1) sum (q_e - sd^2 f_e)^2 / (2 sum q_e)^2, the delta method for log(sd). Resampling
    covers 90 % only, since a few essays hold most of the squares.
    """
    units, count = numbered(own, (ESSAY, RUBRIC))
    sizes = np.bincount(units, minlength=count)
    if not (sizes >= 2).any():
        return Measured(0, math.nan)
    centre = means(own["score"].to_numpy(), units, count)
    essay, essays = numbered(own, (ESSAY,))
    twice = sizes[units] >= 2
    squares = np.bincount(essay, weights=(own["score"].to_numpy() - centre[units]) ** 2, minlength=essays)
    # a unit of n scores has n - 1 degrees of freedom: 1 - 1/n for each of them
    freedom = np.bincount(essay, weights=np.where(twice, 1 - 1 / sizes[units], 0.0), minlength=essays)
    used = freedom > 0
    squares, freedom = squares[used], freedom[used]
    variance, repeated = float(squares.sum() / freedom.sum()), len(squares)
    n, value = int((sizes >= 2).sum()), math.sqrt(variance)
    if repeated < MIN_RESAMPLED or not value > NOTHING:
        return Measured(n, value)
    away = math.sqrt(repeated / (repeated - 1) * ((squares - variance * freedom) ** 2).sum()) / (2 * squares.sum())
    half = t_critical(repeated - 1, LEVEL) * away
    return Measured(n, value, value * math.exp(-half), value * math.exp(half))


def replicate_alpha(own: pd.DataFrame) -> Measured:
    """Return Krippendorff's alpha between a judge's replicates, the mean of each rubric taken off."""
    return alpha(centred(between_replicates(own), _rubric_of_units(own, ())))


def _rubric_of_units(frame: pd.DataFrame, by: Sequence[str]) -> np.ndarray:
    unit = (ESSAY, RUBRIC, *by)
    units, count = numbered(frame, unit)
    rubric, _ = numbered(frame, (RUBRIC,))
    found = np.zeros(count, dtype="int64")
    found[units] = rubric
    return found


def _between_judges(part: pd.DataFrame, judges: Sequence[str]) -> Iterator[Row]:
    if len(judges) < 2:
        return
    found = pooled_ratings(part, judges)
    yield ALPHA_OF_MEANS, "", "", alpha(found)
    yield ALPHA_OF_SINGLE, "", "", alpha(pooled_ratings(part, judges, ("evaluation_replicate",)))
    if part[RUBRIC].nunique() == 1:
        present = [number for number, judge in enumerate(judges) if judge in levels(part, JUDGE)]
        one, all_ = ratings_module.reliability(found.of(present))
        yield ONE_JUDGE, "", "", one
        yield ALL_JUDGES, "", "", all_
    for first, second in itertools.combinations(range(len(judges)), 2):
        yield SPEARMAN, judges[first], judges[second], ratings_module.spearman(found, first, second)
        yield BIAS, judges[first], judges[second], ratings_module.bias(found, first, second)


def _replicates(part: pd.DataFrame, judges: Sequence[str]) -> Iterator[Row]:
    for judge in judges:
        own = part[part[JUDGE] == judge]
        noise = replicate_noise(own)
        if noise.n:
            yield REPLICATE_ALPHA, judge, "", replicate_alpha(own)
            yield REPLICATE_SD, judge, "", noise
        essays = _with_counts(own, [*CELL, DRAFT, ESSAY, RUBRIC])
        yield from _between(ESSAY_SD, judge, essays, [*CELL, DRAFT, RUBRIC], noise.value)
        drafts = _mean_with_noise(essays, [*CELL, DRAFT, RUBRIC])
        yield from _between(DRAFT_SD, judge, drafts, [*CELL, RUBRIC], noise.value)


def _with_counts(own: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return mean scores per group; noise: what part of the judge's variance is left in the mean."""
    groups, count = numbered(own, keys)
    return averaged(own, keys).assign(noise=1 / np.bincount(groups, minlength=count))


def _mean_with_noise(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    groups, count = numbered(table, keys)
    sizes = np.bincount(groups, minlength=count)
    left = np.bincount(groups, weights=table["noise"].to_numpy(), minlength=count) / sizes**2
    return averaged(table, keys).assign(noise=left)


def _between(measure: str, judge: str, table: pd.DataFrame, keys: list[str], noise: float) -> Iterator[Row]:
    """Yield the standard deviation between the rows of a group, without the judge's noise; pooled over groups."""
    groups, count = numbered(table, keys)
    sizes = np.bincount(groups, minlength=count)
    twice = sizes >= 2
    if not twice.any():
        return
    away = table["score"].to_numpy() - means(table["score"].to_numpy(), groups, count)[groups]
    freedom = np.where(twice, sizes - 1, 0)
    of_judge = means(table["noise"].to_numpy(), groups, count)
    within = (away**2).sum() / freedom.sum() - noise**2 * (freedom * of_judge).sum() / freedom.sum()
    yield measure, judge, "", Measured(int(twice.sum()), math.sqrt(max(0.0, within)) if within == within else math.nan)
