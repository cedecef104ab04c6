"""The page over all cohorts: how templates and models did from cohort to cohort."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import catalogs as catalogs_module
from ..cohorts import membership as membership_module
from ..errors import DayDreamError
from ..files import read_recorded, write_text
from ..settings import Settings, split_names
from ..stages import JUDGING
from ..statistics.scale import POINTS
from . import carried, html, reports
from .documents import scales_of
from .numbers import Mean, mean_of
from .overview import distinct, is_offline
from .reports import Rows
from .svg import Svg

FACTORS = {
    "draft_template": "Draft templates",
    "draft_model": "Draft models",
    "generation_template": "Essay templates",
    "generation_model": "Writers",
    "evaluation_llm_model": "Judges",
    "evaluation_template": "Evaluation templates",
}
"""Column of aggregated_scores.csv -> heading."""

SHADES = 20
"""Steps of the colour scale; the style sheet has a class for each."""


@dataclass(frozen=True)
class CohortLine:
    """One cohort as the page lists it.

    Attributes:
        created: day of its first expansion in this form, empty without a manifest.
        page: address of its page, empty if it has none.
        evaluations: how many it has; `mean` is over those whose score counts.
    """

    cohort_id: str
    created: str
    notes: str
    page: str
    membership: str
    evaluations: int
    mean: Mean
    is_offline: bool


@dataclass(frozen=True)
class Trend:
    """One level of a factor: its mean in each cohort, over all cohorts, and a sketch of the course."""

    level: str
    is_offline: bool
    means: list[Mean]
    shades: list[int]
    overall: Mean
    course: Svg | None


def write(settings: Settings, counted: Collection[str]) -> Path:
    """Write the page over all cohorts; see `pages.write_cross`."""
    data = settings.data
    page = data.cross_page
    aggregated = data.cross_tables[0]
    catalogs = catalogs_module.load(data)
    # a score that does not count is shown in the table, and in no mean
    scores = [row if row["gen_id"] in counted else row | {"score": ""} for row in reports.rows(aggregated)]
    scales = scales_of(catalogs, scores)
    scores = [_in_points(row, scales[row["evaluation_template"]]) for row in scores]
    by_id = {row["gen_id"]: row for row in scores}
    cohorts: list[CohortLine] = []
    members: list[Rows] = []
    unreadable: list[str] = []
    for cohort_id in _cohort_ids(settings):
        try:
            evaluations = membership_module.read(data, cohort_id).stage(JUDGING)
        except DayDreamError:
            unreadable.append(cohort_id)
            continue
        rows = [by_id[entry.gen_id] for entry in evaluations if entry.gen_id in by_id]
        cohort = data.cohort(cohort_id)
        manifest = read_recorded(cohort.manifest)
        models = distinct(row[name] for row in rows for name in ("generation_model", "evaluation_llm_model"))
        cohorts.append(
            CohortLine(
                cohort_id,
                str(manifest.get("created_at") or "")[:10],
                str(manifest.get("notes") or ""),
                html.link(cohort.page, page) if cohort.page.exists() else "",
                html.link(cohort.membership, page),
                len(evaluations),
                mean_of(_values(rows)),
                any(is_offline(catalogs, model) for model in models),
            )
        )
        members.append(rows)
    offline = {model for row in scores for model in _models(row) if is_offline(catalogs, model)}
    trends = {heading: _trends(factor, members, scores, offline) for factor, heading in FACTORS.items()}
    copies = carried.copy(page, data.cross_tables)
    write_text(
        page,
        html.render(
            "cross.html.j2",
            scripts=(),
            cohorts=cohorts,
            unreadable=unreadable,
            only=settings.cross_cohort or "",
            trends={heading: found for heading, found in trends.items() if found},
            total=mean_of(_values(scores)),
            evaluations=len(scores),
            is_offline=bool(offline),
            tables=[(html.link(path, page), path.name) for path in copies],
            scores_link=html.link(carried.place(page, aggregated), page),
        ),
    )
    return page


def _cohort_ids(settings: Settings) -> list[str]:
    """Return the cohorts of the page: as given, else all of the store, the oldest first."""
    given = split_names(settings.cross_cohort)
    if given:
        return given
    found = sorted(path.parent.name for path in settings.data.cohorts.glob("*/membership.csv"))

    def age(cohort_id: str) -> tuple[bool, str, str]:
        created = str(read_recorded(settings.data.cohort(cohort_id).manifest).get("created_at") or "")
        return not created, created, cohort_id

    return sorted(found, key=age)


def _trends(factor: str, members: Sequence[Rows], scores: Rows, offline: set[str]) -> list[Trend]:
    columns = [_by_level(factor, rows) for rows in members]
    overall = _by_level(factor, scores)
    found = {level: [mean_of(column.get(level, [])) for column in columns] for level in sorted(overall)}
    known = [mean.mean for means in found.values() for mean in means if mean.mean is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    return [
        Trend(
            level,
            level in offline,
            means,
            [_shade(mean, low, high) for mean in means],
            mean_of(overall[level]),
            _course(level, means, low, high),
        )
        for level, means in found.items()
    ]


def _by_level(factor: str, rows: Rows) -> Mapping[str, list[float]]:
    values: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row["score"] and row[factor]:
            values[row[factor]].append(float(row["score"]))
    return values


def _shade(mean: Mean, low: float, high: float) -> int:
    if mean.mean is None:
        return -1
    return round(SHADES * (mean.mean - low) / (high - low)) if high > low else SHADES // 2


def _course(level: str, means: Sequence[Mean], low: float, high: float) -> Svg | None:
    points = [(place, mean.mean) for place, mean in enumerate(means) if mean.mean is not None]
    if len(points) < 2:
        return None
    drawing = Svg(120, 28, f"Course of {level}")
    span = high - low or 1.0
    places = [(6 + 108 * place / (len(means) - 1), 23 - 18 * (value - low) / span) for place, value in points]
    drawing.add("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places), class_="c-course")
    drawing.add("circle", cx=places[-1][0], cy=places[-1][1], r=3.0, class_="c-dot")
    return drawing


def _in_points(row: dict[str, str], scale: float) -> dict[str, str]:
    return row | {"score": repr(POINTS * float(row["score"]) / scale)} if row["score"] else row


def _values(rows: Rows) -> list[float]:
    return [float(row["score"]) for row in rows if row["score"]]


def _models(row: Mapping[str, str]) -> tuple[str, ...]:
    return row["draft_model"], row["generation_model"], row["evaluation_llm_model"]
