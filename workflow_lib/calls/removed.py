"""What was bought and then taken out of the store: it stays on the bill of the cohort that bought it.

One line of JSON per answer, or per try that may have been billed, in ``removed_attempts.jsonl`` of the cohort.
Texts are left out: they are in the archive. Where the cost is not known, the request stays, for its ceiling.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..files import read_recorded
from ..locks import locked
from ..paths import Cohort, DataRoot, Generation, is_safe_id
from . import attempts, holders
from .attempts import ANSWER, REQUEST
from .journal import Journal

_TEXTS = ("answer", "reasoning", "heartbeat", "holder", "tries")


def keep(data: DataRoot, generations: Iterable[Generation]) -> None:
    """Record what was bought for these generations, before they are moved out of the store.

    What is on record already is not written again.

    Raises:
        OSError: it cannot be written; nothing may be moved then.
    """
    by_cohort: dict[str, list[dict[str, Any]]] = {}
    watch = holders.Watch()
    for generation in generations:
        for line in _lines(Journal(generation), watch):
            cohort_id = line.get("cohort_id")
            if isinstance(cohort_id, str) and is_safe_id(cohort_id):
                by_cohort.setdefault(cohort_id, []).append(line)
    for cohort_id, lines in by_cohort.items():
        _append(data.cohort(cohort_id), lines)


def of(data: DataRoot, cohort_id: str) -> Iterator[dict[str, Any]]:
    """Yield what a cohort bought and the store no longer has.

    Each has `removed`, which names it, and the fields of its attempt; one that may have been billed without an
    answer has `maybe_billed`: true. What was moved back into the store is left out.
    """
    for line in _read(data.cohort(cohort_id)).values():
        path = data.generation(str(line["stage"]), str(line["gen_id"])).attempts
        kind = REQUEST if line.get("maybe_billed") else ANSWER
        stored = read_recorded(attempts.path_of(path, int(line["number"]), kind))
        if not stored or _began(stored) != line.get("began"):
            yield line


def _lines(own: Journal, watch: holders.Watch) -> Iterator[dict[str, Any]]:
    for attempt in own.readable_answers():
        if not attempt.get("adopted"):
            yield _line(own, attempt, str(attempt.get("number")))
    for lost in own.maybe_billed(watch):
        asked = own.asked(lost.attempt)
        about = {"number": lost.attempt, "cost_usd": lost.cost_usd, "maybe_billed": True}
        yield _line(own, {**asked, **about}, f"{lost.attempt}/{lost.try_number}")


def _line(own: Journal, attempt: Mapping[str, Any], name: str) -> dict[str, Any]:
    began = _began(attempt)
    kept = {key: value for key, value in attempt.items() if key not in _TEXTS}
    if attempt.get("cost_usd") is not None:
        kept.pop("request", None)
    stage, gen_id = own.generation.stage, own.generation.gen_id
    return kept | {"stage": stage, "gen_id": gen_id, "began": began, "removed": f"{stage}/{gen_id}/{name}/{began}"}


def _began(attempt: Mapping[str, Any]) -> str:
    """Return when the first try of an attempt was sent: numbers are used again once a generation is removed."""
    first = next(iter(attempts.tries_of(attempt)), attempt)
    return str(first.get("started_at"))


def _append(cohort: Cohort, lines: list[dict[str, Any]]) -> None:
    path = cohort.removed_attempts
    with locked(path.with_suffix(".lock")):
        known = _read(cohort)
        new = [line for line in lines if line["removed"] not in known]
        if new:
            with open(path, "a", encoding="utf-8") as stream:
                # a line that a full disk cut short must not swallow the next
                stream.write("".join(f"\n{json.dumps(line)}" for line in new) + "\n")
                stream.flush()
                os.fsync(stream.fileno())


def _read(cohort: Cohort) -> dict[str, dict[str, Any]]:
    found = {}
    try:
        lines = cohort.removed_attempts.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    for text in lines:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and {"removed", "stage", "gen_id", "number"} <= line.keys():
            found[str(line["removed"])] = line
    return found
