"""From rows of a design to generations with ids [SPEC 3.1, 4.2]."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .. import ids
from ..catalogs import Catalogs
from ..errors import DayDreamError, StoreError, nearest
from ..files import read_json
from ..paths import METADATA, STAGES, DataRoot
from ..tables import counting_number
from .membership import Entry

COLUMN_ALIASES = {
    "combo_id": ("combo_id", "combo"),
    "draft_template": ("draft_template",),
    "draft_llm": ("draft_llm", "draft_model", "generation_llm"),
    "essay_template": ("essay_template",),
    "essay_llm": ("essay_llm",),
    "evaluation_template": ("evaluation_template",),
    "evaluation_llm": ("evaluation_llm",),
    "draft_replicate": ("draft_replicate", "draft_template_replicate", "draft_rep"),
    "essay_replicate": ("essay_replicate", "essay_template_replicate", "essay_rep"),
    "evaluation_replicate": (
        "evaluation_replicate",
        "evaluation_template_replicate",
        "evaluation_llm_replicate",
        "evaluation_rep",
    ),
}
_NEEDS = {
    "draft_template": ("combo_id", "draft_llm"),
    "essay_template": ("draft_template",),
    "essay_llm": ("essay_template",),
    "evaluation_template": ("essay_template", "evaluation_llm"),
    "evaluation_llm": ("evaluation_template",),
    "draft_replicate": ("draft_template",),
    "essay_replicate": ("essay_template",),
    "evaluation_replicate": ("evaluation_template",),
}
_NO_MODEL = ("", "none")


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
    """

    entries: list[Entry] = field(default_factory=list)
    collapsed: int = 0


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
        columns: the columns of the design, under any of their names (`COLUMN_ALIASES`).
        cohort_id: name of the cohort.
        catalogs: templates, models and the replicate counts of stages without a replicate column.
        known_combos: tells whether a combo id is registered.
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
    alias_of = {alias: name for name, aliases in COLUMN_ALIASES.items() for alias in aliases}
    name_of: dict[str, str] = {}
    for column in columns:
        if column not in alias_of:
            raise RowError(f"'{column}' is no column of a cohort", nearest(column, alias_of), column)
        if alias_of[column] in name_of.values():
            raise RowError(f"'{column}' names the column {alias_of[column]} a second time", None, column)
        name_of[column] = alias_of[column]
    have = set(name_of.values())
    if "draft_template" not in have:
        raise RowError("a cohort needs the columns combo_id, draft_template and draft_llm")
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
        self.entries: dict[str, dict[str, Entry]] = {stage: {} for stage in STAGES}
        self._ids: dict[tuple, str] = {}
        self._known: set[tuple[str, str]] = set()

    def expanded(self) -> Expanded:
        """Return what was collected."""
        entries = [entry for stage in STAGES for entry in self.entries[stage].values()]
        return Expanded(entries, self.collapsed)

    def keep(self, entry: Entry) -> Entry:
        """Take up a generation that has its id already."""
        source = entry.parent_gen_id or entry.combo_id
        signature = (entry.stage, source, entry.template_id, entry.llm_model_id, entry.replicate)
        self._ids.setdefault(signature, entry.gen_id)
        return self.entries[entry.stage].setdefault(entry.gen_id, entry)

    def draft(self, combo_id: str, template: str, model: str, replicate: int) -> Entry:
        """Take up a draft."""
        return self._entry("draft", None, combo_id, template, model, replicate, counted_model=model)

    def essay(self, draft: Entry, template: str, model: str, replicate: int) -> Entry:
        """Take up an essay; a copy is its draft's only one, whatever model and replicate are named."""
        if self.catalogs.template("essay", template).copies:
            return self._entry("essay", draft, draft.combo_id, template, draft.llm_model_id, 1, None)
        same = self.rules.essay_model == "never" or model.lower() == draft.llm_model_id.lower()
        return self._entry("essay", draft, draft.combo_id, template, model, replicate, None if same else model)

    def evaluation(self, essay: Entry, template: str, model: str, replicate: int) -> Entry:
        """Take up an evaluation."""
        return self._entry("evaluation", essay, essay.combo_id, template, model, replicate, counted_model=model)

    def add(self, row: Mapping[str, str]) -> None:
        """Take up the generations of a row of a design; columns by their first names (`COLUMN_ALIASES`)."""
        self._check_level("combo_id", row["combo_id"])
        drafts = [self._draft(row, replicate) for replicate in self._replicates("draft", row.get("draft_replicate"))]
        if "essay_template" not in row:
            return
        essays = [essay for draft in drafts for essay in self._essays(draft, row)]
        self.collapsed += self._names_more_than_a_copy(row)
        if "evaluation_template" not in row:
            return
        replicates = self._replicates("evaluation", row.get("evaluation_replicate"))
        for essay in essays:
            for replicate in replicates:
                self._evaluation(essay, row, replicate)

    def _draft(self, row: Mapping[str, str], replicate: int) -> Entry:
        template, model = row["draft_template"], row["draft_llm"]
        self._check_level("draft_template", template)
        self._check_level("draft_llm", model)
        return self.draft(row["combo_id"], template, model, replicate)

    def _essays(self, draft: Entry, row: Mapping[str, str]) -> list[Entry]:
        template = row["essay_template"]
        self._check_level("essay_template", template)
        model = row.get("essay_llm", "")
        if model.lower() in _NO_MODEL:
            model = draft.llm_model_id
        else:
            self._check_level("essay_llm", model)
        replicates = self._replicates("essay", row.get("essay_replicate"))
        essays = (self.essay(draft, template, model, replicate) for replicate in replicates)
        return list(dict.fromkeys(essays))

    def _names_more_than_a_copy(self, row: Mapping[str, str]) -> bool:
        if not self.catalogs.template("essay", row["essay_template"]).copies:
            return False
        model = row.get("essay_llm", "")
        if model.lower() not in _NO_MODEL and model != row["draft_llm"]:
            return True
        return "essay_replicate" in row and self._replicates("essay", row["essay_replicate"]) != [1]

    def _evaluation(self, essay: Entry, row: Mapping[str, str], replicate: int) -> None:
        template, model = row["evaluation_template"], row["evaluation_llm"]
        self._check_level("evaluation_template", template)
        self._check_level("evaluation_llm", model)
        self.evaluation(essay, template, model, replicate)

    def _entry(
        self,
        stage: str,
        parent: Entry | None,
        combo_id: str,
        template: str,
        model: str,
        replicate: int,
        counted_model: str | None,
    ) -> Entry:
        parent_id = parent.gen_id if parent else ""
        signature = (stage, parent_id or combo_id, template, model, replicate)
        gen_id = self._ids.get(signature)
        if gen_id is not None:
            return self.entries[stage][gen_id]
        gen_id = self._new_id(stage, parent, combo_id, template, model, replicate, counted_model)
        entry = Entry(stage, gen_id, self.cohort_id, parent_id, combo_id, template, model, replicate)
        other = self.entries[stage].get(gen_id)
        if other is not None:
            raise RowError(
                f"two different rows get the id {gen_id}:\n  {_describe(other)}\n  {_describe(entry)}",
                "names that differ in case only count as one; with ids.essay_model 'never' an essay's model does "
                "not count",
            )
        self._ids[signature] = gen_id
        self.entries[stage][gen_id] = entry
        return entry

    def _new_id(
        self,
        stage: str,
        parent: Entry | None,
        combo_id: str,
        template: str,
        model: str,
        replicate: int,
        counted_model: str | None,
    ) -> str:
        if self.rules.scope == "cohort":
            task = self._task(stage, parent, combo_id, template, model, replicate)
            return ids.cohort_scoped_id(stage, task, self.cohort_id)
        signature = {"template_id": template, "replicate": str(replicate)}
        if stage != "essay" or self._models_tell_essays_apart(template):
            signature["llm_model_id"] = model
        source = parent.gen_id if parent else combo_id
        signature["parent_gen_id" if parent else "combo_id"] = source
        for collision in range(ids.MAX_COLLISIONS + 1):
            if stage == "draft":
                gen_id = ids.draft_id(source, template, model, replicate, collision=collision)
            elif stage == "essay":
                gen_id = ids.essay_id(source, template, replicate, counted_model, collision=collision)
            else:
                gen_id = ids.evaluation_id(source, template, model, replicate, collision=collision)
            # text instead of a path object: this is asked for every generation of a cohort
            if not _describes_another(f"{self._gens}/{stage}/{gen_id}/{METADATA}", signature):
                return gen_id
        raise StoreError(
            f"{self.data.gens / stage / gen_id}: all {ids.MAX_COLLISIONS} ways around an id collision are taken",
            "`daydream check` names the generations whose ids do not fit their metadata",
        )

    def _models_tell_essays_apart(self, template: str) -> bool:
        return self.rules.essay_model != "never" and not self.catalogs.template("essay", template).copies

    def _task(self, stage: str, parent: Entry | None, combo_id: str, template: str, model: str, replicate: int) -> str:
        if parent is None:
            return ids.draft_task_id(combo_id, template, model, replicate)
        if stage == "essay":
            task = ids.essay_task_id(_draft_task(parent), template, replicate)
            # the task id names no essay model; two essay models of one draft must not share an id
            return task if model == parent.llm_model_id else f"{task}__{model}"
        return ids.evaluation_task_id(parent.gen_id, template, model, replicate)

    def _replicates(self, stage: str, level: str | None) -> list[int]:
        if level is None:
            return list(range(1, self.catalogs.replicates.get(stage, 1) + 1))
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


def _draft_task(draft: Entry) -> str:
    return ids.draft_task_id(draft.combo_id, draft.template_id, draft.llm_model_id, draft.replicate)


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
