"""From rows of a design to generations with ids."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .. import ids
from ..catalogs import Catalogs
from ..errors import DayDreamError, StoreError, nearest
from ..files import read_json
from ..paths import METADATA, DataRoot
from ..stages import COLUMN_OF, FIRST, PARENT_STAGE, PARENTS, STAGE, STAGES, Stage
from ..tables import counting_number
from . import tasks
from .membership import Entry

NO_MODEL = ("", "none")


def _needs() -> dict[str, tuple[str, ...]]:
    """Return column of a spec -> the columns that it requires."""
    found: dict[str, tuple[str, ...]] = {}
    for stage in STAGE.values():
        source = STAGE[stage.parent].template_column if stage.parent else "combo_id"
        found[stage.template_column] = (source,) if stage.models == PARENTS else (source, stage.model_column)
        found[stage.model_column] = found[stage.replicate_column] = (stage.template_column,)
    return found


_NEEDS = _needs()
_FIRST_TEMPLATE = STAGE[FIRST].template_column


class RowError(DayDreamError):
    """A row of a design cannot become generations.

    Attributes:
        column: the column as the user wrote it, or "".
        value: the cell that is wrong, or "".
    """

    def __init__(self, reason: str, hint: str | None = None, column: str = "", value: str = ""):
        super().__init__(reason, hint)
        self.column = column
        self.value = value


@dataclass(frozen=True)
class IdRules:
    """How generations get their ids; frozen at a cohort's first expansion."""

    scope: str = "content"
    essay_model: str = "auto"


@dataclass
class Expanded:
    """The generations of a design.

    Attributes:
        entries: distinct, in order of first appearance within each stage.
        collapsed: rows whose copy-mode essay named a model or replicate that copying has no use for.
        counted: stage -> the replicate count of the table, where the rows took it from there.
    """

    entries: list[Entry] = field(default_factory=list)
    collapsed: int = 0
    counted: Mapping[str, int] = field(default_factory=dict)


def expand(
    rows: Iterable[Mapping[str, str]],
    columns: Sequence[str],
    cohort_id: str,
    catalogs: Catalogs,
    known_combos: Callable[[str], bool],
    rules: IdRules,
    data: DataRoot,
) -> Expanded:
    """Return the generations that the rows of a design declare.

    Args:
        rows: column -> level, all with the same columns.
        columns: the columns of the design, under any of their names (`COLUMN_OF`).
        cohort_id: name of the cohort.
        catalogs: templates, models and the replicate counts of stages without a replicate column.
        known_combos: returns whether a combo id is registered.
        rules: how ids are made.
        data: the store, looked at for ids that other contents have taken already.

    Raises:
        RowError: a column or level that does not exist, or two rows that get one id.
        StoreError: an id is taken more often than ids.MAX_COLLISIONS.
    """
    name_of = _canonical(columns)
    maker = Maker(cohort_id, catalogs, known_combos, rules, data, {v: k for k, v in name_of.items()})
    for row in rows:
        maker.add({name_of[column]: level for column, level in row.items()})
    return maker.expanded()


def _canonical(columns: Sequence[str]) -> dict[str, str]:
    name_of: dict[str, str] = {}
    for column in columns:
        if column not in COLUMN_OF:
            raise RowError(f"'{column}' is no column of a cohort", nearest(column, COLUMN_OF), column)
        own = COLUMN_OF[column]
        if own in name_of.values():
            other = next(one for one in name_of if name_of[one] == own)
            raise RowError(f"'{column}' and '{other}' are the same column", "keep one of them", column)
        name_of[column] = own
    have = set(name_of.values())
    if _FIRST_TEMPLATE not in have:
        raise RowError(f"a cohort needs the columns combo_id, {_FIRST_TEMPLATE} and {STAGE[FIRST].model_column}")
    for name, needed in _NEEDS.items():
        missing = [other for other in needed if other not in have]
        if name in have and missing:
            raise RowError(f"'{name}' needs the column{'s' * (len(missing) > 1)} {', '.join(missing)}", None, name)
    return name_of


class Maker:
    """Gives generations their ids and collects them, each once: from rows, or one by one.

    Args:
        written_as: column -> its name in the design, for messages.
        others: see `expand`.
    """

    def __init__(
        self,
        cohort_id: str,
        catalogs: Catalogs,
        known_combos: Callable[[str], bool],
        rules: IdRules,
        data: DataRoot,
        written_as: Mapping[str, str] | None = None,
    ):
        self.cohort_id = cohort_id
        self.catalogs = catalogs
        self.known_combos = known_combos
        self.rules = rules
        self.data = data
        self._gens = str(data.gens)
        self.written_as = written_as or {}
        self.collapsed = 0
        self.counted: dict[str, int] = {}
        self.entries: dict[str, dict[str, Entry]] = {stage: {} for stage in STAGES}
        self._ids: dict[tuple[object, ...], str] = {}
        self._known: set[tuple[str, str]] = set()

    def expanded(self) -> Expanded:
        """Return what was collected."""
        entries = [entry for stage in STAGES for entry in self.entries[stage].values()]
        return Expanded(entries, self.collapsed, self.counted)

    def count(self, stage: str) -> int:
        """Return how many replicates a stage has where nothing else says it."""
        return self.counted.setdefault(stage, self.catalogs.replicates.get(stage, 1))

    def keep(self, entry: Entry) -> Entry:
        """Take up a generation that has its id already."""
        source = entry.parent_gen_id or entry.combo_id
        signature = (entry.stage, source, entry.template_id, entry.llm_model_id, entry.replicate)
        self._ids.setdefault(signature, entry.gen_id)
        return self.entries[entry.stage].setdefault(entry.gen_id, entry)

    def add(self, row: Mapping[str, str]) -> None:
        """Take up the generations of a row of a design; columns by their own names."""
        combo_id = row["combo_id"]
        self._check_level("combo_id", combo_id)
        parents: list[Entry | None] = [None]
        for stage in STAGE.values():
            template = row.get(stage.template_column)
            if template is None:
                return
            model = self._checked_model(stage, template, row)
            replicates = self._replicates(stage.name, row.get(stage.replicate_column))
            made: list[Entry | None] = [
                self.take(stage.name, parent or combo_id, template, model, replicate)
                for parent in parents
                for replicate in replicates
            ]
            if stage.may_copy and self._copies(stage.name, template):
                self.collapsed += self._names_more_than_a_copy(stage, parents[0], row)
                # replicates of a copy are one generation
                made = list(dict.fromkeys(made))
            parents = made

    def take(self, stage: str, source: Entry | str, template: str, model: str, replicate: int) -> Entry:
        """Take up a generation and return it.

        A copy is its parent's only one, whatever model and replicate are named.

        Args:
            stage: its stage.
            source: its parent, or its combo's id where it has none.
            template, replicate: what defines it.
            model: what makes it; "" stands for the parent's.
        """
        parent = source if isinstance(source, Entry) else None
        counted: str | None = model
        if parent is not None and STAGE[stage].models == PARENTS:
            model = model or parent.llm_model_id
            if self._copies(stage, template):
                model, replicate, counted = parent.llm_model_id, 1, None
            elif self.rules.essay_model == "never" or model.lower() == parent.llm_model_id.lower():
                counted = None
        return self._entry(stage, source, template, model, replicate, counted)

    def _checked_model(self, stage: Stage, template: str, row: Mapping[str, str]) -> str:
        self._check_level(stage.template_column, template)
        model = row.get(stage.model_column, "")
        if stage.models == PARENTS and model.lower() in NO_MODEL:
            return ""
        self._check_level(stage.model_column, model)
        return model

    def _copies(self, stage: str, template: str) -> bool:
        return STAGE[stage].may_copy and self.catalogs.template(stage, template).copies

    def _names_more_than_a_copy(self, stage: Stage, parent: Entry | None, row: Mapping[str, str]) -> bool:
        model = row.get(stage.model_column, "")
        if model.lower() not in NO_MODEL and parent and model != parent.llm_model_id:
            return True
        level = row.get(stage.replicate_column)
        return level is not None and self._replicates(stage.name, level) != [1]

    def _entry(
        self, stage: str, source: Entry | str, template: str, model: str, replicate: int, counted_model: str | None
    ) -> Entry:
        parent_id, combo_id = (source.gen_id, source.combo_id) if isinstance(source, Entry) else ("", source)
        signature = (stage, parent_id or combo_id, template, model, replicate)
        gen_id = self._ids.get(signature)
        if gen_id is not None:
            return self.entries[stage][gen_id]
        entry = Entry(stage, "", self.cohort_id, parent_id, combo_id, template, model, replicate)
        entry = entry._replace(gen_id=self._new_id(entry, counted_model))
        other = self.entries[stage].get(entry.gen_id)
        if other is not None:
            raise RowError(
                f"two different rows get the id {entry.gen_id}:\n  {_describe(other)}\n  {_describe(entry)}",
                "names that differ in case only count as one; with ids.essay_model 'never' an essay's model does "
                "not count",
            )
        self._ids[signature] = entry.gen_id
        self.entries[stage][entry.gen_id] = entry
        return entry

    def _new_id(self, entry: Entry, counted_model: str | None) -> str:
        stage, template = entry.stage, entry.template_id
        if self.rules.scope == "cohort":
            return ids.cohort_scoped_id(stage, tasks.scoped_task_id(entry, self._parent), self.cohort_id)
        source = entry.parent_gen_id or entry.combo_id
        signature = {"template_id": template, "replicate": str(entry.replicate)}
        if STAGE[stage].models != PARENTS or self._models_tell_apart(stage, template):
            signature["llm_model_id"] = entry.llm_model_id
        signature["parent_gen_id" if entry.parent_gen_id else "combo_id"] = source
        for collision in range(ids.MAX_COLLISIONS + 1):
            gen_id = ids.content_id(stage, source, template, counted_model, entry.replicate, collision)
            # text instead of a path object: this is asked for every generation of a cohort
            if not _describes_another(f"{self._gens}/{stage}/{gen_id}/{METADATA}", signature):
                return gen_id
        raise StoreError(
            f"{self.data.gens / stage / gen_id}: all {ids.MAX_COLLISIONS} ways around an id collision are taken",
            "`daydream check` names the generations whose ids do not fit their metadata",
        )

    def _parent(self, entry: Entry) -> Entry | None:
        return self.entries[PARENT_STAGE[entry.stage]][entry.parent_gen_id] if entry.parent_gen_id else None

    def _models_tell_apart(self, stage: str, template: str) -> bool:
        return self.rules.essay_model != "never" and not self._copies(stage, template)

    def _replicates(self, stage: str, level: str | None) -> list[int]:
        if level is None:
            return list(range(1, self.count(stage) + 1))
        replicate = counting_number(level)
        if replicate is None:
            column = self.written_as[f"{stage}_replicate"]
            raise RowError(f"replicate '{level}' is not a whole number of 1 or more", None, column, level)
        return [replicate]

    def _check_level(self, column: str, level: str) -> None:
        if (column, level) in self._known:
            return
        if column == "combo_id":
            if not self.known_combos(level):
                raise RowError(
                    f"unknown combo '{level}'",
                    f"combos stand in {self.data.combo_mappings}, or are declared by `combos:` in the spec",
                    self.written_as[column],
                    level,
                )
        else:
            stage, kind = column.rsplit("_", 1)
            known = self.catalogs.models if kind == "llm" else self.catalogs.templates[stage]
            if level not in known:
                what = "model" if kind == "llm" else f"{stage} template"
                raise RowError(f"unknown {what} '{level}'", nearest(level, known), self.written_as[column], level)
        self._known.add((column, level))


def _describe(entry: Entry) -> str:
    source = entry.parent_gen_id or entry.combo_id
    return f"{entry.stage} of {source}: {entry.template_id}, {entry.llm_model_id}, replicate {entry.replicate}"


def _describes_another(path: str, signature: Mapping[str, str]) -> bool:
    try:
        metadata = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except DayDreamError:
        # unreadable metadata is a finding of `daydream check`, not a sign of other contents
        return False
    if not isinstance(metadata, dict):
        return False
    return any(
        metadata.get(key) is not None and str(metadata[key]).strip().lower() != value.strip().lower()
        for key, value in signature.items()
    )
