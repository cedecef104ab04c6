"""The shipped texts: what a template hints at is said in its row, and no current one gives the rubric's points away."""

import re

import pytest

from tests.project import SOURCE, read_csv

RAW = SOURCE / "data" / "1_raw"
# words for what the rubric of the day-dreaming loop rewards: cost, return, failures, selection, feedback, idle time
REWARDED = re.compile(
    r"\b(?:cost|pay|paid|econom|moat|money|budget|expens|feedback|feed back|loop|cycle|flywheel|idle|background|critic|"
    r"judg|filter|discard|reject|fail|competit|copy it|thousand runs|nonsense|nobody makes|background)",
    re.IGNORECASE,
)
ROWS = [
    pytest.param(stage, row, id=f"{stage}-{row['template_id']}")
    for stage in ("draft", "essay")
    for row in read_csv(RAW / f"{stage}_templates.csv")
    if row["generator"] == "llm"
]


@pytest.mark.parametrize(("stage", "row"), ROWS)
def test_the_row_of_a_template_says_what_it_hints_at(stage, row):
    text = (RAW / "templates" / stage / f"{row['template_id']}.txt").read_text()
    hints = REWARDED.findall(text)
    assert bool(row["hints_at"])
    if row["active"] == "true":
        assert not hints
    elif row["hints_at"] == "nothing":
        pytest.fail("an earlier version without hints needs no successor")


@pytest.mark.parametrize("stage", ["draft", "essay"])
def test_there_is_a_neutral_arm_that_asks_for_a_text_and_for_nothing_else(stage):
    (row,) = [row for row in read_csv(RAW / f"{stage}_templates.csv") if row["template_id"] == "plain-v1"]
    text = (RAW / "templates" / stage / "plain-v1.txt").read_text()
    assert (row["active"], row["hints_at"]) == ("true", "nothing")
    asked = re.sub(r"\{[{%].*?[%}]\}|<\S+>", "", text)
    assert len(asked.split()) < 80


def test_no_current_concept_ends_on_what_the_rubric_rewards():
    seen = set()
    for row in read_csv(RAW / "concepts_metadata.csv"):
        for path in (RAW / "concepts").glob(f"*/{row['concept_id']}.txt"):
            gives_away = re.search(r"kept inside|remaining in the vault|competitor can see", path.read_text())
            assert bool(gives_away) == (row["active"] == "false" and "sentence" not in path.parent.name), path
            seen.add(bool(gives_away))
    assert seen == {True, False}


def test_every_current_rubric_fences_what_it_judges():
    for row in read_csv(RAW / "evaluation_templates.csv"):
        text = (RAW / "templates" / "evaluation" / f"{row['template_id']}.txt").read_text()
        fenced = "<response-{{ boundary }}>\n{{ response }}\n</response-{{ boundary }}>" in text
        assert fenced == (row["active"] == "true")
