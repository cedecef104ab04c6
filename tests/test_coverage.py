import pytest

from tests.project import read_csv
from tests.stores import COHORT, Store
from workflow_lib.generations import failures
from workflow_lib.generations.state import States
from workflow_lib.results import coverage, reports, scores
from workflow_lib.stages import STAGES

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


OTHERS = {"recorded": {"served_model": "org/another"}}


def with_one_changed(store, stage, edited):
    """Add two lineages; a text of the first, of `stage`, is edited or another model's. Returns the evaluations."""
    found = []
    for replicate in (1, 2):
        parts = {name: OTHERS if replicate == 1 and name == stage and not edited else {} for name in STAGES}
        draft = store.draft(replicate=replicate, **parts["draft"])
        essay = store.essay(draft, **parts["essay"])
        evaluation = store.evaluation(essay, **parts["evaluation"])
        found.append(evaluation.gen_id)
        if edited and replicate == 1:
            changed = {"draft": draft, "essay": essay, "evaluation": evaluation}[stage]
            files = store.files(changed)
            files.raw.write_text(files.raw.read_text() + "\nSomebody added this.\nSCORE: 8")
    return found


@pytest.mark.parametrize("edited", [True, False], ids=["edited", "other model"])
@pytest.mark.parametrize("stage", STAGES)
def test_score_counts_only_if_its_whole_lineage_is_what_was_asked_for(store, stage, edited):
    first, second = with_one_changed(store, stage, edited)

    def counting(settings):
        states = States(settings)
        found = scores.of_cohort(settings, store.membership, states)
        table = coverage.counted(scores.frame(found), coverage.outcomes(states, found))
        return {row["gen_id"] for row in table.to_dict("records") if row["score"] == row["score"]}

    assert counting(store.settings) == {second}
    accepted, other = ("accept_edited", "accept_other_models") if edited else ("accept_other_models", "accept_edited")
    assert counting(store.load(results={other: True})) == {second}
    assert counting(store.load(results={accepted: True})) == {first, second}


def test_tables_of_a_cohort_leave_out_what_does_not_count_until_it_is_accepted(store):
    first, second = with_one_changed(store, "draft", edited=False)
    store.write_membership()
    for settings, essays in ((store.settings, 1), (store.load(results={"accept_other_models": True}), 2)):
        reports.write(settings, COHORT, store.membership)
        cohort = store.data.cohort(COHORT)
        assert {row["gen_id"] for row in read_csv(cohort.aggregated_scores) if row["score"]} == {first, second}
        assert len(read_csv(cohort.analysis("adjusted_scores"))) == essays
        [total] = [
            row for row in read_csv(cohort.summary("final_results")) if row["analysis_type"] == "overall_statistics"
        ]
        assert total["count"] == str(essays)
