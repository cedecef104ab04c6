"""Evaluations of a cohort or of the whole store, for the commands that choose among them."""

from typing import TYPE_CHECKING

from .. import cohorts
from ..errors import ConfigError, nearest
from ..inspect import rankings
from ..settings import Settings

if TYPE_CHECKING:
    from ..results.scores import Judgement


def found_in(settings: Settings, cohort_id: str | None) -> list["Judgement"]:
    """Return the evaluations with a score that counts, of a cohort, or of the whole store if none is named.

    Raises:
        ConfigError: the cohort has no membership.csv.
    """
    if cohort_id is None:
        return rankings.judgements(settings, None)
    if not settings.data.cohort(cohort_id).membership.exists():
        raise ConfigError(
            f"there is no cohort '{cohort_id}' with a membership.csv", nearest(cohort_id, cohorts.existing(settings))
        )
    return rankings.judgements(settings, cohorts.load_membership(settings, cohort_id))
