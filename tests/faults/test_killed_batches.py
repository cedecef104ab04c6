"""Generations through each style of batch service, with runs killed at every moment, several times each."""

import os

import pytest

from tests.batch_cohort import PRICES, STYLES
from tests.killed_batches import MOMENTS, KilledRuns, tables
from tests.project import Project
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.full

# KILLS says how many; see the Makefile. The 20 of the long form are 5 rounds of 20 drafts, 300 generations
ROUNDS = max(2, int(os.environ.get("KILLS", "20")) // 4)
DRAFTS_PER_ROUND = 20


@pytest.mark.parametrize("style", STYLES)
def test_every_answer_is_bought_once(tmp_path, style):
    with OfflineServer(usd_per_mtok=PRICES, batch_delay=0.5, batch_faults="request:0.05", seed=11) as server:
        runs = KilledRuns(tmp_path / "batches", server, style)
        for number in range(ROUNDS):
            runs.grow(DRAFTS_PER_ROUND)
            for moment in MOMENTS:
                if (number, moment) == (1, "waiting"):
                    server.batches.plan("expired")
                runs.kill(moment)
            runs.finish()
        runs.check()
        assert runs.drafts >= ROUNDS * DRAFTS_PER_ROUND
        assert runs.killed == dict.fromkeys(MOMENTS, ROUNDS)
        assert "expired" in {one["status"] for one in server.batches.submitted()}
    single = Project(tmp_path / "single", spec="")
    single.declare((runs.project.cohort_folder / "spec" / "config.yaml").read_text())
    single.snakemake()
    assert tables(runs.project) == tables(single)
