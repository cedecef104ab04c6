"""The tables' claims, held against cohorts whose truth is known: a few dozen here, thousands in benchmarks/."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import calibration, measured, studies
from benchmarks.simulated import NULL, REAL, Design, cohort
from benchmarks.studies import Study
from workflow_lib.statistics import comparisons

MIXED = Design(combos=4, missing=0.2, interaction=1.0, whole_points=True)
LEAST = 0.87
"""Three Monte-Carlo errors of a few dozen cohorts below 95 %."""


def figures(table, design, cohorts=30):
    """Return claim -> its mean over cohorts."""
    found = calibration.run([Study(table, "tiny", "", design, cohorts)])
    return {claim: float(np.nanmean(values)) for (_, claim, _), values in found.items()}


def percentile_coverage(design, cohorts):
    """Return the coverage of a percentile bootstrap over cells: what the tables once claimed."""
    rng, held = np.random.default_rng(1), []
    for seed in range(cohorts):
        scores, truth = cohort(design, seed)
        for pairing, levels, units in comparisons.pairs(measured.tidy(scores)):
            key = (pairing.factor, pairing.name, *levels)
            if key in truth.differences and len(units.combo):
                apart = 9 * (units.a - units.b)
                drawn = apart[rng.integers(0, len(apart), (400, len(apart)))].mean(axis=1)
                low, high = np.quantile(drawn, [0.025, 0.975])
                held.append(low <= truth.differences[key] <= high)
    return float(np.mean(held))


@pytest.mark.slow
def test_comparisons_cover_the_truth_on_both_grounds_and_cells_do_not():
    found = figures("comparisons", MIXED, 20)
    assert found["interval, new combos"] > LEAST
    assert found["interval, these combos"] > LEAST
    assert found["any clear difference in a cohort without any"] <= 0.2
    assert percentile_coverage(MIXED, 20) < LEAST - 0.1


@pytest.mark.slow
def test_adjusted_scores_are_right_where_a_strict_judge_is_missing():
    judges = {"j1": (1.0, 0.4), "j2": (0.0, 0.5), "j3": (-2.5, 0.6)}
    found = figures("adjusted_scores", Design(combos=4, pipeline=True, missing=0.4, judges=judges), 20)
    assert found["interval of an adjusted score"] > LEAST
    assert found["rank interval"] > LEAST
    assert found["top group holds the best essay"] > LEAST
    adjusted, raw = (found[f"rank correlation with the truth, {kind}"] for kind in ("adjusted", "raw means"))
    assert adjusted > raw + 0.1
    assert abs(found["winner's bias, adjusted"]) < 0.25 < found["winner's bias, raw means"]


@pytest.mark.slow
@pytest.mark.parametrize(("essays", "missing"), [(3, 0.0), pytest.param(12, 0.5, marks=pytest.mark.full)])
def test_intervals_of_few_essays_allow_for_what_few_essays_do_not_know(essays, missing):
    found = figures("adjusted_scores", replace(studies.ALONE, combos=essays, missing=missing), 60)
    # with variances, mean and columns taken as known: 0.80 and 0.87
    assert found["interval of an adjusted score"] > 0.89


@pytest.mark.slow
def test_equal_essays_are_all_in_the_top_group():
    found = figures("adjusted_scores", replace(studies.EQUAL, missing=0.3), 40)
    # pair by pair, with no test of all essays before: in all cohorts
    assert found["any essay outside the top group where all are equally good"] <= 0.15


@pytest.mark.full
def test_unrelated_judges_do_not_agree_and_related_ones_do_as_much_as_is_said():
    unrelated = Design(combos=24, effects=studies.ONE_LEVEL, unrelated=True, judge_rubric=1.5)
    found = figures("judges", unrelated, 5)
    assert found["alpha above 0 of unrelated judges, rubrics pooled"] == 0
    found = figures("judges", studies.ALONE, 8)
    for claim, value in found.items():
        assert value > 0.7, claim


@pytest.mark.slow
def test_components_are_those_that_the_scores_were_drawn_from():
    found = figures("variance_components", Design(combos=20, replicates=(2, 1, 2), interaction=0.4, missing=0.1), 8)
    for claim, value in found.items():
        assert abs(value) < 0.06, claim


@pytest.mark.slow
def test_own_models_and_long_texts_are_found_as_large_as_they_are():
    judges = {"m1": (0.5, 0.5), "m2": (-0.5, 0.7), "j3": (0.0, 0.7)}
    found = figures("biases", Design(combos=6, judges=judges, own_model=0.6, missing=0.3), 15)
    assert found["interval of own_model"] > LEAST - 0.05
    assert abs(found["bias of own_model"]) < 0.1
    found = figures("biases", Design(combos=6, slopes={"j1": 0.8, "j3": -0.4}, missing=0.2), 15)
    assert found["interval of length_slope"] > LEAST - 0.05
    assert found["interval of length_adjusted_difference"] > LEAST - 0.05


def test_verdicts_allow_for_monte_carlo_error_and_no_more():
    assert calibration.judged("interval, x", 0.92, 0.006, 100) == (">= 0.93", "holds")
    assert calibration.judged("interval, x", 0.90, 0.006, 100) == (">= 0.93", "FAILS")
    assert calibration.judged("interval, x", 0.98, 0.006, 100) == (">= 0.93", "conservative")
    assert calibration.judged("any clear difference", 0.08, 0.02, 180)[1] == "holds"
    assert calibration.judged("any clear difference", 0.12, 0.02, 180)[1] == "FAILS"
    assert calibration.judged("bias of own_model", 0.3, 0.02, 100)[1] == "FAILS"


@pytest.mark.slow
def test_same_seed_gives_the_same_table_whatever_the_number_of_processes():
    wanted = [Study("comparisons", "tiny", "", Design(combos=3, effects=effects), 6) for effects in (NULL, REAL)]
    tables = [calibration.table(calibration.run(wanted, processes=processes)) for processes in (1, 2)]
    assert tables[0] == tables[1]
    claims = {row["claim"] for row in tables[0]}
    assert {"interval, new combos", "clear with the wrong sign"} <= claims


@pytest.mark.full
def test_no_claim_of_the_tables_fails():
    pooled = {}
    # all kinds of cohorts together: a sixth of the benchmark shows little about each of them
    for (table, claim, _), values in calibration.run(studies.studies(1 / 6), seed=11, processes=None).items():
        pooled.setdefault((table, claim, "all kinds"), []).extend(values)
    rows = calibration.table(pooled)
    assert len(rows) > 40
    assert [row for row in rows if row["verdict"] == calibration.FAILS] == []
