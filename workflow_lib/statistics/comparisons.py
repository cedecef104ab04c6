"""Which level of a factor gives better scores, by how much, and for whom that holds.

Model of one pair of levels: the difference of unit u of combo c is d_cu = mu + k_c + e_cu. The two levels are
fixed; the combo's part k_c and the unit's part e_cu are random and independent. A unit is what both levels
have in common (`PAIRINGS`); its difference is the mean, over the columns that both levels have there, of the
difference of the levels' means; replicates are averaged first, essays next, columns last. Each combo counts
the same: difference = mean over combos of the mean over the combo's units.

Two intervals, pointwise (each holds for its own row, not for all rows at once):

- *new combos* (ci_low, ci_high, p): combos are random. Student's t over the combos' means, n_combos - 1
  degrees of freedom.
- *these combos* (these_low, these_high, these_p): combos are fixed, units within them random. With
  s^2 = sum (d_cu - mean_c)^2 / (units - combos): standard error s sqrt(sum 1 / units_c) / combos, t with
  units - combos degrees of freedom.

Either is empty with fewer than three values (combos, or units of these combos), with no degree of freedom, or where
its standard deviation is 0: that all differences are the same by the coarse steps of a scale is no certainty.

One Holm family per cohort: p (new combos) of the four `FACTORS`, per pair the pairing with more combos (a tie:
crossed). Judges and rubrics are described, not tested.

Sources: Student 1908; Holm 1979; paired differences and clustered units as in Miller 2024, "Adding error bars
to evals", arXiv 2411.00640, sections 2.2 and 4.2.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .frame import (
    COMBO,
    DRAFT,
    ESSAY,
    FACTORS,
    JUDGE,
    NOTHING,
    RUBRIC,
    averaged,
    known_combos,
    levels,
    means,
    numbered,
)
from .intervals import LEVEL, around, holm, mean_of
from .scale import MIN_UNITS, POINTS

CROSSED, PIPELINE = "crossed", "pipeline"

COLUMNS = (
    "factor",
    "level_a",
    "level_b",
    "mean_a",
    "mean_b",
    "difference",
    "ci_low",
    "ci_high",
    "n_cells",
    "held_fixed",
    "pairing",
    "n_combos",
    "sd_combos",
    "p",
    "these_low",
    "these_high",
    "these_df",
    "these_p",
    "p_holm",
    "clear",
)


@dataclass(frozen=True)
class Pairing:
    """How two levels of a factor are paired.

    Attributes:
        factor: column of the frame whose levels are compared.
        name: ``crossed``, or ``pipeline`` where draft and essay model change together.
        unit: columns that make a unit, besides the combo.
        shared: columns that the two levels must share inside a unit.
        shown: what `held_fixed` says.
    """

    factor: str
    name: str
    unit: tuple[str, ...]
    shared: tuple[str, ...]
    shown: str


PAIRINGS = (
    Pairing(
        "draft_template",
        CROSSED,
        ("draft_model",),
        ("generation_template", "generation_model", JUDGE, RUBRIC),
        "combo_id draft_model generation_template generation_model",
    ),
    Pairing(
        "generation_template",
        CROSSED,
        (DRAFT,),
        ("generation_model", JUDGE, RUBRIC),
        "combo_id draft_template draft_model draft_gen_id generation_model",
    ),
    Pairing(
        "draft_model",
        CROSSED,
        ("draft_template",),
        ("generation_template", "generation_model", JUDGE, RUBRIC),
        "combo_id draft_template generation_template generation_model",
    ),
    Pairing(
        "generation_model",
        CROSSED,
        (DRAFT,),
        ("generation_template", JUDGE, RUBRIC),
        "combo_id draft_template draft_model draft_gen_id generation_template",
    ),
    Pairing(
        "generation_model",
        PIPELINE,
        # not the essay template: the essays of one draft share it, and would pass for independent units
        ("draft_template",),
        ("generation_template", JUDGE, RUBRIC),
        "combo_id draft_template generation_template",
    ),
    Pairing(JUDGE, CROSSED, (ESSAY,), (RUBRIC,), "parent_gen_id evaluation_template"),
    Pairing(RUBRIC, CROSSED, (ESSAY,), (JUDGE,), "parent_gen_id evaluation_llm_model"),
)
"""The order of the table's rows. Essays that copy their draft are paired with others whoever wrote those:
a copy has no writer of its own."""


@dataclass(frozen=True)
class Differences:
    """The units of one pair of levels: their differences and means, and the combo of each (numbers from 0)."""

    a: np.ndarray
    b: np.ndarray
    combo: np.ndarray
    combos: int

    def by_combo(self) -> np.ndarray:
        """Return the mean difference of each combo."""
        return means(self.a - self.b, self.combo, self.combos)


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per pair of levels and pairing (`COLUMNS`), in points of 9.

    Args:
        frame: scores as `frame.tidy` gives them.

    Returns:
        Rows in the order of `PAIRINGS`, then by levels. A pairing that two levels do not have gives no row,
        unless the pair has no other: then one row without numbers. A pair of models whose drafts and essays
        only change together is one pair (factor generation_model, pairing pipeline), not two.

        `mean_a` and `mean_b` are over the units of both; difference = mean_a - mean_b; `n_cells` units in
        `n_combos` combos; `sd_combos` the standard deviation of the combos' differences; `these_df` the
        degrees of freedom of the interval for these combos; `p_holm` only in rows of the Holm family;
        `clear` is ``true`` where it is below 0.05, else ``false``, and empty outside the family.
    """
    rows = [_row(pairing, *levels, units) for pairing, levels, units in pairs(frame)]
    return _with_family(_without_repeats(rows))


def pairs(frame: pd.DataFrame) -> Iterator[tuple[Pairing, tuple[str, str], Differences]]:
    """Yield every pairing of every two levels of a factor with its units, in the order of the table."""
    frame = known_combos(frame)
    for pairing in PAIRINGS:
        names = [name for name in levels(frame, pairing.factor) if name]
        both = list(itertools.combinations(names, 2))
        if not both:
            continue
        part = frame
        if pairing.name == PIPELINE:
            part = frame[frame["draft_model"].astype(str) == frame["generation_model"].astype(str)]
        usual = _Cells(part, pairing, names, pairing.shared)
        copies = levels(part[part["copied"]], "generation_template") if pairing.factor == "generation_template" else ()
        anybody = tuple(name for name in pairing.shared if name != "generation_model")
        without_writer = _Cells(part, pairing, names, anybody) if copies else usual
        for first, second in both:
            cells = without_writer if first in copies or second in copies else usual
            yield pairing, (first, second), cells.differences(first, second)


class _Cells:
    """Mean scores of one pairing: a row per unit and shared columns, a column per level, NaN where there is none."""

    def __init__(self, part: pd.DataFrame, pairing: Pairing, names: list[str], shared: tuple[str, ...]):
        self._levels = {name: place for place, name in enumerate(names)}
        part = part[part[pairing.factor] != ""]
        essays = averaged(part, _distinct(COMBO, *pairing.unit, *shared, pairing.factor, ESSAY, JUDGE, RUBRIC))
        cells, count = numbered(essays, _distinct(COMBO, *pairing.unit, *shared))
        level = essays[pairing.factor].map(self._levels).to_numpy(dtype="int64")
        size = count * len(names)
        self._means = means(essays["score"].to_numpy(), cells * len(names) + level, size).reshape(count, len(names))
        # the first row of a cell stands for its unit and its combo
        first = np.zeros(count, dtype="int64")
        first[cells[::-1]] = np.arange(len(essays) - 1, -1, -1)
        self._unit = numbered(essays, _distinct(COMBO, *pairing.unit))[0][first]
        self._combo = numbered(essays, [COMBO])[0][first]

    def differences(self, first: str, second: str) -> Differences:
        a, b = self._means[:, self._levels[first]], self._means[:, self._levels[second]]
        both = ~np.isnan(a) & ~np.isnan(b)
        _, start, unit = np.unique(self._unit[both], return_index=True, return_inverse=True)
        _, combo = np.unique(self._combo[both][start], return_inverse=True)
        count = len(start)
        return Differences(
            means(a[both], unit, count),
            means(b[both], unit, count),
            combo,
            int(combo.max()) + 1 if count else 0,
        )


def _row(pairing: Pairing, first: str, second: str, units: Differences) -> dict[str, object]:
    of_combos = mean_of(units.by_combo())
    low, high, p = _for_these(units, of_combos.value)
    n = len(units.combo)
    return {
        "factor": pairing.factor,
        "level_a": first,
        "level_b": second,
        "mean_a": POINTS * _over_combos(units.a, units),
        "mean_b": POINTS * _over_combos(units.b, units),
        "difference": POINTS * of_combos.value,
        "ci_low": POINTS * of_combos.low,
        "ci_high": POINTS * of_combos.high,
        "n_cells": n,
        "held_fixed": pairing.shown if n else "",
        "pairing": pairing.name if n else "",
        "n_combos": units.combos,
        "sd_combos": POINTS * of_combos.sd,
        "p": of_combos.p,
        "these_low": POINTS * low,
        "these_high": POINTS * high,
        "these_df": n - units.combos,
        "these_p": p,
    }


def _over_combos(values: np.ndarray, units: Differences) -> float:
    return float(means(values, units.combo, units.combos).mean()) if units.combos else np.nan


def _for_these(units: Differences, difference: float) -> tuple[float, float, float]:
    """Return (low, high, p) for the combos at hand."""
    freedom = len(units.combo) - units.combos
    if freedom < 1 or len(units.combo) < MIN_UNITS:
        return np.nan, np.nan, np.nan
    away = (units.a - units.b) - units.by_combo()[units.combo]
    spread = float(np.sqrt((away**2).sum() / freedom))
    if not spread > NOTHING:
        return np.nan, np.nan, np.nan
    sizes = np.bincount(units.combo, minlength=units.combos)
    return around(difference, spread * float(np.sqrt((1 / sizes).sum())) / units.combos, freedom)


def _without_repeats(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Drop rows without units whose pair has units, or a row, elsewhere."""
    answered = {_pair(row) for row in rows if row["n_cells"]}
    essays = {_pair(row)[1:] for row in rows if row["factor"] == "generation_model"}
    kept, listed = [], set()
    for row in rows:
        pair = _pair(row)
        if not row["n_cells"]:
            elsewhere = row["factor"] == "draft_model" and pair[1:] in essays
            if pair in answered or pair in listed or elsewhere:
                continue
        listed.add(pair)
        kept.append(row)
    return kept


def _with_family(rows: list[dict[str, object]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    members = family(table)
    corrected = np.full(len(table), np.nan)
    corrected[members] = holm(table["p"].to_numpy(dtype=float)[members])
    clear = np.full(len(table), "", dtype=object)
    clear[members] = np.where(corrected[members] < LEVEL, "true", "false")
    return table.assign(p_holm=corrected, clear=clear)


def family(table: pd.DataFrame) -> np.ndarray:
    """Return the positions of the rows that make the Holm family: with a p, per pair that with more combos."""
    best: dict[tuple[object, ...], int] = {}
    for place, row in enumerate(table.to_dict("records")):
        if row["factor"] in FACTORS and not np.isnan(float(row["p"])):
            known = best.setdefault(_pair(row), place)
            if row["n_combos"] > table["n_combos"].iloc[known]:
                best[_pair(row)] = place
    return np.array(sorted(best.values()), dtype="int64")


def _pair(row: Mapping[str, object]) -> tuple[object, ...]:
    return row["factor"], row["level_a"], row["level_b"]


def _distinct(*names: str) -> list[str]:
    return list(dict.fromkeys(names))
