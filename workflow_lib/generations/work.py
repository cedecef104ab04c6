"""Which generations of a cohort are asked for, and which of these have to be made: the one rule of runs and plans."""

from ..cohorts.membership import Entry, Membership
from .state import State, States


def is_asked_for(states: States, within: Membership, entry: Entry) -> bool:
    """Return whether the tables of a cohort need the text of a generation, if it lacks one.

    They need it if no other generation is made from it. Otherwise they need it only if it costs nothing (its answer
    is there, or it copies one) or was ordered: anything else is bought only if a descendant needs it.
    """
    if within.is_last(entry):
        return True
    state = states.of(entry)
    return state.has_answer or state.ordered or (state.is_copy and _has_origin(states, within, state))


def to_make(states: States, within: Membership) -> set[str]:
    """Return the gen_ids whose answers a run would buy or copy: those asked for, and those they are made from.

    A generation that has its answer needs no parent: the parent may be gone.
    """
    found: set[str] = set()
    origins: set[str] = set()
    for entry in reversed(within.entries):
        state = states.of(entry)
        if state.has_raw or state.has_parsed or not (state.is_copy or state.needs_call):
            continue
        if entry.gen_id in origins or is_asked_for(states, within, entry):
            found.add(entry.gen_id)
            origins.add(entry.parent_gen_id)
    return found


def _has_origin(states: States, within: Membership, copy: State) -> bool:
    origin = within.parent(copy.entry)
    return origin is not None and (states.of(origin).has_answer or states.of(origin).ordered)
