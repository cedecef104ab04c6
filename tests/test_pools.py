"""Pools: never more calls in flight or per minute than allowed, over all processes."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.project import SOURCE, Project
from workflow_lib.calls import pools
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
import sys
from pathlib import Path
from workflow_lib.calls import pools
from workflow_lib.calls.pools import Pool
pool = Pool(Path(sys.argv[1]), 2, None)
with pool.slot():
    print("held", flush=True)
    sys.stdin.readline()
"""


def hold(folder: Path) -> subprocess.Popen:
    """Start a process that holds one of two slots until it reads a line; returns once it has it."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], cwd=SOURCE, **pipes)
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.slow
def test_slots_are_counted_over_processes(tmp_path):
    holders = [hold(tmp_path), hold(tmp_path)]
    pool = Pool(tmp_path, 2, None)
    assert pool.try_take() > 0
    holders[0].communicate("done\n")
    with pool.slot():
        assert pool.try_take() > 0
        holders[1].communicate("done\n")
        with pool.slot():
            assert pool.try_take() > 0


@pytest.mark.slow
def test_a_killed_holder_frees_its_slot_at_once(tmp_path):
    holders = [hold(tmp_path), hold(tmp_path)]
    for process in holders:
        process.kill()
        process.wait()
    pool = Pool(tmp_path, 2, None)
    with pool.slot(), pool.slot():
        assert len(list(tmp_path.glob("*.lease.json"))) == 1


def test_slots_pass_among_threads_without_a_write_for_each(tmp_path):
    pool = Pool(tmp_path, 4, None)
    versions = set()

    def call(number: int) -> None:
        with pool.slot():
            versions.update((path.name, path.stat().st_mtime_ns) for path in tmp_path.glob("*.lease.json"))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(call, range(400)))
    # one per thread and look at most; it was one per call
    assert 1 <= len(versions) < 40
    assert len({name for name, _ in versions}) == 1


def test_slots_that_no_thread_needs_are_free_for_other_processes(tmp_path):
    first, second = Pool(tmp_path, 2, None), Pool(tmp_path, 2, None)
    with first.slot(), first.slot():
        assert second.try_take() > 0
    with second.slot(), second.slot():
        assert first.try_take() > 0


@pytest.mark.parametrize(("limit", "threads"), [(1, 2), (4, 8)])
def test_a_pool_is_shared_while_both_processes_want_all_of_it(tmp_path, limit, threads):
    pools_of_two = Pool(tmp_path, limit, None), Pool(tmp_path, limit, None)
    stop, lock = threading.Event(), threading.Lock()
    done, at_once, most = [0, 0], 0, 0

    def work(which: int) -> None:
        nonlocal at_once, most
        while not stop.is_set():
            with pools_of_two[which].slot():
                with lock:
                    at_once += 1
                    most = max(most, at_once)
                stop.wait(0.02)
                with lock:
                    at_once -= 1
                    done[which] += 1
                    # long enough for both to get their turn, however busy the machine is
                    if min(done) >= 10 * limit:
                        stop.set()

    with ThreadPoolExecutor(2 * threads) as workers:
        futures = [workers.submit(work, number % 2) for number in range(2 * threads)]
        for future in futures:
            future.result(timeout=120)
    assert most == limit


def test_starts_that_were_leased_count_from_when_they_were_written(tmp_path, clock):
    first, second = Pool(tmp_path, None, 120), Pool(tmp_path, None, 120)
    assert [first.try_take() for _ in range(120)] == [0] * 120
    assert second.try_take() == pytest.approx(61.5)
    clock.go(61.6)
    assert [second.try_take() for _ in range(120)] == [0] * 120
    assert first.try_take() == pytest.approx(61.5)


class Clock:
    """A wall clock and a steady one, both set by hand, in seconds."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_700_000_000.0, 0.0

    def go(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """The clocks that pools read."""
    clock = Clock()
    monkeypatch.setattr(pools, "wall_clock", lambda: clock.wall)
    monkeypatch.setattr(pools, "steady_clock", lambda: clock.steady)
    return clock


def test_calls_per_minute_hold_over_processes(tmp_path, clock):
    first, second = Pool(tmp_path, None, 2), Pool(tmp_path, None, 2)
    assert (first.try_take(), second.try_take()) == (0, 0)
    clock.go(60)
    assert first.try_take() == second.try_take() == pytest.approx(0.5)
    clock.go(0.6)
    assert (first.try_take(), first.try_take(), second.try_take() > 0) == (0, 0, True)


@pytest.mark.parametrize("jump", [-3600, -30, 3600])
def test_a_clock_that_is_set_changes_no_window_of_this_process(tmp_path, clock, jump):
    pool = Pool(tmp_path, None, 2)
    assert (pool.try_take(), pool.try_take()) == (0, 0)
    clock.wall += jump
    assert pool.try_take() == pytest.approx(60.5)
    clock.go(60.6)
    assert (pool.try_take(), pool.try_take()) == (0, 0)


def test_a_clock_that_was_ahead_blocks_a_pool_for_one_window_at_most_and_warns_once(tmp_path, clock, capsys):
    clock.wall += 3600
    assert Pool(tmp_path, None, 1).try_take() == 0
    clock.wall -= 3600
    pool = Pool(tmp_path, None, 1)
    assert pool.try_take() == pytest.approx(60.5)
    clock.go(30)
    assert pool.try_take() == pytest.approx(30.5)
    clock.go(30.6)
    assert pool.try_take() == 0
    warnings = capsys.readouterr().err
    assert warnings.count("starts.json: written in the future, by a clock that was ahead; counted as of now") == 1
    assert len(warnings.splitlines()) == 1


def test_a_pause_from_a_clock_that_was_ahead_lasts_as_long_as_it_was_meant_to(tmp_path, clock):
    clock.wall += 3600
    Pool(tmp_path, None, None).pause(20)
    clock.wall -= 3600
    pool = Pool(tmp_path, None, None)
    assert pool.try_take() == pytest.approx(20)
    clock.go(21)
    assert pool.try_take() == 0


@pytest.mark.parametrize("content", ["", "null", "[null]", '{"a": 1}', "[[1], 2]", "5"])
def test_files_of_a_pool_that_cannot_be_read_hold_nobody_back(tmp_path, content):
    (tmp_path / "starts.json").write_text(content)
    (tmp_path / "pause.json").write_text(content)
    (tmp_path / "other.lease.json").write_text(content)
    assert Pool(tmp_path, 1, 1).try_take() == 0


def test_pause_holds_back_only_its_own_pool(tmp_path, clock):
    slow, other = Pool(tmp_path / "slow", None, None), Pool(tmp_path / "other", None, None)
    slow.pause(6)
    slow.pause(2)
    assert (other.try_take(), slow.try_take()) == (0, pytest.approx(6))
    assert Pool(tmp_path / "slow", None, None).try_take() == pytest.approx(6)
    clock.go(6.1)
    assert slow.try_take() == 0


def test_a_slot_is_given_back_though_nothing_can_be_written(tmp_path):
    """A full disk cannot replace an answer that has just come, nor keep its slot."""
    pool = Pool(tmp_path / "pool", 1, None)
    with pool.slot():
        # no process, not even of root, can write below a file
        (tmp_path / "pool").rename(tmp_path / "away")
        (tmp_path / "pool").write_text("")
    (tmp_path / "pool").unlink()
    (tmp_path / "away").rename(tmp_path / "pool")
    with Pool(tmp_path / "pool", 1, None).slot():
        assert pool.try_take() > 0


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
