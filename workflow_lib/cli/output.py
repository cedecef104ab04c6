"""How commands print: JSON for scripts, tables for people, warnings aside."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from ..cohorts.membership import Membership
from ..stages import STAGES

# wide enough for ids and messages where the output goes to a file or a pipe
WIDTH_ASIDE = 160


def console() -> Console:
    """Return a console for tables; text from models, catalogs and servers is never taken for markup."""
    width = None if sys.stdout.isatty() else WIDTH_ASIDE
    return Console(file=sys.stdout, markup=False, emoji=False, highlight=False, width=width)


def print_json(content: Any) -> None:
    """Print JSON, indented."""
    print(json.dumps(content, indent=1))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], numbers: int = 0) -> None:
    """Print a table.

    Args:
        title: stands above it.
        columns: their heads.
        rows: cells; None is shown as unknown.
        numbers: how many of the last columns hold numbers, which are aligned on the right.
    """
    table = Table(title=title, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index >= len(columns) - numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*("unknown" if cell is None else str(cell) for cell in row))
    console().print(table)


def warn(lines: Iterable[str]) -> None:
    """Print warnings on stderr."""
    for line in lines:
        print(f"Warning: {line}", file=sys.stderr)


def sizes(membership: Membership) -> dict[str, int]:
    """Return how many drafts, essays and evaluations there are, as JSON names them."""
    return {f"{stage}s": len(membership.stage(stage)) for stage in STAGES}


def sizes_line(counts: Mapping[str, int]) -> str:
    """Return `sizes` as people read them."""
    return ", ".join(f"{counts[f'{stage}s']:,} {stage}s" for stage in STAGES)


def usd(amount: float | None) -> str:
    """Return an amount of US dollars; what is not known says so."""
    return "unknown" if amount is None else f"{amount:.4f}"


def duration(seconds: float) -> str:
    """Return a time as people read it."""
    if seconds < 90:
        return f"{seconds:.1f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def counted(number: int, noun: str) -> str:
    """Return ``1 call``, ``2 calls``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
