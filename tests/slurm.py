"""A real Slurm for tests, as scripts/slurm-node starts it, and runs whose jobs it makes."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.project import SOURCE, Project, clean_environment
from workflow_lib.offline.server import OfflineServer

PROFILE = SOURCE / "profiles" / "slurm"
# a node of a small machine takes several of these, and the driver looks often
OPTIONS = (
    "--profile",
    str(PROFILE),
    "--default-resources",
    "mem_mb=300",
    "runtime=10",
    "--slurm-init-seconds-before-status-checks",
    "1",
)
PATIENCE_S = 240


def require_slurm() -> None:
    """Skip the test where no Slurm answers; in CI that is a failure."""
    reason = "no Slurm answers here, or its plugin is missing; make slurm && scripts/slurm-node start"
    has_plugin = importlib.util.find_spec("snakemake_executor_plugin_slurm") is not None
    if has_plugin and shutil.which("sbatch") is not None and "is UP" in command("scontrol", "ping"):
        return
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; in CI clusters must be tried")
    pytest.skip(reason)


def command(*words: str) -> str:
    """Return what a command printed, whatever its exit code."""
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


class HeldServer(OfflineServer):
    """A server whose answers wait for `release`, so that jobs are at work for as long as a test needs."""

    def __init__(self, **others: Any):
        super().__init__(**others)
        self._released = threading.Event()

    def release(self) -> None:
        """Answer what waits, and from now on everything at once."""
        self._released.set()

    def fault_for(self, entry: dict[str, Any], prompt: str) -> str:
        while not self.stopping.is_set() and not self._released.wait(0.05):
            pass
        return super().fault_for(entry, prompt)


class SlurmRun:
    """A run of a project in a process of its own, whose jobs go to Slurm.

    Args:
        project: whose folder it runs in.
        arguments: of snakemake, after those of the profile.
        env: added to a clean environment.
    """

    def __init__(self, project: Project, *arguments: str, env: dict[str, str] | None = None):
        self.folder = project.folder
        self._output = (project.folder / f"run-{time.monotonic_ns()}.out").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "snakemake", "-s", str(SOURCE / "Snakefile"), *OPTIONS, *arguments],
            cwd=project.folder,
            env=clean_environment() | (env or {}),
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        self._output.flush()
        return Path(self._output.name).read_text()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that comes while the run is at work."""
        wait_until(lambda: condition() or self.process.poll() is not None)
        assert condition(), f"the run ended with {self.process.poll()} before:\n{self.output[-6000:]}"

    def finish(self, code: int) -> str:
        """Wait for the end and return what it printed; fails unless it ends with `code`."""
        assert self.process.wait(PATIENCE_S) == code, self.output[-6000:]
        return self.output

    def kill(self) -> None:
        """End the driver as a power cut would; its jobs go on."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def jobs(self, state: str = "all") -> list[str]:
        """Return the ids of the jobs of this folder that wait, run or come to their end, or are in one state."""
        options = () if state == "all" else ("--states", state)
        lines = command("squeue", "--noheader", *options, "--format", "%i %Z").splitlines()
        return [line.split()[0] for line in lines if line.split()[1:] == [str(self.folder)]]

    def begun(self) -> set[Path]:
        """Return what the jobs of this folder wrote when they came to their chunk."""
        return set((self.folder / "data").rglob("*.job"))


@contextmanager
def slurm_run(project: Project, *arguments: str, env: dict[str, str] | None = None) -> Iterator[SlurmRun]:
    """Start a run, and leave no process and no job of it behind."""
    run = SlurmRun(project, *arguments, env=env)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.kill()
        jobs = run.jobs()
        if jobs:
            command("scancel", *jobs)
            wait_until(lambda: not run.jobs())


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something, for minutes if need be."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.1)
