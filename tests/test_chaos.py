"""The workflow killed again and again, against a faulty server: every answer once, the same tables [SPEC 7.3]."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.project import SOURCE, Project, clean_environment
from workflow_lib.offline_server import OfflineServer

pytestmark = pytest.mark.slow

SPEC = """
combos: {concepts: [default-mode-network, combinatorial-creativity, data-flywheel], k: 2}
axes:
  draft_template: [creative-synthesis-v10, analytical-memo-v2]
  draft_llm: [sim-writer-a]
  essay_template: [structured-analysis-v2]
  evaluation_template: [novelty, style-coherence]
  evaluation_llm: [sim-judge-a, sim-judge-b]
  evaluation_replicate: [1]
output: {field_order: [combo_id, draft_template, draft_llm, essay_template, evaluation_template, evaluation_llm]}
"""
FAULTS = "429:0.1,500:0.05,html:0.03,drop:0.03"


def killed_until_done(project: Project, server: OfflineServer, kills: int, seed: int) -> list[int]:
    """Run the workflow, killing it with all its threads at random moments; returns calls in flight at each kill."""
    dice = random.Random(seed)
    in_flight = []
    env = clean_environment() | {"DD_OFFLINE_BASE_URL": server.url}
    command = [sys.executable, "-m", "snakemake", "-s", str(SOURCE / "Snakefile"), "--cores", "8"]
    while True:
        subprocess.run([*command, "--unlock"], cwd=project.folder, env=env, capture_output=True, check=False)
        seen = len(server.requests)
        with open(project.folder / "output.txt", "a") as output:
            run = subprocess.Popen(
                command, cwd=project.folder, env=env, stdout=output, stderr=output, start_new_session=True
            )
            while len(in_flight) < kills and run.poll() is None:
                # only once a call is under way does a kill prove anything
                if len(server.requests) > seen and any(one["outcome"] is None for one in server.requests):
                    time.sleep(dice.uniform(0, 0.4))
                    open_calls = sum(one["outcome"] is None for one in list(server.requests))
                    os.killpg(run.pid, signal.SIGKILL)
                    in_flight.append(open_calls)
                time.sleep(0.01)
            run.wait()
        if run.returncode == 0:
            return in_flight
        assert run.returncode in (-signal.SIGKILL, 1), (project.folder / "output.txt").read_text()[-5000:]


def test_killed_workflow_pays_once_and_makes_the_same_tables(tmp_path):
    calm, chaotic = Project(tmp_path / "calm", spec=SPEC), Project(tmp_path / "chaotic", spec=SPEC)
    with OfflineServer() as server:
        calm.snakemake(env={"DD_OFFLINE_BASE_URL": server.url})
    with OfflineServer(latency=0.3, faults=FAULTS, retry_after=0) as server:
        in_flight = killed_until_done(chaotic, server, kills=6, seed=7)
        time.sleep(0.5)
        requests = server.requests
    assert len(in_flight) == 6

    answered = Counter((one["model"], one["seed"]) for one in requests if one["outcome"] == "ok")
    kept = {
        (answer["model"], answer["request"]["seed"])
        for answer in (json.loads(path.read_text()) for path in chaotic.files("attempts/????.json"))
    }
    assert set(answered) == kept
    lost = sum(answered.values()) - len(kept)
    assert lost <= sum(in_flight)

    status = json.loads(chaotic.daydream("status", "--json", code=None))
    dropped = sum(one["outcome"] == "drop" for one in requests)
    assert lost <= len(status["maybe_billed"]) <= sum(in_flight) + dropped
    assert tables(chaotic) == tables(calm)


def tables(project: Project) -> dict[str, bytes]:
    """Return the tables of the cohort, without the one that has seconds in it."""
    found = project.snapshot(project.cohort_folder / "reports")
    return {path: text for path, text in found.items() if path.endswith(".csv") and "costs" not in path}
