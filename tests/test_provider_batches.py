"""Calls through batch services, in both styles: each answer bought once, at the price of batches, whatever happens."""

import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import small_cohort
from tests.batch_cohort import PRICES, STYLES, attempts, buy, check_bill, load, make, records
from workflow_lib import cohorts, generations
from workflow_lib.calls import Caller, stopping
from workflow_lib.calls.committed import committed
from workflow_lib.calls.holders import Watch
from workflow_lib.calls.provider_batches import openrouter
from workflow_lib.calls.provider_batches import records as open_records
from workflow_lib.calls.provider_batches.buying import parts
from workflow_lib.calls.provider_batches.tending import GoesOn
from workflow_lib.errors import ConfigError, StoreError
from workflow_lib.generations import failures, provider_batches
from workflow_lib.inspect import status
from workflow_lib.offline.server import OfflineServer
from workflow_lib.settings import load as load_settings


@pytest.mark.parametrize("style", STYLES)
def test_answers_come_in_batches_by_model_at_their_price_and_are_those_of_single_calls(tmp_path, style):
    single = small_cohort.make_project(tmp_path / "single")
    small_cohort.run_all(single)
    with OfflineServer(usd_per_mtok=PRICES, batch_delay=0.05) as server:
        settings = make(tmp_path / "batches", server, style)
        log: list[str] = []
        assert set(buy(settings, log=log).values()) == {"made"}
        check_bill(settings, server)
        sizes = [(one["model"], len(one["custom_ids"])) for one in server.batches.submitted()]
        assert sizes == [("sim-writer-a", 2), ("sim-writer-a", 2), ("sim-judge-a", 4), ("sim-judge-b", 4)]
        assert {one["cost_source"] for one in attempts(settings) if "batch" in one} == {
            "endpoint" if style == "openrouter" else "estimated"
        }
        asked = dict(server.batches.asked)
        assert set(buy(settings).values()) == {"made"} and server.batches.asked == asked, "nothing is bought again"
    for kind in ("raw.txt", "parsed.txt"):
        there, ours = (
            {path.relative_to(one.data.root): path.read_bytes() for path in one.data.gens.rglob(kind)}
            for one in (single, settings)
        )
        assert there == ours and len(ours) == 14
    assert records(settings) == [] and len(records(settings, "ended")) == 4


def test_a_power_cut_loses_no_claim_of_a_batch_that_was_handed_over_and_no_answer_of_one_that_ended(
    tmp_path, monkeypatch
):
    written: set[int] = set()
    safe: set[str] = set()
    unsafe: list[str] = []
    fsync, submit, end = os.fsync, openrouter.submit, open_records.Kept.end

    def noted_fsync(handle):
        fsync(handle)
        written.add(os.fstat(handle).st_ino)
        folder = Path(os.readlink(f"/proc/self/fd/{handle}"))
        if folder.name == "attempts":
            safe.update(
                f"{folder.parent.name}-{path.stem}" for path in folder.iterdir() if path.stat().st_ino in written
            )

    def noted_submit(endpoint, model, bodies, *others):
        unsafe.extend(f"{custom_id}.request" for custom_id, _ in bodies if f"{custom_id}.request" not in safe)
        return submit(endpoint, model, bodies, *others)

    def noted_end(kept, **about):
        unsafe.extend(one.custom_id for one in kept.record.requests if one.custom_id not in safe)
        end(kept, **about)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(openrouter, "submit", noted_submit)
    monkeypatch.setattr(open_records.Kept, "end", noted_end)
    with OfflineServer(usd_per_mtok=PRICES, batch_delay=0.05) as server:
        assert set(buy(make(tmp_path, server)).values()) == {"made"}
    assert unsafe == [] and len(safe) == 2 * 12


@pytest.mark.parametrize("style", STYLES)
def test_what_fails_or_is_not_delivered_is_free_and_asked_again_in_the_next_batch(tmp_path, style):
    # a batch that expires, one whose response is lost, one that is refused later, and one that is not accepted at first
    script = ("expired", "lost", "failed", "busy", "cancelled")
    options = {"usd_per_mtok": PRICES, "batch_script": script, "batch_faults": "request:0.2", "retry_after": 0}
    with OfflineServer(seed=4, **options) as server:
        settings = make(tmp_path, server, style)
        log: list[str] = []
        assert set(buy(settings, log=log).values()) == {"made"}
        check_bill(settings, server)
        statuses = {one["status"] for one in server.batches.submitted()}
        assert statuses == {"expired", "failed", "cancelled", "completed"}
        assert any("found batch" in line for line in log), "the response of one was lost"
        failed = list(settings.data.gens.glob("*/*/attempts/*.failed.json"))
        assert failed and not list(settings.data.gens.glob("*/*/failure.json"))
        bought = status.calls.spent(settings.data, [small_cohort.COHORT]).usd
        assert bought == pytest.approx(sum(one["usd"] for one in server.batches.bill), abs=1e-7)


def test_a_request_that_goes_on_failing_fails_its_generation_after_max_tries(tmp_path):
    with OfflineServer(batch_faults="request:1") as server:
        settings = make(tmp_path, server, "openai", llm={"backoff_s": 0.01, "max_tries": 3})
        assert set(buy(settings, ("draft",)).values()) == {"failed"}
        assert len(server.batches.submitted()) == 3 and server.batches.bill == []
        entries = cohorts.load_membership(settings, small_cohort.COHORT).stage("draft")
        for entry in entries:
            found = failures.read(settings.data.generation("draft", entry.gen_id).failure)
            assert (found.step, found.reason) == ("call", "server_error") and "500" in found.message
        assert status.of(settings, [small_cohort.COHORT], entries).maybe_billed == []


@pytest.mark.parametrize("style", STYLES)
def test_a_batch_that_never_arrived_is_handed_over_again_and_one_that_did_is_found(tmp_path, style):
    with OfflineServer(usd_per_mtok=PRICES) as server:
        settings = make(tmp_path, server, style)
        begun = begin_without_submission(settings)
        begun.save(state=open_records.SUBMITTING, submitted_at="2026-01-01T00:00:00.000+00:00")
        begun.release()
        log: list[str] = []
        assert set(buy(settings, ("draft",), log).values()) == {"made"}
        assert any("is not in the service's list" in line for line in log)
        assert len(server.batches.submitted()) == 1
        check_bill(settings, server)


def test_what_was_claimed_by_a_run_that_died_before_it_handed_over_is_claimed_anew(tmp_path):
    with OfflineServer() as server:
        settings = make(tmp_path, server)
        begin_without_submission(settings).release()
        assert set(buy(settings, ("draft",)).values()) == {"made"}
        assert [len(one["custom_ids"]) for one in server.batches.submitted()] == [2]
        assert [one["status"] for one in records(settings, "ended")] == ["nothing was sent", "completed"]
        assert {one["number"] for one in attempts(settings)} == {2}


def test_without_a_list_nobody_can_know_and_the_run_stops_with_what_to_do(tmp_path):
    with OfflineServer() as server:
        settings = make(tmp_path, server)
        begun = begin_without_submission(settings)
        begun.save(state=open_records.SUBMITTING, submitted_at="2026-01-01T00:00:00.000+00:00")
        begun.release()
        # an endpoint of another path: it has no list
        elsewhere = load(tmp_path, SimpleNamespace(url=server.url + "/nothing"))
        with pytest.raises(StoreError, match="never learned") as caught:
            buy(elsewhere, ("draft",))
        assert str(begun.path) in caught.value.hint and server.batches.submitted() == []
        assert begun.path.exists()


def test_a_batch_that_another_account_does_not_know_is_not_bought_again(tmp_path):
    with OfflineServer() as server, OfflineServer() as other:
        settings = make(tmp_path, server)
        begun = begin_without_submission(settings)
        begun.save(state=open_records.SUBMITTED, submitted_at="2026-01-01T00:00:00.000+00:00", batch_id="batch_7")
        begun.release()
        with pytest.raises(StoreError, match="batch_7.*is not known there") as caught:
            buy(load(tmp_path, other), ("draft",))
        assert str(begun.path) in caught.value.hint and other.batches.submitted() == []
        # the user knows that it was deleted
        begun.path.unlink()
        assert set(buy(settings, ("draft",)).values()) == {"made"}


def test_a_service_in_trouble_fails_its_generations_after_max_tries(tmp_path):
    with OfflineServer(batch_script=("down",) * 9) as server:
        settings = make(tmp_path, server, llm={"backoff_s": 0.001, "max_tries": 2})
        assert set(buy(settings, ("draft",)).values()) == {"failed"}
        assert server.batches.submitted() == [] and records(settings) == []
        entry = cohorts.load_membership(settings, small_cohort.COHORT).stage("draft")[0]
        found = failures.read(settings.data.generation("draft", entry.gen_id).failure)
        assert found.reason == "batch_not_taken" and "503" in found.message


def test_a_fresh_order_is_one_more_answer_in_a_batch(tmp_path):
    with OfflineServer(usd_per_mtok=PRICES) as server:
        settings = make(tmp_path, server)
        buy(settings, ("draft",))
        membership = cohorts.load_membership(settings, small_cohort.COHORT)
        for _ in range(2):
            drafts = membership.stage("draft")
            made = generations.batches.make_all(Caller(settings), membership, drafts, print, "order-1", redo=True)
            assert set(made.values()) == {"made"}
        assert [len(one["custom_ids"]) for one in server.batches.submitted()] == [2, 2]
        assert sorted(one["number"] for one in attempts(settings)) == [1, 1, 3, 3]


def begin_without_submission(settings):
    """Leave the store as a run leaves it that dies before it has handed its batch over; returns the record."""
    caught = []

    class Died(BaseException):
        pass

    caller = Caller(settings)

    def die(kept, bodies, say):
        caught.append(kept)
        raise Died

    caller.batches.submit = die
    membership = cohorts.load_membership(settings, small_cohort.COHORT)
    with pytest.raises(Died):
        generations.batches.make_all(caller, membership, membership.stage("draft"), print, None, redo=False)
    return caught[0]


def test_an_interrupt_leaves_batches_running_and_a_plain_run_collects_them(tmp_path):
    with OfflineServer(usd_per_mtok=PRICES, batch_delay=1.0) as server:
        settings = make(tmp_path, server)
        stops = threading.Event()
        stopping._asked.append(stops.is_set)
        try:
            ended = []

            def interrupted():
                with pytest.raises(GoesOn) as caught:
                    buy(settings, ("draft",))
                ended.append(caught.value)

            run = threading.Thread(target=interrupted)
            run.start()
            wait_for(lambda: [one for one in records(settings) if one["state"] == "submitted"])
            stops.set()
            run.join(20)
        finally:
            stopping._asked.remove(stops.is_set)
        assert "go on" in str(ended[0]) and "run the same again" in ended[0].hint
        [record] = records(settings)
        assert record["batch_id"] == "batch_1" and record["released"]

        plain = load(tmp_path, server, provider_batch=False)
        shown = status.of(plain, [small_cohort.COHORT], cohorts.load_membership(plain, small_cohort.COHORT))
        assert [(one.batch_id, len(one.requests)) for one in shown.batches] == [("batch_1", 2)]
        assert shown.maybe_billed == []
        assert set(buy(plain, ("draft",)).values()) == {"made"}
        check_bill(plain, server)
        assert records(plain) == []


def test_two_runs_at_once_buy_each_answer_once(tmp_path):
    with OfflineServer(usd_per_mtok=PRICES, batch_delay=0.3, batch_faults="request:0.1") as server:
        settings = make(tmp_path, server)
        found = []
        runs = [threading.Thread(target=lambda: found.append(buy(load(tmp_path, server)))) for _ in range(2)]
        for run in runs:
            run.start()
        for run in runs:
            run.join(60)
        assert [set(one.values()) for one in found] == [{"made"}, {"made"}]
        check_bill(settings, server)


def test_a_budget_holds_for_what_is_in_flight_and_is_settled_to_what_was_billed(tmp_path):
    with OfflineServer(usd_per_mtok=PRICES) as server:
        settings = make(tmp_path, server, stages={"draft": {"max_tokens": 2000}})
        caller = Caller(settings)
        first, _ = cohorts.load_membership(settings, small_cohort.COHORT).stage("draft")
        request, _ = generations.make.question(caller, first)
        ceiling = (len(request["messages"][0]["content"].encode()) * PRICES[0] + 2000 * PRICES[1]) / 1e6 / 2
        limited = load(tmp_path, server, stages={"draft": {"max_tokens": 2000}}, budget_usd=ceiling * 1.6)
        # the second fits once the first has turned out to cost less than it could
        assert set(buy(limited, ("draft",)).values()) == {"made"}
        assert [len(one["custom_ids"]) for one in server.batches.submitted()] == [1, 1]
        small = load(tmp_path, server, stages={"essay": {"max_tokens": 2000}}, budget_usd=ceiling * 0.9)
        outcomes = buy(small, ("essay",))
        assert sorted(outcomes.values()) == ["failed", "failed", "made", "made"]
        assert len(server.batches.submitted()) == 2


def test_a_batch_that_is_billed_above_its_price_is_said_once_per_model(tmp_path, capsys):
    with OfflineServer(usd_per_mtok=(10 * PRICES[0], 10 * PRICES[1])) as server:
        settings = make(tmp_path, server, "openrouter")
        assert set(buy(settings).values()) == {"made"}
    said = capsys.readouterr().err
    for model in ("sim-writer-a", "sim-judge-a", "sim-judge-b"):
        assert said.count(f"the prices of model '{model}' are too low: endpoint ") == 1
    assert "for a request of a batch that costs 0.0" in said


def test_an_open_batch_counts_at_its_ceiling_in_every_process(tmp_path):
    with OfflineServer(usd_per_mtok=PRICES) as server:
        settings = make(tmp_path, server)
        kept = begin_without_submission(settings)
        found = list(committed(settings, small_cohort.COHORT, Watch(), lambda path: None))
        assert [usd for _, _, usd in found] == [one.ceiling_usd for one in kept.record.requests]
        assert all(usd > 0 for _, _, usd in found)
        kept.release()


def test_batches_are_cut_at_the_limits_of_the_service():
    asks = [SimpleNamespace(request={"n": number}) for number in range(7)]
    cut = list(parts(SimpleNamespace(MOST_REQUESTS=3, MOST_BYTES=10**6), asks))
    assert [len(part) for part in cut] == [3, 3, 1] and [ask for part in cut for ask in part] == asks
    assert [len(part) for part in parts(SimpleNamespace(MOST_REQUESTS=9, MOST_BYTES=450), asks)] == [2, 2, 2, 1]


def test_provider_batches_need_batch_mode_and_models_inside_this_process_are_called_singly(tmp_path):
    with pytest.raises(ConfigError, match="batch mode only"):
        load_settings({"provider_batch": True, "data_root": str(tmp_path)}, tmp_path, {})
    small_cohort.make_project(tmp_path)
    here = load(tmp_path, SimpleNamespace(url=""))
    assert set(buy(here, ("draft",)).values()) == {"made"}
    assert not here.data.provider_batches.exists()


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)
    return found


def test_models_without_a_batch_service_are_named_and_called_singly(tmp_path):
    with OfflineServer() as server:
        make(tmp_path, server)
        without = load(tmp_path, server, endpoints={"offline": {}})
        membership = cohorts.load_membership(without, small_cohort.COHORT)
        [warning] = provider_batches.warnings(without, membership)
        assert "endpoints.offline.batch" in warning and "sim-judge-a, sim-judge-b, sim-writer-a" in warning
        assert set(buy(without, ("draft",)).values()) == {"made"}
        assert len(server.requests) == 2 and server.batches.submitted() == []
        assert provider_batches.warnings(load(tmp_path, server), membership) == []
