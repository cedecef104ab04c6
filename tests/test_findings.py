"""What the first screen says: each rule has rows that allow its sentence, and rows that forbid it."""

import pytest
from markupsafe import Markup

from workflow_lib.pages import findings, numbers, overview
from workflow_lib.pages.findings import MODELS, TEMPLATES
from workflow_lib.pages.overview import Spending


def difference(**others):
    usual = {"factor": "generation_template", "level_a": "a", "level_b": "b", "difference": "1.074"}
    usual |= {"ci_low": "0.870", "ci_high": "1.270", "n_combos": "12", "n_cells": "24", "pairing": "crossed"}
    return usual | {"p": "0.0001", "p_holm": "0.0004", "clear": "true"} | others


def unclear(**others):
    return difference(**{"ci_low": "-0.100", "p": "0.04", "p_holm": "0.2", "clear": "false"} | others)


def step(question, change, now, then, usd="3.000000", measure="combos"):
    return {"question": question, "change": change, "measure": measure, "now": now, "then": then, "usd": usd}


def combos(then, now="12.000", factor="generation_template", usd="3.000000"):
    return step("more combos", f"detect 1 points of {factor}", now, then, usd)


def more(change, now, then, usd="3.000000"):
    return step("more evaluations", change, now, then, usd, "reliability")


def said(finding):
    return Markup(finding.text).striptags()


def templates(*rows, steps=()):
    return findings.better("Which template is better?", TEMPLATES, list(rows), list(steps))


def test_clear_difference_is_named_with_interval_and_combos():
    found = templates(difference())
    assert (found.verdict, found.state) == ("clear", findings.CLEAR)
    assert said(found) == "a beats b by 1.07 of 9 points [0.87, 1.27], 12 combos."
    assert found.evidence == (("difference-generation_template-a-b-crossed", "comparisons"),)


def test_better_one_stands_first_and_its_interval_turns_with_it():
    found = templates(difference(difference="-1.074", ci_low="-1.270", ci_high="-0.870"))
    assert said(found) == "b beats a by 1.07 of 9 points [0.87, 1.27], 12 combos."


def test_interval_without_zero_is_not_clear_before_correction():
    found = templates(unclear(ci_low="0.100"), unclear(level_b="c", difference="-0.2"), steps=[combos("30.000")])
    assert (found.verdict, found.state) == ("not clear", findings.OPEN)
    assert "beats" not in said(found)
    assert said(found) == (
        "No essay template is clearly better. The largest difference: a over b by 1.07 of 9 points [0.10, 1.27], "
        "12 combos (p 0.2 after correction for 2 pairs). "
        "To show 1 point between essay templates takes 30 combos, not 12, for $3.00 more."
    )


def test_factors_without_a_clear_difference_are_named_beside_a_clear_one():
    found = templates(difference(), unclear(factor="draft_template"))
    assert said(found).endswith("Between draft templates no difference is clear.")


def test_models_and_judges_do_not_answer_for_templates():
    rows = [difference(factor="generation_model"), difference(factor="evaluation_llm_model")]
    assert templates(*rows) is None
    assert findings.better("Which model is better?", MODELS, rows, []).verdict == "clear"


@pytest.mark.parametrize(
    ("combos_used", "sentence"),
    [
        ("2", "2 combos cannot decide it: an interval takes 3."),
        ("1", "1 combo cannot decide it: an interval takes 3."),
        ("5", "The differences of all 5 combos are the same by the steps of the scale: no interval."),
    ],
)
def test_without_interval_no_difference_is_named(combos_used, sentence):
    row = difference(n_combos=combos_used, ci_low="", ci_high="", p="", p_holm="", clear="")
    assert said(templates(row)) == sentence
    assert "1.07" not in said(templates(row))


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ([combos("30.000", usd="")], "takes 30 combos, not 12 (price unknown)."),
        ([combos("30.000", usd="0.000000")], "takes 30 combos, not 12, at no cost."),
        ([combos("9.000")], "The 12 combos would have shown a difference of 1 point between essay templates."),
        ([combos(""), step("more combos", "detect 0.5 points of generation_template", "12.000", "")], ""),
        (
            [combos(""), step("more combos", "detect 2 points of generation_template", "12.000", "20.000")],
            "Even 100 combos would not show a difference of 1 point between essay templates.",
        ),
        ([], ""),
    ],
)
def test_what_it_takes_is_said_only_where_the_table_knows_it(steps, sentence):
    assert findings.combos_needed(steps, "generation_template").endswith(sentence)
    assert bool(findings.combos_needed(steps, "generation_template")) == bool(sentence)


def alpha(value="0.920", low="0.880", high="0.950", template="all", n="108"):
    measure = "krippendorff_alpha_of_replicate_means"
    names = {"measure": measure, "evaluation_template": template, "judge_a": "", "judge_b": ""}
    return names | {"n": n, "value": value, "ci_low": low, "ci_high": high}


def judge(name, severity="0.000", low="-0.100", high="0.100", template="all"):
    names = {"evaluation_llm_model": name, "evaluation_template": template}
    return names | {"severity": severity, "severity_low": low, "severity_high": high}


TWO = [judge("j1", "0.350", "0.250", "0.450"), judge("j2", "-0.350", "-0.450", "-0.250")]


@pytest.mark.parametrize(
    ("row", "verdict", "state"),
    [
        (alpha(), "yes", findings.CLEAR),
        (alpha("0.820", "0.700", "0.900"), "roughly", findings.OPEN),
        (alpha("0.700", "0.500", "0.850"), "not clear", findings.OPEN),
        (alpha("0.300", "0.100", "0.500"), "no", findings.CLEAR),
        (alpha("0.920", "", "", n="12"), "not known", findings.OPEN),
        (alpha("", "", "", n="0"), "not known", findings.OPEN),
    ],
)
def test_judges_agree_only_if_all_of_the_interval_says_so(row, verdict, state):
    found = findings.agreement([row], TWO)
    assert (found.verdict, found.state) == (verdict, state)
    assert ("alpha" in said(found)) == bool(row["ci_low"])


def test_agreement_names_interval_and_the_stricter_judge():
    assert said(findings.agreement([alpha()], TWO)) == (
        "The judges agree on which essays are better (alpha 0.92 [0.88, 0.95], 108 pairs of essay and template). "
        "j2 is 0.35 points stricter [0.25, 0.45] than the mean judge."
    )


@pytest.mark.parametrize("row", [judge("j1", "0.350", "-0.010", "0.700"), judge("j1", "0.350", "", "")])
def test_severity_whose_interval_holds_zero_is_not_named(row):
    assert "than the mean judge" not in said(findings.agreement([alpha()], [row, judge("j2")]))


def spearman(value, a="j1", b="j2", low="0.500", high="0.740"):
    row = alpha(value, low, high)
    return row | {"measure": "spearman", "judge_a": a, "judge_b": b}


def test_judges_that_differ_in_strictness_may_still_order_essays_alike():
    low = alpha("0.300", "0.100", "0.500")
    [orders, *_] = said(findings.agreement([low, spearman("0.640")], TWO)).split(" j2 is ")
    assert orders == (
        "The judges' scores do not agree (alpha 0.30 [0.10, 0.50], 108 pairs of essay and template). "
        "Strictness aside, their orders correlate by 0.64 [0.50, 0.74]."
    )
    three = [low, spearman("0.640"), spearman("0.550", b="j3"), spearman("0.720", "j2", "j3")]
    assert "the orders of two judges correlate by 0.55 to 0.72." in said(findings.agreement(three, TWO))
    assert "correlate" not in said(findings.agreement([alpha(), spearman("0.640")], TWO))


def level(**names):
    return dict.fromkeys((*TEMPLATES, *MODELS), "a") | names


def test_a_question_without_two_levels_is_answered_with_what_there_is():
    found = findings.unmatched("Which template is better?", TEMPLATES, [level(), level()])
    assert (found.verdict, found.state) == ("only one", findings.PLAIN)
    assert said(found) == "Nothing to compare: one draft template, a, one essay template, a."
    found = findings.unmatched("Which template is better?", TEMPLATES, [level(), level(draft_template="b")])
    assert (found.verdict, found.state) == ("not known", findings.OPEN)
    assert "no combo has scored essays of two of them" in said(found)
    assert findings.unmatched("Which template is better?", TEMPLATES, []) is None


def test_no_evaluations_are_advised_that_change_nothing():
    found = findings.next_step([more("one more judge", "0.000", "0.001", "8.000000")], [difference()])
    assert said(found) == "More judges or replicates would not help: an essay's mean has a reliability of 0.00."
    assert found.verdict == "nothing"


def test_one_judge_has_nobody_to_agree_with():
    found = findings.agreement([], [judge("j1", template="novelty")])
    assert found.verdict == "not known" and "only judge" in said(found)
    assert findings.agreement([], []) is None


def essay(name, estimate="8.000", group="false", component="1", low="7.500", high="8.500"):
    return {
        "parent_gen_id": name,
        "component": component,
        "estimate": estimate,
        "ci_low": low,
        "ci_high": high,
        "top_group": group,
    }


LINKS = {name: (f"essays/{name}.html", f"Of {name}") for name in ("e1", "e2", "e3")}


@pytest.mark.parametrize(
    ("groups", "verdict", "sentence"),
    [
        (("true", "false", "false"), "clear", "Of e1: 8.00 of 9 [7.50, 8.50], clearly ahead of the other 2."),
        (
            ("true", "true", "false"),
            "one of 2",
            "Of e1: 8.00 of 9 [7.50, 8.50]. The first 2 of 3 cannot be told apart.",
        ),
        (
            ("true", "true", "true"),
            "not clear",
            "No essay stands out: the scores cannot tell the 3 essays apart. "
            "Of e1 has the highest: 8.00 of 9 [7.50, 8.50].",
        ),
        (
            ("", "", ""),
            "not known",
            "Of e1 has the highest score: 8.00 of 9 [7.50, 8.50]. Too few judges or essays to say how sure that is.",
        ),
    ],
)
def test_first_essay_is_ahead_only_if_its_group_is_itself(groups, verdict, sentence):
    found = findings.top(
        [essay(f"e{place}", f"{9 - place}.000", group) for place, group in enumerate(groups, 1)], LINKS
    )
    assert (found.verdict, said(found)) == (verdict, sentence)


def test_thousands_of_essays_are_counted_with_separators():
    board = [essay("e1", group="true"), *(essay(f"x{place}", "7.000", "true") for place in range(1_200))]
    found = findings.top([*board, essay("e2", "2.000")], LINKS)
    assert found.verdict == "one of 1,201" and "The first 1,201 of 1,202 cannot be told apart." in said(found)


def test_equal_essays_have_no_best_one():
    found = findings.top([essay(f"e{place}", "6.000", "", low="", high="") for place in (1, 2)], LINKS)
    assert said(found) == "All 2 have the same score, 6.00 of 9: Of e1 is one of them."


def test_single_essay_is_best_of_nothing():
    found = findings.top([essay("e1", low="", high="")], LINKS)
    assert (found.verdict, said(found)) == ("only one", "Of e1 is the only one with a score: 8.00 of 9.")
    assert findings.top([], LINKS) is None


def test_essays_without_a_common_judge_are_not_ranked_together():
    board = [essay("e3", "9.000", "true", "1"), essay("e1", "8.000", "true", "2"), essay("e2", "7.000", "false", "2")]
    found = findings.top(board, LINKS)
    assert "Of e1: 8.00" in said(found) and "2 groups of essays share no judge" in said(found)


def test_title_of_an_essay_is_text():
    found = findings.top([essay("e1", group="true")], {"e1": ("essays/e1.html", "<script>x</script>")})
    assert "<script>" not in found.text and "&lt;script&gt;" in found.text


def cost(stage, usd, calls="10"):
    return {"stage": stage, "model": "m", "calls": calls, "cost_usd": usd}


@pytest.mark.parametrize(
    ("rows", "total", "verdict", "sentence"),
    [
        (
            [cost("draft", "1.000000"), cost("essay", "0.500000"), cost("evaluation", "2.000000")],
            Spending(30, 3.5, 0),
            "$3.50",
            "30 calls: drafts $1.00, essays $0.50, judging $2.00.",
        ),
        ([cost("draft", "0.000000")], Spending(10, 0.0, 0), "$0.00", "10 calls that cost nothing."),
        ([cost("draft", "")], Spending(10, None, 10), "unknown", "10 calls of unknown cost."),
        (
            [cost("draft", "1.000000"), cost("essay", "", "1")],
            Spending(11, 1.0, 1),
            "$1.00",
            "11 calls: drafts $1.00. 1 call of unknown cost is not in it.",
        ),
    ],
)
def test_unknown_cost_is_never_zero(rows, total, verdict, sentence):
    found = findings.spent(rows, total)
    assert (found.verdict, said(found)) == (verdict, sentence)


def test_nothing_bought_is_nothing_spent():
    found = findings.spent([], Spending(0, None, 0))
    assert (found.verdict, said(found)) == ("nothing", "No call on record was made in this cohort's name.")


def test_next_are_the_combos_that_show_a_difference_if_none_is_clear():
    rows = [combos("30.000"), combos("20.000", factor="draft_template"), more("one more judge", "0.950", "0.960")]
    found = findings.next_step(rows, [unclear()])
    assert found.verdict == "more combos"
    assert said(found) == (
        "To show 1 point between draft templates takes 20 combos, not 12, for $3.00 more. "
        "More judges or replicates would change little: an essay's mean has a reliability of 0.95 already."
    )
    # essay templates are decided, draft templates are not
    assert said(findings.next_step(rows, [difference()])).startswith("To show 1 point between draft templates")
    both = [difference(), difference(factor="draft_template")]
    assert "combos" not in said(findings.next_step(rows, both))


def test_next_are_the_evaluations_that_raise_reliability_most_for_their_price():
    rows = [
        more("one more judge", "0.700", "0.780", "8.000000"),
        more("one more replicate", "0.700", "0.740", "1.000000"),
    ]
    found = findings.next_step(rows, [difference()])
    assert found.verdict == "one more replicate"
    assert said(found) == (
        "One more replicate would raise the reliability of an essay's mean from 0.70 to 0.74, for $1.00 more."
    )


def test_missing_scores_come_before_everything_that_could_be_bought():
    found = findings.next_step([combos("30.000")], [unclear()], missing=3)
    assert found.verdict == "the missing scores"
    assert said(found).startswith("First what is missing: 3 evaluations have no score that counts. To show 1 point")


def test_nothing_is_advised_where_the_tables_foresee_nothing():
    found = findings.next_step([more("one more judge", "", "")], [], missing=0)
    assert found.verdict == "not known" and "two judges and three combos" in said(found)
    assert findings.next_step([], [], missing=0) is None


def test_steps_of_the_table_say_what_is_enough_and_what_is_no_forecast():
    rows = [
        step("more combos", "detect 1 points of draft_template", "8.000", "4.000", "0.000000") | {"measure": "combos"},
        step("distinguish the top group", "", "2.000", "64.000", "") | {"measure": "essays like the first, and all"},
    ]
    enough, group = overview.steps(rows)
    assert (enough.now, enough.then, enough.price) == ("8", "4 are enough", "$0.00")
    assert (group.measure, group.now, group.then) == ("essays like the first, of all", "2 of 64", "–")


def test_small_p_values_are_not_zero():
    assert [findings.p_value(value) for value in ("0.0000", "0.0012", "0.6000")] == ["below 0.001", "0.0012", "0.6"]


def test_what_rounds_to_nothing_has_no_sign():
    assert [numbers.points(value) for value in ("-0.004", "-0.006", "0.125")] == ["0.00", "−0.01", "0.12"]
    assert [numbers.signed(value) for value in ("-0.004", "0.004", "-0.006")] == ["+0.00", "+0.00", "−0.01"]
