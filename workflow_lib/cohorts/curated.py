"""Curated cohorts: made from a list of essays or drafts that a person selected."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..catalogs import MODELS, Catalogs, templates_table
from ..errors import ConfigError, DayDreamError, StoreError, nearest
from ..paths import DataRoot
from ..stages import JUDGED, JUDGING, PARENT_STAGE, PARENTS, STAGE, STAGES
from . import membership as membership_module
from .allocation import RULES, Allocation, Cell, key_of, stage_and_cell
from .membership import Entry
from .rows import IdRules, Maker
from .selection import REUSE_DRAFTS, REUSE_ESSAYS, Selection

Judging = tuple[str, str, int | None]
"""Evaluation template, judge, and how many replicates; None: as many as are configured."""


@dataclass(frozen=True)
class Axes:
    """What new essays and evaluations run over where nothing else says it.

    Attributes:
        templates: stage -> template ids.
        judges: model ids.
    """

    templates: Mapping[str, Sequence[str]]
    judges: Sequence[str]


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
        if self.adopt:
            allocation.rules = RULES
        # also what was given to lines and not bought yet, or another line would get the same numbers
        for keys in allocation.lines.values():
            for key, replicates in keys.items():
                self.taken.add(*stage_and_cell(key), replicates)
        judgings = self._over_axes(selection)
        for gen_id in selection.gen_ids:
            given = allocation.lines.setdefault(gen_id, {})
            chain = self.kept(selection.stage, gen_id)
            for entry in chain:
                self._check_names(entry)
            if selection.mode == REUSE_ESSAYS:
                draft, essay = (self.maker.keep(entry) for entry in chain)
                if not selection.fill_up:
                    self._evaluate(essay, judgings, given)
                elif allocation.rules == 1:
                    self._fill_up_by_rules_1(essay, judgings, given)
                else:
                    self._fill_up(essay, judgings, given)
            elif selection.stage == "draft":
                draft = self.maker.keep(chain[0])
                for template in self.axes.templates[JUDGED]:
                    self._write_essays(draft, template, draft.llm_model_id, judgings, given)
            elif selection.mode == REUSE_DRAFTS:
                draft = self.maker.keep(chain[0])
                self._write_essays(draft, chain[1].template_id, chain[1].llm_model_id, judgings, given)
            else:
                own = judgings if allocation.rules == 1 else self._as_before(selection, chain[1], given)
                self._regenerate(chain[0], chain[1], own, given)

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
                f"put its rows back into {self.data.combo_mappings}: `snakemake cohort` writes those of a spec, "
                "a copy of the store has others",
            )

    def _over_axes(self, selection: Selection) -> list[Judging]:
        """Return every evaluation template with every judge, of the selection or else of the axes."""
        templates = selection.templates or self.axes.templates[JUDGING]
        judges = selection.judges or self.axes.judges
        return [(template, judge, selection.replicates) for template in templates for judge in judges]

    def _as_before(self, selection: Selection, essay: Entry, given: dict[str, list[int]]) -> list[Judging]:
        """Return how a selected essay was judged, as far as the selection does not say otherwise."""
        before = {} if self.adopt else _judgings_in(given)
        # what was given once stays, whatever becomes of the cohorts that it came from
        before = before or self.taken.judgings(essay.gen_id)
        templates = selection.templates or tuple(dict.fromkeys(template for template, _ in before))
        judges = selection.judges or tuple(dict.fromkeys(judge for _, judge in before))
        pairs = [(template, judge) for template in templates for judge in judges]
        if not (selection.templates or selection.judges):
            pairs = list(before)
        for template, judge in pairs:
            self._check_judging(essay, template, judge)
        if self.adopt:
            _drop_others(given, pairs)
        return [(*pair, selection.replicates or before.get(pair)) for pair in pairs]

    def _check_judging(self, essay: Entry, template: str, judge: str) -> None:
        for what, name, known, table in (
            ("template", template, self.catalogs.templates[JUDGING], templates_table(JUDGING)),
            ("judge", judge, self.catalogs.models, MODELS),
        ):
            if name not in known:
                raise StoreError(
                    f"essay {essay.gen_id} was evaluated by the {what} '{name}', which is unknown",
                    f"put its row back into {self.data.catalog(table)}, or name others: '# {what}s: NAME'",
                )

    def _regenerate(self, draft: Entry, essay: Entry, judgings: Sequence[Judging], given: dict[str, list[int]]) -> None:
        cell = (draft.combo_id, draft.template_id, draft.llm_model_id)
        for replicate in self._new("draft", cell, given):
            new = self.maker.take("draft", *cell, replicate)
            self._write_essays(new, essay.template_id, essay.llm_model_id, judgings, given)

    def _write_essays(
        self, draft: Entry, template: str, model: str, judgings: Sequence[Judging], given: dict[str, list[int]]
    ) -> None:
        if self.catalogs.template("essay", template).copies:
            replicates = [1]
        else:
            replicates = self._new("essay", (draft.gen_id, template, model), given)
        for replicate in replicates:
            self._evaluate(self.maker.take("essay", draft, template, model, replicate), judgings, given)

    def _evaluate(self, essay: Entry, judgings: Iterable[Judging], given: dict[str, list[int]]) -> None:
        for template, judge, count in judgings:
            for replicate in self._new(JUDGING, (essay.gen_id, template, judge), given, count):
                self.maker.take(JUDGING, essay, template, judge, replicate)

    def _fill_up(self, essay: Entry, judgings: Iterable[Judging], given: dict[str, list[int]]) -> None:
        for template, judge, declared in judgings:
            cell = (essay.gen_id, template, judge)
            key, count = key_of(JUDGING, cell), declared or self.maker.count(JUDGING)
            bought = self.taken.bought(JUDGING, cell)
            own = given.get(key)
            if own is None or ((self.adopt or declared) and len(own) < count):
                given[key] = _filled({*bought, *(own or ())}, count)
            for replicate in given[key]:
                stored = bought.get(replicate)
                if stored is None:
                    self.maker.take(JUDGING, essay, template, judge, replicate)
                else:
                    # under the id that it was bought with
                    named = stored._replace(template_id=template, llm_model_id=judge)
                    self.maker.keep(named._replace(cohort_id=self.cohort_id, combo_id=essay.combo_id))

    def _fill_up_by_rules_1(self, essay: Entry, judgings: Iterable[Judging], given: dict[str, list[int]]) -> None:
        """Take up the replicates given before, and the lowest free ones up to the count; not those that exist."""
        for template, judge, declared in judgings:
            cell = (essay.gen_id, template, judge)
            own = given.setdefault(key_of(JUDGING, cell), [])
            present = {*self.taken.bought(JUDGING, cell), *own}
            own += sorted({*_filled(present, declared or self.maker.count(JUDGING))} - present)
            for replicate in own:
                self.maker.take(JUDGING, essay, template, judge, replicate)

    def _new(self, stage: str, cell: Cell, given: dict[str, list[int]], declared: int | None = None) -> list[int]:
        """Return the replicates of a cell: those given before, else as many as are asked for above the highest.

        `declared` is how many the selection, or the essay's evaluation before, asks for; None: as configured.
        """
        key, count = key_of(stage, cell), declared or self.maker.count(stage)
        own = given.get(key, [])
        if key not in given or ((self.adopt or declared) and len(own) < count):
            highest = max(self.taken.numbers(stage, cell), default=0)
            given[key] = [*own, *(highest + index + 1 for index in range(count - len(own)))]
            self.taken.add(stage, cell, given[key])
        return given[key][:count]


def _judgings_in(given: Mapping[str, list[int]]) -> dict[tuple[str, str], int]:
    """Return (template, judge) -> replicates of the evaluations that were given to a line."""
    found: dict[tuple[str, str], int] = {}
    for key, numbers in given.items():
        stage, (_, template, judge) = stage_and_cell(key)
        if stage == JUDGING:
            found[template, judge] = max(found.get((template, judge), 0), len(numbers))
    return found


def _drop_others(given: dict[str, list[int]], pairs: Collection[tuple[str, str]]) -> None:
    """Take the evaluations by other pairs of template and judge out of what was given to a line."""
    for key in list(given):
        stage, (_, template, judge) = stage_and_cell(key)
        if stage == JUDGING and (template, judge) not in pairs:
            del given[key]


def _filled(present: Iterable[int], count: int) -> list[int]:
    """Return some numbers, with the lowest free ones that are missing to a count, sorted."""
    numbers, free = {*present}, 1
    while len(numbers) < count:
        numbers.add(free)
        free += 1
    return sorted(numbers)


class Taken:
    """Which replicates of a cell exist, and how essays were judged: in the store, and in other cohorts."""

    def __init__(self, data: DataRoot, cohort_id: str, rules: IdRules):
        self._rules = rules
        self._all: dict[tuple[str, Cell], set[int]] = defaultdict(set)
        self._bought: dict[tuple[str, Cell], dict[int, Entry]] = defaultdict(dict)
        self._in_cohorts: dict[str, dict[tuple[str, str], set[int]]] = defaultdict(lambda: defaultdict(set))
        self._in_store: dict[str, dict[tuple[str, str], set[int]]] = defaultdict(lambda: defaultdict(set))
        models: dict[str, str] = {}
        for entry in _stored(data):
            # an essay that names no model, a copy or an older tool's, has its draft's
            model = entry.llm_model_id or models.get(entry.parent_gen_id, "")
            models[entry.gen_id] = model
            key = self._key(entry.stage, _cell(entry._replace(llm_model_id=model)))
            self._all[key].add(entry.replicate)
            # metadata.json comes with the answer, and stays when texts are lost that attempts/ keep
            self._bought[key].setdefault(entry.replicate, entry)
            _note(self._in_store, entry)
        for path in sorted(data.cohorts.glob("*/membership.csv")):
            if path.parent.name != cohort_id:
                for entry in membership_module.read(data, path.parent.name):
                    self._all[self._key(entry.stage, _cell(entry))].add(entry.replicate)
                    _note(self._in_cohorts, entry)

    def numbers(self, stage: str, cell: Cell) -> set[int]:
        """Return every replicate of a cell that is in use anywhere."""
        return self._all[self._key(stage, cell)]

    def bought(self, stage: str, cell: Cell) -> Mapping[int, Entry]:
        """Return the replicates of a cell that the store has."""
        return self._bought[self._key(stage, cell)]

    def judgings(self, essay: str) -> dict[tuple[str, str], int]:
        """Return (template, judge) -> replicates that other cohorts gave an essay; none did: those of the store."""
        found = self._in_cohorts.get(essay) or self._in_store.get(essay) or {}
        return {pair: len(numbers) for pair, numbers in sorted(found.items())}

    def add(self, stage: str, cell: Cell, replicates: Iterable[int]) -> None:
        """Note replicates that were just given."""
        self._all[self._key(stage, cell)].update(replicates)

    def _key(self, stage: str, cell: Cell) -> tuple[str, Cell]:
        """Return what has replicate numbers of its own: what gets one id is one cell."""
        source, template, model = (part.strip().lower() for part in cell)
        if STAGE[stage].models == PARENTS and self._rules.essay_model == "never":
            model = ""
        return stage, (source, template, model)


def _note(judged: dict[str, dict[tuple[str, str], set[int]]], entry: Entry) -> None:
    if entry.stage == JUDGING:
        judged[entry.parent_gen_id][entry.template_id, entry.llm_model_id].add(entry.replicate)


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
