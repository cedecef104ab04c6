"""What was asked, what came of it, and what it cost, straight from membership and journal."""

import json
import math
from collections import Counter, defaultdict
from pathlib import Path

from .judgements import Judgement, grouped, mean, rows_of, variance


def coverage(data: Path, cohort: str, rows: list[Judgement]) -> dict[tuple[str, ...], tuple[int, int]]:
    """Return cell, rubric and judge -> evaluations expected, and scores that count."""
    members = {row["gen_id"]: row for row in rows_of(data / "cohorts" / cohort / "membership.csv")}
    expected: Counter[tuple[str, ...]] = Counter()
    for row in members.values():
        if row["stage"] == "evaluation":
            essay = members[row["parent_gen_id"]]
            draft = members[essay["parent_gen_id"]]
            made = draft["combo_id"], draft["template_id"], draft["llm_model_id"]
            expected[*made, essay["template_id"], essay["llm_model_id"], row["template_id"], row["llm_model_id"]] += 1
    scored = Counter((*cell(row), row.rubric, row.judge) for row in rows)
    return {key: (count, scored[key]) for key, count in expected.items()}


def cell(row: Judgement) -> tuple[str, ...]:
    """Return what makes the cell of a score, in the order of the tables."""
    return row.combo, row.draft_template, row.draft_model, row.essay_template, row.essay_model


def cell_means(rows: list[Judgement], scales: dict[str, float]) -> dict[tuple[tuple[str, ...], str], tuple[int, float]]:
    """Return cell and judge_rubric -> n and mean in points of the rubric's own scale."""
    groups = grouped(rows, lambda row: (cell(row), row.judge, row.rubric))
    return {
        (key, f"{judge}_{rubric}"): (len(inside), mean(row.value * scales[rubric] for row in inside))
        for (key, judge, rubric), inside in groups.items()
    }


def costs(data: Path, cohort: str) -> dict[tuple[str, str], dict[str, float]]:
    """Return stage and model -> calls, tokens, cost and seconds over all answers in the journal."""
    found: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in rows_of(data / "cohorts" / cohort / "membership.csv"):
        for path in (data / "gens" / row["stage"] / row["gen_id"] / "attempts").glob("[0-9][0-9][0-9][0-9].json"):
            answer = json.loads(path.read_text(encoding="utf-8"))
            sums = found[row["stage"], row["llm_model_id"]]
            sums["calls"] += 1
            for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
                sums[name] += answer["usage"][name]
            sums["cost_usd"] += answer["cost_usd"]
            sums["seconds"] += answer["duration_s"]
    return found


def price_of_a_combo(data: Path, cohort: str) -> float:
    """Return US dollars per combo: what is bought of each stage, at the stage's mean price of an answer."""
    members = rows_of(data / "cohorts" / cohort / "membership.csv")
    essay_templates = rows_of(data / "1_raw" / "essay_templates.csv")
    copies = {row["template_id"] for row in essay_templates if row["generator"].strip() == "copy"}
    total = 0.0
    for stage in ("draft", "essay", "evaluation"):
        own = [sums for (of, _), sums in costs(data, cohort).items() if of == stage]
        bought = sum(
            row["stage"] == stage and not (stage == "essay" and row["template_id"] in copies) for row in members
        )
        total += bought * sum(sums["cost_usd"] for sums in own) / sum(sums["calls"] for sums in own)
    return total / len({row["combo_id"] for row in members})


def spreads(rows: list[Judgement], scales: dict[str, float]) -> dict[tuple[str, str, str, str], dict[str, object]]:
    """Return analysis, essay, judge and rubric -> the row of variance_analysis.csv, in points of each rubric."""
    found = {}
    for analysis, key in (
        ("overall_variance", lambda row: (row.essay, "", "")),
        ("template_variance", lambda row: (row.essay, row.judge, "")),
        ("model_variance", lambda row: (row.essay, "", row.rubric)),
    ):
        for group, inside in grouped(rows, key).items():
            values = [row.value * scales[row.rubric] for row in inside]
            middle, spread, span = mean(values), math.sqrt(variance(values)), max(values) - min(values)
            limits = ((1, "high_agreement"), (2, "moderate_agreement"), (3, "low_agreement"))
            named = next((name for limit, name in limits if span <= limit + 1e-9), "poor_agreement")
            found[analysis, *group] = {
                "count": len(values),
                "mean": middle,
                "std": spread,
                "min": min(values),
                "max": max(values),
                "range": span,
                "coefficient_of_variation": spread / middle if middle else math.nan,
                "num_templates": len({row.rubric for row in inside}),
                "num_models": len({row.judge for row in inside}),
                "stability_classification": named if len(values) > 1 else "insufficient_data",
            }
    return found
