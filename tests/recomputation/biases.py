"""Whether judges favour their own, and long texts."""

import math

import numpy as np

from . import comparisons
from .comparisons import LEAST, interval
from .judgements import SAME, Judgement, grouped, mean, variance


def over_combos(values: list[float]) -> dict[str, float]:
    """Return mean, interval and p of Student's t over combos."""
    found = {"value": mean(values), "n_combos": len(values)}
    if len(values) >= LEAST and math.sqrt(variance(values)) > SAME:
        error = math.sqrt(variance(values) / len(values))
        names = ("ci_low", "ci_high", "p")
        found |= dict(zip(names, interval(found["value"], error, len(values) - 1), strict=True))
    return found


def own_preference(rows: list[Judgement], name_of: dict[str, str], family: dict[str, str], judge: str) -> dict | None:
    """Return what a judge adds to its own texts, beside judges whose family wrote none.

    Per combo and column (neutral judge with rubric): mean lead of the judge over the neutral one on its own essays
    less that on others'; the columns are averaged, and combos are the sample.

    Args:
        rows: all scores.
        name_of: model id -> what makes texts its own: model name, or family.
        family: model id -> family.
        judge: whose preference.
    """
    if name_of[judge] not in {name_of[row.essay_model] for row in rows}:
        return None
    writers = {family[row.essay_model] for row in rows}
    neutral = sorted({row.judge for row in rows if family[row.judge] not in writers} - {judge})
    leads: dict[str, dict[tuple, dict[bool, list[float]]]] = {}
    for (combo, _, rubric), inside in grouped(rows, lambda row: (row.combo, row.essay, row.rubric)).items():
        given = {name: mean(row.value for row in one) for name, one in grouped(inside, lambda row: row.judge).items()}
        is_own = name_of[inside[0].essay_model] == name_of[judge]
        for other in neutral:
            if judge in given and other in given:
                column = leads.setdefault(combo, {}).setdefault((other, rubric), {})
                column.setdefault(is_own, []).append(given[judge] - given[other])
    units = {True: set(), False: set()}
    for (essay, rubric), inside in grouped(rows, lambda row: (row.essay, row.rubric)).items():
        given = {row.judge for row in inside}
        if judge in given and given & set(neutral):
            units[name_of[inside[0].essay_model] == name_of[judge]].add((essay, rubric))
    counted = {"n_own": len(units[True]), "n_other": len(units[False])}
    values = []
    for columns in leads.values():
        both = [mean(sides[True]) - mean(sides[False]) for sides in columns.values() if len(sides) == 2]
        if both:
            values.append(mean(both))
    return (over_combos(values) if values else {}) | counted


def length_slope(rows: list[Judgement], judge: str) -> dict[str, float]:
    """Return points (0-1) per unit of ln(words) within rubric x essay template x writer; jackknife over combos."""
    own = [row for row in rows if row.judge == judge]
    combos = sorted({row.combo for row in own})
    slope = _slope(own)
    found = {"value": slope, "n_combos": len(combos)}
    left_out = [_slope([row for row in own if row.combo != combo]) for combo in combos]
    if len(combos) >= LEAST and not any(math.isnan(one) for one in [slope, *left_out]):
        count = len(combos)
        error = math.sqrt((count - 1) / count * math.fsum((one - slope) ** 2 for one in left_out))
        if error > SAME:
            found |= dict(zip(("ci_low", "ci_high", "p"), interval(slope, error, count - 1), strict=True))
    return found


def _slope(rows: list[Judgement]) -> float:
    top, bottom = [], []
    for inside in grouped(rows, lambda row: (row.rubric, row.essay_template, row.essay_model)).values():
        x = np.log([row.words for row in inside])
        y = np.array([row.value for row in inside])
        top.append(float((x - x.mean()) @ (y - y.mean())))
        bottom.append(float((x - x.mean()) @ (x - x.mean())))
    return math.fsum(top) / math.fsum(bottom) if math.fsum(bottom) > SAME else math.nan


def at_equal_length(rows: list[Judgement]) -> dict[tuple[str, str, str, str], dict[str, float]]:
    """Return the comparisons of templates and models, each score brought to the mean ln(words) of its judge."""
    brought = []
    for judge, own in grouped(rows, lambda row: row.judge).items():
        slope = length_slope(rows, judge)["value"]
        middle = mean(math.log(row.words) for row in rows)
        if not math.isnan(slope):
            brought += [row._replace(value=row.value - slope * (math.log(row.words) - middle)) for row in own]
    return {key: one for key, one in comparisons.table(brought).items() if key[0] not in comparisons.DESCRIBED}
