"""Slurm jobs that are cancelled or killed, drivers that are, and limits that hold over several jobs."""

import contextlib
import json
import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests import batch_cohort
from tests.project import Project
from tests.slurm import HeldServer, SlurmRun, command, require_slurm, slurm_run, wait_until
from workflow_lib.offline.server import OfflineServer

pytestmark = [pytest.mark.slow, pytest.mark.full]

TWELVE_DRAFTS = """
combos:
  concepts: [default-mode-network, combinatorial-creativity, mind-wandering]
  k: 2
axes:
  draft_template: [creative-synthesis-v10, analytical-memo-v2]
  draft_llm: [sim-writer-a, sim-writer-b]
  essay_template: [structured-analysis-v2]
  evaluation_template: [novelty]
  evaluation_llm: [sim-judge-a]
  evaluation_replicate: [1]
output:
  field_order: [combo_id, draft_template, draft_llm, essay_template, evaluation_template, evaluation_llm]
"""


@pytest.fixture(autouse=True)
def _slurm() -> None:
    require_slurm()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, TWELVE_DRAFTS)


def asked(*servers: OfflineServer) -> Counter:
    """Return how often each generation was asked for, by its seed."""
    return Counter(request["parameters"]["seed"] for server in servers for request in server.requests)


def running(run: SlurmRun) -> dict[str, str]:
    """Return the number of the chunk -> the id of the Slurm job that makes it."""
    lines = command("squeue", "--noheader", "--states", "R", "--format", "%i %k").splitlines()
    jobs = [line.split()[:2] for line in lines if line.split()[0] in run.jobs()]
    return {comment.split("_")[-2]: job for job, comment in jobs}


def process_of(run: SlurmRun, chunk: str) -> int:
    """Return the process that makes a chunk of a run: the last of those in its folder that name it."""
    mark = f"index={chunk},".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        # others come and go, and other tests have chunks of the same number
        with contextlib.suppress(OSError):
            line = path.read_bytes()
            if mark in line and b"srun" not in line and path.parent.joinpath("cwd").resolve() == run.folder:
                found.append(int(path.parent.name))
    return max(found)


def in_flight(project: Project) -> set[str]:
    """Return the generations with a request that has neither answer nor end."""
    folders = {path.parent for path in (project.data / "gens").glob("*/*/attempts/*.request.json")}
    return {folder.parent.name for folder in folders if not list(folder.glob("*[0-9].json"))}


def test_a_cancelled_and_a_killed_job_cost_what_was_in_flight_and_are_named(project):
    hang = [("sim-writer-b", ["hang"] * 12)]
    with OfflineServer(script=hang) as slow:
        url = {"DD_OFFLINE_BASE_URL": slow.url}
        with slurm_run(project, "--config", "batch=6", "--", "drafts", env=url) as run:
            run.wait_until(lambda: len(slow.requests) == 12 and len(project.files("parsed.txt")) == 6)
            jobs = running(run)
            assert jobs.keys() == {"0", "1"}
            lost = in_flight(project)
            command("scancel", jobs["0"])
            # as the kernel does it where memory runs out
            os.kill(process_of(run, "1"), signal.SIGKILL)
            output = run.finish(1)
    assert len(lost) == 6
    for chunk, job in jobs.items():
        told = output.partition(f"Lost: chunk {chunk} of the drafts of cohort mini. Slurm job {job} ")[2]
        assert told, output[-6000:]
        named = {gen_id for gen_id in lost if gen_id in told.partition("Lost:")[0]}
        assert len(named) == 3 and "3 of its 6 generations have their answer" in told
    assert "CANCELLED" in output and "Traceback" not in output
    status = json.loads(project.daydream("status", "--json", code=1))
    assert {one["gen_id"] for one in status["maybe_billed"]} == lost
    assert status["stages"]["draft"]["done"] == 6
    with OfflineServer() as server:
        url = {"DD_OFFLINE_BASE_URL": server.url}
        project.snakemake("--config", "batch=6", "--", "drafts", env=url)
        assert set(asked(server).values()) == {1} and len(server.requests) == 6
    assert len(project.files("parsed.txt")) == 12


def test_a_killed_driver_leaves_its_jobs_at_work_and_the_next_run_buys_nothing_twice(project):
    arguments = ("--config", "batch=6", "--", "drafts")
    with HeldServer() as server:
        url = {"DD_OFFLINE_BASE_URL": server.url}
        with slurm_run(project, *arguments, env=url) as first:
            first.wait_until(lambda: len(server.requests) == 12)
            older = first.begun()
            first.kill()
            assert len(first.jobs("R")) == 2, "they go on"
            project.snakemake("--unlock", env=url)
            with slurm_run(project, *arguments, env=url) as second:
                second.wait_until(lambda: len(second.begun() - older) == 2)
                server.release()
                second.finish(0)
        assert set(asked(server).values()) == {1} and len(server.requests) == 12
    assert len(project.files("parsed.txt")) == 12
    assert len(list((project.data / "gens").glob("*/*/attempts/*.request.json"))) == 12
    status = json.loads(project.daydream("status", "--json", code=1))
    assert status["maybe_billed"] == [] and status["stages"]["draft"]["done"] == 12


def test_a_pool_limits_the_calls_of_all_jobs_together(project):
    project.configure("pools: {offline: {max_concurrent: 3}}\n")
    with HeldServer(latency=0.5) as server:
        with slurm_run(project, "--config", "batch=6", "--", "drafts", env={"DD_OFFLINE_BASE_URL": server.url}) as run:
            run.wait_until(lambda: len(run.begun()) == 2 and len(server.requests) >= 3)
            server.release()
            run.finish(0)
        assert max(request["in_flight"] for request in server.requests) == 3
        assert set(asked(server).values()) == {1} and len(server.requests) == 12


def test_a_budget_limits_what_all_jobs_together_spend(project):
    batch_cohort.set_prices(project.data / "1_raw" / "llm_models.csv")
    # room for one call at its ceiling, 20,480 tokens for 2 dollars a million, and its prompt
    project.configure("budget_usd: 0.05\nllm: {backoff_s: 0.01}\n")
    with OfflineServer(latency=0.5, usd_per_call=0.003) as server:
        with slurm_run(project, "--config", "batch=6", "--", "drafts", env={"DD_OFFLINE_BASE_URL": server.url}) as run:
            output = run.finish(1)
        assert max(request["in_flight"] for request in server.requests) == 1
        bought = len(server.requests)
        assert 1 < bought < 12 and set(asked(server).values()) == {1}
    assert "budget_exhausted" in output
    status = json.loads(project.daydream("status", "--json", code=1))
    assert status["spent_usd"] == pytest.approx(0.003 * bought) and status["spent_usd"] <= 0.05


def test_an_interrupted_run_cancels_its_jobs_which_keep_what_arrives(project):
    with HeldServer() as server:
        url = {"DD_OFFLINE_BASE_URL": server.url}
        with slurm_run(project, "--config", "batch=12", "--", "drafts", env=url) as run:
            run.wait_until(lambda: len(server.requests) == 12)
            run.process.send_signal(signal.SIGINT)
            # Slurm has asked the job to end, and gives it some seconds
            wait_until(lambda: run.jobs("CG") != [])
            server.release()
            output = run.finish(1)
            wait_until(lambda: not run.jobs())
        assert "Interrupted: no new call is made" in output and "Lost:" not in output
        assert set(asked(server).values()) == {1}
        project.snakemake("--config", "batch=12", "--", "drafts", env=url)
        assert len(server.requests) == 12, "each answer was kept"


def test_a_lost_chunk_is_made_again_by_the_run_that_may_and_by_slurm_where_a_node_failed(project):
    with HeldServer() as server:
        url = {"DD_OFFLINE_BASE_URL": server.url}
        with slurm_run(project, "--retries", "1", "--config", "batch=6", "--", "drafts", env=url) as run:
            run.wait_until(lambda: len(server.requests) == 12)
            jobs = running(run)
            command("scancel", "--signal=KILL", jobs["0"])
            # what Slurm does with the jobs of a node that died; it would let them wait for two minutes
            command("scontrol", "requeue", jobs["1"])
            run.wait_until(lambda: jobs["1"] in run.jobs("PD"))
            command("scontrol", "update", f"jobid={jobs['1']}", "starttime=now")
            run.wait_until(lambda: len(server.requests) == 24)
            server.release()
            output = run.finish(0)
        assert "Lost:" not in output
        assert set(asked(server).values()) == {2}
    status = json.loads(project.daydream("status", "--json", code=1))
    assert len(status["maybe_billed"]) == 12 and status["stages"]["draft"]["done"] == 12
