"""How far a run has come, as a page of its own and as the head of a cohort's page."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ..pages import html
from .progress import Look

_MAIN = re.compile(rb"<main[^>]*>")


def page(look: Look | None, cohort_ids: Sequence[str], built_at: str) -> str:
    """Return the page of a run's progress.

    Args:
        look: the last one; None before the first.
        cohort_ids: those whose pages can be read already.
        built_at: time of day (UTC) at which these were built.
    """
    return html.render("live.html.j2", scripts=(), whole=True, cohort_ids=cohort_ids, **_values(look, built_at))


def on_top(content: bytes, look: Look | None, built_at: str) -> bytes:
    """Return a cohort's page with the run's progress at the top of what it shows."""
    head = html.part("progress.html.j2", whole=False, cohort_ids=(), **_values(look, built_at)).encode()
    return _MAIN.sub(lambda found: found[0] + head, content, count=1)


def _values(look: Look | None, built_at: str) -> dict[str, Any]:
    return {"look": look, "built_at": built_at, "now": datetime.now(UTC).strftime("%H:%M:%S")}
