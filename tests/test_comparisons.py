import numpy as np
import pytest
from scipy import stats

from tests.score_table import drawn, tidy
from workflow_lib.statistics import comparisons, intervals

CELL = ("combo_id", "draft_template", "draft_model", "generation_template", "generation_model")


def compare(frame, factor, **wanted):
    rows = comparisons.comparisons(frame).to_dict("records")
    return [
        row for row in rows if row["factor"] == factor and all(row[name] == value for name, value in wanted.items())
    ]


def essay(combo, score, **others):
    """One essay of its own, judged once."""
    row = {"combo_id": combo, "score": score, **others}
    cell = "-".join(str(row.get(name, "")) for name in CELL)
    return {
        "parent_gen_id": f"e-{cell}-{row.get('essay_replicate', 1)}",
        "draft_gen_id": f"d-{combo}-{row.get('draft_template')}-{row.get('draft_model')}",
        **row,
    }


def test_difference_is_that_of_combos_whatever_units_they_have():
    # k1 has two units (draft models), k2 one: both combos count the same
    units = {("k1", "w1"): (6, 4), ("k1", "w2"): (8, 4), ("k2", "w1"): (5, 6), ("k3", "w1"): (7, 5)}
    frame = tidy(
        *(
            essay(combo, score, draft_template=level, draft_model=model, generation_model=model)
            for (combo, model), pair in units.items()
            for level, score in zip(("a", "b"), pair, strict=True)
        )
    )
    [row] = compare(frame, "draft_template")
    by_combo = np.array([3.0, -1.0, 2.0])
    expected = stats.ttest_1samp(by_combo, 0)
    low, high = expected.confidence_interval()
    assert (row["level_a"], row["level_b"], row["n_cells"], row["n_combos"]) == ("a", "b", 4, 3)
    assert row["difference"] == pytest.approx(4 / 3)
    assert row["mean_a"] - row["mean_b"] == pytest.approx(4 / 3)
    assert (row["ci_low"], row["ci_high"], row["p"]) == pytest.approx((low, high, expected.pvalue))
    assert row["sd_combos"] == pytest.approx(by_combo.std(ddof=1))
    # within k1: 2 and 4 about 3, one degree of freedom
    error = np.sqrt(2.0) * np.sqrt(1 / 2 + 1 + 1) / 3
    half = stats.t.ppf(0.975, 1) * error
    assert row["these_df"] == 1
    assert (row["these_low"], row["these_high"]) == pytest.approx((4 / 3 - half, 4 / 3 + half))
    assert row["these_p"] == pytest.approx(2 * stats.t.sf(4 / 3 / error, 1))


def test_one_unit_per_combo_says_nothing_of_these_combos():
    frame = tidy(
        *(
            essay(f"k{k}", score, draft_template=level)
            for k in range(4)
            for level, score in (("a", 5 + k % 2), ("b", 4))
        )
    )
    [row] = compare(frame, "draft_template")
    assert row["these_df"] == 0
    assert np.isnan([row["these_low"], row["these_high"], row["these_p"]]).all()
    assert not np.isnan(row["ci_low"])


def test_replicates_are_averaged_first_essays_next_columns_last():
    given = {"j1": {1: (2, 4), 2: (6,)}, "j2": {1: (9,)}}
    rows = [
        essay(
            "k1",
            score,
            draft_template="a",
            essay_replicate=number,
            evaluation_llm_model=judge,
            evaluation_replicate=replicate,
        )
        for judge, essays in given.items()
        for number, scores in essays.items()
        for replicate, score in enumerate(scores, start=1)
    ]
    rows += [essay("k1", 1, draft_template="b", evaluation_llm_model=judge) for judge in ("j1", "j2")]
    [row] = compare(tidy(*rows), "draft_template")
    # j1: (3 + 6) / 2 = 4.5, j2: 9
    assert row["mean_a"] == pytest.approx((4.5 + 9) / 2)


def test_levels_are_compared_on_what_both_have():
    rows = [
        essay("k1", 5, draft_template="a", evaluation_llm_model="j1"),
        essay("k1", 9, draft_template="a", evaluation_llm_model="j2"),
        essay("k1", 9, draft_template="a", generation_template="g2"),
        essay("k1", 4, draft_template="b", evaluation_llm_model="j1"),
    ]
    [row] = compare(tidy(*rows), "draft_template")
    assert (row["mean_a"], row["mean_b"], row["n_cells"]) == (pytest.approx(5), pytest.approx(4), 1)


def test_writers_that_draft_and_write_are_one_pair_beside_the_crossed_one():
    # twenty pipeline cells, and one cell in which both write on the same draft
    frame = tidy(
        *(
            essay(f"k{k:02}", score, draft_model=model, generation_model=model)
            for k in range(20)
            for model, score in (("w1", 4 - k % 3), ("w2", 5 - k % 2))
        ),
        essay("k00", 4.03, draft_model="w1", generation_model="w2"),
    )
    crossed, pipeline = compare(frame, "generation_model")
    assert (crossed["pairing"], crossed["n_cells"], crossed["difference"]) == ("crossed", 1, pytest.approx(-0.03))
    assert (pipeline["pairing"], pipeline["n_combos"]) == ("pipeline", 20)
    # k % 3 over 0-19 is .95 in the mean, k % 2 is .5
    assert pipeline["difference"] == pytest.approx(-1 - 0.95 + 0.5)
    # the pairing with more combos is the one that is tested
    assert crossed["clear"] == "" and np.isnan(crossed["p_holm"])
    assert pipeline["clear"] == "true" and pipeline["p_holm"] == pytest.approx(pipeline["p"])


def test_drafts_and_essays_of_one_model_are_one_pair():
    frame = tidy(
        *(
            essay(f"k{k}", score + k, draft_model=model, generation_model=model)
            for k in range(3)
            for model, score in (("w1", 4), ("w2", 5))
        )
    )
    [row] = comparisons.comparisons(frame).to_dict("records")
    assert (row["factor"], row["pairing"]) == ("generation_model", "pipeline")


def test_crossed_models_are_two_questions():
    frame = tidy(
        *(
            essay(
                f"k{k}",
                4 + (drafted == "w1") + k % 2 * (written == "w1"),
                draft_model=drafted,
                generation_model=written,
            )
            for k in range(4)
            for drafted in ("w1", "w2")
            for written in ("w1", "w2")
        )
    )
    [drafts] = compare(frame, "draft_model")
    assert (drafts["pairing"], drafts["n_combos"], drafts["difference"]) == ("crossed", 4, pytest.approx(1.0))
    crossed, pipeline = compare(frame, "generation_model")
    # a tie in combos: the crossed pairing is tested
    assert (crossed["clear"], pipeline["clear"]) == ("false", "")
    assert crossed["n_cells"] == 8


def test_copied_essays_are_compared_with_written_ones_whoever_wrote_them():
    rows = [
        essay(f"k{k}", score, draft_model="w1", generation_template=template, generation_model=writer)
        for k in range(3)
        for template, writer, score in (("copy", "w1", 3), ("g1", "w2", 5 + k), ("g1", "w3", 7 + k))
    ]
    for row in rows:
        row["draft_gen_id"] = f"d-{row['combo_id']}"
    [row] = compare(tidy(*rows, copies=("copy",)), "generation_template")
    assert (row["n_combos"], row["difference"]) == (3, pytest.approx(3 - 7))


def test_scales_count_as_shares():
    # three points of 100 are a quarter of a point of 9
    rows = [
        essay(f"k{k}", score, draft_template=level, evaluation_template=rubric)
        for k in range(3)
        for rubric, level, score in (("r100", "a", 53 + k), ("r100", "b", 50 + k), ("r9", "a", 5), ("r9", "b", 5))
    ]
    [row] = compare(tidy(*rows, scales={"r100": 100, "r9": 9}), "draft_template")
    assert row["difference"] == pytest.approx(9 * 0.03 / 2)
    [rubrics] = compare(tidy(*rows, scales={"r100": 100, "r9": 9}), "evaluation_template")
    assert rubrics["mean_b"] == pytest.approx(5)


def test_equal_differences_give_no_certainty():
    frame = tidy(
        *(
            essay(f"k{k}", score, draft_template=level, draft_model=model, generation_model=model)
            for k in range(5)
            for model in ("w1", "w2")
            for level, score in (("a", 6.3), ("b", 5.2))
        )
    )
    [row] = compare(frame, "draft_template")
    assert row["difference"] == pytest.approx(1.1) and row["sd_combos"] == 0
    assert np.isnan([row["ci_low"], row["ci_high"], row["p"], row["these_low"], row["p_holm"]]).all()
    assert row["clear"] == ""


def test_levels_that_share_nothing_are_listed_without_a_figure():
    frame = tidy(essay("k1", 5, draft_template="a"), essay("k2", 5, draft_template="b"))
    [row] = compare(frame, "draft_template")
    assert (row["n_cells"], row["n_combos"], row["pairing"], row["clear"]) == (0, 0, "", "")
    assert np.isnan(row["difference"])


def test_essays_of_one_draft_are_one_unit_of_a_pipeline():
    rows = [
        essay(
            f"k{combo}",
            score + (template == "g2"),
            draft_model=model,
            generation_model=model,
            generation_template=template,
        )
        for combo in (1, 2)
        for model, score in (("w1", 5), ("w2", 3 + combo))
        for template in ("g1", "g2")
    ]
    [row] = compare(tidy(*rows), "generation_model")
    assert (row["pairing"], row["n_cells"], row["n_combos"], row["these_df"]) == ("pipeline", 2, 2, 0)
    assert np.isnan(row["these_low"]) and row["difference"] == pytest.approx(0.5)


def test_unknown_combo_is_no_unit():
    frame = tidy(essay("", 5, draft_template="a"), essay("", 5, draft_template="b"))
    assert len(comparisons.comparisons(frame)) == 0


def test_judges_and_rubrics_are_described_and_never_claimed():
    frame = tidy(*drawn(combos=6, judge=2, rubric=2, error=0.1))
    found = comparisons.comparisons(frame)
    described = found[found["factor"].str.startswith("evaluation")]
    assert set(described["factor"]) == {"evaluation_llm_model", "evaluation_template"}
    assert (described["p"] < 0.001).all()
    assert set(described["clear"]) == {""} and described["p_holm"].isna().all()


def test_one_family_corrects_all_pairs_of_templates_and_models():
    frame = tidy(*drawn(seed=3, combos=8, drafts=("d1", "d2", "d3"), essay=1.0))
    found = comparisons.comparisons(frame)
    members = found[found["factor"].isin(comparisons.FACTORS)]
    assert len(members) == 3 + 1 + 1
    ordered = members.sort_values("p")
    steps = np.maximum.accumulate(ordered["p"].to_numpy() * np.arange(len(members), 0, -1))
    assert ordered["p_holm"].to_numpy() == pytest.approx(np.minimum(1, steps))


def test_holm_keeps_places_without_a_p():
    # Holm 1979: .01 x 3, .03 x 2, .04 not below the step before
    found = intervals.holm([0.04, np.nan, 0.01, 0.03])
    assert found[[0, 2, 3]] == pytest.approx([0.06, 0.03, 0.06]) and np.isnan(found[1])


def test_rows_do_not_depend_on_the_order_of_the_scores():
    rows = drawn(seed=5, combos=3)
    once = comparisons.comparisons(tidy(*rows))
    again = comparisons.comparisons(tidy(*rows[::-1]))
    numbers = once.select_dtypes("number").columns
    assert np.allclose(once[numbers], again[numbers], equal_nan=True)
