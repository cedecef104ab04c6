"""The tables of cohorts that no design book has: sensible figures or empty cells, never a warning."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.simulated import Design, cohort
from workflow_lib.results import claims

pytestmark = pytest.mark.slow

SMALL = Design(combos=3, judges={"j1": (0.5, 0.5), "j2": (0.0, 0.7)})
ONE = {"draft_template": (0.0,), "draft_model": (0.0,), "generation_template": (0.0,), "generation_model": (0.0,)}


def tables(scores, **background):
    """Return the tables as they stand in their files; any warning is an error."""
    words = dict(zip(scores["parent_gen_id"], scores["words"], strict=True))
    counted = scores.assign(cost_usd=0.01).astype({"score": "float64"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = claims.tables(counted, claims.Background(words=words, usd_per_combo=1.0, **background))
    for name, table in found.items():
        for column in table:
            shown = [str(value) for value in table[column]]
            assert not {"nan", "inf", "-inf", "None", "-0.000", "<NA>"} & set(shown), (name, column)
    assert_no_interval_of_two(found)
    return found


def assert_no_interval_of_two(found):
    """Fail where an interval, or a p value, rests on fewer than three independent values."""
    compared, slopes, board = found["comparisons"], found["biases"], found["adjusted_scores"]
    for table in (compared, slopes):
        few = table[pd.to_numeric(table["n_combos"]).fillna(0) < 3]
        assert {*few["ci_low"], *few["ci_high"], *few["p"]} <= {""}
    few = compared[pd.to_numeric(compared["n_cells"]) < 3]
    assert {*few["these_low"], *few["these_p"]} <= {""}
    few = board[board.groupby("component")["component"].transform("size") < 3]
    assert {*few["ci_low"], *few["rank_low"]} <= {""}
    agreement = found["judge_agreement"]
    assert {*agreement[agreement["n"] < 20]["ci_low"]} <= {""}


def scores_of(design=SMALL, seed=1):
    return cohort(design, seed)[0]


def rows(table, **wanted):
    chosen = table
    for name, value in wanted.items():
        chosen = chosen[chosen[name] == value]
    return chosen.to_dict("records")


def test_nothing_scored_gives_empty_tables():
    found = tables(scores_of().assign(score=math.nan))
    assert found and {name for name, table in found.items() if not table.empty} == set()


def test_one_evaluation_is_a_mean_and_no_claim():
    found = tables(scores_of().head(1).assign(score=6.0))
    [row] = rows(found["adjusted_scores"])
    assert (row["rank"], row["raw_mean"], row["estimate"]) == (1, "6.000", "6.000")
    assert row["ci_low"] == row["top_group"] == ""
    assert found["comparisons"].empty
    assert set(found["judge_agreement"]["ci_low"]) <= {""}


def test_one_combo_gives_no_interval_for_new_ones():
    found = tables(scores_of(replace(SMALL, combos=1)))
    compared = found["comparisons"]
    assert set(compared["ci_low"]) == set(compared["p"]) == {""}
    assert "true" not in set(compared["clear"])
    assert any(row["these_low"] for row in rows(compared, factor="generation_template"))
    assert set(found["detectable_differences"]["detectable_difference"]) == {""}
    assert rows(found["variance_components"], component="combo")[0]["variance"] == ""


def test_two_combos_are_described_and_give_no_interval_for_new_ones():
    compared = tables(scores_of(replace(SMALL, combos=2)))["comparisons"]
    assert all(compared["difference"]) and all(compared["sd_combos"])
    assert set(compared["ci_low"]) == set(compared["p"]) == {""}
    assert "true" not in set(compared["clear"])


def test_one_judge_has_no_agreement_and_essays_no_interval():
    found = tables(scores_of(replace(SMALL, judges={"j1": (0.5, 0.5)})))
    assert not {"krippendorff_alpha_of_replicate_means", "bias"} & set(found["judge_agreement"]["measure"])
    assert set(found["adjusted_scores"]["ci_low"]) == {""}
    assert set(found["adjusted_scores"]["top_group"]) == {""}
    assert set(found["decision_study"]["reliability_fixed_templates"]) == {""}
    assert rows(found["judges"], evaluation_llm_model="j1")[0]["severity"] == ""
    assert rows(found["variance_components"], component="essay x judge")[0]["variance"] == ""


def test_one_rubric_has_no_components_of_rubrics_but_a_reliability():
    found = tables(scores_of(replace(SMALL, rubrics=1)))
    assert "all" not in set(found["judges"]["evaluation_template"])
    for name in ("evaluation_template", "essay x evaluation_template", "judge x evaluation_template"):
        assert rows(found["variance_components"], component=name)[0]["variance"] == ""
    [own] = rows(found["decision_study"], present="true")
    assert 0 < float(own["reliability_fixed_templates"]) < 1
    assert own["reliability_random_templates"] == ""


def test_one_template_and_model_leave_nothing_to_compare():
    found = tables(scores_of(replace(SMALL, effects=ONE)))
    assert set(found["comparisons"]["factor"]) <= {"evaluation_llm_model", "evaluation_template"}
    assert set(found["comparisons"]["clear"]) == {""}


def test_without_replicates_their_error_is_part_of_what_is_left():
    found = tables(scores_of())
    assert rows(found["variance_components"], component="replicate error")[0]["variance"] == ""
    [joint] = [row for row in rows(found["variance_components"]) if "+ replicate error" in row["component"]]
    assert float(joint["variance"]) > 0
    assert not {"evaluation_replicate_sd", "draft_replicate_sd"} & set(found["judge_agreement"]["measure"])


@pytest.mark.parametrize("score", [0.0, 4.1, 9.0])
def test_equal_scores_are_a_tie_of_all_and_no_certainty(score):
    found = tables(scores_of().assign(score=score))
    compared, board = found["comparisons"], found["adjusted_scores"]
    assert set(compared["difference"]) == {"0.000"}
    assert set(compared["ci_low"]) == set(compared["p"]) == set(compared["these_low"]) == {""}
    assert "true" not in set(compared["clear"])
    assert set(board["rank"]) == {1}
    assert set(board["ci_low"]) == {""}
    alphas = rows(found["judge_agreement"], measure="krippendorff_alpha_of_replicate_means")
    assert {row["value"] for row in alphas} == {""}


def test_every_cell_may_be_missing_once():
    whole = scores_of(replace(SMALL, combos=2))
    full = tables(whole)
    keys = ["draft_template", "draft_model", "generation_template", "generation_model"]
    for key, _ in whole.groupby(keys):
        gone = (whole[keys] == list(key)).all(axis=1) & (whole["combo_id"] == "c000")
        found = tables(whole.assign(score=whole["score"].mask(gone)))
        assert len(found["comparisons"]) == len(full["comparisons"])
        assert len(found["adjusted_scores"]) == len(full["adjusted_scores"]) - whole[gone]["parent_gen_id"].nunique()


def test_judges_that_share_no_essay_are_two_boards():
    scores = scores_of()
    half = scores["combo_id"] == "c000"
    alone = (half & (scores["evaluation_llm_model"] == "j1")) | (~half & (scores["evaluation_llm_model"] == "j2"))
    board = tables(scores[alone])["adjusted_scores"]
    assert set(board["component"]) == {1, 2}
    for number, combos in ((1, {"c001", "c002"}), (2, {"c000"})):
        own = board[board["component"] == number]
        assert set(own["combo_id"]) == combos
        assert own["rank"].min() == 1


def test_scales_of_9_and_100_are_one_scale():
    scores = scores_of()
    wide = scores["evaluation_template"] == "r2"
    same = tables(scores)
    found = tables(scores.assign(score=scores["score"].where(~wide, scores["score"] * 100 / 9)), scales={"r2": 100.0})
    for name, table in same.items():
        pd.testing.assert_frame_equal(found[name], table, obj=name)


def test_two_essays_and_two_judges_with_one_essay():
    scores = scores_of(replace(SMALL, effects=ONE, rubrics=1))
    two = scores[scores["combo_id"].isin(["c000", "c001"])]
    board = tables(two.assign(score=[2.0, 3.0, 8.0, 8.0]))["adjusted_scores"]
    assert list(board["rank"]) == [1, 2]
    assert list(board["combo_id"]) == ["c001", "c000"]
    assert set(board["ci_low"]) == set(board["rank_high"]) == {""}
    one = tables(scores[scores["combo_id"] == "c000"])
    assert rows(one["judge_agreement"], measure="bias")[0]["n"] == 1
    assert set(one["judge_agreement"]["ci_low"]) == {""}


def test_order_of_the_rows_changes_nothing():
    scores = scores_of(replace(SMALL, missing=0.2, replicates=(2, 1, 2)))
    again = scores.sample(frac=1.0, random_state=np.random.RandomState(3))
    first, second = tables(scores), tables(again)
    for name, table in first.items():
        pd.testing.assert_frame_equal(second[name], table, obj=name)
