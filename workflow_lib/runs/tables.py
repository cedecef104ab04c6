"""Writing the tables and pages of a run, and whether something came since."""

import importlib
import itertools
import threading
from typing import Any

from .. import catalogs as catalogs_module
from ..files import read_recorded, write_json
from ..paths import PARSED, RAW
from ..results import shown
from ..stages import JUDGING
from .run import Run
from .times import is_newer, read_from, reading

_CROSS = "cross"
_SECONDS_TO_BEGIN = 0.5
"""Within which the first calls of a run have begun."""


def prepare(run: Run) -> None:
    """Import what tables are made with while the first answers are waited for: it takes a second or two."""
    if run.tables_to_prepare:
        run.tables_to_prepare = False
        threading.Timer(_SECONDS_TO_BEGIN, importlib.import_module, ("..results.reports", __package__)).start()


def write_tables(run: Run, cohort_id: str) -> None:
    """Write all tables of a cohort."""
    # pandas: not needed to plan a run
    from ..results import reports

    with reading(run.data, _of_cohort(cohort_id)), catalogs_module.held():
        reports.write(run.settings, cohort_id, run.membership(cohort_id))


def write_page(run: Run, cohort_id: str) -> None:
    """Write the pages of a cohort from its tables."""
    from .. import pages

    with catalogs_module.held():
        pages.write_cohort(run.settings, cohort_id, run.membership(cohort_id))


def write_cross(run: Run) -> None:
    """Write the tables and the page over the whole store."""
    from .. import pages
    from ..results import cross

    with reading(run.data, _CROSS), catalogs_module.held():
        selected = cross_selection(run)
        counted = cross.write(run.settings)
        pages.write_cross(run.settings, counted)
        write_json(run.data.cross_selection, selected)


def cross_selection(run: Run) -> dict[str, Any]:
    """Return what the tables over the whole store are made of now: the cohorts asked for, and how much there is."""
    stored = run.data.gens / JUDGING
    return {
        "cross_cohort": run.settings.cross_cohort,
        "evaluations": sum(1 for _ in stored.iterdir()) if stored.is_dir() else 0,
        "settings": shown.of(run.settings),
    }


def has_news(run: Run, cohort_id: str) -> bool:
    """Return whether something came since a cohort's tables were made: a text, a failure, another setting."""
    cohort = run.data.cohort(cohort_id)
    since = read_from(run.data, _of_cohort(cohort_id), cohort.aggregated_scores)
    if since is None:
        return False
    found = read_recorded(cohort.completeness)
    # tables of an earlier version lack the counts that the page shows
    if found.get("settings") != shown.of(run.settings) or "stages" not in found:
        return True
    each = (run.files(entry) for entry in run.membership(cohort_id))
    # the folder: a text that was written before may get its name after
    return any(is_newer(path, since) for one in each for path in (one.folder, one.raw, one.parsed, one.failure))


def has_cross_news(run: Run) -> bool:
    """Return whether something came since the tables over the whole store were made."""
    if read_recorded(run.data.cross_selection) != cross_selection(run):
        return True
    since = read_from(run.data, _CROSS, run.data.cross_tables[0])
    if since is None:
        return True
    texts = catalogs_module.texts(run.data)
    stored = (path for folder in run.data.gens.glob("*/*") for path in (folder, folder / RAW, folder / PARSED))
    known = (run.data.cohort(folder.parent.name) for folder in run.data.cohorts.glob("*/reports"))
    reports = (path for cohort in known for path in (cohort.aggregated_scores, cohort.page))
    return any(is_newer(path, since) for path in itertools.chain(texts, stored, reports))


def _of_cohort(cohort_id: str) -> str:
    return f"cohorts/{cohort_id}"
