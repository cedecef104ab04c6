import numpy as np
import pytest
from scipy import stats

from tests.score_table import drawn, tidy
from workflow_lib.statistics import leaderboard


def given(scores):
    """Scores by essay and judge, each by its own rubric's one column."""
    return tidy(
        *(
            {"parent_gen_id": essay, "evaluation_llm_model": judge, "score": score}
            for essay, of_judges in scores.items()
            for judge, score in of_judges.items()
        )
    )


def by_essay(frame):
    return leaderboard.adjusted_scores(frame).set_index("parent_gen_id")


def test_essay_that_the_strict_judge_missed_is_not_ahead():
    # strict gives 3 less than kind; e4 is the worst essay, judged by kind only
    board = by_essay(
        given(
            {
                "e1": {"kind": 9.0, "strict": 6.1},
                "e2": {"kind": 8.0, "strict": 4.9},
                "e3": {"kind": 7.1, "strict": 4.0},
                "e4": {"kind": 6.0},
            }
        )
    )
    assert board["raw_mean"].idxmin() != "e4"
    assert list(board.index) == ["e1", "e2", "e3", "e4"]
    assert list(board["rank"]) == [1, 2, 3, 4]
    assert board.loc["e4", "adjusted_mean"] == pytest.approx(6.0 - 1.5, abs=0.05)


def test_complete_table_has_the_figures_of_the_formulas():
    scores = {"e1": (8, 7), "e2": (7, 6), "e3": (4, 3), "e4": (2, 2)}
    board = by_essay(given({essay: dict(zip(("j1", "j2"), pair, strict=True)) for essay, pair in scores.items()}))
    table = np.array(list(scores.values()), dtype=float)
    adjusted = table.mean(axis=1)
    opinions = table - (table.mean(axis=0) - table.mean())
    w = ((opinions - adjusted[:, None]) ** 2).sum() / (4 - 1)
    v = adjusted.var(ddof=1) - w / 2
    s = v / (v + w / 2)
    estimate = adjusted.mean() + s * (adjusted - adjusted.mean())
    # nothing is missing: columns add nothing
    of_mean = adjusted.var(ddof=1) / 4 + (adjusted - adjusted.mean()) ** 2 * (2 / 1 + 2 / 3)
    half = stats.t.ppf(0.975, 3) * np.sqrt(v * (1 - s) + (1 - s) ** 2 * of_mean)
    assert board["adjusted_mean"].to_numpy() == pytest.approx(adjusted)
    assert board["estimate"].to_numpy() == pytest.approx(estimate)
    assert board["shrinkage"].to_numpy() == pytest.approx([s] * 4)
    assert board["ci_high"].to_numpy() == pytest.approx(estimate + half)
    reach = stats.t.ppf(0.975, 3) * np.sqrt(w)
    assert list(board["top_group"]) == ["true" if adjusted[0] - one <= reach else "false" for one in adjusted]


def test_rank_intervals_are_those_of_the_estimates():
    board = by_essay(tidy(*drawn(seed=2, combos=3, essay=0.8, essay_judge=0.3)))
    rng = np.random.default_rng(11)
    s = board["shrinkage"].to_numpy()
    error = np.sqrt(s * board["adjusted_mean"].var() * (1 - s))
    draws = board["estimate"].to_numpy() + error * rng.standard_normal((20_000, len(board)))
    ranks = stats.rankdata(-draws, axis=1)
    low, high = np.percentile(ranks, [2.5, 97.5], axis=0)
    assert np.abs(board["rank_low"] - low).max() <= 1 and np.abs(board["rank_high"] - high).max() <= 1


def test_equal_essays_share_a_rank():
    board = by_essay(given({"e1": {"j1": 8, "j2": 6}, "e2": {"j1": 6, "j2": 8}, "e3": {"j1": 3, "j2": 2}}))
    assert dict(board["rank"]) == {"e1": 1, "e2": 1, "e3": 3}


def test_essays_of_judges_that_share_nothing_are_not_compared():
    board = leaderboard.adjusted_scores(
        given(
            {
                "e1": {"j1": 9, "j2": 7},
                "e2": {"j1": 8, "j2": 7},
                "e3": {"j1": 2, "j2": 1},
                "e4": {"j3": 8, "j4": 7},
                "e5": {"j3": 3, "j4": 2.5},
            }
        )
    )
    assert list(board["component"]) == [1, 1, 1, 2, 2]
    assert list(board["rank"]) == [1, 2, 3, 1, 2]
    assert set(board.loc[board["component"] == 2, "judges"]) == {"j3 j4"}


def test_many_equal_essays_are_one_top_group():
    # each judge gives what chance says: pair by pair, the last of 60 would be behind the first
    dice = np.random.default_rng(4)
    scores = {f"e{number:02}": {f"j{judge}": dice.normal(5, 1) for judge in range(3)} for number in range(60)}
    board = by_essay(given(scores))
    assert set(board["top_group"]) == {"true"}
    apart = board["adjusted_mean"].max() - board["adjusted_mean"].min()
    assert apart > stats.t.ppf(0.975, 118) * np.sqrt(2 / 3)
    better = by_essay(given(scores | {"e00": {"j0": 9.0, "j1": 9.1, "j2": 8.9}}))
    assert list(better.index[better["top_group"] == "true"]) == ["e00"]


def test_among_equal_estimates_the_best_adjusted_mean_leads_the_top_group():
    """Essays of one judge hide the difference of those that thirty judged: all estimates are the mean."""
    judged = {"e1": 3.7, "e2": 4.1, "e3": 5.3, "e4": 5.7}
    thirty = {
        essay: {f"j{judge}": score + (-1) ** (judge + place) for judge in range(30)}
        for place, (essay, score) in enumerate(judged.items())
    }
    board = by_essay(given(thirty | {f"s{number}": {"j0": 4.7} for number in range(8)}))
    assert set(board["rank"]) == {1}
    assert list(board.loc[list(judged), "top_group"]) == ["false", "false", "true", "true"]


def test_two_essays_have_an_estimate_and_no_interval():
    board = by_essay(given({"e1": {"j1": 8, "j2": 7}, "e2": {"j1": 3, "j2": 2.5}}))
    assert list(board["rank"]) == [1, 2] and board["shrinkage"].notna().all()
    assert board[["ci_low", "ci_high", "rank_low", "rank_high"]].isna().all(axis=None)


def test_scores_that_show_no_difference_rank_nobody():
    board = by_essay(given({"e1": {"j1": 8, "j2": 2}, "e2": {"j1": 2, "j2": 8}, "e3": {"j1": 8, "j2": 2.2}}))
    assert set(board["rank"]) == {1} and set(board["rank_high"]) == {3}
    assert board["ci_low"].isna().all() and set(board["top_group"]) == {"true"}
    assert board["estimate"].to_numpy() == pytest.approx([board["adjusted_mean"].mean()] * 3)


@pytest.mark.parametrize(
    "scores",
    [
        {"e1": {"j1": 8}, "e2": {"j1": 6}},
        {"e1": {"j1": 8, "j2": 7}, "e2": {"j1": 6, "j2": 5}},
        {"e1": {"j1": 5, "j2": 5}, "e2": {"j1": 5, "j2": 5}, "e3": {"j1": 5, "j2": 5}},
        {"e1": {"j1": 5}},
    ],
    ids=["one judge", "no disagreement", "all equal", "one evaluation"],
)
def test_without_disagreement_to_measure_there_is_no_interval(scores):
    board = by_essay(given(scores))
    assert board[["ci_low", "ci_high", "rank_low", "shrinkage"]].isna().all(axis=None)
    assert set(board["top_group"]) == {""}
    assert board["estimate"].to_numpy() == pytest.approx(board["adjusted_mean"].to_numpy())


def test_no_scores_give_an_empty_board():
    assert list(leaderboard.adjusted_scores(tidy()).columns) == list(leaderboard.COLUMNS)
    assert len(leaderboard.adjusted_scores(tidy())) == 0


def test_with_half_the_cells_missing_ranks_are_nearer_the_truth_than_raw_means():
    rng = np.random.default_rng(4)
    quality = {f"e{number:02}": 4.5 + rng.normal() for number in range(60)}
    severity = {"j1": 1.5, "j2": 0.0, "j3": -1.5}
    cells = [(essay, judge) for essay in quality for judge in severity if rng.random() > 0.5]
    frame = tidy(
        *(
            {
                "parent_gen_id": essay,
                "evaluation_llm_model": judge,
                "score": quality[essay] + severity[judge] + rng.normal() * 0.5,
            }
            for essay, judge in cells
        )
    )
    board = by_essay(frame)
    truth = [quality[essay] for essay in board.index]
    adjusted = stats.spearmanr(board["estimate"], truth).statistic
    raw = stats.spearmanr(board["raw_mean"], truth).statistic
    assert adjusted > 0.85 and adjusted > raw + 0.1
