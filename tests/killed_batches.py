"""Runs with provider batches that are killed at the worst moments, and what is left of them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests import batch_cohort
from tests.project import SOURCE, Project, clean_environment, read_csv
from workflow_lib import files
from workflow_lib import settings as settings_module
from workflow_lib.offline.server import OfflineServer

SPEC = """
combos: {{concepts: [default-mode-network, combinatorial-creativity], k: 2}}
axes:
  draft_template: [creative-synthesis-v10]
  draft_llm: [sim-writer-a]
  draft_replicate: [{replicates}]
  essay_template: [structured-analysis-v2]
  evaluation_template: [novelty]
  evaluation_llm: [sim-judge-a]
  evaluation_replicate: [1]
output: {{field_order: [combo_id, draft_template, draft_llm, draft_replicate]}}
"""
# what money and time show is not the same for single calls
MONEY_COLUMNS = ("usd", "cost", "price")
MONEY_TABLES = ("costs", "decision_study")
RUN_TIMEOUT_S = 240

# moment -> what the service does to the next batch, then the stage and state of a batch at which the run is killed
MOMENTS = {
    "before": ("busy", "draft", "preparing"),
    "unknown id": ("hang", "draft", "submitting"),
    "waiting": ("", "essay", "submitted"),
    "writing": ("", "evaluation", "submitted"),
}
"""Before a batch is handed over, before its id is known, while it is waited for, and while answers are written."""


class KilledRuns:
    """A cohort that grows, and runs of it with provider batches.

    Args:
        folder: of the project.
        server: whose batch service is used.
        style: how it is spoken to.
    """

    def __init__(self, folder: Path, server: OfflineServer, style: str):
        self.server = server
        self.style = style
        self.project = Project(folder, spec="")
        self.project.configure(f"llm: {{backoff_s: 0.01}}\nendpoints: {{offline: {{batch: {style}}}}}\n")
        batch_cohort.set_prices(self.project.data / "1_raw" / "llm_models.csv")
        self.killed: dict[str, int] = {}
        self.drafts = 0

    def grow(self, drafts: int) -> None:
        """Ask for so many more drafts, each with an essay and a judgement."""
        self.drafts += drafts
        self._step = drafts
        numbers = ", ".join(str(number + 1) for number in range(self.drafts))
        self.project.declare(SPEC.format(replicates=numbers))

    def kill(self, moment: str) -> None:
        """Start a run and kill it at one of `MOMENTS`; a moment is that of the first stage that is still open."""
        while not self._is_killed(moment):
            # all was written between two looks: once more, with as much new work
            self.grow(self._step)
        self.killed[moment] = self.killed.get(moment, 0) + 1

    def _is_killed(self, moment: str) -> bool:
        fate, stage, state = MOMENTS[moment]
        if fate:
            self.server.batches.plan(fate)
        running = self.start()
        deadline = time.monotonic() + RUN_TIMEOUT_S
        while not self._has_come(stage, state, half_written=moment == "writing"):
            if running.poll() is not None:
                output = running.communicate()[0]
                assert moment == "writing" and running.returncode == 0, f"{moment}: {output[-6000:]}"
                return False
            assert time.monotonic() < deadline, f"{moment}: it never came to that"
            time.sleep(0.001)
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        return True

    def start(self) -> subprocess.Popen:
        """Start a run; it leads a process group."""
        command = [sys.executable, "-m", "snakemake", "-s", str(SOURCE / "Snakefile"), "--nolock", "--cores", "2"]
        command += ["--config", "batch=200", "provider_batch=true", "--", "all"]
        return subprocess.Popen(
            command,
            cwd=self.project.folder,
            env=clean_environment() | {"DD_OFFLINE_BASE_URL": self.server.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def finish(self) -> str:
        """Run to the end; returns what it printed."""
        running = self.start()
        output = running.communicate(timeout=RUN_TIMEOUT_S)[0]
        assert running.returncode == 0, output[-6000:]
        return output

    def check(self) -> None:
        """Assert that every generation was answered and billed once, at the price of batches."""
        settings = settings_module.load({"data_root": str(self.project.data)}, self.project.folder, {})
        batch_cohort.check_bill(settings, self.server)
        answers = batch_cohort.attempts(settings)
        assert (
            len({one["gen_id"] for one in answers}) == len(answers) == len(self.server.batches.bill) == 3 * self.drafts
        )
        assert len(self.project.files("parsed.txt")) == 3 * self.drafts
        assert self.open_records() == []

    def open_records(self) -> list[dict]:
        """Return the records of the batches that are open."""
        folder = self.project.data / "provider_batches" / "open"
        return [dict(found) for path in sorted(folder.glob("*.json")) if (found := files.read_recorded(path))]

    def _has_come(self, stage: str, state: str, *, half_written: bool) -> bool:
        found = [
            one
            for one in self.open_records()
            if one["state"] == state and any(request["stage"] == stage for request in one["requests"])
        ]
        if state == "submitting" and len(self.server.batches.submitted()) <= self._known():
            return False
        return bool(found) and (not half_written or self._is_half_written(stage))

    def _known(self) -> int:
        """Return how many of the server's batches have their id in a record."""
        records = [files.read_recorded(path) for path in (self.project.data / "provider_batches").glob("*/*.json")]
        return sum(bool(one.get("batch_id")) for one in records)

    def _is_half_written(self, stage: str) -> bool:
        for record in self.open_records():
            asked = [one for one in record["requests"] if one["stage"] == stage]
            folder = self.project.data / "gens" / stage
            there = [(folder / one["gen_id"] / "attempts" / f"{one['number']:04d}.json").exists() for one in asked]
            if 0 < sum(there) < len(there):
                return True
        return False


def tables(project: Project) -> dict[str, list]:
    """Return the tables of a cohort without what depends on prices and times."""
    found = {}
    for path in sorted((project.cohort_folder / "reports").rglob("*.csv")):
        if not any(name in path.name for name in MONEY_TABLES):
            rows = [
                {name: row[name] for name in row if not any(part in name for part in MONEY_COLUMNS)}
                for row in read_csv(path)
            ]
            found[str(path.relative_to(project.cohort_folder))] = rows
    return found
