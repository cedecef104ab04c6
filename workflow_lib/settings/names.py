"""Lists of names inside one text, as `cohort`, `cross_cohort` and `fresh` take them."""


def split_names(text: str | None) -> list[str]:
    """Return the names of a comma-separated list, stripped, without empty ones."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]
