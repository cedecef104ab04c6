"""Which replicates were given to which selected generation; kept, so that another expansion adds nothing."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import StoreError
from ..files import read_json
from ..tables import MAX_COUNT

# a cell of a stage: parent (for drafts the combo), template, model
Cell = tuple[str, str, str]

RULES = 2
"""Version of the rules that new cohorts follow. Under 1, `regenerate` ran over the whole active catalog, and
`fill-up` held only what was missing; a cohort keeps its rules until `daydream cohort-update`."""


@dataclass
class Allocation:
    """What allocation.json holds.

    Attributes:
        mode: the mode that the numbers were given under.
        lines: selected gen_id -> key of a cell -> replicates.
        rules: version of the rules that the cohort was made with.
    """

    mode: str
    lines: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    rules: int = RULES

    def content(self) -> dict[str, Any]:
        """Return what allocation.json holds."""
        rules = {} if self.rules == 1 else {"rules": self.rules}
        return {"mode": self.mode, **rules, "lines": self.lines}


def read_allocation(path: Path, mode: str) -> Allocation:
    """Return what was given out so far; empty, in this mode, if there is no file yet.

    Raises:
        StoreError: the file is no allocation.
    """
    try:
        content = read_json(path)
    except FileNotFoundError:
        return Allocation(mode)
    try:
        lines = {
            str(gen_id): {str(key): _replicates(key, numbers) for key, numbers in keys.items()}
            for gen_id, keys in content["lines"].items()
        }
        return Allocation(str(content["mode"]), lines, int(content.get("rules", 1)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{path}: not an allocation: {error!r}",
            "restore it from a copy: without it, all selected lines would get new replicates",
        ) from None


def _replicates(key: str, numbers: Any) -> list[int]:
    stage_and_cell(key)
    if not all(type(number) is int and 1 <= number <= MAX_COUNT for number in numbers):
        raise ValueError(f"replicates of {key}: {numbers}")
    return list(numbers)


def key_of(stage: str, cell: Cell) -> str:
    """Return the key of a cell in allocation.json."""
    return "|".join((stage, *cell))


def stage_and_cell(key: str) -> tuple[str, Cell]:
    """Return what a key of allocation.json stands for; ValueError if it is none."""
    stage, source, template, model = key.split("|")
    return stage, (source, template, model)
