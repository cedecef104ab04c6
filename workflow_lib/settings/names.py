"""Names that settings are made of: lists of them inside one text, and variables of the environment."""

URL_VARIABLES = ("DD_LLM_BASE_URL", "DD_OFFLINE_BASE_URL")
"""Environment variables that hold a base URL: of all endpoints but the offline one, and of the offline one."""


def split_names(text: str | None) -> list[str]:
    """Return the names of a comma-separated list, stripped, without empty ones."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]
