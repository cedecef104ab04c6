"""The first part of a cohort's page: what was run, how much of it there is, and what it cost."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..generations.counts import Counts
from . import numbers

NOUNS = {
    "draft_template": "draft template",
    "generation_template": "essay template",
    "draft_model": "draft model",
    "generation_model": "writer",
}
"""Columns of templates and models, in a reader's words."""


@dataclass
class State:
    """What the store has of a cohort.

    Attributes:
        stages: those that the cohort has, in order.
        offline_models: model ids whose answers came from the offline stand-ins, sorted.
        other_model: answers that another model gave than the one that was asked.
    """

    stages: list[Counts]
    offline_models: list[str] = field(default_factory=list)
    other_model: int = 0


@dataclass(frozen=True)
class Spending:
    """What a cohort's answers cost, over all attempts; `usd` is None where no cost is known."""

    calls: int
    usd: float | None
    unknown_calls: int


def state_of(completeness: Mapping[str, Any]) -> State:
    """Return what completeness.json says of the cohort's generations."""
    stages = [Counts(stage, **own) for stage, own in completeness["stages"].items()]
    return State(stages, completeness["offline_models"], sum(own.other_model for own in stages))


def spending_of(costs: Iterable[Mapping[str, str]]) -> Spending:
    """Return the sums of costs.csv."""
    calls = unknown = 0
    known: list[float] = []
    for row in costs:
        calls += int(row["calls"] or 0)
        unknown += int(row["calls_cost_unknown"] or 0)
        if row["cost_usd"]:
            known.append(float(row["cost_usd"]))
    return Spending(calls, sum(known) if known else None, unknown)


class Step(NamedTuple):
    """A row of next_steps.csv in a reader's words; a dash for what is missing."""

    change: str
    measure: str
    now: str
    then: str
    price: str


def steps(rows: Iterable[Mapping[str, str]]) -> list[Step]:
    """Return the rows of next_steps.csv in a reader's words."""
    return [
        Step(
            _worded(": ".join(filter(None, (row["question"], row["change"])))),
            _worded(row["measure"]),
            *_now_and_then(row),
            numbers.usd(float(row["usd"])) if row["usd"] else numbers.NO_NUMBER,
        )
        for row in rows
    ]


def _now_and_then(row: Mapping[str, str]) -> tuple[str, str]:
    now, then = _figure(row, "now"), _figure(row, "then")
    if row["question"] == "distinguish the top group":
        # the row has the group and all essays, no forecast
        return f"{now} of {then}", numbers.NO_NUMBER
    is_enough = row["measure"] == "combos" and row["now"] and row["then"] and float(row["then"]) <= float(row["now"])
    return now, f"{then} are enough" if is_enough else then


def _worded(text: str) -> str:
    for column, noun in NOUNS.items():
        text = text.replace(column, f"{noun}s")
    return (
        text.replace("essays like the first, and all", "essays like the first, of all")
        .replace("detect 1 points of", "a difference of 1 point between")
        .replace("detect 0.5 points of", "a difference of 0.5 points between")
        .replace("_", " ")
    )


def _figure(row: Mapping[str, str], name: str) -> str:
    value = row[name]
    if not value:
        return numbers.NO_NUMBER
    return value if row["measure"] in ("reliability", "krippendorff_alpha") else f"{float(value):,.0f}"


def distinct(values: Iterable[str]) -> Sequence[str]:
    """Return the different values, sorted, without the empty one."""
    return sorted({value for value in values if value})
