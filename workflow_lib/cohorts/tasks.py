"""Task tables: membership with keys that people can read."""

from collections.abc import Callable, Iterator

from .. import ids
from ..stages import PARENTS, STAGE
from .membership import Entry, Membership

ParentOf = Callable[[Entry], Entry | None]


def task_rows(membership: Membership, stage: str) -> tuple[tuple[str, ...], Iterator[dict[str, object]]]:
    """Return the columns and rows of a stage's task table."""
    wanted = STAGE[stage].task_columns

    def row(entry: Entry) -> dict[str, object]:
        known = _fields(entry, membership.parent, shows_models=True)
        return {column: known[name] for column, name in wanted.items()}

    return tuple(wanted), (row(entry) for entry in membership.stage(stage))


def scoped_task_id(entry: Entry, parent_of: ParentOf) -> str:
    """Return the key that the id of a generation in a cohort with ids of its own is made from.

    Args:
        entry: the generation; its gen_id does not matter.
        parent_of: gives what a generation is made from.
    """
    key = str(_fields(entry, parent_of)["task_id"])
    parent = parent_of(entry)
    if "llm_model_id" in STAGE[entry.stage].task or parent is None or entry.llm_model_id == parent.llm_model_id:
        return key
    # the key names no model here; two models of one parent must not share an id
    return f"{key}__{entry.llm_model_id}"


def _fields(entry: Entry, parent_of: ParentOf, *, shows_models: bool = False) -> dict[str, object]:
    """Return the fields of a generation, and those above it as ``parent.<field>`` and ``<stage>.<field>``.

    Args:
        entry: the generation.
        parent_of: gives what a generation is made from.
        shows_models: the readable key names a model that the gen_id counts besides; ids are made of a key without.
    """
    stage = STAGE[entry.stage]
    known: dict[str, object] = {}
    if stage.task_names_parent and (parent := parent_of(entry)) is not None:
        for name, value in _fields(parent, parent_of, shows_models=shows_models).items():
            if "." in name:
                known.setdefault(name, value)
            else:
                known[f"parent.{name}"] = known[f"{parent.stage}.{name}"] = value
    known |= entry._asdict()
    parts = [str(known[name]) for name in stage.task]
    if shows_models and _counts_another_model(entry, parent_of):
        parts.insert(-1, entry.llm_model_id)
    known["task_id"] = "__".join(parts)
    return known


def _counts_another_model(entry: Entry, parent_of: ParentOf) -> bool:
    """Return whether a gen_id counts a model because it is another than the parent's."""
    parent = parent_of(entry)
    if STAGE[entry.stage].models != PARENTS or parent is None or entry.llm_model_id == parent.llm_model_id:
        return False
    without = (
        ids.content_id(entry.stage, parent.gen_id, entry.template_id, None, entry.replicate, collision)
        for collision in range(ids.MAX_COLLISIONS + 1)
    )
    return entry.gen_id not in without
