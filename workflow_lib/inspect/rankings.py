"""Essays by their scores, best first: adjusted for who judged them, or by each judge's best score."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from .. import catalogs as catalogs_module
from ..cohorts.membership import Entry, Membership, in_store
from ..errors import ConfigError, nearest
from ..settings import Settings
from ..stages import JUDGING

if TYPE_CHECKING:
    from ..results.scores import Judgement

ADJUSTED, BEST = "adjusted", "best"
RULES = (ADJUSTED, BEST)


@dataclass(frozen=True)
class Ranked:
    """One essay with a score.

    Attributes:
        gen_id: of the essay.
        essay, draft: from membership or the store; None where the chain is broken.
        rank: place among the essays that it can be compared with; equal scores share one.
        score: what it is ranked by: adjusted, in points of 9; or of the template's scale.
        low, high: 95 % interval of an adjusted score, None where there is none.
        rank_low, rank_high: 95 % interval of the rank, None where there is none.
        component: essays of different ones share no judge and template, directly or through others.
        by_judge: judge -> its mean score, or its best one where that counts.
        rubrics: evaluation templates that it was judged by.
        evaluations: how many scores there are.
    """

    gen_id: str
    essay: Entry | None
    draft: Entry | None
    rank: int
    score: float
    low: float | None
    high: float | None
    rank_low: int | None
    rank_high: int | None
    component: int
    by_judge: Mapping[str, float]
    rubrics: Sequence[str]
    evaluations: int


def judgements(settings: Settings, within: Membership | None) -> list["Judgement"]:
    """Return the evaluations of a cohort, or of the whole store, that have a score that counts."""
    # pandas comes with it, which takes longer to load than most commands run
    from ..generations.state import States
    from ..results import coverage, scores

    states = States(settings)
    if within is not None:
        found = scores.of_cohort(settings, within, states)
    else:
        found = scores.of_store(settings, in_store(settings.data, JUDGING), states)
    outcomes = coverage.outcomes(states, found)
    return [one for one, outcome in zip(found, outcomes, strict=True) if outcome == coverage.SCORED]


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


def rank(
    settings: Settings, found: Iterable["Judgement"], rule: str, template: str | None, judges: Sequence[str] = ()
) -> list[Ranked]:
    """Return essays, best first, ties by gen_id.

    Args:
        settings: of the run.
        found: evaluations with a score that counts.
        rule: one of `RULES`.
        template: evaluation template that counts; None for all, which `BEST` does not take.
        judges: model ids that count; empty for all.
    """
    wanted = [
        one
        for one in found
        if template in (None, one.evaluation.template_id) and (not judges or one.evaluation.llm_model_id in judges)
    ]
    if rule == ADJUSTED:
        return _by_adjusted(settings, wanted)
    if template is None:
        raise ConfigError("each judge's best score is by one evaluation template", "name it with --template")
    return _by_best(wanted)


def differently_judged(ranked: Iterable[Ranked]) -> list[tuple[str, int]]:
    """Return (judges and templates, how many essays they judged) where not all essays had the same, else []."""
    counts: dict[str, int] = defaultdict(int)
    for one in ranked:
        counts[f"{', '.join(one.by_judge)} by {', '.join(one.rubrics)}"] += 1
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])) if len(counts) > 1 else []


def _by_adjusted(settings: Settings, wanted: Sequence["Judgement"]) -> list[Ranked]:
    """Rank as adjusted_scores.csv does, fitted to the scores that are asked for."""
    if not wanted:
        return []
    # scipy takes a second to load
    from ..results import reports, scores
    from ..statistics import frame, leaderboard

    board = leaderboard.adjusted_scores(frame.tidy(scores.frame(wanted), reports.template_scales(settings.data)))
    given, lineage = _grouped(wanted), _lineage(wanted)
    ranked = [
        Ranked(
            gen_id=row["parent_gen_id"],
            essay=lineage[row["parent_gen_id"]][0],
            draft=lineage[row["parent_gen_id"]][1],
            rank=int(row["rank"]),
            score=float(row["estimate"]),
            low=_known(row["ci_low"]),
            high=_known(row["ci_high"]),
            rank_low=_whole(row["rank_low"]),
            rank_high=_whole(row["rank_high"]),
            component=int(row["component"]),
            by_judge={judge: fmean(own) for judge, own in sorted(given[row["parent_gen_id"]].items())},
            rubrics=row["rubrics"].split(),
            evaluations=int(row["n_scores"]),
        )
        for row in board.to_dict("records")
    ]
    return sorted(ranked, key=lambda one: (-round(one.score, 9), one.gen_id))


def _by_best(wanted: Sequence["Judgement"]) -> list[Ranked]:
    """Rank by each judge's best score, averaged over judges: what older tools did."""
    given, lineage = _grouped(wanted), _lineage(wanted)
    best = {gen_id: {judge: max(own) for judge, own in sorted(of.items())} for gen_id, of in given.items()}
    means = {gen_id: fmean(highest.values()) for gen_id, highest in best.items()}
    ordered = sorted(means, key=lambda gen_id: (-means[gen_id], gen_id))
    first: dict[float, int] = {}
    for place, gen_id in enumerate(ordered, start=1):
        first.setdefault(means[gen_id], place)
    rubric = wanted[0].evaluation.template_id if wanted else ""
    return [
        Ranked(
            gen_id=gen_id,
            essay=lineage[gen_id][0],
            draft=lineage[gen_id][1],
            rank=first[means[gen_id]],
            score=means[gen_id],
            low=None,
            high=None,
            rank_low=None,
            rank_high=None,
            component=1,
            by_judge=best[gen_id],
            rubrics=[rubric],
            evaluations=sum(len(own) for own in given[gen_id].values()),
        )
        for gen_id in ordered
    ]


def _grouped(wanted: Iterable["Judgement"]) -> dict[str, dict[str, list[float]]]:
    """Return essay -> judge -> its scores."""
    given: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in wanted:
        if one.score is not None:
            given[one.evaluation.parent_gen_id][one.evaluation.llm_model_id].append(one.score)
    return given


def _lineage(wanted: Iterable["Judgement"]) -> dict[str, tuple[Entry | None, Entry | None]]:
    return {one.evaluation.parent_gen_id: (one.essay, one.draft) for one in wanted}


def _known(value: float) -> float | None:
    return None if value != value else float(value)


def _whole(value: float) -> int | None:
    return None if value != value else int(value)
