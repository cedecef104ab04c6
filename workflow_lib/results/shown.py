"""Which settings show in the tables: with others the same store gives other tables."""

from typing import Any

from ..settings import Settings


def of(settings: Settings) -> dict[str, Any]:
    """Return these settings: which scores count, and what makes an answer stale."""
    return settings.model_dump(mode="json", include={"results", "stages"})
