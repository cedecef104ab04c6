"""Variance components from all pairs of scores, one by one, and what follows from them."""

import itertools
import math

import numpy as np
from scipy import optimize, stats

from .judgements import SAME, Judgement

FACTORS = ("draft_template", "essay_template", "draft_model", "essay_model")
TERMS = {
    "combo": ("combo",),
    **{factor: (factor,) for factor in FACTORS},
    **{f"combo x {factor}": ("combo", factor) for factor in FACTORS},
    "draft": ("draft",),
    "essay": ("essay",),
    "judge": ("judge",),
    "rubric": ("rubric",),
    "essay x judge": ("essay", "judge"),
    "essay x rubric": ("essay", "rubric"),
    "judge x rubric": ("judge", "rubric"),
    "essay x judge x rubric": ("essay", "judge", "rubric"),
}
ERROR = "error"
OBJECT = ("combo", *FACTORS, *(f"combo x {factor}" for factor in FACTORS), "draft", "essay")


def estimate(rows: list[Judgement]) -> dict[tuple[str, ...], float]:
    """Return components -> variance of their sum, 0-1; one component by itself where it is identified, else NaN.

    Half the squared difference of two scores has as expectation the sum of the components in which they differ.
    One equation is the mean over all pairs, one per component the mean over the pairs inside its groups.
    """
    labels = {}
    levels = {column: {getattr(row, column) for row in rows} for columns in TERMS.values() for column in columns}
    for name, columns in TERMS.items():
        groups = [tuple(getattr(row, column) for column in columns) for row in rows]
        few = any(len(levels[column]) < 2 for column in columns)
        adds_nothing = name.startswith("combo x") and len(set(groups)) in [len(levels[column]) for column in columns]
        if not few and not adds_nothing:
            places = {group: place for place, group in enumerate(sorted(set(groups)))}
            labels[name] = np.array([places[group] for group in groups])
    one, other = np.triu_indices(len(rows), 1)
    value = np.array([row.value for row in rows])
    half = (value[one] - value[other]) ** 2 / 2
    apart = {name: codes[one] != codes[other] for name, codes in labels.items()}
    names = [*labels, ERROR]
    left, right = [], []
    for chosen in [np.ones(len(half), dtype=bool), *(~apart[name] for name in labels)]:
        if chosen.any():
            left.append([*(apart[name][chosen].mean() for name in labels), 1.0])
            right.append(half[chosen].mean())
    return _solved(names, np.array(left), np.array(right))


def groups(rows: list[Judgement]) -> dict[str, int]:
    """Return component -> how many groups it has, for the components of the design."""
    named = {name for names in estimate(rows) for name in names} - {ERROR}
    return {name: len({tuple(getattr(row, column) for column in TERMS[name]) for row in rows}) for name in named}


def _solved(names: list[str], left: np.ndarray, right: np.ndarray) -> dict[tuple[str, ...], float]:
    together: dict[tuple, list[int]] = {}
    for place in range(len(names)):
        together.setdefault(tuple(np.round(left[:, place], 12)), []).append(place)
    groups = list(together.values())
    matrix = left[:, [group[0] for group in groups]]
    variances = optimize.lsq_linear(matrix, right, bounds=(0, np.inf), method="bvls", tol=1e-15).x
    found = {}
    rank = np.linalg.matrix_rank(matrix, tol=1e-9)
    for number, group in enumerate(groups):
        # identified: without its column the matrix has a lower rank
        rest = np.delete(matrix, number, axis=1)
        known = rest.shape[1] == 0 or np.linalg.matrix_rank(rest, tol=1e-9) < rank
        found[tuple(names[place] for place in group)] = float(variances[number]) if known else math.nan
    return found


def reliability(
    found: dict[tuple[str, ...], float], panel: tuple[int, int], judges: int, rubrics: int, replicates: int
) -> tuple[float, float]:
    """Return the relative reliability of an essay's mean with fixed and with random rubrics; NaN where unknown.

    Args:
        found: what `estimate` returned.
        panel: judges and rubrics that the cohort has.
        judges, rubrics, replicates: of the design that is asked about.
    """
    if panel[0] < 2 or (panel[1] < 2 and rubrics > 1):
        return math.nan, math.nan
    noise = {
        "essay x judge": 1 / judges,
        "essay x judge x rubric": 1 / (judges * rubrics),
        ERROR: 1 / (judges * rubrics * replicates),
    }
    behind = dict.fromkeys(OBJECT, 1.0)
    share = {"essay x rubric": 1 / rubrics}
    fixed = _ratio(found, behind | share, noise)
    return fixed, math.nan if panel[1] < 2 else _ratio(found, behind, noise | share)


def _ratio(found: dict[tuple[str, ...], float], good: dict[str, float], bad: dict[str, float]) -> float:
    sums = []
    for weights in (good, bad):
        total = 0.0
        for names, variance in found.items():
            own = [weights.get(name, 0.0) for name in names]
            if any(own):
                total += own[0] * variance if len(set(own)) == 1 else math.nan
        sums.append(total)
    return sums[0] / sum(sums) if not sum(sums) < SAME**2 else math.nan


def study(found: dict[tuple[str, ...], float], panel: tuple[int, int]) -> dict[tuple[int, int, int], tuple]:
    """Return (judges, rubrics, replicates) -> both reliabilities, 1-5 of each."""
    return {counts: reliability(found, panel, *counts) for counts in itertools.product(range(1, 6), repeat=3)}


def detectable(sds: list[tuple[float, int]], pairs: int, combos: int) -> float:
    """Return the difference that so many combos show with a power of 80 % at 0.05 / pairs.

    Args:
        sds: standard deviation of the combos' differences, and combos, of each pair of the factor in the family.
        pairs: size of the family.
        combos: how many there shall be.
    """
    sd = pooled(sds)
    if math.isnan(sd):
        return math.nan
    freedom = combos - 1
    critical = stats.t.isf(0.025 / pairs, freedom)
    low, high = 0.0, 10 * critical + 50
    for _ in range(200):
        middle = (low + high) / 2
        # by symmetry the far tail is the upper one of the mirrored test
        power = 1 - stats.nct.cdf(critical, freedom, middle)
        far = stats.nct.sf(critical, freedom, -middle)
        low, high = (middle, high) if power + (0 if math.isnan(far) else far) < 0.8 else (low, middle)
    return sd * middle / math.sqrt(combos)


def pooled(sds: list[tuple[float, int]]) -> float:
    """Return the standard deviation of the combos' differences, pooled over pairs with three combos or more."""
    sds = [(sd, n - 1) for sd, n in sds if n >= 3]
    if not sds:
        return math.nan
    return math.sqrt(sum(one**2 * freedom for one, freedom in sds) / sum(freedom for _, freedom in sds))
