"""Runs whose jobs a real Slurm makes."""

import inspect
from pathlib import Path

import pytest

from tests.project import TWO_BY_TWO, Project
from tests.slurm import OPTIONS, command, require_slurm, slurm_run
from workflow_lib.offline.server import OfflineServer

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


def files_with(folder: Path, text: bytes) -> list[Path]:
    found = []
    for path in folder.rglob("*"):
        try:
            if path.is_file() and text in path.read_bytes():
                found.append(path)
        except OSError:
            # the files of a job go with it
            continue
    return found


def command_lines_with(text: bytes) -> list[bytes]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        found += [line] if text in line else []
    return found


def test_a_key_reaches_the_jobs_from_the_shared_folder_and_is_in_nothing_that_a_cluster_keeps(tmp_path):
    project = Project(tmp_path, spec=TWO_BY_TWO.replace("sim-writer-a", "gpt-6-luna"))
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"OPENROUTER_API_KEY={KEY}\n")
    dotenv.chmod(0o600)
    with OfflineServer(require_key=KEY, latency=2.0) as server:
        env = {"DD_LLM_BASE_URL": server.url, "OPENROUTER_API_KEY": KEY}
        refused = project.snakemake(*OPTIONS, "drafts", code=1, env=env)
        assert "generations are made in chunks" in refused and not server.requests
        with slurm_run(project, "--verbose", *BATCH, "drafts", env=env) as run:
            run.wait_until(lambda: len(server.requests) == 2)
            # the job is at work: what Slurm knows of it is there now
            [job] = run.jobs()
            assert KEY not in command("scontrol", "show", "job", "--details", job)
            assert files_with(slurm_folder(), b"DAYDREAMING_RUN"), (
                "the environment of the job is where it is looked for"
            )
            assert files_with(slurm_folder(), KEY.encode()) == []
            assert command_lines_with(KEY.encode()) == []
            assert command_lines_with(b"draft_batch") != []
            output = run.finish(0)
        assert all(request["authorization"] for request in server.requests)
    assert KEY not in output
    assert files_with(tmp_path, KEY.encode()) == [dotenv]
    assert len(project.files("parsed.txt")) == 2
