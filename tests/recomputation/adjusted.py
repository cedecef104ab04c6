"""Essays compared as if every judge had scored each of them by every rubric."""

import math

import numpy as np
from scipy import special

from .judgements import SAME, Judgement, grouped, mean, variance


def components(rows: list[Judgement]) -> list[list[Judgement]]:
    """Return the scores in parts that share neither an essay nor a column, largest first."""
    parts: list[list[Judgement]] = []
    open_rows = list(rows)
    while open_rows:
        essays, columns, taken = {open_rows[0].essay}, set(), []
        grown = True
        while grown:
            inside = [row for row in open_rows if row.essay in essays or (row.judge, row.rubric) in columns]
            grown = len(inside) > len(taken)
            taken = inside
            essays |= {row.essay for row in taken}
            columns |= {(row.judge, row.rubric) for row in taken}
        parts.append(taken)
        open_rows = [row for row in open_rows if row.essay not in essays]
    return sorted(parts, key=lambda part: (-len({row.essay for row in part}), min(row.essay for row in part)))


def column_effects(rows: list[Judgement]) -> dict[tuple[str, str], float]:
    """Return (judge, rubric) -> its effect in y = essay + column by dense least squares; their mean is 0."""
    columns = sorted({(row.judge, row.rubric) for row in rows})
    # normal equations with the essays swept out of them
    place = {name: number for number, name in enumerate(columns)}
    left, right = np.zeros((len(columns), len(columns))), np.zeros(len(columns))
    for inside in grouped(rows, lambda row: row.essay).values():
        count, total = np.zeros(len(columns)), np.zeros(len(columns))
        for row in inside:
            count[place[row.judge, row.rubric]] += 1
            total[place[row.judge, row.rubric]] += row.value
        left += np.diag(count) - np.outer(count, count) / count.sum()
        right += total - count * total.sum() / count.sum()
    effects = np.linalg.pinv(left) @ right
    effects -= effects.mean()
    return {name: float(effects[number]) for name, number in place.items()}


def table(rows: list[Judgement]) -> dict[str, dict[str, float]]:
    """Return essay -> its row of adjusted_scores.csv, scale 0-1; without rank intervals."""
    found = {}
    for number, part in enumerate(components(rows), start=1):
        found |= {essay: one | {"component": number} for essay, one in _of_part(part).items()}
    return found


def _of_part(rows: list[Judgement]) -> dict[str, dict[str, float]]:
    columns = column_effects(rows)
    per_judge = {
        key: mean(row.value - columns[row.judge, row.rubric] for row in inside)
        for key, inside in grouped(rows, lambda row: (row.essay, row.judge)).items()
    }
    own = grouped(per_judge.items(), lambda item: item[0][0])
    found = {
        essay: {"n_judges": len(inside), "adjusted_mean": mean(value for _, value in inside)}
        for essay, inside in own.items()
    }
    for essay, inside in grouped(rows, lambda row: row.essay).items():
        found[essay] |= {"n_scores": len(inside), "raw_mean": mean(row.value for row in inside)}
    judges = len({row.judge for row in rows})
    freedom = sum(one["n_judges"] - 1 for one in found.values()) - (judges - 1)
    squares = math.fsum((value - found[essay]["adjusted_mean"]) ** 2 for essay, one in own.items() for _, value in one)
    if freedom >= 1 and len(found) > 1 and squares / freedom > SAME**2:
        within = squares / freedom
        _shrink(found, per_judge, within, freedom, column_variances(rows, columns, within))
    else:
        for one in found.values():
            one["estimate"] = one["adjusted_mean"]
    for one in found.values():
        one["rank"] = 1 + sum(other["estimate"] > one["estimate"] + SAME for other in found.values())
    return found


def column_variances(rows: list[Judgement], columns: dict[tuple[str, str], float], within: float) -> dict[str, float]:
    """Return essay -> the variance of its adjusted mean that comes of estimated columns, by the dense design matrix.

    Args:
        rows: scores of one part.
        columns: its column effects.
        within: the residual variance where the fit leaves no degree of freedom.
    """
    essays, names = sorted({row.essay for row in rows}), sorted(columns)
    design = np.zeros((len(rows), len(essays) + len(names)))
    values = np.array([row.value for row in rows])
    for number, row in enumerate(rows):
        design[number, essays.index(row.essay)] = 1
        design[number, len(essays) + names.index((row.judge, row.rubric))] = 1
    left = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    freedom = len(rows) - len(essays) - len(names) + 1
    variance_of_scores = float(left @ left) / freedom if freedom >= 1 else within
    inverse = np.linalg.pinv(design.T @ design)[len(essays) :, len(essays) :]
    found = {}
    for essay, inside in grouped(rows, lambda row: row.essay).items():
        by_judge = grouped(inside, lambda row: row.judge)
        contrast = np.full(len(names), -1 / len(names))
        for row in inside:
            contrast[names.index((row.judge, row.rubric))] += 1 / (len(by_judge) * len(by_judge[row.judge]))
        found[essay] = variance_of_scores * float(contrast @ inverse @ contrast)
    return found


def _shrink(
    found: dict[str, dict[str, float]],
    per_judge: dict[tuple[str, str], float],
    within: float,
    freedom: int,
    columns: dict[str, float],
) -> None:
    middle = mean(one["adjusted_mean"] for one in found.values())
    spread = variance(one["adjusted_mean"] for one in found.values())
    between = max(0.0, spread - mean(within / one["n_judges"] for one in found.values()))
    for essay, one in found.items():
        noise = within / one["n_judges"]
        one["shrinkage"] = between / (between + noise)
        one["estimate"] = middle + one["shrinkage"] * (one["adjusted_mean"] - middle)
        if between:
            away = one["adjusted_mean"] - middle
            few = spread / len(found) + away**2 * (2 / max(1, len(found) - 3) + 2 / freedom)
            one["between"] = between * (1 - one["shrinkage"])
            one["variance"] = (
                one["between"] + one["shrinkage"] ** 2 * columns[essay] + (1 - one["shrinkage"]) ** 2 * few
            )
            half = special.stdtrit(freedom, 0.975) * math.sqrt(one["variance"])
            one |= {"ci_low": one["estimate"] - half, "ci_high": one["estimate"] + half}
    first = min(found, key=lambda essay: (-found[essay]["estimate"], -found[essay]["adjusted_mean"], essay))
    wide = special.stdtrit(freedom, 0.975)
    if not differ(per_judge, within, freedom):
        wide = math.inf
    for essay, one in found.items():
        error = math.sqrt(within / one["n_judges"] + within / found[first]["n_judges"])
        ahead = abs(found[first]["adjusted_mean"] - one["adjusted_mean"])
        one["top_group"] = bool(essay == first or ahead <= wide * error)


def differ(per_judge: dict[tuple[str, str], float], within: float, freedom: int) -> bool:
    """Return whether the F test at 1 % finds that essays differ beyond their judges' disagreement.

    Args:
        per_judge: (essay, judge) -> what it gave, less its columns.
        within, freedom: variance of one judge's opinion, and its degrees of freedom.
    """
    more = len({essay for essay, _ in per_judge}) - 1
    of_judges = grouped(per_judge.items(), lambda item: item[0][1]).values()
    whole = math.fsum((len(own) - 1) * variance(value for _, value in own) for own in of_judges if len(own) > 1)
    return (whole - freedom * within) / more / within > special.fdtri(more, freedom, 0.99)


def rank_intervals(found: dict[str, dict[str, float]], seed: int, draws: int = 4000) -> dict[str, tuple[float, float]]:
    """Return essay -> 2.5 % and 97.5 % points of its rank when all estimates vary with v (1 - s)."""
    essays = sorted(found)
    middle = np.array([found[essay]["estimate"] for essay in essays])
    error = np.array([math.sqrt(found[essay]["between"]) for essay in essays])
    drawn = middle + error * np.random.default_rng(seed).standard_normal((draws, len(essays)))
    ranks = 1 + np.argsort(np.argsort(-drawn, axis=1), axis=1)
    return dict(zip(essays, np.quantile(ranks, [0.025, 0.975], axis=0).T, strict=True))
