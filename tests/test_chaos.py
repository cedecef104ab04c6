"""The workflow killed again and again: every answer paid for once, the same tables [SPEC 7.3]."""

from pathlib import Path

import pytest

from tests import chaos
from workflow_lib.stages import STAGES


@pytest.mark.slow
def test_killed_workflow_pays_once_and_makes_the_same_tables(tmp_path: Path):
    done = chaos.run(tmp_path, generations=48, kills=6, seed=7)
    assert len(done.in_flight) == 6
    assert {stage for calls in done.in_flight for stage in calls} == set(STAGES)
    open_at_kills = sum(len(calls) for calls in done.in_flight)
    assert done.kept == done.generations
    assert done.twice == []
    assert done.lost <= open_at_kills
    assert done.lost <= done.maybe_billed <= open_at_kills + done.dropped
    assert done.same_tables
