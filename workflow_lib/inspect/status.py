"""What there is of a cohort now: done, missing, failed, stale, spent [SPEC 10 status, 17]."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from .. import calls
from ..calls.journal import MaybeBilled
from ..cohorts.membership import Membership
from ..generations.failures import Failure
from ..generations.staleness import STALE
from ..generations.state import States
from ..settings import Settings
from ..stages import STAGES


@dataclass
class StageCounts:
    """One stage. rows = done + raw_only + missing; a generation that failed is one of these as well.

    Attributes:
        done: parsed.txt is there.
        raw_only: an answer is there and no parsed.txt.
        missing: neither.
        failed: failure.json is there: the last try of a step failed.
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
    data = settings.data
    stages = {stage: StageCounts() for stage in STAGES}
    states = States(settings)
    truncated: list[str] = []
    maybe_billed: list[MaybeBilled] = []
    other_model = 0
    for entry in membership:
        state = states.of(entry)
        counts = stages[entry.stage]
        counts.rows += 1
        if state.has_parsed:
            counts.done += 1
        elif state.has_raw:
            counts.raw_only += 1
        else:
            counts.missing += 1
        if state.truncated:
            truncated.append(entry.gen_id)
        other_model += state.other_model
        maybe_billed += state.maybe_billed
    failed = states.failures(membership)
    for failure in failed:
        stages[failure.stage].failed += 1
    return Status(
        stages=stages,
        failures=failed,
        stale=[state.entry.gen_id for state in states.each(membership) if state.stale == STALE],
        spent=calls.spent(data, cohort_ids),
        truncated=truncated,
        maybe_billed=maybe_billed,
        served_other_model=other_model,
    )


def as_json(name: str, status: Status) -> dict[str, Any]:
    """Return a status in the shape of SPEC 17.

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
        "served_other_model": status.served_other_model,
    }
