"""The tidy frame that all statistics work on: one row per score that counts, on the scale 0-1."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from ..parsers import DEFAULT_SCALE

COMBO, DRAFT, ESSAY = "combo_id", "draft_gen_id", "parent_gen_id"
JUDGE, RUBRIC = "evaluation_llm_model", "evaluation_template"
REPLICATES = ("draft_replicate", "essay_replicate", "evaluation_replicate")
FACTORS = ("draft_template", "generation_template", "draft_model", "generation_model")
CELL = ("combo_id", "draft_template", "draft_model", "generation_template", "generation_model")

NOTHING = 1e-9
"""A standard deviation below this, on the scale 0-1, is rounding: the values are all the same."""

COLUMNS = (
    "gen_id",
    ESSAY,
    DRAFT,
    *CELL,
    "draft_replicate",
    "essay_replicate",
    RUBRIC,
    JUDGE,
    "evaluation_replicate",
    "score",
    "cost_usd",
    "words",
    "copied",
)


def tidy(
    scores: pd.DataFrame,
    scales: Mapping[str, float],
    *,
    words: Mapping[str, int] | None = None,
    copies: Collection[str] = (),
) -> pd.DataFrame:
    """Return the scores that count as one tidy frame.

    Args:
        scores: rows of aggregated_scores.csv that count (`results.scores`), any order; rows without a
            score are left out.
        scales: evaluation template -> best score of its scale, 9 where it names none.
        words: essay gen_id -> number of words of its text.
        copies: essay templates that copy the draft's text; their essays have no writer of their own.

    Returns:
        One row per score, by gen_id, with `COLUMNS`. `score` is the share of the scale: score / scale_max.
        A replicate that is not on record counts
        as 1, `words` is NaN where unknown, `copied` says whether the essay is its draft's text again.
    """
    frame = scores[scores["score"].notna()].sort_values("gen_id", kind="stable").reset_index(drop=True)
    best = frame[RUBRIC].map(lambda rubric: scales.get(rubric, DEFAULT_SCALE)).astype("float64")
    counted = frame[ESSAY].map(words or {}).astype("float64")
    numbers = {name: pd.to_numeric(frame[name], errors="coerce").fillna(1).astype("int64") for name in REPLICATES}
    # as categories, each group is found by number and not by comparing texts again
    names = {name: frame[name].astype("category") for name in (ESSAY, DRAFT, *CELL, RUBRIC, JUDGE)}
    return frame.assign(
        **names,
        **numbers,
        score=frame["score"].astype("float64") / best,
        words=counted.where(counted > 0),
        copied=frame["generation_template"].isin(list(copies)),
    )[list(COLUMNS)]


def numbered(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[np.ndarray, int]:
    """Return the group of each row as a number from 0, in the sorted order of the columns, and how many there are."""
    codes = np.zeros(len(frame), dtype="int64")
    for column in columns:
        own, levels = pd.factorize(frame[column], sort=True)
        codes, _ = dense(codes * max(1, len(levels)) + own)
    return codes, int(codes.max()) + 1 if len(codes) else 0


def levels(frame: pd.DataFrame, column: str) -> list[str]:
    """Return the different values of a column, sorted."""
    return sorted(frame[column].unique())


def dense(codes: np.ndarray) -> tuple[np.ndarray, int]:
    """Return group numbers without gaps, in the same order, and how many there are."""
    known, inverse = np.unique(codes, return_inverse=True)
    return inverse.reshape(-1), len(known)


def means(values: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Return the mean of the values of each group; NaN for an empty group."""
    sizes = np.bincount(groups, minlength=count)
    with np.errstate(invalid="ignore"):
        return np.bincount(groups, weights=values, minlength=count) / np.where(sizes == 0, np.nan, sizes)


def averaged(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return the mean score per group, sorted by `keys`: columns `keys` and score."""
    groups, count = numbered(frame, keys)
    first = np.full(count, -1, dtype="int64")
    first[groups[::-1]] = np.arange(len(frame) - 1, -1, -1)
    found = frame.iloc[first][list(keys)].reset_index(drop=True)
    return found.assign(score=means(frame["score"].to_numpy(), groups, count))


def known_combos(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose combo is known: an unknown one is no independent unit."""
    return frame[frame[COMBO] != ""]
