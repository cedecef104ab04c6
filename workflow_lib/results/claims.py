"""The tables that claim something: which level is better, whether judges agree, what to buy next.

Made by `statistics` from the scores that count; here they get their prices, word counts and families from the
store and the catalogs, and stand as they do in their files: points of 9, correlations and shares with three
decimals, p values with four, US dollars with six; empty where there is no number.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from ..catalogs import Catalogs
from ..cohorts.membership import Membership
from ..errors import DayDreamError
from ..files import read_text
from ..paths import DataRoot
from ..stages import JUDGED, STAGES
from ..statistics import (
    agreement,
    biases,
    comparisons,
    components,
    decisions,
    leaderboard,
    levels,
)
from ..statistics import frame as frame_module
from ..statistics import judges as judges_module
from .rounding import fixed

DECIMALS, P_DECIMALS, USD_DECIMALS = 3, 4, 6
WHOLE = ("n", "n_own", "n_other", "n_combos", "groups", "rank_low", "rank_high")
"""Counts that may be missing; they are written without decimals."""


@dataclass(frozen=True)
class Background:
    """What the statistics use beside the scores.

    Attributes:
        scales: evaluation template -> best score of its scale.
        copies: essay templates that copy the draft's text.
        families: model id -> (model name, family).
        words: essay gen_id -> words of its text.
        usd: essay gen_id -> price of its text and its draft's, without those that are unknown.
        usd_per_combo: price of one combo with all that the cohort makes of it, NaN where unknown.
    """

    scales: Mapping[str, float] = field(default_factory=dict)
    copies: frozenset[str] = frozenset()
    families: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    words: Mapping[str, int] = field(default_factory=dict)
    usd: Mapping[str, float] = field(default_factory=dict)
    usd_per_combo: float = float("nan")


def tables(counted: pd.DataFrame, background: Background) -> dict[str, pd.DataFrame]:
    """Return the tables by the names of their files, as they stand in them.

    Args:
        counted: rows of aggregated_scores.csv; those without a score do not count.
        background: see there.
    """
    frame = frame_module.tidy(counted, background.scales, words=background.words, copies=background.copies)
    compared = comparisons.comparisons(frame)
    board = leaderboard.adjusted_scores(frame)
    of_judges = judges_module.judges(frame)
    found = components.estimate(frame)
    design = decisions.design_of(frame, background.usd_per_combo)
    detectable = decisions.detectable_differences(compared, comparisons.family(compared), design)
    made = {
        "comparisons": compared,
        "adjusted_scores": board,
        "level_means": levels.level_means(board, background.usd),
        "judges": of_judges,
        "judge_agreement": agreement.judge_agreement(frame),
        "variance_components": components.variance_components(found),
        "decision_study": decisions.decision_study(found, design),
        "detectable_differences": detectable,
        "next_steps": decisions.next_steps(found, design, detectable, of_judges, board),
        "biases": biases.biases(frame, background.families),
    }
    return {name: written(table) for name, table in made.items()}


def written(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of numbers as it stands in its file."""
    return table.assign(**{name: _column(name, table[name]) for name in table.columns})


def background(
    data: DataRoot,
    catalogs: Catalogs | None,
    scales: Mapping[str, float],
    membership: Membership,
    spent: Sequence[Mapping[str, object]],
    usd: Mapping[str, float],
) -> Background:
    """Return what a cohort's statistics use beside its scores.

    Args:
        data: where the texts are.
        catalogs: None where they cannot be read.
        scales: evaluation template -> best score.
        membership: all of the cohort.
        spent: rows of costs.csv.
        usd: of the cohort's texts, see `spending.of_texts`.
    """
    copies = frozenset(
        name for name, template in (catalogs.templates[JUDGED].items() if catalogs else ()) if template.copies
    )
    families = {
        model_id: (model.model, model.provider or model.model.partition("/")[0])
        for model_id, model in (catalogs.models.items() if catalogs else ())
    }
    words = _words(data, (entry.gen_id for entry in membership.stage(JUDGED)))
    return Background(scales, copies, families, words, usd, _usd_per_combo(membership, copies, spent))


def _words(data: DataRoot, essays: Iterable[str]) -> dict[str, int]:
    found = {}
    for gen_id in essays:
        try:
            found[gen_id] = len(read_text(data.generation(JUDGED, gen_id).parsed).split())
        except (OSError, DayDreamError):
            continue
    return found


def _usd_per_combo(membership: Membership, copies: frozenset[str], spent: Sequence[Mapping[str, object]]) -> float:
    """Return the price of a combo: rows of each stage that are bought, times the stage's mean price of a call."""
    total = 0.0
    for stage in STAGES:
        bought = sum(not (stage == JUDGED and entry.template_id in copies) for entry in membership.stage(stage))
        own = [row for row in spent if row["stage"] == stage]
        calls = sum(int(str(row["calls"])) - int(str(row["calls_cost_unknown"])) for row in own)
        if bought and not calls:
            return float("nan")
        if bought:
            total += bought * sum(float(str(row["cost_usd"] or 0)) for row in own) / calls
    combos = {entry.combo_id for entry in membership}
    return total / len(combos) if combos else float("nan")


def _column(name: str, values: pd.Series) -> list[object]:
    if name in WHOLE:
        return ["" if pd.isna(value) else int(value) for value in values]
    if not pd.api.types.is_float_dtype(values):
        return ["" if value is None or value != value else value for value in values]
    is_p = name == "p" or name.startswith("p_") or name.endswith("_p")
    decimals = USD_DECIMALS if name.startswith("usd") else P_DECIMALS if is_p else DECIMALS
    return [fixed(value, decimals) for value in values]
