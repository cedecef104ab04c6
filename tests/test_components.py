import numpy as np
import pytest
from scipy import stats

from tests.score_table import drawn, tidy
from workflow_lib.statistics import comparisons, components, decisions, judges, leaderboard

SIZES = {
    "combo": 0.9,
    "draft": 0.5,
    "essay": 0.6,
    "judge": 0.8,
    "rubric": 0.4,
    "essay_judge": 0.5,
    "essay_rubric": 0.4,
    "essay_judge_rubric": 0.4,
    "error": 0.7,
}
SIZES_SHORT = {"combo": 1.2, "essay_judge": 0.8, "judge": 1.0, "error": 0.4}
FULL = {**SIZES, "combos": 6, "drafts": ("d1",), "writers": ("w1",), "draft_replicates": 2}


def found_in(rows):
    return components.estimate(tidy(*rows))


def test_balanced_table_gives_the_analysis_of_variance():
    rows = drawn(seed=1, combos=8, drafts=("d1",), writers=("w1",), essays=("g1",), rubrics=("r1",), **SIZES_SHORT)
    found = found_in(rows)
    values = np.array([row["score"] for row in rows]).reshape(8, 3, 2) / 9
    cell = values.mean(axis=2)
    error = values.var(axis=2, ddof=1).mean()
    essays, judged = cell.mean(axis=1), cell.mean(axis=0)
    away = cell - essays[:, None] - judged + cell.mean()
    interaction = 2 * (away**2).sum() / (7 * 2)
    between, severity = 6 * essays.var(ddof=1), 16 * judged.var(ddof=1)
    assert found.variance("replicate error") == pytest.approx(error)
    assert found.variance("essay x judge") == pytest.approx((interaction - error) / 2)
    assert found.variance("judge") == pytest.approx((severity - interaction) / 16)
    # one draft and one essay per combo: only their sum is known
    assert found.merged["combo", "draft", "essay"] == pytest.approx((between - interaction) / 6)
    assert np.isnan(found.variance("combo"))


def test_components_of_many_cohorts_are_right_on_average():
    names = {
        "combo": "combo",
        "judge": "judge",
        "essay x judge": "essay_judge",
        "essay x evaluation_template": "essay_rubric",
        "essay x judge x evaluation_template": "essay_judge_rubric",
        "replicate error": "error",
    }
    totals = dict.fromkeys(names, 0.0)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        rows = [row for row in drawn(seed=seed, **FULL) if rng.random() > 0.2]
        found = found_in(rows)
        for name in names:
            totals[name] += 81 * found.variance(name) / 12
    for name, size in names.items():
        assert totals[name] == pytest.approx(SIZES[size] ** 2, rel=0.5, abs=0.03), name


def test_component_that_the_design_cannot_show_is_empty_and_never_zero():
    table = components.variance_components(found_in(drawn(seed=2, judges=("j1",), replicates=1, essay=1.0)))
    known = table.set_index("component")["variance"]
    assert known[["judge", "essay x judge", "judge x evaluation_template", "replicate error"]].isna().all()
    assert known["essay x evaluation_template + replicate error"] > 0
    assert np.isnan(known["draft_model"]) and not np.isnan(known["draft_model + generation_model"])
    assert list(table["component"][:18]) == [*components.TERMS, "replicate error"]


def test_differences_between_templates_do_not_count_as_differences_between_drafts():
    rows = drawn(seed=3, combos=10, draft=0.1, error=0.1)
    for row in rows:
        row["score"] += 3.0 * (row["draft_template"] == "d2")
    found = found_in(rows)
    assert 81 * found.variance("draft_template") == pytest.approx(4.5, rel=0.1)
    assert 81 * found.variance("draft") < 0.1 and 81 * found.variance("combo x draft_template") < 0.1


@pytest.mark.parametrize("rows", [[], [{"score": 5}], [{"score": 5}, {"score": 5, "combo_id": "k2"}]])
def test_next_to_nothing_has_no_components(rows):
    table = components.variance_components(found_in(rows))
    assert not (table["variance"] > 0).any()
    assert (len(table) == 0) == (len(rows) < 2)


def study(rows):
    frame = tidy(*rows)
    found, design = components.estimate(frame), decisions.design_of(frame, 2.0)
    return found, design, decisions.decision_study(found, design)


def test_reliability_is_that_of_the_formula():
    found, design, table = study(drawn(seed=4, **FULL))
    [row] = table[(table["judges"] == 2) & (table["evaluation_templates"] == 3) & (table["replicates"] == 4)].to_dict(
        "records"
    )
    of = found.variance
    behind = of("combo") + of("generation_template") + of("combo x generation_template") + of("draft") + of("essay")
    noise = of("essay x judge") / 2 + of("essay x judge x evaluation_template") / 6 + of("replicate error") / 24
    rubric = of("essay x evaluation_template") / 3
    assert row["reliability_fixed_templates"] == pytest.approx((behind + rubric) / (behind + rubric + noise))
    assert row["reliability_random_templates"] == pytest.approx(behind / (behind + rubric + noise))
    assert (row["evaluations_per_essay"], row["usd_per_essay"]) == (24, pytest.approx(0.024))
    assert row["usd_cohort"] == pytest.approx(0.024 * design.essays)
    [present] = table[table["present"] == "true"].to_dict("records")
    assert [present[name] for name in decisions.STUDY_COLUMNS[:3]] == [3, 2, 2]


def test_design_with_one_judge_rubric_or_replicate_cannot_foresee_more_of_it():
    _, _, one_judge = study(drawn(seed=4, judges=("j1",), essay=1.0))
    assert one_judge["reliability_fixed_templates"].isna().all()
    _, _, one_rubric = study(drawn(seed=4, rubrics=("r1",), essay=1.0))
    known = one_rubric["reliability_fixed_templates"].notna()
    assert set(one_rubric.loc[known, "evaluation_templates"]) == {1} and known.sum() == 25
    assert one_rubric["reliability_random_templates"].isna().all()
    _, _, no_replicates = study(drawn(seed=4, replicates=1, essay=1.0))
    known = no_replicates["reliability_fixed_templates"].notna()
    assert set(no_replicates.loc[known, "replicates"]) == {1} and known.sum() == 25


def test_detectable_difference_is_found_in_four_of_five_cohorts():
    frame = tidy(*drawn(seed=5, combos=8, combo_draft_template=0.6))
    compared = comparisons.comparisons(frame)
    table = decisions.detectable_differences(
        compared, comparisons.family(compared), decisions.design_of(frame, 2.0)
    ).set_index(["factor", "combos"])
    row = table.loc[("draft_template", 8)]
    assert (row["present"], row["pairs_of_family"], row["usd"]) == ("true", 3, 16.0)
    rng = np.random.default_rng(1)
    samples = rng.normal(row["detectable_difference"], row["sd_combos"], size=(4000, 8))
    power = (stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05 / 3).mean()
    assert power == pytest.approx(0.8, abs=0.025)
    assert table.loc["draft_template"]["detectable_difference"].is_monotonic_decreasing
    assert len(table.loc["draft_template"]) == 98


def test_two_combos_detect_nothing():
    frame = tidy(*drawn(combos=2))
    compared = comparisons.comparisons(frame)
    design = decisions.design_of(frame, 2.0)
    table = decisions.detectable_differences(compared, comparisons.family(compared), design)
    assert len(table) and table["detectable_difference"].isna().all()


def test_next_steps_have_a_price():
    rows = drawn(seed=6, combos=6, essay=1.0, essay_judge=0.7, combo_draft_template=0.4)
    frame = tidy(*rows)
    found, design = components.estimate(frame), decisions.design_of(frame, 2.0)
    compared = comparisons.comparisons(frame)
    detectable = decisions.detectable_differences(compared, comparisons.family(compared), design)
    table = decisions.next_steps(
        found, design, detectable, judges.judges(frame), leaderboard.adjusted_scores(frame)
    ).set_index(["question", "change"])
    judge = table.loc[("more evaluations", "one more judge")]
    assert judge["then"] > judge["now"] and judge["usd"] == pytest.approx(48 * 4 * 0.001)
    replicate = table.loc[("more evaluations", "one more replicate")]
    assert judge["then"] - judge["now"] > replicate["then"] - replicate["now"]
    assert table.loc[("drop a judge", "j1"), "usd"] == pytest.approx(-192 * 0.001)
    half = table.loc[("more combos", "detect 0.5 points of draft_template")]
    own = detectable[detectable["factor"] == "draft_template"].set_index("combos")["detectable_difference"]
    assert own[half["then"]] <= 0.5 < own.get(half["then"] - 1, np.inf)
    assert half["usd"] == max(0, half["then"] - 6) * 2.0
    top = table.loc["distinguish the top group"].iloc[0]
    assert 1 <= top["now"] <= top["then"] == 48
