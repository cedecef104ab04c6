import math
import os

import pytest

from tests.stores import ABSENT, CATALOGS, COHORT, Store
from workflow_lib.calls.served import served_other_model
from workflow_lib.errors import StoreError
from workflow_lib.files import write_text
from workflow_lib.generations.state import States
from workflow_lib.results import coverage, scores
from workflow_lib.stages import STAGES


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def only(store, entry):
    """The row of one evaluation, which both ways of finding its lineage must agree on."""
    by_store = scores.aggregate(store.root, [entry.gen_id])
    by_cohort = scores.frame(scores.of_cohort(store.settings, store.membership))
    by_cohort = by_cohort[by_cohort["gen_id"] == entry.gen_id]
    assert by_cohort.to_csv(index=False) == by_store.to_csv(index=False)
    return by_store.iloc[0]


def test_row_names_the_whole_lineage(store):
    draft = store.draft("d-other", "w2", replicate=2)
    essay = store.essay(draft, "e-plain", "w1", replicate=3)
    evaluation = store.evaluation(essay, "style", "j2", replicate=4, score=7)
    row = only(store, evaluation)
    assert row.to_dict() == {
        "gen_id": evaluation.gen_id,
        "parent_gen_id": essay.gen_id,
        "evaluation_template": "style",
        "evaluation_llm_model": "j2",
        "score": 7.0,
        "error": "",
        "evaluation_response_path": f"gens/evaluation/{evaluation.gen_id}/parsed.txt",
        "combo_id": store.combos[0],
        "draft_template": "d-other",
        "generation_template": "e-plain",
        "generation_model": "w1",
        "origin_cohort_id": COHORT,
        "generation_response_path": f"gens/essay/{essay.gen_id}/parsed.txt",
        "input_mode": "prompt",
        "copied_from": "",
        "draft_gen_id": draft.gen_id,
        "draft_model": "w2",
        "draft_replicate": 2,
        "essay_replicate": 3,
        "evaluation_replicate": 4,
        "cost_usd": 0.001,
        "stale": "false",
        "stale_lineage": "false",
        "stale_reasons": "",
        "edited": "false",
        "served_model": "org/judge-2",
    }
    assert (store.root / row["evaluation_response_path"]).read_text() == "7.0\n"


def test_columns_are_those_that_scripts_rely_on(store):
    assert list(scores.aggregate(store.root, []).columns) == list(scores.COLUMNS)
    assert scores.COLUMNS[4:6] == ("score", "error")
    assert scores.COLUMNS[20:] == ("cost_usd", "stale", "stale_lineage", "stale_reasons", "edited", "served_model")


def test_rows_are_sorted_and_each_evaluation_appears_once(store):
    essay = store.essay(store.draft())
    found = [store.evaluation(essay, replicate=number).gen_id for number in range(1, 6)]
    table = scores.aggregate(store.root, [*found, found[0]])
    assert list(table["gen_id"]) == sorted(found)


def test_score_is_written_as_python_prints_it(store):
    essay = store.essay(store.draft())
    for template, text in (("novelty", f"{7.0!r}\n"), ("ten", f"{8 / 9 * 10!r}\n")):
        evaluation = store.evaluation(essay, template, parsed=text)
        csv = scores.aggregate(store.root, [evaluation.gen_id]).to_csv(index=False)
        assert csv.splitlines()[1].split(",")[4] == text.strip()


def test_essay_without_a_model_of_its_own_has_the_drafts(store):
    essay = store.essay(store.draft(model="w2"), "e-copy")
    store.amend(store.files(essay).metadata, llm_model_id=None)
    store.entries[-1] = essay._replace(llm_model_id="")
    row = only(store, store.evaluation(essay))
    assert row["generation_model"] == "w2"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("seven\n", "invalid_score: parsed.txt is not a number (6 characters)"),
        ("", "invalid_score: parsed.txt is not a number (0 characters)"),
        ("nan\n", "invalid_score: parsed.txt is not a finite number"),
        ("inf\n", "invalid_score: parsed.txt is not a finite number"),
    ],
)
def test_bad_parsed_text_is_no_score(store, text, reason):
    row = only(store, store.evaluation(store.essay(store.draft()), parsed=text))
    assert math.isnan(row["score"]) and row["error"] == reason


def test_text_of_a_model_never_gets_into_the_table(store):
    evaluation = store.evaluation(store.essay(store.draft()), parsed="=HYPERLINK(secret)")
    assert "HYPERLINK" not in scores.aggregate(store.root, [evaluation.gen_id]).to_csv()


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"state": "raw"}, "missing_parsed"),
        ({"state": "raw", "failure": ("parse", "truncated")}, "truncated"),
        ({"state": "failed", "failure": ("call", "rate_limited")}, "rate_limited"),
        ({"state": "failed", "failure": ("call", "=cmd()")}, "'=cmd()"),
    ],
)
def test_reason_for_a_missing_score(store, parts, reason):
    row = only(store, store.evaluation(store.essay(store.draft()), **parts))
    assert math.isnan(row["score"]) and row["error"] == reason


def test_generation_that_never_began_is_missing(store):
    evaluation = store.evaluation(store.essay(store.draft()), state="absent")
    table = scores.frame(scores.of_cohort(store.settings, store.membership))
    assert list(table["error"]) == ["missing_parsed"] and list(table["gen_id"]) == [evaluation.gen_id]
    assert list(table["stale"]) == ["unknown"]
    assert list(scores.aggregate(store.root, [evaluation.gen_id])["error"]) == ["missing_parsed"]


def test_score_of_an_older_answer_does_not_count_after_a_fresh_one_failed_to_parse(store):
    evaluation = store.evaluation(store.essay(store.draft()), failure=("parse", "no_score_last_lines"))
    assert only(store, evaluation)["score"] == 7.0
    write_text(store.files(evaluation).raw, "A fresh answer without a score.")
    row = only(store, evaluation)
    assert math.isnan(row["score"]) and row["error"] == "no_score_last_lines"


def test_times_decide_where_no_sum_of_the_answer_was_recorded(store):
    evaluation = store.evaluation(store.essay(store.draft()), failure=("parse", "no_score_last_lines"))
    files = store.files(evaluation)
    store.amend(files.parsed_metadata, raw_sha256=ABSENT)
    os.utime(files.parsed, (1000, 1000))
    assert only(store, evaluation)["error"] == "no_score_last_lines"
    os.utime(files.raw, (900, 900))
    assert only(store, evaluation)["score"] == 7.0


def test_failed_call_for_a_fresh_answer_leaves_the_score_in_use(store):
    row = only(store, store.evaluation(store.essay(store.draft()), failure=("call", "timeout")))
    assert row["score"] == 7.0 and row["error"] == ""


def test_older_store_without_newer_fields_is_read(store):
    draft = store.draft(old=True)
    evaluation = store.evaluation(store.essay(draft, old=True), old=True)
    for entry in store.entries:
        store.amend(store.files(entry).metadata, replicate=ABSENT, origin_cohort_id=ABSENT, mode=ABSENT)
    row = only(store, evaluation)
    assert (row["score"], row["draft_gen_id"], row["stale"]) == (7.0, draft.gen_id, "unknown")
    assert row["input_mode"] == "prompt"
    assert math.isnan(row["cost_usd"]) and row["origin_cohort_id"] == ""


def test_store_without_catalogs_is_read(store):
    evaluation = store.evaluation(store.essay(store.draft()))
    for name in CATALOGS:
        store.data.catalog(name).unlink()
    row = only(store, evaluation)
    assert (row["score"], row["stale"]) == (7.0, "unknown")


def test_broken_chain_leaves_blanks_and_keeps_the_score(store):
    draft = store.draft()
    essay = store.essay(draft)
    evaluation = store.evaluation(essay)
    store.files(essay).metadata.unlink()
    row = scores.aggregate(store.root, [evaluation.gen_id]).iloc[0]
    assert (row["score"], row["draft_template"]) == (7.0, "")
    assert (row["stale"], row["stale_lineage"]) == ("false", "unknown")


def test_parent_id_that_leaves_the_store_is_not_followed(store):
    evaluation = store.evaluation(store.essay(store.draft()))
    store.amend(store.files(evaluation).metadata, parent_gen_id="../../../etc")
    row = scores.aggregate(store.root, [evaluation.gen_id]).iloc[0]
    assert (row["parent_gen_id"], row["generation_response_path"]) == ("", "")
    with pytest.raises(StoreError, match="cannot be a gen_id"):
        scores.aggregate(store.root, ["../x"])


def test_stale_is_the_evaluations_own_and_stale_lineage_that_of_all_behind_it(store):
    evaluation = store.evaluation(store.essay(store.draft()))
    write_text(store.data.template("draft", "d-plain"), "Otherwise: {{ concepts | length }}")
    row = only(store, evaluation)
    assert (row["stale"], row["stale_lineage"], row["stale_reasons"]) == ("false", "true", "")
    write_text(store.data.template("evaluation", "novelty"), "Otherwise: {{ response }}")
    row = only(store, evaluation)
    assert (row["stale"], row["stale_lineage"], row["stale_reasons"]) == ("true", "true", "prompt")


def counted(store, **results):
    states = States(store.load(results=results))
    judgements = scores.of_cohort(states.settings, store.membership, states)
    found = coverage.outcomes(states, judgements)
    return found, list(coverage.counted(scores.frame(judgements), found)["score"].dropna())


@pytest.mark.parametrize("where", ["draft", "essay", "evaluation"])
def test_score_with_an_edited_text_behind_it_is_marked_and_counts_only_if_accepted(store, where):
    chain = [store.draft(), None, None]
    chain[1] = store.essay(chain[0])
    chain[2] = store.evaluation(chain[1], score=7)
    store.files(next(entry for entry in chain if entry.stage == where)).raw.write_text("Edited.\nSCORE: 7")
    row = only(store, chain[2])
    assert (row["score"], row["edited"]) == (7.0, "true")
    assert counted(store) == (["edited"], [])
    assert counted(store, accept_edited=True) == (["scored"], [7.0])
    assert counted(store, accept_other_models=True) == (["edited"], [])


@pytest.mark.parametrize("where", ["draft", "essay", "evaluation"])
def test_score_with_an_answer_of_another_model_behind_it_counts_only_if_accepted(store, where):
    parts = {stage: {"recorded": {"served_model": "org/else"}} if stage == where else {} for stage in STAGES}
    essay = store.essay(store.draft(**parts["draft"]), **parts["essay"])
    row = only(store, store.evaluation(essay, score=7, **parts["evaluation"]))
    assert row["score"] == 7.0
    assert row["served_model"] == ("org/else" if where == "evaluation" else "org/judge-1")
    assert counted(store) == (["other_model"], [])
    assert counted(store, accept_other_models=True) == (["scored"], [7.0])


def test_score_outside_the_range_of_its_parser_does_not_count(store):
    essay = store.essay(store.draft())
    for replicate, score in enumerate((0, 9, 9.5, -1), start=1):
        store.evaluation(essay, replicate=replicate, score=score)
    store.evaluation(essay, "ten", score=10)
    found, valid = counted(store)
    assert sorted(found) == ["scored"] * 3 + ["unparsable"] * 2
    assert sorted(valid) == [0, 9, 10]


@pytest.mark.parametrize(
    ("asked", "served", "other"),
    [
        ("openai/gpt-4o", "openai/gpt-4o", False),
        ("openai/gpt-4o", "gpt-4o-2024-08-06", False),
        ("gpt-4o-2024-08-06", "openai/GPT-4o", False),
        ("deepseek/deepseek-r1:free", "deepseek/deepseek-r1", False),
        ("deepseek/deepseek-r1", "deepseek/deepseek-r1-0528", False),
        ("google/gemini-2.0-flash", "google/gemini-2.0-flash-001", False),
        ("cohere/command-r", "cohere/command-r-08-2024", False),
        ("mistralai/mistral-7b-instruct", "mistralai/mistral-7b-instruct-v0.3", False),
        ("anthropic/claude-sonnet-4", "anthropic/claude-4-sonnet-20250522", False),
        ("anthropic/claude-sonnet-4", None, False),
        (None, "anthropic/claude-sonnet-4", False),
        ("openai/gpt-5", "openai/gpt-5-mini", True),
        ("openai/gpt-4", "openai/gpt-4.1", True),
        ("anthropic/claude-sonnet-4", "anthropic/claude-sonnet-4-5", True),
        ("openai/gpt-4o-2024-05-13", "openai/gpt-4o-2024-08-06", True),
        ("meta/llama-3-8b", "nous/llama-3-8b", True),
        ("google/gemini-2.5-flash", "google/gemini-2.5-flash-lite", True),
    ],
)
def test_other_names_of_a_model_are_no_mismatch(asked, served, other):
    assert served_other_model(asked, served) is other
