"""The columns of the long table for analysts.

`COLUMNS` is the one place that defines the table: names, types, units, meanings, and how a cell is found.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..calls.endpoints import OFFLINE
from ..catalogs import Model
from ..catalogs.combos import Combo
from ..generations import staleness
from ..stages import FIRST, JUDGED, JUDGING, STAGE, STAGES
from . import coverage
from .export_rows import Document, Row
from .scores import LIST_SEPARATOR

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
    of: "Callable[[Row], Cell]"


def _if_known(document: Document | None, find: Callable[[Document], Cell]) -> Cell:
    return None if document is None else find(document)


def _path(stage: str, name: str) -> "Callable[[Row], Cell]":
    def find(row: Row) -> Cell:
        gen_id = row.gen_id(stage)
        return f"gens/{stage}/{gen_id}/{name}" if gen_id else None

    return find


def _of(stage: str, find: Callable[[Document], Cell]) -> "Callable[[Row], Cell]":
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


def _of_combo(find: Callable[[Combo], Cell]) -> Callable[[Row], Cell]:
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
        name: str, kind: str, unit: str, meaning: str, find: Callable[[Document], Cell], source: str = ""
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


def _tokens(kind: str) -> Callable[[Document], Cell]:
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
