"""What of an answer counts: reasoning at its start never does, and a refusal is no answer."""

import json

import pytest

from tests.project import Project, read_csv
from tests.scripted_server import ScriptedServer, completion
from tests.stores import Store
from workflow_lib import generations
from workflow_lib.errors import ConfigError
from workflow_lib.generations import answers
from workflow_lib.generations.state import States
from workflow_lib.parsers import ParseFailure
from workflow_lib.settings.keys import REFUSAL_PHRASES

SORRY = "I'm sorry, but I can't help with that."
LINES = "One line.\nAnother.\nA third."
FILLED = " more words" * 40


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def outcome(store, entry, **config):
    """Return the parsed text of a generation, or the reason why there is none."""
    try:
        generations.parse(store.load(**config), entry)
    except ParseFailure as failure:
        return failure.reason
    return store.files(entry).parsed.read_text()


@pytest.mark.parametrize(
    ("answer", "rest"),
    [
        ("An essay.", "An essay."),
        (" An essay. \n", " An essay. \n"),
        ("<think>Hm.\n\nYes.</think>\n\n  An essay. ", "An essay. "),
        ("<thinking>Hm.</thinking>An essay.", "An essay."),
        ("\n <THINK>Hm.</Think>\nAn essay.", "An essay."),
        ("<think></think>An essay.", "An essay."),
        ("<think>a</think>\n<thinking>b</thinking>\nAn essay.", "An essay."),
        ("<think>a<think>b</think>An essay.", "An essay."),
        ("<think>a</thinking>b</think>An essay.", "An essay."),
        ("<think>all of it</think>\n", ""),
        ("<think>cut off", None),
        ("<think>a</think><think>cut off", None),
        ("An essay.\n<think>in its middle</think>\n", "An essay.\n<think>in its middle</think>\n"),
        ("</think>An essay.", "</think>An essay."),
        ("<thinker>a</thinker>", "<thinker>a</thinker>"),
        ("<think about='it'>a</think>", "<think about='it'>a</think>"),
    ],
)
def test_reasoning_at_the_very_start_is_left_out(answer, rest):
    assert answers.without_reasoning(answer) == rest


@pytest.mark.parametrize(
    ("answer", "declined"),
    [
        (SORRY, True),
        ("I\u2019M SORRY.", True),
        ("**Sorry**, no.", True),
        ("As an AI, I have no views.", True),
        ("Unfortunately, I have none.", True),
        (SORRY + FILLED, False),
        ("Sorrypark is a town.", False),
        ("I cannotate.", False),
        ("We are sorry.", False),
        ("", False),
    ],
)
def test_a_short_answer_that_opens_like_a_refusal_is_one(answer, declined):
    said = answers.refusal(answer, {}, REFUSAL_PHRASES)
    assert (said is not None) is declined
    assert not declined or answer[:10] in said


def test_the_length_of_a_refusal_is_below_400_characters():
    assert answers.refusal("Sorry".ljust(399, "."), {}, ["Sorry"]) is not None
    assert answers.refusal("Sorry".ljust(400, "."), {}, ["Sorry"]) is None


@pytest.mark.parametrize(
    ("raw", "recorded", "expected"),
    [
        (LINES, {}, LINES),
        (f"<think>{SORRY}</think>\n{LINES}", {}, LINES),
        (SORRY, {}, "refused"),
        (f"<think>{LINES}</think>\n{SORRY}", {}, "refused"),
        ("I'm sorry, but I", {"truncated": True}, "refused"),
        ("", {"finish_reason": "content_filter"}, "refused"),
        (LINES + FILLED, {"finish_reason": "content_filter"}, "refused"),
        (LINES, {"refusal": "No."}, "refused"),
        (f"<think>{LINES}</think>\nOne line.", {}, "min_lines_not_met"),
        (f"<think>{LINES}</think>", {}, "empty_response"),
        (f"<think>{LINES}", {}, "empty_response"),
        (f"<think>{LINES}", {"truncated": True}, "truncated"),
    ],
)
def test_how_a_draft_is_parsed(store, raw, recorded, expected):
    draft = store.draft(raw=raw, recorded=recorded, state="raw")
    assert outcome(store, draft) == expected
    assert store.files(draft).raw.read_text() == raw


def test_reasoning_that_was_cut_off_leaves_nothing_even_if_that_is_allowed(store):
    draft = store.draft(raw=f"<think>{LINES}", recorded={"truncated": True}, state="raw")
    assert outcome(store, draft, stages={"draft": {"allow_truncated": True}}) == "empty_response"


@pytest.mark.parametrize(
    ("raw", "recorded", "expected"),
    [
        ("Unfortunately, I miss the loop.\nSCORE: 3", {}, "3.0\n"),
        ("SCORE: 3", {"finish_reason": "content_filter"}, "3.0\n"),
        ("<think>SCORE: 9</think>\nSCORE: 3", {}, "3.0\n"),
        ("<think>Well.\nSCORE: 9</think>", {}, "empty_response"),
        (SORRY, {}, "refused"),
        (f"{SORRY}\nSCORE: 12", {}, "refused"),
        ("It is good.", {"finish_reason": "content_filter"}, "refused"),
        ("It is good.", {}, "no_score_last_lines"),
    ],
)
def test_a_judge_who_gives_a_score_has_not_declined(store, raw, recorded, expected):
    evaluation = store.evaluation(store.essay(store.draft()), raw=raw, recorded=recorded, state="raw")
    assert outcome(store, evaluation) == expected


def test_phrases_are_a_setting_and_a_failure_stands_only_under_the_phrases_of_its_time(store):
    draft = store.draft(raw=f"Non, merci.\n{LINES}", state="raw")
    refusing = {"llm": {"refusal_phrases": ["non, merci"]}}
    assert outcome(store, draft, **refusing) == "refused"
    [failure] = States(store.load(**refusing)).failures([draft])
    assert failure.reason == "refused" and "('non, merci')" in failure.message
    assert States(store.settings).failures([draft]) == []
    assert outcome(store, draft) == f"Non, merci.\n{LINES}"
    with pytest.raises(ConfigError, match=r"llm\.refusal_phrases"):
        store.load(llm={"refusal_phrases": [" "]})


def test_a_text_that_was_parsed_before_is_not_parsed_again_nor_stale(store):
    draft = store.draft(raw=f"<think>Hm.</think>\n{SORRY}")
    essay = store.essay(draft)
    for entry in (draft, essay):
        assert not generations.needs_parse(store.settings, entry, None)
        assert States(store.settings).of(entry).stale == "false"
    assert "<think>" in store.files(draft).parsed.read_text()


SPEC = """
combos: {concepts: [default-mode-network, combinatorial-creativity], k: 2}
axes:
  draft_template: [analytical-memo-v2]
  draft_llm: [sim-writer-a]
  draft_replicate: [1, 2]
  essay_template: [structured-analysis-v2]
  evaluation_template: [novelty]
  evaluation_llm: [sim-judge-a]
  evaluation_replicate: [1]
output:
  field_order: [combo_id, draft_template, draft_llm, essay_template, evaluation_template, evaluation_llm]
"""


@pytest.mark.slow
def test_reasoning_never_reaches_another_model_and_refusals_are_counted(tmp_path):
    project = Project(tmp_path, SPEC)
    writer, judge = "sim-writer-a", "sim-judge-a"
    replies = [
        (writer, f"<think>secret plan</think>\n{SORRY}"),
        (writer, f"<think>\nsecret plan\n</think>\n\n{LINES}"),
        (writer, "<thinking>secret plan</thinking>\n\nAn essay on moats."),
        (judge, "<think>secret plan\nSCORE: 9</think>\nI'm afraid I miss the loop.\nSCORE: 3"),
    ]
    with ScriptedServer(*(completion(text, model=model) for model, text in replies)) as server:
        project.snakemake("--cores", "1", env={"DD_OFFLINE_BASE_URL": server.url}, code=1)
    sent = [request["messages"][-1]["content"] for _, _, request in server.requests]
    assert len(sent) == 4
    assert not any("secret plan" in prompt for prompt in sent)
    assert LINES in sent[2] and "An essay on moats." in sent[3]
    assert [path.read_text().count("secret plan") for path in project.files("raw.txt")] == [1] * 4
    assert [row["score"] for row in project.scores() if row["score"]] == ["3.0"]
    coverage = read_csv(project.cohort_folder / "reports" / "summary" / "coverage.csv")
    assert [(row["expected"], row["scored"], row["refused"]) for row in coverage] == [("2", "1", "1")]
    [failure] = json.loads(project.daydream("status", "--json", code=1))["failures"]
    assert (failure["stage"], failure["step"], failure["reason"]) == ("draft", "parse", "refused")
    assert "read raw.txt" in failure["remedy"]
