"""What a check finds: kinds, their remedies, and their repair."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import DayDreamError

MISSING_FILE = "missing_file"
EMPTY_FILE = "empty_file"
BROKEN_METADATA = "broken_metadata"
BROKEN_TEXT = "broken_text"
BROKEN_ATTEMPT = "broken_attempt"
EDITED_RAW = "edited_raw"
PARSED_DIFFERS = "parsed_differs"
BROKEN_PARENT = "broken_parent"
ID_MISMATCH = "id_mismatch"
UNKNOWN_TEMPLATE = "unknown_template"
UNKNOWN_MODEL = "unknown_model"
UNKNOWN_COMBO = "unknown_combo"
UNKNOWN_CONCEPT = "unknown_concept"
DUPLICATE_RAW = "duplicate_raw"
ORPHAN = "orphan"
BROKEN_MEMBERSHIP = "broken_membership"
EMPTY_COHORT = "empty_cohort"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: one of the constants above.
        path: relative to the data root.
        message: what is wrong.
        remedy: what to do.
        repair: repairs it from other files; None if they do not allow it.
    """

    kind: str
    path: str
    message: str
    remedy: str
    repair: Callable[[], None] | None = field(default=None, compare=False)

    @property
    def fixable(self) -> bool:
        """Whether `daydream check --fix` can repair it."""
        return self.repair is not None


def fix(findings: Sequence[Finding]) -> tuple[list[Finding], list[str]]:
    """Repair what can be repaired.

    Returns:
        The findings that remain, and why a repair failed, one line each.
    """
    remaining, troubles = [], []
    for finding in findings:
        if finding.repair is None:
            remaining.append(finding)
            continue
        try:
            finding.repair()
        except DayDreamError as error:
            remaining.append(finding)
            troubles.append(f"{finding.path}: {error}")
    return remaining, troubles


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return findings in the shape that docs/tables.md documents."""
    return {
        "findings": [
            {
                "kind": finding.kind,
                "path": finding.path,
                "message": finding.message,
                "remedy": finding.remedy,
                "fixable": finding.fixable,
            }
            for finding in findings
        ],
        "counts": dict(sorted(Counter(finding.kind for finding in findings).items())),
    }
