import math
import tracemalloc

import numpy as np
import pytest
from scipy import stats

from tests.score_table import drawn, tidy
from workflow_lib.statistics import agreement, intervals, judges, ratings

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


def rated(values):
    """Ratings of units, one per essay."""
    units, raters = values.shape
    return ratings.Ratings(values, np.arange(units), units, [f"j{number}" for number in range(raters)])


def read(text):
    return np.array(
        [[math.nan if cell == "." else float(cell) for cell in row.split()] for row in text.split("\n")[1:-1]]
    ).T


def measures(*rows, **others):
    found = agreement.judge_agreement(tidy(*rows, **others)).to_dict("records")
    return {tuple(row[name] for name in agreement.COLUMNS[:4]): row for row in found}


def scores(**of_judge):
    """One score per essay and judge; None where there is none."""
    return [
        {"parent_gen_id": f"e{unit:02}", "evaluation_llm_model": judge, "score": score}
        for judge, given in of_judge.items()
        for unit, score in enumerate(given)
        if score is not None
    ]


@pytest.mark.parametrize(("text", "expected"), [(OBSERVERS, 0.849), (CODERS, 0.811)])
def test_alpha_gives_the_published_values_for_interval_data(text, expected):
    assert ratings.alpha(rated(read(text))).value == pytest.approx(expected, abs=0.0005)


def test_alpha_is_the_mean_over_all_pairs():
    values = np.random.default_rng(1).normal(5, 2, size=(30, 4))
    values[np.random.default_rng(2).random(values.shape) < 0.3] = np.nan
    pairable = [row[~np.isnan(row)] for row in values if (~np.isnan(row)).sum() >= 2]
    everything = np.concatenate(pairable)
    n = len(everything)
    observed = sum(((row[:, None] - row) ** 2).sum() / (len(row) - 1) for row in pairable) / n
    expected = ((everything[:, None] - everything) ** 2).sum() / (n * (n - 1))
    found = ratings.alpha(rated(values))
    assert (found.n, found.value) == (len(pairable), pytest.approx(1 - observed / expected))


@pytest.mark.parametrize("text", ["\n1 2 3\n", "\n1 . 3\n. 2 .\n", "\n2 2 2\n2 2 2\n"])
def test_alpha_is_undefined_without_pairs_or_without_variation(text):
    assert math.isnan(ratings.alpha(rated(read(text))).value)


def test_the_interval_of_alpha_holds_the_truth_also_for_few_essays():
    rng = np.random.default_rng(8)
    essay, judge, error = 1.0, np.array([0.5, 0.0, -1.0]), 0.8
    true = 1 - (error**2 + judge.var(ddof=1)) / (essay**2 + error**2 + judge.var())
    held = []
    for _ in range(400):
        found = ratings.alpha(rated(rng.normal(0, essay, (24, 1)) + judge + rng.normal(0, error, (24, 3))))
        held.append(found.low <= true <= found.high)
    # plain percentiles of resamples: 0.88
    assert np.mean(held) == pytest.approx(0.945, abs=0.025)


@pytest.mark.parametrize("unlike", [0, 1])
def test_alpha_has_no_interval_where_raters_differ_about_one_essay_at_most(unlike):
    values = np.repeat(np.arange(30.0)[:, None] % 7, 2, axis=1)
    values[:unlike, 0] += 3
    found = ratings.alpha(rated(values))
    assert found.value > 0.9 and math.isnan(found.low) and math.isnan(found.high)


def test_alpha_of_many_units_and_values_needs_memory_for_the_scores_only():
    values = np.random.default_rng(3).integers(0, 101, size=(10_000, 3)).astype(float)
    tracemalloc.start()
    ratings.alpha(rated(values))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6


def test_judges_who_know_nothing_of_each_other_do_not_agree_because_rubrics_differ():
    rng = np.random.default_rng(6)
    rows = [
        {
            "parent_gen_id": f"e{unit}",
            "evaluation_llm_model": judge,
            "evaluation_template": rubric,
            "score": middle + rng.normal() * 0.3,
        }
        for unit in range(200)
        for judge in ("j1", "j2")
        for rubric, middle in (("lenient", 8), ("strict", 3))
    ]
    found = measures(*rows)
    pooled = found["krippendorff_alpha_of_replicate_means", "all", "", ""]
    assert abs(pooled["value"]) < 0.3
    assert abs(found["spearman", "all", "j1", "j2"]["value"]) < 0.3


def test_alpha_of_single_replicates_is_lower_than_of_their_means():
    found = measures(*drawn(seed=1, combos=6, essay=0.8, error=1.0, replicates=4, rubrics=("r1",)))
    means = found["krippendorff_alpha_of_replicate_means", "r1", "", ""]
    single = found["krippendorff_alpha_of_single_replicates", "r1", "", ""]
    assert single["n"] == 4 * means["n"]
    # essay .64; error 1 in a single score, 1/4 in a mean of four
    assert means["value"] == pytest.approx(0.64 / 0.89, abs=0.15)
    assert single["value"] == pytest.approx(0.64 / 1.64, abs=0.15)


def test_reliability_in_a_complete_table_is_the_intraclass_correlation():
    values = np.random.default_rng(8).normal(size=(25, 1)) + np.random.default_rng(9).normal(size=(25, 3)) + [0, 1, 2]
    one, all_ = ratings.reliability(rated(values))
    essays, judges_ = values.shape
    between = judges_ * values.mean(axis=1).var(ddof=1)
    away = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    residual = (away**2).sum() / ((essays - 1) * (judges_ - 1))
    # McGraw and Wong 1996, table 4: ICC(C,1) and ICC(C,k)
    assert one.value == pytest.approx((between - residual) / (between + (judges_ - 1) * residual))
    assert all_.value == pytest.approx((between - residual) / between)


def test_reliability_allows_missing_scores():
    rows = drawn(seed=4, combos=40, essay=1.0, judge=2.0, essay_judge=1.0, error=0.0, rubrics=("r1",), replicates=1)
    rng = np.random.default_rng(1)
    kept = [row for row in rows if rng.random() > 0.4]
    found = measures(*kept)["reliability_of_one_judge", "r1", "", ""]
    assert found["ci_low"] < 0.5 < found["ci_high"] and found["value"] == pytest.approx(0.5, abs=0.12)


def test_spearman_and_bias_of_a_table_are_those_of_its_judges():
    one, three = [2, 3, 3, 2, 1, 4, 1, 2], [3, 3, 3, 2, 3, 4, 2, 2]
    found = measures(*scores(j1=[*one, 7], j3=three))
    rank = stats.spearmanr(one, three).statistic
    assert found["spearman", "novelty", "j1", "j3"]["value"] == pytest.approx(rank)
    assert found["spearman", "novelty", "j1", "j3"]["n"] == 8
    assert found["bias", "novelty", "j1", "j3"]["value"] == pytest.approx(-0.5)


def test_the_mean_of_a_rubric_is_over_units_that_two_judged():
    values = np.array([[2.0, 4.0], [4.0, 6.0], [9.0, np.nan]])
    found = ratings.centred(rated(values), np.zeros(3, dtype="int64")).values
    assert found[:2].tolist() == [[-2.0, 0.0], [0.0, 2.0]] and found[2, 0] == 5.0


def test_a_resampled_mean_has_the_interval_of_students_t():
    """The plain percentiles of resamples would be narrower, by a fifteenth with 20 units."""
    values = np.random.default_rng(3).normal(size=(20, 2000))
    low, high = intervals.resampled(20, lambda weights: weights @ values / 20)
    half = stats.t.ppf(0.975, 19) * values.std(axis=0, ddof=1) / np.sqrt(20)
    assert np.mean((high - low) / 2 / half) == pytest.approx(1.0, abs=0.01)


def test_resampled_spearman_ranks_each_sample_anew():
    rng = np.random.default_rng(5)
    values = rng.integers(0, 10, size=(40, 1)) + rng.integers(-2, 3, size=(40, 2))
    found = ratings.spearman(rated(values.astype(float)), 0, 1)
    draws = rng.integers(0, 40, size=(2000, 40))
    again = [stats.spearmanr(values[draw, 0], values[draw, 1]).statistic for draw in draws]
    assert (found.low, found.high) == pytest.approx(np.percentile(again, [2.5, 97.5]), abs=0.03)


def test_few_essays_give_no_resampled_interval():
    rng = np.random.default_rng(1)
    for essays, has_interval in ((19, False), (20, True)):
        found = measures(*scores(j1=rng.normal(5, 1, essays), j2=rng.normal(5, 1, essays)))
        for measure in ("krippendorff_alpha_of_replicate_means", "reliability_of_all_judges", "spearman", "bias"):
            [row] = [row for key, row in found.items() if key[0] == measure]
            assert (not math.isnan(row["ci_low"])) == has_interval, measure


def test_judge_who_gives_everybody_the_same_has_no_rank_correlation():
    found = measures(*scores(j1=[5, 5, 5, 5], j2=[0, 1, 2, 3]))
    assert math.isnan(found["spearman", "novelty", "j1", "j2"]["value"])
    assert found["bias", "novelty", "j1", "j2"]["value"] == pytest.approx(3.5)


def test_two_essays_have_no_ranks():
    found = measures(*scores(j1=[5, 6], j2=[0, 1]))
    assert math.isnan(found["spearman", "novelty", "j1", "j2"]["value"])


def test_spread_between_essays_is_without_the_judges_own_noise():
    rows = drawn(
        seed=2, combos=40, draft_replicates=3, essays=("g1",), rubrics=("r1",), judges=("j1",), draft=0.7, error=1.0
    )
    found = measures(*rows)
    assert found["evaluation_replicate_sd", "r1", "j1", ""]["value"] == pytest.approx(1.0, abs=0.06)
    # means of two scores vary by .7^2 + 1/2 between drafts
    assert found["draft_replicate_sd", "r1", "j1", ""]["value"] == pytest.approx(0.7, abs=0.1)


def test_spread_between_drafts_is_unknown_without_replicates_of_the_judge():
    rows = drawn(seed=2, combos=3, draft_replicates=2, essays=("g1",), replicates=1, rubrics=("r1",), judges=("j1",))
    found = measures(*rows)
    assert math.isnan(found["draft_replicate_sd", "r1", "j1", ""]["value"])
    assert ("evaluation_replicate_sd", "r1", "j1", "") not in found


def judges_of(*rows, **others):
    return judges.judges(tidy(*rows, **others)).set_index(["evaluation_llm_model", "evaluation_template"])


def test_severity_is_against_judges_of_the_same_essays():
    # j3 saw the two best essays only: its mean is high although it is the strictest
    table = judges_of(*scores(j1=[8, 7, 3, 2], j2=[8, 7, 3, 2], j3=[7, 6, None, None])).xs("novelty", level=1)
    assert table.loc["j3", "mean"] > table.loc["j1", "mean"]
    assert table.loc["j1", "severity"] - table.loc["j3", "severity"] == pytest.approx(1.0)
    assert table["severity"].sum() == pytest.approx(0.0)


def test_judge_who_shares_no_essay_has_no_severity():
    table = judges_of(*scores(j1=[8, 7, None], j2=[6, 5, None], j3=[None, None, 5])).xs("novelty", level=1)
    assert table["severity"].tolist()[:2] == pytest.approx([1.0, -1.0]) and math.isnan(table.loc["j3", "severity"])


def test_use_of_the_scale():
    rows = [{**row, "evaluation_template": "r100"} for row in scores(j1=[100, 100, 0, 50], j2=[90, 80, 10, 40])]
    table = judges_of(*rows, scales={"r100": 100}).xs("r100", level=1)
    assert table.loc["j1", ["share_top", "share_bottom", "distinct_values"]].tolist() == [0.5, 0.25, 3]
    assert table.loc["j2", "mean"] == pytest.approx(9 * 0.55)


def test_alpha_without_a_judge_shows_whom_to_drop():
    rng = np.random.default_rng(3)
    true = rng.normal(5, 1.5, 40)
    table = judges_of(
        *scores(j1=true + rng.normal(0, 0.3, 40), j2=true + rng.normal(0, 0.3, 40), j3=rng.normal(5, 1.5, 40))
    ).xs("novelty", level=1)
    assert table["alpha_without"].idxmax() == "j3" and table.loc["j3", "alpha_without"] > 0.9 > table.loc["j3", "alpha"]


def test_interval_of_a_rank_correlation_is_the_same_in_steps_and_in_full(monkeypatch):
    rng = np.random.default_rng(2)
    values = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=150)
    given = ratings.Ratings(values, np.arange(150), 150, ["a", "b"])
    in_steps = ratings.spearman(given, 0, 1)
    monkeypatch.setattr(ratings, "RANK_STEPS", 1000)
    in_full = ratings.spearman(given, 0, 1)
    assert in_steps.value == in_full.value == pytest.approx(stats.spearmanr(*values.T).statistic)
    assert in_steps.low == pytest.approx(in_full.low, abs=0.005)
    assert in_steps.high == pytest.approx(in_full.high, abs=0.005)


@pytest.mark.slow
def test_interval_of_a_judges_noise_holds_it_also_with_few_essays():
    rng, held = np.random.default_rng(8), []
    for _ in range(150):
        scores = np.round(4.5 + rng.normal(size=(24, 1)) + 0.8 * rng.normal(size=(24, 2)), 6)
        frame = tidy(
            *(
                {"parent_gen_id": f"e{essay:02}", "evaluation_replicate": number + 1, "score": score}
                for essay, pair in enumerate(scores)
                for number, score in enumerate(pair)
            )
        )
        found = agreement.replicate_noise(frame)
        assert found.value == pytest.approx(np.sqrt(scores.var(axis=1, ddof=1).mean()) / 9)
        held.append(9 * found.low <= 0.8 <= 9 * found.high)
    # percentiles of resampled essays: 0.88
    assert 0.91 <= np.mean(held) <= 0.99
