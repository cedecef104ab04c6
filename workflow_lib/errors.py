"""The errors that a user can cause or has to act upon.

Every one of them reads as a whole: what is wrong, where, and what to do next.
"""

import difflib
from collections.abc import Iterable


class DayDreamError(Exception):
    """Base of all errors that are shown to the user as one message, without a traceback."""

    def __init__(self, message: str, hint: str | None = None):
        self.message = message
        self.hint = hint
        super().__init__(f"{message}\nHint: {hint}" if hint else message)


class PlacedError(DayDreamError):
    """Something wrong at a known place of a known file.

    Args:
        file: the file, as the user would type it.
        place: line, column, key or entry inside it; may be empty.
        reason: what is wrong there.
        hint: what to do next.
    """

    def __init__(self, file: object, place: str, reason: str, hint: str | None = None):
        self.file = str(file)
        self.place = place
        self.reason = reason
        self.parts = (place, reason, hint)
        super().__init__(": ".join(part for part in (self.file, place, reason) if part), hint)


class CatalogError(PlacedError):
    """A catalog table or a text that belongs to it cannot be used."""


class SpecError(PlacedError):
    """A cohort spec is wrong."""


class MembershipError(PlacedError):
    """A membership.csv, or what is about to become one, is inconsistent."""


class ConfigError(DayDreamError):
    """A setting has a value that cannot be used."""


class TemplateError(PlacedError):
    """A prompt template is missing, malformed, or uses a variable that does not exist."""


class StoreError(DayDreamError):
    """The store holds something that contradicts what is about to be written."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"did you mean 'x'?"`` for the closest known name, or those that begin so, else what is known.

    Args:
        name: what the user wrote.
        known: the names that would have been right; long lists are cut after 12.
    """
    names = sorted(set(known))
    longer = [one for one in names if name and one.lower().startswith(name.lower())]
    if 1 < len(longer) <= 4:
        return "did you mean " + ", ".join(f"'{one}'" for one in longer[:-1]) + f" or '{longer[-1]}'?"
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    if not names:
        return "there are none yet"
    shown = ", ".join(names[:12])
    return f"known: {shown}" + (f" and {len(names) - 12} more" if len(names) > 12 else "")
