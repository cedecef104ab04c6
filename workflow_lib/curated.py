"""Curated cohorts: made from a list of essays or drafts that a person selected [SPEC 4.4]."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import membership as membership_module
from .catalogs import Catalogs
from .errors import ConfigError, DayDreamError, StoreError, nearest
from .expansion import Maker
from .files import read_json, read_text
from .membership import Entry
from .paths import PARENT_STAGE, STAGES, DataRoot, is_safe_id

REGENERATE = "regenerate"
REUSE_DRAFTS = "reuse-drafts"
REUSE_ESSAYS = "reuse-essays"
MODES = {
    "essay": {
        REGENERATE: REGENERATE,
        REUSE_DRAFTS: REUSE_DRAFTS,
        REUSE_ESSAYS: REUSE_ESSAYS,
        "evaluation-only": REUSE_ESSAYS,
    },
    "draft": {REUSE_DRAFTS: REUSE_DRAFTS},
}
DEFAULT_MODE = {"essay": REGENERATE, "draft": REUSE_DRAFTS}
FILL_UP = ("fill-up", "skip-existing-evaluations")

# a cell of a stage: parent (for drafts the combo), template, model
Cell = tuple[str, str, str]


@dataclass(frozen=True)
class Selection:
    """What a selection file says.

    Attributes:
        path: the file.
        stage: ``essay`` or ``draft``: what its lines name.
        gen_ids: the lines, in order, each once.
        mode: one of MODES.
        fill_up: buy only the evaluations that are missing to reach the configured replicates.
    """

    path: Path
    stage: str
    gen_ids: tuple[str, ...]
    mode: str
    fill_up: bool


@dataclass(frozen=True)
class Axes:
    """The templates and judges of the active catalog that a curated cohort runs over."""

    essay_templates: Sequence[str]
    evaluation_templates: Sequence[str]
    judges: Sequence[str]


@dataclass
class Allocation:
    """Which replicates were given to which selected generation; kept, so that another expansion adds nothing.

    Attributes:
        mode: the mode that the numbers were given under.
        lines: selected gen_id -> key of a cell -> replicates.
    """

    mode: str
    lines: dict[str, dict[str, list[int]]] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """Return what allocation.json holds."""
        return {"mode": self.mode, "lines": self.lines}


def read_selection(path: Path, data: DataRoot) -> Selection:
    """Return what a selection file says.

    Raises:
        ConfigError: no such file, an unknown directive, no line, a line that is no generation of the
            store, or essays and drafts in one file.
    """
    try:
        text = read_text(path)
    except OSError as error:
        raise ConfigError(f"selection: {path}: {error.strerror}", "`daydream select` writes such a list") from None
    gen_ids: dict[str, int] = {}
    given: str | None = None
    given_at = 0
    fill_up = False
    for number, line in enumerate(text.splitlines(), start=1):
        content, _, comment = line.partition("#")
        if content.strip():
            gen_ids.setdefault(content.strip(), number)
        directive = comment.strip().lower()
        if not content.strip() and (match := re.fullmatch(r"mode\s*:\s*(\S+)", directive)):
            given, given_at = match[1], number
        elif not content.strip() and directive in FILL_UP:
            fill_up = True
    if not gen_ids:
        raise ConfigError(f"selection: {path}: no line names an essay or a draft")
    stage = _stage_of(path, gen_ids, data)
    mode = given or DEFAULT_MODE[stage]
    if mode not in MODES[stage]:
        raise ConfigError(
            f"selection: {path}: line {given_at}: '{mode}' is no mode for a list of {stage}s",
            nearest(mode, MODES[stage]),
        )
    mode = MODES[stage][mode]
    if fill_up and mode != REUSE_ESSAYS:
        raise ConfigError(f"selection: {path}: fill-up goes with '# mode: reuse-essays' only, not with {mode}")
    return Selection(path, stage, tuple(gen_ids), mode, fill_up)


def _stage_of(path: Path, gen_ids: Mapping[str, int], data: DataRoot) -> str:
    stages: dict[str, str] = {}
    for gen_id, number in gen_ids.items():
        found = [
            stage
            for stage in ("essay", "draft")
            if is_safe_id(gen_id) and data.generation(stage, gen_id).folder.is_dir()
        ]
        if not found:
            raise ConfigError(
                f"selection: {path}: line {number}: there is no essay or draft '{gen_id}' in {data.gens}",
                "list gen_ids, one per line",
            )
        stages[gen_id] = found[0]
    if len(set(stages.values())) > 1:
        first = next(gen_id for gen_id in stages if stages[gen_id] == "draft")
        raise ConfigError(
            f"selection: {path}: line {gen_ids[first]}: {first} is a draft, others are essays",
            "make one list of essays and another of drafts, and a cohort of each",
        )
    return next(iter(stages.values()))


class Curator:
    """Turns a selection into generations.

    Args:
        data: the store.
        cohort_id: the curated cohort.
        catalogs: templates, models and replicate counts.
        axes: what new generations run over.
        maker: makes ids and collects entries.
    """

    def __init__(self, data: DataRoot, cohort_id: str, catalogs: Catalogs, axes: Axes, maker: Maker):
        self.data = data
        self.cohort_id = cohort_id
        self.catalogs = catalogs
        self.axes = axes
        self.maker = maker
        self.taken = Taken(data, cohort_id)

    def expand(self, selection: Selection, allocation: Allocation) -> None:
        """Add the generations of all selected lines to the maker, and their new replicates to the allocation."""
        if allocation.mode != selection.mode:
            raise ConfigError(
                f"{self.data.cohort(self.cohort_id).allocation}: this cohort was made in mode {allocation.mode}, "
                f"and {selection.path} now says {selection.mode}",
                "give the cohort of the other mode another name",
            )
        for gen_id in selection.gen_ids:
            given = allocation.lines.setdefault(gen_id, {})
            chain = self.kept(selection.stage, gen_id)
            if selection.mode == REUSE_ESSAYS:
                draft, essay = (self.maker.keep(entry) for entry in chain)
                self._evaluate(essay, given, fill_up=selection.fill_up)
            elif selection.stage == "draft":
                draft = self.maker.keep(chain[0])
                for template in self.axes.essay_templates:
                    self._write_essays(draft, template, draft.llm_model_id, given)
            elif selection.mode == REUSE_DRAFTS:
                draft = self.maker.keep(chain[0])
                self._write_essays(draft, chain[1].template_id, chain[1].llm_model_id, given)
            else:
                self._regenerate(chain[0], chain[1], given)

    def kept(self, stage: str, gen_id: str) -> list[Entry]:
        """Return a selected generation and what it is made from, the draft first, from the store's metadata.

        Raises:
            MembershipError, StoreError: a metadata.json is missing or its link leads nowhere; the file is named.
        """
        entry = membership_module.from_store(self.data, stage, gen_id, self.cohort_id)
        if stage == "draft":
            if not entry.combo_id:
                raise StoreError(f"{self.data.generation(stage, gen_id).metadata}: no combo_id")
            return [entry]
        above = PARENT_STAGE[stage]
        if not entry.parent_gen_id or not self.data.generation(above, entry.parent_gen_id).folder.is_dir():
            raise StoreError(
                f"{self.data.generation(stage, gen_id).metadata}: its parent_gen_id '{entry.parent_gen_id}' "
                f"is no {above} of the store",
                "`daydream check` lists all broken links",
            )
        chain = self.kept(above, entry.parent_gen_id)
        model = entry.llm_model_id or chain[-1].llm_model_id
        return [*chain, entry._replace(combo_id=chain[0].combo_id, llm_model_id=model)]

    def _regenerate(self, draft: Entry, essay: Entry, given: dict[str, list[int]]) -> None:
        cell = (draft.combo_id, draft.template_id, draft.llm_model_id)
        for replicate in self._new("draft", cell, given):
            new = self.maker.draft(*cell, replicate)
            self._write_essays(new, essay.template_id, essay.llm_model_id, given)

    def _write_essays(self, draft: Entry, template: str, model: str, given: dict[str, list[int]]) -> None:
        if self.catalogs.template("essay", template).copies:
            replicates = [1]
        else:
            replicates = self._new("essay", (draft.gen_id, template, model), given)
        for replicate in replicates:
            self._evaluate(self.maker.essay(draft, template, model, replicate), given)

    def _evaluate(self, essay: Entry, given: dict[str, list[int]], *, fill_up: bool = False) -> None:
        for template in self.axes.evaluation_templates:
            for judge in self.axes.judges:
                cell = (essay.gen_id, template, judge)
                numbers = self._missing(cell, given) if fill_up else self._new("evaluation", cell, given)
                for replicate in numbers:
                    self.maker.evaluation(essay, template, judge, replicate)

    def _new(self, stage: str, cell: Cell, given: dict[str, list[int]]) -> list[int]:
        """Return the replicates of a cell: those given before, else as many as configured above the highest."""
        key = _key(stage, cell)
        if key not in given:
            highest = max(self.taken.numbers(stage, cell), default=0)
            count = self.catalogs.replicates.get(stage, 1)
            given[key] = [highest + index + 1 for index in range(count)]
            self.taken.add(stage, cell, given[key])
        return given[key]

    def _missing(self, cell: Cell, given: dict[str, list[int]]) -> list[int]:
        """Return the replicates given before, and the lowest free ones up to the configured count."""
        key = _key("evaluation", cell)
        own = given.setdefault(key, [])
        present = self.taken.bought("evaluation", cell) | set(own)
        number = 1
        while len(present) < self.catalogs.replicates.get("evaluation", 1):
            if number not in present:
                own.append(number)
                present.add(number)
            number += 1
        return own


class Taken:
    """Which replicates of a cell exist: in the store, and in the memberships of other cohorts."""

    def __init__(self, data: DataRoot, cohort_id: str):
        self._all: dict[tuple[str, Cell], set[int]] = defaultdict(set)
        self._bought: dict[tuple[str, Cell], set[int]] = defaultdict(set)
        for entry in _stored(data):
            self._all[_cell(entry)].add(entry.replicate)
            if data.generation(entry.stage, entry.gen_id).raw.exists():
                self._bought[_cell(entry)].add(entry.replicate)
        for path in sorted(data.cohorts.glob("*/membership.csv")):
            if path.parent.name != cohort_id:
                for entry in membership_module.read(data, path.parent.name):
                    self._all[_cell(entry)].add(entry.replicate)

    def numbers(self, stage: str, cell: Cell) -> set[int]:
        """Return every replicate of a cell that is in use anywhere."""
        return self._all[stage, cell]

    def bought(self, stage: str, cell: Cell) -> set[int]:
        """Return the replicates of a cell whose answer is in the store."""
        return self._bought[stage, cell]

    def add(self, stage: str, cell: Cell, replicates: Iterable[int]) -> None:
        """Note replicates that were just given."""
        self._all[stage, cell].update(replicates)


def read_allocation(path: Path, mode: str) -> Allocation:
    """Return what was given out so far; empty, in this mode, if there is no file yet."""
    try:
        content = read_json(path)
        return Allocation(str(content["mode"]), dict(content["lines"]))
    except FileNotFoundError:
        return Allocation(mode)
    except (KeyError, TypeError) as error:
        raise StoreError(f"{path}: not an allocation: {error!r}", "restore it from version control") from None


def _stored(data: DataRoot) -> Iterator[Entry]:
    for stage in STAGES:
        folder = data.gens / stage
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            try:
                yield membership_module.from_store(data, stage, path.name, "")
            except DayDreamError:
                # what cannot be read is a finding of `daydream check`; it gives no replicate away
                continue


def _cell(entry: Entry) -> tuple[str, Cell]:
    return entry.stage, (entry.parent_gen_id or entry.combo_id, entry.template_id, entry.llm_model_id)


def _key(stage: str, cell: Cell) -> str:
    return "|".join((stage, *cell))
