"""Curves and clouds as wide as their place: what more would buy, and quality against cost."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..statistics.scale import POINTS
from .axes import Estimate, zoomed
from .evidence import FACTOR_NAMES, WHOLE, estimate, level_name
from .numbers import count, points, usd
from .pictures import number
from .reports import Rows
from .svg import Svg

HEIGHT, TOP, BOTTOM = 268, 42, 40
"""Pixels: of a drawing, above its curves (their names, the vertical axis), below (numbers of the axis)."""
USUAL = 0.8
"""A reliability that is usually asked for."""
LEFT = 9.0
"""Percent of the width for the numbers of the vertical axis."""
STYLES = ("k-0", "k-1", "k-2", "k-3", "k-4")


@dataclass(frozen=True)
class Plane:
    """Two axes; positions are in percent from the left and pixels from above.

    Attributes:
        across, up: ends of the axes, as logarithms where `log_across` or `log_up`.
    """

    across: tuple[float, float]
    up: tuple[float, float]
    log_across: bool = False
    log_up: bool = False

    def x(self, value: float) -> str:
        """Return where a value stands, in percent from the left."""
        return f"{LEFT + (98 - LEFT) * _share(value, self.across, self.log_across):.2f}%"

    def y(self, value: float) -> float:
        """Return where a value stands, in pixels from above."""
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - _share(value, self.up, self.log_up))

    def drawing(self, label: str, across: Sequence[float], up: Sequence[float], names: tuple[str, str]) -> Svg:
        """Return the axes with numbers at `across` and `up`, and what they measure."""
        drawing = Svg(None, HEIGHT, label)
        for value in up:
            drawing.line(f"{LEFT}%", self.y(value), "98%", self.y(value), "c-grid")
            drawing.text(f"{LEFT - 1}%", self.y(value) + 4, number(value), "end", "c-small")
        for value in across:
            shown = usd(value) if names[0].startswith("US dollars") else number(value)
            drawing.text(self.x(value), HEIGHT - BOTTOM + 16, shown, "middle", "c-small")
        drawing.text("98%", HEIGHT - 4, f"{names[0]} →", "end", "c-small")
        # above its numbers: in a narrow window it would lie on the other axis's name
        drawing.text("0%", TOP - 8, f"↑ {names[1]}", "start", "c-small")
        return drawing


def decision_study(rows: Rows) -> Svg | None:
    """Return the reliability of an essay's mean over evaluations per essay, a curve per number of judges.

    Without replicates there is one dot per number of judges, and one curve through them.

    The evaluation templates are those that the cohort has (or the nearest number in the table); the cohort's own design
    is the large dot.
    """
    present = next((row for row in rows if row["present"] == "true"), None)
    templates = present["evaluation_templates"] if present else "1"
    known = [row for row in rows if row["reliability_fixed_templates"] and row["evaluation_templates"] == templates]
    if not known:
        return None
    values = [Estimate(float(row["reliability_fixed_templates"])) for row in known]
    # in sight of what is usually asked for, so that 0.99 and 0.995 look alike
    axis = zoomed([*values, Estimate(USUAL), Estimate(1.0)], (0.0, 1.0))
    most = max(float(row["evaluations_per_essay"]) for row in known)
    plane = Plane((1.0, most), (axis.low, axis.high), log_across=True)
    across = [tick for tick in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0) if tick <= most]
    label = f"Reliability of an essay's mean by evaluations, with {count(int(templates), 'evaluation template')}"
    drawing = plane.drawing(label, across, axis.ticks, ("evaluations per essay", "reliability"))
    by_judges: dict[str, Rows] = {}
    for row in known:
        by_judges.setdefault(count(int(row["judges"]), "judge"), []).append(row)
    if max(map(len, by_judges.values())) == 1:
        # nothing is known of replicates: one curve over the numbers of judges, each named at its dot
        for row in known:
            x, y = _reliability(row)
            name = count(int(row["judges"]), "judge") if row is known[0] else row["judges"]
            drawing.text(plane.x(x), plane.y(y) + 18, name, "middle", class_="c-small")
        by_judges = {"": known}
    for place, (name, own) in enumerate(by_judges.items()):
        _curve(drawing, plane, [_reliability(row) for row in own], STYLES[place])
        if name:
            _named(drawing, place, len(by_judges), name)
    for row in known:
        is_present = row["present"] == "true"
        evaluations, value = _reliability(row)
        price = f", {usd(float(row['usd_cohort']))} for the cohort" if row["usd_cohort"] else ""
        design = f"{count(int(row['judges']), 'judge')} x {count(int(row['replicates']), 'replicate')}"
        drawing.add(
            "circle",
            cx=plane.x(evaluations),
            cy=plane.y(value),
            r=6.0 if is_present else 2.5,
            class_="c-dot",
            title=f"{design}{' (the cohort)' if is_present else ''}: {points(value)}{price}",
        )
    return drawing


def _reliability(row: Mapping[str, str]) -> tuple[float, float]:
    return float(row["evaluations_per_essay"]), float(row["reliability_fixed_templates"])


def detectable(rows: Rows) -> Svg | None:
    """Return the smallest difference that a number of combos would show, a curve per factor."""
    known = [row for row in rows if row["detectable_difference"] and float(row["detectable_difference"]) > 0]
    if not known:
        return None
    values = [min(POINTS, float(row["detectable_difference"])) for row in known]
    plane = Plane((3.0, 100.0), (min(values), max(values)), log_across=True, log_up=True)
    up = [tick for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0) if min(values) <= tick <= max(values)]
    names = ("combos", "smallest difference that is shown in 4 of 5 cases, points of 9")
    drawing = plane.drawing("Detectable difference by number of combos", (3.0, 5.0, 10.0, 20.0, 50.0, 100.0), up, names)
    factors = list(dict.fromkeys(row["factor"] for row in known))
    for place, factor in enumerate(factors):
        own = [row for row in known if row["factor"] == factor and float(row["detectable_difference"]) <= POINTS]
        line = [(float(row["combos"]), float(row["detectable_difference"])) for row in own]
        _curve(drawing, plane, line, STYLES[place])
        _named(drawing, place, len(factors), FACTOR_NAMES[factor])
        for row in own:
            if row["present"] == "true":
                value = float(row["detectable_difference"])
                title = f"{FACTOR_NAMES[factor]}: the cohort's {row['combos']} combos show {points(value)} points"
                drawing.add(
                    "circle", cx=plane.x(float(row["combos"])), cy=plane.y(value), r=6.0, class_="c-dot", title=title
                )
    return drawing


def quality_and_cost(means: Rows) -> Svg | None:
    """Return the mean of each recipe against the price of an essay, the efficient ones filled, numbered and joined.

    None where fewer than two recipes have a known price above 0.
    """
    known = _priced(means)
    if len(known) < 2:
        return None
    shown = [_estimate(row) for row in known]
    axis = zoomed(shown, WHOLE)
    prices = [float(row["usd_per_essay"]) for row in known]
    low, high = min(prices) / 1.3, max(prices) * 1.3
    plane = Plane((low, high), (axis.low, axis.high), log_across=True)
    names = ("US dollars an essay and its draft (log scale)", "mean of adjusted scores, points of 9")
    drawing = plane.drawing("Quality against cost", _prices(low, high), axis.ticks, names)
    best = _efficient(known)
    corners = [(float(row["usd_per_essay"]), float(row["mean"])) for row in best]
    for (x, y), (next_x, next_y) in itertools.pairwise(corners):
        drawing.line(plane.x(x), plane.y(y), plane.x(next_x), plane.y(y), "c-faint")
        drawing.line(plane.x(next_x), plane.y(y), plane.x(next_x), plane.y(next_y), "c-faint")
    for row, found in zip(known, shown, strict=True):
        at, is_efficient = plane.x(float(row["usd_per_essay"])), row in best
        if found.low is not None and found.high is not None:
            style = "c-line" if is_efficient else "c-faint"
            drawing.line(at, plane.y(max(found.low, axis.low)), at, plane.y(min(found.high, axis.high)), style)
        title = f"{level_name(row)}: {points(found.value)} for {usd(float(row['usd_per_essay']))}"
        class_ = "c-dot" if is_efficient else "c-hollow"
        drawing.add("circle", cx=at, cy=plane.y(found.value), r=4.5, class_=class_, title=title)
        if is_efficient:
            beside = f"{float(at.rstrip('%')) + 1:.2f}%"
            drawing.text(beside, plane.y(found.value) - 6, str(1 + best.index(row)), class_="c-strong")
    return drawing


def efficient(means: Rows) -> list[tuple[str, str, str]]:
    """Return the efficient recipes, the cheapest first, as (name, mean with interval, price)."""
    best = _efficient(_priced(means))
    return [(level_name(row), _with_interval(row), usd(float(row["usd_per_essay"]))) for row in best]


def _priced(means: Rows) -> Rows:
    known = (row for row in means if row["factor"] == "recipe" and row["mean"] and row["usd_per_essay"])
    return [row for row in known if float(row["usd_per_essay"]) > 0]


def _efficient(known: Rows) -> Rows:
    return sorted((row for row in known if row["efficient"] == "true"), key=lambda row: float(row["usd_per_essay"]))


def _estimate(row: Mapping[str, str]) -> Estimate:
    found = estimate(row, "mean")
    assert found is not None  # rows without a mean were left out
    return found


def _with_interval(row: Mapping[str, str]) -> str:
    has_interval = row["ci_low"] and row["ci_high"]
    interval = f" [{points(row['ci_low'])}, {points(row['ci_high'])}]" if has_interval else ", no interval"
    return f"{points(row['mean'])} of 9{interval}, {count(int(row['n_combos']), 'combo')}"


def _prices(low: float, high: float) -> list[float]:
    """Return round prices inside a range, 1, 2 and 5 times powers of ten; few of them where the range is wide."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [base * 10.0**power for power in decades for base in (1, 2, 5) if low <= base * 10.0**power <= high]
    return found if len(found) <= 6 else [price for price in found if f"{price:e}"[0] == "1"]


def _curve(drawing: Svg, plane: Plane, line: Sequence[tuple[float, float]], style: str) -> None:
    for (x, y), (next_x, next_y) in itertools.pairwise(line):
        drawing.line(plane.x(x), plane.y(y), plane.x(next_x), plane.y(next_y), f"c-curve {style}")


def _named(drawing: Svg, place: int, of: int, name: str) -> None:
    x = place * 100 // max(3, of)
    drawing.line(f"{x}%", 10, f"{x + 3}%", 10, f"c-curve {STYLES[place]}")
    drawing.text(f"{x + 3.6}%", 14, name, class_="c-small")


def _share(value: float, ends: tuple[float, float], is_log: bool) -> float:
    low, high = (math.log(end) for end in ends) if is_log else ends
    at = math.log(value) if is_log else value
    return 0.5 if high - low < 1e-12 else min(1.0, max(0.0, (at - low) / (high - low)))
