"""Batch mode: the chunks that a run plans instead of a job per generation."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..calls import Caller, Log
from ..cohorts.membership import Entry, Membership
from ..errors import ConfigError, StoreError
from ..files import await_listed, read_json, read_recorded, write_json
from ..generations import batches
from ..stages import STAGES
from . import orders
from .markers import ALL, Markers
from .run import Run
from .tables import prepare


# compared by identity: hashing a chunk's generations again and again takes seconds
@dataclass(frozen=True, eq=False)
class Chunk:
    """Generations of one stage that one job makes.

    Attributes:
        scope: what they are made for: a stage by itself, or `ALL` for the tables.
        cohort_id: the cohort whose slice they are from.
        index: number of the slice; slices stay the same while a cohort is made.
        entries: those of the slice that are asked for and lack an answer or a parse, or have an open order.
        redo: write the files of finished generations once more.
        to_buy: those of them that take a call, or are copied.
    """

    scope: str
    cohort_id: str
    stage: str
    index: int
    entries: tuple[Entry, ...]
    redo: bool
    to_buy: tuple[Entry, ...] = ()

    @property
    def digest(self) -> str:
        """Stands for the generations in the marker's name."""
        return hashlib.sha256("".join(entry.gen_id for entry in self.entries).encode()).hexdigest()[:12]


class Chunks:
    """The chunks of a run, planned once per process and scope.

    Args:
        run: the run; its cohorts are expanded before anything is asked here.
        markers: its markers.
        redoes: whether finished generations are made once more.
    """

    def __init__(self, run: Run, markers: Markers, redoes: Callable[[], bool]):
        self._run = run
        self._markers = markers
        self.redoes = redoes
        self._planned: dict[str, dict[str, Chunk]] = {}
        self._asked: dict[tuple[str, str], set[str]] = {}
        self._cut_as: dict[tuple[str, str, str, int], Chunk] = {}
        self._announced: set[str] = set()

    def outcome(self, cohort_id: str, scope: str) -> Path:
        """Return the file that says that a cohort's chunks are done, and none of its generations failed."""
        return self._markers.folder / scope / f"{cohort_id}.json"

    def marker(self, chunk: Chunk) -> Path:
        """Return the file that says what became of a chunk in this run."""
        name = f"{chunk.index}-{chunk.digest}.json"
        return self._markers.folder / chunk.scope / chunk.cohort_id / chunk.stage / name

    def of_cohort(self, cohort_id: str, scope: str) -> list[Chunk]:
        """Return the chunks that a cohort needs, those of another cohort with shared generations among them."""
        planned = self._plan(scope)
        return list(dict.fromkeys(planned[gen_id] for gen_id in self._asked[cohort_id, scope]))

    def find(self, scope: str, cohort_id: str, stage: str, index: int) -> Chunk:
        """Return the chunk of a slice."""
        self._plan(scope)
        try:
            return self._cut_as[scope, cohort_id, stage, index]
        except KeyError:
            raise ConfigError(f"this run has no chunk {index} of {stage}s of {cohort_id}", "ask for `all`") from None

    def before(self, chunk: Chunk) -> list[Chunk]:
        """Return the chunks that make what a chunk's generations are made from."""
        planned = self._plan(chunk.scope)
        parents = (planned.get(entry.parent_gen_id) for entry in chunk.entries)
        return list(dict.fromkeys(parent for parent in parents if parent is not None))

    def announce(self, scope: str) -> None:
        """Write the plan down for jobs in processes of their own, and let other runs see that this one lives."""
        if scope in self._announced:
            return
        self._announced.add(scope)
        self._markers.keep()
        content = {
            "redo": self.redoes(),
            "chunks": [
                [chunk.cohort_id, chunk.stage, chunk.index, [entry.gen_id for entry in chunk.entries]]
                for chunk in dict.fromkeys(self._plan(scope).values())
            ],
        }
        write_json(_plan_file(self._run, self._run.run_id, scope), content)

    def announced(self) -> list[Chunk]:
        """Return the chunks that jobs may have begun to make."""
        return [chunk for scope in sorted(self._announced) for chunk in dict.fromkeys(self._plan(scope).values())]

    def _plan(self, scope: str) -> dict[str, Chunk]:
        """Return gen_id -> its chunk; a generation that cohorts share is in a chunk of the first one."""
        if scope not in self._planned:
            found: dict[str, Chunk] = {}
            for cohort_id in self._run.sources:
                wanted = self._run.wanted(cohort_id)
                asked, to_buy = self._to_make(wanted, self._open(cohort_id, scope))
                self._asked[cohort_id, scope] = asked
                for chunk in self._cut(scope, cohort_id, asked - found.keys(), to_buy):
                    found |= {entry.gen_id: chunk for entry in chunk.entries}
                    self._cut_as[scope, cohort_id, chunk.stage, chunk.index] = chunk
            self._planned[scope] = found
        return self._planned[scope]

    def _cut(self, scope: str, cohort_id: str, gen_ids: set[str], to_buy: set[str]) -> Iterable[Chunk]:
        wanted = self._run.wanted(cohort_id)
        for stage in STAGES:
            whole = wanted.stage(stage)
            # one job hands over, and waits for, all batches of a stage
            size = max(1, len(whole)) if self._run.settings.provider_batch else self._run.settings.batch
            for index, begin in enumerate(range(0, len(whole), size)):
                entries = tuple(entry for entry in whole[begin : begin + size] if entry.gen_id in gen_ids)
                if entries:
                    bought = tuple(entry for entry in entries if entry.gen_id in to_buy)
                    yield Chunk(scope, cohort_id, stage, index, entries, self.redoes(), bought)

    def _open(self, cohort_id: str, scope: str) -> list[Entry]:
        return self._run.open_work(cohort_id, None if scope == ALL else scope, everything=self.redoes())

    def _to_make(self, wanted: Membership, open_work: Iterable[Entry]) -> tuple[set[str], set[str]]:
        """Return the gen_ids that chunks make, and those of them that take a call, or are copied.

        What a generation is made from is made first, if one of these has no text.
        """
        asked: set[str] = set()
        to_buy: set[str] = set()
        waiting = list(open_work)
        while waiting:
            entry = waiting.pop()
            if entry.gen_id in asked:
                continue
            asked.add(entry.gen_id)
            if not self._run.is_bought_or_copied(entry):
                continue
            to_buy.add(entry.gen_id)
            parent = wanted.parent(entry)
            if parent is not None and self._run.needs_parse(parent):
                waiting.append(parent)
        return asked, to_buy


def planned_chunk(run: Run, run_id: str, scope: str, cohort_id: str, stage: str, index: int) -> Chunk:
    """Return a chunk as the process that planned a run has written it down.

    Raises:
        DayDreamError: it has not.
    """
    path = _plan_file(run, run_id, scope)
    await_listed(path)
    try:
        plan = read_json(path)
    except FileNotFoundError:
        raise StoreError(f"{path}: no such file", "the run that this job belongs to is not there any more") from None
    [gen_ids] = [ids for *slice_of, ids in plan["chunks"] if slice_of == [cohort_id, stage, index]]
    by_id = run.membership(cohort_id).by_id
    return Chunk(scope, cohort_id, stage, index, tuple(by_id[gen_id] for gen_id in gen_ids), plan["redo"])


def _plan_file(run: Run, run_id: str, scope: str) -> Path:
    return run.data.batches / run_id / scope / "plan.json"


def make_chunk(run: Run, caller: Caller, chunk: Chunk, marker: Path, say: Log) -> None:
    """Make the generations of a chunk; failures are recorded with each, and the marker says what became of them.

    Raises:
        Stopped: the run was interrupted; there is no marker then.
    """
    prepare(run)
    wanted = run.wanted(chunk.cohort_id)
    ordered = orders.order_id(run, chunk.stage)
    write_json(marker, batches.make_all(caller, wanted, chunk.entries, say, ordered, redo=chunk.redo))


def write_outcome(run: Run, run_id: str, scope: str, cohort_id: str, path: Path) -> None:
    """Say that the chunks of a run made all that a cohort asked for.

    Raises:
        StoreError: some generations failed, or wait for one that did; the run ends as it would without batches.
    """
    wanted = run.wanted(cohort_id).by_id
    markers = (run.data.batches / run_id / scope).glob("*/*/*.json")
    outcomes = {gen_id: outcome for marker in markers for gen_id, outcome in read_recorded(marker).items()}
    failed = sum(outcome == batches.FAILED for gen_id, outcome in outcomes.items() if gen_id in wanted)
    waits = sum(outcome == batches.WAITS for gen_id, outcome in outcomes.items() if gen_id in wanted)
    if failed or waits:
        raise StoreError(
            f"cohort {cohort_id}: {failed} generations failed, and {waits} wait for one that did",
            "the table below says why",
        )
    write_json(path, {})
