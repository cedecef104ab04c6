"""Analysis of a cohort's scores: how much they vary, which levels differ, whether judges agree [SPEC 9.2].

All functions take the table that `scores.frame` returns and give tables as they stand in the file, like
those of `summary`: computed numbers as text with two decimals, empty where nothing can be computed.
"""

import itertools
import math
import warnings
from collections.abc import Iterator, Sequence

import krippendorff
import numpy as np
import pandas as pd
from scipy import stats

from .rounding import fixed
from .summary import CELL

VARIANCE_COLUMNS = (
    "analysis_type",
    "parent_gen_id",
    *CELL,
    "evaluation_llm_model",
    "evaluation_template",
    "count",
    "mean",
    "std",
    "min",
    "max",
    "range",
    "coefficient_of_variation",
    "num_templates",
    "num_models",
    "stability_classification",
)
COMPARISON_COLUMNS = (
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
)
AGREEMENT_COLUMNS = ("measure", "evaluation_template", "judge_a", "judge_b", "n", "value")

ESSAY = ("parent_gen_id", *CELL)
JUDGE, TEMPLATE = "evaluation_llm_model", "evaluation_template"

VARIANCES = {
    "overall_variance": ESSAY,
    "template_variance": (*ESSAY, JUDGE),
    "model_variance": (*ESSAY, TEMPLATE),
}
"""analysis_type -> what its groups have in common; scores within a group vary over the rest."""

FACTORS = ("draft_template", "generation_template", "generation_model")
RESAMPLES = 2000
CONFIDENCE = 0.95
SEED = 20250101
MIN_FOR_RANKS = 3
POOLED = "all"


def variance_analysis(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the spread of the scores of each essay (`VARIANCE_COLUMNS`).

    Rows: per essay over all its evaluations (overall_variance); per essay and judge, over the evaluation
    templates (template_variance); per essay and evaluation template, over the judges (model_variance).
    Replicates are evaluations of their own. The coefficient of variation is std / mean.
    """
    valid = _valid(scores)
    rows = []
    for analysis, keys in VARIANCES.items():
        groups = valid.groupby(list(keys), sort=True)
        found = groups["score"].agg(["count", "mean", "std", "min", "max"])
        found["num_templates"], found["num_models"] = groups[TEMPLATE].nunique(), groups[JUDGE].nunique()
        for key, row in zip(found.index, found.itertuples(index=False), strict=True):
            spread = row.max - row.min
            rows.append(
                {
                    "analysis_type": analysis,
                    **dict(zip(keys, key, strict=True)),
                    "count": row.count,
                    "mean": fixed(row.mean),
                    "std": fixed(row.std),
                    "min": fixed(row.min),
                    "max": fixed(row.max),
                    "range": fixed(spread),
                    "coefficient_of_variation": fixed(row.std / row.mean if row.mean else None),
                    "num_templates": row.num_templates,
                    "num_models": row.num_models,
                    "stability_classification": stability(row.count, spread),
                }
            )
    return pd.DataFrame(rows, columns=list(VARIANCE_COLUMNS)).fillna("")


def stability(count: int, spread: float) -> str:
    """Return the class of a group of scores by their range, in points."""
    if count < 2:
        return "insufficient_data"
    for limit, name in ((1, "high_agreement"), (2, "moderate_agreement"), (3, "low_agreement")):
        if spread <= limit:
            return name
    return "poor_agreement"


def comparisons(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the paired difference of each two levels of each of `FACTORS` (`COMPARISON_COLUMNS`).

    A cell is what `held_fixed` names; two levels share a cell if the same judge scored both there by the
    same evaluation template. A cell's difference is the mean over such judges and templates of the
    difference of the levels' means; `difference` (level_a - level_b) is the mean over the cells, and its
    interval a 95 % percentile bootstrap over them (Efron and Tibshirani 1993, chapter 13; fixed seed;
    empty below two cells). Cells, not evaluations, are drawn: judges of one essay are not independent.

    Two generation models are compared with the draft's model held fixed where the cohort crosses the
    two, else along with it: then the whole pipeline changes its model.
    """
    valid = _valid(scores)
    rows = []
    for factor in FACTORS:
        levels = sorted(set(scores[factor]) - {""})
        for first, second in itertools.combinations(levels, 2):
            rows.append(
                {"factor": factor, "level_a": first, "level_b": second, **_compare(valid, factor, first, second)}
            )
    return pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))


def bootstrap_interval(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the mean; NaN for fewer than two values."""
    if len(values) < 2:
        return math.nan, math.nan
    found = stats.bootstrap(
        (np.asarray(values, dtype=float),),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        # bounds the memory: one batch at a time is drawn
        batch=max(1, 2_000_000 // len(values)),
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return float(found.low), float(found.high)


def judge_agreement(scores: pd.DataFrame) -> pd.DataFrame:
    """Return how far judges agree with each other and with themselves, one measure per row.

    Columns `AGREEMENT_COLUMNS`; evaluation_template ``all`` pools the templates, each (essay, template)
    being one unit. A judge's replicates are averaged first, but for the measures about them.

    ========================== ============================================================ ==============
    measure                    value                                                        n
    ========================== ============================================================ ==============
    krippendorff_alpha         over all judges, interval scale (Krippendorff 2011)          units with >= 2
    spearman                   rank correlation of judge_a and judge_b, from 3 units on     units of both
    bias                       mean of judge_a - judge_b, points                            units of both
    evaluation_replicate_alpha alpha between the replicates of judge_a                      units with >= 2
    evaluation_replicate_sd    standard deviation between them, pooled over units, points   units with >= 2
    essay_replicate_sd         likewise between essays of one draft and template            groups with >= 2
    draft_replicate_sd         likewise between drafts of one cell (means of their essays)  groups with >= 2
    ========================== ============================================================ ==============
    """
    valid = _valid(scores)
    judges = sorted(set(scores[JUDGE]))
    templates = sorted(set(scores[TEMPLATE]))
    rows: list[dict[str, object]] = []
    for template in [*templates, *([POOLED] if len(templates) > 1 else [])]:
        part = valid if template == POOLED else valid[valid[TEMPLATE] == template]
        for measure, judge_a, judge_b, n, value in [*_between_judges(part, judges), *_replicates(part, judges)]:
            found = (measure, template, judge_a, judge_b, n, fixed(value))
            rows.append(dict(zip(AGREEMENT_COLUMNS, found, strict=True)))
    order = {measure: place for place, measure in enumerate(MEASURES)}
    rows.sort(key=lambda row: (order[str(row["measure"])], *(str(row[name]) for name in AGREEMENT_COLUMNS[1:4])))
    return pd.DataFrame(rows, columns=list(AGREEMENT_COLUMNS))


MEASURES = (
    "krippendorff_alpha",
    "spearman",
    "bias",
    "evaluation_replicate_alpha",
    "evaluation_replicate_sd",
    "essay_replicate_sd",
    "draft_replicate_sd",
)


def alpha(ratings: np.ndarray) -> float:
    """Return Krippendorff's alpha for interval data; NaN where it is not defined.

    Args:
        ratings: one row per coder, one column per unit, NaN where a coder did not rate a unit.

    Source: K. Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011.
    """
    counts = np.sum(~np.isnan(ratings), axis=0)
    pairable = ratings[:, counts >= 2]
    if pairable.size == 0 or np.nanmin(pairable) == np.nanmax(pairable):
        return math.nan
    return float(krippendorff.alpha(reliability_data=pairable, level_of_measurement="interval"))


Measured = tuple[str, str, str, int, float]


def _between_judges(part: pd.DataFrame, judges: Sequence[str]) -> Iterator[Measured]:
    if len(judges) < 2:
        return
    table = part.groupby(["parent_gen_id", TEMPLATE, JUDGE])["score"].mean().unstack(JUDGE).reindex(columns=judges)
    ratings = table.to_numpy(dtype=float).T.reshape(len(judges), -1)
    yield "krippendorff_alpha", "", "", _with_two(ratings), alpha(ratings)
    for first, second in itertools.combinations(range(len(judges)), 2):
        both = ~np.isnan(ratings[first]) & ~np.isnan(ratings[second])
        one, other = ratings[first][both], ratings[second][both]
        n = int(both.sum())
        yield "spearman", judges[first], judges[second], n, _spearman(one, other)
        yield "bias", judges[first], judges[second], n, float(np.mean(one - other)) if n else math.nan


def _replicates(part: pd.DataFrame, judges: Sequence[str]) -> Iterator[Measured]:
    for judge in judges:
        own = part[part[JUDGE] == judge]
        unit = ["parent_gen_id", TEMPLATE]
        table = own.pivot_table(index=unit, columns="evaluation_replicate", values="score", aggfunc="mean")
        ratings = table.to_numpy(dtype=float).T if len(own) else np.empty((0, 0))
        if (n := _with_two(ratings)) > 0:
            yield "evaluation_replicate_alpha", judge, "", n, alpha(ratings)
        yield from _pooled("evaluation_replicate_sd", judge, own, unit)
        essays = own.groupby([*CELL, "draft_gen_id", "parent_gen_id", TEMPLATE], as_index=False)["score"].mean()
        yield from _pooled("essay_replicate_sd", judge, essays, [*CELL, "draft_gen_id", TEMPLATE])
        drafts = essays.groupby([*CELL, "draft_gen_id", TEMPLATE], as_index=False)["score"].mean()
        yield from _pooled("draft_replicate_sd", judge, drafts, [*CELL, TEMPLATE])


def _pooled(measure: str, judge: str, table: pd.DataFrame, keys: Sequence[str]) -> Iterator[Measured]:
    """Yield the standard deviation within groups, each weighted by its degrees of freedom."""
    found = table.groupby(list(keys))["score"].agg(["count", "var"])
    found = found[found["count"] >= 2]
    if len(found):
        freedom = found["count"] - 1
        yield measure, judge, "", len(found), math.sqrt((found["var"] * freedom).sum() / freedom.sum())


def _compare(valid: pd.DataFrame, factor: str, first: str, second: str) -> dict[str, object]:
    held = [name for name in CELL if name != factor]
    candidates = [held]
    if factor == "generation_model":
        candidates.append([name for name in held if name != "draft_model"])
    pairs = pd.DataFrame()
    for held in candidates:
        pairs = _pairs(valid, factor, first, second, held)
        if len(pairs):
            break
    differences = (pairs["a"] - pairs["b"]).to_numpy(dtype=float) if len(pairs) else np.empty(0)
    low, high = bootstrap_interval(differences)
    means = (pairs["a"].mean(), pairs["b"].mean(), differences.mean()) if len(pairs) else (None, None, None)
    return {
        "mean_a": fixed(means[0]),
        "mean_b": fixed(means[1]),
        "difference": fixed(means[2]),
        "ci_low": fixed(low),
        "ci_high": fixed(high),
        "n_cells": len(pairs),
        "held_fixed": " ".join(held) if len(pairs) else "",
    }


def _pairs(valid: pd.DataFrame, factor: str, first: str, second: str, held: Sequence[str]) -> pd.DataFrame:
    """Return the cells that two levels share, with the mean of each (columns a, b), sorted by cell."""
    keys = [*held, JUDGE, TEMPLATE]
    sides = [valid[valid[factor] == level].groupby(keys)["score"].mean() for level in (first, second)]
    joined = pd.concat(sides, axis=1, join="inner", keys=["a", "b"])
    return joined.groupby(level=list(held), sort=True).mean()


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    if len(one) < MIN_FOR_RANKS:
        return math.nan
    with warnings.catch_warnings():
        # a judge who gives all the same has no ranks: NaN says it
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        return float(stats.spearmanr(one, other).statistic)


def _with_two(ratings: np.ndarray) -> int:
    return int((np.sum(~np.isnan(ratings), axis=0) >= 2).sum()) if ratings.size else 0


def _valid(scores: pd.DataFrame) -> pd.DataFrame:
    return scores[scores["score"].notna()]
