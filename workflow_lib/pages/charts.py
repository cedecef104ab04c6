"""Charts of a cohort as SVG: part of the page, and also files in html/plots/."""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from ..statistics.scale import MIN_UNITS, POINTS
from .documents import Document
from .findings import anchor
from .numbers import usd
from .reports import Reports, Rows

STANDALONE_STYLE = """
svg{background:#fff;font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}
text{font-size:12px;fill:#3a3d42}.c-small{font-size:11px;fill:#6b6f76}.c-strong{font-weight:600;fill:#1c1e21}
.c-grid{stroke:#e4e2dc;stroke-width:1}.c-axis{stroke:#9a9ea5;stroke-width:1}.c-bar{fill:#3f7f86}
.c-line{stroke:#3f7f86;stroke-width:2}.c-dot{fill:#1f6a73}.c-faint{stroke:#9a9ea5;stroke-width:2}
.c-hollow{fill:#fff;stroke:#6b6f76;stroke-width:2}.c-mean{stroke:#b4532a;stroke-width:2}
"""
NOTHING = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 40" role="img" aria-label="Nothing to draw">'
    '<text x="8" y="25" font-family="sans-serif" font-size="14" fill="#6b6f76">Nothing to draw yet.</text></svg>\n'
)
"""The file of a figure for which there are no scores or costs."""
TEXT_WIDTH = 6.6
"""Pixels that a character of 12 px takes on average, for margins."""


@dataclass
class Svg:
    """A drawing of `width` x `height` pixels; `label` is what a screen reader says."""

    width: float
    height: float
    label: str
    parts: list[Markup] = field(default_factory=list)

    def add(self, tag: str, content: str = "", **attributes: object) -> None:
        """Add an element; ``class_`` stands for class, ``title`` becomes its tool tip, text is escaped."""
        title = attributes.pop("title", None)
        written = " ".join(
            f'{name.rstrip("_").replace("_", "-")}="{escape(_short(value))}"' for name, value in attributes.items()
        )
        inner = escape(content)
        if title:
            inner += Markup("<title>{}</title>").format(title)
        self.parts.append(Markup(f"<{tag} {written}>{inner}</{tag}>"))

    def text(self, x: float, y: float, content: str, anchor: str = "start", class_: str = "", id_: str = "") -> None:
        """Add a text with its base line at y."""
        named = {"id_": id_} if id_ else {}
        self.add("text", content, x=x, y=y, text_anchor=anchor, class_=class_, **named)

    def line(self, x1: float, y1: float, x2: float, y2: float, class_: str) -> None:
        """Add a line."""
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)

    def __html__(self) -> str:
        return self._document("")

    def _document(self, style: str) -> str:
        size = f"{_short(self.width)} {_short(self.height)}"
        head = Markup('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {}" role="img" aria-label="{}"').format(
            size, self.label
        )
        return f'{head} width="{_short(self.width)}" height="{_short(self.height)}">{style}{"".join(self.parts)}</svg>'


def standalone(drawing: Svg) -> str:
    """Return a drawing as the content of an .svg file."""
    return drawing._document(f"<style>{STANDALONE_STYLE}</style>") + "\n"


def of(tables: Reports, documents: Sequence[Document]) -> dict[str, Svg | None]:
    """Return the charts by name; None where there is nothing to draw.

    Args:
        tables: of the cohort.
        documents: with their scores.
    """
    return {
        "score_distributions": distributions(documents),
        "comparisons": forest(tables.analysis("comparisons")),
        "replicate_spread": replicate_spread(documents),
        "cost_and_score": cost_and_score(documents),
    }


def distributions(documents: Iterable[Document]) -> Svg | None:
    """Return a histogram of the scores per judge, with the mean as a line."""
    by_judge: dict[str, list[float]] = defaultdict(list)
    for document in documents:
        for score in document.scores:
            if score.points is not None:
                by_judge[score.judge].append(score.points)
    if not by_judge:
        return None
    bins = Bins.of(value for values in by_judge.values() for value in values)
    columns = min(3, len(by_judge))
    # numbers under the ends of an axis reach beyond it by half their width
    panel, height, gap, edge = 300, 150, 28, 10
    lines = -(-len(by_judge) // columns)
    drawing = Svg(columns * (panel + gap) - gap + 2 * edge, lines * (height + 58), "Distribution of scores per judge")
    for number, judge in enumerate(sorted(by_judge)):
        left, above = edge + number % columns * (panel + gap), number // columns * (height + 58) + 22
        values = by_judge[judge]
        counts = Counter(map(bins.place, values))
        tallest = max(counts.values())
        width = panel / bins.count
        mean = statistics.fmean(values)
        drawing.text(left, above - 6, judge, class_="c-strong")
        drawing.text(left + panel, above - 6, f"mean {mean:.2f}, n {len(values):,}", "end", "c-small")
        for place in range(bins.count):
            tall = counts[place] / tallest * (height - 14)
            x = left + place * width
            share = counts[place] / len(values)
            drawing.add(
                "rect",
                x=x + width * 0.07,
                y=above + height - tall,
                width=width * 0.86,
                height=tall,
                rx=min(2, width / 4),
                class_="c-bar",
                title=f"{judge}: {counts[place]:,} of {len(values):,} scores ({share:.0%}) are {bins.name(place)}",
            )
        for value, offset in bins.labels():
            drawing.text(left + offset * width, above + height + 15, f"{value:g}", "middle", "c-small")
        drawing.line(left, above + height, left + panel, above + height, "c-axis")
        at = left + bins.offset(mean) * width
        drawing.line(at, above + 4, at, above + height, "c-mean")
    return drawing


@dataclass(frozen=True)
class Bins:
    """Bins of a histogram of points of 9.

    Attributes:
        step: width of a bin; bin k holds scores from k * step to below the next one.
        count: how many; the last one holds the end of the scale, too.
        whole: whether each bin is one whole score and stands under its own number.
    """

    step: float
    count: int
    whole: bool

    @classmethod
    def of(cls, values: Iterable[float]) -> "Bins":
        """Return bins for these scores: one per point where all are whole, else half points."""
        if all(value == int(value) for value in values):
            return cls(1.0, int(POINTS) + 1, True)
        return cls(0.5, int(2 * POINTS), False)

    def place(self, value: float) -> int:
        return max(0, min(self.count - 1, math.floor(value / self.step)))

    def offset(self, value: float) -> float:
        """Return where a value stands, in bins from the left."""
        return value / self.step + (0.5 if self.whole else 0.0)

    def name(self, place: int) -> str:
        low, high = place * self.step, (place + 1) * self.step
        if self.whole:
            return f"{low:g}"
        return f"from {low:g} to {'' if place == self.count - 1 else 'below '}{high:g}"

    def labels(self) -> Iterable[tuple[float, float]]:
        """Yield the numbers under the axis and where they stand, in bins from the left."""
        for value in range(int(POINTS) + 1):
            yield float(value), self.offset(float(value))


FACTOR_NAMES = {
    "draft_template": "Draft templates",
    "generation_template": "Essay templates",
    "draft_model": "Draft models",
    "generation_model": "Essay models",
}


def forest(comparisons: Rows) -> Svg | None:
    """Return the paired differences of templates and models with their intervals for new combos, a row each."""
    rows = [row for row in comparisons if row["difference"] and row["factor"] in FACTOR_NAMES]
    if not rows:
        return None
    groups: dict[str, Rows] = defaultdict(list)
    for row in rows:
        groups[row["factor"]].append(row)
    names = {True: ("difference", "ci_low", "ci_high"), False: ("difference",)}
    ends = [abs(float(row[name])) for row in rows for name in names[_has_interval(row)]]
    reach = _nice(max([*ends, 0.5]))
    label_width = min(430, max(len(_versus(row)) for row in rows) * TEXT_WIDTH + 16)
    plot, right, step = 380, 190, 26
    height = sum(len(found) * step + 34 for found in groups.values()) + 44
    drawing = Svg(label_width + plot + right, height, "Paired differences of means with 95 % intervals")

    def at(value: float) -> float:
        return label_width + plot * (value + reach) / (2 * reach)

    for tick in _ticks(reach):
        drawing.line(at(tick), 8, at(tick), height - 36, "c-axis" if tick == 0 else "c-grid")
        drawing.text(at(tick), height - 20, f"{tick:+g}".replace("-", "−") if tick else "0", "middle", "c-small")
    drawing.text(at(-reach), height - 4, "← second one better", class_="c-small")
    drawing.text(at(reach), height - 4, "first one better →", "end", "c-small")
    y = 0.0
    for factor, found in groups.items():
        y += 24
        drawing.text(0, y, FACTOR_NAMES.get(factor, factor), class_="c-strong")
        y += 10
        for row in found:
            _forest_row(drawing, row, y + 13, label_width + plot + 14, at)
            y += step
    return drawing


def _forest_row(drawing: Svg, row: Mapping[str, str], y: float, right: float, at: Callable[[float], float]) -> None:
    value = float(row["difference"])
    has_interval = _has_interval(row)
    low, high = (float(row["ci_low"]), float(row["ci_high"])) if has_interval else (value, value)
    is_clear = has_interval and row["clear"] == "true"
    interval = f"[{_signed(low)}, {_signed(high)}]" if has_interval else "no interval"
    tip = f"{_versus(row)}: {_signed(value)} {interval}, {row['n_combos']} combos, {row['n_cells']} paired units"
    drawing.text(0, y + 4, _versus(row), id_=anchor(row))
    if has_interval:
        drawing.line(at(low), y, at(high), y, "c-line" if is_clear else "c-faint")
    drawing.add("circle", cx=at(value), cy=y, r=5, class_="c-dot" if is_clear else "c-hollow", title=tip)
    drawing.text(right, y + 4, _signed(value), class_="c-strong" if is_clear else "")
    drawing.text(right + 44, y + 4, f"{interval}  n {row['n_combos']}", class_="c-small")


def _has_interval(row: Mapping[str, str]) -> bool:
    return bool(row["ci_low"]) and int(row["n_combos"]) >= MIN_UNITS


def _versus(row: Mapping[str, str]) -> str:
    whole = " (drafts, too)" if row["pairing"] == "pipeline" else ""
    return f"{row['level_a']} − {row['level_b']}{whole}"


def replicate_spread(documents: Iterable[Document]) -> Svg | None:
    """Return, per judge, how far its replicates on the same essay and template lie apart: max - min, points of 9."""
    spreads: dict[str, list[float]] = defaultdict(list)
    for document in documents:
        groups: dict[tuple[str, str], list[float]] = defaultdict(list)
        for score in document.scores:
            if score.points is not None:
                groups[score.judge, score.template].append(score.points)
        for (judge, _), values in groups.items():
            if len(values) > 1:
                spreads[judge].append(max(values) - min(values))
    if not spreads:
        return None
    steps = [(0.0, "0"), (0.5, "≤ ½"), (1.0, "≤ 1"), (2.0, "≤ 2"), (math.inf, "> 2")]
    label_width = min(260, max(map(len, spreads)) * TEXT_WIDTH + 20)
    cell, row_height = 110, 40
    drawing = Svg(
        label_width + cell * len(steps) + 90, 40 + row_height * len(spreads), "Spread between replicates per judge"
    )
    for number, (_, name) in enumerate(steps):
        drawing.text(label_width + number * cell + cell / 2, 16, f"{name} points", "middle", "c-small")
    for line, judge in enumerate(sorted(spreads)):
        y = 34 + line * row_height
        values = spreads[judge]
        drawing.text(0, y + 15, judge)
        lower = -math.inf
        for number, (limit, name) in enumerate(steps):
            found = sum(lower < value <= limit for value in values)
            lower = limit
            share = found / len(values)
            x = label_width + number * cell
            title = f"{judge}: {found:,} of {len(values):,} groups of replicates lie {name} points apart"
            wide = share * (cell - 40)
            if found:
                drawing.add("rect", x=x + 4, y=y, width=wide, height=20, rx=2, class_="c-bar", title=title)
            drawing.text(x + 10 + wide, y + 15, f"{share:.0%}", class_="c-small")
        drawing.text(label_width + cell * len(steps) + 86, y + 15, f"n {len(values):,}", "end", "c-small")
    return drawing


def cost_and_score(documents: Iterable[Document]) -> Svg | None:
    """Return mean score over the cost of draft and essay, for the essays of which both are known."""
    points = [
        (document.cost_usd, document.mean.mean, document)
        for document in documents
        if document.cost_usd and document.mean.mean is not None
    ]
    if not points:
        return None
    lowest, highest = min(cost for cost, _, _ in points), max(cost for cost, _, _ in points)
    # costs of models differ by orders of magnitude: a decade takes the same room everywhere
    first, last = (
        math.floor(math.log10(lowest)),
        max(math.ceil(math.log10(highest)), math.floor(math.log10(lowest)) + 1),
    )
    top = max(9, math.ceil(max(mean for _, mean, _ in points)))
    left, width, height = 44, 640, 280
    drawing = Svg(left + width + 40, height + 60, "Mean score over the cost of writing")
    for score in range(0, top + 1, 3 if top == 9 else 2 if top <= 10 else 25):
        y = 10 + height * (1 - score / top)
        drawing.line(left, y, left + width, y, "c-grid")
        drawing.text(left - 10, y + 4, str(score), "end", "c-small")
    for decade in range(first, last + 1):
        x = left + width * (decade - first) / (last - first)
        drawing.line(x, 10, x, 10 + height, "c-grid")
        drawing.text(x, height + 28, usd(10.0**decade), "middle", "c-small")
    drawing.text(left + width, height + 50, "cost of draft and essay (log scale)", "end", "c-small")
    drawing.text(left, height + 50, "↑ mean score", class_="c-small")
    for cost, mean, document in points:
        x = left + width * (math.log10(cost) - first) / (last - first)
        title = f"{document.gen_id}, {document.entry.llm_model_id}: {mean:.2f} for {usd(cost)}"
        drawing.add("circle", cx=x, cy=10 + height * (1 - mean / top), r=4, class_="c-dot c-cloud", title=title)
    return drawing


@dataclass(frozen=True)
class Agreement:
    """Judge agreement for one evaluation template, or ``all``.

    Attributes:
        alpha: Krippendorff's alpha and its number of units, as in the table.
        judges: in the order of the matrix.
        cells: row -> column -> (Spearman's rho or "", bias row - column or "", n); None on the diagonal.
        replicates: (judge, standard deviation between its replicates, n).
    """

    template: str
    alpha: tuple[str, str]
    judges: list[str]
    cells: list[list[tuple[str, str, str] | None]]
    replicates: list[tuple[str, str, str]]


def agreement_matrices(rows: Rows) -> list[Agreement]:
    """Return judge_agreement.csv as matrices, ``all`` first."""
    found = []
    for template in sorted({row["evaluation_template"] for row in rows}, key=lambda name: (name != "all", name)):
        part = [row for row in rows if row["evaluation_template"] == template]
        pairs: dict[tuple[str, str], dict[str, tuple[str, str]]] = defaultdict(dict)
        for row in part:
            pairs[row["judge_a"], row["judge_b"]][row["measure"]] = (row["value"], row["n"])
        judges = sorted({row[name] for row in part for name in ("judge_a", "judge_b")} - {""})
        alpha = pairs["", ""].get("krippendorff_alpha_of_replicate_means", ("", ""))
        cells = [[None if a == b else _pair(pairs, a, b) for b in judges] for a in judges]
        replicates = [
            (judge, *pairs[judge, ""]["evaluation_replicate_sd"])
            for judge in judges
            if "evaluation_replicate_sd" in pairs.get((judge, ""), {})
        ]
        found.append(Agreement(template, alpha, judges, cells, replicates))
    return found


def _pair(pairs: Mapping[tuple[str, str], Mapping[str, tuple[str, str]]], a: str, b: str) -> tuple[str, str, str]:
    stored = pairs.get((a, b)) or pairs.get((b, a)) or {}
    rho, n = stored.get("spearman", ("", ""))
    bias, bias_n = stored.get("bias", ("", ""))
    if bias and (a, b) not in pairs:
        bias = f"{-float(bias) + 0.0:.3f}"
    return rho, bias, n or bias_n


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _nice(value: float) -> float:
    return math.ceil(value * 2) / 2


def _ticks(reach: float) -> list[float]:
    step = next(step for step in (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0) if reach / step <= 4 or step == 50.0)
    count = math.floor(reach / step)
    return [number * step for number in range(-count, count + 1)]


def _short(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
