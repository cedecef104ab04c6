"""Parsing: what an answer that was kept gives, when it fails, and when it is parsed again."""

import json
import os
import shutil

import pytest

from tests.scripted_server import completion
from tests.tiny_root import bytes_of
from tests.world import LONG
from workflow_lib.files import sha256_file, write_json, write_text
from workflow_lib.parsers import ParseFailure

# parsing


@pytest.mark.parametrize(
    ("reply", "limit", "truncated"),
    [
        (completion(LONG, "length"), 100, True),
        (completion(LONG, "stop", usage={"completion_tokens": 100}), 100, True),
        (completion(LONG, "stop", usage={"completion_tokens": 99}), 100, False),
        (completion(LONG, "stop"), 100, False),
    ],
)
def test_a_truncated_answer_is_kept_and_fails_at_parsing(real, reply, limit, truncated):
    config = {"stages": {"draft": {"max_tokens": limit}}}
    assert real.answered(real.draft, reply, **config) == LONG
    assert real.raw_metadata(real.draft)["truncated"] is truncated
    if not truncated:
        assert real.parse(real.draft) == LONG
        return
    with pytest.raises(ParseFailure):
        real.parse(real.draft)
    failure = real.failure(real.draft)
    assert (failure["step"], failure["error"], failure["reason"]) == ("parse", "ParseFailure", "truncated")
    assert "allow_truncated" in failure["remedy"] and "prompt" not in failure
    assert not real.files(real.draft).parsed.exists()
    assert real.parse(real.draft, real.load(stages={"draft": {"allow_truncated": True}})) == LONG


def test_a_truncated_answer_of_an_older_tool_fails_at_parsing_too(real):
    write_text(real.files(real.draft).raw, LONG)
    write_json(real.files(real.draft).raw_metadata, {"finish_reason": "length"})
    with pytest.raises(ParseFailure, match="truncated"):
        real.parse(real.draft)


def test_an_answer_with_too_few_lines_fails_with_both_counts(real):
    real.answered(real.draft, completion("one\n\n \ntwo"))
    with pytest.raises(ParseFailure, match="2 non-empty lines, at least 3"):
        real.parse(real.draft)


def test_an_empty_answer_is_kept_and_fails_at_parsing(real):
    assert real.answered(real.draft, completion("")) == ""
    with pytest.raises(ParseFailure, match="empty_response"):
        real.parse(real.draft)
    assert real.files(real.draft).raw.read_bytes() == b""
    assert real.buy(real.draft) == ""


def test_a_parsed_text_says_how_it_was_made(world):
    world.make(world.draft, world.essay, world.evaluation)
    recorded = json.loads(world.files(world.evaluation).parsed_metadata.read_text())
    assert recorded == {
        "function": "evaluation_parsed",
        "parser_name": "in_last_line",
        "raw_sha256": sha256_file(world.files(world.evaluation).raw),
        "success": True,
        "error": None,
        "input_mode": "prompt",
    }
    assert 0 <= float(world.files(world.evaluation).parsed.read_text()) <= 9


def test_parsed_is_only_replaced_by_a_successful_parse(real):
    real.answered(real.draft, completion(LONG))
    real.parse(real.draft)
    before = bytes_of(real.files(real.draft).folder)
    real.set_parser("draft", "plain", "essay_idea_last")
    with pytest.raises(ParseFailure, match="missing_essay_idea_block"):
        real.parse(real.draft)
    after = bytes_of(real.files(real.draft).folder)
    assert {name: after[name] for name in before} == before
    assert real.failure(real.draft)["reason"] == "missing_essay_idea_block"


def test_an_unknown_parser_is_a_failure_that_names_the_known_ones(real):
    real.answered(real.draft, completion(LONG))
    real.set_parser("draft", "plain", "essay_blok")
    with pytest.raises(ParseFailure, match="unknown_parser"):
        real.parse(real.draft)
    assert "essay_block" in real.failure(real.draft)["message"]


# parsing again


def test_what_is_parsed_need_not_be_parsed(world):
    assert world.needs_parse(world.draft)
    world.buy(world.draft)
    assert world.needs_parse(world.draft)
    world.parse(world.draft)
    assert not world.needs_parse(world.draft)


def test_exactly_the_generations_whose_parser_changed_are_parsed_again(world):
    world.make(world.draft, world.essay, world.evaluation)
    world.set_parser("evaluation", "novelty", "complex")
    assert [world.needs_parse(entry) for entry in (world.draft, world.essay, world.evaluation)] == [
        False,
        False,
        True,
    ]
    world.parse(world.evaluation)
    assert not world.needs_parse(world.evaluation)


def test_shuffled_times_parse_nothing_whose_hash_still_fits(world):
    world.make(world.draft)
    files = world.files(world.draft)
    for raw_at, parsed_at in ((1, 2), (2, 1), (5, 5)):
        os.utime(files.raw, (raw_at, raw_at))
        os.utime(files.parsed, (parsed_at, parsed_at))
        assert not world.needs_parse(world.draft)


def test_a_newer_raw_with_another_content_is_parsed_again(world):
    world.make(world.draft)
    files = world.files(world.draft)
    files.raw.write_text("edited\nby\nhand\n")
    os.utime(files.parsed, (1, 1))
    assert world.needs_parse(world.draft)


def test_without_a_record_the_parser_of_the_first_expansion_counts(world):
    files = world.files(world.draft)
    write_text(files.raw, LONG)
    write_text(files.parsed, LONG)
    assert not world.needs_parse(world.draft)
    assert not world.needs_parse(world.draft, baseline="identity")
    assert world.needs_parse(world.draft, baseline="essay_block")
    os.utime(files.parsed, (1, 1))
    assert not world.needs_parse(world.draft, baseline="identity")  # no hash: times alone tell nothing


def test_a_recorded_parser_wins_over_the_first_expansions(world):
    world.make(world.draft)
    assert not world.needs_parse(world.draft, baseline="essay_block")


def test_an_older_record_of_a_failed_parse_does_not_stand_in_the_way(world):
    files = world.files(world.draft)
    write_text(files.raw, LONG)
    write_json(files.parsed_metadata, {"success": False, "error": "x", "parser_name": "identity"})
    assert world.needs_parse(world.draft)
    assert world.parse(world.draft) == LONG


def test_a_raw_text_that_is_gone_comes_back_if_the_journal_has_it(world):
    world.make(world.draft)
    files = world.files(world.draft)
    files.raw.unlink()
    assert world.needs_parse(world.draft)
    shutil.rmtree(files.attempts)
    assert not world.needs_parse(world.draft)


@pytest.mark.parametrize("content", ["{half", "[]", ""])
def test_a_broken_record_is_as_good_as_none(world, content):
    world.make(world.draft)
    world.files(world.draft).parsed_metadata.write_text(content)
    assert not world.needs_parse(world.draft, baseline="identity")
