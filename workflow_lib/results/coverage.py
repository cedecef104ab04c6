"""Coverage: how many of the scores that a cohort asks for it has, and why the others are missing [SPEC 9.2, 17]."""

from collections import Counter
from collections.abc import Iterable, Mapping

from ..calls.served import served_other_model
from ..cohorts.membership import Entry
from ..files import read_recorded
from ..generations import failures
from ..generations.failures import Failure
from ..paths import DataRoot
from .scores import INVALID, Judgement

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
NOT_RUN = "not_run"
FAILED = ("truncated", "empty", "unparsable", "failed_call")
OUTCOMES = (SCORED, *FAILED, OTHER_MODEL, NOT_RUN)
COLUMNS = (*KEYS, "expected", *OUTCOMES)

BUDGET_EXHAUSTED = "budget_exhausted"
_PARSE_REASONS = {"truncated": "truncated", "empty_response": "empty", "refused": "empty"}


def outcomes(data: DataRoot, judgements: Iterable[Judgement]) -> list[str]:
    """Return one of `OUTCOMES` for each evaluation, in their order.

    A score that another model gave than the one asked counts as ``other_model`` and not as ``scored``,
    though it stands in aggregated_scores.csv. An evaluation that nobody ran because its essay or draft
    failed counts under that failure; one that the budget stopped was not run.
    """
    known: dict[str, Failure | None] = {}
    return [_outcome(data, judgement, known) for judgement in judgements]


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
        return _PARSE_REASONS.get(failure.reason, "unparsable")
    return NOT_RUN if failure.reason == BUDGET_EXHAUSTED else "failed_call"


def _outcome(data: DataRoot, judgement: Judgement, known: dict[str, Failure | None]) -> str:
    if judgement.score is not None:
        other = served_other_model(judgement.asked_model, judgement.served_model)
        return OTHER_MODEL if other else SCORED
    if judgement.failure is None and judgement.error.startswith(INVALID):
        return "unparsable"
    causes = [judgement.failure]
    for ancestor in (judgement.essay, judgement.draft):
        if ancestor is not None:
            if ancestor.gen_id not in known:
                known[ancestor.gen_id] = _blocking(data, ancestor)
            causes.append(known[ancestor.gen_id])
    recorded = [cause for cause in causes if cause is not None]
    # that a prompt could not be made says little if what it is made of has failed
    telling = [cause for cause in recorded if cause.step != failures.PROMPT] or recorded
    if telling:
        return category(telling[0])
    parsed = _parsed_metadata(data, judgement.evaluation)
    # older tools recorded a failed parse there
    return "unparsable" if parsed.get("success") is False else NOT_RUN


def _blocking(data: DataRoot, ancestor: Entry) -> Failure | None:
    """Return the failure of a generation that has no parsed text, None if it has one."""
    if data.generation(ancestor.stage, ancestor.gen_id).parsed.exists():
        return None
    return failures.of_generation(data, ancestor.stage, ancestor.gen_id)


def _parsed_metadata(data: DataRoot, entry: Entry) -> Mapping[str, object]:
    return read_recorded(data.generation(entry.stage, entry.gen_id).parsed_metadata)


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
