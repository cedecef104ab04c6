"""The one owner of state: what a generation's folder and journal mean."""

import shutil

import pytest

from tests.scripted_server import completion
from tests.stores import ABSENT, Store
from tests.world import LONG, World
from workflow_lib.calls.endpoints import CallError
from workflow_lib.calls.holders import me
from workflow_lib.calls.journal import Journal
from workflow_lib.errors import DayDreamError
from workflow_lib.files import read_json, write_json, write_text
from workflow_lib.generations.state import States
from workflow_lib.parsers import ParseFailure


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def rewrite_models(where, old: str, new: str) -> None:
    """Edit llm_models.csv of a store, or of settings."""
    table = where.data.catalog("llm_models")
    assert old in table.read_text()
    table.write_text(table.read_text().replace(old, new))


def state(world: World, entry, **config):
    return States(world.load(**config)).of(entry)


# staleness


def test_another_temperature_or_extra_field_makes_an_answer_stale(real):
    real.answered(real.draft, completion(LONG))
    assert (state(real, real.draft).stale, state(real, real.draft).stale_reasons) == ("false", ())
    for changed in ({"temperature": 0.2}, {"extra": {"top_p": 0.5}}):
        assert state(real, real.draft, stages={"draft": changed}).stale_reasons == ("parameters",)
    assert state(real, real.draft, stages={"essay": {"temperature": 0.2}}).stale_reasons == ()


def test_another_length_makes_only_answers_stale_that_it_cut_off(real):
    longer = {"stages": {"draft": {"max_tokens": 30000}}}
    real.answered(real.draft, completion(LONG))
    assert state(real, real.draft, **longer).stale_reasons == ()
    real.answered(real.draft, completion(LONG, "length"), order_id="again")
    assert state(real, real.draft).stale_reasons == ()
    assert state(real, real.draft, **longer).stale_reasons == ("parameters",)


def test_another_model_behind_the_same_id_makes_its_answers_stale(real):
    real.answered(real.draft, completion(LONG))
    rewrite_models(real.settings, "org/real", "org/newer")
    assert state(real, real.draft).stale_reasons == ("model",)


def test_what_is_not_on_record_makes_nothing_stale(store):
    chain = [store.draft(), None]
    chain[1] = store.essay(chain[0])
    for entry in chain:
        store.amend(store.files(entry).raw_metadata, model=None)
    rewrite_models(store, "org/writer-1", "org/newer")
    assert [one.stale_reasons for one in States(store.settings).each(chain)] == [(), ()]


def test_a_changed_model_makes_an_answer_stale_whose_prompt_is_not_on_record(store):
    draft = store.draft()
    store.amend(store.files(draft).raw_metadata, prompt_sha256=ABSENT)
    store.files(draft).prompt.unlink()
    assert States(store.settings).of(draft).stale == "unknown"
    rewrite_models(store, "org/writer-1", "org/newer")
    assert States(store.settings).of(draft).stale == "true"


# what is to be done


def test_an_order_takes_a_call_only_once_the_present_text_is_put_away(real):
    real.answered(real.draft, completion(LONG))
    Journal(real.files(real.draft)).order("again")
    found = state(real, real.draft)
    assert (found.ordered, found.needs_call) == (True, False)
    real.files(real.draft).raw.unlink()
    assert state(real, real.draft).needs_call


def test_a_text_whose_answer_nothing_keeps_is_lost_unless_it_is_a_copy(store):
    draft = store.draft()
    essays = [store.essay(draft), store.essay(draft, "e-copy")]
    for essay in essays:
        store.files(essay).raw.unlink()
        shutil.rmtree(store.files(essay).attempts, ignore_errors=True)
    states = list(States(store.settings).each(essays))
    assert [one.is_lost for one in states] == [True, False]
    assert [one.needs_call for one in states] == [False, False]


# edited, adopted


def test_raw_text_is_compared_with_the_answer_that_it_was_made_of(real):
    """A newer answer may be in the journal before its text is."""
    real.answered(real.draft, completion(LONG))
    attempts = real.files(real.draft).attempts
    write_json(attempts / "0002.json", {**read_json(attempts / "0001.json"), "number": 2, "answer": "new\n" + LONG})
    assert not state(real, real.draft).edited


def test_raw_text_edited_by_hand_is_seen_and_a_restored_one_is_not(real):
    real.answered(real.draft, completion("\ufeff " + LONG + "\r\n\r\n"))
    files = real.files(real.draft)
    assert not state(real, real.draft).edited
    whole = files.raw.read_bytes()
    files.raw.write_bytes(whole + b" and more")
    assert state(real, real.draft).edited
    files.raw.write_bytes(whole)
    assert not state(real, real.draft).edited


def test_answer_of_an_older_tool_is_adopted_and_known_to_be_edited_once_it_is_in_the_journal(real):
    files = real.files(real.draft)
    write_text(files.raw, "as it was\n\n")
    assert (state(real, real.draft).adopted, state(real, real.draft).edited) == (True, False)
    real.buy(real.draft)
    assert (state(real, real.draft).adopted, state(real, real.draft).edited) == (True, False)
    write_text(files.raw, "otherwise\n")
    assert (state(real, real.draft).adopted, state(real, real.draft).edited) == (True, True)


def test_copy_that_was_edited_by_hand_is_seen(real):
    real.answered(real.draft, completion(LONG))
    real.parse(real.draft)
    real.buy(real.copy)
    assert not state(real, real.copy).edited
    write_text(real.files(real.copy).raw, "otherwise")
    assert state(real, real.copy).edited


def test_edit_is_seen_again_after_it_was_looked_up_once(real):
    real.answered(real.draft, completion(LONG))
    states = States(real.settings)
    assert not states.look(real.draft).edited
    write_text(real.files(real.draft).raw, "otherwise, and longer than it was before")
    assert states.look(real.draft).edited


def test_edit_of_the_same_length_is_seen(real):
    real.answered(real.draft, completion(LONG))
    states = States(real.settings)
    assert not states.look(real.draft).edited
    raw = real.files(real.draft).raw
    write_text(raw, raw.read_text().swapcase())
    assert states.look(real.draft).edited


# failures that still stand


def failed_with(world: World, entry, **config):
    found = state(world, entry, **config).failure
    return found and found.reason


def test_failed_call_stands_until_an_answer_comes(real):
    with pytest.raises(CallError):
        real.answered(real.draft, (404, {}, b"{}"))
    assert failed_with(real, real.draft) == "unknown_model"
    kept = real.files(real.draft).failure.read_bytes()
    real.answered(real.draft, completion(LONG))
    real.files(real.draft).failure.write_bytes(kept)
    assert failed_with(real, real.draft) is None


def test_failed_call_does_not_stand_when_another_model_would_be_asked(real):
    with pytest.raises(CallError):
        real.answered(real.draft, (404, {}, b"{}"))
    rewrite_models(real.settings, "org/real", "org/newer")
    assert failed_with(real, real.draft) is None


def test_failed_call_does_not_stand_when_another_endpoint_would_be_asked(real):
    with pytest.raises(CallError):
        real.answered(real.draft, (404, {}, b"{}"))
    rewrite_models(real.settings, "org/real,home", "org/real,openrouter")
    assert failed_with(real, real.draft) is None


def test_failed_call_does_not_stand_while_another_is_in_flight(real):
    with pytest.raises(CallError):
        real.answered(real.draft, (404, {}, b"{}"))
    request = read_json(real.files(real.draft).attempts / "0001.request.json")
    write_json(real.files(real.draft).attempts / "0002.request.json", {**request, "number": 2, "holder": me()})
    assert state(real, real.draft).claim.number == 2
    assert failed_with(real, real.draft) is None


def test_failed_call_for_an_ordered_answer_stands_beside_the_old_one(real):
    real.answered(real.draft, completion(LONG))
    with pytest.raises(CallError):
        real.answered(real.draft, (402, {}, b"{}"), order_id="again")
    assert failed_with(real, real.draft) == "no_credits"
    assert state(real, real.draft).ordered


def test_budget_stop_stands_until_the_budget_changes(real):
    with pytest.raises(DayDreamError):
        real.answered(real.draft, completion(LONG), budget_usd=0.000001)
    assert failed_with(real, real.draft, budget_usd=0.000001) == "budget_exhausted"
    assert failed_with(real, real.draft, budget_usd=0.000002) is None
    assert failed_with(real, real.draft) is None


def test_budget_stop_of_an_older_store_stands_while_any_budget_is_set(store):
    draft = store.draft(state="failed", failure=("call", "budget_exhausted"))
    assert States(store.settings).of(draft).failure is None
    assert States(store.load(budget_per_model={"w1": 1})).of(draft).failure.reason == "budget_exhausted"


def test_failed_parse_stands_for_its_answer_parser_and_settings_only(real):
    real.answered(real.draft, completion("one line"))
    with pytest.raises(ParseFailure):
        real.parse(real.draft)
    assert failed_with(real, real.draft) == "min_lines_not_met"
    assert failed_with(real, real.draft, stages={"draft": {"min_lines": 1}}) is None
    raw = real.files(real.draft).raw
    kept = raw.read_bytes()
    write_text(raw, "another line")
    assert failed_with(real, real.draft) is None
    raw.write_bytes(kept)
    assert failed_with(real, real.draft) == "min_lines_not_met"
    real.set_parser("draft", "plain", "essay_block")
    assert failed_with(real, real.draft) is None


def test_failed_prompt_does_not_stand_once_the_template_is_mended(world_of_broken_template):
    world, mend = world_of_broken_template
    assert failed_with(world, world.draft) == "prompt"
    mend()
    assert failed_with(world, world.draft) is None


@pytest.fixture
def world_of_broken_template(tmp_path):
    world = World(tmp_path)
    path = world.settings.data.template("draft", "plain")
    right = path.read_text()
    path.write_text("{{ nonsense }}")
    with pytest.raises(DayDreamError):
        world.buy(world.draft)
    return world, lambda: path.write_text(right)


# answers that cannot be read


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b'{"answer": 7}', b'{"answer": "cut of'])
def test_unreadable_answer_fails_its_generation_and_is_never_bought_over_without_an_order(real, content):
    real.answered(real.draft, completion(LONG))
    files = real.files(real.draft)
    path = files.attempts / "0001.json"
    path.write_bytes(content)
    files.raw.unlink()
    assert str(path) in state(real, real.draft).unreadable
    assert state(real, real.draft).has_answer and not state(real, real.draft).needs_call
    assert state(real, real.draft).needs_parse
    with pytest.raises(DayDreamError, match=r"0001\.json"):
        real.answered(real.draft, completion("new\n" + LONG))
    assert real.server.requests == []
    failure = state(real, real.draft).failure
    assert (failure.step, failure.reason) == ("call", "unreadable_answer")
    assert str(path) in failure.message and "regenerate" in failure.remedy
    assert real.answered(real.draft, completion("new\n" + LONG), order_id="again").startswith("new")
    assert len(real.server.requests) == 1


@pytest.mark.parametrize("content", [b"", b"null", b"[1]"])
def test_unreadable_request_counts_as_maybe_billed_and_is_no_claim(real, content):
    real.answered(real.draft, completion(LONG))
    files = real.files(real.draft)
    request = files.attempts / "0002.request.json"
    request.write_bytes(content)
    [lost] = state(real, real.draft).maybe_billed
    assert (lost.stage, lost.gen_id, lost.attempt) == ("draft", real.draft.gen_id, 2)
    assert state(real, real.draft).claim is None
    write_json(files.attempts / "0002.json", read_json(files.attempts / "0001.json"))
    assert state(real, real.draft).maybe_billed == ()
