"""Runs whose jobs a real Slurm makes."""

import contextlib
import inspect
import os
import subprocess
from pathlib import Path

import pytest

from tests.project import TWO_BY_TWO, Project
from tests.slurm import OPTIONS, HeldServer, command, require_slurm, slurm_run

pytestmark = [pytest.mark.slow, pytest.mark.full]

KEY = "sk-or-v1-0123456789abcdef-never-on-a-cluster"
BATCH = ("--config", "batch=200", "--")


@pytest.fixture(autouse=True)
def _slurm() -> None:
    require_slurm()


def test_the_plugin_takes_the_time_of_its_next_look_from_the_property_that_rules_replace():
    from snakemake_executor_plugin_slurm import Executor
    from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

    assert isinstance(RemoteExecutor.next_seconds_between_status_checks, property)
    assert "self.next_seconds_between_status_checks" in inspect.getsource(Executor.check_active_jobs)
    assert "self.next_seconds_between_status_checks" in inspect.getsource(RemoteExecutor.sleep)


def slurm_folder() -> Path:
    """Return where Slurm keeps its state, scripts of jobs and logs."""
    [line] = [line for line in command("scontrol", "show", "config").splitlines() if line.startswith("StateSave")]
    return Path(line.split("=")[1].strip()).parent


def files_with(folder: Path, text: str) -> list[Path]:
    """Return the files below a folder that hold a text; those of Slurm are for root only."""
    words = ["grep", "--recursive", "--files-with-matches", "--text", "--fixed-strings", "--file=-", str(folder)]
    if os.getuid():
        words = ["sudo", "--non-interactive", *words]
    # the text is no argument, where others would see it; files of a job may go meanwhile, which makes the code 2
    found = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    assert found.returncode < 2 or "No such file" in found.stderr, found.stderr
    return [Path(line) for line in found.stdout.splitlines()]


def jobs_at_work(folder: Path) -> dict[Path, tuple[str, str]]:
    """Return process -> (command line, environment) of what runs in a folder for a Slurm job."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        # others come and go
        with contextlib.suppress(OSError):
            environment = process.joinpath("environ").read_bytes().decode(errors="replace")
            if "SLURM_JOB_ID=" in environment and process.joinpath("cwd").resolve() == folder:
                found[process] = (process.joinpath("cmdline").read_bytes().decode(errors="replace"), environment)
    return found


def command_lines() -> str:
    """Return the command lines of all processes, which everybody on a machine can read."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes().decode(errors="replace"))
    return "\n".join(found)


def test_a_key_reaches_the_jobs_from_the_shared_folder_and_is_in_nothing_that_a_cluster_keeps(tmp_path):
    project = Project(tmp_path, spec=TWO_BY_TWO.replace("sim-writer-a", "gpt-6-luna"))
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"OPENROUTER_API_KEY={KEY}\n")
    dotenv.chmod(0o600)
    with HeldServer(require_key=KEY) as server:
        env = {"DD_LLM_BASE_URL": server.url, "OPENROUTER_API_KEY": KEY}
        refused = project.snakemake(*OPTIONS, "drafts", code=1, env=env)
        assert "generations are made in chunks" in refused and not server.requests
        with slurm_run(project, "--verbose", *BATCH, "drafts", env=env) as run:
            run.wait_until(lambda: len(server.requests) == 2)
            # the job is at work: what Slurm knows of it is there now
            [job] = run.jobs("R")
            assert KEY not in command("scontrol", "show", "job", "--details", job)
            assert KEY not in command("scontrol", "write", "batch_script", job, "-")
            kept = [path.name for path in files_with(slurm_folder(), str(tmp_path))]
            assert {"environment", "script"} <= set(kept), "what Slurm keeps of a job is where it is looked for"
            assert files_with(slurm_folder(), KEY) == []
            at_work = jobs_at_work(tmp_path)
            assert any("draft_batch" in line for line, _ in at_work.values())
            assert KEY not in str(at_work) and KEY not in command_lines()
            server.release()
            output = run.finish(0)
        assert all(request["authorization"] for request in server.requests)
    assert KEY not in output
    assert files_with(tmp_path, KEY) == [dotenv]
    assert len(project.files("parsed.txt")) == 2
