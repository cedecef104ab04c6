"""From a cohort's source to its generations, in memory or written down."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import catalogs as catalogs_module
from .. import spec as spec_module
from ..catalogs import Catalogs, templates
from ..catalogs import combos as combos_module
from ..catalogs.combos import Combo
from ..errors import ConfigError, SpecError
from ..files import sha256_file, staged, write_json
from ..paths import Cohort
from ..settings import Settings
from ..stages import FIRST, STAGES
from ..tables import render
from . import active, counts, curated, manifest, sizes, tasks
from . import membership as membership_module
from .allocation import read_allocation
from .membership import Entry, Membership
from .rows import Expanded, IdRules, Maker, RowError, expand
from .selection import read_selection
from .sources import CURATED, Source


@dataclass(frozen=True)
class Expansion:
    """A cohort as its declaration says now; nothing of it is written yet."""

    source: Source
    membership: Membership
    combos: tuple[Combo, ...]
    manifest: Mapping[str, Any]
    warnings: tuple[str, ...] = field(default=())
    allocation: Mapping[str, Any] | None = None


def expand_source(settings: Settings, source: Source, seed: int | None = None, *, adopt: bool = False) -> Expansion:
    """Return what a cohort expands to now, checked against the catalogs; writes nothing.

    Args:
        settings: settings of the run.
        source: the cohort's declaration.
        seed: shuffles the rows of a spec.
        adopt: take the replicate counts of replication_config.csv in place of those that the cohort keeps.

    Raises:
        SpecError, ConfigError, CatalogError, TemplateError, MembershipError, StoreError: see the message.
    """
    if source.mode == "given":
        return Expansion(source, load_membership(settings, source.cohort_id), (), {})
    cohort = settings.data.cohort(source.cohort_id)
    catalogs = catalogs_module.load(settings.data)
    if not adopt:
        catalogs = counts.with_kept(catalogs, cohort, _as_written(settings, cohort))
    rules = IdRules(**source.frozen["ids"])
    allocation = None
    if source.mode == "spec":
        expanded, combos = _expand_spec(settings, source, catalogs, rules, seed)
    elif source.mode == CURATED:
        expanded, allocation = _expand_curated(settings, source, catalogs, rules, adopt)
        combos = []
    else:
        expanded, combos = active.expand_active(settings, source.cohort_id, catalogs, rules)
    membership = Membership(expanded.entries)
    counts.refuse_explosion(settings, cohort, membership)
    known = {**combos_module.load(settings.data), **{combo.combo_id: combo for combo in combos}}
    check_against_catalogs(settings, membership, catalogs, known)
    membership_module.check(membership.entries, cohort.membership)
    warnings = []
    if source.spec is not None:
        warnings += spec_module.unused_levels(spec_module.with_combos(spec_module.load(source.spec), catalogs)[0])
    if expanded.collapsed:
        warnings.append(
            f"{expanded.collapsed} rows name a model or replicate for an essay that only copies its draft; "
            "there is one such essay per draft and template"
        )
    content = manifest.of_expansion(settings, source, membership, catalogs, expanded.counted)
    return Expansion(source, membership, tuple(combos), content, tuple(warnings), allocation)


def differing_counts(settings: Settings, source: Source) -> list[str]:
    """Return one line if the table's replicate counts differ from those that a cohort keeps, else none."""
    previous = manifest.read_manifest(settings.data.cohort(source.cohort_id))
    if previous is None or source.mode == "given":
        return []
    kept = previous.get(manifest.KEPT)
    if kept is None:
        if not manifest.has_other_counts_table(settings, previous):
            return []
        kept = expand_source(settings, source).manifest[manifest.KEPT]
    return counts.warning(source.cohort_id, counts.differing(kept, catalogs_module.load(settings.data)))


def _as_written(settings: Settings, cohort: Cohort) -> Membership | None:
    """Return a cohort's membership if its rows must give the replicate counts; None if the manifest records them."""
    if not cohort.membership.exists() or manifest.KEPT in (manifest.read_manifest(cohort) or {}):
        return None
    return membership_module.read(settings.data, cohort.cohort_id)


def write(settings: Settings, expansion: Expansion) -> None:
    """Write membership.csv, tasks/, manifest.json and spec_snapshot/, and register new combos.

    Everything is prepared first and then moved into place file by file.

    Raises:
        MembershipError: membership.csv was edited by hand, or another tool wrote it; it is not overwritten.
        ConfigError: a frozen setting differs from the manifest's.
        StoreError: a combo's id stands for other contents in the registry.
    """
    source = expansion.source
    cohort = settings.data.cohort(source.cohort_id)
    if source.mode == "given":
        return
    manifest.refuse_other_tools_file(cohort, source)
    previous = manifest.read_manifest(cohort)
    manifest.refuse_changed_freeze(cohort, previous, source)
    manifest.refuse_hand_edit(cohort)
    combos_module.register(settings.data, expansion.combos)
    if expansion.allocation is not None:
        # first: numbers that a membership may name are never given out a second time
        write_json(cohort.allocation, expansion.allocation)
    text = render(membership_module.COLUMNS, (entry._asdict() for entry in expansion.membership))
    sha = hashlib.sha256(text.encode()).hexdigest()
    content = {**expansion.manifest, "membership_sha256": sha}
    if cohort.membership.exists():
        content["previous_membership_sha256"] = sha256_file(cohort.membership)
    with staged(cohort.folder) as stage:
        files = Cohort(stage)
        files.membership.write_text(text, encoding="utf-8", newline="")
        for name in STAGES:
            columns, rows = tasks.task_rows(expansion.membership, name)
            files.tasks(name).parent.mkdir(exist_ok=True)
            files.tasks(name).write_text(render(columns, rows), encoding="utf-8", newline="")
        if source.mode == "spec":
            manifest.copy_spec(cohort.spec, source.files, files.spec_snapshot)
        # before membership.csv: it knows the sha of the old and the new one, so that a kill in between
        # is not taken for an edit by hand
        manifest.write(cohort, previous, content)
        manifest.drop_older(cohort.spec_snapshot, files.spec_snapshot)


def load_membership(settings: Settings, cohort_id: str) -> Membership:
    """Return the membership of a cohort as written; checked in full where it was edited by hand.

    Raises:
        MembershipError: file and line of what is wrong.
    """
    data = settings.data
    cohort = data.cohort(cohort_id)
    recorded = manifest.read_manifest(cohort)
    if recorded and manifest.is_as_written(cohort, recorded):
        return membership_module.read(data, cohort_id)
    catalogs = catalogs_module.load(data)
    known = combos_module.load(data)
    return membership_module.read(data, cohort_id, lambda entry: _missing_in_catalogs(entry, catalogs, known))


def check_against_catalogs(
    settings: Settings, membership: Membership, catalogs: Catalogs, known: Mapping[str, Combo]
) -> None:
    """Raise unless every combo's concepts exist and every template in use can be rendered."""
    data = settings.data
    for combo_id in dict.fromkeys(entry.combo_id for entry in membership.stage(FIRST)):
        combos_module.check(known[combo_id], catalogs, data.combo_mappings)
    for stage, template_id in dict.fromkeys((entry.stage, entry.template_id) for entry in membership):
        if not catalogs.template(stage, template_id).copies:
            templates.check(data.template(stage, template_id), stage)


def _missing_in_catalogs(entry: Entry, catalogs: Catalogs, known: Mapping[str, Combo]) -> str | None:
    if entry.template_id not in catalogs.templates[entry.stage]:
        return f"unknown template '{entry.template_id}'"
    copies = catalogs.template(entry.stage, entry.template_id).copies
    if entry.llm_model_id not in catalogs.models and not (copies and not entry.llm_model_id):
        return f"unknown model '{entry.llm_model_id}'"
    if entry.stage == FIRST and entry.combo_id not in known:
        return f"unknown combo '{entry.combo_id}'"
    return None


def _expand_spec(
    settings: Settings, source: Source, catalogs: Catalogs, rules: IdRules, seed: int | None
) -> tuple[Expanded, list[Combo]]:
    data = settings.data
    spec = spec_module.load(source.spec or data.cohort(source.cohort_id).spec)
    spec, combos = spec_module.with_combos(spec, catalogs)
    sizes.refuse_explosion(settings, data.cohort(source.cohort_id), spec_module.axes(spec), catalogs)
    registered = combos_module.load(data)
    own = {combo.combo_id for combo in combos}
    rows = spec_module.rows(spec, seed)
    columns = list(rows[0]) if rows else []
    try:
        expanded = expand(
            rows,
            columns,
            source.cohort_id,
            catalogs,
            lambda combo_id: combo_id in own or combo_id in registered,
            rules,
            data,
        )
    except RowError as error:
        place = _place_of(spec, error.column, error.value) if error.column else ""
        raise SpecError(spec.path, place, error.message, error.hint) from None
    return expanded, combos


def _expand_curated(
    settings: Settings, source: Source, catalogs: Catalogs, rules: IdRules, adopt: bool
) -> tuple[Expanded, Mapping[str, Any]]:
    data = settings.data
    settings = settings.model_copy(update=dict(source.settings))
    selection = read_selection(Path(source.settings["selection"]), data, catalogs)
    axes = curated.Axes(
        {stage: active.active_templates(settings, catalogs, stage) for stage in STAGES},
        active.judges(catalogs),
    )
    maker = Maker(source.cohort_id, catalogs, combos_module.load(data).__contains__, rules, data)
    allocation = read_allocation(data.cohort(source.cohort_id).allocation, selection.mode)
    try:
        curated.Curator(data, source.cohort_id, catalogs, axes, maker, adopt=adopt).expand(selection, allocation)
    except RowError as error:
        raise ConfigError(f"{selection.path}: {error.message}", error.hint) from None
    return maker.expanded(), allocation.content()


def _place_of(spec: "spec_module.Spec", column: str, level: str) -> str:
    """Return where in a spec a column, or a level of it, is declared."""
    if level in spec.axes.get(column, ()):
        return f"axes.{column}[{spec.axes[column].index(level)}]"
    for rule in spec.rules:
        if column in getattr(rule, "axes", ()):
            return f"{rule.place}, column {column}"
    return f"axes.{column}" if column in spec.axes else f"column {column}"
