"""Status: what is counted as done, failed, spent, stale, maybe billed."""

from pathlib import Path

import pytest

from tests.small_cohort import make_project, run_all
from workflow_lib import cohorts, generations
from workflow_lib.calls import Caller, Spent
from workflow_lib.calls.journal import Journal
from workflow_lib.files import read_json, write_json
from workflow_lib.inspect import status as status_module
from workflow_lib.parsers import ParseFailure


@pytest.fixture
def settings(tmp_path: Path):
    return make_project(tmp_path)


def status_of(settings):
    return status_module.of(settings, ["mini"], cohorts.load_membership(settings, "mini"))


def first(settings, stage: str):
    entry = cohorts.load_membership(settings, "mini").stage(stage)[0]
    return entry, settings.data.generation(stage, entry.gen_id)


def test_before_the_first_call_everything_is_missing(settings):
    status = status_of(settings)
    assert status.stages["evaluation"] == status_module.StageCounts(rows=8, missing=8)
    assert status.spent == Spent(0, 0.0, 0)
    assert not status.is_complete


def test_finished_cohort_is_complete(settings):
    run_all(settings)
    status = status_of(settings)
    assert status.stages["essay"] == status_module.StageCounts(rows=4, done=4)
    assert status.is_complete
    assert status.spent.calls == 2 + 2 + 8
    assert status.truncated == status.stale == status.failures == status.maybe_billed == []


def test_answer_that_cannot_be_parsed_is_raw_only_and_failed(settings):
    run_all(settings, stages=["draft", "essay"])
    entry, files = first(settings, "evaluation")
    generations.buy(Caller(settings), entry, lambda line: None)
    files.raw.write_text("no verdict")
    with pytest.raises(ParseFailure):
        generations.parse(settings, entry)
    status = status_of(settings)
    assert status.stages["evaluation"] == status_module.StageCounts(rows=8, raw_only=1, missing=7, failed=1)
    shown = status_module.as_json("mini", status)["failures"]
    assert [(row["gen_id"], row["step"], row["reason"]) for row in shown] == [
        (entry.gen_id, "parse", "no_score_last_lines")
    ]
    assert set(shown[0]) == {"stage", "gen_id", "step", "reason", "message", "remedy"}


def test_unknown_cost_is_not_zero(settings):
    run_all(settings)
    for path in settings.data.gens.glob("*/*/attempts/0001.json"):
        write_json(path, read_json(path) | {"cost_usd": None})
    assert status_of(settings).spent == Spent(12, None, 12)
    _, files = first(settings, "draft")
    path = files.attempts / "0001.json"
    write_json(path, read_json(path) | {"cost_usd": 0.25})
    assert status_of(settings).spent == Spent(12, 0.25, 11)


def test_all_attempts_count_as_spent_and_adopted_ones_do_not(settings):
    run_all(settings)
    _, files = first(settings, "draft")
    answer = read_json(files.attempts / "0001.json")
    write_json(files.attempts / "0002.json", answer | {"number": 2, "cost_usd": 0.5})
    write_json(files.attempts / "0003.json", answer | {"number": 3, "cost_usd": 9.0, "adopted": True})
    write_json(files.attempts / "0004.json", answer | {"number": 4, "cost_usd": 9.0, "cohort_id": "other"})
    assert status_of(settings).spent == Spent(13, 0.5, 0)


def test_edited_text_makes_drafts_stale(settings):
    run_all(settings)
    template = settings.data.template("draft", "analytical-memo-v2")
    template.write_text(template.read_text() + "\nOne more sentence.\n")
    status = status_of(settings)
    drafts = [one.gen_id for one in cohorts.load_membership(settings, "mini").stage("draft")]
    assert len(status.stale) == 1 and status.stale[0] in drafts
    assert status.is_complete, "stale answers are kept"


def test_truncated_and_served_other_model_come_from_the_answer_in_use(settings):
    run_all(settings)
    entry, files = first(settings, "draft")
    recorded = read_json(files.raw_metadata)
    write_json(files.raw_metadata, recorded | {"truncated": True, "served_model": "somebody/else"})
    status = status_of(settings)
    assert status.truncated == [entry.gen_id]
    assert status.served_other_model == 1


def test_request_without_an_answer_may_have_been_billed(settings):
    run_all(settings)
    entry, files = first(settings, "draft")
    request = read_json(files.attempts / "0001.request.json")
    lost = request | {
        "number": 2,
        "tries": [{"started_at": "2026-01-01T00:00:00.000+00:00", "outcome": "unanswered"}],
    }
    write_json(Journal(files).path(2, ".request"), lost)
    assert status_module.as_json("mini", status_of(settings))["maybe_billed"] == [
        {
            "stage": "draft",
            "gen_id": entry.gen_id,
            "attempt": 2,
            "model": "sim-writer-a",
            "started_at": "2026-01-01T00:00:00.000+00:00",
            "try_number": 1,
            "reason": "unanswered",
            "cost_usd": None,
        }
    ]


def test_json_has_the_promised_keys(settings):
    shown = status_module.as_json("mini", status_of(settings))
    assert shown["cohort"] == "mini"
    assert shown["stages"]["draft"] == {"rows": 2, "done": 0, "raw_only": 0, "missing": 2, "failed": 0}
    assert shown["spent_usd"] == 0.0
    assert shown["served_other_model"] == 0
