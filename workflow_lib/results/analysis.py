"""How far the scores of one essay lie apart, in the form that older scripts read.

Takes the table that `scores.frame` returns, as `summary` does: computed numbers as text with two decimals,
empty where nothing can be computed. What judges are worth is in judges.csv (`claims`).
"""

import pandas as pd

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

ESSAY = ("parent_gen_id", *CELL)
JUDGE, TEMPLATE = "evaluation_llm_model", "evaluation_template"

VARIANCES = {
    "overall_variance": ESSAY,
    "template_variance": (*ESSAY, JUDGE),
    "model_variance": (*ESSAY, TEMPLATE),
}
"""analysis_type -> what its groups have in common; scores within a group vary over the rest."""


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


def _valid(scores: pd.DataFrame) -> pd.DataFrame:
    return scores[scores["score"].notna()]
