"""What a run has to say when it ends: what it bought, what is left, where the pages are."""

import contextlib
from pathlib import Path

from ..calls import stopping
from ..calls.committed import Spent, bought_since, sum_of
from ..errors import DayDreamError
from ..generations.state import States
from ..generations.work import to_make
from .run import Run


def lines(run: Run, *, wants_pages: bool) -> list[str]:
    """Return what a run that succeeded has done; none if it bought nothing and made no page.

    Args:
        run: the run.
        wants_pages: name pages that were up to date already, too.
    """
    pages = _pages(run, wants_pages=wants_pages)
    spent = _bought(run)
    if not spent.calls and not pages:
        return []
    return [f"{_as_text(spent)}.", *pages]


def lines_of_a_part(run: Run) -> list[str]:
    """Return what a run that was interrupted, or in which jobs failed, has done and left."""
    spent = _bought(run)
    kept = ", and kept" if spent.calls else ""
    found = [f"{_as_text(spent)}{kept}.", *_pages(run, wants_pages=False)]
    if stopping.is_stopping():
        states = States(run.settings)
        left = set().union(*(to_make(states, run.wanted(cohort_id)) for cohort_id in _expanded(run)))
        found.append(f"Interrupted; generations still to be made: {len(left):,}. The same command goes on from there.")
    return found


def _expanded(run: Run) -> list[str]:
    """Return the cohorts whose membership can be read; what is wrong with another one has been said by then."""
    found = []
    for cohort_id in run.sources:
        with contextlib.suppress(DayDreamError, OSError):
            run.membership(cohort_id)
            found.append(cohort_id)
    return found


def _bought(run: Run) -> Spent:
    members = (entry for cohort_id in _expanded(run) for entry in run.wanted(cohort_id))
    distinct = {entry.gen_id: entry for entry in members}.values()
    return sum_of(bought_since(run.data, ((one.stage, one.gen_id) for one in distinct), run.began_ns))


def _as_text(spent: Spent) -> str:
    if not spent.calls:
        return "No answer was bought"
    answers = "1 answer" if spent.calls == 1 else f"{spent.calls:,} answers"
    cost = "at a cost that is not known" if spent.usd is None else f"for {spent.usd:.4f} USD"
    rest = f" and {spent.unknown:,} at a cost that is not known" if spent.usd is not None and spent.unknown else ""
    return f"Bought {answers} {cost}{rest}"


def _pages(run: Run, *, wants_pages: bool) -> list[str]:
    named = [(f"cohort {cohort_id}", run.data.cohort(cohort_id).page) for cohort_id in run.sources]
    found = [
        f"Page of {name}: {path.absolute()}"
        for name, path in named
        if _is_from_now(path, run) or (wants_pages and path.exists())
    ]
    cross = run.data.cross_page
    return [*found, f"Page of the whole store: {cross.absolute()}"] if _is_from_now(cross, run) else found


def _is_from_now(path: Path, run: Run) -> bool:
    return path.exists() and path.stat().st_mtime_ns >= run.began_ns
