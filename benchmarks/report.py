"""What a reader sees of the results: lines on the screen, a table in Markdown, one chart."""

import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

from .parts import BATCH, COST, PLAIN
from .rows import LESS, Row

Slower = Sequence[tuple[Row, Row, float]]

_COLORS = {PLAIN: "#b35900", BATCH: "#005f99"}


def line(row: Row) -> str:
    """Return a row as a line on the screen."""
    target = f"target {_target(row)} {_verdict(row)}" if row.target is not None else ""
    bare = f"bare client {_number(row.bare)}" if row.bare is not None else ""
    return f"{row.measure:70} {row.size:>7,}  {_number(row.value):>8} {row.unit:8} {target:24} {bare}".rstrip()


def summary(rows: Iterable[Row]) -> str:
    """Return how many targets are met, and which are not."""
    promised = [row for row in rows if row.holds is not None]
    missed = [row for row in promised if not row.holds]
    head = f"{len(promised) - len(missed)} of {len(promised)} targets are met."
    return "\n".join([head, *(f"Missed: {row.measure} ({row.size:,}): {_factor(row)}" for row in missed)])


def slower_lines(slower: Slower, has_before: bool) -> list[str]:
    """Return a line for each figure that became worse."""
    if not has_before:
        return ["There is no committed result to compare with."]
    if not slower:
        return ["Nothing became slower than in the committed result."]
    return [
        f"Slower than committed, {ratio:.2f} x: {row.measure} ({row.size:,}): "
        f"{_number(old.value)} -> {_number(row.value)} {row.unit}"
        for row, old, ratio in slower
    ]


def write(folder: Path, name: str, rows: Sequence[Row], slower: Slower, has_before: bool) -> None:
    """Write NAME.md and NAME.svg."""
    cells = [
        (
            row.measure,
            f"{row.size:,}",
            f"{_number(row.value)} {row.unit}",
            f"{_target(row)} {row.unit}" if row.target is not None else "",
            _factor(row),
            _number(row.bare),
            f"{row.value / row.bare:.2f}" if row.bare else "",
            _number(row.cpu_s),
            _number(row.peak_mb),
        )
        for row in rows
    ]
    head = ("measure", "of", "measured", "target", "verdict", "bare client", "over bare", "CPU s", "peak MB")
    memory = psutil.virtual_memory().total / 2**30
    lines = [
        f"On {os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}. How to read it: "
        "[README](../README.md).",
        "",
        *_table(head, cells),
        "",
        *(f"- {text}" for text in [*summary(rows).splitlines(), *slower_lines(slower, has_before)]),
        "",
        f"![CPU per generation]({name}.svg)",
    ]
    (folder / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _draw(folder / f"{name}.svg", rows)


def _draw(path: Path, rows: Sequence[Row]) -> None:
    # takes a second, and only the chart needs it
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "benchmarks"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    for mode, color in _COLORS.items():
        points = sorted((row.size, row.value) for row in rows if row.measure == COST.format(mode=mode))
        if not points:
            continue
        sizes, values = zip(*points, strict=True)
        axes.plot(sizes, values, marker="o", color=color)
        axes.annotate(mode, points[-1], xytext=(8, 0), textcoords="offset points", va="center", color=color)
        for point in points:
            axes.annotate(f"{point[1]:.1f}", point, xytext=(0, 7), textcoords="offset points", ha="center")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("generations of the cohort")
    axes.set_ylabel("CPU per generation, ms")
    axes.set_title("What a generation costs where calls take no time, start and reports included", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _target(row: Row) -> str:
    return f"{'<=' if row.better == LESS else '>='} {_number(row.target)}"


def _verdict(row: Row) -> str:
    return "" if row.holds is None else "met" if row.holds else "MISSED"


def _factor(row: Row) -> str:
    """Return whether a target is met, and by which factor it is not."""
    if row.holds is not False or not row.target:
        return _verdict(row)
    ratio = row.value / row.target if row.better == LESS else row.target / row.value
    return f"missed by {ratio:.2f} x"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
