"""The geometry of pictures: what an axis shows, where an interval is cut off, and what stands beside it as text."""

import re

import pytest

from workflow_lib.pages import charts, curves, evidence
from workflow_lib.pages.axes import Axis, Estimate, of_scale, zoomed
from workflow_lib.pages.pictures import dot, head
from workflow_lib.results.claims import written
from workflow_lib.statistics import levels

WHOLE = (0.0, 9.0)


def lines(drawing):
    """Return (class, x1, x2) of each horizontal line, in percent."""
    found = re.findall(r'<line x1="([\d.]+)%" y1="([\d.]+)" x2="([\d.]+)%" y2="([\d.]+)" class="([^"]*)"', str(drawing))
    return [(name, float(x1), float(x2)) for x1, y1, x2, y2, name in found if y1 == y2]


def drawn(drawing):
    return str(drawing.__html__())


def test_axis_is_zoomed_to_the_data_and_its_part_of_the_scale_is_shown():
    axis = zoomed([Estimate(6.0, 5.5, 6.5), Estimate(7.0, 6.4, 7.6)], WHOLE)
    assert 5 <= axis.low <= 5.5 and 7.6 <= axis.high <= 8.1
    assert axis.is_zoomed
    above = drawn(head(axis))
    [(_, start, end)] = [line for line in lines(above) if "c-window" in line[0]]
    whole = of_scale(*WHOLE)
    assert (f"{start:.2f}%", f"{end:.2f}%") == (whole.at(axis.low), whole.at(axis.high))
    assert ">0<" in above and ">9<" in above


def test_axis_of_the_whole_scale_has_no_second_one():
    axis = zoomed([Estimate(0.0), Estimate(9.0)], WHOLE)
    assert (axis.low, axis.high) == WHOLE and not axis.is_zoomed
    assert "c-window" not in drawn(head(axis))


@pytest.mark.parametrize("values", [[5.0], [5.0, 5.0], [0.0], [9.0]])
def test_equal_values_have_an_axis_of_some_width(values):
    axis = zoomed([Estimate(value) for value in values], WHOLE)
    assert axis.low < axis.high and axis.low <= values[0] <= axis.high and len(axis.ticks) >= 2
    assert axis.low >= 0 and axis.high <= 9


def test_one_wide_interval_does_not_flatten_the_others():
    usual = [Estimate(value, value - 0.5, value + 0.5) for value in (0.2, 0.6, 1.0)]
    axis = zoomed([*usual, Estimate(0.5, -18.0, 19.0)], (-9.0, 9.0), zero=True)
    assert axis.low >= -2 and axis.high <= 3
    assert all(axis.low <= one.low and one.high <= axis.high for one in usual)


def test_interval_is_cut_off_with_an_arrow_only_where_it_goes_on():
    axis = Axis(5.0, 9.0, WHOLE, (5.0, 7.0, 9.0))
    both = drawn(dot(axis, Estimate(7.0, 4.0, 10.0)))
    above = drawn(dot(axis, Estimate(8.5, 7.0, 10.0)))
    inside = drawn(dot(axis, Estimate(7.0, 6.0, 8.0)))
    assert [text.count("c-arrow") for text in (both, above, inside)] == [2, 1, 0]
    [(_, start, end)] = [line for line in lines(both) if "c-line" in line[0]]
    assert (f"{start:.2f}%", f"{end:.2f}%") == (axis.at(5.0), axis.at(9.0))
    assert f'x="{axis.at(9.0)}"' in above and f'x="{axis.at(5.0)}"' not in above.replace("x1=", "")


def test_value_without_interval_is_a_dot_alone():
    axis = of_scale(*WHOLE)
    assert lines(drawn(dot(axis, Estimate(4.0)))) == []


def difference(**others):
    usual = {"factor": "draft_template", "level_a": "a", "level_b": "b", "difference": "1.000", "ci_low": "0.500"}
    usual |= {"ci_high": "1.500", "n_combos": "5", "n_cells": "5", "pairing": "crossed", "clear": "true"}
    return usual | {"p_holm": "0.01"} | others


@pytest.mark.parametrize(
    ("others", "is_clear", "said"),
    [
        ({}, True, "[+0.50, +1.50], 5 combos, p 0.01 corrected"),
        ({"clear": "false", "p_holm": "0.2"}, False, "[+0.50, +1.50], 5 combos, p 0.2 corrected"),
        ({"clear": "", "p_holm": "", "ci_low": "", "ci_high": "", "n_combos": "2"}, False, "no interval, 2 combos"),
    ],
)
def test_difference_is_filled_only_where_the_table_says_so(others, is_clear, said):
    [line] = evidence.differences([difference(**others)]).lines
    assert (line.is_strong, line.value, line.rest) == (is_clear, "+1.00", said)
    assert ("c-dot" in drawn(line.drawing), "c-hollow" in drawn(line.drawing)) == (is_clear, not is_clear)


def test_judges_and_rubrics_are_no_differences_of_the_page():
    assert evidence.differences([difference(factor="evaluation_llm_model", clear="")]) is None


def essay(name, group, component="1"):
    return {
        "component": component,
        "parent_gen_id": name,
        "estimate": "7.000",
        "ci_low": "6.500",
        "ci_high": "7.500",
        "n_scores": "12",
        "rank": "1",
        "rank_low": "1",
        "rank_high": "2",
        "top_group": group,
    }


def test_bracket_holds_those_together_that_cannot_be_told_apart():
    links = {name: (f"essays/{name}.html", name) for name in ("e1", "e2", "e3", "e4")}
    found = evidence.leaders([essay("e1", "true"), essay("e2", "true"), essay("e3", "false")], links).lines
    assert [line.in_bracket for line in found] == [True, True, False]
    assert found[0].rest == "[6.50, 7.50], 12 scores, rank 1 (1–2)"
    alone = evidence.leaders([essay("e1", "true"), essay("e2", "false"), essay("e4", "true", "2")], links).lines
    assert [(line.label, line.in_bracket) for line in alone] == [("e1", False), ("e2", False)]


def judge(name, mean):
    row = {"evaluation_llm_model": name, "evaluation_template": "novelty", "mean": mean, "spread": "1.000"}
    return row | {"n_scores": "4", "share_top": "0.250", "share_bottom": "0.000"}


def bars(drawing):
    found = re.findall(r'<rect x="([\d.]+)%" y="[\d.]+" width="([\d.]+)%" height="([\d.]+)"', drawn(drawing))
    return [(float(x), float(width), float(height)) for x, width, height in found]


def test_histograms_of_judges_share_their_axis_and_the_scale_of_their_bars():
    picture = evidence.histograms(
        {"j1": [7, 7, 7, 9], "j2": [1, 2, 3, 9]}, [judge("j1", "7.500"), judge("j2", "3.750")]
    )
    first, second = picture.lines
    tall, small = bars(first.drawing), bars(second.drawing)
    # the last bar of both is 9, a quarter of each judge's scores
    assert tall[-1] == small[-1]
    assert tall[0][2] == pytest.approx(3 * tall[-1][2], abs=0.1)
    assert first.rest == "mean, spread 1.00, 4 scores, 25 % best, 0 % lowest"


def test_bars_of_whole_scores_stand_for_one_score_each_and_half_points_are_not_rounded():
    assert evidence.edges_for([0, 7, 9.0])[:2] == [-0.5, 0.5]
    halves = evidence.edges_for([6.5, 8.89])
    assert (halves[0], halves[1], halves[-1]) == (0.0, 0.5, 9.0)
    picture = evidence.histograms({"j1": [6.5, 6.0, 8.89, 9.0]}, [judge("j1", "7.597")])
    assert len(bars(picture.lines[0].drawing)) == 3


def test_disputed_essays_are_those_whose_judges_lie_furthest_apart_on_the_template_s_scale():
    def spread(name, template, low, high, models="2"):
        row = {"analysis_type": "model_variance", "parent_gen_id": name, "evaluation_template": template}
        row |= {"count": "4", "mean": str((low + high) / 2), "min": str(low), "max": str(high)}
        return row | {"range": str(high - low), "num_models": models}

    rows = [spread("e1", "hundred", 10, 40), spread("e2", "novelty", 2, 8), spread("e3", "novelty", 0, 9, models="1")]
    rows += [spread("e4", "novelty", 5, 5)]
    links = {f"e{number}": (f"essays/e{number}.html", f"e{number}") for number in range(1, 5)}
    found = evidence.disputed(rows, links, {"hundred": 100.0, "novelty": 9.0}).lines
    assert [(line.label, line.value) for line in found] == [("e2", "2 to 8"), ("e1", "10 to 40")]


def test_frontier_joins_recipes_that_none_beats_in_both():
    def recipe(template, mean, price, efficient):
        names = {"draft_template": template, "generation_template": "e", "draft_model": "w", "generation_model": "w"}
        numbers = {"n_combos": "3", "n_essays": "3", "mean": mean, "ci_low": "", "ci_high": ""}
        return {"factor": "recipe", **names, **numbers, "usd_per_essay": price, "efficient": efficient}

    rows = [recipe("dear", "8.000", "0.5", "true"), recipe("cheap", "6.000", "0.01", "true")]
    rows += [recipe("beaten", "5.000", "0.2", "false")]
    found = [(name.split(" · ")[0], price) for name, _, price in curves.efficient(rows)]
    assert found == [("cheap", "$0.01"), ("dear", "$0.50")]
    assert drawn(curves.quality_and_cost(rows)).count('class="c-dot"') == 2
    free = [row | {"usd_per_essay": "0.000000"} for row in rows]
    assert curves.quality_and_cost(free) is None and curves.efficient(free) == []


def test_every_picture_is_a_file_without_not_a_number():
    picture = evidence.differences([difference(), difference(level_b="c", difference="-0.400", ci_low="", ci_high="")])
    source = charts.file(picture)
    assert source.startswith("<svg") and "nan" not in source.lower() and "None" not in source
    assert "Nothing to draw" in charts.file(None)


def board(*rows):
    import pandas as pd

    columns = ("component", "combo_id", "parent_gen_id", "draft_template", "adjusted_mean")
    others = {"draft_model": "w", "generation_template": "e", "generation_model": "w", "n_scores": 4}
    return pd.DataFrame([dict(zip(columns, row, strict=True)) | others for row in rows])


def test_means_of_levels_count_each_combo_the_same():
    rows = [(1, f"c{number}", f"e{number}", "d", 4.0 + number) for number in range(3)]
    table = levels.level_means(board(*rows, (1, "c2", "e9", "d", 8.0)), {"e0": 0.1, "e1": 0.3})
    row = written(table).query("factor == 'draft_template'").iloc[0]
    # combos: 4, 5 and the mean of 6 and 8
    assert (row["mean"], row["n_combos"], row["n_essays"], row["n_scores"]) == ("5.333", 3, 4, 16)
    assert (row["ci_low"], row["ci_high"]) == ("1.539", "9.128")
    assert (row["usd_per_essay"], row["n_priced"], row["efficient"]) == ("0.200000", 2, "")


def test_recipes_are_efficient_unless_one_is_as_good_for_less():
    rows = [(1, "c1", "e1", "cheap", 6.0), (1, "c1", "e2", "dear", 8.0), (1, "c1", "e3", "beaten", 5.0)]
    rows += [(1, "c1", "e4", "unknown", 9.0)]
    table = levels.level_means(board(*rows), {"e1": 0.01, "e2": 0.5, "e3": 0.02})
    own = table[table["factor"] == "recipe"].set_index("draft_template")["efficient"]
    assert own.to_dict() == {"beaten": "false", "cheap": "true", "dear": "true", "unknown": ""}


def test_levels_of_essays_without_a_common_judge_have_no_means():
    assert levels.level_means(board((1, "c1", "e1", "d", 6.0), (2, "c1", "e2", "d", 8.0)), {}).empty
    two = levels.level_means(board((1, "c1", "e1", "d", 6.0), (1, "c2", "e2", "d", 8.0)), {})
    assert two["ci_low"].isna().all() and (two["mean"] == 7.0).all()
