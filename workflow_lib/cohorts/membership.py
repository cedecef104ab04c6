"""membership.csv: which generations make up a cohort."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, overload

from ..errors import DayDreamError, MembershipError
from ..files import read_json
from ..paths import DataRoot, is_safe_id
from ..stages import PARENT_STAGE, PARENTS, STAGE, STAGES
from ..tables import Row, counting_number, read_rows

COLUMNS = (
    "stage",
    "gen_id",
    "cohort_id",
    "parent_gen_id",
    "combo_id",
    "template_id",
    "llm_model_id",
    "replicate",
)
_MINIMAL = ("stage", "gen_id")
MAX_SHOWN = 10


class Entry(NamedTuple):
    """One generation of a cohort; the fields are the columns of membership.csv."""

    stage: str
    gen_id: str
    cohort_id: str
    parent_gen_id: str
    combo_id: str
    template_id: str
    llm_model_id: str
    replicate: int


class Membership(Sequence[Entry]):
    """The generations of a cohort: drafts, then essays, then evaluations; O(1) by gen_id."""

    def __init__(self, entries: Iterable[Entry]):
        self.entries = sorted(entries, key=lambda entry: STAGES.index(entry.stage))
        self.by_id = {entry.gen_id: entry for entry in self.entries}

    def __len__(self) -> int:
        return len(self.entries)

    @overload
    def __getitem__(self, index: int) -> Entry: ...

    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...

    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        return self.entries[index]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def stage(self, stage: str) -> list[Entry]:
        """Return the entries of one stage, in order."""
        return self._by_stage[stage]

    def parent(self, entry: Entry) -> Entry | None:
        """Return the entry that a generation is made from; None for a draft."""
        return self.by_id.get(entry.parent_gen_id)

    def lineage(self, entry: Entry) -> list[Entry]:
        """Return a generation's ancestors, the draft first, and itself last."""
        chain = [entry]
        while (parent := self.parent(chain[0])) is not None:
            chain.insert(0, parent)
        return chain

    def is_last(self, entry: Entry) -> bool:
        """Return whether no other generation of the cohort is made from this one."""
        return entry.gen_id not in self._parents

    def leaves(self) -> list[Entry]:
        """Return the generations that no other of the cohort is made from."""
        return [entry for entry in self.entries if self.is_last(entry)]

    def shard(self, index: int, count: int) -> "Membership":
        """Return slice `index` (from 1) of `count`: whole lineages, chosen by the draft's id alone.

        A lineage stays in its slice when others join or leave the cohort.
        """
        kept: set[str] = set()
        for entry in self.entries:
            mine = entry.parent_gen_id in kept if entry.parent_gen_id else _slice(entry.gen_id, count) == index - 1
            if mine:
                kept.add(entry.gen_id)
        return Membership(entry for entry in self.entries if entry.gen_id in kept)

    @cached_property
    def _parents(self) -> set[str]:
        return {entry.parent_gen_id for entry in self.entries}

    @cached_property
    def _by_stage(self) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = {stage: [] for stage in STAGES}
        for entry in self.entries:
            found[entry.stage].append(entry)
        return found


def _slice(gen_id: str, count: int) -> int:
    import hashlib

    return int.from_bytes(hashlib.blake2b(gen_id.encode(), digest_size=8).digest(), "big") % count


def check(
    entries: Iterable[Entry],
    source: Path,
    exists: Callable[[Entry], str | None] | None = None,
    places: Mapping[str, str] | None = None,
) -> None:
    """Raise MembershipError unless every generation is unique, safe to name and has its parent here.

    Args:
        entries: all generations of a cohort.
        source: the file that holds them, or is about to.
        exists: returns what is missing in the catalogs for an entry, or None.
        places: gen_id -> line of the file, for messages.
    """
    entries = list(entries)
    stages = {entry.gen_id: entry.stage for entry in entries}
    seen: set[str] = set()
    problems: list[tuple[Entry, str]] = []
    for entry in entries:
        problem = _problem(entry, stages, seen) or (exists(entry) if exists else None)
        seen.add(entry.gen_id)
        if problem:
            problems.append((entry, problem))
    if not problems:
        return
    where = places or {}
    shown = "\n".join(
        f"  {where.get(entry.gen_id, '')}{entry.stage} {entry.gen_id}: {problem}"
        for entry, problem in problems[:MAX_SHOWN]
    )
    more = f"\n  ... and {len(problems) - MAX_SHOWN} more" if len(problems) > MAX_SHOWN else ""
    raise MembershipError(
        source,
        "",
        f"{len(problems)} of {len(entries)} rows cannot be used; nothing was written:\n{shown}{more}",
        "correct these rows, or expand the cohort again from its spec",
    )


def _problem(entry: Entry, stages: Mapping[str, str], seen: set[str]) -> str | None:
    if entry.gen_id in seen:
        return "appears twice"
    if not is_safe_id(entry.gen_id):
        return "gen_id is not a safe file name"
    wanted = PARENT_STAGE.get(entry.stage)
    if wanted is None:
        return f"{_a(entry.stage)} has no parent" if entry.parent_gen_id else None
    a_parent = _a(wanted)
    if not entry.parent_gen_id:
        return f"has no parent_gen_id; its parent must be {a_parent}"
    found = stages.get(entry.parent_gen_id)
    if found != wanted:
        state = f"is of stage {found}" if found else "is not in this cohort"
        return f"parent {entry.parent_gen_id} {state}; it must be {a_parent} of it"
    return None


def _a(stage: str) -> str:
    return f"an {stage}" if stage[0] in "aeiou" else f"a {stage}"


def read(data: DataRoot, cohort_id: str, exists: Callable[[Entry], str | None] | None = None) -> Membership:
    """Return the membership of a cohort as its file says.

    A file with only ``stage,gen_id`` (an older tool's) is completed from the store's metadata.json. Whatever
    the column cohort_id says, the rows belong to the cohort whose file this is, and it pays for them.

    Raises:
        MembershipError: no such file, a row that cannot be read, or what `check` finds.
    """
    path = data.cohort(cohort_id).membership
    rows = read_rows(path, _MINIMAL, MembershipError)
    if rows and all(column in rows[0].cells for column in COLUMNS):
        entries = [_entry(path, row, cohort_id) for row in rows]
    else:
        entries = _completed(data, path, rows, cohort_id)
    places = {row["gen_id"]: f"line {row.line}: " for row in rows}
    check(entries, path, exists, places)
    return Membership(entries)


def read_ids(path: Path) -> set[tuple[str, str]]:
    """Return (stage, gen_id) of the rows of a membership.csv; none if there is no such file."""
    if not path.exists():
        return set()
    return {(row["stage"], row["gen_id"]) for row in read_rows(path, _MINIMAL, MembershipError)}


def _entry(path: Path, row: Row, cohort_id: str) -> Entry:
    stage = _stage(path, row)
    replicate = counting_number(row["replicate"])
    if replicate is None:
        raise MembershipError(
            path,
            f"line {row.line}, column replicate",
            f"'{row['replicate'][:20]}' is not a whole number of 1 or more",
        )
    if row["cohort_id"] and not is_safe_id(row["cohort_id"]):
        raise MembershipError(
            path,
            f"line {row.line}, column cohort_id",
            f"'{row['cohort_id'][:80]}' is not a safe file name",
            f"write {cohort_id}, or leave it empty",
        )
    # a hundred thousand rows have few different words, and name each other
    words = (row[name] for name in ("gen_id", "parent_gen_id", "combo_id", "template_id", "llm_model_id"))
    gen_id, parent_gen_id, combo_id, template_id, llm_model_id = map(sys.intern, words)
    return Entry(sys.intern(stage), gen_id, cohort_id, parent_gen_id, combo_id, template_id, llm_model_id, replicate)


def _stage(path: Path, row: Row) -> str:
    if row["stage"] not in STAGES:
        raise MembershipError(
            path, f"line {row.line}, column stage", f"'{row['stage']}' is none of {', '.join(STAGES)}"
        )
    return row["stage"]


def _completed(data: DataRoot, path: Path, rows: list[Row], cohort_id: str) -> list[Entry]:
    entries: dict[str, Entry] = {}
    for row in sorted(rows, key=lambda found: STAGES.index(_stage(path, found))):
        if not is_safe_id(row["gen_id"]):
            place = f"line {row.line}, column gen_id"
            raise MembershipError(path, place, f"'{row['gen_id']}' is not a safe file name")
        entry = from_store(data, row["stage"], row["gen_id"], cohort_id)
        parent = entries.get(entry.parent_gen_id)
        entries[entry.gen_id] = of_parent(entry, parent) if parent else entry
    return list(entries.values())


def from_store(data: DataRoot, stage: str, gen_id: str, cohort_id: str) -> Entry:
    """Return the membership row of a generation from its metadata.json; combo_id is known for drafts only.

    Raises:
        MembershipError: there is no metadata.json, or it lacks what the row needs.
    """
    if not is_safe_id(gen_id):
        raise MembershipError(data.cohort(cohort_id).membership, gen_id, "gen_id is not a safe file name")
    path = data.generation(stage, gen_id).metadata
    try:
        metadata = read_json(path)
        return Entry(
            stage,
            gen_id,
            cohort_id,
            str(metadata.get("parent_gen_id") or ""),
            str(metadata.get("combo_id") or ""),
            str(metadata["template_id"]),
            str(metadata.get("llm_model_id") or ""),
            int(metadata.get("replicate") or 1),
        )
    except FileNotFoundError:
        if not path.parent.exists():
            hint = "check the gen_id, and the data root"
            raise MembershipError(path, "", f"there is no {stage} '{gen_id}' in the store", hint) from None
        hint = "`daydream check` lists what the store lacks"
        raise MembershipError(path, "", f"no such file; it is needed to rebuild {stage} {gen_id}", hint) from None
    except DayDreamError as error:
        raise MembershipError(path, "", error.message) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MembershipError(path, "", f"does not describe a generation: {error!r}") from None


def of_parent(entry: Entry, parent: Entry) -> Entry:
    """Return a row from the store with what its metadata.json may leave out, from its parent's row."""
    model = entry.llm_model_id
    if STAGE[entry.stage].models == PARENTS:
        # a copy, or made by an older tool
        model = model or parent.llm_model_id
    return entry._replace(combo_id=entry.combo_id or parent.combo_id, llm_model_id=model)


def in_store(data: DataRoot, stage: str) -> list[str]:
    """Return the gen_ids of a stage that the store has a folder for, sorted."""
    folder = data.gens / stage
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if is_safe_id(path.name) and path.is_dir())
