"""How a run begins and ends: what it notes, and what it leaves after success and after failure."""

import sys
from collections.abc import Callable
from pathlib import Path

from .. import cohorts
from ..calls import stopping
from ..cohorts import Source
from ..errors import DayDreamError
from ..generations import failures
from ..generations.state import States
from . import account, lost, orders
from .chunks import Chunks
from .markers import Markers
from .run import Run
from .tables import write_page, write_tables


def notes(run: Run, snakemake_folder: Path) -> list[str]:
    """Return what the user should know before anything is done, one line each."""
    found = cohorts.unused_selection(run.settings, run.sources.values())
    if any(snakemake_folder.glob("locks/*")):
        found.append(
            "another snakemake is at work in this folder, or one was killed. If Snakemake finds the folder locked and "
            "none is running, `snakemake --unlock` frees it; every answer that arrived is kept."
        )
    return found


def after_success(run: Run, markers: Markers, show: Callable[[str], None], *, wants_pages: bool) -> None:
    """End a run whose jobs all succeeded, and show what it did.

    Its order id is forgotten, the next one orders anew; its markers go.

    Args:
        run: the run.
        markers: its markers.
        show: prints a text.
        wants_pages: it was asked for pages, which are named even if they were up to date.
    """
    _end(run)
    orders.forget(run)
    markers.clean_up()
    if told := account.lines(run, wants_pages=wants_pages):
        show("\n".join(told))


def after_failure(run: Run, batch: Chunks, show: Callable[[str], None]) -> None:
    """Write tables and page of what there is after a run with failed jobs, and show what failed.

    Raises:
        SystemExit: with 0, where all that is open ended in failures that the run accepts.
    """
    _end(run)
    try:
        # jobs of an interrupted run are told to end, and still keep what arrives
        for text in () if stopping.is_stopping() else lost.messages(run, batch):
            show(text)
        accepted = bool(run.settings.accept_failures)
        for cohort_id in run.sources:
            accepted = _report_failures(run, cohort_id, show) and accepted
    except (DayDreamError, OSError) as error:
        show(f"The tables could not be written: {error}")
        return
    show("\n".join(account.lines_of_a_part(run)))
    if accepted:
        raise SystemExit(0)


def _end(run: Run) -> None:
    """Show what jobs in processes of their own have found, and forget what the run's processes know in common."""
    for text in run.shared.rest():
        print(f"Warning: {text}", file=sys.stderr)
    run.shared.remove()


def _report_failures(run: Run, cohort_id: str, show: Callable[[str], None]) -> bool:
    """Return whether nothing of a cohort is open any more."""
    if not run.data.cohort(cohort_id).membership.exists() or _is_outdated(run, run.sources[cohort_id]):
        # the expansion failed: what was written before stays as it is
        return False
    # a slice leaves the reports to a run over all of the cohort
    if not run.settings.shard:
        write_tables(run, cohort_id)
    if text := failures.table(States(run.settings).failures(run.wanted(cohort_id))):
        show(text)
    if not run.settings.shard:
        write_page(run, cohort_id)
    return not run.open_work(cohort_id)


def _is_outdated(run: Run, source: Source) -> bool:
    return cohorts.differs_from_manifest(run.settings, source)
