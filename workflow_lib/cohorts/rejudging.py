"""A cohort that has listed essays judged again."""

from collections.abc import Iterable, Mapping, Sequence

from .. import catalogs as catalogs_module
from ..errors import ConfigError, nearest
from ..files import write_text
from ..settings import Settings
from ..stages import JUDGED, JUDGING
from . import expansion, sources
from .authoring import new_cohort
from .curated import Taken
from .membership import Membership, from_store
from .rows import IdRules
from .selection import REUSE_ESSAYS, text_of


def rejudge(
    settings: Settings,
    cohort_id: str,
    essays: Sequence[str],
    judges: Sequence[str],
    templates: Sequence[str] = (),
    replicates: int | None = None,
) -> Membership:
    """Write curation/<cohort_id>.txt and the cohort that it declares: these essays, and new evaluations of them.

    Args:
        settings: settings of the run.
        cohort_id: name of the new cohort.
        essays: gen_ids.
        judges: model ids.
        templates: evaluation templates; empty: all that the essays were evaluated by in any cohort.
        replicates: of each evaluation; None: as configured.

    Raises:
        ConfigError: the name cannot be one, or is taken; or a judge or template does not exist.
        MembershipError, StoreError: the store lacks what the list names.
    """
    cohort = new_cohort(settings, cohort_id)
    path = settings.data.curation / f"{cohort_id}.txt"
    if path.exists():
        raise ConfigError(f"{path}: exists, and may have been edited by hand", "choose another name for the cohort")
    catalogs = catalogs_module.load(settings.data)
    _refuse_unknown("model", judges, catalogs.models)
    for essay in essays:
        from_store(settings.data, JUDGED, essay, cohort_id)
    chosen = templates or _templates_of(settings, essays, cohort.cohort_id)
    _refuse_unknown("evaluation template", chosen, catalogs.templates[JUDGING])
    directives = [f"mode: {REUSE_ESSAYS}", f"templates: {', '.join(chosen)}", f"judges: {', '.join(judges)}"]
    directives += [f"replicates: {replicates}"] if replicates else []
    write_text(path, text_of(essays, directives))
    own = settings.model_copy(update={"cohort": cohort_id, "selection": str(path)})
    try:
        expanded = expansion.expand_source(own, sources.resolve(own, cohort_id))
        expansion.write(own, expanded)
    except BaseException:
        path.unlink()
        raise
    return expanded.membership


def _templates_of(settings: Settings, essays: Iterable[str], cohort_id: str) -> list[str]:
    """Return the templates that essays were evaluated by, in the order of the catalog."""
    taken = Taken(settings.data, cohort_id, IdRules())
    used = {template for essay in essays for template, _ in taken.judgings(essay)}
    known = [template for template in catalogs_module.load(settings.data).templates[JUDGING] if template in used]
    if not known:
        raise ConfigError("none of the essays was evaluated before", "name the evaluation templates: --templates A,B")
    return known


def _refuse_unknown(what: str, names: Iterable[str], known: Mapping[str, object]) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(f"unknown {what} '{name}'", nearest(name, known))
