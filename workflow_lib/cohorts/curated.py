"""Curated cohorts: made from a list of essays or drafts that a person selected."""

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..catalogs import MODELS, Catalogs, templates_table
from ..errors import ConfigError, DayDreamError, StoreError, nearest
from ..files import read_json, read_text
from ..paths import DataRoot, is_safe_id
from ..stages import PARENT_STAGE, PARENTS, STAGE, STAGES
from ..tables import MAX_COUNT
from . import membership as membership_module
from .membership import Entry
from .rows import IdRules, Maker

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

    templates: Mapping[str, Sequence[str]]
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


def existing_file(path: Path) -> Path:
    """Return the path of a selection file.

    Raises:
        ConfigError: there is no such file.
    """
    if not path.is_file():
        raise ConfigError(
            f"selection: {path}: no such file",
            "`daydream select --write-selection` writes such a list; paths are relative to the working directory",
        )
    return path


def read_selection(path: Path, data: DataRoot) -> Selection:
    """Return what a selection file says.

    Raises:
        ConfigError: no such file, an unknown directive, no line, a line that is no generation of the
            store, or essays and drafts in one file.
    """
    text = read_text(existing_file(path))
    gen_ids: dict[str, int] = {}
    modes: list[tuple[int, str]] = []
    fill_up_at = 0
    for number, line in enumerate(text.splitlines(), start=1):
        content, _, comment = line.partition("#")
        if content.strip():
            gen_ids.setdefault(content.strip(), number)
            continue
        place = f"selection: {path}: line {number}"
        directive = " ".join(comment.lower().split())
        if (mode := _mode_in(directive, place)) is not None:
            modes.append((number, mode))
        elif _is_fill_up(directive, place):
            fill_up_at = number
    if not gen_ids:
        raise ConfigError(
            f"selection: {path}: no line names an essay or a draft",
            "list gen_ids, one per line; `daydream select --write-selection` does",
        )
    stage = _stage_of(path, gen_ids, data)
    mode = _mode_of(path, stage, modes)
    if fill_up_at and mode != REUSE_ESSAYS:
        raise ConfigError(
            f"selection: {path}: line {fill_up_at}: fill-up does not go with mode {mode}",
            f"add '# mode: {REUSE_ESSAYS}' to fill up the evaluations of listed essays",
        )
    return Selection(path, stage, tuple(gen_ids), mode, bool(fill_up_at))


def _mode_in(directive: str, place: str) -> str | None:
    """Return the mode that a comment names, None if it is a remark; a misspelt directive is an error."""
    match = re.fullmatch(r"mode ?([:=]?) ?(.*)", directive)
    if not match or not (match[1] or match[2] in {name for names in MODES.values() for name in names}):
        return None
    if match[1] != ":" or " " in match[2]:
        raise ConfigError(f"{place}: '# {directive}' is no directive", "write it as '# mode: NAME', alone on its line")
    return match[2]


def _is_fill_up(directive: str, place: str) -> bool:
    if directive in FILL_UP:
        return True
    if difflib.get_close_matches(directive.replace(" ", "-"), FILL_UP, n=1, cutoff=0.8):
        # taken for a remark it would buy all that exists once more
        raise ConfigError(f"{place}: '# {directive}' is no directive", nearest(directive, FILL_UP))
    return False


def _mode_of(path: Path, stage: str, given: Sequence[tuple[int, str]]) -> str:
    for number, mode in given:
        if mode not in MODES[stage]:
            raise ConfigError(
                f"selection: {path}: line {number}: '{mode}' is no mode for a list of {stage}s",
                nearest(mode, MODES[stage]),
            )
    meant = dict.fromkeys(MODES[stage][mode] for _, mode in given) or {DEFAULT_MODE[stage]: None}
    if len(meant) > 1:
        raise ConfigError(
            f"selection: {path}: line {given[-1][0]}: a second mode; the first was {next(iter(meant))}",
            "make a list for each, and a cohort of each",
        )
    return next(iter(meant))


def _stage_of(path: Path, gen_ids: Mapping[str, int], data: DataRoot) -> str:
    def is_stored(stage: str, gen_id: str) -> bool:
        return is_safe_id(gen_id) and data.generation(stage, gen_id).folder.is_dir()

    stages: dict[str, str] = {}
    for gen_id, number in gen_ids.items():
        found = [stage for stage in ("essay", "draft") if is_stored(stage, gen_id)]
        if not found:
            hint = "list gen_ids of essays or drafts, one per line"
            if is_stored("evaluation", gen_id):
                hint = "it is an evaluation; list the essay that it judges"
            raise ConfigError(
                f"selection: {path}: line {number}: there is no essay or draft '{gen_id}' in {data.gens}", hint
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
        adopt: give further replicates to cells that have fewer than the table now says.
    """

    def __init__(
        self, data: DataRoot, cohort_id: str, catalogs: Catalogs, axes: Axes, maker: Maker, *, adopt: bool = False
    ):
        self.adopt = adopt
        self.data = data
        self.cohort_id = cohort_id
        self.catalogs = catalogs
        self.axes = axes
        self.maker = maker
        self.taken = Taken(data, cohort_id, maker.rules)

    def expand(self, selection: Selection, allocation: Allocation) -> None:
        """Add the generations of all selected lines to the maker, and their new replicates to the allocation."""
        if allocation.mode != selection.mode:
            raise ConfigError(
                f"{self.data.cohort(self.cohort_id).allocation}: this cohort was made in mode {allocation.mode}, "
                f"and {selection.path} now says {selection.mode}",
                "give the cohort of the other mode another name",
            )
        # also what was given to lines and not bought yet, or another line would get the same numbers
        for keys in allocation.lines.values():
            for key, replicates in keys.items():
                self.taken.add(*_stage_and_cell(key), replicates)
        for gen_id in selection.gen_ids:
            given = allocation.lines.setdefault(gen_id, {})
            chain = self.kept(selection.stage, gen_id)
            for entry in chain:
                self._check_names(entry)
            if selection.mode == REUSE_ESSAYS:
                draft, essay = (self.maker.keep(entry) for entry in chain)
                self._evaluate(essay, given, fill_up=selection.fill_up)
            elif selection.stage == "draft":
                draft = self.maker.keep(chain[0])
                for template in self.axes.templates["essay"]:
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
        if stage not in PARENT_STAGE:
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
        return [*chain, membership_module.of_parent(entry, chain[-1])._replace(combo_id=chain[0].combo_id)]

    def _check_names(self, entry: Entry) -> None:
        path = self.data.generation(entry.stage, entry.gen_id).metadata
        names = self.catalogs.templates[entry.stage]
        if entry.template_id not in names:
            raise StoreError(
                f"{path}: unknown {entry.stage} template '{entry.template_id}'; {nearest(entry.template_id, names)}",
                f"put its row back into {self.data.catalog(templates_table(entry.stage))}",
            )
        if entry.llm_model_id not in self.catalogs.models:
            raise StoreError(
                f"{path}: unknown model '{entry.llm_model_id}'; {nearest(entry.llm_model_id, self.catalogs.models)}",
                f"put its row back into {self.data.catalog(MODELS)}",
            )
        if not self.maker.known_combos(entry.combo_id):
            raise StoreError(
                f"{path}: unknown combo '{entry.combo_id}'",
                f"restore its rows in {self.data.combo_mappings}; they are append-only",
            )

    def _regenerate(self, draft: Entry, essay: Entry, given: dict[str, list[int]]) -> None:
        cell = (draft.combo_id, draft.template_id, draft.llm_model_id)
        for replicate in self._new("draft", cell, given):
            new = self.maker.take("draft", *cell, replicate)
            self._write_essays(new, essay.template_id, essay.llm_model_id, given)

    def _write_essays(self, draft: Entry, template: str, model: str, given: dict[str, list[int]]) -> None:
        if self.catalogs.template("essay", template).copies:
            replicates = [1]
        else:
            replicates = self._new("essay", (draft.gen_id, template, model), given)
        for replicate in replicates:
            self._evaluate(self.maker.take("essay", draft, template, model, replicate), given)

    def _evaluate(self, essay: Entry, given: dict[str, list[int]], *, fill_up: bool = False) -> None:
        for template in self.axes.templates["evaluation"]:
            for judge in self.axes.judges:
                cell = (essay.gen_id, template, judge)
                numbers = self._missing(cell, given) if fill_up else self._new("evaluation", cell, given)
                for replicate in numbers:
                    self.maker.take("evaluation", essay, template, judge, replicate)

    def _new(self, stage: str, cell: Cell, given: dict[str, list[int]]) -> list[int]:
        """Return the replicates of a cell: those given before, else as many as configured above the highest."""
        key, count = _key(stage, cell), self.maker.count(stage)
        own = given.get(key, [])
        if key not in given or (self.adopt and len(own) < count):
            highest = max(self.taken.numbers(stage, cell), default=0)
            given[key] = [*own, *(highest + index + 1 for index in range(count - len(own)))]
            self.taken.add(stage, cell, given[key])
        return given[key][:count]

    def _missing(self, cell: Cell, given: dict[str, list[int]]) -> list[int]:
        """Return the replicates given before, and the lowest free ones up to the configured count."""
        key = _key("evaluation", cell)
        own = given.setdefault(key, [])
        present = self.taken.bought("evaluation", cell) | set(own)
        number = 1
        while len(present) < self.maker.count("evaluation"):
            if number not in present:
                own.append(number)
                present.add(number)
            number += 1
        return own


class Taken:
    """Which replicates of a cell exist: in the store, and in the memberships of other cohorts."""

    def __init__(self, data: DataRoot, cohort_id: str, rules: IdRules):
        self._rules = rules
        self._all: dict[tuple[str, Cell], set[int]] = defaultdict(set)
        self._bought: dict[tuple[str, Cell], set[int]] = defaultdict(set)
        models: dict[str, str] = {}
        for entry in _stored(data):
            # an essay that names no model, a copy or an older tool's, has its draft's
            model = entry.llm_model_id or models.get(entry.parent_gen_id, "")
            models[entry.gen_id] = model
            key = self._key(entry.stage, _cell(entry._replace(llm_model_id=model)))
            self._all[key].add(entry.replicate)
            if data.generation(entry.stage, entry.gen_id).raw.exists():
                self._bought[key].add(entry.replicate)
        for path in sorted(data.cohorts.glob("*/membership.csv")):
            if path.parent.name != cohort_id:
                for entry in membership_module.read(data, path.parent.name):
                    self._all[self._key(entry.stage, _cell(entry))].add(entry.replicate)

    def numbers(self, stage: str, cell: Cell) -> set[int]:
        """Return every replicate of a cell that is in use anywhere."""
        return self._all[self._key(stage, cell)]

    def bought(self, stage: str, cell: Cell) -> set[int]:
        """Return the replicates of a cell whose answer is in the store."""
        return self._bought[self._key(stage, cell)]

    def add(self, stage: str, cell: Cell, replicates: Iterable[int]) -> None:
        """Note replicates that were just given."""
        self._all[self._key(stage, cell)].update(replicates)

    def _key(self, stage: str, cell: Cell) -> tuple[str, Cell]:
        """Return what has replicate numbers of its own: what gets one id is one cell."""
        source, template, model = (part.strip().lower() for part in cell)
        if STAGE[stage].models == PARENTS and self._rules.essay_model == "never":
            model = ""
        return stage, (source, template, model)


def read_allocation(path: Path, mode: str) -> Allocation:
    """Return what was given out so far; empty, in this mode, if there is no file yet.

    Raises:
        StoreError: the file is no allocation.
    """
    try:
        content = read_json(path)
    except FileNotFoundError:
        return Allocation(mode)
    try:
        lines = {
            str(gen_id): {str(key): _replicates(key, numbers) for key, numbers in keys.items()}
            for gen_id, keys in content["lines"].items()
        }
        return Allocation(str(content["mode"]), lines)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{path}: not an allocation: {error!r}",
            "restore it from a copy: without it, all selected lines would get new replicates",
        ) from None


def _replicates(key: str, numbers: Any) -> list[int]:
    _stage_and_cell(key)
    if not all(type(number) is int and 1 <= number <= MAX_COUNT for number in numbers):
        raise ValueError(f"replicates of {key}: {numbers}")
    return list(numbers)


def _stored(data: DataRoot) -> Iterator[Entry]:
    for stage in STAGES:
        folder = data.gens / stage
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            try:
                yield membership_module.from_store(data, stage, path.name, "")
            except DayDreamError:
                # what cannot be read is a finding of `daydream check`; it gives no replicate away
                continue


def _cell(entry: Entry) -> Cell:
    return entry.parent_gen_id or entry.combo_id, entry.template_id, entry.llm_model_id


def _key(stage: str, cell: Cell) -> str:
    return "|".join((stage, *cell))


def _stage_and_cell(key: str) -> tuple[str, Cell]:
    stage, source, template, model = key.split("|")
    return stage, (source, template, model)
