"""One long table for analysts: a row per evaluation with everything to join on, and what its columns mean.

`COLUMNS` is the one place that defines the table: names, types, units, meanings, and how a cell is found.
"""

import io
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from .. import catalogs as catalogs_module
from .. import tables
from ..calls.endpoints import OFFLINE
from ..catalogs import Catalogs, Model
from ..catalogs import combos as combos_module
from ..catalogs.combos import Combo
from ..cohorts.membership import Entry, Membership
from ..errors import DayDreamError
from ..files import encode, read_recorded, read_text, write_bytes
from ..generations import staleness
from ..generations.state import States
from ..paths import DataRoot, Generation
from ..settings import Settings
from ..stages import FIRST, JUDGED, JUDGING, PARENTS, STAGE, STAGES
from . import coverage, scores
from .scores import LIST_SEPARATOR, Judgement
from .summary import DEFAULT_SCALE

CSV = "csv"
PARQUET = "parquet"
FORMATS = (CSV, PARQUET)
TABLE = "evaluations"
DICTIONARY = "data_dictionary.csv"
DICTIONARY_COLUMNS = ("column", "type", "unit", "meaning", "source")

TEXT = "text"
WHOLE = "whole number"
NUMBER = "number"
FLAG = "true or false"
TIME = "time"


Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Column:
    """One column of the table.

    Attributes:
        name: lower case with underscores; as in aggregated_scores.csv where that has the same thing.
        type: TEXT, WHOLE, NUMBER, FLAG or TIME (UTC; ISO 8601 in CSV).
        unit: of the value, empty for what has none.
        meaning: one sentence, also when a cell is empty.
        source: the file that it is read or computed from, relative to the data root.
        of: finds the cell of a row.
    """

    name: str
    type: str
    unit: str
    meaning: str
    source: str
    of: "Callable[[_Row], Cell]"


def judgements_of(settings: Settings, membership: Membership | None, states: States) -> list[Judgement]:
    """Return the evaluations to export, sorted by gen_id.

    Args:
        settings: settings of the run.
        membership: the generations of some cohorts, or None for every evaluation of the store.
        states: their states, as `rows` is to use them.
    """
    if membership is not None:
        return scores.of_cohort(settings, membership, states)
    # pandas: needed only on this path
    from . import cross

    return scores.of_store(settings, cross.evaluations(settings), states)


def rows(states: States, judgements: Sequence[Judgement]) -> list[list[Cell]]:
    """Return the cells of the table under `COLUMNS`, a row per evaluation, also of those without a score.

    Args:
        states: the states of the generations.
        judgements: the evaluations, in the order of the rows.
    """
    store = _Store(states.settings.data)
    found = coverage.outcomes(states, judgements)
    pairs = zip(judgements, found, strict=True)
    return [[column.of(row) for column in COLUMNS] for row in (_Row(store, *pair) for pair in pairs)]


def write(folder: Path, table: Sequence[Sequence[Cell]], formats: Collection[str]) -> list[Path]:
    """Write the table and its data dictionary; the same rows give the same bytes.

    Args:
        folder: made if needed; files of these names are replaced.
        table: as `rows` returns it.
        formats: some of `FORMATS`.

    Returns:
        The files written.
    """
    written = []
    if CSV in formats:
        written.append(folder / f"{TABLE}.csv")
        cells = (dict(zip(_NAMES, map(_csv_cell, row), strict=True)) for row in table)
        tables.write(written[-1], _NAMES, cells)
    if PARQUET in formats:
        written.append(folder / f"{TABLE}.parquet")
        write_bytes(written[-1], _parquet(table))
    written.append(folder / DICTIONARY)
    tables.write(written[-1], DICTIONARY_COLUMNS, dictionary())
    return written


def dictionary() -> list[dict[str, str]]:
    """Return the data dictionary: a row per column, in order (`DICTIONARY_COLUMNS`)."""
    return [
        {
            "column": column.name,
            "type": column.type,
            "unit": column.unit,
            "meaning": column.meaning,
            "source": column.source,
        }
        for column in COLUMNS
    ]


def _csv_cell(value: Cell) -> Cell:
    if isinstance(value, bool):
        return "true" if value else "false"
    return tables.spreadsheet_safe(value) if isinstance(value, str) else value


def _parquet(table: Sequence[Sequence[Cell]]) -> bytes:
    # not needed, and not loaded, for CSV
    import pyarrow
    import pyarrow.parquet

    types: Mapping[str, pyarrow.DataType] = {
        TEXT: pyarrow.string(),
        WHOLE: pyarrow.int64(),
        NUMBER: pyarrow.float64(),
        FLAG: pyarrow.bool_(),
        TIME: pyarrow.timestamp("ms", tz="UTC"),
    }
    fields, arrays = [], []
    for number, column in enumerate(COLUMNS):
        cells = [row[number] for row in table]
        if column.type == TEXT:
            # an endpoint's words may hold half a character, which no text format can keep
            cells = [cell if cell is None else encode(str(cell)).decode() for cell in cells]
        if column.type == TIME:
            cells = [None if cell is None else datetime.fromisoformat(str(cell)) for cell in cells]  # type: ignore[misc]
        about = {"meaning": column.meaning, "unit": column.unit, "source": column.source}
        fields.append(pyarrow.field(column.name, types[column.type], metadata=about))
        arrays.append(pyarrow.array(cells, types[column.type]))
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(arrays, schema=pyarrow.schema(fields)), out, compression="zstd")
    return out.getvalue()


class _Document:
    """What the store has of one generation; read once, however many evaluations it has."""

    def __init__(self, data: DataRoot, entry: Entry):
        self.entry = entry
        self.files: Generation = data.generation(entry.stage, entry.gen_id)

    @cached_property
    def recorded(self) -> Mapping[str, Any]:
        return read_recorded(self.files.raw_metadata)

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        return read_recorded(self.files.metadata)

    @cached_property
    def prompt_chars(self) -> int | None:
        text = _text_of(self.files.prompt)
        return None if text is None else len(text)

    @cached_property
    def raw_chars(self) -> int | None:
        recorded = self.recorded.get("raw_length")
        if _is_whole(recorded):
            return recorded
        text = _text_of(self.files.raw)
        return None if text is None else len(text)

    @cached_property
    def parsed_sizes(self) -> tuple[int | None, int | None]:
        """Characters and words of the parsed text."""
        text = _text_of(self.files.parsed)
        return (None, None) if text is None else (len(text), len(text.split()))

    def tokens(self, kind: str) -> int | None:
        usage = self.recorded.get("usage")
        value = usage.get(kind) if isinstance(usage, dict) else None
        return value if _is_whole(value) else None

    def number(self, key: str) -> float | None:
        value = self.recorded.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        return float(value)

    def flag(self, key: str) -> bool | None:
        value = self.recorded.get(key)
        return value if isinstance(value, bool) else None

    def text(self, key: str) -> str | None:
        value = self.recorded.get(key)
        return None if value is None or value == "" else str(value)

    @property
    def attempt(self) -> int | None:
        value = self.recorded.get("attempt")
        return value if _is_whole(value) else None

    @property
    def mode(self) -> str | None:
        found = self.recorded.get("mode") or self.metadata.get("mode")
        return str(found) if found else None

    @property
    def started_at(self) -> str | None:
        """When the request was sent, in UTC with milliseconds; None where that is not recorded as a time."""
        try:
            moment = datetime.fromisoformat(str(self.recorded.get("started_at")))
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat(timespec="milliseconds")


class _Store:
    """The store and its catalogs, and the drafts and essays that were read already."""

    def __init__(self, data: DataRoot):
        self.data = data
        self.catalogs: Catalogs | None
        try:
            self.catalogs = catalogs_module.load(data)
        except DayDreamError:
            # a store without usable catalogs still has its scores
            self.catalogs = None
        self.combos: Mapping[str, Combo] = combos_module.load(data)
        self.providers = _providers(data) if self.catalogs else {}
        self._documents: dict[tuple[str, str], _Document] = {}

    def document(self, entry: Entry) -> _Document:
        return self._documents.setdefault((entry.stage, entry.gen_id), _Document(self.data, entry))

    def model(self, model_id: str | None) -> Model | None:
        return self.catalogs.models.get(model_id) if self.catalogs and model_id else None

    def concept_name(self, concept_id: str) -> str:
        known = self.catalogs.concepts.get(concept_id) if self.catalogs else None
        return known.name if known else concept_id


class _Row:
    """One evaluation and what it is made from; None where the chain is broken."""

    def __init__(self, store: _Store, judgement: Judgement, outcome: str):
        self.store = store
        self.judgement = judgement
        self.outcome = outcome
        # an evaluation is on one row only: nothing to remember
        self.evaluation = _Document(store.data, judgement.evaluation)
        self.essay = store.document(judgement.essay) if judgement.essay else None
        self.draft = store.document(judgement.draft) if judgement.draft else None
        lineage = [one for one in (self.draft, self.essay, self.evaluation) if one is not None]
        self._documents = {one.entry.stage: one for one in lineage}

    def document(self, stage: str) -> _Document | None:
        return self._documents.get(stage)

    @property
    def combo_id(self) -> str:
        return self.draft.entry.combo_id if self.draft else self.judgement.evaluation.combo_id

    @property
    def combo(self) -> Combo | None:
        return self.store.combos.get(self.combo_id)

    def gen_id(self, stage: str) -> str | None:
        document = self.document(stage)
        if document is not None:
            return document.entry.gen_id
        # what a broken chain would lead to is known by name
        if stage == JUDGED:
            return self.judgement.evaluation.parent_gen_id or None
        return (self.essay.entry.parent_gen_id if self.essay else "") or None

    def model_id(self, stage: str) -> str | None:
        document = self.document(stage)
        found = document.entry.llm_model_id if document else ""
        if STAGE[stage].models == PARENTS and not found:
            # in copy mode the essay is the draft's text
            found = self.draft.entry.llm_model_id if self.draft else ""
        return found or None

    @property
    def scale_max(self) -> float:
        known = self.store.catalogs.templates[JUDGING] if self.store.catalogs else {}
        template = known.get(self.judgement.evaluation.template_id)
        return template.scale_max if template else DEFAULT_SCALE


def _providers(data: DataRoot) -> dict[str, str]:
    path = data.catalog(catalogs_module.MODELS)
    return {row["id"]: row.get("provider") for row in tables.read_rows(path, ("id",))}


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _text_of(path: Path) -> str | None:
    try:
        return read_text(path)
    except (OSError, DayDreamError):
        return None


def _if_known(document: _Document | None, find: Callable[[_Document], Cell]) -> Cell:
    return None if document is None else find(document)


def _path(stage: str, name: str) -> "Callable[[_Row], Cell]":
    def find(row: _Row) -> Cell:
        gen_id = row.gen_id(stage)
        return f"gens/{stage}/{gen_id}/{name}" if gen_id else None

    return find


def _of(stage: str, find: Callable[[_Document], Cell]) -> "Callable[[_Row], Cell]":
    return lambda row: _if_known(row.document(stage), find)


METADATA = "gens/{stage}/<gen_id>/metadata.json"
RAW_METADATA = "gens/{stage}/<gen_id>/raw_metadata.json"
MEMBERSHIP = "membership.csv"
MODELS = "1_raw/llm_models.csv"
REGISTRY = "combo_mappings.csv"


def _lineage() -> Iterable[Column]:
    yield Column("gen_id", TEXT, "", "The evaluation; unique.", MEMBERSHIP, lambda row: row.gen_id(JUDGING))
    yield Column("parent_gen_id", TEXT, "", "The essay that was judged.", MEMBERSHIP, lambda row: row.gen_id(JUDGED))
    yield Column(
        "draft_gen_id", TEXT, "", "The draft that the essay was made from.", MEMBERSHIP, lambda row: row.gen_id(FIRST)
    )
    yield Column(
        "origin_cohort_id",
        TEXT,
        "",
        "The cohort that first asked for the evaluation; empty if it was not run.",
        METADATA.format(stage=JUDGING),
        lambda row: row.judgement.origin_cohort_id or None,
    )
    yield Column(
        "experiment_id",
        TEXT,
        "",
        "The experiment_id set when the evaluation was made; empty: none.",
        METADATA.format(stage=JUDGING),
        lambda row: str(row.evaluation.metadata.get("experiment_id") or "") or None,
    )


def _combo() -> Iterable[Column]:
    yield Column("combo_id", TEXT, "", "The combo that the draft mixes.", MEMBERSHIP, lambda row: row.combo_id or None)
    about = "empty if the combo is not registered."
    for name, kind, meaning, find in (
        ("description_level", TEXT, "Length of the concepts' texts: sentence, paragraph or article", lambda c: c.level),
        ("concept_count", WHOLE, "How many concepts the combo has", lambda c: len(c.concept_ids)),
        (
            "concept_ids",
            TEXT,
            f"Its concepts in the order of the prompt, joined by '{LIST_SEPARATOR}'",
            lambda c: LIST_SEPARATOR.join(c.concept_ids),
        ),
    ):
        unit = "concepts" if kind == WHOLE else ""
        yield Column(name, kind, unit, f"{meaning}; {about}", REGISTRY, _of_combo(find))
    yield Column(
        "concept_names",
        TEXT,
        "",
        f"The names of these concepts, in the same order; {about}",
        "1_raw/concepts_metadata.csv",
        lambda row: LIST_SEPARATOR.join(map(row.store.concept_name, row.combo.concept_ids)) if row.combo else None,
    )


def _of_combo(find: Callable[[Combo], Cell]) -> Callable[[_Row], Cell]:
    return lambda row: find(row.combo) if row.combo else None


def _cell(stage: str) -> Iterable[Column]:
    own = STAGE[stage]
    copied = f"; in copy mode the {own.parent}'s" if own.may_copy else ""
    model = own.score_columns.model
    yield Column(
        own.score_columns.template,
        TEXT,
        "",
        f"Template of the {stage}, its id.",
        MEMBERSHIP,
        _of(stage, lambda d: d.entry.template_id or None),
    )
    yield Column(
        model,
        TEXT,
        "",
        f"Model of the {stage}, its id in llm_models.csv{copied}.",
        MEMBERSHIP,
        lambda row: row.model_id(stage),
    )
    yield Column(
        f"{model}_name",
        TEXT,
        "",
        "Name of that model as the endpoint knows it, now; empty if the catalog lacks it.",
        MODELS,
        lambda row: getattr(row.store.model(row.model_id(stage)), "model", None),
    )
    yield Column(
        f"{model}_provider",
        TEXT,
        "",
        "Provider of that model; empty if the catalog does not say.",
        MODELS,
        lambda row: row.store.providers.get(row.model_id(stage) or "") or None,
    )
    yield Column(
        f"{model}_offline",
        FLAG,
        "",
        "Whether that model is an offline stand-in, whose texts and scores mean nothing; empty if not known.",
        MODELS,
        lambda row: _is_offline(row.store.model(row.model_id(stage))),
    )
    yield Column(
        f"{stage}_replicate",
        WHOLE,
        "",
        f"Which sample of its cell the {stage} is; counts from 1.",
        MEMBERSHIP,
        _of(stage, lambda d: d.entry.replicate),
    )


def _is_offline(model: Model | None) -> bool | None:
    return None if model is None else model.endpoint == OFFLINE


def _score() -> Iterable[Column]:
    parsed = "gens/evaluation/<gen_id>/parsed.txt"
    templates = "1_raw/evaluation_templates.csv"
    yield Column(
        "score",
        NUMBER,
        "points",
        "As the judge gave it, 0 to scale_max; empty: no score, which is not a low score.",
        parsed,
        lambda row: row.judgement.score,
    )
    yield Column(
        "scale_max",
        NUMBER,
        "points",
        "The best score of the evaluation template.",
        templates,
        lambda row: row.scale_max,
    )
    yield Column(
        "score_normalised",
        NUMBER,
        "share",
        "score / scale_max, 0 to 1, not rounded: comparable between templates; empty without a score.",
        parsed,
        lambda row: None if row.judgement.score is None else row.judgement.score / row.scale_max,
    )
    yield Column(
        "outcome",
        TEXT,
        "",
        f"One of {', '.join(coverage.OUTCOMES)}, as in coverage.csv; other_model, edited: there is a score, but "
        "another model than the one asked gave it or a text behind it, or a text behind it was edited.",
        "computed",
        lambda row: row.outcome,
    )
    yield Column(
        "error",
        TEXT,
        "",
        "Why there is no score, in short; empty if there is one.",
        "gens/evaluation/<gen_id>/failure.json",
        lambda row: row.judgement.error or None,
    )
    yield Column(
        "stale",
        TEXT,
        "",
        "true: today's prompt or request would differ; unknown: no record to compare with; else false.",
        "computed",
        lambda row: row.judgement.stale,
    )
    yield Column(
        "stale_lineage",
        TEXT,
        "",
        "The same of the evaluation and all that it is made from.",
        "computed",
        lambda row: row.judgement.stale_lineage,
    )
    yield Column(
        "stale_reasons",
        TEXT,
        "",
        f"What differs today, some of {', '.join(staleness.REASONS)}; empty if it is not stale.",
        "computed",
        lambda row: LIST_SEPARATOR.join(row.judgement.stale_reasons) or None,
    )
    yield Column(
        "edited",
        FLAG,
        "",
        "Whether a raw.txt of the lineage differs from the answer that it claims to come from.",
        "computed",
        lambda row: row.judgement.edited,
    )


def _answer(stage: str) -> Iterable[Column]:
    def column(
        name: str, kind: str, unit: str, meaning: str, find: Callable[[_Document], Cell], source: str = ""
    ) -> Column:
        return Column(
            f"{stage}_{name}", kind, unit, meaning, source or RAW_METADATA.format(stage=stage), _of(stage, find)
        )

    text = f"gens/{stage}/<gen_id>/{{}}.txt"
    yield column("mode", TEXT, "", "llm, or copy: the parent's text without a call.", lambda d: d.mode)
    yield column(
        "served_model",
        TEXT,
        "",
        "Name of the model that answered, as the endpoint reported it; empty: not reported.",
        lambda d: d.text("served_model"),
    )
    yield column(
        "finish_reason",
        TEXT,
        "",
        "Why the answer ended, as the endpoint reported it.",
        lambda d: d.text("finish_reason"),
    )
    yield column(
        "truncated",
        FLAG,
        "",
        "Whether the answer was cut off at max_tokens; empty: not known.",
        lambda d: d.flag("truncated"),
    )
    yield column("attempt", WHOLE, "", "Number of the attempt whose answer is in use.", lambda d: d.attempt)
    for kind, what in (("prompt_tokens", "the prompt"), ("completion_tokens", "the answer")):
        yield column(kind, WHOLE, "tokens", f"Length of {what} as the endpoint counted it.", _tokens(kind))
    yield column(
        "cost_usd",
        NUMBER,
        "US dollars",
        "Cost of the answer in use; empty: not known, or no call.",
        lambda d: d.number("cost_usd"),
    )
    yield column(
        "seconds",
        NUMBER,
        "seconds",
        "From request to answer, with waiting and tries.",
        lambda d: d.number("duration_s"),
    )
    yield column("started_at", TIME, "UTC", "When the first request was sent.", lambda d: d.started_at)
    yield column(
        "prompt_chars",
        WHOLE,
        "characters",
        "Length of the prompt as it was sent.",
        lambda d: d.prompt_chars,
        text.format("prompt"),
    )
    yield column("raw_chars", WHOLE, "characters", "Length of the answer.", lambda d: d.raw_chars, text.format("raw"))
    if not STAGE[stage].gives_scores:
        what = f"of the {stage} itself, the part of the answer that the next stage got."
        yield column("chars", WHOLE, "characters", f"Length {what}", lambda d: d.parsed_sizes[0], text.format("parsed"))
        yield column("words", WHOLE, "words", f"Words {what}", lambda d: d.parsed_sizes[1], text.format("parsed"))


def _tokens(kind: str) -> Callable[[_Document], Cell]:
    return lambda document: document.tokens(kind)


def _files(stage: str) -> Iterable[Column]:
    for name, file, meaning in (
        (f"{stage}_prompt_path", "prompt.txt", f"What was sent for the {stage}"),
        (f"{stage}_raw_path", "raw.txt", "The whole answer"),
        (STAGE[stage].score_columns.text, "parsed.txt", "The part of it that counts"),
    ):
        yield Column(name, TEXT, "", f"{meaning}; relative to the data root.", "computed", _path(stage, file))


COLUMNS: tuple[Column, ...] = (
    *_lineage(),
    *_combo(),
    *(column for stage in STAGES for column in _cell(stage)),
    *_score(),
    *(column for stage in reversed(STAGES) for column in _answer(stage)),
    *(column for stage in reversed(STAGES) for column in _files(stage)),
)
_NAMES = tuple(column.name for column in COLUMNS)
