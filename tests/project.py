"""A project of its own in a temporary folder, run by the real snakemake and daydream commands."""

import csv
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent

TWO_BY_TWO = """
combos:
  concepts: [default-mode-network, combinatorial-creativity]
  k: 2
axes:
  draft_template: [creative-synthesis-v10, analytical-memo-v2]
  draft_llm: [sim-writer-a]
  essay_template: [structured-analysis-v2, copy-v1]
  evaluation_template: [novelty]
  evaluation_llm: [sim-judge-a, sim-judge-b]
  evaluation_replicate: [1]
output:
  field_order: [combo_id, draft_template, draft_llm, essay_template, evaluation_template, evaluation_llm]
"""


class Project:
    """A working directory with catalogs and one cohort; the workflow is the one under test.

    Args:
        folder: the working directory; made if needed.
        spec: text of the cohort's spec/config.yaml.
        cohort: its name.
    """

    def __init__(self, folder: Path, spec: str = TWO_BY_TWO, cohort: str = "mini"):
        self.folder = folder
        self.data = folder / "data"
        self.cohort = cohort
        shutil.copytree(SOURCE / "data" / "1_raw", self.data / "1_raw", dirs_exist_ok=True)
        self.configure("llm: {backoff_s: 0.01}\n")
        self.declare(spec)

    def configure(self, text: str) -> None:
        """Write config/config.yaml; the cohort is set beside what is given."""
        (self.folder / "config").mkdir(parents=True, exist_ok=True)
        (self.folder / "config" / "config.yaml").write_text(f"cohort: {self.cohort}\n{text}")

    def declare(self, spec: str, cohort: str | None = None) -> Path:
        """Write the spec of a cohort; returns its file."""
        path = self.data / "cohorts" / (cohort or self.cohort) / "spec" / "config.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(spec)
        return path

    def snakemake(
        self, *arguments: str, code: int | None = 0, env: dict[str, str] | None = None, folder: Path | None = None
    ) -> str:
        """Run snakemake and return what it printed; fails unless it ends with `code` (None: any)."""
        return snakemake(folder or self.folder, *arguments, code=code, env=env)

    def daydream(self, *arguments: str, code: int | None = 0, env: dict[str, str] | None = None) -> str:
        """Run daydream and return what it printed; fails unless it ends with `code` (None: any)."""
        return daydream(self.folder, *arguments, code=code, env=env)

    @property
    def cohort_folder(self) -> Path:
        return self.data / "cohorts" / self.cohort

    def members(self, stage: str | None = None, cohort: str | None = None) -> list[dict[str, str]]:
        """Return the rows of a cohort's membership.csv."""
        path = self.data / "cohorts" / (cohort or self.cohort) / "membership.csv"
        return [row for row in read_csv(path) if stage in (None, row["stage"])]

    def generation(self, stage: str, gen_id: str) -> Path:
        """Return the folder of a generation."""
        return self.data / "gens" / stage / gen_id

    def files(self, name: str) -> list[Path]:
        """Return all files of this name in the store, sorted."""
        return sorted((self.data / "gens").glob(f"*/*/{name}"))

    def snapshot(self, folder: Path | None = None) -> dict[str, bytes]:
        """Return path -> bytes of everything below a folder (default: the store)."""
        folder = folder or self.data / "gens"
        return {
            str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
        }

    def scores(self, cohort: str | None = None) -> list[dict[str, str]]:
        """Return the rows of a cohort's aggregated scores."""
        folder = self.data / "cohorts" / (cohort or self.cohort)
        return read_csv(folder / "reports" / "parsing" / "aggregated_scores.csv")


def snakemake(folder: Path, *arguments: str, code: int | None = 0, env: dict[str, str] | None = None) -> str:
    """Run snakemake in a folder and return what it printed; fails unless it ends with `code` (None: any)."""
    return _run(["snakemake", "-s", str(SOURCE / "Snakefile"), *arguments], folder, code, env)


def daydream(folder: Path, *arguments: str, code: int | None = 0, env: dict[str, str] | None = None) -> str:
    """Run daydream in a folder and return what it printed; fails unless it ends with `code` (None: any)."""
    return _run(["workflow_lib", *arguments], folder, code, env)


def shell(folder: Path, command: str, env: dict[str, str] | None = None, timeout: float = 300) -> str:
    """Run a command of a shell in a folder and return what it printed; fails if it does."""
    return _done(["bash", "-euo", "pipefail", "-c", command], folder, 0, env, timeout)


def _run(command: list[str], folder: Path, code: int | None, env: dict[str, str] | None) -> str:
    return _done([sys.executable, "-m", *command], folder, code, env)


def _done(command: list[str], folder: Path, code: int | None, env: dict[str, str] | None, timeout: float = 300) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=clean_environment() | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    if code is not None:
        assert done.returncode == code, f"{command[-1]}\nended with {done.returncode}:\n{done.stdout[-6000:]}"
    return done.stdout


def heed_interrupts() -> None:
    """Let SIGINT reach what is started from here: a shell makes its background jobs, and all below them, ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def clean_environment() -> dict[str, str]:
    """Return the environment without anything that would change a run: keys, URLs, data roots."""
    dropped = ("DD_", "DAYDREAMING_", "GEN_TEMPLATES_ROOT", "OPENROUTER_", "SNAKEMAKE_")
    return {key: value for key, value in os.environ.items() if not key.startswith(dropped)}


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with open(path, encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def job_counts(output: str) -> dict[str, int]:
    """Return rule -> count of the job table that snakemake printed; {} if nothing was to be done."""
    counts: dict[str, int] = {}
    _, found, table = output.partition("Job stats:")
    for line in table.splitlines()[3:] if found else ():
        cells = line.split()
        if len(cells) != 2 or not cells[1].isdecimal():
            break
        counts[cells[0]] = int(cells[1])
    counts.pop("total", None)
    return counts
