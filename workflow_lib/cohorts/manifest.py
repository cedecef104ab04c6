"""manifest.json: what a cohort was expanded from, so that a change is seen and an edit by hand is kept."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import catalogs as catalogs_module
from ..catalogs import Catalogs, combos
from ..errors import ConfigError, MembershipError
from ..files import dump_json, read_json, read_recorded, sha256_file, write_json
from ..paths import Cohort
from ..settings import Settings
from ..stages import FIRST, STAGES
from .membership import Entry, Membership

if TYPE_CHECKING:
    from .sources import Source


KEPT = "replicate_counts"
"""Key of the replicate counts that a cohort keeps: stage -> count, where replication_config.csv decided."""
FROZEN = ("ids",)
"""Settings that the ids of a cohort's generations depend on; notes and experiment_id are labels and may change."""


def read_manifest(cohort: Cohort) -> Mapping[str, Any] | None:
    """Return a cohort's manifest.json, None if there is none."""
    try:
        manifest = read_json(cohort.manifest)
    except FileNotFoundError:
        return None
    if not isinstance(manifest, dict):
        raise ConfigError(
            f"{cohort.manifest}: not a manifest",
            "put it back from a copy of the store: it keeps the replicate counts of the cohort's first expansion",
        )
    return manifest


def recorded_manifest(cohort: Cohort) -> Mapping[str, Any]:
    """Return a cohort's manifest.json, {} if there is none that can be read; read again only when it has changed."""
    try:
        found = cohort.manifest.stat()
    except OSError:
        return {}
    return _recorded(cohort.manifest, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=256)
def _recorded(manifest: Path, changed_ns: int, size: int) -> Mapping[str, Any]:
    return read_recorded(manifest)


def differs_from_manifest(settings: Settings, source: "Source") -> bool:
    """Return whether a cohort's declaration differs from its last expansion, by content.

    File times cannot show it: settings (ids, k ...) are in no file, and Snakemake restores the outputs of a
    failed expansion with a new time.
    """
    manifest = read_manifest(settings.data.cohort(source.cohort_id))
    if manifest is None or source.mode == "given":
        return False
    if not set(manifest.get("combos", ())) <= combos.load(settings.data).keys():
        # the registry was lost: an expansion registers the combos again
        return True
    if _was_cut_off(settings.data.cohort(source.cohort_id), manifest):
        return True
    now = declared(settings, source)
    return any(manifest.get(key) != json.loads(json.dumps(value)) for key, value in now.items())


def has_other_counts_table(settings: Settings, manifest: Mapping[str, Any]) -> bool:
    """Return whether replication_config.csv was edited since a cohort was expanded."""
    path = settings.data.catalog(catalogs_module.REPLICATION)
    return bool(manifest.get("catalogs", {}).get(path.stem) != sha256_file(path))


def changed_freeze(manifest: Mapping[str, Any] | None, source: "Source") -> list[str]:
    """Return the settings that may never change and differ between a declaration and a cohort's manifest."""
    before = manifest or {}
    return [key for key in FROZEN if key in before and before[key] != source.frozen[key]]


def declared(settings: Settings, source: "Source") -> dict[str, Any]:
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


def of_expansion(
    settings: Settings, source: "Source", membership: Membership, catalogs: Catalogs, counted: Mapping[str, int]
) -> dict[str, Any]:
    """Return the manifest of an expansion; `counted` are the replicate counts that the cohort keeps, by stage."""

    def distinct(column: Callable[[Entry], str], stage: str) -> list[str]:
        return sorted({column(entry) for entry in membership.stage(stage)})

    previous = read_manifest(settings.data.cohort(source.cohort_id)) or {}
    baseline = previous.get("parsers", {})
    return {
        "cohort_id": source.cohort_id,
        "combos": distinct(lambda entry: entry.combo_id, FIRST),
        "templates": {stage: distinct(lambda entry: entry.template_id, stage) for stage in STAGES},
        "models": {stage: distinct(lambda entry: entry.llm_model_id, stage) for stage in STAGES},
        "replicates": {
            stage: max((entry.replicate for entry in membership.stage(stage)), default=0) for stage in STAGES
        },
        KEPT: dict(counted),
        "counts": {stage: len(membership.stage(stage)) for stage in STAGES},
        # what a generation without a record of its parser was parsed with
        "parsers": {
            stage: {
                template_id: baseline.get(stage, {}).get(template_id) or catalogs.template(stage, template_id).parser
                for template_id in distinct(lambda entry: entry.template_id, stage)
            }
            for stage in STAGES
        },
        **declared(settings, source),
    }


def _bundle_sha256(files: Iterable[Path]) -> str:
    bundle = hashlib.sha256()
    for path in sorted(files):
        bundle.update(f"{path.name}\0{sha256_file(path)}\n".encode())
    return bundle.hexdigest()


def refuse_changed_freeze(cohort: Cohort, previous: Mapping[str, Any] | None, source: "Source") -> None:
    for key in changed_freeze(previous, source):
        raise ConfigError(
            f"{cohort.manifest}: {key} of this cohort is {(previous or {})[key]!r}, and now "
            f"{source.frozen[key]!r} is asked for",
            f"set {key} back, or declare a new cohort: the ids of its generations depend on it",
        )


def refuse_other_tools_file(cohort: Cohort, source: "Source") -> None:
    """Raise if a declaration would replace a membership.csv that no expansion wrote.

    Raises:
        MembershipError: another tool or a person wrote it; it is used as it is, or moved away.
    """
    # first the file, then what records it: an expansion of another run writes them in the other order
    if source.mode == "given" or not cohort.membership.exists() or _is_expanded(read_manifest(cohort)):
        return
    raise MembershipError(
        cohort.membership,
        "",
        f"no expansion wrote this file, and {source.declared_by} would replace it",
        f"to use it as it is, take {source.declared_by} away; to make the cohort from there, move membership.csv away "
        "(answers of the same generations are used again), or choose another name",
    )


def refuse_hand_edit(cohort: Cohort) -> None:
    """Raise if membership.csv is not as the last expansion wrote it.

    Raises:
        MembershipError: it was edited by hand.
    """
    try:
        sha = sha256_file(cohort.membership)
    except FileNotFoundError:
        return
    # read after the file: another run may have expanded the cohort just now
    if sha in _written_shas(read_manifest(cohort) or {}):
        return
    raise MembershipError(
        cohort.membership,
        "",
        "was edited by hand since it was expanded; it is not overwritten",
        "to keep the edit, put it into the spec; to drop it, move membership.csv away and run again",
    )


def is_as_written(cohort: Cohort, manifest: Mapping[str, Any]) -> bool:
    """Return whether membership.csv is as the expansion of a manifest wrote it, or gone."""
    try:
        return sha256_file(cohort.membership) in _written_shas(manifest)
    except FileNotFoundError:
        return True


def _is_expanded(manifest: Mapping[str, Any] | None) -> bool:
    """Return whether a manifest is of an expansion; other tools write files of this name, too."""
    return bool(manifest and _written_shas(manifest))


def _written_shas(manifest: Mapping[str, Any]) -> set[str]:
    """Return the sums that membership.csv may have while an expansion is written."""
    found = (manifest.get(key) for key in ("membership_sha256", "previous_membership_sha256"))
    return {sha for sha in found if isinstance(sha, str)}


def _was_cut_off(cohort: Cohort, manifest: Mapping[str, Any]) -> bool:
    """Return whether an expansion was killed after the manifest and before membership.csv were written."""
    older = manifest.get("previous_membership_sha256")
    if older in (None, manifest.get("membership_sha256")) or not cohort.membership.exists():
        return False
    return bool(sha256_file(cohort.membership) == older)


def copy_spec(spec_folder: Path, files: Iterable[Path], target: Path) -> None:
    for path in files:
        if path.is_relative_to(spec_folder):
            copy = target / path.relative_to(spec_folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())


def drop_older(snapshot: Path, coming: Path) -> None:
    for path in snapshot.rglob("*"):
        if path.is_file() and not (coming / path.relative_to(snapshot)).exists():
            path.unlink()


def write(cohort: Cohort, previous: Mapping[str, Any] | None, manifest: Mapping[str, Any]) -> None:
    volatile = ("created_at", "previous_membership_sha256")

    def content(of: Mapping[str, Any]) -> str:
        return dump_json({key: value for key, value in of.items() if key not in volatile})

    if previous is not None and content(previous) == content(manifest):
        # its time shows that the expansion is up to date
        os.utime(cohort.manifest)
        return
    write_json(cohort.manifest, {**manifest, "created_at": datetime.now(UTC).isoformat(timespec="seconds")})
