"""Taking generations out of the store: to buy them again, or for good.

Nothing is deleted: files go to archive/<time>/ under the paths that they had below the data root.
"""

import shutil
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .. import catalogs as catalogs_module
from .. import cohorts, generations
from ..calls import removed
from ..cohorts import membership
from ..cohorts.membership import Entry, Membership
from ..errors import ConfigError, MembershipError, StoreError, nearest
from ..generations.staleness import STALE
from ..generations.state import States
from ..settings import Settings
from ..stages import STAGES


@dataclass(frozen=True)
class Filters:
    """Which generations are meant: those that meet every filter that is set.

    Attributes:
        stage: only this stage.
        gen_ids: only these.
        cohort_id: only those in the membership of this cohort; None for the whole store.
        template: only this template.
        model: only this model id.
        stale: only those that are stale themselves.
        failed: only those with a failure that still stands.
        descendants: and all that is made from them.
    """

    stage: str | None = None
    gen_ids: tuple[str, ...] = ()
    cohort_id: str | None = None
    template: str | None = None
    model: str | None = None
    stale: bool = False
    failed: bool = False
    descendants: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing narrows the store."""
        return not any((self.stage, self.gen_ids, self.cohort_id, self.template, self.model, self.stale, self.failed))


@dataclass(frozen=True)
class Move:
    """What is taken of one generation: files, or its whole folder."""

    entry: Entry
    paths: tuple[Path, ...]


def select(settings: Settings, filters: Filters) -> list[Entry]:
    """Return the generations of the store that are meant, by stage, then gen_id.

    Raises:
        ConfigError: no filter at all, or a name that does not exist.
        StoreError: a gen_id that is not in the store.
    """
    if filters.is_empty:
        raise ConfigError(
            "say which generations", "--gen-id, --cohort, --stage, --template, --model, --stale, --failed"
        )
    store = _store(settings)
    _check_names(settings, filters, store)
    chosen = [entry for entry in store.values() if _meets(filters, entry)]
    if filters.cohort_id is not None:
        members = cohorts.load_membership(settings, filters.cohort_id).by_id
        chosen = [entry for entry in chosen if entry.gen_id in members]
    states = States(settings)
    if filters.stale:
        chosen = [entry for entry in chosen if states.of(entry).stale == STALE]
    if filters.failed:
        chosen = [entry for entry in chosen if states.of(entry).failure]
    if filters.descendants:
        chosen = _with_descendants(store.values(), chosen)
    return sorted(chosen, key=lambda entry: (STAGES.index(entry.stage), entry.gen_id))


def descendants_left(settings: Settings, chosen: Iterable[Entry]) -> list[Entry]:
    """Return what is made from these generations and is not among them."""
    chosen = list(chosen)
    known = {entry.gen_id for entry in chosen}
    return [entry for entry in _with_descendants(_store(settings).values(), chosen) if entry.gen_id not in known]


def cohorts_with(settings: Settings, chosen: Iterable[Entry]) -> dict[str, int]:
    """Return cohort -> how many of these generations are in it, for cohorts with any."""
    wanted = {entry.gen_id for entry in chosen}
    found = {}
    for name in cohorts.existing(settings):
        try:
            count = len(wanted & membership.read(settings.data, name).by_id.keys())
        except MembershipError:
            continue
        if count:
            found[name] = count
    return found


def to_regenerate(settings: Settings, chosen: Iterable[Entry]) -> list[Move]:
    """Return what is archived so that these generations are made anew: all that follows from the answer.

    metadata.json and attempts/ stay. Generations that have no answer yet are left out: a run makes them
    anyway.
    """
    moves = []
    states = States(settings)
    for entry in chosen:
        files = settings.data.generation(entry.stage, entry.gen_id)
        derived = (
            files.raw,
            files.parsed,
            files.prompt,
            files.system,
            files.raw_metadata,
            files.parsed_metadata,
            files.failure,
        )
        state = states.of(entry)
        if state.has_answer or state.has_parsed:
            moves.append(Move(entry, tuple(path for path in derived if path.exists())))
    return moves


def to_remove(settings: Settings, chosen: Iterable[Entry]) -> list[Move]:
    """Return what is archived so that these generations are gone: their folders, with attempts."""
    return [Move(entry, (settings.data.generation(entry.stage, entry.gen_id).folder,)) for entry in chosen]


def archive(settings: Settings, moves: Sequence[Move]) -> Path:
    """Move files and folders to a new folder of archive/; returns that folder.

    Raises:
        StoreError: one of the generations is being bought at this moment; nothing was moved.
    """
    _refuse_in_flight(settings, moves)
    root = settings.data.root
    whole = [settings.data.generation(move.entry.stage, move.entry.gen_id) for move in moves]
    removed.keep(settings.data, [files for files, move in zip(whole, moves, strict=True) if files.folder in move.paths])
    folder = _new_folder(settings.data.archive)
    for move in moves:
        for path in move.paths:
            target = folder / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, target)
    return folder


def regenerate(settings: Settings, moves: Sequence[Move]) -> Path:
    """Order a fresh answer for each generation and archive what there is; returns the archive's folder.

    The order is written first: whatever is interrupted in between, an answer is neither lost nor bought twice.

    Raises:
        StoreError: one of the generations is being bought at this moment; nothing was changed.
    """
    _refuse_in_flight(settings, moves)
    order_id = f"regenerate-{uuid.uuid4().hex}"
    for state in States(settings).each(move.entry for move in moves):
        # a copy that is gone is made again without an order
        if not state.is_copy:
            generations.adopt(state.files, state.journal, state.entry)
            state.journal.order(order_id)
    return archive(settings, moves)


def _store(settings: Settings) -> dict[tuple[str, str], Entry]:
    """Return every generation of the store; one without a usable metadata.json has empty columns."""
    data = settings.data
    found = {}
    for stage in STAGES:
        for gen_id in membership.in_store(data, stage):
            try:
                entry = membership.from_store(data, stage, gen_id, "-")
            except MembershipError:
                entry = Entry(stage, gen_id, "-", "", "", "", "", 1)
            found[stage, gen_id] = entry
    return found


def _check_names(settings: Settings, filters: Filters, store: dict[tuple[str, str], Entry]) -> None:
    known = {gen_id for _, gen_id in store}
    for gen_id in filters.gen_ids:
        if gen_id not in known:
            raise StoreError(f"{gen_id} is not in the store ({settings.data.gens})", nearest(gen_id, known))
    if filters.cohort_id is not None and not settings.data.cohort(filters.cohort_id).membership.exists():
        raise ConfigError(
            f"there is no cohort '{filters.cohort_id}' with a membership.csv",
            nearest(filters.cohort_id, cohorts.existing(settings)),
        )
    catalogs = catalogs_module.load(settings.data)
    templates = {entry.template_id for entry in store.values()}
    templates |= {template_id for stage in STAGES for template_id in catalogs.templates[stage]}
    models = {entry.llm_model_id for entry in store.values()} | set(catalogs.models)
    for what, name, names in (("template", filters.template, templates), ("model", filters.model, models)):
        if name is not None and name not in names:
            raise ConfigError(f"unknown {what} '{name}'", nearest(name, names - {""}))


def _meets(filters: Filters, entry: Entry) -> bool:
    return (
        filters.stage in (None, entry.stage)
        and (not filters.gen_ids or entry.gen_id in filters.gen_ids)
        and filters.template in (None, entry.template_id)
        and filters.model in (None, entry.llm_model_id)
    )


def _with_descendants(store: Iterable[Entry], chosen: Sequence[Entry]) -> list[Entry]:
    children: dict[str, list[Entry]] = defaultdict(list)
    for entry in store:
        if entry.parent_gen_id:
            children[entry.parent_gen_id].append(entry)
    found = {entry.gen_id: entry for entry in chosen}
    queue = list(chosen)
    while queue:
        for child in children[queue.pop().gen_id]:
            if child.gen_id not in found:
                found[child.gen_id] = child
                queue.append(child)
    return Membership(found.values()).entries


def _refuse_in_flight(settings: Settings, moves: Iterable[Move]) -> None:
    for state in States(settings).each(move.entry for move in moves):
        if state.claim is not None:
            raise StoreError(
                f"{state.entry.stage} {state.entry.gen_id} is being bought at this moment "
                f"(attempt {state.claim.number:04d}, by {state.claim.holder})",
                "wait for the run to end, or stop it; nothing was changed",
            )


def _new_folder(archive_root: Path) -> Path:
    stem = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    archive_root.mkdir(parents=True, exist_ok=True)
    for suffix in ("", *(f"-{number}" for number in range(2, 1000))):
        folder = archive_root / f"{stem}{suffix}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise StoreError(f"{archive_root}: too many archives of one second", "run again")
