"""Pools: never more calls in flight or per minute than allowed, over all processes [SPEC 8.3]."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.project import SOURCE, Project
from workflow_lib.calls.pools import Pool
from workflow_lib.offline.server import OfflineServer

MIXED = """
combos: {concepts: [default-mode-network, combinatorial-creativity, data-flywheel, economic-moat], k: 2}
axes:
  draft_template: [analytical-memo-v2, socratic-dialogue-v1]
  draft_llm: [gpt-oss-120b, gpt-oss-20b-free]
  draft_replicate: [1, 2, 3, 4]
output: {field_order: [combo_id, draft_template, draft_llm, draft_replicate]}
"""

HOLD = """
import sys, time
from pathlib import Path
from workflow_lib.calls.pools import Pool
pool = Pool(Path(sys.argv[1]), 2, None)
with pool.slot():
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(folder: Path, seconds: float) -> subprocess.Popen:
    """Start a process that holds one of two slots; returns once it has it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(seconds)], cwd=SOURCE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_slots_are_counted_over_processes(tmp_path):
    holders = [hold(tmp_path, 0.8), hold(tmp_path, 0.8)]
    begun = time.monotonic()
    with Pool(tmp_path, 2, None).slot():
        waited = time.monotonic() - begun
    for process in holders:
        process.wait()
    assert waited > 0.3


def test_a_killed_holder_frees_its_slot_at_once(tmp_path):
    holders = [hold(tmp_path, 60), hold(tmp_path, 60)]
    for process in holders:
        process.kill()
        process.wait()
    pool = Pool(tmp_path, 2, None)
    with pool.slot(), pool.slot():
        assert len(list(tmp_path.glob("*.lease.json"))) == 1


def test_a_clock_set_back_does_not_block_a_pool(tmp_path):
    pool = Pool(tmp_path, None, 2)
    with pool.slot():
        pass
    future = time.time() + 3600
    (tmp_path / "starts.json").write_text(f"[{future}]")
    (tmp_path / "pause.json").write_text(f"[{future}, {future + 600}]")
    begun = time.monotonic()
    with pool.slot():
        pass
    assert time.monotonic() - begun < 5


def test_pause_holds_back_only_its_own_pool(tmp_path):
    slow, other = Pool(tmp_path / "slow", None, None), Pool(tmp_path / "other", None, None)
    slow.pause(0.6)
    begun = time.monotonic()
    with other.slot():
        assert time.monotonic() - begun < 0.3
    with slow.slot():
        assert time.monotonic() - begun >= 0.55


@pytest.mark.slow
def test_slow_free_pool_holds_no_paid_call_back(tmp_path):
    project = Project(tmp_path, spec=MIXED)
    project.configure("pools: {free: {max_concurrent: 1, calls_per_minute: 60}, paid: {max_concurrent: 32}}\n")
    with OfflineServer(latency=0.2) as server:
        project.snakemake("--cores", "32", "drafts", env={"DD_LLM_BASE_URL": server.url})
        requests = server.requests
    by_pool = {
        name: [one for one in requests if one["model"].endswith(":free") == (name == "free")]
        for name in ("free", "paid")
    }
    assert {name: len(found) for name, found in by_pool.items()} == {"free": 48, "paid": 48}
    assert most_at_once(by_pool["free"]) == 1
    assert most_at_once(by_pool["paid"]) > 8
    # the paid calls are over long before the free ones, which come one after another
    assert (
        max(one["answered_at"] for one in by_pool["paid"]) < sorted(one["received_at"] for one in by_pool["free"])[30]
    )


def most_at_once(requests: list[dict]) -> int:
    """Return the largest number of requests that were open at one time."""
    events = [(one["received_at"], 1) for one in requests] + [(one["answered_at"], -1) for one in requests]
    now = most = 0
    for _, step in sorted(events):
        now += step
        most = max(most, now)
    return most


@pytest.mark.slow
def test_calls_per_minute_hold_over_a_minute(tmp_path):
    long_ago = time.time() - 58
    (tmp_path / "starts.json").write_text(f"[{long_ago}, {long_ago}]")
    pool = Pool(tmp_path, None, 3)
    begun = time.monotonic()
    starts = []
    for _ in range(3):
        with pool.slot():
            starts.append(time.monotonic() - begun)
    assert starts[0] < 0.5
    # the two of 58 seconds ago have to be a minute old first
    assert 2 <= starts[1] <= starts[2] < 5
