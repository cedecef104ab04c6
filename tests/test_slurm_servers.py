"""Slurm jobs that start a model server on their node, use it for their chunk, and stop it."""

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.project import Project
from tests.slurm import command, require_slurm, slurm_run, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.full]

CONFIG = """
endpoints:
  offline:
    start: "{python} -m workflow_lib serve-offline --port {{port}} --latency {latency} --log {log}"
    base_url: "http://127.0.0.1:{{port}}/v1"
    ready_url: "http://127.0.0.1:{{port}}/v1/models"
llm: {{backoff_s: 0.01}}
"""


@pytest.fixture(autouse=True)
def _slurm() -> None:
    require_slurm()


def configure(project: Project, latency: float) -> Path:
    """Let each job start a server; returns the file in which all of them note their requests."""
    log = project.folder / "requests.jsonl"
    project.configure(CONFIG.format(python=sys.executable, latency=latency, log=log))
    return log


def received(log: Path) -> list[dict]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [one for line in lines if (one := json.loads(line))["event"] == "received"]


def servers_of(log: Path) -> list[int]:
    """Return the processes of the servers that note their requests there."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        found += [int(path.parent.name)] if str(log).encode() in words else []
    return found


def test_each_job_has_a_server_of_its_own_on_its_node(project):
    log = configure(project, latency=0.2)
    with slurm_run(project, "--config", "batch=6", "--", "all") as run:
        run.finish(0)
    assert set(Counter(one["seed"] for one in received(log)).values()) == {1}
    assert len(received(log)) == 2 + 2 + 8
    # a chunk of drafts, one of essays, two of evaluations
    assert len(list((project.folder / "logs" / "model_servers").iterdir())) == 4
    assert servers_of(log) == []
    assert len([row for row in project.scores() if row["score"]]) == 8


def test_a_cancelled_job_leaves_no_server_on_its_node(project):
    log = configure(project, latency=600)
    with slurm_run(project, "--config", "batch=6", "--", "drafts") as run:
        run.wait_until(lambda: len(received(log)) == 2)
        assert servers_of(log)
        [job] = run.jobs()
        command("scancel", job)
        output = run.finish(1)
        wait_until(lambda: not servers_of(log))
    assert f"Slurm job {job} " in output
    for row in project.members("draft"):
        assert row["gen_id"] in output


def test_a_server_that_does_not_start_fails_the_generations_of_its_chunk_and_its_log_is_named(project):
    project.configure(
        "endpoints: {offline: {start: 'echo no device for port {port}; exit 4', base_url: 'http://127.0.0.1:{port}/v1'}}\n"
    )
    with slurm_run(project, "--config", "batch=6", "--", "drafts") as run:
        output = run.finish(1)
    [log] = (project.folder / "logs" / "model_servers").iterdir()
    assert "no_server" in output and "2 generations have a failure on record" in output
    status = json.loads(project.daydream("status", "--json", code=1))
    assert all(log.name in one["message"] and "no device for port" in one["message"] for one in status["failures"])
