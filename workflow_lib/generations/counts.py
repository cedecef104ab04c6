"""How many generations are in which state, stage by stage."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..cohorts.membership import Entry
from ..stages import STAGES
from .staleness import STALE
from .state import States


@dataclass
class Counts:
    """One stage; rows = done + raw_only + missing, and each of the others counts some of the rows again.

    Attributes:
        done: parsed.txt is there.
        raw_only: raw.txt is there and no parsed.txt.
        missing: neither.
        failed: a failure stands.
        in_flight: a live process is working on a request.
        maybe_billed: tries that may have been billed without an answer.
        stale, truncated, edited, adopted, ordered, other_model: see `State`.
    """

    stage: str
    rows: int = 0
    done: int = 0
    raw_only: int = 0
    missing: int = 0
    failed: int = 0
    in_flight: int = 0
    stale: int = 0
    truncated: int = 0
    edited: int = 0
    adopted: int = 0
    ordered: int = 0
    maybe_billed: int = 0
    other_model: int = 0


def of(states: States, entries: Iterable[Entry]) -> dict[str, Counts]:
    """Return the counts of some generations by stage, every stage included."""
    found = {stage: Counts(stage) for stage in STAGES}
    for state in states.each(entries):
        own = found[state.entry.stage]
        own.rows += 1
        own.done += state.has_parsed
        own.raw_only += state.has_raw and not state.has_parsed
        own.missing += not state.has_raw and not state.has_parsed
        own.failed += state.failure is not None
        own.in_flight += state.claim is not None
        own.stale += state.stale == STALE
        own.truncated += state.truncated
        own.edited += state.edited
        own.adopted += state.adopted
        own.ordered += state.ordered
        own.maybe_billed += len(state.maybe_billed)
        own.other_model += state.other_model
    return found
