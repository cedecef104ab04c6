"""What was paid for is on disk before anything else happens to a call, and no error afterwards takes it away."""

import json
from pathlib import Path

import pytest

from tests import tiny_root
from tests.scripted_server import ScriptedServer, completion
from workflow_lib import generations
from workflow_lib import settings as settings_module
from workflow_lib.calls import Caller
from workflow_lib.calls.budget import Budget, BudgetExhausted
from workflow_lib.calls.holders import Watch
from workflow_lib.calls.journal import Journal
from workflow_lib.calls.replies import CallError
from workflow_lib.catalogs import prices
from workflow_lib.parsers import ParseFailure

MODELS = (
    "id,model,endpoint,for_generation,for_evaluation,input_usd_per_mtok,output_usd_per_mtok,max_tokens\n"
    "wa,vendor/writer,openrouter,true,false,1,10,1000\n"
)
SPEC = """
combos: {concepts: [moat, loop], k: 2}
axes: {draft_template: [plain, block], draft_llm: [wa]}
output: {field_order: [combo_id, draft_template, draft_llm]}
"""
ANSWER = "one\ntwo\nthree"
USD = 0.01
GOOD = completion(ANSWER, usage={"prompt_tokens": 1, "completion_tokens": 2, "cost": USD})


class World:
    """Two drafts of a priced model, with a budget and a limited pool."""

    def __init__(self, folder: Path, server: ScriptedServer, models: str = MODELS, **overrides):
        tiny_root.make(folder, llm_models=models)
        given = {"budget_usd": 1, "llm": {"max_tries": 3, "backoff_s": 0}, **overrides}
        environment = {"DD_LLM_BASE_URL": server.url, "OPENROUTER_API_KEY": "sk-123456"}
        self.settings = settings_module.load({"data_root": str(folder / "data"), **given}, folder, environment)
        tiny_root.declare(self.settings, SPEC)
        self.first, self.second = tiny_root.expand(self.settings).membership.stage("draft")
        self.caller = Caller(self.settings)
        self.lines: list[str] = []

    def buy(self, entry) -> str:
        generations.buy(self.caller, entry, self.lines.append)
        return self.settings.data.generation(entry.stage, entry.gen_id).raw.read_text()

    def journal(self, entry) -> Journal:
        return Journal(self.settings.data.generation(entry.stage, entry.gen_id))

    def tries(self, entry) -> list[dict]:
        return json.loads(self.journal(entry).path(1, ".request").read_text())["tries"]


def test_a_model_without_a_price_in_the_table_costs_what_the_package_says(tmp_path):
    table = MODELS.replace("vendor/writer", "openai/gpt-6-luna").replace("1,10,1000", ",,1000")
    usage = {"prompt_tokens": 900, "completion_tokens": 40, "prompt_tokens_details": {"cached_tokens": 800}}
    with ScriptedServer(completion(ANSWER, usage=usage)) as server:
        world = World(tmp_path, server, models=table)
        world.buy(world.first)
    attempt = json.loads(world.journal(world.first).path(1, "").read_text())
    price = prices.price(world.caller.model("wa"))
    assert attempt["cost_usd"] == pytest.approx(price.usd(900, 40, cached=800))
    assert attempt["cost_usd"] < price.usd(900, 40)
    assert (attempt["cost_source"], attempt["price_source"]) == ("price", price.source)


def away(folder: Path) -> None:
    """Put a file where a folder was: nothing in it can be locked, read or written any more."""
    folder.rename(folder.with_name("moved"))
    folder.write_text("")


def back(folder: Path) -> None:
    folder.unlink()
    folder.with_name("moved").rename(folder)


@pytest.mark.parametrize("what", ["pools/paid", "budgets/one"])
def test_an_answer_stays_when_a_slot_or_a_reservation_cannot_be_given_back(tmp_path, what):
    def answer(handler):
        away(shared)
        status, _, body = GOOD
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    with ScriptedServer(answer, GOOD) as server:
        world = World(tmp_path, server)
        shared = world.settings.data.coordination / what
        assert world.buy(world.first) == ANSWER
        back(shared)
        if what.startswith("budgets"):
            assert world.buy(world.second) == ANSWER
            ledger = [json.loads(line) for line in (shared / "ledger.jsonl").read_text().splitlines()]
            assert [usd for _, _, usd in ledger] == [USD, USD]


def test_an_answer_stays_when_nothing_can_be_logged(tmp_path):
    def full_disk(line: str) -> None:
        raise OSError(28, "No space left on device")

    with ScriptedServer((503, {}, b""), GOOD) as server:
        world = World(tmp_path, server)
        generations.buy(world.caller, world.first, full_disk)
    assert world.journal(world.first).newest_answer()["answer"] == ANSWER


def test_a_try_is_settled_before_the_next_reserves(tmp_path):
    def drop(handler):
        handler.close_connection = True
        handler.connection.close()

    ceiling = 0.0101
    with ScriptedServer(drop) as server:
        world = World(tmp_path, server, budget_usd=2.5 * ceiling)
        with pytest.raises(BudgetExhausted, match="0.02.. spent"):
            world.buy(world.first)
        assert len(server.requests) == 2
    failed = json.loads(world.journal(world.first).path(1, ".failed").read_text())
    assert failed["reason"] == "budget_exhausted"
    assert [one["outcome"] for one in failed["tries"]] == ["connection_lost"] * 2
    assert len(list(world.journal(world.first).maybe_billed(Watch()))) == 2


def test_a_body_that_cannot_be_used_is_kept_with_its_cost_and_bought_again_once(tmp_path):
    usage = {"usage": {"cost": 0.007}, "choices": [], "note": "é \\ sk-123456"}
    with ScriptedServer((200, {}, json.dumps(usage).encode())) as server:
        world = World(tmp_path, server)
        with pytest.raises(CallError):
            world.buy(world.first)
        assert len(server.requests) == 2
        assert world.caller.budget("one")._spent.total(None) == pytest.approx(0.014)
    one, other = world.tries(world.first)
    assert (one["outcome"], one["maybe_billed"], one["cost_usd"]) == ("no_choices", True, 0.007)
    assert json.loads(one["body"]) == {**usage, "note": "é \\ [key]"}
    assert other["body"] == one["body"]
    listed = list(world.journal(world.first).maybe_billed(Watch()))
    assert [(lost.try_number, lost.reason, lost.cost_usd) for lost in listed] == [
        (1, "no_choices", 0.007),
        (2, "no_choices", 0.007),
    ]


@pytest.mark.parametrize(
    ("usage", "recorded", "cost"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 7}, None, pytest.approx(75e-6)),
        ({"prompt_tokens": 5, "completion_tokens": -7}, '"completion_tokens": -7', None),
        ({"prompt_tokens": 5, "completion_tokens": 10**12}, '"completion_tokens": 1000000000000', None),
        ({"prompt_tokens": 5, "completion_tokens": 7, "cost": -1}, '"cost": -1', None),
        ({"prompt_tokens": 5, "completion_tokens": 7, "cost": 10**30}, f'"cost": "{10**30}"', None),
    ],
)
def test_figures_that_cannot_be_right_are_recorded_and_count_at_the_ceiling(tmp_path, usage, recorded, cost):
    with ScriptedServer(completion(ANSWER, usage=usage)) as server:
        world = World(tmp_path, server)
        world.buy(world.first)
    attempt = world.journal(world.first).newest_answer()
    assert attempt["cost_usd"] == cost
    assert recorded is None or recorded in attempt["odd_figures"]
    assert ("odd_figures" in attempt) is (recorded is not None)
    assert world.caller.budget("one")._spent.total(None) == (pytest.approx(0.0101, rel=0.01) if cost is None else cost)


def test_room_in_a_budget_is_free_again_even_if_that_cannot_be_written(tmp_path):
    folder = tmp_path / "budget"
    budget = Budget(folder, 1.0, {}, lambda: iter(()))
    with budget.reserve("wa", 0.6) as reservation:
        reservation.settle("first", 0.5)
        away(folder)
    back(folder)
    # 0.5 is spent and nothing reserved: this would wait for ever, or count 0.6
    with budget.reserve("wa", 0.5):
        pass
    with pytest.raises(BudgetExhausted, match="0.5000 spent, 0.5000 left"), budget.reserve("wa", 0.51):
        pass


def test_half_a_line_in_a_ledger_is_skipped(tmp_path):
    costs = {"first": 0.2}
    reader = Budget(tmp_path, 1.0, {}, lambda: iter([(what, "wa", usd) for what, usd in costs.items()]))
    with reader.reserve("wa", 0.1):
        pass
    costs["second"] = 0.7
    (tmp_path / "ledger.jsonl").write_text('["second", "wa", 0.')
    with pytest.raises(BudgetExhausted, match="0.9000 spent"), reader.reserve("wa", 0.2):
        pass


@pytest.mark.parametrize(
    ("finish_reason", "refusal", "reason"),
    [("content_filter", None, "refused"), ("stop", "I must decline.", "refused"), ("MAX_TOKENS", None, "truncated")],
)
def test_how_an_answer_ended_decides_whether_it_is_parsed(tmp_path, finish_reason, refusal, reason):
    status, headers, body = completion(ANSWER, finish_reason)
    content = json.loads(body)
    content["choices"][0]["message"]["refusal"] = refusal
    with ScriptedServer((status, headers, json.dumps(content).encode())) as server:
        world = World(tmp_path, server)
        assert world.buy(world.first) == ANSWER
    with pytest.raises(ParseFailure) as caught:
        generations.parse(world.settings, world.first)
    assert caught.value.reason == reason
    assert world.journal(world.first).newest_answer()["finish_reason"] == finish_reason
