"""The tables of analysis/ as they stand in their files, for cohorts of every shape."""

import csv

import pytest

from tests.score_table import drawn, table
from tests.stores import COHORT, Store
from workflow_lib.contents import ANALYSIS_TABLES
from workflow_lib.results import claims, reports

pytestmark = pytest.mark.filterwarnings("error")

USUAL = {"combos": 3, "essay": 1.0, "judge": 0.7, "whole": True}
SHAPES = {
    "usual": USUAL,
    "one combo": USUAL | {"combos": 1},
    "one judge": USUAL | {"judges": ("j1",)},
    "one template": USUAL | {"rubrics": ("r1",)},
    "no replicates": USUAL | {"replicates": 1},
    "one of everything": USUAL
    | {
        "drafts": ("d1",),
        "writers": ("w1",),
        "essays": ("g1",),
        "judges": ("j1",),
        "rubrics": ("r1",),
        "replicates": 1,
    },
    "crossed": USUAL | {"crossed": True, "draft_replicates": 2},
}


def made(rows, scales=None, **others):
    background = claims.Background(
        scales=scales or {}, words={row.get("parent_gen_id", "e1"): 400 for row in rows}, **others
    )
    return claims.tables(table(*rows), background)


def numbers(found):
    """Every cell of every table as it would be written."""
    return [value for one in found.values() for column in one.columns for value in one[column]]


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_cohort_has_its_tables(shape):
    found = made(drawn(**SHAPES[shape]))
    assert set(found) == set(ANALYSIS_TABLES) - {"variance_analysis"}
    assert not {"nan", "inf", "-inf", "None"} & {str(value) for value in numbers(found)}


def test_all_scores_equal_claim_nothing():
    rows = [row | {"score": 5.0} for row in drawn(**USUAL)]
    found = made(rows)
    assert set(found["comparisons"]["clear"]) == {""} and set(found["comparisons"]["difference"]) == {"0.000"}
    assert set(found["adjusted_scores"]["rank"]) == {1} and set(found["adjusted_scores"]["ci_low"]) == {""}
    assert set(found["judges"]["alpha"]) == {""} and set(found["judges"]["spread"]) == {"0.000"}
    assert set(found["decision_study"]["reliability_fixed_templates"]) == {""}


def test_every_cell_missing_once_leaves_figures():
    rows = drawn(**USUAL)
    kept = [row for place, row in enumerate(rows) if place % 2 == (place // 4) % 2]
    found = made(kept)
    assert len(found["adjusted_scores"]) == 24 and "" not in set(found["adjusted_scores"]["estimate"])
    assert "" not in set(found["comparisons"]["difference"])


@pytest.mark.slow
def test_disconnected_judges_are_reported():
    halves = {"k000": ("j1",), "k001": ("j2", "j3"), "k002": ("j2", "j3")}
    rows = [row for row in drawn(**USUAL) if row["evaluation_llm_model"] in halves[row["combo_id"]]]
    found = made(rows)
    assert list(found["adjusted_scores"]["component"].value_counts()) == [16, 8]
    assert len(found["next_steps"].query("question == 'distinguish the top group'")) == 2
    with_j1 = found["judges"].query("evaluation_llm_model == 'j1'")
    assert set(with_j1["severity"]) == {""}


@pytest.mark.parametrize("count", [0, 1])
def test_next_to_no_evaluations_give_tables_without_numbers(count):
    found = made([{"score": 7.0}] * count)
    assert len(found["comparisons"]) == 0 and len(found["adjusted_scores"]) == len(found["judges"]) == count
    assert list(found["adjusted_scores"]["raw_mean"]) == ["7.000"] * count
    assert len(found["variance_components"]) == 0 and len(found["decision_study"]) == 125 * count


@pytest.mark.slow
def test_a_template_of_100_points_weighs_as_much_as_one_of_9():
    rows = drawn(seed=1, **USUAL)
    in_hundreds = [
        row | ({"score": row["score"] / 9 * 100} if row["evaluation_template"] == "r2" else {}) for row in rows
    ]
    same, mixed = made(rows), made(in_hundreds, scales={"r2": 100.0})
    for name in same:
        assert same[name].to_csv() == mixed[name].to_csv(), name


@pytest.mark.slow
def test_tables_do_not_depend_on_the_order_of_rows():
    rows = drawn(seed=2, **USUAL)
    numbered = [row | {"gen_id": f"v{place}"} for place, row in enumerate(rows)]
    once, again = made(numbered), made(numbered[::-1])
    for name in once:
        assert once[name].to_csv() == again[name].to_csv(), name


def test_numbers_have_three_decimals_p_values_four_and_dollars_six():
    found = made(drawn(seed=3, **USUAL), usd_per_combo=1 / 3)
    row = found["comparisons"].iloc[0]
    assert all(len(row[name].partition(".")[2]) == 3 for name in ("difference", "ci_low", "sd_combos"))
    assert all(len(row[name].partition(".")[2]) == 4 for name in ("p", "these_p", "p_holm"))
    assert found["detectable_differences"]["usd"][0] == "1.000000"
    assert found["decision_study"]["usd_per_essay"][0] == "0.001000"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def rows_of(store, name):
    with open(store.data.cohort(COHORT).analysis(name), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_answer_of_another_model_stays_in_the_list_and_counts_nowhere_else(store):
    for combo in range(3):
        essay = store.essay(store.draft(combo=combo))
        store.evaluation(essay, score=5 + combo)
        store.evaluation(essay, judge="j2", score=0, recorded={"served_model": "org/another"})
    store.write_membership()
    reports.write(store.settings, COHORT, store.membership)
    cohort = store.data.cohort(COHORT)
    assert cohort.aggregated_scores.read_text().count("novelty") == 6
    with open(cohort.summary("final_results"), newline="", encoding="utf-8") as file:
        [overall] = [row for row in csv.DictReader(file) if row["analysis_type"] == "overall_statistics"]
    assert (overall["count"], overall["average"]) == ("3", "6.00")
    assert [row["raw_mean"] for row in rows_of(store, "adjusted_scores")] == ["7.000", "6.000", "5.000"]
    assert {row["evaluation_llm_model"] for row in rows_of(store, "judges")} == {"j1"}
    assert len(rows_of(store, "variance_analysis")) == 9


def test_words_prices_and_copies_come_from_the_store(store):
    for combo in range(3):
        draft = store.draft(combo=combo)
        for template in ("e-plain", "e-copy"):
            essay = store.essay(draft, template, raw="word" + " word" * (9 + 10 * combo))
            for judge in ("j1", "j2"):
                store.evaluation(essay, judge=judge, score=4 + combo + (template == "e-plain"))
    store.write_membership()
    reports.write(store.settings, COHORT, store.membership)
    slopes = [row for row in rows_of(store, "biases") if row["bias"] == "length_slope"]
    assert {row["judge"] for row in slopes} == {"j1", "j2"} and all(row["value"] for row in slopes)
    # per combo: a draft, one essay (the copy costs nothing) and four evaluations
    [three] = [row for row in rows_of(store, "detectable_differences") if row["combos"] == "3"]
    assert (three["factor"], three["usd"]) == ("generation_template", "0.018000")
