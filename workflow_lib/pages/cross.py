"""The page over all cohorts: how templates, models and judges did in each, as each cohort's own tables have it."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from .. import catalogs as catalogs_module
from ..cohorts import membership as membership_module
from ..errors import DayDreamError
from ..files import read_recorded, write_text
from ..generations import census
from ..paths import Cohort
from ..settings import Settings, split_names
from ..stages import JUDGING
from . import carried, evidence, html, reports, way_up
from .axes import Axis, Estimate
from .findings import anchor
from .numbers import count, points, signed
from .overview import NOUNS, distinct
from .pictures import Line, Picture, dot, dots, interval
from .reports import Rows

MEANS, DIFFERENCES, JUDGES = "level_means", "comparisons", "judges"


@dataclass(frozen=True)
class CohortLine:
    """One cohort as the page lists it.

    Attributes:
        created: day of its first expansion in this form, empty without a manifest.
        page: address of its page, empty if it has none.
        evaluations: how many it has, and how many of them have a score that counts.
    """

    cohort_id: str
    created: str
    notes: str
    page: str
    membership: str
    evaluations: int
    scored: int
    is_offline: bool


@dataclass(frozen=True)
class Told:
    """A row of a cohort's table."""

    cohort: CohortLine
    row: Mapping[str, str]


def write(settings: Settings, counted: Collection[str]) -> Path:
    """Write the page over all cohorts; see `pages.write_cross`."""
    data = settings.data
    page = data.cross_page
    aggregated = data.cross_tables[0]
    catalogs = catalogs_module.load(data)
    by_id = {row["gen_id"]: row for row in reports.rows(aggregated)}
    cohorts: list[CohortLine] = []
    unreadable: list[str] = []
    found: dict[str, list[Told]] = {MEANS: [], DIFFERENCES: [], JUDGES: []}
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
        line = CohortLine(
            cohort_id,
            str(manifest.get("created_at") or "")[:10],
            str(manifest.get("notes") or ""),
            html.link(cohort.page, page) if cohort.page.exists() else "",
            html.link(cohort.membership, page),
            len(evaluations),
            sum(row["gen_id"] in counted for row in rows),
            any(census.is_offline(catalogs, model) for model in models),
        )
        cohorts.append(line)
        for name, told in found.items():
            told += [Told(line, row) for row in _table(cohort, name)]
    copies = carried.copy(page, data.cross_tables)
    write_text(
        page,
        html.render(
            "cross.html.j2",
            scripts=(),
            cohorts=cohorts,
            without_tables=[line.cohort_id for line in cohorts if line not in {one.cohort for one in found[MEANS]}],
            unreadable=unreadable,
            only=settings.cross_cohort or "",
            means=means(found[MEANS]),
            contrasts=contrasts(found[DIFFERENCES]),
            severities=severities(found[JUDGES]),
            evaluations=len(by_id),
            scored=sum(gen_id in counted for gen_id in by_id),
            is_offline=any(line.is_offline for line in cohorts),
            tables=[(html.link(path, page), path.name) for path in copies],
            scores_link=html.link(carried.place(page, aggregated), page),
        ),
    )
    for line in cohorts:
        if line.page:
            way_up.show(data.cohort(line.cohort_id).page)
    return page


def means(told: Sequence[Told]) -> Picture | None:
    """Return the mean of each template and model in each cohort with its interval for new combos, on one axis."""

    def name(row: Mapping[str, str]) -> str:
        return f"{evidence.FACTOR_NAMES[row['factor']]}: {evidence.level_name(row)}"

    def line(one: Told, shown: Estimate, axis: Axis) -> tuple[str, Line]:
        row = one.row
        rest = f"{interval(row['ci_low'], row['ci_high'])}, {_counted(row, 'n_combos', 'combo')}, "
        rest += _counted(row, "n_scores", "score")
        return name(row), _line(one, "differences", axis, shown, points(shown.value), rest)

    found = _estimates((one for one in told if one.row["factor"] in NOUNS), "mean")
    found.sort(key=lambda pair: (list(NOUNS).index(pair[0].row["factor"]), name(pair[0].row)))
    return dots("Means by cohort", f"mean of adjusted scores, {evidence.UNIT}", found, line, evidence.WHOLE)


def contrasts(told: Sequence[Told]) -> Picture | None:
    """Return the paired differences of templates and models within each cohort, on one axis; most cohorts first."""

    def name(row: Mapping[str, str]) -> str:
        return f"{evidence.FACTOR_NAMES[row['factor']]}: {evidence.versus(row)}"

    def line(one: Told, shown: Estimate, axis: Axis) -> tuple[str, Line]:
        row = one.row
        rest = f"{interval(row['ci_low'], row['ci_high'], is_signed=True)}, {_counted(row, 'n_combos', 'combo')}"
        is_clear = row["clear"] == "true"
        rest += ", clear" if is_clear else ""
        return name(row), _line(one, anchor(row), axis, shown, signed(shown.value), rest, is_strong=is_clear)

    found = _estimates((one for one in told if one.row["factor"] in NOUNS), "difference")
    cohorts = Counter(name(one.row) for one, _ in found)
    found.sort(key=lambda pair: (-cohorts[name(pair[0].row)], name(pair[0].row)))
    label, unit = "Paired differences by cohort", evidence.FIRST_MINUS_SECOND
    return dots(label, unit, found, line, evidence.DIFFERENCES, is_signed=True)


def severities(told: Sequence[Told]) -> Picture | None:
    """Return how much more or less each judge gives than the mean judge of its cohort, on one axis."""

    def line(one: Told, shown: Estimate, axis: Axis) -> tuple[str, Line]:
        rest = interval(one.row["severity_low"], one.row["severity_high"], is_signed=True)
        rest += f", {_counted(one.row, 'n_scores', 'score')}"
        return one.row["evaluation_llm_model"], _line(one, "judges", axis, shown, signed(shown.value), rest)

    found = _estimates(_over_templates(told), "severity", "severity_low", "severity_high")
    found.sort(key=lambda pair: pair[0].row["evaluation_llm_model"])
    unit = "more (+) or less than the mean judge of the cohort, points of 9"
    return dots("Severity of judges by cohort", unit, found, line, evidence.DIFFERENCES, is_signed=True)


def _estimates(told: Iterable[Told], name: str, *ends: str) -> list[tuple[Told, Estimate]]:
    return [(one, shown) for one in told if (shown := evidence.estimate(one.row, name, *ends))]


def _line(one: Told, place: str, axis: Axis, shown: Estimate, value: str, rest: str, *, is_strong: bool = True) -> Line:
    stored = f"{one.cohort.page}#{quote(place)}" if one.cohort.page else ""
    drawing = dot(axis, shown, is_strong=is_strong)
    return Line(one.cohort.cohort_id, drawing, value, rest, stored=stored, is_strong=is_strong)


def _over_templates(told: Iterable[Told]) -> list[Told]:
    """Return the rows of judges over all templates; those by a template where a cohort has only one."""
    by_cohort: dict[str, list[Told]] = {}
    for one in told:
        by_cohort.setdefault(one.cohort.cohort_id, []).append(one)
    found: list[Told] = []
    for own in by_cohort.values():
        found += [one for one in own if one.row["evaluation_template"] == "all"] or own
    return found


def _table(cohort: Cohort, name: str) -> Rows:
    path = cohort.analysis(name)
    return reports.rows(path) if path.exists() else []


def _counted(row: Mapping[str, str], name: str, noun: str) -> str:
    return count(int(row[name] or 0), noun)


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
