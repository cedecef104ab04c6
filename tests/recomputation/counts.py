"""What was asked, what came of it, and what it cost, straight from membership and journal."""

import json
from collections import Counter, defaultdict
from pathlib import Path

from .judgements import Judgement, grouped, mean, rows_of


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
