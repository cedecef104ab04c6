"""Choosing essays by their scores: rankings, candidate lists, cohorts made of them [SPEC 10]."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from .. import catalogs as catalogs_module
from .. import tables
from ..cohorts.membership import Entry, Membership, in_store
from ..errors import ConfigError, DayDreamError, MembershipError, nearest
from ..files import read_text, write_text
from ..paths import DataRoot, is_safe_id
from ..settings import Settings
from ..stages import JUDGED, JUDGING

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
)
YES = ("true", "1", "yes", "y", "x")


@dataclass(frozen=True)
class Ranked:
    """One essay with a score.

    Attributes:
        gen_id: of the essay.
        essay, draft: as membership or the store tells; None where the chain is broken.
        score: the mean that it is ranked by.
        by_judge: judge -> what of its scores counts.
        evaluations: how many scores there are.
    """

    gen_id: str
    essay: Entry | None
    draft: Entry | None
    score: float
    by_judge: Mapping[str, float]
    evaluations: int


@dataclass(frozen=True)
class Promising:
    """One essay that ranks high by one template, and how it stands with another; None if not scored."""

    ranked: Ranked
    target_score: float | None


def judgements(settings: Settings, within: Membership | None) -> list["Judgement"]:
    """Return the evaluations of a cohort, or of the whole store."""
    # pandas comes with it, which takes longer to load than most commands run
    from ..results import scores

    if within is not None:
        return scores.of_cohort(settings, within)
    return scores.of_store(settings, in_store(settings.data, JUDGING))


def top(found: Iterable["Judgement"], template: str | None = None, judges: Sequence[str] = ()) -> list[Ranked]:
    """Return essays by the mean of all their scores, best first, ties by gen_id.

    Args:
        found: evaluations.
        template: evaluation template that counts; None for all.
        judges: model ids that count; empty for all.
    """
    return _rank(found, template, judges, _plain_mean)


def best(found: Iterable["Judgement"], template: str, judges: Sequence[str] = ()) -> list[Ranked]:
    """Return essays by one template: each judge's best score, averaged over judges; best first.

    Args:
        found: evaluations.
        template: evaluation template.
        judges: model ids that count; empty for all.
    """
    return _rank(found, template, judges, _mean_of_best)


def check_names(
    settings: Settings, found: Iterable["Judgement"], template: str | None, judges: Sequence[str] = ()
) -> None:
    """Raise ConfigError for an evaluation template or judge that neither a catalog nor an evaluation names."""
    catalogs = catalogs_module.load(settings.data)
    found = list(found)
    templates = {*catalogs.templates[JUDGING], *(one.evaluation.template_id for one in found)}
    if template is not None and template not in templates:
        raise ConfigError(f"unknown evaluation template '{template}'", nearest(template, templates))
    models = {*catalogs.models, *(one.evaluation.llm_model_id for one in found)}
    for judge in judges:
        if judge not in models:
            raise ConfigError(f"unknown judge '{judge}'", nearest(judge, models))


def within_span(ranked: Sequence[Ranked], span: float) -> list[Ranked]:
    """Return those whose score is at most `span` below the best one; 0 keeps the best alone, with ties."""
    # the scores are means: what is equal on paper may differ in the last bit
    return [one for one in ranked if one.score >= ranked[0].score - span - 1e-9]


def promising(found: Iterable["Judgement"], baseline: str, target: str, judges: Sequence[str] = ()) -> list[Promising]:
    """Return essays ranked by the template `baseline`, each with its score by `target`, if it has one."""
    found = list(found)
    known = {one.gen_id: one.score for one in best(found, target, judges)}
    return [Promising(one, known.get(one.gen_id)) for one in best(found, baseline, judges)]


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
    """Write a selection file: directives first, then one gen_id per line [SPEC 4.4].

    Raises:
        DayDreamError: the file exists and may not be overwritten.
    """
    if path.exists() and not overwrite:
        raise DayDreamError(f"{path}: exists, and may have been edited by hand", "--overwrite replaces it")
    lines = [*(f"# {directive}" for directive in directives), *gen_ids]
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_candidates(path: Path) -> list[str]:
    """Return the essays that a candidate list (.csv, column `selected`) or a selection (.txt) names, in order.

    Raises:
        MembershipError: no such file, no essay selected, or an id that cannot be one.
    """
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
    try:
        lines = read_text(path).splitlines()
    except FileNotFoundError:
        raise MembershipError(path, "", "no such file") from None
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def _rank(
    found: Iterable["Judgement"],
    template: str | None,
    judges: Sequence[str],
    score_of: Callable[[Mapping[str, list[float]]], tuple[float, Mapping[str, float]]],
) -> list[Ranked]:
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    lineage: dict[str, tuple[Entry | None, Entry | None]] = {}
    for one in found:
        evaluation = one.evaluation
        if one.score is None or template not in (None, evaluation.template_id):
            continue
        if judges and evaluation.llm_model_id not in judges:
            continue
        scores[evaluation.parent_gen_id][evaluation.llm_model_id].append(one.score)
        lineage[evaluation.parent_gen_id] = (one.essay, one.draft)
    ranked = [
        Ranked(gen_id, *lineage[gen_id], *score_of(own), sum(len(given) for given in own.values()))
        for gen_id, own in scores.items()
    ]
    return sorted(ranked, key=lambda one: (-one.score, one.gen_id))


def _plain_mean(given: Mapping[str, list[float]]) -> tuple[float, Mapping[str, float]]:
    every = [score for scores in given.values() for score in scores]
    return fmean(every), {judge: fmean(scores) for judge, scores in sorted(given.items())}


def _mean_of_best(given: Mapping[str, list[float]]) -> tuple[float, Mapping[str, float]]:
    highest = {judge: max(scores) for judge, scores in sorted(given.items())}
    return fmean(highest.values()), highest


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
    }
