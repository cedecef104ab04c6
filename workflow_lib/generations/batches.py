"""Batch mode: one job buys the answers of many generations, their calls in parallel [SPEC 6.10]."""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..calls import Caller, Log
from ..cohorts.membership import Entry, Membership
from ..errors import DayDreamError
from ..files import write_json
from ..paths import DataRoot
from ..settings import PoolSettings, Settings
from ..stages import STAGES
from . import failures, make
from .mode import pool_of
from .state import States

UNLIMITED_WORKERS = 64


@dataclass(frozen=True)
class Chunk:
    """Generations of one stage whose answers one job buys.

    Attributes:
        stage: their stage.
        index: which slice of the stage they are from; slices stay the same while a cohort is bought.
        entries: those of the slice that lack an answer.
    """

    stage: str
    index: int
    entries: tuple[Entry, ...]

    def marker(self, data: DataRoot, cohort_id: str) -> Path:
        """Return the file that says that the chunk was tried; other generations make another name."""
        digest = hashlib.sha256("".join(entry.gen_id for entry in self.entries).encode()).hexdigest()[:12]
        return data.coordination / "batches" / cohort_id / self.stage / f"{self.index}-{digest}.json"


def slice_of(within: Membership, stage: str, index: int, size: int) -> list[Entry]:
    """Return slice `index` (from 0) of a stage, `size` generations in the order of the membership."""
    return within.stage(stage)[index * size : (index + 1) * size]


def chunks(settings: Settings, within: Membership, open_work: Iterable[Entry], size: int) -> list[Chunk]:
    """Return the chunks that a run has to buy, drafts first.

    Args:
        settings: settings of the run.
        within: all of the cohort that the run is about.
        open_work: the generations that are asked for; only they and what they are made from count.
        size: generations per slice.
    """
    asked = {one.gen_id for entry in open_work for one in within.lineage(entry)}
    found = []
    for stage in STAGES:
        for index in range(-(-len(within.stage(stage)) // size)):
            lacking = tuple(
                entry
                for entry in slice_of(within, stage, index, size)
                if entry.gen_id in asked and lacks_answer(settings, entry)
            )
            if lacking:
                found.append(Chunk(stage, index, lacking))
    return found


def lacks_answer(settings: Settings, entry: Entry) -> bool:
    """Tell whether a call has to be made for a generation."""
    state = States(settings).of(entry)
    return state.needs_call or (settings.is_fresh(entry.stage) and not state.is_copy)


def sources(within: Membership, entry: Entry, lacking: set[str]) -> list[str]:
    """Return the ids of the nearest ancestors of a generation whose answers are still to be bought."""
    return [one.gen_id for one in within.lineage(entry)[:-1] if one.gen_id in lacking]


def buy(
    caller: Caller, within: Membership, entries: Iterable[Entry], marker: Path, log: Log, order_id: str | None
) -> None:
    """Buy the answers of a chunk into their attempts, in parallel; failures are recorded and stop nothing.

    Args:
        caller: the client of this run; its pools and budget hold.
        within: all of the cohort.
        entries: the chunk's generations.
        marker: written at the end: what became of each.
        log: told what happens.
        order_id: order fresh answers under this id first.
    """
    entries = list(entries)
    pools = {pool_of(caller.settings, entry) or "" for entry in entries}
    limits = [caller.settings.pools.get(pool, PoolSettings()).max_concurrent for pool in pools]
    workers = max((limit or UNLIMITED_WORKERS for limit in limits), default=1)
    with ThreadPoolExecutor(max_workers=max(1, min(workers, len(entries)))) as threads:
        outcomes = list(threads.map(lambda entry: _buy_one(caller, within, entry, log, order_id), entries))
    write_json(marker, {entry.gen_id: outcome for entry, outcome in zip(entries, outcomes, strict=True)})


def _buy_one(caller: Caller, within: Membership, entry: Entry, log: Log, order_id: str | None) -> str:
    parent = None
    source = within.parent(entry)
    if source is not None:
        try:
            parent = make.parent_of_answers(caller.settings, within, source)
        except DayDreamError as error:
            log(f"{entry.stage} {entry.gen_id}: not asked, for {source.stage} {source.gen_id} gives no text: {error}")
            return "no parent"
    files = caller.settings.data.generation(entry.stage, entry.gen_id)
    try:
        with failures.recorded(files, entry):
            make.answer(caller, entry, log, order_id, parent)
    except DayDreamError as error:
        log(f"{entry.stage} {entry.gen_id}: {error}")
        return "failed"
    return "answered"
