import pytest

from tests.stores import Store
from workflow_lib.generations import failures
from workflow_lib.generations.state import States
from workflow_lib.results import coverage, scores

HEADER = (
    "combo_id,draft_template,draft_model,generation_template,generation_model,evaluation_template,"
    "evaluation_llm_model,expected,scored,truncated,refused,empty,unparsable,failed_call,other_model,edited,not_run"
)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def rows(store):
    judgements = scores.of_cohort(store.settings, store.membership)
    return coverage.rows(judgements, coverage.outcomes(States(store.settings), judgements))


def outcome(store):
    [row] = rows(store)
    return [name for name in coverage.OUTCOMES if row[name]]


def test_columns_are_those_that_scripts_rely_on():
    assert ",".join(coverage.COLUMNS) == HEADER


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, "scored"),
        ({"recorded": {"served_model": "org/judge-1-2025-01-01"}}, "scored"),
        ({"recorded": {"served_model": "org/another"}}, "other_model"),
        ({"state": "raw", "failure": ("parse", "truncated")}, "truncated"),
        ({"state": "raw", "failure": ("parse", "empty_response")}, "empty"),
        ({"state": "raw", "failure": ("parse", "no_score_last_lines")}, "unparsable"),
        ({"state": "raw", "failure": ("parse", "out_of_range")}, "unparsable"),
        ({"parsed": "not a number"}, "unparsable"),
        ({"state": "failed", "failure": ("call", "server_error")}, "failed_call"),
        ({"state": "failed", "failure": ("prompt", "prompt")}, "failed_call"),
        ({"state": "failed", "failure": ("call", "budget_exhausted")}, "not_run"),
        ({"state": "raw"}, "not_run"),
        ({"state": "absent"}, "not_run"),
    ],
)
def test_each_evaluation_counts_under_one_outcome(store, parts, expected):
    store.evaluation(store.essay(store.draft()), **parts)
    assert outcome(store) == [expected]


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (("call", "timeout"), "failed_call"),
        (("parse", "truncated"), "truncated"),
        (("parse", "missing_essay_block"), "unparsable"),
        (("call", "budget_exhausted"), "not_run"),
    ],
)
@pytest.mark.parametrize("failed", ["draft", "essay"])
def test_evaluation_that_waits_for_a_failed_text_counts_under_its_failure(store, failed, failure, expected):
    if failed == "draft":
        essay = store.essay(store.draft(state="failed", failure=failure), state="absent")
    else:
        essay = store.essay(store.draft(), state="failed", failure=failure)
    store.evaluation(essay, state="failed", failure=("prompt", "prompt"))
    assert outcome(store) == [expected]


def test_old_failure_of_a_text_that_is_in_use_is_no_reason(store):
    store.evaluation(store.essay(store.draft(), failure=("call", "timeout")), state="absent")
    assert outcome(store) == ["not_run"]


def test_failed_parse_that_an_older_tool_recorded_is_unparsable(store):
    evaluation = store.evaluation(store.essay(store.draft()))
    store.files(evaluation).parsed.unlink()
    assert outcome(store) == ["not_run"]
    store.amend(store.files(evaluation).parsed_metadata, success=False)
    assert outcome(store) == ["unparsable"]


def test_replicates_of_a_cell_and_judge_add_up_in_one_row(store):
    for draft_replicate in (1, 2):
        essay = store.essay(store.draft(replicate=draft_replicate))
        store.evaluation(essay, "novelty", "j1")
        store.evaluation(essay, "novelty", "j1", 2, state="raw", failure=("parse", "truncated"))
        store.evaluation(essay, "novelty", "j2", state="absent")
    found = rows(store)
    assert [(row["evaluation_llm_model"], row["expected"]) for row in found] == [("j1", 4), ("j2", 2)]
    assert (found[0]["scored"], found[0]["truncated"], found[1]["not_run"]) == (2, 2, 2)
    for row in found:
        assert row["expected"] == sum(row[name] for name in coverage.OUTCOMES)


def test_failures_are_listed_by_stage_and_shown_in_one_table(store):
    store.draft("d-other", state="failed", failure=("call", "timeout"))
    essay = store.essay(store.draft())
    for number in range(1, 25):
        store.evaluation(essay, replicate=number, state="raw", failure=("parse", "truncated"))
    found = States(store.settings).failures(store.membership)
    assert [failure.stage for failure in found] == ["draft"] + ["evaluation"] * 24
    text = failures.table(found)
    assert text.startswith("25 generations have a failure on record:\n")
    assert "1      draft       call   timeout" in text and "24     evaluation  parse  truncated" in text
    assert "... and 5 more, all in reports/failures.csv" in text
    assert text.endswith("What to do:\n  timeout: Mend timeout.\n  truncated: Mend truncated.\n")
    assert failures.table([]) == ""


def test_message_of_a_failure_is_one_harmless_line(store):
    draft = store.draft(state="failed")
    store.fail(draft, "call", "bad_request", "first\nsecond \x1b[31mred\u202e " + "x" * 1000)
    [failure] = States(store.settings).failures(store.membership)
    assert failure.message.startswith("first second ?[31mred? xxx")
    assert len(failure.message) == failures.MAX_MESSAGE


def test_remedy_of_an_older_record_is_the_one_known_for_its_reason(store):
    draft = store.draft(failure=("parse", "truncated"))
    store.amend(store.files(draft).failure, remedy="")
    [failure] = States(store.settings).failures(store.membership)
    assert "max_tokens" in failure.remedy
