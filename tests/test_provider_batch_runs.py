"""Runs of the workflow with provider batches: killed at the worst moments, interrupted, planned and watched."""

import json
import signal
import time

import pytest

from tests.batch_cohort import PRICES
from tests.killed_batches import KilledRuns, tables
from tests.project import Project, job_counts
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.slow

DRAFTS = 8


# the other moments of each style are in tests/faults
@pytest.mark.full
@pytest.mark.parametrize(
    ("style", "moments"), [("openrouter", ("unknown id", "writing")), ("openai", ("before", "waiting"))]
)
def test_runs_that_are_killed_buy_every_answer_once(tmp_path, style, moments):
    with OfflineServer(usd_per_mtok=PRICES, batch_delay=0.3, batch_faults="request:0.05", seed=3) as server:
        runs = KilledRuns(tmp_path / "batches", server, style)
        runs.grow(DRAFTS)
        for moment in moments:
            runs.kill(moment)
        runs.finish()
        runs.check()
    single = Project(tmp_path / "single", spec="")
    single.declare((runs.project.cohort_folder / "spec" / "config.yaml").read_text())
    single.snakemake()
    assert tables(runs.project) == tables(single)


@pytest.mark.full
def test_an_interrupt_leaves_batches_at_their_service_and_everything_shows_them(tmp_path):
    with OfflineServer(usd_per_mtok=PRICES, batch_delay=2) as server:
        runs = KilledRuns(tmp_path, server, "openrouter")
        runs.grow(2)
        project, env = runs.project, {"DD_OFFLINE_BASE_URL": server.url}
        project.snakemake("cohort")
        chosen = ("--config", "batch=1", "provider_batch=true", "--", "all")
        planned = job_counts(project.snakemake("-n", *chosen, env=env))
        assert (planned["draft_batch"], planned["essay_batch"], planned["evaluation_batch"]) == (1, 1, 1)
        running = runs.start()
        deadline = time.monotonic() + 60
        while not [one for one in runs.open_records() if one["state"] == "submitted"]:
            assert running.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        output = running.communicate(timeout=60)[0]
        assert running.returncode == 1 and "Traceback" not in output
        assert "go on (1, with 2 requests)" in output and "run the same again" in output

        watched = project.daydream("watch", "--once")
        assert "provider batches: 1 in flight, 0 of 2 requests done" in watched
        plan = project.daydream("plan", env=env).replace("\n", " ")
        assert "on their way: provider batches: 1 in flight, 0 of 2 requests done" in plan
        assert "in provider batches: 6 calls" in plan and "less expected than single calls" in plan

        shown = json.loads(project.daydream("status", "--json", code=1))
        [batch] = shown["provider_batches"]
        assert (batch["batch_id"], batch["requests"], batch["stages"]) == ("batch_1", 2, ["draft"])
        assert batch["age_s"] > 0 and shown["maybe_billed"] == []
        assert "batch_1" in project.daydream("status", code=1)

        runs.finish()
        runs.check()
        assert len(server.batches.submitted()) == 3
        assert "less than single calls by their prices" in project.daydream("status").replace("\n", " ")
