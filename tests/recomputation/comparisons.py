"""Paired differences of levels, on two grounds, with one Holm family."""

import itertools
import math
from typing import NamedTuple

from scipy import special

from .judgements import SAME, Judgement, grouped, mean, variance

LEAST = 3
"""Independent values from which on there is an interval."""


class Pairing(NamedTuple):
    """How two levels are paired: what makes a unit beside the combo, and what else must be the same."""

    factor: str
    name: str
    unit: tuple[str, ...]
    column: tuple[str, ...]


COLUMN = ("judge", "rubric")
PAIRINGS = (
    Pairing("draft_template", "crossed", ("draft_model",), ("essay_template", "essay_model", *COLUMN)),
    Pairing("essay_template", "crossed", ("draft",), ("essay_model", *COLUMN)),
    Pairing("draft_model", "crossed", ("draft_template",), ("essay_template", "essay_model", *COLUMN)),
    Pairing("essay_model", "crossed", ("draft",), ("essay_template", *COLUMN)),
    # both essay templates of a draft share it: they are no two units
    Pairing("essay_model", "pipeline", ("draft_template",), ("essay_template", *COLUMN)),
    Pairing("judge", "crossed", ("essay",), ("rubric",)),
    Pairing("rubric", "crossed", ("essay",), ("judge",)),
)
DESCRIBED = ("judge", "rubric")


def units_of(rows: list[Judgement], pairing: Pairing, a: str, b: str) -> dict[tuple, tuple[float, float]]:
    """Return (combo, ...) -> mean of each level over the columns that both have; replicates, then essays, first."""
    column = pairing.column
    if pairing.name == "pipeline":
        rows = [row for row in rows if row.draft_model == row.essay_model]
    if any(row.copied for row in rows if getattr(row, pairing.factor) in (a, b)) and pairing.factor == "essay_template":
        # a copy has no writer of its own
        column = tuple(name for name in column if name != "essay_model")
    found = {}
    for unit, inside in grouped(rows, lambda row: (row.combo, *(getattr(row, name) for name in pairing.unit))).items():
        sides = [_columns([row for row in inside if getattr(row, pairing.factor) == level], column) for level in (a, b)]
        shared = [name for name in sides[0] if name in sides[1]]
        if shared:
            found[unit] = mean(sides[0][name] for name in shared), mean(sides[1][name] for name in shared)
    return found


def _columns(rows: list[Judgement], column: tuple[str, ...]) -> dict[tuple, float]:
    found = {}
    for name, inside in grouped(rows, lambda row: tuple(getattr(row, one) for one in column)).items():
        essays = grouped(inside, lambda row: (row.essay, row.judge, row.rubric))
        found[name] = mean(mean(row.value for row in essay) for essay in essays.values())
    return found


def two_grounds(units: dict[tuple, tuple[float, float]]) -> dict[str, float]:
    """Return means, difference, and both intervals and p values; the first part of a unit is its combo."""
    by_combo = [[a - b for _, (a, b) in inside] for inside in grouped(units.items(), lambda one: one[0][0]).values()]
    means = [mean(inside) for inside in by_combo]
    found = {"difference": mean(means), "n_combos": len(means), "n_cells": len(units)}
    for place, name in enumerate(("mean_a", "mean_b")):
        sides = grouped(units.items(), lambda one: one[0][0]).values()
        found[name] = mean(mean(pair[1][place] for pair in inside) for inside in sides)
    found["sd_combos"] = math.sqrt(variance(means)) if len(means) > 1 else math.nan
    if len(means) >= LEAST and found["sd_combos"] > SAME:
        error = found["sd_combos"] / math.sqrt(len(means))
        names = ("ci_low", "ci_high", "p")
        found |= dict(zip(names, interval(found["difference"], error, len(means) - 1), strict=True))
    freedom = len(units) - len(means)
    if freedom > 0 and len(units) >= LEAST:
        within = math.fsum((value - mean(inside)) ** 2 for inside in by_combo for value in inside) / freedom
        if math.sqrt(within) > SAME:
            error = math.sqrt(within * math.fsum(1 / len(inside) for inside in by_combo)) / len(means)
            names = ("these_low", "these_high", "these_p")
            found |= dict(zip(names, interval(found["difference"], error, freedom), strict=True))
    return found


def interval(middle: float, error: float, freedom: int) -> tuple[float, float, float]:
    """Return the 95 % interval and the two-sided p value of Student's t."""
    half = float(special.stdtrit(freedom, 0.975)) * error
    return middle - half, middle + half, float(2 * special.stdtr(freedom, -abs(middle) / error))


def table(rows: list[Judgement]) -> dict[tuple[str, str, str, str], dict[str, float]]:
    """Return (factor, pairing, level a, level b) -> its figures; `p_holm` where the pair is in the family."""
    found = {}
    for pairing in PAIRINGS:
        for a, b in itertools.combinations(sorted({getattr(row, pairing.factor) for row in rows}), 2):
            units = units_of(rows, pairing, a, b)
            if units:
                found[pairing.factor, pairing.name, a, b] = two_grounds(units)
    tested = {}
    for key, figures in found.items():
        factor, _, a, b = key
        if factor not in DESCRIBED and "p" in figures:
            best = tested.setdefault((factor, a, b), key)
            if figures["n_combos"] > found[best]["n_combos"]:
                tested[factor, a, b] = key
    for key, corrected in holm({key: found[key]["p"] for key in tested.values()}).items():
        found[key]["p_holm"] = corrected
    return found


def holm(values: dict) -> dict:
    """Return the p values corrected by Holm's step-down rule."""
    found, highest = {}, 0.0
    for place, key in enumerate(sorted(values, key=values.get)):
        highest = max(highest, min(1.0, (len(values) - place) * values[key]))
        found[key] = highest
    return found
