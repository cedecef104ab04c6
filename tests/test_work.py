"""What a run asks for: what is missing and wanted, what comes without a purchase, what was ordered."""

import pytest

from tests.stores import Store
from workflow_lib.generations import work
from workflow_lib.generations.state import States


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def asked(store):
    """Return the generations that are asked for, and lack a text."""
    states = States(store.settings)
    found = [one for one in store.membership if work.is_asked_for(states, store.membership, one)]
    return [one.gen_id for one in found if states.of(one).needs_parse]


def made(store):
    return work.to_make(States(store.settings), store.membership)


def test_missing_evaluation_asks_for_all_behind_it_that_has_no_answer(store):
    draft = store.draft()
    essay = store.essay(draft, state="absent")
    evaluation = store.evaluation(essay, state="absent")
    assert asked(store) == [evaluation.gen_id]
    assert made(store) == {essay.gen_id, evaluation.gen_id}


def test_deleted_text_comes_back_from_its_attempt_without_a_purchase(store):
    draft, essay = store.draft(), None
    essay = store.essay(draft)
    store.evaluation(essay)
    for entry in (draft, essay):
        store.files(entry).raw.unlink()
        store.files(entry).parsed.unlink()
    assert asked(store) == [draft.gen_id, essay.gen_id]
    assert made(store) == set()


def test_deleted_copy_comes_back_if_its_origin_has_an_answer(store):
    draft = store.draft()
    copy = store.essay(draft, "e-copy")
    store.evaluation(copy)
    for path in (store.files(copy).raw, store.files(copy).parsed):
        path.unlink()
    assert asked(store) == [copy.gen_id]
    assert made(store) == {copy.gen_id}
    for path in store.files(draft).attempts.iterdir():
        path.unlink()
    store.files(draft).raw.unlink()
    assert asked(store) == [] and made(store) == set()


def test_text_whose_answer_is_lost_is_not_bought_for_finished_evaluations(store):
    essay = store.essay(store.draft())
    store.evaluation(essay)
    for path in (store.files(essay).raw, store.files(essay).parsed, *store.files(essay).attempts.iterdir()):
        path.unlink()
    assert asked(store) == [] and made(store) == set()


def test_ordered_text_is_made_together_with_its_missing_parents(store):
    draft = store.draft(state="absent")
    other = store.draft("d-other")
    essay = store.essay(other)
    store.evaluation(essay)
    store.attempt(essay, 2, ".fresh", order_id="again")
    for path in (store.files(essay).raw, store.files(essay).parsed):
        path.unlink()
    assert asked(store) == [draft.gen_id, essay.gen_id]
    assert made(store) == {draft.gen_id, essay.gen_id}


def test_unreadable_answer_is_asked_for_and_never_bought(store):
    draft = store.draft()
    store.files(draft).raw.unlink()
    store.files(draft).parsed.unlink()
    (store.files(draft).attempts / "0001.json").write_bytes(b"null")
    assert asked(store) == [draft.gen_id]
    assert made(store) == set()
