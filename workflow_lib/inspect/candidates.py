"""Lists of essays that were chosen by their scores, for people to edit and for cohorts to be made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import tables
from ..cohorts import selection
from ..errors import DayDreamError, MembershipError
from ..files import read_text, write_text
from ..paths import DataRoot, is_safe_id
from ..settings import Settings
from ..stages import JUDGED
from .rankings import Ranked, rank

if TYPE_CHECKING:
    from ..results.scores import Judgement

CANDIDATES = "top_essay_candidates.csv"
SELECTED_ESSAYS = "selected_essays.txt"
CANDIDATE_COLUMNS = (
    "selected",
    "gen_id",
    "score",
    "judges",
    "evaluations",
    "combo_id",
    "draft_template",
    "draft_model",
    "generation_template",
    "generation_model",
    "generation_response_path",
    "rank",
    "rank_low",
    "rank_high",
    "templates",
)
YES = ("true", "1", "yes", "y", "x")


@dataclass(frozen=True)
class Promising:
    """One essay that ranks high by one template, and how it stands with another; None if not scored."""

    ranked: Ranked
    target_score: float | None


def within_span(ranked: Sequence[Ranked], span: float) -> list[Ranked]:
    """Return those whose score is at most `span` below the best one; 0 keeps the best alone, with ties."""
    # the scores are means: what is equal on paper may differ in the last bit
    return [one for one in ranked if one.score >= ranked[0].score - span - 1e-9]


def promising(
    settings: Settings, found: Sequence["Judgement"], rule: str, baseline: str, target: str, judges: Sequence[str] = ()
) -> list[Promising]:
    """Return essays ranked by the template `baseline`, each with its score by `target`, if it has one.

    Args:
        settings: of the run.
        found: evaluations with a score that counts.
        rule: one of `rankings.RULES`, for both templates.
        baseline, target: evaluation templates.
        judges: model ids that count; empty for all.
    """
    known = {one.gen_id: one.score for one in rank(settings, found, rule, target, judges)}
    return [Promising(one, known.get(one.gen_id)) for one in rank(settings, found, rule, baseline, judges)]


def write_candidates(path: Path, data: DataRoot, ranked: Iterable[Ranked], *, overwrite: bool) -> None:
    """Write a list of candidates for people to edit: all are selected to begin with.

    Raises:
        DayDreamError: the file exists and may not be overwritten; it may have been edited by hand.
    """
    if path.exists() and not overwrite:
        raise DayDreamError(
            f"{path}: exists, and may have been edited by hand", "--overwrite replaces it, --out writes elsewhere"
        )
    tables.write(path, CANDIDATE_COLUMNS, (_candidate(data, one) for one in ranked))


def write_selection(path: Path, gen_ids: Iterable[str], directives: Sequence[str] = (), *, overwrite: bool) -> None:
    """Write a selection file: directives first, then one gen_id per line.

    Raises:
        DayDreamError: the file exists and may not be overwritten.
    """
    if path.exists() and not overwrite:
        raise DayDreamError(f"{path}: exists, and may have been edited by hand", "--overwrite replaces it")
    write_text(path, selection.text_of(gen_ids, directives))


def read_candidates(path: Path) -> list[str]:
    """Return the essays that a candidate list (.csv, column `selected`) or a selection (.txt) names, in order.

    Raises:
        MembershipError: no such file, no essay selected, or an id that cannot be one.
    """
    if not path.exists():
        hint = "`daydream select --template T` writes such a list; or name another file"
        raise MembershipError(path, "", "no such file", hint)
    if path.suffix == ".txt":
        gen_ids = _lines(path)
    else:
        rows = tables.read_rows(path, ("selected", "gen_id"), MembershipError)
        gen_ids = [row["gen_id"] for row in rows if row["selected"].lower() in YES]
    for gen_id in gen_ids:
        if not is_safe_id(gen_id):
            raise MembershipError(path, gen_id, "cannot be a gen_id")
    if not gen_ids:
        raise MembershipError(path, "", "no essay is selected", "set `selected` to true for those that you want")
    return list(dict.fromkeys(gen_ids))


def _lines(path: Path) -> list[str]:
    lines = read_text(path).splitlines()
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def describe(one: Ranked) -> dict[str, str]:
    """Return combo, templates and models of an essay, empty where the chain is broken."""
    essay, draft = one.essay, one.draft
    return {
        "combo_id": draft.combo_id if draft else "",
        "draft_template": draft.template_id if draft else "",
        "draft_model": draft.llm_model_id if draft else "",
        "generation_template": essay.template_id if essay else "",
        "generation_model": (essay.llm_model_id if essay else "") or (draft.llm_model_id if draft else ""),
    }


def _candidate(data: DataRoot, one: Ranked) -> dict[str, object]:
    return {
        "selected": "true",
        "gen_id": one.gen_id,
        "score": f"{one.score:.2f}",
        "judges": len(one.by_judge),
        "evaluations": one.evaluations,
        **describe(one),
        "generation_response_path": data.generation(JUDGED, one.gen_id).parsed.relative_to(data.root).as_posix(),
        "rank": one.rank,
        "rank_low": one.rank_low,
        "rank_high": one.rank_high,
        "templates": " ".join(one.rubrics),
    }
