"""The scores of a cohort, straight from its membership and the store."""

import csv
import json
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import NamedTuple

SAME = 1e-9
"""Values on the scale 0-1 that differ by less are the same."""


class Judgement(NamedTuple):
    """One valid score and what it is of; `value` on the scale 0-1."""

    value: float
    combo: str
    draft: str
    draft_template: str
    draft_model: str
    draft_replicate: int
    essay: str
    essay_template: str
    essay_model: str
    essay_replicate: int
    judge: str
    rubric: str
    replicate: int
    words: int
    copied: bool
    cost: float | None


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with open(path, encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle))


def scales(data: Path) -> dict[str, float]:
    """Return rubric -> its best score."""
    table = rows_of(data / "1_raw" / "evaluation_templates.csv")
    return {row["template_id"].strip(): float(row.get("scale_max") or 9) for row in table}


def of_cohort(data: Path, cohort: str) -> list[Judgement]:
    """Return the valid scores of a cohort: parsed, within the scale, no text of the
    lineage edited or by another model than the one asked."""
    members = {(row["stage"], row["gen_id"]): row for row in rows_of(data / "cohorts" / cohort / "membership.csv")}
    best = scales(data)
    essay_templates = rows_of(data / "1_raw" / "essay_templates.csv")
    copies = {row["template_id"] for row in essay_templates if row["generator"].strip() == "copy"}
    found = []
    for (stage, gen_id), row in members.items():
        if stage != "evaluation":
            continue
        essay = members["essay", row["parent_gen_id"]]
        draft = members["draft", essay["parent_gen_id"]]
        chain = [("evaluation", gen_id), ("essay", essay["gen_id"]), ("draft", draft["gen_id"])]
        if any(_is_another_text(data / "gens" / stage / one) for stage, one in chain):
            continue
        value = _number(data / "gens" / "evaluation" / gen_id / "parsed.txt")
        top = best[row["template_id"]]
        if value is None or not 0 <= value <= top:
            continue
        text = (data / "gens" / "essay" / essay["gen_id"] / "parsed.txt").read_text(encoding="utf-8")
        found.append(
            Judgement(
                value / top,
                draft["combo_id"],
                draft["gen_id"],
                draft["template_id"],
                draft["llm_model_id"],
                int(draft["replicate"]),
                essay["gen_id"],
                essay["template_id"],
                essay["llm_model_id"] or draft["llm_model_id"],
                int(essay["replicate"]),
                row["llm_model_id"],
                row["template_id"],
                int(row["replicate"]),
                len(text.split()),
                essay["template_id"] in copies,
                _recorded(data / "gens" / "evaluation" / gen_id / "raw_metadata.json").get("cost_usd"),
            )
        )
    return found


def grouped(items: Iterable, key: Callable[..., Hashable]) -> dict:
    """Return key -> the items that have it, in the order of the keys."""
    found = defaultdict(list)
    for item in items:
        found[key(item)].append(item)
    return {name: found[name] for name in sorted(found)}


def mean(values: Iterable[float]) -> float:
    """Return the mean; NaN of nothing."""
    values = list(values)
    return math.fsum(values) / len(values) if values else math.nan


def variance(values: Iterable[float]) -> float:
    """Return the variance with n - 1; NaN below two values."""
    values = list(values)
    if len(values) < 2:
        return math.nan
    middle = mean(values)
    return math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1)


def _is_another_text(folder: Path) -> bool:
    """Return whether another model than the one asked wrote a text, or somebody edited it."""
    recorded = _recorded(folder / "raw_metadata.json")
    asked, served = recorded.get("model") or "", recorded.get("served_model") or ""
    if asked and served and asked != served:
        return True
    answer = _recorded(folder / "attempts" / f"{recorded.get('attempt') or 0:04d}.json").get("answer")
    return answer is not None and answer.strip() != (folder / "raw.txt").read_text(encoding="utf-8")


def _recorded(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _number(path: Path) -> float | None:
    try:
        value = float(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if math.isfinite(value) else None
