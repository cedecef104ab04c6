"""The tables of a cohort that its pages are made of."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import read_json, read_text
from ..paths import Cohort

Rows = list[dict[str, str]]


@dataclass(frozen=True)
class Reports:
    """Tables of a cohort as rows of text; `counted` has the evaluations whose scores count in means."""

    cohort: Cohort
    scores: Rows
    failures: Rows
    counted: frozenset[str]
    completeness: Mapping[str, Any]

    def summary(self, name: str) -> Rows:
        """Return the rows of a table of summary/."""
        return rows(self.cohort.summary(name))

    def analysis(self, name: str) -> Rows:
        """Return the rows of a table of analysis/."""
        return rows(self.cohort.analysis(name))

    @property
    def files(self) -> list[Path]:
        """Every table that lies beside the pages, by folder and name."""
        return sorted(self.cohort.reports.glob("*/*.csv")) + sorted(self.cohort.reports.glob("*.csv"))


def read(cohort: Cohort) -> Reports:
    """Return the tables of a cohort.

    Raises:
        FileNotFoundError: the tables were not written yet.
    """
    return Reports(
        cohort,
        rows(cohort.aggregated_scores),
        rows(cohort.failures),
        frozenset(row["gen_id"] for row in rows(cohort.summary("evaluation_scores"))),
        read_json(cohort.completeness),
    )


def rows(path: Path) -> Rows:
    """Return the rows of a table of ours."""
    return list(csv.DictReader(io.StringIO(read_text(path), newline="")))
