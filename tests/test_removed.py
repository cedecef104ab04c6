"""What was bought in a cohort's name stays on its bill, also when it is taken out of the store."""

import shutil

import pytest

from tests.scripted_server import completion
from tests.world import World
from workflow_lib import calls
from workflow_lib.calls import removed
from workflow_lib.calls.budget import BudgetExhausted
from workflow_lib.calls.committed import committed
from workflow_lib.calls.holders import Watch
from workflow_lib.calls.journal import Journal
from workflow_lib.files import read_json, write_json
from workflow_lib.inspect import archive

LONG = "one\ntwo\nthree\nfour"


@pytest.fixture
def real(tmp_path) -> World:
    return World(tmp_path, writer="real")


def billed(usd: float | None):
    return completion(LONG, usage={"prompt_tokens": 1, "completion_tokens": 1} | ({"cost": usd} if usd else {}))


def remove(world: World):
    settings = world.settings
    return archive.archive(settings, archive.to_remove(settings, [world.draft]))


def total(world: World) -> float:
    """Return what the cohort is committed to, in US dollars."""
    found = list(committed(world.settings, world.draft.cohort_id, Watch(), lambda path: None))
    assert len({what for what, _, _ in found}) == len(found)
    return sum(usd for _, _, usd in found)


def test_what_was_removed_stays_spent_and_a_new_answer_adds_to_it(real):
    real.answered(real.draft, billed(0.5))
    remove(real)
    assert not real.files(real.draft).folder.exists()
    spent = calls.spent(real.settings.data, [real.draft.cohort_id])
    assert (spent.calls, spent.usd, spent.unknown) == (1, 0.5, 0)
    real.answered(real.draft, billed(0.25))
    remove(real)
    real.answered(real.draft, billed(0.125))
    assert calls.spent(real.settings.data, [real.draft.cohort_id]).usd == total(real) == 0.875
    assert calls.spent(real.settings.data, ["other"]).calls == 0


def test_what_is_moved_back_counts_once(real):
    real.answered(real.draft, billed(0.5))
    folder = remove(real)
    shutil.copytree(folder, real.settings.data.root, dirs_exist_ok=True)
    assert calls.spent(real.settings.data, [real.draft.cohort_id]).usd == total(real) == 0.5
    remove(real)
    assert calls.spent(real.settings.data, [real.draft.cohort_id]).usd == total(real) == 0.5


def test_a_budget_is_not_evaded_by_removing(real):
    real.answered(real.draft, billed(0.5), budget_usd=0.51)
    remove(real)
    with pytest.raises(BudgetExhausted, match=r"0\.5000 spent"):
        real.answered(real.draft, billed(0.5), budget_usd=0.51)
    assert len(real.server.requests) == 0


def test_an_unknown_cost_and_a_lost_try_count_at_their_ceiling_as_before(real):
    settings = real.settings
    real.answered(real.draft, completion(LONG))
    own = Journal(real.files(real.draft))
    asked = read_json(own.path(1, ".request"))
    lost = {"tries": [{"started_at": "2026-01-01T00:00:00.000+00:00", "outcome": "unanswered"}], "number": 2}
    write_json(own.path(2, ".request"), asked | lost)
    write_json(own.path(2, ".failed"), {"reason": "timeout"})
    before = total(real)
    assert before > 0.04
    remove(real)
    assert total(real) == pytest.approx(before)
    kept = list(removed.of(settings.data, real.draft.cohort_id))
    assert [line.get("maybe_billed", False) for line in kept] == [False, True]
    assert all("answer" not in line for line in kept)


def test_a_line_cut_short_by_a_full_disk_spoils_no_other(real):
    real.answered(real.draft, billed(0.5))
    remove(real)
    path = real.settings.data.cohort(real.draft.cohort_id).removed_attempts
    with open(path, "a") as stream:
        stream.write('{"removed": "half')
    real.answered(real.draft, billed(0.25))
    remove(real)
    assert total(real) == 0.75
