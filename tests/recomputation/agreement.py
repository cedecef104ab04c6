"""Whether judges agree, with each other and with themselves."""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from .judgements import SAME, Judgement, grouped, mean, variance

Units = dict[tuple, dict]
"""(essay, rubric, ...) -> judge or replicate -> value."""

LEAST = 20
"""Essays from which on there are intervals."""


def alpha(units: Sequence[Sequence[float]]) -> float:
    """Return Krippendorff's alpha for interval data, by the sums over pairs of values that define it."""
    units = [list(unit) for unit in units if len(unit) > 1]
    values = np.array([value for unit in units for value in unit])
    if len(values) == 0 or np.ptp(values) < SAME:
        return math.nan
    observed = math.fsum(
        (one - other) ** 2 / (len(unit) - 1) for unit in units for one, other in itertools.permutations(unit, 2)
    ) / len(values)
    expected = math.fsum(((values - value) ** 2).sum() for value in values) / (len(values) * (len(values) - 1))
    return 1 - observed / expected


def ratings(rows: list[Judgement], *by: str) -> Units:
    """Return essay, rubric (and more) -> judge -> the mean of what it gave there."""
    units = grouped(rows, lambda row: (row.essay, row.rubric, *(getattr(row, name) for name in by)))
    return {
        unit: {judge: mean(row.value for row in own) for judge, own in grouped(inside, lambda row: row.judge).items()}
        for unit, inside in units.items()
    }


def centred(units: Units) -> Units:
    """Return the units less the mean of their rubric, which is taken over units with two values or more."""
    middles = {
        rubric: mean(
            value for unit, own in units.items() if unit[1] == rubric and len(own) > 1 for value in own.values()
        )
        for rubric in {unit[1] for unit, own in units.items() if len(own) > 1}
    }
    return {
        unit: {name: value - middles.get(unit[1], 0.0) for name, value in own.items()} for unit, own in units.items()
    }


def spearman(pairs: Sequence[tuple[float, float]]) -> float:
    """Return the rank correlation of pairs; NaN below three, or where one side is all the same."""
    if len(pairs) < 3:
        return math.nan
    sides = [np.round(np.array(side), 9) for side in zip(*pairs, strict=True)]
    if any(np.ptp(side) == 0 for side in sides):
        return math.nan
    return float(np.corrcoef(*map(stats.rankdata, sides))[0, 1])


def severities(units: Units, judges: Sequence[str]) -> dict[str, float]:
    """Return judge -> its effect in y = unit + judge by dense least squares, mean 0 among judges that are linked."""
    units = {unit: own for unit, own in units.items() if own}
    design = np.zeros((sum(map(len, units.values())), len(units) + len(judges)))
    values, row = np.zeros(len(design)), 0
    linked = {judge: {judge} for judge in judges}
    for place, own in enumerate(units.values()):
        for judge, value in own.items():
            design[row, place] = design[row, len(units) + judges.index(judge)] = 1
            values[row] = value
            row += 1
        together = set.union(*(linked[judge] for judge in own))
        for judge in together:
            linked[judge] = together
    effects = np.linalg.lstsq(design, values, rcond=None)[0][len(units) :]
    found = {}
    for judge in judges:
        others = [effects[judges.index(other)] for other in linked[judge]]
        found[judge] = float(effects[judges.index(judge)] - mean(others)) if len(others) > 1 else math.nan
    return found


def reliability(units: Units, judges: Sequence[str]) -> tuple[float, float]:
    """Return the reliability of one judge and of all k of a rubric.

    Variance of a judge's values: essay + residual. Variance of the differences of two judges: twice the residual.
    """
    scores = [[own[judge] for own in units.values() if judge in own] for judge in judges]
    leads = [
        [own[a] - own[b] for own in units.values() if a in own and b in own]
        for a, b in itertools.combinations(judges, 2)
    ]
    residual = pooled_variance(leads) / 2
    essay = max(0.0, pooled_variance(scores) - residual)
    if math.isnan(residual) or essay + residual < SAME**2:
        return math.nan, math.nan
    k = sum(bool(one) for one in scores)
    return essay / (essay + residual), essay / (essay + residual / k)


def noise(rows: list[Judgement]) -> float:
    """Return the standard deviation between the replicates of one judge, pooled over its units."""
    units = list(grouped(rows, lambda row: (row.essay, row.rubric)).values())
    return math.sqrt(pooled_variance([[row.value for row in unit] for unit in units]))


def noise_interval(rows: list[Judgement]) -> tuple[float, float]:
    """Return the 95 % interval of `noise`: by the delta method for its logarithm, essays as the sample."""
    squares, freedom = [], []
    for inside in grouped(rows, lambda row: row.essay).values():
        units = [[row.value for row in unit] for unit in grouped(inside, lambda row: row.rubric).values()]
        twice = [unit for unit in units if len(unit) > 1]
        if twice:
            squares.append(math.fsum(variance(unit) * (len(unit) - 1) for unit in twice))
            freedom.append(sum(len(unit) - 1 for unit in twice))
    count = len(squares)
    if count < LEAST or not math.fsum(squares):
        return math.nan, math.nan
    value = math.fsum(squares) / sum(freedom)
    away = math.fsum((own - value * of) ** 2 for own, of in zip(squares, freedom, strict=True))
    half = stats.t.isf(0.025, count - 1) * math.sqrt(count / (count - 1) * away) / (2 * math.fsum(squares))
    return math.sqrt(value) * math.exp(-half), math.sqrt(value) * math.exp(half)


def pooled_variance(groups: list[list[float]]) -> float:
    """Return the variance within groups, weighted by their degrees of freedom; NaN without any."""
    groups = [group for group in groups if len(group) > 1]
    freedom = sum(len(group) - 1 for group in groups)
    return math.fsum(variance(group) * (len(group) - 1) for group in groups) / freedom if freedom else math.nan


def between(groups: list[list[tuple[float, float]]], of_judge: float) -> tuple[int, float]:
    """Return how many groups have two or more members, and the standard deviation between these.

    A member is (mean, share of the judge's variance that is left in it); the judge's noise is taken off.
    """
    groups = [group for group in groups if len(group) > 1]
    if not groups:
        return 0, math.nan
    freedom = sum(len(group) - 1 for group in groups)
    spread = pooled_variance([[value for value, _ in group] for group in groups])
    left = math.fsum((len(group) - 1) * mean(share for _, share in group) for group in groups) / freedom
    return len(groups), math.sqrt(max(0.0, spread - of_judge**2 * left)) if of_judge == of_judge else math.nan


def table(rows: list[Judgement]) -> dict[tuple[str, str, str, str], tuple[int, float]]:
    """Return (measure, rubric, judge a, judge b) -> n and value, as judge_agreement.csv names them; scale 0-1."""
    judges, rubrics = sorted({row.judge for row in rows}), sorted({row.rubric for row in rows})
    found: dict[tuple[str, str, str, str], tuple[int, float]] = {}
    for rubric in [*rubrics, "all"] if len(rubrics) > 1 else rubrics:
        part = [row for row in rows if rubric in ("all", row.rubric)]
        if len(judges) > 1:
            found |= _between_judges(part, rubric, judges)
        for judge in judges:
            found |= _of_replicates([row for row in part if row.judge == judge], rubric, judge)
    return found


def _between_judges(part: list[Judgement], rubric: str, judges: list[str]) -> dict:
    means, singles = centred(ratings(part)), centred(ratings(part, "replicate"))
    found = {}
    for name, units in (("replicate_means", means), ("single_replicates", singles)):
        own = [list(unit.values()) for unit in units.values()]
        found[f"krippendorff_alpha_of_{name}", rubric, "", ""] = sum(len(unit) > 1 for unit in own), alpha(own)
    if len({row.rubric for row in part}) == 1:
        one, all_ = reliability(means, judges)
        found["reliability_of_one_judge", rubric, "", ""] = len(means), one
        found["reliability_of_all_judges", rubric, "", ""] = len(means), all_
    for a, b in itertools.combinations(judges, 2):
        both = [(own[a], own[b]) for own in means.values() if a in own and b in own]
        found["spearman", rubric, a, b] = len(both), spearman(both)
        found["bias", rubric, a, b] = len(both), mean(x - y for x, y in both)
    return found


def _of_replicates(own: list[Judgement], rubric: str, judge: str) -> dict:
    found: dict = {}
    units = grouped(own, lambda row: (row.essay, row.rubric))
    twice = sum(len(unit) > 1 for unit in units.values())
    of_judge = noise(own)
    if twice:
        repeated = {unit: {row.replicate: row.value for row in inside} for unit, inside in units.items()}
        values = [list(unit.values()) for unit in centred(repeated).values()]
        found["evaluation_replicate_alpha", rubric, judge, ""] = twice, alpha(values)
        found["evaluation_replicate_sd", rubric, judge, ""] = twice, of_judge
    # a mean of n scores keeps 1 / n of the judge's variance
    essays = [(inside[0], mean(row.value for row in inside), 1 / len(inside)) for inside in units.values()]
    drafts = []
    groups = grouped(essays, lambda one: (one[0].draft, one[0].essay_template, one[0].essay_model, one[0].rubric))
    for inside in groups.values():
        left = math.fsum(share for _, _, share in inside) / len(inside) ** 2
        drafts.append((inside[0][0], mean(value for _, value, _ in inside), left))

    def cell(one: tuple) -> tuple:
        row = one[0]
        return row.combo, row.draft_template, row.draft_model, row.essay_template, row.essay_model, row.rubric

    for name, members in (("essay", groups), ("draft", grouped(drafts, cell))):
        count, spread = between([[(value, share) for _, value, share in one] for one in members.values()], of_judge)
        if count:
            found[f"{name}_replicate_sd", rubric, judge, ""] = count, spread
    return found


def of_judges(rows: list[Judgement]) -> dict[tuple[str, str], dict[str, float]]:
    """Return (judge, rubric) -> the figures of judges.csv without intervals; scale 0-1."""
    judges, rubrics = sorted({row.judge for row in rows}), sorted({row.rubric for row in rows})
    found = {}
    for rubric in [*rubrics, "all"] if len(rubrics) > 1 else rubrics:
        part = [row for row in rows if rubric in ("all", row.rubric)]
        severity, units = severities(ratings(part), judges), centred(ratings(part))
        for judge in judges:
            own = [row for row in part if row.judge == judge]
            if not own:
                continue
            repeated = {
                unit: {row.replicate: row.value for row in inside}
                for unit, inside in grouped(own, lambda row: (row.essay, row.rubric)).items()
            }
            by_rubric = [[row.value for row in inside] for inside in grouped(own, lambda row: row.rubric).values()]
            freedom = len(own) - len(by_rubric)
            squares = math.fsum(variance(group) * (len(group) - 1) for group in by_rubric if len(group) > 1)
            found[judge, rubric] = {
                "n_scores": len(own),
                "n_essays": len({row.essay for row in own}),
                "mean": mean(row.value for row in own),
                "severity": severity[judge],
                "spread": math.sqrt(squares / freedom) if freedom else math.nan,
                "share_top": mean(row.value > 1 - SAME for row in own),
                "share_bottom": mean(row.value < SAME for row in own),
                "distinct_values": len({round(row.value, 9) for row in own}),
                "replicate_sd": noise(own),
                "replicate_alpha": alpha([list(unit.values()) for unit in centred(repeated).values()]),
                "alpha": alpha([list(unit.values()) for unit in units.values()]),
                "alpha_without": alpha(
                    [[value for name, value in unit.items() if name != judge] for unit in units.values()]
                ),
            }
    return found


def resampled(
    rows: list[Judgement], statistic: Callable[[list[Judgement]], float], seed: int, samples: int = 400
) -> tuple[float, float]:
    """Return the percentile interval of a statistic over essays drawn with replacement, with all their scores."""
    essays = list(grouped(rows, lambda row: row.essay).values())
    if len(essays) < LEAST:
        return math.nan, math.nan
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(samples):
        drawn = rng.integers(0, len(essays), len(essays))
        # an essay that is drawn twice is two essays
        found.append(
            statistic([row._replace(essay=f"{row.essay}#{n}") for n, one in enumerate(drawn) for row in essays[one]])
        )
    return tuple(np.nanpercentile(found, [2.5, 97.5]))
