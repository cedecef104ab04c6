"""What the attempts that were bought in a cohort's name used and cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import calls
from ..cohorts.membership import Membership
from ..files import read_recorded
from ..generations.state import States
from ..paths import DataRoot
from ..stages import FIRST, JUDGED, STAGES
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
    "dropped_calls",
    "dropped_cost_usd",
)
TEXT_COLUMNS = ("stage", "gen_id", "draft_gen_id", "cost_usd")
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
    dropped: int = 0
    dropped_usd: float = 0.0

    def add_dropped(self, answer: Mapping[str, Any]) -> None:
        self.dropped += 1
        self.dropped_usd += answer.get("cost_usd") or 0.0

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
            "dropped_calls": self.dropped,
            "dropped_cost_usd": fixed(self.dropped_usd, USD_DECIMALS) if self.dropped else "",
        }


def of_texts(data: DataRoot, membership: Membership) -> dict[str, float]:
    """Return draft or essay gen_id -> US dollars of the answers in use that made it: a draft's own, an essay's with it.

    A copy costs nothing beyond its draft. A text is left out where one of its costs is unknown.
    """
    found: dict[str, float] = {}
    for entry in (*membership.stage(FIRST), *membership.stage(JUDGED)):
        recorded = read_recorded(data.generation(entry.stage, entry.gen_id).raw_metadata)
        own = 0.0 if recorded.get("mode") == "copy" else recorded.get("cost_usd")
        before = found.get(entry.parent_gen_id) if entry.stage == JUDGED else 0.0
        if isinstance(own, int | float) and before is not None:
            found[entry.gen_id] = own + before
    return found


def text_rows(membership: Membership, usd: Mapping[str, float]) -> list[dict[str, object]]:
    """Return the rows of text_costs.csv: one per draft, then one per essay, by gen_id; empty where the cost is unknown.

    Args:
        membership: all of the cohort.
        usd: of its texts, as `of_texts` returns it.
    """
    return [
        {
            "stage": entry.stage,
            "gen_id": entry.gen_id,
            "draft_gen_id": entry.parent_gen_id or entry.gen_id,
            "cost_usd": fixed(usd[entry.gen_id], USD_DECIMALS) if entry.gen_id in usd else "",
        }
        for stage in (FIRST, JUDGED)
        for entry in sorted(membership.stage(stage), key=lambda entry: entry.gen_id)
    ]


def rows(states: States, cohort_id: str, membership: Membership) -> list[dict[str, object]]:
    """Return the rows of costs.csv: one per stage and model (its id), over all attempts bought in a cohort's name.

    Every answer counts that the cohort bought, whether it is in use or not, and whether the cohort still has its
    generation; the last two columns are the part of those that it no longer has. Sums are over the calls where
    a figure is known, and empty where it never is; `calls_cost_unknown` and `calls_tokens_unknown` say how many
    are not in them. US dollars have six decimals, since one call may cost less than a cent.
    """
    sums: dict[tuple[int, str], _Sum] = {}

    def sum_of(stage: object, model: object) -> _Sum:
        place = STAGES.index(str(stage)) if stage in STAGES else len(STAGES)
        return sums.setdefault((place, str(model or "")), _Sum())

    for attempt in calls.bought(states.settings.data, [cohort_id]):
        own = sum_of(attempt.get("stage"), attempt.get("llm_model_id"))
        own.add(attempt)
        if attempt.get("gen_id") not in membership.by_id:
            own.add_dropped(attempt)
    for state in states.each(membership):
        failed = state.failed_calls(cohort_id)
        if failed:
            sum_of(state.entry.stage, state.entry.llm_model_id).failed += failed
    return [sums[key].row((*STAGES, "")[key[0]], key[1]) for key in sorted(sums)]
