"""HTML pages that open from disk: one per cohort, one per essay, one over all cohorts.

Comes in: the tables of reports/ and the texts of the store.
Goes out: html/, the same bytes from the same tables and texts.
Never: computes a figure that no table has, or trusts a text that a model wrote.
"""

from collections.abc import Collection
from pathlib import Path

from ..cohorts.membership import Membership
from ..settings import Settings


def write_cohort(settings: Settings, cohort_id: str, membership: Membership) -> Path:
    """Write a cohort's page, a page per essay and per draft without essays, a compare page, a search index and plots.

    The cohort's tables must have been written before (`results.write`). The same store and tables give
    the same bytes. Pages of generations that are no longer in the cohort are removed.

    Args:
        settings: settings of the run.
        cohort_id: names the folder of the reports.
        membership: all of the cohort.

    Returns:
        index.html, which is written last.
    """
    from . import cohort

    return cohort.write(settings, cohort_id, membership)


def write_cross(settings: Settings, counted: Collection[str]) -> Path:
    """Write the page over all cohorts of the store and return its path.

    Args:
        settings: settings of the run.
        counted: evaluations whose scores count in means, as writing the tables of 7_cross_experiment/ returned
            them (`results.cross.write`); the tables must be there.
    """
    from . import cross

    return cross.write(settings, counted)
