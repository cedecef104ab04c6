"""What a cohort's name stands for, and writing down what it expands to [SPEC 3.3, 4, 5]."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import comb
from pathlib import Path
from typing import Any

from .. import catalogs as catalogs_module
from .. import spec as spec_module
from ..catalogs import LEVELS, Catalogs, templates
from ..catalogs import combos as combos_module
from ..catalogs.combos import Combo
from ..errors import ConfigError, MembershipError, SpecError, nearest
from ..files import dump_json, read_json, sha256_file, staged, write_json
from ..paths import STAGES, Cohort
from ..settings import Settings
from ..tables import render
from . import active, curated
from . import membership as membership_module
from .membership import Entry, Membership
from .rows import Expanded, IdRules, Maker, RowError, expand

AUTO = "auto"
CURATED = "curated"


@dataclass(frozen=True)
class Source:
    """Where a cohort comes from.

    Attributes:
        cohort_id: its name, also of its folder.
        mode: ``spec``, ``curated``, ``auto``, or ``given`` (a membership.csv of an older tool, never expanded again).
        files: what an expansion reads; an edit of one of them asks for another.
        frozen: settings that may not change once the cohort exists.
        settings: settings that matter to an expansion besides.
        spec: folder or config file of the spec; None in the other modes.
    """

    cohort_id: str
    mode: str
    files: tuple[Path, ...]
    frozen: Mapping[str, Any]
    settings: Mapping[str, Any]
    spec: Path | None = None


@dataclass(frozen=True)
class Expansion:
    """A cohort as its declaration says now; nothing of it is written yet."""

    source: Source
    membership: Membership
    combos: tuple[Combo, ...]
    manifest: Mapping[str, Any]
    warnings: tuple[str, ...] = field(default=())
    allocation: Mapping[str, Any] | None = None


def resolve(settings: Settings, name: str) -> Source:
    """Return what a cohort's name stands for.

    Args:
        settings: settings of the run.
        name: as given by `cohort`.

    Raises:
        ConfigError: there is no such cohort; the message lists those there are.
        SpecError: its spec cannot be read.
    """
    data = settings.data
    cohort = data.cohort(name)
    if cohort.spec.is_dir():
        return spec_source(settings, name, cohort.spec)
    chosen = _selection_of(settings, cohort)
    if chosen:
        selection = curated.existing_file(Path(chosen["selection"]))
        tables = catalogs_module.existing_files(data)
        return Source(name, CURATED, (selection, *tables), _frozen(settings, None), chosen)
    if name == AUTO or settings["auto"]:
        cohort_id = active.cohort_id_of(settings) if name == AUTO else name
        tables = catalogs_module.existing_files(data)
        return Source(cohort_id, AUTO, tuple(tables), _frozen(settings, None), active.relevant_settings(settings))
    if cohort.membership.exists():
        return Source(name, "given", (), {}, {})
    raise ConfigError(
        f"there is no cohort '{name}': {cohort.spec} does not exist",
        f"{nearest(name, existing(settings))}; `daydream new-cohort {name}` writes a spec, and "
        f"--config cohort={name} selection=FILE makes it of a list of essays or drafts",
    )


def _selection_of(settings: Settings, cohort: Cohort) -> Mapping[str, Any] | None:
    """Return the settings of a curated cohort: as given, or else as its last expansion recorded them."""
    if settings["selection"]:
        return {key: settings[key] for key in ("selection", "template_filter")}
    manifest = read_manifest(cohort) or {}
    recorded = manifest.get("settings") or {}
    if manifest.get("mode") == CURATED and Path(str(recorded.get("selection"))).exists():
        return recorded
    return None


def spec_source(settings: Settings, cohort_id: str, path: Path) -> Source:
    """Return the source of a cohort that a spec declares, wherever the spec lies (folder or config file).

    Raises:
        SpecError: it cannot be read.
    """
    spec = spec_module.load(path)
    files = (*spec.files, *catalogs_module.existing_files(settings.data))
    return Source(cohort_id, "spec", files, _frozen(settings, spec), {}, path)


def existing(settings: Settings) -> list[str]:
    """Return the names of the cohorts that have a spec or a membership.csv, sorted."""
    root = settings.data.cohorts
    if not root.is_dir():
        return []
    return sorted(
        folder.name for folder in root.iterdir() if (folder / "spec").is_dir() or (folder / "membership.csv").exists()
    )


def expand_source(settings: Settings, source: Source, seed: int | None = None) -> Expansion:
    """Return what a cohort expands to now, checked against the catalogs; writes nothing.

    Raises:
        SpecError, ConfigError, CatalogError, TemplateError, MembershipError, StoreError: see the message.
    """
    if source.mode == "given":
        return Expansion(source, load_membership(settings, source.cohort_id), (), {})
    catalogs = catalogs_module.load(settings.data)
    rules = IdRules(**source.frozen["ids"])
    allocation = None
    if source.mode == "spec":
        expanded, combos = _expand_spec(settings, source, catalogs, rules, seed)
    elif source.mode == CURATED:
        expanded, allocation = _expand_curated(settings, source, catalogs, rules)
        combos = []
    else:
        expanded, combos = active.expand_active(settings, source.cohort_id, catalogs, rules)
    membership = Membership(expanded.entries)
    known = {**combos_module.load(settings.data), **{combo.combo_id: combo for combo in combos}}
    check_against_catalogs(settings, membership, catalogs, known)
    path = settings.data.cohort(source.cohort_id).membership
    membership_module.check(membership.entries, path)
    warnings = []
    if source.spec is not None:
        warnings += spec_module.unused_levels(with_combos(spec_module.load(source.spec), catalogs)[0])
    if expanded.collapsed:
        warnings.append(
            f"{expanded.collapsed} rows name a model or replicate for an essay that only copies its draft; "
            "there is one such essay per draft and template"
        )
    manifest = _manifest(settings, source, membership, catalogs)
    return Expansion(source, membership, tuple(combos), manifest, tuple(warnings), allocation)


def write(settings: Settings, expansion: Expansion) -> None:
    """Write membership.csv, tasks/, manifest.json and spec_snapshot/, and register new combos.

    Everything is prepared first and then moved into place file by file.

    Raises:
        MembershipError: membership.csv was edited by hand; it is not overwritten.
        ConfigError: a frozen setting differs from the manifest's.
        StoreError: a combo's id stands for other contents in the registry.
    """
    source = expansion.source
    cohort = settings.data.cohort(source.cohort_id)
    if source.mode == "given":
        return
    previous = read_manifest(cohort)
    _refuse_changed_freeze(cohort, previous, source)
    _refuse_hand_edit(cohort, previous)
    combos_module.register(settings.data, expansion.combos)
    if expansion.allocation is not None:
        # first: numbers that a membership may name are never given out a second time
        write_json(cohort.allocation, expansion.allocation)
    text = render(membership_module.COLUMNS, (entry._asdict() for entry in expansion.membership))
    sha = hashlib.sha256(text.encode()).hexdigest()
    manifest = {**expansion.manifest, "membership_sha256": sha}
    if cohort.membership.exists():
        manifest["previous_membership_sha256"] = sha256_file(cohort.membership)
    with staged(cohort.folder) as stage:
        files = Cohort(stage)
        files.membership.write_text(text, encoding="utf-8", newline="")
        for name in STAGES:
            columns, rows = membership_module.task_rows(expansion.membership, name)
            files.tasks(name).parent.mkdir(exist_ok=True)
            files.tasks(name).write_text(render(columns, rows), encoding="utf-8", newline="")
        if source.mode == "spec":
            _snapshot(cohort.spec, source.files, files.spec_snapshot)
        # before membership.csv: it knows the sha of the old and the new one, so that a kill in between
        # is not taken for an edit by hand
        _write_manifest(cohort, previous, manifest)
        _drop_older(cohort.spec_snapshot, files.spec_snapshot)


def load_membership(settings: Settings, cohort_id: str) -> Membership:
    """Return the membership of a cohort as written; checked in full where it was edited by hand.

    Raises:
        MembershipError: file and line of what is wrong.
    """
    data = settings.data
    cohort = data.cohort(cohort_id)
    manifest = read_manifest(cohort)
    if manifest and _is_as_written(cohort, manifest):
        return membership_module.read(data, cohort_id)
    catalogs = catalogs_module.load(data)
    known = combos_module.load(data)
    return membership_module.read(data, cohort_id, lambda entry: _missing_in_catalogs(entry, catalogs, known))


def read_manifest(cohort: Cohort) -> Mapping[str, Any] | None:
    """Return a cohort's manifest.json, None if there is none."""
    try:
        manifest = read_json(cohort.manifest)
    except FileNotFoundError:
        return None
    if not isinstance(manifest, dict):
        raise ConfigError(f"{cohort.manifest}: not a manifest", "restore the file from version control")
    return manifest


def differs_from_manifest(settings: Settings, source: Source) -> bool:
    """Tell whether a cohort's declaration is another than at its last expansion, by content.

    Times do not tell it: settings (ids, k ...) stand in no file, and Snakemake restores the outputs of a
    failed expansion with a new time.
    """
    manifest = read_manifest(settings.data.cohort(source.cohort_id))
    if manifest is None or source.mode == "given":
        return False
    if not set(manifest.get("combos", ())) <= combos_module.load(settings.data).keys():
        # the registry was lost: an expansion registers the combos again
        return True
    if _was_cut_off(settings.data.cohort(source.cohort_id), manifest):
        return True
    now = _declared(settings, source)
    return any(manifest.get(key) != json.loads(json.dumps(value)) for key, value in now.items())


def changed_freeze(manifest: Mapping[str, Any] | None, source: Source) -> list[str]:
    """Return the frozen settings that a declaration has otherwise than a cohort's manifest."""
    before = manifest or {}
    return [key for key, value in source.frozen.items() if key in before and before[key] != value]


def _declared(settings: Settings, source: Source) -> dict[str, Any]:
    """Return the part of the manifest that says what was expanded."""
    tables = catalogs_module.files(settings.data)
    spec_files = [path for path in source.files if path not in tables]
    return {
        "mode": source.mode,
        "spec_sha256": _bundle_sha256(spec_files) if spec_files else None,
        "catalogs": {path.stem: sha256_file(path) for path in tables if path.exists()},
        "settings": dict(source.settings),
        **source.frozen,
    }


def check_against_catalogs(
    settings: Settings, membership: Membership, catalogs: Catalogs, known: Mapping[str, Combo]
) -> None:
    """Raise unless every combo's concepts exist and every template in use can be rendered."""
    data = settings.data
    for combo_id in dict.fromkeys(entry.combo_id for entry in membership.stage("draft")):
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
    if entry.stage == "draft" and entry.combo_id not in known:
        return f"unknown combo '{entry.combo_id}'"
    return None


def _frozen(settings: Settings, spec: "spec_module.Spec | None") -> dict[str, Any]:
    own = {"ids": spec.ids, "notes": spec.notes, "experiment_id": spec.experiment_id} if spec else {}
    chosen_ids = {**settings["ids"], **(own.get("ids") or {})}
    place = str(spec.path) if spec else "ids"
    for key, allowed in (("scope", ("content", "cohort")), ("essay_model", ("auto", "never"))):
        if chosen_ids[key] not in allowed:
            raise SpecError(place, f"ids.{key}", f"'{chosen_ids[key]}' is none of {', '.join(allowed)}")
    if unknown := chosen_ids.keys() - {"scope", "essay_model"}:
        name = min(unknown)
        raise SpecError(place, f"ids.{name}", "unknown key", nearest(name, ("scope", "essay_model")))
    return {
        "ids": chosen_ids,
        "notes": own.get("notes") or settings["notes"],
        "experiment_id": own.get("experiment_id") or settings["experiment_id"],
    }


def _expand_spec(
    settings: Settings, source: Source, catalogs: Catalogs, rules: IdRules, seed: int | None
) -> tuple[Expanded, list[Combo]]:
    data = settings.data
    spec = spec_module.load(source.spec or data.cohort(source.cohort_id).spec)
    spec, combos = with_combos(spec, catalogs)
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
    settings: Settings, source: Source, catalogs: Catalogs, rules: IdRules
) -> tuple[Expanded, Mapping[str, Any]]:
    data = settings.data
    settings = replace(settings, values={**settings.values, **source.settings})
    selection = curated.read_selection(Path(settings["selection"]), data)
    axes = curated.Axes(
        active.active_templates(settings, catalogs, "essay"),
        active.active_templates(settings, catalogs, "evaluation"),
        active.judges(catalogs),
    )
    maker = Maker(source.cohort_id, catalogs, combos_module.load(data).__contains__, rules, data)
    allocation = curated.read_allocation(data.cohort(source.cohort_id).allocation, selection.mode)
    try:
        curated.Curator(data, source.cohort_id, catalogs, axes, maker).expand(selection, allocation)
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


def with_combos(spec: "spec_module.Spec", catalogs: Catalogs) -> tuple["spec_module.Spec", list[Combo]]:
    """Return a spec whose `combos:` convenience is an axis, and the combos that it enumerates."""
    if spec.combos is None:
        return spec, []
    place = "combos"
    declared = dict(spec.combos)
    unknown = declared.keys() - {"concepts", "k", "level"}
    if unknown:
        name = min(unknown)
        raise SpecError(spec.path, f"{place}.{name}", "unknown key", nearest(name, ("concepts", "k", "level")))
    concepts = declared.get("concepts", "all")
    if concepts == "all":
        concepts = [concept.concept_id for concept in catalogs.concepts.values() if concept.active]
    if not isinstance(concepts, list):
        raise SpecError(spec.path, f"{place}.concepts", "must be a list of concept ids, or all")
    for index, concept_id in enumerate(concepts):
        if concept_id not in catalogs.concepts:
            raise SpecError(
                spec.path,
                f"{place}.concepts[{index}]",
                f"unknown concept '{concept_id}'",
                nearest(str(concept_id), catalogs.concepts),
            )
    sizes = declared.get("k")
    sizes = sizes if isinstance(sizes, list) else [sizes]
    distinct = len(set(concepts))
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= distinct:
            raise SpecError(
                spec.path,
                f"{place}.k",
                f"{size!r} is not a number of concepts from 1 to {distinct}",
                "write how many concepts a combo has, or a list of such numbers",
            )
    level = declared.get("level", "paragraph")
    if level not in LEVELS:
        raise SpecError(spec.path, f"{place}.level", f"'{level}' is none of {', '.join(LEVELS)}")
    count = sum(comb(distinct, size) for size in set(sizes))
    if count > 1_000_000:
        raise SpecError(spec.path, place, f"{count:,} combos are more than a cohort can hold", "name fewer concepts")
    combos = combos_module.enumerate_combos(catalogs, concepts, sizes, level)
    return spec_module.with_axis(spec, "combo_id", [combo.combo_id for combo in combos]), combos


def _manifest(settings: Settings, source: Source, membership: Membership, catalogs: Catalogs) -> dict[str, Any]:
    def distinct(column: Callable[[Entry], object], stage: str) -> list:
        return sorted({column(entry) for entry in membership.stage(stage)})

    previous = read_manifest(settings.data.cohort(source.cohort_id)) or {}
    baseline = previous.get("parsers", {})
    return {
        "cohort_id": source.cohort_id,
        "combos": distinct(lambda entry: entry.combo_id, "draft"),
        "templates": {stage: distinct(lambda entry: entry.template_id, stage) for stage in STAGES},
        "models": {stage: distinct(lambda entry: entry.llm_model_id, stage) for stage in STAGES},
        "replicates": {
            stage: max((entry.replicate for entry in membership.stage(stage)), default=0) for stage in STAGES
        },
        "counts": {stage: len(membership.stage(stage)) for stage in STAGES},
        # what a generation without a record of its parser was parsed with
        "parsers": {
            stage: {
                template_id: baseline.get(stage, {}).get(template_id) or catalogs.template(stage, template_id).parser
                for template_id in distinct(lambda entry: entry.template_id, stage)
            }
            for stage in STAGES
        },
        **_declared(settings, source),
    }


def _bundle_sha256(files: Iterable[Path]) -> str:
    bundle = hashlib.sha256()
    for path in sorted(files):
        bundle.update(f"{path.name}\0{sha256_file(path)}\n".encode())
    return bundle.hexdigest()


def _refuse_changed_freeze(cohort: Cohort, previous: Mapping[str, Any] | None, source: Source) -> None:
    for key in changed_freeze(previous, source):
        raise ConfigError(
            f"{cohort.manifest}: {key} of this cohort is {(previous or {})[key]!r}, and now "
            f"{source.frozen[key]!r} is asked for",
            f"set {key} back, or declare a new cohort: its generations' identity hangs on it",
        )


def _refuse_hand_edit(cohort: Cohort, previous: Mapping[str, Any] | None) -> None:
    if previous is None or not cohort.membership.exists() or _is_as_written(cohort, previous):
        return
    raise MembershipError(
        cohort.membership,
        "",
        "was edited by hand since it was expanded; it is not overwritten",
        "to keep the edit, put it into the spec; to drop it, move membership.csv away and run again",
    )


def _is_as_written(cohort: Cohort, manifest: Mapping[str, Any]) -> bool:
    if "membership_sha256" not in manifest:
        return True
    try:
        sha = sha256_file(cohort.membership)
    except FileNotFoundError:
        return True
    return sha in (manifest["membership_sha256"], manifest.get("previous_membership_sha256"))


def _was_cut_off(cohort: Cohort, manifest: Mapping[str, Any]) -> bool:
    """Tell whether an expansion was killed after the manifest and before membership.csv were written."""
    older = manifest.get("previous_membership_sha256")
    if older in (None, manifest.get("membership_sha256")) or not cohort.membership.exists():
        return False
    return sha256_file(cohort.membership) == older


def _snapshot(spec_folder: Path, files: Iterable[Path], target: Path) -> None:
    for path in files:
        if path.is_relative_to(spec_folder):
            copy = target / path.relative_to(spec_folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())


def _drop_older(snapshot: Path, coming: Path) -> None:
    for path in snapshot.rglob("*"):
        if path.is_file() and not (coming / path.relative_to(snapshot)).exists():
            path.unlink()


def _write_manifest(cohort: Cohort, previous: Mapping[str, Any] | None, manifest: Mapping[str, Any]) -> None:
    volatile = ("created_at", "previous_membership_sha256")

    def content(of: Mapping[str, Any]) -> str:
        return dump_json({key: value for key, value in of.items() if key not in volatile})

    if previous is not None and content(previous) == content(manifest):
        # its time says that the expansion is up to date
        os.utime(cohort.manifest)
        return
    write_json(cohort.manifest, {**manifest, "created_at": datetime.now(UTC).isoformat(timespec="seconds")})
