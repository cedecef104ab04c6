import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workflow_lib.results import analysis, scores

# K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section E: 4 observers, 12 units
OBSERVERS = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""
# the example of the article "Krippendorff's alpha" in Wikipedia: 3 coders, 15 units
CODERS = """
. . . . . 3 4 1 2 1 1 3 3 . 3
1 . 2 1 3 3 4 3 . . . . . . .
. . 2 1 3 4 4 . 2 1 1 3 3 . 4
"""


def ratings(text):
    return np.array(
        [[math.nan if cell == "." else float(cell) for cell in row.split()] for row in text.split("\n")[1:-1]]
    )


def table(*rows):
    """Evaluations as a table of scores; what a row does not name is the same for all."""
    usual = dict.fromkeys(scores.COLUMNS, "") | {
        "parent_gen_id": "e1",
        "evaluation_template": "novelty",
        "evaluation_llm_model": "j1",
        "combo_id": "k1",
        "draft_template": "d1",
        "generation_template": "g1",
        "generation_model": "w1",
        "draft_gen_id": "d1",
        "draft_model": "w1",
        "evaluation_replicate": 1,
    }
    found = pd.DataFrame([usual | row for row in rows], columns=list(scores.COLUMNS))
    return found.astype({"score": "float64"})


def agreement(frame):
    found = analysis.judge_agreement(frame).to_dict("records")
    keys = analysis.AGREEMENT_COLUMNS[:4]
    return {tuple(row[key] for key in keys): (row["n"], row["value"]) for row in found}


@pytest.mark.parametrize(("text", "expected"), [(OBSERVERS, 0.849), (CODERS, 0.811)])
def test_alpha_gives_the_published_values_for_interval_data(text, expected):
    assert analysis.alpha(ratings(text)) == pytest.approx(expected, abs=0.0005)


@pytest.mark.parametrize("text", ["\n1 2 3\n", "\n1 . 3\n. 2 .\n", "\n2 2 2\n2 2 2\n"])
def test_alpha_is_undefined_without_pairs_or_without_variation(text):
    assert math.isnan(analysis.alpha(ratings(text)))


def test_agreement_of_a_table_is_that_of_its_judges():
    frame = table(
        *(
            {"parent_gen_id": f"e{unit:02}", "evaluation_llm_model": f"j{judge}", "score": score}
            for judge, row in enumerate(ratings(OBSERVERS), start=1)
            for unit, score in enumerate(row)
            if not math.isnan(score)
        )
    )
    found = agreement(frame)
    # unit 12 was rated once
    assert found["krippendorff_alpha", "novelty", "", ""] == (11, "0.85")
    # j1 and j3 share eight units: 2 3 3 2 1 4 1 2 and 3 3 3 2 3 4 2 2
    one, three = [2, 3, 3, 2, 1, 4, 1, 2], [3, 3, 3, 2, 3, 4, 2, 2]
    rank = stats.pearsonr(stats.rankdata(one), stats.rankdata(three)).statistic
    assert found["spearman", "novelty", "j1", "j3"] == (8, f"{rank:.2f}")
    assert found["bias", "novelty", "j1", "j3"] == (8, "-0.50")


def test_templates_are_pooled_as_units_of_their_own():
    frame = table(
        *(
            {"evaluation_template": template, "evaluation_llm_model": judge, "score": score}
            for template, judge, score in (("a", "j1", 1), ("a", "j2", 2), ("b", "j1", 5), ("b", "j2", 8))
        )
    )
    found = agreement(frame)
    assert found["bias", "a", "j1", "j2"] == (1, "-1.00")
    assert found["bias", "all", "j1", "j2"] == (2, "-2.00")
    # two essays have no ranks worth a figure
    assert found["spearman", "all", "j1", "j2"] == (2, "")


def test_judge_who_gives_everybody_the_same_has_no_rank_correlation():
    frame = table(
        *({"parent_gen_id": f"e{n}", "evaluation_llm_model": "j1", "score": 5} for n in range(4)),
        *({"parent_gen_id": f"e{n}", "evaluation_llm_model": "j2", "score": n} for n in range(4)),
    )
    assert agreement(frame)["spearman", "novelty", "j1", "j2"] == (4, "")
    assert agreement(frame)["bias", "novelty", "j1", "j2"] == (4, "3.50")


def test_replicates_of_each_stage_show_their_spread():
    essays = (("d1", "e1", (4, 6)), ("d1", "e2", (7, 7)), ("d2", "e3", (9,)))
    frame = table(
        *(
            {"draft_gen_id": draft, "parent_gen_id": essay, "evaluation_replicate": number, "score": score}
            for draft, essay, given in essays
            for number, score in enumerate(given, start=1)
        )
    )
    found = agreement(frame)
    # variances 2 and 0 of two essays; means 5 and 7 of d1's essays; 6 and 9 of the two drafts
    assert found["evaluation_replicate_sd", "novelty", "j1", ""] == (2, "1.00")
    assert found["essay_replicate_sd", "novelty", "j1", ""] == (1, f"{math.sqrt(2):.2f}")
    assert found["draft_replicate_sd", "novelty", "j1", ""] == (1, f"{math.sqrt(4.5):.2f}")
    # 1 - (n - 1) * sum of within / sum of between: values 4 6 7 7, one pair of 2 apart
    observed, expected = (2**2) * 2 / 4, (4 + 9 + 9 + 1 + 1 + 0) * 2 / (4 * 3)
    assert found["evaluation_replicate_alpha", "novelty", "j1", ""] == (2, f"{1 - observed / expected:.2f}")


def test_bootstrap_interval_is_near_the_exact_one_and_the_same_each_time():
    values = np.random.default_rng(7).normal(1.0, 2.0, size=400)
    low, high = analysis.bootstrap_interval(values)
    exact = stats.t.interval(0.95, len(values) - 1, loc=values.mean(), scale=stats.sem(values))
    assert (low, high) == pytest.approx(exact, abs=0.05)
    assert analysis.bootstrap_interval(values) == (low, high)


def test_bootstrap_of_two_values_reaches_from_one_to_the_other():
    # all four samples of two: the 2.5 % tail lies in the lowest quarter
    assert analysis.bootstrap_interval([1.0, 3.0]) == (1.0, 3.0)
    assert analysis.bootstrap_interval([2.0, 2.0]) == (2.0, 2.0)
    assert all(map(math.isnan, analysis.bootstrap_interval([2.0])))


def compare(frame, factor):
    return [row for row in analysis.comparisons(frame).to_dict("records") if row["factor"] == factor]


def test_levels_are_compared_over_the_cells_they_share():
    rows = [
        {"draft_template": draft, "combo_id": combo, "evaluation_replicate": number, "score": score}
        for draft, combo, given in (
            ("a", "k1", (4, 6)),
            ("b", "k1", (3,)),
            ("a", "k2", (8,)),
            ("b", "k2", (7,)),
            ("a", "k3", (9,)),
        )
        for number, score in enumerate(given, start=1)
    ]
    [row] = compare(table(*rows), "draft_template")
    assert (row["level_a"], row["level_b"], row["n_cells"]) == ("a", "b", 2)
    assert (row["mean_a"], row["mean_b"], row["difference"]) == ("6.50", "5.00", "1.50")
    assert (row["ci_low"], row["ci_high"]) == ("1.00", "2.00")
    assert row["held_fixed"] == "combo_id draft_model generation_template generation_model"


def test_only_scores_of_the_same_judge_and_template_are_paired():
    rows = [
        {"generation_template": essay, "evaluation_llm_model": judge, "score": score}
        for essay, judge, score in (("a", "j1", 5), ("a", "j2", 9), ("b", "j1", 4))
    ]
    [row] = compare(table(*rows), "generation_template")
    assert (row["difference"], row["n_cells"], row["ci_low"]) == ("1.00", 1, "")


def test_judges_of_one_essay_make_one_cell():
    rows = [
        {"generation_template": essay, "evaluation_llm_model": judge, "score": score}
        for essay, judge, score in (("a", "j1", 5), ("a", "j2", 9), ("b", "j1", 4), ("b", "j2", 6))
    ]
    [row] = compare(table(*rows), "generation_template")
    assert (row["difference"], row["n_cells"]) == ("2.00", 1)


def test_models_are_compared_along_with_the_drafts_model_where_the_two_are_one():
    rows = [
        {"combo_id": combo, "draft_model": model, "generation_model": model, "score": score}
        for combo, model, score in (("k1", "w1", 5), ("k1", "w2", 7), ("k2", "w1", 6), ("k2", "w2", 9))
    ]
    [row] = compare(table(*rows), "generation_model")
    assert (row["difference"], row["n_cells"]) == ("-2.50", 2)
    assert row["held_fixed"] == "combo_id draft_template generation_template"


def test_models_are_compared_on_the_same_drafts_where_the_cohort_crosses_them():
    rows = [
        {"draft_model": draft, "generation_model": model, "score": score}
        for draft, model, score in (("w1", "w1", 5), ("w1", "w2", 7), ("w2", "w2", 1))
    ]
    [row] = compare(table(*rows), "generation_model")
    assert (row["difference"], row["n_cells"]) == ("-2.00", 1)
    assert "draft_model" in row["held_fixed"]


def test_levels_that_share_nothing_are_listed_without_a_figure():
    rows = [
        {"draft_template": "a", "combo_id": "k1", "score": 5},
        {"draft_template": "b", "combo_id": "k2", "score": 5},
    ]
    [row] = compare(table(*rows), "draft_template")
    assert (row["n_cells"], row["difference"], row["ci_low"]) == (0, "", "")


@pytest.mark.parametrize(
    ("count", "spread", "expected"),
    [
        (1, 0.0, "insufficient_data"),
        (2, 1.0, "high_agreement"),
        (2, 1.01, "moderate_agreement"),
        (2, 2.0, "moderate_agreement"),
        (2, 3.0, "low_agreement"),
        (2, 3.5, "poor_agreement"),
    ],
)
def test_range_decides_the_class(count, spread, expected):
    assert analysis.stability(count, spread) == expected


def test_variance_is_told_over_all_over_templates_and_over_judges():
    frame = table(
        *(
            {"evaluation_llm_model": judge, "evaluation_template": template, "score": score}
            for judge, template, score in (("j1", "a", 4), ("j1", "b", 6), ("j2", "a", 8), ("j2", "b", None))
        )
    )
    rows = analysis.variance_analysis(frame).to_dict("records")
    overall, by_judge, only_one, *by_template = rows
    assert {key: overall[key] for key in analysis.VARIANCE_COLUMNS[9:]} == {
        "count": 3,
        "mean": "6.00",
        "std": "2.00",
        "min": "4.00",
        "max": "8.00",
        "range": "4.00",
        "coefficient_of_variation": "0.33",
        "num_templates": 2,
        "num_models": 2,
        "stability_classification": "poor_agreement",
    }
    assert (by_judge["analysis_type"], by_judge["evaluation_llm_model"]) == ("template_variance", "j1")
    assert (by_judge["range"], by_judge["evaluation_template"]) == ("2.00", "")
    assert (only_one["std"], only_one["stability_classification"]) == ("", "insufficient_data")
    assert [(row["evaluation_template"], row["count"]) for row in by_template] == [("a", 2), ("b", 1)]


def test_zero_mean_has_no_coefficient_of_variation():
    frame = table({"score": 0}, {"score": 0, "evaluation_llm_model": "j2"})
    assert analysis.variance_analysis(frame)["coefficient_of_variation"][0] == ""


def test_without_scores_there_are_headers():
    frame = table({"score": None}, {"score": None, "evaluation_llm_model": "j2"})
    assert len(analysis.variance_analysis(frame)) == 0
    assert set(analysis.judge_agreement(frame)["value"]) == {""}
    assert len(analysis.comparisons(frame[:0])) == len(analysis.judge_agreement(frame[:0])) == 0
