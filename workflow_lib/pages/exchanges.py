"""The exact call behind a text: what was asked with which parameters, and every attempt with time, tokens and cost."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..calls.attempts import ANSWER, FAILED, FRESH, REQUEST
from ..calls.journal import Journal
from ..files import read_recorded
from ..paths import Generation


@dataclass(frozen=True)
class Attempt:
    """One attempt of a generation.

    Attributes:
        number: its number in attempts/.
        outcome: ``answer``, ``failed: <reason>``, ``no answer on record``, or ``ordered``.
        is_used: whether its answer is the one in use.
        started_at: ISO 8601, empty where unknown.
        seconds, prompt_tokens, completion_tokens, cost_usd, tries: None where unknown.
        served_model: the name that the endpoint gave, empty where unknown.
    """

    number: int
    outcome: str
    is_used: bool
    started_at: str
    seconds: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    tries: int | None
    served_model: str


@dataclass(frozen=True)
class Exchange:
    """The call that a generation's text came from, and the other attempts.

    Attributes:
        used: the attempt whose answer is in use; None if there is none.
        facts: (name, value) of endpoint and outcome, then of the request's fields without its messages.
        attempts: all of them, by number.
    """

    used: Attempt | None
    facts: list[tuple[str, str]]
    attempts: list[Attempt]


def of(generation: Generation) -> Exchange | None:
    """Return the exchange of a generation; None where nothing is on record, as for copies and older stores."""
    journal = Journal(generation)
    recorded = read_recorded(generation.raw_metadata)
    numbers = journal.numbers()
    answered = [number for number, kinds in numbers.items() if ANSWER in kinds]
    used = recorded.get("attempt") if recorded.get("attempt") in answered else max(answered, default=None)
    found: list[Attempt] = []
    facts: list[tuple[str, str]] = []
    for number, kinds in sorted(numbers.items()):
        kind = next(kind for kind in (ANSWER, FAILED, REQUEST, FRESH) if kind in kinds)
        content = read_recorded(journal.path(number, kind))
        found.append(_attempt(number, kind, content, number == used))
        if number == used or (used is None and not facts):
            facts = _facts(content)
    if not found:
        return None
    return Exchange(next((one for one in found if one.is_used), None), facts, found)


def _attempt(number: int, kind: str, content: Mapping[str, Any], is_used: bool) -> Attempt:
    outcomes = {ANSWER: "answer", REQUEST: "no answer on record", FRESH: "ordered"}
    usage = content.get("usage") if isinstance(content.get("usage"), Mapping) else {}
    tries = content.get("tries")
    return Attempt(
        number,
        outcomes.get(kind) or f"failed: {content.get('reason') or 'no reason on record'}",
        is_used,
        str(content.get("started_at") or content.get("claimed_at") or content.get("ordered_at") or ""),
        _number(content.get("duration_s")),
        _count((usage or {}).get("prompt_tokens")),
        _count((usage or {}).get("completion_tokens")),
        _number(content.get("cost_usd")),
        len(tries) if isinstance(tries, list) else _count(tries),
        str(content.get("served_model") or ""),
    )


def _facts(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    request = content.get("request") if isinstance(content.get("request"), Mapping) else {}
    about = {
        name: content.get(name)
        for name in ("endpoint", "served_model", "finish_reason", "cost_source", "generation_id")
    }
    asked = {name: value for name, value in (request or {}).items() if name != "messages"}
    both = [*about.items(), *asked.items()]
    return [(name, _text(value)) for name, value in both if value not in (None, "")]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
