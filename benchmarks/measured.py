"""What the tables claim of a simulated cohort, held against its truth.

Each function takes a cohort and returns claim -> a figure of this cohort: for intervals the share that holds
the truth, for alarms whether there was one, for biases estimate less truth. NaN: the tables claim nothing here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, stats

from workflow_lib.statistics import (
    agreement,
    biases,
    comparisons,
    components,
    decisions,
    frame,
    judges,
    leaderboard,
    levels,
)

from .simulated import FACTORS, SCALES, Design, cohort

Figures = dict[str, float]
Seed = int | Sequence[int]
SAME = 1e-9
ENOUGH = 4000
"""Essays of the redrawn cohort that stands for all essays there could be."""


def tidy(scores: pd.DataFrame) -> pd.DataFrame:
    """Return simulated scores as the tables take them."""
    words = dict(zip(scores["parent_gen_id"], scores["words"], strict=True))
    return frame.tidy(scores.assign(cost_usd=0.01), SCALES, words=words)


def of_comparisons(design: Design, seed: Seed) -> Figures:
    """Return coverage on both grounds, false alarms in the Holm family, and power."""
    scores, truth = cohort(design, seed)
    new, these, power = [], [], []
    alarm = wrong = False
    for row in comparisons.comparisons(tidy(scores)).to_dict("records"):
        key = row["factor"], row["pairing"], row["level_a"], row["level_b"]
        if key not in truth.differences:
            continue
        true = truth.differences[key]
        of_cohort = np.mean(list(truth.per_combo[key].values()))
        new.append(_holds(row["ci_low"], true, row["ci_high"]))
        if row["n_combos"] == design.combos:
            these.append(_holds(row["these_low"], of_cohort, row["these_high"]))
        clear = row["clear"] == "true"
        alarm |= clear and true == 0
        wrong |= clear and row["difference"] * true < 0
        if true != 0 and row["clear"]:
            power.append(clear)
    found = {"interval, new combos": _mean(new), "interval, these combos": _mean(these)}
    if any(value != 0 for values in design.effects.values() for value in values):
        return found | {"clear where there is a difference (power)": _mean(power), "clear with the wrong sign": wrong}
    return found | {"any clear difference in a cohort without any": float(alarm)}


def of_leaderboard(design: Design, seed: Seed) -> Figures:
    """Return coverage of estimates and ranks, whether the top group holds the best, and what ranking is worth."""
    scores, truth = cohort(design, seed)
    board = leaderboard.adjusted_scores(tidy(scores))
    quality = board["parent_gen_id"].map(truth.quality).to_numpy(dtype=float)
    rank = stats.rankdata(-quality, method="min")
    top = (board["top_group"] == "true").to_numpy()
    if quality.std() < SAME:
        return {
            "any essay outside the top group where all are equally good": float((board["top_group"] == "false").any())
        }
    raw, estimate = board["raw_mean"].to_numpy(), board["estimate"].to_numpy()
    return {
        "interval of an adjusted score": _mean(_hold(board["ci_low"], quality, board["ci_high"])),
        "rank interval": _mean(_hold(board["rank_low"], rank, board["rank_high"])),
        "top group holds the best essay": float(top[quality.argmax()]) if top.any() else np.nan,
        "size of the top group, share of all": float(top.mean()) if top.any() else np.nan,
        "rank correlation with the truth, adjusted": _ranks(estimate, quality),
        "rank correlation with the truth, raw means": _ranks(raw, quality),
        "winner's bias, adjusted": estimate[estimate.argmax()] - quality[estimate.argmax()],
        "winner's bias, raw means": raw[raw.argmax()] - quality[raw.argmax()],
    }


def of_level_means(design: Design, seed: Seed) -> Figures:
    """Return coverage of the means of levels and of whole recipes."""
    scores, _ = cohort(design, seed)
    found: dict[str, list[float]] = {}
    for row in levels.level_means(leaderboard.adjusted_scores(tidy(scores))).to_dict("records"):
        kind = "recipe" if row["factor"] == levels.RECIPE else "level"
        found.setdefault(f"interval of the mean of a {kind}", []).append(
            _holds(row["ci_low"], expected_mean(design, row), row["ci_high"])
        )
    return {claim: _mean(values) for claim, values in found.items()}


def expected_mean(design: Design, row: Mapping[str, Any]) -> float:
    """Return the mean over all combos there could be of the essays that a row of level_means.csv is about."""
    names = {name: row[name] for name in FACTORS}
    if design.pipeline:
        names["draft_model"] = names["generation_model"] = names["draft_model"] or names["generation_model"]
    places = {name: [int(level.lstrip("demt")) - 1] if level else slice(None) for name, level in names.items()}
    own = sum(np.asarray(design.effects[name])[places[name]].mean() for name in FACTORS)
    return design.middle + own + np.mean([severity for severity, _ in design.judges.values()])


def of_agreement(design: Design, seed: Seed) -> Figures:
    """Return coverage of every interval of judge_agreement.csv and judges.csv.

    The truth is what the same judges and rubrics give for essays without end: from the same drafts; or, where judges
    are the same by all rubrics in every cohort (no `judge_rubric`), from new combos.
    """
    scores, _ = cohort(design, seed)
    essays = scores["parent_gen_id"].nunique()
    drafts, own, repeats = design.replicates
    many = max(1, ENOUGH // essays)
    more = replace(design, replicates=(drafts, own * many, repeats), missing=0.0)
    if not design.judge_rubric:
        more = replace(design, combos=design.combos * many, missing=0.0)
    true = expected_agreement(cohort(more, seed)[0])
    table = tidy(scores)
    found: dict[str, list[float]] = {}
    for row in agreement.judge_agreement(table).to_dict("records"):
        key = row["measure"], row["evaluation_template"], row["judge_a"], row["judge_b"]
        if key in true:
            pooled = ", rubrics pooled" if row["evaluation_template"] == "all" else ""
            found.setdefault(f"interval of {row['measure']}{pooled}", []).append(
                _holds(row["ci_low"], true[key], row["ci_high"])
            )
            if design.unrelated and row["measure"] == agreement.ALPHA_OF_MEANS:
                found.setdefault(f"alpha above 0 of unrelated judges{pooled}", []).append(float(row["ci_low"] > 0))
    for row in judges.judges(table).to_dict("records"):
        key = "severity", row["evaluation_template"], row["evaluation_llm_model"], ""
        found.setdefault("interval of severity", []).append(
            _holds(row["severity_low"], true[key], row["severity_high"])
        )
    return {claim: _mean(values) for claim, values in found.items()}


def expected_agreement(scores: pd.DataFrame) -> dict[tuple[str, str, str, str], float]:
    """Return the measures of agreement of a complete and large cohort by textbook formulas, in points of 9."""
    names = sorted(set(scores["evaluation_llm_model"]))
    rubrics = sorted(set(scores["evaluation_template"]))
    unit = ["evaluation_template", "parent_gen_id"]
    means = scores.groupby([*unit, "evaluation_llm_model"])["score"].mean().unstack()[names]
    noise = scores.groupby([*unit, "evaluation_llm_model"])["score"].var().unstack()[names]
    centred = means - means.groupby(level=0).transform("mean").mean(axis=1).to_numpy()[:, None]
    true = {}
    for rubric in [*rubrics, "all"] if len(rubrics) > 1 else rubrics:
        values = (centred if rubric == "all" else means.loc[rubric]).to_numpy()
        within = values.var(axis=1, ddof=1).mean()
        true[agreement.ALPHA_OF_MEANS, rubric, "", ""] = 1 - within / values.var(ddof=1)
        if rubric != "all":
            residual = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
            error = (residual**2).sum() / ((len(values) - 1) * (len(names) - 1))
            essay = max(0.0, values.mean(axis=1).var(ddof=1) - error / len(names))
            true[agreement.ONE_JUDGE, rubric, "", ""] = essay / (essay + error)
            true[agreement.ALL_JUDGES, rubric, "", ""] = essay / (essay + error / len(names))
        for place, name in enumerate(names):
            true["severity", rubric, name, ""] = values[:, place].mean() - values.mean()
            spread = noise[name] if rubric == "all" else noise.loc[rubric][name]
            true[agreement.REPLICATE_SD, rubric, name, ""] = np.sqrt(spread.mean())
            for other in range(place + 1, len(names)):
                pair = values[:, place], values[:, other]
                true[agreement.BIAS, rubric, name, names[other]] = (pair[0] - pair[1]).mean()
                true[agreement.SPEARMAN, rubric, name, names[other]] = stats.spearmanr(*pair).statistic
    return true


def of_components(design: Design, seed: Seed) -> Figures:
    """Return estimate less truth of each variance component, and of the reliability that the design has."""
    scores, truth = cohort(design, seed)
    table = tidy(scores)
    found = components.estimate(table)
    names = {
        components.COMBO_NAME: "combo",
        components.DRAFT_NAME: "draft",
        components.ESSAY_NAME: "essay",
        components.ESSAY_JUDGE: "essay x judge",
        components.ESSAY_RUBRIC: "essay x rubric",
        components.JUDGE_RUBRIC: "judge x rubric",
        components.ESSAY_JUDGE_RUBRIC: "essay x judge x rubric",
        components.ERROR: "error",
        **{f"combo x {factor}": "combo x factor" for factor in FACTORS},
    }
    total = sum(truth.components.values())
    figures = {
        f"variance of {name}, share of all": (81 * found.variance(name) - truth.components[own]) / total
        for name, own in names.items()
        if found.groups.get(name) or name == components.ERROR
    }
    own = decisions.design_of(table)
    expected, _ = decisions.reliability(found, own, own.judges, own.rubrics, own.replicates)
    mean = scores.groupby("parent_gen_id")["score"].mean()
    reached = np.corrcoef(mean, mean.index.map(truth.quality))[0, 1] ** 2
    return figures | {"expected reliability of the present design": expected - reached}


def of_detectable(design: Design, seed: Seed) -> Figures:
    """Return how far the detectable difference is off, and the power at the true one.

    Two draft templates and one level of all else, nothing missing: then the spread of a combo's difference
    is known.
    """
    j, r, k = len(design.judges), design.rubrics, design.replicates[2]
    noise = np.mean([error**2 for _, error in design.judges.values()])
    variance = 2 * (
        design.interaction**2
        + design.draft**2
        + design.essay**2
        + design.essay_rubric**2 / r
        + design.essay_judge**2 / j
        + design.essay_judge_rubric**2 / (j * r)
        + noise / (j * r * k)
    )
    difference = _detectable(design.combos) * np.sqrt(variance / design.combos)
    scores, _ = cohort(replace(design, effects=design.effects | {"draft_template": (0.0, difference)}), seed)
    table = tidy(scores)
    rows = comparisons.comparisons(table)
    family = comparisons.family(rows)
    shown = decisions.detectable_differences(rows, family, decisions.design_of(table))
    found = shown.loc[shown["combos"] == design.combos, "detectable_difference"].iloc[0]
    return {
        "detectable difference, squared, over the true one": (found / difference) ** 2 - 1,
        "power at the detectable difference": float((rows["clear"].iloc[family] == "true").all()),
    }


def of_biases(design: Design, seed: Seed) -> Figures:
    """Return coverage and bias of own-model preferences, length slopes, and differences at equal length."""
    scores, truth = cohort(design, seed)
    found: dict[str, list[float]] = {}
    for row in biases.biases(tidy(scores)).to_dict("records"):
        kind = row["bias"]
        # what a judge adds to its own model's texts and what it gives for their length are not separable here
        if design.slopes if kind == biases.OWN_MODEL else design.own_model:
            continue
        if kind == biases.OWN_MODEL:
            true = truth.own_model[row["judge"]]
        elif kind == biases.LENGTH:
            true = truth.slopes[row["judge"]]
        elif kind == biases.ADJUSTED:
            true = truth.differences[row["factor"], row["pairing"], row["level_a"], row["level_b"]]
        else:
            continue
        found.setdefault(f"interval of {kind}", []).append(_holds(row["ci_low"], true, row["ci_high"]))
        found.setdefault(f"bias of {kind}", []).append(row["value"] - true)
    return {claim: _mean(values) for claim, values in found.items()}


PARTS: dict[str, Callable[[Design, Seed], Figures]] = {
    "comparisons": of_comparisons,
    "adjusted_scores": of_leaderboard,
    "level_means": of_level_means,
    "judges": of_agreement,
    "variance_components": of_components,
    "detectable_differences": of_detectable,
    "biases": of_biases,
}


def _detectable(combos: int) -> float:
    """Return d sqrt(n) / sd for a power of 80 % of the two-sided t test at 5 %."""
    critical = stats.t.ppf(0.975, combos - 1)
    return optimize.brentq(lambda shift: stats.nct.sf(critical, combos - 1, shift) - 0.8, 0.5, 20)


def _ranks(shown: np.ndarray, true: np.ndarray) -> float:
    # where the scores show no difference between essays, all have one estimate
    return float(stats.spearmanr(shown, true).statistic) if np.ptp(shown) else np.nan


def _holds(low: float, true: float, high: float) -> float:
    return np.nan if np.isnan(low) or np.isnan(high) else float(low <= true <= high)


def _hold(low: pd.Series, true: np.ndarray, high: pd.Series) -> list[float]:
    columns = (pd.to_numeric(low).to_numpy(dtype=float), true, pd.to_numeric(high).to_numpy(dtype=float))
    return [_holds(*three) for three in zip(*columns, strict=True)]


def _mean(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else np.nan
