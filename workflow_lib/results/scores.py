"""Scores: one row per evaluation, followed back to its essay, its draft and their combo."""

import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from .. import settings as settings_module
from ..cohorts.membership import Entry, Membership
from ..errors import DayDreamError, StoreError
from ..files import read_recorded, read_text
from ..generations import failures, parsing
from ..generations.failures import Failure
from ..generations.staleness import CURRENT, UNKNOWN, combined
from ..generations.state import State, States
from ..paths import DataRoot, is_safe_id
from ..settings import Settings
from ..stages import FIRST, JUDGED, JUDGING, PARENT_STAGE, STAGES
from ..tables import spreadsheet_safe

COLUMNS = (
    "gen_id",
    "parent_gen_id",
    "evaluation_template",
    "evaluation_llm_model",
    "score",
    "error",
    "evaluation_response_path",
    "combo_id",
    "draft_template",
    "generation_template",
    "generation_model",
    "origin_cohort_id",
    "generation_response_path",
    "input_mode",
    "copied_from",
    "draft_gen_id",
    "draft_model",
    "draft_replicate",
    "essay_replicate",
    "evaluation_replicate",
    "cost_usd",
    "stale",
    "stale_lineage",
    "stale_reasons",
    "edited",
    "served_model",
)
MISSING = "missing_parsed"
INVALID = "invalid_score"
LIST_SEPARATOR = "; "
_WHOLE_NUMBERS = tuple(name for name in COLUMNS if name.endswith("_replicate"))
_NUMBERS = ("score", "cost_usd")

Find = Callable[[str, str], Entry | None]
"""(stage, gen_id) -> the generation, None if it is not known."""


class Judgement(NamedTuple):
    """One evaluation with its lineage and what came of it.

    Attributes:
        evaluation, essay, draft: the generations; None where the chain is broken.
        score: as parsed.txt has it, None if there is none that counts.
        error: why there is no score, empty if there is one.
        failure: the failure that still stands, also if an older score still counts.
        served_model: the model that judged, as the endpoint named it; empty where it did not.
        stale: ``true``, ``false`` or ``unknown``, of the evaluation itself.
        stale_lineage: the same of the evaluation and all that it is made from.
        stale_reasons: why the evaluation itself is stale.
        edited: a raw.txt of the lineage differs from the answer that it claims to come from.
        other_model: an answer of the lineage was given by another model than the one asked.
    """

    evaluation: Entry
    essay: Entry | None
    draft: Entry | None
    score: float | None
    error: str
    failure: Failure | None
    origin_cohort_id: str
    input_mode: str
    copied_from: str
    cost_usd: float | None
    served_model: str
    stale: str
    stale_lineage: str
    stale_reasons: tuple[str, ...]
    edited: bool
    other_model: bool


def aggregate(data_root: str | os.PathLike[str], gen_ids: Iterable[str]) -> pd.DataFrame:
    """Return the scores of evaluations with their lineage, taken from metadata.json in the store.

    Args:
        data_root: folder of the store. Catalogs are needed only to find what is stale.
        gen_ids: evaluations; one that is not in the store gives a row with an error.

    Returns:
        One row per gen_id, sorted by it, with `COLUMNS`. `score` and `cost_usd` are floats, NaN where
        there is none; replicates whole numbers or <NA>; all others text, empty where unknown. `stale` and
        `stale_lineage` are ``true``, ``false`` or ``unknown``, `edited` is ``true`` or ``false``. Paths are relative
        to the data root.

    Raises:
        StoreError: a gen_id that is not a safe file name.
    """
    settings = settings_module.load({"data_root": os.fspath(data_root)})
    return frame(of_store(settings, gen_ids))


def of_store(settings: Settings, gen_ids: Iterable[str], states: States | None = None) -> list[Judgement]:
    """Return evaluations of the store by gen_id, sorted; their lineage comes from metadata.json.

    Args:
        settings: settings of the run.
        gen_ids: the evaluations.
        states: what is known already, so that nothing is looked up twice.
    """
    known: dict[tuple[str, str], Entry | None] = {}

    def find(stage: str, gen_id: str) -> Entry | None:
        key = (stage, gen_id)
        if key not in known:
            known[key] = _entry(settings.data, *key) if is_safe_id(gen_id) else None
        return known[key]

    wanted = sorted(set(gen_ids))
    for gen_id in wanted:
        if not is_safe_id(gen_id):
            raise StoreError(f"'{gen_id}' cannot be a gen_id", "ids are letters, digits, '.', '_' and '-'")
    entries = (_entry(settings.data, JUDGING, gen_id) for gen_id in wanted)
    # in the store an entry's cohort is the one it was made for
    return _judgements(settings, entries, find, lambda entry: entry.cohort_id, states or States(settings))


def of_cohort(settings: Settings, membership: Membership, states: States | None = None) -> list[Judgement]:
    """Return the evaluations of a cohort, sorted by gen_id; their lineage comes from membership.

    Args:
        settings: settings of the run.
        membership: all of the cohort.
        states: what is known already, so that nothing is looked up twice.
    """
    data = settings.data

    def find(stage: str, gen_id: str) -> Entry | None:
        entry = membership.by_id.get(gen_id)
        return entry if entry and entry.stage == stage else None

    def origin(entry: Entry) -> str:
        recorded = read_recorded(data.generation(entry.stage, entry.gen_id).metadata)
        return _text(recorded.get("origin_cohort_id"))

    entries = sorted(membership.stage(JUDGING), key=lambda entry: entry.gen_id)
    return _judgements(settings, entries, find, origin, states or States(settings))


def frame(judgements: Iterable[Judgement]) -> pd.DataFrame:
    """Return judgements as a table with `COLUMNS` (see `aggregate`), in their order."""
    rows = [tuple(map(_row(judgement).__getitem__, COLUMNS)) for judgement in judgements]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({name: "Int64" for name in _WHOLE_NUMBERS} | {name: "float64" for name in _NUMBERS})


def read_score(path: Path) -> tuple[float | None, str]:
    """Return (score, "") of an evaluation's parsed.txt, or (None, why there is none)."""
    try:
        text = read_text(path)
    except FileNotFoundError:
        return None, MISSING
    except (OSError, DayDreamError):
        return None, f"{INVALID}: parsed.txt cannot be read as text"
    try:
        score = float(text)
    except ValueError:
        # the content is a model's text instead: it stays out of tables
        return None, f"{INVALID}: parsed.txt is not a number ({len(text)} characters)"
    return (score, "") if math.isfinite(score) else (None, f"{INVALID}: parsed.txt is not a finite number")


def _lineage(entry: Entry, find: Find) -> dict[str, Entry]:
    """Return stage -> the generations that one is made from, as far as they are known, and itself last."""
    chain = {entry.stage: entry}
    while (above := PARENT_STAGE.get(entry.stage)) and (found := find(above, entry.parent_gen_id)):
        entry = found
        chain = {above: found, **chain}
    return chain


def _judgements(
    settings: Settings,
    entries: Iterable[Entry],
    find: Find,
    origin: Callable[[Entry], str],
    states: States,
) -> list[Judgement]:
    found = []
    for entry in entries:
        lineage = _lineage(entry, find)
        state = states.of(entry)
        recorded = state.recorded
        score, error = _score(state)
        # an older tool may have kept these two with the parsed text only
        copied = recorded if "input_mode" in recorded else read_recorded(state.files.parsed_metadata)
        chain = [states.of(one) for one in lineage.values()]
        stale = combined(one.stale for one in chain)
        if len(chain) < len(STAGES) and stale == CURRENT:
            stale = UNKNOWN
        found.append(
            Judgement(
                entry,
                lineage.get(JUDGED),
                lineage.get(FIRST),
                score,
                error,
                state.failure,
                origin(entry),
                _text(copied.get("input_mode")),
                _text(copied.get("copied_from")),
                _number(recorded.get("cost_usd")),
                state.served_model,
                state.stale,
                stale,
                state.stale_reasons,
                any(one.edited for one in chain),
                any(one.other_model for one in chain),
            )
        )
    return found


def _score(state: State) -> tuple[float | None, str]:
    score, error = read_score(state.files.parsed)
    failure = state.failure
    if score is None:
        return None, failure.reason if failure else error
    if failure and failure.step == failures.PARSE and not parsing.follows_from_raw(state.files):
        return None, failure.reason
    return score, ""


def _row(judgement: Judgement) -> dict[str, object]:
    evaluation, essay, draft = judgement.evaluation, judgement.essay, judgement.draft
    return {
        "gen_id": evaluation.gen_id,
        "parent_gen_id": evaluation.parent_gen_id,
        "evaluation_template": evaluation.template_id,
        "evaluation_llm_model": evaluation.llm_model_id,
        "score": judgement.score,
        "error": spreadsheet_safe(judgement.error),
        "evaluation_response_path": f"gens/{evaluation.stage}/{evaluation.gen_id}/parsed.txt",
        "combo_id": draft.combo_id if draft else evaluation.combo_id,
        "draft_template": draft.template_id if draft else "",
        "generation_template": essay.template_id if essay else "",
        "generation_model": (essay.llm_model_id if essay else "") or (draft.llm_model_id if draft else ""),
        "origin_cohort_id": judgement.origin_cohort_id,
        "generation_response_path": f"gens/{essay.stage}/{essay.gen_id}/parsed.txt" if essay else "",
        "input_mode": spreadsheet_safe(judgement.input_mode),
        "copied_from": spreadsheet_safe(judgement.copied_from),
        "draft_gen_id": draft.gen_id if draft else (essay.parent_gen_id if essay else ""),
        "draft_model": draft.llm_model_id if draft else "",
        "draft_replicate": draft.replicate if draft else None,
        "essay_replicate": essay.replicate if essay else None,
        "evaluation_replicate": evaluation.replicate,
        "cost_usd": judgement.cost_usd,
        "stale": judgement.stale,
        "stale_lineage": judgement.stale_lineage,
        "stale_reasons": LIST_SEPARATOR.join(judgement.stale_reasons),
        "edited": "true" if judgement.edited else "false",
        "served_model": spreadsheet_safe(judgement.served_model),
    }


def _entry(data: DataRoot, stage: str, gen_id: str) -> Entry:
    """Return what metadata.json records of a generation; blanks where it has no value."""
    recorded = read_recorded(data.generation(stage, gen_id).metadata)
    parent = _text(recorded.get("parent_gen_id"))
    replicate = _text(recorded.get("replicate"))
    return Entry(
        stage,
        gen_id,
        _text(recorded.get("origin_cohort_id")),
        parent if stage in PARENT_STAGE and is_safe_id(parent) else "",
        _text(recorded.get("combo_id")),
        _text(recorded.get("template_id")),
        _text(recorded.get("llm_model_id")),
        int(replicate) if replicate.isdecimal() else 1,
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
