"""The texts that a run without batch mode still has to make, as inputs of the jobs that wait for them."""

from collections.abc import Callable
from pathlib import Path

from .markers import ALL, Markers
from .run import Run

PART = 500
"""Texts that a job waits for by itself."""


class OpenTexts:
    """What the cohorts of a run lack, looked for once per process, cohort and scope.

    For each output of a job Snakemake reads each input once more, and looks for each input among the outputs of every
    job before: a job that waited for 20,000 texts would take minutes. So it waits for parts, and each part for texts.

    Args:
        run: the run; its cohorts are expanded before anything is asked here.
        markers: its markers.
        redoes: whether finished generations are made once more.
    """

    def __init__(self, run: Run, markers: Markers, redoes: Callable[[], bool]):
        self._run = run
        self._markers = markers
        self._redoes = redoes
        self._found: dict[tuple[str, str], list[Path]] = {}

    def of_cohort(self, cohort_id: str, scope: str) -> list[Path]:
        """Return what a job has to wait for: the parsed texts themselves, or the markers of their parts."""
        found = self._open(cohort_id, scope)
        if len(found) <= PART:
            return found
        folder = self._markers.folder / scope / cohort_id / "texts"
        return [folder / str(index) for index in range(-(-len(found) // PART))]

    def of_part(self, cohort_id: str, scope: str, index: int) -> list[Path]:
        """Return the texts of a part."""
        return self._open(cohort_id, scope)[index * PART : (index + 1) * PART]

    def _open(self, cohort_id: str, scope: str) -> list[Path]:
        if (cohort_id, scope) not in self._found:
            stage = None if scope == ALL else scope
            entries = self._run.open_work(cohort_id, stage, everything=self._redoes())
            self._found[cohort_id, scope] = [self._run.files(entry).parsed for entry in entries]
        return self._found[cohort_id, scope]
