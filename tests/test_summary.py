import pytest

from tests.stores import COHORT, Store
from workflow_lib.cohorts.membership import Membership
from workflow_lib.generations.state import States
from workflow_lib.results import reports, scores, spending, summary

SCALES = {"novelty": 9.0, "style": 9.0, "ten": 10.0}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def frame(store):
    return scores.frame(scores.of_cohort(store.settings, store.membership))


def records(table):
    return table.to_dict("records")


def test_cell_has_mean_extremes_and_n_of_each_judge_and_template(store):
    essay = store.essay(store.draft())
    for replicate, score in enumerate((6, 7, 7), start=1):
        store.evaluation(essay, "novelty", "j1", replicate, score)
    store.evaluation(essay, "style", "j2", score=4)
    store.evaluation(essay, "style", "j2", 2, state="raw", failure=("parse", "truncated"))
    [row] = records(summary.generation_scores(frame(store)))
    assert (row["j1_novelty"], row["j1_novelty_min"], row["j1_novelty_max"]) == ("6.67", "6.00", "7.00")
    assert (row["j1_novelty_n"], row["j2_style"], row["j2_style_n"]) == (3, "4.00", 1)
    assert row["allowlisted_template_score_sum"] == "10.67"
    assert [row[name] for name in summary.CELL] == [store.combos[0], "d-plain", "w1", "e-plain", "w1"]


def test_allowlist_limits_the_sum_to_its_columns(store):
    essay = store.essay(store.draft())
    store.evaluation(essay, "novelty", "j1", score=6)
    store.evaluation(essay, "style", "j2", score=4)
    [row] = records(summary.generation_scores(frame(store), ["j2_style", "j9_unknown"]))
    assert row["allowlisted_template_score_sum"] == "4.00"


def test_sum_is_over_the_means_that_exist_and_empty_without_any(store):
    for combo, score in ((0, 5.0), (1, None)):
        essay = store.essay(store.draft(combo=combo))
        store.evaluation(essay, "novelty", "j1", state="raw", failure=("parse", "truncated"))
        if score:
            store.evaluation(essay, "style", "j1", score=score)
    rows = {row["combo_id"]: row for row in records(summary.generation_scores(frame(store)))}
    one = rows[store.combos[0]]
    # the sum of a cell with a missing score is smaller, its mean need not be
    assert [one[f"allowlisted_template_score_sum{part}"] for part in ("", "_n", "_mean")] == ["5.00", 1, "5.00"]
    failed = rows[store.combos[1]]
    assert (failed["j1_novelty"], failed["j1_novelty_n"], failed["allowlisted_template_score_sum"]) == ("", 0, "")


def test_path_is_that_of_the_lowest_replicate(store):
    second, first = store.draft(replicate=2), store.draft(replicate=1)
    for essay in (store.essay(second), store.essay(first, replicate=2), wanted := store.essay(first)):
        store.evaluation(essay)
    [row] = records(summary.generation_scores(frame(store)))
    assert row["generation_response_path"] == f"gens/essay/{wanted.gen_id}/parsed.txt"
    assert row["j1_novelty_n"] == 3


def test_columns_stay_apart_when_ids_with_underscores_would_join_to_one_name(store):
    essay = store.essay(store.draft())
    for judge, template in (("a", "b_c"), ("a_b", "c")):
        store.evaluation(essay, template, judge, state="absent")
    names = summary.judge_columns(frame(store))
    assert names == {("a", "b_c"): "a__b_c", ("a_b", "c"): "a_b__c"}


def test_final_results_count_and_average_each_group(store):
    one = store.essay(store.draft("d-plain", "w1"))
    other = store.essay(store.draft("d-other", "w2", combo=1), "e-copy")
    for score, essay, judge, template in (
        (9, one, "j1", "novelty"),
        (8, one, "j2", "novelty"),
        (3, other, "j1", "novelty"),
        (9, other, "j2", "ten"),
    ):
        store.evaluation(essay, template, judge, score=score)
    rows = records(summary.final_results(frame(store), SCALES))
    assert list(dict.fromkeys(row["analysis_type"] for row in rows)) == list(summary.FINAL_GROUPS)
    overall = rows[-1]
    # 9 of 9 is perfect, 9 of 10 is high (>= 8.89) and not perfect; std of 9, 8, 3, 9 is sqrt(24.75 / 3)
    assert overall == dict(
        zip(
            summary.FINAL_COLUMNS,
            ("overall_statistics", "", "", "", "", 4, "7.25", "2.87", "3.00", "9.00", 1, "25.00", 3, "75.00", 1, ""),
            strict=True,
        )
    )
    by_draft = {row["draft_template"]: row for row in rows if row["analysis_type"] == "by_draft_template"}
    assert {name: row["average"] for name, row in by_draft.items()} == {"d-other": "6.00", "d-plain": "8.50"}
    assert all(row["generation_template"] == name for name, row in by_draft.items())
    crossed = [row for row in rows if row["analysis_type"] == "by_generation_vs_evaluation_model"]
    assert [(row["generation_model"], row["evaluation_llm_model"], row["average"]) for row in crossed] == [
        ("w1", "j1", "9.00"),
        ("w1", "j2", "8.00"),
        ("w2", "j1", "3.00"),
        ("w2", "j2", "9.00"),
    ]
    assert {row["std_dev"] for row in crossed} == {""}


def test_perfect_scores_lead_to_their_texts(store):
    essay = store.essay(store.draft())
    best = store.evaluation(essay, "novelty", score=9)
    store.evaluation(essay, "ten", score=9)
    [row] = records(summary.perfect_score_paths(frame(store), SCALES))
    assert (row["gen_id"], row["score"]) == (best.gen_id, 9.0)
    assert (store.root / row["evaluation_response_path"]).read_text() == "9.0\n"
    assert (store.root / row["generation_response_path"]).exists()


def test_pivot_shows_means_with_their_coverage(store):
    for template, score in (("d-plain", 4), ("d-other", 7)):
        essay = store.essay(store.draft(template))
        store.evaluation(essay, "novelty", "j1", score=score)
        store.evaluation(essay, "style", "j1", state="failed", failure=("call", "timeout"))
    [row] = records(summary.evaluation_model_template_pivot(frame(store)))
    assert row == {
        "combo_id": store.combos[0],
        "generation_template": "e-plain",
        "generation_model": "w1",
        "j1_novelty": "5.50",
        "j1_novelty_n": 2,
        "j1_style": "",
        "j1_style_n": 0,
        "scored": 2,
        "expected": 4,
        "coverage_pct": "50.00",
    }


def test_long_form_is_normalised_by_the_scale_of_its_template(store):
    essay = store.essay(store.draft())
    store.evaluation(essay, "novelty", score=6)
    store.evaluation(essay, "ten", score=6)
    store.evaluation(essay, "style", state="raw")
    table = summary.evaluation_scores(frame(store), SCALES)
    assert tuple(table.columns) == summary.LONG_COLUMNS
    found = {row["evaluation_template"]: (row["score"], row["score_normalised"]) for row in records(table)}
    assert found == {"novelty": (6.0, "0.67"), "ten": (6.0, "0.60")}


def test_costs_count_every_attempt_and_keep_unknown_apart_from_free(store):
    draft = store.draft()
    store.attempt(draft, 2, ".failed", reason="timeout")
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    store.attempt(draft, 3, answer="again", usage=usage, cost_usd=None, duration_s=1.25)
    essay = store.essay(draft, "e-copy")
    store.evaluation(essay, recorded={"cost_usd": None, "usage": None, "duration_s": None})
    store.evaluation(essay, judge="j2", old=True)
    store.evaluation(essay, judge="j3", state="absent")
    other = store.draft("d-other")
    store.attempt(other, 1, answer="of another", cohort_id="another", cost_usd=9.0)
    rows = spending.rows(States(store.settings), COHORT, store.membership)
    assert [tuple(row.values()) for row in rows] == [
        ("draft", "w1", 2, 1, 110, 25, 135, 0, "0.001000", 1, "1.75", 0, ""),
        ("evaluation", "j1", 1, 0, "", "", "", 1, "", 1, "", 0, ""),
    ]
    without_draft = Membership(entry for entry in store.membership if entry != draft)
    [row, _] = spending.rows(States(store.settings), COHORT, without_draft)
    assert (row["calls"], row["cost_usd"]) == (2, "0.001000")
    assert (row["dropped_calls"], row["dropped_cost_usd"]) == (2, "0.001000")
    assert tuple(rows[0]) == spending.COLUMNS


def written(store):
    store.write_membership()
    found = reports.write(store.settings, "small", store.membership)
    paths = store.data.cohort("small").tables
    return found, {path.name: path.read_bytes() for path in paths}


def test_every_table_of_a_cohort_that_ends_at_drafts_has_its_header_only(store):
    store.draft()
    found, tables = written(store)
    failures = [name for name, text in tables.items() if name.endswith(".csv") and text.count(b"\n") != 1]
    assert failures == ["costs.csv", "text_costs.csv"]
    assert (found.expected, found.partial) == (0, False)


def test_cohort_that_ends_at_drafts_is_partial_while_one_has_no_text(store):
    store.draft(state="failed", failure=("call", "timeout"))
    found, tables = written(store)
    assert found.partial
    assert tables["failures.csv"].splitlines()[1].split(b",")[2:4] == [b"call", b"timeout"]


def test_cohort_without_any_generation_gives_headers(store):
    found, tables = written(store)
    assert found.partial is False
    assert {text.count(b"\n") for name, text in tables.items() if name.endswith(".csv")} == {1}


def test_tables_of_a_cohort_where_everything_failed(store):
    draft = store.draft(state="failed", failure=("call", "no_credits"))
    store.evaluation(store.essay(draft, state="absent"), state="absent")
    found, tables = written(store)
    assert (found.partial, found.expected, found.scored, found.failed) == (True, 1, 0, 1)
    assert found.by_reason == {"failed_call": 1}
    assert tables["final_results.csv"].count(b"\n") == 1
    assert tables["aggregated_scores.csv"].count(b"\n") == 2


@pytest.mark.slow
def test_same_store_gives_the_same_bytes_in_whatever_order_the_rows_come(store):
    for template, model in (("d-plain", "w1"), ("d-other", "w1"), ("d-other", "w2"), ("d-plain", "w2")):
        essay = store.essay(store.draft(template, model))
        for judge, score in (("j1", 3.3), ("j2", 5.1), ("j3", 8.7)):
            store.evaluation(essay, "novelty", judge, score=score + len(essay.gen_id) % 3 / 3)
    found, first = written(store)
    store.entries.reverse()
    assert written(store) == (found, first)
    assert all(b"\r" not in text and text.endswith(b"\n") for text in first.values())


def test_completeness_adds_up(store):
    essay = store.essay(store.draft())
    store.evaluation(essay, "novelty", "j1")
    store.evaluation(essay, "novelty", "j2", recorded={"served_model": "org/another"})
    store.evaluation(essay, "novelty", "j3", state="absent")
    store.evaluation(essay, "style", "j1", state="raw", failure=("parse", "truncated"))
    found, _ = written(store)
    assert (found.expected, found.scored, found.missing, found.failed, found.partial) == (4, 1, 1, 1, True)
    assert found.by_reason == {"truncated": 1, "other_model": 1, "not_run": 1}
    assert found.expected == found.scored + sum(found.by_reason.values())
    nothing = {"rows": 1, "done": 1, "failed": 0, "truncated": 0, "stale": 0, "missing": 0, "other_model": 0}
    of_judges = nothing | {"rows": 4, "done": 2, "failed": 1, "missing": 1, "other_model": 1}
    assert found.stages == {"draft": nothing, "essay": nothing, "evaluation": of_judges}
    assert found.offline_models == []
