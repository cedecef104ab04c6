"""What the scripts of a cohort's page work on, and which scripts they are."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..stages import JUDGED
from . import numbers
from .documents import FOLDERS, Document, drafts_of
from .overview import distinct

SCRIPTS = (
    "dom.js",
    "words.js",
    "cohort.js",
    "borrow.js",
    "view.js",
    "search.js",
    "tray.js",
    "selection.js",
    "board.js",
    "matrix.js",
    "heat.js",
    "filters.js",
    "app.js",
)
"""In the order in which they run."""


def page_data(
    cohort_id: str,
    documents: Sequence[Document],
    concepts: Mapping[str, Sequence[str]],
    scales: Mapping[str, float],
    offline_models: Sequence[str],
) -> dict[str, Any]:
    """Return what the page's script works on: lists in the order of `documents`, names as numbers.

    ``levels`` has the names of each factor; ``documents`` has a list per property, factors as positions in
    their level lists (-1 for none); ``scores`` has a flat list per document: column, score, column, score...,
    where a column is a pair (judge, evaluation template) of ``columns``; -1 as score means that there is none.
    ``drafts`` has the gen_ids of the drafts, to which ``of_draft`` points.
    """
    scores = [score for document in documents for score in document.scores]
    values = {
        "combo": [document.entry.combo_id for document in documents],
        "draft_template": [document.draft.template_id for document in documents],
        "essay_template": [_essay_value(document, document.entry.template_id) for document in documents],
        "draft_model": [document.draft.llm_model_id for document in documents],
        "model": [document.entry.llm_model_id or document.draft.llm_model_id for document in documents],
    }
    levels = {factor: distinct(found) for factor, found in values.items()}
    levels["judge"] = distinct(score.judge for score in scores)
    levels["evaluation_template"] = distinct(score.template for score in scores)
    place = {factor: {name: number for number, name in enumerate(names)} for factor, names in levels.items()}
    columns = sorted({(place["judge"][score.judge], place["evaluation_template"][score.template]) for score in scores})
    column = {pair: number for number, pair in enumerate(columns)}
    drafts = drafts_of(documents)
    place_of = {draft.gen_id: number for number, draft in enumerate(drafts)}
    return {
        "cohort": cohort_id,
        "levels": levels,
        "drafts": [draft.gen_id for draft in drafts],
        "concepts": [list(concepts[combo_id]) for combo_id in levels["combo"]],
        "offline": list(offline_models),
        "scale_max": [scales[name] for name in levels["evaluation_template"]],
        "columns": columns,
        "documents": {
            "gen_id": [document.gen_id for document in documents],
            "folder": [FOLDERS[document.entry.stage] for document in documents],
            "title": [document.title for document in documents],
            "of_draft": [place_of[document.draft.gen_id] for document in documents],
            "replicate": [document.entry.replicate for document in documents],
            "draft_replicate": [document.draft.replicate for document in documents],
            "cost": [document.cost_usd for document in documents],
            "adjusted": [_adjusted(document) for document in documents],
            "stale": [int(document.stale_lineage == "true") for document in documents],
            **{factor: [place[factor].get(name, -1) for name in found] for factor, found in values.items()},
        },
        "scores": [
            [
                number
                for score in document.scores
                for number in (
                    column[place["judge"][score.judge], place["evaluation_template"][score.template]],
                    -1 if score.score is None or score.points is None else _plain(score.score),
                )
            ]
            for document in documents
        ],
    }


def _adjusted(document: Document) -> list[float | int | None] | None:
    """Return estimate, ends of its interval, rank, ends of its interval, and component."""
    found = document.adjusted
    if found is None:
        return None
    scores = [numbers.rounded(value, 3) for value in (found.estimate, found.low, found.high)]
    return [*scores, found.rank, found.rank_low, found.rank_high, found.component]


def _essay_value(document: Document, value: str) -> str:
    return value if document.entry.stage == JUDGED else ""


def _plain(score: float) -> float | int:
    # fewer bytes, same value: 7 for 7.0
    return int(score) if score == int(score) else score
