"""The journal keeps what was asked and what came back, whatever happens in between."""

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from tests.project import SOURCE
from workflow_lib.calls import attempts, claims, holders
from workflow_lib.calls.attempts import is_ordered
from workflow_lib.calls.journal import Journal, State, UnreadableAnswer, request_sha256
from workflow_lib.files import sha256_text, write_json
from workflow_lib.paths import Generation

REQUEST = {"model": "m", "messages": [{"role": "user", "content": "Hé"}], "max_tokens": 5}
ABOUT = {
    "gen_id": "d_1",
    "stage": "draft",
    "cohort_id": "one",
    "model": "m",
    "llm_model_id": "mine",
    "request": REQUEST,
}


@pytest.fixture
def own(tmp_path) -> Journal:
    return Journal(Generation(tmp_path / "gens" / "draft" / "d_1"))


def claim(own: Journal):
    """Claim the next attempt as a caller does: on the state that was seen."""
    return own.claim(own.state(holders.Watch()).next_number, ABOUT, 1000)


def names(own: Journal) -> list[str]:
    return sorted(path.name for path in own.folder.iterdir())


def written(own: Journal, name: str) -> dict:
    return json.loads((own.folder / name).read_text())


def test_no_attempts_are_an_empty_journal(own):
    assert own.numbers() == {}
    assert own.newest_answer() is None
    assert not is_ordered(own.numbers())


def test_a_claim_is_written_before_the_call_and_answered_once(own):
    taken = claim(own)
    request = written(own, "0001.request.json")
    assert {key: request[key] for key in ABOUT} == ABOUT
    assert request["holder"]["pid"] == os.getpid()
    assert request["heartbeat"] == "0000000000"
    assert [one["outcome"] for one in request["tries"]] == [None]
    attempt = taken.answer({"answer": "A", "usage": None}, durable=True)
    assert names(own) == ["0001.json", "0001.request.json"]
    assert attempt == own.newest_answer() == written(own, "0001.json")
    assert (attempt["number"], attempt["answer"], attempt["tries"], attempt["adopted"]) == (1, "A", 1, False)
    assert "holder" not in attempt and "heartbeat" not in attempt


def test_every_try_is_on_record(own):
    taken = claim(own)
    taken.end_try("unanswered")
    taken.begin_try()
    taken.end_try("server_error")
    taken.begin_try()
    assert [one["outcome"] for one in written(own, "0001.request.json")["tries"]] == [
        "unanswered",
        "server_error",
        None,
    ]
    assert taken.tries == 3
    assert (
        taken.answer({"answer": "A"}, durable=True)["started_at"]
        == written(own, "0001.request.json")["tries"][0]["started_at"]
    )


def test_a_failed_attempt_keeps_its_number_and_its_request(own):
    taken = claim(own)
    taken.end_try("server_error")
    taken.fail({"reason": "server_error", "message": "m", "remedy": "r"})
    assert names(own) == ["0001.failed.json", "0001.request.json"]
    failed = written(own, "0001.failed.json")
    assert (failed["reason"], failed["request"], len(failed["tries"])) == ("server_error", REQUEST, 1)
    assert claim(own).number == 2


def test_a_number_is_claimed_once_among_threads(own):
    with ThreadPoolExecutor(8) as pool:
        won = [one for one in pool.map(lambda _: own.claim(1, ABOUT, 1000), range(16)) if one]
    assert [one.number for one in won] == [1]
    assert names(own)[-1] == "0001.request.json"
    won[0].fail({"reason": "x", "message": "", "remedy": ""})
    assert names(own) == ["0001.failed.json", "0001.request.json"]


def test_a_live_claim_is_seen_and_an_ended_one_is_not(own):
    watch = holders.Watch()
    taken = claim(own)
    assert own.state(watch).claimed == 1
    taken.answer({"answer": "A"}, durable=True)
    state = own.state(watch)
    assert (state.claimed, state.answered, state.next_number) == (None, 1, 2)


CLAIM_AND_DIE = """
import os, sys
from pathlib import Path
from workflow_lib import paths
from workflow_lib.calls import journal
own = journal.Journal(paths.Generation(Path(sys.argv[1])))
own.claim(1, {"gen_id": "d_1", "stage": "draft", "model": "m"}, 1000)
os._exit(9)
"""


def test_the_claim_of_a_dead_process_expires_at_once_and_stays_as_evidence(own):
    subprocess.run([sys.executable, "-c", CLAIM_AND_DIE, str(own.generation.folder)], cwd=SOURCE, check=False)
    watch = holders.Watch()
    state = own.state(watch)
    assert (state.claimed, state.next_number) == (None, 2)
    (lost,) = own.maybe_billed(watch)
    assert (lost.stage, lost.gen_id, lost.attempt, lost.model) == ("draft", "d_1", 1, "m")
    assert lost.started_at


def test_a_claim_of_another_host_expires_only_after_its_counter_stood_still(own):
    content = {"heartbeat": "0000000001", "holder": {"host": "elsewhere", "pid": 1, "started": "1"}, "tries": []}
    path = own.path(1, ".request")
    write_json(path, content)
    patient, hasty = holders.Watch(silence_seconds=90), holders.Watch(silence_seconds=0)
    assert own.state(patient).claimed == 1
    assert own.state(patient).claimed == 1
    assert own.state(hasty).claimed == 1  # seen for the first time
    write_json(path, {**content, "heartbeat": "0000000002"})
    assert own.state(hasty).claimed == 1  # it beat
    assert own.state(hasty).claimed is None
    assert own.state(patient).claimed == 1


def test_a_silent_holder_expires_when_its_time_is_over(own, monkeypatch):
    write_json(own.path(1, ".request"), {"heartbeat": "1", "holder": {"host": "elsewhere"}, "tries": []})
    watch = holders.Watch(silence_seconds=90)
    for now, claimed in ((1000.0, 1), (1089.9, 1), (1090.0, None)):
        monkeypatch.setattr(holders, "time", SimpleNamespace(monotonic=lambda now=now: now, sleep=time.sleep))
        assert own.state(watch).claimed == claimed


def test_a_later_process_of_the_same_number_is_not_the_holder(own):
    holder = {**holders.me(), "started": "1"}
    write_json(own.path(1, ".request"), {"heartbeat": "1", "holder": holder, "tries": []})
    assert own.state(holders.Watch()).claimed is None


@pytest.mark.parametrize("ended", ["", ".failed"])
def test_what_was_taken_over_is_claimed_by_nobody(own, ended):
    """Whoever looks for the first time takes the first holder for alive."""
    write_json(own.path(1, ".request"), {"heartbeat": "1", "holder": {"host": "elsewhere"}, "tries": []})
    assert own.state(holders.Watch()).claimed == 1
    write_json(own.path(2, ".request"), {"heartbeat": "1", "holder": holders.me(), "tries": []})
    write_json(own.path(2, ended), {"answer": "A"})
    assert own.state(holders.Watch()).claimed is None


def test_a_claim_of_another_host_that_was_taken_over_may_have_been_billed(own):
    """Whoever looks for the first time has not seen the silence; that the next number was opened says it."""
    elsewhere = {"host": "elsewhere", "pid": 1, "started": "1"}
    content = {"holder": elsewhere, "heartbeat": "1", "llm_model_id": "mine"}
    write_json(own.path(1, ".request"), {**content, "tries": [{"started_at": "1", "outcome": None}]})
    assert list(own.maybe_billed(holders.Watch())) == []
    own.claim(2, ABOUT, 1000).answer({"answer": "A"}, durable=True)
    assert [one.attempt for one in own.maybe_billed(holders.Watch())] == [1]


def test_a_claim_of_another_host_that_is_silent_for_long_may_have_been_billed(own):
    """Also where no run has taken it over: `status` looks once."""
    elsewhere = {"host": "elsewhere", "pid": 1, "started": "1"}
    path = own.path(1, ".request")
    write_json(path, {"holder": elsewhere, "heartbeat": "1", "tries": [{"started_at": "1", "outcome": None}]})
    assert list(own.maybe_billed(holders.Watch())) == []
    hour_ago = time.time() - 3600
    os.utime(path, (hour_ago, hour_ago))
    assert [one.attempt for one in own.maybe_billed(holders.Watch())] == [1]
    assert own.state(holders.Watch()).claimed == 1


@pytest.mark.parametrize(
    ("outcomes", "ended", "expected"),
    [
        (["unanswered", "server_error"], ".failed", 1),
        (["unanswered", None], "", 1),
        ([None], "", 0),
        (["server_error", "rate_limited"], ".failed", 0),
        ([None], ".failed", 1),
    ],
)
def test_what_may_have_been_billed_are_tries_without_an_answer(own, outcomes, ended, expected):
    tries = [{"started_at": str(number), "outcome": outcome} for number, outcome in enumerate(outcomes)]
    write_json(own.path(1, ".request"), {"holder": holders.me(), "llm_model_id": "mine", "tries": tries})
    write_json(own.path(1, ended), {})
    found = list(own.maybe_billed(holders.Watch()))
    assert len(found) == expected
    assert all(one.model == "mine" for one in found)


def test_a_call_in_flight_is_not_among_what_may_have_been_billed(own):
    taken = claim(own)
    assert list(own.maybe_billed(holders.Watch())) == []
    taken.fail({"reason": "interrupted", "message": "", "remedy": ""})
    assert len(list(own.maybe_billed(holders.Watch()))) == 1


def test_an_order_is_open_until_a_higher_numbered_answer(own):
    claim(own).answer({"answer": "old"}, durable=True)
    own.order("run-1")
    assert is_ordered(own.numbers())
    assert own.newest_answer()["answer"] == "old"
    taken = claim(own)
    assert taken.number == 3
    taken.fail({"reason": "x", "message": "", "remedy": ""})
    assert is_ordered(own.numbers())
    claim(own).answer({"answer": "new"}, durable=True)
    assert not is_ordered(own.numbers())
    assert own.newest_answer()["answer"] == "new"


def test_the_same_order_id_orders_once(own):
    own.order("run-1")
    own.order("run-1")
    own.order("run-2")
    own.order("run-1")
    assert names(own) == ["0001.fresh.json", "0002.fresh.json"]


def test_numbers_above_9999_are_read(own):
    write_json(own.path(9999, ""), {"answer": "old"})
    write_json(own.path(10000, ""), {"answer": "new"})
    assert own.newest_answer()["answer"] == "new"
    assert own.state(holders.Watch()).next_number == 10001


def test_files_that_are_not_of_the_journal_do_not_count(own):
    own.folder.mkdir(parents=True)
    for name in (".tmp-abc", "notes.txt", "1.json", "0001.json.bak", "0001.other.json"):
        (own.folder / name).write_text("{}")
    assert own.numbers() == {}


BROKEN_ANSWERS = {
    "empty": b"",
    "half": b'{"answer": "A',
    "null": b"null",
    "list": b"[]",
    "no answer": b'{"answer": null}',
    "request": b'{"answer": "A", "request": {"messages": []}}',
    "not UTF-8": b'{"answer": "caf\xe9"}',
    "zeros": bytes(100),
    "folder": None,
}


@pytest.mark.parametrize("content", BROKEN_ANSWERS.values(), ids=BROKEN_ANSWERS)
def test_an_answer_that_cannot_be_read_is_an_error_and_nothing_is_bought_for_it_but_on_order(own, content):
    path = own.path(1, "")
    path.parent.mkdir(parents=True)
    path.mkdir() if content is None else path.write_bytes(content)
    assert own.is_answered()
    with pytest.raises(UnreadableAnswer, match=r"0001\.json: .+; it may be the only copy") as caught:
        own.newest_answer()
    assert "daydream regenerate --gen-id d_1 --apply" in str(caught.value)
    assert [(one.path, one.kind) for one in own.damages()] == [(path, "")]
    assert list(own.readable_answers()) == []
    assert own.state(holders.Watch()).answered == 1
    own.order("regenerate-1")
    claim(own).answer({"answer": "new"}, durable=True)
    assert own.newest_answer()["answer"] == "new"


@pytest.mark.parametrize("content", [b"", b"null", b"[1]", bytes(50), b'{"holder": 5, "tries": 7}'])
def test_a_request_that_cannot_be_read_blocks_nobody_and_may_have_been_billed(own, content):
    own.folder.mkdir(parents=True)
    own.path(1, ".request").write_bytes(content)
    watch = holders.Watch()
    assert own.state(watch) == State(None, False, None, 2)
    (lost,) = own.maybe_billed(watch)
    assert (lost.stage, lost.gen_id, lost.attempt, lost.model) == ("draft", "d_1", 1, "")
    assert lost.started_at
    assert [one.kind for one in own.damages()] == [".request"]


def test_a_request_that_comes_back_while_it_is_read_is_not_taken_for_gone(own):
    """A network file system may answer for a moment that a file is not there, though it was only replaced."""
    taken = claim(own)
    path = own.path(1, ".request")
    path.rename(own.folder / "hidden")
    back = threading.Timer(0.02, lambda: (own.folder / "hidden").rename(path))
    back.start()
    assert attempts.read_request(path)["number"] == taken.number
    back.join()
    taken.fail({"reason": "x", "message": "", "remedy": ""})


@pytest.mark.parametrize("content", [b"", b"null", b"[1]"])
def test_orders_and_failures_that_cannot_be_read_count_as_such(own, content):
    own.folder.mkdir(parents=True)
    own.path(1, ".failed").write_bytes(content)
    own.path(2, ".fresh").write_bytes(content)
    assert own.newest_failure() == {}
    assert is_ordered(own.numbers())
    own.order("run-1")
    own.order("run-1")
    assert names(own) == ["0001.failed.json", "0002.fresh.json", "0003.fresh.json"]
    assert [one.kind for one in own.damages()] == [".failed", ".fresh"]


def test_tries_of_the_wrong_shape_are_passed_over(own):
    write_json(own.path(1, ".request"), {"holder": holders.me(), "tries": [5, {"outcome": "unanswered"}, None]})
    write_json(own.path(1, ".failed"), {"reason": "x"})
    assert len(list(own.maybe_billed(holders.Watch()))) == 1


CLAIM_WRITE_AND_DIE = """
import json, os, sys
from pathlib import Path
from workflow_lib import paths
from workflow_lib.calls import journal
own = journal.Journal(paths.Generation(Path(sys.argv[1])))
taken = own.claim(1, {"gen_id": "d_1", "stage": "draft", "model": "m"}, 1000)
os.pwrite(taken._room._handle, sys.argv[2].encode(), 0)
os._exit(9)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("written", "kept"),
    [('{"number": 1, "answer": "A"}', "A"), ('{"number": 1, "ans', None), ('{"number": 1, "reason": "x"}', None)],
)
def test_what_a_dead_process_held_is_freed_and_an_answer_in_it_kept(own, written, kept):
    arguments = [sys.executable, "-c", CLAIM_WRITE_AND_DIE, str(own.generation.folder), written]
    subprocess.run(arguments, cwd=SOURCE, check=False)
    assert len(names(own)) == 2
    taken = claim(own)
    if kept:
        assert taken is None
        assert own.newest_answer()["answer"] == kept
        assert names(own) == ["0001.json", "0001.request.json"]
    else:
        taken.fail({"reason": "x", "message": "", "remedy": ""})
        assert names(own) == ["0001.request.json", "0002.failed.json", "0002.request.json"]


def test_room_that_a_rival_holds_for_the_same_number_is_left(own):
    own.folder.mkdir(parents=True)
    for number in (1, 2, 3):
        (own.folder / f".room-000{number}-abc").write_bytes(bytes(100))
    assert claims.clean_up(own.folder, 2) is False
    assert names(own) == [".room-0002-abc", ".room-0003-abc"]


def test_an_adopted_answer_says_so(own):
    recorded = {"model": "x", "usage": {"prompt_tokens": 3}, "finish_reason": "stop", "cost_usd": 0.1}
    own.adopt("the text", recorded, {"gen_id": "d_1", "stage": "draft", "cohort_id": None})
    adopted = own.newest_answer()
    assert names(own) == ["0001.json"]
    assert (adopted["answer"], adopted["adopted"], adopted["request"]) == ("the text", True, None)
    assert (adopted["usage"], adopted["cost_usd"], adopted["model"]) == ({"prompt_tokens": 3}, 0.1, "x")


def test_an_order_outlives_an_adoption(own):
    own.order("run-1")
    own.order("run-2")
    own.adopt("the text", {}, {"gen_id": "d_1", "stage": "draft", "cohort_id": None})
    assert names(own) == ["0001.fresh.json", "0002.fresh.json", "0003.json", "0004.fresh.json"]
    assert is_ordered(own.numbers())
    assert written(own, "0004.fresh.json")["order_id"] == "run-2"


def test_an_answer_survives_any_text(own):
    text = "\ud800 \x00 \u2028 \r\n" + "x" * 100_000
    claim(own).answer({"answer": text}, durable=True)
    assert own.newest_answer()["answer"] == text


def test_the_hash_of_a_request_does_not_depend_on_the_order_of_its_keys():
    assert request_sha256({"a": 1, "b": [2, "é"]}) == request_sha256({"b": [2, "é"], "a": 1})
    assert request_sha256({"a": 1}) != request_sha256({"a": 2})
    assert request_sha256({"a": 1}) == sha256_text('{"a": 1}')


def test_a_disk_without_room_for_the_answer_claims_nothing(own):
    with pytest.raises(OSError, match=r"space|large"):
        own.claim(1, ABOUT, 1 << 60)
    assert own.numbers() == {}
    assert names(own) == []
