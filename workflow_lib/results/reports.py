"""All tables of a cohort, written in one go."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from .. import catalogs, tables
from ..catalogs import Catalogs
from ..cohorts.membership import Membership
from ..errors import DayDreamError
from ..files import write_json, write_text
from ..generations import census, failures
from ..generations.census import Census
from ..generations.state import States
from ..paths import DataRoot
from ..settings import Settings
from ..stages import JUDGING
from . import analysis, claims, coverage, scores, shown, spending, summary
from .scores import Judgement

COUNTED = ("rows", "done", "failed", "truncated", "stale", "missing", "other_model")
"""What completeness.json counts of each stage."""


@dataclass(frozen=True)
class Completeness:
    """How much of a cohort its tables show; the content of completeness.json.

    Attributes:
        partial: evaluations are without a score, or a draft or essay that the cohort ends at without a text.
        expected: evaluations of the cohort, the sum of `scored` and of `by_reason`.
        scored: those with a score of the judge that was asked.
        missing: those that were not run.
        failed: those that were, or that could not be since what they judge failed.
        by_reason: outcome as in coverage.csv -> evaluations without a score of the judge that was asked.
        stale: generations of any stage that are stale themselves.
        stages: stage -> how many generations there are, and how many of them are in which state (`COUNTED`).
        offline_models: ids of models whose answers come from the offline stand-ins, sorted.
        settings: those that show in the tables.
    """

    cohort_id: str
    partial: bool
    expected: int
    scored: int
    missing: int
    failed: int
    by_reason: dict[str, int]
    stale: int
    stages: dict[str, dict[str, int]]
    offline_models: list[str]
    settings: dict[str, Any]


def write(settings: Settings, cohort_id: str, membership: Membership) -> Completeness:
    """Write all tables of a cohort (`Cohort.tables`) from what is in the store now; every file is replaced.

    Args:
        settings: settings of the run.
        cohort_id: names the folder of the reports.
        membership: all of the cohort.
    """
    data, cohort = settings.data, settings.data.cohort(cohort_id)
    states = States(settings)
    judgements = scores.of_cohort(settings, membership, states)
    outcomes = coverage.outcomes(states, judgements)
    whole, known = scores.frame(judgements), _catalogs(data)
    scales = template_scales(data)
    table = coverage.counted(whole, outcomes)
    spent = spending.rows(states, cohort_id, membership)
    allowlist = list(settings.results.allowlist)

    write_frame(cohort.aggregated_scores, whole)
    for name, frame in summary.tables(table, scales, allowlist).items():
        write_frame(cohort.summary(name), frame)
    tables.write(cohort.summary("costs"), spending.COLUMNS, spent)
    tables.write(cohort.summary("coverage"), coverage.COLUMNS, coverage.rows(judgements, outcomes))
    write_frame(cohort.analysis("variance_analysis"), analysis.variance_analysis(table))
    usd = spending.of_texts(data, membership)
    tables.write(cohort.summary("text_costs"), spending.TEXT_COLUMNS, spending.text_rows(membership, usd))
    background = claims.background(data, known, scales, membership, spent, usd)
    for name, claim in claims.tables(table, background).items():
        write_frame(cohort.analysis(name), claim)
    tables.write(cohort.failures, failures.COLUMNS, map(_failure_row, states.failures(membership)))

    seen = census.of(states, membership, known)
    found = _completeness(settings, cohort_id, membership, judgements, outcomes, states, seen)
    write_json(cohort.completeness, asdict(found))
    return found


def template_scales(data: DataRoot) -> dict[str, float]:
    """Return evaluation template -> the best score it gives; {} without readable catalogs."""
    known = _catalogs(data)
    return {name: template.scale_max for name, template in known.templates[JUDGING].items()} if known else {}


def _catalogs(data: DataRoot) -> Catalogs | None:
    try:
        return catalogs.load(data)
    except DayDreamError:
        return None


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Replace a CSV file by a table: UTF-8, ``\\n``, floats as Python prints them, nothing for NaN."""
    write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def _completeness(
    settings: Settings,
    cohort_id: str,
    membership: Membership,
    judgements: Sequence[Judgement],
    outcomes: Sequence[str],
    states: States,
    seen: Census,
) -> Completeness:
    counts = Counter(outcomes)
    by_reason = {name: counts[name] for name in coverage.OUTCOMES if counts[name] and name != coverage.SCORED}
    ends = (entry for entry in membership if entry.stage != JUDGING and membership.is_last(entry))
    unscored = any(judgement.score is None for judgement in judgements)
    return Completeness(
        cohort_id,
        unscored or not all(state.has_parsed for state in states.each(ends)),
        len(judgements),
        counts[coverage.SCORED],
        counts[coverage.NOT_RUN],
        sum(counts[name] for name in coverage.FAILED),
        by_reason,
        sum(own.stale for own in seen.stages),
        {own.stage: {name: getattr(own, name) for name in COUNTED} for own in seen.stages},
        seen.offline_models,
        shown.of(settings),
    )


def _failure_row(failure: failures.Failure) -> dict[str, object]:
    return {name: tables.spreadsheet_safe(text) for name, text in asdict(failure).items()}
