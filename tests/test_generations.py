"""One generation: what is sent, what is kept, and what fails."""

import json
import shutil

import pytest

from tests.scripted_server import completion
from tests.tiny_root import bytes_of
from tests.world import LONG, World
from workflow_lib import generations
from workflow_lib.calls import Caller
from workflow_lib.calls.endpoints import CallError
from workflow_lib.cohorts import membership
from workflow_lib.errors import DayDreamError, StoreError, TemplateError
from workflow_lib.files import read_json, sha256_file, sha256_text, write_json, write_text
from workflow_lib.generations import make
from workflow_lib.parsers import ParseFailure

# prompts


def test_a_draft_prompt_holds_the_concepts_in_the_combos_order(world):
    prompt = generations.render(world.settings, world.draft)
    assert prompt.text == (
        "### Moat\n\nWhat a moat is, in a paragraph.\n\n### Loop\n\nWhat a loop is, in a paragraph.\n\nWrite."
    )
    assert (prompt.parent_sha256, prompt.parent_attempt) == (None, None)


def test_a_prompt_says_which_text_of_the_parent_went_into_it(world):
    world.make(world.draft)
    parsed = world.files(world.draft).parsed
    prompt = generations.render(world.settings, world.essay)
    assert parsed.read_text() in prompt.text
    assert (prompt.parent_sha256, prompt.parent_attempt) == (sha256_file(parsed), 1)


def test_without_the_parents_text_there_is_no_prompt_and_the_message_says_how_to_get_it(world):
    with pytest.raises(StoreError, match=r"parsed\.txt: no such file") as caught:
        world.buy(world.essay)
    assert caught.value.hint == f"make it first: snakemake {world.files(world.draft).parsed}"
    assert world.failure(world.essay)["step"] == "prompt"
    assert not world.files(world.essay).raw.exists()


def test_prompt_txt_is_byte_for_byte_what_was_sent(real):
    concept = real.settings.data.concept("paragraph", "moat")
    concept.write_bytes("Zwölf Gräben\r\n\u2028 {{ 7*7 }} \U0001f600 tab\t\n".encode())
    real.answered(real.draft, completion(LONG))
    (_, _, body) = real.server.requests[0]
    assert real.files(real.draft).prompt.read_bytes() == body["messages"][0]["content"].encode()
    assert "{{ 7*7 }}" in body["messages"][0]["content"]
    assert body["messages"] == [{"role": "user", "content": generations.render(real.settings, real.draft).text}]
    assert real.raw_metadata(real.draft)["prompt_sha256"] == sha256_file(real.files(real.draft).prompt)


# requests


def test_a_request_has_the_settings_of_its_stage(real):
    settings = real.load(stages={"draft": {"temperature": 0.3, "max_tokens": 9, "extra": {"top_p": 0.5, "seed": 3}}})
    model = Caller(settings).model("real")
    assert generations.request_for(settings, real.draft, model, "P") == {
        "model": "org/real",
        "messages": [{"role": "user", "content": "P"}],
        "temperature": 0.3,
        "max_tokens": 9,
        "top_p": 0.5,
        "seed": 3,
    }
    assert generations.request_for(settings, real.evaluation, model, "P") == {
        "model": "org/real",
        "messages": [{"role": "user", "content": "P"}],
        "temperature": 0.1,
        "max_tokens": 20480,
    }


def test_a_models_own_row_overrides_temperature_and_max_tokens(real):
    model = Caller(real.settings).model("hot")
    request = generations.request_for(real.settings, real.draft, model, "P")
    assert (request["temperature"], request["max_tokens"]) == (0, 77)


def test_only_offline_models_get_a_seed_and_each_generation_its_own(world):
    caller = Caller(world.settings)
    offline = generations.request_for(world.settings, world.draft, caller.model("wa"), "P")
    assert offline["seed"] == generations.seed_of(world.draft.gen_id)
    assert "seed" not in generations.request_for(world.settings, world.draft, caller.model("real"), "P")
    seeds = {generations.seed_of(f"d_{number}") for number in range(1000)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_seed_never_changes():
    assert generations.seed_of("d_5ezrffv9uf3lr37d") == 1760605957


# answers


def test_a_bought_generation_has_all_its_files(world):
    raw = world.buy(world.draft)
    folder = world.files(world.draft).folder
    assert sorted(bytes_of(folder)) == [
        "attempts/0001.json",
        "attempts/0001.request.json",
        "metadata.json",
        "prompt.txt",
        "raw.txt",
        "raw_metadata.json",
    ]
    assert json.loads((folder / "metadata.json").read_text()) == {
        "stage": "draft",
        "gen_id": world.draft.gen_id,
        "template_id": "plain",
        "llm_model_id": "wa",
        "mode": "llm",
        "replicate": 1,
        "origin_cohort_id": "one",
        "combo_id": world.draft.combo_id,
    }
    recorded = world.raw_metadata(world.draft)
    assert recorded["function"] == "draft_raw"
    assert (recorded["model"], recorded["endpoint"], recorded["input_mode"]) == ("sim-writer-a", "offline", "prompt")
    assert (recorded["truncated"], recorded["finish_reason"], recorded["attempt"]) == (False, "stop", 1)
    assert recorded["raw_length"] == len(raw)
    assert recorded["raw_lines"] == len(raw.splitlines())
    assert recorded["usage"]["total_tokens"] == sum(
        recorded["usage"][key] for key in ("prompt_tokens", "completion_tokens")
    )
    assert recorded["duration_s"] >= 0 and recorded["started_at"].endswith("+00:00")


def test_an_essay_records_its_parent(world):
    world.make(world.draft)
    world.buy(world.essay)
    assert json.loads(world.files(world.essay).metadata.read_text())["parent_gen_id"] == world.draft.gen_id
    recorded = world.raw_metadata(world.essay)
    assert recorded["parent_sha256"] == sha256_file(world.files(world.draft).parsed)
    assert recorded["parent_attempt"] == 1


def test_the_experiment_is_on_record(tmp_path):
    world = World(tmp_path, experiment_id="exp-7")
    world.buy(world.draft)
    assert json.loads(world.files(world.draft).metadata.read_text())["experiment_id"] == "exp-7"


@pytest.mark.parametrize(
    ("answer", "raw"),
    [
        ("\n\n  one\r\ntwo\r\n three \t\r\n", "one\ntwo\n three"),
        ("lone \ud800 surrogate\nx\ny", "lone \ufffd surrogate\nx\ny"),
        ("nul \x00 byte\nx\ny", "nul \x00 byte\nx\ny"),
        ("old mac\rx\ry", "old mac\rx\ry"),
        ("\ufeffbom\nx\ny", "\ufeffbom\nx\ny"),
        ("sep \u2028 arated\nx\ny", "sep \u2028 arated\nx\ny"),
        ("", ""),
        (" \n\t ", ""),
        (None, ""),
        ([{"type": "text", "text": "in "}, {"type": "text", "text": "parts"}], "in parts"),
    ],
)
def test_raw_is_the_answer_stripped_with_plain_line_ends(real, answer, raw):
    assert real.answered(real.draft, completion(answer)) == raw
    kept = json.loads((real.files(real.draft).attempts / "0001.json").read_text())["answer"]
    assert kept == (answer if isinstance(answer, str) else raw)


def test_five_megabytes_in_one_line_are_kept_and_parsed(tmp_path):
    world = World(tmp_path, "real")
    text = "wörd " * 1_000_000
    assert world.answered(world.draft, completion(text)) == text.strip()
    with pytest.raises(ParseFailure, match="min_lines_not_met"):
        world.parse(world.draft)
    assert world.parse(world.draft, world.load(stages={"draft": {"min_lines": 1}})) == text.strip()


def test_what_the_endpoint_reports_is_on_record(real):
    usage = {"prompt_tokens": 10, "completion_tokens": 20, "cost": 0.5}
    reply = completion(LONG, usage=usage, model="org/other")
    real.answered(real.draft, reply)
    recorded = real.raw_metadata(real.draft)
    assert recorded["usage"] == {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
    assert (recorded["cost_usd"], recorded["served_model"], recorded["model"]) == (0.5, "org/other", "org/real")
    attempt = json.loads((real.files(real.draft).attempts / "0001.json").read_text())
    assert (attempt["cost_source"], attempt["generation_id"], attempt["endpoint"]) == ("endpoint", "gen-1", "home")
    assert attempt["request_sha256"] and attempt["request"]["model"] == "org/real"


def test_without_a_figure_of_the_endpoint_the_price_counts_and_unknown_stays_unknown(real):
    real.answered(real.draft, completion(LONG, usage={"prompt_tokens": 1000, "completion_tokens": 500}))
    assert real.raw_metadata(real.draft)["cost_usd"] == pytest.approx(0.002)
    attempt = json.loads((real.files(real.draft).attempts / "0001.json").read_text())
    assert (attempt["cost_source"], attempt["price_source"]) == ("price", "llm_models.csv")
    shutil.rmtree(real.files(real.draft).folder)
    real.answered(real.draft, completion(LONG))
    assert real.raw_metadata(real.draft)["cost_usd"] is None
    assert real.raw_metadata(real.draft)["usage"] is None


def test_reasoning_is_kept_in_the_attempt_and_is_no_part_of_raw(real):
    content = {"choices": [{"message": {"content": LONG, "reasoning": "hm"}, "finish_reason": "stop"}]}
    assert real.answered(real.draft, (200, {}, json.dumps(content).encode())) == LONG
    assert json.loads((real.files(real.draft).attempts / "0001.json").read_text())["reasoning"] == "hm"


# buying once


def test_an_answer_that_exists_is_restored_without_a_call(real):
    raw = real.answered(real.draft, completion(LONG))
    before = bytes_of(real.files(real.draft).folder)
    for name in ("raw.txt", "prompt.txt", "metadata.json", "raw_metadata.json"):
        (real.files(real.draft).folder / name).unlink()
    assert real.buy(real.draft) == raw  # the endpoint of these settings is a closed port
    assert bytes_of(real.files(real.draft).folder) == before


def test_an_order_buys_one_more_answer_and_keeps_the_old(real):
    real.answered(real.draft, completion(LONG))
    assert real.answered(real.draft, completion("new\n" + LONG), order_id="run-1").startswith("new")
    assert real.buy(real.draft, order_id="run-1").startswith("new")
    assert [
        json.loads(path.read_text())["answer"][:3]
        for path in sorted(real.files(real.draft).attempts.glob("000[13].json"))
    ] == ["one", "new"]
    assert real.raw_metadata(real.draft)["attempt"] == 3


def test_a_fresh_call_that_fails_keeps_the_old_answer(real):
    before = real.answered(real.draft, completion(LONG))
    with pytest.raises(CallError):
        real.answered(real.draft, (402, {}, b"{}"), order_id="run-1")
    assert real.files(real.draft).raw.read_text() == before
    assert real.failure(real.draft)["reason"] == "no_credits"


def test_a_raw_file_without_attempts_is_adopted_and_left_as_it_is(real):
    files = real.files(real.draft)
    write_text(files.raw, "an older tool's text\r\n\n")
    write_json(files.metadata, {"origin_cohort_id": "before", "template_id": "plain"})
    write_json(files.raw_metadata, {"finish_reason": "stop", "usage": {"prompt_tokens": 3}})
    before = bytes_of(files.folder)
    real.buy(real.draft)
    after = bytes_of(files.folder)
    assert {name: after[name] for name in before} == before
    attempt = json.loads(after["attempts/0001.json"])
    assert (attempt["adopted"], attempt["answer"]) == (True, "an older tool's text\r\n\n")
    assert (attempt["cohort_id"], attempt["usage"]) == ("before", {"prompt_tokens": 3})
    files.raw.unlink()
    real.buy(real.draft)
    assert bytes_of(files.folder)["raw.txt"] == before["raw.txt"]


def test_a_raw_file_beside_a_failed_attempt_is_never_bought_over(real):
    """A call failed here, and then the answer of another machine was copied in."""
    with pytest.raises(CallError):
        real.buy(real.draft)
    write_text(real.files(real.draft).raw, "from elsewhere")
    assert real.answered(real.draft, completion(LONG)) == "from elsewhere"
    assert real.server.requests == []


def test_an_answer_that_is_gone_but_was_parsed_is_not_bought_again(real):
    files = real.files(real.draft)
    write_text(files.parsed, "what became of it")
    with pytest.raises(StoreError, match=r"raw\.txt: gone") as caught:
        real.answered(real.draft, completion(LONG))
    assert real.server.requests == []
    assert f"daydream regenerate --gen-id {real.draft.gen_id} --apply" in caught.value.hint


def test_whoever_writes_last_leaves_the_newest_answer(real):
    """A run that got the older answer, and writes it after another has bought and written a fresh one."""
    real.answered(real.draft, completion(LONG))
    older = read_json(real.files(real.draft).attempts / "0001.json")
    fresh = real.answered(real.draft, completion(LONG + "\nfresh"), order_id="one")
    make._restore_newest(real.settings, real.files(real.draft), real.draft, older)
    assert real.files(real.draft).raw.read_text() == fresh == LONG + "\nfresh"
    assert read_json(real.files(real.draft).raw_metadata)["attempt"] == 3


def test_an_attempt_that_cannot_be_read_buys_nothing(real):
    real.answered(real.draft, completion(LONG))
    path = real.files(real.draft).attempts / "0001.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(DayDreamError, match=r"0001\.json: not valid JSON"):
        real.answered(real.draft, completion(LONG))
    assert real.server.requests == []


# failures


def test_a_failed_call_leaves_what_is_needed_to_understand_it(real):
    with pytest.raises(CallError):
        real.answered(real.draft, (503, {}, b'{"error": {"message": "busy"}}'))
    failure = real.failure(real.draft)
    assert failure["stage"] == "draft" and failure["gen_id"] == real.draft.gen_id
    assert (failure["step"], failure["error"], failure["reason"]) == ("call", "CallError", "server_error")
    assert "503" in failure["message"] and "busy" in failure["message"]
    assert failure["remedy"] and failure["time"].endswith("+00:00")
    assert failure["tries"] == 2
    assert failure["prompt"] == generations.render(real.settings, real.draft).text
    assert not real.files(real.draft).raw.exists()


def test_a_failure_is_removed_by_success(real):
    with pytest.raises(CallError):
        real.buy(real.draft)
    assert real.failure(real.draft)["reason"] == "unreachable"
    real.answered(real.draft, completion("too short"))
    assert not real.files(real.draft).failure.exists()
    with pytest.raises(ParseFailure):
        real.parse(real.draft)
    assert real.failure(real.draft)["reason"] == "min_lines_not_met"
    real.parse(real.draft, real.load(stages={"draft": {"min_lines": 0}}))
    assert not real.files(real.draft).failure.exists()


def test_a_parse_failure_stays_until_a_parse_succeeds(real):
    real.answered(real.draft, completion("short"))
    with pytest.raises(ParseFailure):
        real.parse(real.draft)
    real.answered(real.draft, completion(LONG), order_id="x")
    assert real.failure(real.draft)["step"] == "parse"
    real.parse(real.draft)
    assert not real.files(real.draft).failure.exists()


def test_a_template_that_broke_since_fails_before_the_call(real):
    write_text(real.settings.data.template("draft", "plain"), "{{ ''.__class__.__mro__ }}")
    with pytest.raises(TemplateError):
        real.answered(real.draft, completion(LONG))
    assert real.server.requests == []
    assert real.failure(real.draft)["step"] == "prompt"


def test_a_full_disk_is_one_message(world, tmp_path):
    shutil.rmtree(world.settings.data.gens, ignore_errors=True)
    world.settings.data.gens.write_text("a file where a folder should be")
    with pytest.raises(StoreError) as caught:
        world.buy(world.draft)
    assert caught.value.hint


# copies


def test_a_copy_is_the_drafts_text_again_without_a_call(world):
    world.make(world.draft)
    text = world.files(world.draft).parsed.read_bytes()
    world.buy(world.copy)
    files = world.files(world.copy)
    assert files.raw.read_bytes() == files.prompt.read_bytes() == text
    assert not files.attempts.exists()
    recorded = world.raw_metadata(world.copy)
    assert (recorded["mode"], recorded["input_mode"]) == ("copy", "copy")
    assert recorded["copied_from"] == f"gens/draft/{world.draft.gen_id}/parsed.txt"
    assert recorded["parent_sha256"] == sha256_file(world.files(world.draft).parsed)
    assert recorded["cost_usd"] is None
    assert json.loads(files.metadata.read_text())["mode"] == "copy"
    assert world.parse(world.copy).encode() == text
    parsed = json.loads(files.parsed_metadata.read_text())
    assert (parsed["input_mode"], parsed["copied_from"]) == ("copy", recorded["copied_from"])


def test_a_copy_that_exists_does_not_follow_its_draft_unless_asked(world):
    world.make(world.draft, world.copy)
    before = bytes_of(world.files(world.copy).folder)
    write_text(world.files(world.draft).parsed, "another\ntext\n")
    world.buy(world.copy)
    assert bytes_of(world.files(world.copy).folder) == before
    assert world.buy(world.copy, order_id="run-1") == "another\ntext\n"


def test_a_copy_keeps_blanks_and_line_ends_of_the_draft(world):
    write_text(world.files(world.draft).parsed, "  a\r\nb\n\n")
    assert world.buy(world.copy) == "  a\r\nb\n\n"


# odds and ends


def test_a_models_template_syntax_in_a_draft_is_sent_as_it_is(world):
    write_text(world.files(world.draft).parsed, "{{ 7*7 }} {% include '/etc/passwd' %}")
    assert "{{ 7*7 }} {% include '/etc/passwd' %}" in generations.render(world.settings, world.essay).text


def test_the_pool_of_a_copy_is_none(world):
    assert generations.pool_of(world.settings, world.copy) is None
    assert generations.pool_of(world.settings, world.essay) == "offline"


def test_a_template_that_left_the_catalog_is_reported(world):
    path = world.settings.data.catalog("draft_templates")
    path.write_text(path.read_text().replace("plain,", "plane,"))
    with pytest.raises(StoreError, match=r"its template 'plain' is not in .*draft_templates\.csv"):
        world.buy(world.draft)


def test_a_bought_store_can_be_read_as_a_minimal_membership(world):
    world.make(world.draft, world.essay, world.evaluation)
    rows = "".join(f"{entry.stage},{entry.gen_id}\n" for entry in (world.draft, world.essay, world.evaluation))
    write_text(world.settings.data.cohort("older").membership, "stage,gen_id\n" + rows)
    found = membership.read(world.settings.data, "older")
    assert list(found) == [entry._replace(cohort_id="older") for entry in (world.draft, world.essay, world.evaluation)]


def test_hashes_of_text_and_file_agree_for_a_surrogate(real):
    real.answered(real.draft, completion("a \ud800\nb\nc"))
    assert sha256_file(real.files(real.draft).raw) == sha256_text(real.files(real.draft).raw.read_text())
