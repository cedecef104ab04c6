"""One evaluation and what it is made from, as the store has it: what the columns of the long table read."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from .. import catalogs as catalogs_module
from .. import tables
from ..catalogs import Catalogs, Model
from ..catalogs import combos as combos_module
from ..catalogs.combos import Combo
from ..cohorts.membership import Entry
from ..errors import DayDreamError
from ..files import read_recorded, read_text
from ..parsers import DEFAULT_SCALE
from ..paths import DataRoot, Generation
from ..stages import JUDGED, JUDGING, PARENTS, STAGE
from .scores import Judgement


class Document:
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


class Store:
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
        self._documents: dict[tuple[str, str], Document] = {}

    def document(self, entry: Entry) -> Document:
        return self._documents.setdefault((entry.stage, entry.gen_id), Document(self.data, entry))

    def model(self, model_id: str | None) -> Model | None:
        return self.catalogs.models.get(model_id) if self.catalogs and model_id else None

    def concept_name(self, concept_id: str) -> str:
        known = self.catalogs.concepts.get(concept_id) if self.catalogs else None
        return known.name if known else concept_id


class Row:
    """One evaluation and what it is made from; None where the chain is broken."""

    def __init__(self, store: Store, judgement: Judgement, outcome: str):
        self.store = store
        self.judgement = judgement
        self.outcome = outcome
        # an evaluation is on one row only: nothing to remember
        self.evaluation = Document(store.data, judgement.evaluation)
        self.essay = store.document(judgement.essay) if judgement.essay else None
        self.draft = store.document(judgement.draft) if judgement.draft else None
        lineage = [one for one in (self.draft, self.essay, self.evaluation) if one is not None]
        self._documents = {one.entry.stage: one for one in lineage}

    def document(self, stage: str) -> Document | None:
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
