"""A cohort of N generations in a folder of its own, and what commands take there."""

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parent.parent
COHORT = "bench"
PER_DRAFT = 5
"""Itself, an essay, three judgements."""

SPEC = """
combos: {{concepts: [{concepts}], k: 2}}
axes:
  draft_template: [analytical-memo-v2, creative-synthesis-v10]
  draft_llm: [{writers}]
  draft_replicate: [{replicates}]
  essay_template: [structured-analysis-v2]
  evaluation_template: [novelty]
  evaluation_llm: [sim-judge-a, sim-judge-b, sim-judge-c]
  evaluation_replicate: [1]
output: {{field_order: [combo_id, draft_template, draft_llm, draft_replicate]}}
"""
WRITERS = ("sim-writer-a", "sim-writer-b")
CONCEPTS = (
    "default-mode-network",
    "combinatorial-creativity",
    "data-flywheel",
    "mind-wandering",
    "economic-moat",
    "generate-and-test",
)


@dataclass(frozen=True)
class Usage:
    """What a command took.

    Attributes:
        wall_s: seconds.
        cpu_s: CPU seconds, those of its children that it waited for included.
        peak_mb: peak memory of the process, or of the largest of its children.
        output: what it printed.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    output: str = ""


def spec(generations: int) -> str:
    """Return a spec of so many generations, a multiple of 10: two draft templates, as many combos as fit."""
    drafts = generations // PER_DRAFT
    writers = WRITERS if drafts % 4 == 0 else WRITERS[:1]
    rest = drafts // (2 * len(writers))
    concepts = max(count for count in range(2, len(CONCEPTS) + 1) if rest % math.comb(count, 2) == 0)
    return SPEC.format(
        concepts=", ".join(CONCEPTS[:concepts]),
        writers=", ".join(writers),
        replicates=", ".join(str(number + 1) for number in range(rest // math.comb(concepts, 2))),
    )


class Ground:
    """A data root with one cohort.

    Args:
        folder: does not exist yet.
        generations: of the cohort, a multiple of 10.
    """

    def __init__(self, folder: Path, generations: int):
        self.folder = folder
        self.generations = generations
        declared = folder / "data" / "cohorts" / COHORT / "spec" / "config.yaml"
        declared.parent.mkdir(parents=True)
        declared.write_text(spec(generations))
        shutil.copytree(SOURCE / "data" / "1_raw", folder / "data" / "1_raw")

    @property
    def gens(self) -> Path:
        """Folder of the generations."""
        return self.folder / "data" / "gens"

    def snakemake(self, target: str, *options: str, url: str | None = None, **config: object) -> Usage:
        """Run snakemake there; `url` is the server's, None for models inside the process."""
        command = snakemake(target, *options, cohort=COHORT, max_generations=10**7, **config)
        return run(command, self.folder, url)

    def daydream(self, *arguments: str, codes: Collection[int] = (0,)) -> Usage:
        """Run a daydream command there; `codes` are the exit codes that it may end with."""
        return run([sys.executable, "-m", "workflow_lib", *arguments], self.folder, codes=codes)

    def seconds_of_calls(self) -> float:
        """Return the seconds from the first request to the last raw.txt."""
        begun = min(path.stat().st_mtime for path in self.gens.glob("*/*/attempts"))
        return max(path.stat().st_mtime for path in self.gens.glob("*/*/raw.txt")) - begun


def snakemake(target: str, *options: str, **config: object) -> list[str]:
    """Return the command of a run."""
    chosen = [f"{name}={value}" for name, value in config.items()]
    command = [sys.executable, "-m", "snakemake", "-s", str(SOURCE / "Snakefile"), *options]
    return [*command, "--config", *chosen, "--", target]


def run(command: Sequence[str], folder: Path, url: str | None = None, codes: Collection[int] = (0,)) -> Usage:
    """Run a command to its end; its output is shown if its exit code is not one of `codes`.

    Raises:
        SystemExit: it failed.
    """
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "MPLCONFIGDIR": str(folder)}
    if url:
        environment["DD_OFFLINE_BASE_URL"] = url
    begun = time.monotonic()
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=printed, stderr=printed)
        # not by wait(): its usage is that of all children so far
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        output = printed.read()
    if process.returncode not in codes:
        raise SystemExit(f"{output[-3000:]}\n{' '.join(command)}: exit code {process.returncode}")
    return Usage(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, output)


def apart(folder: Path, module: str, function: str, *arguments: object) -> tuple[Any, Usage]:
    """Return what a function of this package returns when it is called in a process of its own, and what that took."""
    code = (
        "import importlib, json, sys\n"
        f"module = importlib.import_module('benchmarks.{module}')\n"
        "given = json.loads(sys.argv[1])\n"
        f"print(json.dumps(module.{function}(*given)))\n"
    )
    given = json.dumps(arguments, default=str)
    used = run([sys.executable, "-c", code, given], folder)
    return json.loads(used.output.splitlines()[-1]), used


@contextmanager
def server(latency: float) -> Iterator[str]:
    """Serve the offline models in a process of its own; yields the URL."""
    command = [sys.executable, "-m", "workflow_lib", "serve-offline", "--latency", str(latency)]
    process = subprocess.Popen(command, cwd=SOURCE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait()
