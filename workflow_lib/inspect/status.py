"""What there is of a cohort now: done, missing, failed, stale, spent."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from .. import calls
from ..calls.journal import MaybeBilled
from ..calls.provider_batches.records import Record
from ..cohorts.membership import Membership
from ..generations import counts
from ..generations.failures import Failure
from ..generations.staleness import STALE
from ..generations.state import States
from ..settings import Settings
from . import batches


@dataclass
class StageCounts:
    """One stage. rows = done + raw_only + missing; a generation that failed is one of these as well.

    Attributes:
        done: parsed.txt is there.
        raw_only: an answer is there and no parsed.txt.
        missing: neither.
        failed: the last try of a step failed, and nothing later has overtaken that.
    """

    rows: int = 0
    done: int = 0
    raw_only: int = 0
    missing: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Status:
    """The state of a cohort; lists are in the order of membership, failures by stage and gen_id."""

    stages: dict[str, StageCounts]
    failures: list[Failure]
    stale: list[str]
    spent: calls.Spent
    truncated: list[str] = field(default_factory=list)
    maybe_billed: list[MaybeBilled] = field(default_factory=list)
    served_other_model: int = 0
    edited: list[str] = field(default_factory=list)
    ordered: list[str] = field(default_factory=list)
    adopted: int = 0
    dropped: calls.Spent = field(default_factory=lambda: calls.sum_of(()))
    batches: list[Record] = field(default_factory=list)
    saved: calls.Saved = field(default_factory=calls.Saved)

    @property
    def is_complete(self) -> bool:
        """Whether everything is done and nothing failed."""
        return all(counts.done == counts.rows and not counts.failed for counts in self.stages.values())


def of(settings: Settings, cohort_ids: Iterable[str], membership: Membership) -> Status:
    """Return the state of some cohorts' generations.

    Args:
        settings: settings of the run.
        cohort_ids: in whose name what was spent counts.
        membership: the generations.
    """
    states = States(settings)
    counted = counts.of(states, membership)
    every = list(states.each(membership))
    of_cohorts = set(cohort_ids)
    bought = calls.bought(settings.data, of_cohorts)
    return Status(
        stages={
            stage: StageCounts(own.rows, own.done, own.raw_only, own.missing, own.failed)
            for stage, own in counted.items()
        },
        failures=states.failures(membership),
        stale=[state.entry.gen_id for state in every if state.stale == STALE],
        spent=calls.sum_of(attempt.get("cost_usd") for attempt in bought),
        truncated=[state.entry.gen_id for state in every if state.truncated],
        maybe_billed=[one for state in every for one in state.maybe_billed],
        served_other_model=sum(own.other_model for own in counted.values()),
        edited=[state.entry.gen_id for state in every if state.edited],
        ordered=[state.entry.gen_id for state in every if state.ordered],
        adopted=sum(own.adopted for own in counted.values()),
        dropped=calls.sum_of(one.get("cost_usd") for one in bought if one.get("gen_id") not in membership.by_id),
        batches=batches.of(settings.data, of_cohorts),
        saved=calls.saved_by_batches(bought),
    )


def as_json(name: str, status: Status) -> dict[str, Any]:
    """Return a status in the shape that docs/tables.md documents.

    Args:
        name: the cohort, or several as `a,b`.
        status: its state.
    """
    return {
        "cohort": name,
        "stages": {stage: asdict(counts) for stage, counts in status.stages.items()},
        "failures": [asdict(failure) for failure in status.failures],
        "stale": status.stale,
        "truncated": status.truncated,
        "maybe_billed": [asdict(one) for one in status.maybe_billed],
        "spent_usd": None if status.spent.usd is None else round(status.spent.usd, 9),
        "spent_unknown_calls": status.spent.unknown,
        "spent_dropped_usd": None if status.dropped.usd is None else round(status.dropped.usd, 9),
        "served_other_model": status.served_other_model,
        "edited": status.edited,
        "ordered": status.ordered,
        "adopted": status.adopted,
        "provider_batches": [batches.as_json(one) for one in status.batches],
        "saved_by_batches_usd": round(status.saved.usd, 9),
    }
