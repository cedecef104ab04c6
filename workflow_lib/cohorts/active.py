"""Cohorts without a spec: everything that is active in the catalogs."""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import comb
from typing import Any

from .. import catalogs as catalogs_module
from ..catalogs import Catalogs
from ..catalogs import combos as combos_module
from ..catalogs.combos import Combo
from ..errors import ConfigError
from ..settings import Settings
from ..stages import FIRST, JUDGES, PARENTS, STAGE, STAGES, WRITERS
from .counts import refuse_more_than
from .membership import read_ids
from .rows import Expanded, IdRules, expand

# more are not listed, whatever max_generations is
MAX_COMBOS = 1_000_000


@dataclass(frozen=True)
class ActiveCatalog:
    """What is active: combos, template ids per stage, ids of the models that write and that judge."""

    combos: list[Combo]
    templates: Mapping[str, list[str]]
    writers: list[str]
    judges: list[str]


def active_templates(settings: Settings, catalogs: Catalogs, stage: str) -> list[str]:
    """Return the ids of a stage's active templates, narrowed by `template_filter`."""
    patterns = settings.template_filter.get(stage, ["*"])
    return [
        template.template_id
        for template in catalogs.templates[stage].values()
        if template.active and any(fnmatchcase(template.template_id, pattern) for pattern in patterns)
    ]


def judges(catalogs: Catalogs) -> list[str]:
    """Return the ids of the models that judge."""
    return [model.model_id for model in catalogs.models.values() if model.for_evaluation]


def active_catalog(settings: Settings, catalogs: Catalogs) -> ActiveCatalog:
    """Return what is active.

    Raises:
        ConfigError: it makes no draft, or more combos than can be listed.
    """
    concepts = [concept.concept_id for concept in catalogs.concepts.values() if concept.active]
    sizes = [settings.k] if settings.k else list(range(2, settings.k_max + 1))
    chosen = {stage: active_templates(settings, catalogs, stage) for stage in STAGES}
    writers = [model.model_id for model in catalogs.models.values() if model.for_generation]
    jury = judges(catalogs)
    number = sum(comb(len(concepts), size) for size in sizes)
    counts = _counts(catalogs, number, chosen, writers, jury)
    if number > MAX_COMBOS:
        refuse_more_than(settings, "the active catalog makes", counts)
    if not counts[FIRST]:
        raise ConfigError(
            f"the active catalog makes no {FIRST}: {len(concepts)} concepts, {len(chosen[FIRST])} {FIRST} templates, "
            f"{len(writers)} models for generation are active",
            "activate some in the catalogs, or loosen template_filter or k",
        )
    combos = combos_module.enumerate_combos(catalogs, concepts, sizes, settings.description_level)
    return ActiveCatalog(combos, chosen, writers, jury)


def _counts(
    catalogs: Catalogs, combos: int, chosen: Mapping[str, list[str]], writers: list[str], jury: list[str]
) -> dict[str, int]:
    """Return how many generations a number of combos makes, by stage."""
    models = {WRITERS: len(writers), JUDGES: len(jury), PARENTS: 1}
    counts: dict[str, int] = {}
    for name, stage in STAGE.items():
        parents = counts[stage.parent] if stage.parent else combos
        copies = sum(catalogs.template(name, template_id).copies for template_id in chosen[name])
        written = (len(chosen[name]) - copies) * models[stage.models] * catalogs.replicates.get(name, 1)
        counts[name] = parents * (written + copies)
    return counts


def _refuse_explosion(settings: Settings, catalogs: Catalogs, active: ActiveCatalog, cohort_id: str) -> None:
    """Raise ConfigError before a cohort is expanded that adds far more than `max_generations`."""
    counts = _counts(catalogs, len(active.combos), active.templates, active.writers, active.judges)
    present = len(read_ids(settings.data.cohort(cohort_id).membership))
    refuse_more_than(settings, "the active catalog makes", counts, present)


def expand_active(
    settings: Settings, cohort_id: str, catalogs: Catalogs, rules: IdRules
) -> tuple[Expanded, list[Combo]]:
    """Return the generations of the active catalog, and its combos.

    Raises:
        ConfigError: see `active_catalog`; or it adds more than `max_generations`.
    """
    active = active_catalog(settings, catalogs)
    _refuse_explosion(settings, catalogs, active, cohort_id)
    registered = {combo.combo_id for combo in active.combos}
    models = {WRITERS: active.writers, JUDGES: active.judges}
    axes = {"combo_id": [combo.combo_id for combo in active.combos]}
    for name, stage in STAGE.items():
        own = {stage.template_column: active.templates[name]}
        if stage.models in models:
            own[stage.model_column] = models[stage.models]
        # a stage without templates or models ends the design there
        if not all(own.values()):
            break
        axes |= own
    columns = tuple(axes)
    rows: Iterator[Mapping[str, str]] = (
        dict(zip(columns, levels, strict=True)) for levels in itertools.product(*axes.values())
    )
    return expand(rows, columns, cohort_id, catalogs, registered.__contains__, rules, settings.data), active.combos


def relevant_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings that decide what an active catalog expands to."""
    return settings.model_dump(include={"k", "k_max", "description_level", "template_filter"})


def cohort_id_of(settings: Settings) -> str:
    """Return the id of the active catalog as a cohort: a hash of what it consists of."""
    catalogs = catalogs_module.load(settings.data)
    active = active_catalog(settings, catalogs)
    content = {
        "combos": sorted(combo.combo_id for combo in active.combos),
        "templates": {stage: sorted(active.templates[stage]) for stage in STAGES},
        "models": {WRITERS: sorted(active.writers), JUDGES: sorted(active.judges)},
        "replicates": {stage: catalogs.replicates.get(stage, 1) for stage in STAGES},
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    cohort_id = "cohort-" + hashlib.sha256(text.encode()).hexdigest()[:12]
    _refuse_explosion(settings, catalogs, active, cohort_id)
    return cohort_id
