import math

import numpy as np
import pytest
from scipy import stats

from tests.score_table import drawn, tidy
from workflow_lib.statistics import biases


def rows_of(frame, bias, families=None):
    return [row for row in biases.biases(frame, families).to_dict("records") if row["bias"] == bias]


def test_own_model_preference_is_relative_to_neutral_judges():
    rows = drawn(seed=1, combos=6, judges=("w1", "j2", "j3"), essay=1.0, judge=1.0, error=0.2)
    for row in rows:
        # essays of w1 are better, which is no preference; its judge gives them 0.8 more, which is
        row["score"] += (row["generation_model"] == "w1") * (1.0 + 0.8 * (row["evaluation_llm_model"] == "w1"))
    frame = tidy(*rows)
    [row] = rows_of(frame, "own_model")
    assert (row["judge"], row["n_combos"], row["n_own"], row["n_other"]) == ("w1", 6, 48, 48)
    assert row["value"] == pytest.approx(0.8, abs=0.15) and row["ci_low"] > 0.5
    gaps = {}
    for _, unit in frame.groupby(["parent_gen_id", "evaluation_template"], observed=True):
        by_judge = unit.groupby("evaluation_llm_model", observed=True)["score"].mean()
        gap = by_judge["w1"] - by_judge[["j2", "j3"]].mean()
        gaps.setdefault((unit["combo_id"].iloc[0], unit["generation_model"].iloc[0] == "w1"), []).append(gap)
    combos = sorted({combo for combo, _ in gaps})
    by_combo = [9 * (np.mean(gaps[combo, True]) - np.mean(gaps[combo, False])) for combo in combos]
    expected = stats.ttest_1samp(by_combo, 0)
    assert row["value"] == pytest.approx(np.mean(by_combo)) and row["p"] == pytest.approx(expected.pvalue)


def test_what_others_add_to_their_own_is_no_preference_of_a_judge():
    # both writers judge and add 1 to their own; the mean of the other two would say 1.5
    rows = drawn(seed=3, combos=8, judges=("w1", "w2", "j3"), essay=1.0, judge=1.0, error=0.2)
    for row in rows:
        row["score"] += row["generation_model"] == row["evaluation_llm_model"]
    both = rows_of(tidy(*rows), "own_model")
    assert len(both) == 2
    for row in both:
        assert row["value"] == pytest.approx(1.0, abs=0.15) and row["ci_low"] < 1.0 < row["ci_high"]
    # nobody is left to compare with: the sum of two preferences is not split
    between = [row for row in rows if row["evaluation_llm_model"] != "j3"]
    both = rows_of(tidy(*between), "own_model")
    assert len(both) == 2
    for row in both:
        assert math.isnan(row["value"]) and (row["n_own"], row["n_other"]) == (0, 0)


def test_strict_neutral_judge_that_is_missing_changes_no_preference():
    rows = drawn(seed=4, combos=8, judges=("w1", "j2", "j3"), essay=0.5, error=0.2)
    for place, row in enumerate(rows):
        row["score"] -= 3.0 * (row["evaluation_llm_model"] == "j3")
        # the strict one judges few of the essays that w1 wrote
        if row["evaluation_llm_model"] == "j3" and row["generation_model"] == "w1" and place % 4:
            row["score"] = math.nan
    [row] = rows_of(tidy(*rows), "own_model")
    assert row["value"] == pytest.approx(0.0, abs=0.15)


def test_family_that_wrote_everything_has_no_preference_in_many_combos():
    # more combos than a category of one byte holds, none of which another family wrote for
    rows = drawn(seed=5, combos=200, judges=("j1", "j2"), essay=0.5, error=0.2)
    families = {name: (name, "ours") for name in ("w1", "w2", "j1")}
    [row] = rows_of(tidy(*rows), "own_family", families)
    assert (row["judge"], row["n_other"]) == ("j1", 0) and math.isnan(row["value"])


def test_family_is_that_of_the_catalog():
    rows = drawn(seed=2, combos=3, judges=("j1", "j2"))
    families = {
        "w1": ("org/one", "org"),
        "j1": ("org/two", "org"),
        "j2": ("other/x", "other"),
        "w2": ("third/y", "third"),
    }
    assert rows_of(tidy(*rows), "own_model", families) == []
    [row] = rows_of(tidy(*rows), "own_family", families)
    assert (row["judge"], row["n_combos"]) == ("j1", 3)
    # a judge of a writer's family is not neutral
    [row] = rows_of(tidy(*rows), "own_family", families | {"j2": ("third/z", "third")})[:1]
    assert math.isnan(row["value"])


def test_judge_of_one_family_only_has_no_preference_to_measure():
    rows = drawn(seed=2, combos=3, writers=("w1",), judges=("w1", "j2"))
    [row] = rows_of(tidy(*rows), "own_model")
    assert math.isnan(row["value"]) and row["n_other"] == 0


def with_words(rows, seed, slope, judge="j1"):
    rng = np.random.default_rng(seed)
    words = {essay: int(rng.integers(200, 1500)) for essay in sorted({row["parent_gen_id"] for row in rows})}
    for row in rows:
        if row["evaluation_llm_model"] == judge:
            row["score"] += slope * math.log(words[row["parent_gen_id"]] / 600)
    return words


def test_length_counts_for_the_judge_who_rewards_it():
    rows = drawn(seed=3, combos=12, essay=0.3, error=0.2)
    words = with_words(rows, 1, 1.2)
    found = {row["judge"]: row for row in rows_of(tidy(*rows, words=words), "length_slope")}
    assert found["j1"]["ci_low"] < 1.2 < found["j1"]["ci_high"] and found["j1"]["value"] == pytest.approx(1.2, abs=0.3)
    assert found["j2"]["ci_low"] < 0 < found["j2"]["ci_high"]


def test_difference_that_is_only_length_goes_away():
    rows = drawn(seed=4, combos=12, judges=("j1",), error=0.1, draft=0.1)
    words = with_words(rows, 1, 2.0)
    longer = {row["parent_gen_id"] for row in rows if row["draft_template"] == "d1"}
    words = {essay: count * (2 if essay in longer else 1) for essay, count in words.items()}
    for row in rows:
        row["score"] += 2.0 * math.log(2) * (row["parent_gen_id"] in longer)
    frame = tidy(*rows, words=words)
    [row] = [row for row in rows_of(frame, "length_adjusted_difference") if row["factor"] == "draft_template"]
    assert (row["level_a"], row["level_b"]) == ("d1", "d2")
    assert row["value"] == pytest.approx(0.0, abs=0.2)


def test_without_word_counts_there_are_no_rows_about_length():
    found = biases.biases(tidy(*drawn(combos=3)))
    assert not set(found["bias"]) & {"length_slope", "length_adjusted_difference"}


def test_essays_of_one_length_have_no_slope():
    rows = drawn(combos=3)
    found = rows_of(tidy(*rows, words={row["parent_gen_id"]: 500 for row in rows}), "length_slope")
    assert len(found) == 3 and all(math.isnan(row["value"]) for row in found)
