"""Where the scores' variance comes from: combos, templates, writers, drafts, essays, judges, rubrics, chance.

Model: y = mu + sum over components k of u_k[group of the score in k] + error, every part random and
independent with variance var_k; a component's groups are what `TERMS` names. For two scores,

    E (y - y')^2 / 2 = sum of var_k over the components in which the two differ.

Averaged over all pairs of scores, and over the pairs inside the groups of each component in turn (from group
sums: sum over pairs of (y - y')^2 = n sum y^2 - (sum y)^2), this gives as many linear equations as there are
unknowns; they are solved with variances not below 0 (scipy.optimize.nnls). Unbalanced tables need nothing
special; in balanced ones this is the analysis of variance. Source: Koch 1968, "Some further remarks
concerning 'A general approach to the estimation of variance components'", Technometrics 10, 551-558;
components as in Brennan 2001, Generalizability Theory, chapters 3 and 4.

Templates and models are part of the equations, so that their main effects go neither into combos nor into
drafts; with few levels their own variance says little about other templates and models.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from .frame import COMBO, DRAFT, ESSAY, FACTORS, JUDGE, NOTHING, RUBRIC, known_combos, numbered
from .scale import POINTS

COLUMNS = ("component", "groups", "variance", "sd", "share")

COMBO_NAME, DRAFT_NAME, ESSAY_NAME, ERROR = "combo", "draft", "essay", "replicate error"
ESSAY_JUDGE, ESSAY_RUBRIC = "essay x judge", "essay x evaluation_template"
JUDGE_RUBRIC, ESSAY_JUDGE_RUBRIC = "judge x evaluation_template", "essay x judge x evaluation_template"

TERMS: Mapping[str, tuple[str, ...]] = {
    COMBO_NAME: (COMBO,),
    **{factor: (factor,) for factor in FACTORS},
    **{f"combo x {factor}": (COMBO, factor) for factor in FACTORS},
    DRAFT_NAME: (DRAFT,),
    ESSAY_NAME: (ESSAY,),
    "judge": (JUDGE,),
    "evaluation_template": (RUBRIC,),
    ESSAY_JUDGE: (ESSAY, JUDGE),
    ESSAY_RUBRIC: (ESSAY, RUBRIC),
    JUDGE_RUBRIC: (JUDGE, RUBRIC),
    ESSAY_JUDGE_RUBRIC: (ESSAY, JUDGE, RUBRIC),
}
"""Component -> columns whose values make its groups; replicate error has a group per score."""

OBJECT = (COMBO_NAME, *FACTORS, *(f"combo x {factor}" for factor in FACTORS), DRAFT_NAME, ESSAY_NAME)
"""What lies behind an essay: together the variance of essays, which a reliability is about."""


@dataclass(frozen=True)
class Components:
    """Estimated variances on the scale 0-1.

    Attributes:
        groups: component -> number of its groups, for the components that the design has.
        merged: components that the scores cannot separate -> variance of their sum; NaN where the design does
            not identify even that. A component by itself is a group of one.
    """

    groups: Mapping[str, int]
    merged: Mapping[tuple[str, ...], float]

    def variance(self, name: str) -> float:
        """Return the variance of one component; NaN where it is not identified."""
        return self.merged.get((name,), np.nan)

    def total(self, weights: Mapping[str, float]) -> float:
        """Return a weighted sum of variances; NaN where the design does not identify it.

        Components of a merged group count where they have one weight. A component that the design does not have
        counts nothing: the caller knows what it left out.
        """
        total = 0.0
        for names, variance in self.merged.items():
            own = {weights.get(name, 0.0) for name in names}
            if own == {0.0}:
                continue
            total += own.pop() * variance if len(own) == 1 else np.nan
        return total


def estimate(frame: pd.DataFrame) -> Components:
    """Return the variance components of the scores (see the module).

    Args:
        frame: scores as `frame.tidy` gives them; rows of unknown combos are left out.

    A component is left out where one of its columns has a single value, or where crossing adds nothing
    (a combo with one draft template only): its part is then in the components that remain.
    """
    frame = known_combos(frame)
    groups = _groups(frame)
    if len(frame) < 2:
        return Components({}, {})
    score = frame["score"].to_numpy() - frame["score"].mean()
    names = list(groups)
    pairs = {name: _pairs(groups[name]) for name in names}
    left, right = [], []
    for within in (None, *names):
        own = np.zeros(len(frame), dtype="int64") if within is None else groups[within]
        total = _pairs(own)
        if not total:
            continue
        together = [
            pairs[name] if within is None else _pairs(_joint(own, groups[name])) if name != within else total
            for name in names
        ]
        # a score is never paired with itself: all pairs differ in the error
        left.append([*(1 - np.array(together) / total), 1.0])
        right.append(_squares(score, own) / total / 2)
    return _solved([*names, ERROR], np.array(left), np.array(right), {name: _count(groups[name]) for name in names})


def variance_components(found: Components) -> pd.DataFrame:
    """Return one row per component (`COLUMNS`), in the order of `TERMS`, then one per sum of several.

    `variance` is in squared points of 9, `sd` in points, `share` of the sum of all that is identified. A
    component that the design does not have or cannot identify is empty; what it can identify of several
    together has a row of its own, their names joined by " + ". No rows without two scores.
    """
    if not found.merged:
        return pd.DataFrame(columns=list(COLUMNS))
    sums = {names: variance for names, variance in found.merged.items() if not np.isnan(variance)}
    total = sum(sums.values())
    rows = []
    for names in [*((name,) for name in (*TERMS, ERROR)), *(names for names in sums if len(names) > 1)]:
        variance = sums.get(names, np.nan)
        rows.append(
            {
                "component": " + ".join(names),
                "groups": found.groups.get(names[0], np.nan) if len(names) == 1 else np.nan,
                "variance": POINTS**2 * variance,
                "sd": POINTS * np.sqrt(variance),
                "share": variance / total if total > NOTHING**2 else np.nan,
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _groups(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    levels = {column: frame[column].nunique() for columns in TERMS.values() for column in columns}
    found: dict[str, np.ndarray] = {}
    for name, columns in TERMS.items():
        if any(levels[column] < 2 for column in columns):
            continue
        codes, count = numbered(frame, columns)
        if name.startswith("combo x ") and count in (levels[columns[0]], levels[columns[1]]):
            continue
        found[name] = codes
    return found


def _solved(names: list[str], left: np.ndarray, right: np.ndarray, groups: dict[str, int]) -> Components:
    """Solve the equations; components with the same column stand and fall together."""
    alike: list[list[int]] = []
    for place in range(len(names)):
        for members in alike:
            if np.allclose(left[:, members[0]], left[:, place], rtol=0, atol=NOTHING**2):
                members.append(place)
                break
        else:
            alike.append([place])
    matrix = left[:, [members[0] for members in alike]]
    variances, _ = nnls(matrix, right)
    _, singular, rows = np.linalg.svd(matrix, full_matrices=True)
    rank = int((singular > NOTHING * singular[0]).sum())
    free = np.abs(rows[rank:]).max(axis=0) > 1e-6 if rank < len(alike) else np.zeros(len(alike), dtype=bool)
    return Components(
        groups,
        {
            tuple(names[place] for place in members): np.nan if free[number] else float(variances[number])
            for number, members in enumerate(alike)
        },
    )


def _count(codes: np.ndarray) -> int:
    return int(codes.max()) + 1


def _pairs(codes: np.ndarray) -> float:
    sizes = np.bincount(codes).astype(float)
    return float((sizes * (sizes - 1)).sum() / 2)


def _squares(score: np.ndarray, codes: np.ndarray) -> float:
    """Return the sum of (y - y')^2 over the pairs inside the groups."""
    sizes, first = np.bincount(codes), np.bincount(codes, weights=score)
    return float((sizes * np.bincount(codes, weights=score**2) - first**2).sum())


def _joint(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.unique(one * (int(other.max()) + 1) + other, return_inverse=True)[1].reshape(-1)
