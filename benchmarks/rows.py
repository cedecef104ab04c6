"""A row of the results: one figure, its target and what it is held against."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

LESS, MORE = "less", "more"
WALL, PROCESSOR, MEMORY, SHARE = "wall", "CPU", "memory", "share"


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        measure: what is measured.
        size: how many generations, calls or rows it was measured with.
        value: the figure.
        unit: of it and of the target.
        better: `LESS` or `MORE`.
        of: what it depends on: `WALL` (a busy machine spoils it), `PROCESSOR`, `MEMORY` or `SHARE`.
        target: None where nothing is promised.
        bare: the same figure of a bare asyncio client in the same run, None where there is none.
        cpu_s: CPU seconds of the whole process, its children included.
        peak_mb: its peak memory.
    """

    measure: str
    size: int
    value: float
    unit: str
    better: str
    of: str
    target: float | None = None
    bare: float | None = None
    cpu_s: float | None = None
    peak_mb: float | None = None

    @property
    def key(self) -> tuple[str, int]:
        """Names the row in other results."""
        return self.measure, self.size

    @property
    def holds(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        return self.value <= self.target if self.better == LESS else self.value >= self.target


COLUMNS = tuple(field.name for field in fields(Row))
_NUMBERS = ("value", "target", "bare", "cpu_s", "peak_mb")


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows({name: _cell(value) for name, value in asdict(row).items()} for row in rows)


def read(text: str) -> list[Row]:
    """Return the rows of a CSV file's text."""
    found = []
    for record in csv.DictReader(io.StringIO(text)):
        numbers = {name: float(record[name]) if record[name] else None for name in _NUMBERS}
        found.append(Row(**{**record, **numbers, "size": int(record["size"])}))
    return found


def slower(
    rows: Sequence[Row], before: Sequence[Row], yardstick: str, tolerance: float
) -> list[tuple[Row, Row, float]]:
    """Return (row, row of before, ratio) of what became worse, the worst first.

    Times are first divided by how much slower the yardstick has become, so that another machine, or a busy one,
    does not look like slower code. 1.5 means: half as much again.

    Args:
        rows, before: results; compared where measure and size are the same.
        yardstick: measure that depends on the machine only; its rows are not compared.
        tolerance: ratios up to this one count as the same.
    """
    machine = {row.measure: row.value for row in before}.get(yardstick)
    now = {row.measure: row.value for row in rows}.get(yardstick)
    scale = now / machine if machine and now else 1.0
    known = {row.key: row for row in before}
    found = []
    for row in rows:
        old = known.get(row.key)
        if old is None or row.measure == yardstick or not row.value or not old.value:
            continue
        ratio = row.value / old.value if row.better == LESS else old.value / row.value
        # a ratio to the time that calls take at least does not depend on the machine, nor does memory
        if row.of in (WALL, PROCESSOR):
            ratio /= scale
        if ratio > tolerance:
            found.append((row, old, ratio))
    return sorted(found, key=lambda one: -one[2])


def _cell(value: object) -> object:
    return "" if value is None else float(f"{value:.4g}") if isinstance(value, float) else value
