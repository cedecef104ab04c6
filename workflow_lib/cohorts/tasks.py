"""Task tables: membership with keys that people can read."""

from collections.abc import Callable, Iterator

from ..stages import STAGE
from .membership import Entry, Membership

ParentOf = Callable[[Entry], Entry | None]


def task_rows(membership: Membership, stage: str) -> tuple[tuple[str, ...], Iterator[dict[str, object]]]:
    """Return the columns and rows of a stage's task table."""
    wanted = STAGE[stage].task_columns

    def row(entry: Entry) -> dict[str, object]:
        known = _fields(entry, membership.parent)
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


def _fields(entry: Entry, parent_of: ParentOf) -> dict[str, object]:
    """Return the fields of a generation, and those above it as ``parent.<field>`` and ``<stage>.<field>``."""
    stage = STAGE[entry.stage]
    known: dict[str, object] = {}
    if stage.task_names_parent and (parent := parent_of(entry)) is not None:
        for name, value in _fields(parent, parent_of).items():
            if "." in name:
                known.setdefault(name, value)
            else:
                known[f"parent.{name}"] = known[f"{parent.stage}.{name}"] = value
    known |= entry._asdict()
    known["task_id"] = "__".join(str(known[name]) for name in stage.task)
    return known
