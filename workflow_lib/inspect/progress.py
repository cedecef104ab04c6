"""How far a run has come, seen from the store alone: the run does not notice that it is watched.

What is finished is looked at once: a later look reads only what was open before.
"""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from .. import calls, generations
from ..calls.attempts import ANSWER
from ..calls.provider_batches.records import Record
from ..cohorts.membership import Entry, Membership
from ..files import read_recorded
from ..generations.failures import Failure
from ..generations.state import State, States
from ..paths import DataRoot
from ..settings import PoolSettings, Settings
from ..stages import STAGES
from . import batches, scope

WINDOW_SECONDS = 300.0
"""Calls per minute are a mean over this time, or over that since the first call in it began."""

MAX_FAILURES = 5
"""How many of the last failures are kept for showing."""

SETTLED_SECONDS = 30.0
"""A run of which only failures are left counts as over when nothing has happened for this long."""


@dataclass
class StageProgress:
    """One stage; every row is done, in flight, failed, blocked or to do.

    Attributes:
        done: parsed.txt is there.
        in_flight: a request is open and the process that sent it lives.
        failed: a failure stands; it may be done as well, if an older text is in use.
        blocked: it waits for something that failed.
        to_do: all others.
    """

    rows: int = 0
    done: int = 0
    in_flight: int = 0
    failed: int = 0
    blocked: int = 0
    to_do: int = 0


@dataclass(frozen=True)
class PoolProgress:
    """One pool's calls for these cohorts.

    Attributes:
        in_flight: open requests.
        limit: `max_concurrent`, None for no limit.
        to_do: calls that are still to be begun.
        calls_per_minute: answers of the last minutes, as a rate; 0.0 if there were none.
    """

    in_flight: int
    limit: int | None
    to_do: int
    calls_per_minute: float


@dataclass(frozen=True)
class FailureSeen:
    """A failure and when it was recorded (UTC, ISO 8601; empty where not recorded)."""

    time: str
    failure: Failure


@dataclass(frozen=True)
class Look:
    """What was seen at one moment.

    Attributes:
        name: the cohorts, `a,b`.
        stages: by stage, in order.
        pools: by name; only those that have had or will have calls here.
        spent: what was bought in the cohorts' names, as `daydream status` shows it.
        budget_left_usd: cohort -> what is left of `budget_usd`, {} if none is set.
        seconds_left: an estimate; 0.0 when no call is left, None while nothing is known to estimate from.
        failures: the last ones, newest first.
        batches: provider batches in flight, the oldest first.
    """

    name: str
    stages: Mapping[str, StageProgress]
    pools: Mapping[str, PoolProgress]
    spent: calls.Spent
    budget_left_usd: Mapping[str, float]
    seconds_left: float | None
    failures: tuple[FailureSeen, ...]
    batches: list[Record] = field(default_factory=list)

    @property
    def in_flight(self) -> int:
        """Open requests."""
        return sum(stage.in_flight for stage in self.stages.values())

    @property
    def calls_per_minute(self) -> float:
        """Answers per minute, of all pools."""
        return sum(pool.calls_per_minute for pool in self.pools.values())

    @property
    def is_done(self) -> bool:
        """Whether every generation has its parsed text."""
        return all(stage.done == stage.rows for stage in self.stages.values())

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left but what is done or has failed."""
        return not any(stage.in_flight or stage.to_do for stage in self.stages.values())


@dataclass(frozen=True)
class _Answer:
    pool: str
    began: float
    came: float


class Progress:
    """The progress of the cohorts of a run.

    What was done at one look counts as done at all later ones, also if it is taken away meanwhile.

    Args:
        settings: settings of the run.
    """

    def __init__(self, settings: Settings):
        self._settings = settings
        self._data = settings.data
        self._states = States(settings)
        self._finished: set[str] = set()
        self._has_read_store = False
        self._known: set[str] = set()
        self._answers: list[_Answer] = []
        self._failures: dict[str, tuple[int, FailureSeen]] = {}
        self._costs: dict[str, list[float | None]] = defaultdict(list)
        self._written: list[int] | None = None
        self._scope: scope.Scope | None = None
        self._open: list[Entry] = []
        self._pools: dict[str, str | None] = {}

    def look(self) -> Look:
        """Return what there is now.

        Raises:
            DayDreamError: no such cohort, or a membership.csv that cannot be used.
        """
        within = self._cohorts()
        if not self._has_read_store:
            # also what was bought in the cohorts' names and is no longer in them
            for attempt in calls.answers(self._data):
                self._note(attempt)
            self._has_read_store = True
        stages = {stage: StageProgress(rows=len(within.membership.stage(stage))) for stage in STAGES}
        flying: Counter[str] = Counter()
        waiting: Counter[str] = Counter()
        lost: set[str] = set()
        still_open: list[Entry] = []
        present = {stage: _names(self._data, stage) for stage in STAGES}
        # drafts, essays, evaluations: what a generation is made from is known before itself
        undone: Counter[str] = Counter()
        for entry in self._open:
            pool = self._pools[entry.gen_id] or ""
            counts = stages[entry.stage]
            state = self._states.look(entry) if entry.gen_id in present[entry.stage] else None
            if state is not None:
                self._note_new(state)
                has_failed = self._has_failed(state)
                counts.failed += has_failed
                if state.has_parsed and not has_failed:
                    self._finished.add(entry.gen_id)
                    continue
            still_open.append(entry)
            if state is not None and state.has_parsed:
                continue
            undone[entry.stage] += 1
            if state is not None and state.claim is not None:
                counts.in_flight += 1
                flying[pool] += 1
            elif state is not None and state.failure is not None:
                lost.add(entry.gen_id)
            elif entry.parent_gen_id in lost:
                counts.blocked += 1
                lost.add(entry.gen_id)
            else:
                counts.to_do += 1
                waiting[pool] += state is None or state.needs_call
        self._open = still_open
        for stage, counts in stages.items():
            counts.done = counts.rows - undone[stage]
        pools = self._pool_progress(flying, waiting)
        spent = self._spent(within.cohort_ids)
        return Look(
            within.name,
            stages,
            pools,
            spent,
            self._budget_left(within.cohort_ids),
            _seconds_left(pools, self._settings.pools),
            self._last_failures(),
            batches.of(self._data, within.cohort_ids),
        )

    def _cohorts(self) -> scope.Scope:
        """Return the cohorts; read again when one of them has been expanded anew."""
        written = [
            _mtime(self._data.cohort(cohort_id).membership)
            for cohort_id in (self._scope.cohort_ids if self._scope else ())
        ]
        if self._scope is None or written != self._written:
            self._scope = scope.as_written(self._settings)
            self._written = [_mtime(self._data.cohort(one).membership) for one in self._scope.cohort_ids]
            self._begin(self._scope.membership)
        return self._scope

    def _begin(self, membership: Membership) -> None:
        self._open = [entry for entry in membership if entry.gen_id not in self._finished]
        by_kind: dict[tuple[str, str, str], str | None] = {}
        for entry in self._open:
            kind = (entry.stage, entry.template_id, entry.llm_model_id)
            if kind not in by_kind:
                by_kind[kind] = generations.pool_of(self._settings, entry)
            self._pools[entry.gen_id] = by_kind[kind]

    def _note_new(self, state: State) -> None:
        for number, kinds in state.attempts.items():
            if ANSWER in kinds and f"{state.entry.stage}/{state.entry.gen_id}/{number}" not in self._known:
                self._note(read_recorded(state.journal.path(number, ANSWER)))

    def _note(self, attempt: Mapping[str, Any]) -> None:
        if not {"stage", "gen_id", "number"} <= attempt.keys():
            return
        key = calls.attempt_key(attempt)
        self._known.add(key)
        if attempt.get("adopted"):
            return
        cost = attempt.get("cost_usd")
        self._costs[str(attempt.get("cohort_id"))].append(None if cost is None else float(cost))
        began = _seconds(attempt.get("started_at"))
        if began is None:
            return
        came = began + float(attempt.get("duration_s") or 0.0)
        if time.time() - came > WINDOW_SECONDS:
            return
        # the time from request to answer includes waiting for the pool: the file's time shows better when it came
        path = self._data.generation(str(attempt["stage"]), str(attempt["gen_id"])).attempts
        written = _mtime(path / f"{int(attempt['number']):04d}.json") / 1e9
        pool = self._pools.get(str(attempt["gen_id"]))
        if pool:
            self._answers.append(_Answer(pool, began, min(came, written)))

    def _has_failed(self, state: State) -> bool:
        if state.failure is None:
            self._failures.pop(state.entry.gen_id, None)
            return False
        written = _mtime(state.files.failure)
        seen = self._failures.get(state.entry.gen_id)
        if seen is None or seen[0] != written:
            recorded_at = str(read_recorded(state.files.failure).get("time") or "")
            self._failures[state.entry.gen_id] = (written, FailureSeen(recorded_at, state.failure))
        return True

    def _last_failures(self) -> tuple[FailureSeen, ...]:
        is_open = {entry.gen_id for entry in self._open} if self._failures else set()
        found = [seen for gen_id, seen in self._failures.items() if gen_id in is_open]
        found.sort(key=lambda seen: (seen[0], seen[1].failure.gen_id), reverse=True)
        return tuple(seen for _, seen in found[:MAX_FAILURES])

    def _pool_progress(self, flying: Counter[str], waiting: Counter[str]) -> dict[str, PoolProgress]:
        now = time.time()
        self._answers = [answer for answer in self._answers if now - answer.came <= WINDOW_SECONDS]
        recent: dict[str, list[_Answer]] = defaultdict(list)
        for answer in self._answers:
            recent[answer.pool].append(answer)
        limits = self._settings.pools
        names = sorted({name for found in (flying, waiting, recent) for name in found if name})
        return {
            name: PoolProgress(
                flying[name],
                limits.get(name, PoolSettings()).max_concurrent,
                waiting[name],
                _per_minute(recent[name], now),
            )
            for name in names
        }

    def _spent(self, cohort_ids: tuple[str, ...]) -> calls.Spent:
        costs = [cost for cohort_id in cohort_ids for cost in self._costs[cohort_id]]
        return calls.sum_of(costs)

    def _budget_left(self, cohort_ids: tuple[str, ...]) -> dict[str, float]:
        budget = self._settings.budget_usd
        if budget is None:
            return {}
        return {
            cohort_id: max(0.0, budget - sum(cost for cost in self._costs[cohort_id] if cost is not None))
            for cohort_id in cohort_ids
        }


def follow(progress: Progress, interval_s: float) -> Iterator[Look]:
    """Yield looks, one every so often, until all is done.

    A run of which only failures are left is over when nothing has changed for `SETTLED_SECONDS`: they
    may be about to be tried again.
    """
    settled_since: float | None = None
    before: Look | None = None
    while True:
        look = progress.look()
        yield look
        if look.is_done:
            return
        if not look.is_settled or before is None or look.stages != before.stages:
            settled_since = None
        if look.is_settled:
            settled_since = time.monotonic() if settled_since is None else settled_since
            if time.monotonic() - settled_since >= SETTLED_SECONDS:
                return
        before = look
        time.sleep(interval_s)


def as_json(look: Look) -> dict[str, Any]:
    """Return a look for scripts; numbers that are not known are None."""
    return {
        "cohort": look.name,
        "stages": {stage: asdict(counts) for stage, counts in look.stages.items()},
        "pools": {name: _rounded(asdict(pool)) for name, pool in look.pools.items()},
        "calls_per_minute": round(look.calls_per_minute, 2),
        "spent_usd": None if look.spent.usd is None else round(look.spent.usd, 9),
        "spent_unknown_calls": look.spent.unknown,
        "budget_left_usd": {name: round(left, 9) for name, left in look.budget_left_usd.items()},
        "seconds_left": None if look.seconds_left is None else round(look.seconds_left, 1),
        "failures": [{"time": seen.time, **asdict(seen.failure)} for seen in look.failures],
        "provider_batches": [batches.as_json(one) for one in look.batches],
        "done": look.is_done,
    }


def _rounded(pool: dict[str, Any]) -> dict[str, Any]:
    return pool | {"calls_per_minute": round(pool["calls_per_minute"], 2)}


def _per_minute(answers: list[_Answer], now: float) -> float:
    if not answers:
        return 0.0
    since = max(now - WINDOW_SECONDS, min(answer.began for answer in answers))
    return len(answers) * 60 / max(now - since, 1.0)


def _seconds_left(pools: Mapping[str, PoolProgress], limits: Mapping[str, PoolSettings]) -> float | None:
    """Return how long the slowest pool still needs at its present rate; before its first answer, at its limit."""
    left = 0.0
    for name, pool in pools.items():
        calls_left = pool.to_do + pool.in_flight
        rate = pool.calls_per_minute or limits.get(name, PoolSettings()).calls_per_minute or 0.0
        if calls_left and not rate:
            return None
        if calls_left:
            left = max(left, calls_left * 60 / rate)
    return left


def _names(data: DataRoot, stage: str) -> set[str]:
    """Return the folders of a stage: what has none needs no look."""
    try:
        return set(os.listdir(data.gens / stage))
    except (FileNotFoundError, NotADirectoryError):
        return set()


def _mtime(path: os.PathLike[str]) -> int:
    """Return a file's time in nanoseconds, 0 if there is no such file."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _seconds(text: object) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None
