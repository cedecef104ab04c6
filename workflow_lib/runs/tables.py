"""Writing the tables and pages of a run, and whether something came since."""

import itertools
from typing import Any

from .. import catalogs as catalogs_module
from ..files import read_recorded, write_json
from ..paths import PARSED, RAW
from ..results import shown
from ..stages import JUDGING
from .run import Run
from .times import is_newer


def write_tables(run: Run, cohort_id: str) -> None:
    """Write all tables of a cohort."""
    # pandas: not needed to plan a run
    from ..results import reports

    reports.write(run.settings, cohort_id, run.membership(cohort_id))


def write_page(run: Run, cohort_id: str) -> None:
    """Write the pages of a cohort from its tables."""
    from .. import pages

    pages.write_cohort(run.settings, cohort_id, run.membership(cohort_id))


def write_cross(run: Run) -> None:
    """Write the tables and the page over the whole store."""
    from .. import pages
    from ..results import cross

    cross.write(run.settings)
    pages.write_cross(run.settings)
    write_json(run.data.cross_selection, cross_selection(run))


def cross_selection(run: Run) -> dict[str, Any]:
    """Return what the tables over the whole store are made of now: the cohorts asked for, and how much there is."""
    stored = run.data.gens / JUDGING
    return {
        "cross_cohort": run.settings.cross_cohort,
        "evaluations": sum(1 for _ in stored.iterdir()) if stored.is_dir() else 0,
        "settings": shown.of(run.settings),
    }


def has_cross_news(run: Run) -> bool:
    """Return whether something came since the tables over the whole store were written."""
    if read_recorded(run.data.cross_selection) != cross_selection(run):
        return True
    written = run.data.cross_tables[0].stat().st_mtime_ns if run.data.cross_tables[0].exists() else 0
    texts = catalogs_module.texts(run.data)
    stored = (folder / name for folder in run.data.gens.glob("*/*") for name in (RAW, PARSED))
    return any(is_newer(path, written) for path in itertools.chain(texts, stored))
