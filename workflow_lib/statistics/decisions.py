"""What to buy next to know more: reliability of other designs, detectable differences, and what they cost.

Reliability (generalizability coefficient, relative decisions; Brennan 2001, Generalizability Theory, chapters
3 and 4) of an essay's mean over J judges, T rubrics and R replicates, with the components of `components`.
The object is the essay with all that lies behind it:

    tau   = combo + templates and models + combo x these + draft + essay
    fixed rubrics:   object tau + ET / T,  error EJ / J + EJT / (J T) + replicate error / (J T R)
    random rubrics:  object tau,           error the same + ET / T
    reliability = object / (object + error)

with ET essay x rubric, EJ essay x judge, EJT essay x judge x rubric. Judges and replicates are random, so it
holds for other judges of the same kind; with fixed rubrics for these rubrics, with random ones for others
like them. Empty where the design does not identify a component that is needed: one judge says nothing of
judges, one rubric nothing of two, and without replicates more of them cannot be foreseen.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import optimize

from .components import ERROR, ESSAY_JUDGE, ESSAY_JUDGE_RUBRIC, ESSAY_RUBRIC, OBJECT, Components
from .distributions import t_critical, t_power
from .frame import COMBO, ESSAY, FACTORS, JUDGE, NOTHING, RUBRIC
from .intervals import LEVEL

STUDY_COLUMNS = (
    "judges",
    "evaluation_templates",
    "replicates",
    "reliability_fixed_templates",
    "reliability_random_templates",
    "present",
    "evaluations_per_essay",
    "usd_per_essay",
    "usd_cohort",
)
DETECTABLE_COLUMNS = (
    "factor",
    "combos",
    "detectable_difference",
    "present",
    "sd_combos",
    "pairs_of_family",
    "usd",
)
NEXT_COLUMNS = ("question", "change", "measure", "now", "then", "usd")

MOST = 5
COMBOS = range(3, 101)
POWER = 0.8
TARGETS = (0.5, 1.0)
"""Differences in points of 9 for which the number of combos is looked up."""


@dataclass(frozen=True)
class Design:
    """What a cohort has bought, and at what price; prices in US dollars, NaN where unknown.

    Attributes:
        judges, rubrics: how many.
        replicates: the most that one judge gave one essay by one rubric.
        essays, combos: how many.
        usd_per_evaluation: mean over the evaluations whose cost is known.
        usd_per_combo: mean over combos of all that was bought for them, drafts and essays included.
    """

    judges: int
    rubrics: int
    replicates: int
    essays: int
    combos: int
    usd_per_evaluation: float
    usd_per_combo: float


def design_of(frame: pd.DataFrame, usd_per_combo: float = np.nan) -> Design:
    """Return the design of a cohort from its scores; the price of a combo is for the caller to know."""
    if frame.empty:
        return Design(0, 0, 0, 0, 0, np.nan, usd_per_combo)
    sizes = frame.groupby([ESSAY, JUDGE, RUBRIC], observed=True).size()
    return Design(
        frame[JUDGE].nunique(),
        frame[RUBRIC].nunique(),
        int(sizes.max()),
        frame[ESSAY].nunique(),
        frame[COMBO].nunique(),
        float(frame["cost_usd"].mean()),
        usd_per_combo,
    )


def reliability(found: Components, design: Design, judges: int, rubrics: int, replicates: int) -> tuple[float, float]:
    """Return the expected reliability with fixed and with random rubrics; NaN where it cannot be known."""
    if design.judges < 2:
        return np.nan, np.nan
    error = {
        ESSAY_JUDGE: 1 / judges,
        ESSAY_JUDGE_RUBRIC: 1 / (judges * rubrics),
        ERROR: 1 / (judges * rubrics * replicates),
    }
    if design.rubrics < 2:
        # all that has to do with the one rubric lies in the components without it
        if rubrics > 1:
            return np.nan, np.nan
        return _ratio(found, dict.fromkeys(OBJECT, 1.0), error), np.nan
    behind = dict.fromkeys(OBJECT, 1.0)
    fixed = _ratio(found, behind | {ESSAY_RUBRIC: 1 / rubrics}, error)
    return fixed, _ratio(found, behind, error | {ESSAY_RUBRIC: 1 / rubrics})


def decision_study(found: Components, design: Design) -> pd.DataFrame:
    """Return the expected reliability for 1-5 judges x 1-5 rubrics x 1-5 replicates (`STUDY_COLUMNS`).

    `present` is ``true`` for the design that the cohort has. `usd_per_essay` is the price of the evaluations
    of one essay, `usd_cohort` of all essays of the cohort, at the mean price of the cohort's evaluations;
    empty where no cost is known. No rows without scores.
    """
    rows: list[tuple[object, ...]] = []
    if not design.essays:
        return pd.DataFrame(rows, columns=list(STUDY_COLUMNS))
    for judges, rubrics, replicates in itertools.product(range(1, MOST + 1), repeat=3):
        number = judges * rubrics * replicates
        fixed, random = reliability(found, design, judges, rubrics, replicates)
        is_present = (judges, rubrics, replicates) == (design.judges, design.rubrics, design.replicates)
        price = number * design.usd_per_evaluation
        rows.append(
            (
                judges,
                rubrics,
                replicates,
                fixed,
                random,
                "true" if is_present else "false",
                number,
                price,
                price * design.essays,
            )
        )
    return pd.DataFrame(rows, columns=list(STUDY_COLUMNS))


def detectable_differences(comparisons: pd.DataFrame, family: np.ndarray, design: Design) -> pd.DataFrame:
    """Return the smallest difference of two levels that 3-100 combos would show (`DETECTABLE_COLUMNS`).

    Args:
        comparisons: the table of `comparisons.comparisons`, in points of 9.
        family: positions of the rows of its Holm family.
        design: of the cohort.

    Model: combos are random, their differences normal with the standard deviation s that the cohort shows,
    pooled over the pairs of the factor by degrees of freedom. The difference d for which Student's two-sided
    t test over n combos at level 0.05 / m, m pairs of the family, has a power of 80 %:
    P(|t'| > t_crit) = 0.8, t' noncentral with n - 1 degrees of freedom and noncentrality d sqrt(n) / s.
    Conservative beside Holm's steps, which test at 0.05 / m only the smallest p. Empty where no pair of the
    factor has three combos. `usd` is the price of n combos with all that the cohort makes of one.
    """
    members = comparisons.iloc[family]
    rows = []
    for factor in FACTORS:
        own = members[members["factor"] == factor]
        if not (comparisons["factor"] == factor).any():
            continue
        used = own[own["n_combos"] >= min(COMBOS)]
        freedom = used["n_combos"] - 1
        sd = float(np.sqrt((used["sd_combos"] ** 2 * freedom).sum() / freedom.sum())) if len(used) else np.nan
        for combos in COMBOS:
            shown = sd * _noncentrality(combos, LEVEL / len(members)) / np.sqrt(combos) if len(used) else np.nan
            rows.append(
                (
                    factor,
                    combos,
                    shown,
                    "true" if combos == design.combos else "false",
                    sd,
                    len(members),
                    combos * design.usd_per_combo,
                )
            )
    return pd.DataFrame(rows, columns=list(DETECTABLE_COLUMNS))


def next_steps(
    found: Components, design: Design, detectable: pd.DataFrame, judges: pd.DataFrame, board: pd.DataFrame
) -> pd.DataFrame:
    """Return what a researcher may do next, what it would change, and its price (`NEXT_COLUMNS`).

    Args:
        found: components of the scores.
        design: of the cohort.
        detectable: the table of `detectable_differences`.
        judges: the table of `judges.judges`.
        board: the table of `leaderboard.adjusted_scores`.

    Returns:
        `now` and `then` are the measure at present and after the change, `usd` the price of the change over
        what is bought, for all essays of the cohort (negative: saved), empty where unknown. Rows:

        - more evaluations: reliability (rubrics fixed) with one or two more judges, one or five more replicates
        - drop a judge: Krippendorff's alpha with and without it
        - more combos: combos that it takes to detect 0.5 and 1 points, per factor (3-100; else empty)
        - distinguish the top group: how many essays are not clearly behind the first, of how many (`now` and `then`)
    """
    rows = [
        *_more_evaluations(found, design),
        *_without_judge(design, judges),
        *_more_combos(design, detectable),
        *_top_group(board),
    ]
    return pd.DataFrame(rows, columns=list(NEXT_COLUMNS))


def _ratio(found: Components, behind: Mapping[str, float], error: Mapping[str, float]) -> float:
    good, bad = found.total(behind), found.total(error)
    return good / (good + bad) if good + bad > NOTHING**2 else np.nan


@lru_cache(maxsize=1024)
def _noncentrality(combos: int, level: float) -> float:
    """Return the noncentrality at which a two-sided t test over so many combos has a power of 80 %."""
    freedom = combos - 1
    critical = t_critical(freedom, level)
    # there the median of t' is beyond the critical value by more than its spread
    highest = critical + 2 * (1 + critical / np.sqrt(freedom))
    return float(optimize.brentq(lambda found: t_power(found, freedom, level) - POWER, 0.0, highest))


def _more_evaluations(found: Components, design: Design) -> list[tuple[object, ...]]:
    counts = (design.judges, design.rubrics, design.replicates)
    now = reliability(found, design, *counts)[0] if design.judges else np.nan
    rows: list[tuple[object, ...]] = []
    for change, more in (
        ("one more judge", (1, 0, 0)),
        ("two more judges", (2, 0, 0)),
        ("one more replicate", (0, 0, 1)),
        ("five more replicates", (0, 0, 5)),
    ):
        if not design.judges:
            continue
        then = tuple(count + extra for count, extra in zip(counts, more, strict=True))
        added = np.prod(then) - np.prod(counts)
        rows.append(
            (
                "more evaluations",
                change,
                "reliability",
                now,
                reliability(found, design, *then)[0],
                float(added) * design.essays * design.usd_per_evaluation,
            )
        )
    return rows


def _without_judge(design: Design, judges: pd.DataFrame) -> list[tuple[object, ...]]:
    overall = judges[judges[RUBRIC] == "all"] if design.rubrics > 1 else judges
    return [
        (
            "drop a judge",
            row[JUDGE],
            "krippendorff_alpha",
            row["alpha"],
            row["alpha_without"],
            -row["n_scores"] * design.usd_per_evaluation,
        )
        for row in overall.to_dict("records")
        if design.judges > 1
    ]


def _more_combos(design: Design, detectable: pd.DataFrame) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for factor, own in detectable.groupby("factor", sort=False):
        for target in TARGETS:
            enough = own.loc[own["detectable_difference"] <= target, "combos"]
            needed = float(enough.min()) if len(enough) else np.nan
            price = max(0.0, needed - design.combos) * design.usd_per_combo if len(enough) else np.nan
            rows.append(
                ("more combos", f"detect {target:g} points of {factor}", "combos", design.combos, needed, price)
            )
    return rows


def _top_group(board: pd.DataFrame) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for component, own in board.groupby("component"):
        known = own["top_group"] != ""
        size = float((own["top_group"] == "true").sum()) if known.any() else np.nan
        change = "" if board["component"].nunique() == 1 else f"component {component}"
        rows.append(("distinguish the top group", change, "essays like the first, and all", size, len(own), np.nan))
    return rows
