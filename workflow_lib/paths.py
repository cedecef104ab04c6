"""Where everything lies. The one place that knows folder and file names."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .contents import ANALYSIS_TABLES, FIGURES, SUMMARY_TABLES
from .errors import ConfigError
from .lazy import lazy

SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

# in the working directory, beside the logs of jobs
SERVER_LOGS = Path("logs") / "model_servers"

PROMPT = "prompt.txt"
SYSTEM = "system.txt"
RAW = "raw.txt"
PARSED = "parsed.txt"
METADATA = "metadata.json"
RAW_METADATA = "raw_metadata.json"
PARSED_METADATA = "parsed_metadata.json"
FAILURE = "failure.json"
ATTEMPTS = "attempts"

CROSS_TABLES = (
    "aggregated_scores",
    "evaluation_scores_by_template_model",
    "template_version_comparison_pivot",
)


def is_safe_id(name: str) -> bool:
    """Return whether a name may become part of a path: letters, digits, ``._-``, no ``..``."""
    return SAFE_ID.fullmatch(name) is not None and ".." not in name


@dataclass(frozen=True)
class Generation:
    """The files of one generation, ``gens/<stage>/<gen_id>/``."""

    folder: Path

    @lazy
    def stage(self) -> str:
        return self.folder.parent.name

    @lazy
    def gen_id(self) -> str:
        return self.folder.name

    @lazy
    def prompt(self) -> Path:
        return self.folder / PROMPT

    @lazy
    def system(self) -> Path:
        """The system message that was sent before the prompt; not there if none was."""
        return self.folder / SYSTEM

    @lazy
    def raw(self) -> Path:
        return self.folder / RAW

    @lazy
    def parsed(self) -> Path:
        return self.folder / PARSED

    @lazy
    def metadata(self) -> Path:
        return self.folder / METADATA

    @lazy
    def raw_metadata(self) -> Path:
        return self.folder / RAW_METADATA

    @lazy
    def parsed_metadata(self) -> Path:
        return self.folder / PARSED_METADATA

    @lazy
    def failure(self) -> Path:
        return self.folder / FAILURE

    @lazy
    def attempts(self) -> Path:
        return self.folder / ATTEMPTS

    def provider_batch(self, record_id: str) -> Path:
        """Return the record of a provider batch while that batch is open."""
        return DataRoot(self.folder.parents[2]).provider_batch(record_id)


@dataclass(frozen=True)
class Cohort:
    """The files of one cohort, ``cohorts/<cohort_id>/``."""

    folder: Path

    @property
    def cohort_id(self) -> str:
        return self.folder.name

    @property
    def spec(self) -> Path:
        return self.folder / "spec"

    @property
    def spec_snapshot(self) -> Path:
        return self.folder / "spec_snapshot"

    @lazy
    def membership(self) -> Path:
        return self.folder / "membership.csv"

    @lazy
    def manifest(self) -> Path:
        return self.folder / "manifest.json"

    @property
    def removed_attempts(self) -> Path:
        """What the cohort bought and was then taken out of the store."""
        return self.folder / "removed_attempts.jsonl"

    @property
    def allocation(self) -> Path:
        return self.folder / "allocation.json"

    def tasks(self, stage: str) -> Path:
        return self.folder / "tasks" / f"{stage}_tasks.csv"

    @property
    def reports(self) -> Path:
        return self.folder / "reports"

    @property
    def completeness(self) -> Path:
        return self.reports / "completeness.json"

    @property
    def failures(self) -> Path:
        return self.reports / "failures.csv"

    @lazy
    def aggregated_scores(self) -> Path:
        return self.reports / "parsing" / "aggregated_scores.csv"

    def summary(self, name: str) -> Path:
        return self.reports / "summary" / f"{name}.csv"

    def analysis(self, name: str) -> Path:
        return self.reports / "analysis" / f"{name}.csv"

    @property
    def tables(self) -> list[Path]:
        """Every table that a cohort's results consist of, the scores first."""
        return [
            self.aggregated_scores,
            *(self.summary(name) for name in SUMMARY_TABLES),
            *(self.analysis(name) for name in ANALYSIS_TABLES),
            self.failures,
            self.completeness,
        ]

    @property
    def shared_tables(self) -> list[Path]:
        """The tables that `snakemake --report` carries: those in which no message of an endpoint is quoted."""
        return [path for path in self.tables if path not in (self.failures, self.completeness)]

    @property
    def page(self) -> Path:
        return self.reports / "html" / "index.html"

    @property
    def figures(self) -> list[Path]:
        """The plots beside the page."""
        return [self.page.parent / "plots" / f"{name}.svg" for name in FIGURES]

    @property
    def export(self) -> Path:
        """Where `daydream export` writes."""
        return self.folder / "export"


@dataclass(frozen=True)
class DataRoot:
    """A data root and what lies in it.

    Attributes:
        root: the folder, relative to the working directory or absolute.
        templates: the folder of the template texts, ``templates/`` unless set elsewhere.
    """

    root: Path
    templates_root: Path | None = None

    def require(self) -> None:
        """Raise ConfigError if this folder holds nothing that a data root holds."""
        if any(part.exists() for part in (self.catalogs, self.cohorts, self.gens)):
            return
        inner = next((name for name in ("data", "daydreaming/data") if (self.root / name / "1_raw").is_dir()), None)
        raise ConfigError(
            f"{self.root.absolute()} is no data root: it has no 1_raw/, cohorts/ or gens/",
            (f"did you mean {self.root / inner}? " if inner else "")
            + "go to the project's folder, or name the data root: --data-root DIR (daydream), "
            "--config data_root=DIR (snakemake)",
        )

    @lazy
    def catalogs(self) -> Path:
        return self.root / "1_raw"

    def catalog(self, name: str) -> Path:
        return self.catalogs / f"{name}.csv"

    def template(self, stage: str, template_id: str) -> Path:
        return (self.templates_root or self.catalogs / "templates") / stage / f"{template_id}.txt"

    def system_prompt(self, name: str) -> Path:
        return (self.templates_root or self.catalogs / "templates") / "system" / f"{name}.txt"

    def concept(self, level: str, concept_id: str) -> Path:
        return self.catalogs / "concepts" / f"descriptions-{level}" / f"{concept_id}.txt"

    @property
    def combo_mappings(self) -> Path:
        return self.root / "combo_mappings.csv"

    @lazy
    def cohorts(self) -> Path:
        return self.root / "cohorts"

    def cohort(self, cohort_id: str) -> Cohort:
        return _cohort(self.cohorts, cohort_id)

    @lazy
    def gens(self) -> Path:
        return self.root / "gens"

    def generation(self, stage: str, gen_id: str) -> Generation:
        return _generation(self.gens, stage, gen_id)

    @property
    def cross_experiment(self) -> Path:
        return self.root / "7_cross_experiment"

    @property
    def cross_tables(self) -> list[Path]:
        """The tables over the whole store, the scores first."""
        return [self.cross_experiment / f"{name}.csv" for name in CROSS_TABLES]

    @property
    def cross_selection(self) -> Path:
        """What the tables over the whole store were made of."""
        return self.cross_experiment / "selection.json"

    @property
    def cross_export(self) -> Path:
        """Where `daydream export --all` writes."""
        return self.cross_experiment / "export"

    @property
    def cross_page(self) -> Path:
        return self.cross_experiment / "html" / "index.html"

    @property
    def curation(self) -> Path:
        return self.root / "curation"

    @property
    def archive(self) -> Path:
        return self.root / "archive"

    @lazy
    def coordination(self) -> Path:
        """Locks, leases and reservations that processes share; worth nothing when none runs."""
        return self.root / ".coordination"

    @lazy
    def runs(self) -> Path:
        """What the processes of each run know in common, a file per run."""
        return self.coordination / "runs"

    @property
    def provider_batches(self) -> Path:
        """The records of batches that were handed to an endpoint's batch service: ``open/`` and ``ended/``."""
        return self.root / "provider_batches"

    def provider_batch(self, record_id: str) -> Path:
        """Return the record of a provider batch while that batch is open."""
        return self.provider_batches / "open" / f"{record_id}.json"

    @property
    def batches(self) -> Path:
        """The markers of batch runs, a folder for each."""
        return self.coordination / "batches"


# a job asks for the same paths dozens of times, and joining them took a sixth of its time
@lru_cache(maxsize=4096)
def _generation(gens: Path, stage: str, gen_id: str) -> Generation:
    return Generation(gens / stage / gen_id)


@lru_cache(maxsize=256)
def _cohort(cohorts: Path, cohort_id: str) -> Cohort:
    return Cohort(cohorts / cohort_id)
