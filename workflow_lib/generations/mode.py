"""Whether a generation is asked of a model, or is its parent's text again."""

from typing import Any

from .. import catalogs as catalogs_module
from ..catalogs import Template
from ..cohorts.membership import Entry
from ..errors import StoreError
from ..paths import DataRoot
from ..settings import Settings
from ..stages import PARENT_STAGE


def template_of(data: DataRoot, entry: Entry) -> Template:
    """Return the row of a generation's template.

    Raises:
        StoreError: the catalog has none; it names the table.
    """
    known = catalogs_module.load(data).templates[entry.stage]
    if entry.template_id not in known:
        raise StoreError(
            f"{entry.stage} {entry.gen_id}: its template '{entry.template_id}' is not in "
            f"{data.catalog(catalogs_module.templates_table(entry.stage))}",
            "put the row back; its file is needed only for new answers",
        )
    return known[entry.template_id]


def is_copy(settings: Settings, entry: Entry) -> bool:
    """Return whether a generation is its parent's text again, which costs nothing."""
    return template_of(settings.data, entry).copies


def pool_of(settings: Settings, entry: Entry) -> str | None:
    """Return the pool that a generation's call counts in, None where no call is made."""
    model = catalogs_module.load(settings.data).models.get(entry.llm_model_id)
    return None if model is None or is_copy(settings, entry) else model.pool


def input_mode(data: DataRoot, entry: Entry, template: Template) -> dict[str, Any]:
    """Return the fields of a metadata file that say what a text was made from."""
    if not template.copies:
        return {"input_mode": "prompt"}
    parent = data.generation(PARENT_STAGE[entry.stage], entry.parent_gen_id)
    return {"input_mode": "copy", "copied_from": parent.parsed.relative_to(data.root).as_posix()}
