"""Charts of a cohort, from the rows of its tables: part of the page, and also files in html/plots/."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from . import costs, curves, evidence
from .documents import Document
from .pictures import Picture
from .reports import Reports
from .svg import NOTHING, Svg

Links = Mapping[str, tuple[str, str]]
"""Essay gen_id -> (address of its page, title)."""
Chart = Picture | Svg
CURVE_WIDTH = 760.0


def of(
    tables: Reports, documents: Iterable[Document], links: Links, scales: Mapping[str, float]
) -> dict[str, Chart | None]:
    """Return the charts by name; None where there is nothing to draw.

    Args:
        tables: of the cohort.
        documents: with their scores.
        links: where essays are.
        scales: evaluation template -> its best score.
    """
    judges, agreements = tables.analysis("judges"), tables.analysis("judge_agreement")
    means = tables.analysis("level_means")
    return {
        "comparisons": evidence.differences(tables.analysis("comparisons")),
        "level_means": evidence.levels(means),
        "adjusted_scores": evidence.leaders(tables.analysis("adjusted_scores"), links),
        "score_distributions": evidence.histograms(scores_of(documents), judges),
        "judge_agreement": evidence.coefficients(agreements),
        "judges": evidence.severities(judges),
        "judge_differences": evidence.differences_of_judges(agreements),
        "disputed_essays": evidence.disputed(tables.analysis("variance_analysis"), links, scales),
        "costs": costs.of_calls(tables.summary("costs")),
        "quality_and_cost": curves.quality_and_cost(means),
        "variance_components": evidence.components(tables.analysis("variance_components")),
        "decision_study": curves.decision_study(tables.analysis("decision_study")),
        "detectable_differences": curves.detectable(tables.analysis("detectable_differences")),
        "biases": evidence.biases(tables.analysis("biases")),
    }


def scores_of(documents: Iterable[Document]) -> dict[str, list[float]]:
    """Return judge -> its scores that count, in points of 9."""
    found: dict[str, list[float]] = defaultdict(list)
    for document in documents:
        for score in document.scores:
            if score.points is not None:
                found[score.judge].append(score.points)
    return dict(found)


def file(chart: Chart | None) -> str:
    """Return a chart as the content of an .svg file; one that says so where there is nothing to draw."""
    if chart is None:
        return NOTHING
    drawing = chart.drawing() if isinstance(chart, Picture) else chart
    if drawing.width is None:
        framed = Svg(CURVE_WIDTH, drawing.height + 8, drawing.label)
        framed.inside(drawing, 4, 4, CURVE_WIDTH - 8)
        drawing = framed
    return drawing.standalone()
