"""What is on the bill of a cohort, or may be: the answers it bought and the tries that brought none."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import catalogs
from ..catalogs import Model
from ..cohorts import membership
from ..cohorts.membership import Entry
from ..files import read_recorded
from ..paths import DataRoot
from ..settings import Settings
from . import costs, holders, removed
from .attempts import ANSWER, REQUEST
from .journal import Journal, MaybeBilled
from .provider_batches import records

_LONG = ("answer", "reasoning", "request")


@dataclass(frozen=True)
class Spent:
    """What was bought in the name of some cohorts.

    Attributes:
        calls: answers.
        usd: their known costs, None if none of the costs is known.
        unknown: answers whose cost is not known.
    """

    calls: int
    usd: float | None
    unknown: int


@dataclass(frozen=True)
class Saved:
    """What batches saved.

    Attributes:
        answers: that came in batches.
        usd: less than single calls would have cost, as far as both figures are known.
    """

    answers: int = 0
    usd: float = 0.0


def spent(data: DataRoot, cohort_ids: Iterable[str]) -> Spent:
    """Return what was bought in the name of some cohorts, over all attempts, also those removed from the store.

    What was adopted was not bought.
    """
    return sum_of(attempt.get("cost_usd") for attempt in bought(data, cohort_ids))


def bought(data: DataRoot, cohort_ids: Iterable[str]) -> list[dict[str, Any]]:
    """Return the answers that were bought in the name of some cohorts, without their texts."""
    wanted = set(cohort_ids)
    found = (one for one in answers(data) if one.get("cohort_id") in wanted and not one.get("adopted"))
    return [{key: value for key, value in one.items() if key not in _LONG} for one in found]


def bought_since(data: DataRoot, gens: Iterable[tuple[str, str]], since_ns: int) -> Iterator[float | None]:
    """Yield the cost of every answer that was bought for some generations since a time, None where it is not known.

    Only folders that have changed since then are read, so that a run over a large finished store ends at once.

    Args:
        data: the store.
        gens: stage and gen_id of each.
        since_ns: by the clock of this host, nanoseconds; files of another host count by its own clock.
    """
    for stage, gen_id in gens:
        journal = Journal(data.generation(stage, gen_id))
        if _changed_ns(journal.folder) < since_ns:
            continue
        for number, kinds in journal.numbers().items():
            if ANSWER in kinds and _changed_ns(journal.path(number, ANSWER)) >= since_ns:
                attempt = read_recorded(journal.path(number, ANSWER))
                if not attempt.get("adopted"):
                    yield attempt.get("cost_usd")


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def sum_of(costs_usd: Iterable[float | None]) -> Spent:
    """Return what answers with these costs cost together."""
    found = [cost for cost in costs_usd]
    known = [float(cost) for cost in found if cost is not None]
    return Spent(len(found), sum(known) if known or not found else None, len(found) - len(known))


def saved_by_batches(attempts: Iterable[Mapping[str, Any]]) -> Saved:
    """Return what batches saved, of some answers: the price of a single call, less what was billed."""
    found = [one for one in attempts if one.get("batch")]
    pairs = [
        (one["single_usd"], one["cost_usd"]) for one in found if None not in (one.get("single_usd"), one["cost_usd"])
    ]
    return Saved(len(found), sum(float(single) - float(cost) for single, cost in pairs))


def attempt_key(attempt: Mapping[str, Any]) -> str:
    """Return a name that no other attempt has, not even one that was removed before it."""
    return str(attempt.get("removed") or f"{attempt['stage']}/{attempt['gen_id']}/{attempt['number']}")


def try_key(about: Mapping[str, Any], number: int, try_number: int) -> str:
    """Return the name of one try of an attempt; both are counted from 1."""
    return f"{about['stage']}/{about['gen_id']}/{number}/{try_number}"


def request_ceiling_usd(model: Model, request: Mapping[str, Any]) -> float | None:
    """Return the most that a try of a request can cost in US dollars, None if the model has no price."""
    return costs.ceiling_usd(model, costs.prompt_bytes(request["messages"]), request["max_tokens"])


def answers(data: DataRoot) -> Iterator[dict[str, Any]]:
    """Yield every answered attempt of the store that can be read, then those that were removed, without texts."""
    for own in _journals(data):
        yield from own.readable_answers()
    for path in data.cohorts.glob("*/removed_attempts.jsonl"):
        yield from (line for line in removed.of(data, path.parent.name) if not line.get("maybe_billed"))


def committed(
    settings: Settings, cohort_id: str, watch: holders.Watch, say_uncounted: Callable[[Path], None]
) -> Iterator[tuple[str, str, float]]:
    """Yield (what, model id, US dollars) of what was bought in a cohort's name, or may have been.

    A try that may have been billed counts what the endpoint said that it cost; where it said nothing, and for an
    answer whose cost is not known, the ceiling counts. So it does for a request of a batch that is still open. A
    request that cannot be read counts at the ceiling of another request for the same generation. Where there is
    none, it counts at that of the row's model with the longest prompt of its stage, in every cohort that has the row;
    `say_uncounted` gets its path if that is not known.
    """
    data = settings.data
    for record in records.open_batches(data):
        if record.cohort_id == cohort_id:
            for one in record.requests:
                yield one.key, record.llm_model_id, one.ceiling_usd or 0.0
    models = catalogs.load(data).models
    longest: dict[str, int] = {}
    unreadable: list[tuple[Journal, MaybeBilled]] = []
    for own in _journals(data):
        for number in (number for number, kinds in own.numbers().items() if ANSWER in kinds):
            attempt = read_recorded(own.path(number, ANSWER))
            if attempt.get("cohort_id") == cohort_id and not attempt.get("adopted"):
                _note_length(longest, attempt)
                yield attempt_key(attempt), str(attempt.get("llm_model_id")), _usd(models, attempt)
        for lost in own.maybe_billed(watch):
            asked = own.asked(lost.attempt)
            if not asked:
                unreadable.append((own, lost))
            elif asked.get("cohort_id") == cohort_id:
                _note_length(longest, asked)
                usd = _usd(models, {**asked, "cost_usd": lost.cost_usd})
                yield try_key(asked, lost.attempt, lost.try_number), str(asked.get("llm_model_id")), usd
    for line in removed.of(data, cohort_id):
        yield attempt_key(line), str(line.get("llm_model_id")), _usd(models, line)
    rows = membership.read(data, cohort_id).by_id if unreadable else {}
    for own, lost in unreadable:
        row = rows.get(lost.gen_id)
        if row is None or row.stage != lost.stage:
            continue
        ceiling = _ceiling_of_row(settings, models, row, longest)
        if ceiling is None:
            say_uncounted(own.path(lost.attempt, REQUEST))
        else:
            about = {"stage": lost.stage, "gen_id": lost.gen_id}
            yield try_key(about, lost.attempt, lost.try_number), row.llm_model_id, ceiling


def _note_length(longest: dict[str, int], asked: Mapping[str, Any]) -> None:
    """Remember the length of a prompt, bytes, if it is the longest of its stage."""
    request, stage = asked.get("request"), str(asked.get("stage"))
    if isinstance(request, Mapping):
        longest[stage] = max(longest.get(stage, 0), costs.prompt_bytes(request["messages"]))


def _ceiling_of_row(
    settings: Settings, models: Mapping[str, Model], row: Entry, longest: Mapping[str, int]
) -> float | None:
    model = models.get(row.llm_model_id)
    if model is None or row.stage not in longest:
        return None
    return costs.ceiling_usd(model, longest[row.stage], model.max_tokens or settings.stage(row.stage).max_tokens)


def _journals(data: DataRoot) -> Iterator[Journal]:
    for path in data.gens.glob("*/*/attempts"):
        yield Journal(data.generation(path.parent.parent.name, path.parent.name))


def _usd(models: Mapping[str, Model], attempt: Mapping[str, Any]) -> float:
    known = costs.plausible_usd(attempt.get("cost_usd"))
    if known is not None:
        return known
    model = models.get(str(attempt.get("llm_model_id")))
    request = attempt.get("request")
    return (request_ceiling_usd(model, request) if model and request else None) or 0.0
