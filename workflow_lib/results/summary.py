"""Summary tables of a cohort's scores: what people and scripts read first.

All functions take the table that `scores.frame` returns, of all evaluations of a cohort, and give tables
whose cells are as they stand in the file: computed numbers as text with two decimals, empty where there is
nothing to compute, scores and counts as they are. Only evaluations with a score count. Rows are sorted by
their keys, the leading columns.
"""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from ..parsers import DEFAULT_SCALE
from .rounding import fixed

CELL = ("combo_id", "draft_template", "draft_model", "generation_template", "generation_model")
JUDGE = ("evaluation_llm_model", "evaluation_template")

SUM = "allowlisted_template_score_sum"

FINAL_GROUPS: Mapping[str, Mapping[str, str]] = {
    "by_generation_template": {"generation_template": "generation_template"},
    "by_generation_model": {"generation_model": "generation_model"},
    "by_evaluation_model": {"evaluation_llm_model": "evaluation_llm_model"},
    "by_combo_id": {"combo_id": "combo_id"},
    "by_template_and_generation_model": {
        "generation_template": "generation_template",
        "generation_model": "generation_model",
    },
    "by_generation_vs_evaluation_model": {
        "generation_model": "generation_model",
        "evaluation_llm_model": "evaluation_llm_model",
    },
    # the table has one column for the template of what was generated, be it an essay or a draft
    "by_draft_template": {"generation_template": "draft_template", "draft_template": "draft_template"},
    "overall_statistics": {},
}
"""analysis_type -> column of the table -> column of the scores that it is grouped by."""

FINAL_COLUMNS = (
    "analysis_type",
    "generation_template",
    "generation_model",
    "evaluation_llm_model",
    "combo_id",
    "count",
    "average",
    "std_dev",
    "min_score",
    "max_score",
    "perfect_scores",
    "perfect_score_pct",
    "high_scores_8plus",
    "high_score_pct",
    "low_scores_3minus",
    "draft_template",
)
PERFECT_COLUMNS = (
    *CELL,
    "evaluation_template",
    "evaluation_llm_model",
    "gen_id",
    "parent_gen_id",
    "draft_gen_id",
    "score",
    "generation_response_path",
    "evaluation_response_path",
)
LONG_COLUMNS = (
    "gen_id",
    "parent_gen_id",
    "draft_gen_id",
    *CELL,
    "draft_replicate",
    "essay_replicate",
    "evaluation_template",
    "evaluation_llm_model",
    "evaluation_replicate",
    "score",
    "scale_max",
    "score_normalised",
    "stale",
)


def tables(scores: pd.DataFrame, scales: Mapping[str, float], allowlist: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the tables by the names of their files.

    Args:
        scores: all evaluations of a cohort; those without a score do not count.
        scales: evaluation template -> best score.
        allowlist: see `generation_scores`.
    """
    return {
        "generation_scores": generation_scores(scores, allowlist),
        "final_results": final_results(scores, scales),
        "perfect_score_paths": perfect_score_paths(scores, scales),
        "evaluation_model_template_pivot": evaluation_model_template_pivot(scores),
        "evaluation_scores": evaluation_scores(scores, scales),
    }


def generation_scores(scores: pd.DataFrame, allowlist: Sequence[str] = ()) -> pd.DataFrame:
    """Return one row per cell, with what each judge gave it by each evaluation template.

    Args:
        scores: all evaluations of a cohort.
        allowlist: names of mean columns to sum up; empty means all of them, unknown ones count nothing.

    Returns:
        `CELL`; per judge and template ``<judge>_<template>`` (mean), ``_min``, ``_max``, ``_n``; the sum of
        the means that exist, how many these are, and their mean; the essay with the lowest draft and essay
        replicate. A cell without any score has its row, with n = 0.
    """
    names = judge_columns(scores)
    wide, means = spread(scores, CELL, JUDGE, names, ("mean", "min", "max", "n"))
    summed = [name for name in names.values() if not allowlist or name in allowlist]
    allowed = means.reindex(columns=summed)
    wide[SUM] = [fixed(total) for total in allowed.sum(axis=1, min_count=1)]
    # a cell with a missing score has a smaller sum: only the mean may be compared
    wide[f"{SUM}_n"] = list(allowed.count(axis=1))
    wide[f"{SUM}_mean"] = [fixed(mean) for mean in allowed.mean(axis=1)]
    first = scores.sort_values([*CELL, "draft_replicate", "essay_replicate", "parent_gen_id"])
    paths = first.groupby(list(CELL), sort=True)["generation_response_path"].first()
    wide["generation_response_path"] = list(paths)
    return wide


def final_results(scores: pd.DataFrame, scales: Mapping[str, float]) -> pd.DataFrame:
    """Return counts, averages and shares of high and low scores, for each of `FINAL_GROUPS`.

    Args:
        scores: all evaluations of a cohort.
        scales: evaluation template -> best score. Perfect is at least that, high at least 8/9 and low at
            most 3/9 of it.

    Returns:
        `FINAL_COLUMNS`; those that a group is not about are empty. In by_draft_template rows the column
        generation_template holds the draft's template, too, for older scripts. Percentages are of `count`.
    """
    valid = _valid(scores)
    best = _best(valid, scales)
    marked = valid.assign(
        perfect=valid["score"] >= best,
        # multiplied out: 8/9 has no exact value
        high=valid["score"] * 9 >= best * 8,
        low=valid["score"] * 9 <= best * 3,
    )
    rows = []
    for analysis, columns in FINAL_GROUPS.items():
        sources = list(dict.fromkeys(columns.values()))
        for key, group in _grouped(marked, sources):
            named = dict(zip(sources, key, strict=True))
            levels = {column: named[source] for column, source in columns.items()}
            rows.append({"analysis_type": analysis, **levels, **_statistics(group)})
    return pd.DataFrame(rows, columns=list(FINAL_COLUMNS)).fillna("")


def perfect_score_paths(scores: pd.DataFrame, scales: Mapping[str, float]) -> pd.DataFrame:
    """Return one row per evaluation with the best score there is, and where to read it (`PERFECT_COLUMNS`)."""
    valid = _valid(scores)
    best = _best(valid, scales)
    return _sorted(valid[valid["score"] >= best], PERFECT_COLUMNS)


def evaluation_model_template_pivot(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row per (combo_id, generation_template, generation_model), a mean per judge and template.

    Each ``<judge>_<template>`` has its ``_n``; `scored`, `expected` and `coverage_pct` (0 to 100) say how
    many of the row's evaluations have a score.
    """
    keys = ("combo_id", "generation_template", "generation_model")
    wide, _ = spread(scores, keys, JUDGE, judge_columns(scores), ("mean", "n"))
    grouped = scores.groupby(list(keys), sort=True)["score"]
    scored, expected = grouped.count(), grouped.size()
    wide["scored"], wide["expected"] = list(scored), list(expected)
    wide["coverage_pct"] = [fixed(100 * got / all_) for got, all_ in zip(scored, expected, strict=True)]
    return wide


def evaluation_scores(scores: pd.DataFrame, scales: Mapping[str, float]) -> pd.DataFrame:
    """Return one row per evaluation with a score (`LONG_COLUMNS`), by gen_id.

    `score` is as parsed; `score_normalised` is its share of the template's `scale_max`, so that templates
    with different scales can be compared.
    """
    valid = _valid(scores)
    best = _best(valid, scales)
    shares = [fixed(share) for share in valid["score"] / best]
    return _sorted(valid.assign(scale_max=best, score_normalised=shares), LONG_COLUMNS)


def judge_columns(scores: pd.DataFrame) -> dict[tuple[str, ...], str]:
    """Return (judge, evaluation template) -> ``<judge>_<template>``, for all that the cohort asks for.

    Ids may hold underscores themselves: where two columns would get one name, all are joined with more.
    """
    pairs = sorted(set(zip(*(scores[name] for name in JUDGE), strict=True)))
    joint = "_"
    while True:
        names = {pair: joint.join(pair) for pair in pairs}
        columns = [f"{name}{ending}" for name in names.values() for ending in ("", "_min", "_max", "_n")]
        if len(set(columns)) == len(columns):
            return names
        joint += "_"


def spread(
    scores: pd.DataFrame,
    keys: Sequence[str],
    across: Sequence[str],
    names: Mapping[tuple[str, ...], str],
    statistics: Sequence[str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Spread scores over columns.

    Args:
        scores: evaluations, with and without a score.
        keys: columns that make a row; every combination that occurs has one, sorted.
        across: columns whose values make the columns.
        names: values of `across` -> name of the column.
        statistics: some of mean, min, max, n, in the order in which they stand for each name. Means bear
            the name alone, the others ``<name>_<statistic>``.

    Returns:
        The table as text, and the means as numbers (NaN where there is none) in the same rows.
    """
    rows = scores.groupby(list(keys), sort=True).size().index
    grouped = _valid(scores).groupby([*keys, *across], sort=True)["score"]
    found = grouped.agg(["mean", "min", "max", "count"]).rename(columns={"count": "n"})
    table = rows.to_frame(index=False)
    means = {}
    columns: dict[str, list[object]] = {}
    by_column = dict(iter(found.reset_index().groupby(list(across), sort=True))) if len(found) else {}
    for value, name in names.items():
        part = by_column.get(value)
        aligned = (
            pd.DataFrame(index=rows, columns=["mean", "min", "max", "n"], dtype="float64")
            if part is None
            else part.set_index(list(keys))[["mean", "min", "max", "n"]].reindex(rows)
        )
        means[name] = aligned["mean"]
        for statistic in statistics:
            if statistic == "n":
                columns[f"{name}_n"] = list(aligned["n"].fillna(0).astype("int64"))
            else:
                columns[name if statistic == "mean" else f"{name}_{statistic}"] = [fixed(x) for x in aligned[statistic]]
    return pd.concat([table, pd.DataFrame(columns, index=table.index)], axis=1), pd.DataFrame(means, index=rows)


def _valid(scores: pd.DataFrame) -> pd.DataFrame:
    return scores[scores["score"].notna()]


def _best(valid: pd.DataFrame, scales: Mapping[str, float]) -> pd.Series:
    return valid["evaluation_template"].map(lambda template: scales.get(template, DEFAULT_SCALE)).astype("float64")


def _grouped(table: pd.DataFrame, keys: list[str]) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    if keys:
        yield from table.groupby(keys, sort=True)
    elif len(table):
        yield (), table


def _statistics(group: pd.DataFrame) -> dict[str, object]:
    score, count = group["score"], len(group)
    perfect, high = int(group["perfect"].sum()), int(group["high"].sum())
    return {
        "count": count,
        "average": fixed(score.mean()),
        "std_dev": fixed(score.std(ddof=1)),
        "min_score": fixed(score.min()),
        "max_score": fixed(score.max()),
        "perfect_scores": perfect,
        "perfect_score_pct": fixed(100 * perfect / count),
        "high_scores_8plus": high,
        "high_score_pct": fixed(100 * high / count),
        "low_scores_3minus": int(group["low"].sum()),
    }


def _sorted(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    chosen = table[list(columns)]
    return chosen.sort_values(list(columns[: columns.index("score")]), kind="stable").reset_index(drop=True)
