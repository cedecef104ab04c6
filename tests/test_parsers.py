import copy
import pickle
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.project import SOURCE
from workflow_lib import parsers
from workflow_lib.errors import DayDreamError
from workflow_lib.parsers import REMEDIES, ParseFailure, names, parse

NO_SCORE = "no_score_last_lines"
OUT = "out_of_range"

SCORE_TABLE = [
    ("SCORE: 7", 7.0, 7.0),
    ("**SCORE: 7**", 7.0, 7.0),
    ("score: 7.5", 7.5, 7.5),
    ("### Score: 7", 7.0, 7.0),
    ("Final Score: 8", 8.0, 8.0),
    ("Total Score 8", 8.0, 8.0),
    ("Score: 6 points", 6.0, 6.0),
    ("SCORE: 456", 5.0, OUT),
    ("Score: 4, 5, 6", 5.0, NO_SCORE),
    ("SCORE: 000", 0.0, 0.0),
    ("SCORE: 8/9", 8.0, 8.888888888888889),
    ("SCORE: <7>", 7.0, NO_SCORE),
    ("SCORE: 7.", 7.0, NO_SCORE),
    ("### **Final Score**\n**3/10**", NO_SCORE, 3.0),
    ("SCORE: 7/10", NO_SCORE, 7.0),
    ("SCORE: 10/10", NO_SCORE, 10.0),
    ("SCORE: 10", OUT, 10.0),
    ("SCORE: -3", OUT, OUT),
    ("SCORE: 1000", OUT, OUT),
    ("SCORE: 4\nSCORE: 6", 6.0, 6.0),
    ("Score: 3\nSCORE: 5\nConfidence: high", 5.0, 5.0),
    ("SCORE: 7\na\nb\nc\nd", NO_SCORE, 7.0),
    ("The score is 7.", NO_SCORE, NO_SCORE),
    ("", "empty_response", "empty_response"),
    (" \n\t \n", "empty_response", "empty_response"),
]

IN_LAST_LINE_EDGES = [
    ("SCORE: 7\na\n\nb", 7.0),
    ("SCORE: 7\na\nb\nc", NO_SCORE),
    ("SCORE: 7\r\n", 7.0),
    ("Reasoning.\r\n\r\nSCORE: 7\r\nConfidence: high\r\n", 7.0),
    ("SCORE: 4\rSCORE: 6", 6.0),
    ("`SCORE: 7`", 7.0),
    ("```\nSCORE: 7\n```\n***\n\n", 7.0),
    ("SCORE:7", 7.0),
    ("SCORE:   7", 7.0),
    ("SCORE:\u00a07", 7.0),
    ("SCORE: 7\x00", NO_SCORE),
    ("\x00\nSCORE: 7", 7.0),
    ("SCORE: ٧", NO_SCORE),
    ("SCORE: ７", NO_SCORE),
    ("SCORE: 4 5 ٦ ", 4.0),
    ("SCORE: 9", 9.0),
    ("SCORE: 0", 0.0),
    ("SCORE: 9.5", OUT),
    ("Final score: -0", 0.0),
    ("**SCORE: <7.5>.**", 7.5),
    ("Final score: < 6 >", 6.0),
    ("Total score 7.5.", 7.5),
    ("Score: <8>/9", 8.0),
    ("SCORE: <456>", 5.0),
    ("SCORE: <10>", OUT),
    ("SCORE: <-3>.", OUT),
    ("SCORE: <7", NO_SCORE),
    ("SCORE: <seven>", NO_SCORE),
    ("SCORE: 7..", NO_SCORE),
    ("Score: 7. Good", NO_SCORE),
    ("SCORE: 4\nSCORE: 6.", 6.0),
    ("SCORE: <4>\nScore: 6 points", 4.0),
    ("SCORE: 7,", NO_SCORE),
    ("SCORE: 4 5 6", 5.0),
    ("SCORE: 4,5,5", 14 / 3),
    ("SCORE: 4,5,6.", NO_SCORE),
    ("SCORE: 456/9", OUT),
    ("SCORE: 456/10", NO_SCORE),
    ("SCORE: 45", OUT),
    ("Score: 7.5/9", 7.5),
    ("Score: 8/9.", 8.0),
    ("Score: 8/90", NO_SCORE),
    ("Score: 8/9.5", NO_SCORE),
    ("Score: 12/9", OUT),
    ("Final   Score 6 of 9", 6.0),
    ("I give it a total score: 8 because", 8.0),
    ("Score is good. Score: 5 overall", 5.0),
    ("Score - 5", NO_SCORE),
    ("Scores: 5", NO_SCORE),
    ("SCORE: 5\nTotal score 8 of 9", 5.0),
    ("Score: 3 points\nScore: 4 points", 4.0),
    ("Score: 12 points\nScore: 4.", 4.0),
    ("Score:\n7", NO_SCORE),
    ("7", NO_SCORE),
    ("***", NO_SCORE),
]

COMPLEX_EDGES = [
    ("**Score:** 8/10", 8.0),
    ("Score: 4/5 and later Score: 3", 8.0),
    ("Score: 4/5\nScore: 3", 8.0),
    ("Score: 3/10 Score: 4/10", 4.0),
    ("Score: 7.5/10.", 7.5),
    ("Score: 7/0", OUT),
    ("Score: 11/10", OUT),
    ("Score: ٧/10", NO_SCORE),
    ("Score: 7\r\n", 7.0),
    ("SCORE: 7\n" + "x\n" * 29, 7.0),
    ("SCORE: 7\n" + "x\n" * 30, NO_SCORE),
    ("\x00Score: 7 \x00", 7.0),
    ("### **Final Score**\n\n**3/10**\n", 3.0),
    ("Final Score:\r\n7.5", 7.5),
    ("**Total score**:\n> `6` \n", 6.0),
    ("*Score*\n_4/5_ of what was possible", 8.0),
    ("Novelty score: 6\nFinal Score\n3", 3.0),
    ("Novelty score: 6/10\nFinal Score\n3", 3.0),
    ("Final Score\n3\nScore: 8", 8.0),
    ("Score\n4\nFinal Score\n2/10", 2.0),
    ("Score\n2/10\nFinal Score\n4", 4.0),
    ("Final Score\n11", OUT),
    ("Final Score\n-3", OUT),
    ("Final Score\n7/0", OUT),
    ("It deserves no high score\n1. The loop is missing", NO_SCORE),
    ("What a score\n3 reasons follow", NO_SCORE),
    ("Scores\n7", NO_SCORE),
    ("Final Score\nis\n7", NO_SCORE),
    ("Final Score\n7\n" + "x\n" * 28, 7.0),
    ("Final Score\n7\n" + "x\n" * 29, NO_SCORE),
]

SCORE_0_100_EDGES = [
    ("SCORE: 100", 100.0),
    ("**SCORE: 87**", 87.0),
    ("score: 87.5", 87.5),
    ("SCORE: <87>", 87.0),
    ("SCORE: 87.", 87.0),
    ("SCORE: <87.5>.", 87.5),
    ("Score: 85/100", 85.0),
    ("Final Score: 64 points", 64.0),
    ("SCORE: 456", OUT),
    ("SCORE: 4, 5, 6", NO_SCORE),
    ("SCORE: 101", OUT),
    ("SCORE: 1000", OUT),
    ("SCORE: -3", OUT),
    ("Score: 8/9", NO_SCORE),
    ("Score: 85/1000", NO_SCORE),
    ("SCORE: 40\nSCORE: 60", 60.0),
    ("SCORE: 50\nTotal score 80 of 100", 50.0),
    ("SCORE: 70\na\n\nb", 70.0),
    ("SCORE: 70\na\nb\nc", NO_SCORE),
    ("The score is 70.", NO_SCORE),
    (" \n", "empty_response"),
]


def outcome(stage: str, parser: str, text: str) -> float | str:
    try:
        result = parse(stage, parser, text)
    except ParseFailure as failure:
        return failure.reason
    assert result == f"{float(result)!r}\n"
    return float(result)


@pytest.mark.parametrize(("text", "expected", "_"), SCORE_TABLE)
def test_in_last_line_reads_scores_as_the_table_says(text, expected, _):
    assert outcome("evaluation", "in_last_line", text) == expected


@pytest.mark.parametrize(("text", "_", "expected"), SCORE_TABLE)
def test_complex_reads_scores_as_the_table_says(text, _, expected):
    assert outcome("evaluation", "complex", text) == expected


@pytest.mark.parametrize(("text", "expected"), IN_LAST_LINE_EDGES)
def test_in_last_line_edges(text, expected):
    assert outcome("evaluation", "in_last_line", text) == expected


@pytest.mark.parametrize(("text", "expected"), COMPLEX_EDGES)
def test_complex_edges(text, expected):
    assert outcome("evaluation", "complex", text) == expected


@pytest.mark.parametrize(("text", "expected"), SCORE_0_100_EDGES)
def test_score_0_100_edges(text, expected):
    assert outcome("evaluation", "score_0_100", text) == expected


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("End with one line:\n\nSCORE: <0-9>\n", True),
        ("**Final score**: a number", True),
        ("Score 7 means good. Finish with such a line.", True),
        ("a `SCORE`: and a digit", True),
        ("Give it a score.", False),
        ("Scores of experts agree: it matters.", False),
        ("Say what is new.", False),
    ],
)
def test_templates_that_ask_for_a_score_line(text, asks):
    for name in ("in_last_line", "complex", "score_0_100"):
        reading = parsers.reading(name)
        assert reading is not None
        assert bool(reading.asked_by.search(text)) is asks
    assert parsers.reading("identity") is None


def test_score_is_written_as_python_prints_a_float():
    assert parse("evaluation", "in_last_line", "SCORE: 7") == "7.0\n"
    assert parse("evaluation", "in_last_line", "SCORE: 4,5,5") == "4.666666666666667\n"


def test_out_of_range_shows_the_value_and_the_range():
    with pytest.raises(ParseFailure) as caught:
        parse("evaluation", "in_last_line", "SCORE: 10")
    assert caught.value.detail == "10 is not between 0 and 9"
    with pytest.raises(ParseFailure) as caught:
        parse("evaluation", "complex", "SCORE: 11/10")
    assert caught.value.detail == "11/10 is not between 0 and 10"


def idea(text: str) -> str:
    return parse("draft", "essay_idea_last", text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<essay-idea stage="1">\none\n</essay-idea>\n<essay-idea stage="2">\ntwo\n</essay-idea>', "two"),
        ('<essay-idea stage="10">\nten\n</essay-idea>\n<essay-idea stage="9">\nnine\n</essay-idea>', "ten"),
        ('<essay-idea stage="2">\nfirst\n</essay-idea>\n<essay-idea stage="2">\nlast\n</essay-idea>', "last"),
        ("<essay-idea>\none\n</essay-idea>\n<essay-idea>\ntwo\n</essay-idea>", "two"),
        ('<essay-idea stage="1">\none\n</essay-idea>\n<essay-idea>\nplain\n</essay-idea>', "one"),
        ("<ESSAY-IDEA Stage='3' >\nthree\n</Essay-Idea>", "three"),
        (' \t<essay-idea n="x" stage="1"> \n  kept \n\n\t</essay-idea>  \nrest', "  kept \n"),
        ('<essay-idea stage="1">\r\none\r\n  two\r\n</essay-idea>\r\n', "one\r\n  two"),
        ('<essay-idea title="a stage=\'9\'" stage="1">\none\n</essay-idea>\n<essay-idea>\nno\n</essay-idea>', "one"),
        ('<essay-idea t="a stage=\'9\'">\none\n</essay-idea>\n<essay-idea stage="0">\nyes\n</essay-idea>', "yes"),
        ('<essay-idea stage="1">\nnever closed\n<essay-idea stage="2">\ntwo\n</essay-idea>\n</essay-idea>', "two"),
        ('<essay-idea stage="1">\none\n</essay-idea>\n<essay-idea stage="2">\ncut off', "one"),
        ('<essay-idea stage="1">\nsays </essay-idea> inline\n</essay-idea>', "says </essay-idea> inline"),
        ('<essay-idea stage="٩">\nnine?\n</essay-idea>\n<essay-idea stage="1">\none\n</essay-idea>', "one"),
        ('<essay-idea stage="2.5">\nb\n</essay-idea>\n<essay-idea stage="2">\na\n</essay-idea>', "b"),
        ("<essay-idea>\n\x00\x0bnul\u2028line\n</essay-idea>", "\x00\x0bnul\u2028line"),
    ],
)  # fmt: skip
def test_essay_idea_last_takes_the_highest_stage_verbatim(text, expected):
    assert idea(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "no tags",
        "<essay-idea>\nunclosed",
        "</essay-idea>\n<essay-idea>",
        "<essay-idea>on one line</essay-idea>",
        "text <essay-idea>\nx\n</essay-idea>",
        "<essay-idea>\nx\n</essay-idea> text",
        "<essay-ideas>\nx\n</essay-ideas>",
        '<essay-idea stage="1"/>\nx\n</essay-idea>',
    ],
)
def test_essay_idea_last_needs_complete_tags_alone_on_their_lines(text):
    with pytest.raises(ParseFailure) as caught:
        idea(text)
    assert caught.value.reason == "missing_essay_idea_block"
    assert f"in {len(text)} characters" in caught.value.detail


@pytest.mark.parametrize("inner", ["", " \t\n", "\n\n"])
def test_empty_idea_block_is_an_empty_response(inner):
    with pytest.raises(ParseFailure) as caught:
        idea(f'<essay-idea stage="1">\ntext\n</essay-idea>\n<essay-idea stage="2">\n{inner}</essay-idea>')
    assert caught.value.reason == "empty_response"


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("a <essay> one\n\ntwo </essay> b", "one\n\ntwo", "one\n\ntwo"),
        ("<ESSAY>one</Essay>", "one", "one"),
        ("<essay>one</essay><essay>two</essay>", "one", "one"),
        ("<essay>one <essay>two</essay> three</essay>", "one <essay>two", "one <essay>two"),
        ("</essay>x<essay>one to the end ", "one to the end", "one to the end"),
        ("<essay>one\r\ntwo\r\n</essay>", "one\r\ntwo", "one\r\ntwo"),
        ("<essay>\x00</essay>", "\x00", "\x00"),
        (" whole text \n", "missing_essay_block", "whole text"),
        ("<essay></essay>text", "empty_response", "empty_response"),
        ("<essay> \n ", "empty_response", "empty_response"),
        ("<thinking><essay>no</essay></thinking><essay>yes</essay>", "no", "yes"),
        ("<Thinking>a</THINKING> b <thinking>c</thinking> d", "missing_essay_block", "b  d"),
        ("<thinking>all</thinking>\n", "missing_essay_block", "empty_response"),
        ("<thinking>cut off", "missing_essay_block", "<thinking>cut off"),
        ("<eſſay>x</eſſay>", "missing_essay_block", "<eſſay>x</eſſay>"),
        (" \n", "empty_response", "empty_response"),
    ],
)
@pytest.mark.parametrize("stage", ["draft", "essay"])
def test_essay_blocks(stage, text, strict, lenient):
    for parser, expected in (("essay_block", strict), ("essay_block_lenient", lenient)):
        try:
            assert parse(stage, parser, text) == expected
        except ParseFailure as failure:
            assert failure.reason == expected


def test_missing_block_is_reported_with_tag_length_and_end():
    with pytest.raises(ParseFailure) as caught:
        parse("essay", "essay_block", "x" * 200 + "THE END")
    assert caught.value.detail == f"looked for <essay> in 207 characters that end in {'x' * 73 + 'THE END'!r}"


@pytest.mark.parametrize("stage", parsers.STAGES)
def test_identity_changes_nothing_but_refuses_emptiness(stage):
    assert parse(stage, "identity", " a\r\n\x00 b \n") == " a\r\n\x00 b \n"
    with pytest.raises(ParseFailure) as caught:
        parse(stage, "identity", "\n \n")
    assert caught.value.reason == "empty_response"


def test_names_are_sorted_per_stage():
    texts = ["essay_block", "essay_block_lenient", "essay_idea_last", "identity"]
    assert names("draft") == names("essay") == texts
    assert {"complex", "identity", "in_last_line", "score_0_100"} <= set(names("evaluation"))
    assert names("evaluation") == sorted(names("evaluation"))


@pytest.mark.parametrize(("stage", "parser"), [("draft", "in_last_line"), ("evaluation", "in_last_lin")])
def test_unknown_parser_names_the_known_ones(stage, parser):
    with pytest.raises(ParseFailure) as caught:
        parse(stage, parser, "SCORE: 7")
    assert caught.value.reason == "unknown_parser"
    assert parser in caught.value.detail
    assert ", ".join(names(stage)) in caught.value.detail


def test_another_parser_is_one_function_and_one_line(monkeypatch):
    for stage in parsers.STAGES:
        monkeypatch.setitem(parsers._PARSERS, stage, dict(parsers._PARSERS[stage]))

    @parsers.register("count_lines", "evaluation")
    def count_lines(text):
        return text.count("\n")

    assert parse("evaluation", "count_lines", "a\nb\n") == "2.0\n"
    assert "count_lines" in names("evaluation")
    assert "count_lines" not in names("draft")


def test_failure_reads_as_a_whole_and_survives_copying():
    failure = ParseFailure("truncated", "finish_reason length")
    assert isinstance(failure, DayDreamError)
    assert str(failure) == f"truncated: finish_reason length\nHint: {REMEDIES['truncated']}"
    for other in (copy.copy(failure), pickle.loads(pickle.dumps(failure))):
        assert (other.reason, other.detail, str(other)) == ("truncated", "finish_reason length", str(failure))


def test_every_reason_has_one_sentence_of_remedy():
    code = "".join(path.read_text() for path in (SOURCE / "workflow_lib").rglob("*.py"))
    assert set(re.findall(r'ParseFailure\(\s*"(\w+)"', code)) == set(REMEDIES)
    assert all(remedy.endswith(".") and "\n" not in remedy for remedy in REMEDIES.values())


HOSTILE = """
from workflow_lib.parsers import ParseFailure, names, parse
n = 300_000
for piece in ("a", "score ", "score: ", "final ", "1", "score: 1", "<thinking>", "<essay>", "<essay-idea ",
              "\\n", " ", "score:" + " " * 1000, "<essay-idea>\\n", "7/", "1,", "x stage = ", "*", "\\r"):
    for head, tail in (("", ""), ("score: ", "x"), ("<essay-idea ", ">"), ("score", "\\u0661")):
        text = head + piece * (n // len(piece)) + tail
        for stage in ("draft", "evaluation"):
            for name in names(stage):
                try:
                    parse(stage, name, text)
                except ParseFailure:
                    pass
print("survived")
"""


@pytest.mark.slow
def test_hostile_answers_take_linear_time():
    # quadratic patterns would need hours, so the limit says nothing about speed
    result = subprocess.run([sys.executable, "-c", HOSTILE], capture_output=True, text=True, timeout=300, check=False)
    assert (result.stdout, result.stderr) == ("survived\n", "")


FRAGMENTS = st.sampled_from(
    ["score", "SCORE:", " ", "\n", "\r\n", "7", "10", "/9", "/10", ",", ".", "-", "*", "#", "`", "\x00", "٣",
     "<essay>", "</essay>", "<thinking>", "</thinking>", '<essay-idea stage="2">', "</essay-idea>", "final"]
)  # fmt: skip


@given(st.lists(FRAGMENTS, max_size=30).map("".join))
def test_any_answer_gives_a_result_or_a_known_reason(text):
    for stage in parsers.STAGES:
        for name in names(stage):
            try:
                result = parse(stage, name, text)
            except ParseFailure as failure:
                assert failure.reason in REMEDIES
                assert failure.detail
                continue
            if (reading := parsers.reading(name)) is not None:
                assert 0 <= float(result) <= reading.highest
            else:
                assert result.strip()


@given(st.integers(0, 90))
def test_every_decimal_score_is_read_back(tenths):
    score = tenths / 10
    assert float(parse("evaluation", "in_last_line", f"Because.\n\nSCORE: {score}")) == score
