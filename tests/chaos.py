"""A workflow that is killed with all its threads, again and again, against a faulty server, until it is done."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.project import SOURCE, Project, clean_environment
from workflow_lib.generations import seed_of
from workflow_lib.offline.server import OfflineServer
from workflow_lib.stages import STAGES

FAULTS = "429:0.1,500:0.05,html:0.03,drop:0.03"
LATENCY_S = 0.3

SPEC = """
combos: {{concepts: [default-mode-network, combinatorial-creativity, data-flywheel], k: 2}}
axes:
  draft_template: [creative-synthesis-v10, analytical-memo-v2]
  draft_llm: [sim-writer-a]
  draft_replicate: [{replicates}]
  essay_template: [structured-analysis-v2]
  evaluation_template: [novelty]
  evaluation_llm: [sim-judge-a, sim-judge-b]
  evaluation_replicate: [1]
output: {{field_order: [combo_id, draft_template, draft_llm, draft_replicate]}}
"""
PER_REPLICATE = 24  # 6 drafts, 6 essays, 12 judgements


@dataclass(frozen=True)
class Outcome:
    """What a killed workflow cost and left behind.

    Attributes:
        generations: how many there are in the cohort.
        in_flight: per kill, the stages of the calls that were open.
        delivered: answers that the server sent off, per generation.
        kept: generations with an answer in the journal.
        lost: answers delivered and not in the journal.
        twice: generations answered more often than once, though an answer was in the journal before.
        dropped: connections that the server cut without an answer.
        maybe_billed: what `daydream status` lists as such.
        same_tables: whether the tables are those of an undisturbed run, byte for byte (costs.csv has seconds in it).
    """

    generations: int
    in_flight: list[list[str]]
    delivered: Counter
    kept: int
    lost: int
    twice: list[int]
    dropped: int
    maybe_billed: int
    same_tables: bool


def run(folder: Path, generations: int, kills: int, seed: int, concurrency: int = 8) -> Outcome:
    """Run a cohort of about this many generations, kill it this often, and count."""
    replicates = ", ".join(str(number + 1) for number in range(max(1, generations // PER_REPLICATE)))
    spec = SPEC.format(replicates=replicates)
    calm, chaotic = Project(folder / "calm", spec=spec), Project(folder / "chaotic", spec=spec)
    calm.snakemake()
    stage_of = {seed_of(row["gen_id"]): row["stage"] for row in calm.members()}
    with OfflineServer(latency=LATENCY_S, faults=FAULTS, retry_after=0, seed=seed) as server:
        in_flight, kept_at = _killed_until_done(chaotic, server, stage_of, kills, seed, concurrency)
        time.sleep(2 * LATENCY_S)
        requests = list(server.requests)
    delivered = Counter(one["seed"] for one in requests if one["outcome"] == "ok")
    answers = [json.loads(path.read_text()) for path in chaotic.files("attempts/????.json")]
    status = json.loads(chaotic.daydream("status", "--json", code=None))
    return Outcome(
        generations=len(stage_of),
        in_flight=in_flight,
        delivered=delivered,
        kept=len({answer["request"]["seed"] for answer in answers}),
        lost=sum(delivered.values()) - len(answers),
        twice=[one["seed"] for one in requests if one["received_at"] > kept_at.get(one["seed"], float("inf"))],
        dropped=sum(one["outcome"] in ("drop", "lost") for one in requests),
        maybe_billed=len(status["maybe_billed"]),
        same_tables=_tables(chaotic) == _tables(calm),
    )


def _killed_until_done(
    project: Project, server: OfflineServer, stage_of: dict[int, str], kills: int, seed: int, concurrency: int
) -> tuple[list[list[str]], dict[int, float]]:
    dice = random.Random(seed)
    in_flight: list[list[str]] = []
    kept_at: dict[int, float] = {}
    env = clean_environment() | {"DD_OFFLINE_BASE_URL": server.url}
    command = [sys.executable, "-m", "snakemake", "-s", str(SOURCE / "Snakefile"), "--cores", str(concurrency)]
    while True:
        subprocess.run([*command, "--unlock"], cwd=project.folder, env=env, capture_output=True, check=False)
        # the stages take their turns, so that each is hit
        wanted = STAGES[len(in_flight) * len(STAGES) // max(1, kills)] if len(in_flight) < kills else None
        with open(project.folder / "output.txt", "a") as output:
            process = subprocess.Popen(
                command, cwd=project.folder, env=env, stdout=output, stderr=output, start_new_session=True
            )
            while wanted and process.poll() is None:
                if wanted in _open_calls(server, stage_of):
                    time.sleep(dice.uniform(0, LATENCY_S))
                    open_calls = _open_calls(server, stage_of)
                    if open_calls:
                        os.killpg(process.pid, signal.SIGKILL)
                        in_flight.append(open_calls)
                        break
                time.sleep(0.005)
            process.wait()
        for path in project.files("attempts/????.json"):
            answer = json.loads(path.read_text())
            kept_at.setdefault(answer["request"]["seed"], time.time())
        if process.returncode == 0:
            return in_flight, kept_at
        # a fault too many fails a generation; the next run takes it up again
        assert process.returncode in (-signal.SIGKILL, 1), (project.folder / "output.txt").read_text()[-5000:]


def _open_calls(server: OfflineServer, stage_of: dict[int, str]) -> list[str]:
    return [stage_of[one["seed"]] for one in list(server.requests) if one["outcome"] is None]


def _tables(project: Project) -> dict[str, bytes]:
    found = project.snapshot(project.cohort_folder / "reports")
    return {path: text for path, text in found.items() if path.endswith(".csv") and "costs" not in path}
