"""The profile for any cluster: chunks are jobs of a scheduler that knows nothing but commands and a shared folder."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.project import SOURCE, Project, clean_environment, snakemake
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.slow

PROFILE = ("--profile", str(SOURCE / "profiles" / "cluster"))
BATCH = ("--config", "batch=3", "--")


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """What makes the commands of Grid Engine there."""
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    return {"PATH": f"{SOURCE / 'tests' / 'grid_engine'}:{os.environ['PATH']}", "GRID_ENGINE": str(jobs)}


@pytest.mark.full
def test_chunks_are_jobs_of_the_scheduler_and_tables_are_made_here(tmp_path, environment):
    project = Project(tmp_path / "project")
    with OfflineServer() as server:
        env = environment | {"DD_OFFLINE_BASE_URL": server.url}
        snakemake(project.folder, *PROFILE, *BATCH, "all", env=env)
        assert set(Counter(one["parameters"]["seed"] for one in server.requests).values()) == {1}
        assert len(server.requests) == 12
    jobs = sorted((tmp_path / "jobs").iterdir())
    # one chunk of drafts, two of essays, three of evaluations
    assert len(jobs) == 6
    assert all("h_vmem=1000M,h_rt=0:720:0" in (job / "command").read_text() for job in jobs)
    assert {rule for job in jobs for rule in rules_of(job)} == {"draft_batch", "essay_batch", "evaluation_batch"}
    assert len([row for row in project.scores() if row["score"]]) == 8


@pytest.mark.full
def test_a_killed_job_ends_the_run_with_its_chunk_and_calls_named(tmp_path, environment):
    project = Project(tmp_path / "project")
    with OfflineServer(latency=600.0) as server:
        env = environment | {"DD_OFFLINE_BASE_URL": server.url}
        running = subprocess.Popen(
            [sys.executable, "-m", "snakemake", "-s", str(SOURCE / "Snakefile"), *PROFILE, *BATCH, "drafts"],
            cwd=project.folder,
            env=clean_environment() | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while len(server.requests) < 2:
            assert running.poll() is None
            with pytest.raises(subprocess.TimeoutExpired):
                running.wait(0.2)
        subprocess.run(["qdel", "1"], env=clean_environment() | env, check=True)
        output = running.communicate(timeout=240)[0]
    assert running.returncode == 1
    assert "Lost: chunk 0 of the drafts of cohort mini. Grid Engine job 1 " in output
    assert "2 calls were cut off" in output
    assert all(row["gen_id"] in output.partition("Lost:")[2] for row in project.members("draft"))


def rules_of(job: Path) -> set[str]:
    script = (job / "script").read_text()
    return {rule for rule in ("draft_batch", "essay_batch", "evaluation_batch") if f"{rule}:" in script}
