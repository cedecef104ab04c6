"""What the store has of a cohort, counted once: completeness.json keeps it, and the page shows it."""

from dataclasses import dataclass

from ..calls.endpoints import OFFLINE
from ..catalogs import Catalogs
from ..cohorts.membership import Membership
from . import counts
from .counts import Counts
from .state import States


@dataclass(frozen=True)
class Census:
    """What the store has of a cohort.

    Attributes:
        stages: those that the cohort has, in order.
        offline_models: model ids whose answers come from the offline stand-ins, sorted.
    """

    stages: list[Counts]
    offline_models: list[str]


def of(states: States, membership: Membership, catalogs: Catalogs | None) -> Census:
    """Return the census of a cohort.

    Args:
        states: of the store; what they know already is not looked up again.
        membership: all of the cohort.
        catalogs: None where they cannot be read; then a model is offline if an answer of it says so.
    """
    offline = {entry.llm_model_id for entry in membership if catalogs and is_offline(catalogs, entry.llm_model_id)}
    offline |= {one.entry.llm_model_id for one in states.each(membership) if one.is_offline}
    stages = [own for own in counts.of(states, membership).values() if own.rows]
    return Census(stages, sorted(offline))


def is_offline(catalogs: Catalogs, model_id: str) -> bool:
    """Return whether a model of the catalog is an offline stand-in."""
    model = catalogs.models.get(model_id)
    return model is not None and model.endpoint == OFFLINE
