"""The pictures of a cohort's page, from the rows of its tables: every number in them is a row's."""

import math
from collections.abc import Iterable, Mapping, Sequence

from ..stages import JUDGED
from ..statistics.scale import POINTS
from .axes import Axis, Estimate, of_scale
from .findings import anchor, p_value
from .numbers import count, points, signed, usd
from .overview import NOUNS
from .pictures import Line, Picture, bar, dot, dots, head, histogram, interval, shares_of
from .reports import Rows

Row = Mapping[str, str]
WHOLE = (0.0, POINTS)
DIFFERENCES = (-POINTS, POINTS)
UNIT = "points of 9"
FIRST_MINUS_SECOND = "first minus second in points of 9: below 0 the second is better"
FACTOR_NAMES = {
    "draft_template": "Draft templates",
    "generation_template": "Essay templates",
    "draft_model": "Draft models",
    "generation_model": "Writers",
    "recipe": "Recipes: draft template, draft model, essay template, writer",
}
SHARE = "from 0, as by chance, to 1"
MOST_ESSAYS = 15
"""Essays that the picture of the leaderboard names; more if more cannot be told apart from the first, up to twice."""
MOST_RECIPES = 40
MOST_DISPUTED = 8


def estimate(row: Row, name: str, low: str = "ci_low", high: str = "ci_high") -> Estimate | None:
    """Return a value of a row with its interval, None where the row has no value."""
    if not row[name]:
        return None
    has_interval = bool(row[low] and row[high])
    return Estimate(float(row[name]), *((float(row[low]), float(row[high])) if has_interval else (None, None)))


def estimates(rows: Rows, name: str, low: str = "ci_low", high: str = "ci_high") -> list[tuple[Row, Estimate]]:
    """Return the rows that have a value, each with its estimate."""
    return [(row, shown) for row in rows if (shown := estimate(row, name, low, high))]


def differences(comparisons: Rows) -> Picture | None:
    """Return the paired differences of templates and models with their intervals for new combos."""

    def line(row: Row, shown: Estimate, axis: Axis) -> tuple[str, Line]:
        is_clear = row["clear"] == "true"
        corrected = f", p {p_value(row['p_holm'])} corrected" if row["p_holm"] else ""
        rest = f"{interval(row['ci_low'], row['ci_high'], is_signed=True)}, {_combos(row)}{corrected}"
        drawing = dot(axis, shown, is_strong=is_clear)
        drawn = Line(versus(row), drawing, signed(shown.value), rest, place=anchor(row), is_strong=is_clear)
        return FACTOR_NAMES[row["factor"]], drawn

    found = estimates([row for row in comparisons if row["factor"] in NOUNS], "difference")
    return dots("Paired differences", FIRST_MINUS_SECOND, found, line, DIFFERENCES, is_signed=True)


def leaders(board: Rows, links: Mapping[str, tuple[str, str]]) -> Picture | None:
    """Return the best essays by adjusted score with their rank intervals; a bracket holds the top group together.

    Args:
        board: rows of adjusted_scores.csv; of several components the largest is drawn.
        links: essay gen_id -> (address of its page, title).
    """
    own = largest_component(board)
    top = sum(row["top_group"] == "true" for row in own)
    named = own[: max(MOST_ESSAYS, min(top, 2 * MOST_ESSAYS))]

    def line(row: Row, shown: Estimate, axis: Axis) -> tuple[str, Line]:
        href, title = links[row["parent_gen_id"]]
        rest = f"{interval(row['ci_low'], row['ci_high'])}, {count(int(row['n_scores']), 'score')}, rank {row['rank']}"
        if row["rank_low"]:
            rest += f" ({int(row['rank_low']):,}–{int(row['rank_high']):,})"
        is_top = row["top_group"] == "true"
        return "", Line(
            title,
            dot(axis, shown, is_strong=is_top),
            points(shown.value),
            rest,
            href=href,
            is_strong=is_top,
            in_bracket=is_top and top > 1,
        )

    return dots("Best essays", f"adjusted score, {UNIT}", estimates(named, "estimate"), line, WHOLE)


def largest_component(board: Rows) -> Rows:
    """Return the rows of the largest group of essays that share judges, the best first."""
    sizes: dict[str, int] = {}
    for row in board:
        sizes[row["component"]] = sizes.get(row["component"], 0) + 1
    chosen = max(sizes, key=lambda name: (sizes[name], -int(name)), default="")
    return [row for row in board if row["component"] == chosen]


def levels(means: Rows) -> Picture | None:
    """Return the mean of each template, model and recipe with its interval for new combos."""
    recipes = [row for row in means if row["factor"] == "recipe"]
    used = [row for row in means if row["factor"] != "recipe" and len(_of(means, row["factor"])) > 1]
    used += recipes if 1 < len(recipes) <= MOST_RECIPES else []
    order = list(FACTOR_NAMES)

    def line(row: Row, shown: Estimate, axis: Axis) -> tuple[str, Line]:
        essays = count(int(row["n_essays"]), JUDGED)
        price = f", {usd(float(row['usd_per_essay']))} an essay" if float(row["usd_per_essay"] or 0) else ""
        rest = f"{interval(row['ci_low'], row['ci_high'])}, {_combos(row)}, {essays}{price}"
        return FACTOR_NAMES[row["factor"]], Line(level_name(row), dot(axis, shown), points(shown.value), rest)

    found = sorted(estimates(used, "mean"), key=lambda pair: (order.index(pair[0]["factor"]), -pair[1].value))
    return dots("Means", f"mean of adjusted scores, {UNIT}", found, line, WHOLE)


def level_name(row: Row) -> str:
    """Return the name of a row of level_means.csv; parts of a recipe that are the same stand once."""
    return " · ".join(dict.fromkeys(row[name] for name in NOUNS if row[name]))


def severities(judges: Rows) -> Picture | None:
    """Return how much more or less each judge gives than the mean judge, over all templates and by each."""
    found = estimates(judges, "severity", "severity_low", "severity_high")
    if len({row["evaluation_llm_model"] for row, _ in found}) < 2:
        return None

    def line(row: Row, shown: Estimate, axis: Axis) -> tuple[str, Line]:
        rest = interval(row["severity_low"], row["severity_high"], is_signed=True)
        rest += f", {count(int(row['n_essays']), JUDGED)}, {count(int(row['n_scores']), 'score')}"
        return _template(row), Line(row["evaluation_llm_model"], dot(axis, shown), signed(shown.value), rest)

    found.sort(key=lambda pair: pair[0]["evaluation_template"] != "all")
    unit = "more (+) or less than the mean judge, points of 9"
    return dots("Severity of judges", unit, found, line, DIFFERENCES, is_signed=True)


def coefficients(agreements: Rows) -> Picture | None:
    """Return alpha, reliability and rank correlations on one axis."""
    names = {
        "krippendorff_alpha_of_replicate_means": "Krippendorff's alpha",
        "reliability_of_one_judge": "Reliability of one judge",
        "reliability_of_all_judges": "Reliability of all judges' mean",
        "spearman": "Rank correlation (Spearman)",
        "evaluation_replicate_alpha": "Alpha of a judge with itself",
    }

    def line(row: Row, shown: Estimate, axis: Axis) -> tuple[str, Line]:
        rest = f"{interval(row['ci_low'], row['ci_high'])}, {_units(row)}"
        return names[row["measure"]], Line(_who(row), dot(axis, shown), points(shown.value), rest)

    found = estimates([row for row in agreements if row["measure"] in names], "value")
    return dots("Agreement of judges", SHARE, found, line, (-1.0, 1.0))


def differences_of_judges(agreements: Rows) -> Picture | None:
    """Return the bias of each pair of judges, and the spread of replicates, in points of 9."""
    names = {
        "bias": "First judge minus second",
        "evaluation_replicate_sd": "Standard deviation of a judge's replicates",
        "essay_replicate_sd": "Standard deviation between essays of one draft and template",
        "draft_replicate_sd": "Standard deviation between drafts of one cell",
    }

    def line(row: Row, shown: Estimate, axis: Axis) -> tuple[str, Line]:
        is_bias = row["measure"] == "bias"
        rest = f"{interval(row['ci_low'], row['ci_high'], is_signed=is_bias)}, {_units(row)}"
        value = signed(shown.value) if is_bias else points(shown.value)
        return names[row["measure"]], Line(_who(row), dot(axis, shown), value, rest)

    found = estimates([row for row in agreements if row["measure"] in names], "value")
    return dots("Differences between judges", UNIT, found, line, DIFFERENCES, is_signed=True)


def histograms(scores: Mapping[str, Sequence[float]], judges: Rows) -> Picture | None:
    """Return the scores of each judge, all on one axis and one scale of shares.

    Args:
        scores: judge -> its scores in points of 9.
        judges: rows of judges.csv, for the means.
    """
    if not scores:
        return None
    bins = edges_for(value for values in scores.values() for value in values)
    axis = of_scale(bins[0], bins[-1]) if bins[0] < 0 else of_scale(*WHOLE)
    if bins[0] < 0:
        axis = Axis(bins[0], bins[-1], None, tuple(float(number) for number in range(10)))
    shares = {
        judge: shares_of([_bin(bins, value) for value in values], len(bins) - 1) for judge, values in scores.items()
    }
    tallest = max(max(own) for own in shares.values())
    overall = {row["evaluation_llm_model"]: row for row in _over_templates(judges)}
    lines = []
    for judge, own in sorted(shares.items()):
        row = overall[judge]
        best, worst = (round(100 * float(row[name])) for name in ("share_top", "share_bottom"))
        said = f"mean, spread {points(row['spread'])}, " if row["spread"] else "mean, "
        rest = f"{said}{count(int(row['n_scores']), 'score')}, {best} % best, {worst} % lowest"
        lines.append(Line(judge, histogram(axis, bins, own, tallest, float(row["mean"])), points(row["mean"]), rest))
    unit = f"score in points of 9; bars are shares, the tallest {_percent(tallest)}; the line is the mean"
    return Picture("Scores of each judge", unit, head(axis), {"": lines})


def edges_for(values: Iterable[float]) -> list[float]:
    """Return the edges of bins: around each whole point where all scores are whole, else every half point."""
    if all(value == int(value) for value in values):
        return [number - 0.5 for number in range(int(POINTS) + 2)]
    return [number / 2 for number in range(2 * int(POINTS) + 1)]


def _bin(edges: Sequence[float], value: float) -> int:
    width = edges[1] - edges[0]
    return max(0, min(len(edges) - 2, math.floor((value - edges[0]) / width)))


def components(rows: Rows) -> Picture | None:
    """Return where the differences between scores come from, as shares of what is known."""
    known = [row for row in rows if row["share"] and float(row["share"]) > 0]
    if not known:
        return None
    axis = of_scale(0.0, 1.0)
    lines = []
    for row in sorted(known, key=lambda one: -float(one["share"])):
        groups = f", {int(row['groups']):,} different" if row["groups"] else ""
        rest = f"of the variance, standard deviation {points(row['sd'])}{groups}"
        lines.append(
            Line(_plain(row["component"]), bar(axis, float(row["share"])), _percent(float(row["share"])), rest)
        )
    return Picture("Where differences come from", "share of the variance", head(axis), {"": lines})


def biases(rows: Rows) -> Picture | None:
    """Return the biases that have a value: own model and family, length, and differences at equal length."""
    names = {
        "own_model": "Own model: more for its own essays than for others'",
        "own_family": "Own family: likewise",
        "length_slope": "Length: points per unit of ln(words)",
        "length_adjusted_difference": "Differences at equal length",
    }

    def line(row: Row, shown: Estimate, axis: Axis) -> tuple[str, Line]:
        rest = f"{interval(row['ci_low'], row['ci_high'], is_signed=True)}, {_combos(row)}"
        return names[row["bias"]], Line(row["judge"] or versus(row), dot(axis, shown), signed(shown.value), rest)

    return dots("Biases", UNIT, estimates(rows, "value"), line, DIFFERENCES, is_signed=True)


def disputed(variances: Rows, links: Mapping[str, tuple[str, str]], scales: Mapping[str, float]) -> Picture | None:
    """Return the essays whose judges lie furthest apart by one template, with their lowest and highest score.

    Args:
        variances: rows of variance_analysis.csv.
        links: essay gen_id -> (address of its page, title).
        scales: evaluation template -> its best score.
    """
    judged = [
        (float(row["range"]) / scales[row["evaluation_template"]], row)
        for row in variances
        if row["analysis_type"] == "model_variance" and int(row["num_models"]) > 1 and row["range"]
    ]
    most = sorted(judged, key=lambda pair: (-pair[0], pair[1]["parent_gen_id"], pair[1]["evaluation_template"]))
    chosen = [row for share, row in most[:MOST_DISPUTED] if share > 0]
    if not chosen:
        return None
    axis = Axis(0.0, POINTS, WHOLE, tuple(float(number) for number in range(int(POINTS) + 1)))
    lines = []
    for row in chosen:
        href, title = links[row["parent_gen_id"]]
        scale = scales[row["evaluation_template"]]
        mean, low, high = (float(row[name]) * POINTS / scale for name in ("mean", "min", "max"))
        rest = f"of {scale:g} by {row['evaluation_template']}, {count(int(row['count']), 'score')}"
        value = f"{_score(row['min'])} to {_score(row['max'])}"
        lines.append(Line(title, dot(axis, Estimate(mean, low, high)), value, rest, href=href))
    return Picture("Most disputed essays", "lowest, mean and highest score, in points of 9", head(axis), {"": lines})


def _percent(share: float) -> str:
    whole = f"{share:.0%}".replace("%", " %")
    return "< 1 %" if whole == "0 %" else whole


def _score(text: str) -> str:
    return f"{float(text):g}"


def _of(rows: Rows, factor: str) -> Rows:
    return [row for row in rows if row["factor"] == factor]


def _over_templates(judges: Rows) -> Rows:
    return [row for row in judges if row["evaluation_template"] == "all"] or judges


def _combos(row: Row) -> str:
    return count(int(row["n_combos"] or 0), "combo")


def _units(row: Row) -> str:
    if row["measure"] in ("essay_replicate_sd", "draft_replicate_sd"):
        return count(int(row["n"]), "group")
    return f"{int(row['n']):,} {'pairs of essay and template' if row['evaluation_template'] == 'all' else 'essays'}"


def _template(row: Row) -> str:
    return "Over all evaluation templates" if row["evaluation_template"] == "all" else row["evaluation_template"]


def _who(row: Row) -> str:
    judges = [name for name in (row["judge_a"], row["judge_b"]) if name]
    template = "all templates" if row["evaluation_template"] == "all" else row["evaluation_template"]
    return f"{' and '.join(judges)}, {template}" if judges else template


def versus(row: Row) -> str:
    """Return the two levels of a difference."""
    whole = " (drafts, too)" if row["pairing"] == "pipeline" else ""
    return f"{row['level_a']} − {row['level_b']}{whole}"


def _plain(component: str) -> str:
    """Return the name of a component in a reader's words."""
    for name, noun in (("evaluation_template", "evaluation template"), *NOUNS.items()):
        component = component.replace(name, noun)
    return component
