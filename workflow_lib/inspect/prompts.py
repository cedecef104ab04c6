"""Prompts as they would be sent now, for reading and counting; nothing is sent or written to the store."""

from collections.abc import Iterator, Mapping

from .. import catalogs as catalogs_module
from .. import generations
from ..catalogs import combos as combos_module
from ..catalogs import templates
from ..catalogs.combos import Combo
from ..cohorts.membership import Entry
from ..settings import Settings
from ..stages import PARENT_STAGE
from .scope import Scope


def prompt(settings: Settings, entry: Entry, combos: Mapping[str, Combo]) -> str | None:
    """Return the prompt of a generation, None while its parent's parsed text is not there.

    Args:
        settings: settings of the run.
        entry: a generation that is no copy of its parent.
        combos: combos that count beside those of the registry.

    Raises:
        TemplateError: the template cannot be rendered.
        StoreError: a combo that is neither in the registry nor among `combos`.
    """
    if entry.stage in PARENT_STAGE:
        parent = settings.data.generation(PARENT_STAGE[entry.stage], entry.parent_gen_id)
        return generations.render(settings, entry).text if parent.parsed.exists() else None
    if entry.combo_id in combos and entry.combo_id not in combos_module.load(settings.data):
        return _of_new_combo(settings, entry, combos[entry.combo_id])
    return generations.render(settings, entry).text


def system(settings: Settings, entry: Entry) -> str | None:
    """Return the system message that a generation's prompt is sent after, None if there is none.

    Raises:
        TemplateError: its file is missing or empty.
    """
    model = catalogs_module.load(settings.data).models.get(entry.llm_model_id)
    return generations.system_message(settings.data, model) if model else None


def stand_in(settings: Settings, entry: Entry, parent_chars: int) -> str:
    """Return the prompt of an essay or evaluation as it would be with a parent's text of a length."""
    values = generations.variables_of(entry, "x" * parent_chars)
    return templates.render(settings.data.template(entry.stage, entry.template_id), entry.stage, values)


def prompts(settings: Settings, scope: Scope) -> Iterator[tuple[Entry, str | None]]:
    """Yield (generation, prompt or None while its parent is missing), without those that only copy."""
    for entry in scope.membership:
        if not generations.is_copy(settings, entry):
            yield entry, prompt(settings, entry, scope.combos)


def _of_new_combo(settings: Settings, entry: Entry, combo: Combo) -> str:
    known = catalogs_module.load(settings.data).concepts
    concepts = [
        {
            "name": known[concept_id].name,
            "content": catalogs_module.concept_text(settings.data, combo.level, known[concept_id]),
        }
        for concept_id in combo.concept_ids
    ]
    path = settings.data.template(entry.stage, entry.template_id)
    return templates.render(path, entry.stage, {"concepts": concepts})
