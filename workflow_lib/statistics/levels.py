"""Mean score and price of each template, model and whole recipe: what a choice gives, and what an essay of it costs.

Model: the mean of level l over combos, m_lc = mean over its essays of combo c of their adjusted means (`leaderboard`:
without the severity of their judges and rubrics); mean_l = mean over combos of m_lc, each combo counting the same.
Combos are random, judges, rubrics and levels fixed: Student's t over the m_lc, for new combos (`intervals.mean_of`).

Each interval holds for its own level. Two levels share their combos, so whether one is better is not read from two
such intervals: paired differences are in `comparisons`, which is sharper.

A recipe is a draft template, draft model, essay template and essay model together. It is efficient if no other recipe
has at least its mean for at most its price, and one of the two strictly: the frontier of quality and cost.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from .frame import COMBO, ESSAY, FACTORS
from .intervals import mean_of

RECIPE = "recipe"
COLUMNS = (
    "factor",
    *FACTORS,
    "n_combos",
    "n_essays",
    "n_scores",
    "mean",
    "ci_low",
    "ci_high",
    "n_priced",
    "usd_per_essay",
    "efficient",
)


def level_means(board: pd.DataFrame, usd: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Return one row per level of each factor, then one per recipe (`COLUMNS`), sorted by their names.

    Args:
        board: the table of `leaderboard.adjusted_scores`, in points of 9.
        usd: essay gen_id -> price of its draft and itself in US dollars; without those that are unknown.

    Returns:
        `mean` in points of 9 with its interval for new combos, empty below three combos. `n_priced` essays of known
        price make `usd_per_essay`. `efficient` is ``true`` or ``false`` for recipes of known price, else empty.
        No rows where essays fall into groups that share no judge and rubric: their means cannot be compared.
    """
    if board.empty or board["component"].nunique() > 1:
        return pd.DataFrame(columns=list(COLUMNS))
    known = board[board[COMBO] != ""]
    priced = known.assign(usd=[(usd or {}).get(essay, np.nan) for essay in known[ESSAY]])
    rows = []
    for factor, columns in (*((name, [name]) for name in FACTORS), (RECIPE, list(FACTORS))):
        for names, own in priced.groupby(columns, sort=True, observed=True):
            found = mean_of(own.groupby(COMBO, observed=True)["adjusted_mean"].mean().to_numpy(dtype=float))
            rows.append(
                {
                    "factor": factor,
                    **dict.fromkeys(FACTORS, ""),
                    **dict(zip(columns, names, strict=True)),
                    "n_combos": found.n,
                    "n_essays": len(own),
                    "n_scores": int(own["n_scores"].sum()),
                    "mean": found.value,
                    "ci_low": found.low,
                    "ci_high": found.high,
                    "n_priced": int(own["usd"].notna().sum()),
                    "usd_per_essay": float(own["usd"].mean()),
                }
            )
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.assign(efficient=_efficient(table))


def _efficient(table: pd.DataFrame) -> list[str]:
    recipes = (table["factor"] == RECIPE) & table["usd_per_essay"].notna()
    mean, price = table["mean"].to_numpy(dtype=float), table["usd_per_essay"].to_numpy(dtype=float)
    found = []
    for place in range(len(table)):
        if not recipes.iloc[place]:
            found.append("")
            continue
        others = recipes.to_numpy() & (mean >= mean[place]) & (price <= price[place])
        beaten = others & ((mean > mean[place]) | (price < price[place]))
        found.append("false" if beaten.any() else "true")
    return found
