"""Runs under attack: every answer that was billed is kept or listed, and none that was kept is bought again."""

import os
from pathlib import Path

import pytest

from tests import chaos

SOAK_MINUTES = float(os.environ.get("SOAK_MINUTES", "20"))
KILLS = int(os.environ.get("KILLS", "20"))


@pytest.mark.full
@pytest.mark.parametrize("name", chaos.ATTACKS)
def test_no_attack_loses_an_answer(tmp_path: Path, name):
    if name not in chaos.possible():
        pytest.skip("needs root")
    bill = chaos.attack(tmp_path, name, seed=3)
    assert (bill.lost, bill.twice) == (0, 0)
    assert bill.kept + bill.listed >= bill.billed > 0


@pytest.mark.full
@pytest.mark.parametrize("name", ["kill the group", "kill in batch mode"])
def test_a_store_whose_runs_are_killed_again_and_again_has_the_tables_of_an_undisturbed_one(tmp_path: Path, name):
    """KILLS says how often; see the Makefile."""
    done = chaos.kills(tmp_path, name, KILLS, seed=7)
    print(f"\n{len(done.in_flight)} kills, {sum(done.in_flight)} calls in flight; {done.bill}")
    assert len(done.in_flight) == KILLS and min(done.in_flight) > 0
    check(done)


@pytest.mark.full
def test_a_soak_ends_with_the_bill_and_the_journal_in_agreement(tmp_path: Path):
    """SOAK_MINUTES says how long; see the Makefile."""
    done = chaos.soak(tmp_path, SOAK_MINUTES, seed=11)
    print(f"\n{sum(done.attacks.values())} attacks {dict(done.attacks)}\n{done.bill}")
    check(done)


def check(done: chaos.Soak) -> None:
    assert (done.bill.lost, done.bill.twice) == (0, 0)
    assert done.answered == done.generations <= done.bill.kept
    assert done.litter == 0
    assert done.differing == [], "\n".join(done.differing[:40])
