"""What a cohort's name stands for: a spec, a list, the active catalog, or a membership.csv that is there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import catalogs as catalogs_module
from .. import spec as spec_module
from ..errors import ConfigError, SpecError, nearest
from ..paths import Cohort
from ..settings import Settings
from . import active
from .manifest import read_manifest, refuse_other_tools_file
from .selection import existing_file

AUTO = "auto"


CURATED = "curated"


@dataclass(frozen=True)
class Source:
    """Where a cohort comes from.

    Attributes:
        cohort_id: its name, also of its folder.
        mode: ``spec``, ``curated``, ``auto``, or ``given`` (a membership.csv of an older tool, never expanded again).
        files: what an expansion reads; an edit of one of them asks for another.
        frozen: settings that may not change once the cohort exists (`manifest.FROZEN`), and its labels.
        settings: settings that matter to an expansion besides.
        spec: folder or config file of the spec; None in the other modes.
    """

    cohort_id: str
    mode: str
    files: tuple[Path, ...]
    frozen: Mapping[str, Any]
    settings: Mapping[str, Any]
    spec: Path | None = None

    @property
    def declared_by(self) -> str:
        """What declares it, as a message names it."""
        if self.mode == CURATED:
            return f"selection: {self.settings['selection']}"
        return f"{self.spec}" if self.spec else "auto: true"


def resolve(settings: Settings, name: str) -> Source:
    """Return what a cohort's name stands for.

    Args:
        settings: settings of the run.
        name: as given by `cohort`.

    Raises:
        ConfigError: there is no such cohort; the message lists those there are.
        SpecError: its spec cannot be read.
        MembershipError: it would replace a membership.csv that another tool wrote.
    """
    source = _source_of(settings, name)
    # before Snakemake knows the file as an output, which it may delete
    refuse_other_tools_file(settings.data.cohort(source.cohort_id), source)
    return source


def _source_of(settings: Settings, name: str) -> Source:
    data = settings.data
    cohort = data.cohort(name)
    if cohort.spec.is_dir():
        return spec_source(settings, name, cohort.spec)
    chosen = _selection_of(settings, cohort)
    if chosen:
        selection = existing_file(Path(chosen["selection"]))
        tables = catalogs_module.existing_files(data)
        return Source(name, CURATED, (selection, *tables), _frozen(settings, None), chosen)
    if name == AUTO or settings.auto:
        cohort_id = active.cohort_id_of(settings) if name == AUTO else name
        tables = catalogs_module.existing_files(data)
        return Source(cohort_id, AUTO, tuple(tables), _frozen(settings, None), active.relevant_settings(settings))
    if cohort.membership.exists():
        return Source(name, "given", (), {}, {})
    data.require()
    raise ConfigError(
        f"there is no cohort '{name}': {cohort.spec} does not exist",
        f"{nearest(name, existing(settings))}\n`daydream new-cohort {name}` writes a spec; "
        f"--config cohort={name} selection=FILE makes it of a list of essays or drafts",
    )


def _selection_of(settings: Settings, cohort: Cohort) -> Mapping[str, Any] | None:
    """Return the settings of a curated cohort: as given, or else as its last expansion recorded them."""
    if settings.selection:
        return settings.model_dump(include={"selection", "template_filter"})
    manifest = read_manifest(cohort) or {}
    recorded = manifest.get("settings") or {}
    if manifest.get("mode") == CURATED and Path(str(recorded.get("selection"))).exists():
        return recorded
    return None


def unused_selection(settings: Settings, sources: Iterable[Source]) -> list[str]:
    """Return one line if a selection is given that cohorts with a spec do not use, else none."""
    specs = [source.cohort_id for source in sources if source.mode == "spec"]
    if not (settings.selection and specs):
        return []
    return [
        f"{', '.join(specs)} is declared by its spec; the selection is not used. Give the curated cohort a name "
        "of its own with --config cohort=NAME."
    ]


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


def _frozen(settings: Settings, spec: "spec_module.Spec | None") -> dict[str, Any]:
    own = {"ids": spec.ids, "notes": spec.notes, "experiment_id": spec.experiment_id} if spec else {}
    chosen_ids = {**settings.ids.model_dump(), **(own.get("ids") or {})}
    place = str(spec.path) if spec else "ids"
    for key, allowed in (("scope", ("content", "cohort")), ("essay_model", ("auto", "never"))):
        if chosen_ids[key] not in allowed:
            raise SpecError(place, f"ids.{key}", f"'{chosen_ids[key]}' is none of {', '.join(allowed)}")
    if unknown := chosen_ids.keys() - {"scope", "essay_model"}:
        name = min(unknown)
        raise SpecError(place, f"ids.{name}", "unknown key", nearest(name, ("scope", "essay_model")))
    return {
        "ids": chosen_ids,
        "notes": own.get("notes") or settings.notes,
        "experiment_id": own.get("experiment_id") or settings.experiment_id,
    }
