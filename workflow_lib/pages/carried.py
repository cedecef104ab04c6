"""What ``html/`` carries, so that the folder can be sent alone: copies of the tables that its pages name."""

from collections.abc import Iterable
from pathlib import Path

from ..files import write_bytes
from ..paths import Cohort

FOLDER = "tables"


def place(page: Path, table: Path) -> Path:
    """Return where the folder of a page carries a table: in ``tables/``, with the folder it lies in beside ``html/``.

    Args:
        page: index.html of the folder.
        table: a file beside ``html/``, or of a folder further up.
    """
    reports = page.parent.parent
    below = table.relative_to(reports) if table.is_relative_to(reports) else Path(table.name)
    return page.parent / FOLDER / below


def copy(page: Path, tables: Iterable[Path]) -> list[Path]:
    """Copy tables to their `place`, and remove what else lies there; returns the copies."""
    copies = []
    for table in tables:
        copies.append(place(page, table))
        write_bytes(copies[-1], table.read_bytes())
    for found in sorted((page.parent / FOLDER).rglob("*.*")):
        if found.is_file() and found not in copies:
            found.unlink()
    return copies


def of_cohort(cohort: Cohort, tables: Iterable[Path]) -> list[Path]:
    """Return the files that a cohort's pages carry: its tables, and those that list its generations."""
    return [*tables, *(path for path in (cohort.membership, cohort.manifest) if path.exists())]
