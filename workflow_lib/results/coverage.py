"""Coverage: which of the scores that a cohort asks for count, and why the others do not."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from .. import catalogs as catalogs_module
from .. import parsers
from ..cohorts.membership import Entry
from ..errors import DayDreamError
from ..files import read_recorded
from ..generations import failures
from ..generations.failures import Failure
from ..generations.state import States
from ..paths import DataRoot
from ..stages import JUDGING
from .scores import INVALID, Judgement

if TYPE_CHECKING:
    import pandas as pd

KEYS = (
    "combo_id",
    "draft_template",
    "draft_model",
    "generation_template",
    "generation_model",
    "evaluation_template",
    "evaluation_llm_model",
)
SCORED = "scored"
OTHER_MODEL = "other_model"
EDITED = "edited"
NOT_RUN = "not_run"
UNPARSABLE = "unparsable"
FAILED = ("truncated", "refused", "empty", UNPARSABLE, "failed_call")
OUTCOMES = (SCORED, *FAILED, OTHER_MODEL, EDITED, NOT_RUN)
COLUMNS = (*KEYS, "expected", *OUTCOMES)

_PARSE_REASONS = {"truncated": "truncated", "empty_response": "empty", "refused": "refused"}


def counted(table: "pd.DataFrame", found: Sequence[str]) -> "pd.DataFrame":
    """Return aggregated scores as the summary and analysis tables see them: only scores that count are left.

    A score counts if it was parsed and is in range, and if no text of its lineage was edited by hand or given
    by another model than the one asked (unless results.accept_edited or results.accept_other_models is set).

    Args:
        table: as `scores.frame` returns it.
        found: `outcomes` of the same evaluations, in the same order.

    Returns:
        The same rows; `score` is NaN where it does not count.
    """
    return table.assign(score=table["score"].where([outcome == SCORED for outcome in found]))


def outcomes(states: States, judgements: Iterable[Judgement]) -> list[str]:
    """Return one of `OUTCOMES` for each evaluation, in their order; ``scored`` is what counts.

    Scores that are ``other_model`` or ``edited`` are in aggregated_scores.csv all the same. An evaluation that
    nobody ran because its essay or draft failed counts under that failure; one that the budget stopped was not
    run.
    """
    ranges = _ranges(states.settings.data)
    return [_outcome(states, judgement, ranges) for judgement in judgements]


def rows(judgements: Iterable[Judgement], found: Iterable[str]) -> list[dict[str, object]]:
    """Return the rows of coverage.csv, one per cell and judge, sorted by `KEYS`.

    Args:
        judgements: the evaluations of a cohort.
        found: their outcomes, in the same order.
    """
    counts: dict[tuple[str, ...], Counter[str]] = {}
    for judgement, outcome in zip(judgements, found, strict=True):
        counts.setdefault(_key(judgement), Counter())[outcome] += 1
    table: list[dict[str, object]] = []
    for key in sorted(counts):
        own = counts[key]
        row: dict[str, object] = dict(zip(KEYS, key, strict=True))
        table.append(row | {"expected": own.total()} | {outcome: own[outcome] for outcome in OUTCOMES})
    return table


def category(failure: Failure) -> str:
    """Return the outcome that a failure stands for."""
    if failure.step == failures.PARSE:
        return _PARSE_REASONS.get(failure.reason, UNPARSABLE)
    return NOT_RUN if failure.reason == failures.BUDGET else "failed_call"


def _outcome(states: States, judgement: Judgement, ranges: Mapping[str, tuple[float, float]]) -> str:
    if judgement.score is not None:
        return _of_score(states, judgement, ranges)
    if judgement.failure is None and judgement.error.startswith(INVALID):
        return UNPARSABLE
    causes = [judgement.failure]
    causes += [_blocking(states, one) for one in (judgement.essay, judgement.draft) if one is not None]
    recorded = [cause for cause in causes if cause is not None]
    # a prompt that could not be made matters little if what it is made from has failed
    relevant = [cause for cause in recorded if cause.step != failures.PROMPT] or recorded
    if relevant:
        return category(relevant[0])
    parsed = read_recorded(states.of(judgement.evaluation).files.parsed_metadata)
    # older tools recorded a failed parse there
    return UNPARSABLE if parsed.get("success") is False else NOT_RUN


def _of_score(states: States, judgement: Judgement, ranges: Mapping[str, tuple[float, float]]) -> str:
    accepted = states.settings.results
    low, high = ranges.get(judgement.evaluation.template_id, (float("-inf"), float("inf")))
    if judgement.score is None or not low <= judgement.score <= high:
        return UNPARSABLE
    if judgement.other_model and not accepted.accept_other_models:
        return OTHER_MODEL
    return EDITED if judgement.edited and not accepted.accept_edited else SCORED


def _ranges(data: DataRoot) -> dict[str, tuple[float, float]]:
    """Return evaluation template -> the scores that its parser gives, or its scale where that is not known."""
    try:
        known = catalogs_module.load(data).templates[JUDGING]
    except DayDreamError:
        return {}
    readings = {name: parsers.reading(row.parser) for name, row in known.items()}
    return {name: (0.0, own.highest if own else known[name].scale_max) for name, own in readings.items()}


def _blocking(states: States, ancestor: Entry) -> Failure | None:
    """Return the failure of a generation that has no parsed text, None if it has one."""
    state = states.of(ancestor)
    return None if state.has_parsed else state.failure


def _key(judgement: Judgement) -> tuple[str, ...]:
    draft, essay = judgement.draft, judgement.essay
    draft_model = draft.llm_model_id if draft else ""
    return (
        draft.combo_id if draft else judgement.evaluation.combo_id,
        draft.template_id if draft else "",
        draft_model,
        essay.template_id if essay else "",
        (essay.llm_model_id if essay else "") or draft_model,
        judgement.evaluation.template_id,
        judgement.evaluation.llm_model_id,
    )
