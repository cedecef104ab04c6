"""What the attempts of a cohort's generations used and cost [SPEC 9.2, costs.csv]."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..calls.journal import ANSWER, FAILED, Journal
from ..cohorts.membership import Entry
from ..files import read_recorded
from ..paths import DataRoot, Generation
from ..stages import STAGES
from .rounding import fixed

COLUMNS = (
    "stage",
    "model",
    "calls",
    "failed_calls",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "calls_tokens_unknown",
    "cost_usd",
    "calls_cost_unknown",
    "seconds",
)
_TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens")
USD_DECIMALS = 6


@dataclass
class _Sum:
    calls: int = 0
    failed: int = 0
    tokens: tuple[int, int, int] = (0, 0, 0)
    without_tokens: int = 0
    usd: float = 0.0
    without_cost: int = 0
    seconds: float = 0.0
    without_seconds: int = 0

    def add(self, answer: Mapping[str, Any]) -> None:
        self.calls += 1
        usage = answer.get("usage")
        if isinstance(usage, Mapping) and all(isinstance(usage.get(name), int) for name in _TOKENS[:2]):
            both = usage["prompt_tokens"], usage["completion_tokens"]
            used = (*both, usage.get("total_tokens") or sum(both))
            self.tokens = tuple(map(sum, zip(self.tokens, used, strict=True)))  # type: ignore[assignment]
        else:
            self.without_tokens += 1
        cost, seconds = answer.get("cost_usd"), answer.get("duration_s")
        self.usd += cost or 0.0
        self.without_cost += cost is None
        self.seconds += seconds or 0.0
        self.without_seconds += seconds is None

    def row(self, stage: str, model: str) -> dict[str, object]:
        known = self.calls > self.without_tokens
        return {
            "stage": stage,
            "model": model,
            "calls": self.calls,
            "failed_calls": self.failed,
            **{name: used if known else "" for name, used in zip(_TOKENS, self.tokens, strict=True)},
            "calls_tokens_unknown": self.without_tokens,
            "cost_usd": fixed(self.usd, USD_DECIMALS) if self.calls > self.without_cost else "",
            "calls_cost_unknown": self.without_cost,
            "seconds": fixed(self.seconds) if self.calls > self.without_seconds else "",
        }


def rows(data: DataRoot, entries: Iterable[Entry]) -> list[dict[str, object]]:
    """Return the rows of costs.csv: one per stage and model (its id), over all attempts of the generations.

    Every answer counts, whoever bought it and whether it is in use or not; an answer of an older tool
    counts once. Sums are over the calls where a figure is known, and empty where it never is;
    `calls_cost_unknown` and `calls_tokens_unknown` say how many are not in them. US dollars have six
    decimals, since one call may cost less than a cent.
    """
    sums: dict[tuple[int, str], _Sum] = {}
    for entry in entries:
        files = data.generation(entry.stage, entry.gen_id)
        answered, failed = _attempts(files)
        if answered or failed:
            own = sums.setdefault((STAGES.index(entry.stage), entry.llm_model_id), _Sum())
            own.failed += failed
            for answer in answered:
                own.add(answer)
    return [sums[key].row(STAGES[key[0]], key[1]) for key in sorted(sums)]


def _attempts(files: Generation) -> tuple[list[Mapping[str, Any]], int]:
    """Return the answers of a generation, and how many attempts ended without one."""
    journal = Journal(files)
    numbers = journal.numbers()
    failed = sum(FAILED in kinds for kinds in numbers.values())
    answered = sorted(number for number, kinds in numbers.items() if ANSWER in kinds)
    if not answered and not files.raw.exists():
        return [], failed
    recorded = read_recorded(files.raw_metadata)
    if not answered and "copy" in (recorded.get("mode"), read_recorded(files.metadata).get("mode")):
        return [], failed
    # what is in use is told by its short record, too: most answers need not be read
    if not answered or answered == [recorded.get("attempt")]:
        return [recorded], failed
    return list(_read(journal, answered)), failed


def _read(journal: Journal, numbers: Iterable[int]) -> Iterator[Mapping[str, Any]]:
    for number in numbers:
        yield read_recorded(journal.path(number, ANSWER))
